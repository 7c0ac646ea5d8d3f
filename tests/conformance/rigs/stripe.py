"""Stripe, for the conformance suites."""

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from sandbox.core import STRIPE_KEY
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable, Rig

EVENTS_TELL = NotApplicable("what is deleted is gone for good, and the events say so")
NO_MERGE = NotApplicable("nothing can be merged there")
FOR_GOOD = NotApplicable("what was deleted or has ended cannot be brought back")
ALONG = NotApplicable("they come along with the customers, and cost no call of their own")


class StripeSource(Rig):
    """A billing account."""

    vendor = "stripe"
    streams = ("customers", "addresses", "subscriptions", "invoices")
    secrets = (STRIPE_KEY, "rk_live_unknown")
    exceptions: ClassVar[Exceptions] = {
        "a_merged_record_is_gone": NO_MERGE,
        "an_undeleted_record_comes_back": FOR_GOOD,
        "a_record_that_vanished_is_missed[invoices]": EVENTS_TELL,
        "a_cursor_that_is_not_ours_starts_the_stream_again[addresses]": ALONG,
        "a_record_changed_in_mid_pull_is_there_as_it_is_now[addresses]": ALONG,
        "a_token_that_expires_in_mid_pull_costs_nothing[addresses]": ALONG,
        "a_used_up_day_loses_nothing": NotApplicable("Stripe counts by the second, not by the day"),
    }

    def settings(self) -> dict[str, Any]:
        return {"key": STRIPE_KEY}

    def wrong(self) -> dict[str, Any]:
        return {"key": "rk_live_unknown"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.stripe_lists.PAGE", PAGE)

    def truth(self, stream: str) -> set[str]:
        kind = self._kind(stream)
        rows: list[Row] = []
        query: dict[str, str] = {"limit": "100"} | ({"status": "all"} if kind == "subscriptions" else {})
        while True:
            headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
            page = self.ask("GET", f"/v1/{kind}", query_string=query, headers=headers).get_json()
            rows += page["data"]
            if not page["has_more"]:
                return {row["id"] for row in rows if not self.gone(stream, row)}
            query["starting_after"] = rows[-1]["id"]

    @staticmethod
    def _kind(stream: str) -> str:
        """Addresses are those of the customers."""
        return "customers" if stream == "addresses" else stream

    def page(self, stream: str) -> str:
        return f"v1/{self._kind(stream)}"

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        """A subscription that has ended and a paid invoice are what they are."""
        if stream == "invoices":
            return list(rows)
        return [row for row in rows if row.get("status") not in {"canceled", "trialing"}]

    def change(self, stream: str, row: Row) -> Change:
        key = row["id"]
        if stream == "subscriptions":
            self.act("seats", id=key, quantity=77)
            return lambda held: held[key]["items"]["data"][0]["quantity"] == 77
        if stream == "invoices":
            self.act("fail_invoice", id=key)
            return lambda held: held[key]["status"] == "open" and held[key]["attempt_count"] > 0
        value = f"changed.{key.lower()}@customer.example"
        self.act("edit_customer", id=key, fields={"email": value})
        return lambda held: held[key]["email"] == value

    def delete(self, stream: str, row: Row) -> None:
        action = {"subscriptions": "cancel_subscription", "invoices": "delete_invoice"}.get(stream, "delete_customer")
        self.act(action, id=row["id"])

    def vanish(self, stream: str, row: Row) -> None:
        """Its event is never seen."""
        self.delete(stream, row)
        self.fault("status", "v1/events", status=200, body={"object": "list", "data": [], "has_more": False}, times=99)

    def repeat_page(self, stream: str) -> None:
        body = {"object": "list", "data": [{"id": "cus_same"}], "has_more": True}
        self.fault("status", self.page(stream), status=200, body=body, times=1_000)

    def refusal(self, text: str) -> Any:
        return {"error": {"type": "invalid_request_error", "message": text}}

    def named(self, stream: str) -> str:
        return self._kind(stream)
