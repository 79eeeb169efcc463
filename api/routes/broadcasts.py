"""Live broadcasts: planned, given a stream, taken live and ended; their chat becomes comments. Where a
platform's are only read, the rest is refused with its sentence."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from actors.account.operations.task import What
from actors.account.operations.told import BROADCASTS, STREAMS
from api.access import Caller, Svc, account_within_reach, own_document, own_view
from api.capability_views import broadcast_json
from api.commands import Command
from api.operations import Wish, perform
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.policy import Thing
from api.schemas import Body, Json, Label, Moment, Storable
from domain.errors import Conflict
from domain.ids import Kind
from domain.live import BroadcastStatus
from storage.crypto import field_aad

router = APIRouter(prefix="/v1", tags=["live"])

OptionText = Annotated[str, Field(max_length=5_000), Storable]


class NewBroadcast(Body):
    title: Label
    scheduled_at: Moment
    options: dict[Label, OptionText] = Field(
        default={}, max_length=20, description="The platform's own settings."
    )


class Transition(Body):
    to: Literal["testing", "live", "complete"]


@router.post("/accounts/{id}/broadcasts/read", status_code=202)
async def read_broadcasts(id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Read the account's broadcasts, planned, running and past."""
    return await perform(services, caller, command, id, [Wish(What.BROADCASTS)])


@router.post("/accounts/{id}/broadcasts", status_code=202)
async def create_broadcast(
    id: str, body: NewBroadcast, services: Svc, caller: Caller, command: Command
) -> Json:
    """Plan one. Never made twice: when the platform did not answer, it is looked for."""
    wish = Wish(What.CREATE_BROADCAST, body.model_dump(mode="json"))
    return await perform(services, caller, command, id, [wish])


@router.get("/broadcasts")
async def list_broadcasts(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
    status: Annotated[BroadcastStatus | None, Query()] = None,
) -> Json:
    """As last read, the latest planned first."""
    filters = {"socialAccountId": account_id, "status": status.value if status else None}
    equal = {name: value for name, value in filters.items() if value is not None}
    page = await services.side_store.page(BROADCASTS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(broadcast_json, page.documents), page.next)


@router.get("/broadcasts/{broadcast_id}")
async def get_broadcast(broadcast_id: str, services: Svc, caller: Caller) -> Json:
    return broadcast_json(await own_document(services, caller, Thing.BROADCAST, broadcast_id))


@router.post("/broadcasts/{broadcast_id}/stream", status_code=202)
async def make_stream(broadcast_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Make a stream for it and bind it."""
    document = await own_document(services, caller, Thing.BROADCAST, broadcast_id)
    wish = Wish(What.STREAM, {"broadcast": document["externalId"], "title": document["title"] or "Stream"})
    return await perform(services, caller, command, document["socialAccountId"], [wish])


@router.get("/broadcasts/{broadcast_id}/stream")
async def get_stream(broadcast_id: str, response: Response, services: Svc, caller: Caller) -> Json:
    """Where an encoder sends to, and the name that lets it: whoever has it can broadcast."""
    document = await own_document(services, caller, Thing.BROADCAST, broadcast_id)
    view = await own_view(services, caller, Kind.ACCOUNT, document["socialAccountId"])
    account_within_reach(caller, view)
    stream = (await services.side_store.load_many(STREAMS, [broadcast_id])).get(broadcast_id)
    if stream is None:
        raise Conflict("stream_missing", "The broadcast has no stream yet: make one.")
    name = services.keys.seal.open(bytes(stream["name"]), field_aad(STREAMS, broadcast_id, "name"))
    response.headers["Cache-Control"] = "no-store"
    return {
        "stream_id": stream["externalId"],
        "address": stream["address"],
        "name": name.decode(),
        "bound": stream["bound"],
    }


@router.post("/broadcasts/{broadcast_id}/transition", status_code=202)
async def change_broadcast(
    broadcast_id: str, body: Transition, services: Svc, caller: Caller, command: Command
) -> Json:
    """To testing, live or complete. While no encoder sends, the operation waits for it."""
    document = await own_document(services, caller, Thing.BROADCAST, broadcast_id)
    wish = Wish(What.TRANSITION, {"broadcast": document["externalId"], "to": body.to})
    return await perform(services, caller, command, document["socialAccountId"], [wish])


@router.post("/broadcasts/{broadcast_id}/chat", status_code=202)
async def follow_chat(broadcast_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Read its chat until it ends, or the operation is cancelled. What people say is among the comments, as
    messages."""
    document = await own_document(services, caller, Thing.BROADCAST, broadcast_id)
    if document["chatId"] is None:
        raise Conflict("chat_missing", "The broadcast has no chat: read the broadcasts again.")
    wish = Wish(What.CHAT, {"broadcast": document["externalId"], "chat": document["chatId"]})
    return await perform(services, caller, command, document["socialAccountId"], [wish])
