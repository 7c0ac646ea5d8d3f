"""Salesforce into the state file, through whatever may happen: what the file holds is what the org says.

The usual run is short; HOLDFAST_FUZZ_EXAMPLES=500 in the environment makes a long one.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from connectors.base import Batch, Stream
from connectors.errors import TransientError
from connectors.salesforce import STREAMS, Salesforce
from mapping.fields import FieldMap
from mapping.schema import Record
from sync import pull
from sync.store import Store
from tests.connectors.salesforce_life import ACCOUNT_KEY, ALL_KINDS, LATEST, TEXTS, Life

FIELD_MAP = FieldMap.load("salesforce", {"contacts": {"account_ref": {"path": ACCOUNT_KEY, "as": "salesforce_id"}}})
WANTED = {stream: FIELD_MAP.paths(stream) for stream in FIELD_MAP.streams}
RECORDS = {stream.name: stream.record for stream in STREAMS}
NEVER = 100_000
NUMBERS = st.integers(0, 40)
OBJECTS = st.sampled_from([*["Contact"] * 4, *sorted(TEXTS.keys() - {"NPS_Response__c"})])
MADE = st.sampled_from(["Account", "Contact", "Opportunity", "Case", "Contract", "Task", "NPS_Response__c"])
WORDS = st.sampled_from(["New", "Closed", "Completed", "High", "x"])
TIMES = st.sampled_from([2, 240, 550, 900, 1800, 3600, 7 * 3600])


class Mortal:
    """A connector whose process dies after some batches of some stream."""

    def __init__(self, crm: Salesforce, name: str, batches: int) -> None:
        self.crm = crm
        self._name, self._batches = name, batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self.crm, name)

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        for number, batch in enumerate(self.crm.pull(stream, cursor)):
            if stream.name == self._name and number == self._batches:
                raise TransientError("the process dies", vendor="salesforce")
            yield batch


class Reading(RuleBasedStateMachine):
    """An org, and a state file that knows of it only what pulls have brought."""

    @initialize(
        page_rows=st.sampled_from([2, 5, 2000]),
        bulk_page_rows=st.sampled_from([3, 50_000]),
        bulk_above=st.sampled_from([0, 10, 2000]),
        relist_hours=st.sampled_from([24, NEVER]),
    )
    def begin(self, page_rows: int, bulk_page_rows: int, bulk_above: int, relist_hours: int) -> None:
        self.life = Life(page_rows=page_rows, bulk_page_rows=bulk_page_rows)
        self.life.settings = {"bulk_above": bulk_above, "relist_hours": relist_hours}
        self.merged: dict[str, str] = {}
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self.folder.name))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            try:
                self.hourly()
                self.daily()
            finally:
                self.store.close()
                self.folder.cleanup()

    # -- the org -------------------------------------------------------------------------------------------------------

    @rule(obj=OBJECTS, numbers=st.sets(NUMBERS, min_size=1, max_size=12), text=WORDS)
    def edit(self, obj: str, numbers: set[int], text: str) -> None:
        self.life.mass_edit(obj, numbers, text)
        self.wait(2)

    @rule(number=NUMBERS, account=st.none() | NUMBERS)
    def move(self, number: int, account: int | None) -> None:
        self.life.move(number, account)
        self.wait(2)

    @rule(obj=MADE, account=NUMBERS, person=NUMBERS)
    def create(self, obj: str, account: int, person: int) -> None:
        self.life.create(obj, account, person)
        self.wait(2)

    @rule(obj=OBJECTS.filter(lambda obj: obj != "User"), number=NUMBERS, back=st.booleans())
    def delete(self, obj: str, number: int, back: bool) -> None:  # noqa: FBT001 - drawn by name
        (self.life.undelete if back else self.life.delete)(obj, number)
        self.wait(2)

    @rule(obj=st.sampled_from(["Account", "Contact"]), winner=NUMBERS, losers=st.lists(NUMBERS, min_size=1, max_size=2))
    def merge(self, obj: str, winner: int, losers: list[int]) -> None:
        self.life.merge(obj, winner, losers)
        self.wait(2)

    @rule(obj=OBJECTS, number=NUMBERS, deleted=st.booleans())
    def purge(self, obj: str, number: int, deleted: bool) -> None:  # noqa: FBT001 - drawn by name
        self.life.purge(obj, number, deleted=deleted)

    @rule(seconds=st.sampled_from([0, 280, LATEST]))
    def lateness(self, seconds: int) -> None:
        self.life.lateness(seconds)

    @rule(seconds=TIMES)
    def wait(self, seconds: int) -> None:
        self.life.org.pass_time(seconds=seconds)

    # -- the agent -----------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from([*["contacts"] * 5, *sorted(ALL_KINDS)]), batches=st.none() | st.integers(0, 4))
    def pull(self, name: str, batches: int | None) -> None:
        self.work(self.life.connect(WANTED) if batches is None else Mortal(self.life.connect(WANTED), name, batches))

    def work(self, crm: Any) -> list[Any]:
        with mock.patch.object(pull, "THREADS", 1):  # so that all happens in the same order each time
            return list(pull.pull_all([(crm, FIELD_MAP)], self.store, self.life.org.box.clock))

    # -- what must hold ------------------------------------------------------------------------------------------------

    @rule()
    def hourly(self) -> None:
        self.life.settle()
        self.in_peace()
        for name in ALL_KINDS:
            if ALL_KINDS[name].hourly and name not in {"tasks", "contact_roles"}:
                true = self.true(name)
                held = {one: record for one, record in self.held(name).items() if one in true}
                assert held == true, name

    @rule()
    def daily(self) -> None:
        self.life.settle()
        self.in_peace()
        self.life.org.pass_time(hours=self.life.settings["relist_hours"])
        self.in_peace()
        for name in ALL_KINDS:
            assert self.held(name) == self.true(name), name
        self.check_merged()

    def in_peace(self) -> None:
        reports = self.work(self.life.connect(WANTED))
        assert [report.error for report in reports if report.ending in {"failed", "off", "stopped"}] == []

    def held(self, name: str) -> dict[str, Record]:
        return {record.source_id: record for record in self.store.records(RECORDS[name])}

    def true(self, name: str) -> dict[str, Record]:
        rows = list(self.life.truth(name, WANTED[name]).values())
        mapped = FIELD_MAP.apply("salesforce", name, rows, self.life.now)
        assert not mapped.rejects
        return {record.source_id: record for record in mapped.records}

    def check_merged(self) -> None:
        for kind, prefix in (("account", "001"), ("contact", "003")):
            sql = (
                "SELECT loser.source_id, winner.source_id FROM record_map "
                f"JOIN {kind} AS loser ON loser.key = record_map.key"
                f" JOIN {kind} AS winner ON winner.key = merged_into WHERE kind = ? AND status = 'merged'"
            )
            told = dict(self.store.rows(sql, (kind,)))
            for loser in self.life.merged:
                if loser.startswith(prefix):
                    assert told[loser] in self.life.leads_to(loser)


TestReading = Reading.TestCase
TestReading.settings = settings(
    max_examples=int(os.environ.get("HOLDFAST_FUZZ_EXAMPLES", "4")),
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="HOLDFAST_FUZZ_EXAMPLES" not in os.environ,
)
