"""What waits, why, and until when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.card import Scorecard
from scoring.errors import CardError
from scoring.inputs import SignalPoints
from scoring.playbooks import Freeze, Situation, Withheld, decide, enrolled, unanswered
from scoring.playbooks.waiting import tags
from tests.scoring.player import START, Player, card_with
from tests.scoring.rows import score_row

ASKING = card_with("""
[caps]
account_tasks = 10

[triggers.referral]
when = "last_nps >= 9"
purpose = "request"
who = "account_owner"
timeline = "5d"
reason = "they would recommend us"
subject = "Ask {account} for a referral"
message = "Thank them, and ask."

[triggers.offer]
when = "plan = 'basic'"
purpose = "offer"
who = "account_owner"
timeline = "5d"
reason = "there is more for them"
subject = "Show {account} more"
message = "Show what the next plan would bring."

[triggers.low_login]
enabled = true

[triggers.journey]
when = "active_days_28d < 3"
who = "account_owner"
timeline = "5d"
reason = "little use"
subject = "Look at {account}"
message = "See what happened."

[[triggers.journey.steps]]
name = "mails"
kind = "auto"
segment = "tips"
""")
QUIET = {
    "last_nps": 5, "plan": "pro", "days_since_login": 3, "open_tickets": 0, "active_days_28d": 20, "bad_answers_90d": 0,
}  # fmt: skip
LOUD = {**QUIET, "last_nps": 10, "plan": "basic", "days_since_login": 30, "active_days_28d": 1}


def row(band: Any = "green", **features: Any) -> Any:
    return score_row("A1", band, features=features)


def started(**features: Any) -> tuple[Player, list[str], list[Withheld]]:
    """Day 0 quiet, day 1 everything calls: the tasks made and what waits."""
    player = Player(ASKING)
    player.run(0, row(**QUIET))
    waits = player.withheld(1, row(**{**LOUD, **features}))
    return player, [task.playbook for task in player.run(1, row(**{**LOUD, **features}))], waits


def rules(waits: list[Withheld]) -> dict[str, str]:
    return {one.playbook: one.rule for one in waits}


def test_where_all_is_well_nothing_waits() -> None:
    _, made, waits = started()
    assert sorted(made) == ["journey", "low_login", "offer", "referral"]
    assert waits == []


@pytest.mark.requirement("R3", "R24")
def test_no_outreach_and_no_request_while_a_question_is_open() -> None:
    player, made, waits = started(open_tickets=1, days_since_login=3)
    assert made == ["journey"]
    assert rules(waits) == {"referral": "open_complaint", "offer": "open_complaint"}
    assert all(one.until > START + timedelta(days=1) and one.why for one in waits)
    later = [task.playbook for task in player.run(5, row(**{**LOUD, "days_since_login": 3}))]
    assert sorted(later) == ["offer", "referral"]


@pytest.mark.requirement("R3", "R24")
@pytest.mark.parametrize(("touched", "closes"), [(False, True), (True, True), (False, False)])
def test_a_request_that_nobody_began_goes_again_when_a_question_is_opened(*, touched: bool, closes: bool) -> None:
    card = ASKING if not closes else Scorecard.model_validate(ASKING.model_dump() | {"triggers": closing()})
    player = Player(card)
    player.run(0, row(**QUIET))
    asked = {task.playbook: task.key for task in player.run(1, row(**LOUD))}
    player.becomes("referral", touched=touched)
    found = player.look(2, row(**{**LOUD, "open_tickets": 1}))
    assert [one.key for one in found.clear] == ([asked["referral"]] if closes and not touched else [])
    assert player.look(2, row(**LOUD)).clear == ()  # while nothing has come between it stays


def closing() -> dict[str, Any]:
    """The triggers with a referral that closes."""
    triggers = ASKING.model_dump()["triggers"]
    return {**triggers, "referral": {**triggers["referral"], "close_when_clear": True}}


@pytest.mark.requirement("R3", "R77")
@pytest.mark.parametrize(("days", "waits"), [(0, True), (3, True), (13, True), (14, False), (15, False)])
def test_no_outreach_within_fourteen_days_of_a_bad_experience(days: int, waits: bool) -> None:  # noqa: FBT001 - a table's column
    _, made, found = started(days_since_bad_answer=days)
    assert ("low_login" in made) is not waits
    held = {one.playbook: one for one in found if one.rule == "bad_experience"}
    assert set(held) == ({"low_login", "offer", "referral"} if waits else set())
    for one in held.values():
        assert timedelta(days=14 - days) <= one.until - (START + timedelta(days=1)) <= timedelta(days=15 - days)


@pytest.mark.requirement("R79")
def test_nobody_who_complained_twice_is_offered_anything() -> None:
    assert "complained_twice" not in rules(started(bad_answers_90d=1)[2]).values()
    assert rules(started(bad_answers_90d=2)[2])["offer"] == "complained_twice"


@pytest.mark.requirement("R117")
@pytest.mark.parametrize(
    ("shares", "waits"),
    [
        ({"email_opt_out_share": 100, "do_not_call_share": 0}, True),
        ({"email_opt_out_share": 0, "do_not_call_share": 100}, True),
        ({"email_opt_out_share": 99, "do_not_call_share": 99}, False),
        ({}, False),
    ],
)
def test_nobody_is_reached_out_to_who_has_opted_out_but_helped_they_are(shares: Any, waits: bool) -> None:  # noqa: FBT001 - a table's column
    player, made, found = started(**shares)
    outreach = {"low_login", "offer", "referral"}
    assert set(made) == {"journey"} | (set() if waits else outreach)
    assert rules(found) == (dict.fromkeys(outreach, "opted_out") if waits else {})
    assert all("wants to be written to" in one.why and one.until for one in found)
    again = [task.playbook for task in player.run(2, row(**LOUD))]  # somebody may be reached now
    assert set(again) == (outreach if waits else set())


@pytest.mark.requirement("R27")
def test_no_survey_and_no_request_while_the_score_falls() -> None:
    player = Player(ASKING)
    player.run(0, row(**QUIET))
    falling = row(**{**LOUD, "days_since_login": 3})._replace(trend=-8)
    waits = rules(player.withheld(1, falling))
    assert waits == {"referral": "falling"}
    assert "referral" not in [task.playbook for task in player.run(1, falling)]


@pytest.mark.requirement("R27", "R77")
def test_people_carry_the_tag_of_what_holds_for_their_account() -> None:
    tag = 'tag = "dormant"'
    card = card_with(f'[suppress.bad_experience]\n{tag}\n[suppress.open_complaint]\nwhen = "open_tickets >= 2"\n{tag}')
    assert "days_since_bad_answer" in card.features("account")  # although the card itself reaches out to nobody
    said: list[tuple[dict[str, int | None], set[str]]] = [
        ({"trend": -1}, {"do_not_survey"}),
        ({"trend": 0, "days_since_bad_answer": 13}, {"dormant"}),
        ({"trend": None, "days_since_bad_answer": 14, "open_tickets": 1}, set()),
        ({"trend": -1, "open_tickets": 2}, {"do_not_survey", "dormant"}),
    ]
    for words, expected in said:
        assert tags(card, words, START) == expected
    with pytest.raises(
        CardError, match=r"suppress\.falling\.tag: unknown segment of contacts 'do_not_ask'; did you mean"
    ):
        card_with('[suppress.falling]\ntag = "do_not_ask"')


@pytest.mark.requirement("R78", "R100")
@pytest.mark.parametrize(("fresh", "waits"), [(100, False), (50, False), (49, True), (0, True)])
def test_nobody_is_missed_because_a_source_has_stopped(fresh: int, waits: bool) -> None:  # noqa: FBT001 - a table's column
    player = Player(ASKING)
    player.run(0, row(**QUIET))
    gone = row(**LOUD)._replace(signals=(SignalPoints("login", 100, 15, 30, fresh),))
    found = rules(player.withheld(1, gone))
    assert (found.get("low_login") == "stale_source") is waits
    assert ("low_login" in [task.playbook for task in player.run(1, gone)]) is not waits


@pytest.mark.requirement("R85")
def test_a_note_stops_what_goes_out_by_itself_and_all_outreach_but_no_help() -> None:
    player = Player(ASKING, Situation(freezes={"A1": Freeze("a note stands on the account")}))
    player.run(0, row(**QUIET))
    waits = player.withheld(1, row(**LOUD))
    assert rules(waits) == dict.fromkeys(("journey/mails", "low_login", "offer", "referral"), "note")
    assert player.look(1, row(**LOUD)).enrolled == {}
    assert [task.playbook for task in player.run(1, row(**LOUD))] == ["journey"]


@pytest.mark.requirement("R15", "R85")
def test_a_held_account_gets_no_task_at_all_until_the_day_that_was_said() -> None:
    until = START + timedelta(days=10)
    player = Player(ASKING, Situation(freezes={"A1": Freeze("held until then", until, all=True, rule="hold")}))
    player.run(0, row(**QUIET))
    assert player.run(1, row("red", **LOUD)) == []
    assert {(one.rule, one.until) for one in player.withheld(1, row("red", **LOUD))} == {("hold", until)}
    assert "rescue" in [task.playbook for task in player.run(10, row("red", **LOUD))]


@pytest.mark.requirement("R130")
def test_one_match_changes_status_alerts_and_enrols() -> None:
    player = Player(ASKING)
    player.run(0, row(**QUIET))
    decisions = player.look(1, row("red", **LOUD))
    assert decisions.enrolled == {"A1": ("tips",)}
    assert "rescue" in [task.playbook for task in decisions.tasks]
    (shown,) = enrolled([row("red", **LOUD)], decisions.enrolled)
    assert (shown.band, shown.segments) == ("red", ("tips",))
    assert "tips" in ASKING.segment_names()


# -- caps ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R117", "R135")
def test_the_cap_of_an_account_counts_every_playbook_and_lets_the_weightiest_go_first() -> None:
    player = Player(card_with("[caps]\naccount_tasks = 1\naccount_days = 7"))
    player.run(0, row(open_tickets=0, ticket_trend=0, failed_payments=0))
    loud = row("red", open_tickets=5, ticket_trend=1, failed_payments=1)
    assert [task.playbook for task in player.run(1, loud)] == ["rescue"]
    waits = player.withheld(1, loud)
    assert rules(waits) == dict.fromkeys(("failed_payment", "many_tickets"), "account_cap")
    assert {one.until for one in waits} == {START + timedelta(days=8)}
    assert player.run(7.9, loud) == []
    assert len(player.run(8, loud)) == 1


@pytest.mark.requirement("R117")
def test_the_cap_of_a_person_counts_their_day_and_ends_with_it() -> None:
    player = Player(card_with("[caps]\nowner_per_day = 2"))
    rows = [score_row(f"A{i}", "red", owner_id="O1" if i < 4 else "O2") for i in range(5)]
    values = {f"A{i}": 10 * (i + 1) for i in range(5)}
    player.situation = replace(player.situation, values=values)
    made = player.run(0, *rows)
    assert sorted(task.crm_id for task in made) == ["A2", "A3", "A4"]  # the two most valuable of O1's
    assert [(one.crm_id, one.rule) for one in player.withheld(0, *rows)] == [("A0", "owner_cap"), ("A1", "owner_cap")]
    assert sorted(task.crm_id for task in player.run(1, *rows)) == ["A0", "A1"]


def test_what_had_to_wait_is_due_from_when_it_could_be_done() -> None:
    player = Player(card_with("[caps]\nowner_per_day = 1"))
    rows = [score_row("A1", "red"), score_row("A2", "red")]
    (first,), (second,) = player.run(0, *rows), player.run(1, *rows)
    assert (first.due, second.due) == (START + timedelta(days=2), START + timedelta(days=3))


# -- snooze, and what has ended -----------------------------------------------------------------------------------

STEPS = card_with("""
[playbooks.rescue]
escalate_after_days = 2
escalate_to = "fallback"

[[playbooks.rescue.steps]]
name = "manager"
after_days = 3
subject = "Look in on {account}"
body = "Speak with them."
""")


def test_who_moves_the_date_of_a_task_snoozes_what_would_follow() -> None:
    player = Player(STEPS, Situation(fallback_owner="F"))
    player.run(0, row("red"))
    player.becomes("rescue", moved_to=START + timedelta(days=9))
    (wait,) = player.withheld(5, row("red"))
    assert (wait.playbook, wait.rule, wait.until) == ("rescue/manager", "snoozed", START + timedelta(days=9))
    assert player.run(8.9, row("red")) == []
    assert [task.playbook for task in player.run(9.1, row("red"))] == ["rescue/manager"]
    assert [task.playbook for task in player.run(11, row("red"))] == ["rescue!late"]


@pytest.mark.requirement("R76")
@pytest.mark.parametrize("state", ["done", "gone"])
def test_a_red_account_whose_follow_up_has_ended_says_so(state: str) -> None:
    player = Player(card_with(""))
    player.run(0, row("red"))
    assert player.withheld(1, row("red")) == []
    player.becomes("rescue", state=state)
    (wait,) = player.withheld(2, row("red"))
    assert wait.rule == {"done": "done", "gone": "cooldown"}[state]
    assert START + timedelta(days=30) <= wait.until <= START + timedelta(days=31)


@pytest.mark.requirement("R76")
def test_a_red_account_without_a_playbook_that_acts_says_so() -> None:
    quiet = card_with("""[playbooks.rescue]\ntask = false\nreason = "the team calls every week anyway" """)
    (wait,) = Player(quiet).withheld(0, row("red"))
    assert (wait.rule, wait.why) == ("no_task", "the team calls every week anyway")
    later = Player(card_with("[playbooks.rescue]\non_first_sight = false"))
    assert [one.rule for one in later.withheld(0, row("red"))] == ["first_sight"]


# -- what always holds --------------------------------------------------------------------------------------------

FEATURES = st.fixed_dictionaries(
    {
        "last_nps": st.sampled_from([None, 3, 9]),
        "plan": st.sampled_from([None, "basic", "pro"]),
        "days_since_login": st.sampled_from([None, 2, 40]),
        "open_tickets": st.sampled_from([None, 0, 1, 6]),
        "ticket_trend": st.sampled_from([None, 0, 1]),
        "active_days_28d": st.sampled_from([None, 1, 20]),
        "days_since_bad_answer": st.sampled_from([None, 2, 13, 40]),
        "detractor_age_hours": st.sampled_from([None, 1, 400]),
        "failed_payments": st.sampled_from([None, 0, 2]),
    }
)
ROWS = st.lists(
    st.builds(
        lambda number, band, features, trend: score_row(
            f"A{number}", band, owner_id=f"O{number % 2}", features=features, trend=trend
        ),
        st.integers(0, 6),
        st.sampled_from(["red", "yellow", "green", "unknown"]),
        FEATURES,
        st.sampled_from([None, -5, 5]),
    ),
    max_size=7,
    unique_by=lambda one: one.crm_id,
)
TIGHT = ASKING.model_copy(
    update={"caps": ASKING.caps.model_copy(update={"account_tasks": 2, "account_days": 5, "owner_per_day": 3})}
)


@pytest.mark.requirement("R76", "R117", "R135")
@given(st.lists(ROWS, min_size=1, max_size=6), st.sampled_from([0.04, 0.5, 1.0, 3.0]))
def test_over_any_days_tasks_are_made_once_caps_hold_and_every_red_account_is_answered(days: Any, step: float) -> None:
    player = Player(TIGHT)
    made: list[Any] = []
    for number, rows in enumerate(days):
        now = START + timedelta(days=number * step)
        decisions = player.look(number * step, *rows)
        again = decide(TIGHT, list(reversed(rows)), player.states, now, player.situation)
        assert {task.key: task for task in again.tasks} == {task.key: task for task in decisions.tasks}
        assert unanswered(rows, decisions) == []
        unknown = {one.crm_id for one in rows if one.band == "unknown"}
        assert not unknown & {task.crm_id for task in decisions.tasks}
        assert not unknown & {wait.crm_id for wait in decisions.withheld}
        assert all(wait.rule and wait.why and wait.until >= now for wait in decisions.withheld)
        made += [(now, task) for task in player.run(number * step, *rows)]
    keys = [task.key for _, task in made]
    assert len(keys) == len(set(keys))
    for now, task in made:
        window = [one for at, one in made if one.crm_id == task.crm_id and timedelta(0) <= now - at < timedelta(days=5)]
        assert len(window) <= 2
        today = [one for at, one in made if one.owner_id == task.owner_id and at.date() == now.date()]
        assert len(today) <= 3


def test_tasks_that_nobody_has_are_not_one_persons() -> None:
    player = Player(card_with("[caps]\nowner_per_day = 1"))
    assert len(player.run(0, *(score_row(f"A{i}", "red", owner_id=None) for i in range(3)))) == 3
