"""The feedback record: collected, analysed, acted on, told; what is stuck, and what is not matched and why."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mapping.domains import Mailboxes
from mapping.identity import Settings as IdentitySettings
from mapping.links import Link, Resolution, Review
from mapping.schema import Activity, SurveyResponse
from mapping.themes import Settings, Theme, Themes
from scoring.card import Scorecard
from scoring.playbooks import DesiredTask, Withheld
from scoring.playbooks.answers import Answering, answering
from sync import followups
from sync.feedback import PATIENCE, Answer, counted, feedback
from sync.ledger import Ledger
from sync.people import Word, keep_notes
from sync.plan import TaskChange
from sync.store import Store
from sync.tables import epoch
from tests.scoring.player import card_with
from tests.sync.frame_tables import link, put, table
from tests.sync.ledger_plans import plan, sent
from tests.sync.states import DAY, HOUR, NOW, account, contact

BOXES = Mailboxes(IdentitySettings(own_domains=("us.example",)))
CARD = card_with("""
[triggers.referral]
when = "last_nps >= 9 AND nps_age_hours < 336"
since = "nps_age_hours"
purpose = "request"
who = "account_owner"
timeline = "5d"
reason = "they would recommend us"
subject = "Ask {account} for a referral"
message = "Thank them, and ask whether they would tell somebody."
""")
PLAYBOOKS = answering([CARD])


def answer(source_id: str, score: int = 2, *, at: datetime = NOW - DAY, **values: Any) -> SurveyResponse:
    mood = True if score >= 9 else False if score <= 6 else None
    given = {"survey": "nps", "scale_min": 0, "scale_max": 10, "satisfied": mood, "source": "desk"} | values
    return SurveyResponse(source_id=source_id, score=score, responded_at=at, updated_at=at, **given)


def said(store: Store, *records: Any, now: datetime = NOW) -> None:
    """Answers as they are read, a few minutes before."""
    put(store, *records, now=now - timedelta(minutes=5))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An account with one person who is known to the help desk."""
    store = Store.open(tmp_path)
    put(store, account("A", name="Acme"), contact("1", account_ref="A"), contact("u", source="desk"), now=NOW - DAY)
    link(store, ("contact", "desk", "u", "1"), now=NOW - DAY)
    yield store
    store.close()


def look(store: Store, now: datetime = NOW, **more: Any) -> dict[str, Answer]:
    return {one.source_id: one for one in feedback(store, "crm", BOXES, PLAYBOOKS, now, **more)}


def task(store: Store, name: str = "negative_survey", *, event: datetime, made: datetime, account: str = "A") -> str:
    """A follow-up task that the CRM has, due a day after it was made."""
    key = f"{name}-{account}"
    change = TaskChange(key, account, "Acme", name, "Call", "Body", made + DAY, "high", "7", "Dana", "why")
    wanted = DesiredTask(key, account, name, "Call", "Body", made + DAY, "7", "high", event, "why")
    sent(Ledger(store), plan(tasks=(change,)), now=made)
    followups.note(store, [(key, wanted)], {account: "red"})
    return key


def end(store: Store, key: str, state: str, at: datetime) -> None:
    with store.transaction() as conn:
        conn.execute("UPDATE followup SET state = ?, ended = ? WHERE key = ?", (state, epoch(at), key))


# -- the four states ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("R20")
def test_an_answer_goes_from_collected_to_told(store: Store) -> None:
    said(store, answer("s", contact_ref="new", themes=("complaint", "price")))
    put(store, contact("new", source="desk", email="ann@acme.example"), now=NOW)
    one = look(store)["s"]
    assert (one.state, one.account, one.mood) == ("collected", None, "detractor")

    link(store, ("contact", "desk", "new", "1"), now=NOW + HOUR)
    one = look(store, NOW + 2 * HOUR)["s"]
    assert (one.state, one.since, one.name, one.contact) == ("analysed", NOW + HOUR, "Acme", "1")
    assert (one.themes, one.needs, one.playbook) == (("complaint", "price"), True, "")

    key = task(store, event=NOW - DAY - HOUR, made=NOW + 3 * HOUR)
    one = look(store, NOW + 4 * HOUR)["s"]
    assert (one.state, one.since, one.playbook, one.owner) == ("acted", NOW + 3 * HOUR, "negative_survey", "7")
    assert (one.due, one.why) == (NOW + DAY + 3 * HOUR, "its task is open")
    assert look(store, NOW + 3 * DAY)["s"].why == "its task is past its date"

    end(store, key, "done", NOW + 5 * HOUR)
    one = look(store, NOW + 6 * HOUR)["s"]
    assert (one.state, one.since, one.told, one.why) == ("told", NOW + 5 * HOUR, NOW + 5 * HOUR, "")
    counts = counted([one])
    assert (counts.states["told"], counts.matched, counts.needs, counts.in_time) == (1, 1, 1, 1)
    assert counts.themes == {"complaint": 1, "price": 1}


@pytest.mark.requirement("R20")
def test_a_call_with_the_person_tells_them_and_a_newsletter_or_an_earlier_call_does_not(store: Store) -> None:
    said(store, answer("s", contact_ref="u"))

    def call(source_id: str, kind: str, at: datetime, **values: Any) -> Activity:
        given = {"contact_ref": "1", "account_ref": "A", "closed": True} | values
        return Activity(source="crm", source_id=source_id, activity=kind, at=at, updated_at=at, **given)

    said(
        store,
        call("before", "call", NOW - 2 * DAY),
        call("mail", "email", NOW - 5 * HOUR),
        call("planned", "meeting", NOW - 4 * HOUR, closed=False),
        call("ours", "call", NOW - 3 * HOUR, task_key="k"),
    )
    assert look(store)["s"].state == "analysed"
    said(store, call("after", "call", NOW - HOUR))
    one = look(store)["s"]
    assert (one.state, one.told, one.waits) == ("told", NOW - HOUR, False)


@pytest.mark.requirement("R20")
def test_only_the_task_of_a_step_called_tell_says_so_where_there_is_one(store: Store) -> None:
    said(store, answer("s", contact_ref="u"))
    playbooks = {"negative_survey": Answering("negative_survey", "help", "negative_survey/tell")}
    end(store, task(store, event=NOW - DAY, made=NOW - 3 * HOUR), "done", NOW - 2 * HOUR)
    (one,) = feedback(store, "crm", BOXES, playbooks, NOW)
    assert one.state == "acted"
    end(store, task(store, "negative_survey/tell", event=NOW - DAY, made=NOW - 2 * HOUR), "done", NOW - HOUR)
    (one,) = feedback(store, "crm", BOXES, playbooks, NOW)
    assert (one.state, one.told) == ("told", NOW - HOUR)


@pytest.mark.requirement("R20")
def test_a_task_answers_what_it_is_for_and_nothing_else(store: Store) -> None:
    said(
        store,
        answer("unhappy", 3, contact_ref="u"),
        answer("happy", 10, contact_ref="u"),
        answer("neither", 8, contact_ref="u"),
        answer("long_ago", 3, at=NOW - 20 * DAY, contact_ref="u"),
    )
    task(store, event=NOW - DAY, made=NOW - HOUR)
    states = {name: one.state for name, one in look(store).items()}
    assert states == {"unhappy": "acted", "happy": "analysed", "neither": "analysed", "long_ago": "analysed"}
    task(store, "referral", event=NOW - DAY, made=NOW - HOUR)
    assert look(store)["happy"].playbook == "referral"
    task(store, "rescue", event=NOW - DAY, made=NOW - HOUR)
    assert look(store)["neither"].state == "analysed"


@pytest.mark.requirement("R20")
def test_a_task_that_was_deleted_has_done_nothing(store: Store) -> None:
    said(store, answer("s", contact_ref="u"))
    end(store, task(store, event=NOW - DAY, made=NOW - HOUR), "gone", NOW)
    assert look(store)["s"].state == "analysed"


# -- what waits too long ------------------------------------------------------------------------------------------


@pytest.mark.requirement("R20")
def test_what_waits_too_long_is_stuck_and_comes_first(store: Store) -> None:
    said(store, answer("bad", contact_ref="u"), answer("good", 10, contact_ref="u"), answer("nobody"))
    assert {name: one.stuck for name, one in look(store).items()} == {"bad": False, "good": False, "nobody": False}
    later = NOW + 3 * DAY
    found = look(store, later)
    assert {name: one.stuck for name, one in found.items()} == {"bad": True, "good": False, "nobody": True}
    assert list(found)[-1] == "good"
    assert found["bad"].why == "no playbook that goes by answers has acted on it"
    assert counted(found.values()).stuck == {"collected": 1, "analysed": 1, "acted": 0, "told": 0}
    held = [Withheld("A", "negative_survey", "hold", later + DAY, "a known event: planned migration")]
    followups.save_withheld(store, held, later)
    assert look(store, later)["bad"].why == "a known event: planned migration"
    task(store, event=NOW - DAY, made=later)
    assert not look(store, later + 6 * DAY)["bad"].stuck
    assert look(store, later + 8 * DAY)["bad"].stuck


@pytest.mark.requirement("R20")
def test_an_answer_that_was_old_when_it_was_first_read_is_not_waited_for(store: Store) -> None:
    said(store, answer("old", at=NOW - 30 * DAY, contact_ref="u"))
    one = look(store, NOW + 5 * DAY)["old"]
    assert (one.history, one.stuck, one.waits, one.why) == (True, False, False, "it was old when it was first read")
    assert counted([one]).needs == 0
    assert look(store, days=10) == {}


@pytest.mark.requirement("R20", "R67")
def test_a_complaint_behind_a_seven_calls_for_a_follow_up(store: Store) -> None:
    said(
        store,
        answer("quiet", 7, contact_ref="u"),
        answer("words", 7, contact_ref="u", themes=("complaint", "speed")),
        answer("fan", 10, contact_ref="u", themes=("complaint", "price")),
    )
    assert {name: one.needs for name, one in look(store).items()} == {"quiet": False, "words": True, "fan": False}


def test_which_playbooks_go_by_answers_is_read_from_the_card() -> None:
    assert {one.name: one.purpose for one in PLAYBOOKS.values()} == {
        "negative_survey": "help",
        "referral": "request",
        **{name: one.purpose for name, one in answering([Scorecard.load()]).items()},
    }
    assert not {"rescue", "many_tickets", "failed_payment"} & set(PLAYBOOKS)
    told = card_with("""
[[triggers.negative_survey.steps]]
name = "tell"
after_days = 3
subject = "Tell {account} what came of it"
body = "Tell them what we have changed."
""")
    assert answering([told])["negative_survey"].closing == "negative_survey/tell"


def test_what_the_docs_show_loads() -> None:
    text = (Path(__file__).parents[2] / "docs" / "feedback.md").read_text("utf-8")
    card = card_with("".join(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)))
    assert answering([card])["negative_survey"].closing == "negative_survey/tell"
    assert "theme_price_90d" in card.features("account")
    for state, limit in PATIENCE.items():
        assert re.search(rf"^\| `{state}` \|.*\| {limit.days} days", text, re.MULTILINE)


# -- who is not matched, and why ----------------------------------------------------------------------------------


@pytest.mark.requirement("R22")
def test_what_is_not_matched_is_listed_with_the_reason(store: Store) -> None:
    people = {
        "twins": "both@acme.example",
        "inbox": "support@acme.example",
        "free": "ann@gmail.com",
        "ours": "dana@us.example",
        "stranger": "bob@nobody.example",
    }
    put(store, *(contact(name, source="desk", email=email) for name, email in people.items()))
    put(store, contact("flagged", source="desk", staff=True), contact("2", email="lone@acme.example"))
    put(store, contact("lone", source="desk"))
    twins = Review("contact", "desk", "twins", "email", ("1", "2"), "2 CRM contacts fit equally well: same address")
    links = [
        Link("contact", "desk", one, crm_id, "rule", "evidence", 90) for one, crm_id in (("u", "1"), ("lone", "2"))
    ]
    store.save_links(Resolution(links, [twins]), NOW, crm="crm")
    named = [*people, "flagged", "lone", "unheard"]
    said(
        store,
        *(answer(name, contact_ref=name) for name in named),
        answer("nobody"),
        answer("company", account_ref="X"),
        answer("fine", contact_ref="u"),
    )
    found = look(store)
    assert {name: one.why for name, one in found.items() if not one.matched} == {
        "twins": "2 CRM contacts fit equally well: same address",
        "inbox": "a shared address, such as support@, is nobody's",
        "free": "no CRM contact has this address, and its domain is free mail or shared",
        "ours": "one of your own people answered",
        "flagged": "one of your own people answered",
        "stranger": "no CRM contact has this address, and no CRM account alone has its domain",
        "lone": "the person is in the CRM, and belongs to no account there",
        "unheard": "the source has not told who that is",
        "nobody": "the source names nobody",
        "company": "its company is not linked to a CRM account",
    }
    counts = counted(found.values())
    assert (counts.total, counts.matched, counts.match_percent) == (11, 1, 9)
    assert counted([]).match_percent is None


@pytest.mark.requirement("R22")
def test_an_answer_belongs_where_scoring_counts_it(store: Store) -> None:
    put(store, account("B", name="Beta"), account("b", source="desk"), account("old"), contact("3", account_ref="old"))
    put(store, contact("h", source="desk"))
    links = (("account", "desk", "b", "B"), ("home", "desk", "h", "B"), ("contact", "desk", "u", "1"))
    link(store, *links)
    said(
        store,
        answer("by_person", contact_ref="u"),
        answer("by_account", contact_ref="u", account_ref="b"),
        answer("by_home", contact_ref="h"),
        answer("of_crm", source="crm", contact_ref="1"),
        answer("unmatched"),
    )
    found = {name: one.account for name, one in look(store).items()}
    assert found == {"by_person": "A", "by_account": "B", "by_home": "B", "of_crm": "A", "unmatched": None}
    scored = sorted(row["account"] for row in table(store, "survey"))
    assert scored == sorted(account for account in found.values() if account is not None)


# -- notes of colleagues ------------------------------------------------------------------------------------------


@pytest.mark.requirement("R67", "R85")
def test_what_a_note_speaks_of_counts_from_the_run_after_it_was_read(store: Store) -> None:
    words = [Word("A", "Acme", None, "They say it is broken, and too expensive", NOW - 9 * DAY)]
    keep_notes(store, words, NOW)
    assert store.rows("SELECT themes, seen FROM note") == [('["bugs","complaint","price"]', epoch(NOW))]
    assert table(store, "note") == []  # scored again, that run must give what it gave
    later = {"account": "A", "noted_at": epoch(NOW), "themes": '["bugs","complaint","price"]'}
    assert table(store, "note", NOW + HOUR) == [later]
    own = Themes.of(Settings(shipped=False, lists={"mine": Theme(words=("calm",))}))
    keep_notes(store, [Word("A", "Acme", None, "All calm again", NOW)], NOW + HOUR, own)
    assert [row["themes"] for row in table(store, "note", NOW + DAY)] == ['["bugs","complaint","price"]', '["mine"]']
