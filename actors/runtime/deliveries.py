"""Mailbox entries on their way to entities: what each still owes, and when it may leave its stream."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from actors.runtime.verdicts import Fate, Item, Verdict
from domain.ids import EntityKey
from storage.ports import Mailboxes
from storage.records import Entry, StreamId

REMEMBERED = 50_000


@dataclass(slots=True, eq=False)
class Delivery:
    """One entry and the entities that still have to apply it (several orgs may have connected one external
    account). It is marked seen and deleted from the stream when nobody is left."""

    entry: Entry
    partition: int
    generation: int
    messages: dict[EntityKey, Message] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)  # event ids to mark seen when done
    routed: bool = False  # it has its place: it is applied, held, or in a lane
    starts: int = 0  # processes that began it in a batch, this one included; counted for suspects only
    lone_starts: int = 0  # processes that began it alone

    @property
    def place(self) -> tuple[str, StreamId]:
        return self.entry.stream, self.entry.id

    def item(self, key: EntityKey) -> Item:
        return Item(self.messages[key], self.entry.id, self.generation)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where an entity's messages stopped and why: the first of `rest` was not applied."""

    rest: list[Delivery]
    fate: Fate
    error: Exception | None


def mark_of(key: EntityKey, delivery: Delivery) -> str:
    """The id under which an effect is remembered, beside all others of its stream: an event id names its
    target, and of a fan-out each entity has an id of its own, because it may be half done."""
    event_id = delivery.entry.mail.event_id
    return event_id if delivery.entry.mail.target == key.id else f"{event_id}@{key.id.rsplit(':', 1)[-1]}"


class Owed:
    """What was read and is not finished.

    Guarantee: an entry is deleted only after each of its entities has saved or dropped it, and marked seen
    before. What belonged to a lost partition is no longer owed: whoever still carries such a delivery finds
    `holds` false and lets go of it, also when the same entry was read again under a new claim.
    """

    def __init__(self, mailboxes: Mailboxes, failpoints: Failpoints, count: Counter) -> None:
        self._mailboxes = mailboxes
        self._failpoints = failpoints
        self._count = count
        self._open: dict[tuple[str, StreamId], Delivery] = {}
        self._finished: list[Delivery] = []
        # Effects saved by this incarnation, for the moment between the save and the mark in Redis.
        self._recent: OrderedDict[tuple[EntityKey, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, delivery: Delivery) -> None:
        self._open[delivery.place] = delivery

    def holds(self, delivery: Delivery) -> bool:
        return self._open.get(delivery.place) is delivery

    def streams(self) -> set[str]:
        return {stream for stream, _ in self._open}

    def remove(self, partitions: Collection[int]) -> None:
        self._open = {p: d for p, d in self._open.items() if d.partition not in partitions}

    # -- one entity's part --------------------------------------------------------------------------
    def without_repeats(
        self, key: EntityKey, queue: Sequence[Delivery]
    ) -> tuple[list[Delivery], list[Delivery]]:
        """Split before the first event id that comes twice: whether it is a repeat depends on how the
        first one ends. What this incarnation already applied is dropped here."""
        ids: set[str] = set()
        now: list[Delivery] = []
        for index, delivery in enumerate(queue):
            event_id = delivery.entry.mail.event_id
            if event_id in ids:
                return now, list(queue[index:])
            if (key, event_id) in self._recent:
                self.drop_repeat(key, delivery)
                continue
            ids.add(event_id)
            now.append(delivery)
        return now, []

    def settle(
        self, key: EntityKey, queue: Sequence[Delivery], verdicts: Sequence[Verdict]
    ) -> Stopped | None:
        """Take note of what was applied, up to the first message that was not."""
        for index, (delivery, verdict) in enumerate(zip(queue, verdicts, strict=True)):
            if verdict.fate not in (Fate.APPLIED, Fate.KNOWN):
                return Stopped(list(queue[index:]), verdict.fate, verdict.error)
            self._recent[key, delivery.entry.mail.event_id] = None
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
            self.settle_one(key, delivery)
        return None

    def settle_one(self, key: EntityKey, delivery: Delivery) -> None:
        """This entity is done with it, and shall not see its event id again."""
        delivery.marks.append(mark_of(key, delivery))
        self._leave(key, delivery)

    def drop_repeat(self, key: EntityKey, delivery: Delivery) -> None:
        self._count("duplicates_dropped")
        self._leave(key, delivery)

    def _leave(self, key: EntityKey, delivery: Delivery) -> None:
        delivery.messages.pop(key, None)
        if not delivery.messages:
            self.finish_one(delivery)

    # -- the end of a delivery ----------------------------------------------------------------------
    def finish_one(self, delivery: Delivery) -> None:
        """Nobody owes it anything more."""
        if self.holds(delivery):
            del self._open[delivery.place]
            self._finished.append(delivery)

    async def flush(self) -> list[Entry]:
        """Mark what is finished as seen, then delete it; answers what is gone from the streams now."""
        if not self._finished:
            return []
        finished = self._finished.copy()
        entries = [d.entry for d in finished]
        marks: dict[str, list[str]] = {}
        for delivery in finished:
            if delivery.marks:
                marks.setdefault(delivery.entry.stream, []).extend(delivery.marks)
        if marks:
            await self._mailboxes.mark_seen(marks)
        self._failpoints.hit(Failpoint.SEEN_MARKED)
        await self._mailboxes.delete(entries)
        self._failpoints.hit(Failpoint.MAIL_DELETED)
        del self._finished[: len(finished)]  # only now: interrupted, it is done again
        return entries
