"""`python -m bench takeover`: from the SIGKILL of a host to the first message applied by its successor.

The whole service on one node, accounts on all hosts, a trickle of webhooks for all of them throughout. Again
and again the host of some account is killed. Over is a round when the account's document, as it lies in the
document server, counts a webhook more than the dead host had saved: nothing that is only in memory or on its
way counts. In the end every accepted like must have been counted once.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.paced import Paced, percentile, send
from bench.results import Result, Row, Spoiled
from bench.running import Deployed, Deployment, Tenant, service
from domain.ids import Kind
from ops.demo.connect import Connection, Party
from ops.service import Service
from storage.mongo import client as mongo
from storage.mongo.schema import ENTITIES

LOOK_EVERY_S = 0.01
LAST_WRITE_S = 0.1
"""What a host had sent to the document server when it was killed has arrived by then."""


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int = 25
    accounts: int = 8
    rate: float = 40.0
    calm_s: float = 3.0
    patience_s: float = 90.0


SMALL = Options(rounds=1, accounts=2, calm_s=1.0)


def takeover(options: Options) -> Result:
    with service() as running:
        return asyncio.run(_measure(running, options))


async def _measure(running: Service, options: Options) -> Result:
    async with Deployment(running) as deployed:
        tenant = await deployed.tenant("Taken", options.accounts, operator=True)
        before = sum((await deployed.likes(tenant, tenant.accounts)).values())
        killed = _Killed(running, tenant.party)
        loads: list[Paced] = []
        found: list[float] = []
        for n in range(options.rounds):
            account = tenant.accounts[n % len(tenant.accounts)]
            sending = asyncio.create_task(_trickle(deployed, tenant, options))
            await asyncio.sleep(options.calm_s / 2)
            found.append(await killed.once(account, options.patience_s))
            loads.append(await sending)
            await killed.whole(options.patience_s)
        if await deployed.drained(options.patience_s) is None:
            raise Spoiled(f"{deployed.owed()} messages are owed long after the last kill.")
        counted = sum((await deployed.likes(tenant, tenant.accounts)).values()) - before
    accepted = sum(len(load.accepted()) for load in loads)
    if counted != accepted:
        raise Spoiled(f"{accepted} likes were accepted, and {counted} are counted.")
    p50, p99 = percentile(found, 0.5), percentile(found, 0.99)
    return Result(
        name="takeover",
        title=f"From the SIGKILL of a host to what its successor applies first, p50 of {options.rounds}",
        command="python -m bench takeover",
        unit="s",
        ours=round(p50, 2),
        theirs=None,
        ratio=None,
        target=5.0,
        rows=[Row("The same, p99", "s", round(p99, 2), target=15.0)],
        detail={"each_s": [round(s, 2) for s in found], "accepted": accepted, **asdict(options)},
    )


class _Killed:
    """Kills the host of an account, and looks at the account's document from outside."""

    def __init__(self, running: Service, operator: Party) -> None:
        url = running.settings.mongodb_url
        assert url is not None
        self._accounts = mongo.connect(url)[ENTITIES[Kind.ACCOUNT]]
        self._api = operator.admin

    async def once(self, account: Connection, patience_s: float) -> float:
        """Seconds."""
        shown = await self._api.get(f"/v1/ops/entities/account/{account.account_id}")
        host = next(h for h in await self._hosts() if h["name"] == shown["host"])
        began = time.perf_counter()
        os.kill(host["pid"], signal.SIGKILL)
        await asyncio.sleep(LAST_WRITE_S)
        saved = await self._webhooks(account)
        while await self._webhooks(account) == saved:
            if time.perf_counter() - began > patience_s:
                raise Spoiled(f"No message was applied within {patience_s:.0f} s after a host was killed.")
            await asyncio.sleep(LOOK_EVERY_S)
        return time.perf_counter() - began

    async def whole(self, patience_s: float) -> None:
        """Until every host answers and has partitions again."""
        ends = time.perf_counter() + patience_s
        while not all(host.get("pid") and host["partitions"] for host in await self._hosts()):
            if time.perf_counter() > ends:
                raise Spoiled("A host that was killed did not come back.")
            await asyncio.sleep(0.2)

    async def _hosts(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self._api.get("/v1/ops/hosts"))["items"]
        return items

    async def _webhooks(self, account: Connection) -> int:
        found = await self._accounts.find_one({"_id": account.account_id}, {"counters": 1})
        assert found is not None
        return int(found["counters"].get("webhooks", 0))


async def _trickle(deployed: Deployed, tenant: Tenant, options: Options) -> Paced:
    def make(n: int) -> tuple[str, bytes]:
        account = tenant.accounts[n % len(tenant.accounts)]
        return account.account_id, deployed.like(tenant, account)

    return await asyncio.to_thread(_send, deployed.port, make, options)


def _send(port: int, make: Callable[[int], tuple[str, bytes]], options: Options) -> Paced:
    load = send(port, make, options.rate, options.calm_s, 8)
    if load.dropped or set(load.statuses) - {200}:
        raise Spoiled(f"Not every webhook was accepted: {dict(load.statuses)}, {load.dropped} dropped.")
    return load
