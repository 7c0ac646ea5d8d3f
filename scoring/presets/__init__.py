"""Scorecards to start from, by the size of a company and whom it sells to; TOML files beside this one."""

from dataclasses import dataclass
from importlib import resources

from scoring.card import Scorecard
from scoring.errors import CardError, nearest


@dataclass(frozen=True, slots=True)
class Preset:
    """A scorecard to start from.

    Attributes:
        name: What `holdfast card new` calls it.
        meant: Whom it is for, and what comes first on it.
    """

    name: str
    meant: str

    @property
    def text(self) -> str:
        """The card as TOML."""
        folder = resources.files("scoring")
        file = folder / "default.toml" if self.name == "default" else folder / "presets" / f"{self.name}.toml"
        return file.read_text("utf-8")

    def card(self) -> Scorecard:
        """The card, checked."""
        return Scorecard.parse(self.text, f"{self.name}.toml")


PRESETS = (
    Preset("default", "A SaaS company: sign-ins, active users, use against peers, tickets, satisfaction, payments."),
    Preset("small_b2b", "A small firm that sells to firms: support and feedback come first."),
    Preset("small_b2c", "A small firm that sells to people: support and feedback first, segments for soft touches."),
    Preset("large_b2b", "A large firm that sells to firms: a score over all families, people and renewals among them."),
    Preset("large_b2c", "A large firm that sells to people: segments by use come first, tasks only for the few."),
    Preset("onboarding", "The first 30 days of every customer; put it before another card."),
)
"""Every card that comes with the program, the default one first."""


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        CardError: There is none; names the nearest.
    """
    for one in PRESETS:
        if one.name == name:
            return one
    names = [one.name for one in PRESETS]
    raise CardError(f"no scorecard {name!r} to start from{nearest(name, names)}; there are {', '.join(names)}")
