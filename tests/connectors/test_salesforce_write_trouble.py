"""Answers of odd shape, calls refused as a whole, used-up days: what is said about each record stays true."""

from typing import Any

import pytest

from connectors.errors import CredentialsError, QuotaError
from connectors.salesforce_send import Item, judged
from tests.connectors.salesforce_orgs import (
    COLLECTIONS,
    HIDDEN,
    LIMIT,
    MALFORMED,
    SCORE,
    ids,
    prepare,
    published,
    results,
    score,
    sent,
    update,
    wide_world,
)


@pytest.fixture
def ready(org: Any) -> Any:
    """An org with our fields."""
    return prepare(org)


@pytest.fixture
def many(open_org: Any) -> Any:
    """The same with more accounts than one request takes."""
    return prepare(open_org(wide_world()))


# -- answers of another shape ----------------------------------------------------------------------------------------


def test_an_answer_of_another_length_is_believed_only_where_it_names_a_record(ready: Any) -> None:
    one, two, three = ids(ready)[:3]
    body = [{"id": two, "success": True, "errors": []}, {"success": True, "errors": []}]
    ready.fault("status", COLLECTIONS, status=200, body=body)
    assert results(ready.crm.send([update(one), update(two), update(three)])) == ["in_doubt", "confirmed", "in_doubt"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        [None],
        ["yes"],
        [{"success": True}],
        [{"success": "true", "id": "0015e00000AAAAAAA5"}],
        [{"success": True, "id": "0015e00000AAAAAAA5", "errors": []}],
        [{"success": False, "errors": []}],
        [{"success": False, "errors": None}],
        [{"success": False, "id": "0015e00000AAAAAAA5", "errors": [{"statusCode": "STRING_TOO_LONG"}]}],
    ],
)
def test_an_answer_that_does_not_tell_is_in_doubt(ready: Any, body: Any) -> None:
    ready.fault("status", COLLECTIONS, status=200, body=body)
    (outcome,) = ready.crm.send([update(ids(ready)[0])])
    assert outcome.result == "in_doubt"


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        ({"kind": "timeout_after"}, True),
        ({"kind": "timeout_before"}, False),
        ({"kind": "reset"}, False),
        ({"kind": "cut"}, True),
        ({"kind": "status", "status": 502, "effect": True}, True),
        ({"kind": "status", "status": 503}, False),
        ({"kind": "html", "status": 200, "effect": True}, True),
        ({"kind": "not_json"}, False),
    ],
)
def test_an_unclear_ending_is_in_doubt_and_never_sent_again(ready: Any, fault: dict[str, Any], happened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    one, two = ids(ready)[:2]
    kind = fault.pop("kind")
    ready.fault(kind, COLLECTIONS, **fault)
    assert results(ready.crm.send([update(one), update(two)])) == ["in_doubt", "in_doubt"]
    assert sent(ready) == 1
    assert score(ready, one) == (50 if happened else None)


def test_a_server_that_cannot_be_reached_did_nothing(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests
    from urllib3.exceptions import NewConnectionError

    one = ids(ready)[0]
    ready.crm.send([update(one)])

    def refuse(*_: Any, **__: Any) -> Any:
        raise requests.ConnectionError(NewConnectionError(None, "refused"))  # type: ignore[arg-type]  # no connection

    monkeypatch.setattr("sandbox.mount.SandboxAdapter.send", refuse)
    (outcome,) = ready.crm.send([update(one)])
    assert outcome.result == "retry"
    assert "cannot be reached" in outcome.message


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("collections_partial", ["confirmed", "retry"]),
        ("collections_all_or_none", ["retry", "rejected"]),
        ("collections_upsert_ok", ["confirmed"]),
    ],
)
def test_published_answers_are_understood(name: str, verdicts: list[str]) -> None:
    body = published(name)["body"]
    items = [Item(update(f"0015e00000AAAAAAA{number}"), {}) for number in range(1, len(body) + 1)]
    assert [verdict.result for _, verdict in judged(items, body)] == verdicts


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("write_no_such_field", "rejected"),
        ("write_read_only_field", "rejected"),
        ("required_missing", "rejected"),
        ("string_too_long", "rejected"),
        ("bad_picklist", "rejected"),
        ("number_too_big", "rejected"),
        ("validation_rule", "rejected"),
        ("trigger_failed", "rejected"),
        ("duplicate_value", "rejected"),
        ("entity_deleted", "gone"),
        ("patch_missing", "gone"),
    ],
)
def test_published_refusals_of_one_record_mean_one_thing(ready: Any, name: str, result: str) -> None:
    case = published(name)
    ready.fault("status", COLLECTIONS, status=case["status"], body=case["body"])
    (outcome,) = ready.crm.send([update(ids(ready)[0])])
    assert (outcome.result, outcome.error_code) == (result, case["body"][0]["errorCode"])
    assert outcome.message == " ".join(case["body"][0]["message"].split())


# -- calls refused as a whole ----------------------------------------------------------------------------------------


def test_a_call_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(ready: Any) -> None:
    four = ids(ready)[:4]
    for nth in (1, 2, 3):
        ready.fault("status", COLLECTIONS, status=400, body=MALFORMED, nth=nth)
    outcomes = ready.crm.send([update(one) for one in four])
    assert results(outcomes) == ["rejected", "confirmed", "confirmed", "confirmed"]
    assert outcomes[0].error_code == "JSON_PARSER_ERROR"
    assert sent(ready) == 5


def test_halving_ends_when_it_is_not_about_the_records(many: Any) -> None:
    ready = many
    ready.fault("status", COLLECTIONS, status=400, body=MALFORMED, times=1000)
    outcomes = ready.crm.send([update(one) for one in ids(ready)[:200]])
    assert set(results(outcomes)) == {"rejected", "retry"}
    assert sent(ready) < 120


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NOT_FOUND"), (403, "INSUFFICIENT_ACCESS"), (400, "UNSUPPORTED_API_VERSION")]
)
def test_a_call_refused_for_another_reason_changed_nothing(ready: Any, status: int, code: str) -> None:
    ready.fault("status", COLLECTIONS, status=status, body=[{"errorCode": code, "message": "no"}])
    outcomes = ready.crm.send([update(one) for one in ids(ready)[:2]])
    assert [(outcome.result, outcome.error_code) for outcome in outcomes] == [("retry", code)] * 2
    assert sent(ready) == 1


def test_a_single_record_that_is_gone_by_status_is_gone(ready: Any) -> None:
    ready.fault("status", COLLECTIONS, status=404, body=[{"errorCode": "ENTITY_IS_DELETED", "message": "deleted"}])
    (outcome,) = ready.crm.send([update(ids(ready)[0])])
    assert (outcome.result, outcome.error_code, outcome.message) == ("gone", "ENTITY_IS_DELETED", "deleted")


def test_a_refusal_of_somebody_in_between_proves_nothing(ready: Any) -> None:
    ready.fault("html", COLLECTIONS, status=413)
    (outcome,) = ready.crm.send([update(ids(ready)[0])])
    assert outcome.result == "in_doubt"
    assert "413" in outcome.message


def test_a_field_hidden_since_it_was_described_costs_two_calls_not_hundreds(many: Any) -> None:
    chosen = ids(many)[:100]
    many.crm.send([update(chosen[0])])
    many.do("hide_field", object="Account", field=SCORE)
    many.forget()
    changes = [
        update(one, {SCORE: 7} if number % 2 else {"Holdfast_Band__c": "red"}) for number, one in enumerate(chosen)
    ]
    outcomes = many.crm.send(changes)
    assert results(outcomes) == ["confirmed", "rejected"] * 50
    assert {outcome.error_code for outcome in outcomes if outcome.result == "rejected"} == {"INVALID_FIELD"}
    assert len(many.requests()) <= 3


def test_a_field_that_may_no_longer_be_edited_is_described_again_too(ready: Any) -> None:
    one, two = ids(ready)[:2]
    ready.crm.send([update(one)])
    ready.do("hide_field", object="Account", field=SCORE, read_only=True)
    outcomes = ready.crm.send([update(one, {SCORE: 9}), update(two, {"Holdfast_Band__c": "red"})])
    assert results(outcomes) == ["rejected", "confirmed"]
    assert outcomes[0].error_code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert score(ready, one) == 50


def test_a_refused_field_that_the_description_still_shows_is_the_record_s_fault(ready: Any) -> None:
    one, two = ids(ready)[:2]
    ready.fault("status", COLLECTIONS, status=400, body=HIDDEN, nth=1)
    ready.fault("status", COLLECTIONS, status=400, body=HIDDEN, nth=2)
    outcomes = ready.crm.send([update(one), update(two)])
    assert results(outcomes) == ["rejected", "confirmed"]
    assert outcomes[0].error_code == "INVALID_FIELD"


def test_a_description_that_cannot_be_had_again_is_done_without(ready: Any) -> None:
    one, two = ids(ready)[:2]
    ready.crm.send([update(one)])
    ready.fault("status", COLLECTIONS, status=400, body=HIDDEN)
    ready.fault("status", "Account/describe", status=403, body=LIMIT)
    assert results(ready.crm.send([update(one), update(two)])) == ["confirmed", "confirmed"]


@pytest.mark.parametrize(
    ("field", "changes", "value", "code"),
    [
        ("Holdfast_Reason__c", {"length": 10}, "x" * 11, "STRING_TOO_LONG"),
        ("Holdfast_Band__c", {"values": ["green"]}, "red", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ],
)
def test_a_field_narrowed_since_it_was_described_costs_its_own_records_only(
    ready: Any, field: str, changes: dict[str, Any], value: str, code: str
) -> None:
    one, two = ids(ready)[:2]
    ready.crm.send([update(one)])
    ready.do("change_field", object="Account", field=field, changes=changes)
    outcomes = ready.crm.send([update(one, {field: value}), update(two, {field: "green"})])
    assert results(outcomes) == ["rejected", "confirmed"]
    assert outcomes[0].error_code == code


def test_without_a_description_salesforce_judges_alone(ready: Any) -> None:
    ready.fault("status", "Account/describe", status=500, times=100)
    one, two = ids(ready)[:2]
    outcomes = ready.crm.send([update(one, {"Holdfast_Reason__c": "x" * 256}), update(two)])
    assert results(outcomes) == ["rejected", "confirmed"]
    assert results(ready.crm.send([update(one, {SCORE: float("inf")})])) == ["rejected"]


# -- quota and sessions ----------------------------------------------------------------------------------------------


def test_a_session_that_ended_is_renewed_on_the_way(ready: Any) -> None:
    one = ids(ready)[0]
    ready.crm.send([update(one)])
    ready.do("expire_tokens")
    assert results(ready.crm.send([update(one, {SCORE: 51})])) == ["confirmed"]
    assert score(ready, one) == 51


def test_a_session_that_cannot_be_renewed_raises_when_nothing_was_sent(ready: Any) -> None:
    one = ids(ready)[0]
    ready.crm.send([update(one)])
    ready.options(bad_new_tokens=True)
    ready.do("expire_tokens")
    with pytest.raises(CredentialsError):
        ready.crm.send([update(one)])


@pytest.mark.parametrize("described", [True, False])
def test_a_used_up_day_raises_when_nothing_was_sent(ready: Any, described: bool) -> None:  # noqa: FBT001 - a parameter of the test
    one = ids(ready)[0]
    if described:
        ready.crm.send([update(one)])
        ready.forget()
    ready.options(api_limit=100)
    ready.do("use_calls", calls=100)
    with pytest.raises(QuotaError):
        ready.crm.send([update(one)])
    assert sent(ready) <= 1


def test_a_used_up_day_half_way_leaves_the_rest_to_be_sent_again(ready: Any) -> None:
    four = ids(ready)[:4]
    ready.fault("status", COLLECTIONS, status=400, body=MALFORMED, nth=1)
    ready.fault("status", COLLECTIONS, status=403, body=LIMIT, nth=3)
    outcomes = ready.crm.send([update(one) for one in four])
    assert results(outcomes) == ["confirmed", "confirmed", "retry", "retry"]
    assert outcomes[2].error_code == "REQUEST_LIMIT_EXCEEDED"


def test_too_many_long_calls_at_once_are_waited_out(ready: Any) -> None:
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentPerOrgLongTxn Limit exceeded."}]
    ready.fault("status", COLLECTIONS, status=403, body=body)
    assert results(ready.crm.send([update(ids(ready)[0])])) == ["confirmed"]
    assert sent(ready) == 2
