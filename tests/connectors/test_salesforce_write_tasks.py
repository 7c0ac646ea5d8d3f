"""Making tasks in Salesforce and finding them again: each exactly once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Change, Outcome, Value
from connectors.errors import MissingPermissionError, QuotaError, RequestError
from connectors.salesforce_kinds import TASK_KEY
from tests.connectors.salesforce_orgs import COLLECTIONS, LIMIT, MALFORMED, ids, recorded, results, rows, sent

DUE = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
HIDDEN = [{"errorCode": "INVALID_FIELD", "message": f"No such column '{TASK_KEY}' on sobject of type Task"}]
POST = f"POST {COLLECTIONS}"
CREATE = rf"{COLLECTIONS}\?"


@pytest.fixture
def keyed(org: Any) -> Any:
    """An org that has the field for our key."""
    org.do("create_field", object="Task", name=TASK_KEY, type="string", length=64, visible=True)
    org.forget()
    return org


@pytest.fixture(params=["field", "marker"])
def either(request: pytest.FixtureRequest, org: Any) -> Any:
    """An org with that field, and one without."""
    if request.param == "field":
        org.do("create_field", object="Task", name=TASK_KEY, type="string", length=64, visible=True)
    org.forget()
    return org


def task(account_id: str, key: str, **values: Value) -> Change:
    given: dict[str, Value] = {"subject": "Call them", "body": "Ask how it goes.", "due": DUE, "priority": "high"}
    return Change("task", None, {**given, "account_id": account_id, **values}, key)


def shown(org: Any, *more: str) -> list[dict[str, Any]]:
    names = ["Id", "Subject", "Description", "ActivityDate", "Status", "Priority", "WhatId", "WhoId", "OwnerId", *more]
    soql = f"SELECT {', '.join(names)} FROM Task"
    return [
        row
        for page in org.crm._api.query(soql, purpose="test")
        for row in page["records"]
        if row["Subject"] == "Call them"
    ]


def users(org: Any) -> list[str]:
    """People who own accounts; none of them is the user that we are."""
    soql = "SELECT OwnerId FROM Account WHERE Owner.IsActive = true"
    return sorted({row["OwnerId"] for page in org.crm._api.query(soql, purpose="test") for row in page["records"]})


def test_a_task_is_made_for_account_and_contact_and_found_by_its_key(either: Any) -> None:
    account, contact, owner = ids(either)[0], ids(either, "Contact")[0], users(either)[0]
    (outcome,) = either.crm.send([task(account, "k" * 32, contact_id=contact, owner_id=owner)])
    assert outcome.result == "confirmed"
    assert either.crm.find_tasks([account]) == {"k" * 32: outcome.remote_id}
    (made,) = shown(either)
    assert made["ActivityDate"] == "2026-11-30"
    assert (made["Status"], made["Priority"]) == ("Not Started", "High")
    assert (made["WhatId"], made["WhoId"], made["OwnerId"]) == (account, contact, owner)
    assert made["Description"].startswith("Ask how it goes.")


def test_two_hundred_tasks_are_one_request_without_assignment_rules(
    either: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = ids(either)
    changes = [task(accounts[number % len(accounts)], f"key-{number:03}") for number in range(200)]
    seen = recorded(monkeypatch)
    outcomes = either.crm.send(changes)
    assert [(outcome.key, outcome.result) for outcome in outcomes] == [(one.key, "confirmed") for one in changes]
    assert sent(either, POST) == 1
    (request,) = [request for request in seen if (request.url or "").endswith(COLLECTIONS)]
    assert request.headers["Sforce-Auto-Assign"] == "false"
    assert "Sforce-Duplicate-Rule-Header" not in request.headers
    assert [row["WhatId"] for row in rows(request)] == sorted(str(change.values["account_id"]) for change in changes)
    assert either.crm.find_tasks(accounts) == {outcome.key: outcome.remote_id for outcome in outcomes}


def test_a_task_is_found_by_its_key_field_or_by_its_description(keyed: Any) -> None:
    account = ids(keyed)[0]
    by_field, by_text = keyed.crm.send([task(account, "one"), task(account, "two")])
    made = {row["Id"]: row for row in shown(keyed, TASK_KEY)}
    assert made[by_field.remote_id][TASK_KEY] == "one"
    assert made[by_text.remote_id]["Description"] == "Ask how it goes.\n\n[holdfast:two]"
    keyed.do("edit", id=by_field.remote_id, values={"Description": "Done, no answer"})
    keyed.do("edit", id=by_text.remote_id, values={TASK_KEY: None})
    assert keyed.crm.find_tasks([account]) == {"one": by_field.remote_id, "two": by_text.remote_id}


def test_other_people_s_tasks_are_not_even_read_where_there_is_a_key_field(either: Any) -> None:
    account = ids(either)[0]
    either.options(page_rows=3)
    for number in range(9):
        either.do("create", object="Task", values={"Subject": f"Call {number}", "WhatId": account})
    (outcome,) = either.crm.send([task(account, "the-key")])
    keyed = TASK_KEY in either.crm._api.describe("Task", purpose="test")
    either.forget()
    assert either.crm.find_tasks([account]) == {"the-key": outcome.remote_id}
    assert len(either.requests()) == (1 if keyed else 4)


def test_a_task_that_another_user_of_ours_made_is_found_by_its_field(keyed: Any) -> None:
    account = ids(keyed)[0]
    values = {"Subject": "Call them", "WhatId": account, TASK_KEY: "the-key"}
    made = keyed.do("create", object="Task", values=values)
    assert keyed.crm.find_tasks([account]) == {"the-key": made}


def test_a_task_from_before_the_field_is_still_found(org: Any) -> None:
    account = ids(org)[0]
    (outcome,) = org.crm.send([task(account, "the-key")])
    org.do("create_field", object="Task", name=TASK_KEY, type="string", length=64, visible=True)
    crm = org.connect()
    (later,) = crm.send([task(account, "later")])
    assert crm.find_tasks([account]) == {"the-key": outcome.remote_id, "later": later.remote_id}


def test_a_key_field_hidden_since_it_was_described_leaves_the_key_in_the_description(keyed: Any) -> None:
    account = ids(keyed)[0]
    (first,) = keyed.crm.send([task(account, "first")])
    keyed.do("hide_field", object="Task", field=TASK_KEY)
    assert keyed.crm.find_tasks([account]) == {"first": first.remote_id}, "nobody can see the field"
    keyed.do("show_field", object="Task", field=TASK_KEY)
    keyed.crm._api.describe("Task", purpose="test", fresh=True)
    keyed.do("hide_field", object="Task", field=TASK_KEY)
    (outcome,) = keyed.crm.send([task(account, "second")])
    assert outcome.result == "confirmed"
    assert keyed.crm.find_tasks([account]) == {"first": first.remote_id, "second": outcome.remote_id}


def test_of_two_tasks_with_one_key_the_older_one_counts(either: Any) -> None:
    account = ids(either)[0]
    (first,) = either.crm.send([task(account, "the-key")])
    (second,) = either.crm.send([task(account, "the-key")])
    assert str(first.remote_id) < str(second.remote_id)
    assert either.crm.find_tasks([account]) == {"the-key": first.remote_id}


def test_closed_tasks_count_and_deleted_ones_do_not(either: Any) -> None:
    account = ids(either)[0]
    closed, deleted = either.crm.send([task(account, "closed"), task(account, "deleted")])
    either.do("complete_task", id=closed.remote_id)
    either.do("delete", id=deleted.remote_id)
    assert set(either.crm.find_tasks([account])) == {"closed"}
    either.pass_time(days=800)
    assert set(either.crm.find_tasks([account])) == {"closed"}, "archived"


def test_tasks_of_others_are_not_ours(either: Any) -> None:
    account = ids(either)[0]
    either.do("create", object="Task", values={"Subject": "Lunch", "WhatId": account, "Description": "holdfast: no"})
    assert either.crm.find_tasks([account]) == {}


def test_many_accounts_are_asked_for_in_few_queries(either: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    account = ids(either)[0]
    (outcome,) = either.crm.send([task(account, "the-key")])
    either.forget()
    unknown = [f"001Hf00000{number:05}AAA" for number in range(900)]
    assert either.crm.find_tasks([*unknown, account, account, "nonsense"]) == {"the-key": outcome.remote_id}
    assert sum("queryAll" in request for request in either.requests()) == 3
    assert either.crm.find_tasks([]) == {}
    assert either.crm.find_tasks(["nonsense"]) == {}
    assert sum("queryAll" in request for request in either.requests()) == 3


def test_a_busy_account_s_tasks_span_pages(either: Any) -> None:
    account = ids(either)[0]
    either.options(page_rows=3)
    outcomes = either.crm.send([task(account, f"key-{number}") for number in range(10)])
    assert either.crm.find_tasks([account]) == {outcome.key: outcome.remote_id for outcome in outcomes}


# -- owners, accounts and contacts that are no longer there --------------------------------------------------------


def test_an_owner_who_left_is_followed_by_the_fallback_or_by_nobody(either: Any) -> None:
    first, second, third = ids(either)[:3]
    gone, also_gone, there = users(either)[:3]
    either.do("deactivate_user", id=gone)
    either.do("deactivate_user", id=also_gone)
    outcomes = either.crm.send(
        [
            task(first, "a", owner_id=gone, fallback_owner_id=there),
            task(second, "b", owner_id=gone, fallback_owner_id=also_gone),
            task(third, "c", owner_id=there),
        ]
    )
    assert results(outcomes) == ["confirmed"] * 3
    owned = {row["WhatId"]: row["OwnerId"] for row in shown(either)}
    assert (owned[first], owned[third]) == (there, there)
    assert owned[second] not in {gone, also_gone}
    assert len(shown(either)) == 3, "none twice"
    assert sent(either, POST) == 3


@pytest.mark.parametrize("owner", ["999", "0055e00000AAAAAAA5"])
def test_an_owner_who_never_was_costs_no_task(org: Any, owner: str) -> None:
    account = ids(org)[0]
    assert results(org.crm.send([task(account, "a", owner_id=owner)])) == ["confirmed"]


def test_a_task_for_an_account_that_is_gone_is_not_made(either: Any) -> None:
    deleted, loser, purged, there = ids(either)[:4]
    either.do("delete", id=deleted)
    either.do("merge", winner=there, loser=loser)
    either.do("purge", id=purged)
    outcomes = either.crm.send([task(one, one) for one in (deleted, loser, purged, there)])
    assert results(outcomes) == ["gone", "gone", "gone", "confirmed"]
    assert len(shown(either)) == 1


def test_a_contact_that_is_gone_costs_the_account_no_task(either: Any) -> None:
    account, contact = ids(either)[0], ids(either, "Contact")[0]
    either.do("delete", id=contact)
    (outcome,) = either.crm.send([task(account, "a", contact_id=contact)])
    assert outcome.result == "confirmed"
    (made,) = shown(either)
    assert (made["WhatId"], made["WhoId"]) == (account, None)


def test_a_locked_account_s_task_is_made_once_it_is_free(either: Any) -> None:
    locked, free = ids(either)[:2]
    either.do("lock", id=locked, tries=2)
    assert results(either.crm.send([task(locked, "a"), task(free, "b")])) == ["confirmed", "confirmed"]
    assert len(shown(either)) == 2


def test_a_trigger_that_refuses_tasks_is_told(either: Any) -> None:
    account = ids(either)[0]
    either.do("trigger", object="Task", message="Update failed.")
    (outcome,) = either.crm.send([task(account, "a")])
    assert (outcome.result, outcome.error_code) == ("rejected", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")


# -- what cannot be used, and what is not known --------------------------------------------------------------------


def test_a_task_that_nobody_could_use_is_refused_here(org: Any) -> None:
    account = ids(org)[0]
    outcomes = org.crm.send([task(account, "a", due=None), task("12", "b")])
    assert [(outcome.result, outcome.error_code) for outcome in outcomes] == [
        ("rejected", "REQUIRED_FIELD_MISSING"),
        ("rejected", "MALFORMED_ID"),
    ]
    assert sent(org, POST) == 0


@pytest.mark.parametrize(("kind", "made"), [("timeout_after", 1), ("timeout_before", 0), ("cut", 1)])
def test_a_task_in_doubt_is_settled_by_asking(either: Any, kind: str, made: int) -> None:
    account = ids(either)[0]
    either.fault(kind, COLLECTIONS)
    assert results(either.crm.send([task(account, "the-key")])) == ["in_doubt"]
    assert len(either.crm.find_tasks([account])) == made
    assert sent(either, POST) == 1


@pytest.mark.parametrize("body", [[], [{"success": True, "errors": []}], [{"success": True, "id": "?"}], {"ok": 1}])
def test_an_answer_that_does_not_name_the_task_is_in_doubt(org: Any, body: Any) -> None:
    org.fault("status", COLLECTIONS, status=200, body=body)
    assert results(org.crm.send([task(ids(org)[0], "a")])) == ["in_doubt"]


def test_a_field_refused_for_a_whole_call_is_looked_at_again(keyed: Any) -> None:
    one, two = ids(keyed)[:2]
    keyed.crm.send([task(one, "a")])
    keyed.do("drop_field", object="Task", field=TASK_KEY)
    keyed.fault("status", CREATE, method="POST", status=400, body=HIDDEN)
    outcomes = keyed.crm.send([task(one, "b"), task(two, "c")])
    assert results(outcomes) == ["confirmed", "confirmed"]
    assert set(keyed.crm.find_tasks([one, two])) == {"a", "b", "c"}


def test_a_used_up_day_raises_before_and_leaves_the_rest_after(either: Any) -> None:
    account = ids(either)[0]
    gone = users(either)[0]
    either.do("deactivate_user", id=gone)
    either.fault("status", CREATE, status=403, body=LIMIT, nth=1)
    with pytest.raises(QuotaError):
        either.crm.send([task(account, "a")])
    either.fault("status", CREATE, status=403, body=LIMIT, nth=2)
    outcomes = either.crm.send([task(account, "a", owner_id=gone), task(account, "b")])
    assert results(outcomes) == ["retry", "confirmed"]


def test_finding_tasks_without_calls_left_says_so(org: Any) -> None:
    org.fault("status", "queryAll", status=403, body=LIMIT)
    with pytest.raises(QuotaError):
        org.crm.find_tasks(ids(org)[:1])


def test_a_hidden_description_does_not_keep_tasks_from_being_found_by_the_field(keyed: Any) -> None:
    account = ids(keyed)[0]
    (outcome,) = keyed.crm.send([task(account, "a")])
    keyed.do("hide_field", object="Task", field="Description")
    assert keyed.crm.find_tasks([account]) == {"a": outcome.remote_id}
    (outcome,) = keyed.crm.send([task(account, "b")])
    assert outcome.result == "confirmed"


def test_finding_tasks_without_the_right_to_read_them_says_so(org: Any) -> None:
    org.do("revoke", object="Task", rights=["Read"])
    with pytest.raises(MissingPermissionError):
        org.crm.find_tasks(ids(org)[:1])


# -- statuses and priorities of the org's own ----------------------------------------------------------------------


def test_a_status_of_the_org_s_own_is_an_open_one(org: Any) -> None:
    org.do("change_field", object="Task", field="Status", changes={"values": ["Completed", "In Progress"]})
    assert results(org.crm.send([task(ids(org)[0], "a")])) == ["confirmed"]
    (made,) = shown(org)
    assert made["Status"] == "In Progress"


def test_where_open_statuses_cannot_be_asked_for_the_org_chooses(org: Any) -> None:
    org.do("change_field", object="Task", field="Status", changes={"values": ["Waiting", "Done"]})
    org.fault("status", "TaskStatus", status=500, times=100)
    (outcome,) = org.crm.send([task(ids(org)[0], "a")])
    assert outcome.result in {"confirmed", "rejected"}
    assert sent(org, POST) == 1


def test_statuses_are_not_asked_for_without_quota(org: Any) -> None:
    org.do("change_field", object="Task", field="Status", changes={"values": ["Waiting", "Done"]})
    org.fault("status", "TaskStatus", status=403, body=LIMIT)
    with pytest.raises(QuotaError):
        org.crm.send([task(ids(org)[0], "a")])


def test_a_task_without_a_description_of_tasks_is_left_to_the_org(org: Any) -> None:
    org.fault("status", "Task/describe", status=500, times=100)
    account = ids(org)[0]
    (outcome,) = org.crm.send([task(account, "the-key")])
    assert outcome == Outcome("the-key", "confirmed", outcome.remote_id)
    assert org.crm.find_tasks([account]) == {"the-key": outcome.remote_id}


def test_tasks_whose_fields_are_hidden_by_now_are_read_without_them(keyed: Any) -> None:
    account = ids(keyed)[0]
    (made,) = keyed.crm.send([task(account, "k" * 32)])
    keyed.do("hide_field", object="Task", field="ActivityDate")
    state = keyed.crm.read_tasks([str(made.remote_id)])[str(made.remote_id)]
    assert (state.key, state.due, state.account_id) == ("k" * 32, None, account)


def test_tasks_that_cannot_be_read_are_not_taken_for_gone(keyed: Any) -> None:
    (made,) = keyed.crm.send([task(ids(keyed)[0], "k" * 32)])
    keyed.fault("status", "queryAll", status=400, body=MALFORMED)
    with pytest.raises(RequestError):
        keyed.crm.read_tasks([str(made.remote_id)])
    assert set(keyed.crm.read_tasks([str(made.remote_id)])) == {made.remote_id}


def test_files_that_may_not_be_seen_touch_no_task_but_used_up_calls_are_said(keyed: Any) -> None:
    (made,) = keyed.crm.send([task(ids(keyed)[0], "k" * 32)])
    task_id = str(made.remote_id)
    absent = [{"errorCode": "INVALID_TYPE", "message": "sObject type 'ContentDocumentLink' is not supported."}]
    keyed.fault("status", r"/query\?", status=400, body=absent)
    assert not keyed.crm.read_tasks([task_id])[task_id].touched
    keyed.fault("status", r"/query\?", status=403, body=LIMIT)
    with pytest.raises(QuotaError):
        keyed.crm.read_tasks([task_id])


def test_a_date_that_is_none_is_unknown(keyed: Any) -> None:
    (made,) = keyed.crm.send([task(ids(keyed)[0], "k" * 32)])
    task_id = str(made.remote_id)
    row = {"Id": task_id, "Subject": "Call them", "ActivityDate": "someday", "CreatedDate": "2026-13-01T00:00:00Z"}
    body = {"done": True, "totalSize": 1, "records": [row]}
    keyed.fault("status", "queryAll", status=200, body=body)
    state = keyed.crm.read_tasks([task_id])[task_id]
    assert (state.subject, state.due, state.created_at) == ("Call them", None, None)
