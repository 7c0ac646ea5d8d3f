"""Requests that the vendor acts on after the client gave up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.core import HUBSPOT_TOKEN, SALESFORCE_KEY, SALESFORCE_SECRET, Sandbox
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.salesforce_ids import account_id

ROOT = "http://127.0.0.1:8642"
TASKS = f"{ROOT}/hubspot/crm/v3/objects/tasks"
TASK = {"properties": {"hs_timestamp": "2026-11-23T00:00:00Z", "hs_task_subject": "Call"}}


def advance(sandbox: Sandbox, seconds: float) -> None:
    sandbox.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def hubspot(small_world: World) -> tuple[Sandbox, requests.Session]:
    sandbox = Sandbox(small_world, vendors=("hubspot",))
    session = requests.Session()
    session.mount("http://", SandboxAdapter(sandbox))
    session.headers["Authorization"] = f"Bearer {HUBSPOT_TOKEN}"
    return sandbox, session


def test_a_late_request_takes_effect_at_its_own_instant(hubspot: tuple[Sandbox, requests.Session]) -> None:
    sandbox, session = hubspot
    sandbox.faults.add(Fault("late", vendor="hubspot", method="POST", path="tasks", effect_after_seconds=90))
    with pytest.raises(requests.ReadTimeout):
        session.post(TASKS, json=TASK, timeout=30)
    # The client waited for 30 s of the sandbox's time; nothing is there yet.
    assert session.get(TASKS).json()["results"] == []
    advance(sandbox, 59)
    assert session.get(TASKS).json()["results"] == []
    assert len(sandbox.under_way) == 1
    advance(sandbox, 600)
    (task,) = session.get(TASKS, params={"properties": "hs_task_subject"}).json()["results"]
    assert task["createdAt"] == "2026-11-22T00:01:30.000Z"
    assert task["properties"]["hs_task_subject"] == "Call"
    entry = next(one for one in sandbox.journal if one.fault == "late")
    assert (entry.status, entry.late_status) == (None, 201)
    assert entry.late_at == datetime(2026, 11, 22, 0, 1, 30, tzinfo=UTC)
    assert entry.as_json()["late_at"] == "2026-11-22T00:01:30+00:00"


def test_late_requests_arrive_in_order_of_time_and_never_twice(hubspot: tuple[Sandbox, requests.Session]) -> None:
    sandbox, session = hubspot
    made = session.post(TASKS, json=TASK).json()["id"]
    sandbox.faults.add(
        Fault("late", method="PATCH", effect_after_seconds=500, nth=1),
        Fault("late", method="PATCH", effect_after_seconds=100, nth=2, status=504),
    )
    with pytest.raises(requests.ReadTimeout):
        session.patch(f"{TASKS}/{made}", json={"properties": {"hs_task_subject": "first sent"}}, timeout=10)
    answer = session.patch(f"{TASKS}/{made}", json={"properties": {"hs_task_subject": "second sent"}})
    assert answer.status_code == 504
    advance(sandbox, 3600)
    assert sandbox.settle() == 2
    assert sandbox.settle() == 0
    shown = session.get(f"{TASKS}/{made}", params={"propertiesWithHistory": "hs_task_subject"}).json()
    assert [row["value"] for row in shown["propertiesWithHistory"]["hs_task_subject"]] == [
        "first sent",
        "second sent",
        "Call",
    ]


def test_what_a_late_request_meets_is_what_is_there_by_then(hubspot: tuple[Sandbox, requests.Session]) -> None:
    sandbox, session = hubspot
    made = session.post(TASKS, json=TASK).json()["id"]
    sandbox.faults.add(Fault("late", method="PATCH", effect_after_seconds=100))
    with pytest.raises(requests.ReadTimeout):
        session.patch(f"{TASKS}/{made}", json={"properties": {"hs_task_subject": "x"}}, timeout=10)
    sandbox.mutate("hubspot", "archive", object="tasks", id=made)
    advance(sandbox, 100)
    sandbox.truth()
    assert [one.late_status for one in sandbox.journal if one.fault == "late"] == [404]


def salesforce(world: World) -> tuple[Sandbox, requests.Session, str]:
    sandbox = Sandbox(world, vendors=("salesforce",))
    session = requests.Session()
    session.mount("http://", SandboxAdapter(sandbox))
    base = sandbox.base_urls()["salesforce"]
    form = {"grant_type": "client_credentials", "client_id": SALESFORCE_KEY, "client_secret": SALESFORCE_SECRET}
    token = session.post(f"{base}/services/oauth2/token", data=form).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    return sandbox, session, f"{base}/services/data/v64.0"


def test_salesforce_creates_and_updates_late(small_world: World) -> None:
    sandbox, session, base = salesforce(small_world)
    account = account_id(next(c for c in small_world.companies if c.created_at <= small_world.now).id)
    sandbox.faults.add(Fault("late", vendor="salesforce", path="composite/sobjects", times=2, effect_after_seconds=300))
    task = {"attributes": {"type": "Task"}, "Subject": "Call", "WhatId": account}
    change = {"attributes": {"type": "Account"}, "id": account, "Description": "late"}
    for method, record in (("POST", task), ("PATCH", change)):
        with pytest.raises(requests.ReadTimeout):
            session.request(method, f"{base}/composite/sobjects", json={"records": [record]}, timeout=60)

    def seen() -> tuple[int, Any]:
        count = session.get(f"{base}/query", params={"q": "SELECT COUNT() FROM Task"}).json()["totalSize"]
        return count, session.get(f"{base}/sobjects/Account/{account}").json()["Description"]

    assert seen()[0] == 0
    assert seen()[1] != "late"
    advance(sandbox, 200)
    assert seen()[0] == 1
    assert seen()[1] != "late"
    advance(sandbox, 60)
    assert seen() == (1, "late")


def test_late_rules_are_made_over_http_too(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    rule = {"kind": "late", "effect_after_seconds": 5, "status": 502, "times": 1}
    assert echo_session.post(f"{ROOT}/_sandbox/faults", json=rule).status_code == 200
    assert echo_session.post(f"{ROOT}/echo/things", data=b"body").status_code == 502
    assert echo_sandbox.echo.done == []
    advance(echo_sandbox, 5)
    echo_session.get(f"{ROOT}/echo/other")
    assert echo_sandbox.echo.done == ["POST /things", "GET /other"]
