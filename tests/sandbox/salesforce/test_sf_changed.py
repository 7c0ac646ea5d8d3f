"""What changed lately: the resources updated and deleted of a kind of record."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox import salesforce_records
from sandbox.salesforce_base import ADMINISTRATOR

Sf = Any


def window(sf: Sf, minutes: float, ago: float = 0.0) -> dict[str, str]:
    end = sf.sandbox.clock.now() - timedelta(minutes=ago)
    return {"start": (end - timedelta(minutes=minutes)).isoformat(), "end": end.isoformat()}


def test_updated_and_deleted_cover_a_window_of_whole_minutes(sf: Sf) -> None:
    (kept, _), (gone, _), (merged, _), (winner, _) = (sf.account(n) for n in range(4))
    sf.patch(f"sobjects/Account/{kept}", {"Phone": "1"}, 204)
    sf.ask("DELETE", f"sobjects/Account/{gone}", 204)
    sf.mutate("merge", winner=winner, loser=merged)
    sf.later(150)
    changed = sf.get("sobjects/Account/updated/", **window(sf, 10))
    assert set(changed["ids"]) == {kept, winner}
    assert changed["latestDateCovered"] == "2026-11-22T00:02:00.000+0000"
    dropped = sf.get("sobjects/Account/deleted", **window(sf, 10))
    assert {row["id"] for row in dropped["deletedRecords"]} == {gone, merged}
    assert dropped["deletedRecords"][0]["deletedDate"] == "2026-11-22T00:00:00.000+0000"
    assert dropped["earliestDateAvailable"] == "2026-11-07T00:02:00.000+0000"
    sf.mutate("purge", id=gone)
    assert [row["id"] for row in sf.get("sobjects/Account/deleted/", **window(sf, 10))["deletedRecords"]] == [merged]
    # From 00:00:30 means from 00:00.
    assert len(sf.get("sobjects/Account/deleted/", **window(sf, 2))["deletedRecords"]) == 1
    assert sf.get("sobjects/Account/deleted/", **window(sf, 1.2))["deletedRecords"] == []


def test_writes_in_flight_hold_the_covered_date_back(make_client: Callable[..., Any]) -> None:
    sf = make_client(late_seconds=120)
    assert sf.get("sobjects/Account/updated/", **window(sf, 10))["latestDateCovered"] == "2026-11-21T23:58:00.000+0000"


@pytest.mark.parametrize(("path", "days"), [("updated", 30), ("deleted", 15)])
def test_windows_that_are_refused(sf: Sf, path: str, days: int) -> None:
    for bad in (
        window(sf, 1),
        window(sf, -10),
        window(sf, 5, ago=days * 1440),
        {"start": "yesterday", "end": "now"},
        {},
    ):
        assert sf.get(f"sobjects/Account/{path}/", 400, **bad)[0]["errorCode"] == "INVALID_REPLICATION_DATE"


def test_too_many_ids(sf: Sf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_records, "MAX_CHANGED", 3)
    for n in range(4):
        sf.patch(f"sobjects/Account/{sf.account(n)[0]}", {}, 204)
    sf.later(120)
    assert sf.get("sobjects/Account/updated/", 400, **window(sf, 10))[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


def test_kinds_without_a_bin_and_rows_that_are_hidden(sf: Sf) -> None:
    assert sf.get("sobjects/User/deleted/", 400, **window(sf, 10))[0]["errorCode"] == "INVALID_TYPE"
    ids = [sf.account(n)[0] for n in range(12)]
    for account in ids:
        sf.patch(f"sobjects/Account/{account}", {}, 204)
    sf.mutate("view_all", on=False)
    sf.later(120)
    assert 0 < len(sf.get("sobjects/Account/updated/", **window(sf, 10))["ids"]) < len(ids)
    sf.user(ADMINISTRATOR)
    assert set(sf.get("sobjects/Account/updated/", **window(sf, 10))["ids"]) == set(ids)
