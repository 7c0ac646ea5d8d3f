"""Large writes by bulk jobs: the same outcomes for fewer calls."""

from collections import Counter
from typing import Any

import pytest

from connectors.base import Value
from connectors.errors import QuotaError
from tests.connectors.salesforce_orgs import FULL, LIMIT, SCORE, ids, prepare, results, score, sent, update, wide_world


@pytest.fixture
def many(open_org: Any) -> Any:
    """The same with more accounts than one request takes."""
    return prepare(open_org(wide_world()))


# -- bulk jobs -------------------------------------------------------------------------------------------------------


def bulk_calls(org: Any) -> Counter[str]:
    return Counter(request.partition(" ")[0] for request in org.requests() if "jobs/ingest" in request)


def test_more_than_two_hundred_updates_are_one_job_of_about_eight_calls(many: Any) -> None:
    chosen = ids(many)
    assert len(chosen) > 200
    outcomes = many.crm.send([update(one, {SCORE: 61.25, "Holdfast_Reason__c": 'a\n"b", c'}) for one in chosen])
    assert [(outcome.remote_id, outcome.result) for outcome in outcomes] == [(one, "confirmed") for one in chosen]
    assert sent(many) == 0
    assert sum(bulk_calls(many).values()) <= 9
    found = many.crm.read("account", chosen, [SCORE, "Holdfast_Reason__c"])
    assert set(map(str, found.values())) == {str({SCORE: 61.25, "Holdfast_Reason__c": 'a\n"b", c'})}


def test_a_job_clears_leaves_alone_and_writes_like_single_requests_do(many: Any) -> None:
    chosen = ids(many)[:202]
    one, two = chosen[:2]
    many.crm.send([update(one, FULL), update(two, FULL)])
    empty: dict[str, Value] = {**dict.fromkeys(FULL), "Holdfast_Flag__c": False, "Holdfast_Reason__c": ""}
    changes = [update(one, empty), update(two, {SCORE: 1}), *(update(other, FULL) for other in chosen[2:])]
    assert set(results(many.crm.send(changes))) == {"confirmed"}
    found = many.crm.read("account", chosen, list(FULL))
    assert found[one] == {**empty, "Holdfast_Reason__c": None}
    assert found[two] == {**FULL, SCORE: 1}
    assert all(found[other] == FULL for other in chosen[2:])


def test_each_record_of_a_job_has_its_own_outcome(many: Any) -> None:
    chosen = ids(many)[:250]
    deleted, loser, ruled, locked, stuck, wrong = chosen[:6]
    many.do("delete", id=deleted)
    many.do("merge", winner=chosen[10], loser=loser)
    many.do("rule", object="Account", message="Not, in: December", id=ruled)
    many.do("lock", id=locked, tries=1)
    many.do("lock", id=stuck, tries=50)
    changes = [update(one, {SCORE: "odd"} if one == wrong else None) for one in chosen]
    outcomes = many.crm.send(changes)
    assert results(outcomes) == ["gone", "gone", "rejected", "confirmed", "retry", "rejected", *["confirmed"] * 244]
    assert "Not, in: December" in outcomes[2].message
    assert outcomes[4].error_code == "UNABLE_TO_LOCK_ROW"
    assert sent(many) >= 1, "locked rows go once more by themselves"


def test_the_same_record_twice_is_not_in_one_job(many: Any) -> None:
    chosen = ids(many)[:250]
    changes = [*(update(one, {SCORE: 1}) for one in chosen), update(chosen[7], {SCORE: 2}, "again")]
    assert set(results(many.crm.send(changes))) == {"confirmed"}
    assert score(many, chosen[7]) == 2
    assert sent(many) == 1


def test_a_text_that_a_file_cannot_say_goes_by_itself(many: Any) -> None:
    chosen = ids(many)[:250]
    changes = [update(one, {"Holdfast_Reason__c": "#N/A" if one == chosen[3] else "fine"}) for one in chosen]
    assert set(results(many.crm.send(changes))) == {"confirmed"}
    found = many.crm.read("account", chosen[3:5], ["Holdfast_Reason__c"])
    assert [values["Holdfast_Reason__c"] for values in found.values()] == ["#N/A", "fine"]
    assert sent(many) == 1


def test_a_field_hidden_since_it_was_described_fails_the_job_and_is_named(many: Any) -> None:
    chosen = ids(many)[:250]
    many.crm.send([update(chosen[0])])
    many.do("hide_field", object="Account", field=SCORE)
    outcomes = many.crm.send([update(one, {SCORE: 9}) for one in chosen])
    assert set(results(outcomes)) <= {"rejected", "in_doubt", "retry"}
    many.do("show_field", object="Account", field=SCORE)
    assert len(set(map(str, many.crm.read("account", chosen[1:], [SCORE]).values()))) == 1, "nothing was written"


def test_where_bulk_jobs_are_not_to_be_had_updates_go_the_long_way(many: Any) -> None:
    body = [{"errorCode": "INVALIDENTITY", "message": "Entity 'Account' is not supported by the Bulk API."}]
    many.fault("status", "jobs/ingest", status=400, body=body)
    assert set(results(many.crm.send([update(one) for one in ids(many)[:250]]))) == {"confirmed"}
    assert sent(many) == 2


def test_a_used_up_day_before_a_job_raises_and_in_the_middle_leaves_the_rest_in_doubt(many: Any) -> None:
    changes = [update(one) for one in ids(many)[:250]]
    many.crm.send(changes[:1])
    many.fault("status", "jobs/ingest", status=403, body=LIMIT, nth=1)
    with pytest.raises(QuotaError):
        many.crm.send(changes)
    many.fault("status", "jobs/ingest/750", method="GET", status=403, body=LIMIT, times=50)
    outcomes = many.crm.send(changes)
    assert set(results(outcomes)) == {"in_doubt"}
    assert "Limit" in outcomes[0].message


def test_a_job_that_cannot_begin_after_something_was_sent_is_left_for_the_next_run(many: Any) -> None:
    chosen = ids(many)
    changes = [update(one, {SCORE: 1}, f"a{one}") for one in chosen] + [
        update(one, {SCORE: 2}, f"b{one}") for one in chosen
    ]
    many.fault("status", "jobs/ingest", method="POST", status=403, body=LIMIT, nth=2)
    outcomes = many.crm.send(changes)
    assert results(outcomes) == ["confirmed"] * len(chosen) + ["retry"] * len(chosen)


def test_a_job_that_cannot_be_made_changed_nothing(many: Any) -> None:
    many.fault("status", "jobs/ingest", method="POST", status=503, times=50)
    outcomes = many.crm.send([update(one) for one in ids(many)[:250]])
    assert set(results(outcomes)) == {"retry"}


@pytest.mark.parametrize("kind", ["timeout_after", "timeout_before"])
def test_a_job_closed_without_our_hearing_of_it_is_still_read(many: Any, kind: str) -> None:
    many.fault(kind, "jobs/ingest/750", method="PATCH")
    outcomes = many.crm.send([update(one) for one in ids(many)[:250]])
    assert set(results(outcomes)) == {"confirmed"}


def test_a_job_that_fails_is_told_by_its_results(many: Any) -> None:
    many.options(bulk_fail="InternalError : something broke")
    chosen = ids(many)[:250]
    outcomes = many.crm.send([update(one) for one in chosen])
    assert set(results(outcomes)) <= {"confirmed", "retry", "in_doubt"}
    assert any("something broke" in outcome.message for outcome in outcomes)
    found = many.crm.read("account", chosen, [SCORE])
    written = {one for one, values in found.items() if values[SCORE] == 50}
    assert {str(outcome.remote_id) for outcome in outcomes if outcome.result == "confirmed"} == written
    assert len(written) < len(chosen)
