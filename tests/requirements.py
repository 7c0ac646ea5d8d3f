"""Which requirements the tests show: `python -m tests.requirements`, or `make requirements`.

`requirements.toml` beside this file lists them by number with their scope: "in" for what the product promises now,
"later" for what it does not promise yet, "out" for what it never will. A test names those that it shows with
`@pytest.mark.requirement("R32")`, on a function, a class, a parameter or a whole file (`pytestmark`). The markers are
read from the text of the tests, without running or importing any.

It prints what is covered by which tests, what is not, what comes later and what is out of scope, and last the counts.
It ends with 0, with 1 when something in scope is uncovered, and with 2 when a marker cannot be right.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
LIST = TESTS / "requirements.toml"
SCOPES = ("in", "later", "out")
STEPS = ("rule", "invariant", "initialize")
NUMBER = re.compile(r"R[1-9][0-9]{0,2}")

Scope = Mapping[str, str]
"""Number -> what it asks, in a few words."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class RequirementError(Exception):
    """The list or a marker is wrong."""


@dataclass(frozen=True, slots=True)
class Marker:
    """One number on one test.

    Attributes:
        number: Such as R32.
        file: Path of the test file below the folder that was read.
        line: Where it stands.
        test: Name of the test, `Class.name` within a class.
    """

    number: str
    file: str
    line: int
    test: str


def requirements(path: Path = LIST) -> dict[str, Scope]:
    """Scope -> requirements, each by rising number.

    Raises:
        RequirementError: A number is there twice, missing or not a number, a scope unknown, or the words are empty.
    """
    data = tomllib.loads(path.read_text("utf-8"))
    if set(data) != set(SCOPES):
        raise RequirementError(f"{path.name}: has {', '.join(data)}; needs exactly the tables {', '.join(SCOPES)}")
    numbers = sorted(_of(number, path.name) for scope in data.values() for number in scope)
    if numbers != list(range(1, len(numbers) + 1)):
        wrong = next(i for i, number in enumerate(numbers, 1) if i != number)
        raise RequirementError(f"{path.name}: R{wrong} is missing, or another one is there twice")
    for number, words in ((n, words) for scope in data.values() for n, words in scope.items()):
        if not isinstance(words, str) or not words.strip():
            raise RequirementError(f"{path.name}: {number} needs words, got {words!r}")
    return {scope: dict(sorted(data[scope].items(), key=lambda item: _of(item[0], path.name))) for scope in SCOPES}


def markers(folder: Path = TESTS) -> list[Marker]:
    """Every marker on a test below a folder, by file and line.

    Raises:
        RequirementError: A marker's number is not plain text, or the marker is on nothing that pytest runs.
    """
    found: list[Marker] = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text("utf-8")
        if "requirement(" in text:
            found += _in_file(ast.parse(text), path.relative_to(folder).as_posix())
    return found


def _of(number: str, file: str) -> int:
    if not NUMBER.fullmatch(number):
        raise RequirementError(f"{file}: {number!r} is not a number such as R32")
    return int(number[1:])


def _in_file(tree: ast.Module, file: str) -> Iterator[Marker]:
    calls = {id(node) for node in ast.walk(tree) if _is_marker(node)}
    whole = _named(tree.body)
    for owner, node, outer in _tests(tree):
        places = [*whole, *outer, *node.decorator_list]
        for call in (part for place in places for part in ast.walk(place) if _is_marker(part)):
            calls.discard(id(call))
            assert isinstance(call, ast.Call)
            yield from (Marker(number, file, call.lineno, owner) for number in _numbers(call, file))
    if calls:
        lines = sorted(node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) in calls)
        raise RequirementError(f"{file}:{lines[0]}: a requirement on something that is no test")


def _tests(tree: ast.Module) -> Iterator[tuple[str, Function, list[ast.expr]]]:
    """Name, function, and what marks it from outside, of every test of a file."""
    for node in tree.body:
        if isinstance(node, Function) and node.name.startswith("test"):
            yield node.name, node, []
        elif isinstance(node, ast.ClassDef):
            outer = [*node.decorator_list, *_named(node.body)]
            for part in node.body:
                if isinstance(part, Function) and (part.name.startswith("test") or _is_step(part)):
                    yield f"{node.name}.{part.name}", part, outer


def _is_step(part: Function) -> bool:
    """Whether a state machine of Hypothesis runs it: those run their rules and invariants, whatever their names."""
    made = (decorator.func for decorator in part.decorator_list if isinstance(decorator, ast.Call))
    return any(isinstance(func, ast.Name) and func.id in STEPS for func in made)


def _named(body: Sequence[ast.stmt]) -> list[ast.expr]:
    """What `pytestmark` is set to."""
    named = ((target, node.value) for node in body if isinstance(node, ast.Assign) for target in node.targets)
    return [value for target, value in named if isinstance(target, ast.Name) and target.id == "pytestmark"]


def _is_marker(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "requirement":
        return False
    return isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "mark"


def _numbers(call: ast.Call, file: str) -> Iterator[str]:
    if call.keywords or not call.args:
        raise RequirementError(f"{file}:{call.lineno}: a requirement needs numbers such as R32 and nothing else")
    for arg in call.args:
        if not isinstance(arg, ast.Constant) or not isinstance(arg.value, str):
            raise RequirementError(f"{file}:{call.lineno}: a requirement's number must be written out, such as R32")
        _of(arg.value, f"{file}:{call.lineno}")
        yield arg.value


def check(found: Sequence[Marker], known: Mapping[str, Scope]) -> None:
    """Refuse markers whose number is not listed.

    Raises:
        RequirementError: Naming the first.
    """
    numbers = {number for scope in known.values() for number in scope}
    for marker in found:
        if marker.number not in numbers:
            raise RequirementError(f"{marker.file}:{marker.line}: there is no requirement {marker.number}")


def report(found: Sequence[Marker], known: Mapping[str, Scope]) -> tuple[list[str], int]:
    """The lines to print, and how many requirements in scope no test shows."""
    tests: dict[str, list[str]] = {}
    for marker in found:
        tests.setdefault(marker.number, []).append(f"{marker.file}::{marker.test}")
    words = {number: text for scope in known.values() for number, text in scope.items()}
    groups: dict[str, list[str]] = {"covered": [n for n in words if n in tests]}
    for scope, heading in zip(SCOPES, ("uncovered", "later", "out of scope"), strict=True):
        groups[heading] = [number for number in known[scope] if number not in tests]
    lines = []
    for heading, numbers in groups.items():
        lines += [f"{heading} ({len(numbers)})"]
        for number in sorted(numbers, key=lambda number: int(number[1:])):
            lines.append(f"  {number:<5} {words[number]}")
            lines += [f"          {test}" for test in dict.fromkeys(tests.get(number, ()))]
    counts = (f"{heading.split()[0]} {len(numbers)}" for heading, numbers in groups.items())
    return [*lines, f"requirements {len(words)} {' '.join(counts)}"], len(groups["uncovered"])


def main() -> int:
    """Print the report; see the module."""
    try:
        known, found = requirements(), markers()
        check(found, known)
    except RequirementError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    lines, missing = report(found, known)
    sys.stdout.write("\n".join([*lines, ""]))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
