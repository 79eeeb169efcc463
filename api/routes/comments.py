"""Other people's words to the connected accounts: comments, mentions, quotes, messages."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.access import Caller, Svc
from api.auth import Principal
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.schemas import Json
from api.services import Services
from api.views import comment_json
from domain.content import RemarkKind
from storage.mongo.identity import Role
from storage.records import Cursor

router = APIRouter(prefix="/v1/comments", tags=["comments"])
_SEE_WORDS = frozenset({Role.ADMIN, Role.MANAGER})


@router.get("")
async def list_comments(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
    kind: Annotated[RemarkKind | None, Query()] = None,
) -> Json:
    """Newest first; the words and authors for admins and managers."""
    filters = {"socialAccountId": account_id, "kind": kind.value if kind else None}
    equal = {name: value for name, value in filters.items() if value is not None}
    return await comment_page(services, caller, equal, limit, decode_cursor(cursor))


async def comment_page(
    services: Services, caller: Principal, equal: dict[str, str], limit: int, after: Cursor | None
) -> dict[str, Any]:
    page = await services.side_store.page("social_comments", caller.org, equal, limit, after)
    words = caller.role in _SEE_WORDS
    items = (comment_json(services.keys.seal, d, words=words) for d in page.documents)
    return page_json(items, page.next)
