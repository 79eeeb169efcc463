"""Connected accounts: what they are, how they synchronise, and their life. Connecting: `integrations`."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from actors.account.state import Status
from api.access import Caller, Svc, account_within_reach, own_view
from api.auth import Principal
from api.commands import Command, CommandContext, with_etag
from api.paging import CursorText, Limit, decode_cursor, filtered
from api.routes.content import KindFilter, StatusFilter, content_page
from api.schemas import Body, Json, Moment
from api.services import Services
from api.views import entities_json
from domain.content import ContentKind
from domain.ids import AccountId, Kind
from storage.mongo.identity import Role
from storage.records import Document

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


class Configuration(Body):
    auto_sync: bool | None = None
    sync_frequency: Literal["realtime", "15m", "1h", "6h", "24h"] | None = None
    content_types: list[Annotated[ContentKind, Field(strict=False)]] | None = Field(
        default=None, max_length=len(ContentKind), description="Empty: all."
    )
    commerce_enabled: bool | None = None


class Backfill(Body):
    limit: int | None = Field(default=None, ge=1, le=1_000_000)
    since: Moment | None = None


@router.get("")
async def list_accounts(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    platform: Annotated[str | None, Query(max_length=32)] = None,
    status: Annotated[Status | None, Query()] = None,
) -> Json:
    """The org's connected accounts, newest first; creators see those they connected."""

    def keep(document: Document) -> bool:
        return (
            (platform is None or AccountId.parse(document["_id"]).platform == platform)
            and (status is None or document["status"] == status)
            and (caller.role is not Role.CREATOR or document["userId"] == caller.user_id)
        )

    page = await filtered(
        lambda n, after: services.entity_store.page(Kind.ACCOUNT, caller.org, n, after),
        keep,
        limit,
        decode_cursor(cursor),
        "createdAt",
    )
    return entities_json(services, Kind.ACCOUNT, page)


@router.get("/{id}")
async def get_account(id: str, response: Response, services: Svc, caller: Caller) -> Json:
    return with_etag(response, await _reachable(services, caller, id))


@router.patch("/{id}")
async def configure_account(
    id: str, body: Configuration, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """Change the configuration; what is not given stays as it is."""
    await _reachable(services, caller, id)
    data = body.model_dump(mode="json", exclude_none=True)
    return await _send(command, response, id, "configure", data)


@router.post("/{id}/pause")
async def pause_account(id: str, response: Response, services: Svc, caller: Caller, command: Command) -> Json:
    """Stop synchronising. Webhooks are still heard."""
    await _reachable(services, caller, id)
    return await _send(command, response, id, "pause")


@router.post("/{id}/resume")
async def resume_account(
    id: str, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    await _reachable(services, caller, id)
    return await _send(command, response, id, "resume")


@router.post("/{id}/sync", status_code=202)
async def sync_account(id: str, response: Response, services: Svc, caller: Caller, command: Command) -> Json:
    """Look for what is new, now."""
    await _reachable(services, caller, id)
    return await _send(command, response, id, "sync")


@router.post("/{id}/backfill", status_code=202)
async def backfill_account(
    id: str,
    response: Response,
    services: Svc,
    caller: Caller,
    command: Command,
    body: Backfill | None = None,
) -> Json:
    """Read the account's history: everything the platform lists, at most `limit`, or back to `since`."""
    await _reachable(services, caller, id)
    data = body.model_dump(mode="json", exclude_none=True) if body else {}
    return await _send(command, response, id, "backfill", data)


@router.post("/{id}/disconnect")
async def disconnect_account(
    id: str, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """End the connection: tokens are deleted here and taken back at the platform."""
    await _reachable(services, caller, id)
    return await _send(command, response, id, "disconnect")


@router.post("/{id}/erase", status_code=202)
async def erase_account(id: str, response: Response, services: Svc, caller: Caller, command: Command) -> Json:
    """End the connection and erase everything that is held of the account: `erasure` of the answer, and of
    the account, says how far that is. It cannot be stopped; connecting again begins from nothing."""
    await _reachable(services, caller, id)
    return await _send(command, response, id, "erase")


@router.get("/{id}/content")
async def list_account_content(
    id: str,
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    kind: KindFilter = None,
    status: StatusFilter = "active",
) -> Json:
    """The account's content, newest first."""
    await own_view(services, caller, Kind.ACCOUNT, id)
    filters = {"socialAccountId": id}
    return await content_page(services, caller.org, filters, kind, status, limit, decode_cursor(cursor))


async def _reachable(services: Services, caller: Principal, id: str) -> dict[str, Any]:
    view = await own_view(services, caller, Kind.ACCOUNT, id)
    account_within_reach(caller, view)
    return view


async def _send(
    command: CommandContext, response: Response, id: str, name: str, data: dict[str, Any] | None = None
) -> dict[str, Any]:
    return with_etag(response, await command.send(AccountId.parse(id).key, name, data))
