"""Our side of the comparison: one host process that owns all accounts, and as many racing commands to each.

Run as a process of its own, so that it can be stopped and killed. The platform's ledger judges.
"""

import asyncio
import sys
import time

from actors.runtime.addressing import Addressing
from actors.runtime.entity import Message
from actors.runtime.host import Host
from actors.runtime.plan import share
from bench.sync.job import PARTITIONS, Job
from bench.sync.ours import HOST, NoActors, connect, into_server
from domain.errors import Busy
from domain.ids import EntityKey
from platforms.registry import PLATFORMS
from storage.keys import Keys


async def race(job: Job, racers: int) -> None:
    """Connect with tokens that have expired, let `racers` commands for each account go at once, and say when
    every account has been read after all of them."""
    keys = Keys.load(str(job.folder / "keys.json"))
    parts, leases = await into_server(job, keys)
    await parts.claims.assign(share({}, [HOST], PARTITIONS), "bench")
    host = Host(
        HOST, "bench", parts, Addressing(parts.store, parts.envelope, PLATFORMS), NoActors(), leases=leases
    )
    host.start()
    while len(host.ownership.held) < PARTITIONS:  # noqa: ASYNC110  # claims come from the store
        await asyncio.sleep(0.05)
    began = time.perf_counter()
    found = [await connect(host, keys, account, expires_in_s=1) for account in job.accounts]

    async def command(key: EntityKey, n: int) -> None:
        """As its caller does, who is told to come again while too many wait."""
        while True:
            try:
                await host.ask(key, Message("sync", {}, f"race-{n}"))
                return
            except Busy as busy:
                await asyncio.sleep(busy.retry_after_s)

    await asyncio.gather(*(command(key, n) for key in found for n in range(racers)))
    waiting = set(found)
    while waiting:
        for key in list(waiting):
            view = await host.view(key)
            if view["status"] != "connected" or (
                view["sync"] and view["job"] is None and not view["waiting_work"]
            ):
                waiting.discard(key)
        await asyncio.sleep(0.05)
    print(f"done {time.perf_counter() - began:.3f}", flush=True)
    await host.stop()


def main() -> None:
    asyncio.run(race(Job.read(), int(sys.argv[1])))


if __name__ == "__main__":
    main()
