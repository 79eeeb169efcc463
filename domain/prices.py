"""Prices in free text, as people write them in Europe, America and Japan, in exact minor units."""

import re
from collections.abc import Iterator, Mapping
from typing import TypedDict


class PricePoint(TypedDict):
    """`raw` is the place in the text as it was written."""

    minor: int
    currency: str
    raw: str


# What people write -> ISO 4217. A bare "$" is taken as US dollars and a bare yen sign as Japanese yen, which
# is right most often; "kr" is left out because it may be any of four currencies. Codes that are English
# words (TRY, ALL, TOP) count by their sign only.
_SIGNS: Mapping[str, str] = {
    "CA$": "CAD", "C$": "CAD", "AU$": "AUD", "A$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD",
    "US$": "USD", "MX$": "MXN", "R$": "BRL", "$": "USD", "€": "EUR", "£": "GBP", "CN¥": "CNY", "¥": "JPY",
    "￥": "JPY", "₹": "INR", "₩": "KRW", "₺": "TRY", "₽": "RUB", "₪": "ILS", "₴": "UAH", "₫": "VND",
    "฿": "THB",
}  # fmt: skip
_CODES: Mapping[str, str] = {
    code: code for code in (
        "EUR", "USD", "GBP", "CHF", "JPY", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF",
        "RON", "BGN", "INR", "BRL", "MXN", "CNY", "KRW", "SGD", "HKD", "ILS",
    )
}  # fmt: skip
# Only after the number: "Euro 2024" is a tournament and "Fr. 24.12." a Friday.
_NAMES: Mapping[str, str] = {
    "Euro": "EUR", "euro": "EUR", "Euros": "EUR", "euros": "EUR", "eur": "EUR", "zł": "PLN", "Kč": "CZK",
    "Fr.": "CHF", "Ft": "HUF", "円": "JPY", "元": "CNY", "원": "KRW", "TL": "TRY",
}  # fmt: skip
_CURRENCIES = {**_SIGNS, **_CODES, **_NAMES}
_WITHOUT_MINOR_UNITS = frozenset({"JPY", "KRW", "VND"})

# Full-width digits and punctuation, as on Japanese keyboards, and the typographic apostrophe; one character
# each, so that positions stay.
_PLAIN = str.maketrans("０１２３４５６７８９，．’", "0123456789,.'")


def _any(signs: Mapping[str, str]) -> str:
    return "|".join(re.escape(sign) for sign in sorted(signs, key=len, reverse=True))


# Every repetition is bounded and the number is atomic (no second try with fewer digits), so matching is
# linear in the text, and "$19k" or "$1.299.5" are no price rather than half of one. Edges are tested against
# ASCII letters only, because Japanese writes without spaces.
_NUMBER = (
    r"(?>[1-9][0-9]?(?:,[0-9]{2}){1,3},[0-9]{3}(?:\.[0-9]{1,2})?(?![0-9])"  # 1,23,456.00
    r"|[1-9][0-9]{0,2}(?:[.,' \u00a0\u202f][0-9]{3}(?![0-9])){1,4}(?:[.,][0-9]{1,2}(?![0-9]))?"  # 1.299,00
    r"|(?:0|[1-9][0-9]{0,11})(?:[.,][0-9]{1,2}(?![0-9]))?)"  # 24,90
    r"(?:,[-–—])?"  # 19,-
)
_SPACE = r"[ \u00a0\u202f]?"
_PRICE = re.compile(
    rf"(?<![A-Za-z0-9])(?P<sign>{_any({**_SIGNS, **_CODES})}){_SPACE}(?P<after>{_NUMBER})"
    r"(?![A-Za-z0-9_%万億]|[.,'][0-9])"
    rf"|(?<![A-Za-z0-9_.,])(?P<before>{_NUMBER}){_SPACE}(?P<unit>{_any(_CURRENCIES)})(?![A-Za-z0-9])"
)
_DIGIT = re.compile(r"[0-9０-９]")
_AMOUNT = re.compile(r"(?P<whole>.+?)(?:(?P<point>[.,])(?P<fraction>[0-9]{1,2}))?")


def prices(text: str) -> Iterator[PricePoint]:
    """Every price in the text, in order. What is not a whole number of minor units is no price."""
    if _DIGIT.search(text) is None:
        return
    for match in _PRICE.finditer(text if text.isascii() else text.translate(_PLAIN)):
        sign = match["sign"] or match["unit"]
        currency = _CURRENCIES[sign]
        minor = _minor(match["after"] or match["before"], currency)
        if minor is not None:
            yield {"minor": minor, "currency": currency, "raw": text[match.start() : match.end()]}


def _minor(number: str, currency: str) -> int | None:
    """One or two digits after the last point or comma are decimals, unless the same sign groups thousands."""
    match = _AMOUNT.fullmatch(number.rstrip("-–—").rstrip(","))
    if match is None:
        return None
    whole, point, fraction = match["whole"], match["point"], match["fraction"] or ""
    separators = {c for c in whole if not c.isdigit()}
    if len(separators) > 1 or point in separators:
        return None
    units = int("".join(c for c in whole if c.isdigit()))
    if currency in _WITHOUT_MINOR_UNITS:
        minor = units if not fraction.strip("0") else None
    else:
        minor = units * 100 + int(fraction.ljust(2, "0"))
    return minor if minor is not None and minor <= 2**53 - 1 else None
