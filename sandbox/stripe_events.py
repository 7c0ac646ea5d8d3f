"""Stripe's events: what happened to the objects of an account in the last 30 days, newest first.

Each shows its object as it was at that moment, in the API version that the account had then, whatever version is asked
for. Of one second they come in no particular order. One may be late: its stamp says when it happened.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sandbox.model_billing import Bill, Payer, Plan
from sandbox.stripe_books import FINAL, Books, Json, card_id, stripe_id
from sandbox.stripe_render import Renderer

LIFE = 30 * 86_400
"""Seconds for which events are kept."""


@dataclass(frozen=True, slots=True, order=True)
class Happening:
    """One event: when it happened, since when it can be seen, its type and object."""

    second: int
    number: str
    seen: int
    type: str
    about: str


class Events:
    """The events of an account.

    Args:
        books: The account.
        version: The account's own API version, in which events are rendered.
    """

    def __init__(self, books: Books, version: str) -> None:
        self.books = books
        self.version = version
        self._done: list[Happening] = []

    def add(self, kind: str, about: str, at: int, *, late: int = 0) -> None:
        """Note what somebody did just now; it can be seen `late` seconds from now."""
        self._done.append(Happening(at, f"evt_HFdone{len(self._done):06d}", at + late, kind, about))

    def visible(self, at: int) -> list[Happening]:
        """What the list has at an instant, newest first."""
        first, last = (
            bisect.bisect_right(self._world, moment, key=lambda one: one.second) for moment in (at - LIFE, at)
        )
        done = [one for one in self._done if at - LIFE < one.second <= at and one.seen <= at]
        return sorted((*self._world[first:last], *done), reverse=True)

    def render(self, one: Happening, *, live: bool) -> Json:
        """An event."""
        renderer = Renderer(self.books, one.second, self.version, live=live)
        return {
            "id": one.number,
            "object": "event",
            "api_version": self.version,
            "created": one.second,
            "data": {"object": self._about(renderer, one)},
            "livemode": live,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": one.type,
        }

    def _about(self, renderer: Renderer, one: Happening) -> Json:
        """The object as it was; of what was deleted the last that was known."""
        if one.type.endswith(".deleted") and not one.type.startswith("customer.subscription"):
            renderer.at -= 1
        return renderer.one(one.about) or {"id": one.about, "object": one.about.partition("_")[0]}

    @cached_property
    def _world(self) -> list[Happening]:
        billing = self.books.billing
        found: list[tuple[datetime | None, str, str]] = []
        for payer in billing.payers:
            found += _of_payer(payer)
        for plan in billing.plans:
            found += _of_plan(plan)
        for bill in billing.bills:
            found += _of_bill(bill)
        return sorted(
            Happening(int(moment.timestamp()), f"evt_HF{number:08d}", int(moment.timestamp()), kind, about)
            for number, (moment, kind, about) in enumerate(found)
            if moment is not None
        )


def _of_payer(payer: Payer) -> Iterator[tuple[datetime | None, str, str]]:
    number = stripe_id("customers", payer.id)
    yield payer.created_at, "customer.created", number
    yield payer.deleted_at, "customer.deleted", number
    for card in payer.cards[1:]:
        yield card.since, "payment_method.attached", card_id(card, payer.holder)
        yield card.since, "customer.updated", number


def _of_plan(plan: Plan) -> Iterator[tuple[datetime | None, str, str]]:
    number = stripe_id("subscriptions", plan.id)
    yield plan.created_at, "customer.subscription.created", number
    yield plan.trial_ends_at, "customer.subscription.updated", number
    yield plan.cancel_set_at, "customer.subscription.updated", number
    yield plan.ends_at, "customer.subscription.deleted", number


def _of_bill(bill: Bill) -> Iterator[tuple[datetime | None, str, str]]:
    number, plan = stripe_id("invoices", bill.id), stripe_id("subscriptions", bill.plan_id)
    final = datetime.fromtimestamp(bill.made_at.timestamp() + FINAL, bill.made_at.tzinfo)
    yield bill.made_at, "invoice.created", number
    yield bill.made_at, "customer.subscription.updated", plan  # a new billing period
    yield final, "invoice.finalized", number
    for moment in bill.failed:
        yield moment, "invoice.payment_failed", number
        yield moment, "customer.subscription.updated", plan
    yield bill.paid_at, "invoice.paid", number
    yield bill.given_up_at, "invoice.marked_uncollectible", number
    if bill.due_at is not None and (bill.paid_at is None or bill.paid_at > bill.due_at):
        yield bill.due_at, "invoice.overdue", number
        yield bill.due_at, "customer.subscription.updated", plan
    if bill.failed or (bill.due_at is not None and bill.paid_at is not None and bill.paid_at > bill.due_at):
        yield bill.paid_at, "customer.subscription.updated", plan
