"""What a lint says of a card, and the presets, of which it says nothing."""

from pathlib import Path

import pytest

from scoring.card import Scorecard
from scoring.cards import Cards
from scoring.engine import score
from scoring.errors import CardError
from scoring.lint import FEWEST, MOST, lint
from scoring.presets import PRESETS, Preset, preset
from tests.scoring.test_card import DEFAULT
from tests.scoring.worlds import random_world, store

TEXT = DEFAULT.read_text("utf-8")
LOGIN = TEXT[TEXT.index("[account.signals.login]") : TEXT.index("[account.signals.active_users]")]
USAGE = TEXT[TEXT.index("[account.signals.usage]") : TEXT.index("[account.signals.tickets]")]
WHO = "# --- accounts: who they are"


def more(table: str) -> str:
    """The default card with more tables for accounts."""
    return TEXT.replace(WHO, f"{table}\n{WHO}", 1)


def rule(name: str, when: str, band: str = "red") -> str:
    return f'[account.rules.{name}]\nwhen = "{when}"\nband = "{band}"\nreason = "x"\ncustomer = "x"\n'


def segment(name: str, text: str) -> str:
    return f'[account.segments.{name}]\nlabel = "x"\nrule = "{text}"\n'


def only(signals: str) -> str:
    """The default card with these signals of accounts and no rules."""
    return TEXT[: TEXT.index(LOGIN)] + signals + TEXT[TEXT.index(WHO) :]


def remarks(text: str) -> set[str]:
    return {str(one) for one in lint(Scorecard.parse(text))}


CASES = {
    "too many signals (R8, R52)": (
        more(LOGIN.replace("signals.login]", "signals.a]") + USAGE.replace("signals.usage]", "signals.b]")),
        f"account.signals: 8 signals; more than {MOST} are hard to explain",
    ),
    "the same fact twice": (
        more(LOGIN.replace("signals.login]", "signals.again]")),
        "account.signals.again.feature: counts days_since_login a second time, beside login",
    ),
    "outreach to those who have opted out (R117)": (
        TEXT.replace("enabled = false", "enabled = true").replace("email_opt_out_share = 100 OR ", ""),
        "suppress: nothing here asks for email_opt_out_share: outreach goes also to people who have opted out",
    ),
    "too few": (only(LOGIN + USAGE), "account.signals: 2 signals say little; start with three to five"),
    "one family": (
        only(LOGIN + USAGE),
        "account.signals: every signal is of one family; one kind of evidence makes false alarms",
    ),
    "red out of reach for want of kinds": (
        only(LOGIN + USAGE),
        "bands.red_families: nobody can be red: that takes 2 families of signals, and the card has 1",
    ),
    "red out of reach for want of points": (
        only(LOGIN.replace("[30, 1.5], [45, 1]", "[30, 3]")),
        "bands.red_below: nobody can be red: the lowest score that the curves allow is 50",
    ),
    "green out of reach": (
        only(LOGIN.replace("[[2, 5], [7, 4],", "[[7, 3.5],")),
        "bands.green_from: nobody can be green: the highest score that the curves allow is 63",
    ),
    "no yellow": (
        only(LOGIN + USAGE).replace("green_from = 70", "green_from = 40"),
        "bands.green_from: nobody can be yellow: no score lies between red_below and green_from",
    ),
    "a signal that says nothing": (
        TEXT.replace("[[2, 5], [7, 4], [14, 3], [30, 1.5], [45, 1]]", "[[2, 3], [7, 3]]", 1),
        "account.signals.login.curve: gives everybody the same points: it says nothing",
    ),
    "a signal without an intervention (R7)": (
        TEXT.replace(LOGIN, LOGIN.replace('"rescue"', '"none"')),
        "account.signals.login.playbook: none asks nothing of anybody: each signal points to an intervention",
    ),
    "a band without an intervention (R13)": (
        TEXT.replace('red = "rescue"', 'red = "none"'),
        "bands.playbooks.red: none asks nothing of anybody",
    ),
    "one signal is the score": (
        TEXT.replace("weight = 15", "weight = 150", 1),
        "account.signals.login.weight: is 60 % of the card: the score is this one signal",
    ),
    "a playbook for nothing": (
        TEXT + '\n[playbooks.spare]\ntask = false\nreason = "x"\n',
        "playbooks.spare: answers no band, signal or rule",
    ),
    "a mere timer (R1)": (
        more(rule("old", "customer_age_days > 700 AND days_to_renewal < 30")),
        "account.rules.old.when: goes by nothing but time: add a condition on use, tickets or answers",
    ),
    "a rule that never holds": (
        more(rule("odd", "open_tickets > 5 AND (mrr > 1 AND open_tickets <= 5)")),
        "account.rules.odd.when: can never hold: open_tickets cannot be at least 6 and at most 5",
    ),
    "a card for nobody": (
        TEXT.replace("only = ", 'only = "mrr > 5 AND mrr < 2" #', 1),
        "account.only: scores nobody: mrr cannot be at least 6 and at most 1",
    ),
    "two plans at once": (
        more(rule("odd", "plan = 'a' AND open_tickets > 5 AND 'b' = plan")),
        "account.rules.odd.when: can never hold: plan cannot be both 'a' and 'b'",
    ),
    "segments that give way to each other": (
        TEXT.replace('outranks = ["at_risk"]', 'outranks = ["new"]', 1),
        "account.segments.dormant.outranks: gives way to new, which gives way to it: whoever is in both is in neither",
    ),
    "a segment that gives way to itself": (
        TEXT.replace('outranks = ["at_risk"]', 'outranks = ["dormant"]', 1),
        "account.segments.dormant.outranks: names itself, which does nothing",
    ),
    "a count below nothing": (
        more(segment("odd", "open_tickets < 0")),
        "account.segments.odd.rule: can never hold: open_tickets is a count and never below 0",
    ),
    "two names for one thing": (
        more(segment("gone", "(days_since_login >= 30)")),
        "account.segments.gone.rule: says the same as account.segments.dormant",
    ),
    "a rule behind a wider one": (
        more(rule("wide", "open_tickets >= 9") + rule("narrow", "mrr > 5 AND open_tickets >= 9")),
        "account.rules.narrow.when: is never heard: account.rules.wide stands before it and holds wherever it does",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.requirement("R1", "R7", "R8", "R13", "R52", "R98")
def test_what_is_unwise_is_said_with_its_key(case: str) -> None:
    text, said = CASES[case]
    if "segments.gone" in said:  # segments come in the card's order: the later one is the double
        text = TEXT.replace(
            "[contact.signals.recency]", segment("gone", "(days_since_login >= 30)") + "\n[contact.signals.recency]", 1
        )
    assert said in remarks(text)


def test_two_halves_that_may_both_hold_are_left_alone() -> None:
    wide = rule("a", "open_tickets >= 5 OR open_tickets < 2") + rule(
        "b", "usage_change BETWEEN -50 AND -40 AND mrr > 0"
    )
    assert remarks(more(wide)) == set()


def test_a_card_that_takes_nobody_is_named() -> None:
    first, second = Scorecard.parse(TEXT), Scorecard.parse(TEXT.replace('"SaaS default"', '"Second"'))
    (remark,) = lint(Cards([first, second]))
    assert str(remark) == (
        "Second: account.only: scores nobody: SaaS default stands before it and takes everybody whom it would"
    )
    assert Cards([first, second]).warnings() == (str(remark),)


@pytest.mark.parametrize("one", PRESETS, ids=lambda one: one.name)
@pytest.mark.requirement("R8", "R53", "R112")
def test_presets_load_and_lint_clean_and_have_few_signals(one: Preset) -> None:
    assert lint(one.card()) == []
    most = 6 if one.name == "default" else 5
    assert FEWEST <= len(one.card().account.signals) <= most


@pytest.mark.requirement("R9")
def test_the_default_card_has_the_four_signals_of_saas(card: Scorecard) -> None:
    features = {signal.feature for signal in card.account.signals.values()}
    assert {"days_since_login", "active_share", "ticket_pressure", "overdue_days"} <= features
    assert "{ticket_trend}" in card.account.signals["tickets"].reason


@pytest.mark.requirement("R53", "R112")
def test_presets_spread_accounts_and_go_behind_onboarding(tmp_path: Path) -> None:
    given = store(random_world(4, accounts=120, people=200, usage=6000, fed=True), tmp_path)
    first = preset("onboarding").card()
    for one in PRESETS:
        if one.name == "onboarding":
            continue
        rows = list(score(Cards([first, one.card()]), given, levels=["account"]))
        assert {row.card for row in rows} == {first.name, one.card().name}
        known = sorted(row.score for row in rows if row.score is not None)
        assert len({row.band for row in rows} & {"red", "yellow", "green"}) == 3, one.name
        assert known[9 * len(known) // 10] - known[len(known) // 10] >= 20, one.name
        ages = [(row.card == first.name, row.features["customer_age_days"]) for row in rows]
        assert all(young == (isinstance(age, int) and age < 30) for young, age in ages)


@pytest.mark.requirement("R53")
def test_small_firms_weigh_support_and_feedback_most_and_firms_of_people_have_more_segments() -> None:
    def share(one: Preset, *names: str) -> int:
        signals = one.card().account.signals
        return 100 * sum(signals[name].weight for name in names) // sum(s.weight for s in signals.values())

    cards = {one.name: one for one in PRESETS}
    for name in ("small_b2b", "small_b2c"):
        assert share(cards[name], "tickets", "satisfaction") >= 50
    for name in ("large_b2b", "large_b2c"):
        assert share(cards[name], "tickets", "satisfaction") < 50
    segments = {name: len(cards[name].card().account.segments) for name in cards}
    assert segments["large_b2c"] > segments["large_b2b"] >= segments["small_b2b"]


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(CardError, match="no scorecard 'smal_b2b' to start from; did you mean 'small_b2b'"):
        preset("smal_b2b")


@pytest.mark.requirement("R7", "R133")
def test_a_role_that_nobody_plays_is_named_with_the_place_that_asks_for_it() -> None:
    text = TEXT.replace('who = "account_owner"', 'who = "role:manger"\nsecond_owner = "least_loaded:success"', 1)
    text = text.replace(
        "[playbooks.none]",
        '[[playbooks.check_in.steps]]\nname = "later"\nowner = "role:boss"\nsubject = "Call"\nbody = "Call."\n\n'
        "[playbooks.none]",
        1,
    ).replace("[playbooks.rescue]\n", '[playbooks.rescue]\nescalate_after_days = 2\nescalate_to = "role:boss"\n', 1)
    found = {str(one) for one in lint(Scorecard.parse(text), ["manager", "success"])}
    lost = "is nobody in [team.roles], so its tasks go to somebody else"
    assert found == {
        f"triggers.negative_survey.who: 'manger' {lost}; did you mean 'manager'?",
        f"playbooks.check_in.steps.later.owner: 'boss' {lost}",
        f"playbooks.rescue.escalate_to: 'boss' {lost}",
    }
    assert remarks(text) == set()
