"""Product tags of a Pin: the Pins of products that it shows. Those that are there already change nothing, so
a call may be repeated.

Pinterest takes all tags of a call or none, and names those that it does not take; which number stands in
`code` then is unconfirmed, so what is named decides.
Source: PO/ 5.28 POST `/pins/{pin_id}/product_tags`; its rate category is unconfirmed.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from platforms.capabilities import Access
from platforms.http import Answer, Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.pinterest.errors import outcome_of
from platforms.pinterest.spec import API, SPEC
from platforms.wire import NotJson, decode, id_at, mapping, objects, text_at

AT_MOST = 24
_WHY = {
    "PIN_MISSING": "there is no such Pin",
    "PIN_IS_PRIVATE": "the Pin is private",
    "PRODUCT_METADATA_MISSING": "the Pin is not that of a product",
    "PIN_NOT_FROM_VERIFIED_DOMAIN": "the Pin's link is not to a website that the account has verified",
    "PIN_NOT_FROM_SAME_USER_AS_HERO_PIN": "the Pin is another account's",
}


async def add(
    access: Access, pin_id: str, product_pins: Sequence[str], timeout_s: float
) -> Outcome[Mapping[str, str]]:
    """The ids that Pinterest does not take, each with the reason as a part of a sentence. Empty: all are
    there. With any of them none was added: ask again without them."""
    url = f"{API}/pins/{quote(pin_id, safe='')}/product_tags"
    body = {"product_tags": [{"pin_id": product} for product in product_pins]}
    call = Call("POST", url, "org_write", json=body, bearer=access.token)
    result = await access.http.send(SPEC, call, timeout_s)
    answer = outcome_of(result, "org_write")
    if isinstance(answer, Ok):
        return Ok({}, answer.readings)
    if isinstance(answer, Rejected) and isinstance(result, Answer):
        found = _ineligible(result)
        if refused := {product: found[product] for product in product_pins if product in found}:
            return Ok(refused, answer.readings)
    return answer


def _ineligible(answer: Answer) -> Mapping[str, str]:
    try:
        rows = objects(mapping(decode(answer.body), "details"), "product_tags")
    except NotJson:
        return {}
    told = ((id_at(row, "pin_id") or "", text_at(row, "error_message") or "") for row in rows)
    return {product: _WHY.get(why, "Pinterest does not say why") for product, why in told}
