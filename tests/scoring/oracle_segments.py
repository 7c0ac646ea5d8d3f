"""Stage, fifths and their names in plain Python; the grid is written out a second time, as the docs show it."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]
World = dict[str, list[Any]]

NAMES = """
new            potential_loyalist potential_loyalist champions   champions
promising      potential_loyalist loyal              champions   champions
about_to_sleep about_to_sleep     needs_attention    loyal       loyal
hibernating    hibernating        at_risk            at_risk     at_risk
lost           hibernating        at_risk            cannot_lose cannot_lose
"""
"""From the most recent fifth down; from the smallest fifth of frequency and money to the largest."""
GRID = [line.split() for line in NAMES.split("\n") if line]


def layers(facts: Mapping[int, Row], rows: Sequence[Row], mine: Mapping[int, World], clock: Row, now: int) -> None:
    """Add the layers of every account to its facts, in place."""
    recency, frequency, money = {}, {}, {}
    for row in rows:
        key, f = row["account"], facts[row["account"]]
        won = bought(mine[key], clock.get("deal"))
        customer = is_customer(f, row, won, now)
        f["stage"] = stage(f, customer, won)
        if customer is False:
            continue
        days = f["days_since_login"] if "usage" in clock else f["days_since_purchase"]
        recency[key] = None if days is None else -days
        frequency[key] = f["active_days_28d"] if "usage" in clock else f["purchases_365d"]
        paid = [d["amount"] for d in won if year(d, clock["deal"]) and d["amount"] is not None]
        money[key] = 12 * f["mrr"] if f["mrr"] is not None else sum(paid) if paid else None
    places = [fifths(values) for values in (recency, frequency, money)]
    for row in rows:
        r, t, m = (place.get(row["account"]) for place in places)
        facts[row["account"]] |= {"rfm_recency": r, "rfm_frequency": t, "rfm_monetary": m, "rfm": rfm(r, t, m)}


def bought(of_one: World, at: int | None) -> list[Row]:
    """The deals won."""
    return [] if at is None else [d for d in of_one["deal"] if 0 <= (d["created_at"] or 0) <= at and d["won"] == 1]


def year(deal: Row, at: int) -> bool:
    return deal["close_date"] is not None and deal["close_date"] >= 0 and 0 <= at // 86400 - deal["close_date"] < 365


def is_customer(f: Row, own: Row, won: list[Row], now: int) -> bool | None:
    if f["lifecycle"]:
        return f["lifecycle"].lower() in ("customer", "evangelist")
    begun = own.get("customer_since") is not None and own["customer_since"] <= now // 86400
    if begun or won or (f["mrr"] or 0) > 0 or (f["subscriptions"] or 0) > 0:
        return True
    return False if f["open_deals"] else None


def stage(f: Row, customer: bool | None, won: list[Row]) -> str | None:  # noqa: FBT001 - one of three answers
    if customer is None:
        return None
    word = (f["lifecycle"] or "").lower()
    if not customer:
        leads = ("", "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "prospect")
        return "prospect" if word in leads else None
    return stage_of_customer(f, word, won)


def stage_of_customer(f: Row, word: str, won: list[Row]) -> str:
    age, due = f["customer_age_days"], f["days_to_renewal"]
    falling = {"usage_vs_peers": -30, "active_users_change": -40, "purchase_change": -40}
    if age is not None and age < 30:
        return "onboarding"
    if f["cancellation_set"] or any(f[name] is not None and f[name] <= most for name, most in falling.items()):
        return "at_risk"
    if (due is not None and 0 <= due <= 60) or (f["renewal_overdue_days"] or 0) > 0:
        return "renewal"
    if word == "evangelist" or (f["promoters"] and f["detractors"] == 0):
        return "advocate"
    lasting = age is not None and age >= 365 and (f["mrr"] or 0) > 0
    return "repeat" if len(won) >= 2 or lasting else "first_time"


def fifths(values: Mapping[int, int | None]) -> dict[int, int]:
    """Where each value stands: 1 for the lowest fifth; equal ones together, where their middle lies."""
    known = sorted(value for value in values.values() if value is not None)
    if len(known) < 10:
        return {}
    middle = {value: (known.index(value) + len(known) - known[::-1].index(value)) / 2 for value in known}
    return {key: 1 + int(5 * middle[value] / len(known)) for key, value in values.items() if value is not None}


def rfm(recency: int | None, frequency: int | None, money: int | None) -> str | None:
    both = [value for value in (frequency, money) if value is not None]
    if recency is None or not both:
        return None
    return GRID[5 - recency][-(-sum(both) // len(both)) - 1]
