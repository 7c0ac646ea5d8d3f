"""Reading HubSpot when it answers late, half, wrongly or not at all."""

from typing import Any

import pytest

from connectors.base import Batch, Row
from connectors.errors import (
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    QuotaError,
    ShapeError,
    TransientError,
)
from connectors.hubspot import STREAMS, HubSpot
from connectors.hubspot_kinds import ACTIVITIES

BY_NAME = {stream.name: stream for stream in STREAMS if stream.name not in ACTIVITIES}


def pull(crm: HubSpot, name: str, cursor: str | None = None) -> list[Batch]:
    return list(crm.pull(BY_NAME[name], cursor))


def rows(batches: list[Batch]) -> dict[str, Row]:
    return {row["id"]: row for batch in batches for row in batch.rows}


def last(batches: list[Batch]) -> str:
    return [batch.cursor for batch in batches if batch.cursor is not None][-1]


def test_a_first_list_that_broke_goes_on_where_it_was(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    portal.fault("status", r"objects/2026-09/contacts\?", status=503, nth=range(41, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(portal.crm.pull(BY_NAME["contacts"], None))
    portal.box.faults.clear()
    assert len(rows(seen)) == 4_000
    everyone = portal.ids("contacts")
    portal.pass_time(minutes=40)
    portal.do("edit", object="contacts", id=portal.ids("contacts")[0], properties={"jobtitle": "Meanwhile"})
    rest = pull(portal.crm, "contacts", last(seen))
    assert (rows(seen) | rows(rest)).keys() >= set(everyone)
    assert not any(batch.full for batch in rest), "this pull alone has not seen everything"
    portal.pass_time(hours=1)
    assert portal.ids("contacts")[0] in rows(pull(portal.crm, "contacts", last(rest)))


def test_an_empty_page_is_not_believed_at_once(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    portal.fault("empty_page", r"objects/2026-09/companies\?", nth=3)
    assert sorted(rows(pull(portal.crm, "companies"))) == portal.ids("companies")


def test_a_list_that_ends_early_is_no_mass_deletion(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    cursor = last(pull(portal.crm, "contacts"))
    portal.pass_time(hours=25)
    portal.fault("status", r"contacts\?.*after", status=200, body={"results": []}, nth=range(1, 1000))
    batches: list[Batch] = []
    with pytest.raises(ShapeError, match="ended after 100 of about"):
        batches.extend(portal.crm.pull(BY_NAME["contacts"], cursor))
    assert not any(batch.full for batch in batches)
    assert all(batch.cursor is None for batch in batches), "the pass is made again"


def test_a_first_list_cut_short_is_noticed_too(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    portal.fault("status", r"contacts\?.*after", status=200, body={"results": []}, nth=range(20, 1000))
    seen: list[Batch] = []
    with pytest.raises(ShapeError, match="ended after 2000 of about"):
        seen.extend(portal.crm.pull(BY_NAME["contacts"], None))
    portal.box.faults.clear()
    assert sorted(rows(seen) | rows(pull(portal.crm, "contacts", last(seen)))) == portal.ids("contacts")


def test_a_search_that_counts_rows_but_shows_none_is_asked_again(portal: Any) -> None:
    cursor = last(pull(portal.crm, "companies"))
    portal.pass_time(minutes=30)
    portal.do("touch", object="companies", properties={"name": "All"})
    portal.pass_time(minutes=30)
    portal.fault("empty_page", "companies/search")
    assert sorted(rows(pull(portal.crm, "companies", cursor))) == portal.ids("companies")
    portal.fault("empty_page", "companies/search", nth=range(1, 10))
    with pytest.raises(ShapeError, match="gave none"):
        pull(portal.crm, "companies", cursor)


def test_too_many_properties_for_an_address_are_read_in_a_body(portal: Any) -> None:
    names = [f"made_up_property_with_a_long_name_{number}" for number in range(300)]
    crm = portal.connect(wanted={"companies": ["name", *names]})
    plain = rows(pull(portal.crm, "companies"))
    wide = pull(crm, "companies")
    assert {one: row["properties"]["name"] for one, row in rows(wide).items()} == {
        one: row["properties"]["name"] for one, row in plain.items()
    }
    portal.pass_time(minutes=30)
    changed = portal.ids("companies")[0]
    portal.do("edit", object="companies", id=changed, properties={"name": "New"})
    portal.pass_time(minutes=30)
    assert rows(pull(crm, "companies", last(wide)))[changed]["properties"]["name"] == "New"


def test_only_what_the_field_map_reads_is_asked_for(portal: Any) -> None:
    crm = portal.connect(wanted={"companies": ["properties.plan_name"]})
    row = next(iter(rows(pull(crm, "companies")).values()))
    assert "plan_name" in row["properties"]
    assert "lifecyclestage" not in row["properties"]


@pytest.mark.parametrize(
    "drift",
    [{"associations": 7}, {"properties": None}, {"id": None}, {"properties": []}, {"updatedAt": 7}],
)
def test_rows_of_another_shape_are_passed_on_for_mapping_to_judge(portal: Any, drift: dict[str, Any]) -> None:
    portal.fault("drift", r"objects/2026-09/(contacts|deals)\?", set=drift, nth=range(1, 9))
    for name in ("contacts", "deals"):
        assert sum(len(batch.rows) for batch in pull(portal.crm, name)) == len(portal.ids(name))


def test_a_row_that_is_no_record_is_passed_on_too(portal: Any) -> None:
    portal.fault("status", r"companies\?", status=200, body={"results": [None, "text", {"id": "1"}]})
    (batch,) = pull(portal.crm, "companies")
    assert len(batch.rows) == 3
    portal.fault("status", r"companies\?", status=200, body={"rows": []})
    with pytest.raises(ShapeError, match="no list of results"):
        pull(portal.crm, "companies")


@pytest.mark.parametrize("body", [{"results": [{"from": {"id": "1"}, "to": 7}]}, {"results": [{"to": ["x"]}]}])
def test_associations_of_another_shape_end_the_pull_without_a_crash(portal: Any, body: dict[str, Any]) -> None:
    cursor = last(pull(portal.crm, "contacts"))
    portal.pass_time(minutes=20)
    portal.do("edit", object="contacts", id=portal.ids("contacts")[0], properties={"jobtitle": "New"})
    portal.pass_time(minutes=40)
    portal.fault("status", "contacts/companies/batch/read", status=200, body=body)
    with pytest.raises(ShapeError, match="not as documented"):
        pull(portal.crm, "contacts", cursor)


def test_associations_that_came_with_a_list_in_another_shape_do_neither(portal: Any) -> None:
    portal.fault("drift", r"contacts\?", set={"associations": {"companies": {"results": 7}}})
    with pytest.raises(ShapeError, match="not as documented"):
        pull(portal.crm, "contacts")


def test_paging_in_circles_is_noticed(portal: Any) -> None:
    page = {"results": [{"id": "1"}], "paging": {"next": {"after": "7"}}}
    portal.fault("status", r"companies\?", status=200, body=page, nth=range(1, 99))
    with pytest.raises(ShapeError, match="same page again"):
        pull(portal.crm, "companies")


def test_a_search_in_circles_is_noticed(portal: Any) -> None:
    cursor = last(pull(portal.crm, "companies"))
    portal.pass_time(hours=1)
    page = {"results": [{"id": "1"}], "total": 400}
    portal.fault("status", "companies/search", status=200, body=page, nth=range(1, 99))
    with pytest.raises(ShapeError, match="in circles"):
        pull(portal.crm, "companies", cursor)


def test_a_paging_link_to_another_host_is_never_followed(portal: Any) -> None:
    link = {"next": {"after": "2", "link": "https://evil.example/?after=2"}}
    portal.fault("status", r"companies\?", status=200, body={"results": [{"id": "1"}], "paging": link})
    pull(portal.crm, "companies")
    assert portal.requests().count("GET /crm/objects/2026-09/companies") == 2
    assert {entry.vendor for entry in portal.box.journal} == {"hubspot"}


@pytest.mark.parametrize("cursor", ["{", '{"high": "x"}', '{"unknown": 1}', "[]"])
def test_a_cursor_that_is_not_ours_starts_the_stream_again(portal: Any, cursor: str) -> None:
    for name in ("owners", "companies"):
        with pytest.raises(CursorExpiredError):
            pull(portal.crm, name, cursor)


def test_a_missing_scope_names_itself(portal: Any) -> None:
    portal.do("token", token="pat-few", scopes=["crm.objects.companies.read"])
    crm = portal.connect(token="pat-few")
    pull(crm, "companies")
    with pytest.raises(MissingPermissionError, match=r"Grant the token the scope crm\.objects\.feedback"):
        pull(crm, "feedback_submissions")
    assert BY_NAME["feedback_submissions"].optional


def test_an_unknown_or_malformed_token_is_said_plainly_and_not_shown(portal: Any) -> None:
    for token in ("pat-unknown-token", "not a token!"):
        with pytest.raises(CredentialsError) as caught:
            portal.connect(token=token).environment()
        assert token not in str(caught.value)


def test_the_day_s_calls_being_used_up_ends_the_pull_at_once(portal: Any) -> None:
    portal.do("options", daily_limit=1000)
    portal.do("use_quota", calls=1000)
    with pytest.raises(QuotaError, match="midnight"):
        pull(portal.crm, "companies")
    assert len(portal.requests()) == 1


def test_a_portal_being_moved_is_left_alone_for_as_long_as_it_says(portal: Any) -> None:
    portal.do("options", migrating=86_400)
    with pytest.raises(QuotaError, match="data centre") as caught:
        pull(portal.crm, "companies")
    assert caught.value.retry_after == 86_400.0
    assert len(portal.requests()) == 1


def test_bursts_stay_below_the_limit_and_searches_below_theirs(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world, burst_limit=100)
    start = portal.box.clock.monotonic()
    cursor = last(pull(portal.crm, "contacts"))
    assert {entry.status for entry in portal.box.journal} == {200}, "never a 429"
    assert portal.box.clock.monotonic() - start == 10.0, "104 calls, 80 in ten seconds"
    portal.do("touch", object="contacts", properties={"jobtitle": "Moved"})
    portal.pass_time(hours=1)
    portal.forget()
    pull(portal.crm, "contacts", cursor)
    assert {entry.status for entry in portal.box.journal} == {200}


def test_too_many_searches_by_others_are_waited_out(portal: Any) -> None:
    cursor = last(pull(portal.crm, "companies"))
    portal.pass_time(hours=1)
    portal.do("options", retry_after=False)
    body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "SECONDLY", "message": "slow down"}
    portal.fault("status", "companies/search", status=429, body=body)
    before = portal.box.clock.monotonic()
    pull(portal.crm, "companies", cursor)
    assert portal.box.clock.monotonic() - before == 1.0


@pytest.mark.parametrize("kind", ["html", "reset", "cut", "not_json", "timeout_before"])
def test_a_passing_failure_of_a_read_goes_unnoticed(portal: Any, kind: str) -> None:
    portal.fault(kind, r"companies\?")
    assert sorted(rows(pull(portal.crm, "companies"))) == portal.ids("companies")


def test_the_legacy_paths_still_work_and_the_dated_ones_need_no_legacy(portal: Any) -> None:
    for name in BY_NAME:
        pull(portal.connect(api_version="legacy"), name)
    assert all("/v3/" in request or "/v4/" in request for request in portal.requests())
    portal.forget()
    portal.do("options", legacy_paths=False)
    for name in BY_NAME:
        pull(portal.crm, name)
    assert not any("/v3/" in request or "/v4/" in request for request in portal.requests())


def test_stages_are_read_again_after_a_day(portal: Any) -> None:
    cursor = last(pull(portal.crm, "deals"))
    portal.pass_time(hours=25)
    pull(portal.crm, "deals", cursor)
    assert portal.crm.calls["pipelines"] == 2
