"""Mixpanel, for the conformance suites."""

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from connectors.base import Batch, Row
from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER
from sandbox.mixpanel_profiles import DATA_GROUP_ID
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable, Rig

HISTORY = 60
"""Days of events: two slices."""
NEVER_CHANGES = NotApplicable("an event is never changed, deleted or merged")
NO_PAGES = NotApplicable("an export has no pages, and days without events are days like others")
NO_TRACE = NotApplicable("profiles are merged before they are listed, and deleted for good")


class MixpanelSource(Rig):
    """A project."""

    vendor = "mixpanel"
    streams = ("events", "profiles", "groups")
    secrets = (MIXPANEL_SECRET, "mp-unknown-secret")
    calls_return = timedelta(hours=1)
    exceptions: ClassVar[Exceptions] = {
        "a_deleted_record_is_gone[events]": NEVER_CHANGES,
        "a_record_that_vanished_is_missed[events]": NEVER_CHANGES,
        "a_merged_record_is_gone": NO_TRACE,
        "an_undeleted_record_comes_back": NO_TRACE,
        "a_repeated_page_ends_in_an_error[events]": NO_PAGES,
        "an_empty_page_is_not_the_end[events]": NO_PAGES,
    }

    def options_for(self, stream: str) -> dict[str, Any]:
        return {"export_per_hour": 10_000, "export_per_second": 10_000, "query_per_hour": 10_000}

    def settings(self) -> dict[str, Any]:
        return {
            "project_id": MIXPANEL_PROJECT,
            "username": MIXPANEL_USER,
            "secret": MIXPANEL_SECRET,
            "group_id": DATA_GROUP_ID,
            "history_days": HISTORY,
        }

    def wrong(self) -> dict[str, Any]:
        return {"secret": "mp-unknown-secret"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sandbox.mixpanel_profiles.PAGE_SIZE", PAGE)
        monkeypatch.setattr("connectors.mixpanel.CALLS_AN_HOUR", 10_000)

    @property
    def auth(self) -> tuple[str, str]:
        return MIXPANEL_USER, MIXPANEL_SECRET

    def rows(self, batch: Batch) -> list[Row]:
        if batch.export is None:
            return batch.rows
        packed = batch.export.path.read_bytes()
        data = gzip.decompress(packed) if batch.export.path.suffix == ".gz" else packed
        return [json.loads(line) for line in data.split(b"\n") if line]

    def key(self, stream: str, row: Row) -> str:
        if stream != "events":
            return super().key(stream, row)
        properties = row["properties"]
        return f"{row['event']}|{properties['time']}|{properties['$insert_id']}"

    def id_name(self, stream: str) -> str:
        return "$distinct_id"

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        """Our own service account has a profile too."""
        return [row for row in rows if row.get("$distinct_id") != MIXPANEL_USER]

    def gone(self, stream: str, row: Row) -> bool:
        return stream != "events" and super().gone(stream, row)

    def truth(self, stream: str) -> set[str]:
        query: dict[str, Any] = {"project_id": MIXPANEL_PROJECT}
        if stream == "events":
            today = self.box.world.now.date()
            days = {"from_date": today - timedelta(days=HISTORY - 1), "to_date": self.box.clock.now().date()}
            lines = self.ask("GET", "/api/2.0/export", query_string=query | days, auth=self.auth).get_data()
            return {self.key(stream, json.loads(line)) for line in lines.split(b"\n") if line}
        form: dict[str, Any] = {"data_group_id": DATA_GROUP_ID} if stream == "groups" else {}
        found: set[str] = set()
        while True:
            page = self.ask("POST", "/api/query/engage", query_string=query, data=form, auth=self.auth).get_json()
            found |= {self.key(stream, row) for row in page["results"]}
            if len(page["results"]) < page["page_size"]:
                return found
            form |= {"session_id": page["session_id"], "page": page["page"] + 1}

    def page(self, stream: str) -> str:
        return "2.0/export" if stream == "events" else "engage"

    def pause(self, stream: str) -> timedelta:
        return timedelta(hours=1 if stream == "events" else 24)

    def change(self, stream: str, row: Row) -> Change:
        """Events do not change; what comes nearest is one that arrives late, from the same person."""
        key = self.key(stream, row)
        if stream == "profiles":
            self.act("edit_profile", user_id=key, properties={"$email": "changed@new.example"})
            return lambda held: held[key]["$properties"]["$email"] == "changed@new.example"
        if stream == "groups":
            self.act("edit_group", group=key, properties={"company name": "Changed"})
            return lambda held: held[key]["$properties"]["company name"] == "Changed"
        when = self.box.clock.now() - timedelta(days=2)
        person = next(p for p in self.box.world.people if p.product_user_id and p.created_at < when)
        made = self.act("late_event", user_id=person.product_user_id, time=when.isoformat(), name="Signed in")
        return lambda held: any(found["properties"]["$insert_id"] == made["$insert_id"] for found in held.values())

    def delete(self, stream: str, row: Row) -> None:
        key = self.key(stream, row)
        self.act("delete_profile", user_id=key) if stream == "profiles" else self.act("delete_group", group=key)

    def vanish(self, stream: str, row: Row) -> None:
        self.delete(stream, row)

    def repeat_page(self, stream: str) -> None:
        row = {"$distinct_id": "same", "$properties": {}}
        page = {"page": 0, "page_size": 1, "session_id": "same", "results": [row]}
        self.fault("status", self.page(stream), status=200, body=page, times=1_000)

    def wrong_shapes(self, stream: str) -> Sequence[Any]:
        """A line of an export may be any object; what is no object is no event."""
        return ([], "null", "text", 7) if stream == "events" else super().wrong_shapes(stream)

    def forbid(self, stream: str) -> Any:
        if stream == "events":
            return self.connect(project_id=99)
        self.act("query_api", enabled=False)
        return self.source

    def named(self, stream: str) -> str:
        return "export" if stream == "events" else "query API"

    def exhaust(self, stream: str) -> None:
        vendor: Any = self.box.vendors["mixpanel"]
        vendor.exports.per_hour = vendor.queries.per_hour = 0

    def restore(self) -> None:
        vendor: Any = self.box.vendors["mixpanel"]
        vendor.exports.per_hour = vendor.queries.per_hour = 10_000
        self.act("query_api", enabled=True)
        self.mend()

    def retyped(self, body: bytes, change: Callable[[Any], Any]) -> bytes:
        if body[:2] == b"\x1f\x8b" or body.startswith(b'{"event"'):
            rows = [json.loads(line) for line in body.split(b"\n") if line]
            return b"".join(json.dumps(row).encode() + b"\n" for row in change(rows))
        return super().retyped(body, change)
