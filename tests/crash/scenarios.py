"""What is interrupted: each scenario prepares one start, does one thing that may be killed, and then carries on."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connectors.base import Value
from connectors.hubspot_read import LAG
from scoring.inputs import ScoreRow
from sync import approval
from sync.ledger import HOLD_OFF, Ledger
from sync.lock import run_lock
from sync.run_report import RunReport
from sync.undo import UndoError
from sync.values import loads
from tests.crash.desk import Desk, Kind, Wishing
from tests.crash.life import Life, in_process, live
from tests.sync.salesforce_desk import wish

HOUR = timedelta(hours=1)
PAST_HOLD_OFF = HOLD_OFF + timedelta(minutes=5)
SETTLED = frozenset(
    {"confirmed", "rejected", "gone", "conflict", "superseded", "dropped", "rolled_back", "undo_skipped"}
)
"""States that nothing is left to be done about."""
OWNERS = {"hubspot": "hubspot_owner_id", "salesforce": "OwnerId"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run says of itself, in plain values.

    Attributes:
        empty: Whether it found nothing to do.
        trouble: Why it did less than it should; empty for nothing.
        states: Operations in the ledger by state.
        broken: What the ledger finds wrong with itself.
        endings: What became of the plan.
        wrote: What the ledger says that we wrote last.
        mirror: What the state says of the CRM's fields of ours.
    """

    empty: bool
    trouble: str
    states: Counter[str]
    broken: tuple[str, ...]
    endings: Counter[str] = field(default_factory=Counter)
    wrote: Mapping[tuple[str, str], Mapping[str, Value]] = field(default_factory=dict)
    mirror: Mapping[tuple[str, str], Mapping[str, Value]] = field(default_factory=dict)

    @property
    def open(self) -> dict[str, int]:
        """Operations that are not settled, by state."""
        return {state: number for state, number in self.states.items() if number and state not in SETTLED}


Work = Callable[[Desk], Any]
Resume = Callable[[Wishing], RunReport]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that may be killed.

    Attributes:
        prepare: Makes the start, without being disturbed.
        act: What is interrupted; works in the agent's process.
        resume: What the next process does; works there too.
        accounts: How many customers there are.
        batch: Records in a batch.
        check: Says what is wrong in the end, besides what is looked at in every scenario.
        human: Whether people edit our fields meanwhile: before the first fill they hold nothing that anybody means.
        overtaken: Whether another agent may do an hour's work in the middle of it.
        lost: Says of a desk what else is to come of it when the state is lost.
        kinds: Names of the kinds it is for; empty for all.
    """

    name: str
    prepare: Callable[[Desk], None]
    act: Work
    resume: Resume
    accounts: int = 6
    batch: int = 4
    check: Callable[[Desk], Iterator[str]] = lambda _: iter(())
    kinds: tuple[str, ...] = ()
    human: bool = True
    overtaken: bool = True
    lost: Callable[[Desk], None] = lambda _: None


# -- what agents do -----------------------------------------------------------------------------------------------


def go(agent: Wishing, *, dry_run: bool = False) -> RunReport:
    """One run; a first fill with tasks is meant."""
    return agent.run(dry_run=dry_run, initial=True, with_tasks=True)


def seen(agent: Wishing, report: RunReport) -> Seen:
    ledger = Ledger(agent.store)
    states = Counter(dict(agent.store.rows("SELECT state, count(*) FROM op GROUP BY state")))
    trouble = "; ".join(
        str(part) for part in (report.blocked, report.halted or "", *getattr(report, "held", ())) if part
    )
    empty = report.plan is None or report.plan.empty
    mirror = {
        (obj, record_id): loads(values)
        for obj, record_id, values in agent.store.rows('SELECT object, record_id, "values" FROM crm_value')
    }
    return Seen(empty, trouble, states, tuple(ledger.verify()), report.endings, ledger.written(), mirror)


def run(desk: Desk) -> Seen:
    """What happens every hour."""
    with run_lock(desk.folder), desk.agent() as agent:
        return seen(agent, go(agent))


def resumed(desk: Desk, resume: "Resume") -> Seen:
    """What the next process does."""
    with run_lock(desk.folder), desk.agent() as agent:
        return seen(agent, resume(agent))


def carried_on(desk: Desk, resume: "Resume") -> tuple[Seen, Seen]:
    """What the next process does, and an hour later once more the usual run."""
    with run_lock(desk.folder), desk.agent() as agent:
        first = seen(agent, resume(agent))
        desk.box.clock.sleep(HOUR.total_seconds())
        return first, seen(agent, go(agent))


def preview(desk: Desk) -> Seen:
    """The same without writing to the CRM."""
    with run_lock(desk.folder), desk.agent() as agent:
        return seen(agent, go(agent, dry_run=True))


def save_plan(desk: Desk) -> None:
    """`holdfast plan --save`."""
    with run_lock(desk.folder), desk.agent() as agent:
        report = go(agent, dry_run=True)
        assert report.plan is not None
        approval.save(report.plan, desk.folder / "plan.jsonl", desk.folder)


def apply_plan(desk: Desk) -> Seen:
    """`holdfast approve` and `holdfast apply` of that plan."""
    path = desk.folder / "plan.jsonl"
    approval.approve(path, "Alex", desk.folder, desk.box.clock.now())
    with run_lock(desk.folder), desk.agent() as agent:
        return seen(agent, agent.apply_saved(approval.load(path, desk.folder).plan, "Alex"))


def plan_and_apply(desk: Desk) -> Seen:
    """Both in one life, so that the saving of the plan can be interrupted as well."""
    save_plan(desk)
    return apply_plan(desk)


def undo(desk: Desk) -> Seen:
    """`holdfast undo --dry-run` and `holdfast undo` of the last run."""
    with run_lock(desk.folder), desk.agent() as agent:
        agent.undo(2, dry_run=True)
        return seen(agent, undo_again(agent))


def undo_again(agent: Wishing) -> RunReport:
    """`holdfast undo` of that run once more; where it is refused, since a lost state knows of no run, the usual one."""
    try:
        return agent.undo(2, dry_run=False)
    except UndoError:
        return go(agent)


def set_up(desk: Desk) -> None:
    """`holdfast setup`."""
    with in_process(desk.crm):
        crm = desk.connect()
        crm.setup([owned.spec for owned in desk.fields], dry_run=False)
        crm = desk.connect()
        list(crm.check())
        found = crm.task_strategy
        assert found == desk.kind.strategy, f"the CRM is for {found}, and not for {desk.kind.strategy}"


def must(life: Life) -> Life:
    """A life that ended well."""
    assert not life.killed, "the agent was killed although nobody meant it to be"
    assert not life.error, life.error
    return life


# -- starts -------------------------------------------------------------------------------------------------------


def wishes(desk: Desk, turn: int) -> list[ScoreRow]:
    """What the records are to say in an hour: everything differs from the hour before, and other accounts are red."""
    owner = OWNERS[desk.kind.crm]
    return [
        wish(level, number + 7 * turn, record_id, f"{level} {number}", row.get(owner))
        for level in ("account", "contact")
        for number, (record_id, row) in enumerate(sorted(desk.inside.records(level).items()))
    ]


def empty_crm(desk: Desk) -> None:
    """Our fields are there, and nothing else of ours; the scores of the first hour are given."""
    set_up(desk)
    desk.rows = wishes(desk, 0)
    desk.due_tasks = desk.red()


def filled(desk: Desk) -> None:
    """An hour after the first fill: every wish has changed, and somebody has edited a field since."""
    empty_crm(desk)
    first = must(live(desk.crm, lambda: run(desk))).value
    assert not first.trouble, first.trouble
    desk.crm.pass_time(HOUR)
    assert not list(desk.lost()), list(desk.lost())
    edit_someone(desk, 0)
    desk.rows = wishes(desk, 1)
    desk.due_tasks = desk.due_tasks + desk.red()


def saved(desk: Desk) -> None:
    """A plan was saved, and approved; then somebody edited one of the fields that it is about."""
    filled(desk)
    must(live(desk.crm, lambda: save_plan(desk)))
    desk.crm.pass_time(timedelta(minutes=5))
    edit_someone(desk, 3)


def tied(desk: Desk) -> None:
    """Somebody edits a record that we leave alone, in the very instant at which the next pull's window ends."""
    filled(desk)
    alone = desk.rows.pop()
    field = next(owned.spec.name for owned in desk.fields if owned.logical == "contact.engagement")
    desk.edit("contact", alone.crm_id, field, 99)
    desk.crm.pass_time(LAG)


def in_doubt(desk: Desk) -> None:
    """A run was killed when its last request had just left; the hold-off is over, nobody knows what became of it."""
    from tests.crash.points import rehearsed  # which needs this module

    filled(desk)
    steps = rehearsed(desk, run)
    sent = [number for number, name in enumerate(steps, 1) if name.startswith("sent")]
    assert live(desk.crm, lambda: run(desk), sent[-1], "late").killed
    desk.crm.pass_time(PAST_HOLD_OFF)


def undoable(desk: Desk) -> None:
    """The run after the first fill has ended and is to be undone: everything is to say again what it said before."""
    filled(desk)
    desk.crm.pass_time(HOUR / 12)  # the edit is seen when the run reads
    second = must(live(desk.crm, lambda: run(desk))).value
    assert not second.trouble, second.trouble
    desk.crm.pass_time(HOUR / 2)
    desk.expected = wishes(desk, 0)
    desk.due_tasks = Counter(row.crm_id for row in desk.expected if row.level == "account" and row.band == "red")


def cannot_be_undone(desk: Desk) -> None:
    """Nobody knows any more what the run did that was to be undone, so what it was for is written and made again."""
    desk.expected = None
    desk.due_tasks = desk.due_tasks + desk.red()


def edit_someone(desk: Desk, number: int) -> None:
    """Somebody edits the score of an account."""
    accounts = [row for row in desk.rows if row.level == "account"]
    row = accounts[number % len(accounts)]
    score = next(owned.spec.name for owned in desk.fields if owned.logical == "account.health_score")
    desk.edit("account", row.crm_id, score, 90 + number % 10)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("small", filled, run, go, accounts=2),
        Scenario("run", filled, run, go),
        Scenario("first", empty_crm, run, go, accounts=4, human=False),
        Scenario("plan", filled, plan_and_apply, go, accounts=4),
        Scenario("stale", saved, apply_plan, go, accounts=4),
        Scenario("recovery", in_doubt, run, go, accounts=4),
        Scenario("tied", tied, run, go, accounts=2),
        Scenario("undo", undoable, undo, undo_again, accounts=4, overtaken=False, lost=cannot_be_undone),
    )
}

KINDS = {
    kind.name: kind
    for kind in (
        Kind("hubspot", "marker"),
        Kind("hubspot", "unique_key", {"task_unique_properties": "allowed"}),
        Kind("salesforce", "unique_key", {"activity_external_ids": True}),
        Kind("salesforce", "receipt", {"activity_external_ids": False}, {"task_receipts": True}),
        Kind("salesforce", "marker", {"activity_external_ids": False}, {"task_receipts": False}),
    )
}
