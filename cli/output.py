"""What people see: colours and progress bars on a terminal, plain lines elsewhere, one JSON object with `--json`."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sync import words
from sync.values import count
from sync.words import ago

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Output", "ago", "band", "clean", "count", "fit", "plain", "styled"]

LONGEST = 400
"""Characters of one piece of text: what vendors send may be megabytes."""

WIDEST = 40
"""Most columns to which plain tables pad a cell: one customer's endless name must not push every other line apart."""

GAP = 2
"""Columns between two columns of a table."""

NOTHING = frozenset({"", "-", "0"})
"""Cells that say nothing where there is no room for a column."""

HANG = 4
"""Columns by which the rest of a line too long for the terminal is set in."""

BAND_STYLES = {"green": "green", "yellow": "yellow", "red": "bold red", "unknown": "dim"}


class _Console(Console):
    """A console that leaves it to the command's end what a reader gone away means."""

    def on_broken_pipe(self) -> None:
        """Pass the error on, where rich would end the process."""
        raise BrokenPipeError


class Output:
    """Where a command says what it does.

    With `as_json` everything meant for people goes to standard error, so that standard output holds JSON alone.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.console = _Console(stderr=as_json, soft_wrap=True, highlight=False)
        self.errors = _Console(stderr=True, soft_wrap=True, highlight=False)

    @property
    def terminal(self) -> bool:
        """Whether a person watches."""
        return self.console.is_terminal

    def line(self, text: str | Text = "", style: str | None = None) -> None:
        """One line for people. Text from vendors is never read as markup and never moves the cursor."""
        self.console.print(fit(text), style=style)

    def item(self, text: str | Text, indent: int, style: str | None = None) -> None:
        """A line set in by some columns; on a terminal what is too long goes on below it, set in further."""
        whole = fit(text)
        width = self.console.width - indent
        if not self.terminal or cell_len(whole.plain) <= width or width <= 4 * HANG:
            self.console.print(Text(" " * indent) + whole, style=style)
            return
        first, *rest = whole.wrap(self.console, width - HANG)
        for line, margin in ((first, indent), *((line, indent + HANG) for line in rest)):
            line.rstrip()
            self.console.print(Text(" " * margin) + line, style=style)

    def heading(self, text: str) -> None:
        """A line that opens a part."""
        self.console.print()
        self.console.print(fit(text), style="bold")

    def warn(self, text: str) -> None:
        """Something an admin should look at."""
        self.errors.print(fit(f"warning: {text}"), style="yellow")

    def fail(self, text: str) -> None:
        """Why the command ends in an error: what is wrong in the first line, particulars in those below it."""
        first, *rest = text.splitlines() or [""]
        self.errors.print(fit(f"error: {first}", 4 * LONGEST), style="red")
        for line in rest:
            self.errors.print(fit(f"  • {line}", 4 * LONGEST), style="red")

    def json(self, data: Any) -> None:
        """One JSON object as one line on standard output."""
        text = json.dumps(plain(data), ensure_ascii=False)
        try:
            text.encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            text = json.dumps(plain(data))
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """A table without frames; elsewhere than on a terminal one line a row, fit for `grep`.

        No word is broken for want of room: columns that do not fit go below their row, without what is empty or none.
        """
        cells = [[fit(cell) for cell in row] for row in rows]
        if not self.terminal:
            self._plain_table(columns, cells)
            return
        self._table(columns, cells)

    def _table(self, columns: Sequence[str], cells: Sequence[Sequence[Text]]) -> None:
        widths = _widths(columns, [[cell.plain for cell in row] for row in cells], self.console.width)
        self._beside([columns], widths, "dim")
        if len(widths) == len(columns):
            self._beside(cells, widths)
            return
        for row in cells:
            self._beside([row], widths)
            below = zip(columns[len(widths) :], row[len(widths) :], strict=True)
            said = [f"{name}: {cell.plain}".removeprefix(": ") for name, cell in below if cell.plain not in NOTHING]
            if said:
                self.item("; ".join(said), HANG)

    def _beside(self, rows: Sequence[Sequence[str | Text]], widths: Sequence[int], style: str = "") -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_edge=False, show_header=False, padding=(0, GAP, 0, 0))
        for width in widths:
            table.add_column(overflow="fold", width=width, style=style)
        for row in rows:
            table.add_row(*row[: len(widths)])
        self.console.print(table, soft_wrap=False)

    def _plain_table(self, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        lines = [list(columns), *([cell.plain for cell in row] for row in rows)]
        widths = [min(WIDEST, max(cell_len(line[n]) for line in lines)) for n in range(len(columns))]
        for line in lines:
            padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
            self.console.print(Text("  ".join(padded).rstrip()))

    @contextmanager
    def progress(self) -> Iterator["Progress | None"]:
        """A progress display on a terminal; None elsewhere."""
        if not self.terminal:
            yield None
            return
        from cli.bars import bars

        with bars(self.console) as progress:
            yield progress


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """The widths of as many columns as find room side by side without a broken word; at least of the first."""
    texts = [[column, *(row[number] for row in rows)] for number, column in enumerate(columns)]
    wide = [max(cell_len(text) for text in column) for column in texts]
    words_of = [[word for text in column for word in text.split()] or [""] for column in texts]
    least = [min(WIDEST, wide[0]), *(min(WIDEST, max(cell_len(word) for word in some)) for some in words_of[1:])]
    beside = len(columns)
    while beside > 1 and sum(least[:beside]) + GAP * (beside - 1) > room:
        beside -= 1
    spare = max(0, room - sum(least[:beside]) - GAP * (beside - 1))
    widths = []
    for narrow, whole in zip(least[:beside], wide, strict=False):
        more = max(0, min(whole - narrow, spare))
        widths.append(narrow + more)
        spare -= more
    return widths


def clean(text: str, longest: int = LONGEST) -> str:
    """Text that stays on its line: see `sync.words.clean`."""
    return words.clean(text, longest)


def fit(text: str | Text, longest: int = LONGEST) -> Text:
    """Text for a terminal; what is styled already comes from `styled`."""
    return Text(clean(text, longest)) if isinstance(text, str) else text


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line of pieces, each with or without a style."""
    return Text.assemble(*[clean(p) if isinstance(p, str) else (clean(p[0]), p[1]) for p in parts])


def plain(data: Any) -> Any:
    """Turn dataclasses, dates and paths into what JSON knows."""
    if is_dataclass(data) and not isinstance(data, type):
        return plain(asdict(data))
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [plain(item) for item in data]
    if isinstance(data, datetime | date):
        return data.isoformat()
    if isinstance(data, Path):
        return str(data)
    return data


def band(name: str) -> Text:
    """A band in its colour."""
    return styled((name, BAND_STYLES.get(name, "")))
