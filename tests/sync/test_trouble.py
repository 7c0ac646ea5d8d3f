"""What is rare and must be right: a machine, a file or a CRM that fails at the worst moment of what sync does."""

import errno
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from sync import approval
from sync.backup import require_sound
from sync.canary import CanaryError
from sync.database import DamagedError, StoreError
from sync.forget import screen_of
from sync.guard import Limits
from sync.integrity import begin_work, examine
from sync.plan import Plan, PlanError
from sync.plan_file import PlanFile
from sync.policy import Policy
from sync.run_report import RunReport
from sync.schema import APPLICATION_ID
from sync.stamp import Stamp, Stamps
from sync.store import Page, Store
from sync.store_errors import explained
from tests.sync.people_desk import PeopleDesk
from tests.sync.states import NOW, contact


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    made = Store.open(folder)
    made.commit(Page("crm", "people", "contact", [contact("1")], cursor="1"), NOW)
    yield made
    made.close()


def sql(file: Path, *statements: str) -> None:
    """Somebody else changes a database."""
    db = sqlite3.connect(file)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def ruin_paths(store: Store) -> None:
    """Make a text of the state unreadable, as a flipped bit may."""
    with store.transaction():
        store.db.execute("INSERT INTO usage_file VALUES (1, 1, 1, CAST(x'ff' AS TEXT), 0, 0, 0, 0, 0)")


# -- files ----------------------------------------------------------------------------------------------------------


def test_a_key_that_another_command_makes_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, link = b"t" * 32, Path.hardlink_to

    def late(self: Path, target: Path) -> None:
        self.write_bytes(theirs)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", late)
    assert approval.key(tmp_path) == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_stamp_that_cannot_be_written_leaves_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.stamps.save(Stamp("0" * 64, log=False))
    assert store.stamps.load() == Stamp("0" * 64, log=False)

    def full(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        store.stamps.save(Stamp("1" * 64, log=False))
    assert store.stamps.load() is None
    assert not list(store.path.glob("*.part"))


def test_a_log_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"")
    stamps = Stamps(file)
    assert stamps.wal_bytes() is None
    stamps.wal.write_bytes(b"12345")
    assert stamps.wal_bytes() == 5
    stamps.close()


def test_a_copy_whose_contents_break_the_rules_is_no_copy(tmp_path: Path) -> None:
    copy = tmp_path / "a.db"
    sql(
        copy,
        f"PRAGMA application_id = {APPLICATION_ID}",
        "CREATE TABLE t (x INTEGER NOT NULL)",
        "INSERT INTO t VALUES (1)",
    )
    require_sound(copy)
    sql(
        copy,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE t (x INTEGER NOT NULL, y TEXT NOT NULL)'",
    )
    with pytest.raises(StoreError, match="The copy is damaged"):
        require_sound(copy)


def test_names_in_a_message_of_sqlite_that_are_no_text_mean_damage(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    sql(
        file,
        "CREATE TABLE t (x)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET name = CAST(x'ffaa' AS TEXT), sql = 'CREATE TABL'",
    )
    db = sqlite3.connect(file)
    with pytest.raises(DamagedError, match="Could not decode a text"), explained(file):
        db.execute("SELECT * FROM t")
    db.close()


def test_a_file_that_seems_to_be_of_another_program_is_damaged_when_it_was_ours(store: Store, folder: Path) -> None:
    file = store.file
    store.close()
    sql(file, "PRAGMA application_id = 7")
    with pytest.raises(DamagedError, match="Nothing is written"):
        Store.open(folder)
    (folder / "state.stamp").unlink()
    with pytest.raises(StoreError, match="belongs to another program") as caught:
        Store.open(folder)
    assert not isinstance(caught.value, DamagedError)


def test_what_a_look_into_everything_cannot_read_is_said(store: Store, folder: Path) -> None:
    ruin_paths(store)
    store.close()
    assert any("Could not decode" in text for text in examine(folder).problems)


def test_damage_that_shows_while_the_daily_copy_is_made_ends_the_work(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    damage = DamagedError(store.file, "Its disk image is malformed.", "Restore a copy.")

    def copy_daily(*_: Any) -> None:
        raise damage

    monkeypatch.setattr("sync.integrity.copy_daily", copy_daily)
    with pytest.raises(DamagedError, match="malformed"):
        begin_work(store, NOW, said.append)
    assert said == [], "it is not taken for a mere lack of room"


def test_people_stay_forgotten_although_the_key_is_gone(store: Store) -> None:
    with store.transaction():
        store.db.execute("INSERT INTO forgotten (hash, at) VALUES ('x', 1)")
    with pytest.raises(StoreError, match="The key is gone"):
        screen_of(store)
    approval.key(store.path)
    assert screen_of(store).marks == {"x"}


def test_a_plan_that_was_put_together_by_hand_is_refused_although_its_hash_fits(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    PlanFile(Plan(NOW, "hubspot:STANDARD:1", "c0ffee", ()), "").save(path)
    first, _, body = path.read_text("utf-8").partition("\n")
    spaced = body.replace(":", ": ", 1)
    digest = hashlib.sha256(spaced.removesuffix("\n").encode()).hexdigest()
    path.write_text(json.dumps({**json.loads(first), "hash": digest}) + "\n" + spaced, "utf-8")
    with pytest.raises(PlanError, match="was not written by Holdfast as it stands"):
        PlanFile.load(path)


# -- the CRM --------------------------------------------------------------------------------------------------------


def desk_of(folder: Path, **policy: Any) -> PeopleDesk:
    return PeopleDesk(folder, "hubspot", replace(Policy(contacts=False, budget_share=0.9), **policy))


@pytest.mark.parametrize("knows", [True, False])
def test_a_plan_for_another_crm_is_never_written(folder: Path, tmp_path: Path, *, knows: bool) -> None:
    """Whether the state knows yet which CRM is its own, or the CRM has to be asked."""
    desk = desk_of(folder)
    with desk.agent() as agent:
        plan = agent.run(dry_run=True, initial=True).plan
    assert plan is not None
    with (
        desk.agent(folder if knows else tmp_path / "other") as agent,
        pytest.raises(PlanError, match="made for hubspot:STANDARD:0"),
    ):
        agent.apply_saved(replace(plan, environment="hubspot:STANDARD:0"))
    assert set(desk.everything()[next(iter(desk.scores))].values()) == {""}


def test_writing_ends_between_batches_when_others_took_the_calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_of(folder)
    desk.scores = dict.fromkeys(desk.scores, 20)
    with desk.agent() as agent, monkeypatch.context() as others:

        def taken(*_: Any) -> None:
            others.setattr(type(agent.crm), "calls", {"others": 10**7})

        agent.on_applied = taken
        report = agent.run(dry_run=False, initial=True, with_tasks=True)
    assert report.endings["confirmed"] == len(desk.scores)
    assert len(report.deferred) == len(desk.scores), "the tasks"
    assert report.halted is None
    later = desk.run(wait=timedelta(days=2))
    assert (later.endings["confirmed"], later.deferred) == (len(desk.scores), ())


def test_the_canary_ends_a_run_and_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.canary.ABOVE", 2)
    desk = desk_of(folder, guard=Limits(canary_min=2))
    desk.flow("health_score", "health_score", 1)
    report = desk.run()
    assert isinstance(report.halted, CanaryError)
    assert report.endings["confirmed"] < len(desk.scores)


def unclear(desk: PeopleDesk) -> RunReport:
    """A run that comes after one whose answer was lost, with no calls left."""
    desk.box.faults.add(Fault("status", vendor="hubspot", path="batch/update", status=503, times=99, effect=True))
    desk.run()
    desk.box.faults.clear()
    body = {"policyName": "DAILY", "message": "The daily limit was reached."}
    desk.box.faults.add(Fault("status", vendor="hubspot", status=429, body=body, times=99))
    return desk.run()


def test_a_run_that_cannot_ask_about_the_one_before_plans_nothing(folder: Path) -> None:
    desk = desk_of(folder)
    report = unclear(desk)
    assert "What an earlier run left unclear waits" in str(report.blocked)
    assert not report.applied
    desk.box.faults.clear()
    assert not desk.run(wait=timedelta(days=1)).blocked
