import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.zendesk_render import iso


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("kind", ["tickets", "users"])
@pytest.mark.parametrize("per_page", [1000, 300, 97])
def test_any_page_size_gives_every_record_once(desk: Any, kind: str, per_page: int) -> None:
    pages = list(desk.chain(kind, start_time=0, per_page=per_page))
    rows = [row for page in pages for row in page[kind]]
    assert len(ids(rows)) == len(set(ids(rows))) > 100
    assert all(len(page[kind]) == per_page for page in pages[:-1])
    assert set(ids(rows)) == set(ids(desk.all(kind)))


def test_tickets_come_in_the_order_of_their_last_change(desk: Any, world: Any) -> None:
    rows = desk.all("tickets")
    stamps = [row["generated_timestamp"] for row in rows]
    assert stamps == sorted(stamps)
    assert max(stamps) <= desk.now() - 60
    assert len(rows) == sum(1 for t in world.tickets if t.created_at <= desk.sandbox.clock.now())


def test_the_cursor_is_base64_of_second_and_id(desk: Any) -> None:
    page = desk.json("incremental/tickets/cursor.json", start_time=0, per_page=5)
    last = page["tickets"][-1]
    text = base64.b64decode(page["after_cursor"]).decode()
    assert text == f"{last['generated_timestamp']}.0||{last['id']}|"
    assert page["before_cursor"] is page["before_url"] is None
    made = base64.b64encode(text.encode()).decode()
    assert desk.json("incremental/tickets/cursor", cursor=made, per_page=2) == desk.json(
        page["after_url"].replace("per_page=5", "per_page=2").replace("cursor.json", "cursor")
    )


def test_pages_can_be_read_backwards(desk: Any) -> None:
    first = desk.json("incremental/tickets/cursor.json", start_time=0, per_page=4)
    second = desk.json(first["after_url"])
    assert desk.json(second["before_url"])["tickets"] == first["tickets"]


def test_the_last_page_has_a_cursor_and_then_there_is_nothing_new(desk: Any) -> None:
    cursor = desk.end("tickets")
    page = desk.json("incremental/tickets/cursor.json", cursor=cursor)
    assert page["tickets"] == []
    assert page["end_of_stream"] is True
    assert page["after_cursor"] == cursor


def test_a_pull_that_starts_late_begins_with_its_second(desk: Any) -> None:
    stamp = desk.all("tickets")[50]["generated_timestamp"]
    rows = desk.json("incremental/tickets/cursor.json", start_time=stamp)["tickets"]
    assert rows[0]["generated_timestamp"] == stamp
    empty = desk.json("incremental/tickets/cursor.json", start_time=desk.now() - 61)
    assert empty["end_of_stream"] is True
    assert empty["after_cursor"]


def test_system_updates_move_only_the_export_stamp(desk: Any) -> None:
    cursor = desk.end("tickets")
    before = next(row for row in desk.all("tickets") if row["status"] == "closed")
    desk.pass_time(3600)
    desk.act("touch", ids=[before["id"]], system=True)
    stamp = desk.now()
    desk.pass_time(120)
    after = next(row for row in desk.since("tickets", cursor) if row["id"] == before["id"])
    assert after["generated_timestamp"] == stamp
    assert after["updated_at"] == before["updated_at"]
    assert after | {"generated_timestamp": 0} == before | {"generated_timestamp": 0}


def test_the_world_has_such_system_updates_by_itself(desk: Any) -> None:
    late = [row for row in desk.all("tickets") if row["updated_at"] < iso(row["generated_timestamp"] - 20 * 86_400)]
    assert late
    assert {row["status"] for row in late} == {"closed"}


def test_changes_of_the_last_minute_are_withheld(desk: Any) -> None:
    cursor = desk.end("tickets")
    ticket = desk.all("tickets")[0]["id"]
    desk.act("edit_ticket", id=ticket, fields={"priority": "urgent"})
    desk.pass_time(59)
    assert desk.since("tickets", cursor) == []
    desk.pass_time(1)
    (row,) = (row for row in desk.since("tickets", cursor) if row["id"] == ticket)
    assert (row["priority"], row["updated_at"]) == ("urgent", iso(desk.now() - 60))


@pytest.mark.parametrize(("floor", "words"), [(60, "60 seconds"), (300, "5 minutes")])
def test_a_start_too_near_now_is_422(make: Callable[..., Any], floor: int, words: str) -> None:
    desk = make(too_recent=floor)
    for path in ("incremental/tickets/cursor.json", "incremental/users.json", "incremental/organizations.json"):
        refused = desk.get(path, start_time=desk.now() - floor + 1)
        assert refused.status_code == 422
        assert refused.json() == {
            "error": "InvalidValue",
            "description": f"Too recent start_time. Use a start_time older than {words}",
        }
        assert desk.get(path, start_time=desk.now() - floor).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["", "start_time=", "start_time=abc", "start_time=0&per_page=0", "cursor=%21%21", "cursor=YWJj", "cursor=w6k"],
)
def test_bad_parameters_are_400(desk: Any, query: str) -> None:
    refused = desk.get(f"incremental/tickets/cursor.json?{query}")
    assert refused.status_code == 400
    assert refused.json()["error"] == "InvalidValue"


def test_per_page_ends_at_a_thousand(desk: Any) -> None:
    desk.pass_time(60 * 86_400)
    page = desk.json("incremental/tickets/cursor.json", start_time=0, per_page=5000)
    assert len(page["tickets"]) == 1000
    assert page["end_of_stream"] is False


@pytest.mark.parametrize("kind", ["tickets", "users", "organizations"])
def test_the_time_form_meets_in_a_second_and_never_ends(desk: Any, kind: str) -> None:
    page = desk.json(f"incremental/{kind}.json", start_time=0, per_page=20)
    seen = page[kind]
    for _ in range(1000):
        if page["end_of_stream"]:
            break
        assert page["count"] == len(page[kind])
        following = desk.json(page["next_page"])
        assert following[kind][0]["id"] in ids(page[kind])
        page = following
        seen += page[kind]
    assert len(ids(seen)) > len(set(ids(seen)))
    assert page["next_page"].endswith(f"start_time={page['end_time']}")
    again = desk.json(page["next_page"])
    assert again["count"] >= 1
    assert again["end_time"] == page["end_time"]
    assert again["end_of_stream"] is True


def test_a_page_within_one_second_is_sent_whole(desk: Any) -> None:
    desk.pass_time(600)
    desk.act("touch", count=700)
    second = desk.now()
    desk.pass_time(3600)
    page = desk.json("incremental/tickets.json", start_time=second, per_page=100)
    assert page["count"] == len(page["tickets"]) == 700
    assert {row["generated_timestamp"] for row in page["tickets"]} == {second}
    assert page["end_time"] == second + 1
    assert page["end_of_stream"] is (desk.json(page["next_page"])["count"] == 0)


def test_the_cursor_form_reads_a_crowded_second_page_by_page(desk: Any) -> None:
    cursor = desk.end("tickets")
    desk.act("touch", count=900, system=True)
    second = desk.now()
    desk.pass_time(61)
    pages = list(desk.chain("tickets", cursor=cursor, per_page=400))
    rows = [row for page in pages for row in page["tickets"] if row["generated_timestamp"] == second]
    assert [len(page["tickets"]) for page in pages][:2] == [400, 400]
    assert len(rows) == len(set(ids(rows))) == 900


def test_an_empty_time_page_has_a_next_page(desk: Any) -> None:
    page = desk.json("incremental/organizations.json", start_time=desk.now() - 61)
    assert (page["count"], page["end_of_stream"], page["end_time"]) == (0, True, desk.now() - 61)
    assert page["next_page"]


def test_an_empty_page_may_stand_in_mid_stream(make: Callable[..., Any], desk: Any) -> None:
    odd = make(empty_every=2)
    pages = list(odd.chain("tickets", start_time=0, per_page=200))
    empty = [page for page in pages[:-1] if not page["tickets"]]
    assert empty
    assert not any(page["end_of_stream"] for page in empty)
    cursors = [page["after_cursor"] for page in pages]
    assert len(cursors) == len(set(cursors))
    assert [row["id"] for page in pages for row in page["tickets"]] == ids(desk.all("tickets"))


def test_sideloads_are_arrays_of_distinct_records(desk: Any) -> None:
    page = desk.json(
        "incremental/tickets/cursor.json", start_time=0, include="users,organizations,groups,metric_sets", per_page=200
    )
    tickets = page["tickets"]
    assert ids(page["users"]) == sorted(
        {t[key] for t in tickets for key in ("requester_id", "submitter_id", "assignee_id")} - {None}
    )
    assert ids(page["organizations"]) == sorted({t["organization_id"] for t in tickets} - {None})
    assert ids(page["groups"]) == sorted({t["group_id"] for t in tickets})
    assert [m["ticket_id"] for m in page["metric_sets"]] == ids(tickets)
    assert "include=users%2Corganizations" in page["after_url"]
    assert not {"users", "metric_sets"} & set(desk.json("incremental/tickets/cursor.json", start_time=0))


def test_last_audits_are_refused(desk: Any) -> None:
    for path in ("incremental/tickets/cursor.json", "incremental/tickets.json"):
        assert desk.get(path, start_time=0, include="last_audits").status_code == 400


def test_metric_sets_tell_the_world_s_times(desk: Any, world: Any) -> None:
    pages = desk.chain("tickets", start_time=0, include="metric_sets")
    metrics = {m["ticket_id"]: m for page in pages for m in page["metric_sets"]}
    now = desk.sandbox.clock.now()
    reopened = 0
    for number, ticket in enumerate(t for t in world.tickets if t.created_at <= now):
        metric = metrics[100 + number]
        reply = ticket.first_reply_at
        expected = (reply - ticket.created_at).total_seconds() // 60 if reply and reply <= now else None
        assert metric["reply_time_in_minutes"]["calendar"] == expected
        assert metric["solved_at"] == (
            iso(int(ticket.solved_at.timestamp())) if ticket.solved_at and ticket.solved_at <= now else None
        )
        reopened += metric["reopens"]
    assert reopened > 10


def test_deleted_tickets_come_through(desk: Any) -> None:
    rows = desk.all("tickets")
    statuses = {row["status"] for row in rows}
    assert {"deleted", "closed", "solved", "open", "pending", "new"} <= statuses
    cursor = desk.end("tickets")
    alive = next(row["id"] for row in rows if row["status"] == "pending")
    desk.act("delete_ticket", id=alive)
    desk.pass_time(61)
    gone = next(row for row in desk.since("tickets", cursor) if row["id"] == alive)
    assert gone["status"] == "deleted"
    assert desk.get(f"tickets/{alive}.json").status_code == 404


def test_time_reveals_more(desk: Any) -> None:
    tickets, users = desk.end("tickets"), desk.end("users")
    before = set(ids(desk.all("tickets")))
    desk.pass_time(30 * 86_400)
    fresh = desk.since("tickets", tickets)
    assert set(ids(fresh)) - before
    assert set(ids(fresh)) & before
    assert desk.since("users", users)
    assert set(ids(desk.all("tickets"))) == before | set(ids(fresh))


def test_users_without_address_and_inactive_users_exist(desk: Any) -> None:
    users = desk.all("users")
    assert any(not u["active"] and u["email"] is None for u in users)
    assert any(u["active"] and u["email"] is None and u["external_id"] for u in users)
    assert {u["role"] for u in users} == {"admin", "agent", "end-user"}
    emails = [u["email"].casefold() for u in users if u["email"]]
    assert len(emails) == len(set(emails))


def test_organizations_carry_keys_of_either_kind_or_none(desk: Any, world: Any) -> None:
    orgs = desk.json("incremental/organizations.json", start_time=0)["organizations"]
    kinds = {
        "none" if o["external_id"] is None else "crm" if re.fullmatch(r"80000\d{5}", o["external_id"]) else "product"
        for o in orgs
    }
    assert kinds == {"crm", "product", "none"}
    assert len({o["name"].casefold() for o in orgs}) == len(orgs)
