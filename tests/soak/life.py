"""One agent beside one CRM, hour after hour."""

import gc
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from sync import backup
from tests.crash.points import fast_disk
from tests.soak.checks import Checks
from tests.soak.people import People
from tests.soak.site import HOUR, START, Said, Site
from tests.soak.weather import Weather

FILL = ("sync", "--initial", "--tasks")
BEFORE = timedelta(minutes=3)
"""People work until so long before the hour."""

READS = 0.3
"""How likely it is in an hour that somebody reads the plan that the guard holds."""

DEEP = 24
"""Hours between two looks at the whole ledger."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a life is to be.

    Attributes:
        crm: Beside which CRM.
        seed: Of everything that is drawn.
        runs: How many runs it has.
        step: Hours from one run to the next.
        keep_days: How long closed operations and pulls are kept.
        seconds: After how long it ends, wherever it is.
    """

    crm: str
    seed: int
    runs: int
    step: int = 1
    keep_days: int = 10
    seconds: float = 10**6


@dataclass
class Outcome:
    """What came of a life.

    Attributes:
        runs: How many it had.
        wrong: Everything that was wrong; see `Checks`.
        seen: What happened in it.
        codes: Exit codes of the runs.
        memory: MiB that the process held, day by day.
        database: KiB of the state without free pages and without history, day by day.
        history: KiB of past versions of records, links and scores, which are kept for good.
        files: How many files lie in the state folder.
        tables: Rows by table, in the end.
        seconds: How long it took, really.
    """

    crm: str
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    history: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def number(self, *kinds: str) -> int:
        """How many things were wrong of these kinds."""
        return sum(text.partition(":")[0] in kinds for text in self.wrong)


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def growth(days: list[float]) -> float:
    """The last third against the first, 1 for too few days to tell."""
    third = len(days) // 3
    return statistics.mean(days[-third:]) / statistics.mean(days[:third]) if third else 1.0


class Life:
    """See the module.

    Args:
        home: A folder for everything.
        terms: How it is to be.
    """

    def __init__(self, home: Path, terms: Terms) -> None:
        crm, seed = terms.crm, terms.seed
        self.terms = terms
        self.site = Site(home, crm, seed, days=terms.runs * terms.step // 24 + 2)
        self.chance = Random(f"{crm} {seed}")
        self.people = People(self.site, Random(f"people {crm} {seed}"))
        self.weather = Weather(self.site, Random(f"weather {crm} {seed}"))
        self.checks = Checks(self.site, self.people)
        self.outcome = Outcome(crm)
        self.lost_at, self.old_copy_at = terms.runs // 2, terms.runs * 5 // 6

    def live(self, deadline: float) -> Outcome:
        """Live until the last hour, or until `time.monotonic` has reached the deadline."""
        began = time.monotonic()
        with self.site.at_work(timedelta(days=self.terms.keep_days)):
            self._begin()
            for number in range(1, self.terms.runs + 1):
                if time.monotonic() > deadline:
                    break
                self._hour(number)
                self.outcome.runs = number
            self._end()
        self.outcome.seconds = time.monotonic() - began
        self.outcome.wrong = self.checks.wrong
        self.outcome.seen = self.people.seen + self.weather.seen
        return self.outcome

    def _begin(self) -> None:
        for words in (("setup",), FILL):
            said = self.site.command(*words)
            assert said.code == 0, said.err

    def _hour(self, number: int) -> None:
        clock, due = self.site.box.clock, START + number * self.terms.step * HOUR
        self._until(due - BEFORE)
        self.people.act(clock.now())
        if number == self.lost_at:
            self.people.state_lost()
            self._lose()
        elif number == self.old_copy_at or (number > 48 and self.chance.random() < 1 / 200):
            self.people.restore()
            self.checks.forget_bands()
        self._until(due)
        self.weather.new_hour(clock.now())
        self.checks.at = f"{self.site.crm} {clock.now():%Y-%m-%d %H:%M} (run {number})"
        clean, began = not self.weather.rough, clock.now()
        said = self._run()
        self.weather.hour_over()
        if said.code >= 0:
            self._after(said.data)
        self._look(said, clean=clean, began=began, number=number)

    def _until(self, instant: Any) -> None:
        clock = self.site.box.clock
        if clock.now() < instant:
            clock.advance(instant - clock.now())
        self.site.box.settle()

    def _lose(self) -> None:
        shutil.rmtree(self.site.state)
        self.checks.forget_bands()

    def _run(self) -> Said:
        """The hour's run; in between somebody reads what the guard holds, and has that written instead."""
        if self.people.waiting and self.chance.random() < READS:
            said: Said = self.people.read_plan()
            self.outcome.codes[said.code] += 1
            self.checks.went_well(said.code, said.err, clean=False)
            if said.code < 0:
                return said
        said = self.site.command("sync", "--json")
        self.outcome.codes[said.code] += 1
        return said

    def _after(self, data: dict[str, Any]) -> None:
        """What the run said of itself."""
        if data.get("adopted"):
            self.people.disown()
        self.people.waiting = str(data.get("plan_file") or "") if data.get("held") else ""
        if self.people.lost_state and (data.get("adopted") or (data.get("plan") and not data.get("blocked"))):
            self.people.lost_state = False
            self.people.disown()

    def _look(self, said: Said, *, clean: bool, began: Any, number: int) -> None:
        checks = self.checks
        checks.went_well(said.code, said.err, clean=clean and not self.weather.outages)
        if not (self.site.state / "state.db").exists():
            return
        if not self.people.lost_state:
            checks.fields_and_tasks()
        if said.data.get("plan") is not None:
            checks.bands(said.data.get("breaches") or ())
        if clean:
            checks.nothing_open(began)
        checks.folders()
        if number % DEEP == 0:
            checks.ledger_whole()
            self._measure()

    def _measure(self) -> None:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        self.outcome.memory.append(pages * 4096 / 2**20)
        copies = backup.copies_of(self.site.state)
        if copies:
            past, present = _sizes(copies[0].path)
            self.outcome.database.append(present)
            self.outcome.history.append(past)
        self.outcome.files.append(sum(1 for path in self.site.state.rglob("*") if path.is_file()))

    def _end(self) -> None:
        """Everything works again, and somebody reads everything: then nothing is left to do."""
        self.weather.clear()
        self.checks.at = f"{self.site.crm} at the end"
        for first in (True, False, False, False):
            self.site.box.clock.advance(26 * HOUR if first else HOUR)
            said = self.site.command("sync", "--json")
            self.checks.went_well(said.code, said.err, clean=True)
            self._after(said.data)
            if self.people.waiting:
                said = self.people.read_plan()
        began = self.site.box.clock.now()
        self._look(said, clean=True, began=began, number=DEEP)
        last = self.site.command("sync", "--json")
        plan = last.data.get("plan") or {"fields": -1, "tasks": -1}
        if plan["fields"] or plan["tasks"]:
            self.checks.found("other", f"the last run found {plan} to do")
        check = self.site.command("state", "check", "--json")
        if check.code != 0:
            self.checks.found("damage", f"state check: {check.err}")
        with self.site.store() as store:
            names = [name for (name,) in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
            self.outcome.tables = {name: int(store.rows(f'SELECT count(*) FROM "{name}"')[0][0]) for name in names}


def _sizes(copy: Path) -> tuple[float, float]:
    """KiB of history, and of everything else."""
    conn = sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        rows = conn.execute(
            """SELECT coalesce(m.tbl_name, '') LIKE '%_history', sum(s.pgsize) / 1024.0
               FROM dbstat s LEFT JOIN sqlite_master m ON m.name = s.name GROUP BY 1 ORDER BY 1"""
        ).fetchall()
    finally:
        conn.close()
    found = {bool(past): float(size) for past, size in rows}
    return found.get(True, 0.0), found[False]


def live(terms: Terms, *, tell: Callable[[str], None] = say) -> Outcome:
    """A whole life in a folder of its own; `tell` is told of whatever is wrong, at once."""
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-", dir=fast_disk()) as home:
        life = Life(Path(home), terms)
        life.checks.tell = tell
        return life.live(time.monotonic() + terms.seconds)
