"""What the ledger adds to a sync of the sandbox's default world (300 accounts): with it and with one that forgets.

Two agents work on two sandboxes alike, each in a process of its own and asked over HTTP, and take turns at going first:
a first fill with tasks, then one hour after the other. A sync is all of it: the quick proof, pull, score, plan, write.
One agent has the real ledger. The other has one of the same interface that keeps everything in memory, without a hash
or a proof, and writes down what the CRM says now with one commit at the end of the run in place of two a batch.

Wall time is what counts for a person and what is promised. "As a user has it" is a fill by the real clock, which waits
wherever the vendors' rate limits make it wait: one pair, for it takes minutes. All others move the clock in place of
waiting, which makes the share of the ledger several times as large as it is anywhere else. The processor time of the
agent alone is stricter still, for it leaves out all waiting for the CRM. What is printed is the median of the pairs'
ratios, and between which the middle half of them lies: on a busy machine that is wide. HOLDFAST_BENCH_ROUNDS sets how
many fills, each with five hours after it. Below: what an agent does besides before it works; commits of a batch.
"""

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import requests

from benchmarks.bench_run import RemoteClock, served
from cli.app import open_agent
from cli.trial import vendors, write_trial_config
from connectors.base import Change, ObjectName, Outcome, Value
from scoring.playbooks import BandState
from sync import mirror
from sync.backup import copy_now
from sync.ledger import Ledger, Op, Settled, State
from sync.ledger_owned import remember
from sync.plan import Plan
from sync.run import Agent
from sync.store import Store
from sync.tables import epoch

ACCOUNTS = 300
ROUNDS = int(os.environ.get("HOLDFAST_BENCH_ROUNDS", "5"))
HOURS = 5
MAX_SHARE = 1.05
"""The promise: with the ledger the wall time of a sync is at most so many times as long."""


class ForgetfulLedger(Ledger):
    """Remembers what a run needs, in memory. Kept are the runs, because scores refer to them, and what the CRM says."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.states: dict[str, State] = {}
        self.wrote: dict[tuple[str, str], dict[str, Value]] = {}
        self.bands: dict[str, BandState] = {}
        self.tasks: set[str] = set()
        self.says: dict[ObjectName, dict[str, dict[str, Value]]] = {}

    def end_run(self, run_id: int, status: str, counts: Mapping[str, Any], now: datetime) -> None:
        with self.store.transaction() as conn:
            for obj, values in self.says.items():
                mirror.write_many(conn, obj, values, epoch(now))
            super().end_run(run_id, status, counts, now)
        self.says = {}

    def note_plan(self, run_id: int, plan: Plan, now: datetime, *, held: bool = False) -> None:
        assert not held
        changes = [record.as_change(plan.environment) for record in plan.records]
        changes += [task.as_change() for task in plan.tasks if task.key not in self.tasks]
        self.states = dict.fromkeys((change.key for change in changes), "planned")

    def note_guard(self, run_id: int, verdicts: Iterable[Any]) -> None:
        pass

    def noted(self, run_id: int) -> bool:
        return True

    def counts(self, run_id: int | None = None) -> dict[str, int]:
        return {}

    def due(self, run_id: int) -> dict[str, datetime | None]:
        return dict.fromkeys(self.states)

    def send_batch(self, run_id: int, changes: Sequence[Change], settled: Sequence[Settled], now: datetime) -> int:
        for item in settled:
            self.states[item.key] = item.state
        return 1

    def settle_batch(
        self,
        batch_id: int,
        changes: Sequence[Change],
        outcomes: Sequence[Outcome],
        now: datetime,
        *,
        tried: bool = True,
    ) -> list[State]:
        for change, outcome in zip(changes, outcomes, strict=True):
            assert outcome.result == "confirmed", outcome
            self.states[change.key] = outcome.result
            if change.object == "task":
                self.tasks.add(change.key)
            else:
                record_id = change.record_id or ""
                self.wrote.setdefault((change.object, record_id), {}).update(change.values)
                self.says.setdefault(change.object, {}).setdefault(record_id, {}).update(change.values)
        return [outcome.result for outcome in outcomes]

    def open_ops(self) -> list[Op]:
        return []

    def known_tasks(self) -> frozenset[str]:
        return frozenset(self.tasks)

    def unconfirmed(self, since: datetime) -> dict[tuple[str, str], list[Mapping[str, Value]]]:
        return {}

    def written(self) -> dict[tuple[str, str], dict[str, Value]]:
        return {key: dict(values) for key, values in self.wrote.items()}

    def adopt_values(self, obj: ObjectName, said: Mapping[str, Mapping[str, Value]], now: datetime) -> None:
        for record_id, values in said.items():
            self.wrote.setdefault((obj, record_id), {}).update(values)

    def band_states(self) -> dict[str, BandState]:
        return dict(self.bands)

    def save_band_states(self, states: Mapping[str, BandState]) -> None:
        self.bands.update(states)


METHODS = [
    name
    for name in dir(Ledger)
    if not name.startswith("_") and name not in {"start_run", "end_run"} and callable(getattr(Ledger, name))
]
"""All that can be asked of a ledger but the table of runs, which both sides keep."""


class CountingLedger(Ledger):
    """The real one, which counts batches, the commits between the beginning of each and its end, and its own time."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.batches = self.commits = 0
        self._made = self._before = 0
        transaction = store.transaction

        @contextmanager
        def counted() -> Iterator[sqlite3.Connection]:
            outermost = not store.db.conn.in_transaction
            with transaction() as conn:
                yield conn
            self._made += outermost

        vars(store)["transaction"] = counted
        self.inside = self.inside_wall = 0.0
        self._depth = 0
        for name in METHODS:
            vars(self)[name] = self._timed(getattr(self, name))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            self._depth += 1
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                return method(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.inside += time.thread_time() - processor
                    self.inside_wall += time.perf_counter() - wall

        return timed

    def send_batch(self, run_id: int, changes: Sequence[Change], settled: Sequence[Settled], now: datetime) -> int:
        self.batches, self._before = self.batches + 1, self._made
        batch_id = super().send_batch(run_id, changes, settled, now)
        self.commits += self._made - self._before
        self._before = self._made
        return batch_id

    def settle_batch(self, *args: Any, **options: Any) -> list[State]:
        states = super().settle_batch(*args, **options)
        self.commits += self._made - self._before
        return states


@dataclass(slots=True)
class Measured(Agent):
    """An agent with the ledger that it is given."""

    given: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        assert self.given is not None
        return self.given


@dataclass(slots=True)
class Side:
    """One of the two, with its own CRM and state."""

    agent: Measured
    clock: RemoteClock | None
    root: str
    real: bool

    def advance(self) -> None:
        """An hour passes, for the agent and for the CRM."""
        assert self.clock is not None, "the real clock cannot be moved"
        seconds = timedelta(hours=1).total_seconds()
        requests.post(f"{self.root}/_sandbox/clock", json={"advance_seconds": seconds}, timeout=60).raise_for_status()
        self.clock.at += timedelta(hours=1)

    def run(self, *, initial: bool) -> tuple[float, float, int]:
        """A whole run: wall seconds, processor seconds, changes made."""
        wall, processor = time.perf_counter(), time.process_time()
        if self.real:
            assert not self.agent.ledger.verify(deep=False)  # as every run begins
            self.agent.store.proved = True
        report = self.agent.run(dry_run=False, initial=initial, with_tasks=initial or None)
        spent = time.perf_counter() - wall, time.process_time() - processor
        assert report.endings.keys() <= {"confirmed"}, report.endings
        assert not report.held, report.held
        assert not report.blocked, report.blocked
        return *spent, report.endings["confirmed"]

    def be_known(self) -> None:
        """Let the state know that something was written, where the ledger does not: nothing is to be adopted."""
        with self.agent.store.transaction() as conn:
            remember(conn, self.agent.store.file, "account", {"": {}}, 0)


@contextmanager
def side(folder: Path, root: str, *, real: bool, waits: bool = False) -> Iterator[Side]:
    """One of the two. `waits`: by the real clock."""
    urls = {name: f"{root}/{name}" for name in vendors("hubspot")}
    config = write_trial_config(folder, urls)
    clock = None if waits else RemoteClock(root)
    with open_agent(config, clock=clock) as agent:
        agent.crm.setup([one.spec for one in agent.fields], dry_run=False)
        parts = {one.name: getattr(agent, one.name) for one in fields(agent)}
        ledger = CountingLedger(agent.store) if real else ForgetfulLedger(agent.store)
        yield Side(Measured(**parts, given=ledger), clock, root, real)


@dataclass(slots=True)
class Times:
    """Seconds of the same run with the real ledger and with the other one, over and over."""

    wall: list[tuple[float, float]] = field(default_factory=list)
    processor: list[tuple[float, float]] = field(default_factory=list)
    inside_wall: list[tuple[float, float]] = field(default_factory=list)
    inside: list[tuple[float, float]] = field(default_factory=list)
    changes: int = 0

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        limits = {"wall": f"; limit {MAX_SHARE}", "processor": ""}
        for what, pairs in (("wall", self.wall), ("processor", self.processor)):
            real, null = median(one for one, _ in pairs), median(other for _, other in pairs)
            yield {"name": f"{name}: {what} time with the ledger", "value": real, "unit": "s"}
            yield {"name": f"{name}: {what} time with one that forgets", "value": null, "unit": "s"}
            yield _ratio(f"{name}: {what} time, times", [one / other for one, other in pairs], limits[what])
        for what, pairs in (("wall", self.inside_wall), ("processor", self.inside)):
            # Of one and the same run, so that whatever else the machine does touches both alike.
            ratios = [whole / (whole - inside) for whole, inside in pairs]
            yield _ratio(f"{name}: {what} time over that outside the ledger", ratios)
        yield {"name": f"{name}: changes written", "value": self.changes}


def _ratio(name: str, ratios: Sequence[float], limit: str = "") -> dict[str, Any]:
    """The median, and between which the middle half of them lies."""
    low, _, high = quantiles(ratios, method="inclusive") if len(ratios) > 1 else (ratios[0],) * 3
    return {"name": name, "value": median(ratios), "unit": f"x ({len(ratios)} pairs, {low:.2f}-{high:.2f}{limit})"}


def both(sides: Sequence[Side], times: Times, turn: int, *, initial: bool) -> None:
    """The same run on both sides; who goes first alternates."""
    spent: dict[bool, tuple[float, float, int]] = {}
    for one in sides if turn % 2 else reversed(sides):
        ledger = one.agent.ledger
        if isinstance(ledger, CountingLedger):
            ledger.inside = ledger.inside_wall = 0.0
        spent[one.real] = one.run(initial=initial)
        if isinstance(ledger, CountingLedger):
            times.inside_wall.append((spent[True][0], ledger.inside_wall))
            times.inside.append((spent[True][1], ledger.inside))
    # By the real clock the second begins a minute later, when a score or two may be another.
    assert abs(spent[True][2] - spent[False][2]) <= (0 if sides[0].clock else 0.01 * spent[True][2]), "not the same"
    times.wall.append((spent[True][0], spent[False][0]))
    times.processor.append((spent[True][1], spent[False][1]))
    times.changes += spent[True][2]


def beginning(store: Store) -> Iterator[dict[str, Any]]:
    """What an agent does before it works, on the state that the runs have left."""
    store.fold()
    size = store.file.stat().st_size / 1e6
    yield {"name": "state file", "value": size, "unit": "MB"}
    for name, work in (
        ("digest of the state file", store.stamps.digest),
        ("quick proof of the ledger", lambda: Ledger(store).verify(deep=False)),
        ("whole proof of the ledger", Ledger(store).verify),
        ("daily copy", lambda: copy_now(store, datetime.fromisoformat("2026-12-01T00:00:00+00:00"))),
    ):
        began = time.perf_counter()
        work()
        yield {"name": name, "value": (time.perf_counter() - began) * 1000, "unit": "ms"}


def main() -> list[dict[str, Any]]:
    user, fill, hour = Times(), Times(), Times()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(ACCOUNTS, ticking=True) as one,
        served(ACCOUNTS, ticking=True) as two,
        side(Path(folder) / "real", one, real=True, waits=True) as real,
        side(Path(folder) / "null", two, real=False, waits=True) as null,
    ):
        both((real, null), user, 0, initial=True)
    rows: list[dict[str, Any]] = []
    batches = commits = 0
    for turn in range(ROUNDS):
        with (
            tempfile.TemporaryDirectory() as folder,
            served(ACCOUNTS) as one,
            served(ACCOUNTS) as two,
            side(Path(folder) / "real", one, real=True) as real,
            side(Path(folder) / "null", two, real=False) as null,
        ):
            both((real, null), fill, turn, initial=True)
            null.be_known()
            for number in range(HOURS):
                for each in (real, null):
                    each.advance()
                both((real, null), hour, number, initial=False)
            counted = real.agent.ledger
            assert isinstance(counted, CountingLedger)
            batches, commits = batches + counted.batches, commits + counted.commits
            rows = list(beginning(real.agent.store))
    rows = [{"name": "commits per batch", "value": commits / batches, "unit": f"of {batches} (limit 2)"}, *rows]
    return [*user.rows("first fill as a user has it"), *fill.rows("first fill"), *hour.rows("an hour"), *rows]


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
