"""Hosts in one process on fake stores: what the runtime tests run against.

Every distinct message to the toy entity adds its amount once, and an event says so. A crash ends a host's
tasks at a failpoint the way SIGKILL would: nothing of its memory survives, the stores do. Webhooks are cut
and parsed by the real platform, and what is parked is replayed by the real account handler.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from actors.account.effects import ReplayParked
from actors.account.handler import AccountHandler
from actors.runtime.addressing import Addressing
from actors.runtime.dedicated import DedicatedOwner
from actors.runtime.entity import Effect, Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.forwarder import ActorGone
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from domain.clock import SystemClock
from domain.ids import AccountId, EntityKey, Kind
from platforms.registry import PLATFORMS
from storage.crypto import Keyring
from storage.records import ZERO, Document, Save, SaveOutcome
from tests.fakes.documents import FakeClaims, FakeDeadLetters, FakeEntityStore, FakeParking, FakeSideStore
from tests.fakes.streams import FakeEventBus, FakeLiveFeed, FakeMailboxes, FakeRedis
from tests.unit.runtime.counting import Counting, Echo

PARTITIONS = 4
LIKE = (
    b'{"data":{"event_uuid":"%d","event_type":"like.create","filter":{"user_id":"%s","direction":"inbound"},'
    b'"payload":{"id":"x%d","liked_tweet_id":"%d"}}}'
)


class Crash(BaseException):
    """The process ended here."""


class Handler:
    """The platform: answers an echo once it is `open`; replays what is parked as accounts do."""

    def __init__(self, colony: "Colony") -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.echoes = 0
        nobody: Any = None
        self._accounts = AccountHandler(
            platforms=PLATFORMS,
            http=nobody,
            find_app=nobody,
            keyring=nobody,
            publisher=nobody,
            performer=nobody,
            contents=nobody,
            parking=colony.parking,
            mailboxes=colony.mailboxes,
            partitions=PARTITIONS,
            public_url="",
            clock=colony.clock,
            failpoints=Failpoints(),
            count=colony.count,
            quotas=nobody,
        )

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        if isinstance(effect, ReplayParked):
            return await self._accounts.run(key, effect)
        assert isinstance(effect, Echo)
        self.echoes += 1
        await self.open.wait()
        return [Message("echoed", {"amount": effect.amount})]


class LocalActors:
    """Dedicated actors in this process; `frozen` ones do not answer, like a stopped process, and calls to
    do what has a gate in `gates` arrive when it opens, and take `latency` seconds each way."""

    def __init__(self, colony: "Colony") -> None:
        self._colony = colony
        self.running: dict[EntityKey, DedicatedOwner] = {}
        self.frozen: set[EntityKey] = set()
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: Counter[str] = Counter()
        self.stopped: list[EntityKey] = []
        self.latency: Callable[[], float] = lambda: 0.0

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        self.calls[payload["do"]] += 1
        if key in self.frozen:
            raise ActorGone(str(key))
        if key not in self.running:
            parts = self._colony.parts(Failpoints())
            self.running[key] = DedicatedOwner(parts, key, self._colony.addressing(), self._colony.build)
        actor = self.running[key]
        sealed = self._colony.envelope.seal_call(payload)  # what crosses a process must survive sealing
        try:
            async with asyncio.timeout(timeout_s):
                if (gate := self.gates.get(payload["do"])) is not None:
                    await gate.wait()
                await asyncio.sleep(self.latency())
                if self.running.get(key) is not actor:
                    raise ActorGone(str(key))
                answer = await actor.call(self._colony.envelope.open_call(sealed))
                await asyncio.sleep(self.latency())
                return answer
        except TimeoutError:
            raise ActorGone(str(key)) from None

    async def stop(self, key: EntityKey) -> None:
        self.stopped.append(key)
        self.running.pop(key, None)


class Racing:
    """An entity store where somebody else is first, `races` times, before each writer of `key`."""

    def __init__(self, inner: Any, key: EntityKey, races: int) -> None:
        self._inner = inner
        self._key = key
        self.races = races

    async def save_many(self, saves: dict[EntityKey, Save]) -> dict[EntityKey, SaveOutcome]:
        if self._key in saves and self.races:
            self.races -= 1
            now = (await self._inner.load_many([self._key]))[self._key]
            later = now | {"version": now["version"] + 1}
            await self._inner.save_many({self._key: Save(later, now["version"])})
        outcomes: dict[EntityKey, SaveOutcome] = await self._inner.save_many(saves)
        return outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


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
        self.claims: Any = FakeClaims()
        self.build = "test"
        self.dead_letters = FakeDeadLetters()
        self.parking = FakeParking()
        self.actors = LocalActors(self)
        self.shown: list[dict[str, Any]] = []
        self.counted: Counter[str] = Counter()
        self.handler = Handler(self)

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self.counted[name] += value

    def parts(self, failpoints: Failpoints) -> Parts:
        async def show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None:
            self.shown.append(snapshot)

        return Parts(
            entities={kind: Counting() for kind in Kind},
            handler=self.handler,
            envelope=self.envelope,
            clock=self.clock,
            count=self.count,
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
        return Addressing(self.store, self.envelope, PLATFORMS)

    async def host(self, name: str = "host-0", failpoints: Failpoints | None = None) -> Host:
        """A host that does nothing by itself yet; everything is assigned to its name."""
        if not await self.claims.all():
            await self.claims.assign({p: name for p in range(PARTITIONS)}, self.build)
        return Host(name, self.build, self.parts(failpoints or Failpoints()), self.addressing(), self.actors)

    async def start(self, name: str = "host-0", failpoints: Failpoints | None = None) -> Host:
        """A host that claims everything assigned to its name."""
        host = await self.host(name, failpoints)
        host.start()
        await until(lambda: len(host.ownership.held) == PARTITIONS)
        return host

    async def kill(self, host: Host) -> None:
        """Like SIGKILL: tasks end where they stand, memory is gone."""
        await host.stop()

    async def tell(self, key: EntityKey, *messages: Message) -> None:
        await self.mailboxes.tell([self.envelope.mail(key, m) for m in messages])

    async def webhook(self, external_id: str, *numbers: int) -> None:
        """Likes of the account's posts, as the platform tells of them."""
        mails = []
        for n in numbers:
            (entry,) = PLATFORMS["twitter"].split(LIKE % (n, external_id.encode(), n, n))
            mails.append(self.envelope.webhook_mail("twitter", "app_1", entry))
        await self.mailboxes.tell(mails)

    async def owed(self) -> int:
        streams = [f"mailbox:{kind}:{p}" for kind in Kind for p in range(PARTITIONS)]
        return sum((await self.mailboxes.lag(streams)).values())

    async def state(self, key: EntityKey) -> Document:
        found: Document = (await self.store.load_many([key]))[key]
        return found

    async def quiet(self) -> None:
        """Wait until all mail has taken effect."""

        async def nothing_owed() -> bool:
            return await self.owed() == 0

        await until(nothing_owed)

    async def published(self) -> list[str]:
        entries = await self.bus.read("commerce-events", "test", ZERO, 10_000, 0)
        return [self.envelope.open_event(e.event)["id"] for e in entries]


def account(org: str, external_id: str = "100") -> EntityKey:
    return AccountId("twitter", external_id, org).key


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
