"""Catalogues and products on the platforms, and the orders that platforms take themselves."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from actors.account.operations.task import What
from actors.account.operations.told import CATALOGS, ORDERS, PRODUCTS
from api.access import Caller, Svc, own_document
from api.capability_views import catalog_json, order_json, product_json
from api.commands import Command
from api.operations import Wish, perform
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.policy import Thing
from api.routes.ads import Amount
from api.schemas import Body, Json, Label, Moment, Storable
from domain.catalog import Availability
from domain.ids import AccountId, platform_order, transaction_key
from storage.records import Document

router = APIRouter(prefix="/v1", tags=["commerce"])

ORDERS_BACK = timedelta(days=30)
Address = Annotated[str, Field(max_length=2_000, pattern=r"^https?://\S+$"), Storable]
Words = Annotated[str, Field(max_length=10_000), Storable]


class OrdersRead(Body):
    since: Moment | None = Field(default=None, description="Changed since then; default 30 days ago.")


class NewProduct(Body):
    retailer_id: Label = Field(description="The shop's own id (SKU).")
    title: Label
    description: Words = ""
    price: Amount
    sale_price: Amount | None = None
    availability: Annotated[Availability, Field(strict=False)] = Availability.IN_STOCK
    url: Address
    image_url: Address
    brand: Label | None = None


class Products(Body):
    products: list[NewProduct] = Field(min_length=1, max_length=1_000)


@router.post("/accounts/{id}/catalogs/read", status_code=202)
async def read_catalogs(id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Look which catalogues the account opens."""
    return await perform(services, caller, command, id, [Wish(What.CATALOGS)])


@router.get("/catalogs")
async def list_catalogs(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
) -> Json:
    """Those that were read, last read first."""
    equal = {} if account_id is None else {"socialAccountId": account_id}
    page = await services.side_store.page(CATALOGS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(catalog_json, page.documents), page.next)


@router.get("/catalogs/{catalog_id}/products")
async def list_products(
    catalog_id: str, services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """Its products as last read or written, last first."""
    await own_document(services, caller, Thing.CATALOG, catalog_id)
    equal = {"catalogId": catalog_id}
    page = await services.side_store.page(PRODUCTS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(product_json, page.documents), page.next)


@router.post("/catalogs/{catalog_id}/products/read", status_code=202)
async def read_products(catalog_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Read all of its products, page by page."""
    catalog = await own_document(services, caller, Thing.CATALOG, catalog_id)
    wish = Wish(What.PRODUCTS, {"catalog": catalog["externalId"]})
    return await perform(services, caller, command, catalog["socialAccountId"], [wish])


@router.post("/catalogs/{catalog_id}/products", status_code=202)
async def upsert_products(
    catalog_id: str, body: Products, services: Svc, caller: Caller, command: Command
) -> Json:
    """Put products into it, or change them, by the shop's own ids. The platform works on them in a batch: the
    operation tells which it refused, and why."""
    catalog = await own_document(services, caller, Thing.CATALOG, catalog_id)
    products = [_product(product) for product in body.products]
    wish = Wish(What.UPSERT_PRODUCTS, {"catalog": catalog["externalId"], "products": products})
    return await perform(services, caller, command, catalog["socialAccountId"], [wish])


@router.post("/accounts/{id}/orders/read", status_code=202)
async def read_orders(
    id: str, services: Svc, caller: Caller, command: Command, body: OrdersRead | None = None
) -> Json:
    """Read the orders that the platform took and that changed since then. Each that was paid becomes one
    transaction. Otherwise they are read as often as the account synchronises."""
    since = (body.since if body else None) or services.clock.now() - ORDERS_BACK
    wish = Wish(What.ORDERS, facts={"since": since.isoformat()})
    return await perform(services, caller, command, id, [wish])


@router.get("/orders")
async def list_orders(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
) -> Json:
    """Orders that platforms took, newest first, without their buyers."""
    equal = {} if account_id is None else {"socialAccountId": account_id}
    page = await services.side_store.page(ORDERS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json((order_json(d, _transaction(d)) for d in page.documents), page.next)


def _transaction(order: Document) -> str:
    account = AccountId.parse(order["socialAccountId"])
    return transaction_key(account.org, platform_order(account, order["externalId"])).id


def _product(product: NewProduct) -> dict[str, Any]:
    told = product.model_dump(mode="json", exclude={"price", "sale_price"})
    told["price"] = product.price.as_money()
    told["sale_price"] = product.sale_price.as_money() if product.sale_price else None
    return told
