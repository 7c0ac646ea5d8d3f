"""A new state, for whichever test wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "state")
    yield opened
    opened.close()
