"""Plan files as somebody without the state folder's key would forge them: each part of each line, and the file."""

import copy
import hashlib
import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sync import approval
from sync.plan import FieldChange, HumanEdit, Plan, PlanError, RecordChange, Skipped, TaskChange, TaskRemoval
from tests.security.payloads import payloads

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)

EVIL: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    7,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "evil",
    "=1+1",
    "\ud800",
    "\x00",
    "é",
    "e\u0301",
    "2026-11-01T06:00:00+00:00",
    "9999-12-31T23:59:59+00:00",
    "approve",
    [],
    ["x"],
    {},
    {"at": "x"},
    {"at": 5},
    {"day": "2026-01-01"},
    {"__class__": "x"},
    [["field", 1, 2]],
    [[[[[[]]]]]],
)
"""Values in place of others."""


def a_plan(**changes: Any) -> Plan:
    """A plan with a line of every kind."""
    records = tuple(
        RecordChange("account", str(n), f"Customer {n}", (FieldChange("score", n, n + 1),), "quiet", 5, 6)
        for n in range(3)
    )
    task = TaskChange("k1", "1", "Customer 1", "save", "Call", "Now.", NOW, "high", "7", "Dana", "red", "8")
    removal = TaskRemoval("k2", "99", "2", "Customer 2", "Call", "undone", 3)
    edit = HumanEdit("account", "3", "Customer 3", "segments", ("a",), ("b",), ("a", "c"))
    skipped = Skipped("account", "4", "Customer 4", "score", "moved", 5)
    made: dict[str, Any] = {
        "records": records,
        "tasks": (task,),
        "removals": (removal,),
        "kept": (edit,),
        "skipped": (skipped,),
        "notes": ("note",),
        "held": ("63 of 300 accounts",),
        **changes,
    }
    return Plan(NOW, "hubspot:STANDARD:1", "c0ffee", **made)


def sealed(folder: Path, *, approved: bool = True) -> Path:
    """A plan file of the agent in this state folder."""
    path = folder / "a.plan"
    approval.save(a_plan(), path, folder)
    if approved:
        approval.approve(path, "Dana", folder, NOW)
    return path


def rehashed(head: dict[str, Any], lines: list[Any]) -> str:
    """A file whose hash is right, which needs no key; seal and approval stay as they were."""
    body = "\n".join(json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")) for line in lines)
    head = {**head, "hash": hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()}
    return f"{json.dumps(head)}\n{body}\n"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value, at any depth."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


def swapped(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value in one place."""
    found = copy.deepcopy(value)
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return found


def forged(text: str) -> Iterator[tuple[str, str]]:
    """Every single edit of fields and lines, with a right hash; (what was done, the file)."""
    head, *lines = [json.loads(line) for line in text.splitlines()]
    for number, line in enumerate(lines):
        for path in places(line):
            for evil in EVIL:
                edited = [*lines[:number], swapped(line, path, evil), *lines[number + 1 :]]
                yield f"line {number} {path} = {evil!r}", rehashed(head, edited)
        yield f"line {number} twice", rehashed(head, [*lines[: number + 1], *lines[number:]])
        yield f"line {number} away", rehashed(head, [*lines[:number], *lines[number + 1 :]])
        for kind, body in line.items() if number else ():
            yield f"line {number} more", rehashed(head, [*lines[:number], {kind: {**body, "more": 1}}])
            yield f"line {number} kind", rehashed(head, [*lines[:number], {"update": body}, *lines[number + 1 :]])
    for number in range(1, len(lines) - 1):
        order = [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]
        yield f"order {number}", rehashed(head, order)
    yield "header more", rehashed(head, [{**lines[0], "more": 1}, *lines[1:]])
    for path in places(head):
        for evil in EVIL:
            body = text.partition("\n")[2]
            yield f"head {path} = {evil!r}", f"{json.dumps(swapped(head, path, evil))}\n{body}"


def shaped(text: str) -> Iterator[tuple[str, str]]:
    """Files whose form is the attack; (what was done, the file)."""
    first, _, body = text.partition("\n")
    head = json.loads(first)

    def with_body(new: str) -> str:
        digest = hashlib.sha256(new.removesuffix("\n").encode("utf-8", "surrogatepass")).hexdigest()
        return f"{json.dumps({**head, 'hash': digest})}\n{new}"

    def number(new: str) -> str:
        return re.sub(r'"severity":\d+', f'"severity":{new}', body, count=1)

    deep = "[" * 100_000 + "]" * 100_000
    yield "deep body", with_body(deep)
    yield "deep objects", with_body('{"a":' * 50_000 + "1" + "}" * 50_000)
    yield "deep head", f"{deep}\n{body}"
    yield "deep value", with_body(re.sub(r'"why":"[^"]*"', f'"why":{deep}', body, count=1))
    yield "NaN", with_body(number("NaN"))
    yield "Infinity", with_body(number("1e999"))
    yield "long number", with_body(number("9" * 100_000))
    yield "key twice", with_body(body.replace('{"update":{', '{"update":{"name":"seen",', 1))
    yield "kind twice", with_body(body.replace('{"update":', '{"kept":{},"update":', 1))
    yield "escaped", with_body(body.replace("account", "\\u0061ccount", 1))
    yield "half a character", with_body(re.sub(r'"why":"', '"why":"\\\\ud800', body, count=1))
    yield "spaces", with_body(body.replace(":", ": "))
    yield "empty lines", with_body(body.replace("\n", "\n\n"))
    yield "line ends", with_body(body.replace("\n", "\r\n"))
    yield "other separator", with_body(body.replace("\n", "\u2028"))
    yield "mark", f"\ufeff{text}"
    yield "hidden line", with_body(body + '{"update":{"object":"account"}}\n')
    yield "hash twice", first.replace("{", '{"hash":"0",', 1) + "\n" + body
    yield "approval of nobody", f"{json.dumps({**head, 'approved': None})}\n{body}"
    yield "no seal", f"{json.dumps({**head, 'seal': None})}\n{body}"
    yield "look-alike", with_body(body.replace("account", "аccount", 1))  # noqa: RUF001 - the first letter is Cyrillic
    yield "nothing", ""
    yield "ends early", text[: len(text) // 2]
    yield "binary", "\x00" * 1000


def disturbed(text: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """So many files with hostile text, or with bytes changed or lost, somewhere; half of them with a right hash."""
    rng = random.Random(seed)
    head, *_ = text.splitlines()
    body = text.partition("\n")[2]
    for number, payload in enumerate(payloads(count, seed)):
        at, size = rng.randrange(len(body)), rng.randrange(20)
        new = body[:at] + rng.choice((payload, "", rng.choice('"{}[]:,\\\n0'))) + body[at + size :]
        if number % 2:
            yield f"seed {seed} number {number}", f"{head}\n{new}"
        else:
            digest = hashlib.sha256(new.removesuffix("\n").encode("utf-8", "surrogatepass")).hexdigest()
            yield f"seed {seed} number {number}", json.dumps({**json.loads(head), "hash": digest}) + "\n" + new


def wrongly_taken(path: Path, folder: Path, edits: Iterator[tuple[str, str]]) -> list[str]:
    """The edits of a file after which it loads as another plan, or as approved by another, or in an error not told."""
    before = approval.load(path, folder)
    genuine = path.read_text(encoding="utf-8")
    wrong = []
    for what, text in edits:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            found = approval.load(path, folder)
        except PlanError as error:
            if len(str(error).splitlines()) != 1 or str(path) not in str(error):
                wrong.append(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever else it raises is what we look for
            wrong.append(f"{what}: {type(error).__name__}")
        else:
            if found.plan != before.plan or found.approved not in (before.approved, None):
                wrong.append(what)
    path.write_text(genuine, encoding="utf-8")
    return wrong


def edits(count: int, seed: int = 6) -> list[str]:
    """Edits, out of every single one of `forged` and `shaped` and as many disturbed files more, that got through."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-plans-"))
    try:
        path = sealed(folder)
        text = path.read_text(encoding="utf-8")
        tries: tuple[Callable[[], Iterator[tuple[str, str]]], ...] = (
            lambda: shaped(text),
            lambda: forged(text),
            lambda: disturbed(text, count, seed),
        )
        return [one for attempt in tries for one in wrongly_taken(path, folder, attempt())]
    finally:
        shutil.rmtree(folder)
