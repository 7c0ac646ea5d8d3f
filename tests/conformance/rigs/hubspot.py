"""HubSpot, for the conformance suites."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from sandbox.core import HUBSPOT_TOKEN
from sandbox.hubspot_access import ALL_SCOPES, scopes_for
from sandbox.model import World
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable, Rig

WORDS = {
    "companies": "name",
    "contacts": "jobtitle",
    "deals": "dealname",
    "tickets": "hs_ticket_priority",
    "feedback_submissions": "hs_value",
}
"""Kind of record -> a property that the field map reads and people change."""
NEW = {"tickets": "LOW", "feedback_submissions": "9"}
OWNER = NotApplicable("colleagues are deactivated, never deleted, merged or brought back")
ONE_BATCH = NotApplicable("two short lists make one batch")
SUBMISSION = NotApplicable("answers are neither merged nor asked back")


class HubSpotSource(Rig):
    """A portal."""

    vendor = "hubspot"
    streams = ("owners", "companies", "contacts", "deals", "tickets", "feedback_submissions")
    secrets = (HUBSPOT_TOKEN, "pat-unknown-token")
    exceptions: ClassVar[Exceptions] = {
        "a_deleted_record_is_gone[owners]": OWNER,
        "a_merged_record_is_gone[owners]": OWNER,
        "an_undeleted_record_comes_back[owners]": OWNER,
        "a_record_that_vanished_is_missed[owners]": OWNER,
        "every_cursor_of_the_first_pull_resumes_without_loss[owners]": ONE_BATCH,
        "a_merged_record_is_gone[feedback_submissions]": SUBMISSION,
    }

    def __init__(self, world: World, spool: Path, stream: str = "", **options: Any) -> None:
        super().__init__(world, spool, stream, **options)
        for number in range(9 if stream == "tickets" else 0):  # the world's own do not fill a page
            properties = {"subject": f"Question {number}", "hs_pipeline": "0", "hs_pipeline_stage": "1"}
            self.act("create", object="tickets", properties=properties)

    def settings(self) -> dict[str, Any]:
        return {"token": HUBSPOT_TOKEN}

    def wrong(self) -> dict[str, Any]:
        return {"token": "pat-unknown-token"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.hubspot_read.LIST_PAGE", PAGE)
        monkeypatch.setattr("connectors.hubspot_read.SEARCH_PAGE", PAGE)
        monkeypatch.setattr("connectors.hubspot_fold.ASSOCIATION_BATCH", 2 * PAGE)
        monkeypatch.setattr("connectors.hubspot_read.ASSOCIATION_BATCH", 2 * PAGE)

    @property
    def portal(self) -> Any:
        vendor: Any = self.box.vendors["hubspot"]
        vendor.tick(self.box.clock.now())
        return vendor.portal

    def truth(self, stream: str) -> set[str]:
        if stream == "owners":
            return set(self.portal.owners)
        table = self.portal.tables[stream]
        return {str(table.ids[place]) for place in table.living(0, self.portal.now)}

    def page(self, stream: str) -> str:
        return r"/owners/" if stream == "owners" else rf"/{stream}(\?|/search)"

    def pause(self, stream: str) -> timedelta:
        return timedelta(hours=25 if stream == "owners" else 1)

    def change(self, stream: str, row: Row) -> Change:
        if stream == "owners":
            self.act("deactivate_owner", id=row["id"])
            return lambda held: held[row["id"]]["archived"] is True
        name, value = WORDS[stream], NEW.get(stream, "Changed")
        value = "HIGH" if row["properties"][name] == value == "LOW" else value
        self.act("edit", object=stream, id=row["id"], properties={name: value})
        return lambda held: held[row["id"]]["properties"][name] == value

    def delete(self, stream: str, row: Row) -> None:
        self.act("archive", object=stream, id=row["id"])

    def undelete(self, stream: str, row: Row) -> None:
        self.act("restore", object=stream, id=row["id"])

    def merge(self, stream: str, winner: Row, loser: Row) -> None:
        self.act("merge", object=stream, winner=winner["id"], loser=loser["id"])

    def vanish(self, stream: str, row: Row) -> None:
        self.act("purge", object=stream, id=row["id"])

    def repeat_page(self, stream: str) -> None:
        row = {"id": "1", "properties": {}}
        page = {"results": [row], "paging": {"next": {"after": "7"}}, "total": 400}
        self.fault("status", self.page(stream), status=200, body=page, nth=range(1, 1000))

    def wrong_shapes(self, stream: str) -> Sequence[Any]:
        return (*super().wrong_shapes(stream), {"results": {"id": "1"}}, {"results": None})

    def expire(self, stream: str) -> None:
        self.act("revoke_token", token=HUBSPOT_TOKEN)

    def restore(self) -> None:
        self.act("token", token=HUBSPOT_TOKEN, scopes=sorted(ALL_SCOPES))
        self.act("options", daily_limit=None)
        self.mend()

    def forbid(self, stream: str) -> Any:
        scopes = ALL_SCOPES - set(self._scopes(stream))
        self.act("token", token="pat-few", scopes=sorted(scopes))
        return self.connect(token="pat-few")

    def named(self, stream: str) -> str:
        return self._scopes(stream)[0]

    @staticmethod
    def _scopes(stream: str) -> list[str]:
        return scopes_for("owners.list" if stream == "owners" else "objects.list", {"kind": stream})

    def exhaust(self, stream: str) -> None:
        self.act("options", daily_limit=1_000_000)
        self.act("use_quota", calls=1_000_000)

    def too_many(self) -> dict[str, Any]:
        body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING", "message": "slow"}
        return {"status": 429, "body": body}
