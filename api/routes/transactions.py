"""Orders that shops report, and what each is attributed to."""

from fastapi import APIRouter, Response
from pydantic import Field

from api.access import Caller, Svc, own_view
from api.commands import Command, with_etag
from api.paging import CursorText, Limit, decode_cursor
from api.schemas import Body, Currency, Json, Minor
from api.views import entity_page
from domain.ids import Kind, transaction_key
from storage.crypto import field_aad

router = APIRouter(prefix="/v1/transactions", tags=["transactions"])


class NewTransaction(Body):
    order_id: str = Field(min_length=1, max_length=200, description="The shop's; told twice it is one order.")
    customer_id: str | None = Field(default=None, min_length=1, max_length=200, description="Stored sealed.")
    product_id: str | None = None
    amount_minor: Minor
    currency: Currency
    occurred_at: str = Field(description="A time with its offset.")
    link_code: str | None = Field(default=None, description="Of the link the customer came by.")
    click_id: str | None = None
    promotion_code: str | None = None
    platform: str | None = None
    transaction_type: str | None = Field(default=None, description="Default: purchase.")


@router.get("")
async def list_transactions(
    services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """The org's transactions, newest first."""
    return await entity_page(services, Kind.TRANSACTION, caller.org, limit, decode_cursor(cursor))


@router.post("", status_code=201)
async def record_transaction(
    body: NewTransaction, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """Report an order. Its attribution, by link or promotion code, is in the answer with its reason."""
    key = transaction_key(caller.org, body.order_id)
    id_ = key.id
    data = body.model_dump(exclude_none=True) | {"org": caller.org}
    if body.customer_id is not None:
        aad = field_aad("social_transactions", id_, "customerId")
        data["customer_id"] = services.keys.seal.seal(body.customer_id.encode(), aad)
    response.headers["Location"] = f"/v1/transactions/{id_}"
    return with_etag(response, await command.send(key, "record", data))


@router.get("/{id}")
async def get_transaction(id: str, response: Response, services: Svc, caller: Caller) -> Json:
    return with_etag(response, await own_view(services, caller, Kind.TRANSACTION, id))
