"""Amounts as platforms write them, in exact minor units."""

import pytest

from domain.money import Money, from_decimal, minor_digits, to_decimal


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("125.50", "USD", 12_550),
        ("125.5", "EUR", 12_550),
        ("7", "EUR", 700),
        ("1250", "JPY", 1250),
        ("1.234", "KWD", 1234),
        ("-3.10", "EUR", -310),
        ("0.125", "EUR", 12),  # half a unit goes to the even one
        ("0.135", "EUR", 14),
        ("1e2", "EUR", 10_000),
    ],
)
def test_decimal_texts(text: str, currency: str, minor: int) -> None:
    assert from_decimal(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("-", "EUR"),
        ("", "EUR"),
        ("1,5", "EUR"),
        ("NaN", "EUR"),
        ("Infinity", "EUR"),
        ("1", "euro"),
        ("1e30", "EUR"),
    ],
)
def test_what_is_no_amount(text: str, currency: str) -> None:
    assert from_decimal(text, currency) is None


@pytest.mark.parametrize("money", [Money(12_550, "USD"), Money(1250, "JPY"), Money(-1, "KWD")])
def test_and_back(money: Money) -> None:
    assert from_decimal(str(to_decimal(money)), money.currency) == money
    assert minor_digits(money.currency) in (0, 2, 3)
