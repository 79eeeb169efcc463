"""Pinterest's catalogues: which there are, what is in them (`products`), and products put into them in
batches that are asked about later.

A batch is for a country and a language, which the catalogue's first feed tells. Source: PO/ `/catalogs`,
`/catalogs/feeds`, `/catalogs/items/batch`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from domain.catalog import Availability, BatchState, Catalog, OrderPage, Product, ProductPage
from domain.money import Money, to_decimal
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.pinterest.errors import outcome_of
from platforms.pinterest.products import get, products_of
from platforms.pinterest.spec import API, SPEC
from platforms.wire import Json, id_at, objects, text_at, words_at

ITEMS = 1000  # PO/: in one batch, at most
_WAIT_S = 30.0
_ORDERS = "Pinterest takes no orders: its products lead to the shop."
_AVAILABILITY = {
    Availability.IN_STOCK: "in stock",
    Availability.OUT_OF_STOCK: "out of stock",
    Availability.PREORDER: "preorder",
    Availability.DISCONTINUED: "out of stock",
}


class PinterestCommerce:
    """Stateless."""

    missing: Mapping[str, str] = {"orders": _ORDERS}

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]:
        """Retail catalogues: hotels and creative assets are something else."""
        answer = await get(access, "catalogs", {"page_size": "250"})
        if not isinstance(answer, Ok):
            return answer
        rows = [r for r in objects(answer.value, "items") if text_at(r, "catalog_type") in (None, "RETAIL")]
        found = (Catalog(i, words_at(row, "name") or i) for row in rows if (i := id_at(row, "id")))
        return Ok(tuple(found), answer.readings)

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
        return await products_of(access, catalog_id, cursor)

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        if len(products) > ITEMS:
            return Rejected("too_many", f"Pinterest takes at most {ITEMS} products in a batch.")
        feeds = await get(access, "catalogs/feeds", {"catalog_id": catalog_id})
        if not isinstance(feeds, Ok):
            return feeds
        feed = next(objects(feeds.value, "items"), {})
        country, language = text_at(feed, "default_country"), text_at(feed, "default_locale")
        if country is None or language is None:
            message = "The catalogue has no feed that tells its country and language: make one at Pinterest."
            return Rejected("no_feed", message, feeds.readings)
        body: Json = {
            "catalog_type": "RETAIL",
            "catalog_id": catalog_id,
            "country": country,
            "language": language,
            "items": [_item(product) for product in products],
        }
        url = f"{API}/catalogs/items/batch"
        call = Call("POST", url, "catalogs_write", json=body, bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call), "catalogs_write")
        return _told(answer)

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]:
        answer = await get(access, f"catalogs/items/batch/{quote(handle, safe='')}", {})
        return _told(answer)

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]:
        return Rejected("unsupported", _ORDERS)


def _item(product: Product) -> Json:
    """What a product does not say is left out: null would take it away."""
    told = {
        "title": product.title,
        "description": product.description,
        "link": product.url,
        "image_link": [product.image_url] if product.image_url else None,
        "price": _price(product.price),
        "sale_price": _price(product.sale_price),
        "availability": _AVAILABILITY.get(product.availability),
        "brand": product.brand,
    }
    attributes = {name: value for name, value in told.items() if value}
    return {"operation": "UPSERT", "item_id": product.retailer_id, "attributes": attributes}


def _price(money: Money | None) -> str | None:
    return None if money is None else f"{to_decimal(money)} {money.currency}"


def _told(answer: Outcome[Json]) -> Outcome[BatchState]:
    if not isinstance(answer, Ok):
        return answer
    if id_at(answer.value, "batch_id") is None:
        return Rejected("no_batch", "Pinterest answered without the batch.", answer.readings)
    return Ok(_batch(answer.value), answer.readings)


def _batch(row: Json) -> BatchState:
    """A batch without a time of its making was the same as one just before: Pinterest skipped it."""
    handle, status = id_at(row, "batch_id") or "", text_at(row, "status")
    items = list(objects(row, "items"))
    skipped = "created_time" in row and row["created_time"] is None and status != "PROCESSING"
    done = status in ("COMPLETED", "FAILED") or skipped
    errors = tuple(
        (id_at(item, "item_id") or "", words_at(error, "message") or "Pinterest refused the product.")
        for item in items
        for error in objects(item, "errors")
    )
    if status == "FAILED" and not errors:
        errors = (("", "Pinterest failed to process the batch."),)
    accepted = sum(text_at(item, "status") == "SUCCESS" for item in items)
    return BatchState(handle, done, accepted if done else None, errors, 0.0 if done else _WAIT_S)
