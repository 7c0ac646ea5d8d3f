"""Every way in which Zendesk's exports and lists can lose, repeat or hide something, against the simulated vendor."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.base import Batch, Row
from connectors.errors import (
    CursorExpiredError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.zendesk import Settings, Zendesk, connect
from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, Sandbox
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=3, accounts=40, people_per_account=10, months=6, now=NOW)


class Desk:
    """A simulated account and our source on it, sharing one clock."""

    def __init__(self, world: World, **options: Any) -> None:
        self.sandbox = Sandbox(world, vendors=("zendesk",), options={"zendesk": options})
        self.source = self.connect()
        self.cursors: dict[str, str | None] = {}

    def connect(self, **settings: Any) -> Zendesk:
        values = {"subdomain": "acme", "email": ZENDESK_EMAIL, "token": ZENDESK_TOKEN} | settings
        made = Settings(base_url=self.sandbox.base_urls()["zendesk"], **values)
        return connect("zendesk", made, clock=self.sandbox.clock, adapter=SandboxAdapter(self.sandbox))

    def batches(self, name: str, cursor: str | None = None) -> list[Batch]:
        stream = next(stream for stream in self.source.streams if stream.name == name)
        return list(self.source.pull(stream, cursor))

    def next(self, name: str) -> list[Batch]:
        """Pull a stream from where it was."""
        got = self.batches(name, self.cursors.get(name))
        assert got[-1].cursor is not None
        self.cursors[name] = got[-1].cursor
        return got

    def rows(self, name: str) -> list[Row]:
        """The same, rows only."""
        return [row for batch in self.next(name) for row in batch.rows]

    def act(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("zendesk", action, **args)

    def wait(self, **span: float) -> None:
        self.sandbox.clock.advance(timedelta(**span))

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(parse_qsl(entry.query)) for entry in self.sandbox.journal.entries() if path in entry.path]


@pytest.fixture
def make(world: World) -> Callable[..., Desk]:
    def made(**options: Any) -> Desk:
        return Desk(world, **options)

    return made


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    return make()


def ids(rows: list[Row]) -> list[Any]:
    return [row["id"] for row in rows]


def small_pages(monkeypatch: pytest.MonkeyPatch, export: int = 10, listing: int = 10) -> None:
    monkeypatch.setattr("connectors.zendesk_pages.EXPORT_PAGE", export)
    monkeypatch.setattr("connectors.zendesk_pages.LIST_PAGE", listing)


# ---- export by cursor: tickets and users


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


def test_an_empty_page_in_mid_stream_does_not_end_it(
    make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch, export=50)
    whole, holed = make(), make(empty_every=3)
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


def test_resuming_never_asks_for_a_start_too_near_now(make: Callable[..., Desk]) -> None:
    desk = make(too_recent=300)
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
