"""Money as integer minor units and an ISO 4217 currency; never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from domain.errors import Invalid

_CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217: digits after the point where they are not two.
_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_WITH_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_WITHOUT.split(" "), 0) | dict.fromkeys(_WITH_THREE.split(" "), 3)
_MAX_MINOR = 2**53 - 1  # what JSON clients hold exactly


@dataclass(frozen=True, slots=True)
class Money:
    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise Invalid(
                "currency_invalid", "A currency is three capital letters such as EUR.", field="currency"
            )
        if isinstance(self.minor, bool) or not isinstance(self.minor, int) or abs(self.minor) > _MAX_MINOR:
            raise Invalid(
                "amount_invalid", "An amount is a whole number of minor units.", field="amount_minor"
            )

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def _same(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise Invalid(
                "currency_mismatch",
                f"Amounts in {self.currency} and {other.currency} are not added: convert before sending.",
                field="currency",
            )


def minor_digits(currency: str) -> int:
    """Digits after the point in amounts of a currency (ISO 4217)."""
    return _DIGITS.get(currency, 2)


def from_decimal(text: str, currency: str) -> Money | None:
    """The money of a decimal text such as `125.50`; half a minor unit goes to the even one. None for what is
    no amount or no currency."""
    try:
        scaled = Decimal(text).scaleb(minor_digits(currency))
        return Money(int(scaled.to_integral_value()), currency)
    except (InvalidOperation, ValueError, OverflowError, Invalid):
        return None


def to_decimal(money: Money) -> Decimal:
    """The amount in whole units, exactly."""
    return Decimal(money.minor).scaleb(-minor_digits(money.currency))
