"""Segments of the default card and of the library: boundaries, and that no fact alone makes a composite hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scoring.card import Scorecard
from scoring.errors import CardError
from scoring.features import catalogue
from scoring.inputs import ScoreRow
from scoring.library import library, names
from scoring.matching import matcher
from scoring.statement import named_features
from tests.scoring.test_segments_layers import customers, default, scored
from tests.scoring.worlds import NOW, TODAY, World, contact, feeds

Facts = Mapping[str, Any]
PLANS = {"plans": {"team": ["note"], "enterprise": ["note", "report", "invite"]}}


def rule(name: str) -> str:
    return str(library()["account"]["segments"][name]["rule"])


def whole() -> Scorecard:
    """Every segment of the library on one card."""
    return default({"use": list(names("account"))}, segment_limit=40, product=PLANS)


# -- the default card ---------------------------------------------------------------------------------------------


def seen(*ages: int, since: int = 200) -> World:
    """An account for each age in days of its newest sign-in, customers for so many days."""
    world = customers(*({"customer_since": TODAY - since} for _ in ages))
    world["contact"] = [contact(key, key, last_login_at=NOW - age * 86400) for key, age in enumerate(ages, 1)]
    world["feed"] = feeds("account", "contact", "usage", as_of=NOW)
    return world


@pytest.mark.requirement("R32", "R114")
def test_dormant_begins_with_the_thirtieth_day(tmp_path: Path) -> None:
    rows = scored(seen(29, 30, 31), tmp_path)
    assert [("dormant" in rows[key].segments) for key in (1, 2, 3)] == [False, True, True]


@pytest.mark.requirement("R33")
def test_new_ends_with_the_thirtieth_day_and_outranks_dormant(tmp_path: Path) -> None:
    found = {}
    for age in (29, 30, 31):
        (row,) = scored(seen(40, since=age), tmp_path / str(age)).values()
        found[age] = row.segments
    assert found == {29: ("new",), 30: ("dormant",), 31: ("dormant",)}


@pytest.mark.requirement("R30")
@pytest.mark.parametrize(
    ("days", "share", "holds"), [(18, 75, True), (17, 75, False), (18, 74, False), (18, None, False)]
)
def test_power_needs_days_and_people(days: int, share: int | None, holds: bool) -> None:  # noqa: FBT001
    power = matcher(default().account.segments["power"].rule, catalogue("account"))
    assert power({"active_days_28d": days, "active_share": share}) is holds


GROWING: Facts = {
    "active_users_change": 20, "active_days_28d": 12, "satisfaction": 70, "urgent_tickets": 0, "customer_age_days": 60,
}  # fmt: skip
NOT_GROWING: Facts = {
    "active_users_change": 19, "active_days_28d": 11, "satisfaction": 69, "urgent_tickets": 1, "customer_age_days": 59,
}  # fmt: skip


@pytest.mark.requirement("R122", "R86")
def test_ready_to_expand_is_growth_of_people_who_are_content() -> None:
    expansion = default().account.segments["expansion"].rule
    every_fact_counts(expansion, GROWING, NOT_GROWING, may_be_unknown={"satisfaction", "urgent_tickets"})


@pytest.mark.requirement("R35")
def test_segments_taken_from_the_library_count_too() -> None:
    with pytest.raises(CardError, match=r"19 segments; at most 10"):
        default({"use": list(names("account"))}, product=PLANS, segment_limit=10)


# -- composites ---------------------------------------------------------------------------------------------------


def every_fact_counts(text: str, holds: Facts, fails: Facts, may_be_unknown: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """The rule holds for all facts together, and not when any of them is otherwise or not known."""
    known = catalogue("account")
    asked = matcher(text, known)
    assert asked(holds)
    for name in holds:
        assert not asked({**holds, name: fails[name]}), name
        assert asked({**holds, name: None}) is (name in may_be_unknown), name
        assert not asked({**fails, name: holds[name]}), f"{name} alone"


MONTH_ELEVEN: Facts = {
    "plan": "Enterprise", "rfm_monetary": 4, "customer_age_days": 330, "days_to_renewal": 45, "usage_vs_peers": -40,
}  # fmt: skip
NOT_ELEVEN: Facts = {
    "plan": "team", "rfm_monetary": 3, "customer_age_days": 299, "days_to_renewal": 62, "usage_vs_peers": -39,
}  # fmt: skip


@pytest.mark.requirement("R104")
def test_month_eleven_needs_all_its_facts() -> None:
    every_fact_counts(rule("month_eleven"), MONTH_ELEVEN, NOT_ELEVEN)
    asked = matcher(rule("month_eleven"), catalogue("account"))
    due = [day for day in range(-5, 100) if asked({**MONTH_ELEVEN, "days_to_renewal": day})]
    assert (due[0], due[-1]) == (30, 61)


def falling(key: int, now: int, before: int) -> list[Any]:
    return [(TODAY - 1 - age, key, key, "note", now if age < 28 else before) for age in range(70)]


@pytest.mark.requirement("R104", "R99")
def test_a_large_enterprise_account_in_month_eleven_with_forty_per_cent_less_use(tmp_path: Path) -> None:
    others: list[Facts] = [{"plan": "team", "mrr": 100 * key} for key in range(1, 10)]
    large: Facts = {"plan": "Enterprise", "mrr": 900_000, "customer_since": TODAY - 320, "renewal_date": TODAY + 45}
    almost: list[Facts] = [{"plan": "team"}, {"mrr": 50}, {"renewal_date": TODAY + 200}, {}]
    world = customers(*others, large, *({**large, **one} for one in almost))
    fell = [6, 6, 6, 6, 10]  # the last of them uses it as before
    world["usage"] = [row for key in range(1, 10) for row in falling(key, 10, 10)]
    world["usage"] += [row for key, now in enumerate(fell, 10) for row in falling(key, now, 10)]
    world["usage_group"] = [{"grp": key, "account": key} for key in range(1, 15)]
    world["feed"] = feeds("account", "contact", "usage", as_of=NOW)
    card = default({"use": ["month_eleven"]})
    rows: dict[int, ScoreRow] = scored(world, tmp_path, card)
    assert [key for key, row in rows.items() if "month_eleven" in row.segments] == [10]
    assert card.triggers["month_eleven"].segment == "month_eleven"


DRIFT = {
    "active_days_change": (-30, -29), "visit_change": (-30, -29), "unresolved_7d": (1, 0),
    "renewal_postponements": (1, 0),
}  # fmt: skip


@pytest.mark.requirement("R73")
def test_drifting_off_needs_two_kinds_of_evidence() -> None:
    known = catalogue("account")
    asked = matcher(rule("drifting_off"), known)
    fine = {name: values[1] for name, values in DRIFT.items()}
    bad = {name: values[0] for name, values in DRIFT.items()}
    assert asked(bad)
    for one in DRIFT:
        assert not asked({**fine, one: bad[one]}), one
    for one in DRIFT:
        for other in DRIFT:
            families = {known[one].family, known[other].family}
            assert asked({**fine, one: bad[one], other: bad[other]}) is ("usage" in families and len(families) == 2)


@pytest.mark.requirement("R68")
@pytest.mark.parametrize(
    ("segment", "feature", "inside", "outside"),
    [
        ("plateau", "days_since_growth", [548, 730], [547, 731]),
        ("lead_changed", "sponsors_gone_90d", [1, 3], [0]),
        ("lead_changed", "sponsors_changed_90d", [1], [0]),
        ("lead_changed", "champions_gone_90d", [1], [0]),
        ("one_off_project", "project_days", [90, 400], [89]),
    ],
)
def test_the_three_clusters_of_risk(segment: str, feature: str, inside: list[int], outside: list[int]) -> None:
    asked = matcher(rule(segment), catalogue("account"))
    assert all(asked({feature: value}) for value in inside)
    assert not any(asked({feature: value}) for value in (*outside, None))


@pytest.mark.requirement("R106")
def test_falling_recency_is_a_win_back_before_dormancy(tmp_path: Path) -> None:
    world = customers({}, {})
    world["usage_group"] = [{"grp": key, "account": key} for key in (1, 2)]
    # One is there every other day, then not for a week; the other always was there every eighth day.
    often = [(TODAY - age, 1, 1, "note", 1) for age in range(7, 70, 2)]
    seldom = [(TODAY - age, 2, 2, "note", 1) for age in range(7, 70, 8)]
    world["usage"] = often + seldom
    world["feed"] = feeds("account", "contact", "usage", as_of=NOW)
    rows = scored(world, tmp_path, default({"use": ["early_winback"]}))
    assert ("early_winback" in rows[1].segments, "early_winback" in rows[2].segments) == (True, False)
    asked = matcher(rule("early_winback"), catalogue("account"))
    assert [asked({"silence": 400, "days_since_login": day}) for day in (4, 5, 29, 30)] == [False, True, True, False]
    assert not asked({"silence": 199, "days_since_login": 20})


@pytest.mark.requirement("R114")
@pytest.mark.parametrize(
    ("segment", "feature", "first"),
    [("dormant_buyer", "days_since_purchase", 60), ("dormant_reader", "days_since_email_open", 90)],
)
def test_dormant_by_purchases_and_by_mails(segment: str, feature: str, first: int) -> None:
    asked = matcher(rule(segment), catalogue("account"))
    assert [asked({feature: day}) for day in (first - 1, first, first + 1, None)] == [False, True, True, False]


UNDER_USE: Facts = {"plan_use": 39, "rfm_monetary": 4, "customer_age_days": 60}


@pytest.mark.requirement("R82")
def test_downgrade_risk_is_a_large_plan_of_which_little_is_used() -> None:
    every_fact_counts(rule("downgrade_risk"), UNDER_USE, {"plan_use": 40, "rfm_monetary": 3, "customer_age_days": 59})
    with pytest.raises(CardError, match=r"product\.plans: plan_use counts events that nobody has named"):
        default({"use": ["downgrade_risk"]})


# -- taking them --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R99", "R34")
def test_every_segment_of_the_library_has_one_answer_and_words_for_colleagues() -> None:
    card = whole()
    assert card.compile("account")
    for name in names("account"):
        segment = card.account.segments[name]
        assert segment.cadence, name
        assert segment.offer, name
        answers = [trigger for trigger in card.triggers.values() if trigger.segment == name]
        assert len(answers) == (name != "dormant_reader"), name
    assert {*library()["triggers"]} <= set(names("account"))


@pytest.mark.requirement("R99")
def test_a_second_answer_to_a_segment_is_refused() -> None:
    again = {**library()["triggers"]["plateau"], "segment": "plateau"}
    with pytest.raises(CardError, match=r"triggers\.\w+\.segment: .*'other'.* already"):
        default({"use": ["plateau"]}, triggers={"other": again})


def test_a_card_keeps_its_own_answer() -> None:
    own = {**library()["triggers"]["plateau"], "subject": "Our own words for {account}"}
    card = default({"use": ["plateau"]}, triggers={"plateau": own})
    assert card.triggers["plateau"].subject == "Our own words for {account}"


def test_unknown_and_doubled_names_are_refused() -> None:
    with pytest.raises(
        CardError, match=r"account\.use: unknown segment 'plato' of the library; did you mean 'plateau'"
    ):
        default({"use": ["plato"]})
    with pytest.raises(CardError, match=r"account\.use: unknown segment 3 of the library"):
        default({"use": [3]})
    part = {"plateau": {"label": "x", "rule": "mrr > 1"}}
    with pytest.raises(CardError, match=r"'plateau' is written out in account\.segments too"):
        default({"use": ["plateau"], "segments": part})
    with pytest.raises(CardError, match=r"account\.use"):
        default({"use": "plateau"})
    with pytest.raises(CardError, match=r"account\.segments"):
        default({"use": ["plateau"], "segments": 3})


def test_what_a_card_takes_is_computed_and_changes_its_fingerprint() -> None:
    plain, more = default(), default({"use": ["plateau"]})
    assert plain.fingerprint != more.fingerprint
    assert "days_since_growth" in named_features(more, "account")
    assert "days_since_growth" not in named_features(plain, "account")
    assert whole().features("contact") == plain.features("contact")
