"""Amounts are told in units of their own currency, whatever its minor unit is."""

import pytest

from sync.money import amount


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (123_456, "EUR", "1,235 EUR"),
        (123_456, "JPY", "123,456 JPY"),
        (123_456, "kwd", "123 kwd"),
        (123_456, "", "1,235"),
        (0, "USD", "0 USD"),
    ],
)
def test_an_amount_in_words(minor: int, currency: str, said: str) -> None:
    assert amount(minor, currency) == said
