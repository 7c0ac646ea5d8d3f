"""Reading Salesforce: nothing lost, nothing asked for twice, in each of the ways in which Salesforce makes it hard."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors.base import Batch, Source
from connectors.errors import TransientError
from connectors.salesforce import Salesforce
from sandbox.core import SandboxClock
from tests.connectors.salesforce_reads import BY_NAME, OBJECTS, WANTED, asked, deleted, ids, last, pull, rows

HOURLY = [name for name in OBJECTS if name != "users"]


def merged(batches: list[Batch]) -> dict[str, str]:
    return {loser: winner for batch in batches for loser, winner in batch.merged.items()}


def queries(org: Any) -> list[str]:
    """The text of every query so far."""
    return [q for entry in org.box.journal for q in parse_qs(entry.query).get("q", [])]


def surveyed(org: Any, **settings: Any) -> Salesforce:
    crm: Salesforce = org.connect(surveys="NPS_Response__c", wanted=WANTED, **settings)
    return crm


def counted(crm: Salesforce) -> dict[str, int]:
    return {purpose: number for purpose, number in crm.calls.items() if purpose not in {"login", "counts"}}


def test_it_is_a_source(org: Any) -> None:
    assert isinstance(org.crm, Source)


# -- the first pull ----------------------------------------------------------------------------------------------------


def test_the_first_pull_of_a_small_org_costs_one_query_for_each_kind_and_one_look_around(org: Any) -> None:
    org.do("create_field", object="Task", name="Holdfast_Task_Key__c", type="string", length=64, visible=True)
    crm = surveyed(org)
    for name, obj in OBJECTS.items():
        batches = pull(crm, name)
        if name != "users":
            assert sorted(rows(batches)) == sorted(ids(org, obj)), name
        assert [batch.full for batch in batches] == [True]
    assert counted(crm) == dict.fromkeys(OBJECTS, 1) | {"describe": 1}
    assert asked(org) == ["POST composite", "GET query", *["GET queryAll"] * 9]


def test_rows_are_plain_and_carry_parents(org: Any) -> None:
    crm = surveyed(org)
    role = next(iter(rows(pull(crm, "contact_roles")).values()))
    assert role["Opportunity"] == {"AccountId": role["Opportunity"]["AccountId"]}
    assert role["Opportunity"]["AccountId"] in ids(org, "Account")
    account = next(iter(rows(pull(crm, "accounts")).values()))
    assert "attributes" not in account
    assert account["IsDeleted"] is False
    assert account["CurrencyIsoCode"] == "USD"


def test_only_what_the_field_map_reads_is_asked_for_and_never_what_people_wrote(org: Any) -> None:
    crm = surveyed(org)
    for name in OBJECTS:
        pull(crm, name)
    texts = " ".join(queries(org))
    assert "Description" not in texts
    assert "Subject" not in texts
    org.forget()
    pull(org.connect(wanted={"accounts": ["Name", "Plan__c"]}), "accounts")
    assert queries(org) == [
        "SELECT Id, SystemModstamp, IsDeleted, MasterRecordId, Name, Plan__c FROM Account ORDER BY SystemModstamp, Id"
    ]


def test_colleagues_come_whole_once_a_day_with_those_who_left(org: Any) -> None:
    crm = surveyed(org)
    org.do("deactivate_user", id=list(rows(pull(crm, "users")))[-1])
    org.pass_time(hours=24)
    first = pull(crm, "users")
    assert {row["IsActive"] for row in rows(first).values()} == {True, False}
    org.pass_time(hours=1)
    calls = crm.calls["users"]
    again = pull(crm, "users", last(first))
    assert (rows(again), last(again)) == ({}, last(first))
    assert crm.calls["users"] == calls


def test_tasks_without_an_account_or_a_person_stay_where_they_are(org: Any) -> None:
    account, contact = ids(org, "Account")[0], ids(org, "Contact")[0]
    given = [{"WhatId": account}, {"WhoId": contact}, {}]
    made = [org.do("create", object="Task", values={"Subject": "Call", **one}) for one in given]
    org.pass_time(minutes=1)
    assert set(rows(pull(org.crm, "tasks"))) == set(made[:2])


# -- changes -----------------------------------------------------------------------------------------------------------


def test_a_quiet_hour_costs_one_query_for_each_kind_and_none_for_colleagues(org: Any) -> None:
    org.do("create_field", object="Task", name="Holdfast_Task_Key__c", type="string", length=64, visible=True)
    crm = surveyed(org)
    cursors = {name: last(pull(crm, name)) for name in OBJECTS}
    for _ in range(2):
        org.pass_time(hours=1)
        org.forget()
        crm = surveyed(org)  # a new process remembers nothing
        for name in OBJECTS:
            batches = pull(crm, name, cursors[name])
            assert (rows(batches), deleted(batches)) == ({}, set())
            cursors[name] = last(batches)
        assert counted(crm) == dict.fromkeys(HOURLY, 1)
        assert asked(org) == ["GET queryAll"] * 9


@pytest.mark.parametrize(
    ("name", "field"), [("accounts", "Name"), ("contacts", "Title"), ("opportunities", "Name"), ("cases", "Priority")]
)
def test_a_change_is_found_with_all_that_a_listed_row_has(org: Any, name: str, field: str) -> None:
    first = pull(org.crm, name)
    org.pass_time(minutes=30)
    changed = ids(org, OBJECTS[name])[2]
    org.do("edit", id=changed, values={field: "High"})
    org.pass_time(minutes=30)
    found = rows(pull(org.crm, name, last(first)))
    assert list(found) == [changed]
    assert found[changed][field] == "High"
    assert found[changed].keys() == rows(first)[changed].keys()


def test_what_was_deleted_undeleted_or_merged_comes_in_the_same_answer(org: Any) -> None:
    cursor = last(pull(org.crm, "contacts"))
    gone, back, loser, winner = ids(org, "Contact")[:4]
    org.pass_time(minutes=20)
    org.do("delete", id=gone)
    org.do("delete", id=back)
    org.pass_time(minutes=1)
    org.do("undelete", id=back)
    org.do("merge", winner=winner, loser=loser)
    org.pass_time(minutes=39)
    org.forget()
    batches = pull(org.crm, "contacts", cursor)
    assert deleted(batches) == {gone}
    assert merged(batches) == {loser: winner}
    assert back in rows(batches)
    assert not {gone, loser} & rows(batches).keys()
    assert asked(org) == ["GET queryAll"]


def test_a_merge_of_merged_accounts_leads_to_the_last_winner(org: Any) -> None:
    cursor = last(pull(org.crm, "accounts"))
    one, two, three = ids(org, "Account")[:3]
    org.pass_time(minutes=20)
    org.do("merge", winner=two, loser=one)
    org.pass_time(minutes=1)
    org.do("merge", winner=three, loser=two)
    org.pass_time(minutes=39)
    told = merged(pull(org.crm, "accounts", cursor))
    assert told[two] == three
    assert told[one] in {two, three}


@pytest.mark.parametrize("page_rows", [1, 20, 43])
def test_rows_with_one_stamp_are_all_read_once_wherever_pages_end(
    open_org: Any, small_world: Any, page_rows: int
) -> None:
    org = open_org(small_world, page_rows=page_rows)
    cursor = last(pull(org.crm, "contacts"))
    everyone = ids(org, "Contact")
    org.pass_time(minutes=5)
    org.do("mass_edit", object="Contact", values={"Title": "Moved"})
    org.pass_time(minutes=55)
    org.forget()
    batches = pull(org.crm, "contacts", cursor)
    assert sorted(row["Id"] for batch in batches for row in batch.rows) == sorted(everyone)
    assert len(asked(org)) == -(-len(everyone) // page_rows)
    org.pass_time(hours=1)
    assert rows(pull(org.crm, "contacts", last(batches))) == {}


@pytest.mark.parametrize("page_rows", [20, 43])
def test_an_org_loaded_in_one_go_is_read_whole_also_after_a_break(
    open_org: Any, small_world: Any, page_rows: int
) -> None:
    org = open_org(small_world, page_rows=page_rows, equal_stamps=60)
    org.fault("status", "query", status=503, nth=range(2, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(org.crm.pull(BY_NAME["contacts"], None))
    org.box.faults.clear()
    assert len(rows(seen)) == page_rows
    rest = pull(org.connect(), "contacts", last(seen))
    assert sorted([*rows(seen), *rows(rest)]) == sorted(ids(org, "Contact"))
    assert not any(batch.full for batch in rest), "this pull alone has not seen everything"


def test_a_broken_walk_goes_on_where_it_was(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=20)
    cursor = last(pull(org.crm, "contacts"))
    org.pass_time(minutes=5)
    touched = ids(org, "Contact")[:70]
    org.do("mass_edit", object="Contact", ids=touched, values={"Title": "Moved"})
    org.pass_time(minutes=55)
    org.fault("status", "query", status=503, nth=range(4, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(org.crm.pull(BY_NAME["contacts"], cursor))
    org.box.faults.clear()
    assert len(rows(seen)) == 60
    org.do("edit", id=ids(org, "Contact")[-1], values={"Title": "Late"})
    org.pass_time(hours=1)
    rest = pull(org.crm, "contacts", last(seen))
    assert (rows(seen) | rows(rest)).keys() >= {*touched, ids(org, "Contact")[-1]}
    assert not rows(rest).keys() & rows(seen).keys(), "equal stamps, yet nothing twice"
    assert not rows(pull(org.crm, "contacts", last(rest))).keys() & set(touched)


def test_a_row_that_showed_up_while_a_walk_lay_broken_is_not_lost(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, page_rows=10)
    cursor = last(pull(org.crm, "contacts"))
    org.pass_time(minutes=50)
    everyone = ids(org, "Contact")
    org.do("mass_edit", object="Contact", ids=everyone[:20], values={"Title": "Moved"})
    org.pass_time(minutes=1)
    org.options(late_seconds=600)
    org.do("edit", id=everyone[-1], values={"Title": "Late"})
    org.options(late_seconds=0)
    org.pass_time(minutes=7)
    org.do("mass_edit", object="Contact", ids=everyone[40:60], values={"Title": "Moved"})
    org.pass_time(minutes=1)
    org.fault("status", "query", status=503, nth=range(4, 100))
    seen: list[Batch] = []
    with pytest.raises(TransientError):
        seen.extend(org.crm.pull(BY_NAME["contacts"], cursor))
    org.box.faults.clear()
    assert everyone[-1] not in rows(seen)
    org.pass_time(hours=1)
    rest = pull(org.crm, "contacts", last(seen))
    after = pull(org.crm, "contacts", last(rest))
    assert everyone[-1] in rows(rest) | rows(after)


def test_a_row_that_changes_while_its_list_is_read_does_not_hide_those_behind_it(
    open_org: Any, small_world: Any
) -> None:
    org = open_org(small_world, page_rows=20)
    cursor = last(pull(org.crm, "contacts"))
    everyone = ids(org, "Contact")
    org.pass_time(minutes=10)
    for start in range(0, 80, 20):
        org.do("mass_edit", object="Contact", ids=everyone[start : start + 20], values={"Title": "Moved"})
        org.pass_time(minutes=1)
    org.pass_time(minutes=50)
    org.fault("status", "query", status=503, nth=range(3, 100))
    pages = org.crm.pull(BY_NAME["contacts"], cursor)
    seen = [next(pages)]
    org.do("mass_edit", object="Contact", ids=everyone[28:40], values={"Title": "Again"})
    with pytest.raises(TransientError):
        seen.extend(pages)
    org.box.faults.clear()
    assert len(rows(seen)) == 40
    rest = pull(org.crm, "contacts", last(seen))
    assert (rows(seen) | rows(rest)).keys() >= set(everyone[:80])


@pytest.mark.parametrize("late", [10, 280])
def test_rows_that_show_up_after_their_own_stamp_are_not_lost(open_org: Any, small_world: Any, late: int) -> None:
    org = open_org(small_world, late_seconds=late)
    cursor = last(pull(org.crm, "accounts"))
    org.pass_time(minutes=58)
    changed = ids(org, "Account")[0]
    org.do("edit", id=changed, values={"Name": "Late"})
    org.pass_time(seconds=5)
    between = pull(org.crm, "accounts", cursor)
    assert changed not in rows(between)
    org.pass_time(minutes=9)
    assert changed in rows(pull(org.crm, "accounts", last(between)))


class Shifted:
    """The agent's clock, off by some time from Salesforce's."""

    def __init__(self, clock: SandboxClock, by: timedelta) -> None:
        self.clock, self.by = clock, by

    def now(self) -> datetime:
        return self.clock.now() + self.by

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


@pytest.mark.parametrize("by", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_wrong_clock_of_ours_loses_no_change(org: Any, by: timedelta) -> None:
    clock = Shifted(org.box.clock, by)
    cursor = last(pull(org.connect(clock=clock), "accounts"))
    found: set[str] = set()
    for hour in range(4):
        org.pass_time(minutes=30)
        org.do("edit", id=ids(org, "Account")[hour], values={"Name": f"Hour {hour}"})
        org.pass_time(minutes=30)
        batches = pull(org.connect(clock=clock), "accounts", cursor)
        found |= rows(batches).keys()
        cursor = last(batches)
    assert found == set(ids(org, "Account")[:4])


@pytest.mark.requirement("R117")
def test_what_people_have_opted_out_of_is_read_where_it_may_be_and_else_left_out(org: Any) -> None:
    asked_for = {"contacts": ["Email", "HasOptedOutOfEmail", "DoNotCall"]}
    contacts = rows(pull(org.connect(wanted=asked_for), "contacts")).values()
    for field in ("HasOptedOutOfEmail", "DoNotCall"):
        assert {row[field] for row in contacts} == {True, False}
        org.do("hide_field", object="Contact", field=field)
    hidden = rows(pull(org.connect(wanted=asked_for), "contacts"))
    assert len(hidden) == len(contacts)
    assert not {"HasOptedOutOfEmail", "DoNotCall"} & {name for row in hidden.values() for name in row}
