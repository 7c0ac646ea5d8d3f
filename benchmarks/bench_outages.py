"""Outages lived through by the command line: what `holdfast sync` writes, says and exits with while sources lie.

A sandbox is served on loopback, its CRM filled once, and put back for each scenario. Then `holdfast sync` runs 1, 30,
73 and 192 hours into the outage, and 1 and 25 hours after its end. Beside it stands the same site without the outage.

Counted are bands and tasks in the CRM that the outage brought about. Where every source fails, it is every band and
every task. Where the others live on, it is a band that differs both from the one before and from the one of the site
without the outage, and whose account got other points for what the failing source says; and a task which that site has
not, of such an account. `make outages` prints one line a scenario; with HOLDFAST_OUTAGES=say also what was said.
"""

import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.core import Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.serve import serve
from sandbox.snapshot import Snapshot
from sandbox.world import make_world
from scoring.card import Scorecard
from scoring.features import catalogue
from sync.store import Store

NOW = datetime(2026, 10, 21, 10, tzinfo=UTC)  # a Wednesday
LOOKS = (1, 30, 73, 192)
AFTER = (1, 25)
CRMS = ("hubspot", "salesforce")
KINDS = ("empty", "zero_counts", "first_page", "stale", "status")


FEEDS = {"mixpanel": {"usage"}, "zendesk": {"ticket", "survey_response"}}
"""Source -> kinds of records of which it is the only or the main one."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who fails, and how."""

    who: tuple[str, ...]
    kind: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{', '.join(self.who)}: {'503' if self.kind == 'status' else self.kind}"


def scenarios(crm: str) -> Iterator[Scenario]:
    """All of them, beside one CRM."""
    for who in ((crm, "zendesk", "mixpanel"), ("mixpanel",), ("zendesk",), (crm,)):
        for kind in KINDS:
            # Zeros and first pages are told from the truth by what else there is: not when everything lies.
            if len(who) == 1 or kind in {"empty", "stale", "status"}:
                yield Scenario(who, kind)


@dataclass(frozen=True, slots=True)
class Look:
    """One `holdfast sync`.

    Attributes:
        hours: Since the site was put back.
        code: Exit code.
        out: Its JSON.
        said: What it said to a person.
        bands: CRM id -> the band in the CRM after it.
        tasks: Keys of our tasks in the CRM after it.
        points: (Account, signal) -> points.
    """

    hours: float
    code: int
    out: dict[str, Any]
    said: str
    bands: dict[str, Any]
    tasks: frozenset[str]
    points: dict[tuple[str, str], int | None]


@dataclass
class Life:
    """A served sandbox, filled, that can be put back."""

    crm: str
    folder: Path
    sandbox: Sandbox
    config: Path
    start: datetime = NOW
    before: Look = field(init=False)
    kept: Snapshot = field(init=False)

    def fill(self) -> None:
        """Set the CRM up, fill it and let an hour pass."""
        for command in (("setup",), ("sync", "--initial", "--tasks")):
            code, out, err = self.command(*command)
            if code:
                raise RuntimeError(f"holdfast {' '.join(command)}: exit {code}: {out}{err}")
        self.sandbox.clock.sleep(3600)
        self.before = self.look(0)
        self.start = self.sandbox.clock.now()
        self.kept = self.sandbox.snapshot()
        shutil.copytree(self.folder / "state", self.folder / "kept")

    def again(self) -> None:
        """Put everything back as it was."""
        self.kept.restore()
        shutil.rmtree(self.folder / "state")
        shutil.copytree(self.folder / "kept", self.folder / "state")

    def command(self, *args: str) -> tuple[int, str, str]:
        """Exit code and both outputs of a command line."""
        import agent
        from cli.errors import exit_code

        out, err = io.StringIO(), io.StringIO()
        line = [*args, "--config", str(self.config)]
        with redirect_stdout(out), redirect_stderr(err):
            code = exit_code(
                lambda: agent.cli.main(args=line, prog_name="holdfast", standalone_mode=False, obj=self.sandbox.clock)
            )
        return code, out.getvalue(), err.getvalue()

    def look(self, hours: float) -> Look:
        """Run `holdfast sync --json` so many hours after the site was put back."""
        self.sandbox.clock.set(max(self.sandbox.clock.now(), self.start + timedelta(hours=hours)))
        code, out, err = self.command("sync", "--json")
        data = json.loads(out.splitlines()[-1]) if out.strip() else {}
        return Look(hours, code, data, err, self.bands(), self.tasks(), self.points())

    def points(self) -> dict[tuple[str, str], int | None]:
        """What each signal brings each account, as last computed."""
        store = Store.open(self.folder / "state", readonly=True)
        try:
            rows = list(store.latest_scores("account"))
        finally:
            store.close()
        return {(row.crm_id, part.name): part.points for row in rows for part in row.signals}

    def bands(self) -> dict[str, Any]:
        """The bands that the CRM shows, by account."""
        if self.crm == "salesforce":
            org = self.sandbox.salesforce.org
            table = org.tables["Account"]
            return {
                table.id_at(place): table.value(place, "Holdfast_Health_Band__c", org.now)
                for place in table.places(org.now)
            }
        portal = self.sandbox.hubspot.portal
        companies = portal.tables["companies"]
        return {
            str(companies.ids[place]): companies.value(place, "holdfast_health_band", portal.now)
            for place in companies.living(0, portal.now)
        }

    def tasks(self) -> frozenset[str]:
        """Our tasks in the CRM, by key: ids differ between two lives."""
        if self.crm == "salesforce":
            org = self.sandbox.salesforce.org
            table = org.tables["Task"]
            found = [table.value(place, "Holdfast_Task_Key__c", org.now) for place in table.places(org.now)]
        else:
            portal = self.sandbox.hubspot.portal
            tasks = portal.tables["tasks"]
            found = [tasks.value(place, "hs_task_subject", portal.now) for place in tasks.living(0, portal.now)]
        return frozenset(str(key) for key in found if key)

    def live(self, faults: Sequence[Fault], looks: Sequence[int] = LOOKS) -> list[Look]:
        """The runs of one outage, and those after it."""
        self.again()
        self.sandbox.faults.add(*faults)
        found = [self.look(hours) for hours in looks]
        self.sandbox.faults.clear()
        return [*found, *(self.look(looks[-1] + hours) for hours in AFTER)]

    def faults(self, scenario: Scenario) -> list[Fault]:
        """A scenario's faults, from the moment to which the site is put back."""
        more: dict[str, Any] = {"status": {"status": 503, "every": 1}, "stale": {"as_of": self.start.isoformat()}}
        return [
            Fault(scenario.kind, vendor=vendor, **more.get(scenario.kind, {}))  # type: ignore[arg-type]  # one of KINDS
            for vendor in scenario.who
        ]


@contextmanager
def life(crm: str, *, accounts: int = 24) -> Iterator[Life]:
    """A site whose CRM has been filled."""
    from cli.trial import vendors, write_trial_config

    world = make_world(seed=11, accounts=accounts, people_per_account=5, months=4, now=NOW, horizon_days=30)
    sandbox = Sandbox(world, SandboxClock(NOW), vendors(crm))
    with tempfile.TemporaryDirectory() as name, serve(sandbox) as running:
        config = write_trial_config(Path(name), running.base_urls, exports_per_minute=30)
        found = Life(crm, Path(name), sandbox, config)
        found.fill()
        yield found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to.

    Attributes:
        moved: Bands that the outage moved.
        tasks: Tasks that it made.
        codes: Exit codes in the order of the runs, those after the outage included.
        back: Whether the CRM shows at the end what it would without the outage.
        silent: What the command said at the last look of the outage.
    """

    moved: int
    tasks: int
    codes: tuple[int, ...]
    back: bool
    silent: str


def signals(who: Sequence[str]) -> set[str]:
    """What is said by these sources."""
    kinds = {kind for source in who for kind in FEEDS.get(source, ())}
    known = catalogue("account")
    signals = Scorecard.load().level("account").signals
    return {name for name, signal in signals.items() if kinds.intersection(known[signal.feature].kinds)}


def outcome(site: Life, scenario: Scenario, looks: list[Look], twin: list[Look]) -> Outcome:
    """Compare the runs of an outage with the same runs without it."""
    moved, tasks, total = 0, 0, len(scenario.who) == len(site.sandbox.vendors)
    said = signals(scenario.who)
    for look, other in list(zip(looks, twin, strict=True))[: -len(AFTER)]:
        changed = {name for name, band in look.bands.items() if band != site.before.bands.get(name)}
        made = look.tasks - site.before.tasks
        if not total:
            points = {
                key[0] for key, value in look.points.items() if key[1] in said and value != site.before.points.get(key)
            }
            changed = {name for name in changed & points if look.bands[name] != other.bands.get(name)}
            made = made - other.tasks if changed else frozenset()
        moved, tasks = moved + len(changed), tasks + len(made)
    back = looks[-1].bands == twin[-1].bands
    return Outcome(moved, tasks, tuple(look.code for look in looks), back, looks[-len(AFTER) - 1].said)


def run(crm: str, chosen: Callable[[Scenario], bool] = lambda _: True) -> Iterator[tuple[Scenario, Outcome]]:
    """Live through the scenarios beside one CRM."""
    with life(crm) as site:
        twin = site.live(())
        for scenario in filter(chosen, scenarios(crm)):
            yield scenario, outcome(site, scenario, site.live(site.faults(scenario)), twin)


def main() -> Iterator[dict[str, Any]]:
    """One line a scenario, and the sum."""
    count = moved = tasks = 0
    for crm in CRMS:
        for scenario, found in run(crm):
            count, moved, tasks = count + 1, moved + found.moved, tasks + found.tasks
            codes = " ".join(map(str, found.codes))
            name = f"{crm} site, {scenario.name}; exits {codes}{'' if found.back else '; NOT BACK after it'}"
            yield {"name": name, "value": found.moved + found.tasks, "unit": "bands moved or tasks made"}
            if os.environ.get("HOLDFAST_OUTAGES") == "say":
                print(found.silent)
    yield {"name": f"scenarios {count}, bands moved {moved}, tasks {tasks}", "value": moved + tasks, "unit": ""}
