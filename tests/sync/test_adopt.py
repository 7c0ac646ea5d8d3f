"""A state that was lost, or put back from an old copy: the agent goes on, and nothing is made twice."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Change, Outcome, TaskState
from connectors.errors import TransientError
from sync.adopt import Adopter
from sync.ledger import Ledger
from sync.owned import AGENT
from sync.run_report import RunReport
from tests.crash import scenarios as crash
from tests.crash.desk import Desk
from tests.crash.life import in_process
from tests.crash.scenarios import empty_crm, go, wishes
from tests.sync.people_desk import Crash

KINDS = [kind for kind in crash.KINDS.values() if kind.name != "hubspot-unique_key"]
FORTNIGHT = timedelta(days=15)
"""Longer than a cool-down: who is red again gets another task."""


ONE = pytest.mark.parametrize("desk", KINDS[:1], ids=lambda kind: kind.name, indirect=True)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "state", request.param)
    with in_process(made.crm):
        empty_crm(made)
        yield made


def hour(desk: Desk, turn: int) -> RunReport:
    """Everything changes, and the agent runs; nothing may be missing or doubled afterwards."""
    if turn:
        desk.rows = wishes(desk, turn)
        desk.due_tasks = desk.due_tasks + desk.red()
    return run(desk)


def run(desk: Desk) -> RunReport:
    with desk.agent() as agent:
        report = go(agent)
        assert not report.blocked, report.blocked
        assert not report.halted, report.halted
        assert agent.ledger.verify() == []
    assert list(desk.lost()) == []
    assert list(desk.missing_tasks()) == []
    assert list(desk.doubled()) == []
    desk.crm.pass_time(FORTNIGHT)
    return report


@ONE
def test_what_was_emptied_since_an_old_copy_is_known_to_be_empty(desk: Desk, tmp_path: Path) -> None:
    hour(desk, 0)
    shutil.copytree(desk.folder, tmp_path / "copy")
    desk.rows = [row._replace(segments=()) for row in desk.rows]
    run(desk)
    lose(desk)
    shutil.copytree(tmp_path / "copy", desk.folder)
    report = run(desk)
    assert report.adopted is not None
    with desk.agent() as agent:
        written = agent.ledger.written()
        names = {owned.spec.name for owned in agent.fields if owned.logical.endswith(".segments")}
    told = {name: values[name] for values in written.values() for name in names & set(values)}
    assert set(told) == names, "there were segments in the copy"
    assert set(told.values()) == {None}


def lose(desk: Desk) -> None:
    shutil.rmtree(desk.folder)


def test_a_lost_state_is_made_good_from_the_crm(desk: Desk) -> None:
    assert hour(desk, 0).adopted is None
    assert hour(desk, 1).adopted is None
    with desk.agent() as agent:
        states = agent.ledger.band_states()
        tasks = agent.ledger.known_tasks()
    lose(desk)
    report = run(desk)
    assert report.adopted is not None
    assert report.adopted.why == "lost"
    assert report.adopted.accounts == len(states)
    assert report.adopted.contacts > 0
    assert report.adopted.tasks == len(tasks)
    assert len(report.adopted.agents) == 1
    assert "this state knows of no writing" in str(report.adopted)
    assert report.plan is not None
    assert report.plan.empty, "nothing has changed, so there is nothing to write"
    with desk.agent() as agent:
        found = agent.ledger.band_states()
        assert agent.ledger.known_tasks() == tasks
    begun = {crm_id: state.episodes for crm_id, state in states.items() if state.band == "red"}
    assert {crm_id: found[crm_id].episodes for crm_id in begun} == begun, "the very instants are found again"
    assert {crm_id: state.band for crm_id, state in found.items()} == {c: state.band for c, state in states.items()}
    assert hour(desk, 2).adopted is None


def test_an_old_copy_goes_on_where_the_crm_is(desk: Desk, tmp_path: Path) -> None:
    copies = []
    for turn in range(4):
        hour(desk, turn)
        copies.append(tmp_path / f"copy{turn}")
        shutil.copytree(desk.folder, copies[turn])
    turns = iter(range(4, 8))
    for number, copy in enumerate(reversed(copies[:-1])):
        lose(desk)
        shutil.copytree(copy, desk.folder)
        report = run(desk) if number % 2 else hour(desk, next(turns))
        assert report.adopted is not None
        assert report.adopted.why == "older"
        assert "older than what stands in the CRM" in str(report.adopted)
        assert report.adopted.accounts > 0
    assert run(desk).adopted is None


@ONE
@pytest.mark.parametrize("leaving", ["task", "account"])
@pytest.mark.parametrize(("turn", "state"), [(0, "lost"), (1, "lost"), (1, "old")])
def test_a_kill_beside_a_new_task_and_a_lost_state_leave_one_task(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int, state: str, leaving: str
) -> None:
    """A task is made before its band is written: a band in the CRM says that its task was made, whatever is lost."""
    if turn:
        hour(desk, 0)
        shutil.copytree(desk.folder, tmp_path / "copy")
        desk.rows = wishes(desk, turn)
        desk.due_tasks = desk.due_tasks + desk.red()
    with desk.agent() as agent:
        send = agent.crm.send

        def dying(changes: list[Change]) -> list[Outcome]:
            if changes[0].object == leaving:
                raise Crash
            return send(changes)

        monkeypatch.setattr(agent.crm, "send", dying)
        with pytest.raises(Crash):
            go(agent)
    assert (desk.inside.tasks() == desk.due_tasks) == (leaving == "account")
    lose(desk)
    if state == "old":
        shutil.copytree(tmp_path / "copy", desk.folder)
    desk.crm.pass_time(timedelta(hours=1))
    run(desk)
    assert not run(desk).applied


@ONE
def test_what_another_agent_wrote_is_not_taken_for_ours(desk: Desk) -> None:
    hour(desk, 0)
    other = next(field.spec.name for field in desk.fields if field.logical == AGENT)
    then = next(field.spec.name for field in desk.fields if field.logical == "account.scored_at")
    for row in desk.rows:
        if row.level == "account":
            desk.inside.edit("account", row.crm_id, other, "0badf00d")
            desk.inside.edit("account", row.crm_id, then, desk.box.clock.now().isoformat())
    desk.crm.pass_time(timedelta(hours=1))
    with desk.agent() as agent:
        report = RunReport(agent.clock.now())
        agent.pull(report)
        adopter = Adopter(agent.crm, agent.store, agent.ledger, agent.card, agent.fields, "env")
        assert adopter.adopt(1, agent.clock.now()) is None


@ONE
def test_a_crm_that_does_not_answer_blocks_the_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hour(desk, 0)
    lose(desk)

    def refuse(*_: object) -> None:
        raise TransientError("it is away", vendor="crm")

    with desk.agent() as agent:
        monkeypatch.setattr(agent.crm, "find_tasks", refuse)
        report = go(agent)
    assert "it is away" in report.blocked
    assert "nothing was planned" in report.blocked
    assert report.plan is None
    run(desk)


@ONE
def test_a_task_whose_episode_is_not_found_still_keeps_others_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hour(desk, 0)
    lose(desk)
    with desk.agent() as agent:
        kind = type(agent.crm)
    read = kind.read_tasks

    def vaguely(crm: Any, ids: Sequence[str]) -> dict[str, TaskState]:
        """As a CRM would that keeps neither the due time nor the time of making as they were."""
        found = read(crm, ids).items()
        return {
            task_id: replace(task, due=None, created_at=desk.box.clock.now() - timedelta(days=10))
            for task_id, task in found
        }

    monkeypatch.setattr(kind, "read_tasks", vaguely)
    report = run(desk)
    assert report.adopted is not None
    with desk.agent() as agent:
        red = {crm_id: state for crm_id, state in agent.ledger.band_states().items() if state.band == "red"}
        assert red
        assert all(state.episodes for state in red.values())
        assert len(agent.ledger.known_tasks()) == 2 * len(red)


@ONE
def test_an_episode_is_searched_for_and_may_not_be_found(desk: Desk) -> None:
    with desk.agent() as agent:
        adopter = Adopter(agent.crm, agent.store, Ledger(agent.store), agent.card, agent.fields, "env")
        now = desk.box.clock.now()
        unknown = TaskState(
            "1", "not a key", "2", "", "", None, closed=False, due=None, created_at=now, modified_at=None, touched=False
        )
        assert adopter._episode(unknown) is None
        nothing = TaskState(
            "3", "x", "2", "", "", None, closed=False, due=None, created_at=None, modified_at=None, touched=False
        )
        assert adopter._episode(nothing) is None
        assert adopter._stand_in(nothing, {}) is None
