"""Tables over the world: ids, stamps, values, what is there when, and finding rows."""

from array import array
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.hubspot_render import to_ms
from sandbox.salesforce_base import ADMINISTRATOR, Base, Ids, Moment
from sandbox.salesforce_http import Route, Router
from sandbox.salesforce_ids import canonical, record_id
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import FieldDef, ObjectDef

DAY = 86_400_000


@pytest.mark.parametrize("number", [0, 1, 61, 62, 3843, 3844, 14_776_335, 14_776_336, 62**5 - 1, 62**5, 62**8 + 12345])
def test_numbers_and_ids_are_the_same_both_ways(number: int) -> None:
    ids = Ids("001")
    text = ids.text(number)
    assert text == record_id("Account", number)
    assert ids.number(text) == ids.number(text[:15]) == number
    assert canonical(text[:15]) == text


@pytest.mark.parametrize(
    "text", ["", "001", "003Hf0000000001IAA", "001Xx0000000001IAA", "001Hf000000000-IAA", "x" * 18]
)
def test_other_ids_have_no_number(text: str) -> None:
    assert Ids("001").number(text) is None


def small(created: list[int], *, now: int = 10_000, late: int = 0) -> Table:
    definition = ObjectDef("Thing", "a01", "Thing")
    names = ("Id", "IsDeleted", "SystemModstamp", "Name")
    definition.add([*(FieldDef(name, "string") for name in names), FieldDef("Flag", "boolean")])
    base = Base(
        array("q", range(len(created))),
        [f"thing {n}" for n in range(len(created))],
        array("q", created),
        array("q", created),
        {0: (8_000, 12_000)},
        {"Name": lambda item, now: f"{item} at {now}"},
        ADMINISTRATOR,
    )
    return Table(definition, base, Moment(now, late))


def test_rows_appear_at_their_time_and_change_with_it() -> None:
    table = small([1_000, 9_999, 10_001])
    assert list(table.places(10_000)) == [0, 1]
    assert table.place(table.id_at(2)) is None
    assert [table.stamp(0, now) for now in (7_000, 8_000, 12_000)] == [1_000, 8_000, 12_000]
    assert table.value(0, "Name", 10_000) == "thing 0 at 10000"
    assert table.value(0, "Flag", 10_000) is False
    assert table.value(0, "CreatedById", 10_000) == table.value(0, "LastModifiedById", 10_000) == ADMINISTRATOR


def test_late_rows_carry_the_older_stamp() -> None:
    table = small([1_000, 9_999, 10_001], late=3_000)
    assert list(table.places(10_000)) == [0]
    assert list(table.places(12_999)) == [0, 1]
    assert table.stamp(0, 10_999) == 1_000
    assert table.stamp(0, 11_000) == 8_000
    assert table.value(0, "Name", 10_000) == "thing 0 at 7000"


def test_changed_rows_come_by_stamp_and_id() -> None:
    table = small([1_500, 3_000, 3_000, 2_000, 50_000])
    assert table.changed(0, 100_000, 7_000) == [0, 3, 1, 2]
    assert table.changed(0, 100_000, 9_000) == [3, 1, 2, 0]
    assert table.changed(1_000, 2_000, 7_000) == [0], "a stamp is cut to the second"
    assert table.changed(2_000, 3_000, 7_000) == [3]
    table.write(1, {"Name": "mine"}, 6_700, by="u")
    assert table.changed(3_000, 7_000, 7_000) == [2, 1]
    table.delete(2, 7_000, by="u")
    assert table.changed(3_000, 9_000, 7_000) == [1]
    assert table.changed(3_000, 9_000, 7_000, deleted=True) == [1, 2]


def test_written_values_hide_the_worlds() -> None:
    table = small([1_000, 1_000])
    heard: list[tuple[str, int]] = []
    table.listeners.append(lambda what, place, _values, _now, _by: heard.append((what, place)))
    table.write(0, {"Name": "mine"}, 9_000, by="someone", modified=False)
    assert (table.value(0, "Name", 9_500), table.stamp(0, 9_500)) == ("mine", 9_000)
    assert table.value(0, "LastModifiedDate", 9_500) == 8_000
    table.write(0, {"Name": None}, 9_400, by="someone", stamp=False)
    assert (table.value(0, "Name", 9_500), table.stamp(0, 9_500)) == (None, 9_000)
    table.write(0, {}, 9_900, by="someone")
    assert table.value(0, "LastModifiedDate", 9_950) == 9_000
    assert table.value(0, "LastModifiedById", 9_950) == "someone"
    made = table.insert({"Name": "new"}, 9_900, by="other")
    place = table.place(made)
    assert place == 2
    assert table.value(2, "CreatedById", 9_950) == "other"
    assert (table.value(2, "CreatedDate", 9_950), table.value(2, "Flag", 9_950)) == (9_000, False)
    table.delete(2, 9_900, by="other", master=table.id_at(0))
    assert (table.value(2, "IsDeleted", 9_950), table.value(2, "MasterRecordId", 9_950)) == (True, table.id_at(0))
    assert (table.place(made), table.alive(made)) == (2, None)
    table.undelete(2, 9_900, by="other")
    assert (table.alive(made), table.value(2, "MasterRecordId", 9_950)) == (2, None)
    table.purge(2)
    assert table.place(made) is None
    assert list(table.places(9_950, deleted=True)) == [0, 1]
    assert [what for what, _ in heard] == ["write", "write", "write", "insert", "delete", "undelete", "purge"]


def test_a_transaction_may_commit_later_than_its_stamp() -> None:
    table = small([1_000])
    made = table.insert({"Name": "slow"}, 5_000, by="u", visible_at=11_000)
    assert table.place(made) is None
    assert list(table.places(10_999)) == [0]
    assert list(table.places(11_000)) == [0, 1]
    assert table.changed(5_000, 6_000, 10_999) == []
    assert table.changed(5_000, 6_000, 11_000) == [1]


def test_references_are_found_whatever_wrote_them(sf: Any) -> None:
    contacts, now = sf.org.tables["Contact"], sf.org.now
    account = sf.account()[0]
    slow = [p for p in contacts.places(now) if contacts.value(p, "AccountId", now) == account]
    assert contacts.referring("AccountId", [account], now) == slow != []
    contacts.write(slow[0], {"AccountId": None}, now, by=ADMINISTRATOR)
    assert contacts.referring("AccountId", [account], now) == slow[1:]
    made = contacts.insert({"LastName": "New", "AccountId": account}, now, by=ADMINISTRATOR)
    assert contacts.referring("AccountId", [account], now) == [*slow[1:], contacts.place(made)]
    contacts.delete(slow[1], now, by=ADMINISTRATOR)
    assert contacts.referring("AccountId", [account], now) == [*slow[2:], contacts.place(made)]
    assert contacts.referring("AccountId", [account], now, deleted=True) == [*slow[1:], contacts.place(made)]
    email = sf.contact()[1].email
    assert contacts.referring("Email", [email.upper()], now) == contacts.referring("Email", [email], now) != []
    name = contacts.value(slow[3], "Name", now)
    assert slow[3] in contacts.referring("Name", [name.upper()], now), "derived fields are looked through"


def test_bulk_loaded_rows_share_one_stamp(make_client: Callable[..., Any]) -> None:
    sf = make_client(equal_stamps=25)
    accounts, now = sf.org.tables["Account"], sf.org.now
    stamps = [accounts.stamp(p, now) for p in accounts.places(now)]
    churned = {p for p, _ in enumerate(stamps) if stamps[p] != stamps[0] and p < 25}
    assert len(set(stamps[:25])) == 1 + len(churned)
    assert accounts.changed(stamps[0], stamps[0] + 1000, now) == [p for p in range(25) if p not in churned]


def test_the_world_moves_with_the_clock(make_client: Callable[..., Any], wide_world: Any) -> None:
    sf = make_client(wide_world)
    leaver = next(
        c for c in wide_world.companies if c.churn_date and c.churn_date > wide_world.now.date() and c.mrr is not None
    )
    account = record_id("Account", 7 * leaver.id)
    before = sf.value(account, "SystemModstamp")
    assert sf.value(account, "Type") == "Customer - Direct"
    sf.sandbox.clock.set(wide_world.now + timedelta(days=(leaver.churn_date - wide_world.now.date()).days + 1))
    assert sf.value(account, "Type") == "Former Customer"
    assert before < sf.value(account, "SystemModstamp") <= sf.org.now


def test_a_formula_changes_without_a_stamp(sf: Any) -> None:
    account, company = sf.account()
    before = (sf.value(account, "Days_To_Renewal__c"), sf.value(account, "SystemModstamp"))
    assert before[0] == float((company.renewal_date - sf.world.now.date()).days)
    sf.later(2 * 86_400)
    assert sf.value(account, "Days_To_Renewal__c") == before[0] - 2
    assert sf.value(account, "SystemModstamp") == before[1]
    sf.mutate("edit", id=account, values={"Renewal_Date__c": None})
    assert sf.value(account, "Days_To_Renewal__c") is None


def test_small_paths_win_over_those_with_more_parameters() -> None:
    def nothing(*_: Any) -> Any:
        return 204, None, {}

    router = Router(
        [
            Route("GET", "things/{name}/{id}", nothing),
            Route("GET", "things/{kind}/describe", nothing),
            Route("POST", "things/{other}/describe", nothing, reads=True),
            Route("GET", "all/{rest*}", nothing),
        ]
    )
    found = router.match("things/one/describe/")
    assert found is not None
    assert set(found.routes) == {"GET", "POST"}
    assert found.params(found.routes["GET"]) == {"kind": "one"}
    assert found.params(found.routes["POST"]) == {"other": "one"}
    deep = router.match("all/a/b/c")
    assert deep is not None
    assert deep.params(deep.routes["GET"]) == {"rest": "a/b/c"}
    assert router.match("other") is None
    with pytest.raises(ValueError, match="two routes for GET /x/"):
        Router([Route("GET", "x/{a}", nothing), Route("GET", "/x/{b}", nothing)])


def test_time_goes_through_what_is_due(sf: Any) -> None:
    org, seen = sf.org, []
    start = org.now
    org.later(start + 2000, lambda: seen.append(("second", org.now)))
    org.later(start + 1000, lambda: seen.append(("first", org.now)))
    org.later(start + 9000, lambda: seen.append(("never", org.now)))
    sf.later(5)
    sf.get("limits")
    assert seen == [("first", start + 1000), ("second", start + 2000)]
    assert org.now == to_ms(sf.sandbox.clock.now())


@pytest.mark.parametrize("late", [0, 3600])
def test_many_values_at_once_are_those_of_one_at_a_time(make_client: Callable[..., Any], late: int) -> None:
    sf = make_client(late_seconds=late)
    sf.later(1)  # something is about to happen, or to be seen
    gone, edited = sf.account(0)[0], sf.account(1)[0]
    sf.mutate("delete", id=gone)
    sf.mutate("edit", id=edited, values={"Plan__c": None, "Phone": "1"})
    sf.mutate("create", object="Account", values={"Name": "New"})
    sf.later(2 * late + 1)
    sf.vendor.tick(sf.sandbox.clock.now())
    for table in sf.org.tables.values():
        everything = range(len(table))
        for deleted in (False, True):
            there = list(table.places(sf.org.now, deleted=deleted))
            seen = [p for p in everything if table.place(table.id_at(p)) is not None]
            assert there == [p for p in seen if deleted or not table.deleted(p)], table.object.name
        for name in table.object.fields:
            for places in (there, there[2:9]):
                wanted = [table.value(p, name, sf.org.now) for p in places]
                assert table.column(name, places, sf.org.now) == wanted, f"{table.object.name}.{name}"
