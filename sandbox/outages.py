"""What a source in trouble answers although it says 200: nothing, zeros, one page of many.

| kind | what is left of the answer |
|---|---|
| `empty` | no rows, totals of zero, no further page |
| `zero_counts` | every row, but its numbers are zero; ids, instants and positions stay |
| `first_page` | the first page (its first `rows` rows when given), and nothing points to another |

The fourth kind of outage, a stale copy, is no change of an answer but an answer as of an earlier instant; see
`sandbox.faults` ("stale"). Bodies may be JSON, JSON lines, CSV, gzip of them, or a zip of gzipped JSON lines; errors
stay as they are.
"""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal

from werkzeug.wrappers import Response

Outage = Literal["empty", "zero_counts", "first_page"]

_TOTALS = frozenset({"total", "totalSize", "count", "size", "total_count"})
_POSITIONS = re.compile(
    r"(?:^|[_$. ])(?:id|ids|time|at|date|day|stamp|timestamp|page|limit|offset|status|code|cursor|version)s?$|"
    r"(?<=[a-z])(?:Id|At|Time|Date|Stamp|Stamp_ms|Page|Limit|Offset|Status|Code)$",
    re.IGNORECASE,
)
"""Keys whose numbers are no counts."""


def outage(kind: Outage, response: Response, *, rows: int | None = None, keys: str = "") -> Response:
    """The response as the outage leaves it.

    Args:
        kind: Which one.
        response: What the vendor answered.
        rows: How many rows of the page `first_page` leaves; None for all of a page, half of a stream.
        keys: For `zero_counts`: a regular expression, searched in the keys whose numbers become zero, also when they
            are written as text; empty for the numbers of all keys that name no id, instant or position.
    """
    if response.status_code >= 400:
        return response
    if response.mimetype == "application/zip":
        response.set_data(_zip(response.get_data(), lambda text: _of_file(kind, text, rows, keys)))
        return response
    text = _text(response)
    if kind == "zero_counts":
        response.set_data(_each(text, lambda value: _zeroed(value, keys)))
        return response
    if response.mimetype == "text/csv":
        text = _first_rows(text, 0 if kind == "empty" else rows)
        response.set_data(text)
    else:
        response.set_data(_emptied(text) if kind == "empty" else _only_page(text, rows))
    if "Sforce-Locator" in response.headers:
        response.headers["Sforce-Locator"] = "null"
        count = sum(1 for _ in csv.reader(io.StringIO(response.get_data(as_text=True), newline=""))) - 1
        response.headers["Sforce-NumberOfRecords"] = str(max(0, count))
    return response


def _zip(body: bytes, change: Callable[[str], str]) -> bytes:
    """A zip of gzipped files, each with its text changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as archive, zipfile.ZipFile(made, "w") as other:
        for name in archive.namelist():
            text = gzip.decompress(archive.read(name)).decode("utf-8", "replace")
            other.writestr(name, gzip.compress(change(text).encode(), 1, mtime=0))
    return made.getvalue()


def _of_file(kind: Outage, text: str, rows: int | None, keys: str) -> str:
    """What is left of the lines of one of its files."""
    lines = [line for line in text.split("\n") if line]
    if kind == "zero_counts":
        return "".join(json.dumps(_zeroed(json.loads(line), keys)) + "\n" for line in lines)
    left = 0 if kind == "empty" else len(lines) // 2 if rows is None else rows
    return "".join(f"{line}\n" for line in lines[:left])


def _text(response: Response) -> str:
    """The body as text; from now on it goes out plain."""
    data = response.get_data()
    if response.headers.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
        del response.headers["Content-Encoding"]
    return data.decode("utf-8", "replace")


def _each(text: str, change: Callable[[Any], Any]) -> str:
    """JSON, or every line of JSON lines, changed; other text as it is."""
    try:
        return json.dumps(change(json.loads(text)))
    except ValueError:
        lines = _lines(text)
        return text if lines is None else "".join(json.dumps(change(json.loads(line))) + "\n" for line in lines)


def _lines(text: str) -> list[str] | None:
    """The lines of JSON lines; None for text that is something else."""
    lines = [line for line in text.split("\n") if line]
    return lines if lines and all(line.startswith("{") and line.endswith("}") for line in lines) else None


def _first_rows(text: str, rows: int | None) -> str:
    """A CSV's heading and its first rows; cells may hold line breaks."""
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerows(islice(csv.reader(io.StringIO(text, newline="")), None if rows is None else rows + 1))
    return kept.getvalue()


def _emptied(text: str) -> str:
    if _is_stream(text):
        return ""
    return _each(text, _without_rows)


def _is_stream(text: str) -> bool:
    """JSON lines; a single object may be either and counts as JSON."""
    lines = _lines(text)
    return lines is not None and len(lines) > 1


def _without_rows(value: Any) -> Any:
    if isinstance(value, list):
        return []
    if not isinstance(value, dict):
        return value
    bare = {key: [] if isinstance(held, list) else held for key, held in _ended(value).items()}
    return {key: _no_total(key, held) for key, held in bare.items()}


def _no_total(key: str, held: Any) -> Any:
    if key in _TOTALS and isinstance(held, int):
        return 0
    # Counting endpoints nest it: {"count": {"value": 7, ...}}.
    return {**held, "value": 0} if key in _TOTALS and isinstance(held, dict) and "value" in held else held


def _only_page(text: str, rows: int | None) -> str:
    if _is_stream(text):
        # By line feeds alone: texts may hold the other characters that end lines.
        lines = [line for line in text.split("\n") if line]
        return "".join(f"{line}\n" for line in lines[: len(lines) // 2 if rows is None else rows])
    return _each(text, lambda value: _cut(_ended(value) if isinstance(value, dict) else value, rows))


def _cut(value: Any, rows: int | None) -> Any:
    """The value with its longest list cut."""
    if isinstance(value, list):
        return value[:rows]
    lists = [key for key, held in value.items() if isinstance(held, list)] if isinstance(value, dict) else []
    if not lists:
        return value
    key = max(lists, key=lambda name: len(value[name]))
    if value.get("page"):
        # Pages that the client numbers itself: those after the first are empty.
        return {**value, key: []}
    return {**value, key: value[key][:rows]}


def _ended(value: dict[str, Any]) -> dict[str, Any]:
    """An answer that says it is the last page, in the words of each vendor."""
    ended = {key: held for key, held in value.items() if key not in {"paging", "nextRecordsUrl"}}
    if "done" in ended:
        ended["done"] = True
    if "end_of_stream" in ended:
        ended["end_of_stream"] = True
    elif "next_page" in ended:
        ended["next_page"] = None
    if isinstance(ended.get("meta"), dict) and "has_more" in ended["meta"]:
        ended["meta"] = {**ended["meta"], "has_more": False}
    if isinstance(ended.get("links"), dict) and "next" in ended["links"]:
        ended["links"] = {**ended["links"], "next": None}
    return ended


def _zeroed(value: Any, keys: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _zeroed(held, keys, name) for name, held in value.items()}
    if isinstance(value, list):
        return [_zeroed(held, keys, key) for held in value]
    if keys:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        written = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
        if not re.search(keys, key) or not (number or written):
            return value
        return "0" if written else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or _POSITIONS.search(key):
        return value
    return 0
