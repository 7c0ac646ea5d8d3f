"""Twelve agents that are wrong on purpose: two naive designs, and ten bugs that would do harm one day in a hundred.

Each is the product with one thing taken away or turned round, in a process of its own.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors import hubspot_read
from connectors.base import Change, Outcome, Value
from scoring.playbooks import DesiredTask
from sync import apply, recover, run
from sync.database import StateFile
from sync.frames import CrmRecord
from sync.ledger import Ledger, Op, Settled
from sync.plan import TaskChange
from sync.playing import Stage
from tests.crash.points import Point


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong agent.

    Attributes:
        name: On the command line.
        harm: How a verdict on a point says what it does one day.
        break_it: Makes the product of this process wrong, for good.
        points: Where to look for the harm: those steps of the scenario that are most likely to show it come first.
        scenario: Of `tests.crash.scenarios`.
        kind: Likewise.
    """

    name: str
    harm: str
    break_it: Callable[[], None]
    points: Callable[[Sequence[str]], Iterable[Point]]
    scenario: str = "small"
    kind: str = "hubspot-marker"


# -- where to look ------------------------------------------------------------------------------------------------


def sends(steps: Sequence[str], point: Point) -> Iterator[Point]:
    """A point at each request, the last ones first: those write."""
    for number in range(len(steps), 0, -1):
        if steps[number - 1].startswith("sent"):
            yield replace(point, step=number)


def around(steps: Sequence[str], what: str, point: Point) -> Iterator[Point]:
    """A point at each step of a name, the last ones first."""
    for number in range(len(steps), 0, -1):
        if steps[number - 1] == what:
            yield replace(point, step=number)


LOST = Point(0, "lost", gap="later", human=False)
ARRIVES = Point(0, "arrives", gap="later", human=False)
LATE_AND_SOON = Point(0, "late", gap="soon", human=False)
UNHEARD = Point(0, "unheard", gap="soon", human=False)
EDITED = Point(0, "lost", gap="later", human=True)
OVERTAKEN = Point(0, "overtaken", gap="later", human=False)
STATE_LOST = Point(0, "arrives", gap="later", human=False, state="lost")
STATE_OLD = Point(0, "arrives", gap="later", human=False, state="old")
POWER = Point(0, gap="later", human=False, power=True)
UNDISTURBED = Point(10_000, gap="later", human=False)


# -- the two naive designs ----------------------------------------------------------------------------------------


def mark_then_send() -> None:
    """It is written down as done, then it is sent."""

    def send(self: Any, batch_id: int, send: Sequence[Any]) -> list[Any]:
        changes = [change for _, change in send]
        done = [Outcome(change.key, "confirmed", change.record_id) for change in changes]
        self.ledger.settle_batch(batch_id, changes, done, self.clock.now())
        self.crm.send(changes)
        return [apply.Applied(item, "confirmed") for item, _ in send]

    _put(apply._Walk, "_send", send)


def send_then_mark() -> None:
    """It is sent, then it is written down; nobody asks the CRM what it knows."""

    def write(self: Any, send: Sequence[Any], settled: Sequence[Any]) -> Iterator[Any]:
        changes = [change for _, change in send]
        outcomes = self.crm.send(changes) if changes else []
        verdicts = [verdict for _, verdict in settled]
        batch_id = self.ledger.send_batch(self.run_id, changes, verdicts, self.clock.now())
        if changes:
            self.ledger.settle_batch(batch_id, changes, outcomes, self.clock.now())
        yield from (apply.Applied(item, outcome.result) for (item, _), outcome in zip(send, outcomes, strict=True))

    _put(apply._Walk, "_write", write)
    no_adoption()


# -- ten bugs -----------------------------------------------------------------------------------------------------


def no_hold_off() -> None:
    """What the CRM does not show at once counts as not done."""
    _put(recover, "HOLD_OFF", timedelta(0))


def no_adoption() -> None:
    """Tasks are created without asking whether they are there."""

    def create(self: Any, batch: Sequence[Any]) -> Iterator[Any]:
        yield from self._write(batch, [])

    _put(apply._Walk, "_create", create)
    _put(run, "take_over", lambda *_: None)


def unclear_is_nothing() -> None:
    """A time-out or a 5xx counts as nothing done."""
    settle = Ledger.settle_batch

    def hasty(
        self: Ledger, batch_id: int, changes: Sequence[Change], outcomes: Sequence[Outcome], now: datetime, **how: Any
    ) -> Any:
        sure = [replace(one, result="retry") if one.result == "in_doubt" else one for one in outcomes]
        return settle(self, batch_id, changes, sure, now, **how)

    _put(Ledger, "settle_batch", hasty)


def random_key() -> None:
    """A task's key is drawn, not derived."""

    def change(self: Stage, task: DesiredTask, account: CrmRecord) -> TaskChange:
        return replace(derived(self, task, account), key=secrets.token_hex(16))

    derived = Stage.change
    _put(Stage, "change", change)


def no_second_look() -> None:
    """Nothing is read again before it is written."""

    def compare(item: Any, now_in_crm: Mapping[str, Value] | None) -> Settled | None:
        del item, now_in_crm
        return None

    _put(apply, "_compare", compare)


def sending_not_committed() -> None:
    """What is about to leave is written down together with the answer."""
    begin, settle = Ledger.send_batch, Ledger.settle_batch
    kept: dict[int, Any] = {}

    def send_batch(self: Ledger, *given: Any) -> int:
        kept[id(self)] = given
        return 1

    def settle_batch(self: Ledger, _batch_id: int, *given: Any, **how: Any) -> Any:
        with self.store.transaction():
            return settle(self, begin(self, *kept.pop(id(self))), *given, **how)

    _put(Ledger, "send_batch", send_batch)
    _put(Ledger, "settle_batch", settle_batch)


def no_fence() -> None:
    """An agent that was overtaken goes on."""
    _put(StateFile, "_check_fence", lambda *_: None)


def strict_cursor() -> None:
    """What changed in the last instant of a window belongs to no window."""
    body = hubspot_read._changed_body

    def strictly(*given: Any) -> Any:
        made = body(*given)
        made["filterGroups"][0]["filters"][0]["operator"] = "GT"
        return made

    _put(hubspot_read, "_changed_body", strictly)
    _put(hubspot_read, "OVERLAP", timedelta(0))


def synchronous_normal() -> None:
    """Commits reach the disk some time later."""
    configure = StateFile._configure

    def quicker(self: StateFile) -> None:
        configure(self)
        self.db.conn.execute("PRAGMA synchronous = NORMAL")

    _put(StateFile, "_configure", quicker)


def edits_taken_for_ours() -> None:
    """What recovery finds in the CRM counts as written by us, whoever wrote it."""
    settle = recover.Recovery._settle

    def trusting(self: Any, ops: Sequence[Op], found: Mapping[int, Any]) -> Any:
        counts = settle(self, ops, found)
        for op in ops:
            if op.record_id is not None and (values := found[op.op_id].values) is not None:
                self.ledger.adopt_values(op.object, {op.record_id: values}, self.clock.now())
        return counts

    _put(recover.Recovery, "_settle", trusting)


def _put(place: Any, name: str, value: Any) -> None:
    assert hasattr(place, name), f"{place} has no {name} any more: the mutant must follow the product"
    setattr(place, name, value)


MUTANTS = {
    mutant.name: mutant
    for mutant in (
        Mutant("mark-then-send", "lost:", mark_then_send, lambda steps: sends(steps, LOST)),
        Mutant("send-then-mark", "doubled:", send_then_mark, lambda steps: sends(steps, ARRIVES)),
        Mutant("no-hold-off", "doubled:", no_hold_off, lambda steps: sends(steps, LATE_AND_SOON)),
        Mutant(
            "no-adoption",
            "doubled:",
            no_adoption,
            lambda steps: [*sends(steps, STATE_OLD), *sends(steps, STATE_LOST)],
        ),
        Mutant("unclear-is-nothing", "doubled:", unclear_is_nothing, lambda steps: sends(steps, UNHEARD)),
        Mutant("random-key", "doubled:", random_key, lambda steps: sends(steps, ARRIVES)),
        Mutant("no-second-look", "somebody wrote", no_second_look, lambda _: [UNDISTURBED], "stale"),
        Mutant("sending-not-committed", "lost:", sending_not_committed, lambda steps: sends(steps, ARRIVES)),
        Mutant("no-fence", "after it was overtaken", no_fence, lambda steps: [*sends(steps, OVERTAKEN)][::-1]),
        Mutant("strict-cursor", "was never read", strict_cursor, lambda _: [UNDISTURBED], "tied"),
        Mutant(
            "synchronous-normal",
            "lost:",
            synchronous_normal,
            lambda steps: around(steps, "after commit", POWER),
        ),
        Mutant(
            "edits-taken-for-ours",
            "somebody wrote",
            edits_taken_for_ours,
            lambda steps: sends(steps, EDITED),
        ),
    )
}
