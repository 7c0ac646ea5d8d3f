"""A query worked out: which records pass, in which order, and their groups.

Conditions become tests that are compiled once a query. Candidates come from the narrowest way in that the condition
allows: given ids, the index of a reference, a window of SystemModstamp, or else every record. What the way in already
guarantees is not tested again.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sandbox.salesforce_ids import canonical
from sandbox.salesforce_org import Org
from sandbox.salesforce_soql_fields import Column, Getter, Node, Scope
from sandbox.salesforce_soql_groups import Groups, Row
from sandbox.salesforce_soql_tree import (
    Chain,
    Comparison,
    Condition,
    Literal,
    Not,
    Order,
    Query,
    malformed,
    pointed,
    refused,
)
from sandbox.salesforce_soql_where import compile_test, span_of
from sandbox.salesforce_types import TEXT_TYPES

Passes = Callable[[int], bool]
"""A record's place -> whether it passes."""
Window = tuple[int, int]
"""From, and up to without, in epoch milliseconds."""

_ALWAYS: Window = (0, sys.maxsize)
_STAMP = "systemmodstamp"
_OFFSET_ROWS = 2000
"""Rows that a query with OFFSET gives at most, even OFFSET 0: there is no second page for it."""


@dataclass(slots=True)
class Found:
    """The answer to a query, not yet written out.

    Attributes:
        scope: What the query names.
        node: The fields wanted, as a tree.
        columns: The same, flat.
        places: The records, in order; for `COUNT()` and groups none.
        count: How many there are.
        groups: Rows of an aggregate query, None for one about records.
    """

    scope: Scope
    node: Node
    columns: list[Column]
    places: Sequence[int]
    count: int
    groups: list[Row] | None = None


def run(org: Org, user: str, query: Query, *, everything: bool) -> Found:
    """Answer a query.

    Args:
        org: The org.
        user: Id of the user who asks.
        query: What is asked.
        everything: Whether deleted and archived records count too (queryAll).

    Raises:
        SfError: 400, as Salesforce refuses it.
    """
    scope = Scope(org, user, query)
    finder = _Finder(scope, everything=everything)
    if query.aggregates:
        if query.counts:
            raise malformed("Grouped query cannot use COUNT()")
        groups = Groups(scope).rows(list(finder.passing()))
        return Found(scope, Node(scope.object), [], (), len(groups), groups)
    node, columns = scope.wanted()
    finder.prepare_order()
    places = finder.places()
    if query.counts:
        return Found(scope, node, columns, (), len(places))
    return Found(scope, node, columns, places, len(places))


class _Finder:
    """Finds the records of one query."""

    def __init__(self, scope: Scope, *, everything: bool) -> None:
        self.scope = scope
        self.query = scope.query
        self.everything = everything
        self.now = scope.org.now
        where = self.query.where
        self.terms: list[Condition] = []
        if isinstance(where, Chain) and where.word == "AND":
            self.terms = list(where.terms)
        elif where is not None:
            self.terms = [where]
        # Every name and value is looked at before any record is.
        self.tests = [(term, self.compile(term)) for term in self.terms]
        self.keys: list[tuple[Order, Column]] = []

    def compile(self, term: Condition) -> Passes:
        if isinstance(term, Comparison):
            column = self.scope.column(term.field)
            return _over(column.get, compile_test(column.field, term, self.query.text, self.now))
        if isinstance(term, Not):
            inner = self.compile(term.term)
            return lambda place: not inner(place)
        tests = [self.compile(one) for one in term.terms]
        if term.word == "AND":
            return lambda place: all(test(place) for test in tests)
        return lambda place: any(test(place) for test in tests)

    def prepare_order(self) -> None:
        """Look at ORDER BY. Raises 400 for what cannot be sorted by."""
        for order in self.query.order:
            column = self.scope.column(order.field)
            if not column.field.sortable:
                message = f"field '{column.field.name}' can not be sorted in a query call"
                raise refused("INVALID_FIELD", pointed(self.query.text, order.field.at, message))
            self.keys.append((order, column))

    def passing(self) -> Iterable[int]:
        """The records that pass, in order."""
        candidates, by_stamp = self._candidates()
        passing = self._unless_hidden(candidates)
        for _, test in self.tests:
            passing = filter(test, passing)
        return passing if self._ordered(by_stamp=by_stamp) else self._sorted(passing)

    def places(self) -> list[int]:
        """The records that pass, in order, from OFFSET up to LIMIT."""
        limit = self.query.limit
        if limit == 0:
            return []
        if self.query.offset is not None:
            limit = min(_OFFSET_ROWS, _OFFSET_ROWS if limit is None else limit)
        start = self.query.offset or 0
        return list(islice(self.passing(), start, None if limit is None else start + limit))

    def _unless_hidden(self, places: Iterable[int]) -> Iterable[int]:
        """Leave out, without a word, what sharing does not show to the user."""
        shown = self.scope.org.rows(self.scope.user, self.scope.object.name)
        return places if shown is None else filter(shown, places)

    def _candidates(self) -> tuple[Sequence[int], bool]:
        """Records that may pass, and whether they come in order of (SystemModstamp, Id) rather than of Id."""
        named = self._by_reference()
        if named is not None:
            return named, False
        window = _ALWAYS
        for term in self.terms:
            window = _meet(window, self._window(term))
        leading = self._leads_with_stamp()
        table = self.scope.table
        if window == _ALWAYS and not leading:
            return table.places(self.now, deleted=self.everything), False
        places = table.changed(*window, self.now, deleted=self.everything)
        if leading:
            places = self._after_key(places)
        self.tests = [row for row in self.tests if not self._is_window(row[0])]
        return places, True

    def _leads_with_stamp(self) -> bool:
        """Whether the order is that of `Table.changed`."""
        names = [column.name for _, column in self.keys]
        plain = not any(order.descending for order, _ in self.keys)
        return plain and names in (["SystemModstamp"], ["SystemModstamp", "Id"])

    def _ordered(self, *, by_stamp: bool) -> bool:
        names = [column.name for _, column in self.keys]
        if not names or names[0] == "Id":
            return not by_stamp and not (names and self.keys[0][0].descending)
        return by_stamp and self._leads_with_stamp()

    def _sorted(self, places: Iterable[int]) -> list[int]:
        rows = sorted(places)
        for order, column in reversed(self.keys):
            get, text = column.get, column.field.type in TEXT_TYPES
            keyed = [(get(place), place) for place in rows]
            full = [(value.lower() if text else value, place) for value, place in keyed if value not in {None, ""}]
            nulls = [place for value, place in keyed if value in {None, ""}]
            full.sort(key=_first, reverse=order.descending)
            filled = [place for _, place in full]
            rows = filled + nulls if order.nulls_last else nulls + filled
        return rows

    # ---- ways in -----------------------------------------------------------------------------------------------------

    def _by_reference(self) -> list[int] | None:
        """The records that a condition names by id or by what they refer to; None when none does."""
        for term in self.terms:
            if not isinstance(term, Comparison) or term.operator not in {"=", "IN"} or len(term.field.names) > 1:
                continue
            field = self.scope.object.field(term.field.names[0])
            ids = [canonical(str(literal.value)) for literal in term.values if literal.value]
            if field is None or field.type not in {"id", "reference"} or len(ids) < len(term.values):
                continue
            if field.type == "id":
                return sorted({place for one in ids if (place := self._there(str(one))) is not None})
            return self.scope.table.referring(field.name, ids, self.now, deleted=self.everything)
        return None

    def _there(self, record_id: str) -> int | None:
        table = self.scope.table
        place = table.place(record_id)
        if place is None or self.everything:
            return place
        archived = table.archived is not None and table.archived(place, self.now)
        return None if archived or table.deleted(place) else place

    def _is_window(self, term: Condition) -> bool:
        """Whether a condition is about SystemModstamp alone and quite said by its window."""
        return isinstance(term, Comparison) and self._window(term) != _ALWAYS

    def _window(self, term: Condition) -> Window:
        """The SystemModstamps outside of which nothing passes."""
        if isinstance(term, Comparison):
            return self._window_of(term)
        if isinstance(term, Not):
            return _ALWAYS
        windows = [self._window(one) for one in term.terms]
        if term.word == "AND":
            found = _ALWAYS
            for window in windows:
                found = _meet(found, window)
            return found
        return min(low for low, _ in windows), max(high for _, high in windows)

    def _window_of(self, term: Comparison) -> Window:
        if _name(term) != _STAMP or term.operator not in {"=", "<", "<=", ">", ">="}:
            return _ALWAYS
        literal = term.values[0]
        if literal.kind == "null":
            return _ALWAYS
        field = self.scope.object.field(_STAMP)
        assert field is not None  # noqa: S101 - the term was compiled
        low, high = span_of(field, literal, self.now)
        after = high if literal.kind == "word" else high + 1
        return {
            "=": (low, after),
            "<": (0, low),
            "<=": (0, after),
            ">": (after, sys.maxsize),
            ">=": (low, sys.maxsize),
        }[term.operator]

    def _after_key(self, places: list[int]) -> list[int]:
        """Take `(SystemModstamp = s AND Id > i) OR SystemModstamp > s` at its word: go on after that record."""
        for n, (term, _) in enumerate(self.tests):
            key = _keyset(term)
            if key is not None:
                del self.tests[n]
                return places[_first_after(places, key, self._key) :]
        return places

    def _key(self, place: int) -> tuple[int, str]:
        table = self.scope.table
        return table.stamp(place, self.now), table.id_at(place)


def _over(get: Getter, test: Callable[[Any], bool]) -> Passes:
    return lambda place: test(get(place))


def _first(row: tuple[Any, int]) -> Any:
    return row[0]


def _meet(one: Window, other: Window) -> Window:
    return max(one[0], other[0]), min(one[1], other[1])


def _name(term: Comparison) -> str:
    return str(term.field).lower()


def _single(term: Condition, name: str, operator: str, kind: str) -> Literal | None:
    """The value of a condition of just this form; None for any other."""
    if not isinstance(term, Comparison) or _name(term) != name or term.operator != operator:
        return None
    return term.values[0] if term.values[0].kind == kind else None


def _keyset(term: Condition) -> tuple[int, str] | None:
    """The (SystemModstamp, Id) after which a page goes on, when that is what the condition says."""
    if not isinstance(term, Chain) or term.word != "OR" or len(term.terms) != 2:
        return None
    for tied, later in (term.terms, term.terms[::-1]):
        above = _single(later, _STAMP, ">", "datetime")
        if above is None or not isinstance(tied, Chain) or tied.word != "AND" or len(tied.terms) != 2:
            continue
        for same, after in (tied.terms, tied.terms[::-1]):
            equal, beyond = _single(same, _STAMP, "=", "datetime"), _single(after, "id", ">", "string")
            if equal is not None and beyond is not None and equal.value == above.value:
                return int(str(equal.value)), str(canonical(str(beyond.value)))
    return None


def _first_after(places: Sequence[int], key: tuple[int, str], key_of: Callable[[int], tuple[int, str]]) -> int:
    """Where in the ordered places the first one stands that is beyond the key."""
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        if key_of(places[middle]) > key:
            high = middle
        else:
            low = middle + 1
    return low
