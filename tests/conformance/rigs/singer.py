"""A Singer tap, for the conformance suites: a small one of our own, whose records lie in a file."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.base import Row
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable
from tests.conformance.rigs.local import WITHOUT_VENDOR, LocalRig

TAP = Path(__file__).parent.parent.parent / "connectors" / "tap_fixture.py"
TOKEN = "tap-token-4711"
OWN_AFFAIR = NotApplicable("requests, waiting and repeating are the tap's own affair")
AHEAD = NotApplicable(
    "a tap at work is ahead of us; that it fails halfway is tested in tests/connectors/test_singer.py"
)
STREAMS: dict[str, dict[str, Any]] = {
    "companies": {"record": "account", "full": True, "fields": {"source_id": "id", "name": "name"}},
    "people": {
        "record": "contact",
        "stream": "users",
        "deleted": [{"path": "gone", "values": ["true"]}],
        "fields": {"source_id": "id", "email": "email", "account_ref": "company"},
    },
}
THEIRS = {"companies": "companies", "people": "users"}


HELD = ("a_secret_that_the_vendor_repeats_is_not_shown", "text_that_is_no_json_is_refused")


def command() -> list[str]:
    """The tap as a program, without what Python would load for packages."""
    return [sys.executable, "-SE", str(TAP)]


class SingerSource(LocalRig):
    """A tap."""

    vendor = "singer"
    streams = tuple(STREAMS)
    secrets = (TOKEN, "tap-unknown-token")
    exceptions: ClassVar[Exceptions] = {
        **{case: why for case, why in WITHOUT_VENDOR.items() if case not in HELD},
        **dict.fromkeys(
            (
                "too_many_requests_are_waited_out_for_as_long_as_asked",
                "too_many_requests_without_a_hint_are_waited_out_too",
                "a_passing_failure_goes_unnoticed",
                "a_lasting_failure_keeps_the_place",
                "a_retired_address_is_a_named_alarm",
                "a_vendor_that_is_down_is_given_up_for_all_streams_at_once",
                "json_of_another_shape_is_refused",
                "an_empty_page_is_not_the_end",
                "a_repeated_page_ends_in_an_error",
            ),
            OWN_AFFAIR,
        ),
        "a_token_that_expires_in_mid_pull_costs_nothing": AHEAD,
        "a_used_up_day_loses_nothing": AHEAD,
        "a_merged_record_is_gone": NotApplicable("a tap's messages do not say that two records were merged"),
        "a_record_that_vanished_is_missed[people]": NotApplicable("this stream of the tap says what was deleted"),
        "an_unknown_credential_has_no_account": NotApplicable("a tap cannot be asked whose account it reads"),
    }

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.singer.PAGE", PAGE)

    def fill(self, folder: Path) -> None:
        self.file = folder / "world.json"
        world = self.box.world
        companies: list[Row] = [{"id": f"c{one.id}", "name": one.name} for one in world.companies]
        people: list[Row] = [
            {"id": f"p{one.id}", "email": one.email, "company": f"c{one.company_id}"}
            for one in world.people
            if one.kind == "person"
        ]
        self.world: dict[str, Any] = {
            "token": TOKEN,
            "streams": {
                "companies": {"fields": ["id", "name"], "full": True, "rows": companies},
                "users": {"fields": ["id", "email", "company", "gone", "updated"], "rows": people},
            },
        }
        self.changes = 0
        for rows in (companies, people):
            for row in rows:
                self.changes += 1
                row["updated"] = self.changes
        self.save()

    def save(self) -> None:
        """Let the tap see what is."""
        self.file.write_text(json.dumps(self.world))

    def settings(self) -> dict[str, Any]:
        config = {"world": str(self.file)}
        return {"command": command(), "config": config, "secrets": {"token": TOKEN}, "streams": STREAMS}

    def wrong(self) -> dict[str, Any]:
        return {"secrets": {"token": "tap-unknown-token"}}

    def rows_of(self, stream: str) -> list[Row]:
        """What the tap has."""
        rows: list[Row] = self.world["streams"][THEIRS[stream]]["rows"]
        return rows

    def truth(self, stream: str) -> set[str]:
        return {row["id"] for row in self.rows_of(stream) if not row.get("gone")}

    def calls(self, stream: str = "") -> int:
        log = self.file.with_suffix(".log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def _edit(self, stream: str, key: str, **fields: Any) -> None:
        """A changed row goes to the end."""
        rows = self.rows_of(stream)
        (row,) = [row for row in rows if row["id"] == key]
        rows.remove(row)
        self.changes += 1
        rows.append({**row, **fields, "updated": self.changes})
        self.save()

    def change(self, stream: str, row: Row) -> Change:
        field, value = ("name", f"New {self.changes}") if stream == "companies" else ("email", f"n{self.changes}@x.org")
        self._edit(stream, row["id"], **{field: value})
        return lambda held: held[row["id"]][field] == value

    def delete(self, stream: str, row: Row) -> None:
        if stream == "people":
            self._edit(stream, row["id"], gone=True)
        else:
            self.vanish(stream, row)

    def undelete(self, stream: str, row: Row) -> None:
        if stream == "people":
            self._edit(stream, row["id"], gone=False)
        else:
            self.rows_of(stream).append({**row, "updated": 0})
            self.save()

    def vanish(self, stream: str, row: Row) -> None:
        rows = self.rows_of(stream)
        rows[:] = [one for one in rows if one["id"] != row["id"]]
        self.save()

    def forbid(self, stream: str) -> Any:
        """The tap leaves out of its catalog what the token may not read."""
        self.taken = self.world["streams"].pop(THEIRS[stream])
        self.taken_name = THEIRS[stream]
        self.save()
        return self.source

    def named(self, stream: str) -> str:
        return THEIRS[stream]

    def fault(self, kind: Any, path: str, **rule: Any) -> None:
        """The tap ends with the vendor's words, or prints half a message."""
        self.world["at"] = 3
        if kind == "not_json":
            self.world["print"] = '{"type": "RECORD", \n'
        else:
            self.world["say"] = json.dumps(rule["body"])
        self.save()

    def mend(self) -> None:
        for name in ("at", "print", "say"):
            self.world.pop(name, None)
        if hasattr(self, "taken"):
            self.world["streams"][self.taken_name] = self.taken
        self.save()

    def tamper(self, stream: str, change: Callable[[Any], Any]) -> None:
        self.world["once"] = {THEIRS[stream]: change(list(self.rows_of(stream)))}
        self.save()
        del self.world["once"]
