"""Tables for spreadsheets, whose cells nothing can turn into formulas: what customers and vendors call things is data.

A spreadsheet takes a cell for a formula by its first sign, and some skip blanks and signs that cannot be seen before
they look, or read full-width forms as the plain ones. And one that was told the wrong separator cuts cells where we put
none. So text is made one line, and wherever a cell may begin, a sign that would start a formula gets an apostrophe
before it, which spreadsheets take for "this is text". Numbers are written as numbers: -5 runs nothing.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from connectors.base import Value
from sync.files import write_whole
from sync.plan import Plan
from sync.values import show

COLUMNS = ("object", "record", "name", "field", "old", "new", "why")

LONGEST = 32_000
"""Characters of one cell; spreadsheets hold 32,767."""

STARTERS = frozenset("=+-@")
"""Signs that start a formula, besides tab and carriage return, which no cell keeps."""

_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Mn", "Me", "Zl", "Zp", "Zs"})
"""Unicode categories that may show as nothing, so that what follows may be taken for the first sign."""

_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and symbols that show as nothing."""

_LINES = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]+")
"""Control signs, ends of lines among them, and halves of characters, which no file takes."""


def cell(value: Value) -> str | int | float:
    """A value as a cell that is not run; text becomes one line."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if value is None:
        return ""
    text = _LINES.sub(" ", show(value) if not isinstance(value, str) else value)[:LONGEST]
    # Behind a semicolon another cell may begin, for a spreadsheet that expects these as separators.
    return ";".join(f"'{part}" if _starts(part) else part for part in text.split(";"))


def table(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """Rows as CSV text with a header; every cell of text is in quotes."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
    return out.getvalue()


def rows(plan: Plan) -> Iterable[Sequence[Value]]:
    """What a plan writes, a row a field; a task is a row too: its subject is new, or old where it is taken away."""
    for record in plan.records:
        for change in record.fields:
            yield (
                record.object,
                record.record_id,
                record.name,
                change.field,
                change.before,
                change.after,
                record.why,
            )
    for removal in plan.removals:
        yield "task", removal.account_id, removal.account_name, "task", removal.subject, None, removal.why
    for task in plan.tasks:
        yield "task", task.account_id, task.account_name, "task", None, task.subject, task.why


def save(plan: Plan, path: Path) -> None:
    """Write a plan as a table, whole or not at all, for its owner's eyes only."""
    write_whole(path, f"\ufeff{table(COLUMNS, rows(plan))}")  # the mark tells spreadsheets that it is UTF-8


def _starts(text: str) -> bool:
    """Whether the first sign that can be seen would start a formula. Quotes are passed over: a reader may drop them."""
    # Taken apart as a whole: a letter may stand for a blank with marks, which are passed over as well.
    for sign in unicodedata.normalize("NFKD", text):
        if sign in "\"'" or sign in _BLANK or unicodedata.category(sign) in _UNSEEN:
            continue
        return sign in STARTERS or sign in "\u2212\ufe63\u02d7\u207a\u208a"
    return False
