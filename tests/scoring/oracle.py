"""The scorecard in plain Python, one account after the other: slow, obvious, and written without the SQL in sight."""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import isqrt
from typing import Any

from scoring.card import Scorecard
from scoring.cards import AnyCards, Cards
from scoring.features import catalogue
from scoring.inputs import Level
from scoring.signals import PLACEHOLDER
from tests.scoring.oracle_facts import commercial, relationship, support, survey
from tests.scoring.oracle_people import people_facts
from tests.scoring.oracle_release import since_release
from tests.scoring.oracle_segments import layers
from tests.scoring.oracle_usage import FAR, Use, product, usage

Row = dict[str, Any]
World = dict[str, list[Any]]
SQLITE = sqlite3.connect(":memory:")


def oracle(card: AnyCards, level: Level, world: World, now: int) -> Iterator[tuple[Any, ...]]:
    """What `scoring.engine.run` should yield, as plain tuples."""
    several = card.cards if isinstance(card, Cards) else (card,)
    clock, fresh = clocks(card, world, now)
    seen = watched(world, clock, now)
    mine = by_owner(level, world, clock.get("usage", -1) // 86400)
    span = reach(card, world, clock)
    facts = {row[level]: features(card, level, row, mine[row[level]], now, clock, span) for row in world[level]}
    for f in facts.values():
        blind(f, seen)
    ratios = sorted(f["ratio"] for f in facts.values() if f["ratio"] is not None)
    median = ratios[(len(ratios) + 1) // 2 - 1] if len(ratios) >= 30 else 0
    for f in facts.values():
        ratio = f["ratio"]
        f["usage_vs_peers"] = None if ratio is None else (100 * ratio // median if median else ratio // 10) - 100
    for key, of_people in people_facts(level, world, clock, now).items():
        facts[key] |= of_people
    if level == "account":
        layers(facts, world["account"], mine, clock, now)
    for row in sorted(world[level], key=lambda row: row[level]):
        f = facts[row[level]]
        rules = [one.level(level).only or "1" for one in several]
        taken = [one for one, holds in zip(several, judged(rules, f), strict=True) if holds]
        if taken:
            said = verdict(taken[0], level, f, fresh, card.features(level))
            yield (level, row[level], row["crm_id"], row.get("name"), row.get("owner_id"), *said)


def reach(card: AnyCards, world: World, clock: dict[str, int]) -> tuple[int | None, int | None]:
    """How many days of usage are on file, up to 90 and in all."""
    far = {"usage_vs_last_year", "season_change"} & set(card.features("account"))
    if "usage" not in clock:
        return None, None
    ages = [clock["usage"] // 86400 - row[0] for row in world["usage"]]
    opened = [age for age in ages if 0 <= age <= 90 or (far and age in FAR)]
    return (min(90, max(opened)), max(opened)) if opened else (None, None)


def by_owner(level: Level, world: World, today: int) -> dict[Any, World]:
    """Key -> table -> rows; usage as (person, age in days, count, event)."""
    mine: dict[Any, World] = defaultdict(lambda: defaultdict(list))
    for name in set(world) - {level, "usage", "feed"}:
        for row in world[name]:
            mine[row.get(level)][name].append(row)
    people = {row["person"]: row for row in world["usage_person"]}
    groups = {row["grp"]: row["account"] for row in world["usage_group"]}
    for day, person, grp, event, count in world["usage"]:
        who = people.get(person, {"contact": None, "account": None})
        account = groups.get(grp) if groups.get(grp) is not None else who["account"]
        if today - day in range(91) or today - day in FAR:
            member = ("contact", who["contact"]) if who["contact"] is not None else ("person", person)
            mine[account if level == "account" else who["contact"]]["usage"].append((member, today - day, count, event))
    return mine


def clocks(card: AnyCards, world: World, now: int) -> tuple[dict[str, int], dict[str, int]]:
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


def watched(world: World, clock: dict[str, int], now: int) -> dict[str, int]:
    """Kind -> whole days for which all of its sources were read before it was last known."""
    since: dict[str, int] = {}
    for feed in world["feed"]:
        first = now if feed["since"] is None else feed["since"]
        since[feed["record"]] = max(since.get(feed["record"], first), first)
    return {kind: (at - since[kind]) // 86400 for kind, at in clock.items()}


WATCHED = {
    **dict.fromkeys(("people_gone_90d", "sponsors_gone_90d", "champions_gone_90d"), (90, ["contact"])),
    "sponsors_changed_90d": (90, ["contact", "contact_role"]),
    **dict.fromkeys(("upgrades_365d", "downgrades_365d"), (365, ["account"])),
    "renewal_postponements": (90, ["deal"]),
}


def blind(f: Row, seen: dict[str, int]) -> None:
    """Nothing seen means nothing happened only after somebody watched for long enough."""
    for name, (days, kinds) in WATCHED.items():
        if f.get(name) == 0 and any(seen.get(kind, 0) < days for kind in kinds):
            f[name] = None
    if f.get("renewal_postponements") is None and "renewal_postponed_days" in f:
        f["renewal_postponed_days"] = None
    if f.get("upgrades_365d") is None and (f.get("days_since_growth") or 0) >= 365:
        f["days_since_growth"] = None  # a rise that nobody saw may lie between


def features(card: AnyCards, level: Level, own: Row, mine: World, now: int, clock: dict[str, int], span: Any) -> Row:
    since, made, day = own.get("customer_since"), own["created_at"], now // 86400
    age = day - made // 86400 if made is not None and 0 <= made <= now else None
    f: Row = dict.fromkeys(catalogue(level)) | {
        name: own.get(name) for name in ("plan", "mrr", "lifecycle", "channel", "title", "email_opt_out", "do_not_call")
    }
    if level == "account":
        f |= {f"{name}_share": wish(name, mine["contact"], clock) for name in ("email_opt_out", "do_not_call")}
    f |= {"contact_age_days": age, "customer_age_days": age if since is None else day - since if since <= day else None}
    logins = [row["last_login_at"] for row in ([own] if level == "contact" else mine["contact"])]
    at = clock.get("usage")
    linked = at is not None and len(mine["usage_person"]) + len(mine["usage_group"]) > 0
    use = Use(mine["usage"])
    f |= usage(use, [t for t in logins if t is not None and 0 <= t <= now], at, span, linked=linked)
    f |= product(own, use, at, span[0], card.product, linked=linked)
    f |= support(mine["ticket"], clock.get("ticket"), f["customer_age_days"])
    f |= survey(mine["survey"], clock.get("survey_response"), now)
    f |= since_release(mine, use, clock, span[0], day, linked=linked)
    f |= relationship(mine, clock) | commercial(own, mine, clock, now, f["customer_age_days"])
    f["upsell_ready"] = both_of(None if f["plan_use"] is None else f["plan_use"] >= 80,
                                None if f["active_users_change"] is None else f["active_users_change"] >= 10
                                ) if level == "account" else None  # fmt: skip
    f["busy_but_unhappy"] = both_of(None if f["csat_trend"] is None else f["csat_trend"] < 0,
                                    None if f["active_days_28d"] is None else f["active_days_28d"] >= 15)  # fmt: skip
    return f


def wish(name: str, people: Any, clock: dict[str, int]) -> int | None:
    """Percent of an account's people who want to be left alone."""
    return 100 * sum(row[name] == 1 for row in people) // len(people) if people and "contact" in clock else None


def both_of(one: object, other: object) -> int | None:
    """AND of what may not be known."""
    if one is False or other is False:
        return 0
    return None if one is None or other is None else 1


def verdict(card: Scorecard, level: Level, f: Row, fresh: dict[str, int], named: Iterable[str]) -> Iterator[Any]:
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
    yield {name: f[name] for name in named}
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
    alone = band == "red" and level == "account" and families < bands.red_families and bands.red_families > 1
    rules, order = list(card.rules(level).values()), ["red", "yellow", "green"]
    said = judged([one.when for one in rules], f)
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
    if not rules:
        return ()
    names = sorted(f)
    select = ", ".join(f"({rule})" for rule in rules)
    row = SQLITE.execute(
        f"SELECT {select} FROM (SELECT {', '.join(f'? AS {n}' for n in names)})", [f[n] for n in names]
    ).fetchone()
    return tuple(row)
