"""Reading HubSpot: nothing lost, nothing asked for twice, in each of the ways in which HubSpot makes that hard."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.base import Batch, Row, Source
from connectors.errors import (
    TransientError,
)
from connectors.hubspot import STREAMS, HubSpot
from connectors.hubspot_kinds import ACTIVITIES
from sandbox.core import SandboxClock

BY_NAME = {stream.name: stream for stream in STREAMS if stream.name not in ACTIVITIES}
KINDS = ("companies", "contacts", "deals", "tickets", "feedback_submissions")


def pull(crm: HubSpot, name: str, cursor: str | None = None) -> list[Batch]:
    batches = list(crm.pull(BY_NAME[name], cursor))
    assert batches[-1].cursor is not None, "the last batch always carries a cursor"
    return batches


def rows(batches: list[Batch]) -> dict[str, Row]:
    return {row["id"]: row for batch in batches for row in batch.rows}


def last(batches: list[Batch]) -> str:
    cursor = [batch.cursor for batch in batches if batch.cursor is not None][-1]
    assert cursor
    return cursor


def merged(batches: list[Batch]) -> dict[str, str]:
    return {loser: winner for batch in batches for loser, winner in batch.merged.items()}


def deleted(batches: list[Batch]) -> set[str]:
    return {one for batch in batches for one in batch.deleted}


def test_it_is_a_source(portal: Any) -> None:
    assert isinstance(portal.crm, Source)


@pytest.mark.parametrize("name", KINDS)
def test_the_first_pull_lists_everything_at_one_call_per_hundred(portal: Any, name: str) -> None:
    batches = pull(portal.crm, name)
    assert sorted(rows(batches)) == portal.ids(name)
    assert [batch.full for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert portal.crm.calls[name] == -(-len(portal.ids(name)) // 100) == len(batches)
    assert all(batch.server_time == portal.box.clock.now() for batch in batches)


def test_rows_come_with_associations_stages_and_currency(portal: Any) -> None:
    contact = next(iter(rows(pull(portal.crm, "contacts")).values()))
    (company,) = contact["_associations"]["companies"]
    assert company["primary"] is True
    assert company["id"] in portal.ids("companies")
    assert "associations" not in contact
    deal = next(iter(rows(pull(portal.crm, "deals")).values()))
    assert set(deal["_stage"]) == {"label", "isClosed", "probability", "ticketState"}
    assert deal["_currency"] == "USD"
    ticket = next(iter(rows(pull(portal.crm, "tickets")).values()))
    assert ticket["_stage"]["ticketState"] in {"OPEN", "CLOSED"}
    assert set(ticket["_associations"]) == {"companies", "contacts"}


def test_owners_include_those_who_left_and_cost_two_calls_a_day(portal: Any) -> None:
    vendor = portal.vendor
    portal.do("deactivate_owner", id=next(iter(vendor.portal.owners)))
    first = pull(portal.crm, "owners")
    assert {row["archived"] for row in rows(first).values()} == {True, False}
    portal.pass_time(hours=1)
    again = pull(portal.crm, "owners", last(first))
    assert (rows(again), last(again)) == ({}, last(first))
    assert portal.crm.calls["owners"] == 2
    portal.pass_time(hours=23)
    assert len(rows(pull(portal.crm, "owners", last(again)))) == len(vendor.portal.owners)


def test_a_quiet_hour_costs_one_search_for_each_kind(portal: Any) -> None:
    cursors = {name: last(pull(portal.crm, name)) for name in BY_NAME}
    portal.pass_time(hours=1)
    portal.forget()
    for name, cursor in cursors.items():
        assert rows(pull(portal.crm, name, cursor)) == {}
    assert sorted(portal.requests()) == sorted(
        f"POST /crm/objects/{'2026-03' if name == 'feedback_submissions' else '2026-09'}/{name}/search"
        for name in KINDS
    )


@pytest.mark.parametrize(("name", "prop"), [("companies", "name"), ("contacts", "jobtitle"), ("deals", "dealname")])
def test_a_change_is_found_by_the_kinds_own_modified_property(portal: Any, name: str, prop: str) -> None:
    cursor = last(pull(portal.crm, name))
    portal.pass_time(minutes=30)
    changed = portal.ids(name)[3]
    portal.do("edit", object=name, id=changed, properties={prop: "New"})
    portal.pass_time(minutes=30)
    found = rows(pull(portal.crm, name, cursor))
    assert list(found) == [changed]
    assert found[changed]["properties"][prop] == "New"


def test_a_changed_deal_has_all_that_a_listed_one_has(portal: Any) -> None:
    first = pull(portal.crm, "deals")
    portal.pass_time(minutes=30)
    changed = portal.ids("deals")[0]
    portal.do("touch", object="deals", ids=[changed], properties={"dealname": "New"})
    portal.pass_time(minutes=30)
    before, after = rows(first)[changed], rows(pull(portal.crm, "deals", last(first)))[changed]
    assert after["_associations"] == before["_associations"]
    assert after["_stage"] == before["_stage"]
    assert set(after["properties"]) == set(before["properties"])


def test_ten_thousand_equal_stamps_are_all_read(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    everyone = portal.ids("contacts")
    assert len(everyone) > 10_000
    cursor = last(pull(portal.crm, "contacts"))
    portal.pass_time(minutes=5)
    portal.do("touch", object="contacts", properties={"jobtitle": "Moved"})
    portal.pass_time(minutes=55)
    portal.forget()
    batches = pull(portal.crm, "contacts", cursor)
    found = rows(batches)
    assert found.keys() >= set(everyone)
    searches = sum(request.endswith("/search") for request in portal.requests())
    assert searches == -(-len(found) // 200)
    assert len(portal.requests()) - searches == -(-len(found) // 1000), "associations: a thousand records a call"
    portal.pass_time(minutes=55)
    assert not rows(pull(portal.crm, "contacts", last(batches))).keys() & set(everyone)


def test_a_broken_search_goes_on_where_it_was(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    cursor = last(pull(portal.crm, "contacts"))
    portal.pass_time(minutes=5)
    touched = portal.ids("contacts")[:2_500]
    portal.do("touch", object="contacts", ids=touched, properties={"jobtitle": "Moved"})
    portal.pass_time(minutes=55)
    portal.fault("status", r"contacts/search", status=503, nth=range(8, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(portal.crm.pull(BY_NAME["contacts"], cursor))
    portal.box.faults.clear()
    assert len(rows(seen)) == 1_000
    portal.do("edit", object="contacts", id=portal.ids("contacts")[-1], properties={"jobtitle": "Late"})
    portal.pass_time(minutes=5)
    rest = pull(portal.crm, "contacts", last(seen))
    assert (rows(seen) | rows(rest)).keys() >= set(touched)
    assert not rows(rest).keys() & rows(seen).keys()
    late = pull(portal.crm, "contacts", last(rest))
    assert portal.ids("contacts")[-1] in rows(late), "what changed meanwhile belongs to the next window"


@pytest.mark.parametrize("lag", [10.0, 300.0])
def test_rows_that_the_index_shows_late_are_not_lost(open_portal: Any, small_world: Any, lag: float) -> None:
    portal = open_portal(small_world, search_lag=lag)
    cursor = last(pull(portal.crm, "companies"))
    portal.pass_time(minutes=58)
    changed = portal.ids("companies")[0]
    portal.do("edit", object="companies", id=changed, properties={"name": "Late"})
    portal.pass_time(seconds=90)
    between = pull(portal.crm, "companies", cursor)
    portal.pass_time(minutes=9)
    after = pull(portal.crm, "companies", last(between))
    assert changed in rows(between) | rows(after)


def test_a_change_of_the_last_minute_waits_for_the_next_pull(portal: Any) -> None:
    cursor = last(pull(portal.crm, "companies"))
    portal.pass_time(minutes=59, seconds=30)
    changed = portal.ids("companies")[0]
    portal.do("edit", object="companies", id=changed, properties={"name": "Now"})
    portal.pass_time(seconds=30)
    first = pull(portal.crm, "companies", cursor)
    portal.pass_time(hours=1)
    assert changed not in rows(first)
    assert changed in rows(pull(portal.crm, "companies", last(first)))


class Shifted:
    """The agent's clock, off by some time from HubSpot's."""

    def __init__(self, clock: SandboxClock, by: timedelta) -> None:
        self.clock, self.by = clock, by

    def now(self) -> datetime:
        return self.clock.now() + self.by

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


@pytest.mark.parametrize("by", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_wrong_clock_of_ours_loses_no_change(portal: Any, by: timedelta) -> None:
    clock = Shifted(portal.box.clock, by)
    cursor = last(pull(portal.connect(clock=clock), "companies"))
    found: set[str] = set()
    for hour in range(4):
        portal.pass_time(minutes=30)
        changed = portal.ids("companies")[hour]
        portal.do("edit", object="companies", id=changed, properties={"name": f"Hour {hour}"})
        portal.pass_time(minutes=30)
        batches = pull(portal.connect(clock=clock), "companies", cursor)
        found |= rows(batches).keys()
        cursor = last(batches)
    portal.pass_time(hours=1)
    crm = portal.connect(clock=clock)
    crm.environment()
    found |= rows(pull(crm, "companies", cursor)).keys()
    assert found == set(portal.ids("companies")[:4])


def test_deletions_are_found_every_few_hours_and_then_forgotten(portal: Any) -> None:
    cursor = last(pull(portal.crm, "contacts"))
    one, two = portal.ids("contacts")[:2]
    portal.pass_time(minutes=10)
    portal.do("archive", object="contacts", id=one)
    portal.pass_time(hours=5)
    batches = pull(portal.crm, "contacts", cursor)
    assert deleted(batches) == set(), "a search never shows them"
    portal.pass_time(hours=1)
    portal.do("archive", object="contacts", id=two)
    batches = pull(portal.crm, "contacts", last(batches))
    assert deleted(batches) == {one, two}
    portal.pass_time(hours=7)
    batches = pull(portal.crm, "contacts", last(batches))
    assert deleted(batches) <= {two}, "once more at most, for those deleted while we looked"
    portal.pass_time(hours=7)
    assert deleted(pull(portal.crm, "contacts", last(batches))) == set()


def test_a_deletion_without_a_date_is_left_to_the_daily_list(portal: Any) -> None:
    cursor = last(pull(portal.crm, "contacts"))
    portal.do("archive", object="contacts", id=portal.ids("contacts")[0])
    portal.pass_time(hours=7)
    portal.fault("drift", "archived=true", set={"archivedAt": None})
    assert deleted(pull(portal.crm, "contacts", cursor)) == set()


def test_more_deletions_than_fit_on_a_page(open_portal: Any, large_world: Any) -> None:
    portal = open_portal(large_world)
    cursor = last(pull(portal.crm, "contacts"))
    gone = portal.ids("contacts")[:250]
    for one in gone:
        portal.do("archive", object="contacts", id=one)
    portal.pass_time(hours=7)
    assert deleted(pull(portal.crm, "contacts", cursor)) == set(gone)
    assert portal.crm.calls["contacts deleted"] == 3


def test_a_record_that_vanished_without_trace_is_missed_by_the_daily_list(portal: Any) -> None:
    cursor = last(pull(portal.crm, "companies"))
    everyone = portal.ids("companies")
    portal.do("purge", object="companies", id=everyone[0])
    portal.pass_time(hours=24)
    batches = pull(portal.crm, "companies", cursor)
    assert batches[-1].full
    assert sorted(rows(batches)) == everyone[1:]
    assert deleted(batches) == set()


@pytest.mark.parametrize("mints", [False, True])
def test_a_merge_tells_who_won(open_portal: Any, small_world: Any, mints: bool) -> None:  # noqa: FBT001 - a parameter of the test
    portal = open_portal(small_world, merge_mints_id=mints)
    cursor = last(pull(portal.crm, "contacts"))
    winner, loser = portal.ids("contacts")[:2]
    portal.pass_time(minutes=30)
    survivor = portal.do("merge", object="contacts", winner=winner, loser=loser)
    portal.pass_time(minutes=30)
    batches = pull(portal.crm, "contacts", cursor)
    assert list(rows(batches)) == [survivor]
    assert merged(batches)[loser] == survivor
    assert (survivor == winner) is not mints
    assert "hs_merged_object_ids" not in rows(batches)[survivor]["properties"]


def test_an_association_that_changed_silently_is_found_within_a_day(portal: Any) -> None:
    first = pull(portal.crm, "contacts")
    contact = portal.ids("contacts")[0]
    old = rows(first)[contact]["_associations"]["companies"][0]["id"]
    new = next(one for one in portal.ids("companies") if one != old)
    portal.do("disassociate", object="contacts", id=contact, to="companies", to_id=old)
    portal.do("associate", object="contacts", id=contact, to="companies", to_id=new, types=[1])
    portal.pass_time(hours=1)
    hourly = pull(portal.crm, "contacts", last(first))
    assert contact not in rows(hourly)
    portal.pass_time(hours=23)
    daily = rows(pull(portal.crm, "contacts", last(hourly)))
    assert daily[contact]["_associations"]["companies"] == [{"id": new, "primary": True}]


def test_a_person_of_several_companies_keeps_the_primary_first(portal: Any) -> None:
    first = pull(portal.crm, "contacts")
    contact = portal.ids("contacts")[0]
    primary = rows(first)[contact]["_associations"]["companies"][0]["id"]
    others = [one for one in portal.ids("companies") if one != primary][:2]
    for other in others:
        portal.do("associate", object="contacts", id=contact, to="companies", to_id=other, types=[279])
    portal.pass_time(minutes=20)
    portal.do("edit", object="contacts", id=contact, properties={"jobtitle": "New"})
    portal.pass_time(minutes=40)
    searched = rows(pull(portal.crm, "contacts", last(first)))[contact]["_associations"]["companies"]
    listed = rows(pull(portal.crm, "contacts"))[contact]["_associations"]["companies"]
    assert searched == listed
    assert [link["id"] for link in listed] == [primary, *sorted(others)]
    assert [link["primary"] for link in listed] == [True, False, False]


@pytest.mark.requirement("R117")
def test_who_has_unsubscribed_is_read(portal: Any) -> None:
    said = {row["properties"]["hs_email_optout"] for row in rows(pull(portal.crm, "contacts")).values()}
    assert said == {"true", None}
