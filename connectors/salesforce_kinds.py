"""Salesforce's kinds of record as the reader needs to know them, and the cursor of a stream.

What objects and fields there are is from Salesforce's public object reference. CurrencyIsoCode exists only in orgs with
several currencies and IsPersonAccount only in those with person accounts; asking for a field that is not there is an
error, so such fields are extras: left out where Salesforce does not know them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from connectors.errors import CursorExpiredError
from connectors.salesforce_soql import Key, one_of

CURRENCY = "CurrencyIsoCode"
TASK_KEY = "Holdfast_Task_Key__c"
"""Our own field on activities, which tells our tasks from everybody else's."""

RECEIPT, RECEIPT_KEY = "Holdfast_Receipt__c", "Holdfast_Key__c"
"""API names of the object that holds receipts, and of its unique field."""
PREFERENCES = ("HasOptedOutOfEmail", "DoNotCall")
"""What people do not want; field-level security often hides both from everybody but marketing."""
CALL_TYPE = "CallType"
"""Who called whom; only orgs with a call centre have it."""
TRACKING = ("IsTracked", "LastOpenedDate")
"""Whether and when an e-mail was opened; only orgs that track e-mails tell."""
EXTRAS = frozenset({CURRENCY, "IsPersonAccount", TASK_KEY, CALL_TYPE, *PREFERENCES, *TRACKING})
"""Fields that an org may lack without anything being wrong."""

COLLEAGUES = one_of("UserType", ("Standard", "PowerPartner"))
"""Who may own a record. Everybody else with a log-in (customers' portals, guests, robots) is left where they are."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of Salesforce record.

    Attributes:
        name: Its stream.
        object: Salesforce's name for it.
        fields: What is asked for unless the field map says otherwise.
        parents: Relationship -> what is asked for of that parent.
        where: A condition that every query carries.
        deletes: Deleted rows can be told from living ones.
        merges: A deleted row may name the record that it was merged into.
        hourly: Changes are asked for on every pull; else everything once a day.
        happens: The field that says when it takes place: what lies ahead is left out until it has happened.
        absent: What to do when the object is not there, where that is more than granting a right.
    """

    name: str
    object: str
    fields: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]] | None = None
    where: str = ""
    deletes: bool = True
    merges: bool = False
    hourly: bool = True
    happens: str = ""
    absent: str = ""

    def asked(self, wanted: Iterable[str], own: Iterable[str] = ()) -> tuple[str, ...]:
        """The fields to ask for: those wanted, or the usual ones, then ours, and those that the connector itself reads.

        Args:
            wanted: Names, or paths to parents' fields; a parent's bare name stands for its usual fields.
            own: Names of our own fields.
        """
        usual = [f"{parent}.{field}" for parent, fields in (self.parents or {}).items() for field in fields]
        names = ["Id", "SystemModstamp"]
        names += ["IsDeleted"] * self.deletes + ["MasterRecordId"] * self.merges
        for name in wanted or (*self.fields, *usual):
            held = (self.parents or {}).get(name)
            names += [name] if held is None else [f"{name}.{field}" for field in held]
        return tuple(dict.fromkeys([*names, *own]))


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("users", "User", ("Name", "Email", "IsActive"), where=COLLEAGUES, deletes=False, hourly=False),
        Kind(
            "accounts",
            "Account",
            ("Name", "Website", "OwnerId", "ParentId", "Type", "CreatedDate", CURRENCY),
            merges=True,
        ),
        Kind(
            "contacts",
            "Contact",
            ("Email", "AccountId", "OwnerId", "Title", "CreatedDate", *PREFERENCES),
            merges=True,
        ),
        Kind(
            "account_contacts",
            "AccountContactRelation",
            ("AccountId", "ContactId", "IsDirect", "IsActive"),
            absent="It is there only where Contacts to Multiple Accounts is on; without it a person has one account.",
        ),
        Kind(
            "opportunities",
            "Opportunity",
            (
                *("AccountId", "Name", "StageName", "IsClosed", "IsWon", "Amount", "CloseDate", "Type", "OwnerId"),
                *("CreatedDate", CURRENCY),
            ),
        ),
        Kind(
            "contact_roles",
            "OpportunityContactRole",
            ("OpportunityId", "ContactId", "Role", "IsPrimary"),
            parents={"Opportunity": ("AccountId",)},
        ),
        Kind("contracts", "Contract", ("AccountId", "Status", "StartDate", "EndDate")),
        Kind(
            "cases",
            "Case",
            ("AccountId", "ContactId", "Status", "Priority", "IsClosed", "CreatedDate", "ClosedDate"),
        ),
        Kind(
            "tasks",
            "Task",
            (
                *("AccountId", "WhoId", "Status", "IsClosed", "TaskSubtype", "ActivityDate", "CreatedDate"),
                CALL_TYPE,
                TASK_KEY,
            ),
            where="(AccountId != null OR WhoId != null)",
        ),
        # What was written about a case is a ticket's matter, and counted there.
        Kind(
            "emails",
            "EmailMessage",
            ("RelatedToId", "Incoming", "MessageDate", "Status", *TRACKING),
            parents={"Activity": ("AccountId", "WhoId")},
            where="ParentId = null",
            absent="It is there only where Enhanced Email is on; else grant Read on it, or leave out emails = true.",
        ),
        Kind(
            "meetings",
            "Event",
            ("AccountId", "WhoId", "StartDateTime"),
            where="(AccountId != null OR WhoId != null) AND IsChild = false",
            happens="StartDateTime",
            absent="Grant Read on it, or leave out meetings = true.",
        ),
    )
}
"""Stream -> its kind. Texts that people wrote (Description, Subject) are never asked for."""


ACTIVITIES: Mapping[str, str] = {
    "emails": "Read e-mails (EmailMessage): who wrote to whom and when, and if ours were opened; never their words.",
    "meetings": "Read events (Event) as meetings: with whom and when; never what was noted.",
}
"""Streams that are read only where the config says so -> what that setting does."""


def survey_kind(obj: str) -> Kind:
    """The kind of a custom object that holds answers to surveys; which of its fields mean what is up to the field map.

    Args:
        obj: Its API name, such as "NPS_Response__c".
    """
    return Kind("survey_responses", obj, ("CreatedDate",), absent="Grant Read on it, or correct surveys in the config.")


class Place(BaseModel):
    """A cursor: where a stream is.

    Attributes:
        high: Every change before it has been seen.
        listed: When everything was last listed.
        count: Living records that list gave.
        without: Extras that Salesforce did not know then.
        asked: What was asked for: a mark that differs whenever the fields, or the object, are others.
        started: Salesforce's clock when what is under way began: the first list, a bulk job, or a walk over changes.
        seen: Living records it has given so far.
        low: The walk began here ...
        stamp: ... and has passed the row with this SystemModstamp ...
        last: ... and this id.
        job: A bulk job that gives the whole list ...
        locator: ... and where in its results we are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    high: AwareDatetime | None = None
    listed: AwareDatetime | None = None
    count: int | None = None
    without: tuple[str, ...] = ()
    asked: str = ""
    started: AwareDatetime | None = None
    seen: int = 0
    low: AwareDatetime | None = None
    stamp: AwareDatetime | None = None
    last: str = ""
    job: str | None = None
    locator: str | None = None

    @classmethod
    def parse(cls, cursor: str | None) -> "Place":
        """Read a cursor. Raises `CursorExpiredError` for one that is not ours."""
        try:
            return cls.model_validate_json(cursor) if cursor else cls()
        except ValidationError:
            message = "the saved place cannot be read; the stream starts again."
            raise CursorExpiredError(message, vendor="salesforce") from None

    @property
    def key(self) -> Key | None:
        """The row that a walk has passed; None at its beginning."""
        return Key(self.stamp, self.last) if self.stamp is not None else None

    def passed(self, key: Key | None) -> "Place":
        """The same place with a walk gone on to `key`."""
        return self.model_copy(update={"stamp": key.stamp if key else None, "last": key.record_id if key else ""})

    def settled(self) -> "Place":
        """The same place with nothing under way."""
        return Place(high=self.high, listed=self.listed, count=self.count, without=self.without, asked=self.asked)

    def asking(self, mark: str) -> "Place":
        """The same place if this is still what is asked for; else everything is to be listed, as after a day."""
        return self if self.asked == mark else Place(high=self.high, count=self.count, asked=mark)

    def reached(self, high: datetime) -> "Place":
        """Where a stream is once a walk over its changes has come to its end."""
        return self.settled().model_copy(update={"high": max(self.high or high, high)})

    def text(self) -> str:
        """The cursor as text."""
        return self.model_dump_json(exclude_defaults=True)
