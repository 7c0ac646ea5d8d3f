"""The words of surveys: who answered what, and by which key the answer tells who that was."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Survey = Literal["nps", "csat", "ces"]
Key = Literal["crm", "product", "email", "asked", "none"]


@dataclass(frozen=True, slots=True)
class SurveyAnswer:
    """One answer.

    Attributes:
        id: World id, one row of numbers for all surveys.
        survey: Relationship NPS (0-10), or after a project satisfaction (1-5) or effort (1-7, 7 is easiest).
        company_id: Home company of whoever answered.
        person_id: World id of whoever answered, also where the answer does not say it.
        score: On the survey's scale.
        at: When it was sent.
        key: What the link in the invitation carried: the CRM's ids, the product's ids, or the address; "asked" where
            the survey itself asks for the address, "none" where nobody can know.
        account_only: Of "crm" and "product": the link carried the account alone.
        comment: What they wrote; None for nothing.
    """

    id: int
    survey: Survey
    company_id: int
    person_id: int
    score: int
    at: datetime
    key: Key
    account_only: bool
    comment: str | None
