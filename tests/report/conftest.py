"""A state with a past, and the page that is made of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.report_data import NOW, fill
from report.build import report
from report.reading import Facts, read
from scoring.cards import Cards
from sync.store import Store


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A hundred accounts, ten weeks."""
    store = fill(tmp_path_factory.mktemp("lived"), 100, 10)
    yield store
    store.close()


@pytest.fixture(scope="session")
def facts(lived: Store) -> Facts:
    """What the report is made of."""
    return read(lived, NOW)


@pytest.fixture(scope="session")
def cards() -> Cards:
    """The card that comes with the program."""
    return Cards.load()


@pytest.fixture(scope="session")
def text(lived: Store, cards: Cards) -> str:
    """The page."""
    return report(lived, cards, NOW).text


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new state."""
    opened = Store.open(tmp_path / "state")
    yield opened
    opened.close()
