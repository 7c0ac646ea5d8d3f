"""Lives of agents with everything that may happen to them; a few in every run of the tests, many on demand.

HOLDFAST_FUZZ_EXAMPLES=500 python -m pytest tests/life -q -s     500 lives of 50 steps, drawn anew each time
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.life.machine import Agent

EXAMPLES = int(os.environ.get("HOLDFAST_FUZZ_EXAMPLES", "0"))
STEPS = int(os.environ.get("HOLDFAST_FUZZ_STEPS", "50"))

CHECKS = list(HealthCheck)
SHORT = settings(
    max_examples=14,
    stateful_step_count=16,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=CHECKS,
    phases=(Phase.generate, Phase.shrink),
)
LONG = settings(
    max_examples=EXAMPLES or 1,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=CHECKS,
    phases=(Phase.generate, Phase.shrink),
)


def test_whatever_happens_nothing_is_lost_doubled_or_overwritten() -> None:
    run_state_machine_as_test(Agent, settings=SHORT)


@pytest.mark.skipif(not EXAMPLES, reason="HOLDFAST_FUZZ_EXAMPLES says how many")
def test_many_lives() -> None:
    run_state_machine_as_test(Agent, settings=LONG)
