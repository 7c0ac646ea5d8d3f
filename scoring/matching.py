"""Rules over features, answered for one row in Python: what SQL says of it, with NULL neither true nor false.

Segments and everything else of a card are part of its statement. This is for rules of which the statement knows
nothing, such as those of known events.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from scoring.features import Feature
from scoring.segments import parse_rule

if TYPE_CHECKING:
    from sqlglot import exp

Row = Mapping[str, int | str | None]
Answer = Callable[[Row], Any]


def named(text: str, features: Mapping[str, Feature]) -> frozenset[str]:
    """The features that a rule names.

    Raises:
        CardError: It is no rule.
    """
    from sqlglot import exp

    return frozenset(column.name for column in parse_rule(text, features).find_all(exp.Column))


def asked(text: str, features: Mapping[str, Feature]) -> Callable[[Row], bool | None]:
    """A function that says whether a rule holds for a row; None where that cannot be known.

    Raises:
        CardError: It is no rule.
    """
    return _compiled(parse_rule(text, features))


def matcher(text: str, features: Mapping[str, Feature]) -> Callable[[Row], bool]:
    """A function that says whether a rule holds for a row; what is not known makes none hold.

    Raises:
        CardError: It is no rule.
    """
    answer = _compiled(parse_rule(text, features))
    return lambda row: answer(row) is True


def _compiled(tree: "exp.Expr") -> Answer:
    from sqlglot import exp

    match tree:
        case exp.Paren():
            return _compiled(tree.this)
        case exp.Boolean() | exp.Literal():
            value = int(tree.this) if isinstance(tree, exp.Literal) and not tree.is_string else tree.this
            return lambda _: value
        case exp.Column():
            name = tree.name
            return lambda row: row.get(name)
        case exp.Is():
            left = _compiled(tree.this)
            return lambda row: left(row) is None
        case exp.Coalesce():
            parts = [_compiled(part) for part in (tree.this, *tree.expressions)]
            return lambda row: next((v for v in (part(row) for part in parts) if v is not None), None)
    return _of_values(tree)


def _of_values(tree: "exp.Expr") -> Answer:
    """Everything that looks at the values of its parts."""
    from sqlglot import exp

    if isinstance(tree, exp.Between):
        parts = [_compiled(tree.this), _compiled(tree.args["low"]), _compiled(tree.args["high"])]
        return lambda row: _and(_known(_le, parts[1](row), parts[0](row)), _known(_le, parts[0](row), parts[2](row)))
    if isinstance(tree, exp.In):
        wanted, among = _compiled(tree.this), [_compiled(part) for part in tree.expressions]
        return lambda row: _in(wanted(row), [part(row) for part in among])
    left = _compiled(tree.this)
    if (one := _ONE.get(type(tree).__name__)) is not None:
        return lambda row: None if (value := left(row)) is None else one(value)
    right = _compiled(tree.expression)
    if isinstance(tree, exp.And):
        return lambda row: _and(left(row), right(row))
    if isinstance(tree, exp.Or):
        return lambda row: _not(_and(_not(left(row)), _not(right(row))))
    two = _TWO[type(tree).__name__]
    return lambda row: _known(two, left(row), right(row))


def _le(a: Any, b: Any) -> bool:
    return bool(a <= b)


def _not(a: bool | None) -> bool | None:  # noqa: FBT001 - a value of SQL's logic
    return None if a is None else not a


def _and(a: bool | None, b: bool | None) -> bool | None:  # noqa: FBT001 - values of SQL's logic
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _in(value: Any, among: list[Any]) -> bool | None:
    if value is None:
        return None
    if value in [one for one in among if one is not None]:
        return True
    return None if None in among else False


def _known(of: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return None if a is None or b is None else of(a, b)


_ONE: Mapping[str, Callable[[Any], Any]] = {
    "Not": lambda a: not a,
    "Neg": lambda a: -a,
    "Abs": abs,
    "Lower": str.lower,
}
_TWO: Mapping[str, Callable[[Any, Any], Any]] = {
    "EQ": lambda a, b: a == b,
    "NEQ": lambda a, b: a != b,
    "LT": lambda a, b: a < b,
    "LTE": _le,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
}
