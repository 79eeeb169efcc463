"""The WebSocket: the caller's org as it happens, resumed where a connection broke."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.client import Caller, Json, World, eventually

PATIENCE_S = 20.0


class Listener:
    """One connection and everything it has said since it was opened."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Json] = []

    async def next(self) -> Json:
        async with asyncio.timeout(PATIENCE_S):
            message: Json = json.loads(await self.socket.recv())
        self.heard.append(message)
        return message

    async def until(self, kind: str, **wanted: object) -> Json:
        """The next message of this type, or event of this name, with these values inside."""
        while True:
            message = await self.next()
            event = message.get("event", message)
            name = event["type"].removeprefix("rookery.")
            inside = {**event, **event.get("data", {}), **message.get("campaign", {})}
            if name == kind and all(inside.get(k) == v for k, v in wanted.items()):
                return message

    async def closed(self) -> int:
        """The code it was closed with."""
        with pytest.raises(ConnectionClosed) as end:
            while True:
                await self.next()
        assert end.value.rcvd is not None
        return end.value.rcvd.code


@asynccontextmanager
async def listening(world: World, caller: Caller, query: str = "") -> AsyncIterator[Listener]:
    """Connected, authenticated and past `ready`."""
    async with opened(world, caller.headers, query) as listener:
        await listener.until("ready")
        yield listener


@asynccontextmanager
async def opened(world: World, headers: dict[str, str], query: str = "") -> AsyncIterator[Listener]:
    url = str(world.api.base_url).replace("http", "ws", 1).rstrip("/") + "/v1/live" + query
    async with connect(url, additional_headers=headers, open_timeout=PATIENCE_S) as socket:
        yield Listener(socket)


async def connected(world: World, caller: Caller) -> tuple[Json, Json]:
    account = await world.account("twitter", f"live-{uuid.uuid4()}", posts=2)
    return account, await world.connect(caller, account)


async def test_events_and_snapshots_of_the_own_org_and_of_no_other(world: World) -> None:
    ours, theirs = await world.org("Ours"), await world.org("Theirs")
    async with listening(world, ours) as mine, listening(world, theirs) as other:
        account, view = await connected(world, ours)
        await mine.until("SocialAccountConnected", subject=view["id"])
        plan = {"name": "c", "budget": {"total_minor": 1, "currency": "EUR"}, "accounts": [view["id"]]}
        campaign = await ours.post("/v1/campaigns", plan)
        await ours.post(f"/v1/campaigns/{campaign['id']}/launch")
        await mine.until("CampaignLaunched", subject=campaign["id"])

        async def read() -> bool:
            found = await ours.get(f"/v1/accounts/{view['id']}")
            return bool(found["last_sync_at"] and found["job"] is None)

        await eventually(read)
        await world.sandbox.act(account, "like")
        await mine.until("ContentEngaged", account_id=view["id"])
        snapshot = await mine.until("snapshot", id=campaign["id"])
        while snapshot["campaign"]["performance"]["engagement"]["likes"] != 1:
            snapshot = await mine.until("snapshot", id=campaign["id"])
        await ours.post(f"/v1/accounts/{view['id']}/pause")
        await mine.until("SocialAccountChanged", subject=view["id"], what="paused")

        _, their_view = await connected(world, theirs)
        await other.until("SocialAccountConnected")
        orgs = {m["event"]["org"] for m in other.heard if m["type"] == "event"}
        assert orgs == {theirs.org.org.id}
        assert their_view["id"] not in json.dumps(mine.heard)
        assert view["id"] not in json.dumps(other.heard)


async def test_a_broken_connection_resumes_without_a_gap_or_a_repeat(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller)
    path = f"/v1/accounts/{view['id']}"
    async with listening(world, caller) as first:
        await caller.post(f"{path}/pause")
        last = await first.until("SocialAccountChanged", what="paused")
    for n in range(3):  # nobody is listening
        await caller.request("PATCH", path, json={"commerce_enabled": bool(n % 2)})
    async with opened(world, caller.headers, f"?last_event_id={last['id']}") as second:
        await second.until("ready")
        missed = [m["event"] for m in second.heard if m["type"] == "event"]
        assert [e["data"]["what"] for e in missed] == ["configured"] * 3
        await caller.post(f"{path}/resume")
        await second.until("SocialAccountChanged", what="resumed")
        ids = [m["id"] for m in second.heard if m["type"] == "event"]
        assert len(ids) == len(set(ids)) and last["id"] not in ids
    assert {m["type"] for m in second.heard} <= {"event", "ready"}
    assert account["external_id"] in view["id"]


async def test_whoever_was_away_too_long_is_told_to_read_anew(world: World) -> None:
    caller = await world.org()
    async with opened(world, caller.headers, "?last_event_id=1600000000000-0") as listener:
        assert (await listener.next())["type"] == "reset"
        assert (await listener.next())["type"] == "ready"
    async with opened(world, caller.headers, "?last_event_id=yesterday") as listener:
        assert await listener.closed() == 1008


async def test_a_subscription_narrows_what_is_told(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller)
    path = f"/v1/accounts/{view['id']}"
    async with listening(world, caller) as listener:
        await listener.socket.send(json.dumps({"type": "subscribe", "types": ["SocialAccountDisconnected"]}))
        await listener.until("subscribed")
        before = len(listener.heard)
        await caller.post(f"{path}/pause")
        await caller.post(f"{path}/disconnect")
        await listener.until("SocialAccountDisconnected", subject=view["id"])
        assert len(listener.heard) == before + 1


async def test_creators_hear_of_their_own_accounts_only(world: World) -> None:
    admin = await world.org()
    creator, other = await world.member(admin, "creator"), await world.member(admin, "creator")
    _, mine = await connected(world, creator)
    _, theirs = await connected(world, other)
    async with listening(world, creator) as listener:
        await admin.post(f"/v1/accounts/{theirs['id']}/pause")
        await admin.post(f"/v1/accounts/{mine['id']}/pause")
        await listener.until("SocialAccountChanged", what="paused")
        assert theirs["id"] not in json.dumps(listener.heard)


async def test_without_a_good_token_nothing_is_told(world: World) -> None:
    caller = await world.org()
    for headers in (
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {caller.token[:-4]}AAAA"},
    ):
        async with opened(world, headers) as listener:
            assert await listener.closed() == 4401
    async with opened(world, {}) as listener:
        await listener.socket.send(json.dumps({"type": "subscribe"}))  # before saying who it is
        assert await listener.closed() == 4401
    async with opened(world, {}) as listener:
        await listener.socket.send("{" * 1000)
        assert await listener.closed() == 1008
    async with opened(world, {}) as listener:
        await listener.socket.send(json.dumps({"type": "auth", "token": caller.token}))
        assert (await listener.next())["type"] == "ready"


async def test_a_revoked_token_ends_the_conversation(world: World) -> None:
    admin = await world.org()
    analyst = await world.member(admin, "analyst")
    async with listening(world, analyst) as listener, listening(world, admin) as stays:
        assert (await analyst.request("POST", "/v1/auth/revoke", json={})).status_code == 204
        assert await listener.closed() == 4401
        await stays.socket.send(json.dumps({"type": "subscribe"}))
        await stays.until("subscribed")
