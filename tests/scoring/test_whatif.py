"""What a card would have done is counted as it is said, on weeks that are made up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from scoring.card import Scorecard
from scoring.inputs import Band, ScoreRow, SignalPoints
from scoring.measure import Rate
from scoring.whatif import Label, Run, differing, measure, measured_at
from tests.scoring.rows import fixed_card, score_row

START = datetime(2026, 1, 5, tzinfo=UTC)
CARD = fixed_card()
WEEKS = [START + timedelta(weeks=n) for n in range(30)]


def row(crm_id: str, score: int | None, *, key: int, notice: bool = False, points: int = 300) -> ScoreRow:
    band: Band = "unknown" if score is None else "red" if score < 40 else "yellow" if score < 70 else "green"
    return score_row(
        crm_id,
        band,
        key=key,
        score=score,
        computed=band,
        card=CARD.name,
        signals=(SignalPoints("login", points, 10, 1),),
        features={**dict.fromkeys(CARD.features("account")), "cancellation_set": int(notice)},
    )


def played(scores: Mapping[str, Sequence[int | None]], card: Scorecard = CARD, notice: str = "") -> Run:
    run, measured = Run("x", card), measured_at(WEEKS)
    for week, at in enumerate(WEEKS):
        rows = [
            row(name, line[min(week, len(line) - 1)], key=i, notice=name == notice, points=100 if i < 6 else 400)
            for i, (name, line) in enumerate(scores.items())
        ]
        run.step(rows, at, measured=at in measured)
    return run


def test_measured_instants_are_so_far_apart_that_nobody_counts_twice() -> None:
    assert measured_at(WEEKS) == [START, START + timedelta(weeks=13), START + timedelta(weeks=26)]


@pytest.mark.requirement("R72", "R131")
def test_who_leaves_is_foretold_thirty_days_before_or_not_counted() -> None:
    steady = [80]
    run = played({name: [20] if name in "ab" else steady for name in "abcdefgh"}, notice="h")
    labels = {
        "a": Label(date(2026, 3, 1)),  # 55 days after the first instant
        "b": Label(date(2026, 1, 20)),  # too near to be a forecast, and over at the later ones
        "c": Label(date(2026, 9, 1)),  # 57 days after the last, further from the others
    }
    found = measure(run, labels, date(2026, 12, 31), calls=1)
    assert found.area is not None
    assert (found.area.left, found.area.stayed) == (2, 3 * 4 + 2)
    assert found.dropped == 3 + 3 + 2  # notice given, gone or too near, gone
    assert found.censored == 0
    assert found.called.precision == Rate(1, 2)
    assert found.called.recall == Rate(1, 2)
    assert found.lead.found == Rate(1, 2)
    assert list(found.lead.quartiles or ()) == [55, 55, 55]
    early = measure(run, {"a": labels["a"]}, date(2026, 5, 10), calls=1)
    assert early.censored == 2 * 6


def test_alarms_and_tasks_are_counted_once_they_are_confirmed() -> None:
    falls = [80] * 10 + [20]
    run = played({"a": falls, "b": [80]})
    assert run.reds == {"a": [WEEKS[11]]}  # asked for at the tenth week, confirmed a week later
    assert [week.moved for week in run.weeks].count(1) == 1
    assert run.changes == 1
    assert sum(week.opened for week in run.weeks) == 1
    assert run.weeks[11].opened == 1
    assert run.weeks[11].bands == {"red": 1, "green": 1}
    years = 2 * 29 * 7 / 365.25
    assert run.account_years == pytest.approx(years)
    assert measure(run, {}, date(2026, 12, 31), calls=5).alarms == pytest.approx(1 / years)


def test_a_task_closes_when_its_band_is_left() -> None:
    run = played({"a": [20] * 10 + [90]})
    assert run.weeks[0].opened == 1
    assert sum(week.closed for week in run.weeks) == 1


def test_what_a_cap_holds_back_opens_another_day_and_nothing_closes_for_it() -> None:
    run = played({f"a{i}": [20] for i in range(30)})  # all of one owner, who takes 25 new tasks a day
    assert [week.opened for week in run.weeks[:3]] == [25, 5, 0]
    assert not any(week.closed for week in run.weeks)


def test_a_signal_that_knows_the_outcome_is_named() -> None:
    names = "abcdefghijklm"
    run = played({name: [50] for name in names})
    labels = {name: Label(date(2026, 3, 1)) for name in names[:6]}
    (warning,) = measure(run, labels, date(2026, 12, 31), calls=5).leaks
    assert warning.startswith("login (days_since_login): ")
    assert "AUC of 1.000" in warning
    assert measure(run, dict(list(labels.items())[:3]), date(2026, 12, 31), calls=5).leaks == ()


@pytest.mark.requirement("R44", "R89")
def test_accounts_that_somebody_worked_on_are_told_apart() -> None:
    run = played({name: [20] if name in "ab" else [80] for name in "abcd"})
    labels = {"a": Label(date(2026, 3, 1)), "b": Label(date(2026, 3, 1))}
    first, day = START.date(), timedelta(days=1)
    worked = {"b": [first + 119 * day], "c": [first], "d": [first - day, WEEKS[-1].date() + 120 * day]}
    found = measure(run, labels, first + 120 * day, calls=1, worked=worked)
    assert (found.worked_on, found.untouched) == (Rate(1, 2), Rate(1, 2))
    assert found.untouched_area is not None
    assert (found.untouched_area.left, found.untouched_area.stayed, found.untouched_area.auc) == (1, 1, 1.0)
    assert measure(run, labels, first + 120 * day, calls=1).worked_on == Rate(0, 0)


def test_accounts_that_stand_elsewhere_are_named() -> None:
    first, second = played({"a": [20], "b": [80]}), played({"a": [80], "b": [80], "c": [20]})
    assert differing(first, second) == {"a": ("red", "green"), "c": ("not scored", "red")}


def test_an_account_of_which_too_little_is_known_is_counted_apart() -> None:
    found = measure(played({"a": [None], "b": [50]}), {}, date(2026, 12, 31), calls=5)
    assert (found.unknown, found.area) == (3, None)
