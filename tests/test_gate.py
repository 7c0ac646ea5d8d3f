"""The gate for error branches finds what never ran, and nothing else: on small trees that are run and recorded."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import gate

ERRORS = """
    class BaseError(Exception):
        pass


    class BadError(BaseError):
        pass


    class WorseError(BaseError):
        pass
"""
WORK = """
    from room.errors import BadError, WorseError


    class Worker:
        def work(self, text):
            try:
                return int(text)
            except ValueError:
                pass
            except TypeError as error:
                raise BadError(
                    "no number"
                ) from error
            try:
                return {"one": 1}[text]
            except KeyError:
                if len(text) > 9:
                    raise WorseError(text) from None
                raise
"""


def at(place: Path, files: dict[str, str]) -> dict[str, str]:
    """Write a product; what it is, by file."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return files


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A product of one room, with settings for coverage as ours."""
    settings = '[tool.coverage.run]\nbranch = true\nsource = ["room"]\n'
    at(tmp_path, {"room/__init__.py": "", "room/errors.py": ERRORS, "room/work.py": WORK, "pyproject.toml": settings})
    return tmp_path


def run(product: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> gate.Lines:
    """Run some code in the product under coverage, as a test would; the lines that ran."""
    monkeypatch.delenv("COVERAGE_FILE", raising=False)
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.chdir(product)
    at(product, {"tests.py": f"from contextlib import suppress\nfrom room.work import Worker\n{code}\n"})
    subprocess.run([sys.executable, "-m", "coverage", "run", "tests.py"], cwd=product, check=True, timeout=60)
    return gate.recorded(product, gate.parse(product, ["room"]))


def named(product: Path, ran: gate.Lines, entries: tuple[tuple[str, str], ...] = ()) -> list[str]:
    return gate.report(gate.parse(product, ["room"]), ran, entries)


def test_a_handler_that_never_ran_is_named_and_one_that_ran_is_not(
    product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(product, 'Worker().work("one")', monkeypatch)
    assert named(product, ran) == [
        "room/errors.py:1 class BaseError",
        "room/errors.py:5 class BadError",
        "room/errors.py:9 class WorseError",
        "room/work.py:10 except TypeError in Worker.work",
        "room/work.py:16 except KeyError in Worker.work",
        "room/work.py:18 raise WorseError in Worker.work",
        "room/work.py:19 raise in Worker.work",
        "error branches 9, never run 7",
    ]


def test_a_statement_of_several_lines_ran_and_its_class_and_the_class_below_were_made(
    product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(product, 'with suppress(Exception):\n    Worker().work(None)\nWorker().work("1")', monkeypatch)
    assert named(product, ran) == [
        "room/errors.py:9 class WorseError",
        "room/work.py:8 except ValueError in Worker.work",
        "room/work.py:16 except KeyError in Worker.work",
        "room/work.py:18 raise WorseError in Worker.work",
        "room/work.py:19 raise in Worker.work",
        "error branches 9, never run 5",
    ]


def test_when_all_ran_nothing_is_named(product: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = 'for text in (None, "two", "two thousand"):\n    with suppress(Exception):\n        Worker().work(text)'
    assert named(product, run(product, code, monkeypatch)) == ["error branches 9, never run 0"]


def test_what_is_allowed_is_not_named_and_an_entry_that_hides_nothing_is(
    product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(
        product, 'for text in (None, "two"):\n    with suppress(Exception):\n        Worker().work(text)', monkeypatch
    )
    text = (
        "# what cannot run\n\n"
        "room/work.py: raise WorseError in Worker.work # no text is that long\n"
        "room/errors.py: class WorseError # as its only use\n"
    )
    entries = gate.allowed(text)
    assert entries["room/errors.py", "class WorseError"] == "as its only use"
    assert named(product, ran, tuple(entries)) == ["error branches 9, never run 0"]
    dead = ("room/work.py", "raise BadError in Worker.work")
    assert named(product, ran, (*entries, dead)) == [
        "gate_allowed.txt: room/work.py: raise BadError in Worker.work is run, or is gone",
        "error branches 9, never run 1",
    ]


@pytest.mark.parametrize("line", ["room/work.py: raise", "room/work.py # why", "room/work.py: raise # ", "raise # why"])
def test_an_entry_without_file_or_reason_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"gate_allowed\.txt:2: write FILE: WHAT # why"):
        gate.allowed(f"\n{line}\n")


def test_without_a_record_or_with_an_old_one_nothing_is_said_to_have_run(
    product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERAGE_FILE", str(product / "none"))
    with pytest.raises(gate.NoRecordError, match="holds no record"):
        gate.recorded(product, ["room/work.py"])
    run(product, 'Worker().work("1")', monkeypatch)
    work = product / "room" / "work.py"
    later = (product / ".coverage").stat().st_mtime_ns + 10**9
    os.utime(work, ns=(later, later))
    with pytest.raises(gate.NoRecordError, match=r"room/work\.py changed after the tests ran"):
        gate.recorded(product, ["room/errors.py", "room/work.py"])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("try:\n    a()\nexcept: pass", ["3: except"]),
        ("try:\n    a()\nexcept (A, b.C) as e:\n    x", ["3: except (A, b.C)"]),
        ("def f():\n    raise g(1)\n    raise g(2)", ["2: raise g in f", "3: raise g in f (2)"]),
        ("def f():\n    return MadeError(1)", ["2: MadeError() in f"]),
        (
            "async def f():\n    raise Wrap(\n        MadeError(1),\n    )",
            ["2: raise Wrap in f", "3: MadeError() in f"],
        ),
        ("raise MadeError", ["1: raise MadeError"]),
        ("raise x.MadeError(1) from None", ["1: raise x.MadeError"]),
        ("MadeError.x()\nOther()", []),
    ],
)
def test_what_counts_as_a_branch(text: str, what: list[str]) -> None:
    found = gate.branches({"a.py": ast.parse(text)}, ["MadeError"])
    assert [f"{branch.line}: {branch.what}" for branch in found] == what


def test_a_handler_on_one_line_cannot_be_told_from_its_except_and_counts_as_never_run() -> None:
    """The formatter breaks such lines; where one got through, it is to be named rather than believed."""
    tree = ast.parse("try:\n    a()\nexcept ValueError: pass\nb()")
    (branch,) = gate.branches({"a.py": tree}, [])
    assert not {1, 2, 3, 4} & set(branch.body)


def test_each_handler_of_the_product_is_seen() -> None:
    """As many as a look for the word finds."""
    trees = gate.parse(gate.ROOT)
    found = [branch for branch in gate.branches(trees, gate.classes(trees)) if branch.what.startswith("except")]
    texts = [(gate.ROOT / file).read_text(encoding="utf-8") for file in trees]
    assert len(found) == sum(len(re.findall(r"^ *except\b.*:(?: *#.*)?$", text, re.MULTILINE)) for text in texts) > 150
    assert {"ConnectorError", "UnclearError", "LockedError", "Failed", "Expired"} <= gate.classes(trees).keys()
