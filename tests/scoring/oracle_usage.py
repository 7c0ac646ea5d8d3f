"""Features of product usage in plain Python."""

from collections import Counter
from typing import Any

from scoring.product import Product

Row = dict[str, Any]
Span = tuple[int | None, int | None]
NOW, BEFORE, RECENT, EARLIER = range(1, 29), range(29, 57), range(1, 15), range(15, 29)
FAR = range(365, 421)


def changed(now: int | None, before: int | None, known: object, least: int) -> int | None:
    return 100 * now // before - 100 if known and now is not None and before is not None and before >= least else None


class Use:
    """The usage of one account or contact: (person, age in days, count, event)."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows
        self.near = [row for row in rows if row[1] <= 90]

    def events(self, days: range, *names: str) -> int:
        return sum(n for _, age, n, event in self.rows if age in days and (not names or event in names))

    def days(self, days: range, *names: str) -> set[int]:
        return {age for _, age, _, event in self.rows if age in days and (not names or event in names)}

    def people(self, days: range) -> set[Any]:
        return {who for who, age, _, _ in self.rows if age in days}

    def visits(self, days: range) -> int:
        return len({(who, age) for who, age, _, _ in self.rows if age in days})

    def names(self, days: range, among: tuple[str, ...]) -> set[str]:
        return {event for _, age, _, event in self.near if age in days and event in among}


def usage(use: Use, logins: list[int], at: int | None, span: Span, *, linked: bool) -> Row:
    history, far = span
    old = linked and history is not None and history >= 56
    e1, e2 = use.events(NOW), use.events(BEFORE)
    d1, d2 = len(use.days(NOW)), len(use.days(BEFORE))
    u1, u2 = len(use.people(NOW)), len(use.people(BEFORE))
    seen, recent = len(use.people(range(91))), len(use.people(range(29)))
    share = 100 * recent // seen if seen else 0 if history is not None and history >= 28 else None
    v1, v2 = use.visits(NOW), use.visits(BEFORE)
    r1, r2 = len(use.days(RECENT)), len(use.days(EARLIER))
    counts = {"events_28d": e1, "active_days_28d": d1, "active_users_28d": u1, "events_prev_28d": e2,
              "active_days_prev_28d": d2, "active_users_prev_28d": u2, "recent_users": recent, "seen_users": seen,
              "active_share": share, "events_per_user": e1 // u1 if u1 else None,
              "visit_events": e1 // v1 if v1 else None, "active_days_14d": r1, "active_days_prev_14d": r2}  # fmt: skip
    last = min((age for _, age, _, _ in use.near), default=None)
    ages = [] if last is None else [last]
    ages += [max(0, at // 86400 - t // 86400) for t in logins if at is not None]
    year, year_prev = use.events(range(365, 393)), use.events(range(393, 421))
    ratio = 1000 * e1 // e2 if old and e2 >= 10 else None
    return {
        **{name: value if linked else None for name, value in counts.items()},
        "days_since_login": min(ages, default=history if linked and history is not None and history > 0 else None),
        "active_users_change": changed(u1, u2, old, 3),
        "active_days_change": changed(d1, d2, old, 3),
        "usage_change": changed(e1, e2, old, 10),
        "ratio": ratio,
        "visit_change": 100 * (e1 * v2) // (e2 * v1) - 100 if old and v1 >= 3 and v2 >= 3 else None,
        "momentum": changed(r1, r2, linked and history is not None and history >= 28, 3),
        "silence": 100 * last * d2 // 28 if old and d2 >= 3 and last is not None else None,
        "top_user_quiet": _top(use) if old else None,
        "usage_vs_last_year": changed(e1, year, linked and far is not None and far >= 392, 10),
        "season_change": 100 * (ratio * year_prev) // (1000 * year) - 100
        if far is not None and far >= 420 and year_prev >= 10 and year > 0 and ratio is not None
        else None,
    }


def _top(use: Use) -> int | None:
    """Whether a person with most events before is silent since, today included."""
    before = Counter[Any]()
    for who, age, n, _ in use.rows:
        if age in BEFORE:
            before[who] += n
    most = max(before.values(), default=0)
    if most < 10:
        return None
    return int(any(n == most and who not in use.people(range(29)) for who, n in before.items()))


def product(own: Row, use: Use, at: int | None, history: int | None, said: Product, *, linked: bool) -> Row:
    """What rests on the card's words about events."""
    f: Row = {}
    if linked:
        used = use.names(NOW, said.offered)
        f |= {"features_used_28d": len(used)}
        plan = (own.get("plan") or "").lower()
        offers = {name.lower(): set(events) for name, events in said.plans.items()}
        if own.get("plan") is not None and plan in offers:
            offer = offers[plan]
            f |= {"plan_use": 100 * len(used & offer) // len(offer) if offer else None,
                  "unused_features": len(offer - used), "features_beyond_plan": len(used - offer),
                  "cross_sell_ready": int(bool(used - offer))}  # fmt: skip
        daily, weekly, monthly = said.daily, said.weekly, said.monthly
        k1, k2 = use.events(NOW, *said.key_actions), use.events(BEFORE, *said.key_actions)
        f |= {"key_actions_28d": k1, "key_actions_prev_28d": k2, "content_28d": use.events(NOW, *said.content)}
        old = history is not None and history >= 56
        f["key_actions_change"] = changed(k1, k2, old, 10)
        for days, suffix in ((NOW, "28d"), (BEFORE, "prev_28d")):
            f[f"daily_action_days_{suffix}"] = len(use.days(days, *daily))
            f[f"weekly_action_weeks_{suffix}"] = len({(age - 1) // 7 for age in use.days(days, *weekly)})
            f[f"monthly_action_days_{suffix}"] = len(use.days(days, *monthly))
        habits = (("daily_action_days", 12), ("weekly_action_weeks", 3), ("monthly_action_days", 1))
        lost = sum(f[f"{name}_28d"] < least <= f[f"{name}_prev_28d"] for name, least in habits)
        f["lost_rhythms"] = lost if old else None
        f |= _sessions(use, said, old=old)
    return f | (_first_weeks(own, use, at, history, said) if linked and at is not None else {})


def _sessions(use: Use, said: Product, *, old: bool) -> Row:
    if said.sessions is None:
        return {}
    starts = [use.events(days, said.sessions.start) for days in (NOW, BEFORE)]
    beats = [use.events(days, said.sessions.beat) for days in (NOW, BEFORE)]
    minutes = [said.sessions.minutes * b // s if s else None for s, b in zip(starts, beats, strict=True)]
    return {
        "session_minutes": minutes[0],
        "session_minutes_prev": minutes[1],
        "session_change": changed(minutes[0], minutes[1], old and min(starts) >= 10, 1),
    }


def _first_weeks(own: Row, use: Use, at: int, history: int | None, said: Product) -> Row:
    since = own.get("customer_since")
    if since is None or not 0 <= since <= at // 86400 or history is None:
        return {}
    first = at // 86400 - since
    if history < first:
        return {}
    f: Row = {}
    if 7 <= first <= 62:
        days = range(max(1, first - 29), first + 1)
        f["activation"] = 100 * len(use.days(days)) // len(days)
    if first <= 90 and said.onboarding:
        done = 100 * len(use.names(range(91), said.onboarding)) // len(said.onboarding)
        f |= {"onboarding_progress": done, "onboarding_lag": max(0, 100 * min(first, 30) // 30 - done)}
    return f
