"""Everything but the faults: processes with real hosts in them, the stores, the platform, people.

Hosts, dedicated actors and the supervisor run the project's own classes. What stands in for Ray starts and
ends processes, finds them by name and carries calls between them.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

from actors.budget.entity import BudgetEntity
from actors.budget.leases import Leases
from actors.campaign.entity import CampaignEntity
from actors.campaign.history import CampaignHandler
from actors.compose import Handlers
from actors.consumers import Consumer, consumers
from actors.link import LinkEntity
from actors.runtime.addressing import Addressing
from actors.runtime.dedicated import DedicatedOwner
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from actors.runtime.supervisor import Supervisor
from actors.runtime.verdicts import Elsewhere, NotOwner
from actors.transaction import TransactionEntity
from domain.errors import RookeryError
from domain.events import Topic
from domain.ids import AccountId, EntityKey, Kind
from platforms.base import PlatformApp
from storage.crypto import Keyring
from storage.records import StoreUnavailable
from tests.fakes.documents import (
    FakeClaims,
    FakeDeadLetters,
    FakeEntityStore,
    FakeMembers,
    FakeParking,
    FakeSideStore,
)
from tests.fakes.streams import FakeEventBus, FakeLiveFeed, FakeMailboxes, FakeRedis
from tests.simulation.invariants import Judge
from tests.simulation.loop import CURRENT, Process, SimLoop
from tests.simulation.network import Network
from tests.simulation.platform import APP, NAME, Adapter, Platform
from tests.simulation.processes import (
    Actors,
    Hosts,
    ProcessGone,
    Time,
    TracedAccount,
    TracedHandler,
)

PARTITIONS = 2
BUILD = "simulated"
TOPICS = (Topic.CONTENT, Topic.COMMERCE)
"""Of the bus: those that somebody reads here."""
HEARD_LATE_S = 5.0
"""A caller may not hear for so long that a partition has another owner, or a host another process."""


@dataclass(frozen=True, slots=True)
class Route:
    host: Process | None
    before: Process | None
    since: float


class World:
    """`faults` decides what goes wrong; see `faults.py`."""

    def __init__(self, random: Random, faults: Any, hosts: int = 2) -> None:
        self.random = random
        self.loop = SimLoop(random)  # type: ignore[abstract]
        self.time = Time(self.loop)
        self.faults = self.platform_faults = faults
        self.judge = Judge(self)
        self.envelope = Envelope(Keyring("00000001", {"00000001": bytes(32)}), PARTITIONS)
        self.keyring = Keyring("00000001", {"00000001": bytes(32)})
        self.network = Network(self.loop, random, faults, self.judge.watch)
        self.platform = Platform(self)
        self.counts: Counter[str] = Counter()  # what the runtime counted as metrics
        self.done: Counter[str] = Counter()  # what the world did to it
        self.poisoned: dict[str, str] = {}  # event id -> what it does to whoever applies it
        self.strangers = [
            AccountId(NAME, str(n), "org_a") for n in range(400, 400 + random.choice((0, 0, 5)))
        ]
        """Accounts that are connected in the middle, and were heard of before."""
        self.neighbours = [AccountId(NAME, "100", f"org_{n}") for n in range(random.choice((0, 0, 5)))]
        """Further connections, made in the middle, of an account that webhooks come for all the time."""
        self.commanded = ""  # external id of the account that was given a command last
        self.number = 0
        self.host_count = hosts
        self._routes: dict[int, Route] = {}  # by partition, as callers know it
        self.hosts: dict[str, Process] = {}  # by name; older ones of the same name may still run
        self.actors: dict[EntityKey, Process] = {}
        self.processes: list[Process] = []
        self.supervisor: Process | None = None
        self.restarts_after_s = 1.0
        self.redis = FakeRedis(self.time)
        self.entities, self.sides = FakeEntityStore(), FakeSideStore()
        self.claims, self.parking = FakeClaims(), FakeParking()
        self.dead_letters = FakeDeadLetters()
        for service, store in {
            "entities": self.entities,
            "sides": self.sides,
            "claims": self.claims,
            "parking": self.parking,
            "dead_letters": self.dead_letters,
            "members": FakeMembers(self.sides),
            "mailboxes": FakeMailboxes(self.redis),
            "bus": FakeEventBus(self.redis, FakeLiveFeed(self.redis)),
        }.items():
            self.network.add(service, store)
        self.replica = Process(
            "replica"
        )  # of the API: outside of what is under test, it neither ends nor stops
        self.loop.on_fuse = self.crash

    def now(self) -> datetime:
        return self.time.now()

    def now_of(self, process: Process) -> datetime:
        return Time(self.loop, process).now()

    # -- processes ----------------------------------------------------------------------------------
    def spawn(self, name: str, boot: Callable[[Process], None]) -> Process:
        self.number += 1
        process = Process(f"{name}#{self.number}")
        context = contextvars.copy_context()
        context.run(CURRENT.set, process)
        process.context = context
        self.faults.of_start(process)
        context.run(boot, process)
        self.processes.append(process)
        return process

    def crash(self, process: Process) -> None:
        """End it where it stands; Ray starts named ones again."""
        if not process.alive:
            return
        self.done["crash"] += 1
        self.loop.end(process)
        self.processes.remove(process)
        for answer in process.callers:
            self.loop.outside(self.random.random(), _gone, answer)
        for name, named in self.hosts.items():
            if named is process:
                self.loop.outside(
                    self.random.random() * self.restarts_after_s, self.restart_host, name, process
                )
        if self.supervisor is process:
            self.loop.outside(self.random.random() * self.restarts_after_s, self.restart_supervisor, process)

    def restart_supervisor(self, ended: Process) -> None:
        if self.supervisor is ended:
            self.start_supervisor()

    def restart_host(self, name: str, ended: Process) -> None:
        if self.hosts.get(name) is ended:
            self.start_host(name)

    def start_host(self, name: str) -> Process:
        def boot(process: Process) -> None:
            parts = self.parts(process)
            host = process.host = Host(
                name,
                BUILD,
                parts,
                Addressing(parts.store, self.envelope, self.adapters(process)),
                Actors(self, process),
                self.consumers(parts, process),
                on_superseded=lambda: self.loop.outside(0.0, self.crash, process),
            )
            process.epoch_of = lambda key: host.ownership.epoch(key.partition(PARTITIONS))
            host.start()

        process = self.hosts[name] = self.spawn(name, boot)
        return process

    def start_supervisor(self) -> None:
        def boot(process: Process) -> None:
            claims = self.network.view(process, "claims")
            Supervisor(
                claims, Hosts(self), self.host_count, PARTITIONS, BUILD, Time(self.loop, process)
            ).start()

        self.supervisor = self.spawn("supervisor", boot)

    def actor(self, key: EntityKey) -> Process:
        """The entity's own actor, started if need be."""

        def boot(process: Process) -> None:
            parts = self.parts(process)
            addressing = Addressing(parts.store, self.envelope, self.adapters(process))
            owner = DedicatedOwner(parts, key, addressing, BUILD)
            process.host = owner

        known = self.actors.get(key)
        if known is None or not known.alive:
            known = self.actors[key] = self.spawn(f"actor {key}", boot)
        return known

    # -- what a process is given --------------------------------------------------------------------
    def adapters(self, process: Process) -> dict[str, Any]:
        return {NAME: Adapter(process, self.platform, self)}

    def parts(self, process: Process) -> Parts:
        def view(service: str) -> Any:
            return self.network.view(process, service)

        account = TracedAccount(self.adapters(process), self.keyring.seal, self.new_id)
        account.process, account.poisoned = process, self.poisoned
        clock, failpoints, adapters = Time(self.loop, process), Failpoints(), self.adapters(process)
        handler = TracedHandler(
            adapters,
            None,  # type: ignore[arg-type] # the adapter is the wire
            _find_app,
            self.keyring,
            None,  # type: ignore[arg-type] # nothing is published here yet
            None,  # type: ignore[arg-type]
            view("sides"),
            view("parking"),
            view("mailboxes"),
            PARTITIONS,
            "https://rookery.example",
            clock,
            failpoints,
            self.count,
            Leases(adapters, clock, self.count),  # the platform has no shared window: everything is paid
        )
        handler.world, handler.process = self, process
        return Parts(
            entities={
                Kind.ACCOUNT: account,
                Kind.CAMPAIGN: CampaignEntity(),
                Kind.LINK: LinkEntity(),
                Kind.TRANSACTION: TransactionEntity(),
                Kind.BUDGET: BudgetEntity(adapters),
            },
            handler=Handlers(
                {
                    Kind.ACCOUNT: handler,
                    Kind.CAMPAIGN: CampaignHandler(view("sides"), view("mailboxes"), self.envelope),
                }
            ),
            envelope=self.envelope,
            clock=clock,
            count=self.count,
            show=_show,
            failpoints=failpoints,
            store=view("entities"),
            sides=view("sides"),
            bus=view("bus"),
            mailboxes=view("mailboxes"),
            claims=view("claims"),
            dead_letters=view("dead_letters"),
            parking=view("parking"),
        )

    def consumers(self, parts: Parts, process: Process) -> Sequence[Consumer]:
        """Those that change something here; each topic has two, so that trimming has somebody to wait for."""
        members = self.network.view(process, "members")
        found = consumers(members, parts.mailboxes, parts.sides, parts.bus, self.envelope)
        return [consumer for consumer in found if consumer.topic in TOPICS]

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        self.counts[name] += 1

    def new_id(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}_{self.number}"

    # -- calls between processes --------------------------------------------------------------------
    async def call(
        self, target: Process, work: Callable[[], Coroutine[Any, Any, Any]], timeout_s: float
    ) -> Any:
        """Run `work` over there. ProcessGone when it ended or took too long."""
        answer = self.loop.create_future()
        target.callers = [a for a in target.callers if not a.done()] + [answer]

        def settle(result: Any, error: Exception | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        async def serve() -> None:
            try:
                result = await work()
            except Exception as error:
                self.loop.outside(self.faults.of_answer(), settle, None, error)
            else:
                self.loop.outside(self.faults.of_answer(), settle, result, None)

        def arrive() -> None:
            if target.alive:
                self.loop.create_task(serve(), context=target.context.copy())
            else:
                settle(None, ProcessGone(target.name))

        self.loop.outside(0.0, arrive)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise ProcessGone(target.name) from None

    async def ask(self, key: EntityKey, do: Callable[[Host], Awaitable[Any]], timeout_s: float = 10.0) -> Any:
        """As the gateway does: whoever claims the partition is asked. ProcessGone: the outcome is unknown."""
        deadline = self.loop.time() + timeout_s
        while (left := deadline - self.loop.time()) > 0:
            target = await self._owner(key.partition(PARTITIONS))
            if target is not None:
                try:
                    return await self.call(target, partial(_done_by, do, target.host), left)
                except (NotOwner, Elsewhere):  # as `ray_actors.py` does
                    pass
                except RookeryError:
                    raise
                except StoreUnavailable:
                    raise ProcessGone("the stores are away") from None
            await asyncio.sleep(0.2)
        raise ProcessGone(str(key))

    async def _owner(self, partition: int) -> Process | None:
        """Whom a caller takes for it: whoever claims it, or whoever did before, as long as that lives."""
        host = next((c.host for c in await self.claims.all() if c.partition == partition), "")
        now, known = self.hosts.get(host), self._routes.get(partition)
        if known is None or known.host is not now:
            before = known.host if known is not None else None
            known = self._routes[partition] = Route(now, before, self.loop.time())
        late = self.loop.time() - known.since < HEARD_LATE_S
        if late and known.before is not None and known.before.alive and self.faults.of_route():
            return known.before
        return now


async def _find_app(app_id: str) -> PlatformApp | None:
    return APP


async def _show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None:
    await asyncio.sleep(0)


async def _done_by(do: Callable[[Host], Awaitable[Any]], host: Host) -> Any:
    return await do(host)


def _gone(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(ProcessGone("it ended"))
