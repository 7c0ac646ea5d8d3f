"""A simulated Salesforce org in which anything may happen, and what is true in it at any time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from connectors.base import Batch, FieldSpec, Row
from connectors.salesforce import STREAMS, Salesforce
from connectors.salesforce_kinds import ACTIVITIES, KINDS, TASK_KEY, survey_kind
from connectors.salesforce_read import OVERLAP
from connectors.salesforce_walk import LAG
from mapping.fields import FieldMap
from sandbox.model import World
from sandbox.salesforce_query import converter
from sandbox.world import make_world
from tests.connectors.conftest import Org
from tests.instants import START

SURVEYS = "NPS_Response__c"
ALL_KINDS = {name: kind for name, kind in KINDS.items() if name not in ACTIVITIES}
ALL_KINDS["survey_responses"] = survey_kind(SURVEYS)
BY_NAME = {stream.name: stream for stream in STREAMS if stream.name not in ACTIVITIES}
HOURLY = sorted(name for name, kind in ALL_KINDS.items() if kind.hourly)
FIELD_MAP = FieldMap.load("salesforce")
WANTED = {stream: FIELD_MAP.paths(stream) for stream in FIELD_MAP.streams}
SCORE = "Holdfast_Health_Score__c"
EXTRAS = {"Task": TASK_KEY, "Account": SCORE}
"""Object -> a field that the agent can do without."""
ACCOUNT_KEY = "Account_Key__c"
"""What a formula gives for a contact's account: an id of 15 characters."""
OWN = [FieldSpec("account", SCORE, "Health score", "number")]
FOLLOWING = {"contact_roles": {"Opportunity"}, "tasks": {"AccountId"}}
"""Stream -> what follows from other records, whose changes move no stamp: true once a day only."""
LATEST = round((LAG + OVERLAP).total_seconds()) - 10
"""Seconds by which a row may show up after its own stamp without being lost."""
TEXTS = {
    "Account": "Name",
    "Contact": "Title",
    "Opportunity": "Name",
    "Case": "Priority",
    "Contract": "Status",
    "Task": "Status",
    "User": "FirstName",
    "OpportunityContactRole": "Role",
    "NPS_Response__c": "Survey_Type__c",
}


@cache
def world() -> World:
    return make_world(seed=5, accounts=4, people_per_account=4, months=6, horizon_days=0, now=START)


class Life:
    """The org, and what people and programs do to it.

    Attributes:
        org: The simulated org.
        merged: Loser -> winner, as the org shows them.
        late: Seconds by which what is done becomes visible after its own stamp.
        settings: What the agent's config says.
    """

    def __init__(self, **options: Any) -> None:
        self.org = Org(world(), **options)
        self.org.do("create_field", object="Task", name=TASK_KEY, type="string", length=64, visible=True)
        self.org.do("create_field", object="Account", name=SCORE, type="double", scale=2, visible=True)
        self.org.do("create_field", object="Contact", name=ACCOUNT_KEY, type="string", length=18, visible=True)
        for contact in self.ids("Contact"):
            table, place = self.org.vendor.org.find(contact)
            home = table.value(place, "AccountId", self.org.vendor.org.now)
            self.org.do("edit", id=contact, values={ACCOUNT_KEY: (home or "")[:15] or None})
        self.org.pass_time(hours=1)
        self.merged: dict[str, str] = {}
        self._ever: dict[str, str] = {}
        self.late = 0.0
        self.settings: dict[str, Any] = {}
        self._calm_at = self.now

    @property
    def now(self) -> Any:
        return self.org.box.clock.now()

    def connect(self, wanted: Mapping[str, Sequence[str]] = WANTED) -> Salesforce:
        """A new process of the agent."""
        return self.org.connect(surveys=SURVEYS, wanted=wanted, own_fields=OWN, **self.settings)

    def ids(self, obj: str, *, deleted: bool = False) -> list[str]:
        """The living records of a kind; or those in the recycle bin."""
        self.org.vendor.tick(self.now)
        table = self.org.vendor.org.tables[obj]
        places = table.places(self.org.vendor.org.now, deleted=True)
        return [table.id_at(place) for place in places if table.deleted(place) is deleted]

    def pick(self, obj: str, number: int, *, deleted: bool = False) -> str | None:
        found = self.ids(obj, deleted=deleted)
        return found[number % len(found)] if found else None

    def do(self, action: str, **args: Any) -> Any:
        self._calm_at = max(self._calm_at, self.now + timedelta(seconds=self.late))
        return self.org.do(action, **args)

    def settle(self) -> None:
        """Let everything that was done become visible."""
        if self.now < self._calm_at:
            self.org.pass_time(seconds=(self._calm_at - self.now).total_seconds())

    # -- what people do ------------------------------------------------------------------------------------------------

    def edit(self, obj: str, number: int, text: str) -> None:
        record_id = self.pick(obj, number)
        if record_id is not None:
            self.do("edit", id=record_id, values={TEXTS[obj]: text})

    def mass_edit(self, obj: str, numbers: set[int], text: str) -> None:
        everyone = self.ids(obj)
        chosen = sorted({everyone[number % len(everyone)] for number in numbers} if everyone else ())
        if obj in TEXTS:
            self.do("mass_edit", object=obj, ids=chosen, values={TEXTS[obj]: text})

    def move(self, number: int, account: int | None) -> None:
        """A contact goes to another account, or to none."""
        record_id = self.pick("Contact", number)
        home = None if account is None else self.pick("Account", account)
        if record_id is not None:
            self.do("edit", id=record_id, values={"AccountId": home, ACCOUNT_KEY: home[:15] if home else None})

    def create(self, obj: str, account: int, person: int) -> None:
        home, who = self.pick("Account", account), self.pick("Contact", person)
        if obj == "Task" and home is None:
            return  # whose a contact's task is changes with the contact, and no stamp tells
        given: Mapping[str, Row] = {
            "Account": {"Name": "Made"},
            "Contact": {"LastName": "Made", "AccountId": home, ACCOUNT_KEY: home[:15] if home else None},
            "Opportunity": {"Name": "Made", "StageName": "Prospecting", "AccountId": home, "CloseDate": "2027-01-01"},
            "Case": {"Subject": "Made", "AccountId": home, "ContactId": who},
            "Contract": {"AccountId": home, "Status": "Draft", "StartDate": "2026-01-01", "ContractTerm": 12},
            "Task": {"Subject": "Made", "WhatId": home, "WhoId": who},
            "NPS_Response__c": {
                "Score__c": 7,
                "Survey_Type__c": "NPS",
                "Responded_At__c": "2026-11-01T10:00:00Z",
                "Account__c": home,
                "Contact__c": who,
            },
        }
        self.do("create", object=obj, values=given[obj])

    def delete(self, obj: str, number: int) -> None:
        record_id = self.pick(obj, number)
        if record_id is not None:
            self.settle()
            self.do("delete", id=record_id)

    def undelete(self, obj: str, number: int) -> None:
        self.settle()
        record_id = self.pick(obj, number, deleted=True)
        if record_id is not None:
            self.do("undelete", id=record_id)
            self.merged.pop(record_id, None)

    def merge(self, obj: str, winner: int, losers: list[int]) -> None:
        self.settle()
        first = self.pick(obj, winner)
        others = sorted({str(self.pick(obj, number)) for number in losers} - {first, "None"})
        if first is not None and others:
            self.do("merge", winner=first, losers=others)
            self.merged |= dict.fromkeys(others, first)
            self._ever |= dict.fromkeys(others, first)

    def leads_to(self, loser: str) -> list[str]:
        """Whom a record was merged into, whom that one was, and so on."""
        found: list[str] = []
        while (winner := self._ever.get(loser)) is not None and winner not in found:
            found.append(winner)
            loser = winner
        return found

    def purge(self, obj: str, number: int, *, deleted: bool) -> None:
        self.settle()
        record_id = self.pick(obj, number, deleted=deleted)
        if record_id is not None and obj != "User":  # people leave, users stay
            self.do("purge", id=record_id)
            self.merged.pop(record_id, None)

    def lateness(self, seconds: float) -> None:
        self.settle()
        self.set_lateness(seconds)

    def set_lateness(self, seconds: float) -> None:
        """By how much what is done from now on becomes visible after its own stamp."""
        self.late = seconds
        self.org.options(late_seconds=seconds)

    def show(self, field: str, *, visible: bool) -> None:
        """A field that an org may do without comes or goes."""
        obj = next(obj for obj, extra in EXTRAS.items() if extra == field)
        self.org.do("show_field" if visible else "hide_field", object=obj, field=field)

    # -- what is true --------------------------------------------------------------------------------------------------

    def truth(self, name: str, wanted: Sequence[str]) -> dict[str, Row]:
        """Every row that a stream has now, by id, with the fields that are wanted."""
        kind, vendor = ALL_KINDS[name], self.org.vendor.org
        self.org.vendor.tick(self.now)
        table = vendor.tables[kind.object]
        found = {}
        for place in table.places(vendor.now, deleted=True):
            if not table.deleted(place) and self._belongs(name, table, place):
                found[table.id_at(place)] = self._row(ALL_KINDS[name].asked(wanted), table, place)
        return found

    def _belongs(self, name: str, table: Any, place: int) -> bool:
        now = self.org.vendor.org.now
        if name == "users":
            return table.value(place, "UserType", now) in {"Standard", "PowerPartner"}
        return name != "tasks" or any(table.value(place, field, now) for field in ("AccountId", "WhoId"))

    def _row(self, paths: Sequence[str], table: Any, place: int) -> Row:
        row: Row = {}
        now = self.org.vendor.org.now
        for path in paths:
            parent, _, field = path.rpartition(".")
            spot: tuple[Any, int] | None = (table, place)
            if parent:
                spot = self.org.vendor.org.find(table.value(place, f"{parent}Id", now))
            value = None if spot is None else spot[0].value(spot[1], field, now)
            convert = None if spot is None else converter(spot[0].object.field(field))
            value = value if convert is None else convert(value)
            if parent:
                row[parent] = None if value is None else {field: value}
            else:
                row[path] = value
        return row


class Mirror:
    """What a reader of batches believes, who knows nothing else."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.merged: dict[str, str] = {}
        self._ever: dict[str, str] = {}
        self.cursor: str | None = None

    def take(self, batch: Batch, named: set[str]) -> None:
        """Take over a batch; `named` collects the ids of one pull."""
        for row in batch.rows:
            self.rows[row["Id"]] = row
            self.merged.pop(row["Id"], None)
        for gone in (*batch.deleted, *batch.merged):
            self.rows.pop(gone, None)
            self.merged.pop(gone, None)
        self.merged |= batch.merged
        named |= {row["Id"] for row in batch.rows}
        if batch.full:
            self.rows = {one: row for one, row in self.rows.items() if one in named}
        self.cursor = batch.cursor or self.cursor

    def take_all(self, batches: Iterable[Batch]) -> None:
        """Take over one whole pull."""
        named: set[str] = set()
        for batch in batches:
            self.take(batch, named)


def without(name: str, row: Row, *, following: bool) -> Row:
    """A row for comparing: extras may be hidden, and what follows from other records may lag behind for a day."""
    left = {*EXTRAS.values()} | (FOLLOWING.get(name, set()) if following else set())
    return {field: value for field, value in row.items() if field not in left}
