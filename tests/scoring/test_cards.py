"""Several scorecards of one company: who is scored by which, in one statement, and what must fit together."""

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.bounded import MOST_CARDS
from scoring.card import LEVELS, Scorecard
from scoring.cards import Cards
from scoring.engine import score
from scoring.errors import CardError
from scoring.inputs import ScoreRow
from scoring.settle import Said, Standing, settle
from tests.scoring.oracle import oracle
from tests.scoring.random_cards import card_text, cards_of
from tests.scoring.rows import score_row
from tests.scoring.test_score import world_of
from tests.scoring.worlds import NOW, World, random_world, store

YOUNG, LARGE = "customer_age_days < 200", "mrr >= 50000"


def small(name: str, only: str = "TRUE", **more: str) -> str:
    """A card of one signal."""
    return card_text(random.Random(len(name)), name, only) + "".join(more.values())


def rows_of(cards: Cards | Scorecard, world: World, folder: Path) -> list[ScoreRow]:
    return list(score(cards, store(world, folder)))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
@pytest.mark.requirement("R11", "R18")
def test_random_cards_in_one_statement_say_what_plain_python_says(tmp_path: Path, seed: int) -> None:
    cards, world = cards_of(seed), random_world(seed, fed=seed % 3 > 0)
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        got = rows_of(cards, world, Path(folder))
    assert got == [row for level in LEVELS for row in oracle(cards, level, world, NOW)]


def test_each_row_is_scored_as_by_its_card_alone(tmp_path: Path) -> None:
    young, rest = Scorecard.parse(small("Young", YOUNG)), Scorecard.parse(small("Everybody"))
    world = random_world(11, accounts=40, people=60, fed=True)
    together = rows_of(Cards([young, rest]), world, tmp_path / "both")
    alone = {(row.level, row.key): row for row in rows_of(rest, world, tmp_path / "rest")}
    alone |= {(row.level, row.key): row for row in rows_of(young, world, tmp_path / "young")}
    assert {row.card for row in together} == {"Young", "Everybody"}
    # What is told of features may be more with more cards; everything else is the same.
    assert [row._replace(features={}) for row in together] == [
        alone[row.level, row.key]._replace(features={}) for row in together
    ]
    keys = [(LEVELS.index(row.level), row.key) for row in together]
    assert keys == sorted(keys)


def test_one_card_among_cards_is_that_card(card: Scorecard, tmp_path: Path) -> None:
    cards, world = Cards.of_card(card), random_world(3)
    assert cards.compile("account") == card.compile("account")
    assert (cards.fingerprint, cards.warnings(), cards.name) == (card.fingerprint, card.warnings(), card.name)
    assert rows_of(cards, world, tmp_path / "a") == rows_of(card, world, tmp_path / "b")
    assert Cards.load().fingerprint == Scorecard.load().fingerprint


@pytest.mark.requirement("R18")
def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    cards, world = cards_of(5), random_world(5, fed=True)
    plain = list(score(cards, store(world, tmp_path / "a")))
    assert plain == list(score(cards, store(world, tmp_path / "b", shuffle=random.Random(2))))
    assert plain


def test_a_card_that_takes_nobody_leaves_everybody_to_the_next(tmp_path: Path) -> None:
    nobody, rest = Scorecard.parse(small("Nobody", "mrr < 0 AND mrr > 0")), Scorecard.parse(small("Rest"))
    rows = list(score(Cards([nobody, rest]), store(world_of(3), tmp_path / "a"), levels=["account"]))
    assert [row.card for row in rows] == ["Rest"] * 3
    assert list(score(nobody, store(world_of(3), tmp_path / "b"), levels=["account"])) == []


def test_whom_no_card_takes_is_not_scored(tmp_path: Path) -> None:
    young, large = Scorecard.parse(small("Young", YOUNG)), Scorecard.parse(small("Large", LARGE))
    world = world_of(4)
    for row, revenue in zip(world["account"], (10**5, 10**5, 1, None), strict=True):
        row["mrr"] = revenue
    world["account"][0]["customer_since"] = NOW // 86400 - 5
    rows = list(score(Cards([young, large]), store(world, tmp_path), levels=["account"]))
    assert [(row.key, row.card) for row in rows] == [(1, "Young"), (2, "Large")]


@pytest.mark.parametrize("level", LEVELS)
def test_several_cards_stay_one_statement_in_both_dialects(level: str) -> None:
    cards = cards_of(9)
    for dialect in ("duckdb", "spark"):
        (tree,) = sqlglot.parse(
            cards.compile("account" if level == "account" else "contact", dialect=dialect), read=dialect
        )
        assert isinstance(tree, sqlglot.exp.Select)
        names = [part.alias for part in tree.ctes]
        assert [name for name in names if name.endswith("_answer")] == [
            "card_0_answer",
            "card_1_answer",
            "card_2_answer",
        ]
        assert names.count("facts") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "B"', 'name = "A"', "b.toml: name: a.toml is called 'A' too: give each its own"),
        ("full_hours = 24", "full_hours = 25", "b.toml: freshness: says something else than in a.toml"),
        ('subject = "Call', 'subject = "Ring', "b.toml: playbooks.act: says something else than in a.toml"),
        ('label = "Quiet"', 'label = "Loud"', "b.toml: account.segments.quiet: says something else than in a.toml"),
        ("[triggers.bell]", "[triggers.act_on]", "b.toml: triggers.act_on: a.toml has a playbook called 'act_on'"),
    ],
)
def test_what_does_not_fit_together_names_both_files(tmp_path: Path, old: str, new: str, said: str) -> None:
    segment = '[account.segments.quiet]\nlabel = "Quiet"\nrule = "days_since_login >= 9"\n'
    act_on = '[playbooks.act_on]\nsubject = "x"\nbody = "y"\n'
    bell = '[triggers.bell]\nwhen = "open_tickets >= 3"\nwho = "fallback"\nmessage = "x"\ntimeline = "2d"\n'
    bell += 'reason = "x"\nsubject = "x"\n'
    (tmp_path / "a.toml").write_text(small("A", a=segment, b=act_on), "utf-8")
    (tmp_path / "b.toml").write_text(small("B", a=segment, b=bell), "utf-8")
    paths = [tmp_path / "a.toml", tmp_path / "b.toml"]
    assert [card.name for card in Cards.load(paths).cards] == ["A", "B"]
    text = paths[1].read_text("utf-8")
    assert old in text
    paths[1].write_text(text.replace(old, new), "utf-8")
    with pytest.raises(CardError) as raised:
        Cards.load(paths)
    assert said in str(raised.value).replace(f"{tmp_path}/", "")


@pytest.mark.requirement("R35")
def test_ten_segments_over_all_cards(tmp_path: Path) -> None:
    def of(name: str, first: int, count: int) -> Scorecard:
        lines = (f'[account.segments.s{i}]\nlabel = "x"\nrule = "mrr > {i}"\n' for i in range(first, first + count))
        return Scorecard.parse(small(name, a="".join(lines)), f"{name}.toml")

    assert len(Cards([of("A", 0, 6), of("B", 4, 6)]).segment_names()) == 10
    with pytest.raises(CardError, match=r"a, b: 11 segments over all cards; at most 10 \(segment_limit\)"):
        Cards([of("A", 0, 6), of("B", 5, 6)], ["a", "b"])
    with pytest.raises(CardError, match=f"at most {MOST_CARDS} can be kept apart"):
        Cards([of(f"C{i}", 0, 1) for i in range(MOST_CARDS + 1)])
    with pytest.raises(CardError, match="no scorecard is given"):
        Cards([])


def test_a_row_finds_its_card_again(tmp_path: Path) -> None:
    cards = cards_of(9)
    for row in rows_of(cards, random_world(9, fed=True), tmp_path):
        assert cards.card_of(row).name == row.card
        assert cards.card_of(row._replace(card="gone")) is cards.cards[0]
        assert set(row.features) == set(cards.features(row.level))


def test_the_next_card_sees_an_account_for_the_first_time() -> None:
    card = Scorecard.parse(small("Next"))
    now = datetime(2026, 5, 4, tzinfo=UTC)
    row = score_row("A1", "yellow", score=card.bands.red_below + 1, computed="yellow", card="Next")
    memory = {"A1": Standing("green", now - timedelta(days=40))}
    stayed = settle(lambda _: card, [row], memory, now, Said())
    moved = settle(lambda _: card, [row], memory, now, Said(moved={row.key}))
    assert (stayed.rows[0].band, moved.rows[0].band) == ("green", "yellow")
    assert moved.standings["A1"] == Standing("yellow", now)
    # Where both cards say the same, the account has stood there since before.
    same = settle(
        lambda _: card, [row], {"A1": Standing("yellow", now - timedelta(days=9))}, now, Said(moved={row.key})
    )
    assert same.standings["A1"].since == now - timedelta(days=9)
