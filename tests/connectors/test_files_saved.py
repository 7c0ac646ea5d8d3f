"""Dropped files as office programs save them, and events whose times are none: read, or refused in words that help."""

from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ShapeError
from tests.connectors.test_files import EVENTS, Drop

ROWS = "1;a,b\r\n2\r\n3;c\r\n"


@pytest.fixture
def saved(tmp_path: Path) -> Drop:
    return Drop(tmp_path / "drop")


@pytest.mark.parametrize(
    ("content", "options", "line"),
    [
        (f"\ufeffsep=;\r\nid;email\r\n{ROWS}", {}, 4),
        (f'\n"SEP=|"\n \nid|email\n{ROWS}'.replace(";", "|"), {}, 6),
        (f"sep=,\r\nid;email\r\n{ROWS}", {"delimiter": ";"}, 4),
        (f';;\r\n\r\nid;"email";"x,y,z,w"\r\n{ROWS}'.replace("a,b", "a,b;").replace("c", "c;"), {}, 5),
    ],
)
def test_what_stands_above_the_header_is_not_taken_for_it(
    saved: Drop, content: str, options: dict[str, Any], line: int
) -> None:
    saved.put("people.csv", content)
    first, odd, last = saved.rows(**options)
    assert (first["id"], first["email"], last["id"], last["email"]) == ("1", "a,b", "3", "c")
    assert odd["_unreadable"].startswith(f"people.csv, line {line}: 1 cells where the header has ")


@pytest.mark.parametrize(
    ("lines", "time", "said"),
    [
        (['{"at":"21.11.2026 10:00"}', '{"at":null}', '{"at":5}'], "at", "'at' says, but '21.11.2026 10:00'."),
        (['{"at":""}', "{}", '{"at":5}'], "at", "2 of its 3 events have no point in time where fields.time = 'at'"),
        (["{}"], "const:soon", "fields.time = 'const:soon' says, but 'soon'."),
    ],
)
def test_a_file_whose_events_have_no_times_is_not_done_with(
    saved: Drop, lines: list[str], time: str, said: str
) -> None:
    path = saved.put("use.jsonl", "\n".join(lines))
    use = {**EVENTS, "fields": {**EVENTS["fields"], "time": time}}
    with pytest.raises(ShapeError, match=r"use\.jsonl could not be read"):
        saved.pull(use=use)
    assert said in (saved.folder / "failed" / "use.jsonl.why.txt").read_text("utf-8")
    assert not path.exists()
    saved.put("use.jsonl", "\n".join([*lines, *['{"at":"2026-11-21"}'] * 3]))
    if time == "at":
        (batch,) = saved.pull(use=use)
        assert batch.export is not None, "a few bad events cost only themselves"
