"""For every test: what is the same for all of them is made once in a process."""

import gc
import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from sqlite_utils import Database

from scoring import engine, replay, statement
from scoring.card import Scorecard
from scoring.cards import AnyCards
from scoring.engine import needed_by
from scoring.inputs import Level
from scoring.shared import Together, together
from scoring.statement import build
from sync.database import StateFile
from sync.migrations import migrations

KEPT = 16
"""Statements kept as trees, which are large."""

compile_alone = Scorecard.compile


def pytest_collection_finish() -> None:
    """What was collected stays: to look through it for garbage again and again took a tenth of the tests' time."""
    gc.freeze()
    gc.set_threshold(700, 10, 40)


@pytest.fixture(scope="session", autouse=True)
def state_files_from_one() -> Iterator[None]:
    """New state files are copies of one that took all steps of the schema, in 2 ms in place of 60."""
    one = sqlite3.connect(":memory:", check_same_thread=False)
    migrations.apply(Database(one))
    convert = StateFile._migrate

    def copy(self: StateFile, schema: str | None, *, locked: bool) -> None:
        if schema is not None or self._scalar("SELECT count(*) FROM sqlite_master"):
            convert(self, schema, locked=locked)
            return
        one.backup(self.db.conn)
        self._note_log()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StateFile, "_migrate", copy)
        yield
    one.close()


@pytest.fixture(scope="session", autouse=True)
def statements_once() -> Iterator[None]:
    """What follows from the same statements is found once: that is half the work of scoring a handful of accounts."""
    trees: dict[tuple[str, ...], Any] = {}
    alike: dict[tuple[str, ...], str] = {}
    texts: dict[tuple[str, ...], Together] = {}
    columns: dict[tuple[str, ...], dict[str, set[str]]] = {}

    def built(cards: Sequence[Scorecard], level: Level) -> Any:
        asked = (level, *(card.model_dump_json() for card in cards))
        if asked not in trees:
            if len(trees) == KEPT:
                del trees[next(iter(trees))]
            trees[asked] = build(cards, level)
        return trees[asked]

    def compiled(self: Scorecard, level: Level = "account", *, dialect: str = "duckdb", **more: Any) -> str:
        if more or (level, dialect) in self._texts:
            return compile_alone(self, level, dialect=dialect, **more)
        asked = (level, dialect, self.model_dump_json())
        text = alike.get(asked) or alike.setdefault(asked, compile_alone(self, level, dialect=dialect))
        return self._texts.setdefault((level, dialect), text)

    def shared(statements: Sequence[Any], alone: Sequence[str]) -> Together:
        make = partial(together, statements, alone)
        return texts.get(tuple(alone)) or texts.setdefault(tuple(alone), make())

    def needed(cards: Sequence[AnyCards], levels: Sequence[Level]) -> dict[str, set[str]]:
        asked = tuple(card.compile(level) for card in cards for level in levels)
        found = columns.get(asked) or columns.setdefault(asked, needed_by(cards, levels))
        return {table: set(names) for table, names in found.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statement, "build", built)
        patch.setattr(Scorecard, "compile", compiled)
        patch.setattr(engine, "together", shared)
        for module in (engine, replay):
            patch.setattr(module, "needed_by", needed)
        yield
