"""Roles of people in plain Python."""

from typing import Any

from scoring.inputs import Level

Row = dict[str, Any]
NAMES = ("user", "team", "economic_buyer", "executive_sponsor")
WORDS = (
    (3, ("sponsor", "chief", "ceo", "coo", "cto", "cio", "president", "vp", "svp", "evp", "founder",
         "managing director")),
    (2, ("economic buyer", "economic decision maker", "decision maker", "budget holder", "cfo", "procurement",
         "purchasing", "finance director", "head of finance")),
    (1, ("champion", "influencer", "evaluator", "technical buyer", "administrator", "admin", "manager", "lead",
         "head of", "director", "coordinator", "blocker", "legal and compliance")),
    (0, ("end user", "business user", "user", "analyst", "specialist", "associate", "representative", "agent")),
)  # fmt: skip
HELPER = ("assistant", "secretary", "intern", "trainee", "office of")


def rank(text: str) -> int | None:
    for mark in ",;/-&()_":
        text = text.replace(mark, " ")
    text = f" {text.lower()} "
    if any(f" {word} " in text for word in HELPER):
        return 0
    return next((place for place, words in WORDS if any(f" {word} " in text for word in words)), None)


def role(parts: list[str], title: str | None) -> str | None:
    """By the parts in deals, else by the title."""
    found = [place for part in parts if (place := rank(part)) is not None]
    place = max(found) if found else rank(title or "")
    return None if place is None else NAMES[place]


def people_facts(level: Level, world: dict[str, list[Any]], clock: dict[str, int], now: int) -> dict[Any, Row]:
    parts: dict[int, list[str]] = {}
    for row in world["contact_role"]:
        parts.setdefault(row["contact"], []).append(row["role"])
    roles = {row["contact"]: role(parts.get(row["contact"], []), row["title"]) for row in world["contact"]}
    if level == "contact":
        return {person: {"role": said} for person, said in roles.items()}
    found = {}
    for account in (row["account"] for row in world["account"]):
        mine = [row for row in world["contact"] if row["account"] == account]
        sponsors = [row for row in mine if roles[row["contact"]] == "executive_sponsor"]
        f: Row = {"buyers_known": None, "sponsors_known": None, "sponsors_active": None}
        if "contact" in clock:
            f["buyers_known"] = sum(roles[row["contact"]] == "economic_buyer" for row in mine)
            f["sponsors_known"] = len(sponsors)
        if sponsors:
            seen = [active(row, world, clock.get("activity"), now) for row in sponsors]
            f["sponsors_active"] = sum(map(bool, seen)) if seen != [None] * len(seen) else None
        found[account] = f
    return found


def active(person: Row, world: dict[str, list[Any]], at: int | None, now: int) -> bool | None:
    login = person["last_login_at"]
    if login is not None and now - 90 * 86400 < login <= now:
        return True
    return (
        None
        if at is None
        else any(
            act["contact"] == person["contact"]
            and at - 90 * 86400 < act["happened_at"] <= at
            and act["closed"] in (None, 1)
            and (act["activity"] in ("call", "meeting") or (act["activity"] == "email" and act["inbound"] == 1))
            for act in world["activity"]
        )
    )
