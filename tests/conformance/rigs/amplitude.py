"""Amplitude, for the conformance suites."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar

import pytest

from connectors.base import Batch, Row
from sandbox.core import AMPLITUDE_KEY, AMPLITUDE_SECRET
from tests.conformance.rigs.amplitude_told import told
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable, Rig

HISTORY = 4
"""Days of uploads."""
NEVER_CHANGES = NotApplicable("an event is never changed, deleted or merged")
NO_LIST = NotApplicable("there is no list of users, only what events say of them")
NO_PAGES = NotApplicable("an export has no pages, and hours without events are hours like others")
READ_AS_EVENTS = NotApplicable("users are read out of the events' export, whose lines are tested there")
WITHOUT_CALLS = NotApplicable("users are read out of what the events brought, without a call of their own")


class AmplitudeSource(Rig):
    """A project."""

    vendor = "amplitude"
    streams = ("events", "users")
    silent = ("users",)
    secrets = (AMPLITUDE_SECRET, "am-unknown-secret")
    calls_return = timedelta(hours=1)
    exceptions: ClassVar[Exceptions] = {
        "a_deleted_record_is_gone[events]": NEVER_CHANGES,
        "a_deleted_record_is_gone[users]": NO_LIST,
        "a_record_that_vanished_is_missed[events]": NEVER_CHANGES,
        "a_record_that_vanished_is_missed[users]": NO_LIST,
        "a_merged_record_is_gone[events]": NEVER_CHANGES,
        "a_merged_record_is_gone[users]": NO_LIST,
        "an_undeleted_record_comes_back[events]": NEVER_CHANGES,
        "an_undeleted_record_comes_back[users]": NO_LIST,
        "a_repeated_page_ends_in_an_error": NO_PAGES,
        "an_empty_page_is_not_the_end": NO_PAGES,
        "a_record_changed_in_mid_pull_is_there_as_it_is_now[users]": WITHOUT_CALLS,
        "a_cursor_that_is_not_ours_starts_the_stream_again[users]": WITHOUT_CALLS,
        "a_token_that_expires_in_mid_pull_costs_nothing[users]": WITHOUT_CALLS,
        "a_used_up_day_loses_nothing[users]": WITHOUT_CALLS,
        "an_unknown_field_is_ignored[users]": READ_AS_EVENTS,
        "a_record_without_a_usable_id_costs_only_itself[users]": READ_AS_EVENTS,
        "a_row_that_is_no_object_costs_only_itself[users]": READ_AS_EVENTS,
    }

    def settings(self) -> dict[str, Any]:
        return {"api_key": AMPLITUDE_KEY, "secret_key": AMPLITUDE_SECRET, "history_days": HISTORY}

    def wrong(self) -> dict[str, Any]:
        return {"secret_key": "am-unknown-secret"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.amplitude_people.PAGE", PAGE)

    def rows(self, batch: Batch) -> list[Row]:
        if batch.export is None:
            return batch.rows
        return told(batch.export)

    def key(self, stream: str, row: Row) -> str:
        return str(row["uuid" if stream == "events" else "user_id"])

    def id_name(self, stream: str) -> str:
        return "uuid" if stream == "events" else "user_id"

    def gone(self, stream: str, row: Row) -> bool:
        return stream != "events" and super().gone(stream, row)

    def truth(self, stream: str) -> set[str]:
        begin = datetime.combine(self.box.world.now.date() - timedelta(days=HISTORY), time(), UTC)
        found: set[str] = set()
        query = {"start": f"{begin:%Y%m%dT%H}", "end": f"{self.box.clock.now():%Y%m%dT%H}"}
        auth = (AMPLITUDE_KEY, AMPLITUDE_SECRET)
        body = self.ask("GET", "/api/2/export", query_string=query, auth=auth).get_data()
        for row in unpacked(body):
            if stream == "events" or row["user_id"]:
                found.add(self.key(stream, row))
        return found

    def page(self, stream: str) -> str:
        return "api/2/export"

    def pause(self, stream: str) -> timedelta:
        """An hour can be had two hours after its end."""
        return timedelta(hours=8)

    def change(self, stream: str, row: Row) -> Change:
        """Events do not change; what comes nearest is one that is uploaded late, here one that says something new."""
        when = (self.box.clock.now() - timedelta(days=2)).isoformat()
        if stream == "users":
            key = self.key(stream, row)
            self.act("edit_user", user_id=key, properties={"email": "changed@new.example"})
            self.act("upload", user_id=key, time=when)
            return lambda held: held[key]["user_properties"].get("email") == "changed@new.example"
        user = next(p.product_user_id for p in self.box.world.people if p.product_user_id)
        made = self.act("upload", user_id=user, time=when)
        return lambda held: any(found.get("$insert_id") == f"{made['number']:x}" for found in held.values())

    def repeat_page(self, stream: str) -> None:
        raise NotImplementedError

    def wrong_shapes(self, stream: str) -> Sequence[Any]:
        return ({}, [], "text", 7)

    def named(self, stream: str) -> str:
        return "export"

    def exhaust(self, stream: str) -> None:
        self.fault("status", self.page(stream), status=429, body="Too many requests", times=1_000_000)

    def too_many(self) -> dict[str, Any]:
        return {"status": 429, "body": "Exceeded concurrent limit"}

    def retyped(self, body: bytes, change: Callable[[Any], Any]) -> bytes:
        rows = change(unpacked(body))
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("1/1_2026-01-01_0#0.json.gz", gzip.compress(lines))
        return packed.getvalue()


def unpacked(body: bytes) -> list[Any]:
    """The rows of an export, file by file."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        files = [gzip.decompress(archive.read(name)) for name in archive.namelist()]
    return [json.loads(line) for file in files for line in file.split(b"\n") if line]
