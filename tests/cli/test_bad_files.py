"""Plan files, state files and folders that are none: a clear message, the right exit code, and nothing written."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Site


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"{}",
        b"[]\n[]",
        b"\xff\xfe\x00",
        b'{"hash":"x"}\n{"format":"holdfast-plan-1"}\n',
        b"null\n" * 3,
    ],
)
def test_a_plan_file_that_is_none(site: Site, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.plan"
    file.write_bytes(content)
    before = site.writes()
    for more in ([], ["--dry-run"]):
        said = site.run("apply", str(file), *more)
        assert said.code == 2
        assert "bad.plan" in said.err
        assert "plan" in said.err
    assert site.writes() == before


def test_a_plan_file_that_is_not_there_or_a_folder(site: Site, tmp_path: Path) -> None:
    assert "No such file" in site.run("apply", str(tmp_path / "none.plan")).err
    assert site.run("apply", str(tmp_path)).code == 2


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
def test_a_state_file_that_is_none(site: Site, content: bytes) -> None:
    for leftover in site.state.glob("state.db*"):
        leftover.unlink()
    (site.state / "state.db").write_bytes(content)
    said = site.run("sync", "--dry-run")
    assert said.code == 1
    assert "state.db" in said.err
    assert "holdfast state restore" in said.err
    assert site.run("status").code == 1


def test_a_damaged_state_file(site: Site) -> None:
    file = site.state / "state.db"
    data = bytearray(file.read_bytes())
    data[4096 : len(data) // 2] = b"\x5a" * (len(data) // 2 - 4096)
    file.write_bytes(data)
    for command in (["sync", "--dry-run"], ["status"], ["explain", "x"], ["check"]):
        said = site.run(*command)
        assert said.code == 1, (command, said.text)
        assert "state.db" in said.text


def test_a_newer_state_file(site: Site) -> None:
    with sqlite3.connect(site.state / "state.db") as db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('holdfast', '9999', '')")
    db.close()
    (site.state / "state.stamp").unlink()  # the newer version would have left its own
    for command in (["sync"], ["status"]):
        said = site.run(*command)
        assert said.code == 1
        assert "newer version of Holdfast" in said.err


@pytest.mark.parametrize("command", [["sync", "--dry-run"], ["plan"], ["sync"]])
def test_a_state_folder_that_is_a_file(site: Site, command: list[str]) -> None:
    site.change('dir = "state"', 'dir = "config.toml"')
    said = site.run(*command)
    assert said.code == 1
    assert "config.toml" in said.err
    assert "[state] dir" in said.err


def test_a_state_folder_that_cannot_be_made(site: Site) -> None:
    site.change('dir = "state"', 'dir = "/proc/holdfast"')
    said = site.run("sync", "--dry-run")
    assert said.code == 1
    assert "/proc/holdfast" in said.err
    assert "[state] dir" in said.err


def test_a_plan_that_cannot_be_saved(site: Site) -> None:
    said = site.run("plan", "--out", "/proc/holdfast/x.plan")
    assert said.code == 1
    assert "/proc/holdfast" in said.err
