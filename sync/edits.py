"""What becomes of fields of ours that somebody else changed: kept, overwritten, asked about, parked, or undone.

By default the human wins: a value that is not what we last wrote stays until it is emptied or agrees with us. The
config may say otherwise for a field. Where something in the CRM (a flow, another integration) takes back what we
write again and again, nobody wins: after `FLIPS` times within `WINDOW` the field is parked for that record, and after
`FIELD_RECORDS` such records everywhere, until a person releases it. What an undo put back stays as well, until
something else than the undone value is wanted.

Nothing here asks the CRM. All of it follows from the ledger and from what people decided (`decision`, `parked`), so
that a crash between a write and the note about it cannot happen.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.base import Value
from sync.plan import HumanEdit, RecordChange
from sync.policy import HumanEdits, Policy
from sync.store import Store
from sync.tables import epoch, instant
from sync.undone import Place, end, undone, writes
from sync.values import from_json, loads, same, to_json

FLIPS = 3
"""Times that our value was taken back and written again before the field of that record is parked."""

WINDOW = timedelta(hours=24)
"""The time within which they count."""

FIELD_RECORDS = 5
"""Records whose same field is parked before the field is parked on every record."""

EVERY = ""
"""In place of a record's id: the field on every record."""

Choice = Literal["ours", "theirs"]


@dataclass(frozen=True, slots=True)
class Parked:
    """A field that is not written any more, until somebody releases it.

    Attributes:
        record_id: The record; "" for the field on every record.
        flips: Times our value was taken back and written again; for a whole field the number of parked records.
    """

    object: str
    record_id: str
    field: str
    since: datetime
    why: str
    flips: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said about a value that is not ours. It holds while the CRM still shows `theirs`."""

    choice: Choice
    theirs: Value


@dataclass(frozen=True, slots=True)
class Rules:
    """What to do about fields that somebody else changed.

    Attributes:
        default: For fields that `edits` does not name.
        edits: Our name of a field -> what happens to it.
        undone: Values that an undo took back: they are not written again while nothing else is wanted.
    """

    default: HumanEdits = "keep"
    edits: Mapping[str, HumanEdits] = field(default_factory=dict)
    parked: Mapping[Place, Parked] = field(default_factory=dict)
    answers: Mapping[Place, Answer] = field(default_factory=dict)
    undone: Mapping[Place, Value] = field(default_factory=dict)

    def rule(self, logical: str) -> HumanEdits:
        """What happens to a field, by our name for it."""
        return self.edits.get(logical, self.default)

    def is_parked(self, place: Place) -> bool:
        """Whether the field is parked, on this record or on all."""
        return bool(self.parked) and (place in self.parked or (place[0], EVERY, place[2]) in self.parked)


class Edits:
    """What people decided, what is parked and what was undone, in the state file."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def rules(self, policy: Policy) -> Rules:
        """Everything the comparison has to heed."""
        parked = {(one.object, one.record_id, one.field): one for one in self.parked()}
        return Rules(policy.human_edits, policy.edits, parked, self._answers(), self.undone())

    # -- parked ---------------------------------------------------------------------------------------------------

    def parked(self) -> list[Parked]:
        """Everything parked, whole fields first."""
        rows = self.store.rows(
            "SELECT object, record_id, field, since, why, flips FROM parked ORDER BY record_id <> '', since, 1, 2, 3",
            (),
        )
        return [Parked(obj, record, name, instant(since), why, flips) for obj, record, name, since, why, flips in rows]

    def park(
        self,
        records: Sequence[RecordChange],
        written: Mapping[tuple[str, str], Mapping[str, Value]],
        followers: Iterable[str],
        now: datetime,
    ) -> tuple[list[RecordChange], list[HumanEdit]]:
        """Take out of the changes those that would only be taken back again, and park their fields.

        Args:
            records: What is to be written.
            written: What we last wrote, by object and record id.
            followers: The CRM's names of the fields that cause no write by themselves.
            now: Ends the window that is looked at.

        Returns:
            The changes that are left, and the fields now parked.
        """
        fights = {
            (record.object, record.record_id, change.field): ours[change.field]
            for record in records
            if (ours := written.get((record.object, record.record_id)))
            for change in record.fields
            if change.field in ours and not same(change.before, ours[change.field])
        }
        counts = self._flips(fights, now) if fights else Counter[Place]()
        lost = {place for place in fights if counts[place] >= FLIPS}
        if not lost:
            return list(records), []
        self._park(lost, counts, now)
        lost_by_record: dict[tuple[str, str], set[str]] = {}
        for obj, record_id, name in lost:
            lost_by_record.setdefault((obj, record_id), set()).add(name)
        left, kept = [], []
        for record in records:
            names = lost_by_record.get((record.object, record.record_id), set())
            kept += [
                HumanEdit(
                    record.object,
                    record.record_id,
                    record.name,
                    change.field,
                    fights[record.object, record.record_id, change.field],
                    change.before,
                    change.after,
                    "parked",
                )
                for change in record.fields
                if change.field in names
            ]
            rest = tuple(change for change in record.fields if change.field not in names)
            if any(change.field not in set(followers) for change in rest):
                left.append(replace(record, fields=rest) if names else record)
        return left, kept

    def _flips(self, places: Iterable[Place], now: datetime) -> Counter[Place]:
        """How often within the window we wrote over something else than what we had written before."""
        wanted = set(places)
        released = {place: after for place, _, _, after in self._decisions("release")}
        flips: Counter[Place] = Counter()
        last: dict[Place, Value] = {}
        for op_id, obj, record_id, before, after, at in writes(self.store.rows, {place[:2] for place in wanted}):
            old = loads(before)
            for name, value in loads(after).items():
                place = (obj, record_id, name)
                since = max(released.get(place, 0), released.get((obj, EVERY, name), 0))
                taken_back = place in last and name in old and not same(old[name], last[place])
                if place in wanted and taken_back and op_id > since and instant(at) > now - WINDOW:
                    flips[place] += 1
                last[place] = value
        return flips

    def _park(self, places: Iterable[Place], counts: Mapping[Place, int], now: datetime) -> None:
        hours = int(WINDOW / timedelta(hours=1))
        with self.store.transaction() as conn:
            conn.executemany(
                "INSERT OR IGNORE INTO parked (object, record_id, field, since, why, flips) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (*place, epoch(now), f"taken back {counts[place]} times within {hours} hours", counts[place])
                    for place in sorted(places)
                ],
            )
            conn.execute(
                """INSERT OR IGNORE INTO parked (object, record_id, field, since, why, flips)
                   SELECT object, '', field, ?, count(*) || ' records take it back again and again', count(*)
                   FROM parked WHERE record_id <> '' AND flips > 0 GROUP BY object, field HAVING count(*) >= ?""",
                (epoch(now), FIELD_RECORDS),
            )

    def release(self, obj: str, name: str, record_id: str | None = None) -> int:
        """Write a parked field again; what it did before counts no more.

        Args:
            obj: Kind of record.
            name: The CRM's name of the field.
            record_id: Only on this record; everywhere when left out.

        Returns:
            How many records, and the whole field as one, were parked.
        """
        where, values = "object = ? AND field = ?", [obj, name]
        if record_id is not None:
            where, values = where + " AND record_id = ?", [*values, record_id]
        with self.store.transaction() as conn:
            count = conn.execute(f"DELETE FROM parked WHERE {where}", values).rowcount
            if count:
                self._decide(conn, (obj, record_id or EVERY, name), "release", "")
        return count

    # -- answers --------------------------------------------------------------------------------------------------

    def answer(self, edits: Iterable[HumanEdit], choice: Choice) -> None:
        """Settle what the plan leaves alone: "ours" is written by the next run, "theirs" stays without being asked."""
        with self.store.transaction() as conn:
            for edit in edits:
                place = (edit.object, edit.record_id, edit.field)
                self._decide(conn, place, choice, json.dumps(to_json(edit.theirs)))

    def _answers(self) -> dict[Place, Answer]:
        """Answers that still hold: "ours" holds until it was written once."""
        answers = {}
        ours = []
        for place, kind, theirs, after in self._decisions("ours", "theirs"):
            answers[place] = Answer("ours" if kind == "ours" else "theirs", from_json(json.loads(theirs)))
            if kind == "ours":
                ours.append((place, after))
        for place, after in ours:
            later = writes(self.store.rows, {place[:2]})
            if any(op_id > after and place[2] in loads(payload) for op_id, _, _, _, payload, _ in later):
                del answers[place]
        return answers

    def _decide(self, conn: Any, place: Place, kind: str, theirs: str) -> None:
        group = "release" if kind == "release" else "answer"
        conn.execute(
            """INSERT OR REPLACE INTO decision (object, record_id, field, about, kind, theirs, after_op)
               VALUES (?, ?, ?, ?, ?, ?, (SELECT coalesce(max(op_id), 0) FROM op))""",
            (*place, group, kind, theirs),
        )

    def _decisions(self, *kinds: str) -> list[tuple[Place, str, str, int]]:
        marks = ", ".join("?" * len(kinds))
        rows = self.store.rows(
            f"SELECT object, record_id, field, kind, theirs, after_op FROM decision WHERE kind IN ({marks})", kinds
        )
        return [((obj, record_id, name), kind, theirs, after) for obj, record_id, name, kind, theirs, after in rows]

    # -- undone ---------------------------------------------------------------------------------------------------

    def undone(self) -> dict[Place, Value]:
        """Values of ours that an undo took back, and that are not written again yet, by place."""
        return {place: one.value for place, one in undone(self.store.rows).items()}

    def end_undone(self, places: Sequence[Place]) -> None:
        """Note where something else is wanted by now than what an undo took back."""
        if places:
            with self.store.transaction() as conn:
                end(conn, places)
