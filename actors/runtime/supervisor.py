"""Keeps as many hosts as an operator wants, running today's code, with equal shares of the partitions.

Small, and safe to lose: what it wants is decided anew from what it sees (`plan.py`), and the wish for hosts
is in MongoDB. A partition changes hands through its owner, which lets go of it in good order; it is taken
away from a host only if that has not answered, or not let go, for a minute. Either way ownership is what
hosts claim, so two supervisors at once, or none for a while, change nothing for messages in flight.
"""

import asyncio
from typing import Any, Protocol

import structlog

from actors.runtime.plan import HostSeen, Move, Plan, plan
from actors.runtime.tasks import Tasks
from domain.clock import Clock
from storage.ports import Claims

log = structlog.get_logger()

INTERVAL_S = 2.0
PASS_S = 2.0
"""How long it makes moves before it looks at everything again."""
LOST_S = 60.0
"""A host that has not answered for so long loses its partitions (Ray restarts most within seconds), and one
that has not let go of a partition for so long loses that."""


class HostAway(Exception):
    """It did not answer: whether it did what was asked is unknown."""


class Hosts(Protocol):
    async def nodes(self) -> list[str]:
        """The nodes that can run a host."""
        ...

    async def names(self) -> list[str]:
        """The hosts that exist, whether or not they answer."""
        ...

    async def start(self, name: str, node: str | None) -> None:
        """Start the host, on that node if it can be."""
        ...

    async def status(self, name: str) -> dict[str, Any] | None:
        """None when it does not answer."""
        ...

    async def release(self, name: str, partition: int, to: str) -> bool:
        """Have the host hand the partition over; False when it does not serve it, or cannot let go of it
        yet. HostAway when it does not answer."""
        ...

    async def take(self, name: str, partition: int) -> None:
        """Tell the host that the partition is assigned to it. HostAway when it does not answer."""
        ...

    async def end(self, name: str) -> None:
        """Drain the host and end it."""
        ...


class Supervisor:
    def __init__(
        self, claims: Claims, hosts: Hosts, count: int, partitions: int, build: str, clock: Clock
    ) -> None:
        """`count`: as many hosts as there are while no operator has said."""
        self._claims = claims
        self._hosts = hosts
        self._count = count
        self._partitions = partitions
        self._build = build
        self._clock = clock
        self._tasks = Tasks()
        self._answered: dict[str, float] = {}  # host -> monotonic time
        self._asked: dict[str, str] = {}  # host -> the node that it was started for
        self._unusable: set[str] = set()  # nodes that were asked for and not given
        self._refused: dict[int, float] = {}  # partition -> since when its host does not let go
        self._plan = Plan()
        self._seen: dict[str, dict[str, Any] | None] = {}

    def start(self) -> None:
        self._tasks.loop(self.step, "supervision")

    async def step(self) -> float:
        made = self._plan = await self._look()
        for name, node in made.start.items():
            log.info("host.starting", host=name)
            if node is not None:
                self._asked[name] = node
            await self._hosts.start(name, node)
        unowned = {m.partition: m.target for m in made.moves if m.source is None}
        if unowned:
            await self._claims.assign(unowned, self._build)
        until = self._clock.monotonic() + PASS_S
        moved = False
        for move in made.moves:
            if self._clock.monotonic() < until:
                moved = await self._move(move) or moved
        for name in made.retire:
            log.info("host.ending", host=name)
            await self._hosts.end(name)
        return 0.0 if moved or made.retire else INTERVAL_S

    async def _look(self) -> Plan:
        wish = await self._claims.wish()
        owners = {claim.partition: claim.host for claim in await self._claims.all()}
        names = await self._hosts.names()
        statuses = await asyncio.gather(*map(self._hosts.status, names))
        self._seen = dict(zip(names, statuses, strict=True))
        now = self._clock.monotonic()
        seen = {}
        for name, status in self._seen.items():
            if status is not None or name not in self._answered:
                self._answered[name] = now
            lost = now - self._answered[name] > LOST_S
            ready = status is not None and not status.get("starting")
            seen[name] = HostSeen(ready, (status or {}).get("build"), (status or {}).get("node"), lost)
        self._answered = {name: at for name, at in self._answered.items() if name in seen}
        nodes = await self._usable_nodes(seen)
        count = self._count if wish is None else wish
        return plan(count, self._partitions, owners, seen, self._build, nodes)

    async def _usable_nodes(self, seen: dict[str, HostSeen]) -> set[str]:
        """A node that got none of the hosts that were started for it is left alone until it joins again."""
        alive = set(await self._hosts.nodes())
        for name, node in list(self._asked.items()):
            if name in seen and seen[name].ready:
                del self._asked[name]
                if seen[name].node != node:
                    self._unusable.add(node)
        self._unusable &= alive
        return alive - self._unusable

    async def _move(self, move: Move) -> bool:
        """Whether the new owner knows of it."""
        try:
            if move.source is not None and not await self._released(move.source, move):
                return False
            if (self._seen.get(move.target) or {"starting": True}).get("starting"):
                return False  # it finds out by itself
            await self._hosts.take(move.target, move.partition)
        except HostAway as away:  # what happened is in the claims
            log.info("partition.move_interrupted", partition=move.partition, host=str(away))
            return False
        return True

    async def _released(self, source: str, move: Move) -> bool:
        if await self._hosts.release(source, move.partition, move.target):
            self._refused.pop(move.partition, None)
            return True
        now = self._clock.monotonic()
        if now - self._refused.setdefault(move.partition, now) < LOST_S:
            return False
        log.warning("partition.taken_away", partition=move.partition, host=source)
        del self._refused[move.partition]
        await self._claims.assign({move.partition: move.target}, self._build)
        return True

    def status(self) -> dict[str, Any]:
        return {
            "build": self._build,
            "hosts": self._seen,
            "moving": len(self._plan.moves) + self._plan.waiting,
        }
