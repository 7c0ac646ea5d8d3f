"""Durations in the config."""

from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """Seconds in "90s", "15m", "1h" or "1d".

    Raises:
        ValueError: For anything else.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit() or int(number) == 0:
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 15m, 1h or 1d")
    return int(number) * _UNITS[unit]


Duration = Annotated[int, BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)]
"""Seconds, as a number or in words."""
