"""What scoring, identity and planning read out of the state file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.base import Value
from mapping.identity import AccountKeys, Member, PersonKeys
from scoring.inputs import Inputs
from sync.store import Store


@dataclass(frozen=True, slots=True)
class IdentityKeys:
    """The arguments of `mapping.identity.resolve`; the iterables read as they go, once."""

    accounts: Iterable[AccountKeys]
    people: Iterable[PersonKeys]
    members: Iterable[Member]
    merged: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """A live CRM account or contact as the plan needs it.

    Attributes:
        crm_id: The CRM's id.
        name: The account's name; a contact's e-mail address or id.
        owner_id: CRM id of the owner, None when there is none.
        owner_name: The owner's name, empty when unknown.
        owner_active: Whether tasks may go to that owner; False when there is none or the CRM does not list them.
        values: What the CRM says in our own fields; a field that is absent is empty.
    """

    crm_id: str
    name: str
    owner_id: str | None
    owner_name: str
    owner_active: bool
    values: Mapping[str, Value]


def inputs(store: Store, as_of: datetime, *, crm: str, sources: Iterable[str] | None = None) -> Inputs:
    """What the engine reads to score as of an instant.

    Args:
        as_of: The instant; what the store learned later is not seen.
        crm: Name of the CRM's source.
        sources: Names of the configured sources, None for all that were ever pulled.
    """
    raise NotImplementedError


def identity_keys(store: Store, *, crm: str) -> IdentityKeys:
    """What `mapping.identity.resolve` needs, read page by page."""
    raise NotImplementedError


def accounts_for_plan(store: Store, *, crm: str) -> Iterator[CrmRecord]:
    """Every live CRM account, by key."""
    raise NotImplementedError


def contacts_for_plan(store: Store, *, crm: str) -> Iterator[CrmRecord]:
    """Every live CRM contact, by key."""
    raise NotImplementedError
