"""Who the keys in survey answers mean: what a link carried, as the CRM or the product calls them."""

from dataclasses import dataclass

from sandbox.core import hubspot_company_id, hubspot_contact_id
from sandbox.model import World
from sandbox.model_answers import SurveyAnswer
from sandbox.salesforce_ids import account_id, contact_id


@dataclass(frozen=True, slots=True)
class Given:
    """What an answer tells of who gave it; "" for nothing.

    Attributes:
        account: The account, as the CRM or the product calls it.
        contact: The person, likewise.
        email: Their address, as the link carried it.
        asked: Their address, as they gave it in the survey.
    """

    account: str = ""
    contact: str = ""
    email: str = ""
    asked: str = ""


class Keys:
    """The keys of answers.

    Args:
        world: What is true.
        crm: Whose ids links carry: "hubspot" or "salesforce".
    """

    def __init__(self, world: World, crm: str) -> None:
        self._world = world
        self._crm = crm

    def given(self, answer: SurveyAnswer) -> Given:
        """What an answer tells."""
        person = self._world.people[answer.person_id - 1]
        company = self._world.companies[answer.company_id - 1]
        if answer.key == "email":
            return Given(email=person.email or "")
        if answer.key == "asked":
            return Given(asked=person.email or "")
        if answer.key == "none":
            return Given()
        if answer.key == "product":
            contact = "" if answer.account_only else person.product_user_id or ""
            return Given(company.product_id, contact)
        account = self._account(company.id)
        return Given(account, "" if answer.account_only else self._contact(person.id))

    def _account(self, world_id: int) -> str:
        return str(hubspot_company_id(world_id)) if self._crm == "hubspot" else account_id(world_id)

    def _contact(self, world_id: int) -> str:
        return str(hubspot_contact_id(world_id)) if self._crm == "hubspot" else contact_id(world_id)

    def truth(self, answers: list[SurveyAnswer]) -> dict[str, dict[str, int]]:
        """Every key of these answers -> the world id that it means; addresses as `plain` writes them."""
        accounts: dict[str, int] = {}
        contacts: dict[str, int] = {}
        for answer in answers:
            given = self.given(answer)
            person = self._world.people[answer.person_id - 1]
            if given.account:
                accounts[given.account] = answer.company_id
            for key in filter(None, (given.contact, plain(given.email), plain(given.asked))):
                contacts[key] = person.duplicate_of or person.id
        return {"account": accounts, "contact": contacts}


def plain(address: str) -> str:
    """An address in small letters, its domain in ASCII."""
    name, at, domain = address.strip().lower().rpartition("@")
    return f"{name}{at}{domain.encode('idna').decode()}" if domain else ""
