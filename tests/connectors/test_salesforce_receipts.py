"""Tasks with receipts in trouble: whole or not at all, whoever is to blame."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Change, Outcome, Value
from connectors.errors import QuotaError
from connectors.salesforce_kinds import RECEIPT, RECEIPT_KEY, TASK_KEY
from connectors.salesforce_receipts import PAIRS, usable
from tests.connectors.salesforce_orgs import COLLECTIONS, LIMIT, MALFORMED, SPECS, ids, recorded, results, rows, sent

DUE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
CREATED = f"POST {COLLECTIONS}"


def task(account: str, key: str, **values: Value) -> Change:
    return Change(
        "task", None, {"subject": "Call them", "body": "Ask.", "due": DUE, "account_id": account, **values}, key
    )


@pytest.fixture
def org(open_org: Any, small_world: Any) -> Any:
    """An org that does not keep keys of tasks unique, and has receipts."""
    made = open_org(small_world, activity_external_ids=False)
    made.crm = made.connect(own_fields=SPECS)
    made.crm.setup(SPECS, dry_run=False)
    made.forget()
    return made


def tasks(org: Any, count: int = 3) -> list[Change]:
    return [task(account, f"key-{account}") for account in ids(org)[:count]]


def stored(org: Any, kind: str = "Task") -> int:
    table = org.vendor.org.tables[kind]
    key = TASK_KEY if kind == "Task" else RECEIPT_KEY
    return sum(table.value(one, key, org.vendor.org.now) is not None for one in table.places(org.vendor.org.now))


def test_receipts_go_first_and_all_or_none(org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = recorded(monkeypatch)
    assert results(org.crm.send(tasks(org))) == ["confirmed"] * 3
    (request,) = [one for one in seen if one.method == "POST"]
    kinds = [row["attributes"]["type"] for row in rows(request)]
    assert kinds == [RECEIPT] * 3 + ["Task"] * 3, "Salesforce lets a request change kind ten times only"
    assert b'"allOrNone": true' in (request.body or b"")
    assert (stored(org), stored(org, RECEIPT)) == (3, 3)


def test_a_lock_is_waited_out_and_no_task_is_lost(org: Any) -> None:
    changes = tasks(org, 4)
    org.do("lock", id=changes[1].values["account_id"], tries=2)
    assert results(org.crm.send(changes)) == ["confirmed"] * 4
    assert sent(org, CREATED) == 3
    assert stored(org) == stored(org, RECEIPT) == 4


def test_a_lasting_lock_is_left_to_the_next_run_and_the_rest_is_made(org: Any) -> None:
    changes = tasks(org, 4)
    org.do("lock", id=changes[1].values["account_id"], tries=99)
    assert results(org.crm.send(changes)) == ["confirmed", "retry", "confirmed", "confirmed"]
    assert stored(org) == stored(org, RECEIPT) == 3


def test_a_call_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(org: Any) -> None:
    org.fault("status", COLLECTIONS, method="POST", status=400, body=MALFORMED, nth=range(1, 4))
    outcomes = org.crm.send(tasks(org, 4))
    assert results(outcomes).count("rejected") == 1
    assert results(outcomes).count("confirmed") == 3
    assert stored(org) == 3


def test_an_answer_that_contradicts_itself_is_not_believed(org: Any) -> None:
    yes = {"id": "a0X000000000001AAA", "success": True, "errors": []}
    no = {
        "success": False,
        "errors": [{"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": "-", "fields": []}],
    }
    bodies: list[Any] = [
        [yes, no, no, no],
        [yes, yes, yes],
        [],
        {},
        [None] * 4,
        [{"success": False}] * 4,
        [yes, yes, {}, yes],
    ]
    for body in bodies:
        org.fault("status", COLLECTIONS, method="POST", status=200, body=body)
        assert results(org.crm.send(tasks(org, 2))) == ["in_doubt"] * 2, body
    assert stored(org) == 0


def test_a_batch_undone_without_a_culprit_is_halved_and_then_waits(org: Any) -> None:
    no = {
        "success": False,
        "errors": [{"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": "-", "fields": []}],
    }
    org.fault("status", COLLECTIONS, method="POST", status=200, body=[no] * 4)
    org.fault("status", COLLECTIONS, method="POST", status=200, body=[no] * 2)
    assert results(org.crm.send(tasks(org, 2))) == ["retry", "confirmed"]
    assert stored(org) == 1


def test_a_task_that_is_known_is_named_even_when_its_mark_is_gone(org: Any) -> None:
    (change,) = tasks(org, 1)
    (made,) = org.crm.send([change])
    org.do("edit", id=made.remote_id, values={TASK_KEY: None, "Description": "Mine now."})
    assert org.crm.find_tasks([str(change.values["account_id"])]) == {}
    (again,) = org.crm.send([change])
    assert again == Outcome(change.key, "confirmed", None, message="It was made before.")
    org.do("edit", id=made.remote_id, values={TASK_KEY: change.key})
    assert org.crm.send([change])[0].remote_id == made.remote_id


def test_looking_for_a_known_task_may_fail(org: Any) -> None:
    (change,) = tasks(org, 1)
    org.crm.send([change])
    org.fault("status", "queryAll", status=400, body=MALFORMED)
    assert org.crm.send([change]) == [Outcome(change.key, "confirmed", None, message="It was made before.")]


def test_receipts_that_work_no_more_stop_tasks_until_the_org_was_looked_at_again(org: Any) -> None:
    changes = tasks(org, 2)
    org.crm.send(changes[:1])
    assert org.crm.task_strategy == "receipt"
    org.do("drop_object", object=RECEIPT)
    assert results(org.crm.send(changes[1:])) == ["retry"], "a task without its receipt could be made twice"
    assert stored(org) == 1
    org.pass_time(hours=2)
    assert results(org.crm.send(changes[1:])) == ["confirmed"]
    assert org.crm.task_strategy == "marker"


def test_a_receipt_that_is_refused_leaves_its_task_to_the_next_run(org: Any) -> None:
    refused = {"statusCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "no", "fields": []}
    rolled = {"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": "-", "fields": []}
    body = [{"success": False, "errors": [one]} for one in (refused, rolled)]
    org.fault("status", COLLECTIONS, method="POST", status=200, body=body)
    (outcome,) = org.crm.send(tasks(org, 1))
    assert (outcome.result, outcome.error_code) == ("retry", "INSUFFICIENT_ACCESS_OR_READONLY")
    assert results(org.crm.send(tasks(org, 1))) == ["confirmed"], "it was looked at again, and works"


def test_an_org_that_does_not_tell_is_as_it_was(org: Any) -> None:
    changes = tasks(org, 2)
    org.crm.send(changes[:1])
    org.pass_time(hours=2)
    org.fault("status", f"{RECEIPT}/describe", status=503, times=99)
    assert results(org.crm.send(changes[1:])) == ["confirmed"]
    assert org.crm.task_strategy == "receipt"


def test_more_tasks_than_fit_go_in_several_requests(org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_receipts.PAIRS", 2)
    assert results(org.crm.send(tasks(org, 5))) == ["confirmed"] * 5
    assert sent(org, CREATED) == 3
    assert 2 * PAIRS == 200


def test_a_batch_that_never_settles_waits_for_the_next_run(org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_receipts.MOST_ROUNDS", 1)
    changes = tasks(org, 3)
    org.crm.send(changes[:1])
    outcomes = org.crm.send(changes)
    assert results(outcomes) == ["confirmed", "retry", "retry"]
    assert results(org.crm.send(changes[1:])) == ["confirmed"] * 2


def test_a_field_hidden_since_it_was_described_is_left_out(org: Any) -> None:
    org.crm.send(tasks(org, 1))
    org.do("hide_field", object="Task", field="Description")
    assert results(org.crm.send([task(one, f"p-{one}", priority="high") for one in ids(org)[1:3]])) == ["confirmed"] * 2


def test_what_makes_receipts_usable() -> None:
    key = {"name": RECEIPT_KEY, "unique": True, "createable": True, "length": 64}
    assert usable({"createable": True, "fields": [key]})
    for worse in ({"unique": False}, {"createable": False}, {"length": 40}, {"name": "Other__c"}):
        assert not usable({"createable": True, "fields": [{**key, **worse}]})
    assert not usable({"createable": False, "fields": [key]})
    assert not usable({"fields": ["x"]})


def test_setup_makes_the_object_once_and_grants_no_more_than_needed(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, activity_external_ids=False)
    first = {diff.spec.name: diff.action for diff in org.crm.setup(SPECS, dry_run=True)}
    assert RECEIPT not in first, "whether it is needed shows when the key has been made"
    assert {diff.action for diff in org.crm.setup(SPECS, dry_run=False)} == {"create"}
    org.forget()
    again = {diff.spec.name: diff.action for diff in org.crm.setup(SPECS, dry_run=False)}
    assert set(again.values()) == {"ok"}
    assert again[RECEIPT] == "ok"
    assert org.box.journal.writes() == 0


def test_setup_says_when_the_object_cannot_be_made(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, activity_external_ids=False)
    org.fault("status", "/Soap/m/", status=500, body={"no": "soap"}, times=9)
    diff = next(one for one in org.crm.setup(SPECS, dry_run=False) if one.spec.name == RECEIPT)
    assert diff.action == "conflict"
    assert "deploy the files" in diff.detail
    org.box.faults.clear()
    org.fault("status", "/Soap/m/", status=200, body={"message": "<success>false</success><message>No room.</message>"})
    diff = next(one for one in org.crm.setup(SPECS, dry_run=False) if one.spec.name == RECEIPT)
    assert "Salesforce refused the object: No room." in diff.detail
    org.fault("status", "CustomField", method="POST", status=400, body=MALFORMED)
    diff = next(one for one in org.crm.setup(SPECS, dry_run=False) if one.spec.name == RECEIPT)
    assert (diff.action, "Unexpected character" in diff.detail) == ("conflict", True)
    diff = next(one for one in org.crm.setup(SPECS, dry_run=False) if one.spec.name == RECEIPT)
    assert diff.action == "create", "and goes on where it stopped"


def test_setup_stops_when_the_calls_are_used_up(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, activity_external_ids=False)
    org.fault("status", "/Soap/m/", status=403, body=LIMIT)
    with pytest.raises(QuotaError):
        org.crm.setup(SPECS, dry_run=False)


def test_used_up_calls_are_not_taken_for_an_org_without_receipts(org: Any) -> None:
    changes = tasks(org, 2)
    org.crm.send(changes[:1])
    org.pass_time(hours=2)
    org.fault("status", f"{RECEIPT}/describe", status=403, body=LIMIT)
    with pytest.raises(QuotaError):
        org.crm.send(changes[1:])
    assert results(org.crm.send(changes[1:])) == ["confirmed"]
    assert org.crm.task_strategy == "receipt"


def test_a_session_given_for_setup_makes_the_object_too(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, activity_external_ids=False)
    org.crm.environment()
    session = org.crm._api.session()
    crm = org.connect(own_fields=SPECS, admin_session_id=session)
    assert {diff.action for diff in crm.setup(SPECS, dry_run=False)} == {"create"}
    assert crm._admin.session() == session
