"""The rules, each as one function from a source record's keys to the CRM records they find; and how rules combine.

Rules are asked from the strongest to the weakest. The first that finds exactly one record decides. One that finds
several only narrows: a weaker rule may choose among them, never against them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from mapping import normalise
from mapping.crm_index import SHARED_SYSTEMS, Accounts, Contacts, Found, Index, Records, as_set
from mapping.domains import Mailboxes
from mapping.links import AccountKeys, PersonKeys

RULES: dict[str, tuple[int, str]] = {
    "pin": (100, "decided by a person"),
    "stored_id": (100, "the source's id stands on the CRM record"),
    "crm_id": (100, "the CRM's id stands on the source record"),
    "product_id": (100, "both records carry the same product id"),
    "product_id_strong": (80, "a record of another source with the same product id is linked by an id"),
    "email": (90, "both records have the same primary e-mail address"),
    "other_email": (80, "an additional e-mail address is the same"),
    "product_id_weak": (80, "a record of another source with the same product id is linked by an e-mail address"),
    "plus_tag": (60, "the e-mail addresses are the same without '+tag'"),
    "people": (80, "the people in it belong to this CRM account"),
    "one_person": (60, "the only matched person in it belongs to this CRM account"),
    "domain": (80, "this CRM account alone owns the domain"),
    "domain_below": (60, "this CRM account alone owns a sub-domain of the same domain"),
    "candidates": (80, "all CRM contacts that could be this person belong to this account"),
    "membership": (80, "the account that the person is a member of in the source is linked"),
}
"""Rule -> confidence in hundredths, evidence."""

NOBODY: frozenset[str] = frozenset()


class Case:
    """One source record on its way through the rules.

    Attributes:
        crm_id: The record it was linked to.
        rule: The rule that linked it, or that first found several.
        detail: Added to the rule's evidence.
        candidates: What is left of several findings.
    """

    __slots__ = ("candidates", "crm_id", "detail", "rule")

    def __init__(self) -> None:
        self.crm_id: str | None = None
        self.rule = ""
        self.detail = ""
        self.candidates = NOBODY

    def ask(self, rule: str, found: Found, detail: str = "") -> bool:
        """Take in what a rule found; True when the record is now linked."""
        if not found:
            return False
        if self.candidates or not isinstance(found, str):
            left = as_set(found) & self.candidates if self.candidates else as_set(found)
            if len(left) != 1:
                self.rule, self.candidates = self.rule or rule, left or self.candidates
                return False
            (found,) = left
        self.crm_id, self.rule, self.detail = found, rule, detail
        return True


def by_ids(case: Case, keys: AccountKeys | PersonKeys, stored: Index, records: Records, shared: Index | None) -> bool:
    """Rules 2 to 4: ids that one side knows of the other, then ids that both share. `shared` None skips the latter."""
    if stored and case.ask("stored_id", stored.get((keys.source, keys.source_id))):
        return True
    ids = keys.external_ids
    if not ids:
        return False
    if "crm" in ids and case.ask("crm_id", records.find(ids["crm"])):
        return True
    by_product = shared.get(ids["product"]) if shared is not None and "product" in ids else None
    if "any" not in ids:
        return case.ask("product_id", by_product)
    return _by_any_id(case, ids["any"], records, shared, by_product)


def _by_any_id(case: Case, held: str, records: Records, shared: Index | None, by_product: Found) -> bool:
    """An id of which nobody said whose it is: the CRM's first, then the product's; both is one too many."""
    as_crm_id = records.find(held)
    as_product = shared.get(held) if shared is not None else None
    if as_crm_id is not None and as_product is not None and as_product != as_crm_id:
        return case.ask("crm_id", as_set(as_crm_id) | as_set(as_product))
    if case.ask("crm_id", as_crm_id):
        return True
    return case.ask("product_id", as_set(by_product) | as_set(as_product) if by_product else as_product)


def shared_ids(person: PersonKeys) -> list[str]:
    """The ids of a person that other sources may carry too."""
    ids = person.external_ids
    return [ids[system] for system in SHARED_SYSTEMS if system in ids] if ids else []


def by_mates(case: Case, person: PersonKeys, mates: Mapping[object, Found], rule: str) -> bool:
    """A product id shared with a record of any source that is already linked."""
    return any(case.ask(rule, mates.get(shared)) for shared in shared_ids(person)) if mates else False


def by_address(case: Case, person: PersonKeys, contacts: Contacts, mailboxes: Mailboxes) -> bool:
    """Rules 5 and 6: primary address to primary address, then any other pair."""
    if case.ask("email", contacts.primary.get(person.email)):
        return True
    others = [other for other in person.other_emails if mailboxes.kind(other) == "person"]
    found = as_set(contacts.additional.get(person.email))
    for other in others:
        found |= as_set(contacts.primary.get(other)) | as_set(contacts.additional.get(other))
    return case.ask("other_email", found)


def by_plus_tag(case: Case, person: PersonKeys, contacts: Contacts) -> bool:
    """Rule 7: addresses without their tags. The index is empty unless the setting is on."""
    if not contacts.plus or not person.email:
        return False
    return case.ask("plus_tag", contacts.plus.get(normalise.without_tag(person.email)))


def by_domains(case: Case, domains: Iterable[str], accounts: Accounts) -> bool:
    """The one CRM account that owns the domains."""
    exact: set[str] = set()
    below: set[str] = set()
    used: list[str] = []
    for domain in sorted(domains):
        owners, is_exact = accounts.owners.of(domain)
        (exact if is_exact else below).update(owners)
        used += [domain] if owners else []
    rule = "domain" if exact else "domain_below"
    return case.ask(rule, frozenset(exact or below), ", ".join(used[:3]))


def by_people(case: Case, votes: Counter[str]) -> bool:
    """The CRM account to which the account's matched people belong.

    All must agree; from ten people on nine of ten do, for somebody who changed employer must not cost the link.
    """
    if not votes:
        return False
    total, (top, most) = votes.total(), max(votes.items(), key=lambda vote: (vote[1], vote[0]))
    if most == total or (total >= 10 and most * 10 >= total * 9):
        return case.ask("one_person" if total == 1 else "people", top)
    return case.ask("people", frozenset(votes))
