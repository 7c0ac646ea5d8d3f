"""The simulated export against the vendor's documentation and its description, and against the world."""

import gzip
import io
import json
import re
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.amplitude_events import ADS, amplitude_id, uuid
from sandbox.core import AMPLITUDE_KEY, AMPLITUDE_SECRET, Sandbox, SandboxClock
from sandbox.mount import SandboxAdapter
from sandbox.world import SeededWorld, make_world
from sandbox.world_mobile import LATEST_DAYS, MOBILE_EVENTS
from tests.contracts import contract

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return make_world(accounts=40, people_per_account=20, now=NOW, months=2)


class Project:
    """The simulator behind a session; its clock stands at 09:20."""

    def __init__(self, world: SeededWorld, **options: Any) -> None:
        self.box = Sandbox(world, SandboxClock(NOW), vendors=("amplitude",), options={"amplitude": options})
        self.box.clock.advance(timedelta(hours=9, minutes=20))
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(self.box))
        self.session.auth = (AMPLITUDE_KEY, AMPLITUDE_SECRET)
        self.base = self.box.base_urls()["amplitude"]

    def get(self, start: str = "20261120T00", end: str = "20261120T23", **more: str) -> requests.Response:
        return self.session.get(f"{self.base}/api/2/export", params={"start": start, "end": end, **more}, timeout=9)

    def rows(self, start: str = "20261120T00", end: str = "20261120T23") -> list[dict[str, Any]]:
        return [row for rows in files(self.get(start, end)).values() for row in rows]


def files(response: requests.Response) -> dict[str, list[dict[str, Any]]]:
    """Name -> rows."""
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        found = {name: gzip.decompress(archive.read(name)) for name in archive.namelist()}
    return {name: [json.loads(line) for line in data.split(b"\n") if line] for name, data in found.items()}


@pytest.fixture
def project(world: SeededWorld) -> Project:
    return Project(world)


def test_it_answers_as_described(project: Project, world: SeededWorld) -> None:
    described = contract("amplitude", "export.openapi.yml")
    (path,) = described["paths"]
    operation = described["paths"][path]["get"]
    assert f"{project.base}{path}" == project.get().url.split("?")[0]
    for parameter in operation["parameters"]:
        assert parameter["required"]
        assert re.fullmatch(parameter["schema"]["pattern"], "20261120T00")
        assert (
            project.session.get(f"{project.base}{path}", params={parameter["name"]: "20261120T00"}).status_code == 400
        )
    statuses = {
        str(answer.status_code)
        for answer in (
            project.get(),
            Project(world, most_rows=1).get(),
            stranger(project),
            project.get("20260101T00", "20260101T01"),
        )
    }
    assert statuses == set(operation["responses"])
    (kind,) = operation["responses"]["200"]["content"]
    assert project.get().headers["Content-Type"] == kind
    assert described["components"]["securitySchemes"]["basicAuth"]["scheme"] == "basic"


def stranger(project: Project) -> requests.Response:
    project.session.auth = (AMPLITUDE_KEY, "wrong")
    answer = project.get()
    project.session.auth = (AMPLITUDE_KEY, AMPLITUDE_SECRET)
    return answer


def test_files_of_an_hour(project: Project) -> None:
    found = files(project.get())
    assert all(re.fullmatch(r"271828/271828_2026-11-20_\d{1,2}#\d\.json\.gz", name) for name in found)
    by_hour = Counter(name.split("#")[0] for name in found)
    assert max(by_hour.values()) > 1
    assert list(found) != sorted(found), "they come in no order"
    for name, rows in found.items():
        hour = int(name.split("_")[2].split("#")[0])
        assert {row["server_upload_time"][:13] for row in rows} == {f"2026-11-20 {hour:02d}"}


def test_rows_have_the_documented_fields(project: Project) -> None:
    row = next(row for row in project.rows() if row["user_id"])
    assert set(row) >= {
        "uuid", "$insert_id", "event_type", "event_id", "user_id", "device_id", "amplitude_id", "event_time",
        "client_event_time", "client_upload_time", "server_received_time", "server_upload_time", "processed_time",
        "session_id", "event_properties", "user_properties", "groups", "group_properties", "platform", "app", "data",
        "library",
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", row["event_time"])
    assert {-1} < {row["session_id"] for row in project.rows() if row["event_type"] != ADS}
    grouped = [row["groups"] for row in project.rows() if row["groups"]]
    assert all(isinstance(groups["company"], list) for groups in grouped)
    assert len(grouped) < len(project.rows())


def test_an_hour_shows_two_hours_after_its_end(project: Project) -> None:
    assert max(row["server_upload_time"] for row in project.rows("20261121T20", "20261122T23")) < "2026-11-22 07"
    assert project.get("20261122T07", "20261122T23").status_code == 404
    project.box.clock.advance(timedelta(hours=6))
    assert project.get("20261122T07", "20261122T12").status_code == 200


def test_rows_go_by_upload_and_hold_what_happened_days_ago(project: Project, world: SeededWorld) -> None:
    rows = project.rows()
    late = [row for row in rows if row["event_time"][:10] < "2026-11-20"]
    assert late
    assert min(row["event_time"] for row in late)[:10] >= f"2026-11-{20 - LATEST_DAYS}"
    arrays = [world.mobile.arrays(NOW.date() - timedelta(days=2 + n)) for n in range(LATEST_DAYS + 1)]
    begin = round((NOW - timedelta(days=2)).timestamp() * 1000)
    number = sum(int(((one.uploaded_ms >= begin) & (one.uploaded_ms < begin + 86_400_000)).sum()) for one in arrays)
    assert len({row["uuid"] for row in rows if row["event_type"] in MOBILE_EVENTS}) >= number
    assert project.rows() == rows, "an hour never changes"


def test_what_an_export_holds_besides_usage(project: Project, world: SeededWorld) -> None:
    """Rows twice, an hour apart; costs that nobody did; nobody signed in; two ids of one user, merged one day."""
    rows = project.rows("20261101T00", "20261122T06")
    times = Counter(row["uuid"] for row in rows)
    assert set(times.values()) == {1, 2}
    ads = [row for row in rows if row["event_type"] == ADS]
    assert len(ads) == 22
    assert all(row["user_id"] is None for row in ads)
    anonymous = [row for row in rows if row["user_id"] is None and row["device_id"]]
    assert 0 < len(anonymous) < len(rows) / 10
    ids: dict[str, set[int]] = {}
    for row in rows:
        if row["user_id"]:
            ids.setdefault(row["user_id"], set()).add(row["amplitude_id"])
    twice = [user for user, known in ids.items() if len(known) == 2]
    assert twice
    person = next(p for p in world.people if p.product_user_id == twice[0])
    merged = datetime.fromtimestamp(project.box.vendors["amplitude"].book.merged_ms(person.id) / 1000, UTC)  # type: ignore[attr-defined]
    old = amplitude_id(person.id, second=True)
    assert all(row["server_upload_time"] < f"{merged:%Y-%m-%d %H}" for row in rows if row["amplitude_id"] == old)


def test_refusals(project: Project, world: SeededWorld) -> None:
    assert project.get("20261121T00", "20261120T00").status_code == 400
    assert project.get("2026112000", "20261120T01").status_code == 400
    assert project.get("20261320T00", "20261320T01").status_code == 400
    assert "365" in project.get("20251101T00", "20261120T00").text
    assert Project(world, most_hours=6).get().status_code == 504
    assert Project(world, may_export=False).get().status_code == 403
    assert project.session.get(f"{project.base}/api/3/cohorts").status_code == 404
    assert not project.box.vendors["amplitude"].is_write("GET", "/api/2/export")
    for action, args in (("fly", {}), ("upload", {"user_id": "nobody", "time": NOW.isoformat()})):
        with pytest.raises(ValueError, match="amplitude has no"):
            project.box.mutate("amplitude", action, **args)


def test_truth_and_the_world(project: Project, world: SeededWorld) -> None:
    truth = project.box.truth()["amplitude"]
    used = {row["user_id"] for row in project.rows() if row["user_id"]}
    customers = {p.product_user_id for p in world.people if p.kind in ("person", "shared_inbox")}
    assert used & customers <= set(truth["contact"])
    week = [NOW.date() - timedelta(days=n) for n in range(1, 8)]
    share = sum(len(world.mobile.arrays(d)) for d in week) / sum(len(world.event_arrays(d)) for d in week)
    assert 0.1 < share < 0.35
    assert len(world.mobile.arrays(NOW.date() - timedelta(days=999))) == 0
    assert len({uuid(n) for n in range(2000)}) == 2000
    other = make_world(accounts=40, people_per_account=20, now=NOW, months=2)
    assert (other.mobile.arrays(week[0]).time_ms == world.mobile.arrays(week[0]).time_ms).all()
