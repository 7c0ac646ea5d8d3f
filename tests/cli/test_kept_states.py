"""State files that earlier versions left: they are converted, nothing is lost, and the agent goes on."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.core import Sandbox, SandboxClock
from sandbox.world import make_world
from sync.backup import copies_of
from sync.ledger import Ledger
from sync.store import Store
from tests.cli.conftest import NOW, Said, serving

STATES = sorted((Path(__file__).parent / "states").glob("*.sql"))


def put(dump: Path, folder: Path) -> sqlite3.Connection:
    """The state file of a dump, as that version left it."""
    folder.mkdir(mode=0o700)
    conn = sqlite3.connect(folder / "state.db")
    conn.executescript(dump.read_text("utf-8"))
    conn.execute("PRAGMA journal_mode = WAL")
    return conn


@pytest.mark.parametrize("dump", STATES, ids=lambda path: path.stem)
def test_a_state_of_an_earlier_version_goes_on(
    dump: Path, tmp_path: Path, card_text: str, run: Callable[..., Said]
) -> None:
    old = put(dump, tmp_path / "state")
    tasks = {key for (key,) in old.execute("SELECT key FROM op WHERE object = 'task' AND state = 'confirmed'")}
    bands = old.execute("SELECT crm_id, band FROM band_state ORDER BY 1").fetchall()
    wrote = old.execute("SELECT object, record_id, fields FROM owned ORDER BY 1, 2").fetchall()
    old.close()
    assert tasks
    assert wrote
    store = Store.open(tmp_path / "state")
    ledger = Ledger(store)
    assert ledger.verify() == []
    assert ledger.known_tasks() == tasks
    assert store.rows("SELECT crm_id, band FROM band_state ORDER BY 1") == bands
    assert store.rows("SELECT object, record_id, fields FROM owned ORDER BY 1, 2") == wrote
    store.close()
    assert [copy.made for copy in copies_of(tmp_path / "state")] == [None]
    world = make_world(seed=6, accounts=3, people_per_account=1, months=1, now=NOW)
    sandbox = Sandbox(world, SandboxClock(NOW + timedelta(hours=1)))
    with serving(tmp_path, sandbox, card_text, run) as site:
        assert site.run("setup").code == 0
        said = site.run("sync", "--json")
        # Here the CRM has forgotten what was written, so all of it is to be written again: the guard may hold that.
        assert said.code in {0, 4, 5}, said.text
        assert not [change for change in said.data["changes"] if "playbook" in change], "no task is made again"
        assert site.run("state", "check").code == 0
