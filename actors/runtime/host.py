"""A host: the owner of every entity in the partitions it has claimed.

Guarantee: at most one host reads a partition's mailbox under a given epoch; whatever two processes believe,
the versioned write lets one of them win. After a crash the successor reads the same mailboxes, reminders and
outboxes, and ends where this one would have.
"""

import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol

import structlog

from actors.budget.leases import Leases
from actors.runtime.activation import Placement
from actors.runtime.activations import SWEEP
from actors.runtime.addressing import Addressing
from actors.runtime.entity import TICK, Effect, Message
from actors.runtime.failpoints import Failpoint
from actors.runtime.forwarder import DedicatedActors, Forwarder
from actors.runtime.mail import MailLoop
from actors.runtime.mail_loops import MailLoops
from actors.runtime.moves import Moves
from actors.runtime.owner import TURN_WITHIN_S, Owner, Parts
from actors.runtime.ownership import CHECK_INTERVAL_S, Ownership
from actors.runtime.partitions import Partitions
from actors.runtime.ports import Owners
from actors.runtime.tasks import Tasks
from actors.runtime.urgency import Urgency
from actors.runtime.verdicts import Elsewhere, NotOwner
from domain.errors import Busy, RookeryError
from domain.ids import AccountId, EntityKey, Kind
from storage.records import StoreUnavailable

log = structlog.get_logger()

IDLE_S = 900.0
BUDGET_S = 5.0
DRAIN_PATIENCE_S = 25.0
"""Longer than a refresh may take, shorter than the supervisor waits for a drain."""
WORTH_WATCHING = {Kind.ACCOUNT: "connect", Kind.CAMPAIGN: "launch"}
"""Commands after which an entity gets an actor of its own, while this host's share of them lasts."""


class BusReader(Protocol):
    """A consumer of the bus that runs where its partition is owned."""

    @property
    def partition(self) -> int: ...

    @property
    def name(self) -> str: ...

    async def step(self) -> float: ...


class Host:
    def __init__(
        self,
        name: str,
        build: str,
        parts: Parts,
        addressing: Addressing,
        actors: DedicatedActors,
        consumers: Sequence[BusReader] = (),
        dedicated: int = 0,
        on_superseded: Callable[[], None] = lambda: None,
        leases: Leases | None = None,
        elsewhere: Owners | None = None,
    ) -> None:
        self.name = name
        self.incarnation = uuid.uuid4().hex
        self.build = build
        self._parts = parts
        self._addressing = addressing
        self.tasks = Tasks()
        self.ownership = Ownership(parts.claims, name, self.incarnation, build, parts.failpoints)
        self.owner = Owner(parts, self.tasks, self._epoch, Placement.SHARED, self._turn_saved)
        self.dedicated: set[EntityKey] = set()
        """Entities known to have an actor of their own."""
        self._forwarder = Forwarder(actors, self.owner, self.dedicated, self._must_own, parts.clock, build)
        self.mail = MailLoops(
            lambda: MailLoop(
                parts, addressing, self.owner.turns, self._forwarder.deliver, self.dedicated, self.tasks
            )
        )
        self._partitions = Partitions(
            parts, self.ownership, self.owner, self.mail, addressing, self.tasks, self.ask, self._left
        )
        self._moves = Moves(
            self._partitions, self.owner, self._partition, self._epoch, self.mail.rounds, DRAIN_PATIENCE_S
        )
        self._consumers = consumers
        self._on_superseded = on_superseded
        self._dedicated_in_all = dedicated
        self._retiring = False
        self._placing: set[EntityKey] = set()
        self._leases = leases
        self._elsewhere = elsewhere
        self.draining = False

    def start(self) -> None:
        """Begin all loops; called once, inside the event loop that will run them."""
        self.tasks.loop(self._own, "ownership")
        for name, loop in self.mail.by_name.items():
            self.tasks.loop(loop.step, f"mail:{name}")
        self.tasks.loop(self._tick, "ticks")
        self.tasks.loop(self._scan, "scans")
        self.tasks.loop(self._passivate, "passivation")
        for consumer in self._consumers:
            self.tasks.loop(self._consuming(consumer), f"bus:{consumer.name}")
        if self._leases is not None:
            self._leases.bind(f"{self.name}.{self.incarnation[:8]}", self._ask_budget, self.tasks)

    async def stop(self) -> None:
        await self.tasks.stop()

    # -- people -------------------------------------------------------------------------------------
    async def ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        """A command. RookeryError of the rule that refused it; NotOwner when the partition is elsewhere."""
        epoch = self._must_own(key)
        connects = key.kind is Kind.ACCOUNT and message.name == "connect"
        try:
            answer = await self._ask(key, message)
        finally:
            if connects:
                self._addressing.connected(AccountId.parse(key.id))  # unless it failed; that costs a look-up
        if connects:
            await self._confirm(key, epoch)
        taken = len(self.dedicated | self._placing)
        wanted = WORTH_WATCHING.get(key.kind) == message.name and key not in self.dedicated
        if wanted and taken < self._dedicated_share():
            self._placing.add(key)
            self.tasks.spawn(self._isolate(key), f"isolate:{key}")
        return answer

    async def _ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        if not self._forwarder.serves(key):
            try:
                return await self.owner.ask(key, message)
            except Elsewhere:
                self.dedicated.add(key)
        payload = {"do": "ask", "name": message.name, "data": dict(message.data), "id": message.id}
        return await self._forwarder.ask(key, payload)

    async def _ask_budget(self, key: EntityKey, message: Message) -> dict[str, Any]:
        """A local turn where this host owns the budget, else one call to the host that does."""
        if self._epoch(key) is not None and not self.draining:
            try:
                return await self.ask(key, message)
            except NotOwner:
                pass  # lost meanwhile
        if self._elsewhere is None:
            raise Busy("owner_unavailable", "The owner of this budget is not known here.")
        return await self._elsewhere.ask(key, message, timeout_s=BUDGET_S)

    def _dedicated_share(self) -> int:
        """By the partitions held, because hosts come and go."""
        return -(-self._dedicated_in_all * len(self.ownership.held) // self._parts.envelope.partitions)

    async def _isolate(self, key: EntityKey) -> None:
        try:
            await self.place(key, Placement.DEDICATED)
        except (RookeryError, StoreUnavailable, NotOwner) as error:
            log.warning("dedicated.not_placed", entity=str(key), error=type(error).__name__)
        finally:
            self._placing.discard(key)

    async def view(self, key: EntityKey) -> dict[str, Any]:
        return await self._query(key, "view")

    async def inspect(self, key: EntityKey) -> dict[str, Any]:
        claim = self.ownership.held.get(self._partition(key))
        found = await self._query(key, "inspect")
        return found | {
            "host": self.name,
            "incarnation": self.incarnation,
            "epoch": claim.epoch if claim else None,
            "adopted": key in self.owner.turns.adopted,
            "held_messages": self.mail.held.get(str(key), 0),
        }

    async def place(self, key: EntityKey, placement: Placement) -> dict[str, Any]:
        """Isolate or release while running. The versioned write makes either side's old activation lose."""
        self._must_own(key)
        if self._leases is not None:
            self._leases.give_up(key.id)
        if placement is Placement.DEDICATED:
            await self.owner.place(key, placement)
            self.dedicated.add(key)
        else:
            if await self.owner.is_elsewhere(key):
                self.dedicated.add(key)
            if self._forwarder.serves(key):
                await self._forwarder.ask(key, {"do": "release"})
            await self.owner.place(key, placement)
            self.dedicated.discard(key)
            await self._forwarder.stop(key)
        self._forwarder.disown(key)
        return await self.inspect(key)

    def status(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "incarnation": self.incarnation,
            "build": self.build,
            "partitions": sorted(self.ownership.held),
            "releasing": sorted(self._partitions.suspended),
            "activations": len(self.owner.turns.active),
            "resting": self.owner.turns.active.resting,
            "applied": self.owner.turns.applied,
            "dedicated": sorted(str(k) for k in self.dedicated),
            "held": self.mail.held,
            "quarantined": self.owner.quarantined,
            "effects_in_flight": sum(self.owner.effects.in_flight.values()),
            "budgets": self._leases.status() if self._leases is not None else {},
        }

    # -- loops --------------------------------------------------------------------------------------
    async def _own(self) -> float:
        try:
            await self._partitions.check()
        finally:
            if self.ownership.superseded and not self._retiring:
                self._retiring = True
                self.tasks.spawn(self._retire(), "retirement")
        return CHECK_INTERVAL_S

    async def _retire(self) -> None:
        """What its platform calls still bring goes to the successor first."""
        await self.owner.effects.close(DRAIN_PATIENCE_S)
        self._on_superseded()

    async def _scan(self) -> float:
        await self._partitions.scan()
        return 0.2

    async def _tick(self) -> float:
        if self.draining:
            return CHECK_INTERVAL_S
        # Not everything is ranked yet: one of each class, and the document server is left to the looks.
        few = not self._partitions.looked_up
        for key in await self.owner.tick(len(Urgency)) if few else await self.owner.tick():
            self.dedicated.add(key)
            self.tasks.spawn(self._tick_dedicated(key), f"tick:{key}")
        self._forwarder.offer_back()
        return 1.0 if few else 0.1

    async def _tick_dedicated(self, key: EntityKey) -> None:
        """An actor ticks itself; this starts it again after a crash, when something came due."""
        payload: dict[str, Any] = {"do": "ask", "name": TICK.name, "data": {}, "id": None}
        try:
            await self._forwarder.ask(key, payload)
        except (RookeryError, NotOwner, Elsewhere, StoreUnavailable) as error:
            log.warning("dedicated.tick_failed", entity=str(key), error=type(error).__name__)

    def _consuming(self, consumer: BusReader) -> Callable[[], Awaitable[float]]:
        async def step() -> float:
            if not self._takes(consumer.partition):
                return 0.5
            return await consumer.step()

        return step

    async def _passivate(self) -> float:
        rested, forgotten = self.owner.turns.active.passivate(IDLE_S)
        self._addressing.forget(forgotten)
        return 0.05 if SWEEP in (rested, len(forgotten)) else 2.0

    # -- moves --------------------------------------------------------------------------------------
    async def take(self, partition: int) -> bool:
        """Claim what was assigned here just now. True when it is read."""
        return await self._partitions.take(partition)

    async def release(self, partition: int, to: str) -> bool:
        """Hand a partition to another host. False: it is not served here, or is served on."""
        return not self.draining and await self._moves.release(partition, to)

    async def outcome(self, key: EntityKey, message: Message, outcome: str) -> None:
        """Of an effect that another host began before the entity moved here."""
        self._must_own(key, moving=True)
        try:
            await self.owner.post(key, message, outcome, within_s=TURN_WITHIN_S)
        except Elsewhere:
            log.warning("effect.outcome_without_owner", entity=str(key), outcome=message.name)

    def begin(self, key: EntityKey, effect: Effect) -> None:
        """An effect that another host decided and did not begin before the entity moved here."""
        self._must_own(key, moving=True)
        self.owner.effects.start(key, effect)

    def _left(self, partitions: Collection[int]) -> None:
        """What is known of dedicated actors is learned again by whoever serves the partition next."""
        for key in [k for k in self.dedicated | self.owner.turns.adopted if self._partition(k) in partitions]:
            self.dedicated.discard(key)
            self._forwarder.disown(key)

    def _turn_saved(self, key: EntityKey) -> None:
        self._partitions.turn_saved(self._partition(key))

    async def drain(self) -> None:
        """Stop taking work and let what is under way end, so that a platform's answer is saved and not lost
        with the process. The claims stay until another incarnation takes them: nothing is read twice."""
        self._parts.failpoints.hit(Failpoint.DRAIN_STARTED)
        if self._leases is not None:
            await self._leases.close()
        self.draining = True
        self._partitions.close()
        await self.owner.effects.close(DRAIN_PATIENCE_S)
        self._parts.failpoints.hit(Failpoint.DRAIN_DONE)

    # -- ownership ----------------------------------------------------------------------------------
    async def _query(self, key: EntityKey, what: str) -> dict[str, Any]:
        self._must_own(key)
        if self._forwarder.serves(key):
            return await self._forwarder.ask(key, {"do": what})
        return await (self.owner.view(key) if what == "view" else self.owner.inspect(key))

    def _partition(self, key: EntityKey) -> int:
        return key.partition(self._parts.envelope.partitions)

    def _epoch(self, key: EntityKey) -> int | None:
        return self.ownership.epoch(self._partition(key))

    async def _confirm(self, key: EntityKey, epoch: int) -> None:
        """Before a connect is answered. A later claim's reader may not know of the connection, so its host
        shall be asked again; an earlier claim's reader does not either, and deletes nothing from now on."""
        if not await self._parts.mailboxes.fence(self._partition(key), epoch):
            raise NotOwner(str(key))

    def _takes(self, partition: int) -> bool:
        """Whether anything new is taken for it: it is owned, and not about to be released."""
        held = self.ownership.epoch(partition) is not None
        return held and not self.draining and partition not in self._partitions.suspended

    def _must_own(self, key: EntityKey, *, moving: bool = False) -> int:
        """The epoch; NotOwner otherwise. `moving`: what was decided before is still taken while it leaves."""
        epoch = self._epoch(key)
        if epoch is None or not (moving or self._takes(self._partition(key))):
            raise NotOwner(str(key))
        return epoch
