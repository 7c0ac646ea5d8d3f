"""What people say about an account's band: overrides with a reason and an end, and notes. Read, never written by a run.

The four fields belong to people. One that lacks its reason or its end is not applied but shown to a person, so that
nobody's word is lost and none holds for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from scoring.inputs import Band

Wish = Literal["green", "yellow", "red", "hold"]
WISHES: tuple[Wish, ...] = ("green", "yellow", "red", "hold")
"""What an override may say: a band, or that the band stays as it is (a known event such as a planned migration)."""


@dataclass(frozen=True, slots=True)
class Override:
    """A person's word on an account's band.

    Attributes:
        band: The band, or "hold": it stays as it is.
        until: The last day on which it holds, UTC.
        reason: Why, in the person's words.
    """

    band: Wish
    until: date
    reason: str

    @property
    def words(self) -> str:
        """`override green until 2026-12-01: renewal is signed`."""
        what = "held" if self.band == "hold" else f"override {self.band}"
        return f"{what} until {self.until}: {self.reason}"

    def settled(self, kept: Band) -> Band:
        """The band that it makes of the one that would be kept."""
        return kept if self.band == "hold" else self.band


@dataclass(frozen=True, slots=True)
class Refused:
    """An override that is not applied, with why in words."""

    why: str


def read_override(values: Mapping[str, object], today: date) -> Override | Refused | None:
    """What the three fields of an account say.

    Args:
        values: "band", "until" and "reason" as the CRM gives them; absent or None when empty.
        today: The day of the run, UTC.

    Returns:
        None when no band is given; `Refused` when one is that cannot be applied.
    """
    band = str(values.get("band") or "").strip().lower()
    if not band:
        return None
    wish = next((one for one in WISHES if one == band), None)
    if wish is None:
        return Refused(f"{band[:40]!r} is no band; allowed are {', '.join(WISHES)}")
    reason = " ".join(str(values.get("reason") or "").split())
    until = _day(values.get("until"))
    missing = [what for what, there in (("reason", reason), ("end date", until)) if not there]
    if missing or until is None:
        return Refused(f"override {band} has no {' and no '.join(missing)}")
    if until < today:
        return Refused(f"override {band} ended on {until}; clear it, or give it a later end date")
    return Override(wish, until, reason)


def _day(value: object) -> date | None:
    """A date; None for anything that is none."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value or "").strip()[:10])
    except ValueError:
        return None
