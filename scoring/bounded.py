"""TOML within bounds: what a person writes is small, and beyond that the reader would take minutes or break."""

import tomllib
from collections.abc import Callable
from typing import Any

LONGEST_LINE = 10_000
"""Characters; the time to read a key of many parts grows with their square."""

DEEPEST = 20
"""Tables within tables."""

MOST_CARDS = 9
"""More cards than this are more rulers than anybody can keep apart."""


def loads(text: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """The tables of a TOML document.

    Raises:
        ValueError: When it is not valid TOML, or beyond these bounds; the message is one line.
    """
    if any(len(line) > LONGEST_LINE for line in text.split("\n")):
        raise ValueError(f"a line is longer than {LONGEST_LINE:,} characters")
    try:
        data = tomllib.loads(text, parse_float=parse_float)
    except (ValueError, ArithmeticError) as error:  # numbers beyond measure among them
        raise ValueError(" ".join(str(error).split())[:200] or "a number cannot be read") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        level = [item for one in level for item in (one.values() if isinstance(one, dict) else one)]
        level = [item for item in level if isinstance(item, dict | list)]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    return data
