"""Settled bands: margin and days against a naive reading of all that was ever said, overrides, known events, words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.card import Scorecard
from scoring.events import KnownEvent
from scoring.features import catalogue
from scoring.inputs import Band, ScoreRow, SignalPoints
from scoring.overrides import Override
from scoring.settle import RANK, Said, Settled, Standing, freeze, plain, settle, standing_lines
from tests.scoring.rows import fixed_card, score_row

START = datetime(2026, 3, 2, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CARD = fixed_card()

Reading = tuple[datetime, int | None]


def of(score: int | None, crm_id: str = "A1", **more: Any) -> ScoreRow:
    """A row as the engine gives it."""
    band: Band = plain(CARD.bands, score)
    return score_row(crm_id, band, score=score, computed=more.pop("computed", band), reason=f"{score}: so", **more)


def one(score: int | None, memory: Mapping[str, Standing], at: datetime, said: Said | None = None) -> Settled:
    return settle(lambda _: CARD, [of(score)], memory, at, said)


def bands_of(readings: Iterable[Reading], card: Scorecard = CARD) -> list[Band]:
    """The settled band after each reading."""
    memory: Mapping[str, Standing] = {}
    found = []
    for at, score in readings:
        settled = settle(lambda _: card, [of(score)], memory, at)
        memory = settled.standings
        found.append(settled.rows[0].band)
    return found


# -- the naive oracle -------------------------------------------------------------------------------------------------


def asks(band: Band, score: int) -> Band:
    """Straight from the words of the rule: an edge counts from 3 points beyond it on."""
    if band != "red" and score < 37:
        return "red"
    if band == "green" and score < 67:
        return "yellow"
    if band != "green" and score >= 73:
        return "green"
    return "yellow" if band == "red" and score >= 43 else band


def spell_of(band: Band, readings: Sequence[Reading]) -> list[tuple[datetime, Band]]:
    """The newest readings that all ask for a band on one side of this one."""
    spell: list[tuple[datetime, Band]] = []
    for at, score in readings:
        if score is not None:
            asked = asks(band, score)
            if spell and (RANK[spell[-1][1]] > RANK[band]) != (RANK[asked] > RANK[band]):
                spell = []
            spell = [*spell, (at, asked)] if asked != band else []
    return spell


def oracle(readings: Sequence[Reading]) -> list[Band]:
    """Looks at all readings since the band was entered, each time anew."""
    found: list[Band] = []
    band: Band = "unknown"
    since = 0
    for now, (at, score) in enumerate(readings):
        if score is None:
            found.append("unknown")
            continue
        if band == "unknown":
            band, since = plain(CARD.bands, score), now
        while spell := spell_of(band, readings[since : now + 1]):
            if at.date() == spell[0][0].date() or at - spell[0][0] < 18 * HOUR:
                break
            # The nearest band that the whole spell asked for.
            asked = [one for _, one in spell]
            band, since = ("yellow" if "yellow" in asked else asked[0]), now
        found.append(band)
    return found


GAPS = st.sampled_from([HOUR, 6 * HOUR, 17 * HOUR, 23 * HOUR, DAY, DAY + HOUR, 7 * DAY])
SCORES = st.one_of(st.none(), st.integers(0, 100), st.sampled_from([36, 37, 39, 40, 42, 43, 66, 67, 69, 70, 72, 73]))


@settings(deadline=None)
@given(st.lists(st.tuples(GAPS, SCORES), max_size=30))
def test_settling_step_by_step_is_what_a_look_at_everything_gives(steps: list[tuple[timedelta, int | None]]) -> None:
    at, readings = START, []
    for gap, score in steps:
        at += gap
        readings.append((at, score))
    assert bands_of(readings) == oracle(readings)


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(0, 23), st.integers(0, 23))
def test_a_blip_of_a_day_changes_no_band(blip: int, hour: int, runs: int) -> None:
    """Whatever the score says for less than a day, and however often it is looked at meanwhile."""
    start = START + 3 * DAY + hour * HOUR
    during = [(start + i * 0.7 * HOUR, blip) for i in range(runs)]
    assert set(bands_of([(START, 55), *during, (start + 17 * HOUR, 55)])) == {"yellow"}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=20))
def test_order_is_never_inverted(pairs: list[tuple[int, int]]) -> None:
    """Of two accounts seen at the same instants, the one that never scores less never stands lower."""
    low = bands_of((START + i * DAY, min(pair)) for i, pair in enumerate(pairs))
    high = bands_of((START + i * DAY, max(pair)) for i, pair in enumerate(pairs))
    assert all(RANK[a] <= RANK[b] for a, b in zip(low, high, strict=True))


@settings(deadline=None)
@given(st.lists(st.integers(0, 100), min_size=2, max_size=8))
def test_a_score_that_stays_is_believed(scores: list[int]) -> None:
    last = [scores[-1]] * 4
    found = bands_of((START + i * DAY, score) for i, score in enumerate([*scores, *last]))
    assert asks(found[-1], scores[-1]) == found[-1]


# -- hysteresis, case by case ----------------------------------------------------------------------------------------


def test_a_first_sight_takes_the_computed_band_at_once() -> None:
    settled = one(20, {}, START)
    assert settled.rows[0].band == "red"
    assert settled.standings == {"A1": Standing("red", START)}


@pytest.mark.requirement("R14")
def test_a_one_off_is_waited_out_and_the_words_say_until_when() -> None:
    settled = one(36, {"A1": Standing("yellow", START)}, START + 9 * DAY)
    row = settled.rows[0]
    assert (row.band, row.computed) == ("yellow", "red")
    assert row.held == "yellow since 2026-03-02; red from 2026-03-12 on if it stays below 37"
    assert row.reason == f"36: so; {row.held}"
    assert one(36, settled.standings, START + 9 * DAY + 20 * HOUR).rows[0].band == "yellow", "the same day"
    assert one(36, settled.standings, START + 10 * DAY).rows[0].band == "red"
    assert one(38, settled.standings, START + 10 * DAY).standings["A1"].candidate is None


def test_what_lies_in_the_margin_is_said() -> None:
    cases: list[tuple[Band, int]] = [("yellow", 38), ("yellow", 71), ("green", 68), ("red", 41)]
    rows = [one(score, {"A1": Standing(band, START)}, START + DAY).rows[0].held for band, score in cases]
    assert rows == [
        "yellow since 2026-03-02; red only below 37",
        "yellow since 2026-03-02; green only from 73 on",
        "green since 2026-03-02; yellow only below 67",
        "red since 2026-03-02; yellow only from 43 on",
    ]


def test_late_in_the_evening_a_day_is_not_an_hour() -> None:
    evening = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    first = one(20, {"A1": Standing("yellow", START)}, evening)
    assert one(20, first.standings, evening + HOUR).rows[0].band == "yellow"
    assert one(20, first.standings, evening + 18 * HOUR).rows[0].band == "red"


def test_from_green_to_red_a_day_in_yellow_counts_for_yellow_alone() -> None:
    assert bands_of([(START, 90), (START + DAY, 50), (START + 2 * DAY, 20), (START + 3 * DAY, 20)]) == [
        "green",
        "green",
        "yellow",
        "red",
    ]
    assert bands_of([(START, 90), (START + DAY, 20), (START + 2 * DAY, 20)])[-1] == "red"


def test_coming_from_afar_every_edge_has_its_margin() -> None:
    assert bands_of([(START, 90), (START + DAY, 38), (START + 2 * DAY, 38), (START + 9 * DAY, 38)])[1:] == [
        "green",
        "yellow",
        "yellow",
    ]


def test_without_margin_and_days_the_band_is_the_computed_one() -> None:
    bands = CARD.bands.model_copy(update={"margin": 0, "confirm_days": 1})
    card = CARD.model_copy(update={"bands": bands})
    assert bands_of([(START + i * HOUR, s) for i, s in enumerate((90, 39, 40, 70, 69))], card) == [
        "green",
        "red",
        "yellow",
        "green",
        "yellow",
    ]


def test_what_is_unknown_leaves_the_band_in_memory_as_it_is() -> None:
    memory = {"A1": Standing("yellow", START, "red", START + DAY)}
    settled = one(None, memory, START + 3 * DAY)
    assert settled.rows[0].band == "unknown"
    assert settled.standings == memory
    assert not settled.rows[0].held


def test_a_band_that_the_score_did_not_set_has_no_margin_but_its_days() -> None:
    """As where a hard rule makes a good score red: the score says nothing about when it is left."""
    memory = {"A1": Standing("green", START)}
    row = of(80, computed="red", rule="cancelled")
    first = settle(lambda _: CARD, [row], memory, START + DAY)
    assert first.rows[0].held == "green since 2026-03-02; red from 2026-03-04 on if that stays so"
    assert settle(lambda _: CARD, [row], first.standings, START + 2 * DAY).rows[0].band == "red"


@pytest.mark.parametrize("other", [False, True])
def test_what_a_silent_source_said_before_confirms_nothing(other: bool) -> None:  # noqa: FBT001 - pytest's
    """Its last good values say every hour what they said; what other sources say since goes on."""
    name, signal = next(
        (name, signal) for name, signal in CARD.account.signals.items() if catalogue("account")[signal.feature].kinds
    )
    parts = (SignalPoints(name, 100, signal.weight, 1),)
    kind = catalogue("account")[signal.feature].kinds[0]
    last_good = START + (0 if other else 1) * DAY + HOUR
    mute = Said(silent={kind: ("desk", last_good)})

    def at(day: int, said: Said, memory: Mapping[str, Standing]) -> Settled:
        return settle(lambda _: CARD, [of(20, signals=parts)], memory, START + day * DAY, said)

    memory: Mapping[str, Standing] = one(80, {}, START).standings
    memory = at(1, Said(), memory).standings
    settled = at(2, mute, memory)
    if other:
        assert settled.rows[0].band == "red"
        return
    for day in range(2, 9):
        settled = at(day, mute, memory)
        memory = settled.standings
        assert settled.rows[0].band == "green"
        assert settled.rows[0].held == "green since 2026-03-02; red waits until desk is heard again"
    assert at(9, Said(), memory).rows[0].band == "red"
    assert at(1, mute, {}).standings == {}


def test_contacts_are_left_as_they_are() -> None:
    contact = of(20)._replace(level="contact")
    assert settle(lambda _: CARD, [contact], {}, START).rows == [contact]


def test_a_new_card_is_not_confirmed_but_has_its_margin() -> None:
    memory = {"A1": Standing("green", START), "A2": Standing("green", START)}
    rows = [of(66), of(68, "A2")]
    settled = settle(lambda _: CARD, rows, memory, START + DAY, Said(new_card=True))
    assert [row.band for row in settled.rows] == ["yellow", "green"]


# -- people -----------------------------------------------------------------------------------------------------------

GREEN = Override("green", date(2026, 3, 10), "renewal is signed (Dana)")


@pytest.mark.requirement("R17")
def test_an_override_stands_above_the_score_which_is_kept_beside() -> None:
    row = one(20, {"A1": Standing("yellow", START)}, START + DAY, Said({"A1": GREEN})).rows[0]
    assert (row.band, row.computed, row.score) == ("green", "red", 20)
    assert row.held == "override green until 2026-03-10: renewal is signed (Dana)"
    assert row.reason == f"20: so; {row.held}"


@pytest.mark.requirement("R17")
def test_the_band_under_an_override_goes_on_and_comes_out_with_its_end() -> None:
    memory: Mapping[str, Standing] = {"A1": Standing("yellow", START)}
    for day in range(1, 4):
        settled = one(20, memory, START + day * DAY, Said({"A1": GREEN}))
        memory = settled.standings
        assert settled.rows[0].band == "green"
        assert not settled.paused
    assert one(20, memory, START + 9 * DAY).rows[0].band == "red"


def test_an_override_holds_also_where_too_little_is_known() -> None:
    row = one(None, {}, START, Said({"A1": GREEN})).rows[0]
    assert (row.band, row.computed, row.score) == ("green", "unknown", None)


@pytest.mark.requirement("R15")
@pytest.mark.parametrize(
    "said",
    [
        Said({"A1": Override("hold", date(2026, 3, 10), "moves to the new data centre")}),
        Said(events=[KnownEvent(name="moves to the new data centre", first=date(2026, 3, 1), until=date(2026, 3, 10))]),
    ],
)
def test_a_planned_migration_holds_band_and_tasks_until_its_end(said: Said) -> None:
    memory: Mapping[str, Standing] = {"A1": Standing("green", START)}
    for day in range(1, 9):
        settled = one((20, None)[day % 2], memory, START + day * DAY, said)
        memory = settled.standings
        assert settled.rows[0].band == "green"
        assert settled.paused["A1"].until == date(2026, 3, 10)
        assert settled.rows[0].held == "held until 2026-03-10: moves to the new data centre"
    assert memory == {"A1": Standing("green", START)}, "nothing was confirmed meanwhile"
    calm = one(90, memory, START, said).rows[0]
    assert calm.held == ("" if said.events else said.overrides["A1"].words), "an event that holds nothing is no news"
    after = one(20, memory, START + 9 * DAY)
    assert after.rows[0].band == "green"
    assert one(20, after.standings, START + 10 * DAY).rows[0].band == "red"


def test_an_override_with_a_band_outdoes_a_known_event() -> None:
    event = KnownEvent(name="migration", first=START.date(), until=START.date())
    settled = one(20, {}, START, Said({"A1": GREEN}, [event]))
    assert settled.rows[0].band == "green"
    assert not settled.paused


# -- known events -----------------------------------------------------------------------------------------------------


def test_an_event_is_about_the_accounts_and_the_rule_it_names() -> None:
    event = KnownEvent.model_validate(
        {"name": "x", "from": START.date(), "until": START.date(), "accounts": ["A1"], "rule": "open_tickets >= 2"}
    )
    row = of(20, features={"open_tickets": 2})
    assert event.covers(row, START.date())
    assert not event.covers(row._replace(crm_id="A2"), START.date())
    assert not event.covers(row._replace(features={"open_tickets": 1}), START.date())
    assert not event.covers(row._replace(features={"open_tickets": None}), START.date())
    assert not event.covers(row, START.date() + DAY)
    long = event.model_copy(update={"accounts": ("001000000000ABC",), "rule": None})
    assert long.covers(row._replace(crm_id="001000000000ABCAAY"), START.date())


@pytest.mark.requirement("R39")
def test_a_release_is_named_where_usage_drops_and_holds_nothing() -> None:
    event = KnownEvent(name="Editor 5", kind="release", first=date(2026, 3, 1), until=date(2026, 3, 20))
    low = of(20, signals=(SignalPoints("usage", 100, 20, -60), SignalPoints("tickets", 450, 15, 0)))
    fine = of(20, signals=(SignalPoints("usage", 400, 20, 0), SignalPoints("tickets", 100, 15, 9)))
    rows = settle(lambda _: CARD, [low, fine], {}, START, Said(events=[event])).rows
    assert [row.reason for row in rows] == ["20: so; since release Editor 5 of 2026-03-01", "20: so"]
    assert [row.band for row in rows] == ["red", "red"]


# -- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R18")
@settings(deadline=None)
@given(st.text(max_size=400), st.text(max_size=400), st.sampled_from([20, 36, 68]))
def test_the_reason_stays_one_line_of_at_most_255(reason: str, why: str, score: int) -> None:
    said = Said({"A1": Override("green", date(2026, 3, 10), why)})
    for given_said in (said, None):
        row = of(score)._replace(reason=reason[:255])
        found = settle(lambda _: CARD, [row], {"A1": Standing("yellow", START)}, START, given_said).rows[0]
        assert len(found.reason) <= 255


def test_a_trend_comes_from_the_seven_weeks_before() -> None:
    said = Said(past={1: (80, 77, 74, 71, 68, 65, 62)})
    row = settle(lambda _: CARD, [of(59)], {}, START, said).rows[0]
    assert row.trend == -30
    assert list(standing_lines(row)) == ["Falling by 3.0 points a week over the last eight weeks."]
    assert settle(lambda _: CARD, [of(None)], {}, START, said).rows[0].trend is None


def test_what_is_frozen_says_since_when_and_only_once() -> None:
    row = of(41, trend=-20)
    once = freeze(row, START)
    assert (once.score, once.band, once.trend) == (41, "yellow", None)
    assert once.reason == "frozen since 2026-03-02: 41: so"
    assert freeze(once, START) == once


def test_an_account_that_comes_back_is_seen_for_the_first_time() -> None:
    memory = {"A1": Standing("green", START, frozen=START + DAY)}
    settled = one(20, memory, START + 40 * DAY)
    assert settled.rows[0].band == "red"
    assert settled.standings["A1"] == Standing("red", START + 40 * DAY)


def test_lines_say_what_the_score_gives_by_itself() -> None:
    row = one(20, {"A1": Standing("yellow", START)}, START + DAY, Said({"A1": GREEN})).rows[0]
    assert list(standing_lines(row)) == [
        "The score by itself gives red; the band is green.",
        "Override green until 2026-03-10: renewal is signed (Dana).",
    ]
    assert list(standing_lines(of(50))) == []
