"""Zendesk, for the conformance suites."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import pytest

from connectors.base import Row
from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN
from sandbox.zendesk_desk import AGENT_EMAIL, IDS
from tests.conformance.rigs.base import ALWAYS, PAGE, Change, Exceptions, NotApplicable, Rig

EXPORTS = ("organizations", "users", "tickets")
LISTS = {
    "organization_memberships": "organization_memberships",
    "satisfaction_ratings": "satisfaction_ratings",
    "survey_responses": "guide/survey_responses",
}
ANSWERS = ("satisfaction_ratings", "survey_responses")
WITH_ITS_TICKET = NotApplicable("an answer has no life of its own: it goes with its ticket")
FROM_ITS_USER = NotApplicable("a membership is made or removed, never edited, merged or brought back")
CLOSED = NotApplicable("a merged ticket stays, closed")
FOR_GOOD = NotApplicable("what was deleted cannot be brought back")


class ZendeskSource(Rig):
    """A support account."""

    vendor = "zendesk"
    streams = (*EXPORTS, *LISTS)
    secrets = (ZENDESK_TOKEN, "zd-unknown-token")
    exceptions: ClassVar[Exceptions] = {
        "a_record_changed_in_mid_pull_is_there_as_it_is_now[organization_memberships]": FROM_ITS_USER,
        "every_cursor_of_a_later_pull_resumes_without_loss[organization_memberships]": FROM_ITS_USER,
        "a_wrong_clock_of_ours_loses_no_change[organization_memberships]": FROM_ITS_USER,
        "pull_after_pull_finds_what_changed_between[organization_memberships]": FROM_ITS_USER,
        "a_merged_record_is_gone[organization_memberships]": FROM_ITS_USER,
        "a_merged_record_is_gone[tickets]": CLOSED,
        "an_undeleted_record_comes_back[users]": FOR_GOOD,
        "an_undeleted_record_comes_back[organizations]": FOR_GOOD,
        "an_undeleted_record_comes_back[organization_memberships]": FROM_ITS_USER,
        "a_record_that_vanished_is_missed[tickets]": NotApplicable("tickets are deleted, and the export says so"),
        "a_record_that_vanished_is_missed[users]": NotApplicable("users become inactive, and the export says so"),
        "a_used_up_day_loses_nothing": NotApplicable("Zendesk counts by the minute, not by the day"),
        **{
            f"{case}[{stream}]": WITH_ITS_TICKET
            for stream in ANSWERS
            for case in (
                "a_deleted_record_is_gone",
                "a_merged_record_is_gone",
                "an_undeleted_record_comes_back",
                "a_record_that_vanished_is_missed",
            )
        },
    }

    def options_for(self, stream: str) -> dict[str, Any]:
        system = "legacy" if stream == "satisfaction_ratings" else "survey"
        return {"csat": system, "export_per_minute": 10_000, "account_per_minute": 10_000}

    def settings(self) -> dict[str, Any]:
        return {"subdomain": "acme", "email": ZENDESK_EMAIL, "token": ZENDESK_TOKEN, "exports_per_minute": 30}

    def wrong(self) -> dict[str, Any]:
        return {"token": "zd-unknown-token"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.zendesk_pages.EXPORT_PAGE", PAGE)
        monkeypatch.setattr("connectors.zendesk_pages.LIST_PAGE", PAGE)
        monkeypatch.setattr("connectors.zendesk_csat.LIST_PAGE", PAGE)

    @property
    def desk(self) -> Any:
        vendor: Any = self.box.vendors["zendesk"]
        vendor.tick(self.box.clock.now())
        return vendor.desk

    def truth(self, stream: str) -> set[str]:
        if stream in LISTS:
            return {str(row["id"]) for row in self._listed(stream)}
        desk = self.desk
        logs = {"tickets": desk.ticket_log, "users": desk.user_log, "organizations": desk.org_log}
        rows = np.nonzero(logs[stream].visible())[0].tolist()
        return {str(IDS[stream].of(index)) for index in rows if not self._ended(stream, index)}

    def _ended(self, stream: str, index: int) -> bool:
        desk = self.desk
        if stream == "tickets":
            deleted, now = int(desk.columns.deleted[index]), int(desk.now)
            return 0 < deleted <= now or desk.edits.tickets.get(index, {}).get("status") == "deleted"
        if stream == "organizations":
            return "deleted_at" in desk.edits.orgs.get(index, {})
        return desk.edits.users.get(index, {}).get("active") is False

    def _listed(self, stream: str) -> list[Row]:
        rows: list[Row] = []
        query: dict[str, str] = {"page[size]": "100"} | ({"score": "received"} if stream == ANSWERS[0] else {})
        while True:
            auth = (f"{ZENDESK_EMAIL}/token", ZENDESK_TOKEN)
            page = self.ask("GET", f"/api/v2/{LISTS[stream]}", query_string=query, auth=auth).get_json()
            rows += page[stream]
            if not page["meta"]["has_more"]:
                return rows
            query["page[after]"] = page["meta"]["after_cursor"]

    def page(self, stream: str) -> str:
        return LISTS.get(stream, f"incremental/{stream}")

    def pause(self, stream: str) -> timedelta:
        return timedelta(hours=1 if stream in EXPORTS else 25)

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        """An offer to answer ends after 28 days; a ticket is what people edit, so the newest come first."""
        if stream != "survey_responses":
            return list(rows)
        now = self.box.clock.now()
        return [row for row in rows if datetime.fromisoformat(row["expires_at"]) > now + timedelta(days=2)]

    def gone(self, stream: str, row: Row) -> bool:
        inactive: bool = row.get("active") is False
        return inactive if stream == "users" else super().gone(stream, row)

    def change(self, stream: str, row: Row) -> Change:
        key = str(row["id"])
        if stream in ANSWERS:
            return self._answer(stream, row)
        field, action = {
            "tickets": ("priority", "edit_ticket"),
            "users": ("name", "edit_user"),
            "organizations": ("name", "edit_organization"),
        }[stream]
        value = "low" if row[field] == "urgent" else "urgent"
        self.act(action, id=key, fields={field: value})
        return lambda held: held[key][field] == value

    def _answer(self, stream: str, row: Row) -> Change:
        """The person answers, or thinks better of it; the new system's responses name their ticket by a text."""
        key = str(row["id"])
        if stream == "satisfaction_ratings":
            old = row["score"]
            self.act("answer_survey", ticket_id=row["ticket_id"], rating=5 if old == "bad" else 1)
            return lambda held: held[key]["score"] == ("good" if old == "bad" else "bad")
        self.act("answer_survey", ticket_id=row["subjects"][0]["id"], rating=2, comment="Changed")
        return lambda held: any(answer.get("rating") == 2 for answer in held[key]["answers"])

    def delete(self, stream: str, row: Row) -> None:
        if stream == "tickets":
            self.act("delete_ticket", id=row["id"])
        elif stream == "organizations":
            self.act("edit_organization", id=row["id"], fields={"deleted_at": self.box.clock.now().isoformat()})
        else:
            self.act("edit_user", id=row.get("user_id", row["id"]), fields={"active": False})

    def undelete(self, stream: str, row: Row) -> None:
        self.act("edit_ticket", id=row["id"], fields={"status": "open"})

    def merge(self, stream: str, winner: Row, loser: Row) -> None:
        self.act(f"merge_{stream}", winner=winner["id"], loser=loser["id"])

    def vanish(self, stream: str, row: Row) -> None:
        """A merged organization vanishes; a membership goes with its user."""
        if stream == "organizations":
            other = next(key for key in sorted(self.truth(stream)) if key != str(row["id"]))
            self.act("merge_organizations", winner=other, loser=row["id"])
        else:
            self.delete(stream, row)

    def empty_page(self, stream: str) -> None:
        """Exports put empty pages in; lists never do, and there an account without records is as near as it gets."""
        vendor: Any = self.box.vendors["zendesk"]
        if stream in {"tickets", "users"}:
            self.box.vendors["zendesk"] = type(vendor)(
                self.box.world, self.box.clock, **self.options_for(stream), empty_every=3
            )
        else:
            self.fault("status", self.page(stream), status=200, body=self._no_rows(stream), times=1)

    @staticmethod
    def _no_rows(stream: str) -> dict[str, Any]:
        if stream in LISTS:
            return {stream: [], "meta": {"has_more": True, "after_cursor": "ay0x"}}
        return {stream: [], "end_of_stream": False, "end_time": 1}

    def repeat_page(self, stream: str) -> None:
        body: dict[str, Any] = {stream: [{"id": 1}], "after_cursor": "c2FtZQ==", "end_of_stream": False, "end_time": 5}
        body |= {"meta": {"has_more": True, "after_cursor": "c2FtZQ=="}}
        self.fault("status", self.page(stream), status=200, body=body, times=1_000)

    def forbid(self, stream: str) -> Any:
        """Exports are for admins; lists may be closed to everybody, by plan or setting."""
        if stream in EXPORTS:
            return self.connect(email=AGENT_EMAIL)
        for system in ANSWERS if stream in ANSWERS else (stream,):
            self.fault("status", self.page(system), status=403, body={"error": "no"}, times=ALWAYS)
        return self.source

    def named(self, stream: str) -> str:
        return stream.split("_", maxsplit=1)[0]
