"""What a Stripe account holds at an instant: every object by the world's billing, with what people changed on top.

An object is a function of the clock, so that any instant can be shown: an event shows its object as it was then. Ids
carry world ids: customer = cus_HF00000001, subscription = sub_HF..., invoice = in_HF....
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sandbox.core import hubspot_company_id
from sandbox.model import World
from sandbox.model_billing import Bill, PaymentCard, Plan, PriceTag, Rebate
from sandbox.salesforce_ids import account_id

Json = dict[str, Any]

PREFIXES = {"customers": "cus_HF", "subscriptions": "sub_HF", "invoices": "in_HF"}
FINAL = 3_600
"""Seconds after which an invoice is final."""
UNPAID_AFTER = 8 * 86_400
"""Seconds after the first failed charge at which Stripe gives up."""


def stripe_id(kind: str, world_id: int) -> str:
    """The id of a customer, subscription or invoice."""
    return f"{PREFIXES[kind]}{world_id:08d}"


@dataclass(slots=True)
class Edits:
    """What people did: field values and removals, each from its instant on."""

    fields: dict[str, list[tuple[int, Json]]] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    def of(self, number: str, at: int) -> Json:
        """The fields that an object had been given by an instant."""
        found: Json = {}
        for moment, values in self.fields.get(number, ()):
            found |= values if moment <= at else {}
        return found


class Books:
    """The objects.

    Args:
        world: What is true.
        crm: Whose account ids stand in customers' metadata: "hubspot" or "salesforce".
    """

    def __init__(self, world: World, crm: str) -> None:
        self.world = world
        self.crm = crm
        self.billing = world.billing
        self.edits = Edits()

    @cached_property
    def order(self) -> dict[str, list[tuple[int, str]]]:
        """Kind -> (second at which it was made, id), oldest first."""
        billing = self.billing
        made = {
            "customers": [(int(one.created_at.timestamp()), one.id) for one in billing.payers],
            "subscriptions": [(int(one.created_at.timestamp()), one.id) for one in billing.plans],
            "invoices": [(int(one.made_at.timestamp()), one.id) for one in billing.bills],
        }
        return {kind: sorted((second, stripe_id(kind, n)) for second, n in rows) for kind, rows in made.items()}

    @cached_property
    def tags(self) -> dict[str, PriceTag]:
        """Prices by id."""
        return {price_id(tag): tag for plan in self.billing.plans for tag, _ in plan.items}

    @cached_property
    def rebates(self) -> dict[str, tuple[Rebate, str]]:
        """Coupons by id, with the customer or subscription that has it."""
        found = {}
        for payer in self.billing.payers:
            if payer.rebate is not None:
                found[coupon_id(payer.rebate)] = (payer.rebate, stripe_id("customers", payer.id))
        for plan in self.billing.plans:
            if plan.rebate is not None:
                found[coupon_id(plan.rebate)] = (plan.rebate, stripe_id("subscriptions", plan.id))
        return found

    @cached_property
    def cards(self) -> dict[str, tuple[PaymentCard, int]]:
        """Cards by id, with the world id of whose they are."""
        return {card_id(card, p.holder): (card, p.id) for p in self.billing.payers for card in p.cards}

    @cached_property
    def payer_plans(self) -> dict[int, list[Plan]]:
        """World id of a customer -> its subscriptions."""
        found: dict[int, list[Plan]] = {}
        for plan in self.billing.plans:
            found.setdefault(plan.payer_id, []).append(plan)
        return found

    @cached_property
    def plan_bills(self) -> dict[int, list[Bill]]:
        """World id of a subscription -> its bills, oldest first."""
        found: dict[int, list[Bill]] = {}
        for bill in self.billing.bills:
            found.setdefault(bill.plan_id, []).append(bill)
        return found

    def made(self, kind: str, number: str, at: int) -> bool:
        """Whether there had ever been such an object by an instant."""
        place = self._places[kind].get(number)
        return place is not None and self.order[kind][place][0] <= at

    def exists(self, kind: str, number: str, at: int) -> bool:
        """Whether there was such an object at an instant; a deleted customer is none any more."""
        return self.made(kind, number, at) and not self.removed(kind, number, at)

    def removed(self, kind: str, number: str, at: int) -> bool:
        """Whether it had been deleted by an instant."""
        if kind == "customers":
            gone = self.billing.payers[world_id(number) - 1].deleted_at
            if gone is not None and gone.timestamp() <= at:
                return True
        return self.edits.removed.get(number, at + 1) <= at

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        return {kind: {number: n for n, (_, number) in enumerate(rows)} for kind, rows in self.order.items()}

    def newest_first(self, kind: str, at: int, after: str | None = None) -> Iterator[str]:
        """Ids of what exists at an instant, newest first, behind a given one."""
        rows = self.order[kind]
        end = bisect.bisect_right(rows, (at, "\uffff"))
        if after is not None:
            end = min(end, self._places[kind][after])
        for place in range(end - 1, -1, -1):
            if not self.removed(kind, rows[place][1], at):
                yield rows[place][1]

    def metadata(self, company_id: int, key: str) -> Json:
        """What the billing code writes down of a customer."""
        if key == "product":
            return {"product_id": self.world.companies[company_id - 1].product_id}
        if key == "crm":
            known = hubspot_company_id(company_id) if self.crm == "hubspot" else account_id(company_id)
            return {"crm_id": str(known), "signup": "web"}
        return {"signup": "web"}

    def card(self, payer_id: int, at: int) -> PaymentCard | None:
        """The card that is charged at an instant."""
        cards = self.billing.payers[payer_id - 1].cards
        return next((card for card in reversed(cards) if card.since.timestamp() <= at), None)

    def bill_status(self, bill: Bill, at: int) -> str:
        """Where a bill stands at an instant, edits aside."""
        if at < bill.made_at.timestamp() + FINAL:
            return "draft"
        if bill.paid_at is not None and bill.paid_at.timestamp() <= at:
            return "paid"
        if bill.given_up_at is not None and bill.given_up_at.timestamp() <= at:
            return "uncollectible"
        return "open"

    def attempts(self, bill: Bill, at: int) -> int:
        """How often the charge had been tried: a success is an attempt as well."""
        if bill.due_at is not None:
            return 0
        paid = bill.paid_at is not None and bill.paid_at.timestamp() <= at
        failed = sum(moment.timestamp() <= at for moment in bill.failed)
        banked = not bill.failed and self.billing.payers[bill.payer_id - 1].way == "debit"
        return failed + (paid or (banked and at >= bill.made_at.timestamp() + FINAL))

    def held(self, payer_id: int, at: int) -> str | None:
        """Id of what is charged at an instant: the card of then, or the bank."""
        payer = self.billing.payers[payer_id - 1]
        if payer.way == "debit":
            return f"pm_HFbank{payer_id:08d}"
        card = self.card(payer_id, at)
        return None if card is None else card_id(card, payer.holder)

    def plan_status(self, plan: Plan, at: int) -> str:
        """Where a subscription stands at an instant, edits aside."""
        if plan.ends_at is not None and plan.ends_at.timestamp() <= at:
            return "canceled"
        if plan.trial_ends_at is not None and plan.trial_ends_at.timestamp() > at:
            return "trialing"
        for bill in self.plan_bills.get(plan.id, ()):
            if self.bill_status(bill, at) != "open":
                continue
            late = bill.due_at is not None and bill.due_at.timestamp() <= at
            if late or (bill.failed and bill.failed[0].timestamp() <= at):
                gone = bill.failed and at - bill.failed[0].timestamp() > UNPAID_AFTER
                return "unpaid" if gone else "past_due"
        return "active"


def world_id(number: str) -> int:
    """The world id in an id."""
    return int(number.rpartition("HF")[2])


def price_id(tag: PriceTag) -> str:
    """Id of a price."""
    return f"price_HF{tag.id:08d}"


def coupon_id(rebate: Rebate) -> str:
    """Id of a coupon; the discount that applies it is di_HF... with the same number."""
    return f"HF{rebate.id:06d}"


def card_id(card: PaymentCard, holder: str) -> str:
    """Id of a card: a payment method, or a source of the old kind."""
    return f"{'card' if holder == 'source' else 'pm'}_HF{card.id:08d}"
