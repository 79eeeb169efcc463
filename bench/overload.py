"""`python -m bench overload`: ten times what the service can hold, and one org that floods.

An org of neighbours gets a few likes a second the whole time. Then another org's single account is flooded
with ten times the rate that the service makes durable, while the store for mailboxes may take only a little
more memory: what is too much must be refused with 429 or 503 and a Retry-After. Judged: the memory of every
process, accepted events that are missing in the end, refusals without a hint, the neighbours' latency
before and during (answer, and effect saved), and whether everything is as before without help.

The load generator shares the machine with the service and cannot send ten times what a quick document server
makes durable. So the document server is slow throughout, before as well as after: it is halted for most of
every tenth of a second. One given by MONGODB_URL is as quick as it is.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from bench.paced import Paced, percentile, send
from bench.processes import descendants
from bench.results import Result, Row, Spoiled
from bench.running import DOCUMENT_SERVER, Deployed, Deployment, Tenant, name_of, service, usage
from ops.demo.wire import Refused
from ops.service import Service

MIB = 2**20
SLOWED_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    neighbours: int = 10
    neighbours_rate: float = 20.0
    calm_s: float = 10.0
    flood_s: float = 10.0
    flood_times: float = 10.0  # what the service makes durable
    awake_share: float = 0.2  # of the document server
    connections: int = 128
    spare_mib: float = 6.0
    patience_s: float = 240.0


SMALL = Options(neighbours=2, calm_s=3, flood_s=2, spare_mib=0.5)


@dataclass(slots=True)
class Probe:
    """Neighbours' likes, and how long the last of each second took to be saved."""

    load: Paced = field(default_factory=Paced)
    saved_s: list[float] = field(default_factory=list)
    failed: int = 0


def overload(options: Options) -> Result:
    with service() as running:
        return asyncio.run(_measure(running, options))


async def _measure(running: Service, options: Options) -> Result:
    async with Deployment(running) as deployed:
        near = await deployed.tenant("Neighbours", options.neighbours)
        loud = await deployed.tenant("Loud", 1)
        first = await deployed.likes(near, near.accounts), await deployed.likes(loud, loud.accounts)
        await _probe(deployed, near, options, 3.0)  # warm
        slowing = asyncio.create_task(_slowed(options.awake_share))
        capacity = await _capacity(deployed, near)
        before = await _probe(deployed, near, options, options.calm_s)
        _, rest = usage()
        used = int(deployed.store.info("memory")["used_memory"])
        limit = int((used + options.spare_mib * MIB) / 0.8)  # accepting stops at 0.8 of it
        deployed.store.config_set("maxmemory", limit)
        peak = _Peak(deployed)
        watching = asyncio.create_task(peak.watch())
        rate = capacity * options.flood_times
        flooding = asyncio.create_task(
            asyncio.to_thread(
                send, deployed.port, _likes(deployed, loud), rate, options.flood_s, options.connections,
            )
        )  # fmt: skip
        during = await _probe(deployed, near, options, options.flood_s)
        flood = await flooding
        ended = time.perf_counter()
        drained = await deployed.drained(options.patience_s)
        recovered_s = time.perf_counter() - ended
        watching.cancel()
        after = await _probe(deployed, near, options, options.calm_s)
        if drained is None or await deployed.drained(options.patience_s) is None:
            raise Spoiled(f"{deployed.owed()} messages are owed long after the flood: it did not recover.")
        slowing.cancel()
        with suppress(asyncio.CancelledError):
            await slowing
        last = await deployed.likes(near, near.accounts), await deployed.likes(loud, loud.accounts)
    rows = _rows(options, before, during, after, flood, peak, rest, recovered_s)
    counted = sum(last[1].values()) - sum(first[1].values())
    lost = max(0, len(flood.accepted()) - counted)
    refused = [a for a in flood.answers if a.status != 200]
    unkind = sum(a.status not in (429, 503) or not a.retry_after for a in refused)
    rows += [
        Row("Flood offered", "events/s", round(rate, 1)),
        Row("Flood accepted", "events/s", round(len(flood.accepted()) / options.flood_s, 1)),
        Row("Flood refused with 429 or 503", "events/s",
            round(sum(a.status in (429, 503) for a in refused) / options.flood_s, 1)),
        Row("Refused without Retry-After, or with another status", "events", unkind, target=0),
        Row("Connections closed without an answer", "connections", flood.dropped, target=0),
        Row("Neighbours' webhooks refused meanwhile", "events",
            sum(a.status != 200 for a in during.load.answers), target=0),
        Row("Made durable per second before the flood", "events/s", round(capacity, 1)),
    ]  # fmt: skip
    return Result(
        name="overload",
        title=f"Accepted events lost at {options.flood_times:.0f} times the durable rate",
        command="python -m bench overload",
        unit="events",
        ours=lost,
        theirs=None,
        ratio=None,
        target=0,
        rows=rows,
        detail={
            "statuses": {str(k): v for k, v in sorted(flood.statuses.items())},
            "counted_of_flood": counted,
            "neighbours_refused": sum(a.status != 200 for a in during.load.answers),
            "memory_mib_before": {k: round(v / MIB) for k, v in rest.items()},
            "memory_mib_peak": {k: round(v / MIB) for k, v in peak.held.items()},
            **asdict(options),
        },
    )


def _rows(
    options: Options,
    before: Probe,
    during: Probe,
    after: Probe,
    flood: Paced,
    peak: "_Peak",
    rest: Counter[str],
    recovered_s: float,
) -> list[Row]:
    def answered(probe: Probe) -> float:
        return round(percentile([a.at - a.due for a in probe.load.accepted()], 0.99), 3)

    def saved(probe: Probe) -> float:
        return round(percentile(probe.saved_s, 0.99), 3)

    grown = max((peak.held[name] - rest[name] for name in peak.held), default=0)
    return [
        Row("Neighbours' webhooks answered, p99, before", "s", answered(before)),
        Row("Neighbours' webhooks answered, p99, during", "s", answered(during)),
        Row("Neighbours' webhooks answered, p99, after", "s", answered(after)),
        Row("Neighbours' likes saved, p99, before", "s", saved(before)),
        Row("Neighbours' likes saved, p99, during", "s", saved(during)),
        Row("Neighbours' likes saved, p99, after", "s", saved(after)),
        Row("Most memory any kind of process grew by", "MiB", round(grown / MIB, 1)),
        Row("Until everything accepted was saved", "s", round(recovered_s, 1)),
    ]


class _Peak:
    """The most memory each kind of process held."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self.held: Counter[str] = Counter()

    async def watch(self) -> None:
        while True:
            _, held = await asyncio.to_thread(usage)
            self.held |= held
            await asyncio.sleep(0.5)


def _likes(deployed: Deployed, tenant: Tenant) -> Callable[[int], tuple[str, bytes]]:
    def make(n: int) -> tuple[str, bytes]:
        account = tenant.accounts[n % len(tenant.accounts)]
        return account.account_id, deployed.like(tenant, account)

    return make


async def _capacity(deployed: Deployed, tenant: Tenant) -> float:
    """Events a second that are made durable, by a burst of more than can be meanwhile."""
    began = time.perf_counter()
    load = await asyncio.to_thread(send, deployed.port, _likes(deployed, tenant), 1500.0, 1.0, 16)
    if await deployed.drained(60.0) is None:
        raise Spoiled("A burst of likes was not saved within a minute.")
    return len(load.accepted()) / (time.perf_counter() - began)


async def _slowed(awake_share: float) -> None:
    """Let the document server run for so much of the time; one that is not ours is left alone."""
    ours = [pid for pid in descendants(os.getpid()) if name_of(pid) == DOCUMENT_SERVER]
    try:
        while True:
            _signal(ours, signal.SIGSTOP)
            await asyncio.sleep(SLOWED_EVERY_S * (1 - awake_share))
            _signal(ours, signal.SIGCONT)
            await asyncio.sleep(SLOWED_EVERY_S * awake_share)
    finally:
        _signal(ours, signal.SIGCONT)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


async def _probe(deployed: Deployed, tenant: Tenant, options: Options, seconds: float) -> Probe:
    """A steady trickle, and once in a while a like that is followed until the account shows it."""
    probe = Probe()
    # The last account is followed, and liked by nobody else.
    others = Tenant(tenant.party, tenant.accounts[:-1] or tenant.accounts, tenant.posts)
    trickle = asyncio.create_task(
        asyncio.to_thread(send, deployed.port, _likes(deployed, others), options.neighbours_rate, seconds, 4)
    )
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        try:
            probe.saved_s.append(await _followed(deployed, tenant))
        except Refused:
            probe.failed += 1
        await asyncio.sleep(0.2)
    probe.load = await trickle
    return probe


async def _followed(deployed: Deployed, tenant: Tenant) -> float:
    """Seconds from sending a like until the owner has counted it."""
    api, path = tenant.party.admin, f"/v1/accounts/{tenant.accounts[-1].account_id}"
    known = _webhooks(await api.get(path))
    began = time.perf_counter()
    one = Tenant(tenant.party, [tenant.accounts[-1]], tenant.posts)
    load = await asyncio.to_thread(send, deployed.port, _likes(deployed, one), 1.0, 1.0, 1)
    if not load.accepted():
        raise Refused("A neighbour's webhook was refused.")
    while _webhooks(await api.get(path)) <= known:  # noqa: ASYNC110  # another process counts
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


def _webhooks(view: dict[str, object]) -> int:
    counters = view["counters"]
    assert isinstance(counters, dict)
    return int(counters.get("webhooks", 0))
