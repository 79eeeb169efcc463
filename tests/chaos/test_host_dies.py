"""A host is ended at every step of a batch and of a token refresh, under traffic; the ledger is the judge."""

import asyncio
import os
import signal
import time
import uuid
from typing import Any

import pytest
import ray

from actors.runtime.failpoints import Failpoint
from domain.ids import AccountId
from tests.support.client import Caller, World, eventually
from tests.support.judge import compare

Json = dict[str, Any]

BATCH = [
    Failpoint.BATCH_READ,
    Failpoint.BATCH_APPLIED,
    Failpoint.SIDE_SAVED,
    Failpoint.ENTITY_SAVED,
    Failpoint.EVENTS_PUBLISHED,
    Failpoint.SEEN_MARKED,
    Failpoint.MAIL_DELETED,
]
REFRESH = [
    Failpoint.INTENT_SAVED,
    Failpoint.INTENT_BEFORE_SEND,
    Failpoint.INTENT_ANSWERED,
    Failpoint.INTENT_RESOLVED,
]


async def connected(world: World, caller: Caller, posts: int = 20) -> tuple[Json, Json]:
    account = await world.account("twitter", f"chaos-{uuid.uuid4()}", posts=posts)
    view = await world.connect(caller, account)

    async def backfilled() -> bool:
        found = await caller.get(f"/v1/accounts/{view['id']}")
        return bool(found["sync"]) and found["job"] is None

    await eventually(backfilled, 60)
    return account, view


async def owner_of(caller: Caller, view: Json) -> Json:
    """Status of the host that owns the account."""
    host = (await caller.get(f"/v1/ops/entities/account/{view['id']}"))["host"]
    hosts = (await caller.get("/v1/ops/hosts"))["items"]
    return next(h for h in hosts if h["name"] == host)


def arm(host: str, point: Failpoint, after: int = 1) -> None:
    ray.get(ray.get_actor(host, namespace="rookery").arm.remote(point.value, after))


async def traffic(world: World, account: Json, seconds: float, stop: asyncio.Event) -> None:
    content = (await world.sandbox.ledger())["content"][f"twitter:{account['external_id']}"]
    targets = [c["id"] for c in content if not c["deleted"]]
    kinds = ["comment", "like", "mention", "like", "repost", "follow"]
    deadline = time.monotonic() + seconds
    n = 0
    while time.monotonic() < deadline and not stop.is_set():
        kind = kinds[n % len(kinds)]
        more = {"content_id": targets[n % len(targets)]} if kind in ("comment", "like", "repost") else {}
        await world.sandbox.act(account, kind, **more)
        n += 1
        await asyncio.sleep(0.01)


async def quiet(world: World, caller: Caller) -> None:
    async def delivered() -> bool:
        health = await world.sandbox.get("healthz")
        rows = (await caller.get("/v1/ops/partitions"))["items"]
        return not health["deliveries_pending"] and not any(sum(r["lag"].values()) for r in rows)

    await eventually(delivered, 90, every_s=0.3)


async def assert_exactly_once(world: World, caller: Caller, account: Json, view: Json) -> None:
    async def settled() -> Json:
        found = await compare(world, caller, account, view)
        assert found["accepted"] > 0
        assert not found["remarks_lost"] and not found["effects_lost"], found
        return found

    found = await eventually(settled, 30, every_s=0.5)
    assert found["effects_doubled"] == 0, found
    assert found["remarks_doubled"] == [], found
    assert found["double_refreshes"] == 0, found


async def await_successor(caller: Caller, old: Json) -> None:
    async def back() -> bool:
        hosts = (await caller.get("/v1/ops/hosts"))["items"]
        again = next(h for h in hosts if h["name"] == old["name"])
        return bool(again["partitions"]) and again.get("incarnation") != old["incarnation"]

    await eventually(back, 60)


@pytest.fixture
async def caller(world: World) -> Caller:
    await world.sandbox.put("delivery", {"duplicate": 0.2, "reorder": 0.2, "retry_scale": 0.01})
    return await world.org()


async def test_sigkill_of_the_owner_under_traffic_loses_and_doubles_nothing(
    world: World, caller: Caller
) -> None:
    account, view = await connected(world, caller)
    owner = await owner_of(caller, view)
    stop = asyncio.Event()
    sending = asyncio.create_task(traffic(world, account, 12, stop))
    await asyncio.sleep(2)
    os.kill(owner["pid"], signal.SIGKILL)
    await await_successor(caller, owner)
    await asyncio.sleep(1)
    stop.set()
    await sending
    await quiet(world, caller)
    await assert_exactly_once(world, caller, account, view)


async def test_the_host_ends_at_every_step_of_a_batch(world: World, caller: Caller) -> None:
    account, view = await connected(world, caller)
    for point in BATCH:
        owner = await owner_of(caller, view)
        stop = asyncio.Event()
        sending = asyncio.create_task(traffic(world, account, 30, stop))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(arm, owner["name"], point, 2)
        await await_successor(caller, owner)
        stop.set()
        await sending
    await quiet(world, caller)
    await assert_exactly_once(world, caller, account, view)


async def test_the_host_ends_at_every_step_of_a_refresh(world: World, caller: Caller) -> None:
    """Two at a time, each on a host of its own. Nearly all of it is waiting for what may still come, so it
    is judged at the end."""
    ended: list[tuple[Failpoint, Json, Json]] = []
    for points in (REFRESH[:2], REFRESH[2:]):
        owned: dict[str, tuple[Json, Json]] = {}
        while len(owned) < len(points):
            account, view = await connected(world, caller)
            owned.setdefault((await owner_of(caller, view))["name"], (account, view))
        pairs = [(point, *one) for point, one in zip(points, owned.values(), strict=True)]
        await asyncio.gather(*(end_while_refreshing(world, caller, *pair) for pair in pairs))
        ended += pairs
    await asyncio.gather(*(judge_refresh(world, caller, *one) for one in ended))


async def end_while_refreshing(
    world: World, caller: Caller, point: Failpoint, account: Json, view: Json
) -> None:
    owner = await owner_of(caller, view)
    await asyncio.to_thread(arm, owner["name"], point, 1)
    # The platform lets the access token die: the next call is refused, and the owner refreshes out of turn.
    path = f"accounts/twitter/{account['external_id']}/token"
    await world.sandbox.post(path, {"action": "expire"})
    await caller.post(f"/v1/accounts/{view['id']}/sync")
    await await_successor(caller, owner)


async def judge_refresh(world: World, caller: Caller, point: Failpoint, account: Json, view: Json) -> None:
    """The old token is presented at most once more, and only when the outcome is unknown."""

    async def resolved() -> Json:
        found = await caller.get(f"/v1/accounts/{view['id']}")
        done = found["token"]["refreshes"] >= 1 or found["status"] == "reauthorization_required"
        return found if done else {}

    found = await eventually(resolved, 60, every_s=0.5)
    ledger = await world.sandbox.ledger()
    mine = [r for r in ledger["refreshes"] if r["external_id"] == account["external_id"]]
    twice = sum(r["repeated"] for r in mine)
    assert twice <= found["token"]["refresh_in_doubt"], mine  # never twice without being counted
    if point is Failpoint.INTENT_ANSWERED:
        # The one gap nobody can close: rotated there, never heard of here. It is counted, not hidden.
        assert found["token"]["refresh_in_doubt"] == 1
        assert found["status"] == "reauthorization_required"
        assert found["reason"] == "refresh_outcome_unknown"
    else:
        assert twice == 0
        assert found["status"] == "connected", found
        assert [r["outcome"] for r in mine] == ["rotated"]


def test_every_batch_step_has_a_failpoint_that_is_tested() -> None:
    assert {p for p in Failpoint if p.value.split(".")[0] in ("batch", "save")} - {Failpoint.PARKED} == set(
        BATCH
    )
    assert {p for p in Failpoint if p.value.startswith("intent.")} == {*REFRESH}


def test_account_ids_are_self_routing() -> None:
    assert str(AccountId.parse("twitter:1:org_a")) == "twitter:1:org_a"
