"""From what was read to entities: opened, addressed, parked or dropped, but not yet applied."""

import asyncio
from collections.abc import Sequence

from actors.runtime.addressing import Addressing
from actors.runtime.deliveries import Delivery, Owed, mark_of
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from domain.clock import Clock
from domain.ids import EntityKey
from storage.ports import Mailboxes, Parking


class Intake:
    """Guarantee: a delivery is finished here only if it is parked or was seen before; everything else comes
    back with the entities that have to apply it, or to pass it where it cannot be opened."""

    def __init__(
        self,
        addressing: Addressing,
        owed: Owed,
        mailboxes: Mailboxes,
        parking: Parking,
        clock: Clock,
        failpoints: Failpoints,
        count: Counter,
    ) -> None:
        self._addressing = addressing
        self._owed = owed
        self._mailboxes = mailboxes
        self._parking = parking
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
            self._open(delivery, ids)
            for key in delivery.messages:
                work.setdefault(key, []).append(delivery)
        await self._drop_seen(work)
        return {key: queue for key, queue in work.items() if queue}

    def _open(self, delivery: Delivery, ids: Sequence[str]) -> None:
        """What shall be set aside is not opened: it may be the opening that ends the process."""
        entry, reason = delivery.entry, delivery.reason
        try:
            if not reason:
                delivery.messages = self._addressing.messages(entry, ids)
        except Exception as error:  # whatever it is: this one cannot be opened, and the others can
            reason = f"{type(error).__name__}: cannot be opened"
        if reason:
            delivery.set_aside(self._addressing.keys(entry, ids), reason)

    async def _park(self, orphans: Sequence[Delivery]) -> dict[str, tuple[str, ...]]:
        """Insert, then look again: a connect between the two would otherwise miss the event; and a document
        server may miss, once in many thousand look-ups, an account that it is writing at that moment (seen
        with the embedded one). What is parked for somebody who is connected would wait for nobody."""
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
