"""A tap as a child process: what it is given, what it may print, how it may end, and that nothing of it is left."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors import singer, singer_child
from connectors.base import Batch, Stream
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    ShapeError,
    TransientError,
)
from connectors.singer_files import Files
from connectors.singer_settings import Settings

TAP = Path(__file__).parent / "tap_fixture.py"
TOKEN = "canary-tap-90210"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
USERS = {"record": "contact", "fields": {"source_id": "id", "email": "email"}}


class Ticking:
    """A clock that goes on by so many seconds at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.time, self.step = 0.0, step
        self.stopped = False

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        self.time += self.step
        return self.time

    def sleep(self, seconds: float) -> None:
        if self.stopped:
            raise TransientError("stopped.")


class Bench:
    """A tap with its world, and a connector to it."""

    def __init__(self, folder: Path, **world: Any) -> None:
        self.folder, self.clock = folder, Ticking()
        rows = [{"id": f"u{n}", "email": f"{n}@x.org", "name": "N", "updated": n} for n in range(12)]
        users = {"fields": ["id", "email", "name", "updated"], "rows": rows}
        self.world: dict[str, Any] = {"token": TOKEN, "streams": {"users": users}, **world}
        self.spool = folder / "state" / "spool"
        self.spool.mkdir(parents=True)
        self.source = self.tap()

    def tap(self, streams: Any = None, **settings: Any) -> singer.Tap:
        given = {
            "command": [sys.executable, "-SE", str(TAP)],
            "config": {"world": str(self.folder / "world.json")},
            "secrets": {"token": TOKEN},
            "streams": {"users": USERS} if streams is None else streams,
            **settings,
        }
        wanted = {"users": ["email", "id"]}
        self.source = singer.connect("desk", Settings(**given), clock=self.clock, spool=self.spool, wanted=wanted)
        return self.source

    def pull(self, cursor: str | None = None, stream: str = "users") -> list[Batch]:
        (self.folder / "world.json").write_text(json.dumps(self.world))
        (found,) = (one for one in self.source.streams if one.name == stream)
        return list(self.source.pull(found, cursor))

    def broken(self, error: type[ConnectorError], cursor: str | None = None) -> tuple[list[Batch], ConnectorError]:
        """The batches that came, and the error after them."""
        (self.folder / "world.json").write_text(json.dumps(self.world))
        batches: list[Batch] = []
        with pytest.raises(error) as caught:
            batches.extend(self.source.pull(self.source.streams[0], cursor))
        assert TOKEN not in str(caught.value)
        assert caught.value.vendor == "singer"
        assert self.left() == [], "a folder with secrets is left"
        return batches, caught.value

    def left(self) -> list[Path]:
        return [path for path in self.spool.rglob("*") if path.is_file() or path.name.startswith("tap-")]

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "world.log").read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("connectors.singer.PAGE", 5)
    monkeypatch.setattr("connectors.singer_child.WAIT", 0.02)
    monkeypatch.setattr("connectors.singer_child.GRACE", 0.3)
    return Bench(tmp_path)


def ids(batches: Sequence[Batch]) -> list[str]:
    return [row["id"] for batch in batches for row in batch.rows]


def test_it_is_given_private_files_and_nothing_of_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET", "canary-env")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("TAP_REGION", "eu")
    bench.tap(pass_env=["TAP_REGION"], environment=str(bench.folder / "venv"))
    batches = bench.pull()
    found, run = bench.log()
    assert found["words"] == ["--config", "config.json", "--discover"]
    assert run["words"] == ["--config", "config.json", "--catalog", "catalog.json"]
    assert {"config.json": 0o600, "catalog.json": 0o600}.items() <= run["modes"].items()
    (folder,) = run["modes"].keys() - {"config.json", "catalog.json"}
    assert run["modes"][folder] == 0o700
    known = {*singer_child.PASSED, "PYTHONUTF8", "PATH", "HOME", "TMPDIR", "https_proxy", "TAP_REGION", "LC_CTYPE"}
    assert run["env"].keys() <= known
    assert (run["env"]["https_proxy"], run["env"]["TAP_REGION"]) == ("http://proxy.example", "eu")
    assert run["env"]["PATH"].startswith(f"{bench.folder}/venv/bin:")
    assert f"{sys.prefix}/bin" not in run["env"]["PATH"].split(":")
    assert TOKEN not in " ".join([*run["words"], *run["env"].values()])
    assert bench.left() == []
    # Only what the map reads is asked for; the key always comes.
    assert batches[0].rows[0] == {"id": "u0", "email": "0@x.org"}
    assert dict(bench.source.calls) == {"setup": 1, "users": 1}


def test_the_state_goes_with_the_rows_before_it(bench: Bench) -> None:
    batches = bench.pull()
    assert [len(batch.rows) for batch in batches] == [5, 5, 2]
    places = [json.loads(batch.cursor or "{}") for batch in batches]
    assert [place["state"]["bookmarks"]["users"] for place in places] == [4, 9, 11]
    assert ids(bench.pull(batches[1].cursor)) == ["u9", "u10", "u11"]
    assert bench.log()[-1]["state"] == {"bookmarks": {"users": 9}}
    for cursor in ('{"state": 7}', '{"other": 1}', "no place"):
        bench.broken(CursorExpiredError, cursor)
    bench.tap({"users": {**USERS, "fields": {"source_id": "id"}}})
    assert "wants other rows of it than before" in str(bench.broken(CursorExpiredError, batches[1].cursor)[1])


@pytest.mark.parametrize(
    ("world", "error", "said"),
    [
        ({"say": "tap.client: boom"}, TransientError, "the tap ended with code 1: CRITICAL tap.client: boom."),
        ({"say": f"HTTP-error-code: 401, {TOKEN}"}, CredentialsError, "401, ***"),
        ({"say": "HTTP-error-code: 403, Error: User not allowed"}, MissingPermissionError, "Grant the tap's user"),
        ({"say": "Rate limit reached"}, QuotaError, "The next run goes on from its last state"),
        ({"signal": int(signal.SIGKILL)}, TransientError, "the tap was ended by signal 9"),
        ({"print": '{"type": "RECORD", "stream": "users", "rec', "say": "boom"}, TransientError, "boom"),
        ({"print": '{"type": "RECORD"\n'}, ShapeError, "line 11 of the tap's output is not valid JSON. Run"),
        ({"print": '{"type": "RECORD", "record": NaN}\n'}, ShapeError, "is not valid JSON"),
        ({"print": '{"a":' * 99_999 + "\n"}, ShapeError, "is not valid JSON"),
        ({"print": '{"type": "STATE", "value": 3}\n'}, ShapeError, "a state of the tap is no object"),
        ({"print": '{"type": "SCHEMA", "stream": "users"}\n'}, ShapeError, "names no stream or has no schema"),
    ],
)
def test_a_tap_that_fails_keeps_what_it_had_given(
    bench: Bench, world: Any, error: type[ConnectorError], said: str
) -> None:
    bench.world |= {"at": 7, **world}
    batches, caught = bench.broken(error)
    assert said in str(caught)
    assert ids(batches) == ["u0", "u1", "u2", "u3", "u4"]
    for name in ("at", *world):
        del bench.world[name]
    assert ids(bench.pull(batches[-1].cursor)) == [f"u{n}" for n in range(4, 12)]


def test_noise_is_no_message_and_its_errors_do_not_block_it(bench: Bench) -> None:
    bench.world |= {"at": 3, "print": "starting\n\n7\n[1]\n  \n", "noise": "x" * 300_000 + "\nWARN\n"}
    assert len(ids(bench.pull())) == 12
    bench.world |= {"at": 3, "say": "boom"}
    assert "CRITICAL boom" in str(bench.broken(TransientError)[1])


def test_lines_states_and_catalogs_have_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.pull()
    bench.world |= {"at": 7, "print": '{"type": "STATE", "value": {"a": "' + "x" * 2000 + '"}}\n'}
    monkeypatch.setattr("connectors.singer_messages.MAX_STATE", 1024)
    assert "a state of the tap is larger than 1 KiB" in str(bench.broken(ShapeError)[1])
    monkeypatch.setattr("connectors.singer_child.MAX_LINE", 1024 * 1024)
    bench.world["print"] = "x" * 2_000_000
    assert "a line of its output is longer than 1 MiB" in str(bench.broken(ShapeError)[1])
    monkeypatch.setattr("connectors.singer.MAX_CATALOG", 10)
    bench.tap()
    assert "its catalog is larger than" in str(bench.broken(ShapeError)[1])


def test_a_tap_without_states_is_read_in_batches_of_bounded_size(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": f"u{n}", "updated": n} for n in range(50)]
    bench.world["streams"]["users"] |= {"rows": rows, "silent": True}
    batches = bench.pull()
    assert [len(batch.rows) for batch in batches] == [20, 20, 10]
    assert [batch.cursor and batch.cursor[:6] for batch in batches] == [None, None, '{"of":'], "no state, no place"
    assert len(ids(bench.pull("{}"))) == 50
    monkeypatch.setattr("connectors.singer_messages.MOST_BYTES", 300)
    assert max(len(batch.rows) for batch in bench.pull()) < 6


@pytest.mark.parametrize(
    ("step", "said"), [(40.0, "said nothing for 15 minutes"), (150.0, "took longer than 50 minutes")]
)
def test_a_tap_that_hangs_is_ended_with_all_that_it_started(bench: Bench, step: float, said: str) -> None:
    bench.world |= {"at": 7, "hang": True}
    bench.tap(silent_minutes=15 if step < 100 else 24 * 60)
    bench.clock.step = step
    batches, caught = bench.broken(TransientError)
    assert said in str(caught)
    assert len(ids(batches)) in (0, 5)


def test_an_output_that_is_never_closed_ends_with_the_tap(bench: Bench) -> None:
    bench.world |= {"at": 7, "child": True}
    bench.world["streams"]["users"]["rows"] = bench.world["streams"]["users"]["rows"][:8]
    assert len(ids(bench.pull())) == 7


def test_the_last_line_may_have_no_end_and_the_tap_must_go(bench: Bench) -> None:
    bench.world["last"] = '{"type": "STATE", "value": {"last": 1}}'
    assert json.loads(bench.pull()[-1].cursor or "")["state"] == {"last": 1}
    bench.world["stay"] = True
    assert "the tap was ended by signal 15" in str(bench.broken(TransientError)[1])


def test_it_is_ended_when_we_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []
    started: Callable[..., Any] = subprocess.Popen

    def note(*args: Any, **more: Any) -> Any:
        child = started(*args, **more)
        pids.append(child.pid)
        return child

    monkeypatch.setattr("connectors.singer_child.subprocess.Popen", note)
    bench.world |= {"at": 7, "hang": True}
    (bench.folder / "world.json").write_text(json.dumps(bench.world))
    pulling = bench.source.pull(Stream("users", "contact"), None)
    assert isinstance(next(pulling), Batch)
    pulling.close()  # type: ignore[attr-defined]
    assert bench.left() == []
    bench.clock.stopped = True
    with pytest.raises(TransientError, match="stopped"):
        bench.pull()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.killpg(pid, 0)


def test_one_tap_runs_at_a_time(bench: Bench) -> None:
    (bench.folder / "world.json").write_text(json.dumps(bench.world))
    pulling = bench.source.pull(bench.source.streams[0], None)
    next(pulling)
    runs = len(bench.log())
    other = threading.Thread(target=bench.pull)
    other.start()
    other.join(0.05)
    assert len(bench.log()) == runs
    rest = list(pulling)
    other.join()
    assert (len(bench.log()), len(rest)) == (runs + 1, 2)
    pulling = bench.source.pull(bench.source.streams[0], None)
    next(pulling)
    bench.clock.stopped = True
    failed: list[str] = []

    def wait() -> None:
        try:
            bench.pull()
        except TransientError as error:
            failed.append(str(error))

    other = threading.Thread(target=wait)
    other.start()
    other.join()
    assert failed == ["stopped."]
    pulling.close()  # type: ignore[attr-defined]


def test_what_a_new_version_of_a_table_does_not_name_is_gone(bench: Bench) -> None:
    users = bench.world["streams"]["users"]
    users["version"] = 1
    first = bench.pull()
    assert [batch.full for batch in first] == [False, False, True]
    again = bench.pull(first[-1].cursor)
    assert [batch.full for batch in again][-1] is False, "records of this version came in earlier runs too"
    assert bench.pull(first[0].cursor)[-1].full is False, "the first part of the listing is not in this pull"
    users["version"] = 2
    assert bench.pull(first[-1].cursor)[-1].full is True


def test_events_are_counted(bench: Bench) -> None:
    events = [{"what": "Login", "when": "2026-11-20T10:00:00Z", "who": f"p{n}", "updated": n} for n in range(7)]
    bench.world["streams"]["events"] = {"fields": ["what", "when", "who", "plan", "updated"], "rows": events}
    fields = {"name": "what", "time": "when", "person": "who"}
    bench.tap({"events": {"record": "usage", "fields": fields}})
    (batch,) = [one for one in bench.pull(stream="events") if one.export is not None][:1]
    assert batch.export is not None
    lines = [json.loads(line) for line in batch.export.path.read_text().splitlines()]
    assert lines[0]["name"] == "Login"
    assert lines[0]["person"] == "p0"
    assert (batch.export.first_day.isoformat(), batch.export.replaces) == ("2026-11-20", False)


def test_a_renewed_token_is_kept_until_the_settings_change(bench: Bench) -> None:
    bench.world["renew"] = "new-1"
    bench.pull()
    kept = bench.spool.parent / "taps" / "desk.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [run["config"].get("refresh") for run in bench.log()] == [None, "new-1"]
    bench.world["renew"] = "new-2"
    bench.tap().calls.clear()
    bench.pull()
    assert [run["config"].get("refresh") for run in bench.log()][2:] == ["new-1", "new-2"]
    bench.tap(config={"world": str(bench.folder / "world.json"), "start_date": "2026-01-01"})
    del bench.world["renew"]
    bench.pull()
    assert "refresh" not in bench.log()[-1]["config"]
    kept.write_text("[")
    bench.pull()
    assert "refresh" not in bench.log()[-1]["config"]


def test_what_a_killed_agent_left_is_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, mine, odd = (bench.spool / "desk" / f"tap-{pid}-x" for pid in (2**22 + 1, os.getpid(), "none"))
    for folder in (gone, mine, odd):
        folder.mkdir(parents=True)
    bench.pull()
    assert [folder.exists() for folder in (gone, mine, odd)] == [False, True, False]
    monkeypatch.setattr("connectors.singer_files.os.kill", lambda *_: (_ for _ in ()).throw(PermissionError))
    bench.pull()
    assert mine.exists()
    with Files(None, "desk-test", {"a": 1}).folder() as folder:
        assert json.loads((folder / "config.json").read_text()) == {"a": 1}
        (folder / "config.json").write_text("x" * (1024 * 1024 + 1))
    assert not folder.exists()


def test_check_says_what_the_tap_offers(bench: Bench) -> None:
    streams = {
        "users": {**USERS, "fields": {"source_id": "id", "email": "mail"}},
        "none": {"record": "account", "fields": {"source_id": "id"}},
    }
    bench.tap(streams, account="Acme's desk")
    bench.source._wanted = {"users": ["id", "mail.main"]}
    (bench.folder / "world.json").write_text(json.dumps(bench.world))
    findings = {one.code: one for one in bench.source.check()}
    assert "reading Acme's desk; it offers 1 stream." in findings["identity"].message
    assert "The tap offers no stream 'none'; it has users." in findings["missing_stream"].message
    assert "users has no mail, which the config reads" in findings["missing_field"].message
    bench.tap({})
    assert [one.code for one in bench.source.check()] == ["identity", "no_streams"]
    bench.tap(discover=False)
    assert [one.code for one in bench.source.check()] == ["identity"]
    assert len(ids(bench.pull())) == 12
    assert bench.log()[-1]["words"] == ["--config", "config.json"]


@pytest.mark.parametrize("discovered", ["[]", '{"streams": 3}', '{"streams": [{}]}', "not a catalog", '{"streams": ['])
def test_a_catalog_that_is_none_is_refused(bench: Bench, discovered: str) -> None:
    bench.world["discovered"] = discovered
    assert "catalog" in str(bench.broken(ShapeError)[1])


def test_a_stream_that_is_not_there_is_named(bench: Bench) -> None:
    bench.tap({"people": {**USERS, "stream": "persons", "along": ["users"]}})
    assert "the tap offers no stream 'persons'; it has users" in str(bench.broken(MissingPermissionError)[1])
    bench.tap({"people": {**USERS, "stream": "persons"}}, discover=False)
    assert "the tap said nothing of a stream 'persons'; it spoke of users." in str(bench.broken(ShapeError)[1])
    bench.world |= {"at": 3, "print": '{"type": "RECORD", "stream": "persons", "record": {}}\n'}
    assert "the tap sent records of 'persons' and never their SCHEMA." in str(bench.broken(ShapeError)[1])
    bench.world["streams"] = {}
    assert "said nothing of a stream 'persons'." in str(bench.broken(ShapeError)[1])


def test_a_program_that_is_not_there_is_named(bench: Bench) -> None:
    bench.tap(command="tap-nowhere --fast", environment="/opt/taps/none")
    said = str(bench.broken(ConfigError)[1])
    assert "there is no program 'tap-nowhere' in /opt/taps/none/bin or where programs are looked for" in said
    broken = bench.folder / "tap"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    bench.tap(command=[str(broken)])
    assert f"{broken} cannot be started: No such file" in str(bench.broken(ConfigError)[1])
    broken.chmod(0o644)
    assert f"{broken} may not be run. Allow it: chmod +x {broken}." in str(bench.broken(ConfigError)[1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"command": ""}, "must name a program"),
        ({"environment": sys.prefix}, "is the agent's own environment"),
        ({"config": {"api_key": "x"}}, "api_key: a secret belongs under `secrets`"),
        ({"silent_minutes": 0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(**{"command": "tap-x", **settings})


def test_secrets_may_stand_inside_other_settings() -> None:
    given: dict[str, Any] = {"config": {"auth": {"user": "a"}}, "secrets": {"auth.key": "k", "x.y.z": "s"}}
    found = singer._config(Settings(command=("tap",), **given))
    assert found == {"auth": {"user": "a", "key": "k"}, "x": {"y": {"z": "s"}}}
    assert given["config"] == {"auth": {"user": "a"}}
