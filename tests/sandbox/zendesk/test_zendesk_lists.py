from collections.abc import Callable
from typing import Any

import pytest

from sandbox import zendesk_http


def every(desk: Any, path: str, name: str, **params: Any) -> list[dict[str, Any]]:
    page = desk.json(path, **{"page[size]": 100, **params})
    rows: list[dict[str, Any]] = page[name]
    while page["meta"]["has_more"]:
        page = desk.json(page["links"]["next"])
        rows += page[name]
    return rows


def test_archived_and_deleted_tickets_are_absent_from_lists(desk: Any) -> None:
    exported = {row["id"]: row for row in desk.all("tickets")}
    listed = {row["id"] for row in every(desk, "tickets.json", "tickets")}
    missing = {exported[i]["status"] for i in set(exported) - listed}
    assert missing == {"closed", "deleted"}
    assert any(exported[i]["status"] == "closed" for i in listed)
    old = next(i for i, row in exported.items() if row["status"] == "closed" and i not in listed)
    assert desk.json(f"tickets/{old}.json")["ticket"]["id"] == old
    assert "generated_timestamp" not in desk.json(f"tickets/{old}.json")["ticket"]
    assert desk.json("tickets/count.json")["count"]["value"] == len(listed)
    assert len(every(desk, "ticket_metrics.json", "ticket_metrics")) == len(listed)


@pytest.mark.parametrize("kind", ["tickets", "users", "organizations", "groups"])
def test_offset_and_cursor_paging_give_the_same(desk: Any, kind: str) -> None:
    page = desk.json(f"{kind}.json", per_page=40)
    rows = page[kind]
    while page["next_page"]:
        page = desk.json(page["next_page"])
        rows += page[kind]
    assert page["count"] == len(rows)
    assert rows == every(desk, f"{kind}.json", kind)


def test_offset_paging_ends_at_page_100(desk: Any) -> None:
    assert desk.json("tickets.json", page=100)["tickets"] == []
    refused = desk.get("tickets.json", page=101)
    assert refused.status_code == 400
    assert refused.json()["error"] == "InvalidPaginationDepth"
    assert zendesk_http.MAX_OFFSET_PAGES == 100
    page = desk.json("users.json", page=2, per_page=10)
    assert desk.json(page["previous_page"])["users"] == desk.json("users.json", per_page=10)["users"]


def test_show_many_leaves_out_the_unknown_and_stops_at_a_hundred(desk: Any) -> None:
    found = desk.json("tickets/show_many.json", ids="100,101,999999,x")["tickets"]
    assert {row["id"] for row in found} <= {100, 101}
    refused = desk.get("users/show_many.json", ids=",".join(map(str, range(101))))
    assert refused.status_code == 400
    assert (refused.json()["error"], refused.json()["max_count"]) == ("TooManyValues", 100)


def test_memberships_name_every_organization_of_a_user(desk: Any, world: Any) -> None:
    rows = every(desk, "organization_memberships.json", "organization_memberships")
    truth = desk.sandbox.truth()["zendesk"]
    by_user: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_user.setdefault(row["user_id"], []).append(row)
    several = 0
    for user, mine in by_user.items():
        person = world.people[truth["contact"][str(user)] - 1]
        companies = [truth["account"][str(row["organization_id"])] for row in mine]
        assert set(companies) <= {person.company_id, *person.other_company_ids}
        assert [row["default"] for row in mine] == [True] + [False] * (len(mine) - 1)
        several += len(mine) > 1
    assert several
    user, mine = max(by_user.items(), key=lambda item: len(item[1]))
    assert desk.json(f"users/{user}/organization_memberships.json")["organization_memberships"] == mine
    org = mine[0]["organization_id"]
    found = every(desk, f"organizations/{org}/organization_memberships.json", "organization_memberships")
    assert found == [row for row in rows if row["organization_id"] == org]
    assert len({row["id"] for row in rows}) == len(rows)


def test_memberships_follow_a_merge(desk: Any) -> None:
    rows = every(desk, "organization_memberships.json", "organization_memberships")
    loser, winner = sorted({row["organization_id"] for row in rows})[:2]
    desk.act("merge_organizations", loser=loser, winner=winner)
    after = every(desk, "organization_memberships.json", "organization_memberships")
    assert loser not in {row["organization_id"] for row in after}


def test_identities_list_every_address(desk: Any, world: Any) -> None:
    truth = desk.sandbox.truth()["zendesk"]["contact"]
    user, person = next(
        (user, person)
        for user, number in truth.items()
        if (person := world.people[number - 1]).zendesk_email and person.email
    )
    rows = desk.json(f"users/{user}/identities.json")["identities"]
    assert [row["primary"] for row in rows][:2] == [True, False]
    assert rows[0]["value"] == person.zendesk_email
    assert person.email in [row["value"] for row in rows]
    inactive = next(u["id"] for u in desk.all("users") if not u["active"])
    assert desk.json(f"users/{inactive}/identities.json")["identities"] == []


def test_search_finds_and_is_capped(desk: Any, make: Callable[..., Any]) -> None:
    found = desk.json("search.json", query="type:ticket status:pending")
    assert found["count"] == desk.json("search/count.json", query="type:ticket status:pending")["count"]
    assert {row["result_type"] for row in found["results"]} == {"ticket"}
    assert {row["status"] for row in found["results"]} == {"pending"}
    refused = desk.get("search.json", query="type:ticket", page=11)
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid")
    recent = desk.json("search.json", query="type:ticket created>=2026-11-20")["results"]
    assert recent
    assert all(row["created_at"] >= "2026-11-20" for row in recent)
    older = desk.json("search.json", query='type:ticket created<"2026-11-20T00:00:00Z"')["count"]
    assert older + len(recent) == desk.json("search/count.json", query="type:ticket")["count"]
    assert desk.json("search.json", query="type:group")["count"] == 3
    name = desk.json("organizations.json")["organizations"][0]["name"]
    assert desk.json("search.json", query=f'type:organization name:"{name}"')["count"] == 1
    assert desk.get("search.json", query="type:ticket created>soon").status_code == 422


def test_search_export_needs_a_type_and_its_cursor_dies(desk: Any) -> None:
    assert desk.get("search/export.json", query="*").status_code == 400
    rows, page = [], desk.json("search/export.json", **{"query": "", "filter[type]": "user", "page[size]": 50})
    while True:
        rows += page["results"]
        if not page["meta"]["has_more"]:
            break
        page = desk.json(page["links"]["next"])
    assert [row["id"] for row in rows] == [row["id"] for row in every(desk, "users.json", "users")]
    first = desk.json("search/export.json", **{"query": "", "filter[type]": "user", "page[size]": 50})
    desk.pass_time(3601)
    assert desk.get(first["links"]["next"]).json()["error"] == "InvalidCursor"
