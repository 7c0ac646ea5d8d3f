"""One pass over usage for several statements: it is the only step that touches every usage row, and most of the work.

Each level's statement, and each card's, counts usage by itself, so that each can be read and run alone. Run together,
they read a table that one pass made for all: what they count is the same, only how finely it is grouped differs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.usage_chain import joined

if TYPE_CHECKING:
    from sqlglot import exp

TABLE = "usage_counted"
_SEEN = "usage_seen"
_CLOCK = ("fed", "heard", "clock")
_KEYS = ("person", "grp")


@dataclass(frozen=True, slots=True)
class Together:
    """Statements that are run one after the other on the same tables.

    Attributes:
        first: What makes the table that they read, with the parameter `as_of`; "" when each reads usage itself.
        texts: The statements, in the order given.
    """

    first: str
    texts: tuple[str, ...]


def together(statements: "Sequence[exp.Select]", alone: Sequence[str]) -> Together:
    """Let statements share their pass over usage, where at least two have one and mean the same by its columns.

    Args:
        statements: As the cards give them; they are left as they are.
        alone: The same as text.
    """
    passes = [_pass(statement) for statement in statements]
    counting = [one for one in passes if one is not None]
    outer = _union(_counts(one.selects) for one in counting)
    inner = _union(_named(_rows(one).selects) for one in counting)
    if len(counting) < 2 or outer is None or inner is None:
        return Together("", tuple(alone))
    reach = max((_where(one) for one in counting), key=len)
    texts = [
        _reading(statement, one, reach) if one is not None else text
        for statement, one, text in zip(statements, passes, alone, strict=True)
    ]
    source = statements[next(i for i, one in enumerate(passes) if one is not None)]
    return Together(_counting(source, counting[0], outer, inner, reach), tuple(texts))


def _pass(statement: "exp.Select") -> "exp.Select | None":
    from sqlglot import exp

    found = _ctes(statement).get(_SEEN)
    return found if isinstance(found, exp.Select) else None


def _ctes(statement: "exp.Select") -> "dict[str, exp.Expr]":
    return {cte.alias: cte.this for cte in statement.ctes}


def _rows(one: "exp.Select") -> "exp.Select":
    """The rows of usage with their age, inside the pass."""
    from sqlglot import exp

    rows = one.args["from_"].this.this
    assert isinstance(rows, exp.Select)  # noqa: S101  # tells the type checker what `usage_chain` has written
    return rows


def _where(one: "exp.Select") -> str:
    return str(one.args["where"].this.sql("duckdb"))


def _named(selects: "Iterable[exp.Expr]") -> dict[str, str]:
    return {select.alias_or_name: select.sql("duckdb") for select in selects}


def _counts(selects: "Iterable[exp.Expr]") -> dict[str, str]:
    """The columns of the table; sums in half the bytes that the engine would take for them."""
    named = {select.alias_or_name: select.unalias().sql("duckdb") for select in selects}
    sums = {name: f"CAST({sql} AS BIGINT)" if sql.startswith("SUM(") else sql for name, sql in named.items()}
    return {name: f"{sql} AS {name}" for name, sql in sums.items()}


def _union(every: Iterable[Mapping[str, str]]) -> dict[str, str] | None:
    """All columns; None when one name means two things."""
    found: dict[str, str] = {}
    for named in every:
        for name, sql in named.items():
            if found.setdefault(name, sql) != sql:
                return None
    return found


def _counting(
    statement: "exp.Select", one: "exp.Select", outer: Mapping[str, str], inner: Mapping[str, str], reach: str
) -> str:
    """The pass for all of them, as finely grouped as any wants it."""
    ctes = _ctes(statement)
    before = ", ".join(f"{name} AS ({ctes[name].sql('duckdb')})" for name in _CLOCK)
    rows = _rows(one).copy()
    rows.set("expressions", [])
    source = rows.select(*inner.values(), dialect="duckdb").sql("duckdb")
    keys = ", ".join(name for name in _KEYS if name in outer)
    picked = ", ".join(outer.values())
    return (
        f"CREATE TABLE {TABLE} AS WITH {before} SELECT {picked} FROM ({source}) AS aged WHERE {reach} GROUP BY {keys}"
    )


def _reading(statement: "exp.Select", one: "exp.Select", reach: str) -> str:
    """A statement that takes its usage from the table."""
    keys = [name for name in _KEYS if name in _named(one.selects)]
    columns = [
        f"{joined(select.alias, select.this.sql('duckdb'))} AS {select.alias}"
        for select in one.selects
        if select.alias_or_name not in _KEYS
    ]
    # Who was only seen a year ago does not count where nobody asks for that.
    near = "" if _where(one) == reach else " WHERE NOT last_age IS NULL"
    read = f"SELECT {', '.join([*keys, *columns])} FROM {TABLE}{near} GROUP BY {', '.join(keys)}"
    copy = statement.copy()
    for cte in copy.ctes:
        if cte.alias == _SEEN:
            from sqlglot import parse_one

            cte.set("this", parse_one(read, dialect="duckdb"))
    return copy.sql("duckdb", copy=False)
