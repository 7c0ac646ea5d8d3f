"""A card's own statement from the features on: what it makes of any values, without the tables they come from."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlglot import exp, parse_one

from scoring.card import Scorecard
from scoring.engine import run
from scoring.features import catalogue
from scoring.inputs import Level, ScoreRow

Values = Mapping[str, Any]
"""Feature -> value, and `<kind>_fresh` -> percent; what is left out is unknown, or fresh."""
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Given(Scorecard):
    """A card that reads features from the table `given`."""

    def compile(self, level: Level = "account", *, as_of: datetime | None = None, dialect: str = "duckdb") -> str:
        """The card's statement with everything before its signals replaced by a table."""
        assert as_of is None
        tree = self.statement(level).copy()
        ctes = tree.args["with_"].expressions
        start = next(i for i, cte in enumerate(ctes) if cte.alias == "fresh")
        before = ctes[start].this.args["from_"].this.name
        given = parse_one("SELECT * FROM given WHERE $as_of > 0", read="duckdb")  # the engine binds the instant
        ctes[:start] = [exp.CTE(this=given, alias=exp.TableAlias(this=exp.to_identifier(before)))]
        tree.set("where", None)  # everybody is looked at
        return tree.sql(dialect)

    def columns(self, level: Level) -> dict[str, str]:
        """Column -> type of everything that the statement may read."""
        features = {name: "VARCHAR" if f.is_text else "BIGINT" for name, f in self.features(level).items()}
        kinds = sorted({kind for f in catalogue(level).values() for kind in f.kinds})
        own = {"key": "BIGINT", "crm_id": "VARCHAR", "name": "VARCHAR", "owner_id": "VARCHAR"}
        return {**own, **features, **{f"{kind}_fresh": "BIGINT" for kind in kinds}}


def scored(card: Given, level: Level, rows: Sequence[Values]) -> list[ScoreRow]:
    """What the card makes of values, in their order."""
    import duckdb

    columns = card.columns(level)
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"CREATE TABLE given ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        filled = [_filled(columns, key, row) for key, row in enumerate(rows)]
        places = ", ".join(f"UNNEST(CAST(? AS {kind}[]))" for kind in columns.values())
        con.execute(f"INSERT INTO given SELECT {places}", [list(column) for column in zip(*filled, strict=True)])
        return list(run(con, card, level, NOW))


def _filled(columns: Mapping[str, str], key: int, row: Values) -> list[Any]:
    own = {"key": key, "crm_id": f"A{key}", "name": f"Company {key}", "owner_id": "O1"}
    return [row.get(name, own.get(name, 100 if name.endswith("_fresh") else None)) for name in columns]


def values(card: Scorecard, level: Level, dice: random.Random, *, holes: float = 0.2) -> dict[str, Any]:
    """Random values for everything that a card looks at: near the knots of its curves, some far off, some unknown."""
    found: dict[str, Any] = {}
    for name, feature in card.features(level).items():
        found[name] = dice.choice(["team", "trial", None]) if feature.is_text else dice.randint(-5, 100)
    for signal in card.level(level).signals.values():
        knots = [value for value, _ in signal.knots]
        near = dice.choice(knots) + dice.randint(-3, 3)
        found[signal.feature] = dice.choice([near, near, dice.randint(knots[0] - 9, knots[-1] + 9)])
    return {name: None if dice.random() < holes else value for name, value in found.items()}
