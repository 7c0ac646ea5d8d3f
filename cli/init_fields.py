"""What `init` proposes from what it finds in the accounts: which field means what, who owns what, who we are."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.base import Clock, Source
from connectors.known import Describes, KnownField, KnownType, Samples
from connectors.registry import VENDORS
from mapping.domains import Mailboxes
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from mapping.schema import Account, Contact, Record, User

COMMON = 0.2
"""Share of the colleagues whose mail domain makes it one of ours."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A field of ours that custom fields of a CRM usually hold.

    Attributes:
        record: "account" or "contact".
        name: Our field; "external_ids.product" for an id.
        looks: What its name or label looks like.
        types: What it may hold.
        adds: It stands beside what the shipped map reads, in place of nothing.
    """

    record: str
    name: str
    looks: re.Pattern[str]
    types: tuple[KnownType, ...]
    adds: bool = False


def _looks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


WANTED = (
    Wanted("account", "plan", _looks(r"\bplans?\b|\btier\b|\bpackage\b|\bedition\b"), ("text", "choice")),
    Wanted("account", "mrr", _looks(r"\bmrr\b|monthly (recurring|revenue)|recurring revenue"), ("number",)),
    Wanted("account", "renewal_date", _looks(r"renew|(contract|term|subscription) end|expir"), ("date",)),
    Wanted(
        "account", "customer_since", _looks(r"customer since|go.?live|became (a )?customer|contract start"), ("date",)
    ),
    Wanted(
        "account", "external_ids.product", _looks(r"(product|app|tenant|workspace) (account |company )?id\b"), ("text",)
    ),
    Wanted("account", "domains", _looks(r"\bdomains\b|other domain|additional domain"), ("text",), adds=True),
    Wanted("contact", "external_ids.product", _looks(r"(product|app) (user )?id\b|\buser id\b"), ("text",)),
    Wanted("contact", "other_emails", _looks(r"(other|additional|secondary) e-?mail"), ("text",), adds=True),
)
"""What is looked for, besides what the shipped field map reads."""

YEARLY = _looks(r"\b(arr|acv)\b|annual|yearly|contract value")
"""Amounts of a year, which must not be taken for those of a month."""

ACCOUNT_KEY = re.compile(
    r"^(?!\$|mp_)(company|account|org|organi[sz]ation|group|tenant|workspace|team|customer)[ _-]?(id|key|uuid)?$",
    re.IGNORECASE,
)
"""Event properties that may name the customer."""


@dataclass(slots=True)
class Proposal:
    """What was found in a CRM.

    Attributes:
        fields: Stream -> our field -> where it is, for the config.
        notes: "stream.field" -> what speaks for it.
        lines: What was found, a line each, for a person to read.
        users: Colleagues, the one with most accounts of the sample first, and how many each has.
        own_domains: Mail domains of the colleagues.
    """

    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    users: list[tuple[User, int]] = field(default_factory=list)
    own_domains: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Crm:
    """A CRM to look at: how to connect with other fields asked for is the vendor's own affair."""

    kind: str
    settings: Any
    clock: Clock

    def connect(self, wanted: Mapping[str, Sequence[str]]) -> Source:
        """A connector that asks for these fields."""
        settings = self.settings
        if "bulk_above" in type(settings).model_fields:  # one page is wanted, not a job over everything
            settings = settings.model_copy(update={"bulk_above": 10**9})
        source: Source = VENDORS[self.kind].load().connect(self.kind, settings, clock=self.clock, wanted=wanted)
        return source


def look(crm: Crm, overrides: Mapping[str, Any]) -> Proposal:
    """Look at the fields and one page of records, and propose what means what. Writes nothing.

    Args:
        crm: Where to.
        overrides: The admin's own field map, which is kept.

    Raises:
        ConnectorError: It cannot be read.
    """
    source = crm.connect({})
    field_map = FieldMap.load(crm.kind, overrides, file="config", prefix="crm.fields")
    found = Proposal(fields={stream: dict(table) for stream, table in overrides.items()})
    samples: dict[str, list[Record]] = {}
    for stream in source.streams:
        if stream.record in {"account", "contact"} and isinstance(source, Describes):
            samples[stream.record] = _fields(crm, stream.name, source.known_fields(stream.name), field_map, found)
        elif stream.record == "user":
            samples["user"] = _sample(source, stream.name, field_map, crm)
    _people(samples, found)
    return found


def _fields(crm: Crm, stream: str, known: Sequence[KnownField], field_map: FieldMap, found: Proposal) -> list[Record]:
    """Which custom field is what, by name, type and how many records have it."""
    record = field_map.record(stream)
    names = {one.name for one in known}
    _, base = field_map.keys(stream)
    prefix = f"{base}." if base else ""
    asked = [path for path in field_map.paths(stream) if path.removeprefix(prefix).partition(".")[0] in names]
    candidates = {one: list(_candidates(one, known)) for one in WANTED if one.record == record}
    extra = [f"{prefix}{one.name}" for many in candidates.values() for one in many]
    source = crm.connect({stream: list(dict.fromkeys([*asked, *extra]))})
    rows = _rows(source, stream)
    said = found.fields.get(stream, {})
    mapped = field_map.apply(crm.kind, stream, rows, crm.clock.now()).records
    for want, many in candidates.items():
        if _set(said, want.name):
            continue
        best = _best(many, rows, base)
        have = sum(_has(one, want.name) for one in mapped)
        if have and (best is None or not want.adds):
            found.lines.append(f"{record} {want.name}: as usual, {have} of {len(rows)} have one")
        elif best is None:
            found.lines.append(f"{record} {want.name}: nothing found that looks like it")
        else:
            _propose(found, stream, want, best, prefix, len(rows))
    if record == "account":
        yearly = [one.label for one in known if one.custom and one.type == "number" and YEARLY.search(_words(one))]
        if yearly:
            found.lines.append(f"{', '.join(yearly)}: an amount for a year, it seems; mrr wants that of a month")
    return mapped


def _propose(found: Proposal, stream: str, want: Wanted, best: tuple[KnownField, int], prefix: str, total: int) -> None:
    one, filled = best
    path = f"{prefix}{one.name}"
    group, _, name = want.name.rpartition(".")
    table = found.fields.setdefault(stream, {})
    if group:
        table = table.setdefault(group, {})
    shipped = {"domains": ["Website"]}.get(name, []) if want.adds and not prefix else []
    table[name] = [*shipped, path] if shipped else path
    found.notes[f"{stream}.{want.name}"] = f"{one.label}: {filled} of {total} have one"
    found.lines.append(f"{want.record} {want.name}: {one.label} ({one.name}), {filled} of {total} have one")


def _set(table: Mapping[str, Any], name: str) -> bool:
    group, _, last = name.rpartition(".")
    return last in (table.get(group) or {} if group else table)


def _candidates(want: Wanted, known: Sequence[KnownField]) -> Iterator[KnownField]:
    for one in known:
        ours = one.name.lower().startswith("holdfast_")
        if one.custom and not ours and one.type in want.types and want.looks.search(_words(one)):
            yield one


def _words(one: KnownField) -> str:
    name = one.name.removesuffix("__c").replace("_", " ")
    return f"{name} | {one.label.replace('_', ' ')}"


def _best(many: Sequence[KnownField], rows: Sequence[Mapping[str, Any]], base: str) -> tuple[KnownField, int] | None:
    """The candidate that most records have; one that nobody has is no proposal."""
    counted = [(one, sum(_filled(row, one.name, base) for row in rows)) for one in many]
    counted = [(one, number) for one, number in counted if number]
    return max(counted, key=lambda pair: (pair[1], -len(pair[0].name)), default=None)


def _filled(row: Mapping[str, Any], name: str, base: str) -> bool:
    inner = row.get(base) if base else row
    return isinstance(inner, Mapping) and inner.get(name) not in {None, ""}


def _has(record: Record, name: str) -> bool:
    group, _, last = name.rpartition(".")
    held = getattr(record, group, {}).get(last) if group else getattr(record, last, None)
    return held not in {None, ""} and held != ()


def _rows(source: Source, stream: str) -> list[dict[str, Any]]:
    wanted = next(one for one in source.streams if one.name == stream)
    for batch in source.pull(wanted, None):
        if batch.rows:
            return batch.rows
    return []


def _sample(source: Source, stream: str, field_map: FieldMap, crm: Crm) -> list[Record]:
    return field_map.apply(crm.kind, stream, _rows(source, stream), crm.clock.now()).records


def _people(samples: Mapping[str, Sequence[Record]], found: Proposal) -> None:
    """Who owns how much of the sample, and by which mail domains our own people are known."""
    users = [one for one in samples.get("user", ()) if isinstance(one, User) and one.active]
    owners = Counter(one.owner_id for one in samples.get("account", ()) if isinstance(one, Account))
    found.users = sorted(((one, owners[one.source_id]) for one in users), key=lambda pair: -pair[1])
    free = Mailboxes(IdentitySettings())
    mails = Counter(one.email.rpartition("@")[2] for one in users if one.email)
    people = [one for one in samples.get("contact", ()) if isinstance(one, Contact)]
    customers = Counter(one.email.rpartition("@")[2] for one in people if one.email)
    found.own_domains = sorted(
        domain
        for domain, number in mails.items()
        if domain and number >= COMMON * len(users) and not free.nobody(domain) and customers[domain] <= number
    )


def account_key(source: Source) -> tuple[str, str] | None:
    """The event property that names the customer, and what speaks for it; None when no event looks like it.

    Raises:
        ConnectorError: Events cannot be read.
    """
    if not isinstance(source, Samples):
        return None
    events = source.sample_events()
    found = Counter(name for event in events for name in event if ACCOUNT_KEY.match(name))
    if not found:
        return None
    name, number = max(found.items(), key=lambda pair: (pair[1], "id" in pair[0].lower(), pair[0]))
    return name, f"{number} of {len(events)} recent events carry it"
