"""TikTok Shop's orders and products. `Access` carries the shop's app, its token, the shop's id and, if known,
its cipher. Source: TS/ Order API 202309, Product API 202502; shapes also in the package tiktok-shop-api.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.catalog import (
    Availability,
    BatchState,
    Catalog,
    Order,
    OrderLine,
    OrderPage,
    Product,
    ProductPage,
)
from domain.money import Money, from_decimal
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected
from platforms.tiktok import shop
from platforms.wire import (
    Json,
    count_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)

_PAGE = "50"
_ORDERS = "/order/202309/orders/search"
_PRODUCTS = "/product/202502/products/search"
_UPSERT = (
    "TikTok Shop takes a product only with a category of its own, uploaded pictures and the measures of the "
    "parcel, which a product here does not have: create it in the Seller Center."
)
_TAGS = "TikTok's API tags no products in posts: the creator adds them in the app."


class TiktokCommerce:
    missing: Mapping[str, str] = {"upsert": _UPSERT, "tags": _TAGS}

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]:
        """Each shop of the seller is one."""
        answer = await shop.shops(access)
        if not isinstance(answer, Ok):
            return answer
        rows = objects(answer.value, "shops")
        return Ok(tuple(Catalog(i, words_at(row, "name") or i) for row in rows if (i := id_at(row, "id"))))

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
        """One for each variant (SKU): that is what has a price and what is ordered."""
        answer = await shop.call(access, "POST", _PRODUCTS, _paged(cursor), {"status": "ALL"})
        if not isinstance(answer, Ok):
            return answer
        items = tuple(p for row in objects(answer.value, "products") for p in _variants(row))
        return Ok(ProductPage(items, _next(answer.value, cursor)))

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        return Rejected("unsupported", _UPSERT)

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]:
        return Rejected("unsupported", _UPSERT)

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]:
        """Orders changed since then, the oldest change first, so that none is passed over meanwhile."""
        query = _paged(cursor) | {"sort_field": "update_time", "sort_order": "ASC"}
        body: Json = {"update_time_ge": int(since.timestamp())}
        answer = await shop.call(access, "POST", _ORDERS, query, body)
        if not isinstance(answer, Ok):
            return answer
        found = (_order(row) for row in objects(answer.value, "orders"))
        return Ok(OrderPage(tuple(o for o in found if o is not None), _next(answer.value, cursor)))


def _paged(cursor: str | None) -> dict[str, str]:
    return {"page_size": _PAGE} | ({"page_token": cursor} if cursor else {})


def _next(answer: Json, given: str | None) -> str | None:
    following = text_at(answer, "next_page_token")
    return following if following and following != given else None


def _variants(product: Json) -> list[Product]:
    """The payload keeps the whole product beside its variant."""
    product_id, found = id_at(product, "id"), []
    for sku in objects(product, "skus"):
        sku_id = id_at(sku, "id")
        if product_id is None or sku_id is None:
            continue
        price = mapping(sku, "price")
        currency = text_at(price, "currency") or ""
        found.append(
            Product(
                retailer_id=id_at(sku, "seller_sku") or sku_id,
                title=words_at(product, "title") or "",
                price=_money(price, currency, "sale_price", "tax_exclusive_price"),
                external_id=sku_id,
                availability=_availability(product, sku),
                payload=packed({"product_id": product_id, "product": product, "sku": sku}),
            )
        )
    return found


def _availability(product: Json, sku: Json) -> Availability:
    status = text_at(product, "status")
    if status in ("DELETED", "SELLER_DEACTIVATED", "PLATFORM_DEACTIVATED", "FREEZE"):
        return Availability.DISCONTINUED
    if status != "ACTIVATE":
        return Availability.UNKNOWN
    stocks = [count_at(stock, "quantity") for stock in objects(sku, "inventory")]
    if not stocks:
        return Availability.UNKNOWN
    return Availability.IN_STOCK if any(stocks) else Availability.OUT_OF_STOCK


def _order(row: Json) -> Order | None:
    order_id = id_at(row, "id")
    if order_id is None:
        return None
    payment, status = mapping(row, "payment"), text_at(row, "status") or ""
    currency = text_at(payment, "currency") or ""
    # Cash on delivery is paid when it is delivered.
    paid = bool(count_at(row, "paid_time")) or status == "COMPLETED"
    return Order(
        external_id=order_id,
        status=status,
        paid=paid,
        cancelled=status == "CANCELLED",
        total=_money(payment, currency, "total_amount"),
        lines=_lines(row, currency),
        created_at=moment_at(row, "create_time"),
        updated_at=moment_at(row, "update_time"),
        payload=packed(row),
    )


def _lines(order: Json, currency: str) -> tuple[OrderLine, ...]:
    """TikTok Shop lists every piece by itself: equal ones at one price are a line."""
    counted: dict[tuple[str, str | None, str, Money | None], int] = {}
    for item in objects(order, "line_items"):
        product_id = id_at(item, "product_id")
        if product_id is None:
            continue
        sku = id_at(item, "seller_sku") or id_at(item, "sku_id")
        price = _money(item, text_at(item, "currency") or currency, "sale_price")
        key = (product_id, sku, words_at(item, "product_name") or "", price)
        counted[key] = counted.get(key, 0) + 1
    return tuple(
        OrderLine(product_id, sku, title, quantity, price)
        for (product_id, sku, title, price), quantity in counted.items()
    )


def _money(row: Json, currency: str, *names: str) -> Money | None:
    amount = text_at(row, *names)
    return None if not amount else from_decimal(amount, currency)
