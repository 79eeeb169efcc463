"""Tracked links: `/r/{code}` leads on to an address and counts the click."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from api.access import Caller, Svc, entity_key, own_content, own_view
from api.commands import Command, short_hash, with_etag
from api.paging import CursorText, Limit, decode_cursor
from api.schemas import Body, Json
from api.services import Services
from api.views import entity_page
from domain.errors import Invalid, NotFound
from domain.ids import EntityKey, Kind

router = APIRouter(prefix="/v1/links", tags=["links"])
_CODE_LENGTH = 12  # 60 bits of a hash


class NewLink(Body):
    url: str = Field(max_length=2048, description="Where it leads: https:// or http://.")
    campaign_id: str | None = None
    content_id: str | None = None
    platform: str | None = Field(default=None, description="Where the link is published.")
    influencer: str | None = None
    product_id: str | None = None


@router.get("")
async def list_links(services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None) -> Json:
    """The org's links, newest first."""
    page = await entity_page(services, Kind.LINK, caller.org, limit, decode_cursor(cursor))
    return page | {"items": [_with_address(services, view) for view in page["items"]]}


@router.post("", status_code=201)
async def create_link(
    body: NewLink, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """Make a short link; its clicks count for the campaign, the content and the platform named."""
    if body.campaign_id is not None:
        try:
            await own_view(services, caller, Kind.CAMPAIGN, body.campaign_id)
        except NotFound as unknown:
            raise Invalid(unknown.code, unknown.message, field="campaign_id") from None
    if body.content_id is not None:
        try:
            await own_content(services, caller, body.content_id)
        except NotFound as unknown:
            raise Invalid(unknown.code, unknown.message, field="content_id") from None
    code = short_hash(command.id)[:_CODE_LENGTH]
    data = body.model_dump(exclude_none=True) | {"org": caller.org, "created_by": caller.user_id}
    view = await command.send(EntityKey(Kind.LINK, code), "create", data)
    response.headers["Location"] = f"/v1/links/{code}"
    return with_etag(response, _with_address(services, view))


@router.get("/{id}")
async def get_link(id: str, response: Response, services: Svc, caller: Caller) -> Json:
    return with_etag(response, _with_address(services, await own_view(services, caller, Kind.LINK, id)))


@router.post("/{id}/disable")
async def disable_link(id: str, response: Response, services: Svc, caller: Caller, command: Command) -> Json:
    """The link leads nowhere any more; what it counted stays."""
    view = await command.send(entity_key(Kind.LINK, id), "disable", {"org": caller.org})
    return with_etag(response, _with_address(services, view))


def _with_address(services: Services, view: dict[str, Any]) -> dict[str, Any]:
    return view | {"short_url": f"{services.settings.public_url}/r/{view['code']}"}
