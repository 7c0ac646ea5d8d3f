"""How bad what a task answers is: by the account's score and band, never by the playbook alone.

The risk is what the score lacks of 100, and no less than that of the best score which its band could have: a hard rule
or somebody's override may make an account red whose average looks fine. What a trigger or an escalation answers is not
in the score; by its priority it counts at least like a red account (high), like a yellow one (medium), or not at all.
"""

from typing import TYPE_CHECKING

from scoring.inputs import ScoreRow
from scoring.playbooks.model import Priority

if TYPE_CHECKING:
    from scoring.card import Bands

_BAND_OF: dict[Priority, str] = {"high": "red", "medium": "yellow", "low": "green"}


def risk(bands: "Bands", row: ScoreRow, urgency: Priority = "low") -> int:
    """1 (no worry) to 100.

    Args:
        bands: Where the card's bands lie.
        row: The account.
        urgency: Of an event that the score does not speak of.
    """
    lacking = 0 if row.score is None else 100 - row.score
    return max(1, lacking, _least(bands, row.band), _least(bands, _BAND_OF[urgency]))


def _least(bands: "Bands", band: str) -> int:
    """The risk of the best score that an account of a band could have."""
    return 101 - {"red": bands.red_below, "yellow": bands.green_from}.get(band, 100)
