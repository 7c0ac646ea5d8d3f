"""Writing to HubSpot: one outcome for every change, and none of them a guess."""

from typing import Any

import pytest

from connectors.base import Change, Crm, Outcome, Value
from connectors.errors import CredentialsError, MissingPermissionError, QuotaError
from tests.connectors.hubspot_portals import DUE, FULL, SPECS, posts, prepare, results, update


@pytest.fixture
def ready(portal: Any) -> Any:
    return prepare(portal)


def test_it_is_a_crm(portal: Any) -> None:
    assert isinstance(portal.crm, Crm)


def test_what_is_written_is_what_is_read(ready: Any) -> None:
    one = ready.ids("companies")[0]
    (outcome,) = ready.crm.send([update(one, FULL)])
    assert outcome == Outcome(f"key-{one}", "confirmed", one)
    assert ready.crm.read("account", [one], list(FULL)) == {one: FULL}
    stream = next(stream for stream in ready.crm.streams if stream.name == "companies")
    (row,) = [row for batch in ready.crm.pull(stream, None) for row in batch.rows if row["id"] == one]
    assert ready.crm.own_values(stream, row) == FULL, "they come along with every pull"


def test_none_clears_and_a_shorter_choice_replaces(ready: Any) -> None:
    one = ready.ids("companies")[0]
    ready.crm.send([update(one, FULL)])
    ready.crm.send([update(one, {**dict.fromkeys(FULL), "holdfast_segments": ("dormant",)})])
    assert ready.crm.read("account", [one], list(FULL)) == {
        one: dict.fromkeys(FULL) | {"holdfast_segments": ("dormant",)}
    }


def test_a_hundred_updates_are_one_request(ready: Any) -> None:
    people = ready.ids("contacts")[:80]
    changes = [Change("contact", one, {"holdfast_engagement": 7}, one) for one in people]
    outcomes = ready.crm.send(changes)
    assert [(outcome.key, outcome.result) for outcome in outcomes] == [(one, "confirmed") for one in people]
    assert posts(ready, "contacts/batch/update") == 1


def test_nothing_to_send_is_no_request(ready: Any) -> None:
    assert ready.crm.send([]) == []
    assert ready.requests() == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"holdfast_scoer": 1}, "PROPERTY_DOESNT_EXIST"),
        ({"holdfast_band": "purple"}, "INVALID_OPTION"),
        ({"holdfast_segments": ("power", "unknown")}, "INVALID_OPTION"),
        ({"holdfast_score": "many"}, "INVALID_INTEGER"),
        ({"holdfast_score": True}, "INVALID_INTEGER"),
        ({"holdfast_score": float("nan")}, "INVALID_INTEGER"),
        ({"holdfast_scored_at": "yesterday"}, "INVALID_DATE"),
        ({"holdfast_flag": "maybe"}, "INVALID_BOOLEAN"),
        ({"holdfast_reason": "x" * 65_537}, "INVALID_LENGTH"),
        ({"hs_lastmodifieddate": DUE}, "READ_ONLY_VALUE"),
    ],
)
def test_a_value_that_would_be_refused_never_endangers_its_batch(
    ready: Any, values: dict[str, Value], code: str
) -> None:
    bad, good = ready.ids("companies")[:2]
    outcomes = ready.crm.send([update(bad, values), update(good)])
    assert results(outcomes) == ["rejected", "confirmed"]
    assert outcomes[0].error_code == code
    assert next(iter(values)) in outcomes[0].message
    assert posts(ready, "batch/update") == 1


@pytest.mark.parametrize("record_id", ["abc", "8000000017x", "", "\uff10\uff11"])
def test_an_id_of_the_wrong_form_is_not_sent(ready: Any, record_id: str) -> None:
    (outcome,) = ready.crm.send([update(record_id, key="k")])
    assert (outcome.result, outcome.error_code) == ("rejected", "INVALID_ID")
    assert posts(ready, "batch/update") == 0


def test_a_batch_refused_as_a_whole_is_halved_until_the_culprits_stand_alone(ready: Any) -> None:
    ids = ready.ids("companies")
    ready.crm.send([update(ids[0])])
    ready.do("change_property", object="companies", name="holdfast_band", changes={"options": [_option("green")]})
    bad = {ids[2], ids[7]}
    changes = [update(one, {"holdfast_band": "red" if one in bad else "green"}) for one in ids]
    outcomes = ready.crm.send(changes)
    assert {outcome.remote_id for outcome in outcomes if outcome.result == "rejected"} == bad
    assert results(outcomes).count("confirmed") == len(ids) - 2
    assert [outcome.key for outcome in outcomes] == [change.key for change in changes]
    assert {outcome.error_code for outcome in outcomes if outcome.result == "rejected"} == {"VALIDATION_ERROR"}


def _option(value: str) -> dict[str, Any]:
    return {"label": value, "value": value, "displayOrder": 0, "hidden": False}


@pytest.mark.parametrize("plain", [False, True])
def test_unknown_and_deleted_records_are_gone_and_the_rest_lands(ready: Any, plain: bool) -> None:  # noqa: FBT001 - a parameter of the test
    ready.do("options", plain_partial=plain)
    first, second, third = ready.ids("companies")[:3]
    ready.do("archive", object="companies", id=second)
    outcomes = ready.crm.send([update(first), update("123"), update(second), update(third)])
    assert results(outcomes) == ["confirmed", "gone", "gone", "confirmed"]
    assert outcomes[1].error_code == "OBJECT_NOT_FOUND"


def test_a_record_merged_away_is_silently_left_out_and_can_be_asked_for(ready: Any) -> None:
    winner, loser, other = ready.ids("companies")[:3]
    ready.do("merge", object="companies", winner=winner, loser=loser)
    outcomes = ready.crm.send([update(loser), update(other)])
    assert results(outcomes) == ["in_doubt", "confirmed"]
    assert ready.crm.read("account", [winner, loser], ["holdfast_score"]) == {winner: {"holdfast_score": None}}


def test_one_empty_answer_makes_no_record_gone(ready: Any) -> None:
    one, other = ready.ids("companies")[:2]
    ready.fault("empty_page", "batch/read")
    assert set(ready.crm.read("account", [one, other], ["name"])) == {one, other}
    ready.fault("empty_page", "batch/update")
    outcomes = ready.crm.send([update(one), update(other)])
    assert results(outcomes) == ["in_doubt", "in_doubt"]


def test_missing_and_malformed_ids_are_left_out_of_a_read(ready: Any) -> None:
    one = ready.ids("companies")[0]
    assert set(ready.crm.read("account", [one, "77", "x"], ["name"])) == {one}
    assert ready.crm.read("account", [], ["name"]) == {}


def test_the_winner_s_answer_for_a_loser_s_id_is_not_taken(ready: Any) -> None:
    body = {"results": [{"id": "999", "properties": {"name": "Winner"}}], "status": "COMPLETE"}
    ready.fault("status", "companies/batch/read", status=200, body=body)
    assert ready.crm.read("account", ["111"], ["name"]) == {}


def test_the_same_record_twice_goes_in_two_requests(ready: Any) -> None:
    one = ready.ids("companies")[0]
    outcomes = ready.crm.send([update(one, {"holdfast_score": 1}, "a"), update(one, {"holdfast_score": 2}, "b")])
    assert results(outcomes) == ["confirmed", "confirmed"]
    assert ready.crm.read("account", [one], ["holdfast_score"]) == {one: {"holdfast_score": 2}}


def test_a_locked_account_is_waited_out(ready: Any) -> None:
    one = ready.ids("companies")[0]
    ready.fault("status", "batch/update", status=423, body={"category": "LOCKED", "message": "Locked"})
    before = ready.box.clock.monotonic()
    assert results(ready.crm.send([update(one)])) == ["confirmed"]
    assert ready.box.clock.monotonic() - before >= 2.0


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
    one, two = ready.ids("companies")[:2]
    kind = fault.pop("kind")
    ready.fault(kind, "batch/update", **fault)
    assert results(ready.crm.send([update(one), update(two)])) == ["in_doubt", "in_doubt"]
    assert posts(ready, "batch/update") == 1
    value = ready.crm.read("account", [one], ["holdfast_score"])[one]["holdfast_score"]
    assert value == (50 if happened else None)


def test_a_server_that_cannot_be_reached_did_nothing(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests
    from urllib3.exceptions import NewConnectionError

    one = ready.ids("companies")[0]
    ready.crm.send([update(one)])

    def refuse(*_: Any, **__: Any) -> Any:
        raise requests.ConnectionError(NewConnectionError(None, "refused"))  # type: ignore[arg-type]  # no connection

    monkeypatch.setattr("sandbox.mount.SandboxAdapter.send", refuse)
    (outcome,) = ready.crm.send([update(one)])
    assert outcome.result == "retry"
    assert "cannot be reached" in outcome.message


def test_a_used_up_day_raises_when_nothing_was_sent(ready: Any) -> None:
    ready.crm.send([update(ready.ids("companies")[0])])
    ready.do("options", daily_limit=100)
    ready.do("use_quota", calls=100)
    with pytest.raises(QuotaError):
        ready.crm.send([update(ready.ids("companies")[0])])


def test_a_used_up_day_half_way_leaves_the_rest_to_be_sent_again(ready: Any) -> None:
    ids = ready.ids("companies")[:4]
    daily = {"policyName": "DAILY", "errorType": "RATE_LIMIT", "message": "You have reached your daily limit."}
    refused = {"category": "VALIDATION_ERROR", "message": "no"}
    ready.fault("status", "batch/update", status=400, body=refused, nth=1)
    ready.fault("status", "batch/update", status=429, body=daily, nth=3)
    outcomes = ready.crm.send([update(one) for one in ids])
    assert results(outcomes) == ["confirmed", "confirmed", "retry", "retry"]
    assert outcomes[2].error_code == "DAILY"


def test_a_revoked_token_raises_when_nothing_was_sent(ready: Any) -> None:
    ready.do("revoke_token", token="pat-sandbox-full")
    with pytest.raises(CredentialsError):
        ready.crm.send([update(ready.ids("companies")[0])])


def test_definitions_that_may_not_be_read_for_want_of_quota_send_nothing(ready: Any) -> None:
    ready.do("options", daily_limit=100)
    ready.do("use_quota", calls=100)
    with pytest.raises(QuotaError):
        ready.connect(own_fields=SPECS).send([update(ready.ids("companies")[0])])
    assert posts(ready, "batch/update") == 0


def test_a_missing_write_scope_changes_nothing_and_is_named(ready: Any) -> None:
    ready.do("token", token="pat-reader", scopes=["crm.objects.companies.read", "crm.schemas.companies.read"])
    reader = ready.connect(token="pat-reader", own_fields=SPECS)
    one, two = ready.ids("companies")[:2]
    with pytest.raises(MissingPermissionError, match=r"for want of a scope\. Grant .*crm\.objects\.companies\.write\."):
        reader.send([update(one), update(two)])
    assert posts(ready, "batch/update") == 1, "the next batch would be refused as well"


def test_without_definitions_hubspot_judges_alone(ready: Any) -> None:
    ready.fault("status", "properties/2026-09/companies", status=403, body={"category": "MISSING_SCOPES"})
    one, two = ready.ids("companies")[:2]
    outcomes = ready.crm.send([update(one, {"nonsense": 1}), update(two)])
    assert results(outcomes) == ["rejected", "confirmed"]


def test_an_answer_that_lists_nothing_is_in_doubt(ready: Any) -> None:
    ready.fault("status", "batch/update", status=200, body={"status": "COMPLETE"})
    assert results(ready.crm.send([update(ready.ids("companies")[0])])) == ["in_doubt"]
