"""Who is who: matches accounts and people of every source to records of the CRM.

Deterministic: the same keys give the same links, in whatever order and however often they come. Two candidates are no
link, never "the first wins"; they are listed for a person to decide. docs/identity.md explains the rules.
"""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from mapping import match
from mapping.crm_index import Accounts, Contacts, Index
from mapping.domains import Mailboxes
from mapping.intake import Intake
from mapping.links import AccountKeys, Link, Member, PersonKeys, Pin, Resolution, Review, Settings
from mapping.match import Case
from mapping.normalise import email_domain
from mapping.outcome import Outcome

__all__ = ["AccountKeys", "Link", "Member", "PersonKeys", "Pin", "Resolution", "Review", "Settings", "resolve"]

_STRONG = frozenset({"pin", "stored_id", "crm_id"})
_Pair = tuple[PersonKeys, Case]
_Kind = Literal["account", "contact"]
_Cases = dict[str, dict[str, Case]]
"""Source -> source id -> case."""


def resolve(
    crm: str,
    accounts: Iterable[AccountKeys],
    people: Iterable[PersonKeys],
    members: Iterable[Member] = (),
    *,
    settings: Settings | None = None,
    merged: Mapping[str, str] | None = None,
) -> Resolution:
    """Match every account and person whose source is not `crm` to the CRM's own.

    Args:
        crm: Name of the CRM's source.
        accounts: Keys of all accounts, those of the CRM included.
        people: Keys of all people, those of the CRM included.
        members: Further (source, person, account) pairs: memberships, and who was active under which group key.
            `PersonKeys.account_ref` need not be repeated. An account that is named only here is matched by its id,
            which may be the CRM's or the product's.
        settings: The `[identity]` table.
        merged: CRM ids of records merged away -> the record that stayed; accounts and contacts together.
    """
    with collector_paused():
        intake = Intake(crm, accounts, people, members)
        return _Resolver(intake, settings or Settings(), merged or {}).run()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without the cycle collector: a million small objects and no cycle make it walk them all for nothing (a third)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Resolver:
    """One resolution: contacts first, then accounts (which may go by their people), then homes (by both)."""

    def __init__(self, intake: Intake, settings: Settings, merged: Mapping[str, str]) -> None:
        self._in = intake
        self._mailboxes = Mailboxes(settings)
        self._accounts = Accounts(intake.crm_accounts, merged, self._mailboxes)
        self._contacts = Contacts(
            intake.crm_people, merged, self._mailboxes, self._accounts.records, plus_tag=settings.plus_tag
        )
        self._pins = {(pin.kind, pin.source.strip(), pin.source_id.strip()): pin.crm_id for pin in settings.pins}
        self._contact_cases: _Cases = {}
        self._account_cases: _Cases = {}
        self._out = Outcome(intake.crm)

    def run(self) -> Resolution:
        """Resolve everything."""
        self._match_people()
        self._match_accounts()
        for source in sorted(self._in.accounts):
            self._out.cases("account", source, self._account_cases[source])
        for source in sorted(self._in.people):
            self._out.cases("contact", source, self._contact_cases[source])
            self._out.cases("home", source, self._homes(source))
        return self._out.finish()

    def _pinned(self, kind: _Kind, source: str, source_id: str, case: Case) -> bool:
        """Whether a person decided; a pin to a record that is gone is listed."""
        if not self._pins or (kind, source, source_id) not in self._pins:
            return False
        crm_id = self._pins[kind, source, source_id]
        records = self._accounts.records if kind == "account" else self._contacts.records
        case.ask("pin", records.find(crm_id))
        if case.crm_id is None:
            case.rule = "pin"
            case.detail = crm_id
        return True

    # People

    def _match_people(self) -> None:
        waiting: list[_Pair] = []
        strong: list[_Pair] = []
        for source, people in self._in.people.items():
            cases = self._contact_cases[source] = {}
            for person in people.values():
                case = self._person_by_ids(person, cases)
                if case is None:
                    continue
                if case.crm_id is None:
                    waiting.append((person, case))
                elif case.rule in _STRONG:
                    strong.append((person, case))
        self._match_by_address(waiting, _mates(strong, waiting))

    def _person_by_ids(self, person: PersonKeys, cases: dict[str, Case]) -> Case | None:
        """The person's case: linked when a pin or an id did it, else still open. None when addresses must not."""
        case = Case()
        if self._pins and self._pinned("contact", person.source, person.source_id, case):
            cases[person.source_id] = case
            return case if case.crm_id is not None else None
        kind = self._mailboxes.kind(person.email)
        if person.staff or kind == "staff":
            self._out.staff(person.source, person.source_id)
            return None
        cases[person.source_id] = case
        contacts = self._contacts
        shared = contacts.shared if kind == "person" else None
        if match.by_ids(case, person, contacts.stored, contacts.records, shared) or kind == "person":
            return case
        return None

    def _match_by_address(self, waiting: list[_Pair], strong: Index) -> None:
        by_address: list[_Pair] = []
        left: list[_Pair] = []
        for person, case in waiting:
            if match.by_mates(case, person, strong, "product_id_strong"):
                continue
            linked = match.by_address(case, person, self._contacts, self._mailboxes)
            (by_address if linked else left).append((person, case))
        weak = _mates(by_address, left)
        for person, case in left:
            if not match.by_mates(case, person, weak, "product_id_weak"):
                match.by_plus_tag(case, person, self._contacts)

    # Accounts

    def _match_accounts(self) -> None:
        for source, accounts in self._in.accounts.items():
            cases = {source_id: Case() for source_id in accounts}
            waiting = [account for account in accounts.values() if not self._account_by_ids(account, cases)]
            votes = self._votes(source, {account.source_id for account in waiting}) if waiting else {}
            for account in waiting:
                case = cases[account.source_id]
                if not match.by_people(case, votes.get(account.source_id, Counter())):
                    match.by_domains(case, account.domains, self._accounts)
            self._account_cases[source] = cases

    def _account_by_ids(self, account: AccountKeys, cases: dict[str, Case]) -> bool:
        case = cases[account.source_id]
        crm = self._accounts
        return self._pinned("account", account.source, account.source_id, case) or match.by_ids(
            case, account, crm.stored, crm.records, crm.shared
        )

    def _votes(self, source: str, wanted: set[str]) -> dict[str, Counter[str]]:
        """CRM accounts of the matched people in these accounts.

        Somebody who is in several accounts of a source (an agency, a reseller) says nothing about any of them.
        """
        votes: dict[str, Counter[str]] = {}
        cases = self._contact_cases.get(source, {})
        account_of = self._contacts.account
        for person_id, account_id in self._in.people_in(source, wanted):
            case = cases.get(person_id)
            home = account_of.get(case.crm_id) if case is not None and case.crm_id is not None else None
            if home is not None:
                if account_id not in votes:
                    votes[account_id] = Counter()
                votes[account_id][home] += 1
        return votes

    # Homes

    def _homes(self, source: str) -> dict[str, Case]:
        """The CRM account of people whose linked contact does not already say it.

        The account that the source itself gives a person comes before the domain of the address. The account under
        whose group key somebody was active comes after it: it may be a customer that an agency works for.
        """
        account_of = self._contacts.account
        homes: dict[str, Case] = {}
        for person_id, contact in self._contact_cases[source].items():
            if contact.crm_id is None or account_of.get(contact.crm_id) is None:
                person = self._in.people[source][person_id]
                case = homes[person_id] = Case()
                if not (
                    self._by_candidates(case, contact)
                    or self._by_account(case, source, person.account_ref)
                    or self._by_own_domain(case, person)
                ):
                    groups = self._in.groups(source, person_id)
                    self._by_account(case, source, next(iter(groups)) if len(groups) == 1 else None)
        return homes

    def _by_candidates(self, case: Case, contact: Case) -> bool:
        """Whichever of several CRM contacts it is, when they all belong to one account."""
        accounts = {self._contacts.account.get(candidate) for candidate in contact.candidates}
        return len(accounts) == 1 and case.ask("candidates", next(iter(accounts)))

    def _by_account(self, case: Case, source: str, account_id: str | None) -> bool:
        """What the source's account is linked to."""
        linked = self._account_cases.get(source, {}).get(account_id) if account_id else None
        return linked is not None and case.ask("membership", linked.crm_id)

    def _by_own_domain(self, case: Case, person: PersonKeys) -> bool:
        if not person.email:
            return False
        host = email_domain(person.email)
        if match.by_domains(case, (host,), self._accounts):
            return True
        if case.candidates:
            self._out.claimed(host, case.candidates)
        return False


def _mates(linked: list[_Pair], waiting: list[_Pair]) -> Index:
    """Product ids of waiting people -> CRM contacts to which others with that id were linked."""
    mates = Index()
    if linked:
        wanted = {shared for person, _ in waiting if person.external_ids for shared in match.shared_ids(person)}
        for person, case in linked:
            for shared in match.shared_ids(person) if wanted else ():
                if shared in wanted and case.crm_id is not None:
                    mates.note(shared, case.crm_id)
    return mates
