"""Reading Stripe: least calls, events as a feed of ids, both shapes, and nothing lost."""

import json
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from connectors.base import Stream
from connectors.errors import CursorExpiredError, RequestError, ShapeError
from sandbox.faults import Fault
from sandbox.model_billing import Plan
from tests.connectors.stripe_account import NOW, STREAMS, Account, world

VERSIONS = ("2026-06-24.dahlia", "2025-06-30.basil", "2023-10-16")


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def pulled(account: Account) -> Account:
    """Everything has been pulled once."""
    for name in STREAMS:
        account.next(name)
    account.box.journal.clear()
    return account


def active(account: Account, way: str = "", **chosen: Any) -> list[str]:
    """Ids of running subscriptions of this kind, oldest first."""
    billing, second = world().billing, int(account.box.clock.now().timestamp())
    wanted = [plan for plan in billing.plans if all(getattr(plan, k) == v for k, v in chosen.items())]
    wanted = [plan for plan in wanted if way in {"", billing.payers[plan.payer_id - 1].way} and plan.created_at < NOW]
    return [f"sub_HF{p.id:08d}" for p in wanted if account.box.stripe.books.plan_status(p, second) == "active"]


def payer_of(subscription: str) -> int:
    return world().billing.plans[int(subscription[-8:]) - 1].payer_id


# -- what it costs --------------------------------------------------------------------------------------------------


def test_the_first_pull_takes_as_many_calls_as_there_are_pages(account: Account) -> None:
    rows = {name: account.rows(name) for name in STREAMS}
    calls = account.source.calls
    pages = {name: -(-len(rows[name]) // 100) for name in STREAMS}
    assert calls["customers"] == pages["customers"]
    assert calls["addresses"] == 0
    assert calls["invoices"] == pages["invoices"] + 1, "one for open invoices older than the history"
    looked_up = sum("prices" in entry.path or "coupons" in entry.path for entry in account.box.journal.entries())
    assert calls["subscriptions"] == pages["subscriptions"] + looked_up
    assert looked_up == 1, "one list of prices with their tiers, however many are needed; coupons come along"
    # Stripe's list leaves out what is no longer sold, and it can be long: it never costs more than to ask by id does.
    for length in (1, 9):
        again = Account()
        for page in range(length):
            body = {"data": [{"id": f"price_{page}", "object": "price"}], "has_more": page < length - 1}
            again.box.faults.add(Fault("status", "stripe", path=r"v1/prices\?", status=200, body=body, times=1))
        found = again.rows("subscriptions")
        assert {row["id"]: row["_mrr"] for row in found} == {row["id"]: row["_mrr"] for row in rows["subscriptions"]}
        asked = Counter(entry.path for entry in again.box.journal.entries() if "prices" in entry.path)
        lists, by_id = asked.pop("/v1/prices"), sum(asked.values())
        assert lists == min(length, by_id)
        assert by_id > 1


def test_a_quiet_hour_is_one_call(pulled: Account) -> None:
    pulled.box.faults.add(Fault("status", "stripe", path="v1/events", status=200, body={"data": []}))
    assert pulled.run(hours=1) == Counter({"events": 1})


def test_a_change_is_asked_for_once(pulled: Account) -> None:
    calls = pulled.run(hours=1)
    happened = Counter(calls)
    number = active(pulled)[0]
    pulled.connect()
    for quantity in (5, 6):
        pulled.act("seats", id=number, quantity=quantity)
    assert pulled.run(minutes=2)["subscriptions"] == 1
    assert pulled.run(minutes=2)["subscriptions"] == 0, "the overlap shows both events again"
    assert happened["events"] == 1


def test_when_more_changed_than_a_listing_has_pages_it_is_listed(pulled: Account) -> None:
    for payer in world().billing.payers[:9]:
        pulled.act("edit_customer", id=f"cus_HF{payer.id:08d}", fields={"name": "Renamed"})
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    batches = pulled.next("customers")
    assert batches[-1].full
    assert pulled.source.calls["customers"] == 1
    assert sum(row["name"] == "Renamed" for batch in batches for row in batch.rows) >= 8


def test_many_young_invoices_are_listed_and_old_ones_asked_for(
    pulled: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.stripe_streams.BY_ID_MOST", 2)
    monkeypatch.setattr("connectors.stripe_streams.YOUNG", 30 * 86_400)
    young = [bill.id for bill in world().billing.bills if NOW - timedelta(days=25) < bill.made_at < NOW][:40]
    old = next(bill.id for bill in world().billing.bills if bill.made_at < NOW - timedelta(days=200))
    assert len(young) > 2
    for bill in (*young, old):
        pulled.act("fail_invoice", id=f"in_HF{bill:08d}")
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    rows = {row["id"]: row for row in pulled.rows("invoices")}
    assert all(rows[f"in_HF{bill:08d}"]["attempt_count"] > 0 for bill in (*young, old))
    assert pulled.source.calls["invoices"] == 2


# -- the feed -------------------------------------------------------------------------------------------------------


def test_an_event_that_comes_late_is_found_and_one_seen_is_known_again(pulled: Account) -> None:
    number = f"cus_HF{world().billing.payers[0].id:08d}"
    pulled.run(minutes=30)
    pulled.act("edit_customer", id=number, fields={"name": "Late"}, late=200)
    assert pulled.run(minutes=2)["customers"] == 0
    assert pulled.run(minutes=2)["customers"] == 1
    assert pulled.run(minutes=2)["customers"] == 0


def test_events_are_of_the_accounts_own_version_and_rows_are_of_ours(pulled: Account) -> None:
    number = active(pulled)[0]
    pulled.act("seats", id=number, quantity=8)
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    (row,) = (row for row in pulled.rows("subscriptions") if row["id"] == number)
    assert "current_period_end" not in row
    assert isinstance(row["_period_end"], int)
    event = pulled.box.stripe.events.visible(int(pulled.box.clock.now().timestamp()))[0]
    assert "current_period_end" in pulled.box.stripe.events.render(event, live=True)["data"]["object"]


@pytest.mark.parametrize("days", [28, 31])
def test_after_a_month_away_invoices_are_read_whole(pulled: Account, days: int) -> None:
    pulled.run(days=days)
    queries = pulled.asked("/v1/invoices")
    assert any("created%5Bgte%5D" in query and "status" not in query for query in queries) is (days > 29)
    assert all(pulled.asked(f"/v1/{name}") for name in ("customers", "subscriptions"))


@pytest.mark.parametrize("body", [{"data": [{"id": "evt_1"}]}, {"data": [{"data": {"object": {"id": "cus_1"}}}]}])
def test_an_event_that_says_nothing_is_refused(pulled: Account, body: Any) -> None:
    pulled.box.faults.add(Fault("status", "stripe", path="v1/events", status=200, body=body))
    before = dict(pulled.cursors)
    with pytest.raises(ShapeError, match="an event"):
        pulled.run(hours=1)
    assert pulled.cursors == before


def test_a_payment_method_that_was_detached_touches_nobody(pulled: Account) -> None:
    gone = {"id": "pm_1", "object": "payment_method", "customer": None}
    event = {"id": "evt_9", "created": int(NOW.timestamp()) + 5, "data": {"object": gone}}
    body = {"data": [event], "has_more": False}
    pulled.box.faults.add(Fault("status", "stripe", path="v1/events", status=200, body=body))
    assert pulled.run(hours=1) == Counter({"events": 1})


# -- what people do -------------------------------------------------------------------------------------------------


def test_a_deleted_customer_is_gone_and_its_subscriptions_have_ended(pulled: Account) -> None:
    number = active(pulled)[0]
    payer = payer_of(number)
    pulled.act("delete_customer", id=f"cus_HF{payer:08d}")
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    assert [batch.deleted for batch in pulled.next("customers")] == [(f"cus_HF{payer:08d}",)]
    assert [batch.deleted for batch in pulled.next("addresses")] == [(f"cus_HF{payer:08d}",)]
    rows = {row["id"]: row for row in pulled.rows("subscriptions")}
    assert (rows[number]["status"], rows[number]["_customer"]) == ("canceled", f"cus_HF{payer:08d}")
    assert pulled.records("subscriptions", [rows[number]]) == {}


def test_a_draft_that_was_deleted_is_gone(pulled: Account) -> None:
    bill = world().billing.bills[-1]
    pulled.act("delete_invoice", id=f"in_HF{bill.id:08d}")
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    assert pulled.next("invoices")[-1].deleted == (f"in_HF{bill.id:08d}",)


def test_a_subscription_with_more_items_than_come_along_is_read_whole(pulled: Account) -> None:
    (number, plan) = _plain(pulled)
    pulled.act("seats", id=number, more=30)
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    (row,) = (row for row in pulled.rows("subscriptions") if row["id"] == number)
    tag, seats = plan.items[0]
    assert tag.unit is not None
    assert len(row["items"]["data"]) == 20
    assert row["_mrr"] == round(tag.unit * (seats + 30) / tag.count)


def _plain(account: Account) -> tuple[str, Plan]:
    """A running subscription of one item that is paid by the month, without a discount."""
    for number in active(account, rebate=None):
        plan = world().billing.plans[int(number[-8:]) - 1]
        (tag, _), payer = plan.items[0], world().billing.payers[plan.payer_id - 1]
        if len(plan.items) == 1 and tag.unit and tag.interval == "month" and payer.rebate is None:
            return number, plan
    raise AssertionError("no such subscription")


def test_a_card_that_the_bank_replaced_is_seen_at_its_subscription(pulled: Account) -> None:
    wanted = ("subscription", "customer")
    payer, number = next(
        (payer_of(number), number)
        for number in active(pulled, way="card")
        if world().billing.payers[payer_of(number) - 1].holder in wanted
    )
    card = pulled.box.stripe.books.held(payer, int(NOW.timestamp()))
    pulled.act("edit_card", id=card, fields={"exp_month": 1, "exp_year": 2031})
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    (row,) = (row for row in pulled.rows("subscriptions") if row["id"] == number)
    assert pulled.records("subscriptions", [row])[number].card_expires == date(2031, 1, 31)


def by_customer(account: Account) -> None:
    """Let what changed be asked for customer by customer: the lists are long."""
    for name in ("customers", "subscriptions"):
        account.cursors[name] = json.dumps({**json.loads(account.cursors[name] or ""), "pages": 50})


def test_a_right_that_is_missing_leaves_revenue_unknown(account: Account) -> None:
    account.act("close", right="prices")
    account.rows("customers")
    rows = account.rows("subscriptions")
    unknown = [row["id"] for row in rows if row["_mrr"] is None]
    tiered = {f"sub_HF{plan.id:08d}" for plan in world().billing.plans if any(tag.tiers for tag, _ in plan.items)}
    assert unknown
    assert tiered.issuperset(unknown)
    by_customer(account)
    account.act("seats", id=unknown[0], quantity=3)
    account.box.clock.advance(timedelta(minutes=10))
    account.connect()
    (changed,) = (row for row in account.rows("subscriptions") if row["id"] == unknown[0])
    assert changed["_mrr"] is None
    assert any("/v1/prices/" in entry.path for entry in account.box.journal.entries()), "one is asked for by its id"


def test_a_deleted_customer_is_no_filter_any_more(pulled: Account) -> None:
    number = active(pulled)[0]
    by_customer(pulled)
    pulled.act("delete_customer", id=f"cus_HF{payer_of(number):08d}")
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    assert {row["id"]: row["status"] for row in pulled.rows("subscriptions")}[number] == "canceled"
    assert pulled.asked(f"/v1/subscriptions/{number}")


def test_another_refusal_is_passed_on(pulled: Account) -> None:
    by_customer(pulled)
    pulled.act("seats", id=active(pulled)[0], quantity=3)
    body = {"error": {"type": "invalid_request_error", "message": "Not so.", "param": "limit"}}
    pulled.box.faults.add(Fault("status", "stripe", path="v1/subscriptions", status=400, body=body))
    with pytest.raises(RequestError, match="answered 400: Not so"):
        pulled.run(minutes=10)


def test_many_changes_are_committed_in_parts(pulled: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.stripe_streams.CHUNK", 1)
    by_customer(pulled)
    bills = [bill.id for bill in world().billing.bills if bill.made_at < NOW][-3:]
    for number in active(pulled)[:3]:
        pulled.act("seats", id=number, quantity=3)
    for bill in bills:
        pulled.act("fail_invoice", id=f"in_HF{bill:08d}")
    places = {name: pulled.cursors[name] for name in ("subscriptions", "invoices")}
    pulled.box.clock.advance(timedelta(minutes=10))
    pulled.connect()
    for name, place in places.items():
        *parts, last = pulled.next(name)
        assert len(parts) > 1
        assert all(json.loads(part.cursor or "") == json.loads(place or "") for part in parts), "until all is known"
        assert last.cursor != place


def test_addresses_are_read_by_themselves_where_customers_were_not(account: Account) -> None:
    rows = account.rows("addresses")
    assert account.source.calls["customers"] == 1
    account.connect()
    assert {row["id"] for row in account.rows("customers")} == {row["id"] for row in rows}


def test_a_subscription_without_items_has_no_known_price(account: Account) -> None:
    row = {"id": "sub_1", "object": "subscription", "status": "active", "currency": "usd", "customer": "cus_1"}
    body = {"data": [row], "has_more": False}
    account.box.faults.add(Fault("status", "stripe", path="v1/subscriptions", status=200, body=body))
    (found,) = account.rows("subscriptions")
    assert (found["_mrr"], found["_period_end"], found["_card_expires"]) == (None, None, None)


# -- shapes ---------------------------------------------------------------------------------------------------------


def expected(plan: Plan) -> int:
    """What a subscription brings by the world's own account: its price less the percents of the discount that lasts."""
    payer = world().billing.payers[plan.payer_id - 1]
    rebate = plan.rebate or payer.rebate
    lasting = rebate is not None and (rebate.ends_at is None or rebate.ends_at > NOW)
    return round(plan.mrr * (1 - (rebate.percent or 0) / 100)) if rebate is not None and lasting else plan.mrr


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_tells_the_same(version: str) -> None:
    account = Account(api_version=version)
    found = {name: account.records(name, account.rows(name)) for name in STREAMS}
    plans = {f"sub_HF{plan.id:08d}": plan for plan in world().billing.plans}
    counted = {k: one for k, one in found["subscriptions"].items() if one.status in {"active", "past_due"}}
    assert len(counted) > 40
    for key, one in counted.items():
        assert abs((one.mrr or 0) - expected(plans[key])) <= 1, (key, one)
        assert one.currency == world().billing.payers[plans[key].payer_id - 1].currency
        assert one.current_period_end > NOW
    assert {one.currency for one in counted.values()} >= {"USD", "JPY", "EUR"}
    assert sum(one.cancel_at is not None for one in found["subscriptions"].values()) == sum(
        plan.cancel_set_at is not None and plan.cancel_set_at <= NOW < (plan.ends_at or NOW) for plan in plans.values()
    )
    reference = Account()
    for name in STREAMS:
        assert found[name] == reference.records(name, reference.rows(name))


def test_bank_debits_under_way_are_no_failures_and_repeated_charges_are(account: Account) -> None:
    records = account.records("invoices", account.rows("invoices"))
    books, second = account.box.stripe.books, int(NOW.timestamp())
    for bill in world().billing.bills:
        one = records.get(f"in_HF{bill.id:08d}")
        if one is None:
            continue
        failed = sum(moment <= NOW for moment in bill.failed)
        status = books.bill_status(bill, second)
        assert one.status == status
        if status in {"open", "paid"}:
            assert one.failed_attempts == failed, bill
        if bill.due_at is None and status == "paid":
            assert one.paid_at is not None
            assert one.due_date == (bill.made_at + timedelta(hours=1) if failed else one.paid_at).date()
        if bill.due_at is None and status == "open":
            assert (one.due_date is None) is (failed == 0)


# -- places ---------------------------------------------------------------------------------------------------------


def test_a_listing_whose_place_is_gone_starts_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.stripe_lists.PAGE", 5)
    stream = account.source.streams[0]
    first = next(iter(account.source.pull(stream, None)))
    account.act("delete_customer", id=first.rows[-1]["id"])
    with pytest.raises(CursorExpiredError, match="No such customer"):
        list(account.connect().pull(stream, first.cursor))


def test_a_page_that_is_always_empty_is_refused(account: Account) -> None:
    body = {"data": [], "has_more": True}
    account.box.faults.add(Fault("status", "stripe", path="v1/customers", status=200, body=body, times=9))
    with pytest.raises(ShapeError, match="empty"):
        account.next("customers")


def test_an_object_without_an_id_is_refused(pulled: Account) -> None:
    pulled.act("edit_customer", id="cus_HF00000001", fields={"name": "X"})
    pulled.box.faults.add(Fault("status", "stripe", path="v1/customers/", status=200, body={"name": "X"}))
    with pytest.raises(ShapeError, match="no object"):
        pulled.run(minutes=10)


def test_a_stream_that_is_not_there_is_a_defect(account: Account) -> None:
    with pytest.raises(ValueError, match="no stream 'charges'"):
        account.source.pull(Stream("charges", "invoice"), None)
