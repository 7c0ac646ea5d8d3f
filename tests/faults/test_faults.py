"""Disturbances at requests of the usual run, for each CRM: nothing lost, nothing doubled, nothing left unfinished.

`make faults` goes through every disturbance at every request of every kind of work.
"""

import itertools
import re

import pytest

from tests.faults.edits import measure
from tests.faults.kinds import DISTURBANCES
from tests.faults.line import LOOK, UPDATE
from tests.faults.start import KINDS, SCENARIOS, Start
from tests.faults.tally import Tally, of_start, pairs

SOME = tuple(DISTURBANCES)


@pytest.mark.parametrize(("kind", "turn"), [("hubspot-marker", 0), ("salesforce-marker", 1)])
def test_one_request_of_a_run_goes_wrong(kind: str, turn: int) -> None:
    some = SOME[turn::3]
    tally = of_start("run", kind, some, short=True)
    assert not tally.wrong, tally.wrong[:3]
    assert tally.line() == f"cases {tally.cases} lost 0 doubled 0 unfinished 0"
    assert tally.cases == 2 * len(some)


@pytest.mark.parametrize(
    ("kind", "scenario", "names"),
    [
        ("hubspot-unique_key", "recover", ("unavailable_after", "too_few")),
        ("salesforce-receipt", "recover", ("late", "crash_after")),
        ("salesforce-unique_key", "first", ("no_answer_after",)),
        ("salesforce-bulk", "run", ("reset_after", "job_fails")),
        ("hubspot-marker", "undo", ("unavailable_after", "edited")),
        ("salesforce-marker", "plan", ("error_after", "quota")),
    ],
)
def test_one_request_of_other_work_goes_wrong(kind: str, scenario: str, names: tuple[str, ...]) -> None:
    tally = of_start(scenario, kind, names, short=True)
    assert not tally.wrong, tally.wrong[:3]
    assert tally.cases == 2 * len(names)


@pytest.mark.parametrize("kind", ["hubspot-marker", "salesforce-marker"])
def test_an_edit_is_lost_only_between_the_second_look_and_the_write(kind: str) -> None:
    measured = measure(KINDS[kind], 48, "test")
    assert measured.edits == 48
    assert measured.unseen == 0, measured.line()
    assert max(measured.requests) == 1, "a request came between the look and the write"
    assert measured.named > 0
    assert measured.line().startswith("edits 48 overwritten unseen 0")


def test_an_undisturbed_run_writes_each_record_right_after_looking_at_it() -> None:
    with Start(SCENARIOS["run"], KINDS["salesforce-marker"]) as start:
        requests = start.requests()
        assert requests == start.requests(), "a start is the same each time"
    writes = [place for place, name in enumerate(requests) if UPDATE.search(name)]
    assert writes
    assert all(LOOK.search(requests[place - 1]) for place in writes)


def test_a_case_that_is_wrong_is_told_with_the_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        # An agent that takes an unclear answer for done nothing makes its tasks twice.
        patch.setattr("sync.recover.Recovery.run", _forgetful)
        tally = of_start("run", "hubspot-marker", ("unavailable_after",), short=True)
    assert tally.wrong
    command, lines = tally.wrong[0]
    assert re.fullmatch(
        r"python -m tests.faults --scenario run --kind hubspot-marker --disturbance unavailable_after --number \d+",
        command,
    )
    assert lines
    assert len(list(tally.shown())) <= len(tally.wrong)
    both = Tally()
    both.include(tally)
    assert both.line() == tally.line() != "cases 0 lost 0 doubled 0 unfinished 0"


def _forgetful(self: object) -> object:
    """Recovery that settles nothing."""
    return {}


def test_the_short_form_takes_a_write_and_another_request_of_each_disturbance() -> None:
    requests = ("GET a", "POST composite/sobjects/Account", "PATCH composite/sobjects", "POST composite/sobjects")
    assert list(pairs(requests, ("x", "y", "z"), short=True)) == [
        ("x", 3), ("x", 1), ("y", 4), ("y", 2), ("z", 3), ("z", 1),
    ]  # fmt: skip
    assert len(list(pairs(requests, ("x", "y"), short=False))) == len(list(itertools.product(requests, "xy")))
