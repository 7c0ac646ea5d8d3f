"""What holds from run to run: bands in the state, the words of people in the CRM, notes, freezing, past scores."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from connectors.base import Value
from mapping.schema import Account
from scoring.inputs import Band, ScoreRow
from scoring.playbooks import BandState
from scoring.settle import Standing
from sync import overview, people
from sync.people import notes_of, people_fields
from sync.standings import Bench, Outcome, forget_standings, past_scores, read_standings
from sync.store import Page, Store
from tests.scoring.rows import fixed_card
from tests.sync.states import NOW, account

CARD = fixed_card()
DAY, WEEK = timedelta(days=1), timedelta(days=7)
FIELDS = people_fields({})


def said(**values: Value) -> dict[str, Value]:
    """Fields of people as the CRM has them."""
    return {f"holdfast_{name}": value for name, value in values.items()}


def pull(store: Store, days: float, **values: Mapping[str, Value]) -> None:
    """The CRM has Alpha and Beta; what it says in the fields of people."""
    now = NOW + days * DAY
    records: list[Account] = [account(i, name={"1": "Alpha", "2": "Beta"}[i], at=now) for i in ("1", "2")]
    store.commit(Page("crm", "accounts", "account", records, own_values=values), now)


def row(store: Store, crm_id: str, score: int | None, **more: Any) -> ScoreRow:
    key = store.rows("SELECT key FROM account WHERE source_id = ?", (crm_id,))[0][0]
    band: Band = "unknown" if score is None else "red" if score < 40 else "yellow" if score < 70 else "green"
    blank = ScoreRow("account", key, crm_id, crm_id, None, score, 3, 300, 100, band, (), f"{score}: so", (), {})
    return blank._replace(card=CARD.name, computed=band, **more)


def run(store: Store, days: float, scores: Mapping[str, int | None], **more: Any) -> Outcome:
    """One run: settle, and keep the scores."""
    at = NOW + days * DAY
    rows = [row(store, crm_id, score) for crm_id, score in scores.items()]
    outcome = Bench(store, "crm", FIELDS, **more).settle(CARD.card_of, rows, {}, at)
    store.save_scores(1, [*outcome.rows, *outcome.frozen], at)
    return outcome


def test_a_band_is_left_on_the_second_day(store: Store) -> None:
    pull(store, 0)
    bands = [run(store, day, {"1": score}).rows[0].band for day, score in enumerate((80, 30, 30, 30))]
    assert bands == ["green", "green", "red", "red"]
    assert read_standings(store) == {"1": Standing("red", NOW + 2 * DAY)}


def test_where_nothing_is_remembered_it_is_the_band_of_the_last_run(store: Store) -> None:
    """As in a state of an earlier version, and in one that was taken over from the CRM."""
    pull(store, 0)
    bench = Bench(store, "crm", FIELDS)
    before = {"1": BandState("green", NOW - DAY, {})}
    outcome = bench.settle(CARD.card_of, [row(store, "1", 30)], before, NOW)
    assert outcome.rows[0].band == "green"
    with store.transaction() as conn:
        forget_standings(conn, ["1"])
    assert read_standings(store) == {}


def test_a_new_card_is_obeyed_at_once(store: Store) -> None:
    pull(store, 0)
    assert run(store, 0, {"1": 80}, fingerprint="a").rows[0].band == "green"
    assert run(store, 0.1, {"1": 30}, fingerprint="a").rows[0].band == "green"
    assert run(store, 0.2, {"1": 30}, fingerprint="b").rows[0].band == "red"


# -- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R17")
@pytest.mark.parametrize(
    ("word", "why"),
    [
        ({"override_band": "green"}, "override green has no reason and no end date"),
        ({"override_band": "green", "override_reason": "x"}, "override green has no end date"),
        ({"override_band": "hold", "override_until": NOW.date()}, "override hold has no reason"),
        (
            {"override_band": "red", "override_reason": "x", "override_until": NOW.date() - DAY},
            f"override red ended on {NOW.date() - DAY}; clear it, or give it a later end date",
        ),
        (
            {"override_band": "purple", "override_reason": "x", "override_until": NOW.date()},
            "'purple' is no band; allowed are green, yellow, red, hold",
        ),
        (
            {"override_band": "green", "override_reason": "x", "override_until": "soon"},
            "override green has no end date",
        ),
    ],
)
def test_what_is_not_whole_is_not_applied_but_named(store: Store, word: dict[str, Value], why: str) -> None:
    pull(store, 0, **{"1": said(**word)})
    outcome = run(store, 0, {"1": 80})
    assert outcome.rows[0].band == "green"
    assert not outcome.rows[0].held
    assert [(one.name, one.why) for one in outcome.waiting] == [("Alpha", why)]
    assert outcome.waiting[0].line == f"Alpha (1): {why}; it is not applied."


@pytest.mark.requirement("R17")
def test_a_whole_override_is_applied_to_its_last_day(store: Store) -> None:
    word = said(override_band="green", override_until=NOW.date() + DAY, override_reason="signed (Dana)")
    pull(store, 0, **{"1": word})
    bands = [run(store, day, {"1": 30}).rows[0].band for day in range(3)]
    assert bands == ["green", "green", "red"]
    kept = next(iter(store.latest_scores("account")))
    assert (kept.band, kept.computed, kept.score) == ("red", "red", 30)
    past = store.rows("SELECT band, computed, score FROM score_history")
    assert past == [("green", "red", 30)]


@pytest.mark.requirement("R15")
def test_a_hold_pauses_tasks_and_keeps_the_band(store: Store) -> None:
    pull(store, 0)
    run(store, 0, {"1": 80})
    word = said(override_band="hold", override_until=NOW.date() + 9 * DAY, override_reason="moves house")
    pull(store, 1, **{"1": word})
    for day in (1, 2, 3):
        outcome = run(store, day, {"1": 10})
        assert outcome.rows[0].band == "green"
        assert outcome.paused["1"].rule == "hold"


def test_what_other_fields_say_is_no_word_of_people(store: Store) -> None:
    pull(store, 0, **{"1": {"holdfast_health_band": "red", "holdfast_health_reason": '"holdfast_override_band":'}})
    assert not list(people.words(store, "crm", FIELDS, NOW))
    assert run(store, 0, {"1": 80}).rows[0].band == "green"


@pytest.mark.requirement("R16")
def test_a_note_survives_runs_and_is_kept_when_it_is_replaced(store: Store) -> None:
    pull(store, 0, **{"1": said(health_note="Champion leaves in May (Dana)\nask Kim")})
    for day in (0, 0.1, 1):
        run(store, day, {"1": 80})
    assert [(note.text, note.since) for note in notes_of(store, "1")] == [
        ("Champion leaves in May (Dana)\nask Kim", NOW)
    ]
    pull(store, 5, **{"1": said(health_note="Kim is the new champion")})
    run(store, 5, {"1": 80})
    pull(store, 8, **{"1": {}})
    run(store, 8, {"1": 80})
    assert [note.text for note in notes_of(store, "1")] == [
        "Kim is the new champion",
        "Champion leaves in May (Dana)\nask Kim",
    ]
    assert store.rows("SELECT count(*) FROM note WHERE until IS NULL") == [(0,)]


# -- freezing ---------------------------------------------------------------------------------------------------------


def test_a_churned_account_keeps_its_last_score_and_says_since_when(store: Store) -> None:
    pull(store, 0)
    run(store, 0, {"1": 45, "2": 80})
    for day in (3, 4):
        outcome = run(store, day, {"2": 80})
        (frozen,) = outcome.frozen
        assert (frozen.crm_id, frozen.score, frozen.band) == ("1", 45, "yellow")
        assert frozen.reason == f"frozen since {(NOW + 3 * DAY):%Y-%m-%d}: 45: so"
        assert outcome.paused["1"].rule == "frozen"
    assert overview.band_counts(store) == {"green": 1}
    back = run(store, 9, {"1": 20, "2": 80})
    assert [one.band for one in back.rows] == ["red", "green"]
    assert overview.band_counts(store) == {"green": 1, "red": 1}


def test_what_is_not_in_the_crm_any_more_is_not_kept(store: Store) -> None:
    pull(store, 0)
    run(store, 0, {"1": 45, "2": 80})
    store.commit(Page("crm", "accounts", "account", deleted=["1"]), NOW + DAY)
    assert not run(store, 1, {"2": 80}).frozen
    assert [one.crm_id for one in store.latest_scores("account")] == ["2"]


# -- the past ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R38")
def test_past_scores_are_those_that_stood_on_the_same_day_of_the_weeks_before(store: Store) -> None:
    pull(store, 0)
    for day in range(0, 57, 3):
        run(store, day, {"1": day, "2": 50} if day < 30 else {"1": day})
    key = row(store, "1", 1).key
    found = past_scores(store, NOW + 56 * DAY, {key: CARD.name})
    assert found[key] == tuple(day - day % 3 for day in range(7, 56, 7))
    assert past_scores(store, NOW + 56 * DAY, {key: "another card"}) == {}
    assert past_scores(store, NOW + 14 * DAY, {key: CARD.name})[key] == (None, None, None, None, None, 0, 6)


@pytest.mark.requirement("R38")
def test_the_trend_is_kept_with_the_score(store: Store) -> None:
    pull(store, 0)
    for week in range(8):
        run(store, 7 * week, {"1": 90 - 5 * week})
    assert [one.trend for one in store.latest_scores("account")] == [-50]
