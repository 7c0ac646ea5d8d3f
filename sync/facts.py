"""The features behind each account's latest score, so that `explain` can say its parts without scoring again."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from scoring.inputs import ScoreRow
from sync.database import StateFile

Facts = Mapping[str, int | str | None]


def save_facts(conn: sqlite3.Connection, rows: Sequence[ScoreRow]) -> None:
    """Make what is kept that of these accounts; inside a transaction. What is not known is not written."""
    held: dict[int, str] = dict(conn.execute("SELECT key, features FROM fact"))
    new = {row.key: to_json({name: v for name, v in row.features.items() if v is not None}).decode() for row in rows}
    conn.executemany("DELETE FROM fact WHERE key = ?", [(key,) for key in held.keys() - new.keys()])
    conn.executemany(
        "INSERT OR REPLACE INTO fact (key, features) VALUES (?, ?)",
        [(key, text) for key, text in new.items() if held.get(key) != text],
    )


def facts_of(state: StateFile, key: int) -> dict[str, Any] | None:
    """The features that are known of one account; None when none were kept, as by an older version."""
    rows = state.rows("SELECT features FROM fact WHERE key = ?", (key,))
    return dict(json.loads(rows[0][0])) if rows else None
