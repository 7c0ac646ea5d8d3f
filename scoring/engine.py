"""Runs a scorecard's statement with DuckDB: tables out of the state file, usage straight from Parquet, rows out.

Only the tables and columns that the statement names are read. SQLite is read through ADBC as a stream of Arrow batches,
so no row becomes a Python object before it is a score.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import compress, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from scoring.card import LEVELS
from scoring.cards import AnyCards, Cards
from scoring.errors import InputsError, ScoringError
from scoring.inputs import TABLES, USAGE, Engine, Inputs, Level, Part, ScoreRow, SignalPoints, SqlType
from scoring.shared import Together, together
from scoring.usage_chain import FAR, FAR_DAYS, REACH_DAYS, YEAR

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlglot import exp

__all__ = ["COLUMNS", "Engine", "Inputs", "ScoreRow", "load", "run", "score"]

COLUMNS = (
    "key", "crm_id", "name", "owner_id", "score", "health", "points", "coverage", "band", "segments", "reason",
    "card", "rule",
)  # fmt: skip
"""What every statement answers first; after these come the parts of each signal, then the card's features."""
PARTS = ("points", "weight", "fresh")
"""What a statement answers of each signal."""
FETCH = 10_000
"""Rows turned into score rows at a time."""
LOCK_WAIT = 30_000
"""Milliseconds that reading waits for another program to let go of the state file."""
_FIRST = -(2**63)
"""Marks the row put before a table so that its text columns are known to be text; no key has this value."""
_IN_ORDER = re.compile(r"\s+ORDER BY\s+key$")
_new = tuple.__new__
"""Makes a named tuple without the call into Python that its own constructor is: half the cost of a row."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def score(
    card: AnyCards, inputs: Inputs, *, levels: Sequence[Level] = LEVELS, engine: Engine | None = None
) -> Iterator[ScoreRow]:
    """Score every account and contact, accounts first, each level by key.

    Args:
        card: What to compute: one card, or several.
        inputs: What to read.
        levels: Which levels to score.
        engine: Limits; by default two threads and 700 MB.

    Raises:
        InputsError: A table is not as promised.
        ScoringError: The engine gave up, for lack of memory for example.
    """
    with load(card, inputs, levels=levels, engine=engine) as con:
        both = run_together(con, [(card, level) for level in levels], inputs.as_of)
        for level, text in zip(levels, both.texts, strict=True):
            yield from run(con, card, level, inputs.as_of, text=text)


def load(
    card: AnyCards, inputs: Inputs, *, levels: Sequence[Level] = LEVELS, engine: Engine | None = None
) -> "DuckDBPyConnection":
    """A DuckDB connection with every table the card reads; the caller closes it."""
    if not inputs.state.exists():
        raise InputsError(f"state file {inputs.state} does not exist")
    con = connect(engine or Engine())
    try:
        needed = needed_by((card,), levels)
        usage = needed.pop("usage", None)
        views = pruned_views(inputs, needed)
        reads = parts_of(inputs, views) | {n: _table(inputs, n, needed[n]) for n in needed if n not in views}
        # Two at a time: reading SQLite is bound by one core per connection.
        with ThreadPoolExecutor(2) as pool:
            for done in [
                pool.submit(read_part, con, inputs.state, name, reads[name]) for name in _largest_first(reads)
            ]:
                done.result()
        run_views(con, views, needed, reads.keys())
        if usage:
            load_usage(con, inputs, usage, far=far_of(card, levels))
    except BaseException:
        con.close()
        raise
    return con


def run_together(
    con: "DuckDBPyConnection", asked: Sequence[tuple[AnyCards, Level]], as_of: datetime, known: Together | None = None
) -> Together:
    """Make what several statements share, on tables that are already there.

    Args:
        con: With the tables.
        asked: Whose statements, and which.
        as_of: The instant.
        known: What this gave for the same statements at another instant.
    """
    import duckdb

    if known is None:
        alone = [card.compile(level) for card, level in asked]
        known = together([card.statement(level) for card, level in asked], alone)
    if known.first:
        try:
            con.execute(known.first, {"as_of": int(as_of.timestamp())})
        except duckdb.Error as problem:
            raise ScoringError(f"usage: {_first_line(problem)}") from problem
    return known


def run(
    con: "DuckDBPyConnection", card: AnyCards, level: Level, as_of: datetime, *, text: str = ""
) -> Iterator[ScoreRow]:
    """Run one level's statement on tables that are already there; `text` is it as `run_together` gave it.

    The answer is taken a column at a time, which costs a third of what rows cost, and put in order here: the engine
    would move every column of every row for it. All its columns are words or numbers of at most 64 bits, which arrays
    hold as they are.
    """
    import duckdb

    text = _IN_ORDER.sub("", text or card.compile(level))
    try:
        columns = list(con.execute(text, {"as_of": int(as_of.timestamp())}).fetchnumpy().values())
        order = columns[0].argsort()
        shape = _Shape(card, level)
        for start in range(0, len(order), FETCH):
            block = order[start : start + FETCH]
            yield from shape.score_rows([column[block].tolist() for column in columns])
    except duckdb.Error as problem:
        raise ScoringError(f"{level} scores: {_first_line(problem)}") from problem


class _Shape:
    """Turns answer rows into score rows a block at a time, with the loops inside the interpreter's own functions."""

    def __init__(self, cards: AnyCards, level: Level) -> None:
        self.level = level
        several = cards.cards if isinstance(cards, Cards) else (cards,)
        self.signals = {card.name: tuple(card.level(level).signals.values()) for card in several}
        self.slots = max(map(len, self.signals.values()))
        self.features = tuple(cards.features(level))
        self.segments: dict[str, tuple[str, ...]] = {"": ()}

    def score_rows(self, columns: Sequence[list[Any]]) -> Iterator[ScoreRow]:
        """A block of rows, given by their columns, each as the card that scored it says."""
        if len(self.signals) == 1:
            return self._of_card(columns, next(iter(self.signals)))
        names = columns[COLUMNS.index("card")]
        shaped = {}
        for card in set(names):
            mine = [name == card for name in names]
            shaped[card] = self._of_card([list(compress(column, mine)) for column in columns], card)
        return (next(shaped[name]) for name in names)

    def _of_card(self, columns: Sequence[list[Any]], card: str) -> Iterator[ScoreRow]:
        fixed, after = list(columns[: len(COLUMNS) - 2]), len(COLUMNS) + len(PARTS) * self.slots
        fixed[COLUMNS.index("segments")] = list(map(self._split, fixed[COLUMNS.index("segments")]))
        values = dict(zip(self.features, columns[after:], strict=True))
        signals = []
        for i, signal in enumerate(self.signals[card]):
            start = len(COLUMNS) + len(PARTS) * i
            points, weight, fresh = columns[start : start + len(PARTS)]
            parts = zip(repeat(signal.name), points, weight, values[signal.feature], fresh, strict=False)
            signals.append(map(_new, repeat(SignalPoints), parts))
        features = map(dict, map(zip, repeat(self.features), zip(*columns[after:], strict=True)))
        settled = (repeat(card), fixed[COLUMNS.index("band")], repeat(""), columns[COLUMNS.index("rule")], repeat(None))
        parts = zip(repeat(self.level), *fixed, zip(*signals, strict=True), features, *settled, strict=False)
        return map(_new, repeat(ScoreRow), parts)

    def _split(self, text: str) -> tuple[str, ...]:
        found = self.segments.get(text)
        if found is None:
            found = self.segments[text] = tuple(text.split(","))
        return found


def connect(engine: Engine) -> "DuckDBPyConnection":
    import duckdb

    return duckdb.connect(
        config={
            "threads": engine.threads,
            "memory_limit": engine.memory,
            "temp_directory": str(engine.spill) if engine.spill else "",
            # Nothing is fetched from anywhere at run time.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def needed_by(cards: Sequence[AnyCards], levels: Sequence[Level]) -> dict[str, set[str]]:
    """Common table -> columns that the statements name."""
    from sqlglot import exp

    found: dict[str, set[str]] = {}
    statements = (card.statement(level) for card in cards for level in levels)
    for select in (select for statement in statements for select in statement.find_all(exp.Select)):
        for table in (source.name for source in _sources(select) if isinstance(source, exp.Table)):
            contract = USAGE if table == USAGE.name else TABLES.get(table)
            if contract:
                own = (c for c in select.find_all(exp.Column) if c.parent_select is select and c.table in ("", table))
                found.setdefault(table, set()).update({c.name for c in own} & set(contract.types()))
    return found


def _sources(select: "exp.Select") -> list["exp.Expr"]:
    """What a SELECT reads from and joins."""
    return [part.this for part in (select.args.get("from_"), *select.args.get("joins", ())) if part]


def _largest_first(reads: Mapping[str, Part]) -> list[str]:
    order = ["part_ticket", "ticket", "part_contact", "contact", "part_survey_response", "survey"]
    return sorted(reads, key=lambda name: order.index(name) if name in order else len(order))


def _table(inputs: Inputs, name: str, columns: set[str]) -> Part:
    """How to read a common table straight from the state file; nothing is read for one that nobody gives."""
    types = {column: kind for column, kind in TABLES[name].types().items() if column in columns}
    return Part(inputs.tables.get(name, ""), types)


def pruned_views(inputs: Inputs, needed: Mapping[str, set[str]]) -> "dict[str, exp.Query]":
    """The views that lead to what is needed, the common tables among them cut down to the columns needed."""
    from sqlglot import exp, parse_one

    parsed = {name: parse_one(select, dialect="duckdb") for name, select in inputs.views.items()}
    for name in parsed.keys() & needed.keys():
        query = parsed[name]
        assert isinstance(query, exp.Query)  # noqa: S101  # a view is a SELECT
        wanted = [part for part in query.selects if part.alias_or_name in needed[name]]
        query.set("expressions", wanted)
    wanted_views: set[str] = set()
    for name in reversed(list(parsed)):
        if name in needed or name in wanted_views:
            wanted_views |= {name, *(table.name for table in parsed[name].find_all(exp.Table))}
    return {name: query for name, query in parsed.items() if name in wanted_views and isinstance(query, exp.Query)}


def parts_of(inputs: Inputs, views: "Mapping[str, exp.Query]") -> dict[str, Part]:
    """The parts that views read, cut down to the columns that a view names."""
    from sqlglot import exp

    found: dict[str, set[str]] = {}
    for query in views.values():
        names = {column.name for column in query.find_all(exp.Column)}
        for table in query.find_all(exp.Table):
            if table.name in inputs.parts:
                found.setdefault(table.name, set()).update(names)
    return {
        name: Part(part.select, {c: kind for c, kind in part.columns.items() if c in found[name]})
        for name, part in inputs.parts.items()
        if name in found
    }


def run_views(
    con: "DuckDBPyConnection", views: "Mapping[str, exp.Query]", needed: Mapping[str, set[str]], read: AbstractSet[str]
) -> None:
    import duckdb

    for name, query in views.items():
        select = query.sql("duckdb")
        if name in needed:
            types = {column: kind for column, kind in TABLES[name].types().items() if column in needed[name]}
            cast = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in types.items())
            select = f"SELECT {cast} FROM ({select})"
        try:
            con.execute(f"CREATE TABLE {name} AS {select}")
        except duckdb.Error as problem:
            raise InputsError(f"view {name}: {_first_line(problem)}") from problem
    for name in read - needed.keys():
        con.execute(f"DROP TABLE {name}")
    for name in views.keys() - needed.keys():
        con.execute(f"DROP TABLE {name}")


def read_part(con: "DuckDBPyConnection", state: Path, name: str, part: Part, *, schema: str = "main") -> None:
    """Bring the rows of one SELECT over the state file into the engine."""
    import duckdb

    if not part.select:
        columns = ", ".join(f"{c} {t}" for c, t in part.columns.items())
        con.cursor().execute(f"CREATE TABLE {schema}.{name} ({columns})")
        return
    from adbc_driver_manager import Error
    from adbc_driver_sqlite import dbapi

    try:
        with dbapi.connect(f"file:{quote(str(state))}?mode=ro") as db, db.cursor() as cursor:
            # Two connections that open and close side by side shut each other out for moments; the driver gives up at
            # once unless it is told to wait.
            cursor.execute(f"PRAGMA busy_timeout = {LOCK_WAIT}")
            cursor.fetch_arrow()
            cursor.execute(_typed(part.select, part.columns))
            rows = cursor.fetch_arrow()  # DuckDB finds it by this name
            _keep(con.cursor(), f"{schema}.{name}", part.columns, rows)
    except (duckdb.Error, Error) as problem:
        raise InputsError(f"table {name}: {_first_line(problem)}") from problem


def _typed(select: str, types: Mapping[str, SqlType]) -> str:
    """The SELECT with a first row of the right types: the driver guesses a column's type from the first rows."""
    key = next(column for column, kind in types.items() if kind == "BIGINT")
    first = (str(_FIRST) if c == key else "''" if kind == "VARCHAR" else "NULL" for c, kind in types.items())
    named = ", ".join(f"{value} AS {column}" for value, column in zip(first, types, strict=True))
    return f"SELECT {named} UNION ALL SELECT {', '.join(types)} FROM ({select})"


def _keep(con: "DuckDBPyConnection", name: str, types: Mapping[str, SqlType], rows: object) -> None:
    key = next(column for column, kind in types.items() if kind == "BIGINT")
    cast = ", ".join(f'CAST("{column}" AS {kind}) AS "{column}"' for column, kind in types.items())
    con.register("arrived", rows)
    con.execute(f"CREATE TABLE {name} AS SELECT {cast} FROM arrived WHERE {key} IS DISTINCT FROM {_FIRST}")


def far_of(card: AnyCards, levels: Sequence[Level]) -> bool:
    """Whether the card looks at the usage of a year ago."""
    from sqlglot import exp

    return any(column.name in FAR for level in levels for column in card.statement(level).find_all(exp.Column))


def load_usage(con: "DuckDBPyConnection", inputs: Inputs, columns: set[str], *, far: bool) -> None:
    import duckdb

    types = {column: kind for column, kind in USAGE.types().items() if column in columns}
    # The statement counts back from the day up to which every usage source is complete.
    fed = con.execute("SELECT MIN(COALESCE(as_of, 0)) FROM feed WHERE record = 'usage'").fetchall()[0][0] or 0
    last = date(1970, 1, 1) + timedelta(days=max(0, min(fed, int(inputs.as_of.timestamp()))) // 86400)
    files = [str(path) for path in inputs.usage if _in_reach(path, last, far=far)]
    later = [str(path) for path in inputs.later if _in_reach(path, last, far=far)]
    if not files and not later:
        con.execute(f"CREATE TABLE usage ({', '.join(f'{c} {t}' for c, t in types.items())})")
        return
    try:
        usage_view(con, files, later, types)
        found = {row[0]: row[1] for row in con.execute("DESCRIBE usage").fetchall()}
    except duckdb.Error as problem:
        raise InputsError(f"usage files: {_first_line(problem)}") from problem
    if found["day"] != "DATE":
        raise InputsError(f"usage files: column day is {found['day']}, not DATE")


def usage_view(con: "DuckDBPyConnection", files: list[str], later: list[str], types: Mapping[str, SqlType]) -> None:
    """Usage as the files have it, less what became known later; only days of which that is so are added up anew."""
    if not later:
        con.read_parquet(files).select(*types).create_view("usage")
        return
    days = {Path(path).name[: len("2026-01-01")] for path in later}
    again = [path for path in files if Path(path).name[: len("2026-01-01")] in days]
    rest = [path for path in files if path not in set(again)]
    columns = ", ".join(USAGE.types())
    counted = [f"SELECT {columns} FROM read_parquet({_listed(again)})"] if again else []
    less = f"SELECT day, person, grp, event, -count AS count FROM read_parquet({_listed(later)})"
    netted = (
        f"SELECT day, person, grp, event, CAST(SUM(count) AS BIGINT) AS count "
        f"FROM ({' UNION ALL '.join([*counted, less])}) GROUP BY ALL HAVING SUM(count) > 0"
    )
    whole = [f"SELECT {columns} FROM read_parquet({_listed(rest)})"] if rest else []
    con.execute(f"CREATE VIEW usage AS SELECT {', '.join(types)} FROM ({' UNION ALL '.join([*whole, netted])})")


def _listed(files: Sequence[str]) -> str:
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in files) + "]"


def _in_reach(path: Path, last: date, *, far: bool) -> bool:
    """False when the file's name says that its day does not count."""
    named = _DAY.match(path.name)
    try:
        age = (last - date.fromisoformat(named[0])).days if named else 0
    except ValueError:
        return True
    return 0 <= age <= REACH_DAYS or (far and YEAR < age <= FAR_DAYS)


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0][:300] if str(problem) else type(problem).__name__
