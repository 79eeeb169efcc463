"""What a text says about selling (`commerceData` of content): prices, promotion codes, affiliate links."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypedDict
from urllib.parse import parse_qsl, urlsplit

from domain.prices import PricePoint, prices

MAX_FOUND = 50
"""Of each sort and text: more is spam, and the document must stay small."""


class CommerceData(TypedDict):
    """Field names of the stored document. `productReferences` waits for a catalogue to match against."""

    productReferences: list[str]
    pricePoints: list[PricePoint]
    promotionCodes: list[str]
    affiliateLinks: list[str]


# Words after which a code follows, longest first where one starts like another. Languages: English, German,
# French, Spanish, Portuguese, Italian, Dutch, Polish, Swedish, Danish, Finnish, Turkish, Russian, Japanese,
# Korean.
_CUES = (
    "promotion code", "promo code", "promocode", "discount code", "discountcode", "coupon code", "couponcode",
    "coupon", "voucher code", "voucher", "codes", "code",
    "rabattcode", "gutscheincode", "gutschein", "aktionscode",
    "code promo", "code de réduction", "code réduction", "code avantage",
    "código de descuento", "código promocional", "código", "codigo", "cupón", "cupom", "cupon",
    "codice sconto", "codice promozionale", "codice",
    "kortingscode", "actiecode", "kod rabatowy", "kod promocyjny", "kod", "rabattkod", "rabatkode",
    "alekoodi", "kupon kodu", "indirim kodu", "kodu", "промокод", "купон",
    "クーポンコード", "クーポン", "プロモコード", "コード", "쿠폰 코드", "쿠폰코드", "쿠폰", "코드",
)  # fmt: skip
_STEMS = (
    "cod", "cód", "kood", "coupon", "voucher", "gut", "cup", "kod", "kupon", "код", "купон", "コード",
    "クーポン", "쿠폰", "코드",
)  # fmt: skip
"""Every cue has one of these in it, and none has a letter that only a regular expression takes for another
(as it does ſ for s): a text without any need not be searched."""
_FILLERS = ("is", "ist", "est", "es", "é", "è", "mit", "with", "avec", "con")
_CUE = re.compile(
    rf"(?<![^\W_])(?:{'|'.join(sorted(map(re.escape, _CUES), key=len, reverse=True))})(?![A-Za-z])"
    r"[\s:：=\"'“”„«»「『（(\[*>–—-]{0,6}+"
    rf"(?:(?:{'|'.join(_FILLERS)})\s[\s:\"'“„«*]{{0,4}}+)?"
    r"(?P<code>[A-Za-z0-9][A-Za-z0-9_-]{2,31}+)",
    re.IGNORECASE,
)

# In a text written in capitals, what follows "CODE" is often just the next word.
_NOT_CODES = frozenset({
    "ABOVE", "AND", "ARE", "BELOW", "BIO", "CHECK", "CODE", "CODES", "DANS", "FOR", "FROM", "GET", "HAS",
    "HERE", "INTO", "LINK", "MIT", "NOW", "OFF", "OUR", "SHOP", "THE", "THIS", "UND", "USE", "VALID", "WITH",
    "YOUR",
})  # fmt: skip

# Hosts that exist only to credit a sale to somebody; hosts below them count too.
_AFFILIATE_HOSTS = frozenset({
    "amzn.to", "a.r10.to", "afl.rakuten.co.jp", "anrdoezrs.net", "avantlink.com", "awin1.com", "tidd.ly",
    "dpbolvw.net", "fxo.co", "go.magik.ly", "go.skimresources.com", "go.shopmy.us", "howl.me", "jdoqocy.com",
    "kqzyfj.com", "liketk.it", "linksynergy.com", "prf.hn", "pxf.io", "redirect.viglink.com", "rstyle.me",
    "s.click.aliexpress.com", "shareasale.com", "shrsl.com", "sjv.io", "tkqlhce.com", "tradedoubler.com",
    "tradetracker.net", "webgains.com",
})  # fmt: skip
# Query parameters that carry an affiliate's id anywhere; `utm_...` only says where a visitor came from.
_AFFILIATE_PARAMETERS = frozenset({
    "aff", "aff_code", "aff_id", "affid", "affiliate", "affiliate_id", "affiliateid", "afftrack", "awc",
    "clickref", "irclickid", "irgwc", "ranmid", "ransiteid", "ref", "refid", "rfsn", "sca_ref", "sscid",
})  # fmt: skip
# Parameters that mean it only on certain shops: (part of the host, parameter).
_SHOP_PARAMETERS = (("amazon.", "tag"), ("ebay.", "campid"))


def extract(text: str, links: Iterable[str] = ()) -> CommerceData:
    """Commerce metadata of one normalised text and its expanded links. Never raises; time is linear."""
    return {
        "productReferences": [],
        "pricePoints": list(islice(_once(prices(text)), MAX_FOUND)),
        "promotionCodes": list(islice(dict.fromkeys(_codes(text)), MAX_FOUND)),
        "affiliateLinks": list(islice(dict.fromkeys(filter(is_affiliate, links)), MAX_FOUND)),
    }


def is_affiliate(link: str) -> bool:
    """Whether an address credits a sale to somebody, by its host or its parameters."""
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").removeprefix("www.")
        given = {name.lower() for name, value in parse_qsl(parts.query) if value}
    except ValueError:  # people write what they like
        return False
    labels = host.split(".")
    if any(".".join(labels[n:]) in _AFFILIATE_HOSTS for n in range(max(0, len(labels) - 4), len(labels))):
        return True
    if given & _AFFILIATE_PARAMETERS:
        return True
    return any(name in given and f".{shop}" in f".{host}" for shop, name in _SHOP_PARAMETERS)


def _codes(text: str) -> Iterator[str]:
    """Codes in capitals. A word counts when it looks like a code: no small letters, or letters and digits."""
    lower = text.lower()
    if not any(stem in lower for stem in _STEMS):
        return
    for match in _CUE.finditer(text):
        word = match["code"].rstrip("-_")
        has_digit, has_letter = any(c.isdigit() for c in word), any(c.isalpha() for c in word)
        if has_letter and (has_digit or word.isupper()) and len(word) >= 3 and word not in _NOT_CODES:
            yield word.upper()


def _once(found: Iterable[PricePoint]) -> Iterator[PricePoint]:
    seen: set[tuple[int, str]] = set()
    for price in found:
        if (price["minor"], price["currency"]) not in seen:
            seen.add((price["minor"], price["currency"]))
            yield price
