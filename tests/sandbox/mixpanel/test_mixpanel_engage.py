import itertools
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sandbox.core import MIXPANEL_USER, Sandbox
from sandbox.mixpanel_profiles import DATA_GROUP_ID
from sandbox.world import make_world


def test_profiles_come_in_pages_of_a_thousand(project: Any, world: Any) -> None:
    first = project.engage().json()
    assert (first["page"], first["page_size"], first["status"], len(first["results"])) == (0, 1000, "ok", 1000)
    rows = project.profiles()
    ids = [str(row["$distinct_id"]) for row in rows]
    known = {p.product_user_id for p in world.people if p.product_user_id and p.created_at <= world.now}
    assert len(ids) == len(set(ids)) == first["total"]
    assert set(ids) == known | {MIXPANEL_USER}


def test_both_paths_and_both_verbs_answer(project: Any) -> None:
    expected = project.engage().json()["results"]
    assert project.engage(path="2.0/engage").json()["results"] == expected
    assert project.get("2.0/engage").json()["results"] == expected
    assert project.get("query/engage").json()["results"] == expected


def test_later_pages_need_the_session(project: Any) -> None:
    refused = project.engage(page=1)
    assert (refused.status_code, "session_id" in refused.json()["error"]) == (400, True)
    unknown = project.engage(page=1, session_id="1-X")
    assert unknown.json()["error"] == "request for page in uncached query for params"
    assert project.engage(page="one").status_code == 400
    session = project.engage().json()["session_id"]
    assert project.engage(page=1, session_id=session).json()["session_id"] == session
    assert project.engage(page=99, session_id=session).json()["results"] == []


def test_a_session_is_forgotten_in_the_end(project: Any) -> None:
    session = project.engage().json()["session_id"]
    for _ in range(16):
        project.engage(distinct_id="x")
    assert project.engage(page=1, session_id=session).status_code == 400


def test_a_session_keeps_its_people(project: Any) -> None:
    first = project.engage().json()
    project.pass_time(days=30)
    later = project.engage(page=1, session_id=first["session_id"]).json()
    assert later["total"] == first["total"] < project.engage().json()["total"]


def test_numeric_ids_are_numbers(project: Any) -> None:
    kinds = {type(row["$distinct_id"]) for row in project.profiles()}
    assert kinds == {int, str}


def test_profiles_tell_who_somebody_is(project: Any, world: Any) -> None:
    people = {p.product_user_id: p for p in world.people if p.product_user_id}
    rows = {str(row["$distinct_id"]): row["$properties"] for row in project.profiles()}
    for user, properties in rows.items():
        if user == MIXPANEL_USER:
            continue
        person = people[user]
        assert properties["$email"] == (person.email or person.zendesk_email)
        assert properties["company_id"] == world.companies[person.company_id - 1].product_id
    assert any(user.startswith("staff_") for user in rows)
    assert any(user.startswith("test_") for user in rows)


def test_last_seen_is_the_last_event(project: Any, world: Any) -> None:
    last: dict[int, datetime] = {}
    for n in range(30, -1, -1):
        day = (world.now - timedelta(days=n)).date()
        for event in project.true_events(day.isoformat()):
            last[event.person_id] = event.time
    people = {p.product_user_id: p.id for p in world.people if p.product_user_id}
    rows = {str(row["$distinct_id"]): row["$properties"] for row in project.profiles()}
    for user, number in people.items():
        if number in last and user in rows:
            assert rows[user]["$last_seen"] == last[number].strftime("%Y-%m-%dT%H:%M:%S")
    assert any("$last_seen" not in properties for properties in rows.values())


def test_last_seen_moves_on_with_the_clock(project: Any) -> None:
    before = {str(r["$distinct_id"]): r["$properties"].get("$last_seen") for r in project.profiles()}
    project.pass_time(days=2, hours=12)
    after = {str(r["$distinct_id"]): r["$properties"].get("$last_seen") for r in project.profiles()}
    moved = [user for user, seen in after.items() if seen != before.get(user)]
    assert len(moved) > 100
    assert all(after[user] > (before.get(user) or "") for user in moved)


def test_an_event_put_in_counts_as_seen(project: Any) -> None:
    user = next(str(r["$distinct_id"]) for r in project.profiles() if "$last_seen" not in r["$properties"])
    project.act("late_event", user_id=user, time="2026-11-20T08:00:00Z", arrived="2026-11-23T00:00:00Z")
    assert "$last_seen" not in project.profiles(distinct_id=user)[0]["$properties"]
    project.act("late_event", user_id=user, time="2026-11-20T09:00:00Z")
    assert project.profiles(distinct_id=user)[0]["$properties"]["$last_seen"] == "2026-11-20T09:00:00"


def test_stamps_are_local_and_do_not_say_so(make: Callable[..., Any], project: Any) -> None:
    here = {str(r["$distinct_id"]): r["$properties"].get("$last_seen") for r in project.engage().json()["results"]}
    west = make(timezone="US/Pacific")
    there = {str(r["$distinct_id"]): r["$properties"].get("$last_seen") for r in west.engage().json()["results"]}
    user = next(user for user, seen in here.items() if seen)
    gap = datetime.fromisoformat(here[user] or "") - datetime.fromisoformat(there[user] or "")
    assert gap in (timedelta(hours=7), timedelta(hours=8))


def test_output_properties_and_filters(project: Any) -> None:
    rows = project.engage(output_properties='["$email"]').json()["results"]
    assert {frozenset(row["$properties"]) for row in rows} <= {frozenset({"$email"}), frozenset()}
    wanted = [str(rows[1]["$distinct_id"]), str(rows[5]["$distinct_id"])]
    found = project.profiles(distinct_ids=json.dumps(wanted))
    assert [str(row["$distinct_id"]) for row in found] == wanted
    assert len(project.profiles(distinct_id=wanted[0])) == 1
    recent = project.profiles(where='properties["$last_seen"] >= "2026-11-21T00:00:00"')
    assert recent
    assert all(row["$properties"]["$last_seen"] >= "2026-11-21" for row in recent)
    plans = project.profiles(where='properties["plan"] in ["team", "business"]')
    assert {row["$properties"]["plan"] for row in plans} == {"team", "business"}


@pytest.mark.parametrize(
    "data",
    [
        {"where": "nonsense("},
        {"output_properties": "$email"},
        {"output_properties": '"$email"'},
        {"filter_by_cohort": "1000"},
        {"filter_by_cohort": '{"id": 7}'},
    ],
)
def test_bad_parameters_are_400(project: Any, data: dict[str, str]) -> None:
    refused = project.engage(**data)
    assert refused.status_code == 400
    assert set(refused.json()) == {"request", "error"}


def test_group_profiles_have_their_own_id(project: Any, world: Any) -> None:
    rows = project.profiles(data_group_id=DATA_GROUP_ID)
    customers = {c.product_id: c.name for c in world.companies if c.customer_since <= world.now.date()}
    assert {str(row["$distinct_id"]): row["$properties"]["company name"] for row in rows} == customers
    assert project.profiles(data_group_id="-1") == []
    assert -(2**63) <= int(DATA_GROUP_ID) < 2**63


def test_cohorts_and_their_members(project: Any) -> None:
    for path in ("2.0/cohorts/list", "query/cohorts/list"):
        cohorts = project.engage(path=path).json()
        assert {(c["id"], c["is_visible"]) for c in cohorts} == {(1000, 1), (2000, 0)}
    everybody = project.profiles(filter_by_cohort='{"id": 1000}')
    known = project.profiles(filter_by_cohort='{"id": 1000}', include_all_users="false")
    ghosts = [row for row in everybody if row not in known]
    assert ghosts
    assert all(row["$properties"] == {} for row in ghosts)
    assert 0 < len(known) < len(project.profiles())


def test_profiles_can_be_edited(project: Any) -> None:
    user = str(project.engage().json()["results"][0]["$distinct_id"])
    project.act("edit_profile", user_id=user, properties={"$email": None, "role": "owner"})
    (row,) = project.profiles(distinct_id=user)
    assert (row["$properties"]["$email"], row["$properties"]["role"]) == (None, "owner")


def test_a_long_past_is_looked_at_with_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(accounts=30, now=datetime(2026, 11, 22, tzinfo=UTC), months=9)
    asked: list[date] = []
    whole = world.event_arrays

    def watched(day: date) -> Any:
        asked.append(day)
        return whole(day)

    monkeypatch.setattr(world, "event_arrays", watched)
    sandbox = Sandbox(world, vendors=("mixpanel",))
    sandbox.mixpanel.profiles.engage({}, world.now)
    assert asked == sorted(asked)
    assert asked[-60:] == [date(2026, 11, 22) - timedelta(days=n) for n in range(59, -1, -1)]
    assert {b - a for a, b in itertools.pairwise(asked)} <= {timedelta(days=6), timedelta(days=1)}
    assert len(asked) < 110
