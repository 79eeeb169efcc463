"""From nothing in memory to the first reply: an activation loaded from the document server, beside the start
of a named Ray actor for the account."""

import asyncio
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.colony import Colony, account
from bench.processes import json_of
from bench.results import Result
from domain.clock import SystemClock
from ops.embedded import DataPlane
from storage.mongo import client as mongo
from storage.mongo import schema
from storage.mongo.entities import MongoEntityStore
from storage.records import Save


@dataclass(frozen=True, slots=True)
class Options:
    activations: int = 200
    actors: int = 40


SMALL = Options(activations=20, actors=2)


def activation(options: Options) -> Result:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        plane = DataPlane(Path(folder) / "data")
        try:
            loaded_ms = asyncio.run(_activate(plane.start().mongodb, options.activations))
        finally:
            plane.stop()
    started_ms = json_of("bench.ray_peer", options.actors)["started_ms"]
    ours, theirs = statistics.median(loaded_ms), statistics.median(started_ms)
    return Result(
        name="activation",
        title="From nothing in memory to the first reply, beside the start of a named Ray actor",
        command="python -m bench activation",
        unit="ms",
        ours=round(ours, 3),
        theirs=round(theirs, 1),
        ratio=round(theirs / ours, 1),
        detail={"loaded_ms": loaded_ms, "started_ms": started_ms, **asdict(options)},
        target=100.0,
    )


async def _activate(mongodb_url: str, number: int) -> list[float]:
    """Milliseconds from asking for an account's view to having it, each account for the first time."""
    accounts = [account(n) for n in range(number)]
    before = Colony()
    await before.begin()
    await before.live(accounts)
    documents = await before.store.load_many([a.key for a in accounts])
    database = mongo.connect(mongodb_url)
    await schema.prepare(database, before.envelope.partitions)
    store = MongoEntityStore(database)
    await store.save_many({key: Save(d, d["version"] - 1) for key, d in documents.items()})
    colony = Colony(store=store, clock=SystemClock())
    await colony.begin()
    times = []
    for one in accounts:
        begun = time.perf_counter()
        await colony.host.view(one.key)
        times.append((time.perf_counter() - begun) * 1000)
    return times
