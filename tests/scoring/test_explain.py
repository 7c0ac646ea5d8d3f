from hypothesis import given
from hypothesis import strategies as st

from scoring.explain import customer_drivers, drivers, explain
from tests.scoring.rows import fixed_card, row_of, score_row

CARD = fixed_card()
SIGNALS = st.fixed_dictionaries({name: st.none() | st.integers(100, 500) for name in CARD.account.signals}).filter(
    lambda points: any(p is not None for p in points.values())
)


@given(points=SIGNALS, coverage=st.integers(50, 100))
def test_parts_add_up_to_the_score(points: dict[str, int | None], coverage: int) -> None:
    row = row_of(CARD, points, coverage)
    parts = explain(CARD, row).parts
    assert row.score is not None
    assert 500 + sum(part.tenths for part in parts) == 10 * row.score
    assert len(parts) == len(points)
    for part in parts:
        assert part.points is not None or part.tenths == part.gain == 0
        # Exact to about a tenth: what is left over of one point is spread over the parts.
        if part.points is not None and abs(part.points - 300) > 100:
            assert part.tenths == 0 or (part.tenths > 0) == (part.points > 300)


@given(points=SIGNALS, coverage=st.integers(50, 100))
def test_the_gain_is_what_the_best_value_would_add(points: dict[str, int | None], coverage: int) -> None:
    row = row_of(CARD, points, coverage)
    for part in explain(CARD, row).parts:
        if part.points is not None:
            best = row_of(CARD, {**points, part.signal: 500}, coverage)
            assert best.score == (row.score or 0) + part.gain
            assert part.gain >= 0


def test_an_explanation_reads_like_one() -> None:
    row = row_of(CARD, {"login": 100, "usage": 240, "tickets": 420, "satisfaction": None}, 80)
    explanation = explain(CARD, row)
    assert explanation.sentences == (
        "55: so",
        "Starts at 50, the neutral score; 80 % of the data is there and fresh.",
        "    -18.5  login: no login for 3 days",
        "     -4.3  usage: usage up 3 %, up 3 % against peers",
        "     +6.8  tickets: 3 open tickets, trend rising",
        "  unknown  satisfaction (25 % of the card)",
        "What would raise it most: login at its best, +37.",
    )
    assert [part.signal for part in explanation.parts] == ["login", "usage", "tickets", "satisfaction"]
    assert explanation.best_move is explanation.parts[0]
    assert explanation.parts[0].playbook == "rescue"
    assert [signal.name for signal in drivers(row)] == ["login", "usage"]
    assert customer_drivers(CARD, row) == "less time spent in the product, less use of the product"


def test_an_unknown_is_explained_without_numbers() -> None:
    row = row_of(CARD, {"login": 100, "usage": None}, 60)._replace(
        score=None, health=None, band="unknown", points=300, reason="unknown: 30 %"
    )
    explanation = explain(CARD, row)
    assert explanation.sentences == ("unknown: 30 %", "  unknown  usage (44 % of the card)")
    assert all(part.tenths == part.gain == 0 for part in explanation.parts)
    assert explanation.best_move is None


def test_a_perfect_score_has_nothing_to_raise() -> None:
    row = row_of(CARD, dict.fromkeys(CARD.account.signals, 500), 100)
    assert row.score == 100
    assert explain(CARD, row).best_move is None
    assert customer_drivers(CARD, row) == "nothing in particular"


def test_at_most_three_drivers_and_none_above_neutral() -> None:
    low = row_of(CARD, dict.fromkeys(CARD.account.signals, 200), 100)
    assert [signal.name for signal in drivers(low)] == ["login", "active_users", "usage"]
    assert drivers(score_row("A", "green")) == []
