"""The CRMs side by side: API calls and time of a first load, a quiet hour and a large write-back, at full size.

Only the CRM's own streams are read. The sandbox serves from a process of its own; requests come from its journal, so
that no counter of ours is trusted. Set HOLDFAST_BENCH_ACCOUNTS for another size than 10,000 accounts, 200,000 people.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

import requests

from benchmarks.bench_run import ACCOUNTS, RemoteClock, served
from cli.app import open_agent
from cli.trial import CRMS, vendors, write_trial_config
from sync.apply import Applier
from sync.budget import Budget
from sync.plan import FieldChange, Plan, RecordChange
from sync.pull import pull_all
from sync.reports import PullReport
from sync.run import Agent

HUBSPOT_PAGE = 100
SALESFORCE_PAGE = 2_000
BULK_PAGE = 50_000
"""Rows of one bulk result; a job costs making it and one look at it besides."""

LINKED = {"contacts": 1, "deals": 2, "tickets": 2}
"""How many kinds of record HubSpot's own ones are tied to, which its search for changes does not say."""

LISTED_DAILY = {"owners", "users"}
"""Streams of colleagues, which an hourly run does not ask for."""


def least_first(crm: str, pulls: list[PullReport]) -> int:
    """Calls that reading every stream once must cost."""
    return sum(_least(crm, pull.rows) for pull in pulls if pull.ending == "ok")


def least_hour(crm: str, pulls: list[PullReport]) -> int:
    """Calls that reading what changed must cost: one a stream; at HubSpot `LINKED` more per 1,000 changed."""
    links = LINKED if crm == "hubspot" else {}
    return sum(1 + links.get(pull.stream, 0) * ceil(pull.rows / 1_000) for pull in pulls)


def _least(crm: str, rows: int) -> int:
    if crm == "hubspot":
        return max(1, ceil(rows / HUBSPOT_PAGE))
    return 1 if rows <= SALESFORCE_PAGE else 2 + ceil(rows / BULK_PAGE)


class Bench:
    """One CRM, an agent, and the sandbox's count of requests."""

    def __init__(self, crm: str, root: str, agent: Agent) -> None:
        self.crm, self.root, self.agent = crm, root, agent

    def spend(self, work: Callable[[], Any]) -> tuple[Any, int, float]:
        """What the work gave, how many requests it cost the CRM, and how many seconds it took."""
        requests.delete(f"{self.root}/_sandbox/journal", timeout=10)
        began = time.monotonic()
        result = work()
        seconds = time.monotonic() - began
        counts = requests.get(f"{self.root}/_sandbox/journal?limit=1", timeout=10).json()["counts"].get(self.crm, {})
        return result, sum(counts.values()), seconds

    def pull(self) -> list[PullReport]:
        pulls = pull_all(self.agent.sources[:1], self.agent.store, self.agent.clock)
        assert all(pull.ending in {"ok", "off"} for pull in pulls), [pull.error for pull in pulls]
        return pulls

    def write(self, value: int, share: float) -> int:
        """Give every account another score; the calls that only updates cost."""
        (field,) = (f.spec.name for f in self.agent.fields if f.logical == "account.health_score")
        rows = self.agent.store.rows("SELECT source_id FROM account WHERE valid_to IS NULL AND valid_from IS NOT NULL")
        ids = [str(row[0]) for row in rows]
        held = self.agent.crm.read("account", ids[:1], [field])[ids[0]][field]
        records = tuple(RecordChange("account", one, one, (FieldChange(field, held, value),), "") for one in ids)
        agent, before = self.agent, self.agent.crm.calls.get("write", 0)
        plan = Plan(agent.clock.now(), "bench", "bench", records)
        budget = Budget(agent.crm, share)
        budget.open(plan)
        applier = Applier(agent.crm, agent.store, agent.ledger, agent.clock, budget=budget)
        done = list(applier.apply(plan, agent.ledger.start_run("bench", agent.clock.now())))
        assert {item.result for item in done} == {"confirmed"}, {item.result for item in done}
        return agent.crm.calls.get("write", 0) - before


def measure(crm: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, served(ACCOUNTS, crm) as root:
        config = write_trial_config(Path(folder), {name: f"{root}/{name}" for name in vendors(crm)})
        clock = RemoteClock(root)
        with open_agent(config, clock=clock) as agent:
            agent.crm.setup([field.spec for field in agent.fields], dry_run=False)
            bench = Bench(crm, root, agent)
            pulls, calls, seconds = bench.spend(bench.pull)
            least, total = least_first(crm, pulls), sum(pull.rows for pull in pulls)
            rows += _row(crm, f"first load of {total:,} records", calls, least)
            rows.append({"name": f"{crm}: records a second", "value": total / seconds, "unit": "/s"})
            clock.sleep(timedelta(hours=1).total_seconds())
            pulls, calls, _ = bench.spend(bench.pull)
            quiet = [pull for pull in pulls if pull.ending == "ok" and pull.stream not in LISTED_DAILY]
            rows += _row(
                crm, f"an hour later, {sum(pull.rows for pull in quiet)} records changed", calls, least_hour(crm, quiet)
            )
            updates, calls, seconds = bench.spend(lambda: bench.write(50, 1.0))
            rows += _row(crm, f"{ACCOUNTS:,} accounts written, with re-reads", calls, 2 * updates)
            rows.append({"name": f"{crm}: of these update calls", "value": updates})
            rows.append({"name": f"{crm}: accounts written a second", "value": ACCOUNTS / seconds, "unit": "/s"})
            if agent.crm.write.bulk_batch:
                _, calls, _ = bench.spend(lambda: bench.write(60, 0.0001))
                rows.append({"name": f"{crm}: the same by bulk jobs: calls", "value": calls})
    return rows


def _row(crm: str, name: str, calls: int, least: int) -> list[dict[str, Any]]:
    ratio = {"name": f"{crm}:   against the least ({least:,})", "value": calls / max(least, 1), "unit": "x"}
    return [{"name": f"{crm}: {name}: calls", "value": calls}, ratio]


def main() -> list[dict[str, Any]]:
    return [row for crm in CRMS for row in measure(crm)]
