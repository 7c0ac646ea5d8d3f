"""Typeform, for the conformance suites."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from sandbox.core import TYPEFORM_TOKEN
from sandbox.typeform import NPS_FORM, SCALE_FORM
from tests.conformance.rigs.base import ALWAYS, PAGE, Change, Exceptions, NotApplicable, Rig

FORMS = {NPS_FORM: {}, SCALE_FORM: {"question": "recommend"}}
NEW_ANSWERS = 20


class TypeformSource(Rig):
    """An account with two forms. Answers are never edited: what changes is that somebody answers again."""

    vendor = "typeform"
    streams = ("responses",)
    secrets = (TYPEFORM_TOKEN, "tfp_unknown")
    exceptions: ClassVar[Exceptions] = {
        "a_merged_record_is_gone": NotApplicable("responses cannot be merged"),
        "an_undeleted_record_comes_back": NotApplicable("a deleted response is gone for good"),
        "a_used_up_day_loses_nothing": NotApplicable("Typeform counts by the second, not by the day"),
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for number in range(NEW_ANSWERS):
            form = (NPS_FORM, SCALE_FORM)[number % 2]
            self.act("answer", form=form, score=number % 11, minutes_ago=600 + 61 * number, comment="Slow.")

    def options_for(self, stream: str) -> dict[str, Any]:
        del stream
        return {"per_second": 1000}

    def settings(self) -> dict[str, Any]:
        return {"token": TYPEFORM_TOKEN, "forms": FORMS}

    def wrong(self) -> dict[str, Any]:
        return {"token": "tfp_unknown"}

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.typeform_pages.PAGE", PAGE)

    def truth(self, stream: str) -> set[str]:
        vendor: Any = self.box.vendors["typeform"]
        return {sent.token for form in FORMS for sent in vendor.shown(form)}

    def page(self, stream: str) -> str:
        return "/responses"

    def id_name(self, stream: str) -> str:
        return "token"

    def pause(self, stream: str) -> timedelta:
        """What was answered is to be seen half an hour later."""
        return timedelta(hours=2)

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: str(row["submitted_at"]), reverse=True)

    def change(self, stream: str, row: Row) -> Change:
        made = self.act("answer", form=row["_form"], score=10, hidden=row.get("hidden", {}), seen_after=30)["token"]
        return lambda held: made in held and held[made]["_score"] == 10

    def delete(self, stream: str, row: Row) -> None:
        self.act("delete", token=row["token"])

    vanish = delete

    def empty_page(self, stream: str) -> None:
        body = {"items": [], "total_items": 7, "page_count": 2}
        self.fault("status", self.page(stream), status=200, body=body, nth=2)

    def repeat_page(self, stream: str) -> None:
        body = {"items": [{"token": "same"}] * PAGE, "total_items": 999, "page_count": 99}
        self.fault("status", self.page(stream), status=200, body=body, times=ALWAYS)
