"""The fenced blocks of README.md and docs/: what language each is in, and whether it can be run here."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NO_RUN = "no-run"
"""The word behind a block's language that says: this needs more than this machine."""

SHELL = frozenset({"|", ">", ">>"})
"""Behind these the words are no longer the command's."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_ANY_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`((?:\.venv/bin/)?holdfast [^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: Where it stands, relative to the project.
        line: Of its first line within that page.
        language: The first word of its info string.
        words: The others.
        text: What it holds, without the indent of its fence.
    """

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether nothing says that it cannot."""
        return NO_RUN not in self.words


def blocks(language: str = "", page: str = "") -> list[Block]:
    """The blocks of all pages, or those of one language or page."""
    return [
        block
        for path in PAGES
        if not page or name(path) == page
        for block in _blocks(path)
        if not language or block.language == language
    ]


def name(path: Path) -> str:
    """A page as people call it."""
    return path.relative_to(ROOT).as_posix()


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        language, *words = found["info"].split()
        if language.startswith("{"):
            continue  # an instruction to the site, such as a table of contents
        inner = re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
        yield Block(name(path), text.count("\n", 0, found.start()) + 2, language, tuple(words), inner)


def shell(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block as words; comments, prompts and what goes on over a line end are taken care of."""
    for line in block.text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in lexer:
            if set(word) <= set("&|;"):
                yield command
                command = []
            else:
                command.append(word)
        if command:
            yield command


def holdfast(words: list[str]) -> list[str] | None:
    """What follows the program's name; None where it is another program."""
    return words[1:] if Path(words[0]).name == "holdfast" else None


def spans(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, words behind the name) of every `holdfast ...` within a sentence, and in the reference's examples."""
    text = path.read_text(encoding="utf-8")
    prose = _ANY_FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    examples = re.finditer(r"^ *Example: holdfast (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    for found in (*_SPAN.finditer(prose), *examples):
        line = f"{name(path)}:{text.count(chr(10), 0, found.start()) + 1}"
        said = found[1].split("holdfast ", 1)[-1]
        words = shlex.split(" ".join(said.split()), comments=True)
        yield line, list(takewhile(lambda word: word not in SHELL, words))
