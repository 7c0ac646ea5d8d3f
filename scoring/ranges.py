"""What a rule's text alone tells: its conditions joined by AND, and whether they shut each other out."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from scoring.features import Feature
from scoring.segments import parse_rule

if TYPE_CHECKING:
    from sqlglot import exp


def conjuncts(text: str, features: Mapping[str, Feature]) -> frozenset[str]:
    """The conditions that a rule joins by AND, each as text in one way of writing."""
    return frozenset(part.sql("duckdb") for part in _parts(parse_rule(text, features)))


def never_holds(text: str, features: Mapping[str, Feature]) -> str:
    """Why a rule can hold for nobody, in words; empty where that does not show.

    Only conditions joined by AND that compare one feature with a whole number or a text are looked at; of those that
    are joined by OR nothing is said.
    """
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    parts = list(_parts(parse_rule(text, features)))
    words: dict[str, str] = {}
    for name, word in chain.from_iterable(map(_word, parts)):
        if words.setdefault(name, word) != word:
            return f"{name} cannot be both {words[name]!r} and {word!r}"
    for name, least, most in chain.from_iterable(map(_range, parts)):
        if least is not None:
            low[name] = max(least, low.get(name, least))
        if most is not None:
            high[name] = min(most, high.get(name, most))
    for name in low.keys() & high.keys():
        if low[name] > high[name]:
            return f"{name} cannot be at least {low[name]} and at most {high[name]}"
    for name, most in high.items():
        if most < 0 and features[name].zero:
            return f"{name} is a count and never below 0"
    return ""


def _parts(tree: "exp.Expr") -> Iterator["exp.Expr"]:
    from sqlglot import exp

    if isinstance(tree, exp.Paren):
        yield from _parts(tree.this)
    elif isinstance(tree, exp.And):
        yield from _parts(tree.this)
        yield from _parts(tree.expression)
    else:
        yield tree


def _range(tree: "exp.Expr") -> Iterator[tuple[str, int | None, int | None]]:
    """Feature, least and most value that a condition allows; None without a bound."""
    from sqlglot import exp

    if not isinstance(tree.this, exp.Column):
        return
    name = tree.this.name
    if isinstance(tree, exp.Between):
        yield name, _number(tree.args["low"]), _number(tree.args["high"])
        return
    value = _number(tree.args.get("expression"))
    if value is None:
        return
    match tree:
        case exp.EQ():
            yield name, value, value
        case exp.LT():
            yield name, None, value - 1
        case exp.LTE():
            yield name, None, value
        case exp.GT():
            yield name, value + 1, None
        case exp.GTE():
            yield name, value, None


def _number(tree: "exp.Expr | None") -> int | None:
    from sqlglot import exp

    if isinstance(tree, exp.Neg):
        inner = _number(tree.this)
        return None if inner is None else -inner
    return int(tree.this) if isinstance(tree, exp.Literal) and tree.is_int else None


def _word(tree: "exp.Expr") -> Iterator[tuple[str, str]]:
    """A feature and the text that it is compared with, where a condition asks for this very text."""
    from sqlglot import exp

    if isinstance(tree, exp.EQ):
        for one, other in ((tree.this, tree.expression), (tree.expression, tree.this)):
            if isinstance(one, exp.Column) and isinstance(other, exp.Literal) and other.is_string:
                yield one.name, other.this
