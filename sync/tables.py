"""How a common record lies in its table: the columns of every kind, as data, and how values are written down.

Every kind has two tables. `<kind>` holds the newest version of each record; `<kind>_history` the superseded ones.
A row whose `valid_from` is NULL is only spoken of by other records: its key is taken, its content not yet known.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

if TYPE_CHECKING:
    from mapping.schema import Record


Type = Literal["text", "int", "bool", "instant", "day", "list", "map", "account", "contact", "ticket"]
"""How a value is written: an instant as epoch seconds, a day as epoch days, list and map as JSON text (NULL when
empty), "account", "contact" and "ticket" as the key of the record that the vendor id refers to."""

_KINDS = {
    "user": "email name active:bool",
    "account": "name domains:list external_ids:map owner_id parent_id:account plan mrr:int currency "
    "customer_since:day renewal_date:day lifecycle created_at:instant channel",
    "contact": "email other_emails:list external_ids:map account_ref:account account_refs:list owner_id title "
    "staff:bool active:bool last_login_at:instant created_at:instant email_opt_out:bool do_not_call:bool role",
    "membership": "contact_ref:contact account_ref:account",
    "deal": "account_ref:account name pipeline stage closed:bool won:bool renewal:bool amount:int currency "
    "close_date:day owner_id created_at:instant",
    "ticket": "account_ref:account contact_ref:contact status priority created_at:instant solved_at:instant "
    "first_reply_minutes:int reopens:int copy_of replies:int channel",
    "survey_response": "survey score:int scale_min:int scale_max:int satisfied:bool responded_at:instant email "
    "contact_ref:contact account_ref:account ticket_ref:ticket themes:list",
    "subscription": "account_ref:account status mrr:int currency current_period_end:instant cancel_at:instant "
    "card_expires:day",
    "invoice": "account_ref:account status amount_due:int currency due_date:day paid_at:instant failed_attempts:int "
    "created_at:instant",
    "activity": "account_ref:account contact_ref:contact activity inbound:bool at:instant closed:bool task_key "
    "tracked:bool opened_at:instant clicked_at:instant",
    "contact_role": "contact_ref:contact account_ref:account deal_ref role primary:bool",
}

_COLUMN_OF = {
    "account_ref": "account",
    "contact_ref": "contact",
    "ticket_ref": "ticket",
    "parent_id": "parent",
    "primary": "is_primary",  # a word of SQL
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()


def epoch(moment: datetime) -> int:
    """Epoch seconds, whole, rounded down."""
    return int(moment.timestamp() // 1)


def instant(seconds: int) -> datetime:
    """The instant that `epoch` wrote."""
    return datetime.fromtimestamp(seconds, UTC)


def epoch_day(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH_DAY


def version_of(moment: datetime | None) -> int | None:
    """A record's `updated_at` in microseconds, fine enough to tell two changes of one second apart."""
    return None if moment is None else round(moment.timestamp() * 1_000_000)


def compact(data: Any) -> str:
    """Canonical JSON text: equal data give equal text."""
    return to_json(dict(sorted(data.items())) if isinstance(data, dict) else data).decode()


def _instants(values: Sequence[datetime | None]) -> list[int | None]:
    return [None if value is None else int(value.timestamp() // 1) for value in values]


def _days(values: Sequence[date | None]) -> list[int | None]:
    return [None if value is None else value.toordinal() - _EPOCH_DAY for value in values]


def _versions(values: Sequence[datetime | None]) -> list[int | None]:
    return [None if value is None else round(value.timestamp() * 1_000_000) for value in values]


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [compact(value) if value else None for value in values]


_WRITE: dict[str, Callable[[Sequence[Any]], list[Any]]] = {
    "instant": _instants,
    "day": _days,
    "list": _texts,
    "map": _texts,
}
_READ: dict[str, Callable[[Any], Any]] = {
    "bool": lambda value: None if value is None else bool(value),
    "instant": lambda value: None if value is None else instant(value),
    "day": lambda value: None if value is None else date.fromordinal(value + _EPOCH_DAY),
    "list": lambda value: tuple(json.loads(value)) if value else (),
    "map": lambda value: json.loads(value) if value else {},
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind's tables.

    Attributes:
        field: Name in the common record.
        name: Name in SQL.
        type: How values are written.
    """

    field: str
    name: str
    type: Type

    @property
    def refers(self) -> bool:
        """Whether it holds the key of another record."""
        return self.type in {"account", "contact", "ticket"}


class Kind:
    """One kind of record and the statements that read and write it.

    The content of a row is (source_id, version, *columns); all statements keep that order.
    """

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.references = tuple(column for column in columns if column.refers)
        names = ", ".join(column.name for column in columns)
        marks = ", ".join("?" * len(columns))
        sets = ", ".join(f"{column.name} = ?" for column in columns)
        self.select = (
            f"SELECT source_id, version, {names}, key, stream, valid_from, valid_to FROM {name} "
            "WHERE source = ? AND source_id IN (SELECT value FROM json_each(?))"
        )
        self.insert = (
            f"INSERT INTO {name} (key, source, stream, source_id, version, {names}, valid_from) "
            f"VALUES (?, ?, ?, ?, ?, {marks}, ?)"
        )
        self.stub = f"INSERT INTO {name} (key, source, source_id) VALUES (?, ?, ?)"
        self.find = (
            f"SELECT source_id, key FROM {name} WHERE source = ? AND source_id IN (SELECT value FROM json_each(?))"
        )
        self.next_key = f"SELECT coalesce(max(key), 0) + 1 FROM {name}"
        self.archive = (
            f"INSERT INTO {name}_history (key, stream, version, {names}, valid_from, valid_to) "
            f"SELECT key, stream, version, {names}, valid_from, ? FROM {name} WHERE key = ?"
        )
        self.replace = (
            f"UPDATE {name} SET version = ?, {sets}, stream = ?, valid_from = ?, valid_to = NULL WHERE key = ?"
        )
        self.touch = f"UPDATE {name} SET version = ?, stream = ? WHERE key = ?"
        self.end = f"UPDATE {name} SET valid_to = max(?, valid_from) WHERE key = ?"

    @cached_property
    def model(self) -> type["Record"]:
        """The common record; loaded at its first use, since what only reads scores and runs needs none."""
        from mapping.schema import RECORDS

        return RECORDS[self.name]

    def contents(self, records: Sequence["Record"], keys: Mapping[str, Mapping[str, int]]) -> list[tuple[Any, ...]]:
        """What the table holds for these records; `keys` gives vendor id -> key for each kind referred to."""
        data = [record.__dict__ for record in records]
        columns: list[Iterable[Any]] = [
            [row["source_id"] for row in data],
            _versions([row["updated_at"] for row in data]),
        ]
        for column in self.columns:
            field = column.field
            values = [row[field] for row in data]
            if column.refers:
                columns.append(map(keys[column.type].get, values))
            else:
                write = _WRITE.get(column.type)
                columns.append(write(values) if write else values)
        return list(zip(*columns, strict=True))

    def read(self, *, source: str | None = None, as_of: datetime | None = None) -> str:
        """A SELECT of (source name, *content), references as vendor ids, by key."""
        named = [
            f"(SELECT source_id FROM {column.type} r WHERE r.key = t.{column.name})"
            if column.refers
            else f"t.{column.name}"
            for column in self.columns
        ]
        where = "WHERE source.name = ?" if source else ""
        return (
            f"SELECT source.name, t.source_id, t.version, {', '.join(named)} FROM ({self.rows(as_of)}) t "
            f"JOIN source ON source.id = t.source {where} ORDER BY t.key"
        )

    def rows(self, as_of: datetime | None = None, *, past: bool = True) -> str:
        """A SELECT of key, source, source_id, version and the columns of every record valid now, or at an instant.

        `past` may be left out where it is known that the history holds nothing of that instant.
        """
        names = ", ".join(column.name for column in self.columns)
        now = f"SELECT key, source, source_id, version, {names} FROM {self.name} WHERE "
        if as_of is None:
            return f"{now} valid_from IS NOT NULL AND valid_to IS NULL"
        at = epoch(as_of)
        now = f"{now} valid_from <= {at} AND (valid_to IS NULL OR valid_to > {at})"
        if not past:
            return now
        then = ", ".join(f"h.{column.name}" for column in self.columns)
        return (
            f"{now} UNION ALL SELECT h.key, k.source, k.source_id, h.version, {then} FROM {self.name}_history h "
            f"JOIN {self.name} k ON k.key = h.key WHERE h.valid_to > {at} AND h.valid_from <= {at}"
        )

    def record(self, source: str, content: Sequence[Any]) -> "Record":
        """The record that `contents` wrote; references must have been turned back into vendor ids."""
        version = content[1]
        values: dict[str, Any] = {
            "source": source,
            "source_id": content[0],
            "updated_at": None if version is None else _EPOCH + timedelta(microseconds=version),
        }
        for column, value in zip(self.columns, content[2:], strict=False):
            read = _READ.get(column.type)
            values[column.field] = read(value) if read else value
        return self.model(**values)


def _kind(name: str, text: str) -> Kind:
    columns = []
    for word in text.split():
        field, _, kind = word.partition(":")
        columns.append(Column(field, _COLUMN_OF.get(field, field), kind or "text"))  # type: ignore[arg-type]  # the words above
    return Kind(name, columns)


KINDS: dict[str, Kind] = {name: _kind(name, text) for name, text in _KINDS.items()}
"""Every kind that lies in the state file; usage lies in Parquet files."""
