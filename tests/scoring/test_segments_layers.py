"""Stage and RFM: what each account is beside the others, and all layers in one rule."""

import random
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scoring.card import Scorecard
from scoring.engine import score
from scoring.features import catalogue
from scoring.features.segments import GRID, RFM, STAGES
from scoring.inputs import ScoreRow
from scoring.matching import matcher
from tests.scoring.oracle import oracle
from tests.scoring.oracle_segments import GRID as TWIN
from tests.scoring.oracle_segments import fifths
from tests.scoring.worlds import NOW, TODAY, World, account, contact, empty, feeds, random_world, store

DEFAULT = Path(__file__).parents[2] / "scoring" / "default.toml"


def default(account: Mapping[str, Any] | None = None, **more: Any) -> Scorecard:
    """The card that comes with the program, without its rule of who is scored, with keys of `[account]` put in."""
    data = tomllib.loads(DEFAULT.read_text("utf-8"), parse_float=Decimal)
    del data["account"]["only"]
    data["account"] |= account or {}
    return Scorecard.from_data(data | more)


def scored(world: World, folder: Path, card: Scorecard | None = None) -> dict[int, ScoreRow]:
    return {row.key: row for row in score(card or default(), store(world, folder), levels=("account",))}


def customers(*values: Mapping[str, Any]) -> World:
    """Accounts with these columns; everything else about them is quiet and known."""
    world = empty()
    world["account"] = [
        account(key, lifecycle="customer", customer_since=TODAY - 200, mrr=1000) | dict(one)
        for key, one in enumerate(values, 1)
    ]
    world["feed"] = feeds("account", "contact", "deal", "subscription", "survey_response")
    return world


def won(key: int, ago: int, **more: Any) -> dict[str, Any]:
    sale = {"account": key, "closed": 1, "won": 1, "renewal": 0, "close_date": TODAY - ago, "created_at": NOW - 9**9}
    return {"stage": None, "amount": 100, "currency": "EUR", **sale, **more} | {"created_at": 0}


@pytest.mark.requirement("R105")
def test_the_grid_has_the_usual_names_once_for_each_field() -> None:
    assert [list(row) for row in reversed(GRID)] == TWIN
    assert {name for row in GRID for name in row} == set(RFM)
    assert set(RFM) == {
        "champions", "loyal", "potential_loyalist", "new", "promising", "needs_attention", "about_to_sleep", "at_risk",
        "cannot_lose", "hibernating", "lost",
    }  # fmt: skip


@pytest.mark.requirement("R105")
def test_fifths_are_of_equal_size_and_equal_values_stay_together(tmp_path: Path) -> None:
    world = customers(*({"mrr": 100 * key} for key in range(1, 21)), {"mrr": None}, {"lifecycle": "lead", "mrr": 1})
    card = default({"segments": {f"m{n}": {"label": "x", "rule": f"rfm_monetary = {n}"} for n in range(1, 6)}})
    rows = scored(world, tmp_path / "a", card)
    assert [rows[key].segments for key in range(1, 21)] == [(f"m{1 + key // 4}",) for key in range(20)]
    # What is not known has no fifth, and who is no customer is not among them.
    assert rows[21].segments == rows[22].segments == ()
    for one in world["account"]:
        one["mrr"] = 700
    same = scored(world, tmp_path / "b", card)
    assert {same[key].segments for key in range(1, 22)} == {("m3",)}


@pytest.mark.requirement("R105")
def test_too_few_accounts_have_no_fifths(tmp_path: Path) -> None:
    def world(count: int) -> World:
        made = customers(*({"mrr": 100 * key} for key in range(1, count + 1)))
        made["deal"] = [won(key, 5 * key) for key in range(1, count + 1)]
        return made

    assert {row.features["rfm"] for row in scored(world(9), tmp_path / "few").values()} == {None}
    rows = scored(world(10), tmp_path / "enough")
    names = [rows[key].features["rfm"] for key in range(1, 11)]
    # All bought once: frequency is the middle fifth; money rises while recency falls.
    assert names == ["potential_loyalist", "potential_loyalist", "loyal", "loyal", "needs_attention", "needs_attention",
                     "at_risk", "at_risk", "cannot_lose", "cannot_lose"]  # fmt: skip


@pytest.mark.requirement("R105")
@pytest.mark.parametrize("seed", range(20))
def test_fifths_rise_with_the_value_and_do_not_depend_on_order(seed: int) -> None:
    dice = random.Random(seed)
    values = {key: dice.choice([None, dice.randint(0, 9)]) for key in range(60)}
    placed = fifths(values)
    by_value: dict[int, set[int]] = {}
    for key, fifth in placed.items():
        by_value.setdefault(values[key] or 0, set()).add(fifth)
    assert all(len(found) == 1 for found in by_value.values())
    ordered = [min(by_value[value]) for value in sorted(by_value)]
    assert ordered == sorted(ordered)
    assert set(ordered) <= {1, 2, 3, 4, 5}


@pytest.mark.requirement("R105", "R108")
@pytest.mark.parametrize("seed", range(4))
def test_statement_and_plain_python_agree_on_every_kind_of_customer(tmp_path: Path, seed: int) -> None:
    shop = seed == 3  # nobody sees who signs in; it takes more of them for enough to have bought
    dice = random.Random(seed)
    world = random_world(seed, accounts=120 if shop else 60, people=90, usage=2500, fed=True)
    if shop:
        world["feed"] = [feed for feed in world["feed"] if feed["record"] != "usage"]
    words = ["customer", "Customer", "EVANGELIST", "lead", "prospect", "other", "", None, None]
    for one in world["account"]:
        one["lifecycle"] = dice.choice(words)
    card = default()
    got = list(score(card, store(world, tmp_path), levels=("account",)))
    assert got == list(oracle(card, "account", world, NOW))
    assert len({row.features["stage"] for row in got} | {row.features["rfm"] for row in got}) > 10


STAGE: dict[str, list[dict[str, Any]]] = {
    "prospect": [{"lifecycle": "lead"}, {"lifecycle": "Opportunity"}],
    "onboarding": [{"customer_since": TODAY}, {"customer_since": TODAY - 29}],
    "first_time": [{}, {"customer_since": TODAY - 30}, {"customer_since": TODAY - 364}],
    "repeat": [{"customer_since": TODAY - 365}],
    "renewal": [{"renewal_date": TODAY}, {"renewal_date": TODAY + 60}, {"renewal_date": TODAY + 60, "mrr": None}],
    "advocate": [{"lifecycle": "evangelist"}],
}
"""Stage -> accounts at that stage."""


@pytest.mark.requirement("R108", "R47")
@pytest.mark.parametrize("stage", STAGE)
def test_the_stage_follows_from_what_the_crm_says(stage: str, tmp_path: Path) -> None:
    rows = scored(customers(*STAGE[stage]), tmp_path)
    assert {row.features["stage"] for row in rows.values()} == {stage}


@pytest.mark.requirement("R108")
def test_the_stage_follows_from_what_an_account_does(tmp_path: Path) -> None:
    bare = {"lifecycle": None, "mrr": None}
    world = customers({}, {}, {}, {"customer_since": TODAY - 10}, {"lifecycle": "other"}, bare,
                      {**bare, "customer_since": None})  # fmt: skip
    world["deal"] = [won(1, 400), won(1, 100), won(7, 3, won=None, closed=0)]
    world["subscription"] = [
        {"account": key, "status": "active", "mrr": 1, "cancel_at": NOW + 86400, "card_expires": None} for key in (3, 4)
    ]
    world["survey"] = [
        {"account": 2, "contact": None, "survey": "nps", "score": 9, "scale_min": 0, "scale_max": 10,
         "satisfied": None, "responded_at": NOW - 86400}
    ]  # fmt: skip
    rows = scored(world, tmp_path)
    stages = [rows[key].features["stage"] for key in range(1, 8)]
    # Who is new is new, even when it is set to end; of partners nothing is said; a first day or an offer says enough.
    assert stages == ["repeat", "advocate", "at_risk", "onboarding", None, "first_time", "prospect"]
    assert set(stages) - {None} <= set(STAGES)


@pytest.mark.requirement("R31", "R108")
def test_at_risk_is_a_fall_and_not_a_level(tmp_path: Path) -> None:
    world = customers({}, {}, {})
    world["feed"] = feeds("account", "contact", "usage")
    world["usage_group"] = [{"grp": key, "account": key} for key in (1, 2, 3)]
    day = TODAY - 1
    # The first does little, as before; the second fell from much to less; the third rose.
    world["usage"] = [
        (day - age, 100 * key + age % 4, key, "a", count)
        for key, (now, before) in {1: (1, 1), 2: (6, 20), 3: (20, 6)}.items()
        for age in range(70)
        for count in [now if age < 28 else before]
    ]
    rows = scored(world, tmp_path)
    assert [rows[key].features["stage"] for key in (1, 2, 3)] == ["first_time", "at_risk", "first_time"]
    assert [("at_risk" in rows[key].segments) for key in (1, 2, 3)] == [False, True, False]


FIVE = (
    "LOWER(plan) = 'enterprise' AND stage = 'renewal' AND rfm IN ('loyal', 'champions') "
    "AND days_since_email_open < 30 AND usage_vs_peers <= -40 AND channel = 'Partner Referral'"
)
"""Firmographic (plan), lifecycle, transactions (RFM), engagement (mails), use, and the channel."""
HOLDS: dict[str, Any] = {
    "plan": "Enterprise", "stage": "renewal", "rfm": "loyal", "days_since_email_open": 3, "usage_vs_peers": -40,
    "channel": "Partner Referral",
}  # fmt: skip
FAILS: dict[str, Any] = {
    "plan": "team", "stage": "repeat", "rfm": "lost", "days_since_email_open": 30, "usage_vs_peers": -39,
    "channel": "Web",
}  # fmt: skip


@pytest.mark.requirement("R103", "R69")
def test_all_layers_stand_in_one_rule_and_each_counts() -> None:
    default({"segments": {"five": {"label": "Five layers", "rule": FIVE}}})
    holds = matcher(FIVE, catalogue("account"))
    assert holds(HOLDS)
    for name in HOLDS:
        assert not holds(HOLDS | {name: FAILS[name]}), name
        assert not holds(HOLDS | {name: None}), name


@pytest.mark.requirement("R70")
def test_twins_by_rfm_part_by_what_they_ask_of_support(tmp_path: Path) -> None:
    world = customers(*({"mrr": 1000 * key} for key in range(1, 11)), {"mrr": 10_000})
    world["deal"] = [won(key, 100 - 9 * min(key, 10)) for key in range(1, 12)]
    world["contact"] = [contact(1, 10)]
    world["ticket"] = [
        {"account": 11, "contact": None, "status": "open", "priority": "normal", "created_at": NOW - 9 * 86400,
         "solved_at": None, "first_reply_minutes": None, "reopens": 0, "replies": 0, "channel": "email"}
        for _ in range(2)
    ]  # fmt: skip
    world["feed"] = feeds("account", "contact", "deal", "ticket")
    rows = scored(world, tmp_path, default({"use": ["loyal_in_trouble"]}))
    quiet, troubled = rows[10], rows[11]
    assert quiet.features["rfm"] == troubled.features["rfm"] == "champions"
    assert (quiet.segments, troubled.segments) == ((), ("loyal_in_trouble",))
