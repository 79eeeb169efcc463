"""What a simulated process is given: its clock, its traced entities, and what stands in for Ray."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors.account.effects import Refresh
from actors.account.entity import AccountEntity
from actors.account.handler import AccountHandler
from actors.account.state import AccountState
from actors.runtime.entity import Effect, Message, SideView, Turn
from actors.runtime.forwarder import ActorGone
from actors.runtime.supervisor import HostAway
from domain.clock import truncate_ms
from domain.ids import EntityKey
from platforms.outcome import Ok
from tests.simulation.loop import Process, SimLoop
from tests.simulation.platform import EFFECT

if TYPE_CHECKING:
    from tests.simulation.world import World

START = datetime(2026, 5, 1, tzinfo=UTC)


class ProcessGone(Exception):
    """The callee ended, or did not answer in time: whether it acted is unknown."""


class Time:
    """A process's clocks; the world's own without one."""

    def __init__(self, loop: SimLoop, process: Process | None = None) -> None:
        self._loop = loop
        self._process = process

    def now(self) -> datetime:
        skew = self._process.skew_s if self._process is not None else 0.0
        return truncate_ms(START + timedelta(seconds=self._loop.time() + skew))

    def monotonic(self) -> float:
        return self._loop.time()


class Killed(BaseException):
    """The process ended in the middle of a callback."""


class TracedAccount(AccountEntity):
    """The account entity with a ghost: its counters name every webhook event it has applied and how often,
    in the order in which it did, in the same write as the effect. What is poisoned makes it raise or ends
    its process, until an operator sends it again."""

    process: Process
    poisoned: Mapping[str, str]

    def apply(
        self,
        key: EntityKey,
        state: AccountState | None,
        message: Message,
        now: datetime,
        side: SideView,
    ) -> Turn[AccountState]:
        match self.poisoned.get(message.id or ""):
            case "raise":
                raise ZeroDivisionError
            case "kill":
                self.process.fuse = 1
                raise Killed
        turn = super().apply(key, state, message, now, side)
        heard = state is not None and turn.state.counters.get("webhooks") != state.counters.get("webhooks")
        if message.name != "platform_event" or not heard:
            return turn
        return replace(turn, state=replace(turn.state, counters=turn.state.count(f"applied:{message.id}")))


class TracedHandler(AccountHandler):
    """Tells the platform which intent a call belongs to, and the judge of new tokens that were heard."""

    world: "World"
    process: Process

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        EFFECT.set(effect if isinstance(effect, Refresh) else None)
        messages = await super().run(key, effect)
        if isinstance(effect, Refresh) and isinstance(messages[0].data["outcome"], Ok):
            kept = heard_and_kept(self.world, self.process, key, effect.intent_id)
            self.world.loop.outside_task(kept)
        return messages


SAVED_WITHIN_S = 12.0
"""A save that meets a fault is tried again: what a process in order has heard is saved by then."""


async def heard_and_kept(world: "World", process: Process, key: EntityKey, intent_id: str) -> None:
    """New tokens that a process heard, nothing being wrong with it, are saved, and not given up for lost."""
    intent = world.judge.intents[intent_id]
    for n in range(int(SAVED_WITHIN_S / 0.5)):
        host = process.host
        stands = process.alive and not process.frozen and not process.cut
        if not stands or "entities" in world.network.away:
            return
        if process.epoch_of(key) is None or key in host.dedicated:
            return  # its owner is another one now
        if not intent.open:
            if intent.given_up and n > 4:
                world.judge.says(f"{intent_id} of {key}: {process} heard new tokens, and they were given up")
            return
        await asyncio.sleep(0.5)
    world.judge.says(f"{intent_id} of {key}: {process} heard new tokens and never saved them")


class Actors:
    """`DedicatedActors` for one host."""

    def __init__(self, world: "World", process: Process) -> None:
        self._world = world
        self._process = process

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        world = self._world
        sealed = world.envelope.seal_call(payload)  # what crosses a process must survive sealing
        actor = world.actor(key)
        try:
            answer: dict[str, Any] = await world.call(
                actor, lambda: actor.host.call(world.envelope.open_call(sealed)), timeout_s
            )
        except Exception as error:  # Ray tells every failure over there as one of its own
            raise ActorGone(str(key)) from error
        return answer

    async def stop(self, key: EntityKey) -> None:
        await asyncio.sleep(0)
        actor = self._world.actors.pop(key, None)
        if actor is not None and actor.alive:
            self._world.loop.outside(0.0, self._world.crash, actor)


class Hosts:
    """`actors.runtime.supervisor.Hosts`."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def nodes(self) -> list[str]:
        return []

    async def names(self) -> list[str]:
        await asyncio.sleep(0)
        return sorted(self._world.hosts)

    async def start(self, name: str, node: str | None) -> None:
        await asyncio.sleep(0)
        if name not in self._world.hosts:
            self._world.loop.outside(0.0, self._start, name)

    def _start(self, name: str) -> None:
        if name not in self._world.hosts:
            self._world.start_host(name)

    async def status(self, name: str) -> dict[str, Any] | None:
        async def status(host: Any) -> dict[str, Any]:
            found: dict[str, Any] = host.status()
            return found

        try:
            answer: dict[str, Any] = await self._call(name, status)
        except HostAway:
            return None
        return answer

    async def release(self, name: str, partition: int, to: str) -> bool:
        return bool(await self._call(name, lambda host: host.release(partition, to)))

    async def take(self, name: str, partition: int) -> None:
        await self._call(name, lambda host: host.take(partition))

    async def end(self, name: str) -> None:
        await asyncio.sleep(0)
        process = self._world.hosts.pop(name, None)
        if process is not None:
            self._world.loop.outside(0.0, self._world.crash, process)

    async def _call(self, name: str, do: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        process = self._world.hosts.get(name)
        if process is None:
            raise HostAway(name)
        try:
            return await self._world.call(process, lambda: do(process.host), 30.0)
        except Exception as gone:  # Ray tells every failure over there as one of its own
            raise HostAway(name) from gone
