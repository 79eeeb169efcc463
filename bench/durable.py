"""`python -m bench durable`: webhooks whose effect is saved, per second, on the whole service.

A burst of likes over many accounts, as fast as they are accepted. The rate is what was accepted over the
time until no mailbox owes anything, so every event in it is saved; then the service's own numbers must say
the same. What used most of a core in that time is named as the bottleneck; where nothing used nearly a whole
one and the machine had nothing left, the machine is. With MONGODB_URL set the documents lie on that server,
and the result is kept beside the embedded one's.
"""

import asyncio
import os
import time
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from socket import gethostbyname
from typing import Any

from pymongo import MongoClient

from bench.load import drive
from bench.results import Result, Row, Spoiled
from bench.running import DOCUMENT_SERVER, Deployed, Deployment, Tenant, service, usage
from ops.service import Service


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 50
    seconds: float = 8.0
    connections: int = 16
    patience_s: float = 240.0


SMALL = Options(accounts=3, seconds=1.0)
WARM_UP_S = 1.0
ALL = 0.85
"""Of a core, or of all: so much used is as good as nothing left."""
PREPARED = 20_000  # more than can be accepted in the time: each like is sent once


def durable(options: Options) -> Result:
    elsewhere = os.environ.get("MONGODB_URL")  # before the service sets it for its own processes
    with service() as running:
        return asyncio.run(_measure(running, options, elsewhere))


async def _measure(running: Service, options: Options, elsewhere: str | None) -> Result:
    async with Deployment(running) as deployed:
        tenant = await deployed.tenant("Durable", options.accounts)
        await _burst(deployed, _requests(deployed, tenant, 4000), WARM_UP_S, options)
        warmed = await deployed.likes(tenant, tenant.accounts)
        requests = _requests(deployed, tenant, int(PREPARED * options.seconds / 4))
        others = _beside(elsewhere) if elsewhere else {}
        own_before = time.process_time()
        cpu_before, _ = usage(others)
        accepted, accept_s, seconds = await _burst(deployed, requests, options.seconds, options)
        cpu_after, _ = usage(others)
        own = time.process_time() - own_before  # sending
        held = await deployed.likes(tenant, tenant.accounts)
    counted = sum(held.values()) - sum(warmed.values())
    # Requests under way when the burst ended may have been accepted without our hearing of it.
    if not accepted <= counted <= accepted + options.connections:
        raise Spoiled(f"{accepted} likes were accepted, and {counted} are counted.")
    busy = {name: (cpu_after[name] - cpu_before[name]) / seconds for name in cpu_after}
    cores = {"hosts": running.settings.hosts, "webhooks": 2}
    share = {name: used / cores.get(name, 1) for name, used in busy.items()}
    bottleneck = most = max((n for n in share if n != "Ray"), key=lambda n: share[n])
    machine = os.cpu_count() or 1
    whole = sum(busy.values()) + own / seconds
    if share[most] < ALL and whole > ALL * machine:
        bottleneck = f"the machine's {machine} cores, used most by {max(busy, key=lambda n: busy[n])}"
    if elsewhere and not others:
        bottleneck += " (the document server's own use is not seen from here)"
    where = _server(elsewhere) if elsewhere else "embedded (secantusdb)"
    per_second = counted / seconds
    print(f"bottleneck: {bottleneck}; {most} use {share[most]:.2f} of a core each", flush=True)
    return Result(
        name="durable_elsewhere" if elsewhere else "durable",
        title=f"Webhooks accepted and their effect saved, documents in {where}; bottleneck: {bottleneck}",
        command="MONGODB_URL=... python -m bench durable" if elsewhere else "python -m bench durable",
        unit="events/s",
        ours=round(per_second, 1),
        theirs=None,
        ratio=None,
        rows=[
            Row("Accepted meanwhile (answered 200)", "events/s", round(accepted / accept_s, 1)),
            *(
                Row(f"CPU of {name} for each event", "µs", round(used * seconds / counted * 1e6, 1))
                for name, used in sorted(busy.items(), key=lambda item: -item[1])
                if used > 0.02
            ),
        ],
        detail={
            "events": counted,
            "bottleneck": bottleneck,
            "cores_used": {name: round(used, 3) for name, used in busy.items()} | {"all": round(whole, 3)},
            "server": where,
            **asdict(options),
        },
    )


def _requests(deployed: Deployed, tenant: Tenant, number: int) -> list[bytes]:
    return [deployed.like(tenant, tenant.accounts[n % len(tenant.accounts)]) for n in range(number)]


async def _burst(
    deployed: Deployed, requests: list[bytes], seconds: float, options: Options
) -> tuple[int, float, float]:
    """Accepted, seconds of accepting, seconds until everything was saved."""
    began = time.perf_counter()
    load = await asyncio.to_thread(drive, deployed.port, requests, options.connections, seconds)
    if load.failed:
        raise Spoiled(f"{load.failed} webhooks were not accepted: {dict(load.statuses)}.")
    if load.accepted > len(requests):
        raise Spoiled("More was accepted than was prepared: likes were sent twice.")
    if await deployed.drained(options.patience_s) is None:
        raise Spoiled(f"After {options.patience_s:.0f} s {deployed.owed()} messages were still owed.")
    return load.accepted, seconds, time.perf_counter() - began


def _server(url: str) -> str:
    with MongoClient[dict[str, object]](url) as client:
        return f"the server at MONGODB_URL (says version {client.server_info()['version']})"


def _beside(url: str) -> dict[int, str]:
    """The process of a document server that runs on this machine; none of one that runs elsewhere."""
    with MongoClient[dict[str, Any]](url) as client:
        address = client.address
        if address is None or not ip_address(gethostbyname(address[0])).is_loopback:
            return {}
        return {int(client.admin.command("serverStatus")["pid"]): DOCUMENT_SERVER}
