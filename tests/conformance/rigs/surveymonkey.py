"""SurveyMonkey, for the conformance suites."""

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from sandbox.core import SURVEYMONKEY_TOKEN
from sandbox.surveymonkey_surveys import CES, CSAT
from tests.conformance.rigs.base import ALWAYS, PAGE, Change, Exceptions, NotApplicable, Rig

SURVEYS = {CSAT: {"survey": "csat"}, CES: {"survey": "ces"}}
NEW_ANSWERS = 20


class SurveyMonkeySource(Rig):
    """An account with two surveys."""

    vendor = "surveymonkey"
    streams = ("responses",)
    secrets = (SURVEYMONKEY_TOKEN, "sm-unknown-token")
    exceptions: ClassVar[Exceptions] = {"a_merged_record_is_gone": NotApplicable("responses cannot be merged")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for number in range(NEW_ANSWERS):
            survey, what = ((CSAT, "csat"), (CES, "ces"))[number % 2]
            self.act("answer", survey=survey, scores={what: 1 + number % 5}, minutes_ago=300 + 17 * number)

    def options_for(self, stream: str) -> dict[str, Any]:
        del stream
        return {"per_day": 100_000, "per_minute": 100_000}

    def settings(self) -> dict[str, Any]:
        return {"token": SURVEYMONKEY_TOKEN, "surveys": SURVEYS, "daily_calls": 100_000}

    def wrong(self) -> dict[str, Any]:
        return {"token": "sm-unknown-token"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.surveymonkey_pages.PAGE", PAGE)

    def truth(self, stream: str) -> set[str]:
        """Finished ones; of these previews are read and skipped by the map, as the vendor lists them too."""
        vendor: Any = self.box.vendors["surveymonkey"]
        return {sent.id for survey in SURVEYS for sent in vendor.shown(survey) if sent.status == "completed"}

    def page(self, stream: str) -> str:
        return "responses/bulk"

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if row["collection_mode"] != "preview"]

    def change(self, stream: str, row: Row) -> Change:
        key, value = row["id"], 1 if row["_score"] == 2 else 2
        self.act("edit", id=key, scores={row["_survey"]: value})
        return lambda held: held[key]["_score"] == value

    def delete(self, stream: str, row: Row) -> None:
        self.act("delete", id=row["id"])

    def undelete(self, stream: str, row: Row) -> None:
        self.act("restore", id=row["id"])

    vanish = delete

    def repeat_page(self, stream: str) -> None:
        row = {"id": "1", "date_modified": "2026-01-01T00:00:00+00:00"}
        body = {"data": [row], "total": 99, "page": 1, "links": {"next": "https://api.surveymonkey.com/same"}}
        self.fault("status", self.page(stream), status=200, body=body, times=ALWAYS)

    def exhaust(self, stream: str) -> None:
        self.act("use_up")

    def refusal(self, text: str) -> Any:
        return {"error": {"id": "1004", "name": "Invalid URL parameters", "http_status_code": 400, "message": text}}

    def too_many(self) -> dict[str, Any]:
        return {"status": 429, "body": {"error": {"id": "1040", "name": "Rate limit reached"}}}
