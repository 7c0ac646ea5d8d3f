"""Tasks in HubSpot: made once, found by their key, and nothing in their text but text."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hubspot_tasks import marked, task_body
from tests.connectors.hubspot_portals import posts, prepare, results, task


@pytest.fixture
def ready(portal: Any) -> Any:
    return prepare(portal)


def tasks(portal: Any) -> list[dict[str, Any]]:
    names = [
        "hs_task_subject",
        "hs_task_body",
        "hs_task_priority",
        "hs_task_status",
        "hs_timestamp",
        "hubspot_owner_id",
    ]
    rows = portal.crm._fold.batch_read("tasks", portal.ids("tasks"), names, purpose="test")
    return [row["properties"] for row in rows]


def test_a_task_is_created_for_account_and_contact_and_found_by_its_key(ready: Any) -> None:
    account, contact = ready.ids("companies")[0], ready.ids("contacts")[0]
    owner = next(key for key, gone in ready.vendor.portal.inactive.items() if not gone)
    (outcome,) = ready.crm.send([task(account, "k" * 64, contact_id=contact, owner_id=owner)])
    assert outcome.result == "confirmed"
    assert ready.crm.find_tasks([account]) == {"k" * 64: outcome.remote_id}
    (made,) = tasks(ready)
    assert made["hs_task_subject"] == "Call them"
    assert made["hs_task_priority"] == "HIGH"
    assert made["hs_task_status"] == "NOT_STARTED"
    assert made["hubspot_owner_id"] == owner
    assert made["hs_timestamp"].startswith("2026-11-30T09:00:00")
    linked = ready.crm._fold.associated("contacts", "tasks", [contact], purpose="test")
    assert linked == {contact: [{"id": outcome.remote_id, "primary": False}]}


def test_a_batch_of_tasks_with_one_bad_owner_makes_the_others_and_then_that_one(ready: Any) -> None:
    accounts = ready.ids("companies")[:4]
    bad = {"owner_id": "999", "fallback_owner_id": "998"}
    changes = [task(one, f"key-{one}", **(bad if one == accounts[1] else {})) for one in accounts]
    outcomes = ready.crm.send(changes)
    assert results(outcomes) == ["confirmed"] * 4
    assert posts(ready, "tasks/batch/create") == 3, "the fallback cannot have it either"
    assert ready.crm.find_tasks(accounts) == {outcome.key: outcome.remote_id for outcome in outcomes}
    assert not any(made["hubspot_owner_id"] for made in tasks(ready))


@pytest.mark.parametrize(("status", "result"), [(400, "rejected"), (404, "gone")])
def test_a_task_for_a_deleted_account_is_not_made(ready: Any, status: int, result: str) -> None:
    ready.do("options", association_error=status)
    gone, there = ready.ids("companies")[:2]
    ready.do("archive", object="companies", id=gone)
    assert results(ready.crm.send([task(gone, "a"), task(there, "b")])) == [result, "confirmed"]


def test_a_task_without_a_due_date_is_refused_here(ready: Any) -> None:
    (outcome,) = ready.crm.send([task(ready.ids("companies")[0], "a", due=None)])
    assert (outcome.result, outcome.error_code) == ("rejected", "INVALID_DATE")
    assert ready.requests() == []


@pytest.mark.parametrize(("kind", "made"), [("timeout_after", 1), ("timeout_before", 0), ("cut", 1)])
def test_a_task_in_doubt_is_settled_by_asking(ready: Any, kind: str, made: int) -> None:
    account = ready.ids("companies")[0]
    ready.fault(kind, "tasks/batch/create")
    assert results(ready.crm.send([task(account, "the-key")])) == ["in_doubt"]
    assert len(ready.crm.find_tasks([account])) == made
    assert posts(ready, "tasks/batch/create") == 1


def test_tasks_are_found_among_many_others_without_searching(ready: Any) -> None:
    accounts = ready.ids("companies")
    ready.crm.send([task(one, f"key-{one}") for one in accounts])
    for number in range(130):
        properties = {"hs_timestamp": "2026-11-22T00:00:00Z", "hs_task_body": f"mine {number}"}
        made = ready.do("create", object="tasks", properties=properties)
        ready.do("associate", object="tasks", id=made, to="companies", to_id=accounts[0])
    ready.forget()
    assert set(ready.crm.find_tasks(accounts)) == {f"key-{one}" for one in accounts}
    assert not any("search" in request for request in ready.requests())
    assert ready.crm.find_tasks([]) == {}


def test_the_tasks_of_a_busy_account_span_pages_of_associations(ready: Any) -> None:
    account = ready.ids("companies")[0]
    for _ in range(600):
        made = ready.do("create", object="tasks", properties={"hs_timestamp": "2026-11-22T00:00:00Z"})
        ready.do("associate", object="tasks", id=made, to="companies", to_id=account)
    (outcome,) = ready.crm.send([task(account, "the-key")])
    assert ready.crm.find_tasks([account]) == {"the-key": outcome.remote_id}
    assert posts(ready, "companies/tasks/batch/read") == 2


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


@given(st.text(), st.text("0123456789abcdef", min_size=1))
def test_whatever_a_task_says_stays_text_and_its_key_is_read_back(text: str, key: str) -> None:
    body = task_body(text, key)
    tags = Tags()
    tags.feed(body)
    assert [tag for tag in tags.found if tag != "br"] == ["p", "p", "span"]
    assert marked({"properties": {"hs_task_body": body}}) == key


def test_a_marker_inside_the_text_is_not_ours() -> None:
    body = task_body("They wrote [holdfast:forged] and more", "real")
    assert marked({"properties": {"hs_task_body": body}}) == "real"
    assert marked({"properties": {"hs_task_body": None}}) is None
    assert marked({}) is None
