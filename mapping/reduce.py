"""What is kept of a row that was refused: the mapped keys, short, without secrets, as JSON that any reader takes."""

import json
import math
import re
from collections.abc import Collection, Sequence
from typing import Any

from mapping.mapped import shorten

MAX_ROW = 4096
_MAX_VALUE = 200
_MAX_ITEMS = 20
_MAX_DEPTH = 5
_SECRET = re.compile(r"token|secret|password|passwd|authorization|api_?key|credential", re.IGNORECASE)


def clean(text: str, limit: int = _MAX_VALUE) -> str:
    """Text that can be stored anywhere: cut, and lone surrogates (half a character) replaced."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


def without(value: Any, texts: Sequence[Sequence[str]]) -> Any:
    """A row without what people wrote, each text named by the keys on the way to it; of lists, every element's."""
    if isinstance(value, list):
        return [without(item, texts) for item in value]
    if not texts or not isinstance(value, dict):
        return value
    below = {key: [keys[1:] for keys in texts if keys[0] == key] for key in {keys[0] for keys in texts}}
    return {
        key: without(item, below.get(key, ())) for key, item in value.items() if not any(map(_ends, below.get(key, ())))
    }


def _ends(keys: Sequence[str]) -> bool:
    return not keys


def row_text(row: Any, known: Collection[str], base: str | None, base_known: Collection[str]) -> str:
    """At most 4 KB of JSON. Keys that the map does not read are left out: text that people wrote is not kept."""
    if isinstance(row, dict):
        row = {key: row[key] for key in row if key in known}
        if base is not None and isinstance(row.get(base), dict):
            row[base] = {key: value for key, value in row[base].items() if key in base_known}
    return json.dumps(_short(row, 0), ensure_ascii=True)[:MAX_ROW]


def _short(value: Any, depth: int) -> Any:
    if isinstance(value, dict | list | tuple):
        return _short_items(value, depth) if depth < _MAX_DEPTH else "..."
    if isinstance(value, str):
        return clean(value) if len(value) <= _MAX_VALUE else f"{clean(value)}... ({len(value)} characters)"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 10**30:
        return value
    return value if isinstance(value, float) and math.isfinite(value) else clean(shorten(value))


def _short_items(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        items = list(value.items())[:_MAX_ITEMS]
        return {clean(str(k), 100): "***" if _SECRET.search(str(k)) else _short(v, depth + 1) for k, v in items}
    return [_short(item, depth + 1) for item in value[:_MAX_ITEMS]]
