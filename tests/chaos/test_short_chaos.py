"""The short form of `make chaos`: faults of each layer on the tier's own service; the ledger is the judge.

What ends the cluster (the GCS, the head) or needs nodes of its own is in the long form only.
"""

import os

from tests.chaos.run.judge import judge, quiet
from tests.chaos.run.processes import HEAD, Seen, descendants, seen_at
from tests.chaos.run.recovery import endure
from tests.chaos.run.schedule import Fault
from tests.chaos.run.traffic import Connected, Traffic
from tests.support.client import World

FAULTS = [
    Fault("stop_host", pick=0.9, seconds=4.0, pause=1.0, lead=0.1),
    Fault("kill_valkey", pick=0.0, seconds=0.0, pause=1.0, lead=0.0),
    Fault("kill_webhook_replica", pick=0.0, seconds=0.0, pause=1.0, lead=0.0),
    Fault("kill_documents", pick=0.0, seconds=0.0, pause=1.0, lead=0.1),
    Fault("kill_host", pick=0.0, seconds=0.0, pause=1.0, lead=0.2),
]
ACCOUNTS = 4
PATIENCE_S = 90.0


class Tier:
    """All that this very process has started."""

    nodes: tuple[str, ...] = ()
    head_starts = 1

    def processes(self) -> list[Seen]:
        return [seen for pid in descendants(os.getpid()) if (seen := seen_at(pid, HEAD))]

    def cut(self, node: str, *, from_all: bool) -> None:
        raise AssertionError("the tier has no nodes")

    def heal(self, node: str) -> None:
        raise AssertionError("the tier has no nodes")

    def node_ids(self) -> list[str | None]:
        return []


async def test_faults_of_each_layer_lose_and_double_nothing(world: World) -> None:
    await world.sandbox.put("delivery", {"duplicate": 0.2, "reorder": 0.2, "retry_scale": 0.01})
    caller = await world.org()
    connected = [await Connected.make(world, caller) for _ in range(ACCOUNTS)]
    refused_before = (await world.sandbox.ledger())["duplicates_refused"]
    traffic = Traffic(world, caller, connected, seed=1)
    traffic.start()
    try:
        for fault in FAULTS:
            endured = await endure(Tier(), fault, caller, traffic, PATIENCE_S)
            print(fault.kind, endured)
            assert endured.recovery_s is not None and endured.missing is None, (fault, endured)
        await traffic.quieten()
        assert await quiet(world, caller, PATIENCE_S)
        verdict, _ = await judge(world, caller, traffic, refused_before)
    finally:
        await traffic.stop()
    assert verdict.holds, verdict
    assert verdict.events_accepted > 100
    assert verdict.refreshes > 0
    assert verdict.publications > 0
