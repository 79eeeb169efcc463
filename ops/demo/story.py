"""The order of events of a run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from domain.clock import Clock
from ops.demo.collect import collect
from ops.demo.compare import Evidence
from ops.demo.connect import (
    Connection,
    Party,
    await_backfill,
    connect,
    deployment_apps,
    found_org,
    own_app,
)
from ops.demo.live import follow, watch
from ops.demo.screen import Screen
from ops.demo.shop import Shop
from ops.demo.trouble import Kill, Trouble
from ops.demo.wire import Json, Sandbox
from ops.service import Addresses
from storage.mongo.directory import Directory

TRAFFIC_S = 30.0  # at least; until the last trouble is over
_TRAFFIC_AT_MOST_S = 600
TRAFFIC_PER_S = 20
DELIVERY = {"duplicate": 0.15, "reorder": 0.15, "delay_ms": [0, 150], "batch": 3}
_OLD = 45  # the post of this age is one that traffic, which keeps to the newest 20, has never touched
_SETTLE_S = 120.0
_OTHERS = ("facebook", "tiktok", "youtube", "pinterest")


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: Kiln runs the deployment; both orgs connect `shared`. `others` are read, one of each
    further platform, and belong to no campaign."""

    kiln: Party
    moon: Party
    connections: list[Connection]
    shared: Connection
    alone: Connection
    picture: Connection
    others: list[Connection]

    @property
    def parties(self) -> list[Party]:
        return [self.kiln, self.moon]

    def of(self, party: Party) -> list[Connection]:
        """Those of its campaign."""
        return [c for c in self.connections if c.org == party.id]

    def all_of(self, party: Party) -> list[Connection]:
        return [c for c in (*self.connections, *self.others) if c.org == party.id]


class Story:
    def __init__(self, addresses: Addresses, directory: Directory, clock: Clock, screen: Screen) -> None:
        if addresses.sandbox is None:
            raise ValueError("the demo needs the sandbox")
        self._addresses = addresses
        self._sandbox_url = addresses.sandbox
        self._directory = directory
        self._clock = clock
        self._screen = screen

    async def tell(self) -> Evidence:
        """The whole run. Raises wire.Refused when it cannot go on."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(_client(self._addresses.api))
            visitors = await stack.enter_async_context(_client(self._addresses.api))
            sandbox = Sandbox(await stack.enter_async_context(_client(self._sandbox_url)))
            cast = await self._gather(http, sandbox)
            followers = [follow(party, self._addresses.api, self._screen) for party in cast.parties]
            watchers = [watch(cast.parties, sandbox, self._screen, self._clock), *followers]
            tasks = [asyncio.create_task(watcher) for watcher in watchers]
            try:
                return await self._play(cast, sandbox, visitors)
            except ExceptionGroup as group:
                raise _cause(group) from group
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _gather(self, http: httpx.AsyncClient, sandbox: Sandbox) -> Cast:
        self._screen.step("two orgs, their people, and applications at the platforms")
        kiln = await found_org(self._directory, http, self._clock, "Kiln", operator=True)
        moon = await found_org(self._directory, http, self._clock, "Moon Market", operator=False)
        self._screen.picture.names |= {party.id: party.name for party in (kiln, moon)}
        apps = await deployment_apps(self._directory, self._clock, sandbox, self._addresses.api)
        moons_own = await own_app(moon, sandbox, "instagram")
        self._screen.step("connecting accounts by the real redirect flow")
        accounts = (await sandbox.get("/accounts"))["accounts"]
        x1, x2 = (a for a in accounts if a["platform"] == "twitter")
        ig1, ig2 = (a for a in accounts if a["platform"] == "instagram")
        connections = [
            await connect(kiln, sandbox, x1, apps["twitter"]),
            await connect(kiln, sandbox, x2, apps["twitter"]),
            await connect(kiln, sandbox, ig1, apps["instagram"]),
            await connect(moon, sandbox, x1, apps["twitter"]),
            await connect(moon, sandbox, ig2, moons_own),
        ]
        others = [await connect(kiln, sandbox, _first(accounts, p), apps[p]) for p in _OTHERS]
        for connection in (*connections, *others):
            name = self._screen.picture.names[connection.org]
            self._screen.say(f"{name} connected {connection.platform} @{connection.username}")
        self._screen.step("reading the accounts' history")
        await await_backfill([kiln, moon], [*connections, *others], self._clock)
        held = sum([len(await p.admin.all("/v1/content")) for p in (kiln, moon)])
        self._screen.say(f"{held} posts of the past are held")
        return Cast(kiln, moon, connections, connections[0], connections[1], connections[2], others)

    async def _play(self, cast: Cast, sandbox: Sandbox, visitors: httpx.AsyncClient) -> Evidence:
        self._screen.step("launching the campaigns")
        kiln = Shop(cast.kiln, cast.of(cast.kiln), self._clock, visitors, "kiln")
        moon = Shop(cast.moon, cast.of(cast.moon), self._clock, visitors, "moon")
        for shop, name, prefix, budget in (
            (kiln, "Spring glaze", "KILN", 500_000),
            (moon, "Full moon", "MOON", 200_000),
        ):
            await shop.open(name, prefix, budget)
            self._screen.picture.names[shop.campaign_id] = name
        launched = await sandbox.get("/ledger")
        await sandbox.put("/delivery", DELIVERY)
        kill = await self._week(cast, sandbox, [kiln, moon])
        await self._settle(cast, sandbox)
        self._screen.step("comparing the service with the ledger")
        return await collect(
            cast.parties, cast.connections, cast.others, [kiln, moon], sandbox, launched, kill
        )

    async def _week(self, cast: Cast, sandbox: Sandbox, shops: list[Shop]) -> Kill:
        """Traffic, visitors and orders, with what goes wrong in between."""
        self._screen.step("people comment, like, mention, click and buy")
        await sandbox.post("/traffic", {"seconds": _TRAFFIC_AT_MOST_S, "rate": TRAFFIC_PER_S, "seed": "demo"})
        began = self._clock.monotonic()
        trouble = Trouble(cast.kiln.admin, sandbox, self._clock, self._screen.say)
        async with asyncio.TaskGroup() as business:
            for shop in shops:
                business.create_task(shop.run(visits_per_s=4, orders_per_s=1.5))
            try:
                pid = await trouble.isolate(cast.alone)
                async with asyncio.TaskGroup() as at_once:
                    at_once.create_task(trouble.pause_owner(cast.alone, pid))
                    at_once.create_task(trouble.rate_limit(cast.picture))
                    at_once.create_task(trouble.expire_token(cast.shared))
                kill = await trouble.kill_host(cast.shared)
                await asyncio.sleep(max(0.0, began + TRAFFIC_S - self._clock.monotonic()))
                await sandbox.delete("/traffic")
            finally:
                for shop in shops:
                    shop.close()
        self._screen.step("the traffic is over")
        await trouble.until_returned(cast.alone)
        return kill

    async def _settle(self, cast: Cast, sandbox: Sandbox) -> None:
        """Until nothing is on its way any more; then a last look at the platforms, and again until quiet."""
        await self._quiet(cast, sandbox)
        self._screen.step("an edit, two deletions, and a last look at the platforms")
        launched = (await sandbox.get("/ledger"))["content"]
        for connection, kind in ((cast.shared, "edit"), (cast.alone, "delete"), (cast.picture, "delete")):
            alive = [item for item in launched[connection.key] if not item["deleted"]]
            plain = [item for item in alive if item["kind"] not in ("repost", "story")]
            path = f"/accounts/{connection.platform}/{connection.external_id}/act"
            await sandbox.post(path, {"kind": kind, "content_id": plain[-_OLD]["id"]})
        for command in ("sync", "backfill"):  # what is new; then all there is, for totals no webhook tells
            for party in cast.parties:
                for connection in cast.all_of(party):
                    await party.admin.post(f"/v1/accounts/{connection.account_id}/{command}")
            await self._wait("the accounts to finish reading", lambda: _idle(cast))
        await self._quiet(cast, sandbox)

    async def _quiet(self, cast: Cast, sandbox: Sandbox) -> None:
        """No webhook under way, no mailbox with mail, and every number the same twice."""
        seen: list[object] = [None, None]

        async def quiet() -> bool:
            pending = (await sandbox.get("/healthz"))["deliveries_pending"]
            partitions = (await cast.kiln.admin.get("/v1/ops/partitions"))["items"]
            lag = sum(sum(row["lag"].values()) for row in partitions)
            seen.append(await _versions(cast))
            still = seen[-1] == seen[-2] == seen[-3]
            if not still or lag or pending:
                await asyncio.sleep(1)
            return still and not lag and not pending

        await self._wait("quiet", quiet)

    async def _wait(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """The comparison, not this, judges what never comes."""
        deadline = self._clock.monotonic() + _SETTLE_S
        while not await holds():
            if self._clock.monotonic() > deadline:
                self._screen.say(f"waited {_SETTLE_S:.0f} s for {what}, in vain")
                return
            await asyncio.sleep(0.5)


def _first(accounts: list[Json], platform: str) -> Json:
    return next(a for a in accounts if a["platform"] == platform)


async def _idle(cast: Cast) -> bool:
    for party in cast.parties:
        for connection in cast.all_of(party):
            view = await party.admin.get(f"/v1/accounts/{connection.account_id}")
            if view["job"] is not None or view["waiting_work"] or view["waiting_reads"]:
                return False
    return True


async def _versions(cast: Cast) -> list[Json]:
    """Everything that still changes, as the stores have it."""
    versions = []
    for party in cast.parties:
        for kind in ("accounts", "campaigns", "links"):
            versions += [_version(view) for view in await party.admin.all(f"/v1/{kind}")]
    return versions


def _version(view: Json) -> Json:
    return {"id": view.get("id") or view.get("code"), "version": view["version"]}


def _cause(error: Exception) -> Exception:
    """What ended a group of tasks: the first one that failed."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(30), trust_env=False)
