"""From the billing system to the band: what customers pay, and do not pay, ends up in their health."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from cli.app import open_agent
from sandbox.core import HUBSPOT_TOKEN, STRIPE_KEY, Sandbox, hubspot_company_id
from sandbox.faults import Fault
from sandbox.model_billing import Bill, Payer
from sandbox.serve import serve
from sandbox.world import SeededWorld, make_world
from scoring.engine import score
from sync import frames
from tests.cli.conftest import Said, compiling_once, quietly

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CONFIG = """
[crm]
type = "hubspot"
token = {{ file = "hubspot.token" }}
base_url = "{hubspot}"
[sources.stripe]
key = {{ file = "stripe.key" }}
base_url = "{stripe}"
[state]
dir = "state"
[scoring]
card = "card.toml"
"""
SIGNALS = {
    "overdue_days": [[0, 5], [20, 1]],
    "overdue_invoices": [[0, 5], [3, 1]],
    "failed_payments": [[0, 5], [3, 1]],
    "payment_delay": [[0, 5], [20, 1]],
    "cancellation_set": [[0, 5], [1, 1]],
    "card_expires_days": [[0, 1], [60, 5]],
    "payment_trend": [[0, 5], [1, 2]],
    "subscriptions": [[0, 3], [1, 4]],
    "mrr": [[0, 3], [1, 4]],
}
"""Every feature of billing, each a signal of the same weight."""
REVENUE = (
    "SELECT c.source_id, t.currency, t.mrr FROM subscription t JOIN link l ON l.kind = 'account' AND l.key = t.account "
    "JOIN account c ON c.key = l.crm WHERE t.valid_to IS NULL"
)


def card() -> str:
    """The default card with these signals in the place of its own."""
    text = resources.files("scoring").joinpath("default.toml").read_text("utf-8")
    signals = "".join(
        f'[account.signals.{name}]\nfeature = "{name}"\nweight = 10\ncurve = {curve}\n'
        f'reason = "{name} {{{name}}}"\ncustomer = "billing"\nplaybook = "check_in"\n'
        for name, curve in SIGNALS.items()
    )
    before, _, rest = text.partition("[account.signals.login]")
    _, marker, after = rest.partition("# --- accounts: what no average may hide")
    assert marker
    bands = before.replace("red_below = 40", "red_below = 50\nred_families = 1").replace(
        "min_coverage = 50", "min_coverage = 30"
    )
    return bands + signals + marker + after


class Office:
    """A HubSpot and a Stripe account on loopback, and the command line."""

    def __init__(self, folder: Path, world: SeededWorld, box: Sandbox) -> None:
        self.folder, self.world, self.box = folder, world, box
        self.first: dict[int, Mapping[str, Any]] = {}
        """Company -> its features when everything has been read for the first time."""
        self.revenue: list[tuple[str, str, int]] = []
        """CRM id, currency and monthly revenue of every subscription then."""

    def run(self, *args: str) -> Said:
        said = quietly(*args, "--config", str(self.folder / "config.toml"), clock=self.box.clock)
        assert "Traceback" not in said.text
        return said

    def look(self, **span: float) -> None:
        """Time passes, then everything is read."""
        self.box.clock.advance(timedelta(**span))
        said = self.run("sync", "--dry-run")
        assert said.code == 0, said.text

    def health(self, company: int) -> tuple[str, int, dict[str, Any]]:
        """Band, score and features of a company."""
        said = self.run("explain", str(hubspot_company_id(company)), "--json")
        return said.data["band"], said.data["score"], said.data["features"]

    def remember(self) -> None:
        """Keep what is known now."""
        with open_agent(self.folder / "config.toml", self.box.clock) as agent:
            self.revenue = list(agent.store.rows(REVENUE))
            given = frames.inputs(agent.store, self.box.clock.now(), crm="hubspot")
            with agent.store.released():
                found = {row.crm_id: row.features for row in score(agent.card, given) if row.level == "account"}
        ids = {str(hubspot_company_id(company.id)): company.id for company in self.world.companies}
        self.first = {ids[crm_id]: features for crm_id, features in found.items()}

    def act(self, action: str, **args: Any) -> Any:
        return self.box.mutate("stripe", action, **args)

    def bills(self, company: int) -> list[Bill]:
        """Bills that a company had been sent or charged by now."""
        payers = {payer.id for payer in self.world.billing.payers if payer.company_id == company}
        return [bill for bill in self.world.billing.bills if bill.payer_id in payers and bill.made_at < NOW]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    world = make_world(seed=6, accounts=25, people_per_account=2, months=13, now=NOW)
    folder, box = tmp_path_factory.mktemp("billing"), Sandbox(world, vendors=("hubspot", "stripe"))
    with compiling_once(), serve(box) as running:
        for name, secret in (("hubspot.token", HUBSPOT_TOKEN), ("stripe.key", STRIPE_KEY)):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(secret, encoding="utf-8")
        (folder / "config.toml").write_text(CONFIG.format(**running.base_urls), encoding="utf-8")
        (folder / "card.toml").write_text(card(), encoding="utf-8")
        made = Office(folder, world, box)
        made.look()
        made.remember()
        yield made


def customers(office: Office, way: str) -> list[Payer]:
    """Customers of this way to pay that run one plan, are their company's only one, and owe nothing."""
    billing, second = office.world.billing, int(NOW.timestamp())
    books = office.box.stripe.books
    found = []
    for payer in billing.payers:
        plans = [plan for plan in billing.plans if plan.payer_id == payer.id]
        alone = sum(one.company_id == payer.company_id for one in billing.payers) == 1
        running = len(plans) == 1 and books.plan_status(plans[0], second) == "active" and plans[0].ends_at is None
        clean = all(books.bill_status(bill, second) == "paid" for bill in office.bills(payer.company_id))
        if payer.way == way and alone and running and clean and len(office.bills(payer.company_id)) > 3:
            found.append(payer)
    return found


def late(bill: Bill) -> int | None:
    """Days by which a bill was paid late, until now when it is not; None for one that is not due yet."""
    due = bill.due_at or (bill.made_at + timedelta(hours=1) if bill.failed else bill.paid_at)
    if due is None or due.date() >= NOW.date():
        return None
    paid = bill.paid_at if bill.paid_at is not None and bill.paid_at < NOW else None
    return max(0, ((paid or NOW).date() - due.date()).days)


def mean(bills: list[Bill], first: int, last: int) -> int | None:
    """Mean days of delay of bills that were due so many days ago, whole days."""
    found = []
    for bill in bills:
        due = bill.due_at or (bill.made_at + timedelta(hours=1) if bill.failed else bill.paid_at)
        if due is not None and first <= (NOW.date() - due.date()).days <= last:
            found.append(late(bill) or 0)
    return sum(found) // len(found) if found else None


def test_bad_billing_changes_features_and_bands(office: Office) -> None:
    payer = next(one for one in customers(office, "card") if one.holder != "source")
    held = next(card for card in reversed(payer.cards) if card.since < NOW)
    band, points, features = office.health(payer.company_id)
    assert band == "green"
    good = points
    assert features["card_expires_days"] == (_last_day(held.year, held.month) - NOW.date()).days

    bill = max(office.bills(payer.company_id), key=lambda one: one.made_at)
    plan = office.world.billing.plans[bill.plan_id - 1]
    for _ in range(3):
        office.act("fail_invoice", id=f"in_HF{bill.id:08d}")
    office.act("cancel_subscription", id=f"sub_HF{plan.id:08d}", at_period_end=True)
    office.act("edit_card", id=office.box.stripe.books.held(payer.id, int(NOW.timestamp())),
               fields={"exp_month": 11, "exp_year": 2026})  # fmt: skip
    office.look(hours=2)
    band, points, features = office.health(payer.company_id)
    assert features["failed_payments"] == 3
    assert features["overdue_invoices"] == 1
    assert features["overdue_days"] == (NOW.date() - (bill.made_at + timedelta(hours=1)).date()).days
    assert (features["cancellation_set"], features["card_expires_days"]) == (1, 29)
    office.look(days=8)  # a band changes once a score has stayed where it is
    band, points, features = office.health(payer.company_id)
    counted = (NOW.date() - (bill.made_at + timedelta(hours=1)).date()).days + 8
    assert features["overdue_days"] == counted, "nobody was billed and nobody paid: a day is a day all the same"
    assert band in {"yellow", "red"}
    assert points < good - 30

    office.box.faults.add(Fault("empty", "stripe"))  # answers 200, with nothing
    office.box.clock.advance(timedelta(days=2))
    assert "too many to believe" in office.run("sync", "--dry-run").text
    assert office.health(payer.company_id)[2]["overdue_days"] == counted, "it is not believed: its days stand"
    office.box.faults.clear()
    office.look(hours=1)
    assert office.health(payer.company_id)[2]["overdue_days"] == counted + 2

    office.act("pay_invoice", id=f"in_HF{bill.id:08d}")
    office.act(
        "edit_subscription", id=f"sub_HF{plan.id:08d}", fields={"cancel_at_period_end": False, "cancel_at": None}
    )
    office.look(days=15)
    band, points, features = office.health(payer.company_id)
    assert (features["failed_payments"], features["overdue_days"], features["cancellation_set"]) == (0, 0, 0)
    assert points > good - 20


def test_who_pays_in_time_has_no_trouble(office: Office) -> None:
    checked = 0
    for payer in (one for way in ("transfer", "card", "debit") for one in customers(office, way)):
        features, bills = office.first[payer.company_id], office.bills(payer.company_id)
        assert features["payment_delay"] == mean(bills, 1, 180), payer
        assert (features["failed_payments"], features["overdue_days"], features["overdue_invoices"]) == (0, 0, 0)
        assert (features["subscriptions"], features["cancellation_set"]) == (1, 0)
        assert (features["card_expires_days"] is not None) is (payer.way == "card")
        checked += 1
    assert checked > 3


def test_delays_that_grow_are_a_trend(office: Office) -> None:
    seen = set[int]()
    for payer in office.world.billing.payers:
        bills = office.bills(payer.company_id)
        now, before = mean(bills, 1, 180), mean(bills, 181, 360)
        if now is None or before is None or abs(now - before) < 5:
            continue
        trend = office.first[payer.company_id]["payment_trend"]
        if trend is not None:  # from two bills each on
            assert trend == (1 if now > before else -1)
            seen.add(payer.company_id)
    assert seen


def test_a_company_that_is_two_customers_in_two_currencies_is_one_account(office: Office) -> None:
    companies = [payer.company_id for payer in office.world.billing.payers]
    twice = next(one for one in companies if companies.count(one) == 2)
    found = [(currency, mrr) for crm_id, currency, mrr in office.revenue if crm_id == str(hubspot_company_id(twice))]
    assert len({currency for currency, _ in found}) == len(found) == 2, "each keeps its own; nothing is added up"
    assert all(mrr > 0 for _, mrr in found)
    features, company = office.first[twice], office.world.companies[twice - 1]
    assert (features["subscriptions"], features["mrr"]) == (2, company.mrr), "an account's revenue is what the CRM says"


def _last_day(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
