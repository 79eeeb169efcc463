"""Operations: what was asked of a platform through an account, and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Query

from actors.account.operations.task import OPERATIONS
from api.access import Caller, Svc, account_within_reach, own_document, own_view
from api.capability_views import operation_json
from api.commands import Command
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.policy import Thing
from api.schemas import Json
from domain.ids import AccountId, Kind

router = APIRouter(prefix="/v1/operations", tags=["operations"])


@router.get("")
async def list_operations(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
    status: Annotated[str | None, Query(max_length=32)] = None,
    what: Annotated[str | None, Query(max_length=64)] = None,
) -> Json:
    """Newest first."""
    filters = {"socialAccountId": account_id, "status": status, "what": what}
    equal = {name: value for name, value in filters.items() if value is not None}
    page = await services.side_store.page(OPERATIONS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(operation_json, page.documents), page.next)


@router.get("/{operation_id}")
async def get_operation(operation_id: str, services: Svc, caller: Caller) -> Json:
    """One, with the steps it made. `unconfirmed`: it may have happened and was not found; look at the
    platform before asking again."""
    return operation_json(await own_document(services, caller, Thing.OPERATION, operation_id))


@router.post("/{operation_id}/cancel")
async def cancel_operation(operation_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """While nothing was sent that must not happen twice. Following a chat ends like this."""
    document = await own_document(services, caller, Thing.OPERATION, operation_id)
    account = document["socialAccountId"]
    account_within_reach(caller, await own_view(services, caller, Kind.ACCOUNT, account))
    data = {"operation_id": document["operationId"]}
    await command.send(AccountId.parse(account).key, "cancel_operation", data)
    return operation_json(await own_document(services, caller, Thing.OPERATION, operation_id))
