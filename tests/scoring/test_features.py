"""Features at their boundaries, on worlds of one account."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scoring.card import Scorecard
from scoring.engine import load
from scoring.features import CATALOGUE
from scoring.statement import feature_statement
from tests.scoring.worlds import KINDS, NOW, TODAY, World, account, contact, empty, feeds, store

DAY = 86400


class Facts:
    """The features of account 1, each computed by its own statement when asked for."""

    def __init__(self, card: Scorecard, world: World, folder: Path) -> None:
        self.card = card
        self.con = load(card, store(world, folder))

    def __getitem__(self, name: str) -> int | str | None:
        text = feature_statement(self.card, "account", name).sql("duckdb")
        rows = self.con.execute(text, {"as_of": NOW}).fetchall()
        assert [row[:2] for row in rows] == [(1, "A1")]
        value: int | str | None = rows[0][2]
        return value


Look = Callable[..., Facts]


@pytest.fixture
def look(wide_card: Scorecard, tmp_path: Path) -> Iterator[Look]:
    """The features of account 1 in a world of these rows; every source is fresh."""
    opened: list[Facts] = []

    def look(*, own: Mapping[str, Any] | None = None, kinds: Any = KINDS, **rows: Any) -> Facts:
        world: World = empty() | {"account": [account(1, **(own or {}))], "contact": [contact(1, 1)]}
        world |= {"usage_person": [{"person": p, "contact": p if p == 1 else None, "account": 1} for p in (1, 2)]}
        world |= {"feed": feeds(*kinds)} | {name: list(of_table) for name, of_table in rows.items()}
        opened.append(Facts(wide_card, world, tmp_path / str(len(opened))))
        return opened[-1]

    yield look
    for facts in opened:
        facts.con.close()


def used(event: str, *ages: int, person: int = 1, count: int = 1) -> list[Any]:
    return [(TODAY - age, person, None, event, count) for age in ages]


def ticket(age: float, **more: Any) -> dict[str, Any]:
    return {"account": 1, "contact": 1, "status": "closed", "created_at": NOW - 600 - int(age * DAY), **more}


def answer(survey: str, score: int, age: float, **more: Any) -> dict[str, Any]:
    top = 10 if survey == "nps" else 1
    good = None if survey == "nps" else score
    when = {"scale_min": 0, "scale_max": top, "satisfied": good, "responded_at": NOW - 600 - int(age * DAY)}
    return {"account": 1, "contact": 1, "survey": survey, "score": score, **when, **more}


def message(inbound: int, age: float, **more: Any) -> dict[str, Any]:
    at = NOW - 600 - int(age * DAY)
    return {"account": 1, "contact": 1, "activity": "email", "inbound": inbound, "happened_at": at, **more}


def deal(**more: Any) -> dict[str, Any]:
    return {"account": 1, "closed": 1, "won": 1, "renewal": 0, "close_date": TODAY - 30, **more}


EVERY_DAY = range(1, 90)


@pytest.mark.requirement("R5", "R9", "R121")
def test_all_families_speak(look: Look) -> None:
    said = look(
        usage=used("a", *EVERY_DAY),
        ticket=[ticket(1, status="open")],
        survey=[answer("nps", 9, 2)],
        invoice=[{"account": 1, "status": "open", "amount_due": 1, "due_date": TODAY - 3, "failed_attempts": 1,
                  "created_at": NOW - 9 * DAY}],
        activity=[message(1, 4)],
    )  # fmt: skip
    assert (said["days_since_login"], said["events_per_user"], said["open_tickets"]) == (1, 28, 1)
    assert (said["last_nps"], said["overdue_days"], said["days_since_contact"]) == (9, 3, 4)
    assert {"usage", "support", "survey", "commercial", "relationship"} <= {feature.family for feature in CATALOGUE}


@pytest.mark.requirement("R114")
@pytest.mark.parametrize("days", [29, 30, 31, 59, 60, 61, 89, 90])
def test_days_since_anything(look: Look, days: int) -> None:
    said = look(
        usage=used("a", days),
        deal=[deal(close_date=TODAY - days)],
        activity=[message(0, days, tracked=1, opened_at=NOW - 600 - days * DAY)],
    )
    assert [said[f"days_since_{what}"] for what in ("login", "purchase", "email_open", "contact")] == [days] * 4


@pytest.mark.requirement("R66")
@pytest.mark.parametrize(
    ("now", "before", "drop"), [(0, 3, 100), (2, 4, 50), (3, 3, 0), (9, 3, 0), (0, 2, 0), (0, 0, 0)]
)
def test_falling_inbound_counts_and_rising_never_helps(look: Look, now: int, before: int, drop: int) -> None:
    said = look(activity=[message(1, 5 + i) for i in range(now)] + [message(1, 100 + i) for i in range(before)])
    assert said["inbound_drop"] == drop


@pytest.mark.requirement("R66")
def test_quiet_is_not_known_where_nobody_would_know(look: Look) -> None:
    assert look(kinds=("usage",))["inbound_drop"] is None


@pytest.mark.requirement("R65")
def test_who_writes_and_how_fast_they_answer(look: Look) -> None:
    mails = [message(0, 10), message(0, 9), message(1, 8.5), message(0, 8), message(1, 4), message(0, 3.75)]
    said = look(activity=mails)
    assert (said["inbound_90d"], said["outbound_90d"], said["inbound_share"]) == (2, 4, 33)
    assert said["reply_hours"] == 12  # from the newest of two unanswered: 12 and 96 hours, the lower median
    assert said["our_reply_hours"] == 6  # 12 and 6


@pytest.mark.requirement("R97")
def test_low_email_engagement_over_time(look: Look) -> None:
    before = [message(0, 100 + i, tracked=1, opened_at=NOW - 100 * DAY) for i in range(4)]
    said = look(activity=[*before, *(message(0, 5 + i, tracked=1, opened_at=None) for i in range(3)), message(0, 2)])
    assert (said["emails_90d"], said["email_engagement"], said["email_engagement_change"]) == (3, 0, -100)
    blind = look(activity=[message(0, 5 + i) for i in range(9)])
    assert blind["email_engagement"] is None


@pytest.mark.requirement("R97")
def test_purchases_that_fall_and_renewals_that_slip(look: Look) -> None:
    bought = [deal(close_date=TODAY - age) for age in (1, 400, 500, 729, 730)]
    renewal = deal(closed=0, won=None, renewal=1, close_date=TODAY + 9, stage="Offer")
    later = deal(closed=0, won=None, renewal=1, close_date=TODAY + 90, stage="Talk")
    moves = [{"account": 1, "renewal": r, "close_before": 100, "close_after": 100 + by, "moved_at": NOW - DAY}
             for r, by in ((1, 30), (1, -9), (1, 14), (0, 99))]  # fmt: skip
    said = look(deal=[*bought, later, renewal], deal_move=moves)
    assert (said["purchases_prev_365d"], said["purchase_change"]) == (3, -67)
    assert (said["renewal_stage"], said["renewal_postponements"], said["renewal_postponed_days"]) == ("Offer", 2, 35)


@pytest.mark.requirement("R125")
@pytest.mark.parametrize(("days", "now", "flag"), [(15, 0, 1), (14, 0, 0), (15, 1, 0)])
def test_high_use_with_falling_csat(look: Look, days: int, now: int, flag: int) -> None:
    answers = [answer("csat", 1, 100), answer("csat", 1, 120), answer("csat", now, 1), answer("csat", 1, 89)]
    assert look(usage=used("a", *range(1, days + 1)), survey=answers)["busy_but_unhappy"] == flag


@pytest.mark.requirement("R125")
def test_one_answer_is_no_trend(look: Look) -> None:
    said = look(usage=used("a", *EVERY_DAY), survey=[answer("csat", 1, 100), answer("csat", 0, 1)])
    assert (said["csat_trend"], said["busy_but_unhappy"]) == (None, None)


@pytest.mark.requirement("R82", "R95")
def test_use_of_a_plan(look: Look) -> None:
    said = look(own={"plan": "TEAM"}, usage=used("a", 1, 2, *range(29, 60)) + used("d", 3) + used("b", 40))
    assert (said["features_used_28d"], said["plan_use"], said["unused_features"]) == (2, 25, 3)
    assert (said["features_beyond_plan"], said["cross_sell_ready"], said["upsell_ready"]) == (1, 1, 0)
    assert look(own={"plan": "other"}, usage=used("a", 1))["plan_use"] is None


@pytest.mark.requirement("R95")
def test_upsell_is_not_cross_sell(look: Look) -> None:
    people = [{"person": p, "contact": None, "account": 1} for p in range(1, 8)]
    rows = [row for p in range(1, 8) for row in used("a", 2, person=p) + used("d", 3, person=p)]
    rows += [row for p in range(1, 4) for row in used("a", 30, 60, person=p)]
    said = look(own={"plan": "free"}, usage=rows, usage_person=people)
    assert (said["upsell_ready"], said["cross_sell_ready"]) == (1, 0)


@pytest.mark.requirement("R128")
def test_habits_that_were_lost(look: Look) -> None:
    before = used("a", *range(29, 41)) + used("b", 30, 37, 44) + used("d", 50) + used("x", 60)
    lost = look(usage=before)
    assert (lost["daily_action_days_prev_28d"], lost["weekly_action_weeks_prev_28d"], lost["lost_rhythms"]) == (
        12,
        3,
        3,
    )
    kept = look(usage=before + used("a", *range(1, 13)) + used("c", 1, 8, 15) + used("d", 28))
    assert kept["lost_rhythms"] == 0
    assert look(usage=before + used("a", *range(1, 12)) + used("b", 1, 8, 15) + used("d", 28))["lost_rhythms"] == 1


@pytest.mark.requirement("R127")
def test_length_of_sessions_and_key_actions(look: Look) -> None:
    rows = used("c", *range(1, 11)) + used("a", *range(1, 11), count=2) + used("x", 60)
    rows += used("c", *range(30, 40)) + used("a", *range(30, 40), count=4)
    said = look(usage=rows)
    assert (said["session_minutes"], said["session_minutes_prev"], said["session_change"]) == (14, 28, -50)
    assert (said["key_actions_28d"], said["key_actions_prev_28d"], said["key_actions_change"]) == (30, 50, -40)


@pytest.mark.requirement("R81", "R107")
@pytest.mark.parametrize(
    ("age", "days", "activation"), [(6, 6, None), (7, 7, 100), (30, 15, 50), (62, 15, 50), (63, 15, None)]
)
def test_activation_in_the_first_thirty_days(look: Look, age: int, days: int, activation: int | None) -> None:
    said = look(own={"customer_since": TODAY - age}, usage=used("a", *range(age, age - days, -1)) + used("x", 80))
    assert said["activation"] == activation


@pytest.mark.requirement("R81", "R107")
def test_onboarding_and_early_questions(look: Look) -> None:
    new = look(own={"customer_since": TODAY - 15}, usage=used("a", 9) + used("x", 80), ticket=[ticket(3), ticket(40)])
    assert (new["onboarding_progress"], new["onboarding_lag"], new["early_tickets"]) == (33, 17, 2)
    old = look(own={"customer_since": TODAY - 91}, usage=used("a", 9) + used("x", 90), ticket=[ticket(3)])
    assert (old["onboarding_progress"], old["early_tickets"]) == (None, None)


@pytest.mark.requirement("R28")
def test_adoption_frequency_channel_and_content(look: Look) -> None:
    asked = [
        ticket(1, channel="chat"),
        ticket(2, channel="chat"),
        ticket(3, channel="email"),
        ticket(91, channel="web"),
    ]
    said = look(usage=used("b", 1, 2), ticket=asked, deal=[deal(), deal()])
    assert (said["features_used_28d"], said["purchases_365d"], said["content_28d"]) == (1, 2, 2)
    assert said["support_channel"] == "chat"


@pytest.mark.requirement("R86")
def test_good_signs(look: Look) -> None:
    said = look(
        usage=used("a", *range(1, 29)) + used("a", *range(29, 57, 2)) + used("x", 60),
        deal=[deal(), deal(close_date=TODAY - 800)],
    )
    assert (said["usage_change"], said["expansions_365d"]) == (100, 1)


@pytest.mark.requirement("R96")
def test_membership_of_a_programme_is_no_sign_of_health() -> None:
    assert not [f.name for f in CATALOGUE if "member" in f.name or "loyalty" in f.name]


@pytest.mark.requirement("R68")
def test_no_growth_and_projects_that_end(look: Look) -> None:
    said = look(own={"customer_since": TODAY - 700}, deal=[deal(close_date=TODAY - 600)])
    assert said["days_since_growth"] == 600
    assert look(own={"customer_since": TODAY - 500}, deal=[deal(close_date=TODAY - 300)])["days_since_growth"] == 300
    first = feeds("account", since=NOW - 600 - 364 * DAY)
    unseen = feeds("deal") + first, {"customer_since": TODAY - 700}
    assert look(feed=unseen[0], own=unseen[1])["days_since_growth"] is None, "a rise may have gone unseen"
    assert look(feed=unseen[0], own={"customer_since": TODAY - 300})["days_since_growth"] == 300
    risen = {"account": 1, "mrr_before": 1, "mrr_after": 2, "changed_at": NOW - 600 - 9 * DAY}
    assert look(own={"customer_since": TODAY - 700}, account_change=[risen])["days_since_growth"] == 9
    assert look(own={"mrr": 0}, deal=[deal(close_date=TODAY - 400)])["project_days"] == 400
    assert look(own={"mrr": 5}, deal=[deal(close_date=TODAY - 400)])["project_days"] is None
    assert look(own={"mrr": None}, deal=[deal()], kinds=("deal",))["project_days"] is None


@pytest.mark.requirement("R68")
@pytest.mark.parametrize(("age", "title", "gone"), [(89, "VP, Sales", 1), (90, "VP, Sales", 0), (1, "Coordinator", 0)])
def test_a_sponsor_who_left(look: Look, age: int, title: str, gone: int) -> None:
    left = {"account": 1, "contact": 7, "gone": 1, "title": title, "left_at": NOW - 600 - age * DAY}
    parts = [{**left, "role": role} for role in ("User", "Influencer")]
    assert look(departure=parts)["sponsors_gone_90d"] == gone


@pytest.mark.parametrize(
    ("name", "kind", "days"),
    [
        ("people_gone_90d", "contact", 90), ("sponsors_gone_90d", "contact", 90),
        ("champions_gone_90d", "contact", 90), ("sponsors_changed_90d", "contact_role", 90),
        ("upgrades_365d", "account", 365), ("downgrades_365d", "account", 365),
        ("renewal_postponements", "deal", 90), ("renewal_postponed_days", "deal", 90),
    ],
)  # fmt: skip
def test_what_nobody_watched_did_not_happen_for_all_we_know(look: Look, name: str, kind: str, days: int) -> None:
    others = feeds(*(one for one in KINDS if one != kind))
    for since, said in [(0, None), (days - 1, None), (days, 0), (None, None)]:
        first = None if since is None else NOW - 600 - since * DAY
        assert look(feed=[*others, *feeds(kind, since=first)])[name] == said, since
    new = feeds(kind, since=NOW - 600 - 5 * DAY)
    assert look(feed=[*others, *feeds(kind), *new])[name] is None, "a second source, watched for five days"


def test_what_was_seen_counts_at_once(look: Look) -> None:
    at = NOW - 600 - 2 * DAY
    new = feeds(*KINDS, since=NOW - 600 - 5 * DAY)
    left = {"account": 1, "contact": 7, "gone": 1, "title": "VP, Sales", "left_at": at}
    less = {"account": 1, "mrr_before": 2, "mrr_after": 1, "changed_at": at}
    moved = {"account": 1, "renewal": 1, "close_before": TODAY, "close_after": TODAY + 9, "moved_at": at}
    said = look(departure=[left], account_change=[less], deal_move=[moved], feed=new)
    assert (said["people_gone_90d"], said["sponsors_gone_90d"], said["champions_gone_90d"]) == (1, 1, None)
    assert (said["downgrades_365d"], said["upgrades_365d"]) == (1, None)
    assert (said["renewal_postponements"], said["renewal_postponed_days"]) == (1, 9)


@pytest.mark.requirement("R106")
def test_falling_recency_shows_before_dormancy(look: Look) -> None:
    said = look(usage=used("a", *range(29, 57)) + used("a", 10, 80))
    assert (said["silence"], said["days_since_login"]) == (1000, 10)


@pytest.mark.requirement("R14")
def test_same_period_last_year(look: Look) -> None:
    dip = used("a", *range(1, 29), count=5) + used("a", *range(29, 57), count=10)
    year_ago = used("a", *range(365, 393), count=4) + used("a", *range(393, 421), count=8)
    said = look(usage=dip + year_ago)
    assert (said["usage_change"], said["usage_vs_last_year"], said["season_change"]) == (-50, 25, 0)
    assert look(usage=dip)["usage_vs_last_year"] is None


def test_effort_of_support(look: Look) -> None:
    tickets = [
        ticket(20, status="open", replies=6, reopens=1, first_reply_minutes=30),
        ticket(6, status="open", first_reply_minutes=10),
        ticket(5, solved_at=NOW - 600 - 3 * DAY, first_reply_minutes=50),
        ticket(95, replies=9, reopens=3),
    ]
    said = look(ticket=tickets)
    names = ("unresolved_7d", "reopened_90d", "high_effort_90d", "first_reply_minutes", "resolution_hours")
    assert [said[name] for name in names] == [1, 1, 1, 30, 48]


def test_people_rolled_up(look: Look) -> None:
    said = look(
        survey=[answer("nps", 2, 9), answer("nps", 9, 1), answer("nps", 6, 3, contact=5), answer("nps", 8, 400)]
    )
    assert (said["nps_people"], said["detractors"], said["promoters"], said["nps_mean"]) == (2, 1, 1, 75)
    assert (said["last_nps"], said["nps_age_hours"], said["bad_answers_90d"]) == (9, 24, 2)


@pytest.mark.requirement("R40")
@pytest.mark.parametrize("days", [-1, 29, 30, 31])
def test_a_card_about_to_expire(look: Look, days: int) -> None:
    running = [{"account": 1, "status": "active", "card_expires": TODAY + more} for more in (days, days + 300)]
    assert look(subscription=running)["card_expires_days"] == days


def test_late_payments(look: Look) -> None:
    def paid(due: int, late: int) -> dict[str, Any]:
        day = TODAY - due
        return {"account": 1, "status": "paid", "amount_due": 1, "due_date": day, "failed_attempts": 0,
                "paid_at": (day + late) * DAY, "created_at": (day - 9) * DAY}  # fmt: skip

    said = look(invoice=[paid(20, 8), paid(40, 4), paid(200, 1), paid(230, -3)])
    assert (said["payment_delay"], said["payment_trend"]) == (6, 1)


@pytest.mark.parametrize(("due", "counts"), [(1, 1), (180, 1), (181, 0)])
def test_a_loss_counts_for_half_a_year(look: Look, due: int, counts: int) -> None:
    day = TODAY - due
    bill = {"account": 1, "amount_due": 1, "due_date": day, "failed_attempts": 3, "created_at": (day - 9) * DAY}
    lost = look(invoice=[bill | {"status": "uncollectible"}])
    assert lost["written_off_180d"] == lost["overdue_invoices"] == counts
    assert (lost["overdue_days"], lost["failed_payments"]) == (counts * due, counts * 3)


def test_a_feature_that_needs_no_source_is_said_once_for_each_account(look: Look) -> None:
    day = {"account": 1, "first_day": TODAY - 2, "last_day": TODAY}
    facts = look(own={"customer_since": TODAY - 8}, release=[day])
    assert (facts["customer_age_days"], facts["days_since_release"], facts["tickets_since_release"]) == (8, 2, 0)
