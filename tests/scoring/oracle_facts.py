"""Features of tickets, answers, payments, deals and the relationship in plain Python."""

import json
from collections import Counter
from itertools import pairwise
from statistics import median_low
from typing import Any

Row = dict[str, Any]
World = dict[str, list[Any]]
DAY = 86400
THEMES = ("bugs", "leaving", "missing", "outages", "praise", "price", "speed", "support", "usability")
LEADS = ("sponsor", "decision maker", "economic buyer", "budget holder", "executive", "chief", "ceo", "cto", "cfo",
         "coo", "president", "vp", "director", "head of", "founder")  # fmt: skip


def trend(now: int | None, before: int | None, least: int) -> int | None:
    return None if now is None or before is None else (now >= before + least) - (before >= now + least)


def mean(values: list[int]) -> int | None:
    return sum(values) // len(values) if values else None


def change(now: int, before: int, least: int) -> int | None:
    return 100 * now // before - 100 if before >= least else None


def support(tickets: list[Row], at: int | None, customer_age: int | None) -> Row:
    if at is None:
        return {}
    today = at // DAY
    seen = [(today - t["created_at"] // DAY, t) for t in tickets if 0 <= t["created_at"] <= at]
    open_ = [(a, t) for a, t in seen if is_open(t, at)]
    now, before = sum(a < 28 for a, _ in seen), sum(28 <= a <= 55 for a, _ in seen)
    rising = (now >= before + 2 and 2 * now >= 3 * before) - (before >= now + 2 and 2 * before >= 3 * now)
    new = [t for a, t in seen if a < 90]
    replies = [t["first_reply_minutes"] for t in new if t["first_reply_minutes"] is not None
               and t["created_at"] + 60 * t["first_reply_minutes"] <= at]  # fmt: skip
    solved = [t for _, t in seen if t["status"] in ("solved", "closed") and t["solved_at"] is not None
              and t["created_at"] <= t["solved_at"] <= at]  # fmt: skip
    taken = [(t["solved_at"] - t["created_at"]) // 3600 for t in solved if today - t["solved_at"] // DAY < 90]
    channels = Counter(t["channel"] for t in new if t["channel"] is not None)
    return {
        "open_tickets": len(open_),
        "urgent_tickets": sum(t["priority"] in ("high", "urgent") for _, t in open_),
        "tickets_28d": now,
        "tickets_prev_28d": before,
        "tickets_90d": len(new),
        "oldest_open_days": max((a for a, _ in open_), default=0),
        "unresolved_7d": sum(a >= 7 for a, _ in open_),
        "reopened_90d": sum((t["reopens"] or 0) > 0 for t in new),
        "high_effort_90d": sum(laborious(t, at) for t in new),
        "first_reply_minutes": median_low(replies) if replies else None,
        "resolution_hours": median_low(taken) if taken else None,
        "support_channel": min(channels, key=lambda c: (-channels[c], c)) if channels else None,
        "ticket_trend": rising,
        "ticket_pressure": len(open_) + 2 * (rising > 0),
        "early_tickets": now + before if customer_age is not None and 0 <= customer_age <= 56 else None,
    }


def is_open(ticket: Row, at: int) -> bool:
    return ticket["status"] not in ("solved", "closed") or (ticket["solved_at"] or 0) > at


def laborious(ticket: Row, at: int) -> bool:
    if (ticket["replies"] or 0) >= 6 or (ticket["reopens"] or 0) >= 2:
        return True
    end = at if is_open(ticket, at) else ticket["solved_at"]
    return end is not None and end - ticket["created_at"] >= 14 * DAY


def survey(answers: list[Row], at: int | None, now: int) -> Row:
    if at is None:
        return {}
    good = [a for a in answers if 0 <= a["responded_at"] <= at and a["scale_min"] <= a["score"] <= a["scale_max"]]

    def asked(kind: str, first: int, last: int = 0) -> list[Row]:
        newest = at - last * DAY if last else at
        return [a for a in good if a["survey"] == kind and at - first * DAY < a["responded_at"] <= newest]

    def of_100(answer: Row) -> int:
        return int(100 * (answer["score"] - answer["scale_min"]) // (answer["scale_max"] - answer["scale_min"]))

    def csat(answer: Row) -> int:
        return 50 if answer["satisfied"] is None else 100 * int(answer["satisfied"])

    c1, c2 = [csat(a) for a in asked("csat", 90)], [csat(a) for a in asked("csat", 180, 90)]
    share, before = mean(c1), mean(c2)
    last_csat = max(((a["responded_at"], -csat(a)) for a in asked("csat", 365)), default=None)
    nps = asked("nps", 365)
    last = -max((a["responded_at"], -of_100(a)) for a in nps)[1] if nps else None
    people: dict[Any, tuple[int, int]] = {}
    for a in nps:
        people[a["contact"]] = max(people.get(a["contact"], (-1, 0)), (a["responded_at"], -of_100(a)))
    newest = [-value for _, value in people.values()]
    both = [value for value in (share, last) if value is not None]
    bad = [at // DAY - a["responded_at"] // DAY for a in good if (a["survey"] == "csat" and a["satisfied"] == 0)
           or (a["survey"] == "nps" and of_100(a) < 70)]  # fmt: skip
    texts = [(at - a["responded_at"], a) for a in good if a["themes"] is not None]
    complaints = [a for _, a in texts if "complaint" in json.loads(a["themes"]) and a["satisfied"] != 1]
    spoken = Counter(theme for age, a in texts if age < 90 * DAY for theme in json.loads(a["themes"]))
    return {
        **{f"theme_{theme}_90d": spoken[theme] for theme in THEMES},
        "complaints_90d": sum(at - a["responded_at"] < 90 * DAY for a in complaints),
        "days_since_complaint": min((at // DAY - a["responded_at"] // DAY for a in complaints), default=None),
        "csat_answers_90d": len(c1),
        "csat_90d": share,
        "csat_prev_90d": before,
        "csat_trend": trend(share, before, 10) if len(c1) >= 2 and len(c2) >= 2 else None,
        "last_csat": None if last_csat is None else -last_csat[1],
        "last_nps": None if last is None else last // 10,
        "is_detractor": None if last is None else int(last < 70),
        "nps_age_hours": min(((now - a["responded_at"]) // 3600 for a in nps), default=None),
        "detractor_age_hours": min(((now - a["responded_at"]) // 3600 for a in nps if of_100(a) < 70), default=None),
        "nps_trend": trend(
            mean([of_100(a) for a in asked("nps", 180)]), mean([of_100(a) for a in asked("nps", 360, 180)]), 10
        ),
        "nps_people": len(people),
        "detractors": sum(value < 70 for value in newest),
        "promoters": sum(value >= 90 for value in newest),
        "nps_mean": mean(newest),
        "satisfaction": sum(both) // len(both) if both else None,
        "ces_180d": mean([of_100(a) for a in asked("ces", 180)]),
        "days_since_bad_answer": min(bad, default=None),
        "bad_answers_90d": sum(age < 90 for age in bad),
    }


def payment(bills: list[Row], at: int | None) -> Row:
    if at is None:
        return {}
    today = at // DAY
    bills = [b for b in bills if 0 <= b["created_at"] <= at]
    lost = [b for b in bills if b["status"] == "uncollectible" and 0 <= today - _due(b) <= 180]
    unpaid = [b for b in bills if b["status"] == "open"] + lost
    late = [today - b["due_date"] for b in unpaid if b["due_date"] is not None and 0 <= b["due_date"] < today]

    def delays(first: int, last: int) -> list[int]:
        due = [b for b in bills if b["due_date"] is not None and b["due_date"] >= 0]
        found = [delay(b, at) for b in due if first <= today - b["due_date"] <= last]
        return [d for d in found if d is not None]

    recent, before = delays(1, 180), delays(181, 360)
    return {
        "overdue_days": max(late, default=0) if bills else None,
        "overdue_invoices": len(late),
        "failed_payments": sum(b["failed_attempts"] for b in unpaid),
        "written_off_180d": len(lost),
        "payment_delay": mean(recent),
        "payment_trend": trend(mean(recent), mean(before), 5) if len(recent) >= 2 and len(before) >= 2 else None,
    }


def _due(bill: Row) -> int:
    return int(bill["created_at"] // DAY if bill["due_date"] is None else bill["due_date"])


def delay(bill: Row, at: int) -> int | None:
    paid = bill["paid_at"]
    if bill["status"] == "paid" and paid is not None and 0 <= paid <= at:
        return int(max(0, paid // DAY - bill["due_date"]))
    if bill["status"] in ("open", "uncollectible") or (paid is not None and paid > at):
        return int(at // DAY - bill["due_date"])
    return None


def commercial(own: Row, mine: World, clock: dict[str, int], now: int, customer_age: int | None) -> Row:
    f: Row = {"days_to_renewal": None if own.get("renewal_date") is None else own["renewal_date"] - now // DAY}
    f |= payment(mine["invoice"], clock.get("invoice"))
    running = mine["subscription"] if "subscription" in clock else []
    if "subscription" in clock:
        cards = [s["card_expires"] - now // DAY for s in running if s["card_expires"] is not None]
        ending = [(s["cancel_at"] or 0) > clock["subscription"] for s in running]
        f |= {"subscriptions": len(running), "card_expires_days": min(cards, default=None)}
        f["cancellation_set"] = int(any(ending)) if running else None
    changes, grown = [], None
    if (at := clock.get("account")) is not None:
        changes = [
            (at // DAY - c["changed_at"] // DAY, c) for c in mine["account_change"] if 0 <= c["changed_at"] <= at
        ]
        up = [a for a, c in changes if known(c, "mrr") and c["mrr_after"] > c["mrr_before"]]
        down = [a for a, c in changes if known(c, "mrr") and c["mrr_after"] < c["mrr_before"]]
        grown = min(up, default=None)
        f |= {"upgrades_365d": sum(a < 365 for a in up), "downgrades_365d": sum(a < 365 for a in down)}
        f["days_since_plan_change"] = min((a for a, c in changes if differs(c, "plan")), default=None)
        f["days_since_owner_change"] = min((a for a, c in changes if differs(c, "owner")), default=None)
    if "deal" in clock:
        f |= deals(own, mine, clock["deal"], grown, customer_age)
        lasting = f.get("subscriptions") or 0
        first, renewals = f.pop("first_sale"), f.pop("renewals")
        one_off = own.get("mrr") == 0 or (own.get("mrr") is None and f.get("subscriptions") == 0)
        f["project_days"] = first if renewals == 0 and lasting == 0 and one_off else None
    return f


def known(row: Row, what: str) -> bool:
    return row[f"{what}_before"] is not None and row[f"{what}_after"] is not None


def differs(row: Row, what: str) -> bool:
    return known(row, what) and row[f"{what}_before"] != row[f"{what}_after"]


def deals(own: Row, mine: World, at: int, grown: int | None, customer_age: int | None) -> Row:
    today = at // DAY
    every = [d for d in mine["deal"] if 0 <= (d["created_at"] or 0) <= at]
    aged = [
        (today - d["close_date"], d) for d in every if d["close_date"] is not None and 0 <= d["close_date"] <= today
    ]
    won = [(a, d) for a, d in aged if d["won"] == 1]
    sales = [a for a, d in won if d["renewal"] == 0]
    open_renewals = [d for d in every if d["renewal"] == 1 and d["closed"] == 0]
    all_sales = sum(d["won"] == 1 and d["renewal"] == 0 for d in every)
    year = sum(a < 365 for a in sales)
    staged = [
        (d["close_date"] is None, d["close_date"] or 0, d["stage"]) for d in open_renewals if d["stage"] is not None
    ]
    moved = [
        m["close_after"] - m["close_before"] for m in mine["deal_move"] if m["renewal"] and 0 <= m["moved_at"] <= at
    ]
    last, before = sum(a < 365 for a, _ in won), sum(365 <= a < 730 for a, _ in won)
    return {
        "open_deals": sum(d["closed"] == 0 for d in every),
        "open_renewals": len(open_renewals),
        "lost_renewals_90d": sum(d["renewal"] for a, d in aged if d["won"] == 0 and a < 90),
        "renewal_stage": min(staged)[2] if staged else None,
        "renewal_overdue_days": max((a for a, d in aged if d["renewal"] == 1 and d["closed"] == 0), default=0),
        "renewal_postponements": sum(days > 0 for days in moved),
        "renewal_postponed_days": max(0, sum(moved)),
        "purchases_365d": last,
        "purchases_prev_365d": before,
        "purchase_change": change(last, before, 3),
        "days_since_purchase": min((a for a, _ in won), default=None),
        "expansions_365d": year if all_sales > year else max(0, year - 1),
        "days_since_growth": min((a for a in (*sales, grown, customer_age) if a is not None), default=None),
        "first_sale": max(sales, default=None),
        "renewals": sum(d["renewal"] for d in every),
    }


def relationship(mine: World, clock: dict[str, int]) -> Row:
    f: Row = {}
    if (at := clock.get("account")) is not None:
        read = [n for n in mine["note"] if 0 <= n["noted_at"] <= at and at - n["noted_at"] < 90 * DAY]
        f["note_complaints_90d"] = sum("complaint" in json.loads(n["themes"] or "[]") for n in read)
    if (at := clock.get("activity")) is not None:
        f |= messages(mine["activity"], at)
    if (at := clock.get("contact")) is not None:
        left = [(at // DAY - d["left_at"] // DAY, d) for d in mine["departure"] if 0 <= d["left_at"] <= at]
        f |= {
            "people_gone_90d": people(left, 1, ()),
            "sponsors_gone_90d": people(left, 1, LEADS),
            "champions_gone_90d": people(left, 1, ("champion", "administrator", "project lead", "project manager")),
            "sponsors_changed_90d": people(left, 0, LEADS) if "contact_role" in clock else None,
        }
    return f


def people(left: list[tuple[int, Row]], gone: int, words: tuple[str, ...]) -> int:
    """Of the people whose newest departure is younger than 90 days, those of whom one row says a word."""
    rows: dict[int, list[tuple[int, Row]]] = {}
    for age, d in left:
        if d["gone"] == gone:
            rows.setdefault(d["contact"], []).append((age, d))
    return sum(
        min(a for a, _ in of_one) < 90 and (not words or any(says(d, words) for _, d in of_one))
        for of_one in rows.values()
    )


def says(departure: Row, words: tuple[str, ...]) -> bool:
    text = f"{departure['role'] or ''} / {departure['title'] or ''}".lower()
    for mark in ",;/-&()_":
        text = text.replace(mark, " ")
    return any(f" {word} " in f" {text} " for word in words)


def messages(activities: list[Row], at: int) -> Row:
    touch = [(at // DAY - a["happened_at"] // DAY, a) for a in activities if 0 <= a["happened_at"] <= at
             and a["activity"] in ("call", "meeting", "email") and a["closed"] in (None, 1)]  # fmt: skip
    inbound, outbound = ([age for age, a in touch if a["inbound"] == way] for way in (1, 0))
    ours, theirs = sum(age < 90 for age in outbound), sum(age < 90 for age in inbound)
    earlier = sum(90 <= age < 180 for age in inbound)
    mails = [(age, a) for age, a in touch if a["activity"] == "email" and not a["inbound"] and a["tracked"]]

    def opened(a: Row) -> int | None:
        moment = max(a["opened_at"] or 0, a["clicked_at"] or 0)
        known = a["opened_at"] is not None or a["clicked_at"] is not None
        return moment if known and 0 <= moment <= at else None

    sent, sent_before = [a for age, a in mails if age < 90], [a for age, a in mails if 90 <= age < 180]
    read, read_before = (sum(opened(a) is not None for a in which) for which in (sent, sent_before))
    ordered = sorted((a["happened_at"], a["inbound"], age) for age, a in touch if a["inbound"] is not None)
    answers: dict[int, list[int]] = {0: [], 1: []}
    for (then, way, _), (when, back, age) in pairwise(ordered):
        if back != way and age < 90:
            answers[way].append((when - then) // 3600)
    return {
        "inbound_90d": theirs,
        "inbound_prev_90d": earlier,
        "outbound_90d": ours,
        "inbound_share": 100 * theirs // (theirs + ours) if theirs + ours >= 3 else None,
        "inbound_drop": 100 - 100 * theirs // earlier if earlier >= 3 and theirs < earlier else 0,
        "days_since_contact": min((age for age, _ in touch), default=None),
        "days_since_inbound": min(inbound, default=None),
        "reply_hours": median_low(answers[0]) if answers[0] else None,
        "our_reply_hours": median_low(answers[1]) if answers[1] else None,
        "emails_90d": len(sent),
        "opened_90d": read,
        "email_engagement": 100 * read // len(sent) if len(sent) >= 3 else None,
        "email_engagement_change": 100 * (read * len(sent_before)) // (read_before * len(sent)) - 100
        if len(sent) >= 3 and len(sent_before) >= 3 and read_before
        else None,
        "days_since_email_open": min((at // DAY - when // DAY for _, a in mails if (when := opened(a)) is not None),
                                     default=None),
    }  # fmt: skip
