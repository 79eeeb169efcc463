"""Content of the connected accounts, with its engagement."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from api.access import Caller, Svc, own_content
from api.paging import CursorText, Limit, decode_cursor, filtered, page_json
from api.routes.comments import comment_page
from api.schemas import Json
from api.services import Services
from api.views import content_json, original_json
from domain.content import ContentKind
from storage.records import Cursor, Document

router = APIRouter(prefix="/v1/content", tags=["content"])

KindFilter = Annotated[ContentKind | None, Query(description="What kind of content.")]
Status = Literal["active", "pending", "superseded", "any"]
StatusFilter = Annotated[
    Status,
    Query(description="pending: heard of, not yet read; superseded: replaced by an edit."),
]


@router.get("")
async def list_content(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
    kind: KindFilter = None,
    status: StatusFilter = "active",
) -> Json:
    """The org's content, newest first."""
    filters = {"platform": platform, "socialAccountId": account_id}
    equal = {name: value for name, value in filters.items() if value is not None}
    return await content_page(services, caller.org, equal, kind, status, limit, decode_cursor(cursor))


@router.get("/{content_id}")
async def get_content(
    content_id: str,
    services: Svc,
    caller: Caller,
    include: Annotated[Literal["original"] | None, Query()] = None,
) -> Response:
    """One piece of content; `include=original` adds what the platform itself sent."""
    document = await own_content(services, caller, content_id)
    shown = content_json(document)
    if include == "original":
        shown["original"] = original_json(services.keys.seal, document)
    # ASCII, because half characters (lone surrogates) in a platform's payload have no UTF-8.
    return Response(json.dumps(shown), media_type="application/json")


@router.get("/{content_id}/comments")
async def list_content_comments(
    content_id: str, services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """What people answered to it, newest first; the words and authors for admins and managers."""
    await own_content(services, caller, content_id)
    return await comment_page(services, caller, {"contentId": content_id}, limit, decode_cursor(cursor))


async def content_page(
    services: Services,
    org: str,
    equal: dict[str, str],
    kind: ContentKind | None,
    status: Status,
    limit: int,
    after: Cursor | None,
) -> dict[str, Any]:
    """A page of content; `equal` are fields the store filters by, the rest is filtered here."""

    def keep(document: Document) -> bool:
        return (kind is None or document["contentType"] == kind) and (
            status == "any" or document["status"] == status
        )

    page = await filtered(
        lambda n, cursor: services.side_store.page("social_content", org, equal, n, cursor),
        keep,
        limit,
        after,
        "publishedAt",
    )
    return page_json(map(content_json, page.documents), page.next)
