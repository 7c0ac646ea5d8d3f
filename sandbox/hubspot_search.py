"""The search endpoint: up to 200 records a page, 10,000 a query, from the lagging index.

Results carry no associations, archived records never appear, and the answer has no rate-limit headers. A keyset walk
(`hs_object_id GT last`, sorted by `hs_object_id`) is answered from one remembered result, cut by bisection.
"""

import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from sandbox.hubspot_errors import bad_request, validation
from sandbox.hubspot_filters import Filter, as_number, compile_test, parse_groups, query_test
from sandbox.hubspot_schema import short_iso

if TYPE_CHECKING:
    from sandbox.hubspot_portal import Call, Portal, Reply

MAX_PAGE = 200
MAX_RESULTS = 10_000
_REMEMBERED = 8
_LONGEST_QUERY = 3000


@dataclass(frozen=True, slots=True)
class Sort:
    """The one sort of a search."""

    name: str
    descending: bool


class Search:
    """Answers searches over one portal; remembers the last few results.

    Args:
        portal: Where the records and their indexes are.
    """

    def __init__(self, portal: "Portal") -> None:
        self.portal = portal
        self._results: OrderedDict[str, list[int]] = OrderedDict()

    def answer(self, call: "Call") -> "Reply":
        """POST objects/{kind}/search."""
        body = call.body
        kind = call.kind
        limit, after = _paging(body)
        groups = parse_groups(body, self.portal.schemas[kind])
        sort = _sort(body, self.portal.schemas[kind].properties)
        query = str(body.get("query") or "")
        if len(query) > _LONGEST_QUERY:
            raise bad_request()
        self.portal.indexes[kind].catch_up(self.portal.now)
        found, start = self._find(kind, groups, query, sort)
        total = len(found) - start
        page = found[start + after : start + after + limit]
        answer: dict[str, Any] = {"total": total, "results": self._show(kind, page, body)}
        if after + limit < total:
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return 200, answer

    def _find(self, kind: str, groups: list[list[Filter]], query: str, sort: Sort | None) -> tuple[list[int], int]:
        """The matching ids in order, and from which position on they count (a keyset's place)."""
        groups, floor = _split_keyset(groups, sort)
        generation = self.portal.indexes[kind].generation
        key = repr((kind, generation, groups, query, sort))
        # Associations change without the index's knowing.
        linked = any(one.type == "association" for group in groups for one in group)
        found = None if linked else self._results.get(key)
        if found is None:
            found = self._sorted(kind, self._matching(kind, groups, query), sort)
            self._results[key] = found
            if len(self._results) > _REMEMBERED:
                self._results.popitem(last=False)
        else:
            self._results.move_to_end(key)
        return found, 0 if floor is None else bisect_right(found, floor)

    def _matching(self, kind: str, groups: list[list[Filter]], query: str) -> list[int]:
        if not groups:
            ids: Iterable[int] = self.portal.indexes[kind].ids
        elif len(groups) == 1:
            ids = self._group(kind, groups[0])
        else:
            ids = sorted({i for group in groups for i in self._group(kind, group)})
        if query:
            test = query_test(query)
            names = self.portal.objects[kind].searchable
            ids = [i for i in ids if test([self.value(kind, i, name) for name in names])]
        return list(ids)

    def _group(self, kind: str, group: list[Filter]) -> list[int]:
        """Ids that pass every filter of a group: the narrowest candidates first, then the other filters one by one."""
        candidates, used = self._candidates(kind, group)
        for filter_ in group:
            if filter_ in used:
                continue
            if filter_.type == "association":
                linked = self._linked(kind, filter_)
                candidates = [i for i in candidates if i in linked]
            else:
                test = compile_test(filter_)
                candidates = [i for i in candidates if test(self.value(kind, i, filter_.name))]
        return candidates

    def _candidates(self, kind: str, group: list[Filter]) -> tuple[list[int], list[Filter]]:
        """Start from exact ids, else from a modified window and an id range, the narrower one first."""
        index, modified = self.portal.indexes[kind], self.portal.objects[kind].modified
        for filter_ in group:
            if filter_.name == "hs_object_id" and filter_.operator in {"EQ", "IN"}:
                wanted = filter_.values or (filter_.value,)
                return sorted({int(v) for v in wanted if v.isdigit() and index.found(int(v))}), [filter_]
        by_time = [f for f in group if f.name == modified and _is_range(f)]
        by_id = [f for f in group if f.name == "hs_object_id" and _is_range(f)]
        low, high = _bounds(by_time)
        first, past = _bounds(by_id)
        in_ids = index.id_range(-1 if first is None else first, (1 << 62) if past is None else past - 1)
        if not by_time:
            return in_ids, by_id
        if index.window_size(low, high) <= len(in_ids):
            window = index.ids_of(index.window(low, high))
            inside = [i for i in window if (first is None or i >= first) and (past is None or i < past)]
        else:
            stamp = index.stamp
            inside = [i for i in in_ids if (low is None or stamp(i) >= low) and (high is None or stamp(i) < high)]
        return inside, by_time + by_id

    def _linked(self, kind: str, filter_: Filter) -> set[int]:
        """Ids of this kind associated with the records a filter on `associations.X` names."""
        other = self.portal.kind_of(filter_.name.removeprefix("associations."))
        wanted = filter_.values or (filter_.value,)
        return {i for v in wanted if v.isdigit() for i in self.portal.links.linked(other, int(v), kind)}

    def value(self, kind: str, record_id: int, name: str) -> str | None:
        """A property's value as the index knows it."""
        table, index, object_type = self.portal.tables[kind], self.portal.indexes[kind], self.portal.objects[kind]
        place = table.position(record_id)
        assert place is not None  # noqa: S101 - the index is fed from the table
        if name == "hs_object_id":
            return str(record_id)
        if name == object_type.modified:
            return short_iso(index.stamp(record_id))
        if name == object_type.created:
            return short_iso(table.created[place])
        snapshot = index.snapshots.get(record_id)
        return table.value_with(place, name, index.at, {} if snapshot is None else snapshot.values)

    def _sorted(self, kind: str, ids: list[int], sort: Sort | None) -> list[int]:
        """By the given sort, else by creation; records without a value come last."""
        if sort is not None and sort.name == "hs_object_id":
            return ids[::-1] if sort.descending else ids
        name = self.portal.objects[kind].created if sort is None else sort.name
        key = self._sort_key(kind, name)
        keyed = [(key(i), i) for i in ids]
        filled = sorted((pair for pair in keyed if pair[0] is not None), reverse=sort is not None and sort.descending)
        return [i for _, i in filled] + [i for value, i in keyed if value is None]

    def _sort_key(self, kind: str, name: str) -> Callable[[int], Any]:
        table, index, object_type = self.portal.tables[kind], self.portal.indexes[kind], self.portal.objects[kind]
        if name == object_type.modified:
            return index.stamp
        if name == object_type.created:
            return lambda i: table.created[table.position(i) or 0]
        value_type = self.portal.schemas[kind].properties[name].type

        def key(record_id: int) -> Any:
            value = self.value(kind, record_id, name)
            if value is None:
                return None
            return as_number(value_type, value) if value_type in {"number", "date", "datetime"} else value.lower()

        return key

    def _show(self, kind: str, ids: list[int], body: Mapping[str, Any]) -> list[dict[str, Any]]:
        table, index = self.portal.tables[kind], self.portal.indexes[kind]
        names = body.get("properties") or self.portal.objects[kind].search_defaults
        fields = table.fields(self.portal.known(kind, names))
        shown = []
        for record_id in ids:
            place = table.position(record_id)
            assert place is not None  # noqa: S101 - the index is fed from the table
            snapshot = index.snapshots.get(record_id)
            shown.append(table.show_with(place, fields, index.at, snapshot, index.stamp(record_id)))
        return shown


def _paging(body: Mapping[str, Any]) -> tuple[int, int]:
    """`limit` (10 by default, at most 200) and `after` (an integer as text). Raises 400 past the 10,000th result."""
    limit = body.get("limit", 10)
    after = body.get("after") or "0"
    if not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit <= MAX_PAGE:
        raise validation(f"limit must be between 0 and {MAX_PAGE}, was {json.dumps(limit)}")
    if not str(after).isdigit():
        raise validation(f"after must be an integer, was {json.dumps(after)}")
    if int(after) + limit > MAX_RESULTS:
        raise bad_request()
    return limit, int(after)


def _sort(body: Mapping[str, Any], properties: Mapping[str, Any]) -> Sort | None:
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise validation("Only one sort is allowed")
    if not sorts:
        return None
    item = sorts[0]
    if isinstance(item, str):
        sort = Sort(item.lstrip("-"), item.startswith("-"))
    elif isinstance(item, dict):
        sort = Sort(str(item.get("propertyName", "")), item.get("direction", "ASCENDING") == "DESCENDING")
    else:
        raise bad_request()
    if sort.name not in properties:
        raise bad_request()
    return sort


def _split_keyset(groups: list[list[Filter]], sort: Sort | None) -> tuple[list[list[Filter]], int | None]:
    """Take `hs_object_id GT n` out of a walk sorted by id: the result is the same for every page of the walk."""
    if len(groups) != 1 or sort != Sort("hs_object_id", descending=False):
        return groups, None
    floors = [f for f in groups[0] if f.name == "hs_object_id" and f.operator == "GT"]
    if len(floors) != 1:
        return groups, None
    rest = [f for f in groups[0] if f is not floors[0]]
    return [rest], int(floors[0].number())


def _is_range(filter_: Filter) -> bool:
    return filter_.operator in {"LT", "LTE", "GT", "GTE", "BETWEEN"}


def _bounds(filters: list[Filter]) -> tuple[int | None, int | None]:
    """Low (inclusive) and high (exclusive) of range filters taken together, in whole numbers."""
    lows: list[int] = []
    highs: list[int] = []
    for filter_ in filters:
        value = filter_.number()
        if filter_.operator == "GT":
            lows.append(floor(value) + 1)
        elif filter_.operator == "LT":
            highs.append(ceil(value))
        elif filter_.operator == "LTE":
            highs.append(floor(value) + 1)
        else:
            lows.append(ceil(value))
        if filter_.operator == "BETWEEN":
            highs.append(floor(filter_.number(filter_.high)) + 1)
    return (max(lows) if lows else None), (min(highs) if highs else None)
