"""HubSpot's kinds of record and the associations between them, as data.

Association type ids are HubSpot's published ones; direction matters. `feedback_submission` to `company` has no
published id: this portal defines a label of its own for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One kind of record.

    Attributes:
        plural: The name in paths.
        singular: The name in association types and messages.
        type_id: HubSpot's numeric name.
        read_scope: Scope needed to read records.
        write_scope: Scope needed to write them; None for what is read-only over the API.
        created: Property holding when the record was made.
        modified: Property moved by any write: `lastmodifieddate` for contacts, `hs_lastmodifieddate` elsewhere.
        defaults: Properties returned when none are asked for.
        search_defaults: The same for search.
        searchable: Properties that the `query` text of a search looks at.
        required: Properties that a create must carry.
        first_new_id: Where ids of records made through the API start.
    """

    plural: str
    singular: str
    type_id: str
    read_scope: str
    write_scope: str | None
    created: str
    modified: str
    defaults: tuple[str, ...]
    search_defaults: tuple[str, ...]
    searchable: tuple[str, ...]
    required: tuple[str, ...]
    first_new_id: int


_CONTACTS = ("crm.objects.contacts.read", "crm.objects.contacts.write")


def _activity(plural: str, type_id: str, read: str, searchable: tuple[str, ...], first_new_id: int) -> ObjectType:
    """An e-mail, call or meeting that was logged."""
    stamps = ("hs_createdate", "hs_lastmodifieddate")
    scopes = (read, _CONTACTS[1])
    return ObjectType(
        plural, plural[:-1], type_id, *scopes, *stamps, (), (), searchable, ("hs_timestamp",), first_new_id
    )


_ROWS = (
    ObjectType(
        "contacts",
        "contact",
        "0-1",
        *_CONTACTS,
        "createdate",
        "lastmodifieddate",
        ("email", "firstname", "lastname"),
        ("email", "firstname", "lastname"),
        ("firstname", "lastname", "email", "phone", "company"),
        (),
        500_000_001,
    ),
    ObjectType(
        "companies",
        "company",
        "0-2",
        "crm.objects.companies.read",
        "crm.objects.companies.write",
        "createdate",
        "hs_lastmodifieddate",
        ("domain", "name"),
        ("domain", "name"),
        ("website", "phone", "name", "domain"),
        (),
        9_500_000_001,
    ),
    ObjectType(
        "deals",
        "deal",
        "0-3",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "createdate",
        "hs_lastmodifieddate",
        ("amount", "closedate", "dealname", "dealstage", "pipeline"),
        ("amount", "closedate", "dealname", "dealstage", "pipeline"),
        ("dealname", "pipeline", "dealstage", "dealtype"),
        (),
        15_000_000_001,
    ),
    ObjectType(
        "tickets",
        "ticket",
        "0-5",
        "tickets",
        "tickets",
        "createdate",
        "hs_lastmodifieddate",
        ("content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority", "subject"),
        ("content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority", "subject"),
        ("subject", "content"),
        ("hs_pipeline_stage", "subject"),
        25_000_000_001,
    ),
    ObjectType(
        "tasks",
        "task",
        "0-27",
        *_CONTACTS,
        "hs_createdate",
        "hs_lastmodifieddate",
        (),
        (),
        ("hs_task_subject", "hs_task_body"),
        ("hs_timestamp",),
        35_000_000_001,
    ),
    ObjectType(
        "notes",
        "note",
        "0-46",
        *_CONTACTS,
        "hs_createdate",
        "hs_lastmodifieddate",
        (),
        (),
        ("hs_note_body",),
        ("hs_timestamp",),
        45_000_000_001,
    ),
    ObjectType(
        "feedback_submissions",
        "feedback_submission",
        "0-19",
        "crm.objects.feedback_submissions.read",
        None,
        "hs_createdate",
        "hs_lastmodifieddate",
        (),
        (),
        ("hs_submission_name", "hs_content"),
        (),
        60_000_000_001,
    ),
    # Reading e-mails takes a scope of its own; the other activities come with the contacts.
    _activity("emails", "0-49", "sales-email-read", ("hs_email_subject", "hs_email_text"), 79_000_000_001),
    _activity("calls", "0-48", _CONTACTS[0], ("hs_call_title", "hs_call_body"), 89_000_000_001),
    _activity("meetings", "0-47", _CONTACTS[0], ("hs_meeting_title", "hs_meeting_body"), 99_000_000_001),
)

OBJECTS: Mapping[str, ObjectType] = {row.plural: row for row in _ROWS}

ALIASES: Mapping[str, str] = {
    **{row.plural: row.plural for row in _ROWS},
    **{row.singular: row.plural for row in _ROWS},
    **{row.type_id: row.plural for row in _ROWS},
}
"""Every name a path may use: `contacts`, `contact`, `0-1`."""


@dataclass(frozen=True, slots=True)
class LinkType:
    """One association type in one direction.

    Attributes:
        id: Its number.
        name: Its name in the `associations` of a list, such as `contact_to_company`.
        label: What people see; None for the unlabelled type.
        category: HUBSPOT_DEFINED, or USER_DEFINED for this portal's own.
    """

    id: int
    name: str
    label: str | None = None
    category: str = "HUBSPOT_DEFINED"


def _pair(a: str, b: str, there: int, back: int) -> dict[tuple[str, str], tuple[LinkType, ...]]:
    one, two = OBJECTS[a].singular, OBJECTS[b].singular
    return {(a, b): (LinkType(there, f"{one}_to_{two}"),), (b, a): (LinkType(back, f"{two}_to_{one}"),)}


def _primary(a: str, labelled: tuple[int, int], plain: tuple[int, int]) -> dict[tuple[str, str], tuple[LinkType, ...]]:
    """The types between `a` and companies; each contact, deal and ticket has at most one primary company."""
    one = OBJECTS[a].singular
    there, back = f"{one}_to_company", f"company_to_{one}"
    back_label = f"{one.capitalize()} with Primary Company"
    return {
        (a, "companies"): (LinkType(labelled[0], there, "Primary"), LinkType(plain[0], f"{there}_unlabeled")),
        ("companies", a): (LinkType(labelled[1], back, back_label), LinkType(plain[1], f"{back}_unlabeled")),
    }


LINK_TYPES: Mapping[tuple[str, str], tuple[LinkType, ...]] = {
    **_primary("contacts", (1, 2), (279, 280)),
    **_primary("deals", (5, 6), (341, 342)),
    **_primary("tickets", (26, 25), (339, 340)),
    **_pair("deals", "contacts", 3, 4),
    **_pair("tickets", "contacts", 16, 15),
    **_pair("deals", "tickets", 27, 28),
    **_pair("feedback_submissions", "contacts", 98, 97),
    **_pair("feedback_submissions", "tickets", 100, 99),
    **_pair("tasks", "companies", 192, 191),
    **_pair("tasks", "contacts", 204, 203),
    **_pair("tasks", "deals", 216, 215),
    **_pair("tasks", "tickets", 230, 229),
    **_pair("notes", "companies", 190, 189),
    **_pair("notes", "contacts", 202, 201),
    **_pair("notes", "deals", 214, 213),
    **_pair("notes", "tickets", 228, 227),
    **_pair("emails", "companies", 186, 185),
    **_pair("emails", "contacts", 198, 197),
    **_pair("emails", "deals", 210, 209),
    **_pair("emails", "tickets", 224, 223),
    **_pair("calls", "companies", 182, 181),
    **_pair("calls", "contacts", 194, 193),
    **_pair("calls", "deals", 206, 205),
    **_pair("calls", "tickets", 220, 219),
    **_pair("meetings", "companies", 188, 187),
    **_pair("meetings", "contacts", 200, 199),
    **_pair("meetings", "deals", 212, 211),
    **_pair("meetings", "tickets", 226, 225),
    ("feedback_submissions", "companies"): (
        LinkType(1001, "feedback_submission_to_company", "Surveyed company", "USER_DEFINED"),
    ),
    ("companies", "feedback_submissions"): (
        LinkType(1002, "company_to_feedback_submission", "Survey answer", "USER_DEFINED"),
    ),
}
"""(from, to) -> types; where a primary exists it comes first and the unlabelled type second."""

REVERSE: Mapping[int, int] = {
    there.id: back.id
    for (a, b), types in LINK_TYPES.items()
    for there, back in zip(types, LINK_TYPES[b, a], strict=True)
}
"""Type id -> id of the same association seen from the other side."""
