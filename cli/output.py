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
        """A table without frames, cells folded; elsewhere than on a terminal one line a row, fit for `grep`."""
        cells = [[fit(cell) for cell in row] for row in rows]
        if not self.terminal:
            self._plain_table(columns, cells)
            return
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for number, column in enumerate(columns):
            table.add_column(column, overflow="fold", no_wrap=number == 0)
        for row in cells:
            table.add_row(*row)
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
