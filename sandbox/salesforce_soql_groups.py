"""Aggregate queries: COUNT, MIN and MAX, over every record that passes or by one field."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sandbox.salesforce_soql_fields import Column, Getter, Scope
from sandbox.salesforce_soql_tree import Aggregate, Order, Path, malformed, pointed, refused
from sandbox.salesforce_types import FieldDef

MOST_GROUPS = 2000
"""There is no second page for groups."""
Row = dict[str, tuple[FieldDef | None, Any]]
"""One group: name or alias -> the field whose kind of value it is (None for a count), and the value."""


class Groups:
    """The groups of one query.

    Raises:
        SfError: 400, something selected or sorted by is neither grouped nor aggregated.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        query = scope.query
        self.by = None if query.group is None else self._group(query.group)
        self.makers: list[tuple[str, FieldDef | None, Callable[[Sequence[int]], Any]]] = []
        for item in query.selected:
            self._take(item)
        self.order = self._order()

    def _group(self, path: Path) -> Column:
        column = self.scope.column(path)
        if not column.field.groupable:
            message = f"field '{column.field.name}' can not be grouped in a query call"
            raise refused("INVALID_FIELD", pointed(self.scope.query.text, path.at, message))
        return column

    def _take(self, item: object) -> None:
        if isinstance(item, Aggregate):
            column = self.scope.column(item.field)
            unnamed = sum(name.startswith("expr") for name, _, _ in self.makers)
            shown = None if item.function == "COUNT" else column.field
            self.makers.append((item.alias or f"expr{unnamed}", shown, _AGGREGATES[item.function](column.get)))
            return
        chosen = self.scope.column(item) if isinstance(item, Path) else None
        if chosen is None or self.by is None or chosen.name != self.by.name:
            raise malformed(f"Field must be grouped or aggregated: {item}")
        get = chosen.get
        self.makers.append((chosen.field.name, chosen.field, lambda places: get(places[0])))

    def _order(self) -> Order | None:
        """By the group's own field or not at all. Raises 400."""
        for order in self.scope.query.order:
            column = self.scope.column(order.field)
            if self.by is None or column.name != self.by.name:
                raise malformed(f"Ordered field must be grouped or aggregated: {order.field}")
        return self.scope.query.order[0] if self.scope.query.order else None

    def rows(self, places: list[int]) -> list[Row]:
        """The groups' values. Raises 400 when there are more than fit on a page."""
        groups: dict[Any, list[int]] = {} if self.by is not None else {None: places}
        if self.by is not None:
            for place in places:
                groups.setdefault(self.by.get(place), []).append(place)
        keys = list(self._in_order(groups))[: self.scope.query.limit]
        if len(keys) > MOST_GROUPS:
            message = (
                "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
            )
            raise refused("EXCEEDED_ID_LIMIT", message)
        return [{name: (field, make(groups[key])) for name, field, make in self.makers} for key in keys]

    def _in_order(self, groups: dict[Any, list[int]]) -> Iterator[Any]:
        nulls = [key for key in groups if key is None]
        descending = self.order is not None and self.order.descending
        keys = sorted((key for key in groups if key is not None), reverse=descending)
        last = self.order is not None and self.order.nulls_last
        yield from [*keys, *nulls] if last else [*nulls, *keys]


def _filled(get: Getter, places: Sequence[int]) -> list[Any]:
    return [value for place in places if (value := get(place)) is not None]


_AGGREGATES: dict[str, Callable[[Getter], Callable[[Sequence[int]], Any]]] = {
    "COUNT": lambda get: lambda places: len(_filled(get, places)),
    "MIN": lambda get: lambda places: min(_filled(get, places), default=None),
    "MAX": lambda get: lambda places: max(_filled(get, places), default=None),
}
