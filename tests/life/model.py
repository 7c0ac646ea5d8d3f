"""A CRM, an agent's state folder, and what is known of both: who wrote what, and what must therefore hold.

What people and flows do is seen by comparing the CRM's inside before and after; so is what each run of the agent did.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.errors import explain
from connectors.base import Value
from sandbox.core import HUBSPOT_TOKEN, SALESFORCE_SECRET
from sandbox.snapshot import Snapshot
from scoring.inputs import ScoreRow
from sync import approval
from sync.guard import Limits
from sync.ledger import Ledger
from sync.lock import run_lock
from sync.policy import Policy
from sync.run_report import RunReport
from sync.store import Store
from sync.values import loads, same
from tests.crash.desk import LEVELS, MARK, Wishing
from tests.crash.points import fast_disk
from tests.crash.scenarios import OWNERS, go
from tests.crash.steps import FILES, Steps
from tests.faults.line import Crash, Line
from tests.faults.start import KINDS, FaultDesk
from tests.sync.salesforce_desk import wish

Place = tuple[str, str, str]
"""Level, record, field."""

ACCOUNTS = 4
LIMITS = Limits(
    band_changes=2,
    worse_share=0.5,
    moved_share=0.6,
    mean_points=100.0,
    new_tasks=3,
    field_share=1.0,
    emptied_share=1.0,
    rejects_share=1.0,
)
"""So small that some plans of a few accounts are held."""
SECRETS = (HUBSPOT_TOKEN, SALESFORCE_SECRET)
LIVE = frozenset({"planned", "sending", "in_doubt", "retry"})


class Mortal(Steps):
    """Steps of which one is the last: from then on nothing more is done, to the disk or over the wire.

    Letting go of SQLite's files in an orderly way would fold the log into them; so the folder is copied at the last
    step and put back as it was then.
    """

    dead = False
    folder: Path
    connections: list[sqlite3.Connection]

    def step(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.end_at:
            if self.folder.exists():
                shutil.copytree(self.folder, self._then, ignore=shutil.ignore_patterns("*-shm"))
            self.dead = True
        if self.dead:
            raise Crash

    @property
    def _then(self) -> Path:
        return self.folder.with_name("then")

    @contextmanager
    def within(self, line: Line, folder: Path) -> Iterator[None]:
        """Count inside the block; in the end everything is let go of, as when a process ends."""
        self.connections, self.folder = [], folder
        shutil.rmtree(self._then, ignore_errors=True)
        functions, connect = {name: getattr(os, name) for name in FILES}, sqlite3.connect
        self.watch()
        counted: Callable[..., sqlite3.Connection] = sqlite3.connect

        def noted(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection = counted(*args, **kwargs)
            self.connections.append(connection)
            return connection

        sqlite3.connect = noted  # type: ignore[assignment]  # the same, but that it is remembered
        line.always = lambda _: self.step("before request")
        line.ever_after = lambda: self.step("answered")
        try:
            yield
        finally:
            for name, function in functions.items():
                setattr(os, name, function)
            sqlite3.connect = connect
            for connection in self.connections:
                sqlite3.Connection.close(connection)
            if self.dead:
                copy_of(self._then, self.folder)


class World:
    """One kind of CRM with our fields and nothing else of ours, to begin lives from again and again."""

    def __init__(self, kind: str) -> None:
        self.stack = ExitStack()
        self.home = Path(
            self.stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-life-", dir=fast_disk()))
        )
        self.desk = FaultDesk(self.home / "state", KINDS[kind], accounts=ACCOUNTS, batch=3)
        self.line = Line(self.desk.box)
        with self.line.plugged_in():
            self.desk.connect().setup([owned.spec for owned in self.desk.fields], dry_run=False)
        self.start: Snapshot = self.desk.box.snapshot()
        self.desk.policy = Policy(budget_share=0.5, guard=LIMITS)


class Life:
    """One life of an agent, from an empty state on.

    Attributes:
        wishes: Record -> the number that its score, band and segments follow from.
        foreign: What others wrote last: people, flows, merges, another agent, an earlier state of ours.
        human: What people wrote and nobody may overwrite without a word.
        gone_tasks: Ids of tasks that were there and that others removed.
        flows: (object, field) that a flow writes, on whatever record -> what it writes.
        copies: Old states of the folder.
        second: Another agent's folder.
    """

    def __init__(self, world: World) -> None:
        self.stack = ExitStack()
        self.world = world
        self.desk: FaultDesk = world.desk
        self.line = world.line
        world.start.restore()
        self.desk.clock.offset = timedelta(0)
        self.line.begin()
        self.home = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="life-", dir=world.home)))
        self.folder = self.desk.folder = self.home / "state"
        self.second = self.home / "second"
        self.stack.enter_context(self.line.plugged_in())
        self.wishes: dict[tuple[str, str], int] = {
            (level, record_id): number
            for level in LEVELS
            for number, record_id in enumerate(sorted(self.desk.inside.records(level)))
        }
        self.foreign: dict[Place, Value] = {}
        self.human: dict[Place, Value] = {}
        self.flows: dict[tuple[str, str], Value] = {}
        self.gone_tasks: set[str] = set()
        self.copies: list[Path] = []
        self.held: RunReport | None = None
        self.instants = {owned.spec.name for owned in self.desk.fields if owned.spec.type == "datetime"}
        self.last = self.ours()
        self.tasks = self.task_ids()
        self.counter = 1_000

    def close(self) -> None:
        """The end."""
        self.stack.close()

    # -- what the CRM says ------------------------------------------------------------------------------------------

    def ours(self) -> dict[Place, Value]:
        """Every field of ours."""
        return {
            (level, record_id, name): _instant(value) if name in self.instants else value
            for level in LEVELS
            for record_id, row in self.desk.inside.ours(level).items()
            for name, value in row.items()
        }

    def task_ids(self) -> dict[str, str]:
        """Tasks of ours: id -> key."""
        inside: Any = self.desk.inside
        if self.desk.kind.crm == "hubspot":
            return dict(inside._tasks())
        return {
            record_id: row.get("Holdfast_Task_Key__c") or row["Description"].rpartition(MARK)[2].partition("]")[0]
            for record_id, row in inside._table("Task").items()
            if row.get("Holdfast_Task_Key__c") or MARK in (row["Description"] or "")
        }

    def note_others(self) -> None:
        """Whatever differs from what was seen last, others did."""
        now, tasks = self.ours(), self.task_ids()
        for place in now.keys() | self.last.keys():
            if place not in now:
                self.human.pop(place, None)
            elif place not in self.last or not same(now[place], self.last[place]):
                self.foreign[place] = now[place]
                if place in self.human and not same(now[place], self.human[place]):
                    del self.human[place]
        self.gone_tasks |= self.tasks.keys() - tasks.keys()
        self.gone_tasks -= tasks.keys()
        self.last, self.tasks = now, tasks

    def do(self, action: str, **args: Any) -> Any:
        """What people do in the CRM."""
        result = self.desk.box.mutate(self.desk.kind.crm, action, **args)
        self.note_others()
        return result

    def pass_time(self, span: timedelta) -> None:
        """Let time go by; what is on its way arrives."""
        self.desk.box.clock.advance(span)
        self.desk.box.settle()
        self.note_others()

    # -- the agent --------------------------------------------------------------------------------------------------

    def rows(self) -> list[ScoreRow]:
        """What the scores say of living records."""
        owner = OWNERS[self.desk.kind.crm]
        return [
            wish(level, self.wishes[level, record_id], record_id, f"{level} {record_id}", row.get(owner) or None)
            for level in LEVELS
            for record_id, row in sorted(self.desk.inside.records(level).items())
            if (level, record_id) in self.wishes
        ]

    def work(
        self, act: Callable[[Wishing], RunReport], *, end_at: int | None = None, folder: Path | None = None
    ) -> tuple[RunReport | None, Exception | None]:
        """Let an agent work; what it may not do is looked at afterwards.

        Args:
            act: What it does.
            end_at: The step at which its machine goes down.
            folder: Of its state; our own when left out.

        Returns:
            What it reports, and the error that ended it; neither when its machine went down.
        """
        desk, others = self.desk, self.desk.others()
        desk.folder, desk.rows = folder or self.folder, self.rows()
        report, error = None, None
        steps = Mortal(end_at)
        self.line.begin()
        try:
            with (
                steps.within(self.line, desk.folder) if end_at else ExitStack(),
                run_lock(desk.folder),
                desk.agent() as agent,
            ):
                report = act(agent)
        except Crash:
            pass
        except Exception as caught:  # noqa: BLE001 - whether a person would be told of it is looked at
            error = caught
        finally:
            self.line.begin()
            desk.box.faults.clear()
            desk.folder = self.folder
        self._look(others, folder)
        if error is not None:
            text, _ = explain(error)
            assert "defect" not in text, f"{text} {error}"
            self._no_secret(text)
        self._no_secret(repr(report))
        self.held = report if report is not None and report.held and report.plan is not None else None
        return report, error

    @staticmethod
    def _no_secret(text: str) -> None:
        for secret in SECRETS:
            assert secret not in text

    def _look(self, others: Mapping[str, Mapping[str, Any]], folder: Path | None) -> None:
        """What is not ours has not changed, and nothing that a person wrote."""
        after = self.desk.others()
        assert after.keys() == others.keys(), "records came or went while the agent worked"
        for record_id, row in others.items():
            changed = {name for name, value in row.items() if after[record_id].get(name) != value}
            assert not changed, f"{record_id}: {sorted(changed)} changed, which is not ours"
        now = self.ours()
        for place, value in now.items():
            if same(value, self.last.get(place)):
                continue
            flow = (place[0], place[2])
            if flow in self.flows and same(value, self.flows[flow]):
                self.foreign[place] = value
                self.human.pop(place, None)
            elif folder is not None:
                self.foreign[place] = value
            elif place in self.human and self.human[place] not in ("", None):
                raise AssertionError(f"{place}: somebody wrote {self.human[place]!r}, now it says {value!r}")
        self.last = now
        tasks = self.task_ids()
        if folder is not None:
            self.gone_tasks |= self.tasks.keys() - tasks.keys()
        self.tasks = tasks

    def run(self, *, end_at: int | None = None) -> tuple[RunReport | None, Exception | None]:
        """The usual run."""
        return self.work(go, end_at=end_at)

    def approve(self) -> None:
        """A person lets the plan pass that the guard held last."""
        held = self.held
        assert held is not None
        plan = held.plan
        assert plan is not None
        path = self.folder / "held.jsonl"
        approval.save(plan, path, self.folder)
        approval.approve(path, "Alex", self.folder, self.desk.clock.now())
        self.work(lambda agent: agent.apply_saved(approval.load(path, self.folder).plan, "Alex"))

    def forget_people(self) -> None:
        """The state that told people's values from ours is gone or old: nobody can tell them any more."""
        self.human.clear()
        self.foreign |= self.last

    # -- what must hold ---------------------------------------------------------------------------------------------

    def store(self) -> Store:
        return Store.open(self.folder)

    def check(self) -> None:
        """What must hold after every step."""
        keys = list(self.tasks.values())
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"tasks twice: {twice}"
        if not (self.folder / "state.db").exists():
            return
        store = self.store()
        try:
            broken = Ledger(store).verify()
            rows = store.rows("SELECT kind, object, record_id, state, payload, remote_id FROM op ORDER BY op_id")
        finally:
            store.close()
        assert not broken, broken
        self._visible(rows)

    def _visible(self, rows: list[Any]) -> None:
        """Each confirmed effect is there, unless somebody else, or a later operation, made something else of it."""
        final: dict[Place, Value] = {}
        perhaps: dict[Place, list[Value]] = {}
        removed: set[str] = {str(row[2]) for row in rows if row[0] == "task_remove"}
        for kind, obj, record_id, state, payload, remote_id in rows:
            if kind == "task_create":
                alive = state != "confirmed" or remote_id in self.tasks or remote_id in self.gone_tasks | removed
                assert alive, f"the task {remote_id} is confirmed, and not there"
            if kind != "field":
                continue
            values = loads(payload) if payload else {}
            for name, value in values.items():
                place = (obj, record_id, name)
                if state in ("confirmed", "rolled_back", "undo_skipped"):
                    final[place] = value
                elif state not in ("superseded", "held", "planned"):
                    perhaps.setdefault(place, []).append(value)
        for place, value in final.items():
            if place not in self.last:
                continue
            now = self.last[place]
            known = [value, *perhaps.get(place, ()), *([self.foreign[place]] if place in self.foreign else ())]
            assert any(same(now, one) for one in known), f"{place}: we wrote {value!r}, and it says {now!r}"

    def open_ops(self) -> list[str]:
        """What is neither done nor given up."""
        store = self.store()
        try:
            marks = ",".join("?" * len(LIVE))
            rows = store.rows(f"SELECT kind, record_id, state, error FROM op WHERE state IN ({marks})", tuple(LIVE))
        finally:
            store.close()
        return [" ".join(str(part) for part in row) for row in rows]


def _instant(value: Value) -> Value:
    """Milliseconds as an instant."""
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else value


def copy_of(folder: Path, target: Path) -> Path:
    """A copy of a state folder."""
    shutil.rmtree(target, ignore_errors=True)
    if folder.exists():
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*-shm"))
    return target
