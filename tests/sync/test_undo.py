"""Undo, in both simulated CRMs: what nobody touched is as before, everything else is named, whatever goes down."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import Change
from sync.guard import Limits
from sync.plan import Plan
from sync.run_report import RunReport
from sync.undo import UNDER_WAY, UndoError
from sync.writing import Writer
from tests.sync.people_desk import CRMS, Crash, PeopleDesk

FIELDS = ("health_score", "health", "health_band", "health_reason")


@pytest.fixture(params=CRMS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> PeopleDesk:
    """Filled by run 1; run 2 has turned one account red, with a task, and moved another."""
    made = PeopleDesk(tmp_path / "state", request.param)
    made.run()
    return made


@pytest.fixture
def turned(desk: PeopleDesk) -> tuple[PeopleDesk, str, str]:
    """(desk, the red account, the moved one) after run 2."""
    first, second, *_ = desk.scores
    desk.before = desk.everything()
    desk.scores[first], desk.scores[second] = 20, 70
    report = desk.run()
    assert set(report.endings) == {"confirmed"}
    assert len(desk.tasks()) == 1
    return desk, first, second


def skipped(report: RunReport) -> dict[str, str]:
    """What stays as it is, and why."""
    assert report.plan is not None
    return {one.what: one.why for one in report.plan.skipped}


def states(desk: PeopleDesk, run_id: int) -> dict[str, int]:
    with desk.ledger() as ledger:
        return ledger.counts(run_id)


def test_an_undo_puts_everything_back_once(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, _ = turned
    seen = desk.undo(2, dry_run=True)
    assert seen.plan is not None
    assert (seen.plan.kind, len(seen.plan.records), len(seen.plan.removals)) == ("undo", 2, 1)
    assert len(desk.tasks()) == 1
    assert states(desk, 2) == {"confirmed": 3}
    report = desk.undo(2)
    assert (dict(report.endings), skipped(report)) == ({"confirmed": 3}, {})
    assert desk.everything() == desk.before
    assert desk.tasks() == {}
    assert states(desk, 2) == {"rolled_back": 3}
    again = desk.undo(2)
    assert again.plan is not None
    assert again.plan.empty
    assert "3 of its changes were taken back before." in again.plan.notes


def test_what_was_undone_is_not_written_again_by_the_next_runs(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, first, second = turned
    desk.undo(2)
    for _ in range(3):
        report = desk.run()
        assert report.plan is not None
        assert report.plan.empty, "the undone values came back"
        assert {edit.why for edit in report.plan.kept} == {"undone"}
    assert desk.everything() == desk.before
    desk.scores[second] = 60
    report = desk.run()
    assert desk.says(second, "health_score") == "60"
    assert desk.says(first, "health_score") == "90"
    assert desk.tasks() == {}, "a task undone stays undone in its episode"


def test_a_new_episode_makes_a_new_task(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, first, _ = turned
    desk.undo(2)
    desk.scores[first] = 95
    desk.run(wait=timedelta(days=60))
    desk.scores[first] = 10
    desk.run(wait=timedelta(days=60))
    assert len(desk.tasks()) == 1


def test_a_field_that_somebody_changed_stays_and_the_others_go_back(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, first, _ = turned
    desk.edit(first, "health_band", "yellow")
    report = desk.undo(2)
    assert skipped(report) == {
        desk.name("health_band"): "somebody wrote yellow over our red; before the run it said green."
    }
    assert (desk.says(first, "health_band"), desk.says(first, "health_score")) == ("yellow", "90")
    assert states(desk, 2) == {"rolled_back": 3}


def test_a_field_changed_while_the_undo_was_under_way_stays_and_the_next_undo_takes_the_others(
    turned: tuple[PeopleDesk, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, first, _ = turned
    require = Writer._require

    def edited_then(self: Writer, plan: Plan) -> None:
        desk.edit(first, "health_band", "yellow")
        require(self, plan)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_require", edited_then)
        report = desk.undo(2)
    assert dict(report.endings) == {"confirmed": 2, "conflict": 1}
    assert desk.says(first, "health_score") == "20"
    report = desk.undo(2)
    assert set(skipped(report)) == {desk.name("health_band")}
    assert (desk.says(first, "health_band"), desk.says(first, "health_score")) == ("yellow", "90")
    assert states(desk, 2) == {"rolled_back": 3}


def test_what_a_later_run_wrote_stays(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, first, _ = turned
    desk.scores[first] = 21
    desk.run()
    report = desk.undo(2)
    assert skipped(report)[desk.name("health_score")] == (
        "a later run wrote 21 over our 20; before the run it said 90."
    )
    assert (desk.says(first, "health_score"), desk.says(first, "health_band")) == ("21", "green")


def test_a_record_of_which_nothing_can_go_back_is_left_whole(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, second = turned
    for name, value in (("health_score", 1), ("health", 1), ("health_reason", "Theirs")):
        desk.edit(second, name, value)
    at = desk.says(second, "scored_at")
    report = desk.undo(2)
    assert set(skipped(report)) == {desk.name(name) for name in ("health_score", "health", "health_reason")}
    assert desk.says(second, "scored_at") == at
    assert states(desk, 2) == {"rolled_back": 2, "undo_skipped": 1}
    named = desk.undo(2)
    assert named.plan is not None
    assert len(named.plan.skipped) == 1, "it is named again"


def test_a_record_that_is_gone_is_named(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, second = turned
    desk.delete("account", second)
    report = desk.undo(2)
    assert any("not in the CRM any more" in why for why in skipped(report).values())
    assert states(desk, 2) == {"rolled_back": 2, "undo_skipped": 1}


@pytest.mark.parametrize("what", ["subject", "due", "owner", "closed", "comment"])
def test_a_task_that_somebody_has_touched_stays(turned: tuple[PeopleDesk, str, str], what: str) -> None:
    desk, first, _ = turned
    (task,) = desk.tasks()
    desk.box.clock.advance(timedelta(minutes=30))
    desk.edit_task(task, what)
    report = desk.undo(2)
    (why,) = skipped(report).values()
    assert why.startswith("Somebody has")
    assert list(desk.tasks()) == [task]
    assert desk.says(first, "health_score") == "90"
    assert states(desk, 2) == {"rolled_back": 2, "undo_skipped": 1}


def test_a_task_that_somebody_deleted_is_named(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, _ = turned
    (task,) = desk.tasks()
    desk.delete("task", task)
    report = desk.undo(2)
    assert list(skipped(report).values()) == ["It is not in the CRM any more: somebody deleted it."]
    assert states(desk, 2) == {"rolled_back": 2, "undo_skipped": 1}


def test_an_undo_can_be_undone_and_that_again(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, _ = turned
    wrote = desk.everything()
    (task,) = desk.tasks()
    desk.undo(2)
    report = desk.undo(desk.last_run)
    assert dict(report.endings) == {"confirmed": 3}
    assert desk.everything() == wrote
    (again,) = desk.tasks()
    assert again != task
    redo = desk.last_run
    quiet = desk.run()
    assert quiet.plan is not None
    assert quiet.plan.empty
    assert quiet.plan.kept == ()
    desk.undo(redo)
    assert desk.everything() == desk.before
    assert desk.tasks() == {}
    quiet = desk.run()
    assert quiet.plan is not None
    assert quiet.plan.empty


def test_a_task_that_somebody_brought_back_is_not_made_twice(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, _ = turned
    (task,) = desk.tasks()
    desk.undo(2)
    if desk.crm == "hubspot":
        desk.do("restore", object="tasks", id=task)
    else:
        desk.do("undelete", id=task)
    report = desk.undo(desk.last_run)
    assert "It is there again: somebody brought it back." in skipped(report).values()
    assert list(desk.tasks()) == [task]


def test_the_first_fill_can_be_undone(desk: PeopleDesk) -> None:
    report = desk.undo(1)
    assert set(report.endings) == {"confirmed"}
    assert {value for row in desk.everything().values() for value in row.values()} == {""}
    quiet = desk.run()
    assert quiet.plan is not None
    assert quiet.plan.empty


@pytest.mark.parametrize("run_id", [1, 2])
def test_an_undo_that_an_old_copy_does_not_know_counts_when_it_is_asked_for_again(
    turned: tuple[PeopleDesk, str, str], tmp_path: Path, run_id: int
) -> None:
    desk, first, second = turned
    if run_id == 1:  # the first fill: what is undone is empty, which would be filled again
        desk.undo(2)
        desk.scores[first] = desk.scores[second] = 90
    shutil.copytree(desk.folder, tmp_path / "copy")
    desk.undo(run_id)
    undone = desk.everything()
    shutil.rmtree(desk.folder)
    shutil.copytree(tmp_path / "copy", desk.folder)
    report = desk.undo(run_id)
    number = len(desk.scores) if run_id == 1 else 2
    assert report.plan is not None
    assert f"{number} of its changes say again what they said before: they count as taken back." in report.plan.notes
    assert report.endings["already"] == number
    assert states(desk, run_id)["rolled_back"] == number
    quiet = desk.run()
    assert quiet.plan is not None
    assert quiet.plan.empty
    assert desk.everything() == undone
    desk.scores[first] = desk.scores[second] = 60
    desk.run()
    assert desk.says(first, "health_score") == desk.says(second, "health_score") == "60"


def test_a_run_that_wrote_nothing_and_one_that_never_was(desk: PeopleDesk) -> None:
    quiet = desk.run()
    assert quiet.plan is not None
    assert quiet.plan.empty
    report = desk.undo(desk.last_run)
    assert report.plan is not None
    assert report.plan.empty
    assert report.plan.skipped == ()
    runs = desk.last_run
    with pytest.raises(UndoError, match=r"no run 77; `holdfast history`"):
        desk.undo(77)
    assert desk.last_run == runs, "a typing error is no run"


def test_what_is_kept_no_more_is_said(turned: tuple[PeopleDesk, str, str]) -> None:
    desk, _, _ = turned
    desk.box.clock.advance(timedelta(days=100))
    desk.run()  # which prunes, once a day
    report = desk.undo(2)
    assert report.plan is not None
    assert any("1 of its changes are so old" in note for note in report.plan.notes), "the newest event stays"


def test_the_guard_sees_the_bands_that_an_undo_would_change(desk: PeopleDesk) -> None:
    """Six accounts turned red with nobody's objection; putting them back changes as many."""
    desk.scores = dict.fromkeys(desk.scores, 20)
    desk.run()
    red = desk.everything()
    desk.policy = replace(desk.policy, guard=Limits(band_changes=2))
    report = desk.undo(2)
    texts = [verdict.text for verdict in report.held]
    assert any(text.startswith("6 of 6 accounts change their band") for text in texts), texts
    assert desk.everything() == red
    assert states(desk, 2) == {"confirmed": 12}
    desk.policy = replace(
        desk.policy, guard=Limits(band_changes=6, moved_share=1.0, mean_points=100.0, field_share=1.0)
    )
    assert not desk.undo(2, dry_run=True).held


# -- whatever goes down -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [1, 20])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("target", [2, 3])
def test_a_crash_anywhere_in_an_undo_leaves_nothing_half_done(
    turned: tuple[PeopleDesk, str, str], *, after: bool, target: int, wait: int
) -> None:
    """Dies at each request of an undo (or of the undo of an undo) in turn, which is then asked for again.

    Args:
        turned: Two changed accounts and a task.
        after: Whether the CRM has answered the request.
        target: The run taken back.
        wait: Minutes until it is asked for again: within or beyond the time for which an unclear request may arrive.
    """
    desk, _, _ = turned
    wrote = desk.everything()
    if target == 3:
        desk.undo(2)
    goal = desk.before if target == 2 else wrote
    for number in range(1, 60):
        desk.line.crash_at(number, after=after)
        if not desk.crashing(lambda: desk.undo(target)):
            break
        desk.box.clock.advance(timedelta(minutes=wait))
    desk.box.clock.advance(timedelta(minutes=20))
    desk.undo(target)
    report = desk.undo(target)
    assert report.plan is not None
    assert report.plan.empty
    assert report.plan.skipped == ()
    assert desk.everything() == goal
    assert len(desk.tasks()) == (0 if target == 2 else 1)
    assert set(states(desk, target)) == {"rolled_back"}
    with desk.ledger() as ledger:
        assert ledger.verify() == []
        assert ledger.open_ops() == []
    quiet = desk.run()
    assert quiet.plan is not None
    assert quiet.plan.empty


def test_what_an_earlier_undo_left_unclear_is_named_until_it_is_known(turned: tuple[PeopleDesk, str, str]) -> None:
    """The machine dies as the removal of the task leaves: within the hold-off nobody knows whether it arrives late."""
    desk, _, _ = turned
    send = type(desk.connect()).send

    def dying(crm: object, changes: list[Change]) -> object:
        if changes[0].object == "task":
            raise Crash
        return send(crm, changes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(desk.connect()), "send", dying)
        assert desk.crashing(lambda: desk.undo(2))
    report = desk.undo(2)
    assert list(skipped(report).values()) == [UNDER_WAY]
    assert states(desk, 2) == {"confirmed": 1, "rolled_back": 2}
    desk.box.clock.advance(timedelta(minutes=20))
    desk.undo(2)
    assert states(desk, 2) == {"rolled_back": 3}
    assert desk.tasks() == {}


def test_what_nobody_knows_of_the_run_itself_waits(desk: PeopleDesk) -> None:
    """The machine dies as an update leaves; the undo of that run names the record until it is known."""
    first = next(iter(desk.scores))
    desk.scores[first] = 20
    send = type(desk.connect()).send

    def dying(crm: object, changes: list[Change]) -> object:
        if changes[0].object == "account":
            raise Crash
        return send(crm, changes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(desk.connect()), "send", dying)
        assert desk.crashing(desk.run)
    broken = desk.last_run
    report = desk.undo(broken)
    assert list(skipped(report).values()) == ["Nobody knows yet whether the CRM took it; try again later."]
    assert states(desk, broken) == {"in_doubt": 1, "rolled_back": 1}
