from collections.abc import Callable
from typing import Any

import pytest


def responses(desk: Any, **params: Any) -> list[dict[str, Any]]:
    page = desk.json("guide/survey_responses", **params)
    rows: list[dict[str, Any]] = page["survey_responses"]
    while page["meta"]["has_more"]:
        page = desk.json(page["links"]["next"])
        rows += page["survey_responses"]
    return rows


def ratings(desk: Any, **params: Any) -> list[dict[str, Any]]:
    page = desk.json("satisfaction_ratings.json", **{"page[size]": 100, **params})
    rows: list[dict[str, Any]] = page["satisfaction_ratings"]
    while page["meta"]["has_more"]:
        page = desk.json(page["links"]["next"])
        rows += page["satisfaction_ratings"]
    return rows


def rating_of(response: dict[str, Any]) -> tuple[int, str] | None:
    for answer in response["answers"]:
        if answer["question"].get("sub_type") == "customer_satisfaction":
            return answer["rating"], answer["rating_category"]
    return None


def answered(world: Any, now: Any) -> dict[str, tuple[int, str]]:
    """Ticket id -> rating and category, from the world."""
    return {
        str(100 + n): (t.csat_rating, t.csat)
        for n, t in enumerate(world.tickets)
        if t.csat_rating and t.csat_at <= now and not (t.deleted_at and t.deleted_at <= now)
    }


def test_survey_responses_hold_the_world_s_answers(desk: Any, world: Any) -> None:
    rows = responses(desk)
    found = {row["subjects"][0]["id"]: rating_of(row) for row in rows if row["answers"]}
    assert found == answered(world, desk.sandbox.clock.now())
    assert any(row["answers"] == [] for row in rows)
    assert {a["type"] for row in rows for a in row["answers"]} == {"rating_scale", "open_ended", "skipped"}


def test_ids_are_ulids_in_order_of_creation(desk: Any) -> None:
    names = [row["id"] for row in responses(desk, **{"page[size]": 37})]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {26}
    assert [row["id"] for row in responses(desk, sort="-id")] == names[::-1]
    one = desk.json(f"guide/en-us/survey_responses/{names[5]}")["survey_response"]
    assert one == responses(desk)[5]


def test_responses_are_filtered_by_creation_in_milliseconds(desk: Any) -> None:
    rows = responses(desk)
    middle = rows[len(rows) // 2]
    start = decode_ulid(middle["id"])
    later = responses(desk, **{"filter[created_at_start]": start})
    assert later == rows[rows.index(middle) :]
    earlier = responses(desk, **{"filter[created_at_end]": start - 1})
    assert earlier + later == rows


def decode_ulid(text: str) -> int:
    number = 0
    for letter in text[:10]:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    return number


def test_responses_are_filtered_by_ticket_and_responder(desk: Any) -> None:
    rows = responses(desk)
    wanted = rows[3:5]
    zrns = ",".join(row["subject_zrns"][0] for row in wanted)
    assert responses(desk, **{"filter[subject_zrns]": f"{zrns},zen:ticket:99999999,zen:conversation:x"}) == wanted
    person = rows[3]["responder_id"]
    assert responses(desk, **{"filter[responder_ids]": f"{person},1"}) == [
        row for row in rows if row["responder_id"] == person
    ]


@pytest.mark.parametrize("query", ["sort=created_at", "filter[created_at_start]=yesterday"])
def test_bad_parameters_come_in_guide_s_envelope(desk: Any, query: str) -> None:
    refused = desk.get(f"guide/survey_responses?{query}")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["status"] == "400"


def test_unknown_responses_are_not_found(desk: Any) -> None:
    assert desk.get("guide/survey_responses/01J1WB51MG6HXTYWE6Q0C93RNW").json()["errors"][0]["code"] == "NotFound"
    assert desk.get(f"guide/survey_responses/{'U' * 26}").status_code == 404


def test_an_answer_does_not_move_the_response_but_its_ticket(desk: Any) -> None:
    rows = responses(desk)
    open_one = next(row for row in rows if not row["answers"])
    cursor = desk.end("tickets")
    desk.pass_time(3600)
    start = int(desk.sandbox.clock.now().timestamp() * 1000)
    ticket = int(open_one["subjects"][0]["id"])
    desk.act("answer_survey", ticket_id=ticket, rating=3, comment="so so")
    desk.pass_time(61)
    assert open_one["id"] not in [row["id"] for row in responses(desk, **{"filter[created_at_start]": start})]
    (row,) = responses(desk, **{"filter[subject_zrns]": f"zen:ticket:{ticket}"})
    assert (row["id"], rating_of(row)) == (open_one["id"], (3, "neutral"))
    moved = next(t for t in desk.since("tickets", cursor) if t["id"] == ticket)
    assert moved["satisfaction_rating"]["score"] == "bad"
    desk.act("answer_survey", ticket_id=ticket, rating=5)
    (row,) = responses(desk, **{"filter[subject_zrns]": f"zen:ticket:{ticket}"})
    assert rating_of(row) == (5, "good")
    with pytest.raises(ValueError, match="1 to 5"):
        desk.act("answer_survey", ticket_id=ticket, rating=6)


def test_a_ticket_never_surveyed_can_be_answered(desk: Any) -> None:
    offered = {row["subjects"][0]["id"] for row in responses(desk)}
    ticket = next(row["id"] for row in desk.all("tickets") if str(row["id"]) not in offered and row["status"] == "open")
    desk.act("answer_survey", ticket_id=ticket, rating=1)
    assert rating_of(responses(desk)[-1]) == (1, "bad")


def test_tickets_show_the_two_way_score(desk: Any) -> None:
    seen = {row["subjects"][0]["id"]: rating_of(row) for row in responses(desk)}
    scores = set()
    for ticket in desk.all("tickets"):
        rating = seen.get(str(ticket["id"]))
        shown = (ticket["satisfaction_rating"] or {"score": None})["score"]
        if rating:
            assert shown == ("good" if rating[0] >= 4 else "bad")
        scores.add(shown)
    assert scores == {None, "unoffered", "offered", "good", "bad"}


def test_only_one_system_is_in_use(make: Callable[..., Any]) -> None:
    assert make().get("satisfaction_ratings.json").status_code == 403
    legacy = make(csat="legacy")
    assert legacy.get("guide/survey_responses").json()["errors"][0]["code"] == "Forbidden"
    assert make(inactive_csat="empty").json("satisfaction_ratings.json")["satisfaction_ratings"] == []
    assert make(csat="legacy", inactive_csat="empty").json("guide/survey_responses")["survey_responses"] == []


def test_legacy_ratings_are_the_same_answers(make: Callable[..., Any], world: Any) -> None:
    desk = make(csat="legacy")
    rows = ratings(desk, score="received")
    expected = answered(world, desk.sandbox.clock.now())
    found = {str(row["ticket_id"]): row["score"] for row in rows}
    assert found == {key: "good" if rating >= 4 else "bad" for key, (rating, _) in expected.items()}
    everything = ratings(desk)
    assert {row["score"] for row in everything} == {"good", "bad", "offered"}
    assert len(everything) == desk.json("satisfaction_ratings/count.json")["count"]["value"]
    assert ratings(desk, score="unoffered") == []


def test_legacy_ratings_are_filtered_by_time_and_comment(make: Callable[..., Any]) -> None:
    desk = make(csat="legacy")
    start, end = desk.now() - 60 * 86_400, desk.now() - 30 * 86_400
    rows = ratings(desk, start_time=start, end_time=end)
    assert rows
    assert {row["id"] for row in rows} < {row["id"] for row in ratings(desk)}
    with_comment, without = ratings(desk, score="bad_with_comment"), ratings(desk, score="bad_without_comment")
    assert all(row["comment"] for row in with_comment)
    assert not any(row["comment"] for row in without)
    assert len(with_comment) + len(without) == len(ratings(desk, score="bad"))
    assert ratings(desk, sort_order="desc") == ratings(desk)[::-1]


def test_legacy_ratings_page_by_a_hundred_at_most(make: Callable[..., Any]) -> None:
    desk = make(csat="legacy")
    refused = desk.get("satisfaction_ratings.json?page[size]=101")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "InvalidPaginationParameter"
    assert desk.get("satisfaction_ratings.json?page[after]=bm9wZQ==").status_code == 400
    page = desk.json("satisfaction_ratings.json", **{"page[size]": 3})
    following = desk.json(page["links"]["next"])
    assert desk.json(following["links"]["prev"])["satisfaction_ratings"] == page["satisfaction_ratings"]
    assert (
        desk.json("satisfaction_ratings.json", page=2, per_page=3)["satisfaction_ratings"]
        == following["satisfaction_ratings"]
    )
    one = page["satisfaction_ratings"][0]
    assert desk.json(f"satisfaction_ratings/{one['id']}.json")["satisfaction_rating"] == one
    assert desk.get("satisfaction_ratings/1.json").status_code == 404
    assert desk.get("satisfaction_ratings.json?score=splendid").status_code == 400
