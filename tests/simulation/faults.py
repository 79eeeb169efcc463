"""What goes wrong, and how often: every seed has a mix of its own, so that some are rare together with much
of others (a fault that is always there hides what only happens without it)."""

import asyncio
import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.loop import Process
from tests.simulation.network import GOES_WELL, REDIS, Fate

if TYPE_CHECKING:
    from tests.simulation.world import World

KINDS = (
    "crash",
    "freeze",
    "cut",
    "double",
    "scale",
    "supervisor",
    "actor",
    "skew",
    "store_before",
    "store_after",
    "store_half",
    "store_slow",
    "store_late",
    "stall",
    "call_slow",
    "old_route",
    "documents_away",
    "redis_away",
    "bus_repeated",
    "platform_429",
    "platform_500",
    "platform_unsent",
    "platform_unheard",
    "platform_slow",
    "raise",
    "kill",
)
"""Everything but lost Redis data, which changes what may be expected."""

LOSSES = ("redis_tail",)
"""What Redis had acknowledged and does not know any more, as after a failover to a replica that lagged."""

_NEVER_LATE = frozenset({"claim", "raise_attempts"})
"""Calls whose real counterpart is bound to what it read before: it changes nothing when it comes late."""


class Faults:
    """`rate(kind)` is 0 where this seed does without."""

    def __init__(self, random: Random, kinds: tuple[str, ...] = KINDS) -> None:
        self._random = random
        chosen = [k for k in kinds if random.random() < 0.6]
        self._rates = {k: random.choice((0.3, 1.0, 2.0)) for k in chosen}
        if "crash" in kinds:
            self._rates["crash"] = random.choice((0.7, 1.0))
        self.on = False
        self.done: Counter[str] = Counter()

    def rate(self, kind: str) -> float:
        return self._rates.get(kind, 0.0) if self.on else 0.0

    def happens(self, kind: str, chance: float) -> bool:
        rate = self.rate(kind)
        if rate and self._random.random() < chance * rate:
            self.done[kind] += 1
            return True
        return False

    # -- processes ----------------------------------------------------------------------------------
    def of_start(self, process: Process) -> None:
        """How long it shall live, in callbacks, and how wrong its clock is."""
        kind = {"a": "actor", "s": "supervisor"}.get(process.name[0], "crash")
        if self.happens(kind, 0.9):
            process.fuse = 1 + int(math.exp(self._random.random() * math.log(300.0)))
        if self.happens("skew", 0.3):
            process.skew_s = self._random.uniform(-1.0, 1.0)

    # -- stores -------------------------------------------------------------------------------------
    def of_request(self, process: Process, service: str, method: str) -> Fate:
        if not self.on:
            return GOES_WELL
        dice = self._random.random()
        if dice > 0.08:
            return GOES_WELL
        if dice < 0.01 and self.happens("store_before", 1.0):
            return Fate("before")
        if dice < 0.02 and self.happens("store_after", 1.0):
            return Fate("after")
        if dice < 0.03 and self.happens("store_half", 1.0):
            return Fate("half")
        if dice < 0.04 and method not in _NEVER_LATE and self.happens("store_late", 1.0):
            return Fate(delay_s=self._random.uniform(0.0, 3.0), given_up=True)
        if self.happens("store_slow", 1.0):
            return Fate(delay_s=self._random.choice((0.001, 0.05, 1.0)))
        return GOES_WELL

    def of_intent(self) -> float:
        """For how long a process stands still that has just sent the save of an intent: what is saved then is
        about to be done, and is done much later."""
        return self._random.uniform(5.0, 45.0) if self.happens("stall", 0.05) else 0.0

    # -- calls between processes ----------------------------------------------------------------------
    def of_answer(self) -> float:
        """How long an answer of another process is under way."""
        return self._random.uniform(0.0, 5.0) if self.happens("call_slow", 0.15) else 0.0

    def of_route(self) -> bool:
        """Whether a caller that may not have heard of a move, or of a restart, has not."""
        return self.happens("old_route", 0.4)

    # -- platform -----------------------------------------------------------------------------------
    def of_call(self, process: Process, family: str) -> tuple[str, float]:
        slow = self._random.uniform(0.0, 25.0) if self.happens("platform_slow", 0.1) else 0.02
        for kind in ("429", "500", "unsent", "unheard"):
            if self.happens(f"platform_{kind}", 0.06):
                return kind, slow
        return "", slow

    # -- what befalls the world from time to time ---------------------------------------------------
    async def befall(self, world: "World") -> None:
        """One fault after the other until switched off."""
        troubles = {
            "freeze": (2.0, self._freeze),
            "cut": (3.0, self._cut),
            "double": (4.0, self._double),
            "scale": (6.0, self._scale),
            "documents_away": (8.0, self._documents_away),
            "redis_away": (8.0, self._redis_away),
            "bus_repeated": (2.0, self._bus_repeated),
            "redis_tail": (12.0, self._redis_tail),
        }
        for kind, (every_s, trouble) in troubles.items():
            if self._rates.get(kind):
                world.loop.outside_task(self._again(world, kind, every_s / self._rates[kind], trouble))
        await asyncio.sleep(0)

    async def _again(self, world, kind, every_s, trouble) -> None:  # type: ignore[no-untyped-def]
        while True:
            await asyncio.sleep(self._random.expovariate(1.0 / every_s))
            if not self.on:
                return
            self.done[kind] += 1
            await trouble(world)

    def _some(self, world: "World") -> Process:
        return self._random.choice(world.processes)

    async def _freeze(self, world: "World") -> None:
        process = self._some(world)
        process.frozen = True
        world.loop.outside(self._random.choice((0.1, 1.0, 4.0, 30.0)), world.loop.go_on, process)

    async def _cut(self, world: "World") -> None:
        """A process that reaches no store, and goes on believing for as long as it is not told."""
        process = self._some(world)
        process.cut = True
        await asyncio.sleep(self._random.choice((0.5, 3.0, 6.0)))
        process.cut = False

    async def _double(self, world: "World") -> None:
        """Ray believes that a host is gone and starts its successor beside it."""
        name = self._random.choice(sorted(world.hosts))
        process = world.hosts[name]
        if process.alive and self._random.random() < 0.7:
            process.frozen = True
            world.loop.outside(self._random.uniform(0.0, 5.0), world.loop.go_on, process)
        world.start_host(name)

    async def _scale(self, world: "World") -> None:
        """Another number of hosts; the former supervisor may not know yet that it was replaced."""
        world.host_count = self._random.randint(1, 3)
        old = world.supervisor
        world.start_supervisor()
        await asyncio.sleep(self._random.choice((0.0, 0.0, 2.0)))
        if old is not None:
            world.crash(old)

    async def _documents_away(self, world: "World") -> None:
        services = {"entities", "sides", "claims", "parking", "dead_letters", "members"}
        world.network.away |= services
        await asyncio.sleep(self._random.choice((0.1, 1.0, 8.0)))
        world.network.away -= services

    async def _redis_away(self, world: "World") -> None:
        world.network.away |= REDIS
        world.network.disconnect()
        await asyncio.sleep(self._random.choice((0.1, 1.0, 8.0)))
        world.network.away -= REDIS

    async def _redis_tail(self, world: "World") -> None:
        """Redis goes back by some time, and everybody connects again."""
        before, since = world.redis.copy(), world.now()
        await asyncio.sleep(self._random.choice((0.01, 0.3, 2.0)))
        if self.on:
            world.network.disconnect()
            world.judge.redis_lost(since)
            world.redis.take(before)
            world.network.wake()

    async def _bus_repeated(self, world: "World") -> None:
        """An event that is there is published again: late and out of order, as a sender does in doubt."""
        streams = [(n, s) for n, s in world.redis.streams.items() if n.startswith("bus:") and s.entries]
        if streams:
            name, stream = self._random.choice(streams)
            _, body = self._random.choice(list(stream.entries.values()))
            world.redis.append(name, None, body)
            world.network.wake()
