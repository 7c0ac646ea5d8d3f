"""Intercom, for the conformance suites."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from sandbox.core import INTERCOM_TOKEN
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable, Rig

TELLS = NotApplicable("conversations are deleted, and a list of them says so")
FOR_GOOD = NotApplicable("what was deleted cannot be brought back")
ALONG = NotApplicable("they come along with the conversations, and cost no call of their own")
NO_MERGE = NotApplicable("only contacts are merged")


class IntercomSource(Rig):
    """A workspace. Ratings are its conversations once more, as far as they are rated."""

    vendor = "intercom"
    streams = ("contacts", "companies", "conversations", "ratings")
    secrets = (INTERCOM_TOKEN, "ic_unknown")
    exceptions: ClassVar[Exceptions] = {
        "a_merged_record_is_gone[companies]": NO_MERGE,
        "a_merged_record_is_gone[conversations]": NO_MERGE,
        "a_merged_record_is_gone[ratings]": NO_MERGE,
        "an_undeleted_record_comes_back[conversations]": FOR_GOOD,
        "an_undeleted_record_comes_back[ratings]": FOR_GOOD,
        "a_record_that_vanished_is_missed[conversations]": TELLS,
        "a_record_that_vanished_is_missed[ratings]": TELLS,
        "a_cursor_that_is_not_ours_starts_the_stream_again[ratings]": ALONG,
        "a_record_changed_in_mid_pull_is_there_as_it_is_now[ratings]": ALONG,
        "a_token_that_expires_in_mid_pull_costs_nothing[ratings]": ALONG,
        "a_used_up_day_loses_nothing": NotApplicable("Intercom counts by ten seconds, not by the day"),
    }

    def options_for(self, stream: str) -> dict[str, Any]:
        del stream
        return {"scroll_page": PAGE, "twin_share": 10}

    def settings(self) -> dict[str, Any]:
        return {"token": INTERCOM_TOKEN}

    def wrong(self) -> dict[str, Any]:
        return {"token": "ic_unknown"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.intercom_search.PAGE", PAGE)

    def truth(self, stream: str) -> set[str]:
        vendor: Any = self.box.vendors["intercom"]
        kinds = {"contacts": "contact", "companies": "account"}
        return set(vendor.truth()[kinds.get(stream, "ticket")])

    def page(self, stream: str) -> str:
        return {"companies": "companies/scroll", "contacts": "contacts/search"}.get(stream, "conversations/search")

    def named(self, stream: str) -> str:
        return "conversations" if stream == "ratings" else stream

    def pause(self, stream: str) -> timedelta:
        """Companies that nobody is seen at are looked for once a day."""
        return timedelta(hours=24 if stream == "companies" else 1)

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if stream != "ratings" or (row["conversation_rating"] or {}).get("rating")]

    @staticmethod
    def _kind(stream: str) -> str:
        return "conversations" if stream == "ratings" else stream

    def change(self, stream: str, row: Row) -> Change:
        key = row["id"]
        if stream == "ratings":
            value = 1 if row["conversation_rating"]["rating"] != 1 else 5
            self.act("rate", id=key, rating=value)
            return lambda held: held[key]["conversation_rating"]["rating"] == value
        field = "title" if stream == "conversations" else "name"
        self.act("edit", kind=stream, id=key, fields={field: "Changed"})
        return lambda held: held[key][field] == "Changed"

    def delete(self, stream: str, row: Row) -> None:
        self.act("delete", kind=self._kind(stream), id=row["id"])

    vanish = delete

    def undelete(self, stream: str, row: Row) -> None:
        self.act("restore", kind=self._kind(stream), id=row["id"])

    def merge(self, stream: str, winner: Row, loser: Row) -> None:
        self.act("merge", lead=loser["id"], into=winner["id"])

    def repeat_page(self, stream: str) -> None:
        key = "conversations" if stream in ("conversations", "ratings") else "data"
        body = {
            key: [{"id": "same"}],
            "total_count": 999,
            "pages": {"next": {"starting_after": "same"}},
            "scroll_param": "same",
        }
        self.fault("status", self.page(stream), status=200, body=body, times=1_000)

    def refusal(self, text: str) -> Any:
        return {"type": "error.list", "errors": [{"code": "parameter_invalid", "message": text}]}

    def too_many(self) -> dict[str, Any]:
        body = {"type": "error.list", "errors": [{"code": "rate_limit_exceeded", "message": "Exceeded rate limit"}]}
        return {"status": 429, "body": body}
