"""Rules that look at several fields of one record at once, after each was read by itself."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mapping import convert
from mapping.convert import UnreadableError

Values = dict[str, Any]


def _money(values: Values, name: str) -> None:
    """Currency units to minor units: only now is the currency known."""
    amount = values.get(name)
    if isinstance(amount, Decimal):
        values[name] = convert.minor_units(amount, values.get("currency"))


def _contact(values: Values) -> None:
    """The primary account is one of all accounts, and an only account is the primary one."""
    refs, ref = values.get("account_refs", ()), values.get("account_ref")
    if ref is None:
        if len(refs) == 1:
            values["account_ref"] = refs[0]
    elif ref not in refs:
        values["account_refs"] = (ref, *refs)
    others, email = values.get("other_emails"), values.get("email")
    if others and email in others:
        values["other_emails"] = tuple(other for other in others if other != email)


def _deal(values: Values) -> None:
    _money(values, "amount")
    if not values.get("closed"):
        values.pop("won", None)


def _above_the_middle(score: int, low: int, high: int) -> bool | None:
    """What a score says where the source gives no category: 4 of 1 to 5 is content, 3 is neither, 2 is not."""
    return None if 2 * score == low + high else 2 * score > low + high


def _survey_response(values: Values) -> None:
    """An answer lies on its scale; NPS is cut as everybody cuts it, whatever the vendor calls it.

    Whoever is known by an address alone is a person of the source by that address.
    """
    if values.get("contact_ref") is None and values.get("email"):
        values["contact_ref"] = values["email"]
    low, high, score = values.get("scale_min"), values.get("scale_max"), values.get("score")
    if low is None or high is None or score is None:
        return
    if not low <= score <= high:
        raise UnreadableError(score, f"on the scale from {low} to {high}")
    if isinstance(values.get("satisfied"), Decimal):
        values["satisfied"] = _above_the_middle(score, low, high)
    if values.get("survey") == "nps":
        values["satisfied"] = True if score >= 9 else False if score <= 6 else None


FINISH: dict[str, tuple[str, Callable[[Values], None]]] = {
    "account": ("mrr", lambda values: _money(values, "mrr")),
    "contact": ("account_ref", _contact),
    "deal": ("amount", _deal),
    "invoice": ("amount_due", lambda values: _money(values, "amount_due")),
    "subscription": ("mrr", lambda values: _money(values, "mrr")),
    "survey_response": ("score", _survey_response),
}
"""Record kind -> (the field that its rule may refuse, the rule)."""
