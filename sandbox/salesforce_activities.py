"""Events and e-mails of the org, and the world's e-mails, calls and meetings as what Salesforce keeps of them.

Where Enhanced Email is on, every e-mail is an `EmailMessage` and a closed task (`ActivityId`) that says whom it hangs
on; a call is a closed task with a `CallType`; a meeting is an event. From Salesforce's public object reference.
"""

from array import array
from collections.abc import Mapping
from datetime import timedelta

from sandbox.hubspot_render import to_ms
from sandbox.model import Touch, World
from sandbox.salesforce_base import ADMINISTRATOR, Base, Ids, Renderer
from sandbox.salesforce_catalogue import fixed, fixed_refer, make, owner, refer, system_fields
from sandbox.salesforce_ids import account_id, contact_id
from sandbox.salesforce_types import FieldDef, ObjectDef

KINDS: Mapping[str, tuple[str, ...]] = {"Task": ("email", "call"), "Event": ("meeting",), "EmailMessage": ("email",)}
"""Kind of record -> what of the world it keeps."""
_TASKS = Ids("00T")
_ABOUT = ("Account", "Opportunity", "Case", "Contract")


def activity_objects() -> dict[str, ObjectDef]:
    """The kinds of record that hold activities besides tasks, made afresh."""
    event = ObjectDef("Event", "00U", "Event", custom_on="Event")
    event.add([*system_fields(), *_event()])
    # Only drafts can be changed, and there are none.
    message = ObjectDef("EmailMessage", "02s", "Email Message", updateable=False, custom_on="EmailMessage")
    message.add([*system_fields(), *_message()])
    return {"Event": event, "EmailMessage": message}


def _event() -> list[FieldDef]:
    return [
        make("Subject", "combobox", 255, values=("Call", "Email", "Meeting", "Other")),
        refer("WhoId", "Contact", "Lead"),
        refer("WhatId", *_ABOUT),
        fixed_refer("AccountId", "Account"),
        make("StartDateTime", "datetime"),
        make("EndDateTime", "datetime"),
        make("IsAllDayEvent", "boolean", defaulted=True, default=False),
        make("EventSubtype", "picklist", values=("Event",), default="Event", defaulted=True, updateable=False),
        fixed("IsChild", "boolean", defaulted=True, default=False),
        owner("User"),
    ]


def _message() -> list[FieldDef]:
    return [
        refer("ParentId", "Case"),
        refer("ActivityId", "Task"),
        refer("RelatedToId", *_ABOUT),
        make("Subject", "string", 3000),
        make("TextBody", "longtextarea", 131_072),
        make("FromAddress", "email", 1000),
        make("ToAddress", "string", 4000),
        make("Incoming", "boolean", defaulted=True, default=False),
        make("Status", "picklist", values=tuple("012345"), required=True, defaulted=True, default="3", restricted=True),
        make("MessageDate", "datetime"),
        make("IsTracked", "boolean", defaulted=True, default=False),
        fixed("IsOpened", "boolean", defaulted=True, default=False),
        fixed("IsBounced", "boolean", defaulted=True, default=False),
        make("FirstOpenedDate", "datetime"),
        make("LastOpenedDate", "datetime"),
    ]


def base(kind: str, world: World, owners: Mapping[int, str], people: Mapping[int, object]) -> Base:
    """The world's part of one of these tables, under the touches' own numbers.

    Args:
        kind: One of `KINDS`.
        world: What is true.
        owners: World id of a colleague -> user id.
        people: World ids of the people in the CRM.
    """
    items = [touch for touch in sorted(world.touches, key=lambda t: t.id) if touch.kind in KINDS[kind]]
    numbers = array("q", (touch.id for touch in items))
    created = array("q", (to_ms(touch.made_at) for touch in items))
    opens = {place: tuple(map(to_ms, touch.opened)) for place, touch in enumerate(items) if touch.opened}
    shared: dict[str, Renderer] = {
        "WhoId": lambda t, _: contact_id(t.person_id) if t.person_id in people else None,
        "WhatId": lambda t, _: account_id(t.company_id),
        "OwnerId": lambda t, _: owners.get(t.owner_id, ADMINISTRATOR),
        "Subject": lambda t, _: f"Private words {t.id}",
    }
    if kind == "EmailMessage":
        return Base(numbers, list(items), created, created[:], opens, MESSAGE, ADMINISTRATOR)
    own = TASK if kind == "Task" else EVENT
    return Base(numbers, list(items), created, created[:], {}, {**shared, **own}, ADMINISTRATOR)


def _second(touch: Touch) -> int:
    return to_ms(touch.at) // 1000 * 1000


def _opened(touch: Touch, now: int) -> list[int]:
    return [moment // 1000 * 1000 for moment in map(to_ms, touch.opened) if moment <= now]


TASK: Mapping[str, Renderer] = {
    "Status": lambda t, _: "Completed" if t.done else "Not Started",
    "Priority": lambda _t, _: "Normal",
    "TaskSubtype": lambda t, _: "Email" if t.kind == "email" else "Call",
    "CallType": lambda t, _: None if t.kind == "email" else "Inbound" if t.inbound else "Outbound",
    "ActivityDate": lambda t, _: t.at.date().isoformat(),
    "CompletedDateTime": lambda t, _: _second(t) if t.done else None,
    "IsReminderSet": lambda _t, _: False,
    "CurrencyIsoCode": lambda _t, _: "USD",
}
EVENT: Mapping[str, Renderer] = {
    "StartDateTime": lambda t, _: _second(t),
    "EndDateTime": lambda t, _: to_ms(t.at + timedelta(hours=1)) // 1000 * 1000,
    "IsChild": lambda _t, _: False,
    "IsAllDayEvent": lambda _t, _: False,
    "EventSubtype": lambda _t, _: "Event",
}
MESSAGE: Mapping[str, Renderer] = {
    "ActivityId": lambda t, _: _TASKS.text(t.id),
    "RelatedToId": lambda t, _: account_id(t.company_id),
    "Subject": lambda t, _: f"Private words {t.id}",
    "TextBody": lambda t, _: f"Private words of a whole letter {t.id}",
    "Incoming": lambda t, _: t.inbound,
    "Status": lambda t, _: "1" if t.inbound else "3",
    "MessageDate": lambda t, _: _second(t),
    "IsTracked": lambda t, _: t.tracked,
    "IsOpened": lambda t, now: bool(_opened(t, now)),
    "IsBounced": lambda _t, _: False,
    "FirstOpenedDate": lambda t, now: min(_opened(t, now), default=None),
    "LastOpenedDate": lambda t, now: max(_opened(t, now), default=None),
}
