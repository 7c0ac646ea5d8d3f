"""A database, for the conformance suites: companies as a whole, people as they change, events as they come."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.base import Batch, Row
from tests.conformance.rigs.base import PAGE, Change, Exceptions, NotApplicable
from tests.conformance.rigs.local import WITHOUT_VENDOR, LocalRig

NO_USERS = NotApplicable("SQLite has no users; PostgreSQL has, see tests/connectors")
HAPPENED = NotApplicable("an event is never changed, deleted or brought back")
STREAMS: dict[str, dict[str, Any]] = {
    "companies": {
        "record": "account",
        "table": "company",
        "fields": {"source_id": "id", "name": "name", "domains": "website"},
    },
    "people": {
        "record": "contact",
        "query": "SELECT * FROM person WHERE company IS NOT NULL;",
        "cursor": "changed",
        "full_every_hours": 24,
        "fields": {"source_id": "id", "email": "email", "account_ref": "company"},
    },
    "events": {
        "record": "usage",
        "table": "event",
        "cursor": "changed",
        "fields": {"name": "what", "time": "changed", "person": "who", "id": "id"},
    },
}
TABLES = {"companies": "company", "people": "person", "events": "event"}


class SqlSource(LocalRig):
    """A file of SQLite."""

    vendor = "sql"
    streams = tuple(STREAMS)
    exceptions: ClassVar[Exceptions] = {
        **WITHOUT_VENDOR,
        "bad_credentials_are_said_at_once": NO_USERS,
        "an_unknown_credential_has_no_account": NO_USERS,
        "a_missing_right_is_named": NO_USERS,
        "a_pull_writes_nothing_and_counts_its_calls": NotApplicable("statements are counted, see tests/connectors"),
        "every_cursor_of_the_first_pull_resumes_without_loss[events]": NotApplicable(
            "the first pull counts all events at once"
        ),
        "a_deleted_record_is_gone[events]": HAPPENED,
        "an_undeleted_record_comes_back[events]": HAPPENED,
        "a_record_that_vanished_is_missed[events]": HAPPENED,
        "a_record_without_a_usable_id_costs_only_itself[events]": NotApplicable(
            "a bad event is set aside by whoever counts them"
        ),
        "a_row_that_is_no_object_costs_only_itself": NotApplicable("every row of a table has its columns"),
    }

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.sql.PAGE", PAGE)
        monkeypatch.setattr("connectors.sql.CHUNK", 2 * PAGE)

    def fill(self, folder: Path) -> None:
        self.file = folder / "app.db"
        self.changes = 0
        world = self.box.world
        people = [one for one in world.people if one.kind == "person"]
        self._make(
            "companies",
            [{"id": f"c{one.id}", "name": one.name, "website": "".join(one.domains[:1])} for one in world.companies],
        )
        self._make(
            "people",
            [
                {"id": f"p{one.id}", "email": one.email, "company": f"c{one.company_id}", "changed": self._stamp()}
                for one in people
            ],
        )
        self._make("events", [self._event(number) for number in range(len(people))])

    def _stamp(self) -> str:
        """Several rows have the same stamp."""
        self.changes += 1
        return (self.box.clock.now() + timedelta(milliseconds=self.changes // 3)).isoformat(timespec="milliseconds")

    def _event(self, number: int) -> Row:
        return {"id": f"e{number:05}", "what": "Signed in", "who": f"p{number % 7}", "changed": self._stamp()}

    def _make(self, stream: str, rows: Sequence[Row]) -> None:
        """A table of these rows, in place of the one there was."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        values = [
            [json.dumps(row[c]) if isinstance(row.get(c), dict | list) else row.get(c) for c in columns] for row in rows
        ]
        with closing(sqlite3.connect(self.file)) as db, db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute(f"DROP TABLE IF EXISTS {TABLES[stream]}")
            db.execute(f"CREATE TABLE {TABLES[stream]} ({', '.join(columns)})")
            db.executemany(f"INSERT INTO {TABLES[stream]} VALUES ({', '.join('?' * len(columns))})", values)

    def _all(self, stream: str) -> list[Row]:
        with closing(sqlite3.connect(self.file)) as db:
            db.row_factory = sqlite3.Row
            order = "id" if stream == "companies" else "changed, id"
            return [dict(row) for row in db.execute(f"SELECT * FROM {TABLES[stream]} ORDER BY {order}")]

    def settings(self) -> dict[str, Any]:
        return {"url": f"sqlite:///{self.file}", "streams": STREAMS}

    def rows(self, batch: Batch) -> list[Row]:
        if batch.export is None:
            return batch.rows
        return [json.loads(line) for line in batch.export.path.read_text("utf-8").splitlines()]

    def gone(self, stream: str, row: Row) -> bool:
        return stream != "events" and super().gone(stream, row)

    def truth(self, stream: str) -> set[str]:
        return {str(row["id"]) for row in self._all(stream)}

    def pause(self, stream: str) -> timedelta:
        return timedelta(hours=1 if stream == "events" else 25)

    def changeable(self, stream: str, rows: Iterable[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: str(row["id"]))

    def change(self, stream: str, row: Row) -> Change:
        """Events do not change; what comes nearest is a new one."""
        held, key = {str(one["id"]): one for one in self._all(stream)}, str(row["id"])
        field, value = ("name" if stream == "companies" else "email"), f"changed-{self.changes}@new.example"
        if stream == "events":
            made = self._event(len(held))
            self._make(stream, [*held.values(), made])
            return lambda found: made["id"] in found
        changed = {**held[key], field: value} | ({} if stream == "companies" else {"changed": self._stamp()})
        self.changes += 1
        self._make(stream, list({**held, key: changed}.values()))
        return lambda found: found[key][field] == value

    def delete(self, stream: str, row: Row) -> None:
        self._make(stream, [one for one in self._all(stream) if one["id"] != row["id"]])

    def vanish(self, stream: str, row: Row) -> None:
        self.delete(stream, row)

    def undelete(self, stream: str, row: Row) -> None:
        self._make(stream, [*self._all(stream), row])

    def spoiled(self, stream: str, row: Row) -> Sequence[Any]:
        return ({**row, "id": ""}, {**row, "id": None})

    def tamper(self, stream: str, change: Callable[[Any], Any]) -> None:
        self._make(stream, change(self._all(stream)))
