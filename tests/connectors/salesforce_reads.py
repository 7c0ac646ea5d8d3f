"""What the tests of reading Salesforce have in common: pulling a stream, and what its batches say."""

from typing import Any

from connectors.base import Batch, Row
from connectors.salesforce import STREAMS, Salesforce
from connectors.salesforce_kinds import ACTIVITIES
from mapping.fields import FieldMap

BY_NAME = {stream.name: stream for stream in STREAMS if stream.name not in ACTIVITIES}
OBJECTS = {
    "users": "User",
    "accounts": "Account",
    "contacts": "Contact",
    "account_contacts": "AccountContactRelation",
    "opportunities": "Opportunity",
    "contact_roles": "OpportunityContactRole",
    "contracts": "Contract",
    "cases": "Case",
    "tasks": "Task",
    "survey_responses": "NPS_Response__c",
}
FIELD_MAP = FieldMap.load("salesforce")
WANTED = {stream: FIELD_MAP.paths(stream) for stream in FIELD_MAP.streams}


def pull(crm: Salesforce, name: str, cursor: str | None = None) -> list[Batch]:
    batches = list(crm.pull(BY_NAME[name], cursor))
    assert batches[-1].cursor is not None, "the last batch always carries a cursor"
    return batches


def rows(batches: list[Batch]) -> dict[str, Row]:
    return {row["Id"]: row for batch in batches for row in batch.rows}


def last(batches: list[Batch]) -> str:
    return [batch.cursor for batch in batches if batch.cursor is not None][-1]


def deleted(batches: list[Batch]) -> set[str]:
    return {one for batch in batches for one in batch.deleted}


def ids(org: Any, obj: str) -> list[str]:
    """Ids of all records that exist by now, in order."""
    org.vendor.tick(org.box.clock.now())
    table = org.vendor.org.tables[obj]
    return sorted(table.id_at(place) for place in table.places(org.vendor.org.now))


def asked(org: Any) -> list[str]:
    """Every request so far but for log-ins and what was refused for want of one."""
    pairs = zip(org.requests(), org.box.journal, strict=True)
    return [text for text, entry in pairs if entry.status != 401 and not text.endswith("/token")]
