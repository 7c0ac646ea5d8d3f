"""The words of identity resolution: what goes in (keys), what comes out (links), and its settings."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mapping import normalise

LinkKind = Literal["account", "contact", "home"]


class AccountKeys(NamedTuple):
    """The keys of one account record. `AccountKeys._make(row)` makes one from a row in this order.

    Attributes:
        source: Name of the source, the CRM's own name for CRM records.
        source_id: The record's id there.
        domains: Normalised domains.
        external_ids: Ids of the same company elsewhere: source name, "crm", "product" or "any" -> id there.
    """

    source: str
    source_id: str
    domains: tuple[str, ...] = ()
    external_ids: Mapping[str, str] = {}


class PersonKeys(NamedTuple):
    """The keys of one person record. `PersonKeys._make(row)` makes one from a row in this order.

    Attributes:
        source: Name of the source, the CRM's own name for CRM records.
        source_id: The record's id there.
        email: Normalised primary address.
        other_emails: Normalised further addresses.
        external_ids: Ids of the same person elsewhere: source name, "crm", "product" or "any" -> id there.
        account_ref: Primary account, vendor id in the same source.
        staff: One of the vendor's own people or a bot: never matched.
    """

    source: str
    source_id: str
    email: str | None = None
    other_emails: tuple[str, ...] = ()
    external_ids: Mapping[str, str] = {}
    account_ref: str | None = None
    staff: bool = False


class Member(NamedTuple):
    """A person who is active in an account of the same source: a membership, or usage under a group key."""

    source: str
    person_id: str
    account_id: str


class Link(NamedTuple):
    """One source record belongs to one CRM record.

    Attributes:
        kind: "account": a source account is the CRM account `crm_id`. "contact": a source person is the CRM contact
            `crm_id`. "home": a source person belongs to the CRM *account* `crm_id`; given only where the linked
            contact does not already say it (no contact link, or a contact without account).
        source: Name of the source.
        source_id: The record's id there.
        crm_id: The CRM's id, as the CRM writes it.
        rule: Which rule made it, see docs/identity.md.
        evidence: Which key, without the value when it is personal.
        confidence: Integer hundredths: 100 said by a person or an id, 90 an address, 80 indirect, 60 weak.
    """

    kind: LinkKind
    source: str
    source_id: str
    crm_id: str
    rule: str
    evidence: str
    confidence: int


class Review(NamedTuple):
    """Something only a person can decide: two or more candidates, hence no link.

    Attributes:
        kind: "account" or "contact" for one source record; "domain" for a domain that several CRM accounts claim.
        source: Name of the source; the CRM's name for a domain.
        source_id: The record's id; the domain for kind "domain".
        rule: The rule that found more than one.
        candidates: CRM ids, sorted; at most 10.
        reason: One sentence.
        affected: How many source records wait for the answer.
    """

    kind: Literal["account", "contact", "domain"]
    source: str
    source_id: str
    rule: str
    candidates: tuple[str, ...]
    reason: str
    affected: int = 1


@dataclass(slots=True)
class Resolution:
    """Everything `resolve` found, sorted, the same for the same input in any order.

    Attributes:
        links: At most one per (kind, source, source_id).
        review: For a person to decide.
        unmatched: (kind, source) -> ids of records that no rule could place, "account" and "contact" only. A record on
            the review list is unmatched too; staff are not.
        staff: Source -> ids of persons left out as the vendor's own people or bots (flag or own domain).
        counts: Source -> (kind, rule) -> links.
    """

    links: list[Link] = field(default_factory=list)
    review: list[Review] = field(default_factory=list)
    unmatched: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    staff: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)


class Pin(BaseModel):
    """A link that a person decided. Outranks every rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, defer_build=True)

    kind: Literal["account", "contact"] = Field(description="What is linked.")
    source: str = Field(description="Name of the source.")
    source_id: str = Field(description="The record's id in the source.")
    crm_id: str = Field(description="The CRM record's id; empty text means: never link this record.")


class Settings(BaseModel):
    """The `[identity]` table of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    own_domains: tuple[str, ...] = Field((), description="Your own e-mail domains: their people are staff.")
    shared_domains: tuple[str, ...] = Field(
        (), description="Domains used by several unrelated customers, such as a landlord's or a university's."
    )
    free_mail_add: tuple[str, ...] = Field((), description="Further free-mail domains.")
    free_mail_remove: tuple[str, ...] = Field((), description="Domains that are no free-mail for you.")
    role_inboxes_add: tuple[str, ...] = Field((), description="Further local parts of shared inboxes.")
    role_inboxes_remove: tuple[str, ...] = Field((), description="Local parts that are no shared inbox for you.")
    plus_tag: bool = Field(False, description="Also match 'ann+x@acme.example' as 'ann@acme.example', as a weak link.")
    pins: tuple[Pin, ...] = Field((), description="Links decided by a person.")

    @field_validator("own_domains", "shared_domains", "free_mail_add", "free_mail_remove")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if normalise.domain(text) is None:
                raise ValueError(f"{text!r} is not a domain such as acme.example")
        return tuple(str(normalise.domain(text)) for text in value)

    @field_validator("role_inboxes_add", "role_inboxes_remove")
    @classmethod
    def _local_parts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text.strip().lower() for text in value)

    @model_validator(mode="after")
    def _one_pin_each(self) -> "Settings":
        seen: dict[tuple[str, str, str], str] = {}
        for pin in self.pins:
            if seen.setdefault((pin.kind, pin.source, pin.source_id), pin.crm_id) != pin.crm_id:
                raise ValueError(f"two pins for {pin.kind} {pin.source_id!r} of {pin.source!r} contradict each other")
        return self
