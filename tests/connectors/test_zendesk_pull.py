"""Every way in which Zendesk's exports by cursor can lose, repeat or hide something, against the simulated vendor."""

from typing import Any

import pytest

from connectors.base import Batch
from connectors.errors import (
    CursorExpiredError,
    QuotaError,
    ShapeError,
)
from sandbox.faults import Fault
from tests.connectors.zendesk_desk import NOW, Desk, ids, small_pages


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_first_pull_reads_every_ticket_from_the_beginning_and_a_quiet_one_nothing(desk: Desk) -> None:
    first = desk.next("tickets")
    live = sum(len(batch.rows) for batch in first)
    gone = sum(len(batch.deleted) for batch in first)
    assert live + gone == sum(t.created_at < NOW for t in desk.sandbox.world.tickets)
    assert desk.queries("tickets/cursor")[0]["start_time"] == "0"
    assert desk.rows("tickets") == []
    assert "start_time" not in desk.queries("tickets/cursor")[1]


def test_page_size_and_sideload_are_asked_for_again_on_every_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, export=100)
    desk.next("tickets")
    asked = desk.queries("tickets/cursor")
    assert len(asked) > 2
    assert all(query["per_page"] == "100" and query["include"] == "metric_sets" for query in asked)


def test_metric_sets_are_folded_into_their_tickets(desk: Desk) -> None:
    rows = desk.rows("tickets")
    assert rows
    assert all(row["_metric_set"]["ticket_id"] == row["id"] for row in rows)
    assert any(row["_metric_set"]["reply_time_in_minutes"]["calendar"] for row in rows)


def test_cursors_are_url_encoded_on_the_wire(desk: Desk) -> None:
    for cursor in ("MTc5NTI5Njk1MS4wfHw0NDF8+/==", "a&b=c#d"):
        with pytest.raises(CursorExpiredError):
            desk.batches("tickets", cursor)
        assert desk.queries("tickets/cursor")[-1]["cursor"] == cursor


def test_an_empty_page_in_mid_stream_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, export=50)
    whole, holed = Desk(), Desk(empty_every=3)
    batches = holed.next("tickets")
    assert any(not batch.rows and not batch.deleted for batch in batches[:-1])
    assert [i for batch in batches for i in ids(batch.rows)] == ids(whole.rows("tickets"))


def test_every_page_carries_the_place_to_go_on_from(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, export=100)
    batches = desk.next("tickets")
    rest = desk.batches("tickets", batches[0].cursor)
    assert [ids(batch.rows) for batch in rest] == [ids(batch.rows) for batch in batches[1:]]
    assert all(batch.server_time == NOW for batch in batches)


def test_system_updates_come_although_updated_at_stands_still(desk: Desk) -> None:
    ticket = desk.rows("tickets")[0]
    desk.act("touch", ids=[ticket["id"]], system=True)
    desk.wait(hours=1)
    (again,) = desk.rows("tickets")
    assert again["id"] == ticket["id"]
    assert again["updated_at"] == ticket["updated_at"]
    assert again["generated_timestamp"] > ticket["generated_timestamp"]


def test_changes_of_the_last_minute_come_an_hour_later(desk: Desk) -> None:
    ticket = desk.rows("tickets")[0]
    desk.act("touch", ids=[ticket["id"]])
    assert desk.rows("tickets") == []
    desk.wait(hours=1)
    assert ids(desk.rows("tickets")) == [ticket["id"]]


def test_deleted_tickets_are_ids_not_rows(desk: Desk) -> None:
    ticket = desk.rows("tickets")[0]
    desk.act("delete_ticket", id=ticket["id"])
    desk.wait(hours=1)
    (batch,) = desk.next("tickets")
    assert batch.deleted == (str(ticket["id"]),)
    assert batch.rows == []


def test_thousands_of_changes_in_one_second_come_once_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.next("tickets")
    small_pages(monkeypatch, export=7)
    desk.act("touch", count=100)
    desk.wait(hours=1)
    batches = desk.next("tickets")
    found = [i for batch in batches for i in [*ids(batch.rows), *map(int, batch.deleted)]]
    assert len(found) == len(set(found)) == 100


def test_a_merged_user_comes_back_inactive_and_its_tickets_follow(desk: Desk) -> None:
    tickets = desk.rows("tickets")
    desk.next("users")
    loser, *others = dict.fromkeys(row["requester_id"] for row in tickets)
    winner = others[0]
    desk.act("merge_users", loser=loser, winner=winner, lag_seconds=30)
    desk.wait(hours=1)
    users = {row["id"]: row for row in desk.rows("users")}
    assert users[loser]["active"] is False
    assert users[loser]["email"] is None
    desk.wait(hours=1)
    moved = {row["id"]: row["requester_id"] for row in desk.rows("tickets")}
    was = [row["id"] for row in tickets if row["requester_id"] == loser]
    assert {moved[i] for i in was} == {winner}


def test_a_cursor_zendesk_does_not_know_starts_the_stream_again(desk: Desk) -> None:
    with pytest.raises(CursorExpiredError):
        desk.batches("tickets", "bm90IGEgY3Vyc29y")


def test_a_repeated_cursor_before_the_end_is_an_error_not_a_loop(desk: Desk) -> None:
    page = {"tickets": [], "after_cursor": "same", "end_of_stream": False}
    desk.sandbox.faults.add(Fault("status", path="tickets/cursor", status=200, body=page, times=9))
    with pytest.raises(ShapeError, match="same cursor twice"):
        desk.batches("tickets", "same")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"tickets": None, "end_of_stream": True}, "holds no list"),
        ({"users": [], "end_of_stream": True}, "holds no list"),
        ({"tickets": {"id": 1}, "end_of_stream": True}, "holds no list"),
        ({"tickets": ["text"]}, "same cursor twice"),
        (["tickets"], "not an object"),
    ],
)
def test_a_page_without_a_list_of_records_is_refused(desk: Desk, body: Any, why: str) -> None:
    desk.sandbox.faults.add(Fault("status", path="tickets/cursor", status=200, body=body, times=9))
    with pytest.raises(ShapeError, match=why):
        desk.batches("tickets")


def test_a_start_too_near_now_means_nothing_new(desk: Desk) -> None:
    body = {"error": "InvalidValue", "description": "Too recent start_time."}
    desk.sandbox.faults.add(Fault("status", path="users/cursor", status=422, body=body))
    assert desk.batches("users", "kept") == [Batch(cursor="kept", server_time=NOW)]


def test_a_gateway_page_and_a_cut_body_are_read_again(desk: Desk) -> None:
    expected = desk.sandbox.world.tickets
    desk.sandbox.faults.add(Fault("html", path="tickets/cursor", status=502))
    desk.sandbox.faults.add(Fault("cut", path="tickets/cursor"))
    batches = desk.next("tickets")
    assert sum(len(b.rows) + len(b.deleted) for b in batches) == sum(t.created_at < NOW for t in expected)
    assert desk.source.calls["tickets"] == 3


def test_twelve_exports_in_a_minute_wait_for_their_turn(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, export=30)
    desk.next("tickets")
    statuses = {entry.status for entry in desk.sandbox.journal.entries()}
    assert desk.source.calls["tickets"] > 10
    assert statuses == {200}
    assert desk.sandbox.clock.monotonic() >= 60


def test_other_users_of_the_export_limit_make_us_wait_as_told(desk: Desk) -> None:
    body = {"error": "APIRateLimitExceeded"}
    desk.sandbox.faults.add(Fault("status", path="tickets", status=429, headers={"Retry-After": "42"}, body=body))
    desk.next("tickets")
    assert 42 <= desk.sandbox.clock.monotonic() < 50


def test_a_limit_that_never_ends_ends_the_stream_and_keeps_its_place(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch, export=100)
    wait = {"Retry-After": "60"}
    desk.sandbox.faults.add(Fault("status", path="tickets", status=429, headers=wait, nth=range(2, 99)))
    got: list[Batch] = []
    with pytest.raises(QuotaError):
        got.extend(desk.source.pull(desk.source.streams[2], None))
    desk.sandbox.faults.clear()
    stream = desk.source.pull(desk.source.streams[2], None)
    first = next(stream)
    assert first.cursor is not None
    assert desk.sandbox.clock.monotonic() < 400
