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
    "hubspot": 1 + 2 + 1,  # former owners; pipelines of deals and of tickets; the account: which it is, its currency
    "mixpanel": 3,  # exports of 30 days
    "amplitude": 90,  # exports of a day
    "intercom": 1,  # a scroll ends with an empty page
    "stripe": 1,  # open invoices from before
    "typeform": 2 + 1,  # two forms' questions; the second form's last page, which is not full
    "surveymonkey": 2 + 1,  # the same of two surveys
}
"""What no page size says: calls of a first pull in the trial's config, with its 90 days of history.

HubSpot lists owners that are there and former ones apart, has no call for the pipelines of several kinds, and names its
currency nowhere but in the account's details, which also say that it is the right account.
"""

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
BY_NAME = {
    ("zendesk", "survey_responses"): 1,
    **{("stripe", name): 10**9 for name in ("customers", "subscriptions", "invoices")},
}
"""Streams of which what changed is asked for by name, and how many calls that takes at most."""
LINKED = {"contacts": 1, "deals": 2, "tickets": 2}
"""How many kinds of record HubSpot's own ones are tied to: companies, for deals and tickets contacts as well."""
SIZES = (60, 300)
"""Accounts of the worlds with every source."""
HOURS = 3


def least_first(report: RunReport) -> Counter[str]:
    """Calls that reading every stream once must cost, and a preview's look at our fields."""
    least = looks(report)
    for pull in report.pulls:
        if pull.ending == "ok" and (page := FIRST_PAGE.get((pull.source, pull.stream))):
            least[pull.source] += max(1, ceil(pull.rows / page))
    return least


def least_hour(report: RunReport) -> Counter[str]:
    """Calls that an hour's changes must cost: one question a kind of record, more where a page is not enough.

    A HubSpot search gives no associations, so those of changed records cost a read for each kind at the end; Zendesk's
    answers to surveys can only be asked for by ticket, so new ones cost one; a Stripe event is rendered in the version
    under which it was made, so what it names is asked for one by one. `looks` come on top.
    """
    least = looks(report)
    for pull in report.pulls:
        if (pull.source, pull.stream) in HOURLY:
            least[pull.source] += max(1, ceil(pull.rows / HOURLY[pull.source, pull.stream]))
        if pull.source == "hubspot":
            least["hubspot"] += LINKED.get(pull.stream, 0) * ceil(pull.rows / 1000)
        if (pull.source, pull.stream) in BY_NAME:
            least[pull.source] += min(pull.rows, BY_NAME[pull.source, pull.stream])
    return least


def looks(report: RunReport) -> Counter[str]:
    """A preview that plans something says whether our fields are there: the properties of one kind come in one call.

    An hour in which nothing is planned does not ask.
    """
    assert report.plan is not None
    return Counter({"hubspot": len({record.object for record in report.plan.records})})


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


def tiers(box: Sandbox) -> int:
    """Calls for tiers of Stripe's prices, which do not come with subscriptions: one each, or pages of all prices."""
    books, second = box.stripe.books, int(box.clock.now().timestamp())
    paying = [plan for plan in books.billing.plans if books.plan_status(plan, second) in {"active", "past_due"}]
    tiered = {tag.id for plan in paying for tag, _ in plan.items if tag.tiers}
    return min(len(tiered), ceil(len(books.tags) / 100))


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls of every source, and the least: of a first pull and of the three hours after it."""

    first: Counter[str]
    first_least: Counter[str]
    hours: Counter[str]
    hours_least: Counter[str]


def of_all_sources(accounts: int) -> Spent:
    """Read a company with every kind of source once, and again in each of three hours, as previews."""
    world = make_world(1, accounts)
    box = Sandbox(world, vendors=vendors("hubspot", everything=True), options=NO_LIMITS)
    with tempfile.TemporaryDirectory() as folder, serve(box) as running:
        config = write_trial_config(Path(folder), running.base_urls, shelf=(world, box.clock.now()))
        with open_agent(config, clock=box.clock) as agent:
            agent.crm.setup([field.spec for field in agent.fields], dry_run=False)
            spent = Spent(Counter(), Counter({**BESIDE, "stripe": BESIDE["stripe"] + tiers(box)}), Counter(), Counter())
            for hour in range(HOURS + 1):
                box.journal.clear()
                report = agent.run(dry_run=True)
                assert not report.failed, report.failed
                (spent.hours if hour else spent.first).update(by_vendor(requests(box)))
                if hour:
                    spent.hours_least.update(least_hour(report) + Counter(EVERY_HOUR))
                else:
                    spent.first_least.update(least_first(report))
                box.clock.advance(timedelta(hours=1))
    for source in ("typeform", "surveymonkey"):
        # Two last pages can together be one page's worth, or more: how answers fall on forms only the calls tell.
        spent.first_least[source] = min(spent.first_least[source], spent.first[source])
    return spent


def main() -> list[dict[str, Any]]:
    rows = usual()
    for accounts in SIZES:
        spent = of_all_sources(accounts)
        rows += compare(f"every source, {accounts} accounts, first sync", spent.first, spent.first_least)
        rows += compare(f"every source, {accounts} accounts, three hourly runs", spent.hours, spent.hours_least)
    return rows


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
            beside = Counter({name: BESIDE[name] for name in ("hubspot", "mixpanel")})
            rows += compare("first sync", by_vendor(requests(sandbox)), least_first(first) + beside)
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
