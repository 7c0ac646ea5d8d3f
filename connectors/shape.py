"""The shape of what a vendor answered: objects, and pages that hold a list of records."""

from collections.abc import Mapping
from typing import Any

from connectors.base import Row
from connectors.errors import ShapeError


def object_of(answer: Any, what: str, vendor: str) -> dict[str, Any]:
    """An answer that must be an object; `what` is what was asked for.

    Raises:
        ShapeError: It is something else.
    """
    if not isinstance(answer, dict):
        raise ShapeError(f"{what} answered with JSON that is not an object.", vendor=vendor)
    return answer


def rows_of(page: Mapping[str, Any], key: str, name: str, vendor: str) -> list[Row]:
    """The records of a page of `name`. What is no object becomes one without an id, to be set aside like any such row.

    Raises:
        ShapeError: It has no list under that key.
    """
    rows = page.get(key)
    if not isinstance(rows, list):
        raise ShapeError(f"a page of {name} holds no list of records.", vendor=vendor)
    return [row if isinstance(row, dict) else {"unreadable": row} for row in rows]
