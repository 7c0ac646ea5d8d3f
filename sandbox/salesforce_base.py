"""What a table of Salesforce's records is made of: ids and numbers, the world's part, what was written since.

Times are epoch milliseconds throughout.
"""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce_ids import canonical, full, record_id

Getter = Callable[[int, int], Any]
"""(place, now) -> value."""
Renderer = Callable[[Any, int], Any]
"""(world object, now) -> value."""
Listener = Callable[[str, int, Mapping[str, Any], int, str], None]
"""Hears of ("insert" | "write" | "delete" | "undelete" | "purge", place, values, now, user id) after it happened; an
undeletion's only value is "DeletedAt", the instant of the deletion it takes back."""

ORGANIZATION = record_id("Organization", 1)
INTEGRATION_USER = record_id("User", 1)
ADMINISTRATOR = record_id("User", 2)
STANDARD_PROFILE = "00eHf0000000001AAA"
ADMIN_PROFILE = "00eHf0000000002AAA"
INTEGRATION_PROFILE = "00eHf0000000003AAA"

SPACE = "Hf0"
"""What follows the prefix in every id of this org."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {c: n for n, c in enumerate(_DIGITS)}
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_CAPITALS = [a.isupper() + 2 * b.isupper() for a in _DIGITS for b in _DIGITS]
_FAST = 62**5


class Ids:
    """Numbers to 18-character ids and back, for one prefix; the same ids as `sandbox.salesforce_ids.record_id`.

    Args:
        prefix: Three characters.
    """

    def __init__(self, prefix: str) -> None:
        self._short = f"{prefix}{SPACE}"
        # Below 62^5 only the last five characters differ, so that the suffix of the others is made once.
        self._head = f"{self._short}0000"
        self._tail = full(f"{self._head}00000")[15:17]

    def text(self, number: int) -> str:
        """The id of a number from 0."""
        if number >= _FAST:
            digits = ""
            while number:
                number, rest = divmod(number, 62)
                digits = _DIGITS[rest] + digits
            return full(f"{self._short}{digits:0>9}")
        first, rest = divmod(number, 14_776_336)
        high, low = divmod(rest, 3844)
        digit = _DIGITS[first]
        capitals = digit.isupper() | _CAPITALS[high] << 1 | _CAPITALS[low] << 3
        return f"{self._head}{digit}{_PAIRS[high]}{_PAIRS[low]}{self._tail}{_SUFFIX[capitals]}"

    def number(self, text: str) -> int | None:
        """The number of an id of 15 or 18 characters; None when it is not one of this prefix."""
        if canonical(text) is None or not text.startswith(self._short):
            return None
        number = 0
        for c in text[6:15]:
            number = number * 62 + _VALUES[c]
        return number


@dataclass(slots=True)
class Base:
    """The world's part of one table, in order of record id.

    Attributes:
        numbers: Numbers of the records (`Ids`), ascending.
        items: World objects, in the same order.
        created: When each was made; may lie in the future.
        stamps: When each was last modified by people before the world's `now`; never before `created`.
        changes: Position -> later instants at which the world changes the record.
        renderers: Field name -> how to work it out. References never depend on the time.
        by: Id of the user who made them all.
    """

    numbers: "array[int]"
    items: list[Any]
    created: "array[int]"
    stamps: "array[int]"
    changes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    renderers: Mapping[str, Renderer] = field(default_factory=dict)
    by: str | None = None


@dataclass(slots=True)
class Moment:
    """The org's present, shared by its tables.

    Attributes:
        now: Epoch milliseconds.
        late: By how many milliseconds what happens in the world becomes visible after its own stamp.
    """

    now: int
    late: int = 0


@dataclass(slots=True)
class Written:
    """What happened to one record since the start.

    Attributes:
        values: Field name -> written value, None when cleared.
        stamp: SystemModstamp of the last write, 0 for none.
        modified: LastModifiedDate of the last write by somebody, 0 for none.
        by: Who wrote last.
        deleted_at: When it was deleted; None while it lives.
        master: Id of the record it was merged into.
        purged: Gone without trace.
    """

    values: dict[str, Any] = field(default_factory=dict)
    stamp: int = 0
    modified: int = 0
    by: str | None = None
    deleted_at: int | None = None
    master: str | None = None
    purged: bool = False


def folded(value: Any) -> Any:
    """A value as comparisons take it: texts in any capitals are the same."""
    return value.lower() if isinstance(value, str) else value
