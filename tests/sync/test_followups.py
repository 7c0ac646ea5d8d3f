"""What became of tasks, read back from the CRM; what is withheld; tasks that nobody needs any more."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import TaskState
from connectors.errors import TransientError
from scoring.card import Scorecard
from scoring.playbooks import Withheld, task_key
from sync import followups
from sync.episodes import episode_of
from sync.plan import derive_key
from sync.run import Agent
from sync.run_report import RunReport
from sync.store import Store
from tests.scoring.player import card_with
from tests.sync.people_desk import CRMS, PeopleDesk

DAY = timedelta(days=1)
CLEARING = card_with("[playbooks.rescue]\nclose_when_clear = true")


@pytest.fixture(params=CRMS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> PeopleDesk:
    return PeopleDesk(tmp_path / "state", request.param)


@contextmanager
def at_work(desk: PeopleDesk, card: Scorecard) -> Iterator[Agent]:
    with desk.agent() as agent:
        agent.card = card
        yield agent


def run(desk: PeopleDesk, card: Scorecard = CLEARING, *, wait: timedelta = timedelta(hours=1)) -> RunReport:
    desk.box.clock.advance(wait)
    with at_work(desk, card) as agent:
        return agent.run(dry_run=False, initial=True, with_tasks=True)


def in_trouble(desk: PeopleDesk, card: Scorecard = CLEARING) -> tuple[str, str]:
    """One account goes red and gets its task: their ids."""
    run(desk, card)
    one = next(iter(desk.scores))
    desk.scores[one] = 20
    run(desk, card)
    (task,) = desk.tasks()
    return one, task


def results(desk: PeopleDesk) -> dict[str, followups.Result]:
    with desk.ledger() as ledger:
        return {one.playbook: one for one in followups.results(ledger.store, desk.box.clock.now())}


def waits(desk: PeopleDesk) -> list[tuple[str, str]]:
    with desk.ledger() as ledger:
        return [(one.crm_id, one.rule) for one in followups.withheld(ledger.store)]


# -- tasks that nobody needs any more -----------------------------------------------------------------------------


@pytest.mark.requirement("R76")
def test_a_task_that_nobody_touched_goes_when_its_account_has_recovered_and_undo_brings_it_back(
    desk: PeopleDesk,
) -> None:
    one, _ = in_trouble(desk)
    desk.scores[one] = 90
    report = run(desk)
    assert report.plan is not None
    assert [removal.why for removal in report.plan.removals] == [
        "What it was made for is over, and nobody had begun with it."
    ]
    assert report.endings["confirmed"] == len(report.plan.changes)
    assert desk.tasks() == {}
    assert results(desk)["rescue"].gone == 1
    cleared = desk.last_run
    desk.scores[one] = 20
    assert run(desk).plan.tasks == ()  # type: ignore[union-attr]  # there is one
    assert waits(desk) == [(one, "cooldown")]
    assert desk.undo(cleared).endings["confirmed"] >= 1
    assert len(desk.tasks()) == 1


@pytest.mark.parametrize("what", ["subject", "owner", "closed"])
def test_a_task_that_somebody_has_touched_stays_and_is_no_conflict(desk: PeopleDesk, what: str) -> None:
    one, task = in_trouble(desk)
    desk.box.clock.advance(timedelta(minutes=5))
    desk.edit_task(task, what)
    desk.scores[one] = 90
    report = run(desk)
    assert report.plan is not None
    assert report.plan.removals == ()
    assert not report.conflicts
    assert set(desk.tasks()) == {task}


def test_a_card_that_does_not_say_so_takes_no_task_away(desk: PeopleDesk) -> None:
    one, task = in_trouble(desk, card_with(""))
    desk.scores[one] = 90
    run(desk, card_with(""))
    assert set(desk.tasks()) == {task}


# -- outcomes -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R134", "R132", "R25")
def test_a_task_that_was_done_in_time_is_seen_within_a_day(desk: PeopleDesk) -> None:
    one, task = in_trouble(desk)
    desk.box.clock.advance(timedelta(hours=5))
    desk.edit_task(task, "closed")
    assert run(desk).plan is not None
    assert results(desk)["rescue"].open == 1  # it is read back once a day
    desk.scores[one] = 80
    run(desk, wait=DAY)
    found = results(desk)["rescue"]
    assert (found.tasks, found.in_time, found.late, found.within_week, found.better) == (1, 1, 0, 1, 1)
    assert found.breaches == 0
    with desk.ledger() as ledger:
        ((account, days),) = followups.done_on(ledger.store).items()
    assert (account, len(days)) == (one, 1)


@pytest.mark.requirement("R23", "R134")
def test_what_is_done_late_and_what_is_overdue_is_a_breach(desk: PeopleDesk) -> None:
    _, task = in_trouble(desk)
    run(desk, wait=3 * DAY)
    found = results(desk)["rescue"]
    assert (found.overdue, found.breaches, found.within_week) == (1, 1, 0)
    desk.box.clock.advance(6 * DAY)
    desk.edit_task(task, "closed")
    run(desk)
    found = results(desk)["rescue"]
    assert (found.late, found.overdue, found.breaches, found.within_week) == (1, 0, 1, 0)


def test_a_task_that_was_deleted_is_seen_to_be_gone(desk: PeopleDesk) -> None:
    one, task = in_trouble(desk)
    desk.delete("task", task)
    run(desk, wait=2 * DAY)
    assert results(desk)["rescue"].gone == 1
    assert waits(desk) == [(one, "cooldown")]


def test_a_date_that_somebody_moved_is_a_snooze(desk: PeopleDesk) -> None:
    _, task = in_trouble(desk)
    desk.box.clock.advance(timedelta(minutes=5))
    desk.edit_task(task, "due")
    run(desk, wait=2 * DAY)
    with desk.ledger() as ledger:
        (work,) = followups.work(ledger.store).values()
    assert work.moved_to is not None
    assert work.moved_to.date() == datetime(2026, 12, 24, tzinfo=UTC).date()
    assert work.touched


def test_an_overdue_task_escalates_once(desk: PeopleDesk) -> None:
    card = card_with("[playbooks.rescue]\nescalate_after_days = 2")
    in_trouble(desk, card)
    for day in range(6):
        run(desk, card, wait=DAY)
        assert len(desk.tasks()) == (1 if day < 3 else 2)
    assert results(desk)["rescue"].tasks == 2


def test_tasks_are_read_back_once_a_day_and_a_crm_that_does_not_answer_is_asked_again(
    desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, task = in_trouble(desk)
    desk.edit_task(task, "closed")
    desk.box.clock.advance(2 * DAY)
    with desk.agent() as agent:
        kind, asked, now = type(agent.crm), list[Any](), desk.box.clock.now()
        read = kind.read_tasks

        def fails(self: Any, ids: Any) -> Any:
            asked.append(ids)
            if len(asked) == 1:
                raise TransientError("no", vendor="x", advice="later")
            return read(self, ids)

        monkeypatch.setattr(kind, "read_tasks", fails)
        for at in (now, now, now + timedelta(hours=23), now + 2 * DAY):
            followups.look(agent.crm, agent.store, at)
    assert asked == [[task], [task]]
    assert results(desk)["rescue"].in_time == 1


# -- what is withheld ---------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
WAIT = Withheld("A1", "offer", "open_complaint", NOW + DAY, "a question is open")


@pytest.mark.requirement("R3", "R76")
def test_what_is_withheld_is_kept_with_rule_and_end_and_ends_when_it_does(store: Store) -> None:
    followups.save_withheld(store, [WAIT], NOW)
    followups.save_withheld(store, [replace(WAIT, until=NOW + 2 * DAY)], NOW + DAY)
    (one,) = followups.withheld(store)
    assert (one.crm_id, one.playbook, one.rule, one.why) == ("A1", "offer", "open_complaint", "a question is open")
    assert (one.since, one.until, one.ended) == (NOW, NOW + 2 * DAY, None)
    assert followups.waiting(store, NOW) == {("A1", "offer")}
    followups.save_withheld(store, [], NOW + 2 * DAY)
    assert followups.withheld(store) == []
    (ended,) = followups.withheld(store, ended=True)
    assert ended.ended == NOW + 2 * DAY
    assert followups.waiting(store, NOW + 2.5 * DAY) == {("A1", "offer")}
    assert followups.waiting(store, NOW + 4 * DAY) == frozenset()
    followups.save_withheld(store, [WAIT], NOW + 5 * DAY)
    assert len(followups.withheld(store)) == 1
    followups.save_withheld(store, [], NOW + 6 * DAY)
    followups.save_withheld(store, [], NOW + 407 * DAY)
    assert followups.withheld(store, ended=True) == []


def test_the_states_of_triggers_are_kept_between_runs(desk: PeopleDesk) -> None:
    run(desk)
    with desk.ledger() as ledger:
        states = ledger.band_states()
    # The given rows say nothing of events, so nothing is known of any trigger.
    assert {state.band for state in states.values()} == {"green"}
    assert not any(set(state.holding) & set(CLEARING.triggers) for state in states.values())
    with desk.ledger() as ledger:
        told = {crm_id: replace(state, holding={"many_tickets": True}) for crm_id, state in states.items()}
        ledger.save_band_states(told)
        assert ledger.band_states() == told


@pytest.mark.requirement("R37", "R46")
def test_what_a_task_weighs_is_not_said_where_a_customer_may_read_it(desk: PeopleDesk) -> None:
    in_trouble(desk)
    (task,) = desk.tasks().values()
    text = str(task["hs_task_body" if desk.crm == "hubspot" else "Description"])
    assert "would profit from a conversation" in text
    assert not re.search(r"\b(risk|value|score)\b", text, re.IGNORECASE)


def test_a_state_that_was_lost_knows_the_task_of_a_trigger_and_of_a_step_again(desk: PeopleDesk) -> None:
    one = next(iter(desk.scores))
    owner, made = "fallback", datetime(2026, 11, 2, 9, tzinfo=UTC)
    card = card_with(f"""
        [triggers.quick]
        when = "score < 50"
        who = "{owner}"
        timeline = "24h"
        reason = "x"
        subject = "x"
        message = "x"
        [[playbooks.rescue.steps]]
        name = "manager"
        after_days = 3
        due_days = 4
        subject = "x"
        body = "x"
        """)
    for name, due in (("quick", made + DAY), ("rescue/manager", made + 7 * DAY), ("rescue", made + 2 * DAY)):
        key = derive_key("env", "task", task_key(one, name, made))
        task = TaskState("1", key, one, "x", "x", None, False, due, None, None, False)
        assert episode_of(task, card, "env") == (name, made)
        assert episode_of(replace(task, key="0" * 32), card, "env") is None
