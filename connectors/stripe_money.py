"""What a subscription brings in a month, and until when its card is valid.

Monthly recurring revenue is an opinion; ours:

- `active` and `past_due` count. A trial, a subscription that is unpaid, paused (also by `pause_collection`), incomplete
  or ended brings nothing.
- Each item is its price times its quantity, brought to a month: a year is 12 months, and 365 days or 365/7 weeks.
- Tiers are reckoned with the item's quantity: `volume` by the tier in which it falls, `graduated` tier by tier.
- Metered items count as nothing: what they bring is known only afterwards. So do items that are paid once.
- Discounts that last are taken off, in their order, an amount off once for each billing period: those of an item first,
  then those of the subscription, or, where it has none, of the customer. `once` is no lower price and is left out, as
  is a discount that has ended.
- Amounts without a price that we may read (a customer's own choice, tiers closed to our key) make it unknown: None.

A subscription has one currency. Amounts of several are never added anywhere.
"""

import calendar
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from connectors.base import Row
from connectors.stripe_lists import id_of

COUNTED = frozenset({"active", "past_due"})
"""Statuses that bring revenue."""

MONTHS = {"month": Decimal(1), "year": Decimal(12), "week": Decimal(84) / 365, "day": Decimal(12) / 365}
"""How many months an interval is."""

SHIFT = {"isk": -2, "ugx": -2, "mga": 2}
"""Where Stripe's amounts have another number of digits than ISO 4217 has: how far the point moves."""


class UnknownPriceError(ValueError):
    """An amount that cannot be known from what Stripe lets us read."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a subscription names without bringing it along.

    Attributes:
        tiers: Price id -> its tiers; None when they may not be read.
        coupon: Coupon id -> the coupon; None when it may not be read or is gone.
    """

    tiers: Callable[[str], Sequence[Mapping[str, Any]] | None]
    coupon: Callable[[str], Mapping[str, Any] | None]


def minor(amount: Decimal | int, currency: Any) -> int:
    """An amount of Stripe's in whole minor units of ISO 4217, half to even."""
    return round(Decimal(amount).scaleb(SHIFT.get(str(currency).lower(), 0)))


def monthly(row: Row, items: Iterable[Any], now: int, lookups: Lookups) -> int | None:
    """Monthly recurring revenue in minor units of the subscription's currency; None when it cannot be known.

    Args:
        row: The subscription.
        items: All its items.
        now: Epoch second by the vendor's clock, for discounts that end.
        lookups: See `Lookups`.
    """
    if row.get("status") not in COUNTED or row.get("pause_collection"):
        return 0
    try:
        parts = [_item(item, now, lookups) for item in items]
        total = sum((amount for amount, _ in parts), Decimal())
        months = next((months for amount, months in parts if amount), Decimal(1))
        for coupon in _lasting(_discounts(row), now, lookups):
            total = _off(total, coupon, months)
        return max(0, minor(total, row.get("currency")))
    except (UnknownPriceError, ArithmeticError, KeyError, TypeError, AttributeError):
        return None


def _item(item: Mapping[str, Any], now: int, lookups: Lookups) -> tuple[Decimal, Decimal]:
    """What an item brings a month, and the months of its billing period."""
    price = item.get("price") or item["plan"]
    recurring = price.get("recurring") if "recurring" in price else price  # a plan says it itself
    if recurring is None or recurring.get("usage_type") == "metered":
        return Decimal(), Decimal(1)
    if recurring.get("interval") not in MONTHS:
        raise UnknownPriceError
    months = MONTHS[recurring["interval"]] * (recurring.get("interval_count") or 1)
    quantity = item.get("quantity")
    amount = _amount(price, Decimal(1 if quantity is None else quantity), lookups) / months
    for coupon in _lasting(item.get("discounts") or (), now, lookups):
        amount = _off(amount, coupon, months)
    return amount, months


def _amount(price: Mapping[str, Any], quantity: Decimal, lookups: Lookups) -> Decimal:
    """What a quantity costs for one billing period."""
    if price.get("billing_scheme") == "tiered":
        tiers = price.get("tiers") or lookups.tiers(str(id_of(price)))
        if not tiers:
            raise UnknownPriceError
        return _tiered(tiers, quantity, graduated=price.get("tiers_mode") == "graduated")
    packed = price.get("transform_quantity") or price.get("transform_usage")
    if packed:
        rounding = ROUND_CEILING if packed.get("round") == "up" else ROUND_FLOOR
        quantity = (quantity / packed["divide_by"]).to_integral_value(rounding)
    names = ("unit_amount_decimal", "unit_amount", "amount_decimal", "amount")
    unit = next((price[name] for name in names if price.get(name) is not None), None)
    if unit is None:
        raise UnknownPriceError
    return Decimal(str(unit)) * quantity


def _tiered(tiers: Sequence[Mapping[str, Any]], quantity: Decimal, *, graduated: bool) -> Decimal:
    """The price by tiers, each up to and with `up_to`; the last has none."""
    total, below = Decimal(), Decimal()
    for tier in tiers:
        top = Decimal(tier.get("up_to") or "Infinity")
        total += _tier(tier, min(quantity, top) - below)
        if quantity <= top:
            return total if graduated else _tier(tier, quantity)
        below = top
    raise UnknownPriceError


def _tier(tier: Mapping[str, Any], quantity: Decimal) -> Decimal:
    return _either(tier, "flat_amount") + _either(tier, "unit_amount") * quantity


def _either(tier: Mapping[str, Any], name: str) -> Decimal:
    """An amount that comes in whole numbers, with decimals, or not at all."""
    exact = tier.get(f"{name}_decimal")
    return Decimal(str(exact if exact is not None else tier.get(name) or 0))


def _discounts(row: Row) -> Sequence[Any]:
    """Those of the subscription, in the shape of either time; else those of its customer."""
    own = row.get("discounts") or [one for one in (row.get("discount"),) if one]
    customer = row.get("customer")
    of_customer = customer.get("discount") if isinstance(customer, dict) else None
    return own or ([of_customer] if of_customer else [])


def _lasting(discounts: Iterable[Any], now: int, lookups: Lookups) -> Iterable[Mapping[str, Any]]:
    """Coupons of the discounts that count.

    Raises:
        UnknownPriceError: One of them cannot be read.
    """
    for discount in discounts:
        if not isinstance(discount, dict):
            raise UnknownPriceError  # an id alone: Stripe has no way to ask for a discount by its id
        end = discount.get("end")
        if end is not None and end <= now:
            continue
        coupon = (discount.get("source") or {}).get("coupon") or discount.get("coupon")
        if isinstance(coupon, str):
            coupon = lookups.coupon(coupon)
        if coupon is None:
            raise UnknownPriceError
        if coupon.get("duration") != "once":
            yield coupon


def _off(amount: Decimal, coupon: Mapping[str, Any], months: Decimal) -> Decimal:
    percent, off = coupon.get("percent_off"), coupon.get("amount_off")
    if percent is not None:
        return amount * (100 - Decimal(str(percent))) / 100
    return max(Decimal(), amount - Decimal(off or 0) / months)


def card_expires(row: Row) -> str | None:
    """The last day, ISO, on which the card that pays a subscription is valid; None when no card pays it.

    The first that is set decides, as when Stripe charges: the subscription's default payment method, its default
    source, the payment method in the customer's invoice settings, the customer's default source.
    """
    if row.get("collection_method") == "send_invoice":
        return None
    found = row.get("customer")
    customer = found if isinstance(found, dict) else {}
    settings = customer.get("invoice_settings") or {}
    ways = (
        row.get("default_payment_method"),
        row.get("default_source"),
        settings.get("default_payment_method"),
        customer.get("default_source"),
    )
    way = next((one for one in ways if one), None)
    if not isinstance(way, dict):
        return None
    card = way if way.get("object") == "card" else way.get("card")
    month, year = (card.get("exp_month"), card.get("exp_year")) if isinstance(card, dict) else (None, None)
    if not isinstance(month, int) or not isinstance(year, int) or not (1 <= month <= 12 and 1990 <= year <= 2200):
        return None
    return date(year, month, calendar.monthrange(year, month)[1]).isoformat()
