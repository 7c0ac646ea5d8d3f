"""Tickets as Salesforce cases: those made by hand in the CRM, and an integration's copies of the help desk's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sandbox.hubspot_render import HandTicket, mixed, to_ms
from sandbox.model import Person, SupportTicket, World
from sandbox.salesforce_base import ADMINISTRATOR, Renderer
from sandbox.salesforce_ids import contact_id
from sandbox.zendesk_desk import ticket_id as zendesk_ticket_id
from sandbox.zendesk_render import SUBJECTS


@dataclass(frozen=True, slots=True)
class CopiedTicket:
    """A help desk ticket that an integration copied into the org."""

    index: int
    ticket: SupportTicket


Ticket = HandTicket | CopiedTicket


def copies(world: World, share: float) -> Iterator[CopiedTicket]:
    """The help desk tickets of which there is a copy; `share` is how many of them, 0 to 1."""
    for index, ticket in enumerate(world.tickets):
        if mixed(ticket.id + 5) < share * 0x1_0000_0000:
            yield CopiedTicket(index, ticket)


def case_renderers(accounts: Mapping[int, str], people: Mapping[int, Person]) -> dict[str, Renderer]:
    """How to work a case's fields out.

    Args:
        accounts: Company world id -> account id.
        people: Person world id -> person, of those who are in the CRM.
    """
    return {
        **CASE,
        "AccountId": lambda t, _: None if _orphan(t, people) else accounts.get(_company_of(t)),
        "ContactId": lambda t, _: _case_contact(t, people),
    }


def _company_of(ticket: Ticket) -> int:
    return ticket.company_id if isinstance(ticket, HandTicket) else ticket.ticket.company_id


def _case_contact(ticket: Ticket, people: Mapping[int, Person]) -> str | None:
    if isinstance(ticket, HandTicket) or ticket.ticket.person_id not in people:
        return None
    return contact_id(ticket.ticket.person_id)


def _orphan(ticket: Ticket, people: Mapping[int, Person]) -> bool:
    """Whether the integration left the account out, as one copy in ten has it: the contact alone tells whose it is."""
    return _case_contact(ticket, people) is not None and mixed(_company_of(ticket) + ticket_number(ticket)) % 10 == 0


def ticket_number(ticket: Ticket) -> int:
    """A ticket's own number, whoever made it."""
    return ticket.id if isinstance(ticket, HandTicket) else ticket.index


def _solved(ticket: Ticket, now: int) -> int | None:
    """When it was closed, once that has happened."""
    if isinstance(ticket, HandTicket):
        at = ticket.closed_at
    else:
        at = None if ticket.ticket.solved_at is None else to_ms(ticket.ticket.solved_at)
    return at // 1000 * 1000 if at is not None and at <= now else None


def _case_priority(ticket: Ticket) -> str | None:
    priority = ticket.priority if isinstance(ticket, HandTicket) else ticket.ticket.priority
    words = {"low": "Low", "normal": "Medium", "medium": "Medium", "high": "High", "urgent": "High"}
    return None if priority is None else words[priority.lower()]


def _case_status(ticket: Ticket, now: int) -> str:
    if _solved(ticket, now) is not None:
        return "Closed"
    return ("New", "Working")[ticket_number(ticket) % 2]


def _subject(ticket: Ticket) -> str:
    return ticket.subject if isinstance(ticket, HandTicket) else SUBJECTS[ticket.index % len(SUBJECTS)]


CASE: Mapping[str, Renderer] = {
    "Subject": lambda t, _: _subject(t),
    "Status": _case_status,
    "Priority": lambda t, _: _case_priority(t),
    "ClosedDate": _solved,
    "Origin": lambda t, _: "Web" if isinstance(t, CopiedTicket) else "Email",
    "OwnerId": lambda _t, _: ADMINISTRATOR,
    "Zendesk_Ticket_Id__c": lambda t, _: str(zendesk_ticket_id(t.index)) if isinstance(t, CopiedTicket) else None,
}
