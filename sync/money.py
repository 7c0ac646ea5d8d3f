"""Amounts in currency units; nothing is converted."""

from mapping.convert import MINOR_DIGITS


def major(minor: int, currency: str) -> float:
    """An amount in currency units, out of minor units such as cents; a currency that is not known has two digits."""
    return minor / float(10 ** MINOR_DIGITS.get(currency.upper(), 2))


def amount(minor: int, currency: str) -> str:
    """The same in words, as in "1,234 EUR"; without the currency where it is not known."""
    return f"{major(minor, currency):,.0f} {currency}".strip()
