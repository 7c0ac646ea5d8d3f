"""Steps in order, who gets them, in which words, and what follows from tasks that exist."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scoring.card import Scorecard
from scoring.errors import CardError
from scoring.playbooks import BandState, Playbook, Situation, Team, task_key
from scoring.playbooks.risk import risk
from scoring.playbooks.text import customer_safe
from tests.scoring.player import START, Player, card_with
from tests.scoring.rows import score_row

LADDER = card_with("""
[playbooks.rescue]
owner = "least_loaded:success"
escalate_after_days = 3
escalate_to = "role:manager"
close_when_clear = true

[[playbooks.rescue.steps]]
name = "manager"
after_days = 5
owner = "role:manager"
second_owner = "role:executive"
subject = "Look in on {account}"
body = "Speak with {account} yourself."

[[playbooks.rescue.steps]]
name = "offer"
purpose = "offer"
when = "value >= 80"
after_days = 10
subject = "Offer {account} something"
body = "Agree on what they can be offered."
""")
ROLES = {"success": ("S1", "S2", "S3"), "manager": ("M0", "M1"), "executive": ("E1",)}


def player(card: Scorecard = LADDER, **more: Any) -> Player:
    team = Team(roles=ROLES)
    return Player(card, Situation(team=team, fallback_owner="F", **more))


def row(crm_id: str = "A1", band: Any = "red", **more: Any) -> Any:
    return score_row(crm_id, band, **more)


# -- order and conditions -----------------------------------------------------------------------------------------


@pytest.mark.requirement("R115", "R4")
@pytest.mark.parametrize(("value", "offered"), [(79, False), (80, True), (100, True)])
def test_soft_touch_first_then_the_manager_and_an_offer_only_for_high_value(value: int, offered: bool) -> None:  # noqa: FBT001 - a table's column
    agent = player(values={"A1": value})
    made = {day: sorted(task.playbook for task in agent.run(day, row())) for day in range(12)}
    assert {day: names for day, names in made.items() if names} == {
        0: ["rescue"],
        5: ["rescue!late", "rescue/manager", "rescue/manager@2"],
        **({10: ["rescue/offer"]} if offered else {}),
        9: ["rescue/manager!late"],
    }


@pytest.mark.requirement("R115")
def test_later_steps_stop_when_the_condition_ends() -> None:
    agent = player()
    agent.run(0, row())
    assert agent.run(5, row(band="green")) == []


@pytest.mark.requirement("R4")
def test_steps_are_for_people_unless_said_otherwise() -> None:
    card = Scorecard.load()
    for name in ("red", "yellow"):
        steps = card.playbook_of(name).sequence
        assert steps
        assert {step.kind for _, step in steps} == {"human"}
    with pytest.raises(CardError, match="an auto step needs the segment"):
        card_with('[[playbooks.rescue.steps]]\nname = "x"\nkind = "auto"')
    with pytest.raises(CardError, match="a human step needs subject and body"):
        card_with('[[playbooks.rescue.steps]]\nname = "x"')
    with pytest.raises(CardError, match="a segment is the effect of an auto step"):
        card_with('[[playbooks.rescue.steps]]\nname = "x"\nsubject = "x"\nbody = "x"\nsegment = "x"')


def test_a_playbook_of_auto_steps_alone_makes_no_task_and_enrols_while_it_lasts() -> None:
    card = card_with("""
        [playbooks.check_in]
        task = false
        reason = "mails do"
        on_first_sight = true
        [[playbooks.check_in.steps]]
        name = "mails"
        kind = "auto"
        segment = "tips"
        """)
    agent = Player(card)
    assert agent.look(0, row(band="yellow")).enrolled == {"A1": ("tips",)}
    assert agent.run(0, row(band="yellow")) == []
    assert agent.look(1, row(band="green")).enrolled == {}


@pytest.mark.requirement("R13")
def test_every_band_is_answered_by_a_playbook() -> None:
    card = Scorecard.load()
    assert {band: card.playbook_of(band).name for band in ("red", "yellow", "green", "unknown")} == {
        "red": "rescue", "yellow": "check_in", "green": "none", "unknown": "wait",
    }  # fmt: skip


def test_a_hard_rule_that_begins_in_the_same_band_brings_its_own_playbook() -> None:
    card = card_with("""
        [account.rules.trouble]
        when = "urgent_tickets >= 2"
        band = "red"
        reason = "urgent"
        customer = "urgent questions"
        playbook = "executive"
        [playbooks.executive]
        second_owner = "role:executive"
        subject = "Review {account}"
        body = "Bring a summary."
        """)
    agent = player(card)
    assert [task.playbook for task in agent.run(0, row())] == ["rescue"]
    assert [task.playbook for task in agent.run(1, row(rule="trouble"))] == ["executive", "executive@2"]
    assert agent.run(2, row(rule="trouble")) == []


def test_a_state_from_before_hard_rules_makes_no_second_task_for_who_has_long_been_red() -> None:
    card = card_with("""
        [account.rules.trouble]
        when = "urgent_tickets >= 2"
        band = "red"
        reason = "urgent"
        customer = "urgent questions"
        playbook = "rescue"
        """)
    agent = Player(card)
    agent.states = {"A1": BandState("red", START, {"rescue": START})}
    assert [task.episode for task in agent.look(40, row()).tasks] == [START]
    agent.run(40, row())
    assert [task.episode for task in agent.look(41, row(rule="trouble")).tasks] == [START]


# -- owners -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R133")
def test_two_assignees_get_a_task_each_with_a_key_of_its_own() -> None:
    agent = player()
    agent.run(0, row())
    _, manager, executive = agent.run(5, row())
    assert (manager.owner_id, executive.owner_id) == ("M0", "E1")
    assert manager.key == task_key("A1", "rescue/manager", START)
    assert executive.key == task_key("A1", "rescue/manager@2", START)
    assert (manager.subject, manager.due) == (executive.subject, executive.due)


@pytest.mark.requirement("R133")
@pytest.mark.parametrize("cap", ["account_tasks = 1\naccount_days = 30", "owner_per_day = 1"])
def test_where_a_cap_holds_back_the_first_of_two_the_second_waits_with_them(cap: str) -> None:
    card = card_with(f'[caps]\n{cap}\n[playbooks.rescue]\nsecond_owner = "role:executive"')
    agent = Player(card, Situation(team=Team(roles=ROLES)))
    agent.run(0, row(band="green", features={"failed_payments": 0}))
    (payment,) = agent.run(1, row(band="green", features={"failed_payments": 1}))
    both = agent.look(1.1, row(features={"failed_payments": 1}))
    assert [task.key for task in both.tasks] == [payment.key]
    assert [(one.playbook, one.rule[-3:]) for one in both.withheld] == [("rescue", "cap")]
    assert [task.playbook for task in agent.run(32, row(features={"failed_payments": 1}))] == ["rescue", "rescue@2"]


def test_one_person_in_both_parts_gets_one_task() -> None:
    team = Team(roles={**ROLES, "executive": ("M0",)})
    agent = Player(LADDER, Situation(team=team, fallback_owner="F"))
    agent.run(0, row())
    assert [task.playbook for task in agent.run(5, row())] == ["rescue!late", "rescue/manager"]


def test_the_least_loaded_gets_the_next_task_and_keeps_it() -> None:
    agent = player()
    owners = [task.owner_id for task in agent.run(0, *(row(f"A{i}") for i in range(7)))]
    assert Counter(owners) == {"S1": 3, "S2": 2, "S3": 2}
    again = {task.crm_id: task.owner_id for task in agent.look(1, *(row(f"A{i}") for i in reversed(range(7)))).tasks}
    assert [again[f"A{i}"] for i in range(7)] == owners


def test_a_role_gives_way_to_who_can_take_tasks() -> None:
    agent = player(active_owners={"M1", "S3"})
    (first,) = agent.run(0, row())
    _, manager, _ = agent.run(5, row())
    assert (first.owner_id, manager.owner_id) == ("S3", "M1")
    assert [task.owner_id for task in player(active_owners=set()).run(0, row())] == ["F"]
    empty = Player(LADDER, Situation(fallback_owner="F"))
    assert [task.owner_id for task in empty.run(0, row())] == ["F"]


@pytest.mark.parametrize("rule", ["somebody", "role:", "role:Big Boss", "least_loaded"])
def test_an_owner_that_is_none_is_refused(rule: str) -> None:
    with pytest.raises(CardError, match=r"playbooks\.rescue\.owner"):
        card_with(f'[playbooks.rescue]\nowner = "{rule}"')


# -- words --------------------------------------------------------------------------------------------------------

TELLING = [
    "no login for 41 days", "usage down 62 %", "you opened 3 tickets", "seen on /billing/cancel",
    "see https://example.com", "the pricing page", "cancel.html", "2 users left", "clicked the export button",
]  # fmt: skip
HARMLESS = [
    "1. Ask how things are going.\n2. Listen first.", "less use of the product", "a quarter of an hour", "and/or",
    "Plan for 2027", "24/7 support",
]  # fmt: skip


@pytest.mark.requirement("R37", "R46")
@pytest.mark.parametrize("text", TELLING)
def test_words_that_show_surveillance_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a customer may read it"):
        customer_safe(text)
    with pytest.raises(ValidationError, match="a customer may read it"):
        Playbook(name="x", subject="x", body=text)


@pytest.mark.requirement("R37")
@pytest.mark.parametrize("text", HARMLESS)
def test_plain_words_pass(text: str) -> None:
    assert customer_safe(text) == text


@pytest.mark.requirement("R46", "R37")
def test_the_internal_reason_never_reaches_the_task() -> None:
    (task,) = player().run(0, row(reason="20: no login for 41 days; usage down 62 %"))
    assert task.why == "20: no login for 41 days; usage down 62 %"
    assert "41" not in task.subject + task.body
    agent = Player(Scorecard.load())
    agent.run(0, row(band="green", features={"failed_payments": 0}))
    (task,) = agent.run(1, row(band="green", features={"failed_payments": 3}, reason="90: all well"))
    assert task.why == "a payment was refused (90: all well)"
    assert "refused" not in task.body


@pytest.mark.requirement("R94")
def test_an_account_gets_one_of_the_wordings_for_good_and_they_share_evenly() -> None:
    card = card_with('[playbooks.rescue.variants.b]\nsubject = "Ask {account}"\nbody = "Ask."')
    tasks = [Player(card).run(0, row(f"A{i}"))[0] for i in range(400)]
    shares = Counter(task.variant for task in tasks)
    assert set(shares) == {"", "b"}
    assert 150 <= shares["b"] <= 250
    assert {task.subject.split()[0] for task in tasks if task.variant == "b"} == {"Ask"}
    assert Player(card).run(9, row("A7"))[0].variant == tasks[7].variant


@pytest.mark.requirement("R49")
def test_a_link_names_the_account_safely_and_must_be_there_when_asked_for() -> None:
    card = card_with('[playbooks.rescue]\nlink = "https://x.example/{account_id}"\nbody = "See {link}"')
    assert Player(card).run(0, row("a/b c"))[0].body == "See https://x.example/a%2Fb%20c"
    with pytest.raises(CardError, match="needs the address in link"):
        card_with('[playbooks.rescue]\nbody = "See {link}"')
    for wrong in ("javascript:alert()", "https://x.example/{name}"):
        with pytest.raises(CardError, match=r"playbooks\.rescue\.link"):
            card_with(f'[playbooks.rescue]\nlink = "{wrong}"')


# -- which goes first ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("R83")
def test_a_task_says_its_risk_and_the_accounts_value() -> None:
    rows = (row("A1")._replace(score=35), row("A2"), row("A3")._replace(score=88))
    tasks = {t.crm_id: t for t in player(values={"A1": 90, "A2": 20}).run(0, *rows)}
    assert {crm_id: (t.risk, t.value, t.weight) for crm_id, t in tasks.items()} == {
        "A1": (65, 90, 5850), "A2": (80, 20, 1600), "A3": (61, 50, 3050),
    }  # fmt: skip


@pytest.mark.requirement("R83")
@pytest.mark.parametrize(
    ("band", "score", "urgency", "expected"),
    [
        ("red", 0, "low", 100),
        ("red", 39, "low", 61),
        ("red", 88, "low", 61),  # by a hard rule, or a person's word
        ("yellow", 40, "low", 60),
        ("yellow", 69, "low", 31),
        ("yellow", 20, "low", 80),  # one family of signals alone makes no red
        ("green", 70, "low", 30),
        ("green", 100, "low", 1),
        ("green", 100, "medium", 31),
        ("green", 100, "high", 61),
        ("red", 10, "high", 90),
        ("green", None, "low", 1),
    ],
)
def test_the_risk_is_what_the_score_lacks_and_no_less_than_the_band_says(
    band: Any, score: int | None, urgency: Any, expected: int
) -> None:
    assert risk(Scorecard.load().bands, score_row("A1", band, score=score), urgency) == expected


@pytest.mark.requirement("R83")
def test_an_event_counts_by_its_priority_and_a_playbook_by_the_account() -> None:
    agent = Player(Scorecard.load())
    calm = score_row("A1", "green", features={"failed_payments": 0, "detractor_age_hours": 999})
    agent.run(0, calm)
    loud = {"failed_payments": 1, "detractor_age_hours": 2}
    made = {task.playbook: task.risk for task in agent.run(1, calm._replace(features=loud))}
    assert made == {"failed_payment": 31, "negative_survey": 61}


@pytest.mark.requirement("R50")
def test_playbooks_rank_by_impact_over_effort() -> None:
    card = Scorecard.load()
    ranks = {name: trigger.playbook.rank for name, trigger in card.triggers.items()}
    rest = {"negative_survey": 250, "many_tickets": 133, "low_login": 150, "after_release": 200}
    assert ranks == {"failed_payment": 400, **rest}


# -- escalation, and tasks that nobody needs any more -------------------------------------------------------------


@pytest.mark.requirement("R123")
def test_an_overdue_task_escalates_once_after_working_days() -> None:
    week = Team(roles=ROLES, workdays=("mon", "tue", "wed", "thu", "fri"), hours=("09:00", "17:00"))
    agent = Player(card_with("[playbooks.rescue]\nescalate_after_days = 3\nescalate_to = 'role:manager'"))
    agent.situation = Situation(team=week)
    agent.run(0, row())  # due on Wednesday; three working days later it is Monday
    assert [agent.run(day, row()) for day in (1, 2, 4, 6.9)] == [[]] * 4
    (late,) = agent.run(7, row())
    assert (late.playbook, late.owner_id, late.priority) == ("rescue!late", "M0", "high")
    assert late.subject.startswith("Overdue: Call Acme")
    assert agent.run(9, row()) == []


def test_a_task_that_is_done_does_not_escalate() -> None:
    agent = player()
    agent.run(0, row())
    agent.becomes("rescue", state="done")
    assert [task.playbook for task in agent.run(5, row())] == ["rescue/manager", "rescue/manager@2"]


@pytest.mark.parametrize(
    ("band", "more", "cleared"),
    [
        ("green", {}, True),
        ("red", {}, False),
        ("unknown", {}, False),
        ("green", {"touched": True}, False),
        ("green", {"state": "done"}, False),
        ("green", {"name": ""}, False),
    ],
    ids=["over", "still needed", "not known", "somebody began", "done", "taken over"],
)
def test_only_an_open_task_that_nobody_touched_is_cleared(band: Any, more: dict[str, Any], cleared: bool) -> None:  # noqa: FBT001 - a table's column
    agent = player()
    (task,) = agent.run(0, row())
    agent.becomes("rescue", **more)
    found = agent.look(1, row(band=band)).clear
    assert [one.key for one in found] == ([task.key] if cleared else [])


def test_a_playbook_that_does_not_say_so_clears_nothing() -> None:
    agent = Player(Scorecard.load())
    agent.run(0, row())
    assert agent.look(1, row(band="green")).clear == ()


@given(st.lists(st.sampled_from(["red", "yellow", "green", "unknown"]), min_size=1, max_size=25))
def test_no_task_is_made_twice_over_any_bands_of_a_ladder(bands: list[Any]) -> None:
    agent, made = player(values={"A1": 95}), Counter[str]()
    for day, band in enumerate(bands):
        made.update(task.key for task in agent.run(day, row(band=band)))
    assert set(made.values()) <= {1}


def test_what_is_asked_for_without_memory_is_what_the_older_call_gives() -> None:
    from scoring.playbooks import desired_tasks

    agent = Player(Scorecard.load(), Situation(fallback_owner="F"))
    agent.situation = replace(agent.situation, active_owners={"O1"})
    rows = [row("A1"), row("A2", owner_id="O2"), row("A3", "green")]
    same = desired_tasks(agent.card, rows, {}, START, fallback_owner="F", active_owners={"O1"})
    assert same == list(agent.look(0, *rows).tasks)
    assert START + timedelta(days=2) == same[0].due
