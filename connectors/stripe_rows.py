"""Rows of Stripe's subscriptions and invoices.

What lies at different places in different API versions, or must be reckoned, is folded in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connectors.base import Row
from connectors.errors import MissingPermissionError
from connectors.stripe_lists import Lists, Page, id_of
from connectors.stripe_money import Lookups, card_expires, minor, monthly

BASIL = "2025-03-31"
"""The version since which a subscription has a list of discounts, and its items have the billing period."""
CLOVER = "2025-09-30"
"""The version since which a discount no longer brings its coupon along."""

CARDS = (
    "default_payment_method",
    "default_source",
    "customer.default_source",
    "customer.invoice_settings.default_payment_method",
)


def of_subscription(version: str) -> Sequence[str]:
    """What a subscription must bring along, with at most three levels below it: a list adds the fourth."""
    if version < BASIL:
        return CARDS
    return (*CARDS, "items.data.discounts", "discounts.source.coupon" if version >= CLOVER else "discounts")


def of_invoice(version: str) -> Sequence[str]:
    """What an invoice must bring along: its subscription, which says whether a charge is under way or has failed."""
    return ("subscription",) if version < BASIL else ("parent.subscription_details.subscription",)


ONCE = {"duration": "once"}
"""Stands for a coupon while it is only looked which ones are needed."""
SETTLES = 21 * 86_400
"""Seconds after which a charge that is still open has failed, whatever it was: a bank debit takes up to three weeks."""


class Rows:
    """Folds; asks for prices and coupons that do not come along, once each.

    Args:
        lists: The account.
        second: The vendor's time, epoch seconds.
    """

    def __init__(self, lists: Lists, second: Callable[[], int]) -> None:
        self._lists = lists
        self._second = second
        self._known: dict[str, Row | None] = {}
        self._going: dict[str, Iterator[Page]] = {}
        self._lookups = Lookups(self._tiers, lambda coupon: self._look("coupons", coupon))

    def subscriptions(self, rows: Sequence[Row]) -> list[Row]:
        """Subscriptions that came together, with what their map reads; what they lack is asked for together."""
        self._foresee(rows)
        return [self.subscription(row) for row in rows]

    def invoices(self, rows: Sequence[Row]) -> list[Row]:
        """Invoices with what their map reads."""
        return [self.invoice(row) for row in rows]

    def subscription(self, row: Row) -> Row:
        """A subscription with what its map reads."""
        customer = id_of(row.get("customer"))
        if customer is None or id_of(row) is None:
            return row
        ends = _ends(row)
        end = min(ends, default=row.get("current_period_end"))
        cancel = row.get("cancel_at") or (end if row.get("cancel_at_period_end") is True else None)
        return {
            **row,
            "_customer": customer,
            "_mrr": monthly(row, self._items(row), self._second(), self._lookups),
            "_period_end": end,
            "_cancel_at": cancel,
            "_card_expires": card_expires(row),
        }

    def invoice(self, row: Row) -> Row:
        """An invoice with what its map reads.

        A charge that failed is one that was repeated, that its subscription is in arrears for, or that has been open
        for longer than any bank takes. A bill that is charged is due when it is made; one whose first charge went
        through was paid in time, however long the bank took.
        """
        due, tries = row.get("amount_due"), row.get("attempt_count")
        moments = row.get("status_transitions")
        final, paid = (
            (moments.get("finalized_at"), moments.get("paid_at")) if isinstance(moments, dict) else (None, None)
        )
        failed = self._failed(row, final, tries if isinstance(tries, int) else 0)
        charged_by = final if failed else paid
        return {
            **row,
            "_customer": id_of(row.get("customer")),
            "_amount_due": minor(due, row.get("currency")) if isinstance(due, int) else due,
            "_failed": failed,
            "_due": row.get("due_date") or (charged_by if row.get("collection_method") != "send_invoice" else None),
        }

    def _failed(self, row: Row, final: Any, tries: int) -> int:
        """How many charges have failed."""
        if row.get("status") == "paid":
            return max(0, tries - 1)
        parent = row.get("parent")
        details = parent.get("subscription_details") if isinstance(parent, dict) else None
        found = row.get("subscription") or (details.get("subscription") if isinstance(details, dict) else None)
        running = isinstance(found, dict) and found.get("status") in {"active", "trialing"}
        young = isinstance(final, int) and self._second() - final < SETTLES
        return 0 if running and young and tries <= 1 else tries

    def _foresee(self, rows: Sequence[Row]) -> None:
        """List prices and coupons as long as that is cheaper than to ask for what these rows lack one by one."""
        lacking: dict[str, set[str]] = {"prices": set(), "coupons": set()}

        def note(kind: str, number: str, stand_in: Any) -> Any:
            lacking[kind] |= {number} if f"{kind}/{number}" not in self._known else set()
            return stand_in

        noting = Lookups(lambda price: note("prices", price, ({},)), lambda coupon: note("coupons", coupon, ONCE))
        for row in rows:
            items = row.get("items")
            found = items.get("data") if isinstance(items, dict) else None
            monthly(row, found or (), self._second(), noting)
        for kind, missing in lacking.items():
            self._list(kind, missing, ("tiers",) if kind == "prices" else ())

    def _list(self, kind: str, missing: set[str], expand: Sequence[str]) -> None:
        """Go on with a list until at most as many are missing as pages were read: those are asked for by their ids."""
        if len(missing) < 2:
            return
        if kind not in self._going:
            self._going[kind] = self._lists.pages(kind, {}, "subscriptions", expand=expand)
        try:
            for number, page in enumerate(self._going[kind], 1):
                self._known |= {f"{kind}/{row.get('id')}": row for row in page.rows}
                missing -= {str(row.get("id")) for row in page.rows}
                if len(missing) <= number:
                    return
        except MissingPermissionError:
            self._known |= dict.fromkeys((f"{kind}/{one}" for one in missing), None)

    def _items(self, row: Row) -> Sequence[Any]:
        """All items of a subscription, of which Stripe sends only the first along."""
        items = row.get("items")
        if not isinstance(items, dict):
            return (None,)  # something that has no price, rather than nothing
        if items.get("has_more") is not True:
            return items.get("data") or ()
        query = {"subscription": row["id"]}
        return [item for page in self._lists.pages("subscription_items", query, "subscriptions") for item in page.rows]

    def _tiers(self, price: str) -> Sequence[Mapping[str, Any]] | None:
        found = self._look("prices", price, "tiers")
        return found.get("tiers") if found else None

    def _look(self, kind: str, number: str, *expand: str) -> Row | None:
        """A price or coupon; None when it is gone, or the key has no right to it, which `check` tells."""
        key = f"{kind}/{number}"
        if key not in self._known:
            try:
                self._known[key] = self._lists.one(key, "subscriptions", expand=expand)
            except MissingPermissionError:
                self._known[key] = None
        return self._known[key]


def _ends(row: Row) -> list[int]:
    """Ends of the billing periods of the items."""
    items = row.get("items")
    data = items.get("data") if isinstance(items, dict) else None
    found = [item.get("current_period_end") for item in data or () if isinstance(item, dict)]
    return [end for end in found if isinstance(end, int)]
