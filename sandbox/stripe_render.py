"""Stripe's objects as JSON, in the shape of any API version since 2022-11-15, with what is asked for expanded.

| since | what moved |
|---|---|
| 2025-03-31 | the period: subscription -> items; `invoice.subscription` -> `.parent`; `discount` -> `discounts` |
| 2025-09-30 | `discount.coupon` (whole) -> `discount.source.coupon` (an id, unless expanded) |
"""

from datetime import datetime
from typing import Any

from sandbox.model_billing import Bill, Plan, PriceTag
from sandbox.stripe_books import Books, Json, coupon_id, price_id, stripe_id, world_id
from sandbox.stripe_shapes import CUSTOMER, INVOICE, OLD_INVOICE, SUBSCRIPTION, plan_of, price_of, tiers_of
from sandbox.world_billing import later

BASIL = "2025-03-31"
CLOVER = "2025-09-30"
DAY = 86_400


class Renderer:
    """Objects as of an instant, in one API version.

    Args:
        books: The account.
        at: Epoch second.
        version: API version by its date.
        live: What `livemode` says.
    """

    def __init__(self, books: Books, at: int, version: str, *, live: bool = True) -> None:
        self.books = books
        self.at = at
        self.version = version
        self.live = live

    def one(self, number: str) -> Json | None:
        """Any object by its id; None when there is none by now."""
        kinds = {"cus": self.customer, "sub": self.subscription, "in": self.invoice, "pm": self.card, "card": self.card,
                 "price": self.price, "di": self.discount}  # fmt: skip
        render = kinds.get(number.partition("_")[0], self.coupon)
        try:
            return render(number)
        except (KeyError, IndexError, ValueError):
            return None

    def customer(self, number: str) -> Json:
        """A customer; of a deleted one only that."""
        payer = self.books.billing.payers[world_id(number) - 1]
        if self.books.removed("customers", number, self.at):
            return {"id": number, "object": "customer", "deleted": True}
        held = self.books.held(payer.id, self.at)
        banked = payer.way == "debit" and payer.holder == "source"
        row = {
            **CUSTOMER,
            "id": number,
            "object": "customer",
            "balance": 0,
            "created": _second(payer.created_at),
            "currency": payer.currency.lower(),
            "default_source": held if payer.holder == "source" and not banked else None,
            "delinquent": self._delinquent(payer.id),
            "discount": None if payer.rebate is None else self.discount(f"di_{coupon_id(payer.rebate)}"),
            "email": payer.email,
            "invoice_prefix": f"HF{payer.id:06d}",
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": held if payer.holder == "customer" or banked else None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": self.live,
            "metadata": self.books.metadata(payer.company_id, payer.key),
            "name": payer.name,
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "tax_exempt": "none",
        }
        return row | self.books.edits.of(number, self.at)

    def _delinquent(self, payer_id: int) -> bool:
        plans = [plan for plan in self.books.payer_plans.get(payer_id, ()) if not plan.sent]
        return any(self.books.plan_status(plan, self.at) in {"past_due", "unpaid"} for plan in plans)

    def subscription(self, number: str) -> Json:
        """A subscription."""
        plan = self.books.billing.plans[world_id(number) - 1]
        payer = self.books.billing.payers[plan.payer_id - 1]
        status, created = self.books.plan_status(plan, self.at), _second(plan.created_at)
        start, end = _period(plan, self.at)
        edits = self.books.edits.of(number, self.at)
        ended = plan.ends_at if status == "canceled" else None
        asked = plan.cancel_set_at is not None and _second(plan.cancel_set_at) <= self.at
        row = {
            **SUBSCRIPTION,
            "id": number,
            "object": "subscription",
            "billing_cycle_anchor": created,
            "canceled_at": _second(plan.cancel_set_at or plan.ends_at) if asked or ended else None,
            "cancel_at": _second(plan.ends_at) if asked else None,
            "cancel_at_period_end": asked and ended is None,
            "cancellation_details": {
                "comment": None,
                "feedback": plan.feedback if asked or ended else None,
                "reason": "cancellation_requested" if asked or ended else None,
            },
            "collection_method": "send_invoice" if plan.sent else "charge_automatically",
            "created": created,
            "currency": payer.currency.lower(),
            "customer": stripe_id("customers", payer.id),
            "days_until_due": 30 if plan.sent else None,
            "default_payment_method": self.books.held(payer.id, self.at) if payer.holder == "subscription" else None,
            "discounts": [] if plan.rebate is None else [f"di_{coupon_id(plan.rebate)}"],
            "ended_at": _second(ended),
            "latest_invoice": self._latest(plan.id),
            "livemode": self.live,
            "metadata": {},
            "start_date": created,
            "status": status,
            "trial_end": _second(plan.trial_ends_at),
            "trial_start": created if plan.trial_ends_at else None,
            "current_period_start": start,
            "current_period_end": end,
        }
        items = self.items(number)
        row["items"] = {
            "object": "list",
            "data": items[:20],
            "has_more": len(items) > 20,
            "url": f"/v1/subscription_items?subscription={number}",
        }
        return self._shaped_subscription(row | edits)

    def _shaped_subscription(self, row: Json) -> Json:
        if self.version < BASIL:
            found = row.pop("discounts")
            for item in row["items"]["data"]:
                item.pop("discounts", None)
            return {**row, "discount": self.discount(found[0]) if found else None}
        start, end = row.pop("current_period_start"), row.pop("current_period_end")
        for item in row["items"]["data"]:
            item |= {"current_period_start": start, "current_period_end": end}
        more = dict.fromkeys(("billing_cycle_anchor_config", "customer_account", "managed_payments"))
        settings = {"account_tax_ids": None, "issuer": {"type": "self"}}
        return {
            **row, **more, "invoice_settings": settings, "billing_mode": {"type": "classic"}, "billing_schedules": []
        }  # fmt: skip

    def _latest(self, plan_id: int) -> str | None:
        made = [bill for bill in self.books.plan_bills.get(plan_id, ()) if _second(bill.made_at) <= self.at]
        return stripe_id("invoices", made[-1].id) if made else None

    def items(self, number: str) -> list[Json]:
        """All items of a subscription."""
        plan = self.books.billing.plans[world_id(number) - 1]
        edits = self.books.edits.of(f"{number}:items", self.at)
        more = [(plan.items[0][0], 1)] * edits.get("more", 0)
        found = [self._item(plan, number, n, pair) for n, pair in enumerate((*plan.items, *more))]
        if "quantity" in edits:
            found[0]["quantity"] = edits["quantity"]
        return found

    def _item(self, plan: Plan, number: str, place: int, pair: tuple[PriceTag, int]) -> Json:
        tag, seats = pair
        item = {
            "id": f"si_{number[4:]}x{place}",
            "object": "subscription_item",
            "billing_thresholds": None,
            "created": _second(plan.created_at),
            "discounts": [],
            "metadata": {},
            "plan": plan_of(tag),
            "price": self.price(price_id(tag)),
            "subscription": number,
            "tax_rates": [],
        }
        if not tag.metered:  # a metered item has no quantity at all
            item["quantity"] = seats
        return item

    def price(self, number: str) -> Json:
        """A price; its tiers come only when asked for."""
        return price_of(self.books.tags[number], live=self.live)

    def tiers(self, number: str) -> list[Json] | None:
        """The tiers of a price; None for a plain one."""
        return tiers_of(self.books.tags[number])

    def card(self, number: str) -> Json:
        """A card, as a payment method or as a source of the old kind."""
        if number.startswith("pm_HFbank"):
            return self._bank(number)
        card, payer_id = self.books.cards[number]
        payer = self.books.billing.payers[payer_id - 1]
        customer = stripe_id("customers", payer_id)
        edits = self.books.edits.of(number, self.at)
        face = {"brand": card.brand, "last4": card.last4, "exp_month": card.month, "exp_year": card.year, **edits}
        face |= {"country": "US", "funding": "credit", "fingerprint": f"HF{card.id}"}
        if number.startswith("card_"):
            return {"id": number, "object": "card", "customer": customer, "metadata": {}, "name": None, **face}
        return {
            "id": number,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {"address": None, "email": payer.email, "name": None, "phone": None},
            "card": face,
            "created": _second(card.since),
            "customer": customer,
            "livemode": self.live,
            "metadata": {},
            "type": "card",
        }

    def _bank(self, number: str) -> Json:
        """A bank account that is debited."""
        payer = self.books.billing.payers[int(number.removeprefix("pm_HFbank")) - 1]
        return {
            "id": number,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {"address": None, "email": payer.email, "name": None, "phone": None},
            "created": _second(payer.created_at),
            "customer": stripe_id("customers", payer.id),
            "livemode": self.live,
            "metadata": {},
            "sepa_debit": {"bank_code": "37040044", "country": "DE", "last4": "3000"},
            "type": "sepa_debit",
        }

    def coupon(self, number: str) -> Json:
        """A coupon."""
        rebate = self.books.rebates[number][0]
        return {
            "id": number,
            "object": "coupon",
            "amount_off": rebate.amount,
            "created": _second(rebate.starts_at),
            "currency": rebate.currency.lower() if rebate.amount is not None else None,
            "duration": rebate.duration,
            "duration_in_months": 12 if rebate.duration == "repeating" else None,
            "livemode": self.live,
            "max_redemptions": None,
            "metadata": {},
            "name": None,
            "percent_off": rebate.percent,
            "redeem_by": None,
            "times_redeemed": 1,
            "valid": True,
        }

    def discount(self, number: str) -> Json:
        """A discount with its coupon, whole or by its id as the version has it."""
        coupon = number.removeprefix("di_")
        rebate, owner = self.books.rebates[coupon]
        whose = owner if owner.startswith("cus_") else self._payer_of(owner)
        row: Json = {
            **dict.fromkeys(("checkout_session", "invoice", "invoice_item", "promotion_code", "subscription_item")),
            "id": number,
            "object": "discount",
            "customer": whose,
            "end": _second(rebate.ends_at),
            "start": _second(rebate.starts_at),
            "subscription": owner if owner.startswith("sub_") else None,
        }
        if self.version < CLOVER:
            return {**row, "coupon": self.coupon(coupon)}
        return {**row, "customer_account": None, "source": {"coupon": coupon, "type": "coupon"}}

    def _payer_of(self, subscription: str) -> str:
        return stripe_id("customers", self.books.billing.plans[world_id(subscription) - 1].payer_id)

    def invoice(self, number: str) -> Json:
        """An invoice."""
        bill = self.books.billing.bills[world_id(number) - 1]
        if self.books.removed("invoices", number, self.at):
            raise KeyError(number)
        row = {**INVOICE, **self._bill(bill, number), **self.books.edits.of(number, self.at)}
        row["amount_remaining"] = row["amount_due"] - row["amount_paid"]
        plan = stripe_id("subscriptions", bill.plan_id)
        if self.version < BASIL:
            details: Json = {"metadata": {}}
            return {**row, **OLD_INVOICE, "paid": row["status"] == "paid", "subscription": plan,
                    "subscription_details": details}  # fmt: skip
        return {
            **row,
            "amount_overpaid": 0,
            "automatically_finalizes_at": None,
            "customer_account": None,
            "issuer": {"type": "self"},
            "parent": {
                "quote_details": None,
                "subscription_details": {"metadata": {}, "subscription": plan},
                "type": "subscription_details",
            },
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
        }

    def _bill(self, bill: Bill, number: str) -> Json:
        payer = self.books.billing.payers[bill.payer_id - 1]
        made, status = _second(bill.made_at), self.books.bill_status(bill, self.at)
        final = None if status == "draft" else made + 3_600
        attempts = self.books.attempts(bill, self.at)
        return {
            "id": number,
            "object": "invoice",
            "amount_due": bill.amount,
            "amount_paid": bill.amount if status == "paid" else 0,
            "attempt_count": attempts,
            "attempted": attempts > 0,
            "collection_method": "charge_automatically" if bill.due_at is None else "send_invoice",
            "created": made,
            "currency": bill.currency.lower(),
            "customer": stripe_id("customers", bill.payer_id),
            "customer_email": payer.email,
            "customer_name": payer.name,
            "due_date": _second(bill.due_at) if final else None,
            "effective_at": final,
            "livemode": self.live,
            "metadata": {},
            "number": None if final is None else f"HF-{bill.id:06d}",
            "period_end": made,
            "period_start": made,
            "status": status,
            "status_transitions": {
                "finalized_at": final,
                "marked_uncollectible_at": _second(bill.given_up_at) if status == "uncollectible" else None,
                "paid_at": _second(bill.paid_at) if status == "paid" else None,
                "voided_at": None,
            },
            "subtotal": bill.amount,
            "subtotal_excluding_tax": bill.amount,
            "total": bill.amount,
            "total_excluding_tax": bill.amount,
        }


def _second(moment: datetime | None) -> Any:
    return None if moment is None else int(moment.timestamp())


def _period(plan: Plan, at: int) -> tuple[int, int]:
    """The billing period that an instant lies in; the last one of what has ended."""
    months = max((tag.count * (12 if tag.interval == "year" else 1) for tag, _ in plan.items), default=1)
    end = min(at, _second(plan.ends_at) or at)
    if plan.trial_ends_at is not None and end < _second(plan.trial_ends_at):
        return _second(plan.created_at), _second(plan.trial_ends_at)
    anchor = plan.trial_ends_at or plan.created_at
    number = max(int((end - _second(anchor)) // (31 * DAY)) // months, 0)
    while _second(later(anchor, (number + 1) * months)) <= end:
        number += 1
    return _second(later(anchor, number * months)), _second(later(anchor, (number + 1) * months))
