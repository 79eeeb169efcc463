"""A host: the owner of every entity in the partitions it has claimed.

Guarantee: at most one host reads a partition's mailbox under a given epoch; whatever two processes believe,
the versioned write lets one of them win. After a crash the successor reads the same mailboxes, reminders and
outboxes, and ends where this one would have.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from actors.runtime.activation import Placement
from actors.runtime.addressing import Addressing
from actors.runtime.dedicated import RETRY_PLACEMENT_S, ActorGone, DedicatedActors, Forwarder
from actors.runtime.deliveries import Delivery
from actors.runtime.entity import TICK, Message
from actors.runtime.failpoints import Failpoint
from actors.runtime.mail import MailLoop
from actors.runtime.owner import Elsewhere, Owner, Parts
from actors.runtime.ownership import CHECK_INTERVAL_S, Ownership
from actors.runtime.reminders import SCAN_INTERVAL_S
from actors.runtime.tasks import Tasks
from actors.runtime.turns import Item, NotOwner, Verdict
from domain.errors import RookeryError
from domain.errors import from_json as error_from_json
from domain.ids import AccountId, EntityKey, Kind
from storage.records import ZERO, Claim, StoreUnavailable, StreamId

log = structlog.get_logger()

IDLE_S = 900.0
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
        dedicated_share: int = 0,
        on_superseded: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.incarnation = uuid.uuid4().hex
        self.build = build
        self._parts = parts
        self._addressing = addressing
        self.tasks = Tasks()
        self.ownership = Ownership(parts.claims, name, self.incarnation, build, parts.failpoints)
        self.owner = Owner(parts, self.tasks, self._epoch, Placement.SHARED, post=self.post)
        self._forwarder = Forwarder(actors, self.owner)
        self.mail = MailLoop(
            parts.mailboxes,
            addressing,
            self._run_local,
            self._forward,
            self.owner.turns.skip,
            parts.dead_letters,
            parts.parking,
            self.tasks,
            parts.clock,
            parts.failpoints,
            parts.count,
            self.owner.turns.org_of,
        )
        self._consumers = consumers
        self._on_superseded = on_superseded
        self._dedicated_share = dedicated_share
        self._placing: set[EntityKey] = set()
        self._generations: dict[int, int] = {}
        self._scans: dict[int, float] = {}  # partition -> monotonic time of its next scan
        self._adopted_until: dict[EntityKey, float] = {}
        self.draining = False

    def start(self) -> None:
        """Begin all loops; called once, inside the event loop that will run them."""
        self.tasks.loop(self._own, "ownership")
        self.tasks.loop(self.mail.step, "mail")
        self.tasks.loop(self._tick, "ticks")
        self.tasks.loop(self._scan, "scans")
        self.tasks.loop(self._passivate, "passivation")
        for consumer in self._consumers:
            self.tasks.loop(self._consuming(consumer), f"bus:{consumer.name}")

    async def stop(self) -> None:
        await self.tasks.stop()

    # -- people -------------------------------------------------------------------------------------
    async def ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        """A command. RookeryError of the rule that refused it; NotOwner when the partition is elsewhere."""
        self._must_own(key)
        if key.kind is Kind.ACCOUNT and message.name == "connect":
            self._addressing.connected(AccountId.parse(key.id))
        payload = {"do": "ask", "name": message.name, "data": dict(message.data), "id": message.id}
        if key in self.mail.dedicated and key not in self.owner.turns.adopted:
            return await self._ask_dedicated(key, payload)
        try:
            answer = await self.owner.ask(key, message)
        except Elsewhere:
            self.mail.dedicated.add(key)
            return await self._ask_dedicated(key, payload)
        taken = len(self.mail.dedicated | self._placing)
        if WORTH_WATCHING.get(key.kind) == message.name and taken < self._dedicated_share:
            self._placing.add(key)
            self.tasks.spawn(self._isolate(key), f"isolate:{key}")
        return answer

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
        if placement is Placement.DEDICATED:
            await self.owner.place(key, placement)
            self.mail.dedicated.add(key)
        else:
            if key in self.mail.dedicated and key not in self.owner.turns.adopted:
                await self._ask_dedicated(key, {"do": "release"})
            await self.owner.place(key, placement)
            self.mail.dedicated.discard(key)
            await self._forwarder.stop(key)
        self._adopted_until.pop(key, None)
        self.owner.turns.adopted.discard(key)
        return await self.inspect(key)

    def status(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "incarnation": self.incarnation,
            "build": self.build,
            "partitions": sorted(self.ownership.held),
            "activations": len(self.owner.turns),
            "applied": self.owner.turns.applied,
            "dedicated": sorted(str(k) for k in self.mail.dedicated),
            "held": self.mail.held,
            "quarantined": self.owner.quarantined,
            "effects_in_flight": sum(self.owner.effects.in_flight.values()),
        }

    # -- outcomes and reminders ---------------------------------------------------------------------
    async def post(self, key: EntityKey, message: Message) -> None:
        """The outcome of an effect. An entity isolated meanwhile looks after itself by its reminders."""
        try:
            await self.owner.post(key, message)
        except Elsewhere:
            log.info("outcome.after_isolation", entity=str(key), message_name=message.name)

    async def _tick(self) -> float:
        for key in await self.owner.tick():
            self.mail.dedicated.add(key)
            self.tasks.spawn(self._tick_dedicated(key), f"tick:{key}")
        self._reconsider_adopted()
        return 0.1

    async def _tick_dedicated(self, key: EntityKey) -> None:
        """An actor ticks itself; this starts it again after a crash, when something came due."""
        payload: dict[str, Any] = {"do": "ask", "name": TICK.name, "data": {}, "id": None}
        try:
            await self._ask_dedicated(key, payload)
        except (RookeryError, NotOwner, StoreUnavailable) as error:
            log.warning("dedicated.tick_failed", entity=str(key), error=type(error).__name__)

    # -- dedicated entities -------------------------------------------------------------------------
    async def _ask_dedicated(self, key: EntityKey, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._forwarder.ask(key, self._must_own(key), payload)
        except (ActorGone, Elsewhere) as why:
            if isinstance(why, Elsewhere):
                self.mail.dedicated.discard(key)
            else:
                await self._adopt(key)
            match payload["do"]:
                case "view":
                    return await self.owner.view(key)
                case "inspect":
                    return await self.owner.inspect(key)
                case "release":
                    return {}
            return await self.owner.ask(key, Message(payload["name"], payload["data"], payload["id"]))
        if "refused" in answer:
            raise error_from_json(answer["refused"])
        reply: dict[str, Any] = answer["reply"]
        return reply

    async def _forward(self, key: EntityKey, queue: Sequence[Delivery]) -> list[Verdict]:
        if key in self.owner.turns.adopted:
            return (await self.owner.turns.run({key: [d.item(key) for d in queue]}))[key]
        verdicts = await self._forwarder.deliver(key, self._must_own(key), queue)
        if key in self.owner.turns.adopted:
            self._adopted_until[key] = self._parts.clock.monotonic() + RETRY_PLACEMENT_S
        return verdicts

    async def _adopt(self, key: EntityKey) -> None:
        await self._forwarder.adopt(key)
        self._adopted_until[key] = self._parts.clock.monotonic() + RETRY_PLACEMENT_S

    def _reconsider_adopted(self) -> None:
        now = self._parts.clock.monotonic()
        for key in [k for k, until in self._adopted_until.items() if until <= now]:
            del self._adopted_until[key]
            self.owner.turns.adopted.discard(key)
            self.owner.turns.drop(key.__eq__)

    async def _query(self, key: EntityKey, what: str) -> dict[str, Any]:
        self._must_own(key)
        if key in self.mail.dedicated and key not in self.owner.turns.adopted:
            return await self._ask_dedicated(key, {"do": what})
        return await (self.owner.view(key) if what == "view" else self.owner.inspect(key))

    # -- ownership ----------------------------------------------------------------------------------
    def _partition(self, key: EntityKey) -> int:
        return key.partition(self._parts.envelope.partitions)

    def _epoch(self, key: EntityKey) -> int | None:
        return self.ownership.epoch(self._partition(key))

    def _must_own(self, key: EntityKey) -> int:
        epoch = self._epoch(key)
        if epoch is None or self.draining:
            raise NotOwner(str(key))
        return epoch

    async def _run_local(self, work: Mapping[EntityKey, Sequence[Item]]) -> dict[EntityKey, list[Verdict]]:
        return await self.owner.turns.run(work)

    async def _own(self) -> float:
        if self.draining:
            return CHECK_INTERVAL_S
        gained, lost = await self.ownership.check()
        self._let_go(lost)
        for claim in gained:
            await self._begin(claim)
        await self.mail.find_overflows()
        for partition in await self.mail.lost_streams():
            await self._mail_lost(partition)
        for partition, high in self.mail.applied_ids().items():
            await self.ownership.note_high(partition, high, self._generations.get(partition, 0))
        if self.ownership.superseded:
            self._on_superseded()
        return CHECK_INTERVAL_S

    def _let_go(self, partitions: Sequence[int]) -> None:
        if not partitions:
            return
        gone = set(partitions)
        self.mail.remove(gone)
        self.owner.turns.drop(lambda key: self._partition(key) in gone)
        self._addressing.forget_all()
        for partition in gone:
            self._scans.pop(partition, None)

    async def _begin(self, claim: Claim) -> None:
        streams = self.mail.streams_of(claim.partition)
        last = await self._parts.mailboxes.last_ids(streams)
        from_claim = {s: _stream_id(claim.high.get(s)) for s in streams}
        self._generations[claim.partition] = claim.generation
        if any(last.get(s, ZERO) < from_claim[s] for s in streams):
            await self._mail_lost(claim.partition)
        await self.mail.add(claim, self._generations[claim.partition])
        self._scans[claim.partition] = 0.0

    async def _mail_lost(self, partition: int) -> None:
        """Redis lost data: positions of before mean nothing. Raise the generation, start over, and let the
        accounts look at their platforms for what the lost messages told."""
        generation = self._generations.get(partition, 0) + 1
        self._generations[partition] = generation
        log.error("mailbox.data_lost", partition=partition, generation=generation)
        self._parts.count("mailbox_data_lost")
        claim = self.ownership.held.get(partition)
        if claim is None or not await self.ownership.note_high(partition, {}, generation):
            return
        self.mail.remove([partition])
        await self.mail.add(claim, generation)
        far = self._parts.clock.now().replace(year=9999)
        rows = await self._parts.store.due(Kind.ACCOUNT, partition, far, 10_000)
        for _, id_ in rows:
            await self.post(EntityKey(Kind.ACCOUNT, id_), Message("reconcile"))

    async def _scan(self) -> float:
        now = self._parts.clock.monotonic()
        for partition in [p for p, at in self._scans.items() if at <= now]:
            full = await self.owner.reminders.scan(partition)
            if partition in self._scans:
                self._scans[partition] = now + (1.0 if full else SCAN_INTERVAL_S)
        return 0.2

    def _consuming(self, consumer: BusReader) -> Callable[[], Awaitable[float]]:
        async def step() -> float:
            if self.ownership.epoch(consumer.partition) is None:
                return 0.5
            return await consumer.step()

        return step

    async def _passivate(self) -> float:
        self.owner.turns.passivate(IDLE_S)
        return 5.0

    async def drain(self) -> None:
        """Stop taking work and let what is running end; the claims stay until another incarnation takes
        them, so nothing is read twice meanwhile."""
        self._parts.failpoints.hit(Failpoint.DRAIN_STARTED)
        self.draining = True
        self._let_go(list(self.ownership.held))
        self._parts.failpoints.hit(Failpoint.DRAIN_DONE)


def _stream_id(text: str | None) -> StreamId:
    return StreamId.parse(text) if text else ZERO
