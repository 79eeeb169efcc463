"""One reader of the live feed per process, and the clients it feeds.

The feed (`live:{org}` in Redis) holds 15 minutes of an org's sealed CloudEvents. The hub opens each entry
once, whoever listens, and puts it into the queue of every client that wants it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from actors.runtime.envelope import Envelope
from api.webhooks import Metrics
from domain.events import TYPE_PREFIX, EventType, Topic, topic_of
from storage.crypto import SealBroken
from storage.ports import LiveFeed
from storage.records import BusEntry, StreamId

SNAPSHOT = "CampaignMetrics"
"""Type of a campaign's running numbers: published for live subscribers only, not a domain event."""

READ_COUNT = 500
BLOCK_MS = 250  # also how long an org's first client waits for its first event at most
RETRY_S = 1.0
_TOPIC_OF = {t.value: topic_of(t) for t in EventType} | {SNAPSHOT: Topic.CAMPAIGN}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a client asked to see; None means everything."""

    topics: frozenset[Topic] | None = None
    types: frozenset[str] | None = None  # without prefix
    campaign_id: str | None = None

    def matches(self, event: Mapping[str, Any]) -> bool:
        name = event["type"].removeprefix(TYPE_PREFIX)
        if self.types is not None and name not in self.types:
            return False
        # A type that newer code published has no topic here: only those who asked for all see it.
        if self.topics is not None and _TOPIC_OF.get(name) not in self.topics:
            return False
        return self.campaign_id is None or self.campaign_id in (
            event.get("subject"),
            event["data"].get("campaign_id"),
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """What a caller may see: events of `org`; with `accounts`, only those of these account entities."""

    org: str
    accounts: frozenset[str] | None = None

    def allows(self, event: Mapping[str, Any]) -> bool:
        if self.accounts is None:
            return True
        return bool(event["source"].startswith("/accounts/")) and event.get("subject") in self.accounts


@dataclass(frozen=True, slots=True)
class Item:
    """A feed entry ready to send."""

    id: StreamId
    event: dict[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Why a connection ends: WebSocket close code and one machine-readable word."""

    code: int
    reason: str


SLOW = Close(1013, "too_slow_resume_with_last_event_id")
GOING_AWAY = Close(1001, "server_restarts_resume_with_last_event_id")
RESET = '{"type":"reset"}'


class Client:
    """One connection's place in the hub. `queue` holds items and ready-made messages, in order."""

    def __init__(self, reach: Reach, queue_length: int) -> None:
        self.reach = reach
        self.filter = Filter()
        self.queue: asyncio.Queue[Item | str] = asyncio.Queue(queue_length)
        self.closing: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    def wants(self, item: Item) -> bool:
        return self.reach.allows(item.event) and self.filter.matches(item.event)

    def put(self, what: Item | str) -> None:
        """Queue without waiting; a client whose queue is full is dropped, not waited for."""
        try:
            self.queue.put_nowait(what)
        except asyncio.QueueFull:
            self.close(SLOW)

    def close(self, why: Close) -> None:
        if not self.closing.done():
            self.closing.set_result(why)


class LiveHub:
    """Guarantee: from `join` on, a client's queue receives every entry of its org that it wants, in order
    and once, or the client is closed with SLOW, or it is sent RESET because entries were lost.

    The reader runs while there are clients; `stop` closes them all.
    """

    def __init__(
        self,
        feed: LiveFeed,
        envelope: Envelope,
        metrics: Metrics,
        *,
        queue_length: int = 512,
        clients_per_org: int = 200,
    ) -> None:
        self._feed = feed
        self._envelope = envelope
        self._metrics = metrics
        self._queue_length = queue_length
        self._clients_per_org = clients_per_org
        self._clients: dict[str, set[Client]] = {}
        self._positions: dict[str, StreamId] = {}  # only orgs with clients
        self._reader: asyncio.Task[None] | None = None

    async def join(self, reach: Reach) -> tuple[Client, StreamId] | None:
        """A client, and the id after which its queue begins; None when its org has too many.

        The caller calls `leave` in the end. Raises StoreUnavailable.
        """
        clients = self._clients.setdefault(reach.org, set())
        if len(clients) >= self._clients_per_org:
            return None
        client = Client(reach, self._queue_length)
        clients.add(client)
        try:
            # Asked after the client is registered: an entry newer than the answer reaches its queue.
            last = await self._feed.last(reach.org)
        except BaseException:
            self.leave(client)
            raise
        self._positions.setdefault(reach.org, last)
        if self._reader is None:
            self._reader = asyncio.create_task(self._run(), name="live-reader")
        return client, last

    def leave(self, client: Client) -> None:
        org = client.reach.org
        clients = self._clients.get(org, set())
        clients.discard(client)
        if not clients:
            self._clients.pop(org, None)
            self._positions.pop(org, None)

    async def resumable(self, org: str, after: StreamId) -> bool:
        """Whether the feed still holds this entry, and so everything after it."""
        return await self._feed.has(org, after)

    async def replay(self, org: str, after: StreamId) -> AsyncIterator[Item]:
        """What the feed holds after an id, until there is no more."""
        while entries := (await self._feed.read({org: after}, READ_COUNT, 0)).get(org):
            for item in self._open(entries):
                yield item
            after = entries[-1].id

    async def stop(self) -> None:
        for clients in self._clients.values():
            for client in clients:
                client.close(GOING_AWAY)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None

    async def _run(self) -> None:
        try:
            was_away = False
            while self._positions:
                try:
                    if was_away:
                        await self._tell_losses()
                    was_away = False
                    self._deliver(await self._feed.read(dict(self._positions), READ_COUNT, BLOCK_MS))
                except Exception as error:  # one bad round must not end the reading
                    if not was_away:
                        _log.warning("live.feed_not_read", error=type(error).__name__)
                    was_away = True
                    await asyncio.sleep(RETRY_S)
        finally:
            self._reader = None

    def _deliver(self, found: Mapping[str, list[BusEntry]]) -> None:
        for org, entries in found.items():
            if org not in self._positions:  # its last client left meanwhile
                continue
            self._positions[org] = entries[-1].id
            for item in self._open(entries):
                for client in self._clients[org]:
                    if client.wants(item):
                        client.put(item)

    async def _tell_losses(self) -> None:
        """After Redis was away: an org whose last entry is gone (trimmed, or Redis lost its data) may have
        missed some. In a quiet org nothing was lost, but that cannot be told apart."""
        for org, position in list(self._positions.items()):
            if not await self._feed.has(org, position):
                self._positions[org] = await self._feed.last(org)
                for client in self._clients.get(org, ()):
                    client.put(RESET)

    def _open(self, entries: list[BusEntry]) -> list[Item]:
        items = []
        for entry in entries:
            try:
                event = self._envelope.open_event(entry.event)
            except SealBroken:
                self._metrics.count("live_entries_unreadable")
                continue
            items.append(Item(entry.id, event, _text(entry.id, event)))
        return items


def _text(id: StreamId, event: dict[str, Any]) -> str:
    if event["type"] == TYPE_PREFIX + SNAPSHOT:
        message = {"type": "snapshot", "id": str(id), "campaign": event["data"]}
    else:
        message = {"type": "event", "id": str(id), "event": event}
    return orjson.dumps(message).decode()
