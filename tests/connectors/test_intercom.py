"""Intercom's searches by day, the one scroll of companies, merges and deletions, versions, and what it all costs."""

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from connectors.errors import CursorExpiredError, MissingPermissionError, RequestError, ShapeError, TransientError
from connectors.intercom_companies import BY_ID_MOST
from connectors.intercom_settings import Settings
from sandbox.core import INTERCOM_TOKEN
from sandbox.intercom import NARROW_TOKEN
from sandbox.intercom_books import key_of
from tests.connectors.intercom_workspace import STREAMS, Workspace


@pytest.fixture
def desk() -> Workspace:
    return Workspace()


def up(total: int, size: int) -> int:
    return -(-total // size)


def test_a_first_pull_and_a_quiet_hour_cost_no_more_calls_than_they_must(desk: Workspace) -> None:
    truth = desk.vendor.truth()
    first = desk.run()
    assert first["contacts"] == up(len(truth["contact"]), 150)
    assert first["companies"] == up(len(truth["account"]), 100) + 2, "an empty page, and the end behind it"
    assert first["conversations"] == up(len(truth["ticket"]), 150)
    assert desk.run(hours=1) == {"contacts": 1, "conversations": 2}
    assert sum(desk.run(hours=25).values()) <= sum(first.values()) + 1


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_days_of_any_zone_hide_no_change(zone: str) -> None:
    desk = Workspace(zone=zone)
    desk.run()
    keys = sorted(desk.vendor.truth()["contact"])[:6]
    for key in keys:
        desk.box.clock.advance(timedelta(hours=3, minutes=50))
        desk.act("edit", kind="contacts", id=key, fields={"phone": "1"})
        desk.box.clock.advance(timedelta(minutes=10))
        assert key in {row["id"] for row in desk.rows("contacts")}


def test_a_contact_that_the_index_shows_late_is_found(desk: Workspace) -> None:
    desk.run()
    entry = desk.vendor.books.contacts[min(desk.vendor.truth()["contact"])]
    desk.act("options", lag_minutes=600)
    entry.created = int(desk.box.clock.now().timestamp())
    assert entry.key not in {row["id"] for row in desk.rows("contacts")}
    desk.act("options", lag_minutes=0)
    desk.box.clock.advance(timedelta(hours=1))
    assert entry.key in {row["id"] for row in desk.rows("contacts")}


def test_rows_that_change_while_they_are_paged_through_hide_no_other(
    desk: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.intercom_search.PAGE", 20)
    seen: set[str] = set()
    stream = desk.source.streams[0]
    for batch in desk.source.pull(stream, None):
        seen |= {row["id"] for row in batch.rows}
        for row in batch.rows:
            desk.act("edit", kind="contacts", id=row["id"], fields={"phone": "1"})
    assert seen == set(desk.vendor.truth()["contact"])
    assert batch.full


def test_a_listing_that_deletions_made_holes_in_is_no_whole_one(
    desk: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.intercom_search.PAGE", 20)
    batches = []
    for batch in desk.source.pull(desk.source.streams[0], None):
        batches.append(batch)
        if len(batches) == 2:
            for row in batches[0].rows[:3]:
                desk.act("delete", kind="contacts", id=row["id"])
        desk.cursors["contacts"] = batch.cursor
    missed = set(desk.vendor.truth()["contact"]) - {row["id"] for one in batches for row in one.rows}
    assert missed, "three rows moved up past the place"
    desk.box.clock.advance(timedelta(hours=1))
    again = desk.next("contacts")
    assert missed <= {row["id"] for one in again for row in one.rows}, "so it is listed once more"
    assert again[-1].full


def test_a_merge_is_told_and_the_loser_vanishes(desk: Workspace) -> None:
    desk.run()
    twin = next(
        one for one in desk.vendor.books.contacts.values() if one.lead and one.key == key_of("twin", one.person.id)
    )
    user = key_of("contact", twin.person.id)
    rows = {row["id"]: row for row in Workspace().rows("contacts")}
    assert rows[twin.key]["email"] == rows[user]["email"], "two contacts with one address"
    assert (rows[twin.key]["role"], rows[user]["role"]) == ("lead", "user")
    desk.act("merge", lead=twin.key, into=user)
    desk.box.clock.advance(timedelta(hours=1))
    (batch,) = desk.next("contacts")
    assert batch.merged == {twin.key: user}
    old = Workspace({"api_version": "2.15"})
    old.run()
    old.act("merge", lead=twin.key, into=user)
    old.box.clock.advance(timedelta(hours=25))
    batches = old.next("contacts")
    assert batches[-1].full
    assert twin.key not in {row["id"] for batch in batches for row in batch.rows}
    assert [batch.merged for batch in batches if batch.merged] == []


def test_deleted_conversations_are_told_from_2_16_on(desk: Workspace) -> None:
    desk.run()
    gone = sorted(desk.vendor.truth()["ticket"])[:70]
    desk.box.clock.advance(timedelta(minutes=30))
    for key in gone:
        desk.act("delete", kind="conversations", id=key)
    desk.box.clock.advance(timedelta(minutes=30))
    desk.fault("status", "conversations/deleted", status=400, body={}, times=1)
    with pytest.raises(RequestError):
        desk.next("conversations")
    assert {key for batch in desk.next("conversations") for key in batch.deleted} == set(gone), "two pages of them"
    assert {key for batch in desk.next("ratings") for key in batch.deleted} == set(gone)
    desk.box.clock.advance(timedelta(hours=3))
    assert [key for batch in desk.next("conversations") for key in batch.deleted] == []
    old = Workspace({"api_version": "2.14"})
    old.run()
    assert old.run(hours=1)["conversations"] == 1, "nobody is asked what was deleted"


def test_one_scroll_at_a_time(desk: Workspace) -> None:
    """Somebody else has it: a minute's wait, then without; ours that breaks begins anew."""
    headers = Headers({"Authorization": f"Bearer {INTERCOM_TOKEN}"})

    def other() -> int:
        environ = EnvironBuilder("/companies/scroll", headers=headers).get_environ()
        return int(desk.vendor.handle(Request(environ)).status_code)

    assert other() == 200
    assert other() == 400
    before = desk.box.clock.monotonic()
    assert desk.next("companies")[-1].full
    assert desk.box.clock.monotonic() - before >= 60
    desk.box.clock.advance(timedelta(hours=24))
    body = {"type": "error.list", "errors": [{"code": "scroll_exists", "message": "scroll already exists"}]}
    desk.fault("status", "companies/scroll", status=400, body=body, times=2)
    (skipped,) = desk.next("companies")
    assert (skipped.rows, skipped.full) == ([], False)
    desk.act("options", scroll_page=10)
    desk.act("break_scroll")
    found = desk.next("companies")
    assert found[-1].full
    assert {row["id"] for one in found for row in one.rows} == set(desk.vendor.truth()["account"])
    desk.box.clock.advance(timedelta(hours=24))
    desk.fault("status", "companies/scroll", status=500, body={}, nth=range(2, 99, 2))
    with pytest.raises(TransientError):
        desk.next("companies")
    desk.box.faults.clear()
    lost = {"type": "error.list", "errors": [{"code": "bad_request", "message": "no such scroll"}]}
    desk.fault("status", "companies/scroll.*scroll_param", status=400, body=lost, times=99)
    with pytest.raises(RequestError, match="no such scroll"):
        desk.next("companies")
    desk.box.faults.clear()
    desk.fault("status", "companies/scroll", status=400, body=body, nth=1, times=1)
    assert desk.next("companies")[-1].full


@pytest.mark.parametrize("body", [[], {"data": [], "scroll_param": "x"}])
def test_scrolls_of_another_shape(desk: Workspace, body: Any) -> None:
    desk.act("options", scroll_page=10)
    desk.fault("status", "companies/scroll", status=200, body=body, nth=range(2, 99))
    if body:
        assert desk.next("companies")[-1].full
    else:
        with pytest.raises(ShapeError):
            desk.next("companies")


def test_companies_of_contacts_that_change_are_read_within_the_hour(desk: Workspace) -> None:
    desk.run()
    entries = [one for one in desk.vendor.books.contacts.values() if one.companies]
    homes = sorted({one.companies[0] for one in entries})
    desk.act("edit", kind="companies", id=homes[0], fields={"name": "New name"})
    desk.box.clock.advance(timedelta(minutes=50))
    desk.act("edit", kind="contacts", id=next(one.key for one in entries if homes[0] in one.companies), fields={})
    desk.box.clock.advance(timedelta(minutes=10))
    desk.next("contacts")
    assert [(row["id"], row["name"]) for row in desk.rows("companies")] == [(homes[0], "New name")]
    desk.act("delete", kind="companies", id=homes[0])
    for one in entries:
        desk.act("edit", kind="contacts", id=one.key, fields={})
    gone = {"type": "error.list", "errors": [{"code": "company_not_found", "message": "Company Not Found"}]}
    desk.fault("status", "companies/(?!scroll)", status=404, body=gone, times=1)
    desk.box.journal.clear()
    calls = desk.run(minutes=5)
    assert calls["companies"] <= BY_ID_MOST < len(homes)
    asked = [one.status for one in desk.box.journal.entries("intercom") if "/companies/" in one.path]
    assert asked.count(404) >= 1 < asked.count(200), "one that is gone costs only itself"


def test_a_contact_with_more_companies_than_come_along(desk: Workspace) -> None:
    homes = sorted(desk.vendor.truth()["account"])[:55]
    key = min(desk.vendor.truth()["contact"])
    desk.act("attach", id=key, companies=homes)
    row = next(row for row in desk.rows("contacts") if row["id"] == key)
    record = desk.records("contacts", [row])[key]
    assert set(homes) <= set(record.account_refs)
    assert record.account_ref is None, "somebody who works for many says nothing of any"


def test_a_place_that_is_not_known_any_more(desk: Workspace) -> None:
    desk.cursors["contacts"] = '{"run":{"field":"created_at","second":0,"daily":true,"after":"none"}}'
    with pytest.raises(CursorExpiredError):
        desk.next("contacts")
    with pytest.raises(ValueError, match="no stream"):
        desk.source.pull(desk.source.streams[0].__class__("notes", "ticket"), None)


def test_what_conversations_become(desk: Workspace) -> None:
    rows = desk.rows("conversations")
    found = desk.records("conversations", rows)
    raw = {row["id"]: row for row in rows}
    talks = {key: one.talk for key, one in desk.vendor.books.talks.items()}
    now = desk.box.clock.now()
    assert {key for key in raw if talks[key].outbound} == raw.keys() - found.keys() != set(), "nobody asked for those"
    for key, record in found.items():
        talk = talks[key]
        replied = talk.first_reply_at if talk.first_reply_at and talk.first_reply_at <= now else None
        minutes = None if replied is None else int(replied.timestamp() - talk.asked_at.timestamp()) // 60
        assert record.first_reply_minutes == minutes, "by the calendar, not by business hours"
        done = talk.closed_at is not None and talk.closed_at <= now
        assert not done or (record.status, record.solved_at) == ("closed", talk.closed_at.replace(microsecond=0))
        assert record.contact_ref == key_of("contact", talk.person_id)
    assert {record.status for record in found.values()} == {"open", "hold", "closed"}
    assert {record.priority for record in found.values()} == {None, "low", "normal", "high", "urgent"}
    assert any(record.reopens for record in found.values())
    older = Workspace({"api_version": "2.14"})
    old = older.records("conversations", older.rows("conversations"))
    assert {record.priority for record in old.values()} == {None, "high"}
    assert {record.account_ref for record in old.values()} == {None}


def test_a_rating_counts_from_when_it_was_given(desk: Workspace) -> None:
    desk.next("conversations")
    rows = desk.rows("ratings")
    found = desk.records("ratings", rows)
    talks = {key: one.talk for key, one in desk.vendor.books.talks.items()}
    now = desk.box.clock.now()
    given = {key: talk for key, talk in talks.items() if talk.rating and talk.rated_at <= now}
    assert found.keys() == given.keys()
    for key, record in found.items():
        talk = given[key]
        assert (record.score, record.scale_min, record.scale_max) == (talk.rating, 1, 5)
        assert record.satisfied is (None if talk.rating == 3 else talk.rating > 3)
        assert record.responded_at == talk.rated_at.replace(microsecond=0)
        assert record.ticket_ref == key
    assert desk.source.calls["conversations"] == up(len(talks), 150), "they cost no call of their own"


def test_users_and_leads(desk: Workspace) -> None:
    found = desk.records("contacts", desk.rows("contacts"))
    ids = [record.external_ids for record in found.values()]
    assert any("product" in one for one in ids)
    assert any("crm" in one for one in ids)
    assert any(record.email is None for record in found.values()), "an anonymous lead"
    homes = desk.records("companies", desk.rows("companies"))
    assert any(record.domains for record in homes.values())
    assert any("-qualification-company" in record.external_ids["any"] for record in homes.values())


def test_a_check_names_what_is_missing(desk: Workspace) -> None:
    found = {one.code: one for one in desk.source.check()}
    assert "America/Los_Angeles" in found["identity"].message
    assert "1662 of 1666" in found["quota"].message
    assert sum(desk.source.calls.values()) == 4
    narrow = list(desk.connect(token=NARROW_TOKEN, api_version="2.15").check())
    assert [one.message for one in narrow if one.severity == "error"] == [
        "The token may not read conversations.",
        "The token may not read companies.",
    ]
    assert [one.code for one in narrow if one.severity == "warning"] == ["api_version"]
    with pytest.raises(MissingPermissionError, match="conversations"):
        desk.next("conversations")
    hosts = [Settings.model_validate({"token": "x", "region": region}).url() for region in ("us", "eu", "au")]
    assert hosts == ["https://api.intercom.io", "https://api.eu.intercom.io", "https://api.au.intercom.io"]


def test_a_full_window_is_waited_out() -> None:
    desk = Workspace(per_window=2)
    for name in STREAMS:
        desk.next(name)
    assert desk.place("contacts")["listed"]
