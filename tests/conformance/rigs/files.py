"""A folder of files, for the conformance suites: companies as whole lists, people as they change, events."""

import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.base import Batch, Row
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable
from tests.conformance.rigs.local import WITHOUT_VENDOR, LocalRig

NOBODY = NotApplicable("nobody is asked, so there are no credentials and no calls")
HAPPENED = NotApplicable("an event is never changed, deleted or brought back")
COUNTED = NotApplicable("a bad event is set aside by whoever counts them")
STREAMS: dict[str, dict[str, Any]] = {
    "companies": {
        "record": "account",
        "files": "companies*.csv",
        "full": True,
        "fields": {"source_id": "Company ID", "name": "Name", "domains": "Website"},
    },
    "people": {
        "record": "contact",
        "files": "people*.jsonl",
        "deleted": [{"path": "gone", "values": ["true"]}],
        "fields": {"source_id": "id", "email": "email", "account_ref": "company"},
    },
    "events": {
        "record": "usage",
        "files": "events*.csv",
        "fields": {"name": "what", "time": "when", "person": "who", "account": "company", "id": "id"},
    },
}


class FilesSource(LocalRig):
    """A folder."""

    vendor = "files"
    streams = tuple(STREAMS)
    exceptions: ClassVar[Exceptions] = {
        **WITHOUT_VENDOR,
        "bad_credentials_are_said_at_once": NOBODY,
        "an_unknown_credential_has_no_account": NOBODY,
        "a_pull_writes_nothing_and_counts_its_calls": NOBODY,
        "a_missing_right_is_named": NotApplicable("the whole folder may be read, or none of it; see tests/connectors"),
        "every_cursor_of_the_first_pull_resumes_without_loss[events]": NotApplicable(
            "the first pull counts the events of all files at once"
        ),
        "a_deleted_record_is_gone[events]": HAPPENED,
        "an_undeleted_record_comes_back[events]": HAPPENED,
        "a_record_that_vanished_is_missed[events]": HAPPENED,
        "a_record_that_vanished_is_missed[people]": NotApplicable("such a file says what was deleted"),
        "a_record_without_a_usable_id_costs_only_itself[events]": COUNTED,
        "a_row_that_is_no_object_costs_only_itself[events]": COUNTED,
        "a_row_that_is_no_object_costs_only_itself[companies]": NotApplicable(
            "every line of a CSV file is a row; one of another number of cells: see tests/connectors"
        ),
    }

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.files.PAGE", PAGE)

    def fill(self, folder: Path) -> None:
        self.folder = folder / "drop"
        self.folder.mkdir()
        self.written: dict[str, list[str]] = {stream: [] for stream in STREAMS}
        world = self.box.world
        companies = {f"c{one.id}": one for one in world.companies}
        people = [one for one in world.people if one.kind == "person"]
        self.held: dict[str, dict[str, Row]] = {
            "companies": {
                key: {"Company ID": key, "Name": one.name, "Website": ";".join(one.domains)}
                for key, one in companies.items()
            },
            "people": {
                f"p{one.id}": {"id": f"p{one.id}", "email": one.email, "company": f"c{one.company_id}"}
                for one in people
            },
            "events": {},
        }
        for one in people:
            self._event(one.id)
        for stream, held in self.held.items():
            rows = list(held.values())
            for part in [rows] if stream == "companies" else [rows[:20], rows[20:]]:
                self._put(stream, part)

    def _event(self, who: int) -> Row:
        made = {
            "what": "Signed in",
            "when": self.box.clock.now().isoformat(),
            "who": f"p{who}",
            "company": "c1",
            "id": f"e{len(self.held['events'])}",
        }
        return self.held["events"].setdefault(made["id"], made)

    def _put(self, stream: str, rows: Sequence[Any]) -> None:
        """Drop a file, finished an hour ago, each a second after the one before."""
        number = sum(map(len, self.written.values()))
        name = STREAMS[stream]["files"].replace("*", f"-{number}")
        self.written[stream].append(name)
        self._write(self.folder / name, rows, time.time() - 3600 + number)

    @staticmethod
    def _write(path: Path, rows: Sequence[Any], stamp: float) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                names = dict.fromkeys(name for row in rows for name in row)
                writer = csv.DictWriter(file, list(names))
                writer.writeheader()
                writer.writerows(rows)
            else:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        os.utime(path, (stamp, stamp))

    def settings(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "streams": STREAMS}

    def rows(self, batch: Batch) -> list[Row]:
        if batch.export is None:
            return batch.rows
        return [json.loads(line) for line in batch.export.path.read_text("utf-8").splitlines()]

    def id_name(self, stream: str) -> str:
        return "Company ID" if stream == "companies" else "id"

    def gone(self, stream: str, row: Row) -> bool:
        return stream != "events" and super().gone(stream, row)

    def truth(self, stream: str) -> set[str]:
        return {key for key, row in self.held[stream].items() if not row.get("gone")}

    def change(self, stream: str, row: Row) -> Change:
        """Events do not change; what comes nearest is one that arrives late."""
        key = self.key(stream, row)
        if stream == "events":
            made = self._event(1)
            self._put(stream, [made])
            return lambda held: made["id"] in held
        field = "Name" if stream == "companies" else "email"
        value = f"changed-{len(self.written[stream])}@new.example"
        self._edit(stream, {**self.held[stream][key], field: value})
        return lambda held: held[key][field] == value

    def _edit(self, stream: str, row: Row) -> None:
        self.held[stream][self.key(stream, row)] = row
        self._put(stream, list(self.held[stream].values()) if stream == "companies" else [row])

    def delete(self, stream: str, row: Row) -> None:
        if stream == "companies":
            self.vanish(stream, row)
        else:
            self._edit(stream, {**row, "gone": True})

    def undelete(self, stream: str, row: Row) -> None:
        self._edit(stream, row)

    def vanish(self, stream: str, row: Row) -> None:
        del self.held[stream][self.key(stream, row)]
        self._put(stream, list(self.held[stream].values()))

    def spoiled(self, stream: str, row: Row) -> Sequence[Any]:
        return ({**row, "Company ID": ""},) if stream == "companies" else super().spoiled(stream, row)

    def tamper(self, stream: str, change: Callable[[Any], Any]) -> None:
        """The first file is another one, wherever it lies by now."""
        name = self.written[stream][0]
        (path,) = [*self.folder.glob(name), *self.folder.glob(f"done/{stream}/*-{name}")]
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                rows: list[Any] = list(csv.DictReader(file))
        else:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        self._write(path, change(rows), path.stat().st_mtime)
