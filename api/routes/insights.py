"""Numbers that platforms tell about content and accounts, each with where it came from and when."""

from typing import Any

from fastapi import APIRouter

from actors.account.operations.task import What
from actors.account.operations.told import INSIGHTS
from api.access import Caller, Svc, account_within_reach, own_content, own_view
from api.capability_views import insights_json
from api.commands import Command
from api.operations import Wish, perform
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.schemas import Body, Json, Moment
from api.services import Services
from domain.errors import Invalid
from domain.ids import Kind

router = APIRouter(prefix="/v1", tags=["insights"])


class Span(Body):
    since: Moment | None = None
    until: Moment | None = None


@router.get("/accounts/{id}/insights")
async def list_account_insights(
    id: str, services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """The account's numbers, one row for each day on which they were read, newest first."""
    account_within_reach(caller, await own_view(services, caller, Kind.ACCOUNT, id))
    return await _page(services, caller.org, {"socialAccountId": id, "subject": "account"}, limit, cursor)


@router.post("/accounts/{id}/insights", status_code=202)
async def read_account_insights(
    id: str, services: Svc, caller: Caller, command: Command, body: Span | None = None
) -> Json:
    """Read the account's numbers and those of its recent content now; without `since` of the last four weeks.
    Otherwise they are read once a day."""
    if body is not None and body.since is not None and body.since >= (body.until or services.clock.now()):
        raise Invalid("span_invalid", "since is earlier than until.", field="since")
    span: dict[str, Any] = body.model_dump(mode="json", exclude_none=True) if body else {}
    wishes = [Wish(What.ACCOUNT_INSIGHTS, span), Wish(What.CONTENT_INSIGHTS)]
    return await perform(services, caller, command, id, wishes)


@router.get("/content/{content_id}/insights")
async def list_content_insights(
    content_id: str, services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """A content's numbers, one row for each day on which they were read, newest first."""
    await own_content(services, caller, content_id)
    return await _page(services, caller.org, {"contentId": content_id}, limit, cursor)


@router.post("/content/{content_id}/insights", status_code=202)
async def read_content_insights(content_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Read the numbers of one content now, however old it is."""
    account = (await own_content(services, caller, content_id))["socialAccountId"]
    wish = Wish(What.CONTENT_INSIGHTS, facts={"only": content_id})
    return await perform(services, caller, command, account, [wish])


async def _page(
    services: Services, org: str, equal: dict[str, str], limit: int, cursor: str | None
) -> dict[str, Any]:
    page = await services.side_store.page(INSIGHTS, org, equal, limit, decode_cursor(cursor))
    return page_json(map(insights_json, page.documents), page.next)
