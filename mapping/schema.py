"""The common schema: what every vendor's records become, with the meaning and unit of every field.

Instants are aware UTC datetimes. Ids are the vendor's own, as trimmed text, leading zeros kept. Money is in minor units
(cents) of its currency. Text that people wrote (ticket subjects, survey comments, notes) is not taken over: the state
file should not hold it. Of an answer's text the themes are kept, by name.
"""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

VendorId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)]
Currency = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{3}$")]
Instant = AwareDatetime


class Record(BaseModel):
    """What every record has."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, defer_build=True)
    kind: ClassVar[str]

    source: str = Field(description="Name of the source in the config, such as 'hubspot'.")
    source_id: VendorId = Field(description="The record's id in that source.")
    updated_at: Instant | None = Field(None, description="When the source last changed it; None when it does not say.")


class User(Record):
    """A colleague: the owner of accounts and the assignee of tasks."""

    kind: ClassVar[str] = "user"
    email: ShortText | None = Field(None, description="Normalised e-mail address.")
    name: ShortText | None = Field(None, description="Full name, for owners shown in plans and reports.")
    active: bool = Field(True, description="False when deactivated or archived: tasks must not go to them.")


class Account(Record):
    """A customer company, an organisation or a group, in whichever source."""

    kind: ClassVar[str] = "account"
    name: ShortText | None = Field(None, description="The company's name.")
    domains: tuple[str, ...] = Field((), description="Web or e-mail domains, lower case, without scheme or 'www.'.")
    external_ids: dict[str, str] = Field(
        default_factory=dict,
        description="Ids of the same company elsewhere: source name, 'crm', 'product' or 'any' (unsaid whose) -> id.",
    )
    owner_id: VendorId | None = Field(None, description="Vendor id of the account owner (a user of the same source).")
    parent_id: VendorId | None = Field(None, description="Vendor id of the parent company in the same source.")
    plan: ShortText | None = Field(None, description="The product plan they pay for.")
    mrr: int | None = Field(None, ge=0, description="Monthly recurring revenue, minor units of `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code of `mrr`.")
    customer_since: date | None = Field(None, description="First day as a paying customer.")
    renewal_date: date | None = Field(None, description="Day the current term ends.")
    lifecycle: ShortText | None = Field(None, description="The CRM's own lifecycle stage.")
    channel: ShortText | None = Field(None, description="How the customer was won, as the CRM calls it.")
    created_at: Instant | None = Field(None, description="When the source record was made.")


class Contact(Record):
    """A person at a customer, in whichever source."""

    kind: ClassVar[str] = "contact"
    email: ShortText | None = Field(None, description="Primary e-mail address, normalised; not unique in any source.")
    other_emails: tuple[str, ...] = Field((), description="Additional addresses, normalised.")
    external_ids: dict[str, str] = Field(
        default_factory=dict,
        description="Ids of the same person elsewhere: source name, 'crm', 'product' or 'any' (unsaid whose) -> id.",
    )
    account_ref: VendorId | None = Field(None, description="Primary account: its vendor id in the same source.")
    account_refs: tuple[str, ...] = Field((), description="Every account of this person, vendor ids, primary included.")
    owner_id: VendorId | None = Field(None, description="Vendor id of the owner (a user of the same source).")
    title: ShortText | None = Field(None, description="Job title.")
    role: ShortText | None = Field(
        None, description="The part in buying that the CRM names on the person; of several, with ';' between them."
    )
    staff: bool = Field(False, description="True for the vendor's own people and bots: never scored, never matched.")
    active: bool = Field(True, description="False when suspended, merged away or deactivated at the source.")
    last_login_at: Instant | None = Field(None, description="Last sign-in the source knows of.")
    email_opt_out: bool | None = Field(None, description="True when they want no e-mails but those they must get.")
    do_not_call: bool | None = Field(None, description="True when they do not want to be called.")
    created_at: Instant | None = Field(None, description="When the source record was made.")


class Membership(Record):
    """A person belonging to a further account of the same source."""

    kind: ClassVar[str] = "membership"
    contact_ref: VendorId = Field(description="The person's vendor id.")
    account_ref: VendorId = Field(description="The account's vendor id.")


class Deal(Record):
    """A sale or renewal in progress or done."""

    kind: ClassVar[str] = "deal"
    account_ref: VendorId | None = Field(None, description="Primary account's vendor id in the same source.")
    name: ShortText | None = Field(None, description="The deal's name.")
    pipeline: ShortText | None = Field(None, description="Pipeline id or name.")
    stage: ShortText | None = Field(None, description="Stage id or name.")
    closed: bool = Field(False, description="True when won or lost.")
    won: bool | None = Field(None, description="True when won, False when lost, None while open.")
    renewal: bool = Field(False, description="True when it renews an existing contract.")
    amount: int | None = Field(None, description="Value in minor units of `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code.")
    close_date: date | None = Field(None, description="Expected or actual closing day.")
    owner_id: VendorId | None = Field(None, description="Vendor id of the owner.")
    created_at: Instant | None = Field(None, description="When the deal was made.")


class ContactRole(Record):
    """The part that a person plays in a deal."""

    kind: ClassVar[str] = "contact_role"
    contact_ref: VendorId = Field(description="The person's vendor id.")
    account_ref: VendorId | None = Field(None, description="The deal's account: vendor id in the same source.")
    deal_ref: VendorId | None = Field(None, description="The deal's vendor id in the same source.")
    role: ShortText | None = Field(None, description="The source's own word: Economic Buyer, Decision Maker, ...")
    primary: bool = Field(False, description="True for the deal's main contact.")


class Ticket(Record):
    """A support request."""

    kind: ClassVar[str] = "ticket"
    account_ref: VendorId | None = Field(None, description="The account at ticket time: vendor id in the same source.")
    contact_ref: VendorId | None = Field(None, description="The requester's vendor id in the same source.")
    status: Literal["new", "open", "pending", "hold", "solved", "closed"] = Field(description="Where it stands.")
    priority: Literal["low", "normal", "high", "urgent"] | None = Field(None, description="None when not set.")
    created_at: Instant = Field(description="When it was opened.")
    solved_at: Instant | None = Field(None, description="When it was last solved or closed.")
    first_reply_minutes: int | None = Field(None, ge=0, description="Calendar minutes to the first answer.")
    reopens: int | None = Field(None, ge=0, description="How often it was opened again.")
    replies: int | None = Field(None, ge=0, description="Answers of ours that the requester saw.")
    channel: ShortText | None = Field(None, description="How it came in, as the source calls it: email, web, chat, ...")
    copy_of: VendorId | None = Field(
        None,
        description="Id of the same request in another source, such as the Zendesk ticket that a CRM case was made "
        "from; counted once.",
    )


class SurveyResponse(Record):
    """One answer to a satisfaction survey."""

    kind: ClassVar[str] = "survey_response"
    survey: Literal["nps", "csat", "ces"] = Field(description="Which question was asked.")
    score: int = Field(description="The answer on its own scale.")
    scale_min: int = Field(description="Lowest possible answer.")
    scale_max: int = Field(description="Highest possible answer.")
    satisfied: bool | None = Field(
        None, description="CSAT by the source's own rating category; NPS 9-10 True, 0-6 False; None for neutral."
    )
    responded_at: Instant = Field(description="When it was answered.")
    email: ShortText | None = Field(None, description="Respondent's address, when the source gives no better key.")
    contact_ref: VendorId | None = Field(None, description="Respondent's vendor id in the same source.")
    account_ref: VendorId | None = Field(None, description="Account's vendor id in the same source.")
    ticket_ref: VendorId | None = Field(None, description="Ticket it speaks of, vendor id in the same source.")
    themes: tuple[str, ...] = Field(
        (), description="What its text speaks of, by name; 'complaint' among them when it is one. Never the text."
    )


class UsageDay(Record):
    """How often one person did one thing on one day. Kept as Parquet, see sync/usage.py; never one object each."""

    kind: ClassVar[str] = "usage"
    day: date = Field(description="Event day, UTC (or the project's own zone for legacy projects).")
    person: VendorId = Field(description="Product user id.")
    account: VendorId | None = Field(None, description="Group key sent with the events; None when they carried none.")
    event: ShortText = Field(description="Event name.")
    count: int = Field(ge=1, description="Distinct events.")


class Subscription(Record):
    """A running contract, in a billing system or in the CRM."""

    kind: ClassVar[str] = "subscription"
    account_ref: VendorId = Field(description="Billing customer's or CRM account's vendor id.")
    status: ShortText = Field(description="The source's own word: active, past_due, canceled, Activated, ...")
    mrr: int | None = Field(None, ge=0, description="Monthly recurring revenue, minor units of `currency`.")
    currency: Currency | None = Field(None, description="ISO 4217 code.")
    current_period_end: Instant | None = Field(None, description="End of the paid period.")
    cancel_at: Instant | None = Field(None, description="When it is set to end.")
    card_expires: date | None = Field(None, description="Last day on which its payment card is valid.")


class Invoice(Record):
    """A bill."""

    kind: ClassVar[str] = "invoice"
    account_ref: VendorId = Field(description="Billing customer's vendor id.")
    status: Literal["draft", "open", "paid", "void", "uncollectible"] = Field(description="Where it stands.")
    amount_due: int = Field(ge=0, description="Minor units of `currency`.")
    currency: Currency = Field(description="ISO 4217 code.")
    due_date: date | None = Field(None, description="Day it should be paid by.")
    paid_at: Instant | None = Field(None, description="When it was paid.")
    failed_attempts: int = Field(0, ge=0, description="Failed collection attempts.")
    created_at: Instant = Field(description="When it was issued.")


class Activity(Record):
    """A contact between us and them: a call, meeting, mail or task."""

    kind: ClassVar[str] = "activity"
    account_ref: VendorId | None = Field(None, description="Account's vendor id in the same source.")
    contact_ref: VendorId | None = Field(None, description="Person's vendor id in the same source.")
    activity: Literal["call", "meeting", "email", "task", "note"] = Field(description="What it was.")
    inbound: bool | None = Field(None, description="True when they contacted us.")
    at: Instant = Field(description="When it happened; for a task, when it was closed, or made while it is open.")
    closed: bool | None = Field(None, description="Whether a task is done, or anything else took place.")
    tracked: bool | None = Field(None, description="For an e-mail: whether the source would know of an opening.")
    opened_at: Instant | None = Field(None, description="For an e-mail: when it was last opened.")
    clicked_at: Instant | None = Field(None, description="For an e-mail: when a link in it was last clicked.")
    task_key: ShortText | None = Field(
        None, description="For a task that the agent made: the key under which it keeps the task in its ledger."
    )


RECORDS: dict[str, type[Record]] = {
    model.kind: model
    for model in (
        User,
        Account,
        Contact,
        Membership,
        Deal,
        ContactRole,
        Ticket,
        SurveyResponse,
        UsageDay,
        Subscription,
        Invoice,
        Activity,
    )
}
"""Record kind -> model."""
