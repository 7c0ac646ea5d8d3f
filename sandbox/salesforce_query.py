"""The REST resources `query` and `queryAll`, and the cursors behind their further pages.

A cursor remembers which records the query found, and shows them as they are when their page is asked for; what was
deleted or purged in between is left out, so that a page may be shorter than it should. Cursors can be read again and in
any order until they expire. Salesforce documents 2 days of life, pages of 200 to 2,000 rows, and that a page may have
fewer rows than asked for.
"""

import json
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from sandbox.salesforce_errors import SfError
from sandbox.salesforce_http import Call, Reply, Route
from sandbox.salesforce_ids import full
from sandbox.salesforce_org import Org
from sandbox.salesforce_soql import parse
from sandbox.salesforce_soql_fields import NAME, Node, Scope
from sandbox.salesforce_soql_groups import Row
from sandbox.salesforce_soql_run import Found, run
from sandbox.salesforce_soql_tree import Query, malformed, refused
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import NUMBER_TYPES, TEXT_TYPES, FieldDef

LEAST_ROWS, MOST_ROWS = 200, 2000
"""What `batchSize` may ask for; other numbers are brought into that range."""
JSON_TYPE = {"Content-Type": "application/json;charset=UTF-8"}

_BATCH = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_LOCATOR = re.compile(r"(01g\w{12}(?:\w{3})?)-(\d{1,9})")
_HOUR_MS = 3_600_000


# ---- values as JSON --------------------------------------------------------------------------------------------------


_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS = tuple(f"{second:02d}." for second in range(60))


@lru_cache(maxsize=1 << 14)
def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def datetime_text(ms: int) -> str:
    """A moment as REST answers write it: "2026-01-01T00:00:00.000+0000"."""
    seconds, rest = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    days, minute = divmod(minutes, 1440)
    return f"{_day(days)}{_MINUTES[minute]}{_SECONDS[second]}{rest:03d}+0000"


def _moment(value: int | None) -> str | None:
    return None if value is None else datetime_text(value)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


_PLAIN = frozenset({"id", "reference", "date"})
"""Types whose values have nothing to escape."""


def _same(value: Any) -> Any:
    return value


def converter(field: FieldDef | None) -> Callable[[Any], Any] | None:
    """What turns a field's values into JSON; None when they can stay as they are."""
    if field is None or field.type == "int":
        return None
    if field.type == "datetime":
        return _moment
    return _float if field.type in NUMBER_TYPES else None


_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _members(field: FieldDef, values: Sequence[Any]) -> list[str]:
    """`"Name":value` for one field of many records."""
    head = f'"{field.name}":'
    null = f"{head}null"
    if field.type == "boolean":
        yes, no = f"{head}true", f"{head}false"
        return [yes if value else no for value in values]
    if field.type == "datetime":
        return [null if value is None else f'{head}"{datetime_text(value)}"' for value in values]
    if field.type in _PLAIN:
        return [null if value is None else f'{head}"{value}"' for value in values]
    convert = converter(field) or _same
    write = encode_basestring if field.type in TEXT_TYPES else _dumps
    return [null if value is None else head + write(convert(value)) for value in values]


class Records:
    """Writes records as JSON texts, the way one query wants them.

    Column by column, because a page has thousands of values of a few kinds: that is several times as quick as building
    an object for each record and encoding those.

    Args:
        scope: What the query names.
        node: The fields wanted.
        root: Path of the version, "/services/data/v64.0".
    """

    def __init__(self, scope: Scope, node: Node, root: str) -> None:
        self._scope = scope
        self._node = node
        self._root = root
        self._now = scope.org.now

    def page(self, places: Sequence[int]) -> list[str]:
        """Records of the kind asked for."""
        return self._records(self._scope.table, self._node, places)

    def _records(self, table: Table, node: Node, places: Sequence[int]) -> list[str]:
        head = f'"attributes":{{"type":"{node.object.name}","url":"{self._root}/sobjects/{table.object.name}/'
        columns = [[f'{head}{one}"}}' for one in table.column("Id", places, self._now)]]
        for name, item in node.items.items():
            if isinstance(item, Node):
                columns.append(self._parents(table, name, item, places))
            else:
                columns.append(_members(item, self._values(table, node, item.name, places)))
        return [f"{{{','.join(row)}}}" for row in zip(*columns, strict=True)]

    def _values(self, table: Table, node: Node, name: str, places: Sequence[int]) -> list[Any]:
        if node.object is not NAME:
            return table.column(name, places, self._now)
        read = self._scope.reading(NAME, name)
        return [read((table, place)) for place in places]

    def _parents(self, table: Table, name: str, node: Node, places: Sequence[int]) -> list[str]:
        """The parent of each record, written once for each parent."""
        assert node.reference is not None  # noqa: S101 - only the top has none
        keys = table.column(node.reference.name, places, self._now)
        found: dict[Table, dict[str, int]] = {}
        for key in dict.fromkeys(keys):
            spot = self._scope.spot(node.reference, key)
            if spot is not None:
                found.setdefault(spot[0], {})[key] = spot[1]
        written: dict[str, str] = {}
        for parent, there in found.items():
            written.update(zip(there, self._records(parent, node, list(there.values())), strict=True))
        return [f'"{name}":{written.get(key, "null")}' for key in keys]


# ---- cursors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """The records that a query found.

    Attributes:
        query: What was asked.
        user: By whom; nobody else may go on.
        everything: Whether deleted and archived records count too.
        places: The records, in order.
        expires: Epoch milliseconds.
    """

    query: Query
    user: str
    everything: bool
    places: "array[int]"
    expires: int


class Cursors:
    """The org's open cursors, by id."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._open: dict[str, Cursor] = {}
        self._made = 0

    def add(self, query: Query, user: str, places: Sequence[int], *, everything: bool) -> str:
        """Open a cursor and give its id."""
        now = self._org.now
        for old in [key for key, cursor in self._open.items() if cursor.expires <= now]:
            del self._open[old]
        self._made += 1
        key = full(f"01gHf{self._made:010d}")
        expires = now + round(self._org.options.cursor_hours * _HOUR_MS)
        self._open[key] = Cursor(query, user, everything, array("q", places), expires)
        return key

    def find(self, locator: str, user: str) -> tuple[str, Cursor, int]:
        """A cursor and where in it a locator points. Raises 400 `INVALID_QUERY_LOCATOR`."""
        parts = _LOCATOR.fullmatch(locator)
        key = "" if parts is None else full(parts[1][:15])
        cursor = self._open.get(key)
        lives = cursor is not None and cursor.user == user and self._org.now < cursor.expires
        start = int(parts[2]) if parts is not None else 0
        if cursor is None or not lives or start >= len(cursor.places):
            raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
        return key, cursor, start

    def expire(self) -> int:
        """Let all open cursors expire now; gives how many there were."""
        count = len(self._open)
        self._open.clear()
        return count


# ---- operations ------------------------------------------------------------------------------------------------------


def rows_on_page(org: Org, call: Call) -> int:
    """How many rows a page has: what the client asks for, unless the server gives fewer."""
    asked = _BATCH.search(call.header("Sforce-Query-Options"))
    rows = MOST_ROWS if asked is None else min(max(int(asked[1]), LEAST_ROWS), MOST_ROWS)
    return max(1, min(rows, org.options.page_rows))


def _ask(org: Org, call: Call, *, everything: bool) -> Reply:
    text = call.query.get("q")
    if text is None:
        raise malformed("A query string has to be specified")
    if org.options.query_timeout:
        raise SfError(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
    query = parse(text)
    found = run(org, call.user, query, everything=everything)
    if found.groups is not None:
        return _answer(found.count, None, [_group(row) for row in found.groups])
    rows = rows_on_page(org, call)
    locator = None
    if len(found.places) > rows:
        key = org.part(Cursors).add(query, call.user, found.places, everything=everything)
        locator = f"{key}-{rows}"
    return _page(call, found, found.places[:rows], locator)


def _group(row: Row) -> str:
    shown: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
    for name, (field, value) in row.items():
        convert = converter(field)
        shown[name] = value if convert is None else convert(value)
    return _dumps(shown)


def _page(call: Call, found: Found, places: Sequence[int], locator: str | None) -> Reply:
    records = Records(found.scope, found.node, call.path("").rstrip("/")).page(places)
    return _answer(found.count, None if locator is None else call.path(f"query/{locator}"), records)


def _answer(count: int, following: str | None, records: list[str]) -> Reply:
    body: dict[str, Any] = {"totalSize": count, "done": following is None}
    if following is not None:
        body["nextRecordsUrl"] = following
    return 200, f'{_dumps(body)[:-1]},"records":[{",".join(records)}]}}', JSON_TYPE


def query(org: Org, call: Call) -> Reply:
    """`GET query?q=`: the first page of what lives."""
    return _ask(org, call, everything=False)


def query_all(org: Org, call: Call) -> Reply:
    """`GET queryAll?q=`: deleted and archived records too."""
    return _ask(org, call, everything=True)


def more(org: Org, call: Call) -> Reply:
    """`GET query/LOCATOR` (or `queryAll/LOCATOR`): a further page."""
    key, cursor, start = org.part(Cursors).find(call.params["locator"], call.user)
    scope = Scope(org, call.user, cursor.query)
    node, columns = scope.wanted()
    stop = start + rows_on_page(org, call)
    places = [p for p in cursor.places[start:stop] if _still_there(scope.table, p, everything=cursor.everything)]
    locator = f"{key}-{stop}" if stop < len(cursor.places) else None
    return _page(call, Found(scope, node, columns, places, len(cursor.places)), places, locator)


def _still_there(table: Table, place: int, *, everything: bool) -> bool:
    if not table.deleted(place):
        return True
    return everything and table.place(table.id_at(place)) is not None


ROUTES = (
    Route("GET", "query", query),
    Route("GET", "queryAll", query_all),
    Route("GET", "query/{locator}", more),
    Route("GET", "queryAll/{locator}", more),
)
