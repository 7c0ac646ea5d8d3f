"""Gathers what the rules decided into a `Resolution`, in an order that does not depend on the input's."""

from collections import Counter
from typing import Literal

from mapping.links import Link, LinkKind, Resolution, Review
from mapping.match import RULES, Case

MAX_CANDIDATES = 10


class Outcome:
    """A resolution in the making."""

    def __init__(self, crm: str) -> None:
        self._crm = crm
        self._found = Resolution()
        self._claimed: dict[str, tuple[frozenset[str], int]] = {}

    def staff(self, source: str, person_id: str) -> None:
        """Leave a person out as one of the vendor's own."""
        self._found.staff.setdefault(source, []).append(person_id)

    def claimed(self, domain: str, accounts: frozenset[str]) -> None:
        """Somebody could not be placed because several CRM accounts claim their domain."""
        self._claimed[domain] = (accounts, self._claimed.get(domain, (accounts, 0))[1] + 1)

    def cases(self, kind: LinkKind, source: str, cases: dict[str, Case]) -> None:
        """Sort out every record of a source."""
        unmatched: list[str] = []
        for source_id in sorted(cases):
            case = cases[source_id]
            if case.crm_id is not None:
                self.link(kind, source, source_id, case)
                continue
            if case.candidates or (case.rule == "pin" and case.detail):
                self._review(kind, source, source_id, case)
            unmatched.append(source_id)
        self._found.unmatched[kind, source] = unmatched

    def link(self, kind: LinkKind, source: str, source_id: str, case: Case) -> None:
        """Add one link."""
        confidence, evidence = RULES[case.rule]
        if case.detail:
            evidence = f"{evidence}: {case.detail}"
        self._found.links.append(Link(kind, source, source_id, str(case.crm_id), case.rule, evidence, confidence))
        self._found.counts.setdefault(source, Counter())[kind, case.rule] += 1

    def _review(self, kind: LinkKind, source: str, source_id: str, case: Case) -> None:
        if case.candidates:
            reason = f"{len(case.candidates)} CRM {kind}s fit equally well: {RULES[case.rule][1]}"
        else:
            reason = f"the pinned CRM {kind} {case.detail} does not exist"
        candidates = tuple(sorted(case.candidates)[:MAX_CANDIDATES])
        kind_of_review: Literal["account", "contact"] = "account" if kind == "account" else "contact"
        self._found.review.append(Review(kind_of_review, source, source_id, case.rule, candidates, reason))

    def finish(self) -> Resolution:
        """The resolution, sorted."""
        found = self._found
        for domain, (accounts, affected) in self._claimed.items():
            reason = f"{len(accounts)} CRM accounts claim this domain"
            candidates = tuple(sorted(accounts)[:MAX_CANDIDATES])
            found.review.append(Review("domain", self._crm, domain, "domain", candidates, reason, affected))
        found.review.sort(key=lambda review: (review.kind, review.source, review.source_id))
        found.links.sort(key=lambda link: link.kind)
        for ids in found.staff.values():
            ids.sort()
        return found
