"""What one run must leave for the next: the first fill, a hold that stands, writes that arrive late."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import FieldDiff, Outcome
from scoring.playbooks import BandState
from sync import baseline
from sync.doubt import DoubtError
from sync.guard import Limits, standing
from sync.ledger import Ledger
from sync.plan import FieldChange, Plan, RecordChange
from sync.policy import Policy
from sync.run_report import RunReport
from sync.store import EnvironmentMismatchError, Store
from tests.sync.people_desk import CRMS, NOW, PeopleDesk

DAY = timedelta(days=1)


# -- the first fill -------------------------------------------------------------------------------------------------


def test_a_first_fill_that_is_over_does_not_begin_again(store: Store) -> None:
    """Applying an old plan of it once more must not make episodes start anew that have begun since."""
    ledger = Ledger(store)
    baseline.start(store, ledger, "fields")
    baseline.finish(store)
    ledger.save_band_states({"1": BandState("red", NOW, {"rescue": NOW})})
    baseline.start(store, ledger, "fields")
    assert not baseline.stand(store).open
    assert ledger.band_states()["1"].episodes == {"rescue": NOW}


def _guarded(folder: Path, crm: str = "hubspot") -> PeopleDesk:
    return PeopleDesk(folder, crm, Policy(contacts=False, budget_share=0.9, guard=Limits(band_changes=2)))


def _sync(desk: PeopleDesk, *, initial: bool = False) -> RunReport:
    desk.box.clock.advance(timedelta(hours=1))
    with desk.agent() as agent:
        return agent.run(dry_run=False, initial=initial)


def test_a_crm_without_customers_is_not_filled_yet(tmp_path: Path) -> None:
    desk = _guarded(tmp_path / "state")
    scores, desk.scores = desk.scores, {}
    assert not _sync(desk).held
    desk.scores = scores
    report = _sync(desk)
    assert [verdict.check for verdict in report.held] == ["baseline"]
    assert not report.applied


def test_a_first_fill_without_any_calls_left_needs_no_second_word(tmp_path: Path) -> None:
    desk = _guarded(tmp_path / "state")
    whole = desk.policy
    desk.policy = replace(whole, budget_share=0.0)
    report = _sync(desk, initial=True)
    assert len(report.deferred) == len(desk.scores)
    desk.policy = whole
    report = _sync(desk)
    assert not report.held
    assert report.endings["confirmed"] == len(desk.scores)


# -- a hold that stands ---------------------------------------------------------------------------------------------


def test_neither_an_undo_nor_an_older_plan_ends_a_hold(tmp_path: Path) -> None:
    desk = _guarded(tmp_path / "state")
    _sync(desk, initial=True)
    one = next(iter(desk.scores))
    desk.scores[one] = 89
    written = desk.last_run + 1
    assert _sync(desk).endings["confirmed"] == 1
    desk.scores[one] = 88
    with desk.agent() as agent:
        older = agent.run(dry_run=True).plan
    assert older is not None
    desk.scores = dict.fromkeys(desk.scores, 20)
    assert _sync(desk).held
    with desk.ledger() as ledger:
        before = standing(ledger.store)
    assert before is not None
    desk.undo(written)
    with desk.agent() as agent:
        agent.apply_saved(older)
        assert standing(agent.store) == before


def test_an_episode_that_begins_in_a_dry_or_held_run_makes_its_task_once(tmp_path: Path) -> None:
    desk = _guarded(tmp_path / "state")
    _sync(desk, initial=True)
    desk.scores = dict.fromkeys(desk.scores, 20)
    with desk.agent() as agent:
        first = agent.run(dry_run=True).plan
    held = [_sync(desk) for _ in range(3)]
    assert first is not None
    keys = {task.key for task in first.tasks}
    assert len(keys) == len(desk.scores)
    for report in held:
        assert report.held
        assert report.plan is not None
        assert {task.key for task in report.plan.tasks} == keys
    assert desk.tasks() == {}
    for _ in range(2):
        with desk.agent() as agent:
            assert held[-1].plan is not None
            agent.apply_saved(held[-1].plan, "Dana")
    assert len(desk.tasks()) == len(keys)
    report = _sync(desk)
    assert not report.held
    assert report.plan is not None
    assert report.plan.empty
    assert len(desk.tasks()) == len(keys)


# -- people who were there before us ----------------------------------------------------------------------------------


@pytest.mark.parametrize("crm", CRMS)
def test_a_value_typed_into_a_new_customer_before_we_came_is_kept(tmp_path: Path, crm: str) -> None:
    desk = PeopleDesk(tmp_path / "state", crm)
    one, score = desk.scores.popitem()
    desk.run()
    desk.edit(one, "health_score", 60)
    desk.box.clock.advance(DAY)
    desk.scores[one] = score
    report = desk.run()
    assert report.plan is not None
    assert [(edit.record_id, edit.theirs) for edit in report.plan.kept] == [(one, 60)]
    assert desk.says(one, "health_score") == "60"
    assert desk.says(one, "health_band")


def test_a_state_that_wrote_to_one_crm_is_refused_to_another(tmp_path: Path) -> None:
    desk = PeopleDesk(tmp_path / "state", "hubspot")
    desk.run()
    with pytest.raises(EnvironmentMismatchError, match=r"belongs to hubspot.* the config names salesforce as the CRM"):
        PeopleDesk(tmp_path / "state", "salesforce").run()


@pytest.mark.parametrize("crm", CRMS)
def test_a_copy_of_a_record_is_filled_whatever_it_says(tmp_path: Path, crm: str) -> None:
    desk = PeopleDesk(tmp_path / "state", crm)
    one, _ = desk.scores.popitem()
    desk.run()
    desk.edit(one, "health_score", 60)
    desk.edit(one, "agent", "0123abcd")
    desk.box.clock.advance(DAY)
    desk.scores[one] = 30
    desk.run()
    assert desk.says(one, "health_score") == "30"


# -- writes that arrive late ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("crm", CRMS)
def test_a_write_that_arrived_late_stays_ours(tmp_path: Path, crm: str) -> None:
    desk = PeopleDesk(tmp_path / "state", crm)
    desk.run()
    one, field = next(iter(desk.scores)), desk.name("health_score")
    with desk.agent() as agent:
        _give_up(agent.ledger, one, field, agent.store.environment(crm) or "")
    desk.edit(one, "health_score", 60)  # it arrives after all, when nobody looks for it any more
    desk.scores[one] = 60
    desk.run()
    desk.box.clock.advance(2 * DAY)
    desk.scores[one] = 45
    report = desk.run()
    assert report.plan is not None
    assert field not in {edit.field for edit in report.plan.kept}
    assert desk.says(one, "health_score") == "45"


def _give_up(ledger: Ledger, record_id: str, field: str, environment: str) -> None:
    """An update that left, was lost, and of which the CRM showed no trace for long enough."""
    now = NOW + timedelta(hours=1)
    run_id = ledger.start_run("apply", now)
    record = RecordChange("account", record_id, "", (FieldChange(field, 90, 60),), "")
    ledger.note_plan(run_id, Plan(now, environment, "hash", (record,)), now)
    change = record.as_change(environment)
    batch = ledger.send_batch(run_id, [change], [], now)
    ledger.settle_batch(batch, [change], [Outcome(change.key, "in_doubt")], now)
    ledger.resolve(ledger.open_ops(), [Outcome(change.key, "retry")], now + timedelta(minutes=20))
    ledger.end_run(run_id, "partial", {}, now)


# -- a CRM that hides our fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize("crm", CRMS)
def test_that_none_of_the_fields_written_before_is_there_is_not_believed(
    tmp_path: Path, crm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = PeopleDesk(tmp_path / "state", crm, Policy(contacts=False, budget_share=0.9))
    assert _sync(desk, initial=True).halted is None
    with desk.agent() as agent:
        agent.require_fields(tasks=False)
        monkeypatch.setattr(agent.crm, "setup", lambda specs, **_: [FieldDiff(spec, "create") for spec in specs])
        ours = sum(field.spec.object == "account" for field in agent.fields)
        with pytest.raises(DoubtError, match=f"none of the {ours} fields that were written before"):
            agent.require_fields(tasks=False)


def test_nothing_is_planned_while_usage_files_are_missing(tmp_path: Path) -> None:
    desk = PeopleDesk(tmp_path / "state", "hubspot")
    _sync(desk)
    with desk.agent() as agent, agent.store.transaction() as conn:
        conn.execute(
            "INSERT INTO usage_file (stream, day, generation, path, rows, events, anonymous, written) "
            "SELECT min(id), 20000, 1, 'usage/hubspot/day.parquet', 1, 1, 0, 0 FROM stream"
        )
    desk.scores = dict.fromkeys(desk.scores, 20)
    report = _sync(desk)
    assert "1 usage file is missing (day.parquet)" in report.blocked
    assert report.plan is None
