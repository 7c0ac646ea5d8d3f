"""Paths into vendor rows: `properties.email`, `answers[question.sub_type=customer_satisfaction].rating`.

Steps are separated by dots; a step with a dot or bracket in its name is quoted: `properties."my.key"`. After a step
that holds a list may come one selector:

- `[*]` every element; what follows is read from each, and the result is a list;
- `[primary]` the only element whose "primary" is true, else the only element, else nothing (any key may stand there);
- `[key=text]` the first element whose key, itself a path, has this text.
"""

import re
from collections.abc import Callable
from typing import Any

Getter = Callable[[Any], Any]

_STEP = re.compile(r'(?:"(?P<quoted>[^"]+)"|(?P<plain>[^."\[\]]+))(?:\[(?P<select>[^\]]*)\])?(?:\.(?=.)|$)')


class PathError(ValueError):
    """The text is no path."""


def parse(path: str) -> tuple[tuple[str, str | None], ...]:
    """Split a path into (key, selector) steps. Raises `PathError`."""
    steps: list[tuple[str, str | None]] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or match["select"] == "":
            raise PathError(path)
        steps.append((match["quoted"] or match["plain"], match["select"]))
        at = match.end()
    if not steps:
        raise PathError(path)
    return tuple(steps)


def getter(path: str) -> Getter:
    """A function that reads the path from a row; None where anything on the way is missing or of another shape."""
    return _getter(parse(path))


def _getter(steps: tuple[tuple[str, str | None], ...]) -> Getter:
    if all(select is None for _, select in steps):
        return _keys(tuple(key for key, _ in steps))
    (key, select), rest = steps[0], steps[1:]
    after = _getter(rest) if rest else _itself
    if select is None:
        return lambda row: after(row.get(key)) if isinstance(row, dict) else None
    pick = _selector(select, after)

    def read(row: Any) -> Any:
        found = row.get(key) if isinstance(row, dict) else None
        return pick(found) if isinstance(found, list) else None

    return read


def _itself(value: Any) -> Any:
    return value


def _keys(keys: tuple[str, ...]) -> Getter:
    def read(row: Any) -> Any:
        for key in keys:
            if not isinstance(row, dict):
                return None
            row = row.get(key)
        return row

    return read


def _selector(select: str, after: Getter) -> Getter:
    if select == "*":
        return lambda items: [after(item) for item in items]
    where, equals, text = select.partition("=")
    wanted = _getter(parse(where))
    if equals:
        return lambda items: next((after(item) for item in items if _text(wanted(item)) == text), None)

    def marked(items: list[Any]) -> Any:
        if len(items) == 1:
            return after(items[0])
        chosen = [item for item in items if wanted(item) is True]
        return after(chosen[0]) if len(chosen) == 1 else None

    return marked


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
