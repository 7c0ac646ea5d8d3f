"""What an undo took back and must not be written again before something else is wanted; it follows from the ledger."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import Value
from sync.values import loads

Place = tuple[str, str, str]
"""Kind of record, record id, and the CRM's name of the field."""

Ask = Callable[[str, Sequence[Any]], Iterable[Any]]
"""Runs a query."""

_BACK = """
SELECT u.op_id, u.object, u.record_id, u.undoes, t.payload FROM op u JOIN op t ON t.op_id = u.undoes
WHERE u.undoes IS NOT NULL AND u.kind = 'field' AND u.state IN ('confirmed', 'undo_skipped', 'rolled_back')
ORDER BY u.op_id
"""

_WRITES = """
SELECT op_id, object, record_id, before_image, payload, updated_at FROM op
WHERE object = ? AND record_id IN (SELECT value FROM json_each(?)) AND kind = 'field'
  AND state IN ('confirmed', 'rolled_back', 'undo_skipped') ORDER BY op_id
"""

_OVER = "SELECT object, record_id, field, after_op FROM decision WHERE kind = 'moved'"

_END = """
INSERT OR REPLACE INTO decision (object, record_id, field, about, kind, theirs, after_op)
VALUES (?, ?, ?, 'undo', 'moved', '', (SELECT coalesce(max(op_id), 0) FROM op))
"""


@dataclass(frozen=True, slots=True)
class Undone:
    """A value of ours that an undo took back.

    Attributes:
        ops: The operations that tell of it: the undo, and what it took back.
    """

    value: Value
    ops: frozenset[int]


def undone(ask: Ask) -> dict[Place, Undone]:
    """What undos took back; neither was anything written over it since, nor anything else wanted (`end`)."""
    rows = list(ask(_BACK, ()))
    if not rows:
        return {}
    undoes = {op_id: target for op_id, _, _, target, _ in rows}
    over = {(obj, record_id, name): after for obj, record_id, name, after in ask(_OVER, ())}
    back: dict[int, tuple[dict[str, Value], list[int]]] = {
        op_id: (loads(payload), _chain(op_id, undoes)) for op_id, _, _, _, payload in rows
    }
    found: dict[Place, Undone] = {}
    for op_id, obj, record_id, _, payload, _ in writes(ask, {(row[1], row[2]) for row in rows}):
        was, chain = back.get(op_id, ({}, []))
        for name in loads(payload):
            place = (obj, record_id, name)
            # The undo of an undo takes nothing back, it brings back; and so on.
            if name in was and len(chain) % 2 == 0 and op_id > over.get(place, 0):
                found[place] = Undone(was[name], frozenset(chain))
            else:
                found.pop(place, None)
    return found


def end(conn: Any, places: Iterable[Place]) -> None:
    """Note that something else is wanted there by now; inside a transaction."""
    conn.executemany(_END, list(places))


def needed(conn: Any) -> frozenset[int]:
    """Operations that tell what must not be written again; what else they told is noted as over."""
    held = undone(conn.execute)
    ops = frozenset(op_id for one in held.values() for op_id in one.ops)
    rows = conn.execute(
        "SELECT object, record_id, payload FROM op WHERE op_id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(ops)),),
    )
    told = {(obj, record_id, name) for obj, record_id, payload in rows for name in loads(payload)}
    end(conn, sorted(told - held.keys()))
    return ops


def writes(ask: Ask, records: Iterable[tuple[str, str]]) -> list[tuple[int, str, str, str, str, int]]:
    """Updates that the CRM took, in their order: (op id, object, record id, before, after, when)."""
    found: list[tuple[int, str, str, str, str, int]] = []
    ids: dict[str, list[str]] = {}
    for obj, record_id in sorted(records):
        ids.setdefault(obj, []).append(record_id)
    for obj, members in ids.items():
        found += ask(_WRITES, (obj, json.dumps(members)))
    return found


def _chain(op_id: int, undoes: Mapping[int, int]) -> list[int]:
    """An undo, what it takes back, what that took back, and so on."""
    chain = [op_id]
    while op_id in undoes:
        op_id = undoes[op_id]
        chain.append(op_id)
    return chain
