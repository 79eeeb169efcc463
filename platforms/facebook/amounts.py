"""Money as Facebook writes it: budgets in its own smallest units, decimals in reports, words in catalogues.

Source: docs/marketing-api/currencies: an offset of 100 for most, 1 for those below, whatever ISO 4217 says.
"""

from decimal import Decimal

from domain.errors import Invalid
from domain.money import Money, from_decimal, minor_digits, to_decimal
from domain.prices import prices

_OFFSET_ONE = frozenset({"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"})


def from_budget(number: int | None, currency: str) -> Money | None:
    """None for what is no amount."""
    try:
        return None if number is None else Money(number * _units(currency), currency)
    except Invalid:
        return None


def to_budget(money: Money) -> int | None:
    """None for an amount finer than Facebook's smallest unit of the currency."""
    whole, rest = divmod(money.minor, _units(money.currency))
    return None if rest else whole


def from_words(text: str | None, currency: str) -> Money | None:
    """A price as a catalogue shows it (`24,90 €`), or a bare decimal."""
    if text is None:
        return None
    found = next(prices(text), None)
    try:
        if found is not None and found["currency"] == currency:
            return Money(found["minor"], currency)
    except Invalid:
        return None
    return from_decimal(text.split(" ")[0], currency)


def to_words(money: Money) -> str:
    """`9.99 USD`, as `items_batch` takes it."""
    return f"{to_decimal(money):.{minor_digits(money.currency)}f} {money.currency}"


def _units(currency: str) -> int:
    """Rookery's minor units in one of Facebook's."""
    return int(Decimal(10) ** minor_digits(currency)) if currency in _OFFSET_ONE else 1
