"""Readers of the bus: one per (topic, consumer), run by the host that owns the consumer's partition.

Guarantee: a position is stored after the work; the work is idempotent by event id, so a reader that is
replaced in the middle repeats harmlessly.
"""

from binascii import crc32
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog

from actors.routing import campaign_messages, order_messages, refs_of
from actors.runtime.envelope import Envelope
from domain.events import TYPE_PREFIX, Topic
from storage.ports import EventBus, Mailboxes, SideStore
from storage.records import Document

log = structlog.get_logger()

CloudEvent = dict[str, Any]
Handle = Callable[[Topic, Sequence[CloudEvent]], Awaitable[None]]

READ_COUNT = 256
BLOCK_MS = 200


class Members(Protocol):
    async def find(self, org: str, refs: Sequence[str]) -> list[Document]:
        """Documents of `campaign_members` with any of these refs."""
        ...


class Consumer:
    def __init__(self, name: str, topic: Topic, handle: Handle, bus: EventBus, envelope: Envelope) -> None:
        self.name = name
        self.topic = topic
        self.partition = crc32(f"bus:{topic}:{name}".encode()) % envelope.partitions
        self._handle = handle
        self._bus = bus
        self._envelope = envelope

    async def step(self) -> float:
        """Read on from the stored position; answers seconds to wait before the next step."""
        position = await self._bus.position(self.topic, self.name)
        entries = await self._bus.read(self.topic, self.name, position, READ_COUNT, BLOCK_MS)
        if entries:
            await self._handle(self.topic, [self._envelope.open_event(e.event) for e in entries])
            await self._bus.commit(self.topic, self.name, entries[-1].id)
        return 0.0


class CampaignRouter:
    """Resolves which campaigns an event concerns, by membership at event time, and tells them."""

    def __init__(self, members: Members, mailboxes: Mailboxes, envelope: Envelope) -> None:
        self._members = members
        self._mailboxes = mailboxes
        self._envelope = envelope

    async def handle(self, topic: Topic, events: Sequence[CloudEvent]) -> None:
        wanted: dict[str, set[str]] = {}
        for event in events:
            wanted.setdefault(event["org"], set()).update(refs_of(event))
        found: dict[tuple[str, str], list[Document]] = {}
        for org, refs in wanted.items():
            for document in await self._members.find(org, sorted(refs)) if refs else []:
                found.setdefault((org, document["ref"]), []).append(document)
        mails = []
        for event in events:
            members = [m for ref in refs_of(event) for m in found.get((event["org"], ref), [])]
            mails += [self._envelope.mail(key, message) for key, message in campaign_messages(event, members)]
        if mails:
            await self._mailboxes.tell(mails)


class OrderRouter:
    """Tells each transaction of the order that a platform took."""

    def __init__(self, mailboxes: Mailboxes, envelope: Envelope) -> None:
        self._mailboxes = mailboxes
        self._envelope = envelope

    async def handle(self, topic: Topic, events: Sequence[CloudEvent]) -> None:
        told = [self._envelope.mail(key, m) for event in events for key, m in order_messages(event)]
        if told:
            await self._mailboxes.tell(told)


class EventLog:
    """Keeps what happened, for `/v1/events` and for campaigns that gain a member later."""

    def __init__(self, sides: SideStore) -> None:
        self._sides = sides

    async def handle(self, topic: Topic, events: Sequence[CloudEvent]) -> None:
        rows = [
            {
                "_id": event["id"],
                "org": event["org"],
                "topic": topic.value,
                "type": event["type"].removeprefix(TYPE_PREFIX),
                "subject": event["subject"],
                "at": datetime.fromisoformat(event["time"]),
                "event": event,
            }
            for event in events
        ]
        await self._sides.upsert_many("events", rows, new={row["_id"] for row in rows})


def consumers(
    members: Members, mailboxes: Mailboxes, sides: SideStore, bus: EventBus, envelope: Envelope
) -> list[Consumer]:
    router = CampaignRouter(members, mailboxes, envelope)
    event_log, orders = EventLog(sides), OrderRouter(mailboxes, envelope)
    return [
        *(Consumer("campaigns", t, router.handle, bus, envelope) for t in (Topic.CONTENT, Topic.COMMERCE)),
        Consumer("orders", Topic.COMMERCE, orders.handle, bus, envelope),
        *(Consumer("event-log", t, event_log.handle, bus, envelope) for t in Topic),
    ]
