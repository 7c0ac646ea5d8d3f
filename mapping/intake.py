"""Sorts the keys that come in: CRM or source, each record once, whatever the order."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import TypeVar

from mapping.links import AccountKeys, Member, PersonKeys

KeysT = TypeVar("KeysT", AccountKeys, PersonKeys)

_NONE: frozenset[str] = frozenset()


class Intake:
    """All keys, by source and id.

    Attributes:
        crm: Name of the CRM's source.
        crm_accounts: The CRM's accounts.
        crm_people: The CRM's people.
        accounts: Source -> id -> account, without the CRM's.
        people: Source -> id -> person, without the CRM's.
    """

    def __init__(
        self, crm: str, accounts: Iterable[AccountKeys], people: Iterable[PersonKeys], members: Iterable[Member]
    ) -> None:
        self.crm = crm
        self.accounts = _by_source(accounts, _both_accounts)
        self.people = _by_source(people, _both_people)
        self.crm_accounts = list(self.accounts.pop(crm, {}).values())
        self.crm_people = list(self.people.pop(crm, {}).values())
        self._groups: dict[str, dict[str, frozenset[str]]] = {}
        self._note_members(members)

    def _note_members(self, members: Iterable[Member]) -> None:
        for source, person_id, account_id in members:
            groups = self._groups.setdefault(source, {})
            held = groups.get(person_id, _NONE)
            if account_id not in held:
                groups[person_id] = held | {account_id}
                if source != self.crm and account_id not in self.accounts.setdefault(source, {}):
                    # Group keys need no profile: such an account is known by its key alone.
                    self.accounts[source][account_id] = AccountKeys(source, account_id, (), {"any": account_id})

    def groups(self, source: str, person_id: str) -> frozenset[str]:
        """Accounts of its source that a person is a member of or active in, beside the primary one."""
        return self._groups.get(source, {}).get(person_id, _NONE)

    def people_in(self, source: str, wanted: Container[str]) -> Iterator[tuple[str, str]]:
        """(person, account) for everybody who is in exactly one account of the source, when it is a wanted one."""
        groups = self._groups.get(source, {})
        for person_id, person in self.people.get(source, {}).items():
            ref = person.account_ref
            held = groups.get(person_id, _NONE)
            if len(held) > 1 or (held and ref and ref not in held):
                continue
            account_id = ref or next(iter(held), None)
            if account_id is not None and account_id in wanted:
                yield person_id, account_id


def _by_source(records: Iterable[KeysT], union: Callable[[KeysT, KeysT], KeysT]) -> dict[str, dict[str, KeysT]]:
    found: dict[str, dict[str, KeysT]] = {}
    source, ids = None, {}
    for record in records:
        if record[0] != source:
            source = record.source
            ids = found.setdefault(source, {})
        held = ids.setdefault(record[1], record)
        if held is not record and held != record:
            ids[record.source_id] = union(held, record)
    return found


def _both_accounts(one: AccountKeys, other: AccountKeys) -> AccountKeys:
    """Two versions of one record: all keys of both, so that the order in which they came does not matter."""
    domains = tuple(sorted({*one.domains, *other.domains}))
    return one._replace(domains=domains, external_ids=_both_ids(one.external_ids, other.external_ids))


def _both_people(one: PersonKeys, other: PersonKeys) -> PersonKeys:
    """The same for a person; of two primary addresses or accounts the lesser text is primary."""
    email = _lesser(one.email, other.email)
    emails = {one.email, other.email, *one.other_emails, *other.other_emails} - {email, None}
    return one._replace(
        email=email,
        other_emails=tuple(sorted(str(e) for e in emails)),
        external_ids=_both_ids(one.external_ids, other.external_ids),
        account_ref=_lesser(one.account_ref, other.account_ref),
        staff=one.staff or other.staff,
    )


def _both_ids(one: Mapping[str, str], other: Mapping[str, str]) -> Mapping[str, str]:
    return {system: _lesser(one.get(system), other.get(system)) or "" for system in {**one, **other}}


def _lesser(one: str | None, other: str | None) -> str | None:
    return min((text for text in (one, other) if text), default=None)
