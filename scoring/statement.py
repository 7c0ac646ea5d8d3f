"""Builds the one SQL statement of a level: clock, facts per table, derived features, points, score, segments, reason.

The statement is a chain of common table expressions; each adds columns to the one before. With several cards the chain
forks once the features are there, a branch for the rows of each card, and UNION ALL brings the answers together. It
keeps to what DuckDB and Spark share: integer arithmetic, CASE, GROUP BY, LEFT JOIN, row numbers. The instant is the
parameter `as_of`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from scoring.features import Feature, catalogue
from scoring.features.segments import LAYERS
from scoring.inputs import Level
from scoring.playbooks.problems import needed_features
from scoring.product import quoted
from scoring.ranks import RANKED, median, quintiles
from scoring.roles import people_chain
from scoring.segments import holds, words_of
from scoring.signals import PLACEHOLDER
from scoring.sources import SOURCES
from scoring.usage_chain import history_chain, link_chain, release_chain, usage_chain
from scoring.verdict import reason_sql, score_layers, segments_sql, signal_layers

if TYPE_CHECKING:
    from sqlglot import exp

    from scoring.card import Freshness, Scorecard


def named_features(card: "Scorecard", level: Level) -> dict[str, Feature]:
    """Public features a level's signals, templates and rules name, in the catalogue's order."""
    known, part = catalogue(level), card.level(level)
    names = {signal.feature for signal in part.signals.values()}
    names |= {found[1] for signal in part.signals.values() for found in PLACEHOLDER.finditer(signal.reason)}
    rules = card.rules(level).values()
    names |= {found[1] for rule in rules for found in PLACEHOLDER.finditer(rule.reason)}
    conditions = (*(segment.rule for segment in part.segments.values()), *(rule.when for rule in rules))
    for condition in (part.only, *conditions):
        names |= words_of(condition) if condition else set()
    names |= needed_features(card) | set(LAYERS) if level == "account" else {"role"}
    return {name: feature for name, feature in known.items() if name in names}


def at_instant(tree: "exp.Select", as_of: datetime) -> "exp.Select":
    """The statement with the parameter replaced by an instant's epoch seconds."""
    from sqlglot import exp

    if as_of.tzinfo is None:
        raise ValueError("as_of must be an aware datetime")
    number = exp.Literal.number(int(as_of.timestamp()))
    bound = tree.copy()
    for place in list(bound.find_all(exp.Placeholder)):
        place.replace(number.copy())
    return bound


def build(cards: "Sequence[Scorecard]", level: Level) -> "exp.Select":
    """The statement as a tree: the columns of `scoring.engine.COLUMNS`, the parts of each signal, features.

    Args:
        cards: A row is scored by the first whose `only` holds. They have `freshness`, `product` and `roles` in common.
        level: What to score.
    """
    return _Builder(cards, level).build()


def feature_statement(card: "Scorecard", level: Level, name: str) -> "exp.Select":
    """A statement of its own that computes one feature: key, CRM id and value of every account or contact."""
    return _Builder((card,), level).build_one(name)


def condition_of(card: "Scorecard", level: Level) -> str:
    """Whether a card scores a row, as SQL."""
    only = card.level(level).scored
    return "TRUE" if only is None else holds(only)


class _Builder:
    def __init__(self, cards: "Sequence[Scorecard]", level: Level) -> None:
        self.cards, self.level = cards, level
        fill = cards[0].product.fill
        self.known = {name: replace(f, sql=fill(f.sql)) for name, f in catalogue(level).items()}
        used = {name for card in cards for name in card.features(level)}
        self.features = [name for name in self.known if name in used]
        self.slots = max(len(card.level(level).signals) for card in cards)
        self.needed = self._needed(self.features)
        self.ctes: list[tuple[str, exp.Select]] = []

    def build(self) -> "exp.Select":
        kinds = sorted({kind for feature in self.needed.values() for kind in feature.kinds})
        self._clock(kinds)
        last = self._derived(self._facts(kinds))
        if len(self.cards) == 1:
            select = self._branch(self.cards[0], last)
            if self.cards[0].level(self.level).only is not None:
                select = select.where(_parse(condition_of(self.cards[0], self.level)), copy=False)
        else:
            select = self._several(last)
        select = select.order_by("key", dialect="duckdb", copy=False)
        for name, tree in self.ctes:
            select = select.with_(name, as_=tree, copy=False)
        return select

    def build_one(self, name: str) -> "exp.Select":
        from sqlglot import exp

        self.needed = self._needed([name])
        kinds = sorted({kind for feature in self.needed.values() for kind in feature.kinds})
        self._clock(kinds)
        last = self._derived(self._facts(kinds))
        select = exp.select("key", "crm_id", name).from_(last).order_by("key", dialect="duckdb")
        for step, tree in self.ctes:
            select = select.with_(step, as_=tree, copy=False)
        return select

    def _several(self, last: str) -> "exp.Select":
        """Fork the chain by card, and bring the answers together."""
        from sqlglot import exp

        conditions = (condition_of(card, self.level) for card in self.cards)
        cases = " ".join(f"WHEN {condition} THEN {i}" for i, condition in enumerate(conditions))
        last = self._layer("chosen", last, {"chosen_card": f"CASE {cases} END"})
        answers = []
        for i, card in enumerate(self.cards):
            base = self._add(f"card_{i}", exp.select("*").from_(last).where(f"chosen_card = {i}"))
            answers.append(exp.select("*").from_(self._add(f"card_{i}_answer", self._branch(card, base, f"card_{i}_"))))
        whole: exp.Query = answers[0]
        for answer in answers[1:]:
            whole = exp.union(whole, answer, distinct=False)
        return exp.select("*").from_(whole.subquery("answer"))

    def _branch(self, card: "Scorecard", last: str, prefix: str = "") -> "exp.Select":
        """From features to the answer of one card."""
        signals = card.level(self.level).signals
        layers = signal_layers(signals, self.known) + score_layers(card, self.level, self.known)
        for name, columns in layers:
            last = self._layer(prefix + name, last, columns)
        return self._answer(card, last)

    def _needed(self, features: Iterable[str]) -> dict[str, Feature]:
        """These features and everything they are computed from, in the catalogue's order."""
        wanted, todo = set[str](), list(features)
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo += self._inputs(self.known[name])
        return {name: feature for name, feature in self.known.items() if name in wanted}

    def _inputs(self, feature: Feature) -> set[str]:
        if feature.source in ("", *RANKED):
            return set(_columns(feature.sql))
        if feature.source == "use_since_release":
            return {"active_day_bits"}  # which brings the rows of each person, with their days
        return {"usage_links"} if feature.source == "usage" and feature.zero else set()

    def _add(self, name: str, select: "exp.Select | str") -> str:
        from sqlglot import exp

        tree = _parse(select) if isinstance(select, str) else select
        if not isinstance(tree, exp.Select):
            raise TypeError(f"{name} is not a SELECT")
        self.ctes.append((name, tree))
        return name

    def _layer(
        self,
        name: str,
        base: str,
        columns: Mapping[str, str],
        cross: Iterable[str] = (),
        by_value: Mapping[str, str] | None = None,
    ) -> str:
        """Add columns; `cross` are tables of one row, `by_value` tables with a row for each value of an expression."""
        from sqlglot import exp

        added = (exp.alias_(_parse(sql), column, copy=False) for column, sql in columns.items())
        select = exp.select(f"{base}.*", *added).from_(base, copy=False)
        for table in cross:
            select = select.join(table, join_type="cross", copy=False)
        for table, value in (by_value or {}).items():
            select = select.join(table, on=_parse(f"{value} = {table}.value"), join_type="left", copy=False)
        return self._add(name, select)

    def _clock(self, kinds: Iterable[str]) -> None:
        """One row: now, and for every kind the instant and day up to which it is known, and how fresh that is."""
        # One row also where nothing is asked of the feeds.
        fed, heard, clock = ["CAST($as_of AS BIGINT) AS now", "COUNT(*) AS feeds"], [], ["now // 86400 AS today"]
        watched = {kind for feature in self.needed.values() if feature.watched for kind in feature.kinds}
        for kind in kinds:
            fed.append(f"MIN(CASE WHEN record = '{kind}' THEN COALESCE(as_of, 0) END) AS {kind}_fed")
            # What the guard holds does not age: no score may move because a source has fallen silent.
            aging = f"MIN(CASE WHEN record = '{kind}' AND COALESCE(held, 0) = 0 THEN COALESCE(as_of, 0) END)"
            fed.append(f"{aging} AS {kind}_aging")
            heard.append(f"CASE WHEN {kind}_fed > now THEN now WHEN {kind}_fed > 0 THEN {kind}_fed END AS {kind}_at")
            heard.append(f"{_fresh_sql(kind, self.cards[0].freshness)} AS {kind}_fresh")
            clock.append(f"{kind}_at // 86400 AS {kind}_day")
            if kind in watched:
                # Of several sources the last to be read decides: what happened there before, nobody saw.
                since = f"MAX(CASE WHEN record = '{kind}' THEN COALESCE(since, CAST($as_of AS BIGINT)) END)"
                fed.append(f"{since} AS {kind}_since")
                clock.append(f"({kind}_at - {kind}_since) // 86400 AS {kind}_watched")
        self._add("fed", f"SELECT {', '.join(fed)} FROM feed")
        self._add("heard", f"SELECT {', '.join(['fed.*', *heard])} FROM fed")
        self._add("clock", f"SELECT heard.*, {', '.join(clock)} FROM heard")

    def _facts(self, kinds: Iterable[str]) -> str:
        """One row per account or contact with every feature that comes out of a table."""
        own = [f for f in self.needed.values() if f.source == "self"]
        name = (
            "name, owner_id"
            if self.level == "account"
            else "CAST(NULL AS TEXT) AS name, CAST(NULL AS TEXT) AS owner_id"
        )
        columns = "".join(f", {f.sql} AS {f.name}" for f in own)
        self._add("own", f"SELECT {self.level} AS key, crm_id, {name}{columns} FROM {self.level} CROSS JOIN clock")
        joins, picked = [], [f"clock.{kind}_fresh" for kind in kinds]
        sources = dict.fromkeys(f.source for f in self.needed.values() if f.source not in ("", "self", *RANKED))
        for source in sources:
            features = [f for f in self.needed.values() if f.source == source]
            table = self._source(source, features)
            joins.append((table, source == "history"))
            picked += [_picked(table, feature) for feature in features]
        from sqlglot import exp

        select = exp.select("own.*", *map(_parse, picked)).from_("own", copy=False)
        select = select.join("clock", join_type="cross", copy=False)
        for table, single in joins:
            how = {"join_type": "cross"} if single else {"on": f"own.key = {table}.key", "join_type": "left"}
            select = select.join(table, **how, copy=False)  # type: ignore[arg-type]  # SQLGlot's keywords are typed one by one
        return self._add("facts", select)

    def _source(self, source: str, features: list[Feature]) -> str:
        wanted = {name for f in features for name in _columns(f.sql)}
        if source == "usage":
            steps = usage_chain(self.level, wanted, self.cards[0].product)
        elif source == "use_since_release":
            steps = release_chain()
        elif source == "history":
            steps = history_chain(wanted)
        elif source == "people":
            steps = people_chain(self.level, wanted, self.cards[0].roles)
        elif source == "link":
            steps = link_chain(self.level)
        else:
            steps = [(f"{source}_rows", SOURCES[source].select(self.level, wanted))]
        for name, sql in steps:
            self._add(name, sql)
        if source == "history":
            return "history_rows"
        columns = ", ".join(f"CAST({f.sql} AS {'TEXT' if f.is_text else 'BIGINT'}) AS {f.name}" for f in features)
        return self._add(f"{source}_facts", f"SELECT key, {columns} FROM {source}_rows GROUP BY key")

    def _derived(self, base: str) -> str:
        """Features computed from features: as many layers as they build on each other."""
        done = {f.name for f in self.needed.values() if f.source not in ("", *RANKED)}
        todo = {name: f for name, f in self.needed.items() if name not in done}
        step = 0
        while todo:
            step += 1
            ready = [f for f in todo.values() if self._inputs(f) <= done]
            medians = [self._add(f"{f.name}_of", median(f, base)) for f in ready if f.source == "median"]
            fifths = {self._add(f"{f.name}_of", quintiles(f, base)): f.sql for f in ready if f.source == "quintile"}
            columns = {f.name: _whole(f) if f.source == "" else f"{f.name}_of.{f.name}" for f in ready}
            base = self._layer(f"features_{step}", base, columns, medians, fifths)
            done |= set(columns)
            todo = {name: f for name, f in todo.items() if name not in done}
        return base

    def _answer(self, card: "Scorecard", last: str) -> "exp.Select":
        from sqlglot import exp

        part = card.level(self.level)
        columns = ["key", "crm_id", "name", "owner_id", "score"]
        health = "CASE WHEN NOT score IS NULL THEN (points + 50) // 100 END AS health"
        columns += [health, "points", "coverage", "band"]
        columns.append(f"{segments_sql(part.segments)} AS segments")
        columns.append(f"{reason_sql(part.signals)} AS reason")
        columns += [f"{quoted(card.name)} AS card", "rule"]
        for i, name in enumerate(part.signals):
            slot = name if len(self.cards) == 1 else f"signal_{i}"
            columns += [f"{name}__points AS {slot}__points", f"{name}__weight AS {slot}__weight"]
            columns.append(f"COALESCE({name}__fresh, 0) AS {slot}__fresh")
        for i in range(len(part.signals), self.slots):
            columns += [f"CAST(NULL AS INT) AS signal_{i}__{what}" for what in ("points", "weight", "fresh")]
        columns += self.features
        return exp.select(*map(_parse, columns)).from_(last, copy=False)


@cache
def _columns(sql: str) -> frozenset[str]:
    """The columns that a feature's expression names; cards ask for the same ones again and again."""
    from sqlglot import exp

    return frozenset(column.name for column in _parse(sql).find_all(exp.Column))


def _parse(sql: str) -> "exp.Expr":
    import sqlglot

    return sqlglot.parse_one(sql, read="duckdb")


def _whole(feature: Feature) -> str:
    """Counting bits gives a number so small that a curve's arithmetic would leave its range."""
    return f"CAST({feature.sql} AS BIGINT)" if "BIT_COUNT" in feature.sql else feature.sql


def _picked(table: str, feature: Feature) -> str:
    if not feature.zero:
        return f"{table}.{feature.name} AS {feature.name}"
    known = " AND ".join(f"NOT clock.{kind}_at IS NULL" for kind in feature.kinds)
    if feature.source == "usage":
        known += " AND link_facts.usage_links > 0"
    if feature.watched:
        long = " AND ".join(f"clock.{kind}_watched >= {feature.watched}" for kind in feature.kinds)
        known += f" AND ({table}.{feature.name} <> 0 OR ({long}))"
    return f"CASE WHEN {known} THEN COALESCE({table}.{feature.name}, 0) END AS {feature.name}"


def _fresh_sql(kind: str, freshness: "Freshness") -> str:
    full, none, old = freshness.full_hours * 3600, freshness.none_hours * 3600, f"{kind}_aging"
    return (
        f"CASE WHEN {kind}_fed IS NULL THEN NULL WHEN {kind}_fed <= 0 THEN 0 WHEN {old} IS NULL THEN 100 "
        f"WHEN now - {old} <= {full} THEN 100 WHEN now - {old} >= {none} THEN 0 "
        f"ELSE ({none} - now + {old}) * 100 // {none - full} END"
    )
