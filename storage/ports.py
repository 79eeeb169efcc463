"""The stores as their users see them. The real ones and the tests' fakes satisfy these protocols and pass
one contract suite. Every method may raise `StoreUnavailable`; nothing else escapes unless stated."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import EntityKey, Kind
from storage.records import (
    BusEntry,
    Claim,
    Cursor,
    DeadLetter,
    Document,
    Entry,
    Mail,
    Page,
    Rev,
    Save,
    SaveOutcome,
    StreamId,
    Unlisted,
)


class EntityStore(Protocol):
    """Entity documents, one collection per kind. The versioned write is the system's guarantee."""

    async def load_many(self, keys: Sequence[EntityKey]) -> dict[EntityKey, Document]:
        """Documents of those keys that exist; one query per kind and 50 ids."""
        ...

    async def save_many(self, saves: Mapping[EntityKey, Save]) -> dict[EntityKey, SaveOutcome]:
        """Compare-and-set each document, as one bulk per kind, majority write concern.

        A document larger or stranger than BSON allows is UNENCODABLE without harming the others.
        """
        ...

    async def connections(self, platform: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        """External id -> account entity ids of every org that ever connected it (any status)."""
        ...

    async def due(
        self, kind: Kind, partition: int, before: datetime, limit: int
    ) -> list[tuple[datetime, str, int]]:
        """(next_due_at, id, urgency) of the earliest due entities of a partition, ascending, in one query;
        urgency 0 where none is stored."""
        ...

    async def page(self, kind: Kind, org: str, limit: int, after: Cursor | None = None) -> Page:
        """An org's entities of a kind, newest `createdAt` first."""
        ...


class SideStore(Protocol):
    """Documents written on behalf of an entity: content, comments, people."""

    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        """Those of the ids that exist; what was erased (`storage.records.ERASED`) does not."""
        ...

    async def upsert_many(
        self,
        collection: str,
        documents: Sequence[Document],
        rev: Rev | None = None,
        new: Collection[str] = (),
    ) -> None:
        """Whole-document upserts; each document carries its packed `rev`, or all get that of the argument;
        without either it is 0. An existing document with a newer `rev` wins silently. The same `rev` is
        written again: a batch repeated after an outage may hold more messages than the first attempt.

        `new`: ids that most likely do not exist yet, which is cheaper to write and changes nothing else.

        Raises Unencodable, before anything is written, for documents BSON refuses.
        """
        ...

    async def page(
        self,
        collection: str,
        org: str,
        filters: Mapping[str, str],
        limit: int,
        after: Cursor | None = None,
    ) -> Page:
        """An org's documents, newest first, without tombstones (`deletedAt` set). What a collection is
        ordered by and may be filtered by is in `storage.mongo.schema.FEEDS`; KeyError for anything else."""
        ...

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        """The platform's ids of it, newest first, with the time each was published. What was deleted or
        superseded is not among it."""
        ...

    async def held(self, collection: str, org: str, account_id: str, limit: int) -> list[str]:
        """Ids of up to `limit` documents that name the account in `socialAccountId`, in any order,
        tombstones among them."""
        ...


class Mailboxes(Protocol):
    """Durable messages per stream `mailbox:{kind}:{partition}`. What is in a stream is what is owed."""

    async def tell(self, mails: Sequence[tuple[str, Mail]]) -> None:
        """Append all (stream, mail) or raise: after return each is on disk. All or nothing per call
        (MULTI), so that a webhook body is accepted whole or refused whole."""
        ...

    async def read(
        self, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[Entry]]:
        """Up to `count` entries per stream after each position; waits up to `block_ms` for the first."""
        ...

    async def fence(self, partition: int, epoch: int) -> bool:
        """From now on mail of the partition is deleted under this claim's epoch or a later one. False, and
        nothing changed, when a later claim was here before."""
        ...

    async def delete(self, entries: Sequence[Entry], epochs: Mapping[int, int]) -> set[int]:
        """Delete what was read under these claims (partition -> epoch), with its counts of attempts.
        Answers the partitions that a later claim has fenced: of them nothing was deleted. As `fence` for
        all others: a fence that Redis has lost stands again."""
        ...

    async def overflows(self, streams: Sequence[str]) -> list[str]:
        """Overflow streams of these streams that may be read now: they hold the mail of a target that
        floods, and all its earlier mail is applied and deleted. A name is never used twice, so whoever has
        seen it may go on reading it; it disappears when it is emptied."""
        ...

    async def lag(self, streams: Sequence[str]) -> dict[str, int]:
        """Entries owed per stream."""
        ...

    async def last_ids(self, streams: Sequence[str]) -> dict[str, StreamId]:
        """Last id each stream ever generated (not the last still there); ZERO where it does not exist."""
        ...

    async def seen(self, partition_kind: str, event_ids: Sequence[str]) -> set[str]:
        """Which of these event ids were marked within the retention (40 h: longer than Meta's 36 h)."""
        ...

    async def mark_seen(self, marks: Mapping[str, Sequence[str]]) -> None:
        """Stream name -> event ids whose effect is saved. An overflow stream shares its stream's marks."""
        ...

    async def raise_attempts(self, entries: Sequence[Entry], *, alone: bool = False) -> dict[StreamId, int]:
        """Count an attempt to apply each entry, before applying it; answers the new counts. Attempts to
        apply it `alone` are counted apart."""
        ...


class EventBus(Protocol):
    """Streams `bus:{topic}`: one reader per (topic, consumer), positions stored."""

    async def publish(self, events: Sequence[tuple[str, str, bytes]]) -> None:
        """(topic, org, sealed event); also appended to the org's live feed, in one round trip."""
        ...

    async def read(
        self, topic: str, consumer: str, after: StreamId, count: int, block_ms: int
    ) -> list[BusEntry]: ...

    async def position(self, topic: str, consumer: str) -> StreamId: ...

    async def commit(self, topic: str, consumer: str, position: StreamId) -> None:
        """Store how far this consumer is and trim what every registered consumer has passed."""
        ...


class LiveFeed(Protocol):
    """Streams `live:{org}` of the last 15 minutes, for the WebSocket."""

    async def publish_live(self, items: Sequence[tuple[str, bytes]]) -> None:
        """(org, sealed item): what subscribers see but no consumer needs, such as campaign snapshots."""
        ...

    async def read(
        self, after: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[BusEntry]]: ...

    async def last(self, org: str) -> StreamId:
        """Where a subscriber without a position starts; ZERO when the feed is empty."""
        ...

    async def has(self, org: str, id: StreamId) -> bool:
        """Whether a subscriber may resume after this id; if not, it missed something: send `reset`."""
        ...


class Claims(Protocol):
    """Partition ownership in MongoDB. The supervisor assigns host names; incarnations claim."""

    async def all(self) -> list[Claim]: ...

    async def assign(self, assignment: Mapping[int, str], build: str) -> None:
        """Partition -> host name (creates the documents on first use). A new name takes the claim away from
        the old one; an unchanged name leaves the claim alone. Until the host claims, `incarnation` is ""
        and `build` the argument's."""
        ...

    async def claim(self, partition: int, host: str, incarnation: str, build: str) -> Claim | None:
        """Take a partition assigned to `host` with epoch + 1; None when it is assigned elsewhere or lost
        to a concurrent claim. `released_at` of the answer is that of before; in the store it is gone."""
        ...

    async def release(self, claim: Claim, to: str, at: datetime) -> bool:
        """Give up this claim in good order: the partition is assigned to `to`, which may claim it at once.
        False when the claim is gone already."""
        ...

    async def note_pause(self, claim: Claim, pause_ms: int) -> None:
        """Record what the move to this claim took."""
        ...

    async def wish(self) -> int | None:
        """How many hosts an operator wants; None when nobody has said."""
        ...

    async def set_wish(self, hosts: int) -> None: ...

    async def note_high(self, claim: Claim, high: Mapping[str, StreamId], generation: int) -> bool:
        """Record the highest applied ids and generation under this claim; False when the claim is gone.
        Streams not named keep theirs; overflow streams are left out, because their names never recur."""
        ...


class DeadLetters(Protocol):
    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Idempotent by id."""
        ...

    async def list(self, org: str | None, limit: int, after: str | None = None) -> list[DeadLetter]: ...

    async def get(self, id: str) -> DeadLetter | None: ...

    async def mark_replayed(self, id: str, at: datetime) -> None: ...

    async def forget(self, org: str, entity: str, limit: int) -> int:
        """Remove up to `limit` letters of an entity of the org; answers how many."""
        ...


class MediaRecords(Protocol):
    """What is known of the files that people gave; the bytes are in `storage.objects`."""

    async def add(self, document: Document) -> None:
        """The same id again changes nothing."""
        ...

    async def get(self, media_id: str) -> Document:
        """For who holds the file's own address. KeyError when it is not there."""
        ...

    async def find(self, org: str, ids: Sequence[str]) -> dict[str, Document]:
        """Those of the ids that are the org's."""
        ...


class Parking(Protocol):
    """Events for external accounts that nobody has connected: at most 1,000 a key, 7 days."""

    async def park(self, mails: Sequence[Mail], at: datetime) -> int:
        """Idempotent by (target, event id). Answers how many are not kept, because their target is full."""
        ...

    async def take(self, target: str) -> list[Mail]:
        """What is parked for `platform:external id`, oldest first; stays until `forget`."""
        ...

    async def forget(self, target: str, event_ids: Sequence[str]) -> None: ...

    async def counts(self, limit: int) -> dict[str, int]:
        """Target -> number parked, largest first."""
        ...
