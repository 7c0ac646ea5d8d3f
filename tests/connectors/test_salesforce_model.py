"""Salesforce read through whatever may happen to an org, its network and the agent: no row is lost, none made up.

The usual run is short; HOLDFAST_FUZZ_EXAMPLES=2000 in the environment makes a long one.
"""

import os
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from connectors.errors import ConnectorError
from connectors.salesforce_kinds import Place
from tests.connectors.salesforce_life import (
    ALL_KINDS,
    BY_NAME,
    EXTRAS,
    HOURLY,
    LATEST,
    TEXTS,
    WANTED,
    Life,
    Mirror,
    without,
)

EXAMPLES = int(os.environ.get("HOLDFAST_FUZZ_EXAMPLES", "15"))
NUMBERS = st.integers(0, 40)
MERGEABLE = st.sampled_from(["Account", "Contact"])
KINDS = st.sampled_from([*["Contact"] * 6, *sorted(TEXTS)])  # there are most contacts, and most happens to them
MADE = st.sampled_from(["Account", "Contact", "Opportunity", "Case", "Contract", "Task", "NPS_Response__c"])
PREFIXES = {"accounts": "001", "contacts": "003"}
NAMES = st.sampled_from([*["contacts"] * 10, *sorted(ALL_KINDS)])
WORDS = st.sampled_from(["New", "Closed", "Completed", "High", "x"])
TIMES = st.sampled_from([1, 60, 240, 310, 550, 700, 900, 1800, 3600, 3600, 7 * 3600])
NEVER = 100_000
"""Hours between whole lists where changes alone are to keep the mirror true."""
MEANWHILE = st.sampled_from(["", "", "", "edit", "mass_edit", "delete", "purge", "expire", "wait"])
FAULTS = st.sampled_from(["status", "reset", "cut", "timeout_before", "timeout_after", "html", "not_json"])


class Reading(RuleBasedStateMachine):
    """An org, and an agent that knows of it only what batches say."""

    @initialize(
        equal=st.sampled_from([0, 5, 1000]),
        page_rows=st.sampled_from([2, 3, 7, 2000]),
        bulk_page_rows=st.sampled_from([2, 5, 50_000]),
        bulk_above=st.sampled_from([0, 4, 10, 2000]),
        cursor_hours=st.sampled_from([0.01, 48.0, 48.0]),
        relist_hours=st.sampled_from([24, NEVER, NEVER]),
    )
    def begin(  # what an org and its settings may be like
        self, equal: int, page_rows: int, bulk_page_rows: int, bulk_above: int, cursor_hours: float, relist_hours: int
    ) -> None:
        self.life = Life(
            equal_stamps=equal, page_rows=page_rows, bulk_page_rows=bulk_page_rows, cursor_hours=cursor_hours
        )
        self.life.settings = {"bulk_above": bulk_above, "relist_hours": relist_hours}
        self.start()

    def start(self) -> None:
        self.crm = self.life.connect()
        self.mirrors = {name: Mirror() for name in ALL_KINDS}
        self.hidden: set[str] = set()

    # -- the org -------------------------------------------------------------------------------------------------------

    @rule(obj=KINDS, number=NUMBERS, text=WORDS)
    def edit(self, obj: str, number: int, text: str) -> None:
        self.life.edit(obj, number, text)

    @rule(obj=KINDS, numbers=st.sets(NUMBERS, max_size=30), text=WORDS)
    def mass_edit(self, obj: str, numbers: set[int], text: str) -> None:
        self.life.mass_edit(obj, numbers, text)

    @rule(number=NUMBERS, account=st.none() | NUMBERS)
    def move(self, number: int, account: int | None) -> None:
        self.life.move(number, account)

    @rule(obj=MADE, account=NUMBERS, person=NUMBERS)
    def create(self, obj: str, account: int, person: int) -> None:
        self.life.create(obj, account, person)

    @rule(obj=KINDS.filter(lambda obj: obj != "User"), number=NUMBERS)
    def delete(self, obj: str, number: int) -> None:
        self.life.delete(obj, number)

    @rule(obj=KINDS, number=NUMBERS)
    def undelete(self, obj: str, number: int) -> None:
        self.life.undelete(obj, number)

    @rule(obj=MERGEABLE, winner=NUMBERS, losers=st.lists(NUMBERS, min_size=1, max_size=2))
    def merge(self, obj: str, winner: int, losers: list[int]) -> None:
        self.life.merge(obj, winner, losers)

    @rule(obj=KINDS, number=NUMBERS, deleted=st.booleans())
    def purge(self, obj: str, number: int, deleted: bool) -> None:  # noqa: FBT001 - drawn by name
        self.life.purge(obj, number, deleted=deleted)

    @rule(seconds=st.sampled_from([0, 3, 280, 600, LATEST]))
    def lateness(self, seconds: int) -> None:
        self.life.lateness(seconds)

    @rule(field=st.sampled_from(sorted(EXTRAS.values())), visible=st.booleans())
    def show(self, field: str, visible: bool) -> None:  # noqa: FBT001 - drawn by name
        self.life.show(field, visible=visible)
        (self.hidden.discard if visible else self.hidden.add)(field)

    @rule(seconds=TIMES)
    def wait(self, seconds: int) -> None:
        self.life.org.pass_time(seconds=seconds)

    @rule(what=st.sampled_from(["expire_tokens", "expire_cursors"]))
    def expire(self, what: str) -> None:
        self.life.org.do(what)

    @rule(page_rows=st.sampled_from([1, 3, 7, 2000]))
    def pages(self, page_rows: int) -> None:
        self.life.org.options(page_rows=page_rows)

    @rule(kind=FAULTS, first=st.integers(1, 12), count=st.sampled_from([1, 2, 8]))
    def trouble(self, kind: Any, first: int, count: int) -> None:
        self.life.org.fault(kind, nth=range(first, first + count), status=503 if kind == "status" else None)

    # -- stories that chance alone would take too long to tell -----------------------------------------------------

    @rule(number=NUMBERS, late=st.sampled_from([280, 600, LATEST]), share=st.sampled_from([0.3, 0.6, 0.99]))
    def late_change(self, number: int, late: int, share: float) -> None:
        """A change commits long after its own stamp, and everything is pulled just before."""
        before = self.life.late
        self.life.lateness(late)
        self.life.edit("Contact", number, "Late")
        self.life.set_lateness(before)
        self.life.org.pass_time(seconds=late * share)
        self.pull_everything()

    @rule(
        numbers=st.sets(NUMBERS, min_size=6),
        again=st.sets(NUMBERS, min_size=1, max_size=8),
        minutes=st.integers(1, 30),
        batches=st.integers(2, 4),
    )
    def broken_walk(self, numbers: set[int], again: set[int], minutes: int, batches: int) -> None:
        """Many change, some of them again while the changes are read, and the pull dies in the middle."""
        self.pull_whole("contacts")
        self.life.mass_edit("Contact", numbers, "Once")
        self.life.org.pass_time(minutes=minutes)
        mirror, named = self.mirrors["contacts"], set[str]()
        with suppress(ConnectorError):
            for number, batch in enumerate(self.crm.pull(BY_NAME["contacts"], mirror.cursor), 1):
                mirror.take(batch, named)
                if number == 1:
                    self.life.mass_edit("Contact", again, "Again")
                if number == batches:
                    break
        self.crm = self.life.connect()

    @rule(name=NAMES, batches=st.integers(1, 3), number=NUMBERS, seconds=TIMES)
    def broken_job(self, name: str, batches: int, number: int, seconds: int) -> None:
        """A list by a bulk job dies, and its results are read later, when things have changed."""
        self.life.settings["bulk_above"] = 0
        self.life.org.pass_time(hours=self.life.settings["relist_hours"])
        self.crm = self.life.connect()
        mirror, named = self.mirrors[name], set[str]()
        with suppress(ConnectorError):
            for _, batch in zip(range(batches), self.crm.pull(BY_NAME[name], mirror.cursor), strict=False):
                mirror.take(batch, named)
        self.life.mass_edit(ALL_KINDS[name].object, {number, number + 1}, "Since")
        self.life.org.pass_time(seconds=seconds)

    # -- the agent -----------------------------------------------------------------------------------------------------

    @rule(bulk_above=st.sampled_from([None, 0, 4, 10, 2000]))
    def new_process(self, bulk_above: int | None) -> None:
        if bulk_above is not None:
            self.life.settings["bulk_above"] = bulk_above
        self.crm = self.life.connect()

    @rule(name=NAMES, batches=st.none() | st.integers(1, 4), data=st.data())
    def pull(self, name: str, batches: int | None, data: st.DataObject) -> None:
        """A pull of one stream; it may die after some batches, and the org goes on living between them."""
        pages = self.crm.pull(BY_NAME[name], self.mirrors[name].cursor)
        named: set[str] = set()
        with suppress(ConnectorError):
            for number, batch in enumerate(pages):
                self.mirrors[name].take(batch, named)
                if number + 1 == batches:
                    pages.close()  # type: ignore[attr-defined]  # a generator
                    self.crm = self.life.connect()
                    break
                if number < 3:
                    self.meanwhile(
                        data.draw(
                            st.sampled_from(["", "", "", "edit", "mass_edit", "delete", "purge", "expire", "wait"])
                        ),
                        ALL_KINDS[name].object,
                        data,
                    )

    def meanwhile(self, what: str, obj: str, data: st.DataObject) -> None:
        if what == "edit" and obj in TEXTS:
            self.life.edit(obj, data.draw(NUMBERS), "Meanwhile")
        elif what == "mass_edit" and obj in TEXTS:
            self.life.mass_edit(obj, data.draw(st.sets(NUMBERS, max_size=8)), "Meanwhile")
        elif what == "delete" and obj != "User":
            self.life.delete(obj, data.draw(NUMBERS))
        elif what == "purge":
            self.life.purge(obj, data.draw(NUMBERS), deleted=data.draw(st.booleans()))
        elif what == "expire":
            self.life.org.do("expire_cursors")
        elif what == "wait":
            self.life.org.pass_time(seconds=data.draw(TIMES))

    @rule()
    def pull_everything(self) -> None:
        for name in self.mirrors:
            self.pull_whole(name)

    def pull_whole(self, name: str) -> None:
        with suppress(ConnectorError):
            self.mirrors[name].take_all(self.crm.pull(BY_NAME[name], self.mirrors[name].cursor))

    # -- what must hold ------------------------------------------------------------------------------------------------

    @rule(fresh=st.booleans())
    def hourly(self, fresh: bool) -> None:  # noqa: FBT001 - drawn by name
        """After a pull in peace the mirror has every row with its newest values."""
        self.in_peace(fresh=fresh)
        for name in HOURLY:
            self.compare(name, exact=False)
        self.life.org.pass_time(hours=1)
        self.in_peace(fresh=fresh)
        self.life.org.pass_time(hours=1)
        self.quiet_hour()

    @rule(fresh=st.booleans())
    def daily(self, fresh: bool) -> None:  # noqa: FBT001 - drawn by name
        """Once a day nothing else is in the mirror, and what follows from other records is true as well."""
        self.in_peace(fresh=fresh)
        self.life.org.pass_time(hours=self.life.settings["relist_hours"])
        self.in_peace(fresh=fresh)
        for name in ALL_KINDS:
            self.compare(name, exact=True)

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.hourly(fresh=True)
            self.daily(fresh=True)

    def in_peace(self, *, fresh: bool) -> None:
        self.life.org.box.faults.clear()
        self.life.settle()
        if fresh:
            self.crm = self.life.connect()
        for name, mirror in self.mirrors.items():
            mirror.take_all(self.crm.pull(BY_NAME[name], mirror.cursor))

    def quiet_hour(self) -> None:
        self.crm = self.life.connect()
        listed = {name for name, mirror in self.mirrors.items() if self.is_due(mirror)}
        for name in set(ALL_KINDS) - listed:
            batches = list(self.crm.pull(BY_NAME[name], self.mirrors[name].cursor))
            assert not any(batch.rows or batch.deleted or batch.merged for batch in batches), name
            if EXTRAS.get(ALL_KINDS[name].object) not in self.hidden:
                assert self.crm.calls[name] == (1 if name in HOURLY else 0), name

    def is_due(self, mirror: Mirror) -> bool:
        listed = Place.parse(mirror.cursor).listed
        return listed is None or self.life.now - listed >= timedelta(hours=self.life.settings["relist_hours"])

    def compare(self, name: str, *, exact: bool) -> None:
        mirror, truth = self.mirrors[name], self.life.truth(name, WANTED[name])
        told = {one: without(name, row, following=not exact) for one, row in mirror.rows.items()}
        true = {one: without(name, row, following=not exact) for one, row in truth.items()}
        if not exact:
            told = {one: row for one, row in told.items() if one in true}  # purged rows vanish once a day
        assert told == true, name
        if ALL_KINDS[name].merges:
            merged = {loser: into for loser, into in self.life.merged.items() if loser[:3] in PREFIXES[name]}
            assert {loser: mirror.merged.get(loser) for loser in merged} == merged


TestReading = Reading.TestCase
TestReading.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="HOLDFAST_FUZZ_EXAMPLES" not in os.environ,
)
