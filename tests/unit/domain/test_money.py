import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.money import Money

QUICK = settings(max_examples=50, deadline=None)

MINOR = st.integers(-(2**50), 2**50)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD"])


@QUICK
@given(MINOR, MINOR, CURRENCIES)
def test_adding_is_exact(a: int, b: int, currency: str) -> None:
    x, y = Money(a, currency), Money(b, currency)
    assert x + y == y + x == Money(a + b, currency)


@QUICK
@given(MINOR, CURRENCIES, CURRENCIES)
def test_different_currencies_do_not_mix(a: int, one: str, other: str) -> None:
    if one == other:
        return
    with pytest.raises(Invalid) as refused:
        Money(a, one) + Money(a, other)
    assert refused.value.code == "currency_mismatch"


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "EU", "E R", "EUR\n", "ÉUR"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(Invalid) as refused:
        Money(1, currency)
    assert refused.value.field == "currency"


@pytest.mark.parametrize("minor", [1.0, 0.1, True, "1", None, 2**53, -(2**53)])
def test_an_amount_is_a_whole_number_that_json_keeps(minor: object) -> None:
    with pytest.raises(Invalid) as refused:
        Money(minor, "EUR")  # type: ignore[arg-type]
    assert refused.value.field == "amount_minor"


@pytest.mark.parametrize("minor", [0, -5, 2**53 - 1, 1 - 2**53])
def test_amounts_at_the_edges(minor: int) -> None:
    assert Money(minor, "EUR").minor == minor


def test_a_sum_beyond_what_json_keeps_is_refused() -> None:
    with pytest.raises(Invalid):
        Money(2**53 - 1, "EUR") + Money(1, "EUR")
