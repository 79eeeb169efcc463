"""Money as integer minor units and an ISO 4217 currency; never a float."""

import re
from dataclasses import dataclass

from domain.errors import Invalid

_CURRENCY = re.compile(r"[A-Z]{3}")
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
