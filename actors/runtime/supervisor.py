"""Assigns partitions to hosts and keeps the hosts running today's code. Small, and safe to lose.

Guarantee: it only ever writes wishes (assignments); ownership is what hosts claim. Two supervisors at once,
or none for a while, change nothing for messages in flight.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from actors.runtime.tasks import Tasks
from storage.ports import Claims

log = structlog.get_logger()

INTERVAL_S = 2.0


class Hosts(Protocol):
    async def ensure(self, name: str) -> None:
        """Start the host unless it runs."""
        ...

    async def status(self, name: str) -> dict[str, Any] | None: ...

    async def replace(self, name: str) -> None: ...


def assignment(hosts: Sequence[str], partitions: int) -> dict[int, str]:
    """Round robin: equal shares, the same answer every time."""
    return {p: hosts[p % len(hosts)] for p in range(partitions)}


class Supervisor:
    def __init__(self, claims: Claims, hosts: Hosts, count: int, partitions: int, build: str) -> None:
        self._claims = claims
        self._hosts = hosts
        self._names = [f"host-{n}" for n in range(count)]
        self._partitions = partitions
        self._build = build
        self._tasks = Tasks()
        self._seen: dict[str, dict[str, Any] | None] = {}

    def start(self) -> None:
        self._tasks.loop(self.step, "supervision")

    async def step(self) -> float:
        wanted = assignment(self._names, self._partitions)
        if {c.partition: c.host for c in await self._claims.all()} != wanted:
            await self._claims.assign(wanted, self._build)
        for name in self._names:
            await self._hosts.ensure(name)
            status = self._seen[name] = await self._hosts.status(name)
            if status is not None and status.get("build", self._build) != self._build:
                log.info("host.replaced", host=name, old_build=status["build"], build=self._build)
                await self._hosts.replace(name)
        return INTERVAL_S

    def status(self) -> dict[str, Any]:
        return {"build": self._build, "hosts": self._seen}
