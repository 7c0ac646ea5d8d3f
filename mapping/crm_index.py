"""The CRM's side of the matching: every key by which a CRM record can be found."""

from collections.abc import Collection, Iterable, Mapping

from mapping import normalise
from mapping.domains import Mailboxes, Owners
from mapping.links import AccountKeys, PersonKeys

Found = str | frozenset[str] | None
"""What a key finds: nothing, one CRM id, or several."""

SHARED_SYSTEMS = ("product", "any")
"""Names in `external_ids` under which several systems share an id; any other name but "crm" is that of a source."""


class Index(dict[object, Found]):
    """Key -> the CRM ids that have it. A bare id where there is one, which is nearly always."""

    def note(self, key: object, crm_id: str) -> None:
        """One more record has this key."""
        held = self.setdefault(key, crm_id)
        if held != crm_id:
            self[key] = as_set(held) | {crm_id}


def as_set(found: Found) -> frozenset[str]:
    """Any finding as a set."""
    if found is None:
        return frozenset()
    return frozenset((found,)) if isinstance(found, str) else found


class Records:
    """The live CRM records of one kind, by id, with what was merged away leading to what stayed."""

    def __init__(self, ids: Iterable[str], merged: Mapping[str, str]) -> None:
        self._ids = frozenset(ids)
        self._live = {normalise.crm_key(crm_id): crm_id for crm_id in sorted(self._ids)}
        self._merged = {normalise.crm_key(loser): normalise.crm_key(winner) for loser, winner in merged.items()}

    def find(self, crm_id: str | None) -> str | None:
        """The live record that this id means, as the CRM writes it; None when there is none."""
        if not crm_id or crm_id in self._ids:
            return crm_id or None
        key = normalise.crm_key(crm_id)
        for _ in range(len(self._merged) + 1):  # a circle of merges ends too
            if key in self._live:
                return self._live[key]
            if key not in self._merged:
                break
            key = self._merged[key]
        return None


class Accounts:
    """CRM accounts by stored id, shared id and domain."""

    def __init__(self, accounts: Collection[AccountKeys], merged: Mapping[str, str], mailboxes: Mailboxes) -> None:
        self.records = Records((account.source_id for account in accounts), merged)
        self.stored, self.shared = Index(), Index()
        self.owners = Owners(mailboxes)
        for account in accounts:
            _note_ids(account.external_ids, account.source_id, self.stored, self.shared)
            for domain in account.domains:
                self.owners.add(domain, account.source_id)


class Contacts:
    """CRM contacts by stored id, shared id and address. Staff and shared inboxes are found by stored ids only."""

    def __init__(
        self,
        people: Collection[PersonKeys],
        merged: Mapping[str, str],
        mailboxes: Mailboxes,
        accounts: Records,
        *,
        plus_tag: bool,
    ) -> None:
        self.records = Records((person.source_id for person in people), merged)
        self.stored, self.shared = Index(), Index()
        self.primary, self.additional, self.plus = Index(), Index(), Index()
        self.account: dict[str, str | None] = {}
        for person in people:
            self.account[person.source_id] = accounts.find(person.account_ref)
            findable = not person.staff and mailboxes.kind(person.email) == "person"
            if person.external_ids:
                _note_ids(person.external_ids, person.source_id, self.stored, self.shared if findable else None)
            if findable:
                self._note_addresses(person, mailboxes, plus_tag)

    def _note_addresses(self, person: PersonKeys, mailboxes: Mailboxes, plus_tag: bool) -> None:  # noqa: FBT001 - private
        if person.email:
            self.primary.note(person.email, person.source_id)
        others = [other for other in person.other_emails if mailboxes.kind(other) == "person"]
        for other in others:
            self.additional.note(other, person.source_id)
        if plus_tag:
            for address in filter(None, (person.email, *others)):
                self.plus.note(normalise.without_tag(address), person.source_id)


def _note_ids(external_ids: Mapping[str, str], crm_id: str, stored: Index, shared: Index | None) -> None:
    for system, held in external_ids.items():
        if system not in SHARED_SYSTEMS:
            stored.note((system, held), crm_id)
        elif shared is not None:
            shared.note(held, crm_id)
