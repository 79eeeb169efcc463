"""Hosts in one process on fake stores: what the runtime tests run against.

The toy entity counts: every distinct message adds its amount once, and an event says so. A crash ends a
host's tasks at a failpoint the way SIGKILL would: nothing of its memory survives, the stores do.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actors.runtime.activation import Placement
from actors.runtime.addressing import Addressing
from actors.runtime.dedicated import ActorGone, DedicatedOwner
from actors.runtime.entity import Effect, Message, SideRef, SideView, SideWrite, Turn
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from domain.clock import SystemClock
from domain.errors import Invalid, NotFound
from domain.events import Event, EventType
from domain.ids import EntityKey, Kind
from storage.crypto import Keyring
from storage.records import Document
from tests.fakes.documents import FakeClaims, FakeDeadLetters, FakeEntityStore, FakeParking, FakeSideStore
from tests.fakes.streams import FakeEventBus, FakeLiveFeed, FakeMailboxes, FakeRedis

PARTITIONS = 4
BUILD = "test"


class Crash(BaseException):
    """The process ended here."""


@dataclass(frozen=True, slots=True)
class Count:
    org: str
    total: int = 0
    applied: tuple[str, ...] = ()
    due: datetime | None = None
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class Echo(Effect):
    amount: int


class Counting:
    """add {amount}, boom {}, huge {}, remind {at}, echo {amount} (an effect whose outcome adds)."""

    kind = Kind.LINK

    def load(self, document: Document) -> Count:
        return Count(
            document["org"], document["total"], tuple(document["applied"]), document["due"], document["ticks"]
        )

    def dump(self, state: Count) -> Document:
        return {
            "total": state.total,
            "applied": list(state.applied),
            "due": state.due,
            "ticks": state.ticks,
            "createdAt": datetime(2026, 1, 1),
        }

    def org(self, state: Count) -> str:
        return state.org

    def reads(self, key: EntityKey, state: Count | None, message: Message) -> Sequence[SideRef]:
        return [SideRef("social_content", key.id)]

    def apply(
        self, key: EntityKey, state: Count | None, message: Message, now: datetime, side: SideView
    ) -> Turn[Count]:
        if state is None:
            if message.name != "create":
                raise NotFound("not_found", "no such counter")
            return Turn(Count("org_test"), reply={"total": 0})
        match message.name:
            case "create":
                return Turn(state, reply={"total": state.total}, changed=False)
            case "add" | "echoed":
                total = state.total + message.data["amount"]
                new = replace(state, total=total, applied=(*state.applied, message.id or "echo"))
                document = {"_id": key.id, "org": state.org, "total": total, "publishedAt": now}
                return Turn(
                    new,
                    events=(Event(EventType.LINK_CLICKED, {"total": total}),),
                    side=(SideWrite("social_content", document),),
                    reply={"total": total},
                )
            case "echo":
                return Turn(state, effects=(Echo(message.data["amount"]),))
            case "remind":
                return Turn(replace(state, due=message.data["at"]))
            case "tick":
                if state.due is None or state.due > now:
                    return Turn(state, changed=False)
                return Turn(replace(state, due=None, ticks=state.ticks + 1))
            case "refuse":
                raise Invalid("refused", "no")
            case "huge":
                return Turn(replace(state, applied=(*state.applied, "\ud800")))
            case _:
                raise ZeroDivisionError(message.name)

    def due(self, state: Count) -> datetime | None:
        return state.due

    def view(self, key: EntityKey, state: Count) -> dict[str, Any]:
        return {"total": state.total, "ticks": state.ticks}

    def snapshot(self, key: EntityKey, state: Count) -> dict[str, Any] | None:
        return {"total": state.total}


class EchoHandler:
    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        await asyncio.sleep(0)
        assert isinstance(effect, Echo)
        return [Message("echoed", {"amount": effect.amount})]


class LocalActors:
    """Dedicated actors in this process; `frozen` ones do not answer, like a stopped process."""

    def __init__(self, colony: "Colony") -> None:
        self._colony = colony
        self.running: dict[EntityKey, DedicatedOwner] = {}
        self.frozen: set[EntityKey] = set()

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        if key in self.frozen:
            raise ActorGone(str(key))
        if key not in self.running:
            parts = self._colony.parts(Failpoints())
            self.running[key] = DedicatedOwner(parts, key, self._colony.addressing())
        sealed = self._colony.envelope.seal_call(payload)  # what crosses a process must survive sealing
        return await self.running[key].call(self._colony.envelope.open_call(sealed))

    async def stop(self, key: EntityKey) -> None:
        self.running.pop(key, None)


class Colony:
    def __init__(self) -> None:
        self.clock = SystemClock()
        self.envelope = Envelope(Keyring.generate(), PARTITIONS)
        redis = self.redis = FakeRedis(self.clock)
        self.live = FakeLiveFeed(redis)
        self.store: Any = FakeEntityStore()
        self.sides: Any = FakeSideStore()
        self.mailboxes: Any = FakeMailboxes(redis)
        self.bus: Any = FakeEventBus(redis, self.live)
        self.claims = FakeClaims()
        self.dead_letters = FakeDeadLetters()
        self.parking = FakeParking()
        self.actors = LocalActors(self)
        self.shown: list[dict[str, Any]] = []
        self.counted: list[str] = []

    def parts(self, failpoints: Failpoints) -> Parts:
        async def show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None:
            self.shown.append(snapshot)

        return Parts(
            entities={kind: Counting() for kind in Kind},
            handler=EchoHandler(),
            envelope=self.envelope,
            clock=self.clock,
            count=lambda name, value=1, **labels: self.counted.append(name),
            show=show,
            failpoints=failpoints,
            store=self.store,
            sides=self.sides,
            bus=self.bus,
            mailboxes=self.mailboxes,
            claims=self.claims,
            dead_letters=self.dead_letters,
            parking=self.parking,
        )

    def addressing(self) -> Addressing:
        return Addressing(self.store, self.envelope, {})

    async def start(self, name: str = "host-0", failpoints: Failpoints | None = None) -> Host:
        """A host that claims everything assigned to its name."""
        if not await self.claims.all():
            await self.claims.assign({p: name for p in range(PARTITIONS)}, BUILD)
        parts = self.parts(failpoints or Failpoints())
        host = Host(name, BUILD, parts, self.addressing(), self.actors)
        host.start()
        await until(lambda: len(host.ownership.held) == PARTITIONS)
        return host

    async def kill(self, host: Host) -> None:
        """Like SIGKILL: tasks end where they stand, memory is gone."""
        await host.stop()

    async def tell(self, key: EntityKey, *messages: Message) -> None:
        await self.mailboxes.tell([self.envelope.mail(key, m) for m in messages])

    async def owed(self) -> int:
        streams = [f"mailbox:{kind}:{p}" for kind in Kind for p in range(PARTITIONS)]
        return sum((await self.mailboxes.lag(streams)).values())

    async def state(self, key: EntityKey) -> Document:
        return (await self.store.load_many([key]))[key]

    async def published(self) -> list[str]:
        entries = await self.bus.read("commerce-events", "test", _zero(), 10_000, 0)
        return [self.envelope.open_event(e.event)["id"] for e in entries]


def counter(name: str = "lnk_1") -> EntityKey:
    return EntityKey(Kind.LINK, name)


def add(n: int, amount: int = 1) -> Message:
    return Message("add", {"amount": amount}, f"e{n}")


async def until(condition: Any, timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return
            await asyncio.sleep(0.01)


def _zero() -> Any:
    from storage.records import ZERO

    return ZERO


__all__ = ["Colony", "Crash", "Failpoint", "Placement", "add", "counter", "until"]
