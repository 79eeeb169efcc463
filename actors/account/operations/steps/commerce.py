"""Catalogues, their products, and orders that a platform takes itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from actors.account.operations.steps.work import Work, money_in, money_out
from actors.account.operations.task import Step
from actors.account.operations.told import CATALOGS, ORDERS, PRODUCTS
from domain.catalog import Availability, BatchState, Order, Product
from platforms.capabilities import Commerce
from platforms.outcome import Ok, Outcome
from storage.records import Document

KEPT_ERRORS = 100
"""Of a batch; a thousand products that all lack a picture need not be named one by one."""


async def catalogs(work: Work) -> Outcome[Step]:
    answer = await _commerce(work).catalogs(work.access)
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(
        work.document(
            CATALOGS,
            catalog.external_id,
            externalId=catalog.external_id,
            name=catalog.name,
            productCount=catalog.product_count,
        )
        for catalog in answer.value
    )
    return Ok(Step(None, documents, items=len(documents)), answer.readings)


async def products(work: Work) -> Outcome[Step]:
    """`wish`: catalog (the platform's id); `facts`: cursor."""
    catalog = work.wish["catalog"]
    answer = await _commerce(work).products(work.access, catalog, work.facts.get("cursor"))
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(_product(work, catalog, item) for item in answer.value.items)
    following = answer.value.next_cursor
    facts = {"cursor": following} if following is not None else None
    return Ok(Step(facts, documents, items=len(documents)), answer.readings)


async def upsert(work: Work) -> Outcome[Step]:
    """`wish`: catalog, products; `facts`: handle of the batch, once the platform took it."""
    catalog, handle = work.wish["catalog"], work.facts.get("handle")
    wished = [_wished(product) for product in work.wish["products"]]
    commerce = _commerce(work)
    if handle is None:
        answer = await commerce.upsert(work.access, catalog, wished)
    else:
        answer = await commerce.batch(work.access, catalog, handle)
    if not isinstance(answer, Ok):
        return answer
    batch = answer.value
    errors = _errors(work.facts.get("errors", []), batch)
    accepted = batch.accepted if batch.accepted is not None else work.facts.get("accepted")
    if not batch.done:
        facts = {"handle": batch.handle, "errors": errors, "accepted": accepted}
        note = "taken by the platform" if handle is None else None
        step = Step(facts, calls="commerce.batch", wait_s=max(1.0, batch.wait_s), note=note)
        return Ok(step, answer.readings)
    refused = {row[0] for row in errors}
    documents = tuple(_product(work, catalog, p) for p in wished if p.retailer_id not in refused)
    result = {"accepted": accepted if accepted is not None else len(documents), "errors": errors}
    return Ok(Step(None, documents, items=len(documents), result=result), answer.readings)


async def orders(work: Work) -> Outcome[Step]:
    """`facts`: since, cursor."""
    since = datetime.fromisoformat(work.facts["since"])
    answer = await _commerce(work).orders(work.access, since, work.facts.get("cursor"))
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(_order(work, order) for order in answer.value.items)
    following = answer.value.next_cursor
    facts = {"since": work.facts["since"], "cursor": following} if following is not None else None
    return Ok(Step(facts, documents, items=len(documents)), answer.readings)


def _commerce(work: Work) -> Commerce:
    assert work.platform.commerce is not None  # noqa: S101 - offered, or nobody asks
    return work.platform.commerce


def _errors(known: list[list[str]], batch: BatchState) -> list[list[str]]:
    found = {tuple(row): None for row in known} | dict.fromkeys(batch.errors)
    return [list(row) for row in found][:KEPT_ERRORS]


def _product(work: Work, catalog: str, product: Product) -> tuple[str, Document]:
    name = f"{catalog}|{product.retailer_id}"
    payload = None
    if product.payload:
        payload = work.sealed(PRODUCTS, name, "originalData", product.payload, packed=True)
    return work.document(
        PRODUCTS,
        name,
        catalogId=work.id(catalog),
        retailerId=product.retailer_id,
        externalId=product.external_id,
        title=product.title,
        description=product.description,
        price=money_out(product.price),
        salePrice=money_out(product.sale_price),
        availability=product.availability.value,
        url=product.url,
        imageUrl=product.image_url,
        brand=product.brand,
        originalData=payload,
    )


def _wished(told: Mapping[str, Any]) -> Product:
    return Product(
        retailer_id=told["retailer_id"],
        title=told["title"],
        price=money_in(told.get("price")),
        description=told.get("description") or "",
        sale_price=money_in(told.get("sale_price")),
        availability=Availability(told.get("availability", Availability.IN_STOCK)),
        url=told.get("url"),
        image_url=told.get("image_url"),
        brand=told.get("brand"),
    )


def _order(work: Work, order: Order) -> tuple[str, Document]:
    """The buyer is in the payload alone, sealed."""
    return work.document(
        ORDERS,
        order.external_id,
        externalId=order.external_id,
        nativeStatus=order.status,
        paid=order.paid,
        cancelled=order.cancelled,
        total=money_out(order.total),
        lines=[
            {
                "productId": line.product_id,
                "sku": line.sku,
                "title": line.title,
                "quantity": line.quantity,
                "price": money_out(line.price),
            }
            for line in order.lines
        ],
        orderedAt=order.created_at or work.now,
        changedAt=order.updated_at,
        originalData=work.sealed(ORDERS, order.external_id, "originalData", order.payload, packed=True),
    )
