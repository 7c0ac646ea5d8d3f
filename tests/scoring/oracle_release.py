"""What follows a release, in plain Python."""

from typing import Any

from tests.scoring.oracle_usage import Row, Use, changed

DAY = 86400


def since_release(
    mine: Any, use: Use, clock: dict[str, int], history: int | None, today: int, *, linked: bool
) -> dict[str, Any]:
    """Of an account; a contact has no releases of its own."""
    on: list[Row] = [one for one in mine["release"] if one["first_day"] <= today <= one["last_day"]]
    if not on:
        return {}
    first = max(one["first_day"] for one in on)
    f: dict[str, Any] = {"days_since_release": today - first}
    if "ticket" in clock:
        made = [t["created_at"] for t in mine["ticket"] if 0 <= t["created_at"] <= clock["ticket"]]
        f["tickets_since_release"] = sum(at // DAY >= first for at in made)
    if "usage" in clock:
        days = clock["usage"] // DAY - first
        known = linked and history is not None and history >= 56 and 3 <= days <= 28
        back = -(-days // 7) * 7
        now, before = use.visits(range(1, days + 1)), use.visits(range(1 + back, days + 1 + back))
        f["use_since_release"] = changed(now, before, known, 10)
    return f
