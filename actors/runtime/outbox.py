"""From the outboxes of saved documents to the bus."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from actors.runtime.activation import Activation
from actors.runtime.failpoints import Failpoint, Failpoints
from domain.events import EventType, topic_of
from storage.ports import EventBus
from storage.records import StoreUnavailable

log = structlog.get_logger()


class Outbox:
    """Publishes what entities have saved, under their turn locks, so that an entity's events keep their
    order. At least once: an event leaves its document with a later save, and goes out again after a crash,
    under the same id."""

    def __init__(
        self, bus: EventBus, seal_event: Callable[[dict[str, Any]], bytes], failpoints: Failpoints
    ) -> None:
        self._bus = bus
        self._seal_event = seal_event
        self._failpoints = failpoints

    async def publish(self, activations: Sequence[Activation[Any]]) -> None:
        """Failing is harmless: the events stay in the documents and the reminder comes back to them."""
        events = [
            (topic_of(EventType(e["type"].split(".", 1)[1])).value, e["org"], self._seal_event(e))
            for a in activations
            for e in a.runtime.outbox
        ]
        if not events:
            return
        try:
            await self._bus.publish(events)
        except StoreUnavailable as unavailable:
            log.warning("outbox.publish_failed", events=len(events), reason=str(unavailable))
            return
        for activation in activations:
            activation.published()
        self._failpoints.hit(Failpoint.EVENTS_PUBLISHED)
