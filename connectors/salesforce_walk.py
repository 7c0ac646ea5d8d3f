"""Walking over the rows of an object in the order of (SystemModstamp, Id), whatever happens on the way.

Salesforce keeps the place in a list for two days only, may give up on a query after 120 seconds, and may send fewer
rows than asked for. So the walk knows its own place, the last row that it has passed, and begins again from there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base import Row
from connectors.errors import ConnectorError, CursorExpiredError, MissingPermissionError, ShapeError, TransientError
from connectors.http import refused_with
from connectors.salesforce_api import Api
from connectors.salesforce_kinds import Kind
from connectors.salesforce_soql import Key, is_id, select, tidy, window
from connectors.salesforce_values import instant

LAG = timedelta(minutes=5)
"""How long after its own stamp a row may show up for the first time; also how much of a walk may change under it."""
ENOUGH = 0.95
"""Share of the rows that Salesforce counts for a query which must have come for the rest to be forgiven."""
SHORTEST = timedelta(minutes=1)
"""A stretch of time that is not halved any more when Salesforce gives up on it."""
BEGINNING = datetime(1999, 1, 1, tzinfo=UTC)
"""Before Salesforce."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer gave.

    Attributes:
        rows: Tidied.
        key: The last row that has certainly been passed.
        total: Rows that Salesforce counts for the query.
        last: Nothing comes after it.
    """

    rows: list[Row]
    key: Key | None
    total: int | None
    last: bool


class Walk:
    """One pass over the rows of a kind.

    Args:
        api: The org.
        kind: What to read.
        fields: Gives the fields to ask for, at the time of each query.
        low: From when on; None for everything.
        key: Where an earlier walk has got to.
        cope: Sees why fields were refused; raises it again, or makes `fields` give others.
    """

    def __init__(
        self,
        api: Api,
        kind: Kind,
        fields: Callable[[], Sequence[str]],
        low: datetime | None,
        key: Key | None,
        cope: Callable[[MissingPermissionError], None],
    ) -> None:
        self.api = api
        self.kind = kind
        self._fields = fields
        self._cope = cope
        self._low = low
        self._key = key
        self._until: datetime | None = None
        self._held = False
        self._stuck: Key | bool | None = False

    def pages(self) -> Iterator[Page]:
        """Every page to the end.

        Raises:
            ShapeError: Rows that Salesforce counts do not come.
            TransientError: It gives up on the shortest stretch of time, or forgets the place again and again.
        """
        while True:
            try:
                yield from self._query()
            except (CursorExpiredError, _ShortError) as error:
                self._again(error)
            except MissingPermissionError as error:
                self._cope(error)
            except TransientError as error:
                if not refused_with(error, "QUERY_TIMEOUT"):
                    raise
                self._narrow(error)
            else:
                if self._until is None:
                    return
                self._next_stretch()

    def _query(self) -> Iterator[Page]:
        fields = self._fields()
        conditions = [*window(self._low, self._key, self._until), *([self.kind.where] if self.kind.where else [])]
        soql = select(self.kind.object, fields, conditions, ordered=True)
        settled: datetime | None = None
        begun, count, before = self._key, 0, None
        self._held = False
        for body in self.api.query(soql, purpose=self.kind.name, all_rows=self.kind.deletes):
            settled = settled or self.api.server_now() - LAG
            rows = self._rows(body, fields)
            count += len(rows)
            done, total = body.get("done") is True, body.get("totalSize")
            total = total if isinstance(total, int) else None
            if done and total is not None and self._is_short(count, total, rows):
                self._key = begun  # which rows did not come, nobody knows
                raise _ShortError(count, total)
            if rows and rows == before:
                raise ShapeError(f"the pages of {self.kind.name} go in circles.", vendor=self.api.name)
            before = rows
            self._pass(rows, settled)
            yield Page(rows, self._key, total, last=done and self._until is None)

    def _is_short(self, count: int, total: int, rows: Sequence[Row]) -> bool:
        """Whether a list lacks too much. Of a few rows that were purged meanwhile none need come; of a page, some."""
        return count < total * ENOUGH or (count < total and (self._held or not rows))

    def _rows(self, body: Any, fields: Sequence[str]) -> list[Row]:
        """The rows of a page. What is no record becomes one without an id, to be set aside like any such row."""
        rows = [tidy(row) if isinstance(row, dict) else {"unreadable": row} for row in body["records"]]
        first = next((row for row in rows if "unreadable" not in row), None)
        lacking = [name for name in fields if first is not None and name.partition(".")[0] not in first]
        if lacking:
            message = f"rows of {self.kind.object} came without {', '.join(lacking)}."
            advice = "Names in the field map must be written as in Salesforce, capitals included."
            raise ShapeError(message, vendor=self.api.name, advice=advice)
        return rows

    def _pass(self, rows: Sequence[Row], settled: datetime) -> None:
        """Remember how far we are.

        A row that changes while its list is read may come in its old place with its new stamp. It must not carry our
        place along past the rows behind it, so only rows count that have been at rest since the query began. After a
        page without rows the place stays until the end has shown whether any were lost.
        """
        self._held = self._held or not rows
        if self._held:
            return
        keys = [key for key in map(_key, rows) if key is not None and key.stamp < settled]
        self._key = max([*keys, *([self._key] if self._key else [])], default=None)

    def _again(self, error: "ConnectorError | _ShortError") -> None:
        """Begin again from where we are, unless that was tried from here before."""
        if self._stuck == self._key:
            if isinstance(error, _ShortError):
                message = (
                    f"the list of {self.kind.name} ended after {error.count} of {error.total}; it was not believed."
                )
                raise ShapeError(message, vendor=self.api.name) from None
            message = f"the place in the list of {self.kind.name} was forgotten twice."
            raise TransientError(message, vendor=self.api.name, code=error.code) from None
        self._stuck = self._key

    def _narrow(self, error: TransientError) -> None:
        """Ask for half the time that Salesforce could not manage."""
        start = max(self._low or BEGINNING, self._key.stamp if self._key else BEGINNING)
        span = ((self._until or self.api.server_now()) - start) / 2
        if span < SHORTEST:
            raise error
        self._until = (start + span).replace(microsecond=0)

    def _next_stretch(self) -> None:
        """Go on behind a narrowed stretch with one of twice its length."""
        end = self._until or BEGINNING
        start = max(self._low or BEGINNING, BEGINNING)
        until = end + 2 * (end - start)
        self._low, self._until = end, (until if until < self.api.server_now() else None)


class _ShortError(Exception):
    """A list that ended before all the rows had come that Salesforce counts."""

    def __init__(self, count: int, total: int) -> None:
        super().__init__(count, total)
        self.count = count
        self.total = total


def _key(row: Mapping[str, Any]) -> Key | None:
    record_id = row.get("Id")
    if not is_id(record_id):
        return None
    try:
        return Key(instant(str(row.get("SystemModstamp"))), str(record_id))
    except ValueError:
        return None
