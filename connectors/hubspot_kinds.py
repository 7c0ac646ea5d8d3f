"""HubSpot's kinds of record as the reader needs to know them, and the cursor of a stream."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from connectors.errors import CursorExpiredError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of HubSpot record.

    Attributes:
        name: Its plural, as in paths.
        properties: What is asked for unless the wiring says otherwise.
        modified: The property that moves with any change; the wrong one fails silently.
        links: Other kinds whose associations are folded in.
        merged: Properties that name merged-away records.
        stage: Its pipeline and stage properties.
        money: Amounts need the portal's currency.
        primary: One of the associated companies is the primary one.
        counted: Properties that count something, of which it is folded in when they last grew.
        happens: The property that says when it takes place: what lies ahead is left out until it has happened.
    """

    name: str
    properties: tuple[str, ...]
    modified: str = "hs_lastmodifieddate"
    links: tuple[str, ...] = ()
    merged: tuple[str, ...] = ("hs_merged_object_ids",)
    stage: tuple[str, str] | None = None
    money: bool = False
    primary: bool = True
    counted: tuple[str, ...] = ()
    happens: str = ""

    @property
    def path(self) -> str:
        """Where its records are, as the client library writes it."""
        return f"/crm/v3/objects/{self.name}"

    def asked(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """The properties to ask for: those wanted, or the usual ones, and those that the connector itself reads."""
        return tuple(dict.fromkeys([*(wanted or self.properties), *self._own]))

    @property
    def _own(self) -> tuple[str, ...]:
        return (*self.merged, *(self.stage or ()), *self.counted, *((self.happens,) if self.happens else ()))


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "companies",
            ("name", "domain", "hubspot_owner_id", "hs_parent_company_id", "hs_additional_domains", "lifecyclestage"),
            money=True,
        ),
        Kind(
            "contacts",
            ("email", "hs_additional_emails", "jobtitle", "hs_buying_role", "hubspot_owner_id", "hs_email_optout"),
            modified="lastmodifieddate",
            links=("companies",),
            merged=("hs_merged_object_ids", "hs_calculated_merged_vids"),
        ),
        Kind(
            "deals",
            ("dealname", "amount", "deal_currency_code", "dealtype", "closedate", "hubspot_owner_id"),
            links=("companies",),
            stage=("pipeline", "dealstage"),
            money=True,
        ),
        Kind(
            "tickets",
            ("hs_ticket_priority", "closed_date"),
            links=("companies", "contacts"),
            stage=("hs_pipeline", "hs_pipeline_stage"),
        ),
        Kind(
            "feedback_submissions",
            ("hs_survey_type", "hs_value", "hs_response_group", "hs_submission_timestamp", "hs_contact_id"),
            links=("companies", "contacts"),
            merged=(),
        ),
        Kind(
            "emails",
            ("hs_timestamp", "hs_email_direction", "hs_email_status", "hs_email_tracker_key"),
            links=("companies", "contacts"),
            merged=(),
            primary=False,
            counted=("hs_email_open_count", "hs_email_click_count"),
            happens="hs_timestamp",
        ),
        Kind(
            "calls",
            ("hs_timestamp", "hs_call_direction", "hs_call_status"),
            links=("companies", "contacts"),
            merged=(),
            primary=False,
            happens="hs_timestamp",
        ),
        Kind(
            "meetings",
            ("hs_timestamp", "hs_meeting_outcome"),
            links=("companies", "contacts"),
            merged=(),
            primary=False,
            happens="hs_timestamp",
        ),
    )
}
"""Kind of record -> what the reader needs to know. Texts that people wrote are never asked for."""

ACTIVITIES: Mapping[str, str] = {
    "emails": "Read e-mails: who wrote to whom and when, and whether ours were opened; never their words.",
    "calls": "Read calls: who called whom and when; never what was noted.",
    "meetings": "Read meetings: with whom and when; never what was noted.",
}
"""Kinds that are read only where the config says so -> what that setting does."""


class Place(BaseModel):
    """A cursor: where a stream is.

    Attributes:
        after: A first list is under way and goes on here.
        started: HubSpot's clock when that list began.
        count: Rows that list has given so far.
        high: Every change before it has been seen.
        low: A search is under way from here ...
        until: ... to here ...
        last: ... and has passed this record id.
        listed: When everything was last listed.
        swept: When deletions were last looked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    after: str | None = None
    started: AwareDatetime | None = None
    count: int = 0
    high: AwareDatetime | None = None
    low: AwareDatetime | None = None
    until: AwareDatetime | None = None
    last: int = 0
    listed: AwareDatetime | None = None
    swept: AwareDatetime | None = None

    @classmethod
    def parse(cls, cursor: str | None) -> "Place":
        """Read a cursor. Raises `CursorExpiredError` for one that is not ours."""
        try:
            return cls.model_validate_json(cursor) if cursor else cls()
        except ValidationError:
            message = "the saved place cannot be read; the stream starts again."
            raise CursorExpiredError(message, vendor="hubspot") from None

    def text(self) -> str:
        """The cursor as text."""
        return self.model_dump_json(exclude_defaults=True)
