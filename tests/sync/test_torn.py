"""Torn files, flipped bits, lost companions: what is read is what was committed, or nothing is written.

The usual run is short; HOLDFAST_TORN=10000 in the environment makes a long one, whose numbers are printed.
"""

import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Change, Outcome
from sync.ledger import Ledger
from sync.plan import FieldChange, Plan, RecordChange
from sync.store import Page, Store, StoreError
from tests.sync.states import HOUR, NOW, contact, dump

ROUNDS = int(os.environ.get("HOLDFAST_TORN", "140"))


@dataclass(frozen=True)
class Images:
    """A state folder as it lies on the disk.

    Attributes:
        clean: After it was closed.
        killed: While an agent worked on it: the log holds commits that the main file does not.
        commits: Everything that was committed, by turns; the last is what both images say.
    """

    clean: Path
    killed: Path
    commits: list[dict[str, list[Any]]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """A pull and some writing: half of it in the main file, half in the log."""
    root = tmp_path_factory.mktemp("torn")
    work = root / "work"
    store = Store.open(work)
    pull(store, 0)
    store.close()
    store = Store.open(work)
    commits = [dump(store)]
    for turn in range(1, 5):
        pull(store, turn)
        commits.append(dump(store))
        commits.extend(dump(store) for _ in writing(store, turn))
    shutil.copytree(work, root / "killed", ignore=shutil.ignore_patterns("*-shm"))
    store.close()
    shutil.copytree(work, root / "clean")
    return Images(root / "clean", root / "killed", commits)


def pull(store: Store, turn: int) -> None:
    people = [contact(f"{turn}-{number}", title=f"title {turn}") for number in range(40)]
    store.commit(Page("crm", "people", "contact", people, cursor=f"page {turn}"), NOW + turn * HOUR)


def writing(store: Store, turn: int) -> Any:
    """What a run commits; yields after each commit."""
    ledger, now = Ledger(store), NOW + turn * HOUR
    run_id = ledger.start_run("apply", now)
    yield
    record = RecordChange("contact", f"{turn}-1", "Ann", (FieldChange("score", None, turn),), "why")
    ledger.note_plan(run_id, Plan(now, "env", "config", (record,)), now)
    yield
    change: Change = record.as_change("env")
    batch = ledger.send_batch(run_id, [change], [], now)
    yield
    ledger.settle_batch(batch, [change], [Outcome(change.key, "confirmed", change.record_id)], now)
    yield
    ledger.end_run(run_id, "done", {}, now)
    yield


# -- harm ---------------------------------------------------------------------------------------------------------


def flip(file: Path, rng: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def cut(file: Path, rng: random.Random) -> None:
    with file.open("r+b") as handle:
        handle.truncate(rng.randrange(file.stat().st_size))


def zero_a_page(file: Path, rng: random.Random) -> None:
    pages = file.stat().st_size // 4096
    with file.open("r+b") as handle:
        handle.seek(rng.randrange(pages) * 4096)
        handle.write(bytes(4096))


def lose(file: Path, _: random.Random) -> None:
    file.unlink()


Harm = Callable[[Path, random.Random], None]
HARMS: dict[str, tuple[str, str, Harm]] = {
    "bit of a closed main file": ("clean", "state.db", flip),
    "bit of a killed main file": ("killed", "state.db", flip),
    "bit of the log": ("killed", "state.db-wal", flip),
    "end of the log": ("killed", "state.db-wal", cut),
    "end of the main file": ("clean", "state.db", cut),
    "page of a closed main file": ("clean", "state.db", zero_a_page),
    "page of a killed main file": ("killed", "state.db", zero_a_page),
    "the log": ("killed", "state.db-wal", lose),
    "bit of the stamp": ("killed", "state.stamp", flip),
    "the stamp": ("killed", "state.stamp", lose),
}


def outcome(folder: Path, commits: list[dict[str, list[Any]]]) -> str:
    """What an agent makes of a folder: it refuses to write, or believes what had been committed once, or is wrong."""
    try:
        store = Store.open(folder)
    except StoreError:
        return "refused"
    try:
        store.trust()
        said = dump(store)
    except StoreError:
        return "refused"
    finally:
        store.close()
    if said == commits[-1]:
        return "whole"
    return "an earlier commit" if said in commits else "SILENTLY WRONG"


@pytest.mark.parametrize("name", HARMS)
def test_harm_is_noticed_or_does_none(name: str, images: Images, tmp_path: Path) -> None:
    image, file, harm = HARMS[name]
    counts: Counter[str] = Counter()
    for number in range(max(3, ROUNDS // len(HARMS))):
        rng = random.Random(f"{name} {number}")
        folder = tmp_path / "state"
        shutil.copytree(getattr(images, image), folder)
        harm(folder / file, rng)
        counts[outcome(folder, images.commits)] += 1
        shutil.rmtree(folder)
    sys.stdout.write(f"{name}: {dict(counts)}\n")
    assert not counts["SILENTLY WRONG"]
    allowed = {"refused"}
    if file == "state.db-wal" and harm is not lose:
        allowed = {"whole", "an earlier commit", "refused"}
    elif file == "state.stamp":
        allowed = {"whole", "refused"}
    assert set(counts) <= allowed


def test_unharmed_files_are_believed(images: Images, tmp_path: Path) -> None:
    for image in (images.clean, images.killed):
        folder = tmp_path / image.name
        shutil.copytree(image, folder)
        assert outcome(folder, images.commits) == "whole"
        assert outcome(folder, images.commits) == "whole"


def test_the_harness_would_notice(images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without stamps some flips are believed: the reason for which there are any."""
    monkeypatch.setattr("sync.stamp.Stamps.load", lambda _: None)
    counts: Counter[str] = Counter()
    for number in range(60):
        rng = random.Random(f"flip {number}")
        folder = tmp_path / "state"
        shutil.copytree(images.clean, folder)
        flip(folder / "state.db", rng)
        counts[outcome(folder, images.commits)] += 1
        shutil.rmtree(folder)
    assert counts["SILENTLY WRONG"], counts
