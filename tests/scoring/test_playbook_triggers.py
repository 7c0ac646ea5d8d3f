"""Events that call for somebody, whatever the band."""

import re
import tomllib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scoring.card import Scorecard
from scoring.errors import CardError
from scoring.features import catalogue
from scoring.matching import asked
from scoring.playbooks import BandState, Playbook, Situation, Suppression, Team, Trigger
from scoring.playbooks.model import Caps, Step
from tests.scoring.player import DEFAULT, START, Player, card_with, merged
from tests.scoring.rows import score_row

PAGE = (Path(__file__).parents[2] / "docs" / "playbooks.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
CARD = Scorecard.load()


@pytest.fixture(scope="module")
def more() -> Scorecard:
    """The default card with the triggers that the docs offer."""
    return card_with(next(block for block in BLOCKS if "card_expires" in block))


def row(band: Any = "yellow", **features: Any) -> Any:
    return score_row("A1", band, features=features)


def names(tasks: Any) -> list[str]:
    return [task.playbook for task in tasks]


# -- the five that come with the card -----------------------------------------------------------------------------

EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "negative_survey": ({"detractor_age_hours": None}, {"detractor_age_hours": 1}),
    "many_tickets": ({"open_tickets": 1, "ticket_trend": 0}, {"open_tickets": 4, "ticket_trend": 1}),
    "failed_payment": ({"failed_payments": 0}, {"failed_payments": 1}),
    "after_release": (
        {"days_since_release": 2, "use_since_release": None, "tickets_since_release": 0, "ticket_trend": 0},
        {"days_since_release": 3, "use_since_release": -30, "tickets_since_release": 0, "ticket_trend": 0},
    ),
    "low_login": ({"days_since_login": 20, "open_tickets": 0}, {"days_since_login": 21, "open_tickets": 0}),
}


@pytest.mark.requirement("R41")
@pytest.mark.parametrize("name", EVENTS)
def test_each_ready_made_trigger_makes_one_task_when_it_begins_to_hold(name: str) -> None:
    quiet, loud = EVENTS[name]
    player = Player(card_with(f"[triggers.{name}]\nenabled = true"))
    # Before an answer was ever given nothing is known of its age: that is how it looks before a first bad one.
    before = {**quiet, "detractor_age_hours": 5000} if name == "negative_survey" else quiet
    assert player.run(0, row("green", **before)) == []
    assert names(player.run(1, row("green", **loud))) == [name]
    assert player.run(2, row("green", **loud)) == []


@pytest.mark.requirement("R43", "R62")
def test_three_triggers_are_on_by_default() -> None:
    assert [trigger.name for trigger in CARD.active_triggers] == ["negative_survey", "many_tickets", "failed_payment"]
    assert set(CARD.triggers) == set(EVENTS)
    assert not [line for line in CARD.warnings() if "triggers" in line]


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("key", ["who", "message", "timeline"])
def test_a_trigger_says_who_what_and_by_when(key: str) -> None:
    data = tomllib.loads(DEFAULT.read_text("utf-8"), parse_float=Decimal)
    del data["triggers"]["many_tickets"][key]
    with pytest.raises(CardError, match=rf"triggers\.many_tickets\.{key}: missing"):
        Scorecard.from_data(data)


@pytest.mark.requirement("R43", "R52")
def test_more_than_five_triggers_are_warned_about(more: Scorecard) -> None:
    assert any("10 are on; start with two or three" in line for line in more.warnings())


@pytest.mark.requirement("R1")
def test_a_trigger_on_nothing_but_time_is_warned_about() -> None:
    text = """
        [triggers.anniversary]
        when = "customer_age_days BETWEEN 365 AND 372"
        who = "account_owner"
        timeline = "5d"
        reason = "a year"
        subject = "Congratulate {account}"
        message = "A year together."
        """
    assert any("triggers.anniversary: goes by nothing but time" in line for line in card_with(text).warnings())
    assert not any("anniversary" in line for line in card_with(text + "timer = true").warnings())
    sensible = text.replace("AND 372", "AND 372 AND satisfaction >= 70")
    assert not any("anniversary" in line for line in card_with(sensible).warnings())


# -- nobody is flooded --------------------------------------------------------------------------------------------


def test_what_holds_at_first_sight_starts_nothing() -> None:
    player = Player(CARD)
    assert player.run(0, row("green", failed_payments=2, open_tickets=9, ticket_trend=1)) == []
    assert player.run(1, row("green", failed_payments=2, open_tickets=9, ticket_trend=1)) == []
    assert player.run(2, row("green", failed_payments=0, open_tickets=9, ticket_trend=1)) == []
    assert names(player.run(40, row("green", failed_payments=1, open_tickets=9, ticket_trend=1))) == ["failed_payment"]


@pytest.mark.parametrize("forgets", [False, True], ids=["kept", "episodes emptied by the first fill"])
def test_an_event_that_was_there_at_first_sight_never_starts_anything(forgets: bool) -> None:  # noqa: FBT001 - a table's column
    player = Player(CARD)
    for day in range(3):
        assert player.run(day, row("green", detractor_age_hours=1 + 24 * day)) == []
        if forgets and day == 0:
            player.states = {"A1": replace(player.states["A1"], episodes={})}
    assert names(player.run(9, row("green", detractor_age_hours=2))) == ["negative_survey"]


def test_a_state_from_before_there_were_triggers_is_not_flooded() -> None:
    player = Player(CARD)
    player.states = {"A1": BandState("green", START, {})}
    assert player.run(0, row("green", failed_payments=2)) == []


def test_the_tasks_of_episodes_that_run_keep_their_keys() -> None:
    """A state of an earlier version must not make a second task."""
    player = Player(CARD)
    player.states = {"A1": BandState("red", START, {"rescue": START})}
    (task,) = player.look(3, row("red")).tasks
    assert task.key == "588ecde50ab7192a0dc286cdcbc093b6"


def test_what_is_not_known_neither_starts_nor_ends_an_episode() -> None:
    player = Player(CARD)
    player.run(0, row("green", failed_payments=0))
    assert player.run(1, row("green", failed_payments=None)) == []
    assert names(player.run(2, row("green", failed_payments=1))) == ["failed_payment"]
    kept = player.look(3, row("green", failed_payments=None)).tasks
    assert names(kept) == ["failed_payment"]
    assert player.look(3, row("unknown", failed_payments=1)).tasks == ()


def test_holding_again_within_the_cooldown_is_the_same_episode() -> None:
    player = Player(CARD)
    player.run(0, row("green", failed_payments=0))
    assert player.run(1, row("green", failed_payments=1))
    player.run(2, row("green", failed_payments=0))
    assert player.run(20, row("green", failed_payments=1)) == []
    player.run(21, row("green", failed_payments=0))
    assert names(player.run(32, row("green", failed_payments=1))) == ["failed_payment"]


# -- the detractor ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R23")
@pytest.mark.parametrize("hours", [0, 1, 5, 23, 47])
def test_a_detractor_is_followed_up_within_a_day_of_the_answer_not_of_our_reading_it(hours: int) -> None:
    player = Player(CARD)
    player.run(0, row("green", detractor_age_hours=5000))
    answered = START + timedelta(days=4) - timedelta(hours=hours)
    (task,) = player.run(4, row("green", detractor_age_hours=hours))
    assert answered + timedelta(hours=23) <= task.due <= answered + timedelta(hours=24)
    assert task.owner_id == "O1"


@pytest.mark.requirement("R23")
def test_working_time_does_not_put_off_the_day_after_a_detractors_answer() -> None:
    office = Team(workdays=("mon", "tue", "wed", "thu", "fri"), hours=("09:00", "17:00"))
    player = Player(CARD, Situation(team=office))
    player.run(0, row("green", detractor_age_hours=5000))
    (task,) = player.run(5, row("green", detractor_age_hours=2))  # a Saturday
    assert task.due <= START + timedelta(days=5, hours=22)


@pytest.mark.requirement("R23")
def test_each_new_detractor_is_a_new_follow_up() -> None:
    player = Player(CARD)
    player.run(0, row("green", detractor_age_hours=5000))
    assert names(player.run(1, row("green", detractor_age_hours=2))) == ["negative_survey"]
    for day in (1.1, 2, 2.9):
        assert player.run(day, row("green", detractor_age_hours=int(2 + 24 * (day - 1)))) == []
    assert names(player.run(5, row("green", detractor_age_hours=3))) == ["negative_survey"]


# -- more triggers, of the docs -----------------------------------------------------------------------------------

OFFERED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "card_expires": ("R40", {"card_expires_days": 31}, {"card_expires_days": 30}),
    "onboarding_first_week": (
        "R48",
        {"customer_age_days": 6, "onboarding_progress": 40},
        {"customer_age_days": 7, "onboarding_progress": 40},
    ),
    "renewal_reminder": (
        "R49",
        {"days_to_renewal": 61, "open_renewals": 0},
        {"days_to_renewal": 60, "open_renewals": 0},
    ),
    "onboarding_risk": (
        "R132",
        {"customer_age_days": 20, "onboarding_lag": 24},
        {"customer_age_days": 20, "onboarding_lag": 25},
    ),
    "sponsor_gone": ("R132", {"sponsors_gone_90d": 0}, {"sponsors_gone_90d": 1}),
    "referral": (
        "R24",
        {"last_nps": 8, "nps_age_hours": 5, "open_tickets": 0},
        {"last_nps": 9, "nps_age_hours": 5, "open_tickets": 0},
    ),
}


@pytest.mark.requirement("R40", "R48", "R49", "R132", "R24")
@pytest.mark.parametrize("name", OFFERED)
def test_the_triggers_of_the_docs_work(name: str, more: Scorecard) -> None:
    _, quiet, loud = OFFERED[name]
    player = Player(more)
    assert player.run(0, row("green", **quiet)) == []
    assert names(player.run(1, row("green", **loud))) == [name]


@pytest.mark.requirement("R132")
def test_declining_use_needs_use_and_score_to_fall(more: Scorecard) -> None:
    for usage, trend, called in ((-30, -5, True), (-29, -5, False), (-30, 5, False), (-30, None, False)):
        player = Player(more)
        player.run(0, row("green", usage_vs_peers=0)._replace(trend=3))
        found = names(player.run(1, row("green", usage_vs_peers=usage)._replace(trend=trend)))
        assert found == (["declining_use"] if called else [])


@pytest.mark.requirement("R49")
def test_a_reminder_carries_the_link_to_the_account(more: Scorecard) -> None:
    player = Player(more)
    player.run(0, row("green", days_to_renewal=61, open_renewals=0))
    (task,) = player.run(1, row("green", days_to_renewal=60, open_renewals=0))
    assert "https://app.example.com/renew/A1" in task.body


def test_a_trigger_may_be_a_segment() -> None:
    text = """
        [triggers.fading]
        segment = "at_risk"
        who = "fallback"
        timeline = "2d"
        reason = "falling use"
        subject = "Ask {account}"
        message = "Ask what has changed."
        """
    player = Player(card_with(text), Situation(fallback_owner="F"))
    player.run(0, row("green"))
    (task,) = player.run(1, row("green")._replace(segments=("at_risk",)))
    assert (task.playbook, task.owner_id) == ("fading", "F")


# -- errors, and the docs -----------------------------------------------------------------------------------------

WRONG = {
    "when = 'open_tickts > 1'": "triggers.many_tickets.when: unknown feature 'open_tickts'; did you mean",
    "timeline = 'soon'": "triggers.many_tickets.timeline: write hours of the clock",
    "who = 'boss'": "triggers.many_tickets.who:",
    "since = 'open_tickets'": "triggers.many_tickets.since: open_tickets counts neither hours nor days",
    "since = 'nonsense'": "triggers.many_tickets.since: unknown feature 'nonsense'",
    "segment = 'new'": "triggers.many_tickets: needs either when (a rule) or segment",
    "impakt = 3": "triggers.many_tickets.impakt: unknown key; did you mean 'impact'",
    "message = 'You opened 4 tickets'": "triggers.many_tickets.message: '4 tickets' is a figure",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_trigger_is_refused_in_words(text: str) -> None:
    with pytest.raises(CardError, match=re.escape(WRONG[text])):
        card_with(f"[triggers.many_tickets]\n{text}")


def test_a_trigger_is_not_called_like_a_playbook_and_names_a_segment_that_exists() -> None:
    rest = 'who = "fallback"\ntimeline = "2d"\nreason = "x"\nsubject = "x"\nmessage = "x"\n'
    with pytest.raises(CardError, match=r"triggers\.rescue: a playbook is called 'rescue' too"):
        card_with(f'[triggers.rescue]\nwhen = "open_tickets > 1"\n{rest}')
    with pytest.raises(CardError, match=r"triggers\.x\.segment: unknown segment 'powr'; did you mean 'power'"):
        card_with(f'[triggers.x]\nsegment = "powr"\n{rest}')


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block).splitlines()[0])
def test_every_card_in_the_docs_loads_and_compiles(block: str) -> None:
    default = tomllib.loads(DEFAULT.read_text("utf-8"), parse_float=Decimal)
    card = Scorecard.from_data(merged(default, tomllib.loads(block, parse_float=Decimal)), "docs/playbooks.md")
    assert card.compile("account")
    assert card.compile("contact")


@pytest.mark.parametrize("model", [Playbook, Step, Trigger, Suppression, Caps, Team], ids=lambda m: m.__name__)
def test_every_key_is_told(model: Any) -> None:
    for name in set(model.model_fields) - {"name"}:
        assert re.search(rf"^(\[.*)?{name}\b|`{name}`", PAGE, re.MULTILINE), name


@pytest.mark.requirement("R26", "R27")
@pytest.mark.parametrize(
    ("facts", "tagged"),
    [
        ({"nps_age_hours": 2159}, True),
        (
            {
                "email_opt_out": 0,
                "nps_age_hours": 2160,
                "csat_answers_90d": 0,
                "open_tickets": 0,
                "active_days_change": -29,
            },
            False,
        ),
        ({"csat_answers_90d": 1}, True),
        ({"open_tickets": 1}, True),
        ({"active_days_change": -30}, True),
        ({"email_opt_out": 1}, True),
        ({}, None),
    ],
)
def test_who_answered_lately_or_is_in_trouble_is_tagged_not_to_be_surveyed(facts: Any, tagged: bool | None) -> None:  # noqa: FBT001 - a table's column
    card = Scorecard.load()
    assert asked(card.contact.segments["do_not_survey"].rule, catalogue("contact"))(facts) is tagged
