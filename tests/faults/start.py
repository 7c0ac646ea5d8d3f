"""Prepared starts, kept in memory and in a folder, and the cases that are tried on them."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cli.errors import explain
from connectors import salesforce, salesforce_send, salesforce_write
from sandbox.core import Sandbox, SandboxClock
from sandbox.faults import Fault
from scoring.inputs import ScoreRow
from sync import approval, budget
from sync.lock import run_lock
from sync.policy import Policy
from sync.run_report import RunReport
from sync.store import Store
from tests.crash.desk import Desk, Kind, Wishing
from tests.crash.points import fast_disk
from tests.crash.scenarios import Seen, edit_someone, go, plan_and_apply, run, seen, undo, undo_again, wishes
from tests.crash.verdict import Found
from tests.faults.kinds import DISTURBANCES, Case
from tests.faults.line import Crash, Line

HOUR = timedelta(hours=1)
BULK = 0.0001
"""Share of the day's calls so small that updates go by bulk jobs."""


COUNTED_DOWN = frozenset({"Days_To_Renewal__c"})
"""Fields that every day moves."""


class SkewedClock:
    """The clock of the agent's machine, which may be wrong; the CRM's is right.

    Attributes:
        offset: By how much it is ahead.
    """

    def __init__(self, right: SandboxClock) -> None:
        self.right = right
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return self.right.now() + self.offset

    def monotonic(self) -> float:
        return self.right.monotonic()

    def sleep(self, seconds: float) -> None:
        self.right.sleep(seconds)


class _SeenByAgent:
    """The sandbox with the agent's clock."""

    def __init__(self, box: Sandbox, clock: SkewedClock) -> None:
        self._box = box
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._box, name)


class FaultDesk(Desk):
    """A desk whose agent may have to go by bulk jobs, and by a wrong clock.

    Attributes:
        clock: The agent's.
        policy: What the admin allows; the desk's own when None.
    """

    def __init__(self, folder: Path, kind: Kind, *, accounts: int = 6, batch: int = 4) -> None:
        super().__init__(folder, kind, accounts=accounts, batch=batch)
        self.clock = SkewedClock(self.box.clock)
        self.policy: Policy | None = None

    def connect(self) -> Any:
        box = self.box
        self.box = _SeenByAgent(box, self.clock)  # type: ignore[assignment]  # the same but for the clock
        try:
            return super().connect()
        finally:
            self.box = box

    def others(self) -> dict[str, dict[str, Any]]:
        found = super().others()
        return {key: {n: v for n, v in row.items() if n not in COUNTED_DOWN} for key, row in found.items()}

    @contextmanager
    def agent(self) -> Iterator[Wishing]:
        with super().agent() as agent:
            agent.clock = self.clock
            agent.policy = self.policy or agent.policy
            if self.kind.strategy == "bulk":
                agent.policy = replace(agent.policy, budget_share=BULK)
            yield agent


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("hubspot", "marker"),
        Kind("hubspot", "unique_key", {"task_unique_properties": "allowed"}),
        Kind("salesforce", "marker"),
        Kind("salesforce", "receipt", {}, {"task_receipts": True}),
        Kind("salesforce", "unique_key", {"activity_external_ids": True}),
        Kind("salesforce", "bulk"),
    )
}


@contextmanager
def by_bulk(kind: Kind) -> Iterator[None]:
    """Let a few accounts be enough for a bulk job, where that is the kind."""
    wanted: list[tuple[Any, str, Any]] = []
    if kind.strategy == "bulk":
        wanted += [(module, "BATCH", 4) for module in (salesforce, salesforce_write, salesforce_send)]
        wanted += [
            (budget, "BULK_JOB_CALLS", 2),
            (budget.Budget, "check", lambda _: None),
            (budget, "fitting", lambda whole, *_, **__: (whole, ())),
        ]
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    for module, name, value in wanted:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


# -- what is disturbed ------------------------------------------------------------------------------------------------


def released(agent: Wishing, report: RunReport) -> RunReport:
    """What a person does with a plan that the guard holds: look, and let it pass."""
    if not report.held or report.plan is None:
        return report
    path = agent.store.file.parent / "held.jsonl"
    approval.save(report.plan, path, agent.store.file.parent)
    approval.approve(path, "Alex", agent.store.file.parent, agent.clock.now())
    return agent.apply_saved(approval.load(path, agent.store.file.parent).plan, "Alex")


def go_on(agent: Wishing) -> RunReport:
    """The usual run; what the guard holds is released."""
    return released(agent, go(agent))


def undo_on(agent: Wishing) -> RunReport:
    """The undo once more; what the guard holds is released."""
    return released(agent, undo_again(agent))


def empty(desk: Desk) -> None:
    """Our fields are there, and nothing else of ours."""
    desk.connect().setup([owned.spec for owned in desk.fields], dry_run=False)
    desk.rows = wishes(desk, 0)
    desk.due_tasks = desk.red()


def filled(desk: Desk) -> None:
    """An hour after the first fill: every wish has changed, and somebody has edited a field since."""
    empty(desk)
    first = run(desk)
    assert not first.trouble, first.trouble
    desk.box.clock.advance(HOUR)
    assert not list(desk.lost()), list(desk.lost())
    edit_someone(desk, 0)
    desk.rows = wishes(desk, 1)
    desk.due_tasks = desk.due_tasks + desk.red()
    desk.box.clock.advance(timedelta(minutes=5))  # HubSpot's search has seen the edit by then


def unclear(desk: Desk) -> None:
    """A run's writes got no answer, half of them without being carried out; the hold-off is over."""
    filled(desk)
    update, create = {
        "hubspot": (("POST", "batch/update"), ("POST", "tasks/batch/(create|upsert)")),
        "salesforce": (
            ("PATCH", r"composite/sobjects\?|jobs/ingest"),
            ("PATCH" if desk.kind.strategy == "unique_key" else "POST", r"composite/(sobjects(/Task/.*)?)?\?"),
        ),
    }[desk.kind.crm]
    for (method, path), nth, effect in ((update, 1, True), (update, 2, False), (create, 1, True), (create, 2, False)):
        desk.box.faults.add(Fault("status", status=503, method=method, path=path, nth=nth, effect=effect))
    run(desk)
    desk.box.faults.clear()
    desk.box.clock.advance(HOUR)


def undoable(desk: Desk) -> None:
    """The run after the first fill has ended and is to be undone: everything is to say again what it said before."""
    filled(desk)
    second = run(desk)
    assert not second.trouble, second.trouble
    desk.box.clock.advance(HOUR / 2)
    desk.expected = wishes(desk, 0)
    desk.due_tasks = Counter(row.crm_id for row in desk.expected if row.level == "account" and row.band == "red")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Some work whose requests are disturbed.

    Attributes:
        prepare: Makes the start.
        act: What is disturbed.
        resume: What is done an hour later.
    """

    name: str
    prepare: Callable[[Desk], None]
    act: Callable[[Desk], Any]
    resume: Callable[[Wishing], RunReport] = go_on


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("run", filled, run),
        Scenario("first", empty, run),
        Scenario("recover", unclear, run),
        Scenario("plan", filled, plan_and_apply),
        Scenario("undo", undoable, undo, undo_on),
    )
}


# -- cases ------------------------------------------------------------------------------------------------------------


class Start:
    """A start on which cases are tried, each from the same state of CRM and folder. To be used as a context."""

    def __init__(self, scenario: Scenario, kind: Kind) -> None:
        self.scenario = scenario
        self.kind = kind
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        stack = self._stack
        self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-faults-", dir=fast_disk())))
        stack.enter_context(by_bulk(self.kind))
        self.desk = FaultDesk(self.home / "state", self.kind)
        self.line = Line(self.desk.box)
        stack.enter_context(self.line.plugged_in())
        self.scenario.prepare(self.desk)
        self.line.begin()
        self._rows: list[ScoreRow] = self.desk.rows
        self._edited, self._unsure = dict(self.desk.edited), set(self.desk.unsure)
        self._due = self.desk.due_tasks.copy()
        self._box = self.desk.box.snapshot()
        self.others = self.desk.others()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def again(self) -> Iterator[FaultDesk]:
        """Everything as it was at the start."""
        desk = self.desk
        self._box.restore()
        desk.clock.offset = timedelta(0)
        desk.rows, desk.edited, desk.unsure = self._rows, dict(self._edited), set(self._unsure)
        desk.due_tasks = self._due.copy()
        self.line.begin()
        start = self.home / "state"
        with tempfile.TemporaryDirectory(prefix="case-", dir=self.home) as home:
            desk.folder = Path(home) / "state"
            if start.exists():
                shutil.copytree(start, desk.folder)
            try:
                yield desk
            finally:
                desk.folder = start

    def requests(self) -> tuple[str, ...]:
        """The requests of the undisturbed work."""
        with self.again() as desk:
            self.scenario.act(desk)
            return tuple(self.line.log)

    def judge(self, disturbance: str, number: int) -> Found:
        """Disturb a request; an hour later the next run puts it right, and the one after that has nothing to do."""
        with self.again() as desk:
            case = Case(desk, self.line, desk.clock, number)
            DISTURBANCES[disturbance](case)
            other = self._disturbed(desk)
            reached = len(self.line.log) >= number
            self.line.begin()
            desk.box.faults.clear()
            for mend in case.mend:
                mend()
            desk.box.clock.sleep(case.wait.total_seconds())
            desk.box.settle()
            return replace(self._carried_on(desk, case, other), reached=reached)

    def _disturbed(self, desk: Desk) -> list[str]:
        try:
            self.scenario.act(desk)
        except Crash:
            pass
        except Exception as error:  # noqa: BLE001 - whether a person would be told of it is looked at
            text, _ = explain(error)
            if "defect" in text:
                return [f"the disturbed work: {text} {error}"]
        return []

    def _carried_on(self, desk: Desk, case: Case, other: list[str]) -> Found:
        try:
            with run_lock(desk.folder), desk.agent() as agent:
                clean = seen(agent, self.scenario.resume(agent))
                for _ in range(case.more):
                    desk.box.clock.sleep(HOUR.total_seconds())
                    clean = seen(agent, go(agent))
                desk.box.clock.sleep(HOUR.total_seconds())
                writes = desk.box.journal.writes()
                last = seen(agent, go(agent))
        except Exception as error:  # noqa: BLE001 - whatever it is, the case is not good
            return Found(other=(*other, f"the run after: {type(error).__name__}: {error}"))
        wrote = desk.box.journal.writes() - writes
        return self._verdict(desk, case, (clean, last), [*other, *self._outside(desk, case)], wrote)

    def _outside(self, desk: Desk, case: Case) -> Iterator[str]:
        """What is not ours to change, and hosts that are not the CRM's."""
        yield from (f"asked another host: {url}" for url in self.line.strays)
        self.line.strays.clear()
        after = desk.others()
        for record_id, row in self.others.items():
            changed = {name for name, value in row.items() if after.get(record_id, {}).get(name) != value}
            if changed and record_id not in case.excused:
                yield f"{record_id}: {sorted(changed)} changed, which is not ours"

    @staticmethod
    def _refused(desk: Desk) -> Iterator[str]:
        """Accounts whose task the CRM has refused for good, which the run has named: it is not tried again."""
        store = Store.open(desk.folder)
        try:
            for (payload,) in store.rows("SELECT payload FROM op WHERE kind = 'task_create' AND state = 'rejected'"):
                yield str(json.loads(payload)["account_id"])
        finally:
            store.close()

    def _verdict(self, desk: Desk, case: Case, runs: tuple[Seen, Seen], other: list[str], wrote: int) -> Found:
        clean, last = runs
        other += [f"the run after: {clean.trouble}"] if clean.trouble else []
        other += [f"the last run: {last.trouble}"] if last.trouble else []
        other += [f"the ledger: {text}" for text in last.broken]
        unfinished = [f"open after one more run: {clean.open}"] if clean.open else []
        unfinished += [f"open in the end: {last.open}"] if last.open else []
        unfinished += [] if last.empty else [f"the last run found something to do: {dict(last.endings)}"]
        unfinished += [f"the last run wrote {wrote} times"] if wrote else []
        for one in {*case.excused, *self._refused(desk)}:
            desk.due_tasks.pop(one, None)
        lost = [*desk.lost(), *desk.forgotten(last.wrote), *desk.missing_tasks()]
        return Found(
            lost=tuple(text for text in lost if not any(one in text for one in case.excused)),
            doubled=tuple(t for t in desk.doubled() if not any(f"account {one}:" in t for one in case.excused)),
            unfinished=tuple(unfinished),
            other=tuple(other),
        )
