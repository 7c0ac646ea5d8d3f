"""Scores at many instants out of tables that are read once: what takes long is reading, and that does not change.

The rows of the state file, every version of each, lie in the engine's own memory; for each instant the same SELECTs
run that an ordinary run sends to the state file. So an instant scored this way and one scored by `scoring.engine.score`
have the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.card import LEVELS
from scoring.cards import AnyCards
from scoring.engine import (
    connect,
    far_of,
    load_usage,
    needed_by,
    parts_of,
    pruned_views,
    read_part,
    run,
    run_together,
    run_views,
)
from scoring.errors import InputsError
from scoring.inputs import TABLES, Engine, Inputs, Level, Part, ScoreRow, SqlType
from scoring.shared import Together

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlglot import exp

HELD = "held"
"""Schema of the tables that are read once."""
_SOME = "7777777777"
"""Stands for the instant in a SELECT; no run is ever as of then (in the year 2216)."""


class Replay:
    """The state file's tables in the engine's memory.

    Args:
        con: With them; closed by whoever made it.
        cards: What scores, each for itself.
        levels: Which levels are scored.
    """

    def __init__(self, con: "DuckDBPyConnection", cards: Sequence[AnyCards], levels: Sequence[Level]) -> None:
        self.con, self.cards, self.levels = con, cards, levels
        self.known: tuple[Mapping[str, str], dict[str, exp.Query]] | None = None
        self.held: dict[str, str] = {}
        self.shared: Together | None = None

    def score(self, inputs: Inputs) -> list[list[ScoreRow]]:
        """Score an instant by each of the cards.

        Raises:
            InputsError, ScoringError: See `scoring.engine.score`.
        """
        import duckdb

        needed = needed_by(self.cards, self.levels)
        usage = needed.pop("usage", None)
        # Views say the same at every instant, and reading SQL takes longer than running it on small tables.
        if self.known is None or self.known[0] != inputs.views:
            self.known = inputs.views, pruned_views(inputs, needed)
        views = self.known[1]
        parts = parts_of(inputs, views)
        self.con.execute("CREATE SCHEMA instant")
        self.con.execute("SET schema = 'instant'")
        try:
            for name, part in parts.items():
                try:
                    self.con.execute(
                        f"CREATE TABLE {name} AS {_cast(self._from_held(part.select, inputs.as_of), part.columns)}"
                    )
                except duckdb.Error as problem:
                    raise InputsError(f"part {name}: {str(problem).splitlines()[0][:300]}") from problem
            for name in needed.keys() - views.keys():
                types = {column: kind for column, kind in TABLES[name].types().items() if column in needed[name]}
                read_part(self.con, inputs.state, name, Part(inputs.tables.get(name, ""), types), schema="instant")
            run_views(self.con, views, needed, parts.keys())
            if usage:
                far = any(far_of(cards, self.levels) for cards in self.cards)
                load_usage(self.con, inputs, usage, far=far)
            return self._rows(inputs.as_of)
        finally:
            self.con.execute("SET schema = 'main'")
            self.con.execute("DROP SCHEMA instant CASCADE")

    def _rows(self, as_of: datetime) -> list[list[ScoreRow]]:
        asked = [(cards, level) for cards in self.cards for level in self.levels]
        self.shared = run_together(self.con, asked, as_of, self.shared)
        texts = iter(self.shared.texts)
        return [
            [row for level in self.levels for row in run(self.con, cards, level, as_of, text=next(texts))]
            for cards in self.cards
        ]

    def _from_held(self, select: str, as_of: datetime) -> str:
        """`from_held` of a SELECT, read once: only the instant in it differs from time to time."""
        at = str(int(as_of.timestamp()))
        general = select.replace(at, _SOME)
        if general not in self.held:
            self.held[general] = from_held(general)
        return self.held[general].replace(_SOME, at)


@contextmanager
def replay(
    state: Path,
    raw: Mapping[str, Mapping[str, SqlType]],
    sample: Sequence[Inputs],
    cards: Sequence[AnyCards],
    *,
    levels: Sequence[Level] = LEVELS,
    engine: Engine | None = None,
) -> Iterator[Replay]:
    """Read what scoring at many instants needs.

    Args:
        state: The state file.
        raw: Its tables with their columns, a number that is never NULL before all other numbers.
        sample: What is read at some of the instants, the first of them among these: says which tables are needed.
        cards: What scores, each for itself.
        levels: Which levels are scored.
        engine: Limits.
    """
    wanted: dict[str, set[str]] = {}
    needed = needed_by(cards, levels)
    needed.pop("usage", None)
    for inputs in sample:
        for part in parts_of(inputs, pruned_views(inputs, needed)).values():
            for table, columns in _tables_of(part.select, raw).items():
                wanted.setdefault(table, set()).update(columns)
    con = connect(engine or Engine(memory="2GB"))
    try:
        con.execute(f"CREATE SCHEMA {HELD}")
        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(_hold, con, state, name, raw[name], columns) for name, columns in wanted.items()]
            for one in done:
                one.result()
        yield Replay(con, cards, levels)
    finally:
        con.close()


def _hold(con: "DuckDBPyConnection", state: Path, name: str, known: Mapping[str, SqlType], columns: set[str]) -> None:
    first = next(column for column, kind in known.items() if kind == "BIGINT")
    types = {column: kind for column, kind in known.items() if column in columns or column == first}
    quoted = ", ".join(f'"{column}"' for column in types)
    read_part(con, state, name, Part(f"SELECT {quoted} FROM {name}", types), schema=HELD)


def _tables_of(select: str, raw: Mapping[str, Mapping[str, SqlType]]) -> dict[str, set[str]]:
    """The state file's tables that a SELECT reads, with the columns that it may mean."""
    from sqlglot import exp, parse_one

    tree = parse_one(select, dialect="sqlite")
    names = {column.name for column in tree.find_all(exp.Column)}
    tables = {table.name for table in tree.find_all(exp.Table)}
    return {table: names & raw[table].keys() for table in tables if table in raw}


def from_held(select: str) -> str:
    """A SELECT over the state file as one over the tables that are held."""
    from sqlglot import exp, parse_one

    tree = parse_one(select, dialect="sqlite")
    for table in list(tree.find_all(exp.Table)):
        table.set("db", exp.to_identifier(HELD))
    return tree.transform(_null_safe).sql("duckdb", identify=True)


def _null_safe(node: "exp.Expr") -> "exp.Expr":
    """SQLite's `a IS b` compares any two values; elsewhere that has words of its own."""
    from sqlglot import exp

    if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
        return exp.NullSafeEQ(this=node.this, expression=node.expression)
    return node


def _cast(select: str, types: Mapping[str, SqlType]) -> str:
    cast = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in types.items())
    return f"SELECT {cast} FROM ({select})"
