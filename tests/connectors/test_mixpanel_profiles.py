"""Mixpanel's profiles and groups, page by page, against the simulator."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.base import Batch
from connectors.errors import (
    CursorExpiredError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.mixpanel import Mixpanel
from sandbox.core import Sandbox
from sandbox.faults import Fault
from sandbox.mixpanel_profiles import DATA_GROUP_ID
from tests.connectors.mixpanel_project import NOW, ids, pull, rows, world


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """Mixpanel's pages hold 1,000 profiles; the simulator's here hold ten."""
    monkeypatch.setattr("sandbox.mixpanel_profiles.PAGE_SIZE", 10)
    return 10


def test_profiles_come_whole_once_a_day(
    make_mixpanel: Callable[..., Mixpanel], mixpanel_box: Sandbox, small_pages: int
) -> None:
    source = make_mixpanel()
    batches = pull(source, "profiles")
    found = ids(batches)
    expected = sum(p.product_user_id is not None and p.created_at <= NOW for p in world().people) + 1
    assert len(found) == len(set(found)) == expected
    assert [batch.full for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert source.calls["profiles"] == expected // small_pages + 1
    mixpanel_box.clock.advance(timedelta(hours=1))
    assert pull(source, "profiles", batches[-1].cursor) == [Batch(cursor=batches[-1].cursor)]
    mixpanel_box.clock.advance(timedelta(hours=22))
    assert len(ids(pull(source, "profiles", batches[-1].cursor))) >= expected


@pytest.mark.parametrize("name", ["profiles", "groups"])
def test_a_first_listing_that_came_empty_is_asked_for_again(
    name: str, make_mixpanel: Callable[..., Mixpanel], mixpanel_box: Sandbox
) -> None:
    source = make_mixpanel(group_id=DATA_GROUP_ID)
    empty = {"page": 0, "page_size": 1000, "total": 0, "session_id": "s", "results": []}
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=empty))
    first = pull(source, name)
    assert ids(first) == []
    mixpanel_box.clock.advance(timedelta(hours=1))
    second = pull(source, name, first[-1].cursor)
    assert ids(second) == ids(pull(make_mixpanel(group_id=DATA_GROUP_ID), name)) != []
    assert second[-1].full
    mixpanel_box.clock.advance(timedelta(hours=1))
    assert pull(source, name, second[-1].cursor) == [Batch(cursor=second[-1].cursor)], "from then on once a day"


def test_a_later_listing_that_came_empty_is_one_a_day(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    held = pull(mixpanel, "profiles")[-1].cursor
    mixpanel_box.clock.advance(timedelta(hours=24))
    empty = {"page": 0, "page_size": 1000, "total": 0, "results": []}
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=empty))
    last = pull(mixpanel, "profiles", held)[-1]
    mixpanel_box.clock.advance(timedelta(hours=1))
    assert pull(mixpanel, "profiles", last.cursor) == [Batch(cursor=last.cursor)]


def test_a_last_page_that_is_full_is_followed_by_an_empty_one(
    make_mixpanel: Callable[..., Mixpanel], monkeypatch: pytest.MonkeyPatch
) -> None:
    total = len(ids(pull(make_mixpanel(), "profiles")))
    monkeypatch.setattr("sandbox.mixpanel_profiles.PAGE_SIZE", total)
    batches = pull(make_mixpanel(), "profiles")
    assert [len(batch.rows) for batch in batches] == [total, 0]
    assert batches[-1].full


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, {"$email", "$name", "$last_seen", "$created", "company_id"}),
        ({"profiles": ["plan", "$email"]}, {"plan", "$email", "company_id"}),
    ],
)
def test_only_the_wanted_properties_come(
    make_mixpanel: Callable[..., Mixpanel], wanted: dict[str, list[str]] | None, expected: set[str]
) -> None:
    found = rows(pull(make_mixpanel(wanted=wanted), "profiles"))
    assert {name for row in found for name in row["$properties"]} == expected


def test_groups_come_with_the_wanted_properties_or_whole(make_mixpanel: Callable[..., Mixpanel]) -> None:
    whole = rows(pull(make_mixpanel(group_id=DATA_GROUP_ID), "groups"))
    assert "plan" in whole[0]["$properties"]
    few = rows(pull(make_mixpanel(group_id=DATA_GROUP_ID, wanted={"groups": ["company name"]}), "groups"))
    assert set(few[0]["$properties"]) == {"company name"}


def test_ids_are_always_text(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    assert {type(found) for found in ids(pull(mixpanel, "profiles"))} == {str}
    body = {"page": 0, "page_size": 1000, "results": [{"$distinct_id": 4, "$properties": {}}]}
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=body))
    assert ids(pull(mixpanel, "profiles")) == ["4"]


def test_the_total_is_not_trusted(mixpanel: Mixpanel, mixpanel_box: Sandbox, small_pages: int) -> None:
    total = len(ids(pull(mixpanel, "profiles")))
    genuine = mixpanel_box.mixpanel.profiles.engage
    mixpanel_box.mixpanel.profiles.engage = lambda params, now: genuine(params, now) | {"total": 1}
    assert len(ids(pull(mixpanel, "profiles"))) == total


def test_groups_are_read_when_their_key_is_set(make_mixpanel: Callable[..., Mixpanel]) -> None:
    source = make_mixpanel(group_id=DATA_GROUP_ID)
    found = rows(pull(source, "groups"))
    assert {row["$distinct_id"] for row in found} <= {c.product_id for c in world().companies}
    assert all(row["$properties"]["company name"] for row in found)
    assert [stream.name for stream in source.streams] == ["events", "profiles", "groups"]
    assert source.account_key == "company_id"


def test_a_listing_too_long_for_the_hour_goes_on_in_the_next(
    make_mixpanel: Callable[..., Mixpanel], mixpanel_box: Sandbox, small_pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ids(pull(make_mixpanel(), "profiles"))
    monkeypatch.setattr("connectors.mixpanel.CALLS_AN_HOUR", 2)
    source = make_mixpanel()
    found: list[str] = []
    cursor: str | None = None
    for _ in range(-(-len(whole) // (2 * small_pages))):
        batches, error = until_it_fails(source.pull(source.streams[1], cursor))
        found += ids(batches)
        cursor = batches[-1].cursor
        assert "rate limit" in error or len(found) == len(whole)
        assert not any(batch.full for batch in batches)
        mixpanel_box.clock.advance(timedelta(hours=1))
    assert found == whole


def until_it_fails(stream: Iterator[Batch]) -> tuple[list[Batch], str]:
    batches: list[Batch] = []
    try:
        for batch in stream:
            batches.append(batch)  # noqa: PERF402 - what came before the error is what is wanted
    except TransientError as error:
        return batches, str(error)
    return batches, ""


def test_a_listing_that_went_on_is_not_taken_for_complete(mixpanel: Mixpanel, small_pages: int) -> None:
    batches = pull(mixpanel, "profiles")
    rest = pull(mixpanel, "profiles", batches[0].cursor)
    assert ids(rest) == ids(batches[1:])
    assert not any(batch.full for batch in rest)
    assert json.loads(rest[-1].cursor or "") == json.loads(batches[-1].cursor or "")


def test_a_forgotten_session_starts_the_listing_again(mixpanel: Mixpanel) -> None:
    place = {"session": "gone", "page": 3, "began": NOW.isoformat()}
    with pytest.raises(CursorExpiredError):
        pull(mixpanel, "profiles", json.dumps(place))


def test_other_refusals_are_passed_on(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    mixpanel_box.faults.add(Fault("status", path="engage", status=400, body={"error": "odd"}))
    with pytest.raises(RequestError):
        pull(mixpanel, "profiles")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        [],
        {"results": None},
        {"page": 7, "results": []},
        {"page_size": 1, "results": [{"$distinct_id": "a"}]},
    ],
)
def test_a_page_of_another_shape_is_refused(mixpanel: Mixpanel, mixpanel_box: Sandbox, body: Any) -> None:
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=body, times=99))
    with pytest.raises(ShapeError):
        pull(mixpanel, "profiles")


def test_an_empty_page_is_believed_when_it_comes_twice_or_the_total_agrees(
    mixpanel: Mixpanel, mixpanel_box: Sandbox, small_pages: int
) -> None:
    whole = ids(pull(mixpanel, "profiles"))
    empty = {"page": 1, "page_size": small_pages, "session_id": "s", "total": 99, "results": []}
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=empty, nth=2))
    assert ids(pull(mixpanel, "profiles")) == whole
    mixpanel_box.faults.clear()
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=empty, nth=range(2, 9)))
    assert ids(pull(mixpanel, "profiles")) == whole[:small_pages]
    mixpanel_box.faults.clear()
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=empty | {"total": small_pages}, nth=2))
    assert ids(pull(mixpanel, "profiles")) == whole[:small_pages]


def test_a_row_that_is_no_object_is_passed_on_without_an_id(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    body = {"page": 0, "page_size": 1000, "results": ["text", {"$distinct_id": "a", "$properties": {}}]}
    mixpanel_box.faults.add(Fault("status", path="engage", status=200, body=body))
    assert rows(pull(mixpanel, "profiles")) == [{"unreadable": "text"}, body["results"][1]]  # type: ignore[index]  # a list


def test_the_shared_hour_may_be_used_up_by_others(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    mixpanel_box.mixpanel.queries.per_hour = 0
    with pytest.raises(QuotaError) as caught:
        pull(mixpanel, "profiles")
    assert "next run" in caught.value.advice


def test_a_post_that_only_reads_is_sent_again(mixpanel: Mixpanel, mixpanel_box: Sandbox) -> None:
    for kind in ("reset", "cut", "timeout_after"):
        mixpanel_box.faults.add(Fault(kind, path="engage"))
    assert ids(pull(mixpanel, "profiles"))
    assert mixpanel.calls["profiles"] == 4


def test_a_data_view_is_named_in_every_call(make_mixpanel: Callable[..., Mixpanel], mixpanel_box: Sandbox) -> None:
    source = make_mixpanel(workspace_id=77)
    for stream in source.streams:
        list(source.pull(stream, None))
    assert all("workspace_id=77" in entry.query for entry in mixpanel_box.journal.entries())
