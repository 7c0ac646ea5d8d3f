"""The scorecard in plain Python, one account after the other: slow, obvious, and written without the SQL in sight."""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from math import isqrt
from typing import Any

from scoring.card import Scorecard
from scoring.features import catalogue
from scoring.inputs import Level
from scoring.signals import PLACEHOLDER

Row = dict[str, Any]
World = dict[str, list[Any]]
SQLITE = sqlite3.connect(":memory:")


def oracle(card: Scorecard, level: Level, world: World, now: int) -> Iterator[tuple[Any, ...]]:
    """What `scoring.engine.run` should yield, as plain tuples."""
    clock, fresh = clocks(card, world, now)
    mine = by_owner(level, world, clock.get("usage", -1) // 86400)
    days = [row[0] for row in world["usage"]]
    history = min(90, clock["usage"] // 86400 - min(days)) if days and "usage" in clock else None
    facts = {row[level]: features(level, row, mine[row[level]], now, clock, history) for row in world[level]}
    ratios = sorted(f["ratio"] for f in facts.values() if f["ratio"] is not None)
    median = ratios[(len(ratios) + 1) // 2 - 1] if len(ratios) >= 30 else 0
    for row in sorted(world[level], key=lambda row: row[level]):
        f, ratio = facts[row[level]], facts[row[level]]["ratio"]
        f["usage_vs_peers"] = None if ratio is None else (100 * ratio // median if median else ratio // 10) - 100
        if (only := card.level(level).only) is not None and not judged([only], f)[0]:
            continue
        yield (level, row[level], row["crm_id"], row.get("name"), row.get("owner_id"), *verdict(card, level, f, fresh))


def by_owner(level: Level, world: World, today: int) -> dict[Any, World]:
    """Key -> table -> rows; usage as person -> (age in days, count)."""
    mine: dict[Any, World] = defaultdict(lambda: defaultdict(list))
    for name in set(world) - {level, "usage", "feed"}:
        for row in world[name]:
            mine[row.get(level)][name].append(row)
    people = {row["person"]: row for row in world["usage_person"]}
    groups = {row["grp"]: row["account"] for row in world["usage_group"]}
    for day, person, grp, _, count in world["usage"]:
        who = people.get(person, {"contact": None, "account": None})
        account = groups.get(grp) if groups.get(grp) is not None else who["account"]
        if 0 <= today - day <= 90:
            member = ("contact", who["contact"]) if who["contact"] is not None else ("person", person)
            mine[account if level == "account" else who["contact"]]["usage"].append((member, today - day, count))
    return mine


def clocks(card: Scorecard, world: World, now: int) -> tuple[dict[str, int], dict[str, int]]:
    fed: dict[str, int] = {}
    aging: dict[str, int] = {}
    for feed in world["feed"]:
        fed[feed["record"]] = min(fed.get(feed["record"], 2**62), feed["as_of"] or 0)
        since = now if feed["held"] else feed["as_of"] or 0
        aging[feed["record"]] = min(aging.get(feed["record"], 2**62), since)
    full, none = card.freshness.full_hours * 3600, card.freshness.none_hours * 3600
    left = {kind: (none - (now - aging[kind])) * 100 // (none - full) for kind in fed}
    fresh = {kind: max(0, min(100, left[kind])) if at > 0 else 0 for kind, at in fed.items()}
    return {kind: min(t, now) for kind, t in fed.items() if t > 0}, fresh


def features(level: Level, own: Row, mine: World, now: int, clock: dict[str, int], history: int | None) -> Row:
    since, made, day = own.get("customer_since"), own["created_at"], now // 86400
    age = day - made // 86400 if made is not None and 0 <= made <= now else None
    f: Row = {name: own.get(name) for name in ("plan", "mrr", "lifecycle", "title")}
    f |= {"contact_age_days": age, "customer_age_days": age if since is None else day - since if since <= day else None}
    f["days_to_renewal"] = None if own.get("renewal_date") is None else own["renewal_date"] - day
    logins = [row["last_login_at"] for row in ([own] if level == "contact" else mine["contact"])]
    f |= usage(mine, [t for t in logins if t is not None and 0 <= t <= now], clock.get("usage"), history)
    f |= support(mine["ticket"], clock.get("ticket")) | survey(mine["survey"], clock.get("survey_response"))
    return f | commercial(mine, clock)


def usage(mine: World, logins: list[int], at: int | None, history: int | None) -> Row:
    rows: list[Any] = mine["usage"]
    linked = at is not None and len(mine["usage_person"]) + len(mine["usage_group"]) > 0

    def during(first: int, last: int) -> tuple[int, int, int]:
        hits = [(who, age, count) for who, age, count in rows if first <= age <= last]
        return sum(count for _, _, count in hits), len({age for _, age, _ in hits}), len({who for who, _, _ in hits})

    (e1, d1, u1), (e2, d2, u2), seen = during(1, 28), during(29, 56), during(0, 90)[2]
    ages = [age for _, age, _ in rows] + [max(0, at // 86400 - t // 86400) for t in logins if at is not None]
    old = linked and history is not None and history >= 56
    share = 100 * during(0, 28)[2] // seen if seen else 0 if history is not None and history >= 28 else None
    counts = {"events_28d": e1, "active_days_28d": d1, "active_users_28d": u1, "events_prev_28d": e2,
              "active_days_prev_28d": d2, "active_users_prev_28d": u2, "recent_users": during(0, 28)[2],
              "seen_users": seen, "active_share": share}  # fmt: skip
    return {
        **{name: value if linked else None for name, value in counts.items()},
        "days_since_login": min(ages, default=history if linked and history is not None and history > 0 else None),
        "active_users_change": 100 * u1 // u2 - 100 if old and u2 >= 3 else None,
        "active_days_change": 100 * d1 // d2 - 100 if old and d2 >= 3 else None,
        "usage_change": 100 * e1 // e2 - 100 if old and e2 >= 10 else None,
        "ratio": 1000 * e1 // e2 if old and e2 >= 10 else None,
    }


def support(tickets: list[Row], at: int | None) -> Row:
    names = ("open_tickets", "urgent_tickets", "tickets_28d", "tickets_prev_28d", "oldest_open_days", "ticket_trend")
    if at is None:
        return dict.fromkeys((*names, "ticket_pressure"))
    seen = [(at // 86400 - t["created_at"] // 86400, t) for t in tickets if 0 <= t["created_at"] <= at]
    opened = [(a, t) for a, t in seen if t["status"] not in ("solved", "closed") or (t["solved_at"] or 0) > at]
    now, before = sum(a < 28 for a, _ in seen), sum(28 <= a <= 55 for a, _ in seen)
    trend = (now >= before + 2 and 2 * now >= 3 * before) - (before >= now + 2 and 2 * before >= 3 * now)
    urgent = sum(t["priority"] in ("high", "urgent") for _, t in opened)
    values = (len(opened), urgent, now, before, max((a for a, _ in opened), default=0), trend)
    return {**dict(zip(names, values, strict=True)), "ticket_pressure": len(opened) + 2 * (trend > 0)}


def survey(answers: list[Row], at: int | None) -> Row:
    if at is None:
        return dict.fromkeys(("csat_answers_90d", "csat_90d", "last_nps", "is_detractor", "satisfaction"))
    good = [a for a in answers if 0 <= a["responded_at"] <= at and a["scale_min"] <= a["score"] <= a["scale_max"]]
    csat = [a["satisfied"] for a in good if a["survey"] == "csat" and a["responded_at"] > at - 90 * 86400]
    share = sum(50 if s is None else 100 * s for s in csat) // len(csat) if csat else None
    nps = [
        (a["responded_at"], -(100 * (a["score"] - a["scale_min"]) // (a["scale_max"] - a["scale_min"])))
        for a in good
        if a["survey"] == "nps" and a["responded_at"] > at - 365 * 86400
    ]
    last = -max(nps)[1] if nps else None
    both = [value for value in (share, last) if value is not None]
    return {
        "csat_answers_90d": len(csat),
        "csat_90d": share,
        "last_nps": None if last is None else last // 10,
        "is_detractor": None if last is None else int(last < 70),
        "satisfaction": sum(both) // len(both) if both else None,
    }


def commercial(mine: World, clock: dict[str, int]) -> Row:
    at = clock.get("invoice", -1)
    bills = [b for b in mine["invoice"] if 0 <= b["created_at"] <= at]
    unpaid = [b for b in bills if b["status"] in ("open", "uncollectible")]
    late = [
        at // 86400 - b["due_date"] for b in unpaid if b["due_date"] is not None and 0 <= b["due_date"] < at // 86400
    ]
    now = clock.get("deal")
    deals = [] if now is None else [d for d in mine.get("deal", []) if 0 <= (d["created_at"] or 0) <= now]
    lost = [d for d in deals if d["won"] == 0 and d["close_date"] is not None and now is not None
            and 0 <= now // 86400 - d["close_date"] <= 89 and d["close_date"] >= 0]  # fmt: skip
    running = mine.get("subscription", []) if "subscription" in clock else []
    ending = [(s["cancel_at"] or 0) > clock["subscription"] for s in running]
    return {
        "overdue_days": max(late, default=0) if bills else None,
        "overdue_invoices": len(late) if "invoice" in clock else None,
        "failed_payments": sum(b["failed_attempts"] for b in unpaid) if "invoice" in clock else None,
        "cancellation_set": int(any(ending)) if running else None,
        "open_deals": None if now is None else sum(d["closed"] == 0 for d in deals),
        "open_renewals": None if now is None else sum(d["renewal"] for d in deals if d["closed"] == 0),
        "lost_renewals_90d": None if now is None else sum(d["renewal"] for d in lost),
    }


def verdict(card: Scorecard, level: Level, f: Row, fresh: dict[str, int]) -> Iterator[Any]:
    known, part, said = catalogue(level), card.level(level), []
    for signal in part.signals.values():
        kinds = known[signal.feature].kinds
        on, value = all(kind in fresh for kind in kinds), f[signal.feature]
        new = min((fresh[kind] for kind in kinds), default=100) if on else 0
        points = (signal.missing_points if value is None else curve(signal.knots, signal.shape, value)) if new else None
        said.append((signal, signal.weight if on else 0, new, points, value))
    total, weight = sum(w for _, w, _, _, _ in said), sum(w for _, w, _, p, _ in said if p is not None)
    coverage = sum(w * n for _, w, n, p, _ in said if p is not None) // total if total else 0
    mean, score = 300, None
    if coverage >= card.bands.min_coverage:
        root = isqrt(coverage * 10_000)
        mean = (300 * (1000 - root) * weight + root * sum(w * p for _, w, _, p, _ in said if p is not None)) // (
            1000 * weight
        )
        score = (mean - 100 + 2) // 4
    yield from (score, None if score is None else (mean + 50) // 100, mean, coverage)
    low = sorted((w * (p - 300), i) for i, (_, w, _, p, _) in enumerate(said) if p is not None and p < 300)
    families = {known[said[i][0].feature].family for _, i in low} - {"profile"}
    band, rule, lead = banded(card, level, score, len(families), f, fresh)
    yield band
    yield segments(part.segments, f)
    words = lead + [filled(said[i][0].reason, known, f) for _, i in low[:3]]
    missing = ", ".join(s.name.replace("_", " ") for s, w, _, p, _ in said if w and p is None)
    dark = f"unknown: {coverage} % of the data is there and fresh" + (f"; missing {missing}" if missing else "")
    yield (dark if score is None else f"{score}: {'; '.join(words) or 'nothing pulls it down'}")[:255]
    yield tuple((signal.name, p, w, value, new) for signal, w, new, p, value in said)
    yield {name: f[name] for name in card.features(level)}
    yield from (card.name, band, "", rule, None)


def filled(template: str, known: dict[str, Any], f: Row) -> str:
    return PLACEHOLDER.sub(lambda m: known[m[1]].unit.text(f[m[1]]), template)


def words_of(rule: str) -> set[str]:
    return set(re.findall(r"\w+", rule))


def banded(
    card: Scorecard, level: Level, score: int | None, families: int, f: Row, fresh: dict[str, int]
) -> tuple[str, str, list[str]]:
    """Band, name of the rule that sets it, and what goes before the signals in the reason line."""
    bands, known = card.bands, catalogue(level)
    if score is None:
        return "unknown", "", []
    band = "red" if score < bands.red_below else "yellow" if score < bands.green_from else "green"
    alone = band == "red" and level == "account" and families < bands.red_families
    rules, order = list(card.rules(level).values()), ["red", "yellow", "green"]
    said = judged([one.when for one in rules], f) if rules else ()
    holding = [
        one
        for one, true in zip(rules, said, strict=True)
        if true
        and all(fresh.get(kind, 100) > 0 for name in words_of(one.when) & set(known) for kind in known[name].kinds)
    ]
    grade = "yellow" if alone else band
    worst = min([grade, *(one.band for one in holding)], key=order.index)
    setting = [one for one in holding if one.band == worst]
    if setting:
        return worst, setting[0].name, [filled(setting[0].reason, known, f)]
    return worst, "", ["one kind of evidence, hence not red"] if alone else []


def curve(knots: tuple[tuple[int, int], ...], shape: str, value: int) -> int:
    below = [knot for knot in knots if knot[0] <= value]
    above = [knot for knot in knots if knot[0] > value]
    if not below or not above:
        return below[-1][1] if below else above[0][1]
    (x0, p0), (x1, p1) = below[-1], above[0]
    way = 0 if shape == "steps" else (value - x0) * abs(p1 - p0) // (x1 - x0)
    return p0 + way if p1 > p0 else p0 - way


def segments(rules: dict[str, Any], f: Row) -> tuple[str, ...]:
    held = judged([rule.rule for rule in rules.values()], f)
    true = {name for name, value in zip(rules, held, strict=True) if value}
    return tuple(sorted(name for name in true if not any(name in rules[other].outranks for other in true - {name})))


def judged(rules: list[str], f: Row) -> tuple[Any, ...]:
    """Rules are SQL text, so another SQL engine judges them."""
    names = sorted(f)
    select = ", ".join(f"({rule})" for rule in rules)
    row = SQLITE.execute(
        f"SELECT {select} FROM (SELECT {', '.join(f'? AS {n}' for n in names)})", [f[n] for n in names]
    ).fetchone()
    return tuple(row)
