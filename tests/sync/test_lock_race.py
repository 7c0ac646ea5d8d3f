"""Agents started together: one works, the others are turned away at once. HOLDFAST_RACES=100 makes a long run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sync import lock, mounts
from sync.lock import LockedError, run_lock
from sync.store import Store, StoreError

ROUNDS = int(os.environ.get("HOLDFAST_RACES", "3"))
ROOT = Path(__file__).parents[2]

AGENT = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
from sync.integrity import begin_work
from sync.lock import LockedError, run_lock
from sync.store import Store

folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
try:
    with run_lock(folder):
        store = Store.open(folder, locked=True)
        begin_work(store, datetime(2026, 11, 22, tzinfo=UTC), print)
        print("works", flush=True)
        sys.stdin.readline()
        with store.transaction() as conn:
            conn.execute("INSERT INTO source (name) VALUES (?)", (str(os.getpid()),))
        store.close()
except LockedError:
    print(f"turned away {time.monotonic() - began:.3f}", flush=True)
"""


def start(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", AGENT, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_agents_started_together_one_works(number: int, tmp_path: Path) -> None:
    agents = [start(tmp_path / "state") for _ in range(2 + number % 7)]
    assert {said(agent) for agent in agents} == {"ready"}
    for agent in agents:
        tell(agent)
    answers = {agent.pid: said(agent) for agent in agents}
    worker = next(agent for agent in agents if answers[agent.pid] == "works")
    away = [float(text.split()[-1]) for text in answers.values() if text.startswith("turned away")]
    assert len(away) == len(agents) - 1, answers
    assert max(away) < 1
    tell(worker)
    for agent in agents:
        agent.communicate()
    store = Store.open(tmp_path / "state")
    assert store.rows("SELECT name FROM source") == [(str(worker.pid),)]
    store.close()


def test_a_new_state_opened_by_many_at_once_is_made_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from sync.store import Store; Store.open(Path(sys.argv[1])).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "state")], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [opener.communicate()[1] for opener in openers] == [b""] * 4
    store = Store.open(tmp_path / "state")
    store.trust()
    store.close()


def test_a_lock_whose_file_is_removed_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inode, looked = lock._inode, 0

    def removed_meanwhile(path: Path) -> int:
        nonlocal looked
        looked += 1
        if looked == 1:
            path.unlink()
        return inode(path)

    monkeypatch.setattr(lock, "_inode", removed_meanwhile)
    with run_lock(tmp_path), pytest.raises(LockedError), run_lock(tmp_path):
        pass
    assert looked > 1


# -- network file systems -----------------------------------------------------------------------------------------

TABLE = """\
22 27 0:21 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / {here} rw,relatime shared:1 - nfs4 server:/export rw
31 30 0:41 / {here}/local\\040disk rw - xfs /dev/sdb1 rw
broken line
"""


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    share = tmp_path / "share"
    table.write_text(TABLE.format(here=share))
    monkeypatch.setattr(mounts, "TABLE", table)
    for folder in (share, share / "deep" / "state"):
        with pytest.raises(StoreError, match=r"network file system \(nfs4\).*Use a local disk"):
            Store.open(folder)
    assert not share.exists()
    for folder in (tmp_path / "shared", share / "local disk" / "state"):
        Store.open(folder).close()
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "none")
    assert mounts.network_type(share) is None


def test_being_turned_away_takes_no_time(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(LockedError), run_lock(tmp_path):
                pass
        assert time.monotonic() - began < 5
