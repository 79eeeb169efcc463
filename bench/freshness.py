"""`python -m bench freshness`: from a webhook's arrival to the campaign's number on the WebSocket.

300 likes a second over 50 accounts in 5 campaigns, on the whole service. A campaign's likes only grow, so its
n-th like was shown when its snapshot first said n. A webhook that is refused, or a like that is not shown in
the end, spoils the run.
"""

import asyncio
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass

import orjson
from websockets.asyncio.client import connect

from api.live_hub import SNAPSHOT
from bench.paced import Paced, percentile, send
from bench.results import Result, Row, Spoiled
from bench.running import DOCUMENT_SERVER, Deployed, Deployment, Tenant, service, usage
from ops.service import Service


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 50
    campaigns: int = 5
    rate: float = 300.0
    seconds: float = 30.0
    connections: int = 32
    target_s: float = 2.5


SMALL = Options(accounts=4, campaigns=2, rate=40, seconds=4)
WARM_UP_S = 3.0
PATIENCE_S = 60.0


class Watch:
    """The org's live feed: when each campaign was first shown with so many likes."""

    def __init__(self, deployed: Deployed, tenant: Tenant) -> None:
        self._deployed, self._tenant = deployed, tenant
        self.shown: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        url = f"ws://127.0.0.1:{self._deployed.port}/v1/live"
        async with connect(url, proxy=None) as socket:
            await socket.send(
                orjson.dumps({"type": "auth", "token": self._tenant.party.analyst.token}).decode()
            )
            await socket.send(orjson.dumps({"type": "subscribe", "types": [SNAPSHOT]}).decode())
            async for text in socket:
                message = orjson.loads(text)
                if message["type"] == "subscribed":
                    self.ready.set()
                elif message["type"] == "snapshot":
                    campaign = message["campaign"]
                    likes = campaign["performance"]["engagement"]["likes"]
                    self.shown[campaign["id"]].append((time.time(), likes))

    def likes(self) -> dict[str, int]:
        return {id_: shown[-1][1] for id_, shown in self.shown.items()}


def freshness(options: Options) -> Result:
    with service() as running:
        return asyncio.run(_measure(running, options))


async def _measure(running: Service, options: Options) -> Result:
    async with Deployment(running) as deployed:
        print("connecting", file=sys.stderr, flush=True)
        tenant = await deployed.tenant("Fresh", options.accounts, options.campaigns)
        await _drive(deployed, tenant, options, WARM_UP_S)
        watch = Watch(deployed, tenant)
        task = asyncio.create_task(watch.run())
        await _either(watch.ready, task)
        before = {id_: await _likes_of(tenant, id_) for id_ in tenant.campaigns}
        cpu_before, _ = usage()
        load = await _drive(deployed, tenant, options, options.seconds)
        cpu_after, _ = usage()
        delays = await _delays(watch, load, before)
        task.cancel()
    p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
    accept = [a.at - a.due for a in load.accepted()]
    cpu = {name: round((cpu_after[name] - cpu_before[name]) / options.seconds, 3) for name in cpu_after}
    return Result(
        name="freshness",
        title=f"Webhook in to campaign metric out on the WebSocket, p99 at {options.rate:g} events/s over "
        f"{options.accounts} accounts and {options.campaigns} campaigns",
        command="python -m bench freshness",
        unit="s",
        ours=round(p99, 3),
        theirs=None,
        ratio=None,
        target=options.target_s,
        rows=[
            Row("The same, p50", "s", round(p50, 3)),
            Row("Webhook answered, p99", "s", round(percentile(accept, 0.99), 4)),
        ],
        limit=f"the document server used {cpu.get(DOCUMENT_SERVER, 0.0):.2f} cores, and the embedded one has "
        "no more than one. A faster core lifts it, or a document server that uses several.",
        detail={"cores_used": cpu, "events": len(delays), **asdict(options)},
    )


async def _drive(deployed: Deployed, tenant: Tenant, options: Options, seconds: float) -> Paced:
    by_account = {c.account_id: id_ for id_, members in tenant.campaigns.items() for c in members}

    def make(n: int) -> tuple[str, bytes]:
        account = tenant.accounts[n % len(tenant.accounts)]
        return by_account[account.account_id], deployed.like(tenant, account)

    load = await asyncio.to_thread(send, deployed.port, make, options.rate, seconds, options.connections)
    if load.dropped or set(load.statuses) - {200} or len(load.answers) < options.rate * seconds * 0.99:
        raise Spoiled(f"Not every webhook was accepted: {dict(load.statuses)}, {load.dropped} dropped.")
    if await deployed.drained(PATIENCE_S) is None:
        raise Spoiled(f"After {PATIENCE_S:.0f} s {deployed.owed()} messages were still owed.")
    await asyncio.sleep(2.0)  # the bus and the snapshots behind the mailboxes
    return load


async def _delays(watch: Watch, load: Paced, before: dict[str, int]) -> list[float]:
    """Seconds from when each like was sent until its campaign was shown with it."""
    sent: dict[str, list[float]] = defaultdict(list)
    for answer in load.accepted():
        sent[answer.label].append(answer.due)
    for _ in range(int(PATIENCE_S)):
        if all(watch.likes().get(id_, 0) >= before[id_] + len(due) for id_, due in sent.items()):
            break
        await asyncio.sleep(1.0)
    else:
        raise Spoiled(f"Shown in the end: {watch.likes()}; sent: { {i: len(d) for i, d in sent.items()} }.")
    delays = []
    for id_, due in sent.items():
        shown = iter(watch.shown[id_])
        at, likes = next(shown)
        for n, moment in enumerate(sorted(due), start=before[id_] + 1):
            while likes < n:
                at, likes = next(shown)
            delays.append(at - moment)
    return delays


async def _likes_of(tenant: Tenant, campaign_id: str) -> int:
    metrics = await tenant.party.admin.get(f"/v1/campaigns/{campaign_id}/metrics")
    return int(metrics["performance"]["engagement"]["likes"])


async def _either(ready: asyncio.Event, task: "asyncio.Task[None]") -> None:
    """Until it is ready; raises what ended the task before."""
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((waiting, task), timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    if not waiting.done():
        raise Spoiled("The WebSocket did not get ready.")
