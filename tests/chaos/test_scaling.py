"""Hosts come and go under traffic: nothing lost, doubled or reordered, and nobody is turned away."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Self

import httpx
import pytest
import ray
from ray.exceptions import RayActorError

from actors.runtime.gateway import NAMESPACE
from actors.runtime.ray_actors import SUPERVISOR, SupervisorActor, _options
from tests.chaos.test_host_dies import assert_exactly_once, connected, quiet
from tests.support.client import Caller, World, eventually
from tests.support.measured import measured

Json = dict[str, Any]
pytestmark = pytest.mark.heavy
ACCOUNTS = 4


@pytest.fixture
async def caller(world: World) -> AsyncIterator[Caller]:
    """Webhooks arrive in order, so that the order of their effects tells."""
    await world.sandbox.put("delivery", {"duplicate": 0.2, "reorder": 0.0, "retry_scale": 0.01})
    caller = await world.org()
    yield caller
    await scaled(caller, world.settings.hosts)  # as the other tests find it


async def scaled(caller: Caller, hosts: int) -> None:
    await caller.post("/v1/ops/scale", {"hosts": hosts})

    async def settled() -> bool:
        found = await caller.get("/v1/ops/scale")
        return not found["partitions_to_move"] and found["owning"] == hosts

    await eventually(settled, 180, every_s=0.3)


async def traffic(world: World, account: Json, stop: asyncio.Event) -> None:
    content = (await world.sandbox.ledger())["content"][f"twitter:{account['external_id']}"]
    targets = [c["id"] for c in content if not c["deleted"]]
    n = 0
    while not stop.is_set():
        await world.sandbox.act(account, "comment", content_id=targets[n % len(targets)])
        await world.sandbox.act(account, "like", content_id=targets[n % len(targets)])
        n += 1
        await asyncio.sleep(0.1)


async def people(caller: Caller, views: list[Json], stop: asyncio.Event) -> tuple[list[float], list[int]]:
    """How long each waited for the owner's answer, and the answers that were none."""
    waited, refused = [], []
    while not stop.is_set():
        for view in views:
            began = time.monotonic()
            answer: httpx.Response = await caller.request("GET", f"/v1/ops/entities/account/{view['id']}")
            waited.append(time.monotonic() - began)
            if answer.status_code != 200:
                refused.append(answer.status_code)
            await asyncio.sleep(0.02)
    return waited, refused


async def assert_in_order(world: World, caller: Caller, account: Json, view: Json) -> None:
    """An event's id carries the version of the account that told it: this rises as comments arrive. Of two
    under way at once nobody knows which was first; what was answered before another happened, was. (The
    comment's document tells nothing: a listing that shows it again writes it again.)
    """
    ledger = await world.sandbox.ledger()
    arrived = [
        e
        for e in ledger["events"]
        if e["external_id"] == account["external_id"] and e["kind"] == "comment" and e["accepted_at"]
    ]
    told = [
        e for e in await caller.all("/v1/events?type=RemarkReceived") if e["data"]["account_id"] == view["id"]
    ]
    version = {e["data"]["remark_id"].rsplit("|", 1)[1]: int(e["id"].rsplit(":", 2)[1]) for e in told}
    assert len(arrived) > 20
    assert {e["subject_id"] for e in arrived} <= version.keys()
    overtaken = [
        (first["subject_id"], later["subject_id"])
        for first in arrived
        for later in arrived
        if first["accepted_at"] < later["at"] and version[first["subject_id"]] > version[later["subject_id"]]
    ]
    assert not overtaken


def refreshes(ledger: Json, account: Json) -> list[Json]:
    return [row for row in ledger["refreshes"] if row["external_id"] == account["external_id"]]


class Traffic:
    """Within: webhooks for some accounts, and people who ask their owners, until `end` judges everything."""

    def __init__(self, world: World, caller: Caller, pairs: list[tuple[Json, Json]]) -> None:
        self._world, self._caller, self._pairs = world, caller, pairs
        self._stop = asyncio.Event()
        views = [view for _, view in pairs]
        self._sending = [asyncio.create_task(traffic(world, account, self._stop)) for account, _ in pairs]
        self._asking = asyncio.create_task(people(caller, views, self._stop))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        for task in (*self._sending, self._asking):
            task.cancel()
        await asyncio.gather(*self._sending, self._asking, return_exceptions=True)

    async def expire(self, one_of: int, of: int) -> None:
        """The next calls of this part of the accounts are refused: refreshes are under way while partitions
        move. (Refused again within a minute of a refresh, an account would give up.)"""
        pairs = self._pairs[one_of::of]
        for account, _ in pairs:
            path = f"accounts/twitter/{account['external_id']}/token"
            await self._world.sandbox.post(path, {"action": "expire"})
        await asyncio.gather(*(self._caller.post(f"/v1/accounts/{view['id']}/sync") for _, view in pairs))

    async def end(self) -> dict[str, float]:
        """What the moves and the people's requests took."""
        world, caller = self._world, self._caller
        self._stop.set()
        await asyncio.gather(*self._sending)
        waited, refused = await self._asking
        await quiet(world, caller)
        for account, view in self._pairs:
            await assert_exactly_once(world, caller, account, view)
            await assert_in_order(world, caller, account, view)
            found = await caller.get(f"/v1/accounts/{view['id']}")
            state = (found["status"], found["reason"], found["token"]["refresh_in_doubt"])
            assert state == ("connected", None, 0), (
                found["token"],
                refreshes(await world.sandbox.ledger(), account),
            )
        assert not refused
        rows = (await caller.get("/v1/ops/partitions"))["items"]
        pauses = sorted(row["last_pause_ms"] for row in rows if row["last_pause_ms"] is not None)
        assert pauses, "no move was measured"
        waited.sort()
        middle, p99 = (waited[int(len(waited) * share)] * 1000 for share in (0.5, 0.99))
        return {
            "accounts under traffic": len(self._pairs),
            "pauses of a partition": len(pauses),
            "a pause, median, ms": pauses[len(pauses) // 2],
            "a pause, longest, ms": pauses[-1],
            "requests of people": len(waited),
            "a request, median, ms": round(middle),
            "a request, p99, ms": round(p99),
            "a request, longest, ms": round(waited[-1] * 1000),
        }


async def test_nothing_is_lost_or_reordered_while_hosts_come_and_go(world: World, caller: Caller) -> None:
    pairs = [await connected(world, caller, posts=5) for _ in range(ACCOUNTS)]
    took: dict[str, float] = {}
    async with Traffic(world, caller, pairs) as busy:
        for n, hosts in enumerate((4, 1)):
            await asyncio.sleep(1)
            await busy.expire(n, 2)
            began = time.monotonic()
            await scaled(caller, hosts)
            took[f"to {hosts} hosts, s"] = round(time.monotonic() - began, 1)
        await asyncio.sleep(1)
        measured("tests/chaos/test_scaling.py: hosts come and go", took | await busy.end())


async def test_new_code_replaces_host_by_host_under_traffic(world: World, caller: Caller) -> None:
    await scaled(caller, 2)
    pairs = [await connected(world, caller, posts=5) for _ in range(ACCOUNTS)]
    before = {host["incarnation"] for host in (await caller.get("/v1/ops/hosts"))["items"]}
    builds = set()

    async def replaced() -> bool:
        hosts = (await caller.get("/v1/ops/hosts"))["items"]
        builds.add(frozenset(host["build"] for host in hosts if "build" in host))
        settled = not (await caller.get("/v1/ops/scale"))["partitions_to_move"]
        return settled and len(hosts) == 2 and {host.get("build") for host in hosts} == {"next"}

    async with Traffic(world, caller, pairs) as busy:
        await busy.expire(0, 1)
        began = time.monotonic()
        await asyncio.to_thread(deploy, "next")
        await eventually(replaced, 240, every_s=0.3)
        took = {"two hosts replaced, s": round(time.monotonic() - began, 1)}
        after = {host["incarnation"] for host in (await caller.get("/v1/ops/hosts"))["items"]}
        assert not before & after
        assert frozenset({world.settings.build, "next"}) in builds, "the two builds never lived side by side"
        measured("tests/chaos/test_scaling.py: new code", took | await busy.end())


def deploy(build: str) -> None:
    """What an api replica of that build does at its start. Whatever it starts inherits the build."""
    ray.kill(ray.get_actor(SUPERVISOR, namespace=NAMESPACE), no_restart=True)
    code: Any = SupervisorActor
    environment = {"env_vars": {"ROOKERY_BUILD": build}}
    deadline = time.monotonic() + 60
    while True:
        try:
            code.options(**_options(SUPERVISOR, cpus=0.05), runtime_env=environment).remote()
            status: Any = ray.get(ray.get_actor(SUPERVISOR, namespace=NAMESPACE).status.remote())
            if status["build"] == build:
                return
        except (ValueError, RayActorError):
            pass  # the former one is still ending
        assert time.monotonic() < deadline
        time.sleep(0.2)
