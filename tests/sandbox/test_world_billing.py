"""Billing in the world: what is awkward is always there, and trouble with money comes before a customer leaves."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.model_billing import Billing
from sandbox.world import SeededWorld, make_world
from sandbox.world_billing import later

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return make_world(seed=2, accounts=150, people_per_account=3, months=15, now=NOW)


@pytest.fixture(scope="module")
def billing(world: SeededWorld) -> Billing:
    return world.billing


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_what_is_awkward_is_in_every_world(seed: int) -> None:
    billing = make_world(seed=seed, accounts=12, people_per_account=3, months=3, now=NOW).billing
    companies = [payer.company_id for payer in billing.payers]
    plans = [plan.payer_id for plan in billing.plans]
    tags = [tag for plan in billing.plans for tag, _ in plan.items]
    twice = next(one for one in companies if companies.count(one) == 2)
    assert len({payer.currency for payer in billing.payers if payer.company_id == twice}) == 2
    assert max(plans.count(one) for one in plans) == 3
    assert any(tag.tiers for tag in tags)
    assert any(tag.metered for tag in tags)
    assert any(tag.decimal for tag in tags)
    assert "JPY" in {tag.currency for tag in tags}
    assert any(plan.rebate for plan in billing.plans)


def test_the_same_seed_gives_the_same_books(world: SeededWorld, billing: Billing) -> None:
    again = make_world(seed=2, accounts=150, people_per_account=3, months=15, now=NOW)
    assert again.billing == billing
    assert again.digest() == world.digest(), "the draws are their own"


def test_everything_belongs_together(billing: Billing) -> None:
    for plan in billing.plans:
        assert billing.payers[plan.payer_id - 1].created_at == plan.created_at
        assert plan.cancel_set_at is None or plan.ends_at is None or plan.cancel_set_at < plan.ends_at
    for number, bill in enumerate(billing.bills, 1):
        plan = billing.plans[bill.plan_id - 1]
        assert (bill.id, bill.payer_id) == (number, plan.payer_id)
        assert plan.created_at <= bill.made_at
        assert plan.ends_at is None or bill.made_at < plan.ends_at
        assert (bill.due_at is None) is not plan.sent
        assert bill.paid_at is None or not bill.failed or bill.paid_at > bill.failed[-1]
    for payer in billing.payers:
        assert bool(payer.cards) is (payer.way == "card")
        assert [card.since for card in payer.cards] == sorted(card.since for card in payer.cards)


def test_trouble_with_money_comes_before_leaving(billing: Billing) -> None:
    """Of bills of the last four months before an end far more go wrong than of those of customers who stay."""

    def share(bills: list[bool]) -> float:
        assert len(bills) > 20
        return sum(bills) / len(bills)

    leaving, staying = [], []
    for bill in billing.bills:
        ends = billing.plans[bill.plan_id - 1].ends_at
        late = bill.due_at is not None and (bill.paid_at is None or bill.paid_at > bill.due_at)
        bad = bool(bill.failed) or late
        if ends is None:
            staying.append(bad)
        elif bill.made_at > ends - timedelta(days=120):
            leaving.append(bad)
    assert share(leaving) > 2 * share(staying) > 0


def test_the_last_day_of_a_month_stays_within_the_next() -> None:
    assert later(datetime(2026, 1, 31, 9, tzinfo=UTC), 1) == datetime(2026, 2, 28, 9, tzinfo=UTC)
    assert later(datetime(2026, 11, 5, tzinfo=UTC), 14) == datetime(2028, 1, 5, tzinfo=UTC)
