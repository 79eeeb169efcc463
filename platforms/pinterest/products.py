"""The products of a catalogue, which Pinterest lists by the groups that they are in.

    groups of the catalogue -> of each: its products, page by page -> the next group

Groups of all products alone are read where there are such; else every group, and what is in several comes
several times. Source: PO/ `/catalogs/product_groups`, CatalogsRetailProduct.
"""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from urllib.parse import quote

from domain.catalog import Availability, Product, ProductPage
from domain.money import Money, from_decimal
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.pinterest.errors import outcome_of
from platforms.pinterest.normalise import pin
from platforms.pinterest.spec import API, PAGE, SPEC
from platforms.wire import Json, id_at, mapping, objects, packed, text_at, words_at

_ALL = "ALL_PRODUCTS"
_AVAILABILITY = {
    "IN_STOCK": Availability.IN_STOCK,
    "OUT_OF_STOCK": Availability.OUT_OF_STOCK,
    "PREORDER": Availability.PREORDER,
}


@dataclass(frozen=True, slots=True)
class _At:
    """Where a reading is: a page of groups, one of its groups, a page of that group's products. `whole`: a
    group of all products was seen."""

    groups: str | None = None
    group: str | None = None
    products: str | None = None
    whole: bool = False


async def products_of(access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
    """A page: two calls, as the groups are listed each time. They may be many, and a cursor is small."""
    at = _At(*json.loads(cursor)) if cursor is not None else _At()
    listed = await get(access, "catalogs/product_groups", _paged({"catalog_id": catalog_id}, at.groups))
    if not isinstance(listed, Ok):
        return listed
    rows = [r for r in objects(listed.value, "items") if text_at(r, "catalog_type") in (None, "RETAIL")]
    at = replace(at, whole=at.whole or any(text_at(row, "type") == _ALL for row in rows))
    ids = [i for r in rows if (not at.whole or text_at(r, "type") == _ALL) and (i := id_at(r, "id"))]
    following = _following(listed.value, at.groups)
    if not ids:
        if following is not None:
            return Ok(ProductPage((), _cursor(_At(following, whole=at.whole))), listed.readings)
        if cursor is None:
            sentence = "The catalogue has no product groups, and Pinterest lists products by groups only."
            return Rejected("no_product_groups", sentence, listed.readings)
        return Ok(ProductPage(), listed.readings)
    group = at.group if at.group in ids else ids[0]
    bookmark = at.products if group == at.group else None
    path = f"catalogs/product_groups/{quote(group, safe='')}/products"
    answer = await get(access, path, _paged({}, bookmark))
    if not isinstance(answer, Ok):
        return answer
    items = tuple(item for row in objects(answer.value, "items") if (item := _product(row)))
    rest = ids[ids.index(group) + 1 :]
    after = None
    if (page := _following(answer.value, bookmark)) is not None:
        after = replace(at, group=group, products=page)
    elif rest:
        after = replace(at, group=rest[0], products=None)
    elif following is not None:
        after = _At(following, whole=at.whole)
    return Ok(ProductPage(items, _cursor(after) if after else None), answer.readings)


async def get(access: Access, path: str, query: Mapping[str, str]) -> Outcome[Json]:
    call = Call("GET", f"{API}/{path}", "catalogs_read", query=query, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call), "catalogs_read")


def _paged(query: Mapping[str, str], bookmark: str | None) -> Mapping[str, str]:
    return {**query, "page_size": str(PAGE)} | ({"bookmark": bookmark} if bookmark else {})


def _following(answer: Json, given: str | None) -> str | None:
    """The same bookmark again would never end."""
    found = text_at(answer, "bookmark")
    return found if found and found != given else None


def _cursor(at: _At) -> str:
    return json.dumps(astuple(at))


def _product(row: Json) -> Product | None:
    """Its words, link and picture are those of its Pin; the shop's own id is in what the catalogue adds."""
    told, shown = mapping(row, "metadata"), mapping(row, "pin")
    item_id = id_at(told, "item_id")
    if item_id is None:
        return None
    found = pin(shown)
    currency = text_at(told, "currency") or ""
    return Product(
        item_id,
        words_at(shown, "title") or item_id,
        _price(told, "price", currency),
        found.external_id if found else None,
        words_at(shown, "description") or "",
        _price(told, "sale_price", currency),
        _AVAILABILITY.get(text_at(told, "availability") or "", Availability.UNKNOWN),
        words_at(shown, "link"),
        found.media[0].url if found and found.media else None,
        payload=packed(row),
    )


def _price(told: Json, name: str, currency: str) -> Money | None:
    value = told.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return from_decimal(str(value), currency) if number else None
