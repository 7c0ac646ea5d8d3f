"""A small company with its tools, beside which an agent works for months: the program as its users call it.

Nothing listens anywhere: every request of the process goes to the sandbox by way of `tests.faults.line`.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import agent
from cli.errors import exit_code
from cli.trial import write_trial_config
from sandbox.core import Sandbox, SandboxClock
from sandbox.world import make_world
from sync import ledger, streams
from sync.store import Store
from tests.crash.desk import HubSpotInside, SalesforceInside
from tests.faults.line import Crash, Line
from tests.faults.start import SkewedClock

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNTS = 14
JOURNAL = 500
"""Requests that the sandbox remembers: its memory is not what is measured."""

MORE = """
[guard]
band_changes = 2
worse_share = 0.2
new_tasks = 2
tasks_per_owner = 2

[scoring]
card = "card.toml"
"""
"""Limits that so few customers reach now and then."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and its exit code; -1 for one that did not live to say anything."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object on the last line of standard output, an empty one when there is none."""
        lines = self.out.splitlines()
        found: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
        return found


class HubSpotSide(HubSpotInside):
    """HubSpot seen from its inside, its tasks one by one."""

    def task_keys(self) -> dict[str, str]:
        """Id -> key, of every living task of ours."""
        return dict(self._tasks())


class SalesforceSide(SalesforceInside):
    """Salesforce seen from its inside, its tasks one by one."""

    def task_keys(self) -> dict[str, str]:
        """Id -> key, of every living task of ours."""
        found = {}
        for task_id, row in self._table("Task").items():
            text = row["Description"] or ""
            if key := row.get("Holdfast_Task_Key__c") or text.rpartition("[holdfast:")[2].partition("]")[0]:
                found[task_id] = str(key)
        return found


Inside = HubSpotSide | SalesforceSide


@dataclass
class Site:
    """See the module.

    Attributes:
        clock: The agent's, with its `offset`; the vendors' is right.
        box: The vendors.
    """

    home: Path
    crm: str
    seed: int
    days: int
    box: Sandbox = field(init=False)
    line: Line = field(init=False)
    clock: SkewedClock = field(init=False)
    inside: Inside = field(init=False)
    config: Path = field(init=False)
    _dated: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        world = make_world(
            seed=self.seed, accounts=ACCOUNTS, people_per_account=4, months=3, now=START, horizon_days=self.days + 3
        )
        vendors = (self.crm, "zendesk", "mixpanel")
        self.box = Sandbox(world, SandboxClock(START), vendors=vendors, journal_size=JOURNAL)
        self.line = Line(self.box)
        self.clock = SkewedClock(self.box.clock)
        self.inside = HubSpotSide(self.box) if self.crm == "hubspot" else SalesforceSide(self.box)
        self.config = write_trial_config(self.home, self.box.base_urls())
        card = Path(__file__).parents[2].joinpath("scoring", "default.toml").read_text("utf-8")
        strict = card.replace("red_below = 40", "red_below = 60").replace("green_from = 70", "green_from = 80")
        (self.home / "card.toml").write_text(strict, "utf-8")
        with self.config.open("a", encoding="utf-8") as config:
            config.write(MORE)

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.home / "state"

    @contextmanager
    def at_work(self, keep: timedelta) -> Iterator[None]:
        """Inside the block every request goes to this site, and what is kept for some time is kept for so long."""
        places: tuple[tuple[dict[str, Any], str], ...] = ((vars(ledger), "KEEP"), (vars(streams), "PULLS_KEPT"))
        before = [module[name] for module, name in places]
        with self.line.plugged_in():
            for module, name in places:
                module[name] = keep
            try:
                yield
            finally:
                for (module, name), old in zip(places, before, strict=True):
                    module[name] = old

    def command(self, *words: str) -> Said:
        """Run a command as a person or a timer does. One whose machine goes down leaves what the disk held then."""
        out, err = io.StringIO(), io.StringIO()
        args = [*words, "--config", str(self.config)]
        image = self.home / "image"
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = exit_code(
                    lambda: agent.cli.main(args=args, prog_name="holdfast", standalone_mode=False, obj=self.clock)
                )
        except Crash:
            shutil.rmtree(self.state)
            image.rename(self.state)
            return Said(-1)
        finally:
            self._date_plans()
        return Said(code, out.getvalue(), err.getvalue())

    def crash(self) -> None:
        """The machine goes down: keep what its disk holds at this instant, and let nothing go out any more."""
        image = self.home / "image"
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(self.state, image)
        self.line.crash()

    def _date_plans(self) -> None:
        """Plan files are as old as the agent's clock says, which is not the one that files are dated by."""
        now = self.clock.now().timestamp()
        for file in self.state.glob("plans/*.plan"):
            if file.name not in self._dated:
                os.utime(file, (now, now))
                self._dated.add(file.name)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The state, to be looked at."""
        store = Store.open(self.state, readonly=True)
        try:
            yield store
        finally:
            store.close()
