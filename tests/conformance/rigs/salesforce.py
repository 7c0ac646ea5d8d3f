"""Salesforce, for the conformance suites."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET
from sandbox.model import World
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable, Rig

SURVEYS = "NPS_Response__c"
OBJECTS = {
    "users": "User",
    "accounts": "Account",
    "contacts": "Contact",
    "account_contacts": "AccountContactRelation",
    "opportunities": "Opportunity",
    "contact_roles": "OpportunityContactRole",
    "contracts": "Contract",
    "cases": "Case",
    "tasks": "Task",
    "survey_responses": SURVEYS,
}
CHANGES: dict[str, tuple[str, Any, Any]] = {
    "users": ("IsActive", False, True),
    "accounts": ("Name", "Changed", "Changed again"),
    "contacts": ("Title", "Changed", "Changed again"),
    "account_contacts": ("IsActive", False, True),
    "opportunities": ("Name", "Changed", "Changed again"),
    "contact_roles": ("Role", "Influencer", "Other"),
    "contracts": ("Status", "Draft", "Activated"),
    "cases": ("Priority", "Low", "High"),
    "tasks": ("TaskSubtype", "Call", "Email"),
    "survey_responses": ("Score__c", 3.0, 4.0),
}
"""Stream -> a field that the field map reads, what people change it to, and to what else when it is that already."""
USERS = NotApplicable("users are deactivated, never deleted, merged or brought back")
NO_MERGE = NotApplicable("only accounts and contacts are merged")


class SalesforceSource(Rig):
    """An org."""

    vendor = "salesforce"
    streams = tuple(OBJECTS)
    secrets = (SALESFORCE_SECRET, "sf-unknown-secret")
    refreshes = True
    exceptions: ClassVar[Exceptions] = {
        "a_deleted_record_is_gone[users]": USERS,
        "a_merged_record_is_gone[users]": USERS,
        "an_undeleted_record_comes_back[users]": USERS,
        "a_record_that_vanished_is_missed[users]": USERS,
        "a_missing_right_is_named[users]": NotApplicable("everybody in an org may see who works there"),
        **{f"a_merged_record_is_gone[{stream}]": NO_MERGE for stream in list(OBJECTS)[3:]},
        "too_many_requests_are_waited_out_for_as_long_as_asked": NotApplicable(
            "Salesforce refuses too many long calls at once without saying how long that will last"
        ),
    }

    def __init__(self, world: World, spool: Path, stream: str = "", **options: Any) -> None:
        super().__init__(world, spool, stream, **options)
        # The world's own cases do not fill a page, and tasks it has none.
        kind, to = {"tasks": ("Task", "WhatId"), "cases": ("Case", "AccountId")}.get(stream, ("", ""))
        for number, account in enumerate(sorted(self.truth("accounts"))[:9] if kind else ()):
            self.act("create", object=kind, values={"Subject": f"Number {number}", to: account})

    def options_for(self, stream: str) -> dict[str, Any]:
        return {"page_rows": PAGE, "bulk_page_rows": PAGE}

    def settings(self) -> dict[str, Any]:
        return {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET, "surveys": SURVEYS}

    def wrong(self) -> dict[str, Any]:
        return {"consumer_secret": "sf-unknown-secret"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        """The org's own option sees to it."""

    @property
    def org(self) -> Any:
        vendor: Any = self.box.vendors["salesforce"]
        vendor.tick(self.box.clock.now())
        return vendor.org

    def truth(self, stream: str) -> set[str]:
        org, kind = self.org, OBJECTS[stream]
        table = org.tables[kind]
        places = table.places(org.now)
        if stream == "users":
            places = [place for place in places if table.value(place, "UserType", org.now) == "Standard"]
        return {table.id_at(place) for place in places}

    def id_name(self, stream: str) -> str:
        return "Id"

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        """Not ourselves."""
        return [row for row in rows if row.get("Id") not in {INTEGRATION_USER, ADMINISTRATOR}]

    def gone(self, stream: str, row: Row) -> bool:
        """The connector says so itself; what the field map leaves out is another matter."""
        return False

    def page(self, stream: str) -> str:
        return r"/query(All)?[/?]"

    def pause(self, stream: str) -> timedelta:
        return timedelta(hours=25 if stream == "users" else 1)

    def change(self, stream: str, row: Row) -> Change:
        key = row["Id"]
        name, value, other = CHANGES[stream]
        value = other if row[name] == value else value
        self.act("edit", id=key, values={name: value})
        return lambda held: held[key][name] == value

    def delete(self, stream: str, row: Row) -> None:
        self.act("delete", id=row["Id"])

    def undelete(self, stream: str, row: Row) -> None:
        self.act("undelete", id=row["Id"])

    def merge(self, stream: str, winner: Row, loser: Row) -> None:
        self.act("merge", winner=winner["Id"], loser=loser["Id"])

    def vanish(self, stream: str, row: Row) -> None:
        self.act("purge", id=row["Id"])

    def repeat_page(self, stream: str) -> None:
        row = {"attributes": {"type": OBJECTS[stream]}, "Id": "001Hf0000000001AAA", "IsDeleted": False}
        page = {
            "totalSize": 4_000,
            "done": False,
            "nextRecordsUrl": "/services/data/v64.0/query/01gHf0000000001AAA-2000",
            "records": [{**row, "SystemModstamp": "2026-01-01T00:00:00.000+0000"}],
        }
        self.fault("status", self.page(stream), status=200, body=page, times=1_000)

    def wrong_shapes(self, stream: str) -> Sequence[Any]:
        return ({}, [], None, 7, {"records": {"Id": "1"}, "done": True, "totalSize": 1}, {"done": True, "totalSize": 0})

    def expire(self, stream: str) -> None:
        self.act("expire_tokens")

    def forbid(self, stream: str) -> Any:
        self.act("revoke", object=OBJECTS[stream], rights=["Read"])
        return self.source

    def restore(self) -> None:
        for kind in OBJECTS.values():
            self.act("grant", object=kind, rights=["Read", "Edit", "ViewAllRecords"])
        self.mend()

    def named(self, stream: str) -> str:
        return OBJECTS[stream]

    def exhaust(self, stream: str) -> None:
        self.act("use_calls", calls=1_000_000)

    def refusal(self, text: str) -> Any:
        return [{"message": text, "errorCode": "MALFORMED_QUERY"}]

    def too_many(self) -> dict[str, Any]:
        body = [{"message": "ConcurrentPerOrgLongTxn Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
        return {"status": 403, "body": body}
