"""`holdfast run`: an hour after the other, by a clock that takes no time."""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import pytest

from cli.clock import StoppableClock, StoppedError, stoppable
from cli.schedule import JITTER, Schedule
from connectors.base import SystemClock
from sandbox.core import SandboxClock
from sandbox.faults import Fault
from tests.cli.conftest import Site

HOUR = 3600.0


class Diary:
    """Notes when each run starts; the n-th takes as long as it is told."""

    def __init__(self, *takes: float, jitter: float = 0.0) -> None:
        self.clock = SandboxClock(datetime(2026, 11, 1, tzinfo=UTC))
        self.takes = takes
        self.starts: list[float] = []
        self.said: list[str] = []
        self.jitter = jitter

    def work(self) -> int:
        self.starts.append(self.clock.monotonic())
        if len(self.starts) <= len(self.takes):
            self.clock.sleep(self.takes[len(self.starts) - 1])
        return len(self.starts)

    def keep(self, times: int, stopped: Callable[[], bool] = lambda: False) -> int:
        schedule = Schedule(HOUR, self.clock, stopped, jitter=lambda: self.jitter, say=self.said.append)
        return schedule.keep(self.work, times)


def test_runs_start_a_period_apart_however_long_they_take() -> None:
    diary = Diary(600, 1200, 0)
    assert diary.keep(4) == 4
    assert diary.starts == [0, HOUR, 2 * HOUR, 3 * HOUR]
    assert diary.said == []


def test_jitter_moves_a_run_and_does_not_add_up() -> None:
    diary = Diary(jitter=1.0)
    diary.keep(4)
    late = JITTER * HOUR
    assert diary.starts == pytest.approx([0, HOUR + late, 2 * HOUR + late, 3 * HOUR + late])


def test_runs_that_a_long_one_overtook_are_skipped_not_queued() -> None:
    diary = Diary(2.5 * HOUR)
    diary.keep(3)
    assert diary.starts == [0, 3 * HOUR, 4 * HOUR]
    assert diary.said == ["The run took longer than the time between two: 2 runs skipped."]


def test_told_to_stop_during_a_run_nothing_follows() -> None:
    diary = Diary()
    assert diary.keep(5, stopped=lambda: len(diary.starts) == 2) == 0
    assert len(diary.starts) == 2


def test_told_to_stop_while_waiting_the_wait_ends_at_once() -> None:
    stop = Event()
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        Thread(target=stop.set).start()
        return 1

    assert Schedule(HOUR, StoppableClock(stop), lambda: False).keep(work) == 0
    assert runs == [1]


def test_the_machines_clock_can_be_stopped_and_no_other_is_replaced() -> None:
    stop = Event()
    clock = stoppable(SystemClock(), stop)
    assert abs((clock.now() - SystemClock().now()).total_seconds()) < 5
    assert clock.monotonic() <= clock.monotonic()
    clock.sleep(0)
    stop.set()
    with pytest.raises(StoppedError):
        clock.sleep(100)
    steered = SandboxClock(datetime(2026, 11, 1, tzinfo=UTC))
    assert stoppable(steered, stop) is steered


def runs(site: Site) -> list[str]:
    found: list[dict[str, Any]] = site.run("status", "--json").data["runs"]
    return [run["status"] for run in reversed(found)]


def unattended(site: Site) -> None:
    """Let the first fill be written, though nobody is there to start it."""
    site.add("[guard]\nenabled = false\n")


def test_an_hour_and_another(site: Site) -> None:
    unattended(site)
    said = site.run("run", "--every", "1s", "--times", "2", "--json")
    assert said.code == 0, said.text
    assert len(said.out.splitlines()) == 2
    assert said.data["plan"]["fields"] == 0
    assert runs(site)[-2:] == ["done", "done"]


def test_an_hour_that_fails_is_said_and_the_next_goes_on(site: Site) -> None:
    unattended(site)
    site.sandbox.faults.add(Fault("status", "hubspot", path="properties", status=403))
    said = site.run("run", "--every", "1h", "--times", "2", "--json")
    assert said.code == 0, said.text
    assert "error: hubspot" in said.err
    assert runs(site)[-2:] == ["partial", "done"]
    assert said.data["applied"]["fields"] > 0


def test_an_hour_with_broken_settings_is_said_and_the_next_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    unattended(site)
    good = site.config.read_text()
    work = Schedule.keep

    def keep(self: Schedule, once: Callable[[], int], times: int | None = None) -> int:
        def edited() -> int:
            site.config.write_text("[crm" if len(codes) == 0 else good)
            codes.append(once())
            return codes[-1]

        return work(self, edited, times)

    codes: list[int] = []
    monkeypatch.setattr(Schedule, "keep", keep)
    said = site.run("run", "--times", "2", "--json")
    assert codes == [2, 0]
    assert "is not valid TOML" in said.err
    assert '"exit_code": 2' in said.out.splitlines()[0]


def test_under_a_policy_of_approval_each_hour_leaves_a_plan(site: Site) -> None:
    site.add('[writeback]\npolicy = "approve"\n')
    before = site.writes()
    said = site.run("run", "--times", "1")
    assert said.code == 0, said.text
    assert site.writes() == before
    assert "holdfast approve" in said.out
    (plan,) = (site.state / "plans").glob("*.plan")
    assert site.run("apply", str(plan)).code == 5
    assert site.run("approve", str(plan), "--by", "Dana").code == 0
    assert site.run("apply", str(plan), "--json").data["applied"]["fields"] > 0


def test_a_deadline_ends_one_run_not_the_schedule(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    def at_once(seconds: float, stop: Event) -> Any:
        assert seconds == 3000
        if len(seen) == 0:
            stop.set()
        seen.append(stop)
        return nullcontext()

    unattended(site)
    seen: list[Event] = []
    monkeypatch.setattr("cli.schedule.stop_after", at_once)
    said = site.run("run", "--times", "2")
    assert said.code == 0, said.text
    assert "stopped at a batch boundary" in said.err
    assert runs(site)[-2:] == ["stopped", "done"]


@pytest.mark.parametrize("every", ["soon", "0h", "5"])
def test_a_period_that_is_none(site: Site, every: str) -> None:
    said = site.run("run", "--every", every)
    assert said.code == 2
    assert "is not a duration" in said.err
