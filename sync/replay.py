"""Scores of many instants of the past: the state file is read once, then scored as it was known at each instant."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from scoring.cards import AnyCards
from scoring.inputs import Inputs, Level, ScoreRow, SqlType
from scoring.replay import Replay, replay
from sync import frames
from sync.eras import breaches_at
from sync.past import Past
from sync.store import Store

_TABLES = """
SELECT m.name, c.name, upper(c.type) FROM sqlite_master m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table' ORDER BY m.name, c.cid
"""


class Rerun:
    """Scores instants of the past, each by every one of some cards."""

    def __init__(self, inputs: Mapping[datetime, Inputs], engine: Replay) -> None:
        self.inputs, self.engine = inputs, engine

    def score(self, at: datetime) -> list[list[ScoreRow]]:
        """Rows as the engine gives them, card by card, of accounts."""
        return self.engine.score(self.inputs[at])


@contextmanager
def rerun(past: Past, cards: Sequence[AnyCards], instants: Sequence[datetime]) -> Iterator[Rerun]:
    """Read what scoring these instants needs; the store is not to be used inside the block.

    Args:
        past: What is scored.
        cards: By what.
        instants: All that will be scored.
    """
    levels: tuple[Level, ...] = ("account",)
    inputs = {at: _inputs(past, at) for at in instants}
    sample = [inputs[at] for at in {min(instants), max(instants)}]
    tables = raw_tables(past.store)
    with past.store.released() as file, replay(file, tables, sample, cards, levels=levels) as engine:
        yield Rerun(inputs, engine)


def _inputs(past: Past, at: datetime) -> Inputs:
    return frames.inputs(past.store, at, crm=past.crm, sources=past.sources, breaches=breaches_at(past.store, at))


def raw_tables(store: Store) -> dict[str, dict[str, SqlType]]:
    """The state file's tables with their columns."""
    found: dict[str, dict[str, SqlType]] = {}
    for table, column, kind in store.rows(_TABLES):
        found.setdefault(table, {})[column] = "BIGINT" if kind == "INTEGER" else "VARCHAR"
    return found
