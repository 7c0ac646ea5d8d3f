"""How a text of somebody else's, and an age, read on one line: on a terminal, in a message, on a page."""

import re
from datetime import datetime, timedelta

_HIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f"  # control characters: colours, cursor moves, line ends
    "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e"  # nothing to see
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f"  # direction, other line ends, nothing to see
    "\\ufe00-\\ufe0f\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e0fff"
    "\\ud800-\\udfff]+"  # halves of characters, which no terminal and no file takes
)


def clean(text: str, longest: int) -> str:
    """Text that stays on its line: without control, direction and invisible characters, and not too long."""
    # What lies far behind the cut need not be looked at: what vendors send may be megabytes.
    return cut(_HIDDEN.sub(" ", text[: 4 * longest]), longest)


def cut(text: str, longest: int) -> str:
    """Text of so many characters at most."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest fitting unit; "never" of nothing."""
    if then is None:
        return "never"
    seconds = max(0, int((now - then) / timedelta(seconds=1)))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
