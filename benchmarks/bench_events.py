"""Two analytics tools side by side: the same events as Mixpanel and as Amplitude send them, from answer to count.

Each connector reads its vendor's packed answer from memory (gzip; a zip of gzipped files), stores and checks it on
disk, and its events are counted into a new state. Lines are as long as the vendors' own are with their usual
properties, so that both read about as many bytes. Rates are of processor time, the best of several turns that the two
take one after the other; no network takes part. Amplitude's figures include finding the users in the events, for whom
Mixpanel is asked apart.
"""

import gzip
import io
import json
import random
import resource
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from connectors import amplitude, mixpanel
from connectors.base import Batch, Source, SystemClock
from mapping.fields import FieldMap
from sync import usage
from sync.store import Store

EVENTS = 300_000
TURNS = 4
PEOPLE = 20_000
FILES = 24
NAMES = ("Signed in", "Report viewed", "Export run", "Dashboard opened", "Invite sent", "Comment added")
NOW = datetime.now(UTC)
DAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)


class Answer(HTTPAdapter):
    """Gives every request the same answer."""

    def __init__(self, body: bytes, **headers: str) -> None:
        super().__init__()
        self.body, self.given = body, headers

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        raw = HTTPResponse(io.BytesIO(self.body), self.given, 200, preload_content=False)
        made: requests.Response = self.build_response(request, raw)
        return made


def happened() -> Iterator[tuple[int, str, int, datetime]]:
    """Number, name, person, and when; a few people do much, many do little."""
    chance = random.Random(1)
    for number in range(EVENTS):
        person = int(PEOPLE * chance.random() ** 2)
        yield number, chance.choice(NAMES), person, DAY + timedelta(seconds=chance.randrange(86_000))


def as_mixpanel() -> list[bytes]:
    usual = {
        "$browser": "Chrome", "$browser_version": 142, "$city": "Berlin",
        "$current_url": "https://app.acme.example/reports/42",
        "$lib_version": "2.56.0", "$os": "Mac OS X", "$region": "Berlin", "$screen_height": 1117, "$screen_width": 1728,
        "mp_country_code": "DE", "mp_lib": "web", "$mp_api_endpoint": "api.mixpanel.com",
        "$mp_api_timestamp_ms": 1795330800123, "plan": "team", "screen": "reports",
    }  # fmt: skip
    return [
        json.dumps(
            {
                "event": name,
                "properties": {
                    "time": int(at.timestamp()), "distinct_id": f"user-{person}", "$insert_id": f"{number:016x}",
                    "$user_id": f"user-{person}", "$device_id": f"device-{person}",
                    "mp_processing_time_ms": int(at.timestamp()) * 1000 + 1234, "company_id": f"tenant-{person // 20}",
                    **usual,
                },
            },
            separators=(",", ":"),
        ).encode()
        for number, name, person, at in happened()
    ]  # fmt: skip


def as_amplitude() -> list[bytes]:
    return [
        json.dumps(
            {
                "$insert_id": f"{number:x}", "uuid": f"{number:08x}-0000-11f0-8000-{person:012x}", "event_id": number,
                "event_type": name, "user_id": f"user-{person}", "device_id": f"device-{person}",
                "amplitude_id": 9 * 10**11 + person, "app": 271828, "session_id": -1, "platform": "iOS",
                **dict.fromkeys(
                    ("event_time", "client_event_time", "server_received_time", "server_upload_time"),
                    f"{at:%Y-%m-%d %H:%M:%S}.000000",
                ),
                "event_properties": {"screen": "reports"}, "group_properties": {}, "data": {},
                "user_properties": {"email": f"person{person}@customer{person // 20}.example", "plan": "team"},
                "groups": {"company": [f"tenant-{person // 20}"]}, "library": "amplitude-swift/1.9.1",
            },
            separators=(",", ":"),
        ).encode()
        for number, name, person, at in happened()
    ]  # fmt: skip


def zipped(lines: list[bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in range(FILES):
            part = b"".join(line + b"\n" for line in lines[file::FILES])
            archive.writestr(f"271828/271828_2026-11-20_{file}#0.json.gz", gzip.compress(part, 6))
    return packed.getvalue()


def read(source: Source, name: str, cursor: str | None) -> Batch:
    stream = next(stream for stream in source.streams if stream.name == name)
    return next(batch for batch in source.pull(stream, cursor) if batch.export is not None)


def cpu() -> float:
    """Seconds of processor time of this process, without the system's."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def measured(vendor: str, source: Source, cursor: str | None, folder: Path) -> tuple[float, float]:
    """Seconds of processor time: read and checked; counted."""
    events = FieldMap.load(vendor).events()
    assert events is not None
    store = Store.open(folder / vendor)
    start = cpu()
    batch = read(source, "events", cursor)
    middle = cpu()
    assert batch.export is not None
    counts = usage.ingest(store, (vendor, "events"), batch.export, events, cursor="c", now=NOW)
    end = cpu()
    store.close()
    assert counts.events == EVENTS, counts
    return middle - start, end - middle


def mixpanel_seconds(packed: bytes, folder: Path) -> tuple[float, float]:
    adapter = Answer(packed, **{"Content-Encoding": "gzip"})
    settings = mixpanel.Settings(project_id=1, username="u", secret="s", history_days=4)
    source = mixpanel.connect("mixpanel", settings, clock=SystemClock(), adapter=adapter, spool=folder / "spool")
    return measured("mixpanel", source, None, folder)


def amplitude_seconds(packed: bytes, folder: Path) -> tuple[float, float]:
    settings = amplitude.Settings(api_key="k", secret_key="s")
    source = amplitude.connect(
        "amplitude", settings, clock=SystemClock(), adapter=Answer(packed), spool=folder / "spool"
    )
    cursor = json.dumps({"hour": f"{NOW - timedelta(hours=6):%Y-%m-%dT%H}"})
    found = measured("amplitude", source, cursor, folder)
    assert {path.suffix for path in (folder / "spool").rglob("waiting-*")} == {".json"}, "the users"
    return found


def main() -> list[dict[str, Any]]:
    theirs, ours = as_mixpanel(), as_amplitude()
    lengths = [sum(map(len, lines)) // EVENTS for lines in (theirs, ours)]
    packed = gzip.compress(b"\n".join(theirs) + b"\n", 6), zipped(ours)
    del theirs, ours
    best = [[inf, inf], [inf, inf]]
    for _ in range(TURNS):
        for place, seconds in enumerate((mixpanel_seconds, amplitude_seconds)):
            with tempfile.TemporaryDirectory() as folder:
                took = seconds(packed[place], Path(folder))
            best[place] = [min(pair) for pair in zip(best[place], took, strict=True)]
    rows = []
    for name, length, (reading, counting) in zip(("Mixpanel", "Amplitude"), lengths, best, strict=True):
        rows += [
            {"name": f"{name}: length of an event", "value": length, "unit": "bytes"},
            {"name": f"{name}: answers read and checked", "value": EVENTS / reading, "unit": "events/s"},
            {"name": f"{name}: events counted", "value": EVENTS / counting, "unit": "events/s"},
            {
                "name": f"{name}: from the answer to the count",
                "value": EVENTS / (reading + counting),
                "unit": "events/s",
            },
        ]
    parts = [theirs / ours for theirs, ours in zip(*best, strict=True)]
    whole = sum(best[0]) / sum(best[1])
    return [
        *rows,
        {"name": "read and checked, Amplitude / Mixpanel", "value": parts[0], "unit": "x"},
        {"name": "counted and users found, Amplitude / Mixpanel", "value": parts[1], "unit": "x"},
        {"name": "from the answer to the count, Amplitude / Mixpanel", "value": whole, "unit": "x"},
        {"name": "the same in bytes", "value": whole * lengths[1] / lengths[0], "unit": "x"},
    ]


if __name__ == "__main__":
    for line in main():
        print(line)
