"""What the agent worked out, kept with its history: links between sources and CRM, the review list, scores."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from scoring.features.segments import LAYERS
from scoring.inputs import Level, ScoreRow, SignalPoints
from sync.database import StateFile
from sync.facts import save_facts
from sync.records import Counts
from sync.tables import compact

if TYPE_CHECKING:
    from mapping.links import Resolution

# -- links --------------------------------------------------------------------------------------------------------

_LINK_TABLES = """
CREATE TEMP TABLE IF NOT EXISTS found (
  kind TEXT, source TEXT, source_id TEXT, crm_id TEXT, rule TEXT, evidence TEXT, confidence INTEGER);
CREATE TEMP TABLE IF NOT EXISTS wanted (
  kind TEXT, key INTEGER, crm INTEGER, rule TEXT, evidence TEXT, confidence INTEGER, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
DELETE FROM temp.found;
DELETE FROM temp.wanted;
"""

_ENDS = {"account": ("account", "account"), "contact": ("contact", "contact"), "home": ("contact", "account")}
"""Kind of link -> tables of its two ends."""

_link_row = attrgetter("kind", "source", "source_id", "crm_id", "rule", "evidence", "confidence")

_WANTED = """
INSERT OR REPLACE INTO temp.wanted
SELECT f.kind, r.key, c.key, f.rule, f.evidence, f.confidence FROM temp.found f
JOIN source s ON s.name = f.source
JOIN {record} r ON r.source = s.id AND r.source_id = f.source_id
JOIN {crm} c ON c.source = ? AND c.source_id = f.crm_id
WHERE f.kind = ?
"""

_SAME = """
SELECT 1 FROM temp.wanted w WHERE w.kind = link.kind AND w.key = link.key AND w.crm = link.crm
  AND w.rule = link.rule AND w.evidence = link.evidence AND w.confidence = link.confidence
"""

_ARCHIVE_LINKS = f"""
INSERT OR REPLACE INTO link_history (kind, key, valid_from, valid_to, crm, rule, evidence, confidence)
SELECT kind, key, valid_from, ?1, crm, rule, evidence, confidence FROM link
WHERE valid_from < ?1 AND NOT EXISTS ({_SAME})
"""

_ADD_LINKS = """
INSERT INTO link (kind, key, crm, rule, evidence, confidence, valid_from)
SELECT kind, key, crm, rule, evidence, confidence, ? FROM temp.wanted w
WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.kind = w.kind AND link.key = w.key)
"""


def save_links(conn: sqlite3.Connection, resolution: "Resolution", crm: int, now: int) -> Counts:
    """Make links and review list say what the resolution says; `crm` is the key of the CRM's source."""
    for statement in filter(str.strip, _LINK_TABLES.split(";\n")):
        conn.execute(statement)
    conn.executemany(
        "INSERT INTO temp.found VALUES (?, ?, ?, ?, ?, ?, ?)",
        map(_link_row, resolution.links),
    )
    for kind, (record, target) in _ENDS.items():
        conn.execute(_WANTED.format(record=record, crm=target), (crm, kind))
    before = _count(conn, "link")
    wanted = _count(conn, "temp.wanted")
    both = _count(conn, "link JOIN temp.wanted USING (kind, key)")
    same = _count(conn, f"link WHERE EXISTS ({_SAME})")
    if same < max(before, wanted):
        conn.execute(_ARCHIVE_LINKS, (now,))
        conn.execute(f"DELETE FROM link WHERE NOT EXISTS ({_SAME})")
        conn.execute(_ADD_LINKS, (now,))
    _save_review(conn, resolution, now)
    return Counts(
        new=wanted - both,
        changed=both - same,
        unchanged=same,
        deleted=before - both,
        rejected=len(resolution.links) - wanted,
    )


def _count(conn: sqlite3.Connection, table: str) -> int:
    return int(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _save_review(conn: sqlite3.Connection, resolution: "Resolution", now: int) -> None:
    held = {tuple(row[:3]): row for row in conn.execute("SELECT * FROM review")}
    rows = []
    for item in resolution.review:
        name = (item.kind, item.source, item.source_id)
        since = held[name][7] if name in held else now
        rows.append((*name, item.rule, compact(list(item.candidates)), item.reason, item.affected, since))
    if set(rows) != set(held.values()):
        conn.execute("DELETE FROM review")
        conn.executemany("INSERT OR REPLACE INTO review VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


# -- scores -------------------------------------------------------------------------------------------------------

_RESULT = "crm_id, score, health, points, coverage, band, segments, reason, card, computed, rule, stage, rfm, role"
"""What makes a score another one. A signal's value may move every day without moving any of these."""
_DETAIL = "name, owner_id, signals, held, trend"
_WIDTH = len(_RESULT.split(", "))

_HELD = f"SELECT key, valid_from, {_RESULT}, {_DETAIL} FROM score WHERE level = ? AND key > ? AND key <= ?"
_MARKS = ", ".join("?" * (_WIDTH + len(_DETAIL.split(", "))))
_INSERT = f"INSERT INTO score (level, key, run_id, valid_from, {_RESULT}, {_DETAIL}) VALUES (?, ?, ?, ?, {_MARKS})"
_ALL = [name.strip() for name in f"{_RESULT}, {_DETAIL}".split(",")]
_REPLACE = (
    f"UPDATE score SET run_id = ?, valid_from = ?, {', '.join(f'{name} = ?' for name in _ALL)} "
    "WHERE level = ? AND key = ?"
)
_DETAILS = f"UPDATE score SET {_DETAIL.replace(',', ' = ?,')} = ? WHERE level = ? AND key = ?"
_ARCHIVE = f"""
INSERT OR REPLACE INTO score_history (level, key, valid_from, valid_to, run_id, {_RESULT}, {_DETAIL})
SELECT level, key, valid_from, ?, run_id, {_RESULT}, {_DETAIL} FROM score
WHERE level = ? AND key IN (SELECT value FROM json_each(?)) AND valid_from < ?
"""
_END = "DELETE FROM score WHERE level = ? AND key = ?"
_CHUNK = 2000
_LEVELS: tuple[Level, ...] = ("account", "contact")

_LAST = 2**62
"""Above every key."""


class _ScoreWriter:
    """Writes one level's scores, walking held and new ones side by side in the order of their keys."""

    def __init__(self, conn: sqlite3.Connection, level: Level, run_id: int, now: int) -> None:
        self.conn = conn
        self.level = level
        self.run_id = run_id
        self.now = now
        self.counts = Counts()
        self.done = -1
        """The last key that was walked past."""

    def write(self, rows: Sequence[ScoreRow], last: int) -> None:
        """Keep the scores of the keys up to `last`; those held and not among `rows` end."""
        level, now = self.level, self.now
        held = {row[0]: row[1:] for row in self.conn.execute(_HELD, (level, self.done, last))}
        insert: list[tuple[Any, ...]] = []
        replace: list[tuple[Any, ...]] = []
        details: list[tuple[Any, ...]] = []
        for row, new in zip(rows, _as_stored(rows), strict=True):
            key = row.key
            old = held.pop(key, None)
            if old is None:
                insert.append((level, key, self.run_id, now, *new))
            elif old[1:] == new:
                continue
            elif old[1 : 1 + _WIDTH] == new[:_WIDTH]:
                details.append((*new[_WIDTH:], level, key))
            else:
                replace.append((self.run_id, now, *new, level, key))
        past = [*(values[-1] for values in replace), *held]
        if past:
            self.conn.execute(_ARCHIVE, (now, level, json.dumps(past), now))
        ended = [(level, key) for key in held]
        for sql, values in (
            (_INSERT, insert),
            (_REPLACE, replace),
            (_DETAILS, details),
            (_END, ended),
        ):
            if values:
                self.conn.executemany(sql, values)
        same = len(rows) - len(insert) - len(replace)
        self.counts += Counts(new=len(insert), changed=len(replace), unchanged=same, deleted=len(ended))
        self.done = last


def save_scores(conn: sqlite3.Connection, run_id: int, rows: Iterable[ScoreRow], now: int) -> Counts:
    """Make the latest scores say what `rows` say."""
    by_level: dict[Level, list[ScoreRow]] = {level: [] for level in _LEVELS}
    for row in rows:
        by_level[row.level].append(row)
    counts = Counts()
    for level, part in by_level.items():
        part.sort(key=attrgetter("key"))
        writer = _ScoreWriter(conn, level, run_id, now)
        for start in range(0, len(part), _CHUNK):
            chunk = part[start : start + _CHUNK]
            writer.write(chunk, chunk[-1].key)
        writer.write([], _LAST)
        counts += writer.counts
    save_facts(conn, by_level["account"])
    return counts


_BEFORE = attrgetter("crm_id", "score", "health", "points", "coverage", "band")
_AFTER = attrgetter("reason", "card", "computed", "rule")
_FEATURES = (*LAYERS, "role")
_WHO = attrgetter("name", "owner_id")
_BESIDE = attrgetter("held", "trend")
"""What stands before a row's segments, after them, after its layers, and after its signals."""


def _as_stored(rows: Sequence[ScoreRow]) -> Iterator[tuple[Any, ...]]:
    """The columns of each row; a column at a time, and JSON by the fastest writer at hand, since rows are many."""
    if not rows:
        return iter(())
    segments = {named: compact(named) for named in {row.segments for row in rows}}
    # A contact's parts are many and of use to nobody afterwards: `explain` and plans look at accounts.
    signals = map(attrgetter("signals"), rows) if rows[0].level == "account" else repeat((), len(rows))
    texts = [text.decode() for text in map(to_json, signals)]
    layers = (tuple(map(row.features.get, _FEATURES)) for row in rows)
    columns = (map(_BEFORE, rows), map(_AFTER, rows), layers, map(_WHO, rows), texts, map(_BESIDE, rows))
    return (
        (*before, segments[row.segments], *after, *layer, *who, text, *beside)
        for row, before, after, layer, who, text, beside in zip(rows, *columns, strict=True)
    )


def latest_scores(state: StateFile, level: Level | None) -> Iterator[ScoreRow]:
    """The latest scores, by level and key; of their features the layers, and of contacts the role."""
    where = "WHERE level = ?" if level else ""
    return _score_rows(state.rows(_LATEST.format(where=where), (level,) if level else ()))


def latest_score(state: StateFile, level: Level, key: int) -> ScoreRow | None:
    """The latest score of one account or contact, like `latest_scores`."""
    return next(_score_rows(state.rows(_LATEST.format(where="WHERE level = ? AND key = ?"), (level, key))), None)


def latest_scores_of(state: StateFile, keys: Collection[int]) -> Iterator[ScoreRow]:
    """The latest scores of these accounts, like `latest_scores`."""
    where = "WHERE level = 'account' AND key IN (SELECT value FROM json_each(?))"
    return _score_rows(state.rows(_LATEST.format(where=where), (json.dumps(list(keys)),)))


def signals_at(state: StateFile, key: int, at: int) -> tuple[SignalPoints, ...]:
    """What the signals of an account said by the score that held at an instant; empty when none did.

    Their values are those of the last run that left the score as it was.
    """
    rows = state.rows(_SIGNALS_AT, (key, at))
    return tuple(map(_signal, json.loads(rows[0][0]))) if rows else ()


_LATEST = (
    "SELECT level, key, crm_id, name, owner_id, score, health, points, coverage, band, segments, reason, signals, "
    "card, computed, held, rule, trend, stage, rfm, role FROM score {where} ORDER BY level, key"
)
_SIGNALS_AT = """
SELECT signals FROM score WHERE level = 'account' AND key = ?1 AND valid_from <= ?2
UNION ALL SELECT signals FROM score_history
WHERE level = 'account' AND key = ?1 AND valid_from <= ?2 AND valid_to > ?2
"""


def _score_rows(rows: Iterable[Sequence[Any]]) -> Iterator[ScoreRow]:
    for row in rows:
        signals = tuple(map(_signal, json.loads(row[12])))
        computed = row[14] or row[9]  # an earlier version kept the band alone
        layers = {name: value for name, value in zip(_FEATURES, row[18:], strict=True) if value is not None}
        parts = (tuple(json.loads(row[10])), row[11], signals, layers, row[13], computed, *row[15:18])
        yield ScoreRow._make((*row[:10], *parts))


def _signal(parts: Sequence[Any]) -> SignalPoints:
    """A signal as stored; another version may have kept more of it, or less."""
    return SignalPoints(*parts[: len(_NOTHING)], *_NOTHING[len(parts) :])


_NOTHING = SignalPoints("", None, 0, None)
"""What stands for the parts that an older version did not keep."""
