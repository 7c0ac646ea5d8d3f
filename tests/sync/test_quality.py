"""How good the data is, and that the first fill waits for it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync import quality
from sync.policy import Policy, accepting
from sync.quality import Measure, Quality
from sync.store import Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A CRM of 40 accounts, of which 30 have an owner, and a source that matches 10 of them."""
    store = Store.open(tmp_path / "state")
    with store.transaction() as conn:
        conn.execute("INSERT INTO source VALUES (1, 'crm'), (2, 'desk')")
        at = int(NOW.timestamp())
        conn.execute(
            "INSERT INTO stream (id, source, name, record, complete, total) VALUES "
            "(1, 1, 'companies', 'account', ?, 40), (2, 2, 'organizations', 'account', ?, 38)",
            (at - 3600, at - 60 * 3600),
        )
        conn.execute(
            "INSERT INTO user (key, source, source_id, active, valid_from) "
            "VALUES (1, 1, 'u1', 1, 0), (2, 1, 'u2', 0, 0)"
        )
        for number in range(40):
            owner = "u1" if number < 30 else "u2"
            domain = "twin" if number < 6 else f"c{number}"
            conn.execute(
                "INSERT INTO account (key, source, source_id, domains, external_ids, owner_id, valid_from, mrr) "
                "VALUES (?, 1, ?, ?, '{}', ?, 0, ?)",
                (number, f"a{number}", f'["{domain}.example"]' if number < 35 else "[]", owner, number or None),
            )
            conn.execute(
                "INSERT INTO score (level, key, crm_id, owner_id, points, coverage, band, segments, reason, signals, "
                "run_id, valid_from) VALUES ('account', ?, ?, ?, 0, 0, ?, '[]', '', '[]', 1, 0)",
                (number, f"a{number}", owner, "green" if number < 22 else "unknown"),
            )
            conn.execute(
                "INSERT INTO account (key, source, source_id, domains, valid_from) VALUES (?, 2, ?, '[]', 0)",
                (100 + number, f"o{number}"),
            )
            if number < 10:
                conn.execute("INSERT INTO link VALUES ('account', ?, ?, 'domain', '', 100, 0)", (100 + number, number))
        conn.execute(
            "INSERT INTO quarantine VALUES (1, 2, 'x', 'no name', '{}', 0, 0, 1), (2, 2, 'y', '', '{}', 0, 0, 1)"
        )
    yield store
    store.close()


def measured(store: Store, marks: Quality | None = None, **more: bool) -> dict[str, Measure]:
    found = quality.measure(store, marks or Quality(), crm="crm", sources=["crm", "desk"], now=NOW, **more)
    return {f"{one.name} {one.about}".strip(): one for one in found}


@pytest.mark.requirement("R36", "R58")
def test_every_share_is_counted_and_held_against_its_mark(store: Store) -> None:
    found = measured(store)
    parts = {name: (one.part, one.total, one.passes) for name, one in found.items()}
    assert parts == {
        "scored": (22, 40, True),
        "identified": (35, 40, True),
        "owners": (30, 40, True),
        "plan": (0, 40, True),
        "mrr": (39, 40, True),
        "renewal_date": (0, 40, True),
        "email contacts": (0, 0, True),
        "linked desk": (10, 40, False),
        "duplicates accounts": (6, 35, False),
        "duplicates contacts": (0, 0, True),
        "fresh": (1, 2, False),
        "quarantined desk/organizations": (2, 40, True),
    }
    assert "desk organizations" in found["fresh"].text
    assert "25 %; wanted 60 % for one of the two" in found["linked desk"].text


def test_a_source_that_knows_most_accounts_is_linked_however_many_others_it_has(store: Store) -> None:
    with store.transaction() as conn:
        for number in range(10, 30):
            conn.execute("INSERT INTO link VALUES ('account', ?, ?, 'domain', '', 100, 0)", (100 + number, number))
        for number in range(100):
            conn.execute(
                "INSERT INTO account (key, source, source_id, valid_from) VALUES (?, 2, ?, 0)",
                (200 + number, f"n{number}"),
            )
    linked = measured(store)["linked desk"]
    assert (linked.part, linked.total, linked.passes) == (30, 40, True)


def test_marks_are_the_admins_and_few_records_are_not_judged(store: Store) -> None:
    strict = measured(store, Quality(scored=0.9, identified=0.95, owners=0.8, quarantined=0.01))
    assert {name for name, one in strict.items() if not one.passes} >= {"scored", "identified", "owners"}
    assert not strict["quarantined desk/organizations"].passes
    few = measured(store, Quality(scored=0.9, fewest=41))
    assert [name for name, one in few.items() if not one.passes] == ["fresh"], "an age is judged whatever the number"
    assert "owners" not in measured(store, owners_matter=False)


def test_what_a_person_accepts_by_name_passes(store: Store) -> None:
    policy = accepting(Policy(quality=Quality(accept=("fresh",))), ["linked", "duplicates", "fresh"])
    assert policy.quality.accept == ("fresh", "linked", "duplicates")
    found = measured(store, policy.quality)
    assert not quality.failed(list(found.values()))
    assert not found["linked desk"].reached


def test_nothing_there_is_no_reason(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "state")) as store:
        found = quality.measure(store, Quality(), crm="crm", sources=["crm"], now=NOW + timedelta(days=1))
    assert not quality.failed(found)
