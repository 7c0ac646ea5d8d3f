"""Segments: named rules over features, written as SQL boolean text and checked when the card is loaded.

A rule may compare, combine and do whole-number arithmetic; it may not reach outside the one row it looks at. Unknown
values make a comparison neither true nor false, so nobody lands in a segment for what is not known.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from scoring.errors import CardError, nearest
from scoring.features import Feature
from scoring.signals import Line, Name

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

MAX_RULE = 1000
"""Longest rule in characters; keeps the parser's depth far from Python's limit."""
MAX_DEPTH = 60
"""Deepest nesting of a rule."""
FUNCTIONS = ("ABS", "COALESCE", "LOWER")
"""Functions a rule may call: those that mean the same in every engine."""
MAX_NUMBER = 10**15
"""Largest number in a rule."""
MAX_FACTOR = 10**6
"""Largest factor: value times factor fits 64 bits."""


_TOLD = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Texts and comments of a rule."""
_WORD = re.compile(r"\w+")


class Segment(BaseModel):
    """A named group of accounts or contacts, recomputed on every run."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Name = Field(description="The heading of its table; the value written to the CRM.")
    label: Line = Field(description="What people see.")
    rule: str = Field(min_length=1, max_length=MAX_RULE, description="SQL boolean text over features.")
    outranks: tuple[str, ...] = Field((), description="Segments that give way where this rule holds.")
    cadence: str = Field("", max_length=200, description="How often to be in touch, for colleagues.")
    offer: str = Field("", max_length=200, description="What to offer, for colleagues.")


def parse_rule(text: str, features: Mapping[str, Feature], *, key: str = "") -> "exp.Expr":
    """Parse and check one rule.

    Raises:
        CardError: With `key` as place, when the text is not a boolean expression over public features.
    """
    import sqlglot
    from sqlglot import errors

    if ";" in text:
        raise CardError("a rule is one condition, without ';'", key=key)
    if _depth(text) > MAX_DEPTH:
        raise CardError(f"nested deeper than {MAX_DEPTH} parentheses", key=key)
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except errors.SqlglotError as problem:
        raise CardError(f"not a condition: {_where(problem, text)}", key=key) from None
    return _Checker(features, key).boolean(tree)


def words_of(rule: str) -> set[str]:
    """Every word of a checked rule outside its texts and comments: its features, and words of SQL.

    Finds them without the SQL parser, whose import alone takes longer than telling what is stored.
    """
    return set(_WORD.findall(_TOLD.sub(" ", rule)))


def member_sql(name: str, segments: Mapping[str, Segment]) -> str:
    """Whether a row is in a segment: its rule holds, and none of a segment that outranks it."""
    stronger = [other.rule for other in segments.values() if name in other.outranks and other.name != name]
    return " AND ".join([holds(segments[name].rule), *(f"NOT {holds(other)}" for other in stronger)])


def holds(rule: str) -> str:
    """Whether a rule holds, as SQL: what is not known does not. The rule may end in a comment."""
    return f"COALESCE({rule}\n, FALSE)"


def with_members(rule: str, segments: Mapping[str, Segment]) -> str:
    """A rule in which the name of a segment stands for being in it; its texts and comments stay as they are."""

    def member(found: re.Match[str]) -> str:
        return f"({member_sql(found[0], segments)})" if found[0] in segments else found[0]

    return re.sub(rf"{_TOLD.pattern}|{_WORD.pattern}", member, rule, flags=re.DOTALL)


def _where(problem: "SqlglotError", text: str) -> str:
    """Where a text stops being a condition, in words: the parser's own name its insides."""
    found = next(iter(getattr(problem, "errors", ())), None)
    if not text.strip() or (found and not found["end_context"].strip()):
        return f"{text.strip()[-30:]!r} breaks off" if text.strip() else "it is empty"
    if found:
        return f"it goes wrong at {found['start_context'][-30:] + found['highlight']!r}"
    return "a quotation mark is not closed"  # what cannot even be cut into words


def _depth(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    # NOT and unary minus nest without parentheses.
    return deepest + text.upper().count("NOT ") + text.count("- -") + text.count("--")


class _Checker:
    """Walks a rule's tree: every node must be known, every value of the type its place asks for."""

    def __init__(self, features: Mapping[str, Feature], key: str) -> None:
        self.features = features
        self.key = key

    def refuse(self, problem: str) -> CardError:
        return CardError(problem, key=self.key)

    def boolean(self, tree: "exp.Expr") -> "exp.Expr":
        from sqlglot import exp

        match tree:
            case exp.Paren() | exp.Not():
                self.boolean(tree.this)
            case exp.And() | exp.Or():
                self.boolean(tree.this)
                self.boolean(tree.expression)
            case exp.Coalesce() if [one.sql() for one in tree.expressions] == ["FALSE"]:
                self.boolean(tree.this)
            case exp.Boolean():
                pass
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                self.same(tree, tree.this, tree.expression)
            case exp.Between():
                self.same(tree, tree.this, tree.args["low"], tree.args["high"])
            case exp.In() if tree.expressions:
                self.same(tree, tree.this, *tree.expressions)
            case exp.Is() if isinstance(tree.expression, exp.Null):
                self.value(tree.this)
            case _:
                raise self.refuse(
                    f"{tree.sql('duckdb')!r} is not a condition; allowed are comparisons of features, BETWEEN, IN,"
                    " IS NULL, AND, OR, NOT"
                )
        return tree

    def same(self, tree: "exp.Expr", *sides: "exp.Expr") -> str:
        types = {self.value(side) for side in sides}
        if len(types) > 1:
            raise self.refuse(f"{tree.sql('duckdb')!r} compares a number with a text")
        return types.pop()

    def value(self, tree: "exp.Expr") -> str:
        """`'number'` or `'text'`."""
        from sqlglot import exp

        match tree:
            case exp.Column():
                return self.column(tree)
            case exp.Literal():
                return self.literal(tree)
            case exp.Paren():
                return self.value(tree.this)
            case exp.Neg() | exp.Add() | exp.Sub() | exp.Mul():
                return self.arithmetic(tree)
        return self.call(tree)

    def literal(self, tree: "exp.Literal") -> str:
        if tree.is_string:
            return "text"
        if not tree.this.isdigit():
            raise self.refuse(f"{tree.this} is not a whole number: shares and changes are whole percent (-30)")
        if int(tree.this) > MAX_NUMBER:
            raise self.refuse(f"{tree.this} is too large")
        return "number"

    def arithmetic(self, tree: "exp.Expr") -> str:
        from sqlglot import exp

        sides = [tree.this] if isinstance(tree, exp.Neg) else [tree.this, tree.expression]
        if isinstance(tree, exp.Mul):
            factors = [int(side.this) for side in sides if isinstance(side, exp.Literal) and side.is_int]
            if not factors or factors[0] > MAX_FACTOR or tree.find_ancestor(exp.Mul):
                raise self.refuse(f"{tree.sql('duckdb')!r} must multiply by one whole number of at most {MAX_FACTOR}")
        if self.same(tree, *sides) != "number":
            raise self.refuse(f"{tree.sql('duckdb')!r} calculates with a text")
        return "number"

    def call(self, tree: "exp.Expr") -> str:
        from sqlglot import exp

        what = tree.sql("duckdb")
        if not isinstance(tree, exp.Func):
            raise self.refuse(f"{what!r} is not a value; allowed are features, whole numbers, 'texts' and + - *")
        if tree.sql_name() not in FUNCTIONS:
            raise self.refuse(f"function in {what!r} is not allowed; allowed are {', '.join(FUNCTIONS)}")
        kind = self.same(tree, tree.this, *tree.expressions)
        wanted = {"ABS": "number", "LOWER": "text"}.get(tree.sql_name(), kind)
        if kind != wanted:
            raise self.refuse(f"{what!r} needs a {wanted}")
        return kind

    def column(self, tree: "exp.Column") -> str:
        public = [name for name, feature in self.features.items() if not feature.internal]
        if tree.table or tree.name not in public:
            raise self.refuse(f"unknown feature {tree.sql('duckdb')!r}{nearest(tree.name.lower(), public)}")
        return "text" if self.features[tree.name].is_text else "number"
