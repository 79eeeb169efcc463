"""The org's domain events, as CloudEvents. To be told as they happen: the WebSocket `/v1/live`."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from api.access import Caller, Svc
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.schemas import Json
from domain.events import TYPE_PREFIX, EventType, Topic

router = APIRouter(prefix="/v1/events", tags=["events"])


def _short(type_: str) -> str:
    return type_.removeprefix(TYPE_PREFIX)


@router.get("")
async def list_events(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    type: Annotated[
        EventType | None, BeforeValidator(_short), Query(description=f"With `{TYPE_PREFIX}` or without.")
    ] = None,
    topic: Annotated[Topic | None, Query(description="A group of types.")] = None,
    subject: Annotated[str | None, Query(max_length=400, description="Id of the entity.")] = None,
) -> Json:
    """Newest first."""
    filters = {"type": type and type.value, "topic": topic and topic.value, "subject": subject}
    equal = {name: value for name, value in filters.items() if value is not None}
    page = await services.side_store.page("events", caller.org, equal, limit, decode_cursor(cursor))
    return page_json((d["event"] for d in page.documents), page.next)
