"""What must be true after each hour, seen from the CRM's inside and from the state file."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scoring.features import catalogue
from sync.database import StateFile
from sync.ledger import Ledger
from sync.values import same
from tests.crash.desk import LEVELS, card, own_fields
from tests.soak.people import People
from tests.soak.site import Site

HOLD_OFF = timedelta(minutes=15)
FED_BY = {"usage": "mixpanel", "ticket": "zendesk"}
"""Kind of record -> the source that alone tells of it; all others come from the CRM, too."""

COPIES = 7
PLANS = 7 * 24 + 24
"""Plans are kept for seven days, and one is made an hour at most; some are saved twice."""
SPOOLED = 5

Parts = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Account -> its band, and the points of each signal."""


@dataclass
class Checks:
    """See the module.

    Attributes:
        tell: Is told at once.
        wrong: What was wrong, as "kind: when: what". Kinds:
            drift: Fields that say neither what the ledger says that we wrote nor what somebody else wrote.
            overwritten: Fields that somebody else wrote and that the agent has replaced.
            doubled: Tasks that are there twice, or again after somebody deleted them.
            lost: Tasks that the ledger takes for made and that are not there.
            open: Operations that a clean run has left unclear although their hold-off was over.
            moved: Bands that moved by the silence of a source.
            damage: What is wrong with state and ledger.
            grown: What grows without end.
            other: Whatever else a run should not have said.
        at: When it is now, for people.
    """

    site: Site
    people: People
    tell: Callable[[str], None] = lambda _: None
    wrong: list[str] = field(default_factory=list)
    at: str = ""
    _named: set[str] = field(default_factory=set)
    _parts: Parts = field(default_factory=dict)
    _heard: Parts = field(default_factory=dict)

    def found(self, kind: str, text: str) -> None:
        """What stays wrong is found once."""
        if text not in self._named:
            self._named.add(text)
            self.wrong.append(f"{kind}: {self.at}: {text}")
            self.tell(f"{self.at}: {text}")

    def fields_and_tasks(self) -> None:
        """CRM against ledger."""
        with self.site.store() as store:
            ledger = Ledger(store)
            wrote = ledger.written()
            unclear = {(op.object, op.record_id) for op in ledger.open_ops()}
            made = dict(store.rows("SELECT key, remote_id FROM op WHERE kind = 'task_create' AND state = 'confirmed'"))
            on = {
                key: json.loads(payload).get("account_id")
                for key, payload in store.rows("SELECT key, payload FROM op WHERE kind = 'task_create'")
            }
        alone = {one.spec.name for one in own_fields(self.site.crm) if one.moves_alone}
        alive: set[str] = set()
        for level in LEVELS:
            there = self.site.inside.ours(level)
            alive |= set(there)
            for one, row in there.items():
                if (level, one) not in unclear:
                    self._fields(level, one, row, wrote.get((level, one), {}), alone)
        self._tasks(made, on, alive)

    def _fields(
        self, level: str, one: str, row: Mapping[str, Any], ours: Mapping[str, Any], alone: Collection[str]
    ) -> None:
        for name in alone & row.keys():
            key, says = (level, one, name), row[name]
            if key in self.people.edited and not same(says, self.people.edited[key]):
                theirs = self.people.edited.pop(key)
                if self.people.theirs(key, says):
                    continue  # the flow has written it
                self.found("overwritten", f"{level} {one} {name}: somebody wrote {theirs!r}, and it says {says!r}")
            if same(says, ours.get(name)):
                self.people.unsure.discard(key)
            elif not self.people.theirs(key, says):
                self.found(
                    "drift", f"{level} {one} {name}: it says {says!r}, the ledger that we wrote {ours.get(name)!r}"
                )

    def _tasks(self, made: Mapping[str, str], on: Mapping[str, str], alive: Collection[str]) -> None:
        there = self.site.inside.task_keys()
        keys = list(there.values())
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            self.found("doubled", f"task {key}: {keys.count(key)} times")
        for key in self.people.deleted & set(keys):
            self.found("doubled", f"task {key}: made again after somebody deleted it")
        gone = self.people.deleted | self.people.deleted_ids
        for key, task_id in made.items():
            # A task that was found in the CRM is also known by the key that its episode would give it now.
            if key in keys or task_id in there or {key, task_id} & gone:
                continue
            if on.get(key) in alive:
                self.found("lost", f"task {key} ({task_id}): the ledger says that it was made")

    def nothing_open(self, began: datetime) -> None:
        """After a clean run that began then."""
        with self.site.store() as store:
            for op in Ledger(store).open_ops():
                if op.sent_at is None or op.sent_at < began - HOLD_OFF:
                    self.found("open", f"operation {op.op_id} ({op.kind}) is {op.state}, sent {op.sent_at}")

    def ledger_whole(self) -> None:
        """Hashes and chain."""
        with self.site.store() as store:
            for text in Ledger(store).verify():
                self.found("damage", text)

    def bands(self, breaches: Collection[Mapping[str, Any]]) -> None:
        """No band moves by what a silent source no longer says, nor by what it said before.

        What other sources have said since the silence began may move it, at once or after some days.
        """
        silent = {breach["source"] for breach in breaches if breach["alarm"]}
        with self.site.store() as store:
            parts = _parts(store)
        for one, (band, points) in parts.items():
            before = self._parts.get(one)
            if not silent or before is None or before[0] == band:
                continue
            then = self._heard.get(one, before)[1]
            changed = {name for name in points if points[name] != then.get(name)}
            if all(_feeders(name) <= silent for name in changed):
                self.found("moved", f"{one}: {before[0]} to {band} while {', '.join(sorted(silent))} is silent")
        self._parts = parts
        if not silent:
            self._heard = parts

    def forget_bands(self) -> None:
        """The state is another one."""
        self._parts = self._heard = {}

    def folders(self) -> None:
        """Copies, plans and spooled files stay few."""
        state = self.site.state
        for name, most in {"copies/state-*.db": COPIES, "plans/*": PLANS, "spool/*": SPOOLED}.items():
            number = len(list(state.glob(name)))
            if number > most:
                self.found("grown", f"{number} files are {name}, {most} may be")

    def went_well(self, code: int, text: str, *, clean: bool) -> None:
        """No defect shows, and a clean hour has no trouble."""
        if "defect" in text or "Traceback" in text:
            self.found("other", f"it said: {text.strip()}")
        elif clean and code not in {0, 4, 5}:
            self.found("other", f"exit code {code} in an hour without trouble: {text.strip()[-400:]}")


def _parts(store: StateFile) -> Parts:
    rows = store.rows("SELECT crm_id, band, signals FROM score WHERE level = 'account'")
    return {one: (band, {item[0]: item[1] for item in json.loads(signals)}) for one, band, signals in rows}


def _feeders(signal: str) -> set[str]:
    """The sources that a signal is made from."""
    feature = catalogue("account")[card().account.signals[signal].feature]
    return {FED_BY.get(kind, "crm") for kind in feature.kinds} or {"crm"}
