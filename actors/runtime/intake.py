"""From what was read to entities: opened, addressed, parked, dropped or set aside, but not yet applied."""

import asyncio
from collections.abc import Callable, Sequence

from actors.runtime.addressing import Addressing
from actors.runtime.deliveries import Delivery, Owed, mark_of
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from domain.clock import Clock
from domain.ids import EntityKey
from storage.ports import DeadLetters, Mailboxes, Parking
from storage.records import DeadLetter


class Intake:
    """Guarantee: a delivery is finished here only if it is parked, was seen before, or is in the dead
    letters; everything else comes back with the entities that have to apply it."""

    def __init__(
        self,
        addressing: Addressing,
        owed: Owed,
        mailboxes: Mailboxes,
        parking: Parking,
        dead_letters: DeadLetters,
        org_of: Callable[[EntityKey], str | None],
        clock: Clock,
        failpoints: Failpoints,
        count: Counter,
    ) -> None:
        self._addressing = addressing
        self._owed = owed
        self._mailboxes = mailboxes
        self._parking = parking
        self._dead_letters = dead_letters
        self._org_of = org_of
        self._clock = clock
        self._failpoints = failpoints
        self._count = count

    async def address(self, deliveries: Sequence[Delivery]) -> dict[EntityKey, list[Delivery]]:
        """Entity -> its deliveries in order, without what was seen before; parks what nobody owns."""
        webhooks = [d for d in deliveries if self._addressing.is_webhook(d.entry)]
        owners = await self._addressing.resolve([d.entry.mail.target for d in webhooks])
        orphans = [d for d in webhooks if d.entry.mail.target not in owners]
        if orphans:
            owners |= await self._park(orphans)
        work: dict[EntityKey, list[Delivery]] = {}
        for delivery in deliveries:
            ids = owners.get(delivery.entry.mail.target, ())
            if not ids and self._addressing.is_webhook(delivery.entry):
                self._count("webhooks_parked")
                self._owed.finish_one(delivery)
                continue
            try:
                delivery.messages = self._addressing.messages(delivery.entry, ids)
            except Exception as error:  # whatever it is: this one cannot be opened, and the others can
                await self.bury(None, delivery, f"{type(error).__name__}: cannot be opened")
                self._owed.finish_one(delivery)
                continue
            for key in delivery.messages:
                work.setdefault(key, []).append(delivery)
        await self._drop_seen(work)
        return {key: queue for key, queue in work.items() if queue}

    async def _park(self, orphans: Sequence[Delivery]) -> dict[str, tuple[str, ...]]:
        """Insert, then look again: a connect between the two would otherwise miss the event."""
        dropped = await self._parking.park([d.entry.mail for d in orphans], self._clock.now())
        if dropped:
            self._count("webhooks_parked_dropped", dropped)
        self._failpoints.hit(Failpoint.PARKED)
        return await self._addressing.resolve([d.entry.mail.target for d in orphans], fresh=True)

    async def _drop_seen(self, work: dict[EntityKey, list[Delivery]]) -> None:
        asked: dict[str, list[str]] = {}
        for key, queue in work.items():
            for delivery in queue:
                asked.setdefault(delivery.entry.stream, []).append(mark_of(key, delivery))
        answers = await asyncio.gather(*(self._mailboxes.seen(s, ids) for s, ids in asked.items()))
        seen = dict(zip(asked, answers, strict=True))
        for key, queue in work.items():
            fresh = []
            for delivery in queue:
                if mark_of(key, delivery) in seen[delivery.entry.stream]:
                    self._owed.drop_repeat(key, delivery)
                else:
                    fresh.append(delivery)
            queue[:] = fresh

    async def bury(self, key: EntityKey | None, delivery: Delivery, reason: str) -> None:
        """Put it into the dead letters; it is still owed."""
        entry = delivery.entry
        target = key.id if key else entry.mail.target
        letter = DeadLetter(
            id=f"{entry.stream}:{delivery.generation}:{entry.id}:{target}",
            org=self._org_of(key) if key else None,
            entity=str(key) if key else entry.mail.target,
            event_id=entry.mail.event_id,
            sealed_body=entry.mail.body,
            reason=reason,
            failed_at=self._clock.now(),
        )
        await self._dead_letters.put([letter])
        self._count("dead_lettered")
        self._failpoints.hit(Failpoint.DEAD_LETTERED)
