"""Rows that still arrive and say less than they did: a key gone, values emptied, events of nobody."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import EventExport
from connectors.errors import ShapeError
from mapping.fields import FieldMap
from mapping.schema import Record
from sync import usage
from sync.row_doubt import RowDoubt
from sync.store import Page, Store
from tests.sync.states import DAY, EVENTS, HOUR, NOW, account, ticket

WHERE = "crm/companies"


# -- keys -----------------------------------------------------------------------------------------------------------


def known(rows: int, *keys: str) -> RowDoubt:
    """After so many rows that had all of these keys."""
    doubt = RowDoubt(WHERE)
    doubt.keys([dict.fromkeys(keys)] * rows, keys)
    return RowDoubt(WHERE, doubt.dump())


@pytest.mark.parametrize(("before", "needed"), [(10, 6), (30, 4), (100, 3), (1_000, 2), (1_000_000, 1)])
def test_a_key_is_missed_the_sooner_the_longer_it_was_there(before: int, needed: int) -> None:
    doubt = known(min(before, 1000), "id", "mrr")
    if before > 1000:
        doubt = RowDoubt(WHERE, json.dumps({"keys": {"id": [before, 0], "mrr": [before, 0]}, "values": {}, "said": {}}))
    for _ in range(needed - 1):  # one row an hour
        doubt.keys([{"id": 1}], ["id", "mrr"])
        doubt = RowDoubt(WHERE, doubt.dump())
    with pytest.raises(ShapeError, match=f"no longer have 'mrr', which each of {before:,} had before") as found:
        doubt.keys([{"id": 1}], ["id", "mrr"])
    assert 'add "crm/companies" to guard.trusted' in found.value.advice


def test_a_key_that_comes_and_goes_is_never_missed() -> None:
    doubt = known(500, "id", "plan")
    for _ in range(20):
        doubt.keys([{"id": 1, "plan": None}] * 40 + [{"id": 2}], ["id", "plan"])
        doubt.keys([{"id": 3}], ["id", "plan"])
    doubt.keys([{"id": 2}] * 20, ["id", "plan"])


def test_what_the_map_does_not_read_is_nobodys_loss() -> None:
    doubt = known(500, "id", "plan")
    doubt.keys([{"id": 1}] * 50, ["id"])


def test_keys_below_a_base_count_and_a_row_without_it_lacks_all_of_them() -> None:
    names, base = FieldMap.load("hubspot").keys("companies")
    assert base == "properties"
    assert {"id", "properties.monthly_recurring_revenue"} <= set(names)
    assert not [name for name in names if name.startswith(("_", "properties._"))]
    row = {"id": 1, "properties": dict.fromkeys(name.partition(".")[2] for name in names)}
    doubt = RowDoubt(WHERE)
    doubt.keys([row] * 100, names, base)
    doubt.keys([row, "no row"], names, base)
    with pytest.raises(ShapeError, match="no longer have 'properties"):
        doubt.keys([{"id": 1, "properties": None}] * 3, names, base)


def test_who_is_trusted_makes_a_new_usual() -> None:
    doubt = RowDoubt(WHERE, known(500, "id", "plan").dump(), trusted=True)
    doubt.keys([{"id": 1}] * 50, ["id", "plan"])
    RowDoubt(WHERE, doubt.dump()).keys([{"id": 1}] * 50, ["id", "plan"])


# -- values ---------------------------------------------------------------------------------------------------------


def commit(store: Store, records: Sequence[Record], *, trusted: bool = False) -> None:
    """One pull of one page."""
    kind = records[0].kind
    doubt = RowDoubt.load(store, f"crm/{kind}", trusted=trusted)
    store.commit(Page("crm", kind, kind, records, doubt=doubt), NOW)
    with store.transaction() as conn:
        doubt.save(conn)


def accounts(numbers: range, *, minutes: int = 0, **values: Any) -> list[Record]:
    return [account(f"A{n}", at=NOW + timedelta(minutes=minutes), **values) for n in numbers]


def revenue(store: Store) -> list[int | None]:
    return [record.__dict__["mrr"] for record in store.records("account")]


@pytest.mark.parametrize("empty", [None, 0])
def test_a_page_that_empties_a_column_is_not_written(empty: int | None, store: Store) -> None:
    commit(store, accounts(range(30), mrr=500))
    with pytest.raises(ShapeError, match="mrr is empty or zero in 30 of 30 records that had a value"):
        commit(store, accounts(range(30), minutes=5, mrr=empty))
    assert revenue(store) == [500] * 30
    commit(store, accounts(range(30), minutes=9, mrr=600))
    assert revenue(store) == [600] * 30


def test_it_is_seen_when_they_come_three_an_hour(store: Store) -> None:
    commit(store, accounts(range(30), mrr=500))
    for start in (0, 3, 6):
        commit(store, accounts(range(start, start + 3), minutes=5, mrr=None))
    with pytest.raises(ShapeError, match="12 of 12 records"):
        commit(store, accounts(range(9, 12), minutes=5, mrr=None))
    assert revenue(store).count(None) == 9


def test_ordinary_ends_and_corrections_pass(store: Store) -> None:
    commit(store, accounts(range(30), mrr=500, renewal_date=NOW.date()))
    commit(store, accounts(range(4), minutes=5, mrr=500))  # four contracts ended at once
    for n in range(4, 30):  # and one of four later
        left = None if n % 4 == 0 else NOW.date() + DAY
        commit(store, accounts(range(n, n + 1), minutes=6, mrr=500, renewal_date=left))
    assert revenue(store) == [500] * 30


def test_new_records_may_be_as_empty_as_they_like(store: Store) -> None:
    commit(store, accounts(range(60), mrr=500))
    commit(store, accounts(range(60, 300)))
    assert len(revenue(store)) == 300


def test_an_emptying_that_is_meant(store: Store) -> None:
    commit(store, accounts(range(30), mrr=500))
    commit(store, accounts(range(30), minutes=5), trusted=True)
    assert revenue(store) == [None] * 30


def tickets(numbers: range, **values: Any) -> list[Record]:
    return [ticket(f"T{n}", **values) for n in numbers]


def test_tickets_of_nobody_are_not_believed(store: Store) -> None:
    commit(store, tickets(range(60), contact_ref="P1"))
    commit(store, tickets(range(60, 75)))  # an odd hour
    with pytest.raises(ShapeError, match="The last 25 new records do not say who it is from, as 60 of 60 did before"):
        commit(store, tickets(range(75, 85)))
    commit(store, tickets(range(75, 85), account_ref="A1"))
    commit(store, tickets(range(85, 100)))


@pytest.mark.parametrize("share", [1, 2])
def test_where_half_name_nobody_or_little_is_known_nothing_is_missed(share: int, store: Store) -> None:
    first = [*tickets(range(30), contact_ref="P1"), *tickets(range(30, 30 * share))]
    commit(store, first)
    commit(store, tickets(range(100, 200)))


# -- events ---------------------------------------------------------------------------------------------------------


def export(store: Store, tmp_path: Path, events: Sequence[dict[str, Any]], **more: Any) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(json.dumps({"event": "Login", "properties": one}) for one in events))
    day = NOW.date()
    replaces = more.pop("replaces", False)
    usage.ingest(
        store, ("mp", "events"), EventExport(path, day - DAY, day, replaces), EVENTS, cursor=None, now=NOW, **more
    )


def events(number: int, *, hours: float = 0, people: int = 20, **leave_out: str) -> list[dict[str, Any]]:
    """Events of some people, without some properties."""
    found = []
    for n in range(number):
        time = int((NOW + hours * HOUR).timestamp()) + n
        one = {"time": time, "distinct_id": f"u{n % people}", "$user_id": f"u{n % people}", "company_id": f"c{n % 5}"}
        one |= {"$insert_id": f"{time}", "mp_processing_time_ms": time * 1000}
        found.append({key: value for key, value in one.items() if key not in leave_out.values()})
    return found


def total(store: Store) -> int:
    return int(store.rows("SELECT sum(events) FROM usage_file")[0][0])


@pytest.mark.parametrize(("gone", "says"), [("$user_id", "which user"), ("company_id", "which account")])
def test_events_that_stop_saying_whose_they_are(gone: str, says: str, store: Store, tmp_path: Path) -> None:
    export(store, tmp_path, events(200))
    export(store, tmp_path, events(30, hours=1, gone=gone))  # few: it may be chance
    with pytest.raises(ShapeError, match=f"The last 60 new events do not say {says} they are of, as 200 of 200 did"):
        export(store, tmp_path, events(30, hours=2, gone=gone))
    export(store, tmp_path, events(60, hours=2, gone=gone), trusted=True)


def test_events_of_nobody_as_ever(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path, [*events(50), *events(150, hours=1, gone="$user_id")])
    export(store, tmp_path, events(100, hours=2, gone="$user_id"))
    assert total(store) == 50


def test_an_export_without_half_of_the_people_replaces_nothing(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path, events(200, people=50))
    with pytest.raises(ShapeError, match="tells of 10 combinations of person and event where we hold 50"):
        export(store, tmp_path, events(200, people=2), replaces=True)
    assert store.rows("SELECT sum(rows) FROM usage_file") == [(50,)]
    export(store, tmp_path, events(200, people=48), replaces=True)
