"""What tells of earlier days and came late is named by account and kind; what is new or of today is not."""

import json
from pathlib import Path

import pytest

from connectors.base import EventExport
from scoring.inputs import SignalPoints
from sync import late, usage
from sync.late import ANY, late_kinds
from sync.moves import change_since
from sync.store import Page, Store
from sync.tables import epoch
from tests.scoring.rows import fixed_card, row_of
from tests.sync.frame_tables import link, put, use
from tests.sync.states import DAY, EVENTS, HOUR, NOW, account, contact, ticket

SINCE, KNOWN = epoch(NOW), epoch(NOW + HOUR)
EARLIER = NOW - 3 * DAY


@pytest.fixture
def known(store: Store) -> Store:
    """Two accounts, each with an organisation and a person at the desk and in the product."""
    put(store, account("A"), account("B"), contact("1", account_ref="A"), contact("2", account_ref="B"), now=EARLIER)
    put(store, account("org", source="desk"), contact("u2", source="desk"), now=EARLIER)
    link(store, *LINKS, now=EARLIER)
    return store


LINKS = (("account", "desk", "org", "A"), ("contact", "desk", "u2", "2"))


def found(store: Store) -> dict[str, frozenset[str]]:
    keys = dict(store.rows("SELECT key, source_id FROM account WHERE source_id IN ('A', 'B')"))
    return {keys[key]: kinds for key, kinds in late_kinds(store, SINCE, KNOWN, keys).items()}


def test_a_record_of_an_earlier_day_is_late_and_one_of_the_day_is_new(known: Store) -> None:
    put(known, ticket("today", account_ref="org", created_at=NOW - HOUR), now=NOW + HOUR)
    put(known, ticket("known", account_ref="org", created_at=NOW - DAY), now=NOW - HOUR)
    put(known, ticket("known", account_ref="org", at=NOW + HOUR, status="solved", created_at=NOW - DAY), now=NOW + HOUR)
    assert found(known) == {}
    put(known, ticket("late", contact_ref="u2", created_at=NOW - DAY), now=NOW + HOUR)
    assert found(known) == {"B": {"ticket"}}
    put(known, ticket("late2", account_ref="org", created_at=NOW - DAY), now=NOW + HOUR)
    put(known, ticket("late2", account_ref="org", at=NOW + HOUR, status="solved", created_at=NOW - DAY), now=NOW + HOUR)
    assert found(known) == {"A": {"ticket"}, "B": {"ticket"}}


def test_a_record_that_finds_its_account_later_is_late_and_one_that_is_new_is_not(known: Store) -> None:
    put(known, account("new", source="desk", at=NOW + HOUR), now=NOW + HOUR)
    link(known, *LINKS, ("account", "desk", "new", "B"), now=NOW + HOUR)
    assert found(known) == {}
    link(known, ("account", "desk", "org", "B"), LINKS[1], ("account", "desk", "new", "B"), now=NOW + HOUR)
    assert found(known) == {"A": {ANY}, "B": {ANY}}


def test_who_takes_over_another_account_takes_over_its_past(known: Store) -> None:
    known.commit(Page("crm", "accounts", "account", merged={"A": "B"}), NOW + HOUR)
    assert found(known)["B"] == {ANY}


def test_usage_of_earlier_days_is_late_for_those_who_were_active(
    known: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(known, tmp_path, ("p1", "g1"), now=NOW - DAY)
    put(known, contact("p1", source="mp"), account("g1", source="mp"), now=EARLIER)
    links = (*LINKS, ("contact", "mp", "p1", "1"), ("account", "mp", "g1", "B"))
    link(known, *links, now=EARLIER)
    assert found(known) == {}
    path = tmp_path / "later.jsonl"
    said = {"time": epoch(NOW - DAY), "distinct_id": "p1", "$user_id": "p1", "company_id": "g1"}
    path.write_text("".join(json.dumps({"event": name, "properties": said}) + "\n" for name in ("Login", "Export")))
    export = EventExport(path, (NOW - DAY).date(), (NOW - DAY).date(), replaces=True)
    usage.ingest(known, ("mp", "events"), export, EVENTS, cursor=None, now=NOW + HOUR)
    assert found(known) == {"A": {"usage"}, "B": {"usage"}}
    monkeypatch.setattr(late, "MANY_FILES", 0)
    assert found(known) == {"A": {"usage"}, "B": {"usage"}}


def test_the_parts_of_several_runs_add_up_or_nothing_is_said(known: Store) -> None:
    card = fixed_card()
    (key,) = known.rows("SELECT key FROM account WHERE source_id = 'A'")[0]
    row = row_of(card, {"login": 200}, 100)._replace(key=key, score=40, signals=(SignalPoints("login", 200, 10, 1),))
    known.save_scores(1, [row], NOW + DAY)
    keep = "INSERT INTO score_change VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    at = [epoch(NOW + hours * HOUR) for hours in range(25)]
    with known.transaction() as conn:
        conn.execute(keep, (key, at[1], at[0], None, 47, -20, -10, 0))
        conn.execute(keep, (key, at[24], at[1], 47, 40, -70, 50, -50))
    change = change_since(known, NOW, None, row, NOW + DAY)
    assert change is not None
    assert (change.behaviour, change.data, change.configuration, change.total) == (-90, 40, -50, -100)
    by_new_card = change_since(known, NOW, None, row._replace(score=43), NOW + DAY)
    assert by_new_card is not None
    assert (by_new_card.behaviour, by_new_card.configuration, by_new_card.total) == (-90, -20, -70)
    same = change_since(known, NOW + DAY, 40, row, NOW + DAY)
    assert same is not None
    assert same.sentence == "Since 2026-11-23: 40, no change."
    assert change_since(known, NOW, 50, row, NOW + DAY) is None  # the first run kept another beginning
    assert change_since(known, NOW + DAY, 41, row, NOW + DAY) is None  # an older version kept nothing
