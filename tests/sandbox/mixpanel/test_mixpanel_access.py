from collections.abc import Callable
from typing import Any

import pytest

from sandbox.core import MIXPANEL_USER

DAY = "2026-11-18"


@pytest.mark.parametrize("auth", [None, ("someone", "mp-sandbox-secret"), ("mp-sandbox-secret", "")])
@pytest.mark.parametrize("path", ["2.0/export?from_date=2026-11-18&to_date=2026-11-18", "query/engage"])
def test_only_the_service_account_comes_in(project: Any, auth: Any, path: str) -> None:
    project.session.auth = auth
    refused = project.get(path)
    assert refused.status_code == 401
    assert refused.json()["error"] == "Unable to authenticate request"
    assert refused.json()["request"].startswith(f"/api/{path.partition('?')[0]}")


def test_the_project_must_be_named_and_ours(project: Any) -> None:
    assert project.export(DAY, project_id="").status_code == 403
    assert project.export(DAY, project_id=1).status_code == 403
    response = project.session.get(f"{project.base}2.0/export?from_date={DAY}&to_date={DAY}")
    assert (response.status_code, "project_id" in response.json()["error"]) == (400, True)


def test_unknown_paths_are_not_found(project: Any) -> None:
    for path in ("2.0/nonsense", "query/export", "3.0/engage"):
        assert project.get(path).status_code == 404


def test_exports_are_limited_by_the_second_and_by_the_hour(make: Callable[..., Any]) -> None:
    project = make(export_per_second=3, export_per_hour=60)
    assert [project.export(DAY, limit=1).status_code for _ in range(4)] == [200, 200, 200, 429]
    for _ in range(57):
        project.pass_time(seconds=1)
        assert project.export(DAY, limit=1).status_code == 200
    project.pass_time(seconds=1)
    refused = project.export(DAY)
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers
    assert set(refused.json()) == {"request", "error"}
    assert refused.json()["request"].startswith("/api/2.0/export?")
    assert refused.json()["error"].startswith(
        "Query rate limit exceeded for project_id: 4242. 1/5 queries running concurrently and 61/60 queries running "
        "in the last hour."
    )
    project.pass_time(hours=1)
    assert project.export(DAY).status_code == 200


def test_every_page_of_engage_counts(make: Callable[..., Any]) -> None:
    project = make(query_per_hour=60)
    session = project.engage().json()["session_id"]
    statuses = [project.engage(session_id=session, page=1).status_code for _ in range(58)]
    assert set(statuses) == {200}
    assert project.get("2.0/cohorts/list").status_code == 200
    refused = project.engage(session_id=session, page=1)
    assert refused.status_code == 429
    assert "61/60" in refused.json()["error"]
    assert project.export(DAY).status_code == 200
    project.pass_time(minutes=60)
    assert project.engage().status_code == 200


def test_a_plan_may_lack_the_query_api(make: Callable[..., Any]) -> None:
    project = make(query_api=False)
    for path in ("query/engage", "2.0/engage", "query/cohorts/list"):
        refused = project.engage(path=path)
        assert refused.status_code == 402
        assert "plan does not allow" in refused.json()["error"]
    assert project.export(DAY).status_code == 200
    project.act("query_api", enabled=True)
    assert project.engage().status_code == 200


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"from_date": DAY, "to_date": "2026-11-23"}, "to_date cannot be later than today"),
        ({"from_date": DAY, "to_date": "2026-11-17"}, "from_date"),
        ({"from_date": DAY}, "to_date"),
        ({"from_date": "18.11.2026", "to_date": DAY}, "from_date"),
        ({"from_date": "2026-02-30", "to_date": DAY}, "from_date"),
        ({"from_date": DAY, "to_date": DAY, "limit": 100_001}, "limit"),
        ({"from_date": DAY, "to_date": DAY, "limit": "some"}, "limit"),
        ({"from_date": DAY, "to_date": DAY, "event": "Signed in"}, "event"),
        ({"from_date": DAY, "to_date": DAY, "event": '"Signed in"'}, "event"),
        ({"from_date": DAY, "to_date": DAY, "where": 'properties["x"'}, "expression"),
    ],
)
def test_bad_parameters_are_400(project: Any, params: dict[str, Any], words: str) -> None:
    refused = project.get("2.0/export", **params)
    assert refused.status_code == 400
    assert words in refused.json()["error"]


def test_today_is_the_project_s(make: Callable[..., Any]) -> None:
    assert make().export("2026-11-22").status_code == 200
    western = make(timezone="US/Pacific", legacy_time=True)
    assert western.export("2026-11-21").status_code == 200
    assert western.export("2026-11-22").status_code == 400
    western.pass_time(hours=8)
    assert western.export("2026-11-22").status_code == 200


def test_queries_are_no_writes(project: Any) -> None:
    project.engage()
    project.export(DAY)
    assert {entry.write for entry in project.sandbox.journal.entries()} == {False}


def test_unknown_options_and_actions_are_refused(make: Callable[..., Any], project: Any) -> None:
    with pytest.raises(TypeError):
        make(nonsense=1)
    with pytest.raises(ValueError, match="late_event"):
        project.act("nonsense")
    with pytest.raises(ValueError, match="no user"):
        project.act("edit_profile", user_id="nobody", properties={})
    with pytest.raises(ValueError, match="no device"):
        project.act("merge_device", device_id="x")


def test_truth_names_customers_only(project: Any, world: Any) -> None:
    truth = project.sandbox.truth()["mixpanel"]
    assert truth["account"] == {c.product_id: c.id for c in world.companies}
    for user, number in truth["contact"].items():
        assert world.people[number - 1].product_user_id == user
    assert not any(user.startswith(("staff_", "test_")) for user in truth["contact"])
    assert MIXPANEL_USER not in truth["contact"]


def test_the_app_api_tells_who_one_is_and_is_not_counted(make: Callable[..., Any]) -> None:
    project = make(query_per_hour=0, export_per_hour=0)
    project.sandbox.mutate("mixpanel", "member", others=[777])
    me = project.get("app/me").json()
    assert (me["status"], sorted(me["results"]["projects"])) == ("ok", ["4242", "777"])
    assert {one["organization_id"] for one in me["results"]["projects"].values()} == {
        int(key) for key in me["results"]["organizations"]
    }
    assert project.get("app/projects/1/service-accounts").status_code == 403
    assert project.get("app/nonsense").status_code == 404
    with pytest.raises(ValueError, match="a role is one of"):
        project.sandbox.mutate("mixpanel", "member", role="king")
    project.session.auth = ("someone", "else")
    assert project.get("app/me").status_code == 401
