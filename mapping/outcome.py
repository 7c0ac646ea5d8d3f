"""Gathers what the rules decided into a `Resolution`, in an order that does not depend on the input's."""

from collections import Counter
from collections.abc import Mapping
from operator import itemgetter
from typing import Literal

from mapping.links import Link, LinkKind, Resolution, Review
from mapping.match import RULES, Case

MAX_CANDIDATES = 10


class Outcome:
    """A resolution in the making."""

    def __init__(self, crm: str) -> None:
        self._crm = crm
        self._found = Resolution()
        self._links: dict[LinkKind, list[Link]] = {"account": [], "contact": [], "home": []}
        self._claimed: dict[str, tuple[frozenset[str], int]] = {}

    def staff(self, source: str, person_id: str) -> None:
        """Leave a person out as one of the vendor's own."""
        self._found.staff.setdefault(source, []).append(person_id)

    def claimed(self, domain: str, accounts: frozenset[str]) -> None:
        """Somebody could not be placed because several CRM accounts claim their domain."""
        self._claimed[domain] = (accounts, self._claimed.get(domain, (accounts, 0))[1] + 1)

    def cases(self, kind: LinkKind, source: str, cases: Mapping[str, Case]) -> None:
        """Sort out every record of a source; people without a home are not reported, their contact already was."""
        links = self._links[kind]
        before = len(links)
        unmatched: list[str] = []
        for source_id, case in sorted(cases.items(), key=itemgetter(0)):
            if case.crm_id is not None:
                confidence, evidence = RULES[case.rule]
                if case.detail:
                    evidence = f"{evidence}: {case.detail}"
                links.append(Link(kind, source, source_id, case.crm_id, case.rule, evidence, confidence))
            elif kind != "home":
                unmatched.append(source_id)
                if case.candidates or (case.rule == "pin" and case.detail):
                    self._review(kind, source, source_id, case)
        if kind != "home":
            self._found.unmatched[kind, source] = unmatched
        rules = Counter(link.rule for link in links[before:])
        self._found.counts.setdefault(source, Counter()).update({(kind, rule): n for rule, n in rules.items()})

    def _review(self, kind: Literal["account", "contact"], source: str, source_id: str, case: Case) -> None:
        if case.candidates:
            reason = f"{len(case.candidates)} CRM {kind}s fit equally well: {RULES[case.rule][1]}"
        else:
            reason = f"the pinned CRM {kind} {case.detail} does not exist"
        candidates = tuple(sorted(case.candidates)[:MAX_CANDIDATES])
        self._found.review.append(Review(kind, source, source_id, case.rule, candidates, reason))

    def finish(self) -> Resolution:
        """The resolution, sorted."""
        found = self._found
        for domain, (accounts, affected) in self._claimed.items():
            reason = f"{len(accounts)} CRM accounts claim this domain"
            candidates = tuple(sorted(accounts)[:MAX_CANDIDATES])
            found.review.append(Review("domain", self._crm, domain, "domain", candidates, reason, affected))
        found.review.sort(key=lambda review: (review.kind, review.source, review.source_id))
        found.links = [link for kind in sorted(self._links) for link in self._links[kind]]
        for ids in found.staff.values():
            ids.sort()
        return found
