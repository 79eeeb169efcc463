"""What hurts people who use such systems today, one test a pain, numbered as in the list of twenty pains:

02 racing refresh kills a rotating token family      09 webhook accepted, then lost
03 a network blip disconnects the account            12 token expires during a long run
04 reconnecting breaks or loops                      15 webhook cannot be tied to an account
08 repeated webhooks create repeated messages
"""

import asyncio
import json
import os
import signal
import uuid
from typing import Any

import pytest

from ops.embedded import DataPlane
from tests.support.accounts import connected, idle, look, newest_post, number, token
from tests.support.client import Caller, Json, World, eventually
from tests.support.judge import held_remarks
from tests.support.webhooks import Hook, instagram_comment, x_reply

X_SCOPES = [
    "tweet.read",
    "users.read",
    "like.read",
    "follows.read",
]  # without offline.access: no refresh token


async def refreshes(world: World, account: Json) -> list[Json]:
    rows = (await world.sandbox.ledger())["refreshes"]
    return [row for row in rows if row["external_id"] == account["external_id"]]


async def refreshed(caller: Caller, view: Json, timeout_s: float = 20.0) -> Json:
    async def decided() -> Json | None:
        found = await look(caller, view)
        return found if found["token"]["refreshes"] >= 1 or found["status"] != "connected" else None

    found: Json = await eventually(decided, timeout_s)
    assert found["status"] == "connected", found["reason"]
    return found


# -- 02 ---------------------------------------------------------------------------------------------
async def test_pain_02_many_things_at_once_refresh_a_token_once(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    path = f"/v1/accounts/{view['id']}"
    await token(world, account, "expire")
    slow = {"path": "oauth2/token", "external_id": account["external_id"], "latency_ms": 700}
    async with world.sandbox.fault("latency", **slow) as presented:
        commands = [
            *(caller.post(f"{path}/sync") for _ in range(10)),
            *(caller.post(f"{path}/backfill", {"limit": 10}) for _ in range(5)),
            *(caller.request("PATCH", path, json={"commerce_enabled": bool(n % 2)}) for n in range(5)),
            *(world.sandbox.act(account, "comment") for _ in range(10)),
            *(world.sandbox.act(account, "profile") for _ in range(5)),
        ]
        await asyncio.gather(*commands)
        found = await refreshed(caller, view)
        await idle(caller, view)
        assert await presented() == 1
    assert [row["outcome"] for row in await refreshes(world, account)] == ["rotated"]
    assert not any(row["repeated"] for row in await refreshes(world, account))
    assert found["token"]["refresh_in_doubt"] == 0
    assert (await look(caller, view))["token"]["refreshes"] == 1


async def test_pain_02_two_orgs_of_one_account_do_not_spend_each_others_token(world: World) -> None:
    first, second = await world.org("First"), await world.org("Second")
    account = await world.account("twitter", f"pain-{uuid.uuid4()}", posts=3)
    views = [(caller, await world.connect(caller, account)) for caller in (first, second)]
    for caller, view in views:
        await idle(caller, view)
    await token(world, account, "expire")
    await asyncio.gather(*(c.post(f"/v1/accounts/{v['id']}/sync") for c, v in views for _ in range(5)))
    for caller, view in views:
        await refreshed(caller, view)
    rows = await refreshes(world, account)
    assert [row["outcome"] for row in rows] == ["rotated"] * 2
    assert len({row["family"] for row in rows}) == 2


# -- 03 ---------------------------------------------------------------------------------------------
_BLIPS: dict[str, list[Json]] = {
    "the token endpoint is busy": [{"kind": "status", "status": 429, "path": "oauth2/token", "seconds": 3}],
    "connections break while refreshing": [{"kind": "disconnect", "path": "oauth2/token", "count": 1}],
    "connections break while reading": [{"kind": "disconnect", "path": "/2/users/", "count": 1}],
    "a gateway in front of the token endpoint restarts": [
        {"kind": "status", "status": 502, "path": "oauth2/token", "count": 3}
    ],
}


async def blip(world: World, caller: Caller, blips: dict[str, list[Json]]) -> None:
    """Each on an account of its own, all at once: with its token expired, and through it all connected."""
    accounts = [await connected(world, caller, "twitter", posts=2) for _ in blips]
    try:
        for (account, _), faults in zip(accounts, blips.values(), strict=True):
            for fault in faults:
                await world.sandbox.post("faults", fault | {"external_id": account["external_id"]})
            await token(world, account, "expire")
        for _, view in accounts:
            await caller.post(f"/v1/accounts/{view['id']}/sync")
        for _, view in accounts:
            await refreshed(caller, view, 60)

        async def met() -> bool:
            return all(fault["hits"] >= 1 for fault in (await world.sandbox.get("faults"))["faults"])

        await eventually(met)
    finally:
        await world.sandbox.delete("faults")
    assert await caller.all("/v1/events?type=SocialAccountReauthorizationRequired") == []


async def test_pain_03_a_network_blip_and_a_gateway_that_answers_502_disconnect_nobody(world: World) -> None:
    await blip(world, await world.org(), _BLIPS)


# -- 04 ---------------------------------------------------------------------------------------------
async def test_pain_04_connecting_again_keeps_everything_and_heals(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    comment = await world.sandbox.act(account, "comment")
    await token(world, account, "revoke")
    await caller.post(f"/v1/accounts/{view['id']}/sync")

    async def dead() -> bool:
        return bool((await look(caller, view))["status"] == "reauthorization_required")

    await eventually(dead)
    before = {c["id"] for c in await caller.all(f"/v1/accounts/{view['id']}/content")}
    missed = await world.sandbox.act(account, "post", text="While nobody could read")
    again = await world.connect(caller, account)
    assert again["id"] == view["id"] and again["status"] == "connected" and again["reason"] is None
    found = await idle(caller, view)
    assert found["status"] == "connected" and found["counters"]["webhooks"] >= 1
    assert len((await caller.get("/v1/accounts"))["items"]) == 1
    listed = [c["id"] for c in await caller.all(f"/v1/accounts/{view['id']}/content")]
    assert len(listed) == len(set(listed))
    assert set(listed) == before | {f"{view['id']}|{missed['id']}"}
    assert (await held_remarks(caller, view["id"]))[comment["id"]] == 1
    await token(world, account, "expire")  # and its new tokens are the ones in use
    await caller.post(f"/v1/accounts/{view['id']}/sync")
    await refreshed(caller, view)


async def test_pain_04_a_reconnect_without_a_refresh_token_keeps_the_old_one(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    (old,) = [g["family"] for g in await grants(world, account) if g["via"] == "consent"]
    begun = await caller.post("/v1/integrations/twitter/connect", {"scopes": X_SCOPES})
    answer = await world.api.get(await world.consent(begun["authorize_url"], account["external_id"]))
    assert answer.status_code == 200
    assert "offline.access" in answer.json()["missing_scopes"]
    await idle(caller, view)
    await token(world, account, "expire")
    await caller.post(f"/v1/accounts/{view['id']}/sync")
    await refreshed(caller, view)
    (row,) = await refreshes(world, account)
    assert (row["family"], row["outcome"]) == (old, "rotated")


async def grants(world: World, account: Json) -> list[Json]:
    rows = (await world.sandbox.ledger())["grants"]
    return [row for row in rows if row["external_id"] == account["external_id"]]


async def test_pain_04_consenting_with_another_account_leaves_the_first_alone(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "instagram")
    other = await world.account("instagram", f"pain-{uuid.uuid4()}", posts=1)
    other_view = await world.connect(caller, other)
    assert other_view["id"] != view["id"]
    found = await look(caller, view)
    assert found["status"] == "connected" and found["external_id"] == view["external_id"]


# -- 08 ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_pain_08_a_webhook_told_twenty_times_is_one_message(world: World, platform: str) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, platform)
    post = await newest_post(caller, view)
    external, hook, comment = account["external_id"], await Hook.of(world, platform), number()
    before = (await look(caller, view))["counters"].get("webhooks", 0)

    def body(n: int) -> Json:
        if platform == "twitter":
            return x_reply(external, comment, post["external_id"], "once?")
        # Meta regroups what it repeats, so that no two bodies are alike.
        other = instagram_comment(external, f"{comment}{n:02}", post["external_id"], "beside it")
        entries = [instagram_comment(external, comment, post["external_id"], "once?"), other]
        return {"object": "instagram", "entry": entries[:: 1 if n % 2 else -1]}

    await asyncio.gather(*(hook.send(body(n)) for n in range(20)))
    last = number()
    closing = x_reply(external, last, post["external_id"], "the last one")
    if platform == "instagram":
        entry = instagram_comment(external, last, post["external_id"], "the last one")
        closing = {"object": "instagram", "entry": [entry]}
    await hook.send(closing)

    async def finished() -> bool:
        return last in await held_remarks(caller, view["id"])

    await eventually(finished)
    beside = 20 if platform == "instagram" else 0
    held = await held_remarks(caller, view["id"])
    assert held[comment] == 1 and set(held.values()) == {1}
    assert (await look(caller, view))["counters"]["webhooks"] - before == 2 + beside

    async def told() -> bool:
        events = await caller.all(f"/v1/events?type=RemarkReceived&subject={view['id']}")
        remarks = [e["data"]["remark_id"].rsplit("|", 1)[1] for e in events]
        return remarks.count(last) == 1 and len(remarks) >= 2 + beside

    await eventually(told)
    events = await caller.all(f"/v1/events?type=RemarkReceived&subject={view['id']}")
    remarks = [e["data"]["remark_id"] for e in events]
    assert len(remarks) == len(set(remarks)) and f"{view['id']}|{comment}" in remarks


# -- 09 ---------------------------------------------------------------------------------------------
async def test_pain_09_what_was_answered_200_is_never_lost(world: World) -> None:
    """The document server falters in the middle of a burst: the mailbox holds what was accepted."""
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    hook, accepted = await Hook.of(world, "twitter"), []

    async def send(n: int) -> None:
        comment = f"{number()}{n:02}"
        await asyncio.sleep(n * 0.02)
        body = json.dumps(x_reply(account["external_id"], comment, "1", f"burst {n}")).encode()
        if (await hook.post(body)).status_code == 200:
            accepted.append(comment)

    burst = asyncio.gather(*(send(n) for n in range(100)))
    server = next(s for s in DataPlane(world.settings.data_dir).status() if s.name == "mongo")
    assert server.pid is not None
    await asyncio.sleep(0.3)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(3)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    await burst
    assert len(accepted) == 100

    async def all_held() -> bool:
        return set(accepted) <= (await held_remarks(caller, view["id"])).keys()

    await eventually(all_held, 60)
    held = await held_remarks(caller, view["id"])
    assert [c for c in accepted if held[c] != 1] == []
    assert (await caller.get("/v1/ops/dead-letters"))["items"] == []


# -- 12 ---------------------------------------------------------------------------------------------
async def test_pain_12_a_token_that_expires_mid_backfill_costs_one_refresh(world: World) -> None:
    caller = await world.org()
    account = await world.account("twitter", f"pain-{uuid.uuid4()}", posts=600)
    slow: dict[str, Any] = {"external_id": account["external_id"], "latency_ms": 300}
    async with world.sandbox.fault("latency", **slow):
        view = await world.connect(caller, account)

        async def under_way() -> bool:
            job = (await look(caller, view))["job"]
            return bool(job and job["pages"] >= 2)

        await eventually(under_way)
        await token(world, account, "expire")
        found = await idle(caller, view, 60)
    assert found["status"] == "connected"
    assert found["token"]["refreshes"] == 1 and found["token"]["refresh_in_doubt"] == 0
    published = (await world.sandbox.ledger())["content"][f"twitter:{account['external_id']}"]
    wanted = {c["id"] for c in published if not c["deleted"]}
    held = [c["external_id"] for c in await caller.all(f"/v1/accounts/{view['id']}/content")]
    assert set(held) == wanted and len(held) == len(wanted) >= 600
    pages = -(-len(wanted) // 100)
    assert found["sync"]["posts"]["pages"] <= pages + 1, "the walk began anew"


# -- 15 ---------------------------------------------------------------------------------------------
async def test_pain_15_webhooks_before_and_during_the_connect_find_their_account(world: World) -> None:
    caller = await world.org()
    account = await world.account("twitter", f"pain-{uuid.uuid4()}", posts=3)
    early = [await world.sandbox.act(account, "comment") for _ in range(5)]

    async def waiting() -> bool:
        rows = (await caller.get("/v1/ops/parked?limit=200"))["items"]
        return {"target": f"twitter:{account['external_id']}", "parked": 5} in rows

    await eventually(waiting)
    connecting = asyncio.create_task(world.connect(caller, account))
    during = []
    for _ in range(20):
        during.append(await world.sandbox.act(account, "comment"))
        await asyncio.sleep(0.02)
    view = await connecting
    wanted = {c["id"] for c in early + during}

    async def all_held() -> bool:
        return wanted <= (await held_remarks(caller, view["id"])).keys()

    await eventually(all_held, 90)
    held = await held_remarks(caller, view["id"])
    assert [c for c in wanted if held[c] != 1] == []

    async def counted() -> bool:
        return bool((await look(caller, view))["counters"]["webhooks"] == len(wanted))

    await eventually(counted, 90)
