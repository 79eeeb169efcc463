"""Numbers, advertising, commerce and live through the running service, against the sandbox."""

import uuid

from tests.support.accounts import idle
from tests.support.client import Caller, Json, World, eventually

META_ADS = ("ads_read", "ads_management", "catalog_management", "business_management")


async def joined(
    world: World, caller: Caller, platform: str, more: tuple[str, ...] = ()
) -> tuple[Json, Json]:
    """An account at the platform and its view here, connected with further scopes, its history read."""
    account = await world.account(platform, f"able-{uuid.uuid4()}", posts=3)
    listed = (await caller.get("/v1/integrations"))["items"]
    scopes = next(p["scopes"] for p in listed if p["platform"] == platform)
    body = {"scopes": [*scopes, *more]} if more else {}
    started = await caller.post(f"/v1/integrations/{platform}/connect", body)
    callback = await world.consent(started["authorize_url"], account["external_id"])
    view = (await world.api.get(callback)).json()
    await idle(caller, view)
    return account, view


async def done(caller: Caller, asked: Json, timeout_s: float = 30.0) -> list[Json]:
    """The operations that a request led to, once they are all done."""

    async def ended() -> list[Json] | None:
        found = [await caller.get(f"/v1/operations/{o['id']}") for o in asked["operations"]]
        assert not [o for o in found if o["status"] in ("failed", "unconfirmed")], found
        return found if all(o["status"] == "done" for o in found) else None

    return await eventually(ended, timeout_s)  # type: ignore[no-any-return]


async def granted(world: World, caller: Caller, account: Json, view: Json, capability: str) -> Json:
    """A further consent, through the platform's own page."""
    started = await caller.post(f"/v1/accounts/{view['id']}/grants/{capability}/connect")
    callback = await world.consent(started["authorize_url"], account["external_id"])
    answer = await world.api.get(callback)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_numbers_of_content_and_account_are_read_and_kept(world: World) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, "facebook")
    first, second = await done(caller, await caller.post(f"/v1/accounts/{view['id']}/insights"))
    assert (first["what"], second["what"]) == ("account_insights", "content_insights")
    (row,) = await caller.all(f"/v1/accounts/{view['id']}/insights")
    by_name = {m["name"]: m for m in row["metrics"]}
    assert isinstance(by_name["followers"]["value"], int)
    withdrawn = by_name["impressions"]
    assert withdrawn["value"] is None and withdrawn["reason"] == "withdrawn"
    content = (await caller.all(f"/v1/accounts/{view['id']}/content"))[0]
    (numbers,) = await caller.all(f"/v1/content/{content['id']}/insights")
    assert {m["name"] for m in numbers["metrics"]} >= {"views", "likes"}
    (again,) = await done(caller, await caller.post(f"/v1/content/{content['id']}/insights"))
    assert again["items"] == 1
    assert len(await caller.all(f"/v1/content/{content['id']}/insights")) == 1, "one row a day"
