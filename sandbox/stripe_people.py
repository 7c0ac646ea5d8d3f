"""What people do in Stripe's dashboard, and what their customers do, so that tests can play them."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.stripe_books import Books, Json, card_id, stripe_id, world_id
from sandbox.stripe_events import Events

Args = Mapping[str, Any]


class People:
    """The actions by name; every one returns JSON, and takes `late`, seconds until its event can be seen.

    | action | arguments |
    |---|---|
    | `edit_customer`, `edit_subscription`, `edit_invoice` | `id`, `fields`: rendered field -> value |
    | `edit_card` | `id` of a card, `fields`: `exp_month`, `exp_year`; a bank sent a new one |
    | `seats` | `id` of a subscription, `quantity` of its first item, or `more` items |
    | `cancel_subscription` | `id`; optional `at_period_end` |
    | `delete_customer` | `id`; its subscriptions end |
    | `delete_invoice` | `id` of a draft |
    | `fail_invoice`, `pay_invoice`, `void_invoice` | `id` |

    Args:
        books: The account.
        events: Where it is noted.
    """

    def __init__(self, books: Books, events: Events) -> None:
        self.books = books
        self.events = events
        self.actions: dict[str, Callable[[Args, int], Any]] = {
            "edit_customer": lambda args, now: self._edit(args, now, "customer.updated"),
            "edit_subscription": lambda args, now: self._edit(args, now, "customer.subscription.updated"),
            "edit_invoice": lambda args, now: self._edit(args, now, "invoice.updated"),
            "edit_card": lambda args, now: self._edit(args, now, "payment_method.automatically_updated"),
            "seats": self._seats,
            "cancel_subscription": self._cancel,
            "delete_customer": self._delete_customer,
            "delete_invoice": self._delete_invoice,
            "fail_invoice": self._fail,
            "pay_invoice": self._pay,
            "void_invoice": lambda args, now: self._close(args, now, "void", "invoice.voided"),
        }

    def _set(self, number: str, now: int, fields: Json) -> None:
        self.books.edits.fields.setdefault(number, []).append((now, fields))

    def _edit(self, args: Args, now: int, event: str) -> Json:
        self._set(args["id"], now, dict(args["fields"]))
        self.events.add(event, args["id"], now, late=int(args.get("late", 0)))
        return {"id": args["id"]}

    def _seats(self, args: Args, now: int) -> Json:
        fields = {name: args[name] for name in ("quantity", "more") if name in args}
        self._set(f"{args['id']}:items", now, fields)
        self.events.add("customer.subscription.updated", args["id"], now)
        return {"id": args["id"]}

    def _cancel(self, args: Args, now: int) -> Json:
        if args.get("at_period_end"):
            fields: Json = {"cancel_at_period_end": True, "canceled_at": now}
            return self._edit({**args, "fields": fields}, now, "customer.subscription.updated")
        fields = {"status": "canceled", "canceled_at": now, "ended_at": now}
        return self._edit({**args, "fields": fields}, now, "customer.subscription.deleted")

    def _delete_customer(self, args: Args, now: int) -> Json:
        number = args["id"]
        for plan in self.books.payer_plans.get(world_id(number), ()):
            if plan.created_at.timestamp() <= now:
                self._cancel({"id": stripe_id("subscriptions", plan.id)}, now)
        self.books.edits.removed[number] = now
        self.events.add("customer.deleted", number, now, late=int(args.get("late", 0)))
        return {"id": number, "deleted": True}

    def _delete_invoice(self, args: Args, now: int) -> Json:
        self.books.edits.removed[args["id"]] = now
        self.events.add("invoice.deleted", args["id"], now)
        return {"id": args["id"], "deleted": True}

    def _fail(self, args: Args, now: int) -> Json:
        """A charge fails: the bill is open, its subscription past due."""
        bill = self.books.billing.bills[world_id(args["id"]) - 1]
        tries = self.books.edits.of(args["id"], now).get("attempt_count", 0) + 1
        plan = stripe_id("subscriptions", bill.plan_id)
        open_again = {"paid_at": None, "finalized_at": int(bill.made_at.timestamp()) + 3_600,
                      "marked_uncollectible_at": None, "voided_at": None}  # fmt: skip
        fields = {"status": "open", "attempt_count": tries, "attempted": True, "amount_paid": 0}
        self._edit({"id": plan, "fields": {"status": "past_due"}}, now, "customer.subscription.updated")
        return self._edit(
            {**args, "fields": {**fields, "status_transitions": open_again}}, now, "invoice.payment_failed"
        )

    def _pay(self, args: Args, now: int) -> Json:
        bill = self.books.billing.bills[world_id(args["id"]) - 1]
        plan = stripe_id("subscriptions", bill.plan_id)
        self._edit({"id": plan, "fields": {"status": "active"}}, now, "customer.subscription.updated")
        made = int(bill.made_at.timestamp())
        moments = {"finalized_at": made + 3_600, "paid_at": now, "marked_uncollectible_at": None, "voided_at": None}
        fields = {"status": "paid", "amount_paid": bill.amount, "status_transitions": moments}
        return self._edit({**args, "fields": fields}, now, "invoice.paid")

    def _close(self, args: Args, now: int, status: str, event: str) -> Json:
        return self._edit({**args, "fields": {"status": status}}, now, event)


__all__ = ["People", "card_id"]
