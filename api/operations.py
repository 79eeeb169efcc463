"""Asking an account's owner for work at its platform: the answer tells which operations to look at."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from actors.account.documents import side_id
from actors.account.operations.task import What
from actors.runtime.entity import Message
from api.access import account_within_reach, own_view
from api.auth import Principal
from api.commands import CommandContext, short_hash
from api.services import Services
from domain.ids import AccountId, Kind


class Wish(NamedTuple):
    """`facts`: where it begins. `wish`: what is asked for, as JSON values."""

    what: What
    wish: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}


async def perform(
    services: Services,
    caller: Principal,
    command: CommandContext,
    account: str,
    wishes: Sequence[Wish],
) -> dict[str, Any]:
    """Each becomes an operation of the account. The first that is refused is raised: what was taken on before
    it goes on, and is answered again when the same command is repeated."""
    account_within_reach(caller, await own_view(services, caller, Kind.ACCOUNT, account))
    await command.check_repeated()
    return {"operations": [await ask(command, caller, account, wish) for wish in wishes]}


async def ask(command: CommandContext, caller: Principal, account: str, wish: Wish) -> dict[str, str]:
    id_ = f"op_{short_hash(f'{command.id} {account} {wish.what}')[:16]}"
    data = {
        "operation_id": id_,
        "what": wish.what.value,
        "facts": wish.facts,
        "wish": wish.wish,
        "user_id": caller.user_id,
    }
    key = AccountId.parse(account).key
    command.request.state.audit_target = str(key)
    await command.services.owners.ask(key, Message("perform", data, f"{command.id}:{wish.what}"))
    return {"id": side_id(account, id_), "what": wish.what.value}
