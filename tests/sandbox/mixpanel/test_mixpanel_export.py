import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

DAY, NEXT = "2026-11-18", "2026-11-19"
YESTERDAY = "2026-11-21"


def key(event: dict[str, Any]) -> tuple[Any, ...]:
    p = event["properties"]
    return event["event"], p["distinct_id"], p["time"], p["$insert_id"]


def start_of(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def test_a_day_holds_what_the_world_knows(project: Any, world: Any) -> None:
    events = project.events(DAY)
    true = project.true_events(DAY)
    found = Counter((e["event"], e["properties"]["time"]) for e in {key(e): e for e in events}.values())
    assert found == Counter((e.name, int(e.time.timestamp())) for e in true)
    users = {p.id: p.product_user_id for p in world.people}
    known = Counter(
        e["properties"]["$user_id"] for e in {key(e): e for e in events}.values() if "$user_id" in e["properties"]
    )
    expected = Counter(users[e.person_id] for e in true if not e.anonymous)
    assert all(known[user] >= count for user, count in expected.items())


def test_lines_are_json_in_chunks(project: Any) -> None:
    response = project.export(DAY)
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "Content-Length" not in response.headers
    assert response.content.endswith(b"}}\n")
    event = json.loads(response.content.split(b"\n")[0])
    assert list(event) == ["event", "properties"]
    assert {"time", "distinct_id", "$insert_id", "mp_processing_time_ms", "company_id"} <= set(event["properties"])


def test_days_are_whole_and_both_ends_count(project: Any) -> None:
    both = project.events(DAY, NEXT)
    assert both == project.events(DAY) + project.events(NEXT)
    times = [e["properties"]["time"] for e in both]
    assert start_of(DAY) <= min(times)
    assert max(times) < start_of(NEXT) + 86_400


def test_gzip_comes_when_asked_for(project: Any) -> None:
    project.session.headers["Accept-Encoding"] = "identity"
    plain = project.export(DAY)
    assert "Content-Encoding" not in plain.headers
    project.session.headers["Accept-Encoding"] = "gzip"
    response = project.session.get(
        project.base + "2.0/export", params={"project_id": 4242, "from_date": DAY, "to_date": DAY}, stream=True
    )
    assert response.headers["Content-Encoding"] == "gzip"
    packed = response.raw.read(decode_content=False)
    assert len(packed) < len(plain.content) / 3
    assert gzip.decompress(packed) == plain.content
    assert "Content-Encoding" not in project.export(DAY, limit=2).headers


def test_an_empty_answer_is_empty(project: Any) -> None:
    assert project.export("2020-01-01").content == b""
    assert project.export(DAY, event='["Nothing of the kind"]').content == b""


def test_events_are_chosen_by_name(project: Any) -> None:
    names = ["Signed in", "Invited user"]
    events = project.events(DAY, event=json.dumps(names))
    assert {e["event"] for e in events} == set(names)
    assert events == [e for e in project.events(DAY) if e["event"] in names]


def test_limit_cuts(project: Any) -> None:
    assert project.events(DAY, NEXT, limit=7) == project.events(DAY)[:7]


def test_time_can_be_in_milliseconds(project: Any) -> None:
    seconds, millis = project.events(DAY), project.events(DAY, time_in_ms="true")
    assert [e["properties"]["time"] // 1000 for e in millis] == [e["properties"]["time"] for e in seconds]
    assert any(e["properties"]["time"] % 1000 for e in millis)


@pytest.mark.parametrize(
    "where", ['number(properties["mp_processing_time_ms"]) >= {0}', "properties['mp_processing_time_ms']>={0}"]
)
def test_where_selects_by_arrival(project: Any, where: str) -> None:
    since = (start_of(YESTERDAY) + 43_200) * 1000
    events = project.events("2026-11-17", YESTERDAY, where=where.format(since))
    expected = [e for e in project.events("2026-11-17", YESTERDAY) if e["properties"]["mp_processing_time_ms"] >= since]
    assert events == expected
    late = [e for e in events if e["properties"]["time"] < start_of(YESTERDAY)]
    assert late
    assert len(events) < len(project.events(YESTERDAY))


def test_where_selects_by_event_time(project: Any) -> None:
    noon = start_of(DAY) + 43_200
    for where in (
        f'properties["$time"]>=datetime({noon})',
        f'properties["$time"] >= datetime("{DAY}T12:00:00")',
        f'properties["time"] >= {noon}',
    ):
        assert project.events(DAY, where=where) == [e for e in project.events(DAY) if e["properties"]["time"] >= noon]


def test_where_selects_by_anything_else(project: Any) -> None:
    noon = start_of(DAY) + 43_200
    where = f'properties["$os"] == "iOS" and properties["$time"] < datetime({noon})'
    assert project.events(DAY, where=where) == [
        e for e in project.events(DAY) if e["properties"]["$os"] == "iOS" and e["properties"]["time"] < noon
    ]
    assert project.events(DAY, where='defined(properties["$user_id"])') == [
        e for e in project.events(DAY) if "$user_id" in e["properties"]
    ]


def test_about_one_event_in_a_hundred_comes_twice(project: Any) -> None:
    events = project.events(DAY, "2026-11-20")
    counts = Counter(key(e) for e in events)
    assert set(counts.values()) == {1, 2}
    assert 0.003 < sum(n - 1 for n in counts.values()) / len(events) < 0.03
    twice = next(k for k, n in counts.items() if n == 2)
    stamps = {e["properties"]["mp_processing_time_ms"] for e in events if key(e) == twice}
    assert len(stamps) == 2


def test_an_insert_id_may_be_used_by_somebody_else(project: Any) -> None:
    owners: dict[str, set[str]] = {}
    for event in project.events("2026-11-01", YESTERDAY):
        owners.setdefault(event["properties"]["$insert_id"], set()).add(event["properties"]["distinct_id"])
    assert any(len(ids) > 1 for ids in owners.values())


def test_late_events_show_when_they_arrive(project: Any) -> None:
    before = Counter(map(key, project.events(YESTERDAY)))
    cursor = project.now_ms()
    project.pass_time(days=6)
    after = project.events(YESTERDAY, where=f'number(properties["mp_processing_time_ms"]) > {cursor}')
    fresh = [e for e in after if key(e) not in before]
    assert fresh
    assert Counter(map(key, project.events(YESTERDAY)))[key(fresh[0])] == 1


def test_a_test_can_send_an_event_three_days_late(project: Any, world: Any) -> None:
    user = next(p.product_user_id for p in world.people if p.product_user_id)
    cursor = project.now_ms()
    project.pass_time(minutes=5)
    sent = project.act("late_event", user_id=user, time=f"{NEXT}T10:00:00Z", name="Opened offline")
    assert sent["mp_processing_time_ms"] == project.now_ms()
    (event,) = project.events(
        NEXT, where=f'number(properties["mp_processing_time_ms"]) > {cursor}', event='["Opened offline"]'
    )
    assert event["properties"]["distinct_id"] == user
    assert event["properties"]["time"] == start_of(NEXT) + 36_000
    assert event["properties"]["$insert_id"] == sent["$insert_id"]
    later = (project.sandbox.clock.now() + timedelta(hours=1)).isoformat()
    company = world.companies[3].product_id
    project.act("late_event", user_id=user, time=f"{DAY}T10:00:00", arrived=later, insert_id="ff", company_id=company)
    assert "00000000000000ff" not in project.export(DAY).text
    project.pass_time(hours=1)
    found = [e["properties"] for e in project.events(DAY) if e["properties"]["$insert_id"] == "00000000000000ff"]
    assert [p["company_id"] for p in found] == [company]


def anonymous(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        e["properties"]["$insert_id"]: e["properties"]
        for e in events
        if e["properties"]["distinct_id"].startswith("$device:")
    }


def test_merges_act_backwards(project: Any) -> None:
    before = anonymous(project.events(YESTERDAY))
    assert before
    assert all("$user_id" not in p and p["distinct_id"] == f"$device:{p['$device_id']}" for p in before.values())
    cursor = project.now_ms()
    project.pass_time(days=3)
    events = project.events(YESTERDAY)
    after = anonymous(events)
    assert set(after) < set(before)
    turned = {e["properties"]["$insert_id"]: e["properties"] for e in events if e["properties"]["$insert_id"] in before}
    for insert, p in turned.items():
        assert p["$device_id"] == before[insert]["$device_id"]
        assert (p["distinct_id"] == p.get("$user_id")) is (insert not in after)
    resent = project.events(YESTERDAY, where=f'number(properties["mp_processing_time_ms"]) > {cursor}')
    assert not {e["properties"]["$insert_id"] for e in resent} & (set(before) - set(after))


def test_a_test_can_merge_a_device(project: Any) -> None:
    insert, p = next(iter(anonymous(project.events(YESTERDAY)).items()))
    user = project.act("merge_device", device_id=p["distinct_id"])["user_id"]
    found = [e["properties"] for e in project.events(YESTERDAY) if e["properties"]["$insert_id"] == insert]
    assert {q["distinct_id"] for q in found} == {user}


def test_a_broken_export_ends_in_words_with_status_200(project: Any) -> None:
    whole = project.export(DAY).content
    project.act("terminate_export", after=5, times=2)
    for _ in range(2):
        response = project.export(DAY)
        assert response.status_code == 200
        assert response.content == b"\n".join(whole.split(b"\n")[:5]) + b"\nterminated early\n"
    assert project.export(DAY).content == whole


def test_values_hold_raw_line_separators(project: Any) -> None:
    response = project.export(DAY)
    text = response.content.decode()
    assert "\u2028" in text
    assert "\x85" in text
    assert len(text.splitlines()) > len(text.split("\n"))
    for line in text.split("\n")[:-1]:
        json.loads(line)


def test_agency_work_may_carry_a_list_as_group_key(project: Any, world: Any) -> None:
    events = project.events("2026-11-01", YESTERDAY)
    lists = [e["properties"] for e in events if isinstance(e["properties"]["company_id"], list)]
    assert lists
    people = {p.product_user_id: p for p in world.people if p.product_user_id}
    for p in lists:
        home = world.companies[people[p["$user_id"]].company_id - 1].product_id
        assert p["company_id"][1] == home != p["company_id"][0]


def test_ids_in_events_are_text_even_when_numeric(project: Any) -> None:
    ids = {e["properties"]["distinct_id"] for e in project.events("2026-11-16", YESTERDAY)}
    assert all(isinstance(i, str) for i in ids)
    assert any(i.isdigit() for i in ids)


def test_legacy_projects_use_their_zone_for_days_and_stamps(make: Callable[..., Any]) -> None:
    zone = ZoneInfo("US/Pacific")
    project = make(timezone="US/Pacific", legacy_time=True)
    events = {key(e): e for e in project.events(DAY)}
    locals_ = [(e.name, e.time.astimezone(zone)) for day in (DAY, NEXT) for e in project.true_events(day)]
    expected = Counter(
        (name, int(local.replace(tzinfo=UTC).timestamp())) for name, local in locals_ if local.date().isoformat() == DAY
    )
    assert Counter((e["event"], e["properties"]["time"]) for e in events.values()) == expected
    utc_with_zone = make(timezone="US/Pacific").export(DAY)
    assert utc_with_zone.content == make().export(DAY).content


def test_advancing_the_clock_reveals_today(project: Any) -> None:
    assert project.events("2026-11-22") == []
    project.pass_time(hours=14)
    first = project.events("2026-11-22")
    assert first
    project.pass_time(hours=3)
    assert len(project.events("2026-11-22")) > len(first)
    assert max(e["properties"]["mp_processing_time_ms"] for e in first) <= project.now_ms()


def test_a_stream_shows_what_was_true_when_it_was_asked_for(project: Any) -> None:
    whole = project.export(DAY).content
    response = project.session.get(
        project.base + "2.0/export", params={"project_id": 4242, "from_date": DAY, "to_date": DAY}, stream=True
    )
    project.pass_time(days=5)
    assert response.content == whole
