from typing import Any

import pytest


def busy_users(desk: Any) -> list[int]:
    """End users with at least three tickets, of different organizations."""
    counts: dict[int, int] = {}
    for ticket in desk.all("tickets"):
        counts[ticket["requester_id"]] = counts.get(ticket["requester_id"], 0) + 1
    users = {u["id"]: u for u in desk.all("users") if u["active"] and u["organization_id"]}
    return [user for user, count in sorted(counts.items()) if count >= 3 and user in users]


def test_a_merged_user_goes_inactive_and_its_tickets_move(desk: Any) -> None:
    loser, winner = busy_users(desk)[:2]
    mine = {t["id"] for t in desk.all("tickets") if t["requester_id"] == loser}
    users, tickets = desk.end("users"), desk.end("tickets")
    desk.act("merge_users", loser=loser, winner=winner)
    desk.pass_time(61)
    changed = {u["id"]: u for u in desk.since("users", users)}
    assert changed[loser]["active"] is False
    assert changed[loser]["email"] is changed[loser]["external_id"] is None
    assert changed[winner]["active"] is True
    moved = {t["id"]: t["requester_id"] for t in desk.since("tickets", tickets)}
    assert mine <= set(moved)
    assert {moved[ticket] for ticket in mine} == {winner}
    truth = desk.sandbox.truth()["zendesk"]["contact"]
    assert str(winner) in truth
    assert str(loser) not in truth
    assert desk.json(f"users/{loser}.json")["user"]["active"] is False
    assert loser not in [u["id"] for u in desk.json("users.json", **{"page[size]": 100})["users"]]


def test_a_merge_is_not_atomic_for_readers(desk: Any) -> None:
    loser, winner = busy_users(desk)[:2]
    ticket = next(t["id"] for t in desk.all("tickets") if t["requester_id"] == loser and t["status"] != "deleted")
    desk.act("merge_users", loser=loser, winner=winner, lag_seconds=30)
    assert desk.json(f"users/{loser}.json")["user"]["active"] is False
    assert desk.json(f"tickets/{ticket}.json")["ticket"]["requester_id"] == loser
    desk.pass_time(30)
    assert desk.json(f"tickets/{ticket}.json")["ticket"]["requester_id"] == winner


def test_later_tickets_of_a_merged_user_belong_to_the_winner(desk: Any) -> None:
    loser, winner = busy_users(desk)[:2]
    desk.act("merge_users", loser=loser, winner=winner)
    desk.pass_time(80 * 86_400)
    assert loser not in {t["requester_id"] for t in desk.all("tickets")}


def test_a_merged_organization_vanishes_and_its_records_move(desk: Any) -> None:
    tickets = desk.all("tickets")
    loser, winner = sorted({t["organization_id"] for t in tickets} - {None})[:2]
    mine = {t["id"] for t in tickets if t["organization_id"] == loser}
    cursor, users = desk.end("tickets"), desk.end("users")
    desk.act("merge_organizations", loser=loser, winner=winner)
    desk.pass_time(61)
    orgs = desk.json("incremental/organizations.json", start_time=0)["organizations"]
    assert loser not in [org["id"] for org in orgs]
    assert desk.get(f"organizations/{loser}.json").status_code == 404
    moved = {t["id"]: t["organization_id"] for t in desk.since("tickets", cursor)}
    assert {moved[ticket] for ticket in mine} == {winner}
    assert {u["organization_id"] for u in desk.since("users", users)} <= {winner, None}
    assert str(loser) not in desk.sandbox.truth()["zendesk"]["account"]
    desk.pass_time(80 * 86_400)
    assert loser not in {t["organization_id"] for t in desk.all("tickets")}


@pytest.mark.parametrize("kind", ["users", "organizations"])
def test_nothing_is_merged_into_itself(desk: Any, kind: str) -> None:
    row = desk.json(f"incremental/{kind}.json", start_time=0)[kind][0]["id"]
    with pytest.raises(ValueError, match="itself"):
        desk.act(f"merge_{kind}", loser=row, winner=row)


def test_edits_show_in_every_view(desk: Any) -> None:
    user = busy_users(desk)[0]
    desk.act("edit_user", id=user, fields={"email": None, "external_id": "x1"})
    assert desk.json(f"users/{user}.json")["user"]["email"] is None
    assert desk.json("users/show_many.json", external_ids="x1")["users"][0]["id"] == user
    org = desk.json("incremental/organizations.json", start_time=0)["organizations"][0]["id"]
    desk.act("edit_organization", id=org, fields={"domain_names": ["new.example"]})
    assert desk.json(f"organizations/{org}")["organization"]["domain_names"] == ["new.example"]
    desk.act("edit_ticket", id=100, fields={"status": "hold"})
    ticket = desk.json("tickets/100.json")["ticket"]
    assert (ticket["status"], ticket["custom_status_id"]) == ("hold", 1904)


def test_new_tickets_arrive(desk: Any) -> None:
    user, cursor = busy_users(desk)[0], desk.end("tickets")
    made = desk.act("create_ticket", user_id=user, priority="urgent")["id"]
    assert desk.json(f"tickets/{made}.json")["ticket"]["status"] == "new"
    desk.pass_time(61)
    (row,) = (t for t in desk.since("tickets", cursor) if t["id"] == made)
    assert (row["requester_id"], row["priority"]) == (user, "urgent")
    assert (row["satisfaction_rating"] or {"score": "unoffered"}) == {"score": "unoffered"}
    assert desk.json(f"tickets/{made}/metrics.json")["ticket_metric"]["reply_time_in_minutes"]["calendar"] is None
    staff = desk.json("users/me")["user"]["id"]
    with pytest.raises(ValueError, match="staff"):
        desk.act("create_ticket", user_id=staff)


def test_touching_by_hand_moves_both_stamps(desk: Any) -> None:
    desk.pass_time(100)
    assert desk.act("touch", ids=[100, 101]) == {"touched": 2, "generated_timestamp": desk.now()}
    ticket = desk.json("tickets/100.json")["ticket"]
    assert ticket["updated_at"] == "2026-11-22T00:01:40Z"
    assert desk.act("touch", kind="users", count=5, system=True)["touched"] == 5
