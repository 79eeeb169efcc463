"""Connected accounts: how a test gets one, and how it sees what the service knows of it."""

import uuid

from tests.support.client import Caller, Json, World, eventually


async def connected(world: World, caller: Caller, platform: str, posts: int = 5) -> tuple[Json, Json]:
    """(the account at the platform, its view here), with its history read and its webhooks subscribed: no
    call of the connecting is left under way."""
    account = await world.account(platform, f"account-{uuid.uuid4()}", posts=posts)
    view = await world.connect(caller, account)
    await idle(caller, view)

    async def subscribed() -> bool:
        return bool((await look(caller, view))["webhooks_subscribed"])

    await eventually(subscribed, 20)
    return account, view


async def look(caller: Caller, view: Json) -> Json:
    return await caller.get(f"/v1/accounts/{view['id']}")


async def idle(caller: Caller, view: Json, timeout_s: float = 20.0) -> Json:
    """The view once the account has read everything it was asked to."""

    async def quiet() -> Json:
        found = await look(caller, view)
        done = found["sync"] and all(s["backfilled"] for s in found["sync"].values())
        doing = {name: found[name] for name in ("status", "reason", "sync", "job", "waiting_work", "budget")}
        assert done and found["job"] is None and not found["waiting_work"], doing
        return found

    return await eventually(quiet, timeout_s)  # type: ignore[no-any-return]


async def token(world: World, account: Json, action: str) -> None:
    """Do this to its tokens at the platform: expire, revoke, ..."""
    path = f"accounts/{account['platform']}/{account['external_id']}/token"
    await world.sandbox.post(path, {"action": action})


async def remark_ids(caller: Caller, view: Json) -> list[str]:
    return [c["external_id"] for c in await caller.all(f"/v1/comments?account_id={view['id']}")]


async def newest_post(caller: Caller, view: Json) -> Json:
    return (await caller.all(f"/v1/accounts/{view['id']}/content"))[0]


def number() -> str:
    """An id such as platforms give, that nobody has used."""
    return str(uuid.uuid4().int)[:18]
