"""The gate for error branches: what handles an error must have been run by a test.

Most failures that hurt come from the handling of an error that was noticed, in lines no test had ever run. So after the
tests `python -m tests.gate` reads what they recorded (`.coverage`) and names, a line each,

- each `except` whose first statement was never run,
- each `raise`, and each place that makes an error of ours, that was never run,
- each error class of ours that was never made or caught, neither itself nor a class made from it,

in all of the product. It counts lines as coverage does, but heeds no `pragma: no cover` and none of coverage's other
exclusions: what truly cannot run stands in `gate_allowed.txt` with the reason, and an entry there that no longer hides
anything is named as well. Errors made from a table of classes (`rule.error(...)`) count where they are made.

It ends with 0 when nothing is named, 1 when something is, and 2 when there is no record to read.
"""

import ast
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import coverage

ROOT = Path(__file__).parent.parent
ROOMS = ("agent.py", "cli", "connectors", "mapping", "notify", "report", "scoring", "sync")
ALLOWED = Path(__file__).parent / "gate_allowed.txt"

Lines = Mapping[str, frozenset[int]]
"""File as a path below the root -> the lines that ran."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class NoRecordError(Exception):
    """There is no record of a test run, or it does not belong to these files."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A place that runs only when something is wrong.

    Attributes:
        file: Its path below the root.
        line: Its first line, for people.
        what: What stands there and in which function, such as `except KeyError in Page.rows`, the second of the same
            words in one function with `(2)` behind; `gate_allowed.txt` names it so.
        body: The lines of which one must have run.
        made: The error class made or caught there, "" when the code does not name one.
    """

    file: str
    line: int
    what: str
    body: range
    made: str = ""


@dataclass(frozen=True, slots=True)
class Class:
    """An error class of ours."""

    file: str
    line: int
    name: str
    bases: tuple[str, ...]


def last_name(node: ast.expr | None) -> str:
    """`Name` of `Name`, `module.Name` and of a call of either; "" of anything else."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def parse(root: Path, rooms: Iterable[str] = ROOMS) -> dict[str, ast.Module]:
    """Every file of the rooms, parsed."""
    places = [root / room for room in rooms]
    files = sorted(path for place in places for path in ([place] if place.is_file() else place.rglob("*.py")))
    return {path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def classes(trees: Mapping[str, ast.Module]) -> dict[str, Class]:
    """Our error classes by name: those with a base that is named as an error, or that is one of them."""
    all_of_them = [
        Class(file, node.lineno, node.name, tuple(map(last_name, node.bases)))
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    found: dict[str, Class] = {}
    while more := [kind for kind in all_of_them if kind.name not in found and any(map(_erring(found), kind.bases))]:
        found |= {kind.name: kind for kind in more}
    return found


def _erring(found: Mapping[str, Class]) -> Callable[[str], bool]:
    return lambda name: name in found or name.endswith(("Error", "Exception"))


def branches(trees: Mapping[str, ast.Module], errors: Iterable[str]) -> list[Branch]:
    """Every handler, every `raise`, and every call that makes one of these errors."""
    names, seen, found = frozenset(errors), Counter[tuple[str, str]](), []
    for branch in (one for file, tree in trees.items() for one in _of_node(tree, file, "", names)):
        seen[branch.file, branch.what] += 1
        count = seen[branch.file, branch.what]
        found.append(replace(branch, what=f"{branch.what} ({count})") if count > 1 else branch)
    return found


def _of_node(node: ast.AST, file: str, scope: str, errors: frozenset[str]) -> Iterator[Branch]:
    """The branches below a node. What a `raise` makes itself is one branch with it."""
    for child in ast.iter_child_nodes(node):
        inner = f"{scope}.{child.name}".lstrip(".") if isinstance(child, Function) else scope
        place = f" in {scope}" if scope else ""
        if isinstance(child, ast.ExceptHandler):
            caught = f"except {ast.unparse(child.type)}" if child.type else "except"
            yield Branch(file, child.lineno, caught + place, _first_lines(child), last_name(child.type))
        elif isinstance(child, ast.Raise):
            raised = ast.unparse(child).partition("(")[0].partition(" from ")[0]
            made = last_name(child.exc) if last_name(child.exc) in errors else ""
            yield Branch(file, child.lineno, raised + place, _span(child), made)
        elif isinstance(child, ast.Call) and last_name(child) in errors and not isinstance(node, ast.Raise):
            yield Branch(file, child.lineno, f"{last_name(child)}(){place}", _span(child), last_name(child))
        yield from _of_node(child, file, inner, errors)


def _span(node: ast.stmt | ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _first_lines(handler: ast.ExceptHandler) -> range:
    """The lines of a handler's first statement, of a compound one its head; never the line of the `except` itself."""
    first = handler.body[0]
    inside = [node.lineno for node in ast.walk(first) if isinstance(node, ast.stmt) and node is not first]
    end = min(inside) - 1 if inside else first.end_lineno or first.lineno
    return range(max(first.lineno, handler.lineno + 1), max(end, first.lineno) + 1)


def made_ever(errors: Mapping[str, Class], made: frozenset[str]) -> frozenset[str]:
    """The classes that were made, and their bases."""
    known = set(made)
    while more := {base for name in known & errors.keys() for base in errors[name].bases} - known:
        known |= more
    return frozenset(known)


def holes(trees: Mapping[str, ast.Module], ran: Lines) -> tuple[int, list[Branch]]:
    """How many branches and classes the product's files have, and those that never ran, by file and line."""
    errors = classes(trees)
    all_of_them = branches(trees, errors)
    ran_once = [branch for branch in all_of_them if ran.get(branch.file, frozenset()).intersection(branch.body)]
    never = [branch for branch in all_of_them if branch not in ran_once]
    said = {(branch.file, line) for branch in never if branch.what.startswith("except") for line in branch.body}
    never = [branch for branch in never if branch.what.startswith("except") or (branch.file, branch.line) not in said]
    made = made_ever(errors, frozenset(branch.made for branch in ran_once))
    unmade = [kind for kind in errors.values() if kind.name not in made]
    never += [Branch(kind.file, kind.line, f"class {kind.name}", range(0)) for kind in unmade]
    return len(all_of_them) + len(errors), sorted(never, key=lambda branch: (branch.file, branch.line))


def allowed(text: str) -> dict[tuple[str, str], str]:
    """The entries of `gate_allowed.txt`: `FILE: WHAT # why`, blank lines and whole-line comments apart.

    Raises:
        ValueError: An entry has no reason, or no file.
    """
    entries = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        place, _, why = line.partition(" # ")
        file, _, what = place.partition(": ")
        if not (what.strip() and why.strip()):
            raise ValueError(f"{ALLOWED.name}:{number}: write FILE: WHAT # why, not {line!r}")
        entries[file.strip(), what.strip()] = why.strip()
    return entries


def report(trees: Mapping[str, ast.Module], ran: Lines, entries: Collection[tuple[str, str]]) -> list[str]:
    """What to print: a line a hole, a line an entry that hides nothing, and at the end the count."""
    count, never = holes(trees, ran)
    hidden = {(hole.file, hole.what) for hole in never} & set(entries)
    lines = [f"{hole.file}:{hole.line} {hole.what}" for hole in never if (hole.file, hole.what) not in hidden]
    lines += [f"{ALLOWED.name}: {': '.join(entry)} is run, or is gone" for entry in entries if entry not in hidden]
    return [*lines, f"error branches {count}, never run {len(lines)}"]


def recorded(root: Path, files: Iterable[str]) -> Lines:
    """The lines that coverage saw run, from the record that pytest leaves at the root.

    Raises:
        NoRecordError: There is none, or a file was changed after it was made.
    """
    record = coverage.Coverage(config_file=str(root / "pyproject.toml"))
    record.load()
    data = record.get_data()
    if not data.measured_files():
        raise NoRecordError(f"{data.data_filename()} holds no record: `make test` leaves one")
    made = Path(data.data_filename()).stat().st_mtime
    changed = [file for file in files if (root / file).stat().st_mtime > made]
    if changed:
        raise NoRecordError(f"{', '.join(changed)} changed after the tests ran: run them again")
    return {file: frozenset(data.lines(str(root / file)) or ()) for file in files}


def main() -> int:
    """Print the report; the exit code."""
    trees = parse(ROOT)
    try:
        lines = report(trees, recorded(ROOT, trees), allowed(ALLOWED.read_text(encoding="utf-8")))
    except (NoRecordError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if len(lines) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
