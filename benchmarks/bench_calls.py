"""API calls: what a first sync, a quiet hour and a write-back cost, against the least that the page sizes allow.

The least is counted from the rows that came and the vendors' documented largest pages; requests come from the sandbox's
own journal, so that no counter of ours is trusted. Writing is measured with the usual sources, reading with all.
"""

import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

from cli.app import open_agent
from cli.demo import NO_LIMITS
from cli.trial import vendors, write_trial_config
from sandbox.core import Sandbox
from sandbox.serve import serve
from sandbox.world import make_world
from sync.run_report import RunReport

ACCOUNTS = 400
NOW = datetime(2026, 11, 1, tzinfo=UTC)

FIRST_PAGE = {
    ("hubspot", "owners"): 100,
    ("hubspot", "companies"): 100,
    ("hubspot", "contacts"): 100,
    ("hubspot", "deals"): 100,
    ("hubspot", "tickets"): 100,
    ("hubspot", "feedback_submissions"): 100,
    ("zendesk", "organizations"): 1000,
    ("zendesk", "users"): 1000,
    ("zendesk", "tickets"): 1000,
    ("zendesk", "organization_memberships"): 100,
    ("zendesk", "survey_responses"): 100,
    ("mixpanel", "profiles"): 1000,
    ("intercom", "contacts"): 150,
    ("intercom", "companies"): 100,
    ("intercom", "conversations"): 150,
    ("stripe", "customers"): 100,
    ("stripe", "subscriptions"): 100,
    ("stripe", "invoices"): 100,
    ("typeform", "responses"): 1000,
    ("surveymonkey", "responses"): 100,
}
"""Largest page of each stream when all of it is read. Event exports have no pages."""

BESIDE = {
    "mixpanel": 3,  # exports of 30 days
    "amplitude": 90,  # exports of a day
    "intercom": 1,  # a scroll ends with an empty page
    "stripe": 1 + 1,  # open invoices from before; tiers of prices, which do not come with subscriptions
    "typeform": 2 + 1,  # two forms' questions; the second form's first page
    "surveymonkey": 2 + 1,  # the same of two surveys
}
"""What no page size says: calls of a first pull in the trial's config, with its 90 days of history."""

HOURLY = {
    **{("hubspot", name): 200 for name in ("companies", "contacts", "deals", "tickets", "feedback_submissions")},
    **{("zendesk", name): 1000 for name in ("organizations", "users", "tickets")},
    ("mixpanel", "events"): 10**9,
    ("amplitude", "events"): 10**9,
    **{("intercom", name): 150 for name in ("contacts", "conversations")},
    ("stripe", "customers"): 10**9,  # the events of all of its streams
    ("typeform", "responses"): 1000,
    ("surveymonkey", "responses"): 100,
}
"""Largest page of what is asked every hour: HubSpot searches, Zendesk exports, one export of events, Stripe's feed."""

EVERY_HOUR = {"intercom": 1, "typeform": 1, "surveymonkey": 1}
"""Beside these: deleted conversations; the second form, the second survey."""
ALL_ACCOUNTS = 100


def least_first(report: RunReport) -> Counter[str]:
    """Calls that reading every stream once must cost."""
    least: Counter[str] = Counter()
    for pull in report.pulls:
        if pull.ending == "ok" and (page := FIRST_PAGE.get((pull.source, pull.stream))):
            least[pull.source] += max(1, ceil(pull.rows / page))
    return least


def least_hour(report: RunReport) -> Counter[str]:
    """Calls that an hour's changes must cost: one question a kind of record, more where a page is not enough.

    A HubSpot search gives no associations, so changed contacts, deals and tickets cost one read of theirs; Zendesk's
    answers to surveys can only be asked for by ticket, so changed tickets cost one.
    """
    least: Counter[str] = Counter()
    for pull in report.pulls:
        if (pull.source, pull.stream) in HOURLY:
            least[pull.source] += max(1, ceil(pull.rows / HOURLY[pull.source, pull.stream]))
        if pull.source == "hubspot" and pull.stream in {"contacts", "deals", "tickets"} and pull.rows:
            least["hubspot"] += ceil(pull.rows / 1000)
        if (pull.source, pull.stream) == ("zendesk", "tickets") and pull.rows:
            least["zendesk"] += 1
    return least


def least_writes(report: RunReport) -> int:
    """Calls that writing must cost: every target read again and written, 100 at a time."""
    assert report.plan is not None
    sizes = Counter(record.object for record in report.plan.records)
    return sum(2 * ceil(count / 100) for count in sizes.values()) + ceil(len(report.plan.tasks) / 100)


def requests(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """(vendor, shape of the path) -> requests so far; ids are taken out of the path."""
    entries = sandbox.journal.entries()
    return Counter((entry.vendor, f"{entry.method} {re.sub(r'/[0-9]{3,}', '/N', entry.path)}") for entry in entries)


def by_vendor(calls: Counter[tuple[str, str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for (vendor, _), number in calls.items():
        total[vendor] += number
    return total


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls of every source, and the least: of a first pull and of the third hour after it."""

    first: Counter[str]
    first_least: Counter[str]
    hour: Counter[str]
    hour_least: Counter[str]


def of_all_sources(accounts: int) -> Spent:
    """Read a company with every kind of source once, and again when three hours have passed."""
    world = make_world(1, accounts)
    box = Sandbox(world, vendors=vendors("hubspot", everything=True), options=NO_LIMITS)
    with tempfile.TemporaryDirectory() as folder, serve(box) as running:
        config = write_trial_config(Path(folder), running.base_urls, shelf=(world, box.clock.now()))
        with open_agent(config, clock=box.clock) as agent:
            agent.crm.setup([field.spec for field in agent.fields], dry_run=False)
            spent = []
            for _ in range(4):
                box.journal.clear()
                report = agent.run(dry_run=True)
                assert not report.failed, report.failed
                spent.append((by_vendor(requests(box)), report))
                box.clock.advance(timedelta(hours=1))
    (first, began), (hour, quiet) = spent[0], spent[-1]
    return Spent(first, least_first(began) + Counter(BESIDE), hour, least_hour(quiet) + Counter(EVERY_HOUR))


def main() -> list[dict[str, Any]]:
    spent = of_all_sources(ALL_ACCOUNTS)
    every = compare("every source, first sync", spent.first, spent.first_least)
    every += compare("every source, hourly run", spent.hour, spent.hour_least)
    return [*usual(), *every]


def usual() -> list[dict[str, Any]]:
    """The usual sources, with a write-back."""
    sandbox = Sandbox(make_world(seed=1, accounts=ACCOUNTS, now=NOW))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, serve(sandbox) as running:
        config = write_trial_config(Path(folder), running.base_urls)
        with open_agent(config, clock=sandbox.clock) as agent:
            agent.crm.setup([field.spec for field in agent.fields], dry_run=False)
            sandbox.journal.clear()
            first = agent.run(dry_run=True)
            rows += compare("first sync", by_vendor(requests(sandbox)), least_first(first))
            sandbox.journal.clear()
            wet = agent.run(dry_run=False, initial=True, with_tasks=True)
            spent = requests(sandbox)
            writes = Counter({"hubspot": by_vendor(spent)["hubspot"]})
            rows += compare("second run and write-back", writes, Counter({"hubspot": least_writes(wet) + 5}))
            sandbox.clock.advance(timedelta(hours=1))
            agent.run(dry_run=False)  # takes the echo of our own writes in
            sandbox.clock.advance(timedelta(hours=1))
            sandbox.journal.clear()
            quiet = agent.run(dry_run=True)
            rows += compare("hourly run", by_vendor(requests(sandbox)), least_hour(quiet))
            rows.append({"name": "hourly run: rows that had changed", "value": sum(pull.rows for pull in quiet.pulls)})
    return rows


def compare(name: str, spent: Counter[str], least: Counter[str]) -> list[dict[str, Any]]:
    rows = []
    for vendor in least:
        ratio = spent[vendor] / least[vendor]
        rows.append({"name": f"{name}, {vendor}: calls", "value": spent[vendor]})
        rows.append({"name": f"{name}, {vendor}: against the least ({least[vendor]})", "value": ratio, "unit": "x"})
    total = sum(spent[vendor] for vendor in least) / sum(least.values())
    return [*rows, {"name": f"{name}, all vendors: against the least", "value": total, "unit": "x"}]
