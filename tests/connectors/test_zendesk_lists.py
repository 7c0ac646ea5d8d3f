"""Zendesk's organizations by time and its lists: every way in which they can lose, repeat or hide something."""

import json
from typing import Any

import pytest

from connectors.errors import (
    CursorExpiredError,
    RequestError,
    ShapeError,
    TransientError,
)
from sandbox.faults import Fault
from tests.connectors.zendesk_desk import Desk, ids, small_pages


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- export by time: organizations


def test_the_time_form_ends_although_next_page_never_does(desk: Desk) -> None:
    first = desk.rows("organizations")
    assert len(first) == len({row["id"] for row in first}) > 30
    desk.wait(hours=1)
    desk.rows("organizations")
    assert desk.source.calls["organizations"] == 2


def test_a_page_that_does_not_move_on_ends_the_stream(desk: Desk) -> None:
    page: dict[str, Any] = {"organizations": [], "end_time": None, "count": 0, "end_of_stream": False}
    desk.sandbox.faults.add(Fault("status", path="organizations", status=200, body=page, times=9))
    assert desk.rows("organizations") == []
    assert desk.source.calls["organizations"] == 1


def test_a_page_that_repeats_its_second_before_the_end_is_no_whole_listing(desk: Desk) -> None:
    page = {"organizations": [{"id": 1}], "end_time": 7, "count": 1, "end_of_stream": False}
    desk.sandbox.faults.add(Fault("status", path="organizations", status=200, body=page, times=9))
    with pytest.raises(ShapeError, match="same time twice"):
        desk.batches("organizations")


def test_rows_without_a_usable_id_are_passed_on_for_mapping_to_judge(desk: Desk) -> None:
    bad: list[Any] = [None, "text", {"status": "deleted"}, {"id": {"nested": 1}}]
    body = {"tickets": bad, "metric_sets": [{"ticket_id": 1}], "end_of_stream": True, "after_cursor": "x"}
    desk.sandbox.faults.add(Fault("status", path="tickets", status=200, body=body))
    (batch,) = desk.batches("tickets")
    assert batch.rows == [{"unreadable": None}, {"unreadable": "text"}, *bad[2:]]
    assert batch.deleted == ()
    body = {"organizations": bad, "end_of_stream": True, "end_time": 7}
    desk.sandbox.faults.add(Fault("status", path="organizations", status=200, body=body))
    assert len(desk.rows("organizations")) == 4


def test_pages_that_meet_in_a_second_bring_its_records_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = sorted(ids(desk.rows("organizations")))
    small_pages(monkeypatch, export=7)
    desk.cursors.clear()
    batches = desk.next("organizations")
    again = [i for batch in batches for i in ids(batch.rows)]
    assert sorted(again) == everything
    assert len(batches) > 3


def test_a_second_fuller_than_a_page_comes_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.next("organizations")
    small_pages(monkeypatch, export=7)
    desk.act("touch", kind="organizations", count=20)
    desk.wait(hours=1)
    desk.act("edit_organization", id=desk.batches("organizations")[0].rows[0]["id"], fields={"name": "Renamed"})
    desk.wait(minutes=5)
    names = {row["id"]: row["name"] for row in desk.rows("organizations")}
    assert len(names) >= 20
    assert "Renamed" in names.values()


def test_resuming_never_asks_for_a_start_too_near_now() -> None:
    desk = Desk(too_recent=300)
    desk.next("organizations")
    desk.act("touch", kind="organizations", count=3)
    desk.wait(minutes=2)
    desk.next("organizations")
    desk.wait(minutes=1)
    desk.next("organizations")
    assert {entry.status for entry in desk.sandbox.journal.entries()} == {200}


def test_422_on_organizations_means_nothing_new(desk: Desk) -> None:
    desk.next("organizations")
    desk.wait(hours=1)
    kept = desk.cursors["organizations"]
    desk.sandbox.faults.add(Fault("status", path="organizations", status=422, body={"error": "InvalidValue"}))
    assert desk.rows("organizations") == []
    assert desk.cursors["organizations"] == kept


def test_a_merged_organization_is_missing_from_the_daily_full_listing(desk: Desk) -> None:
    first = desk.next("organizations")
    known = ids(first[-1].rows)
    assert first[-1].full
    desk.act("merge_organizations", loser=known[0], winner=known[1])
    desk.wait(hours=1)
    (changed,) = desk.next("organizations")
    assert not changed.full
    assert known[0] not in ids(changed.rows)
    desk.wait(hours=23)
    (listed,) = desk.next("organizations")
    assert listed.full
    assert set(known) - set(ids(listed.rows)) == {known[0]}


# ---- lists: memberships


def test_memberships_are_listed_once_a_day(desk: Desk) -> None:
    batches = desk.next("organization_memberships")
    rows = [row for batch in batches for row in batch.rows]
    assert [batch.full for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert len({row["id"] for row in rows}) == len(rows) > 100
    calls = desk.source.calls["organization_memberships"]
    assert calls == -(-len(rows) // 100)
    desk.wait(hours=1)
    assert desk.rows("organization_memberships") == []
    assert desk.source.calls["organization_memberships"] == calls
    desk.wait(hours=23)
    assert len(desk.rows("organization_memberships")) >= len(rows)


def test_an_interrupted_listing_goes_on_and_is_not_taken_for_complete(desk: Desk) -> None:
    whole = desk.batches("organization_memberships")
    rest = desk.batches("organization_memberships", whole[0].cursor)
    assert [ids(batch.rows) for batch in rest] == [ids(batch.rows) for batch in whole[1:]]
    assert not any(batch.full for batch in rest)
    assert json.loads(rest[-1].cursor or "") == json.loads(whole[-1].cursor or "")


def test_a_forgotten_place_in_a_list_starts_it_again(desk: Desk) -> None:
    with pytest.raises(CursorExpiredError):
        desk.batches("organization_memberships", '{"after":"gone","began":"2026-11-21T00:00:00+00:00"}')


def test_a_list_that_repeats_its_cursor_is_an_error_not_a_loop(desk: Desk) -> None:
    page = {"organization_memberships": [], "meta": {"has_more": True, "after_cursor": "x"}}
    desk.sandbox.faults.add(Fault("status", path="memberships", status=200, body=page, times=9))
    with pytest.raises(ShapeError, match="same cursor twice"):
        desk.batches("organization_memberships")


def test_a_read_timeout_is_transient(desk: Desk) -> None:
    desk.sandbox.faults.add(Fault("timeout_before", path="users", times=99))
    with pytest.raises(TransientError):
        desk.batches("users")


@pytest.mark.parametrize("place", ["[]", "{", "text"])
@pytest.mark.parametrize("name", ["organizations", "organization_memberships", "survey_responses"])
def test_a_saved_place_that_is_no_place_starts_the_stream_again(desk: Desk, name: str, place: str) -> None:
    with pytest.raises(CursorExpiredError):
        desk.batches(name, place)


@pytest.mark.parametrize("name", ["users", "organization_memberships"])
def test_other_refusals_are_passed_on(desk: Desk, name: str) -> None:
    desk.sandbox.faults.add(Fault("status", path=name, status=400, body={"error": "InvalidValue"}))
    with pytest.raises(RequestError):
        desk.batches(name)
