"""Mixpanel's expressions (`where=`): parsed, evaluated on properties, and read for bounds that columns can apply.

    number(properties["mp_processing_time_ms"]) >= 1732233600000
    properties["$time"] >= datetime(1732233600) and properties["plan"] in ["team", "business"]

Only what clients are known to send is understood; anything else is refused as the vendor refuses a typing error.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TOKEN = re.compile(r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
                   r"""|(?P<sign>==|!=|>=|<=|[<>()\[\],-])|(?P<word>[A-Za-z_]+))""")  # fmt: skip
ORDER: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
HOLDERS = {"properties", "user", "event"}
CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}

Props = Mapping[str, Any]


class WhereError(ValueError):
    """The expression is not understood."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: `op` with its parts; a property's name or a literal sits in `value`."""

    op: str
    parts: tuple["Node", ...] = ()
    value: Any = None


@dataclass(slots=True)
class Bounds:
    """What an expression demands of arrival (milliseconds) and event time (seconds); both ends included."""

    arrived_from: float = float("-inf")
    arrived_to: float = float("inf")
    time_from: float = float("-inf")
    time_to: float = float("inf")


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                raise WhereError(f"unexpected {text[position : position + 10]!r} in expression")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
            position = match.end()
        self.at = 0

    def parse(self) -> Node:
        """The whole expression."""
        node = self._or()
        if self.at < len(self.tokens):
            raise WhereError(f"unexpected {self.tokens[self.at][1]!r} in expression")
        return node

    def _peek(self, *texts: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][0] != "text" and self.tokens[self.at][1] in texts

    def _take(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise WhereError("unexpected end of expression")
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, text: str) -> None:
        if self._take()[1] != text:
            raise WhereError(f"expected {text!r} in expression")

    def _or(self) -> Node:
        node = self._and()
        while self._peek("or"):
            self.at += 1
            node = Node("or", (node, self._and()))
        return node

    def _and(self) -> Node:
        node = self._not()
        while self._peek("and"):
            self.at += 1
            node = Node("and", (node, self._not()))
        return node

    def _not(self) -> Node:
        if self._peek("not"):
            self.at += 1
            return Node("not", (self._not(),))
        left = self._value()
        if self._peek("in"):
            self.at += 1
            return Node("in", (left, self._value()))
        if self._peek("==", "!=", *ORDER):
            return Node(self._take()[1], (left, self._value()))
        return left

    def _value(self) -> Node:
        kind, text = self._take()
        if kind == "number":
            return Node("literal", value=float(text) if "." in text else int(text))
        if kind == "text":
            return Node("literal", value=re.sub(r"\\(.)", r"\1", text[1:-1]))
        if kind == "word":
            return self._word(text)
        if text == "-":
            return Node("literal", value=-self._value().value)
        if text == "[":
            return self._list()
        if text != "(":
            raise WhereError(f"unexpected {text!r} in expression")
        node = self._or()
        self._expect(")")
        return node

    def _list(self) -> Node:
        parts: list[Node] = []
        while not self._peek("]"):
            parts.append(self._value())
            if not self._peek("]"):
                self._expect(",")
        self._expect("]")
        return Node("list", tuple(parts))

    def _word(self, word: str) -> Node:
        if word in CONSTANTS:
            return Node("literal", value=CONSTANTS[word])
        if word in HOLDERS:
            self._expect("[")
            name = self._take()
            self._expect("]")
            return Node("property", value=re.sub(r"\\(.)", r"\1", name[1][1:-1]))
        if word not in FUNCTIONS:
            raise WhereError(f"unknown function {word!r}")
        self._expect("(")
        node = Node(word, (self._or(),))
        self._expect(")")
        return node


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _datetime(value: Any) -> float | None:
    """Seconds since the epoch from a number of seconds or an ISO instant; without a zone it is read as UTC."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _number(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return _number(value)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "number": _number,
    "datetime": _datetime,
    "string": lambda value: "" if value is None else str(value),
    "boolean": bool,
    "defined": lambda value: value is not None,
}


def parse(text: str) -> Node:
    """Understand an expression. Raises `WhereError`."""
    return _Parser(text).parse()


def evaluate(node: Node, props: Props) -> Any:
    """The expression's value for these properties; comparing what cannot be compared is false."""
    if node.op in ("literal", "property"):
        return node.value if node.op == "literal" else props.get(node.value)
    if node.op in ("and", "or"):
        found = (bool(evaluate(part, props)) for part in node.parts)
        return all(found) if node.op == "and" else any(found)
    values = [evaluate(part, props) for part in node.parts]
    if node.op in FUNCTIONS:
        return FUNCTIONS[node.op](values[0])
    if node.op in ("list", "not"):
        return values if node.op == "list" else not values[0]
    return _compare(node.op, values[0], values[1])


def _compare(op: str, left: Any, right: Any) -> bool:
    if op == "in":
        return right is not None and left in right
    if op in ("==", "!="):
        return bool(left == right) == (op == "==")
    if isinstance(left, str) and isinstance(right, (int, float)):
        left = _datetime(left)
    try:
        return bool(ORDER[op](left, right))
    except TypeError:
        return False


def split(node: Node | None) -> tuple[Bounds, Node | None]:
    """Take the bounds on arrival and event time out of an expression.

    Returns:
        The bounds, and what is left to be evaluated row by row; None when nothing is.
    """
    bounds = Bounds()
    if node is None:
        return bounds, None
    rest: Node | None = None
    for part in _conjuncts(node):
        if not _take_bound(part, bounds):
            rest = part if rest is None else Node("and", (rest, part))
    return bounds, rest


def _conjuncts(node: Node) -> list[Node]:
    if node.op == "and":
        return _conjuncts(node.parts[0]) + _conjuncts(node.parts[1])
    return [node]


def _take_bound(node: Node, bounds: Bounds) -> bool:
    """Apply one comparison of time with a constant; False when it is something else."""
    if node.op not in ORDER:
        return False
    left, right = node.parts
    if left.op in ("number", "datetime"):
        left = left.parts[0]
    value = evaluate(right, {}) if right.op in ("literal", "number", "datetime") else None
    if left.op != "property" or not isinstance(value, (int, float)):
        return False
    names = {"mp_processing_time_ms": "arrived", "$time": "time", "time": "time"}
    if left.value not in names:
        return False
    step = {">": 1, "<": -1}.get(node.op, 0)
    if node.op.startswith(">"):
        name = f"{names[left.value]}_from"
        setattr(bounds, name, max(getattr(bounds, name), value + step))
    else:
        name = f"{names[left.value]}_to"
        setattr(bounds, name, min(getattr(bounds, name), value + step))
    return True
