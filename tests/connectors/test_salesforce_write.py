"""Writing to Salesforce: one outcome for every change, and none of them a guess."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Crm, FieldSpec, Outcome, Value
from connectors.errors import MissingPermissionError, NotFoundError, ShapeError
from tests.connectors.salesforce_orgs import (
    COLLECTIONS,
    FULL,
    SCORE,
    SPECS,
    ids,
    prepare,
    recorded,
    results,
    rows,
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


def test_it_is_a_crm(org: Any) -> None:
    assert isinstance(org.crm, Crm)
    assert org.crm.write.update_batch == 200


def test_what_is_written_is_what_is_read(ready: Any) -> None:
    one = ids(ready)[0]
    (outcome,) = ready.crm.send([update(one, FULL)])
    assert outcome == Outcome(f"key-{one}", "confirmed", one)
    assert ready.crm.read("account", [one], list(FULL)) == {one: FULL}
    assert sent(ready) == 1


def test_fields_made_by_setup_take_what_is_written_and_come_along_with_every_pull(org: Any) -> None:
    crm = org.connect(own_fields=SPECS)
    crm.setup(SPECS, dry_run=False)
    one, two = ids(org)[:2]
    other: dict[str, Value] = {"Holdfast_Band__c": "a band of tomorrow"}
    assert results(crm.send([update(one, FULL), update(two, other)])) == ["confirmed", "confirmed"]
    stream = next(stream for stream in crm.streams if stream.name == "accounts")
    pulled = {row["Id"]: row for batch in crm.pull(stream, None) for row in batch.rows}
    assert crm.own_values(stream, pulled[one]) == FULL
    assert crm.own_values(stream, pulled[two])["Holdfast_Band__c"] == "a band of tomorrow"


def test_none_clears_and_a_shorter_choice_replaces(ready: Any) -> None:
    one = ids(ready)[0]
    ready.crm.send([update(one, FULL)])
    empty = {**dict.fromkeys(FULL), "Holdfast_Flag__c": False, "Holdfast_Segments__c": ("dormant",)}
    assert results(ready.crm.send([update(one, empty)])) == ["confirmed"]
    assert ready.crm.read("account", [one], list(FULL)) == {one: empty}


def test_two_hundred_updates_are_one_request_without_assignment_rules(
    many: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = list(reversed(ids(many)[:200]))
    seen = recorded(monkeypatch)
    outcomes = many.crm.send([update(one) for one in chosen])
    assert [(outcome.remote_id, outcome.result) for outcome in outcomes] == [(one, "confirmed") for one in chosen]
    (request,) = [request for request in seen if request.method == "PATCH"]
    assert [row["id"] for row in rows(request)] == sorted(chosen), "one order for all, so that nobody waits"
    assert request.headers["Sforce-Auto-Assign"] == "false"
    assert request.headers["Sforce-Duplicate-Rule-Header"] == "allowSave=true"


def test_nothing_to_send_is_no_request(ready: Any) -> None:
    assert ready.crm.send([]) == []
    assert ready.requests() == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Holdfast_Scoer__c": 1}, "INVALID_FIELD"),
        ({"Holdfast_Band__c": "purple"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Holdfast_Segments__c": ("power", "unknown")}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({SCORE: "many"}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({SCORE: float("nan")}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({SCORE: 1e17}, "NUMBER_OUTSIDE_VALID_RANGE"),
        ({"Holdfast_Scored_At__c": "yesterday"}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"Holdfast_Flag__c": None}, "REQUIRED_FIELD_MISSING"),
        ({"Holdfast_Reason__c": "x" * 256}, "STRING_TOO_LONG"),
        ({"SystemModstamp": datetime(2026, 1, 1, tzinfo=UTC)}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_a_value_that_would_be_refused_is_not_sent(ready: Any, values: dict[str, Value], code: str) -> None:
    bad, good = ids(ready)[:2]
    outcomes = ready.crm.send([update(bad, values), update(good)])
    assert results(outcomes) == ["rejected", "confirmed"]
    assert outcomes[0].error_code == code
    assert next(iter(values)) in outcomes[0].message
    assert sent(ready) == 1


@pytest.mark.parametrize("record_id", ["abc", "0035e00000AAAAAAA5", "", "0015e00000AAAA'"])
def test_an_id_of_the_wrong_form_or_kind_is_not_sent(ready: Any, record_id: str) -> None:
    (outcome,) = ready.crm.send([update(record_id, key="k")])
    assert (outcome.result, outcome.error_code) == ("rejected", "MALFORMED_ID")
    assert sent(ready) == 0


def test_short_ids_and_names_in_other_capitals_are_taken(ready: Any) -> None:
    one, two = ids(ready)[:2]
    spec = FieldSpec("account", "holdfast_score__C", "Score", "number")
    crm = ready.connect(own_fields=[spec])
    outcomes = crm.send([update(one[:15], {spec.name: 3.5}), update(two, {spec.name: 4})])
    assert [(outcome.result, outcome.remote_id) for outcome in outcomes] == [
        ("confirmed", one[:15]),
        ("confirmed", two),
    ]
    found = crm.read("account", [one[:15], one, two], [spec.name])
    assert found == {one[:15]: {spec.name: 3.5}, one: {spec.name: 3.5}, two: {spec.name: 4}}


def test_the_same_record_twice_goes_in_two_requests(ready: Any) -> None:
    one = ids(ready)[0]
    outcomes = ready.crm.send([update(one, {SCORE: 1}, "a"), update(one[:15], {SCORE: 2}, "b")])
    assert results(outcomes) == ["confirmed", "confirmed"]
    assert sent(ready) == 2
    assert score(ready, one) == 2


def test_the_same_key_twice_is_one_effect(ready: Any) -> None:
    one = ids(ready)[0]
    assert results(ready.crm.send([update(one), update(one)])) == ["confirmed", "confirmed"]
    assert sent(ready) == 1


# -- what the org does to single records -----------------------------------------------------------------------------


def test_deleted_and_merged_records_are_gone_and_the_rest_lands(ready: Any) -> None:
    first, deleted, loser, purged, last = ids(ready)[:5]
    ready.do("delete", id=deleted)
    ready.do("merge", winner=last, loser=loser)
    ready.do("purge", id=purged)
    outcomes = ready.crm.send([update(one) for one in (first, deleted, loser, purged, last)])
    assert results(outcomes) == ["confirmed", "gone", "gone", "gone", "confirmed"]
    assert outcomes[1].error_code == "ENTITY_IS_DELETED"
    assert set(ready.crm.read("account", [first, deleted, loser, purged, last], [SCORE])) == {first, last}


def test_rules_and_triggers_cost_their_own_records_only(ready: Any) -> None:
    ruled, triggered, free = ids(ready)[:3]
    ready.do("rule", object="Account", message="Not in December", id=ruled)
    ready.do("trigger", object="Account", message="Update failed.", id=triggered)
    outcomes = ready.crm.send([update(one) for one in (ruled, triggered, free)])
    assert [(outcome.result, outcome.error_code) for outcome in outcomes] == [
        ("rejected", "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        ("rejected", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
        ("confirmed", ""),
    ]
    assert "Not in December" in outcomes[0].message


@pytest.mark.parametrize(("tries", "result", "requests"), [(1, "confirmed", 2), (2, "confirmed", 3), (3, "retry", 3)])
def test_locked_records_are_sent_again_alone(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tries: int, result: str, requests: int
) -> None:
    locked, free = ids(ready)[:2]
    ready.do("lock", id=locked, tries=tries)
    before = ready.box.clock.monotonic()
    seen = recorded(monkeypatch)
    outcomes = ready.crm.send([update(locked), update(free)])
    assert results(outcomes) == [result, "confirmed"]
    assert [len(rows(request)) for request in seen if request.method == "PATCH"] == [2, *[1] * (requests - 1)]
    assert ready.box.clock.monotonic() - before >= requests - 1
    if result == "retry":
        assert outcomes[0].error_code == "UNABLE_TO_LOCK_ROW"


def test_a_lock_inside_a_trigger_is_a_lock(ready: Any) -> None:
    one = ids(ready)[0]
    message = "T: execution of AfterUpdate caused by: System.DmlException: Update failed. UNABLE_TO_LOCK_ROW, unable"
    error = {"statusCode": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "message": message, "fields": []}
    ready.fault("status", COLLECTIONS, status=200, body=[{"success": False, "errors": [error]}])
    assert results(ready.crm.send([update(one)])) == ["confirmed"]
    assert sent(ready) == 2


def test_of_several_errors_the_one_for_good_counts(ready: Any) -> None:
    one = ids(ready)[0]
    errors = [
        {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked"},
        "odd",
        {"message": "no code"},
        {"statusCode": "STRING_TOO_LONG", "message": "Reason: data value too large", "fields": ["Reason"]},
    ]
    ready.fault("status", COLLECTIONS, status=200, body=[{"success": False, "errors": errors}])
    (outcome,) = ready.crm.send([update(one)])
    assert (outcome.result, outcome.error_code) == ("rejected", "STRING_TOO_LONG")


@pytest.mark.parametrize(
    ("error", "result"),
    [
        ({"statusCode": "INVALID_CROSS_REFERENCE_KEY", "fields": []}, "gone"),
        ({"statusCode": "INVALID_CROSS_REFERENCE_KEY", "fields": ["Id"]}, "gone"),
        ({"statusCode": "INVALID_CROSS_REFERENCE_KEY", "fields": ["Partner__c"]}, "rejected"),
        ({"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?"}, "rejected"),
        ({"statusCode": "INACTIVE_OWNER_OR_USER", "fields": ["OwnerId"]}, "rejected"),
        ({"statusCode": "REQUEST_RUNNING_TOO_LONG"}, "retry"),
        ({"statusCode": "UNKNOWN_EXCEPTION"}, "in_doubt"),
        ({"statusCode": 7}, "in_doubt"),
    ],
)
def test_each_code_means_one_thing(ready: Any, error: dict[str, Any], result: str) -> None:
    ready.fault("status", COLLECTIONS, status=200, body=[{"success": False, "errors": [error]}])
    assert results(ready.crm.send([update(ids(ready)[0])])) == [result]
    assert sent(ready) == 1


def test_a_record_refused_for_a_field_that_is_there_is_told(ready: Any) -> None:
    error = {"statusCode": "INVALID_FIELD", "message": "No such column"}
    ready.fault("status", COLLECTIONS, status=200, body=[{"success": False, "errors": [error]}])
    (outcome,) = ready.crm.send([update(ids(ready)[0])])
    assert (outcome.result, outcome.error_code) == ("rejected", "INVALID_FIELD")
    assert sent(ready) == 1


def test_the_vendor_s_words_are_kept_short(ready: Any) -> None:
    error = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "word \n" * 400}
    ready.fault("status", COLLECTIONS, status=200, body=[{"success": False, "errors": [error]}])
    (outcome,) = ready.crm.send([update(ids(ready)[0])])
    assert len(outcome.message) == 500
    assert "\n" not in outcome.message


# -- reading by ids --------------------------------------------------------------------------------------------------


def test_missing_and_malformed_ids_are_left_out_of_a_read(ready: Any) -> None:
    one = ids(ready)[0]
    assert set(ready.crm.read("account", [one, "0015e00000AAAAAAA5", "77", ""], ["Name"])) == {one}
    assert ready.crm.read("account", [], ["Name"]) == {}
    assert ready.crm.read("account", ["x"], ["Name"]) == {}
    assert sent(ready, f"POST {COLLECTIONS}/Account") == 1


def test_two_thousand_records_are_one_read(many: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ids(many)
    assert len(many.crm.read("account", chosen, [SCORE])) == len(chosen)
    assert sent(many, f"POST {COLLECTIONS}/Account") == 1
    monkeypatch.setattr("connectors.salesforce_write.READ_BATCH", 200)
    assert list(many.crm.read("account", chosen, [SCORE])) == chosen
    assert sent(many, f"POST {COLLECTIONS}/Account") == 1 + -(-len(chosen) // 200)


def test_a_read_that_ends_unclear_is_asked_again(ready: Any) -> None:
    ready.fault("timeout_before", COLLECTIONS)
    one = ids(ready)[0]
    assert ready.crm.read("account", [one], [SCORE]) == {one: {SCORE: None}}


def test_a_field_that_is_gone_is_left_out_of_a_read(ready: Any) -> None:
    one = ids(ready)[0]
    ready.crm.send([update(one)])
    ready.do("drop_field", object="Account", field="Holdfast_Band__c")
    assert ready.crm.read("account", [one], [SCORE, "Holdfast_Band__c"]) == {one: {SCORE: 50}}


def test_a_read_that_is_refused_for_more_than_a_field_says_so(ready: Any) -> None:
    ready.do("revoke", object="Account", rights=["Read"])
    with pytest.raises(MissingPermissionError):
        ready.crm.read("account", ["0015e00000AAAAAAA5"], ["Name"])


def test_a_read_that_finds_no_such_place_is_an_error(ready: Any) -> None:
    ready.fault("status", COLLECTIONS, status=404, body=[{"errorCode": "NOT_FOUND", "message": "no"}])
    with pytest.raises(NotFoundError):
        ready.crm.read("account", ["0015e00000AAAAAAA5"], ["Name"])


def test_a_read_that_is_no_list_is_not_believed(ready: Any) -> None:
    ready.fault("status", COLLECTIONS, status=200, body={"records": []})
    with pytest.raises(ShapeError):
        ready.crm.read("account", ["0015e00000AAAAAAA5"], ["Name"])


def test_other_records_in_an_answer_are_not_taken(ready: Any) -> None:
    chosen = ids(ready)[:4]
    deleted = {"Id": chosen[3], "IsDeleted": True}
    body = [{"Id": "0015e00000AAAAAAA5", "Name": "Winner"}, {"Name": "Nobody"}, None, deleted]
    ready.fault("status", COLLECTIONS, status=200, body=body)
    assert ready.crm.read("account", chosen, ["Name"]) == {}


def test_what_an_answer_leaves_out_is_not_gone(ready: Any) -> None:
    chosen = ids(ready)[:3]
    ready.fault("empty_page", COLLECTIONS)
    with pytest.raises(ShapeError, match="one entry for each"):
        ready.crm.read("account", chosen, ["Name"])
    assert len(ready.crm.read("account", chosen, ["Name"])) == 3
