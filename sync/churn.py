"""Who left, and when: from a table that somebody made, or as far as the CRM tells."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from mapping.normalise import crm_key
from scoring.whatif import Label
from sync.store import Store
from sync.tables import instant

GONE = ("churned", "former", "former customer", "lost", "lost customer", "ex-customer", "cancelled", "canceled")
"""Lifecycle stages that say that a customer has left, in small letters."""

_LOST = """
SELECT a.source_id, min(d.close_date) FROM deal d JOIN account a ON a.key = d.account JOIN source s ON s.id = a.source
WHERE s.name = ? AND d.renewal = 1 AND d.closed = 1 AND d.won = 0 AND d.close_date IS NOT NULL
  AND d.valid_from IS NOT NULL AND d.valid_to IS NULL
GROUP BY a.source_id
"""

_STAGES = """
SELECT a.source_id, v.lifecycle, v.valid_from FROM (
  SELECT key, lifecycle, valid_from FROM account WHERE valid_from IS NOT NULL
  UNION ALL SELECT key, lifecycle, valid_from FROM account_history
) v JOIN account a ON a.key = v.key JOIN source s ON s.id = a.source WHERE s.name = ? ORDER BY a.key, v.valid_from
"""


class ChurnFileError(Exception):
    """A table of who left cannot be used; says the file, the line and what is allowed."""


def from_csv(path: Path) -> dict[str, Label]:
    """Read a table of account id and the day of notice or lapse; a first line of headings is skipped.

    Raises:
        ChurnFileError: Naming file and line.
    """
    found: dict[str, Label] = {}
    for crm_id, day in _lines(path):
        key = crm_key(crm_id)
        known = found.get(key)
        found[key] = Label(day if known is None or known.left is None else min(day, known.left))
    if not found:
        raise ChurnFileError(f"{path}: names nobody; needs lines of account id and date, such as 4711,2026-03-31")
    return found


def ids_of(path: Path) -> list[str]:
    """The account ids of such a table, each once, as they are written there; raises as `from_csv` does."""
    return list(dict.fromkeys(crm_id for crm_id, _ in _lines(path)))


def _lines(path: Path) -> Iterator[tuple[str, date]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file), 1):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if len(cells) < 2 or not cells[0]:
                    raise ChurnFileError(
                        f"{path}, line {number}: needs an account id and a date, such as 4711,2026-03-31"
                    )
                day = _day(cells[1])
                if day is None and number == 1:
                    continue
                if day is None:
                    raise ChurnFileError(f"{path}, line {number}: {cells[1][:40]!r} is no date such as 2026-03-31")
                yield cells[0], day
    except UnicodeDecodeError as problem:
        raise ChurnFileError(f"{path}: is not UTF-8: byte {problem.start}") from None
    except csv.Error as problem:
        raise ChurnFileError(f"{path}: is no CSV: {problem}") from None
    except OSError as problem:
        raise ChurnFileError(f"{path}: cannot be read: {problem.strerror}") from None


def from_crm(store: Store, crm: str) -> dict[str, Label]:
    """Who left as the CRM tells: a renewal was lost, or the lifecycle stage came to say so while we looked."""
    found: dict[str, Label] = {}
    for crm_id, day in (*_lost(store, crm), *_left(store, crm)):
        known = found.get(crm_id)
        found[crm_id] = Label(day if known is None or known.left is None else min(day, known.left))
    return found


def _lost(store: Store, crm: str) -> Iterator[tuple[str, date]]:
    for crm_id, day in store.rows(_LOST, (crm,)):
        yield crm_key(crm_id), instant(day * 86_400).date()


def _left(store: Store, crm: str) -> Iterator[tuple[str, date]]:
    last: dict[str, bool] = {}
    for crm_id, stage, since in store.rows(_STAGES, (crm,)):
        gone = (stage or "").strip().casefold() in GONE
        if gone and last.get(crm_id) is False:
            yield crm_key(crm_id), instant(since).date()
        last[crm_id] = gone


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
