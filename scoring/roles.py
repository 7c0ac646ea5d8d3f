"""What part people play at a customer: user, team, economic buyer or executive sponsor, by stated words.

The part that the CRM names in a deal (Salesforce's contact roles, such as Economic Buyer) counts before the job title;
of several the most senior. A word counts where it stands by itself, whatever its case. Nothing found means not known:
nobody is taken for a user because the title says nothing.
"""

from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from scoring.inputs import Level
from scoring.product import quoted

ROLES = ("user", "team", "economic_buyer", "executive_sponsor")
"""Every role, the most senior last."""

_MARKS = ",;/-&()_"
_FORBIDDEN = "%'\""


def plain(text: str) -> str:
    """Small letters, marks between words taken out."""
    text = text.lower()
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return text


def _word(text: str) -> str:
    word = " ".join(plain(text).split())
    if len(word) < 2 or any(sign in word for sign in _FORBIDDEN):
        raise ValueError("a word has at least two letters and none of % ' \"")
    return word


Word = Annotated[str, Field(min_length=2, max_length=80), AfterValidator(_word)]
Words = Annotated[tuple[Word, ...], Field(max_length=100)]


class Roles(BaseModel):
    """The words. A list that a card gives takes the place of the one here."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    helper: Words = Field(
        ("assistant", "secretary", "intern", "trainee", "office of"),
        description="Words that make a user of whoever helps somebody senior, before all others.",
    )
    executive_sponsor: Words = Field(
        ("executive sponsor", "sponsor", "chief", "ceo", "coo", "cto", "cio", "president", "vp", "svp", "evp",
         "founder", "managing director"),
        description="Words of those who answer for the whole.",
    )  # fmt: skip
    economic_buyer: Words = Field(
        ("economic buyer", "economic decision maker", "decision maker", "budget holder", "cfo",
         "procurement", "purchasing", "finance director", "head of finance"),
        description="Words of those who decide on the money.",
    )  # fmt: skip
    team: Words = Field(
        ("champion", "influencer", "evaluator", "technical buyer", "administrator", "admin", "manager", "lead",
         "team lead", "head of", "director", "coordinator", "blocker", "legal and compliance"),
        description="Words of those who lead the work or run the product.",
    )  # fmt: skip
    user: Words = Field(
        ("end user", "business user", "user", "analyst", "specialist", "associate", "representative", "agent"),
        description="Words of those who work with the product.",
    )


def rank_sql(said: str, roles: Roles) -> str:
    """Place among `ROLES` from 1 on of a text between blanks, NULL when no word stands in it."""
    lists = ((roles.helper, 1), *((getattr(roles, name), ROLES.index(name) + 1) for name in reversed(ROLES)))
    cases = [
        f"WHEN {' OR '.join(f'{said} LIKE ' + quoted(f'% {word} %') for word in words)} THEN {rank}"
        for words, rank in lists
        if words
    ]
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS BIGINT)"


def _said(column: str) -> str:
    said = f"LOWER({column})"
    for mark in _MARKS:
        said = f"REPLACE({said}, '{mark}', ' ')"
    return f"' ' || {said} || ' '"


_NAMES = " ".join(f"WHEN {rank} THEN '{name}'" for rank, name in enumerate(ROLES, 1))
_MET = "activity.activity IN ('call', 'meeting') OR (activity.activity = 'email' AND activity.inbound = 1)"
_SEEN = (
    "CASE WHEN one.login > clock.now - 90 * 86400 THEN 1 WHEN clock.activity_at IS NULL THEN NULL "
    "WHEN people_met.met > clock.activity_at - 90 * 86400 THEN 1 ELSE 0 END AS seen"
)
"""Whether a person signed in, wrote to us, or spoke or met with us in 90 days; NULL where nobody could know."""


def people_chain(level: Level, wanted: Collection[str], roles: Roles) -> list[tuple[str, str]]:
    """The steps to one row per person with `role` and, where wanted, `seen`; the key is the account or the person."""
    part = (
        f"SELECT person, MAX({rank_sql('said', roles)}) AS part FROM (SELECT contact_role.contact AS person, "
        f"{_said('contact_role.role')} AS said FROM contact_role WHERE NOT contact_role.role IS NULL) AS one "
        "GROUP BY person"
    )
    person = (
        f"SELECT contact.{level} AS key, contact.contact AS person, {_said('contact.title')} AS said"
        + (", CASE WHEN contact.last_login_at <= clock.now THEN contact.last_login_at END AS login"
           " FROM contact CROSS JOIN clock" if "seen" in wanted else " FROM contact")
        + f" WHERE NOT contact.{level} IS NULL"
    )  # fmt: skip
    rank = f"COALESCE(people_part.part, {rank_sql('one.said', roles)})"
    rows = f"SELECT one.key AS key, CASE {rank} {_NAMES} END AS role"
    joined = "FROM people_one AS one LEFT JOIN people_part ON people_part.person = one.person"
    steps = [("people_part", part), ("people_one", person)]
    if "seen" in wanted:
        met = (
            "SELECT activity.contact AS person, MAX(activity.happened_at) AS met FROM activity CROSS JOIN clock "
            "WHERE NOT activity.contact IS NULL AND activity.happened_at BETWEEN 0 AND clock.activity_at "
            f"AND COALESCE(activity.closed, 1) = 1 AND ({_MET}) GROUP BY activity.contact"
        )
        steps.append(("people_met", met))
        rows += f", {_SEEN}"
        joined += " LEFT JOIN people_met ON people_met.person = one.person CROSS JOIN clock"
    return [*steps, ("people_rows", f"{rows} {joined}")]
