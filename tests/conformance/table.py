"""Which case holds for which vendor: read off the test files and the rigs' tables, without running anything.

`python -m tests.conformance.table` writes docs/conformance.md from it; a test fails when the page is another one.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import conformance
from conformance.words import Gap, NotApplicable
from tests.conformance.rigs.base import Rig
from tests.conformance.rigs.known import CRMS, SOURCES

FOLDER = Path(__file__).parent
SOURCE = Path(conformance.__file__).parent
PAGE = FOLDER.parent.parent / "docs" / "conformance.md"
USED: pytest.StashKey[set[tuple[str, str, str]]] = pytest.StashKey()
"""(suite, vendor, key) of every line of a rig's table that some collected test stands under."""
SUITES = {"source": "Every source", "crm": "Every CRM"}


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a suite.

    Attributes:
        suite: "source" or "crm".
        name: The test's name without "test_".
        streams: Whether it runs once for each stream.
        file: Where it stands.
    """

    suite: str
    name: str
    streams: bool
    file: str

    @property
    def title(self) -> str:
        """As people read it."""
        return self.name.replace("_", " ")


def cases() -> list[Case]:
    """Every case, in the order of the files."""
    found = []
    for path in (*sorted(FOLDER.glob("test_crm*.py")), *sorted(SOURCE.glob("source_*.py"))):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                asked = {arg.arg for arg in node.args.args}
                if suite := "crm" if asked & {"crm", "large_crm"} else "source" if "rig" in asked else "":
                    found.append(Case(suite, node.name.removeprefix("test_"), "stream" in asked, path.name))
    return found


def rigs(suite: str) -> Mapping[str, type[Rig]]:
    """The rigs of a suite, by vendor."""
    return CRMS if suite == "crm" else SOURCES


def page() -> str:
    """The page that says all this to people."""
    parts = [
        "<!-- Made by tests/conformance/table.py; run `make docs` after a change. -->\n",
        "# Conformance\n",
        "The same tests run over every connector, against the simulated vendors of the [sandbox](architecture.md). A",
        "connector that is registered and has no rig in `tests/conformance/rigs` fails the build. A *gap* is something",
        "the vendor has and our connector does not do right yet: its test must fail, or else the build does.\n",
    ]
    for suite, title in SUITES.items():
        parts += [f"## {title}\n", *_table(suite), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _table(suite: str) -> Iterator[str]:
    vendors = list(rigs(suite))
    notes: dict[str, int] = {}
    yield "| case | " + " | ".join(vendors) + " |"
    yield "|---" * (len(vendors) + 1) + "|"
    for case in cases():
        if case.suite == suite:
            cells = [_cell(case, rigs(suite)[vendor], notes) for vendor in vendors]
            yield f"| {case.title} | " + " | ".join(cells) + " |"
    yield ""
    for note, number in notes.items():
        yield f"{number}. {note}"


def _cell(case: Case, rig: type[Rig], notes: dict[str, int]) -> str:
    """ "yes", "no [n]" for all of it, "yes, but [n]" for parts."""
    whole = rig.exceptions.get(case.name)
    if whole is not None:
        return f"{_word(whole)} [{_note(notes, _text(whole))}]"
    parts: dict[str, list[str]] = {}
    for key, held in rig.exceptions.items():
        if key.startswith(f"{case.name}["):
            parts.setdefault(_text(held), []).append(key[len(case.name) + 1 : -1])
    told = [f"[{_note(notes, ', '.join(names) + ': ' + text)}]" for text, names in parts.items()]
    return "yes" + (f", but {' '.join(told)}" if told else "")


def _word(held: NotApplicable | Gap) -> str:
    return "gap" if isinstance(held, Gap) else "not applicable"


def _text(held: NotApplicable | Gap) -> str:
    return f"{_word(held)}: {held.reason}"


def _note(notes: dict[str, int], text: str) -> int:
    return notes.setdefault(text, len(notes) + 1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
