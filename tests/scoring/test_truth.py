"""What the benchmark against a known truth rests on: the right pairs, and nothing of the future in the tables."""

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.bench_truth import Holed, Reading
from benchmarks.truth_data import History, write
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.engine import score
from scoring.presets import preset

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return write(make_world(3, 40, people_per_account=4, months=6, now=NOW), tmp_path_factory.mktemp("truth") / "past")


def reading(leaves: list[bool], values: list[float]) -> Reading:
    return Reading([(np.arange(len(leaves)), np.array(leaves), np.array(values))])


def test_auc_counts_pairs_in_the_right_order_and_half_of_the_ties() -> None:
    everybody = np.ones(4, dtype=int)
    assert reading([True, True, False, False], [1, 2, 3, 4]).auc(everybody) == 1
    assert reading([True, True, False, False], [3, 4, 1, 2]).auc(everybody) == 0
    assert reading([True, True, False, False], [1, 1, 1, 1]).auc(everybody) == 0.5
    assert reading([True, False, True, False], [1, 2, 3, 3]).auc(everybody) == (1 + 1 + 0 + 0.5) / 4
    assert reading([True, False, True, False], [1, 2, 3, 3]).auc(np.array([3, 1, 1, 1])) == (3 * 2 + 0 + 0.5) / 8
    assert reading([False, False], [1, 2]).auc(np.ones(2, dtype=int)) == 0.5


def test_tables_of_the_past_know_nothing_of_what_came_after(history: History) -> None:
    assert len(history.instants) > 2
    card, leavers = Scorecard.load(), 0
    for at in (history.instants[0], history.instants[-1]):
        rows = {row.key: row for row in score(card, history.inputs(at), levels=("account",))}
        for company in history.customers(at):
            assert rows[company.id].features["lifecycle"] == "customer"
            leavers += company.churn_date is not None
        assert all(int(row.features["days_since_login"] or 0) >= 0 for row in rows.values())
    assert leavers
    gone = {c.id for c in history.world.companies if c.churn_date is not None and c.churn_date <= NOW.date()}
    assert gone
    assert not gone & rows.keys()


def test_running_terms_do_not_tell_who_will_leave(history: History) -> None:
    """The world's own renewal date stops with those who leave; what the CRM shows by then does not."""
    import sqlite3

    at = history.instants[0]
    with sqlite3.connect(history.folder / "state.db") as db:
        rows = dict(db.execute(f"SELECT account, renewal_date FROM ({history.inputs(at).tables['account']})"))
    day = int(at.timestamp()) // 86400
    for company in history.customers(at):
        assert day <= rows[company.id] <= day + 365


def test_two_fifths_of_the_signals_are_hidden_and_the_others_as_they_were(history: History) -> None:
    at = history.instants[-1]
    card, holed = Scorecard.load(), Holed.parse(preset("default").text)
    whole, less = (list(score(one, history.inputs(at), levels=("account",))) for one in (card, holed))
    pairs = [pair for a, b in zip(whole, less, strict=True) for pair in zip(a.signals, b.signals, strict=True)]
    known = [(a, b) for a, b in pairs if a.points is not None]
    assert all(b == a for a, b in known if b.points is not None)
    assert 0.25 < sum(b.points is None for _, b in known) / len(known) < 0.55
