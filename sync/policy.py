"""What the admin allows to be written, and how."""

from dataclasses import dataclass
from typing import Literal

HumanEdits = Literal["keep", "overwrite"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the admin allows to be written.

    Attributes:
        budget_share: Part of the CRM's daily calls that the writing of one run may take.
    """

    human_edits: HumanEdits = "keep"
    contacts: bool = True
    tasks: bool = True
    fallback_owner: str | None = None
    budget_share: float = 0.10
