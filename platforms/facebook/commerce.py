"""Catalogues and their products. Orders are gone: Meta ended its order management on 27 Oct 2026.

Catalogues are a business's: calls are made with the person's own token, as ads are. Sources: documentation/
ads-commerce/catalog/guides/manage-catalog-items/catalog-batch-api,
docs/marketing-api/reference/product-catalog."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.catalog import Availability, BatchState, Catalog, OrderPage, Product, ProductPage
from platforms.capabilities import Access
from platforms.facebook.amounts import from_words, to_words
from platforms.facebook.errors import outcome_of
from platforms.facebook.reading import get
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Call
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, count_at, encode, id_at, mapping, objects, strings, text_at, words_at

_FAMILY = "catalog"
_ITEMS_AT_MOST = 3000  # documented advice; 5000 are taken
_WAIT_S = 30.0
_PRODUCT_FIELDS = (
    "id,retailer_id,name,description,price,currency,sale_price,availability,url,image_url,brand,review_status"
)
_AVAILABILITY = {
    "in stock": Availability.IN_STOCK,
    "out of stock": Availability.OUT_OF_STOCK,
    "preorder": Availability.PREORDER,
    "available for order": Availability.PREORDER,
    "discontinued": Availability.DISCONTINUED,
}
_WORDS = {
    Availability.IN_STOCK: "in stock",
    Availability.OUT_OF_STOCK: "out of stock",
    Availability.PREORDER: "preorder",
    Availability.DISCONTINUED: "discontinued",
}


class FacebookCommerce:
    missing: Mapping[str, str] = {
        "orders": "Meta ended its order management for shops on 27 October 2026; there is no successor.",
        "tags": "Facebook's API has no way to tag products on a page's posts.",
    }

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]:
        fields = "id,name,owned_product_catalogs{id,name,product_count}"
        token = access.token_secret or access.token
        params = {"fields": fields, "limit": "100"}
        answer = await get(access.http, token, "me/businesses", params, _FAMILY)
        if not isinstance(answer, Ok):
            return answer
        rows = (
            row
            for business in objects(answer.value, "data")
            for row in objects(mapping(business, "owned_product_catalogs"), "data")
        )
        found = tuple(
            Catalog(id_, words_at(row, "name") or "", count_at(row, "product_count"))
            for row in rows
            if (id_ := id_at(row, "id"))
        )
        return Ok(found, answer.readings)

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
        params = {"fields": _PRODUCT_FIELDS, "limit": "100"} | cursor_query(cursor)
        token = access.token_secret or access.token
        answer = await get(access.http, token, f"{catalog_id}/products", params, _FAMILY)
        if not isinstance(answer, Ok):
            return answer
        items = tuple(item for row in objects(answer.value, "data") if (item := _product(row)))
        return Ok(ProductPage(items, next_cursor(answer.value, cursor)), answer.readings)

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        if len(products) > _ITEMS_AT_MOST:
            message = f"At most {_ITEMS_AT_MOST} products go into one batch; got {len(products)}."
            return Rejected("too_many", message)
        requests = [{"method": "UPDATE", "data": _data(product)} for product in products]
        form = {
            "item_type": "PRODUCT_ITEM",
            "allow_upsert": "true",
            "requests": json.dumps(requests),
        }
        call = Call(
            "POST",
            f"{GRAPH}/{catalog_id}/items_batch",
            _FAMILY,
            form=form,
            bearer=access.token_secret or access.token,
        )
        answer = outcome_of(await access.http.send(SPEC, call), _FAMILY)
        if not isinstance(answer, Ok):
            return answer
        errors = tuple(
            (id_at(row, "retailer_id") or "", text_at(error, "message") or "Facebook refused it.")
            for row in objects(answer.value, "validation_status")
            for error in objects(row, "errors")
        )
        handle = next(strings(answer.value, "handles"), None)
        if handle is None:  # nothing was accepted
            return Ok(BatchState("", True, 0, errors), answer.readings)
        accepted = len(products) - len({id_ for id_, _ in errors})
        return Ok(BatchState(handle, False, accepted, errors, _WAIT_S), answer.readings)

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]:
        params = {"handle": handle, "load_ids_of_invalid_requests": "true"}
        token = access.token_secret or access.token
        path = f"{catalog_id}/check_batch_request_status"
        answer = await get(access.http, token, path, params, _FAMILY)
        if not isinstance(answer, Ok):
            return answer
        row = next(objects(answer.value, "data"), {})
        done = text_at(row, "status") == "finished"
        errors = tuple(
            (id_at(error, "id", "retailer_id") or "", text_at(error, "message") or "Facebook refused it.")
            for error in objects(row, "errors")
        )
        return Ok(BatchState(handle, done, None, errors, 0.0 if done else _WAIT_S), answer.readings)

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]:
        return Rejected("unsupported", self.missing["orders"])


def _product(row: Json) -> Product | None:
    retailer_id = id_at(row, "retailer_id")
    if retailer_id is None:
        return None
    currency = text_at(row, "currency") or ""
    return Product(
        retailer_id=retailer_id,
        title=words_at(row, "name") or "",
        price=from_words(text_at(row, "price"), currency),
        external_id=id_at(row, "id"),
        description=words_at(row, "description") or "",
        sale_price=from_words(text_at(row, "sale_price"), currency),
        availability=_AVAILABILITY.get((text_at(row, "availability") or "").lower(), Availability.UNKNOWN),
        url=words_at(row, "url"),
        image_url=words_at(row, "image_url"),
        brand=words_at(row, "brand"),
        payload=encode(row),
    )


def _data(product: Product) -> dict[str, str]:
    data = {
        "id": product.retailer_id,
        "title": product.title,
        "description": product.description or product.title,
        "availability": _WORDS.get(product.availability, "in stock"),
        "condition": "new",
        "price": to_words(product.price) if product.price else None,
        "sale_price": to_words(product.sale_price) if product.sale_price else None,
        "link": product.url,
        "image_link": product.image_url,
        "brand": product.brand,
    }
    return {name: value for name, value in data.items() if value is not None}
