"""One export: whole or not at all, and none of mixpanel-utils' faults. `responses` stands for the network."""

import errno
import gzip
import io
import json
import logging
import random
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from connectors.downloads import BLOCK, DEADLINE, LONGEST_LINE, Gunzip
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    QuotaError,
    RequestError,
    TransientError,
)
from connectors.http import Bucket, Http
from connectors.mixpanel import RULES
from connectors.mixpanel_export import Exporter, Lines, library
from connectors.retry import Failed

EXPORT = "https://data.mixpanel.com/api/2.0/export"
SECRET = "made-up-secret"
DAYS = (date(2026, 11, 20), date(2026, 11, 22))


def event(number: int, **properties: Any) -> dict[str, Any]:
    stamp = {"mp_processing_time_ms": 1_795_000_000_000 + number}
    return {
        "event": "Viewed",
        "properties": {"time": 1_795_000_000 + number, "distinct_id": "u1", **stamp} | properties,
    }


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(e, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for e in events)


SAMPLE = lines(*(event(n) for n in range(50)))


class Made:
    """An exporter and what it needs."""

    def __init__(self, clock: Any, folder: Path, region: str = "us", root: str | None = None, **options: Any) -> None:
        self.clock = clock
        self.folder = folder
        prefix = "" if region == "us" else f"-{region}"
        self.http = Http(
            "mixpanel",
            root or f"https://data{prefix}.mixpanel.com",
            clock=clock,
            auth=("svc.mp-service-account", SECRET),
            secrets=(SECRET,),
            rules=RULES,
            buckets=(Bucket("default", 60, 3600.0),),
            rng=random.Random(1),
        )
        self.library = library(
            self.http, 4242, "svc.mp-service-account", SECRET, region, f"{root}/api" if root else None
        )
        self.exporter = Exporter(lambda: self.library, clock, options.get("spool", folder), options.get("workspace"))

    def download(self, where: str = "") -> Any:
        return self.exporter.download(*DAYS, where)

    def left_over(self) -> list[Path]:
        return list(self.folder.iterdir())


@pytest.fixture
def made(clock: Any, tmp_path: Path) -> Made:
    return Made(clock, tmp_path)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


# ---- what is asked


def test_the_request_names_project_days_and_filter(made: Made, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body=SAMPLE)
    made.download('number(properties["a&b"]) >= 5')
    sent = mock.calls[0].request
    query = parse_qs(urlsplit(str(sent.url)).query)
    assert query == {
        "project_id": ["4242"],
        "from_date": ["2026-11-20"],
        "to_date": ["2026-11-22"],
        "where": ['number(properties["a&b"]) >= 5'],
    }
    assert sent.headers["Authorization"].startswith("Basic ")
    assert sent.headers["Accept-encoding"] == "gzip"
    assert made.http.calls == {"events": 1}


def test_a_data_view_is_named_too(clock: Any, tmp_path: Path, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body=SAMPLE)
    Made(clock, tmp_path, workspace=77).download()
    assert "workspace_id=77" in str(mock.calls[0].request.url)


@pytest.mark.parametrize(("region", "host"), [("us", "data"), ("eu", "data-eu"), ("in", "data-in")])
def test_the_library_knows_the_host_of_the_region(
    clock: Any, tmp_path: Path, mock: responses.RequestsMock, region: str, host: str
) -> None:
    mock.get(f"https://{host}.mixpanel.com/api/2.0/export", body=SAMPLE)
    assert Made(clock, tmp_path, region).download().lines.count == 50


def test_another_address_takes_the_place_of_the_hosts(clock: Any, tmp_path: Path, mock: responses.RequestsMock) -> None:
    mock.get("http://127.0.0.1:9/mixpanel/api/2.0/export", body=SAMPLE)
    assert Made(clock, tmp_path, root="http://127.0.0.1:9/mixpanel").download().lines.count == 50


# ---- what is kept


def test_lines_are_kept_as_they_were_sent(made: Made, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body=SAMPLE)
    got = made.download()
    assert got.path.read_bytes() == SAMPLE
    assert got.path.suffix == ".jsonl"
    assert got.path.stat().st_mode & 0o777 == 0o600
    assert (got.lines.count, got.lines.stamped, got.lines.newest) == (50, 50, 1_795_000_000_049)


def test_gzip_goes_to_disk_packed(made: Made, mock: responses.RequestsMock) -> None:
    packed = gzip.compress(SAMPLE)
    mock.get(EXPORT, body=packed, headers={"Content-Encoding": "gzip"}, auto_calculate_content_length=True)
    got = made.download()
    assert got.path.name.endswith(".jsonl.gz")
    assert got.path.read_bytes() == packed
    assert got.lines.count == 50


@pytest.mark.parametrize("body", [b"", b"\n"])
def test_nothing_and_a_lone_newline_are_no_events(made: Made, mock: responses.RequestsMock, body: bytes) -> None:
    mock.get(EXPORT, body=body)
    assert made.download().lines.count == 0


def test_values_may_hold_line_separators_and_stamps_in_text(made: Made, mock: responses.RequestsMock) -> None:
    tricky = event(1, note="a\u2028b\u2029c\u0085d\x0be", quoted='"mp_processing_time_ms":9999999999999')
    mock.get(EXPORT, body=lines(tricky, event(2)))
    got = made.download().lines
    assert (got.count, got.stamped, got.newest) == (2, 2, 1_795_000_000_002)


def test_a_last_line_without_newline_counts(made: Made, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body=SAMPLE.removesuffix(b"\n"))
    got = made.download().lines
    assert (got.count, got.stamped) == (50, 50)


def test_without_a_spool_folder_the_system_has_one(clock: Any, tmp_path: Path, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body=SAMPLE)
    got = Made(clock, tmp_path, spool=None).download()
    assert got.path.exists()
    got.path.unlink()


# ---- what is thrown away


BROKEN = {
    "terminated early": SAMPLE + b"terminated early\n",
    "terminated early, no newline": SAMPLE + b"terminated early",
    "cut in a line": SAMPLE[:-9],
    "text": SAMPLE + b"upstream closed\n",
    "number": SAMPLE + b"17\n",
    "web page": b"<html>maintenance</html>",
}


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_export_is_made_again(made: Made, mock: responses.RequestsMock, body: bytes, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    mock.get(EXPORT, body=gzip.compress(body) if encoding else body, headers=headers)
    mock.get(EXPORT, body=SAMPLE)
    got = made.download()
    assert got.path.read_bytes() == SAMPLE
    assert made.left_over() == [got.path]
    assert made.http.calls["events"] == 2


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_an_export_that_is_always_broken_is_given_up(made: Made, mock: responses.RequestsMock, body: bytes) -> None:
    mock.get(EXPORT, body=body)
    with pytest.raises(TransientError, match="nothing of it was used"):
        made.download()
    assert made.http.calls["events"] == 3
    assert made.left_over() == []


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-12], lambda data: data[: len(data) // 2], lambda data: b"not gzip at all", lambda data: b""],
    ids=["no trailer", "half", "text", "empty"],
)
def test_damaged_gzip_is_made_again(made: Made, mock: responses.RequestsMock, damage: Callable[[bytes], bytes]) -> None:
    mock.get(EXPORT, body=damage(gzip.compress(SAMPLE)), headers={"Content-Encoding": "gzip"})
    mock.get(EXPORT, body=SAMPLE)
    assert made.download().lines.count == 50


@pytest.mark.parametrize("error", [ProtocolError("cut"), ConnectionResetError(), TimeoutError()])
def test_a_connection_that_breaks_in_the_body(
    made: Made, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    mock.get(EXPORT, body=SAMPLE)
    whole = HTTPResponse.read
    broken = [error]

    def read(self: HTTPResponse, *args: Any, **kwargs: Any) -> bytes:
        if broken:
            raise broken.pop()
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(HTTPResponse, "read", read)
    assert made.download().lines.count == 50
    assert made.http.calls["events"] == 2


def test_a_trickling_body_ends_at_the_deadline(
    made: Made, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock.get(EXPORT, body=SAMPLE)
    original = HTTPResponse.read

    def read(self: HTTPResponse, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        made.clock.sleep(DEADLINE / 5)
        return original(self, 100, *args, **kwargs)

    monkeypatch.setattr(HTTPResponse, "read", read)
    with pytest.raises(TransientError, match="took more than"):
        made.download()
    assert made.left_over() == []
    assert len(made.clock.sleeps) == 6, "and it is not tried again"


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    found = Lines()
    found.feed(b"x" * LONGEST_LINE)
    with pytest.raises(Failed):
        found.feed(b"x")


def test_a_full_disk_is_said_plainly_and_not_tried_again(
    made: Made, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, *_: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    mock.get(EXPORT, body=SAMPLE)
    monkeypatch.setattr("connectors.mixpanel_export.os.fdopen", lambda *_: Full())
    with pytest.raises(TransientError, match="No space left"):
        made.download()
    assert made.http.calls["events"] == 1
    assert made.left_over() == []


def test_a_missing_spool_folder_is_made(clock: Any, tmp_path: Path, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body=SAMPLE)
    got = Made(clock, tmp_path, spool=tmp_path / "state" / "spool").download()
    assert got.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_spool_folder_that_cannot_be_is_said_plainly(
    clock: Any, tmp_path: Path, mock: responses.RequestsMock
) -> None:
    mock.get(EXPORT, body=SAMPLE)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TransientError, match="cannot be stored"):
        Made(clock, tmp_path, spool=tmp_path / "file").download()


# ---- mixpanel-utils' faults


REFUSALS = [
    (400, {"error": "to_date cannot be later than today"}, RequestError),
    (401, {"error": "Unable to authenticate request"}, CredentialsError),
    (402, {"error": "payment required"}, MissingPermissionError),
    (403, {"error": "forbidden"}, MissingPermissionError),
    (413, {}, RequestError),
]


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS)
def test_where_the_library_answers_none_we_say_why(
    made: Made, mock: responses.RequestsMock, status: int, body: Any, error: type[ConnectorError]
) -> None:
    mock.get(EXPORT, json=body, status=status)
    with pytest.raises(error) as caught:
        made.download()
    assert caught.value.status == status
    assert made.http.calls["events"] == 1


def test_429_waits_a_minute_and_then_gives_up_cleanly(made: Made, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, json={"error": "Query rate limit exceeded for project_id: 4242."}, status=429)
    with pytest.raises(QuotaError) as caught:
        made.download()
    assert caught.value.advice
    assert set(made.clock.sleeps) == {60.0}
    assert sum(made.clock.sleeps) <= 300


def test_5xx_is_tried_again_with_pauses_and_never_a_bare_exception(made: Made, mock: responses.RequestsMock) -> None:
    mock.get(EXPORT, body="<html>bad gateway</html>", status=502)
    with pytest.raises(TransientError):
        made.download()
    assert made.http.calls["events"] >= 4
    assert sum(made.clock.sleeps) > 5


def test_the_librarys_timeout_never_grows(made: Made, mock: responses.RequestsMock) -> None:
    before = made.library.timeout
    mock.get(EXPORT, body=TimeoutError())
    with pytest.raises(TransientError):
        made.download()
    assert made.library.timeout == before


def test_an_answer_the_library_swallowed_is_not_taken_for_events(made: Made) -> None:
    made.library.query_export = lambda *_args, **_kwargs: None
    with pytest.raises(TransientError, match="was not answered"):
        made.download()


def test_the_library_logs_nowhere_by_itself_and_no_secret(
    made: Made, mock: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mock.get(EXPORT, status=401)
    with pytest.raises(CredentialsError):
        made.download()
    assert logging.getLogger("mixpanel_utils").handlers == []
    assert SECRET not in caplog.text
    assert "Authorization" not in caplog.text


# ---- reading lines in any pieces


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=12), st.booleans()), max_size=12),
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
    st.sampled_from(["newline", "bare"]),
)
def test_any_cut_of_the_stream_reads_the_same(notes: list[tuple[str, bool]], sizes: list[int], end: str) -> None:
    events = [event(n, note=note) for n, (note, _) in enumerate(notes)]
    for made_event, (_, stamped) in zip(events, notes, strict=True):
        if not stamped:
            del made_event["properties"]["mp_processing_time_ms"]
    data = lines(*events) if end == "newline" else lines(*events).removesuffix(b"\n")
    packed = gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
    found, unpacker, at, turn = Lines(), Gunzip(), 0, 0
    while at < len(packed):
        size = sizes[turn % len(sizes)]
        for piece in unpacker.feed(packed[at : at + size]):
            found.feed(piece)
        at, turn = at + size, turn + 1
    found.close()
    assert unpacker.whole
    stamps = [e["properties"].get("mp_processing_time_ms", 0) for e in events]
    assert found.count == len(events)
    assert found.stamped == sum(bool(stamp) for stamp in stamps)
    assert found.newest == max(stamps, default=0)


def test_what_is_packed_tightly_is_unpacked_in_small_pieces() -> None:
    bomb = gzip.compress(b"\n" * (64 * BLOCK))
    pieces = [len(piece) for piece in Gunzip().feed(bomb)]
    assert max(pieces) <= BLOCK
    assert sum(pieces) == 64 * BLOCK
