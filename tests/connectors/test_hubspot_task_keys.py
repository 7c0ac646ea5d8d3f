"""Keys of tasks in HubSpot: where the portal keeps them unique, and where it does not."""

from typing import Any

import pytest

from connectors.base import Change, FieldSpec, Outcome, Quota, Value
from connectors.errors import CredentialsError, QuotaError
from connectors.hubspot_tasks import KEY, KEY_FIELD, shown_body, task_body
from tests.connectors.hubspot_portals import SPECS, posts, prepare, results, task

CREATED = "tasks/batch/create"
CONFLICT = {"category": "CONFLICT", "message": "already there"}


def opened(open_portal: Any, world: Any, **options: Any) -> Any:
    return prepare(open_portal(world, **options))


@pytest.fixture
def unique(open_portal: Any, small_world: Any) -> Any:
    return opened(open_portal, small_world, task_unique_properties="allowed")


def tasks(portal: Any, count: int = 4) -> list[Change]:
    return [task(account, f"key-{account}") for account in portal.ids("companies")[:count]]


def test_a_portal_that_only_pretends_is_not_believed(open_portal: Any, small_world: Any) -> None:
    portal = opened(open_portal, small_world, task_unique_properties="ignored")
    portal.crm.send(tasks(portal))
    assert portal.crm.task_strategy == "marker"


def test_a_plain_key_still_finds_a_task_whose_text_was_edited(portal: Any) -> None:
    portal.crm = portal.connect(own_fields=SPECS)
    portal.crm.setup(SPECS, dry_run=False)
    (change,) = tasks(portal, 1)
    (made,) = portal.crm.send([change])
    portal.do("edit_task", id=made.remote_id, properties={"hs_task_body": "Mine now."})
    assert portal.crm.find_tasks([str(change.values["account_id"])]) == {change.key: made.remote_id}
    state = portal.crm.read_tasks([str(made.remote_id)])[str(made.remote_id)]
    assert (state.key, state.body, state.touched) == (change.key, "Mine now.", True)


def test_a_batch_refused_for_keys_that_are_taken_costs_two_calls_not_a_search_for_them(unique: Any) -> None:
    changes = tasks(unique, 8)
    before = [outcome.remote_id for outcome in unique.crm.send(changes[:3])]
    unique.forget()
    unique.fault("status", CREATED, method="POST", status=409, body=CONFLICT)
    outcomes = unique.crm.send(changes)
    assert results(outcomes) == ["confirmed"] * 8
    assert [outcome.remote_id for outcome in outcomes[:3]] == before
    assert posts(unique, CREATED) == 2
    assert len(unique.crm.find_tasks(unique.ids("companies"))) == 8


def test_a_refusal_that_no_key_explains_is_halved_as_ever(unique: Any) -> None:
    unique.fault("status", CREATED, method="POST", status=409, body=CONFLICT, nth=range(1, 4))
    outcomes = unique.crm.send(tasks(unique, 4))
    assert sorted(results(outcomes)) == ["confirmed"] * 3 + ["rejected"]


def test_looking_for_keys_may_fail(unique: Any) -> None:
    changes = tasks(unique, 1)
    unique.crm.send(changes)
    unique.fault("status", "tasks/batch/read", method="POST", status=400, body=CONFLICT, times=9)
    assert results(unique.crm.send(changes)) == ["rejected"], "and nothing is made"
    unique.box.faults.clear()
    assert results(unique.crm.send(changes)) == ["confirmed"]


def test_definitions_that_cannot_be_had_leave_all_as_it_was(unique: Any) -> None:
    changes = tasks(unique, 2)
    unique.crm.send(changes[:1])
    unique.pass_time(hours=2)
    unique.fault("status", "properties/2026-09/tasks", status=403, body={"category": "MISSING_SCOPES"}, times=99)
    assert results(unique.crm.send(changes)) == ["confirmed"] * 2
    assert unique.crm.task_strategy == "unique_key"
    assert len(unique.crm.find_tasks(unique.ids("companies"))) == 2


def test_a_removal_that_cannot_look_first_waits(unique: Any) -> None:
    (made,) = unique.crm.send(tasks(unique, 1))
    change = Change("task", made.remote_id, {}, "rm")
    unique.fault("status", "tasks/batch/read", method="POST", status=400, body={"message": "no"})
    assert results(unique.crm.send([change])) == ["retry"]
    for status, kind in ((401, CredentialsError), (429, QuotaError)):
        body = {"policyName": "DAILY", "message": "no"}
        unique.fault("status", "tasks/batch/read", method="POST", status=status, body=body)
        with pytest.raises(kind):
            unique.crm.send([change])
    assert results(unique.crm.send([change])) == ["confirmed"]


def test_setup_goes_on_without_the_key_where_it_may_not_make_it(open_portal: Any, small_world: Any) -> None:
    portal = open_portal(small_world)
    portal.fault(
        "status", "tasks/batch/create", method="POST", status=403, body={"category": "MISSING_SCOPES"}, times=9
    )
    found = {diff.spec.name: diff.action for diff in portal.crm.setup(SPECS, dry_run=False)}
    assert found.pop(KEY) == "conflict"
    assert set(found.values()) == {"create"}


def test_setup_says_why_the_key_is_refused_when_it_need_not_even_be_unique(open_portal: Any, small_world: Any) -> None:
    portal = open_portal(small_world, task_unique_properties="allowed")
    body = {"category": "VALIDATION_ERROR", "message": "No more properties."}
    portal.fault("status", "tasks/batch/create", method="POST", status=400, body=body, times=2)
    (found,) = portal.crm.setup([], dry_run=False)
    assert (found.spec, found.action) == (KEY_FIELD, "conflict")
    assert "No more properties." in found.detail
    assert posts(portal, "tasks/batch/create") == 2


def test_setup_by_two_at_once_makes_one_key(open_portal: Any, small_world: Any) -> None:
    portal = open_portal(small_world)
    exists = {"category": "OBJECT_ALREADY_EXISTS", "message": "exists"}
    portal.crm.setup([], dry_run=False)
    portal.do("delete_property", object="tasks", name=KEY)
    found = portal.crm.setup([], dry_run=False)
    assert [(diff.spec, diff.action) for diff in found] == [(KEY_FIELD, "conflict")], "an archived name"
    portal.do("restore_property", object="tasks", name=KEY)
    other = open_portal(small_world, task_unique_properties="allowed")
    other.fault("status", "tasks/batch/create", method="POST", status=409, body=exists, effect=True)
    assert [diff.action for diff in other.crm.setup([], dry_run=False)] == ["create"]


def test_bursts_are_told_beside_the_day(portal: Any) -> None:
    assert portal.crm.quotas() == (portal.crm.quota(),) or len(portal.crm.quotas()) == 2
    portal.crm.environment()
    burst, day = portal.crm.quotas()
    assert (burst.limit, burst.period, day.period) == (190, "10 s", "day")
    assert day == portal.crm.quota()
    assert isinstance(burst, Quota)


def test_bodies_that_people_see_are_the_text_that_was_meant() -> None:
    for text in ("plain", "two\nlines", "<b>&amp;</b>", "[holdfast:not-ours]", "", "a\n\nb"):
        assert shown_body(task_body(text, "k")) == text
    assert shown_body("<div>by <i>hand</i><br/>again</div>") == "by hand\nagain"


def test_a_task_made_without_an_owner_that_gets_one_was_touched(portal: Any) -> None:
    (made,) = portal.crm.send(tasks(portal, 1))
    portal.pass_time(hours=1)
    owner = next(key for key, gone in portal.vendor.portal.inactive.items() if not gone)
    portal.do("reassign_task", id=made.remote_id, owner=str(owner))
    assert portal.crm.read_tasks([str(made.remote_id)])[str(made.remote_id)].touched


def test_a_portal_without_history_or_dates_is_read_with_care(portal: Any) -> None:
    row = {"id": "7", "properties": {"hs_timestamp": "soon"}, "createdAt": "1", "updatedAt": "2"}
    portal.fault("status", "tasks/batch/read", method="POST", status=200, body={"results": [row]})
    portal.fault("status", "tasks/companies/batch/read", method="POST", status=200, body={"results": []})
    state = portal.crm.read_tasks(["7"])["7"]
    assert (state.due, state.account_id, state.owner_id, state.touched) == (None, None, None, True)


def test_a_change_that_is_no_removal_is_not_taken_for_one(portal: Any) -> None:
    outcome: Outcome
    values: dict[str, Value] = {}
    (outcome,) = portal.crm.send([Change("task", None, values, "k")])
    assert outcome.result == "rejected"
    spec = FieldSpec("account", "x", "x", "text")
    assert portal.crm.setup([spec], dry_run=True)[0].action == "create"
