"""Mailbox entries on their way to entities: what each still owes, and when it may leave its stream."""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.runtime import metrics
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.verdicts import DONE, SKIP_NAME, Fate, Item, Verdict, skipping
from domain.clock import Clock
from domain.ids import EntityKey
from storage.ports import DeadLetters, Mailboxes
from storage.records import DeadLetter, Entry, StreamId

REMEMBERED = 50_000
MARKED_AT_ONCE = 1_000

StreamOf = Callable[[EntityKey], str]
Place = tuple[str, StreamId]
"""Of an entry: its stream and its id there."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One entry and the entities that still have to apply it (several orgs may have connected one external
    account). It is marked seen and deleted from the stream when nobody is left. `epoch`: of the claim under
    which it was read."""

    entry: Entry
    partition: int
    epoch: int
    generation: int
    messages: dict[EntityKey, Message] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)  # event ids to mark seen when done
    routed: bool = False  # it has its place: it is applied, held, or in a lane
    reason: str = ""  # why it shall be set aside instead of being applied

    @property
    def place(self) -> Place:
        return self.entry.stream, self.entry.id

    def item(self, key: EntityKey) -> Item:
        return Item(self.messages[key], self.entry.id, self.generation)

    def reason_for(self, key: EntityKey) -> str:
        """Why this entity shall pass it; empty if it shall apply it."""
        message = self.messages[key]
        return str(message.data["reason"]) if message.name == SKIP_NAME else ""

    def set_aside(self, keys: Iterable[EntityKey], reason: str) -> None:
        """These entities shall pass it without effect, each when its turn has come."""
        self.reason = reason
        for key in keys:
            self.messages[key] = skipping(reason, self.entry.mail.event_id)


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


def _set_aside(letter: DeadLetter) -> tuple[EntityKey, str]:
    return EntityKey.parse(letter.entity), letter.event_id


class Owed:
    """What was read and is not finished.

    Guarantee: an entry is deleted only after each of its entities has saved or dropped it; it is marked seen
    before that, and its dead letters are written before that; and only while no later claim reads the
    partition, because its reader may know of entities that this one does not. What belonged to a lost
    partition is no longer owed: whoever still carries such a delivery finds `holds` false and lets go of it,
    also when the same entry was read again under a new claim.
    """

    def __init__(
        self,
        mailboxes: Mailboxes,
        dead_letters: DeadLetters,
        clock: Clock,
        failpoints: Failpoints,
        count: metrics.Counter,
    ) -> None:
        self._mailboxes = mailboxes
        self._dead_letters = dead_letters
        self._clock = clock
        self._failpoints = failpoints
        self._count = count
        self._open: dict[Place, Delivery] = {}
        self._by_stream: Counter[str] = Counter()
        self._finished: list[Delivery] = []
        self._letters: list[tuple[int, DeadLetter]] = []  # with their partitions
        # Effects saved by this incarnation and their marks: for the moment between the save and the mark in
        # Redis, and for a Redis that has lost marks.
        self._recent: OrderedDict[tuple[EntityKey, str], str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, delivery: Delivery) -> None:
        self._open[delivery.place] = delivery
        self._by_stream[delivery.entry.stream] += 1

    def holds(self, delivery: Delivery) -> bool:
        return self._open.get(delivery.place) is delivery

    def of_stream(self, stream: str) -> int:
        """How many of a stream are open."""
        return self._by_stream[stream]

    def has_any_of(self, stream: str) -> bool:
        """Open, or finished and not known to be deleted."""
        return stream in self._by_stream or any(d.entry.stream == stream for d in self._finished)

    def streams(self) -> set[str]:
        return set(self._by_stream)

    def remove(self, partitions: Collection[int]) -> None:
        """What is finished and not deleted is left to the next reader as well: it finds the effect saved.
        What was set aside and has no letter yet is forgotten, or this process would take it for done if it is
        that reader."""
        for partition, letter in self._letters:
            if partition in partitions:
                self._recent.pop(_set_aside(letter), None)
        self._open = {p: d for p, d in self._open.items() if d.partition not in partitions}
        self._by_stream = Counter(stream for stream, _ in self._open)
        self._finished = [d for d in self._finished if d.partition not in partitions]
        self._letters = [(p, letter) for p, letter in self._letters if p not in partitions]

    # -- one entity's part --------------------------------------------------------------------------
    def without_repeats(
        self, key: EntityKey, queue: Sequence[Delivery]
    ) -> tuple[list[Delivery], list[Delivery]]:
        """Split before the first event id that comes twice: whether it is a repeat depends on how the
        first one ends. What this incarnation already applied is dropped here; and what is no longer owed,
        because earlier messages may have been let go of with it, which the watermark must not pass."""
        ids: set[str] = set()
        now: list[Delivery] = []
        for index, delivery in enumerate(queue):
            if not self.holds(delivery):
                continue
            event_id = delivery.entry.mail.event_id
            if event_id in ids:
                return now, list(queue[index:])
            if (key, event_id) in self._recent:
                delivery.marks.append(mark_of(key, delivery))  # it may have been let go of before its mark
                self.drop_repeat(key, delivery)
                continue
            ids.add(event_id)
            now.append(delivery)
        return now, []

    def settle(
        self, key: EntityKey, queue: Sequence[Delivery], verdicts: Sequence[Verdict]
    ) -> Stopped | None:
        """Take note of what was applied or set aside, up to the first message that was not."""
        for index, (delivery, verdict) in enumerate(zip(queue, verdicts, strict=True)):
            if verdict.fate not in DONE:
                return Stopped(list(queue[index:]), verdict.fate, verdict.error)
            if verdict.fate is Fate.ASIDE:
                if not self.holds(delivery):
                    continue  # let go of meanwhile: whoever reads it next owes the letter
                self._failpoints.hit(Failpoint.DEAD_PASSED)
                self._letters.append((delivery.partition, self._letter(key, delivery, verdict.reply or {})))
            # This entity is done with it, and shall not see its event id again.
            mark = mark_of(key, delivery)
            delivery.marks.append(mark)
            self._recent[key, delivery.entry.mail.event_id] = mark
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
            self._leave(key, delivery)
        return None

    def drop_repeat(self, key: EntityKey, delivery: Delivery) -> None:
        self._count("duplicates_dropped")
        self._leave(key, delivery)

    def _leave(self, key: EntityKey, delivery: Delivery) -> None:
        delivery.messages.pop(key, None)
        if not delivery.messages:
            self.finish_one(delivery)

    def _letter(self, key: EntityKey, delivery: Delivery, told: Mapping[str, Any]) -> DeadLetter:
        # One letter of one event, however often it is set aside: a Redis that has lost the deletion tells it
        # again, and whoever replays letters would replay it twice.
        entry = delivery.entry
        named = f"{key}\n{entry.mail.event_id}".encode("utf-8", "surrogatepass")
        return DeadLetter(
            id=f"{key.kind}:{hashlib.sha256(named).hexdigest()[:32]}",
            org=told["org"],
            entity=str(key),
            event_id=entry.mail.event_id,
            sealed_body=entry.mail.body,
            reason=told["reason"],
            failed_at=self._clock.now(),
        )

    # -- the end of a delivery ----------------------------------------------------------------------
    def finish_one(self, delivery: Delivery) -> None:
        """Nobody owes it anything more."""
        if self.holds(delivery):
            del self._open[delivery.place]
            stream = delivery.entry.stream
            self._by_stream[stream] -= 1
            if not self._by_stream[stream]:
                del self._by_stream[stream]
            self._finished.append(delivery)

    async def mark_again(self, concerns: Callable[[EntityKey], bool], stream_of: StreamOf) -> None:
        """Redis has lost data: what was applied here may be told again, and its mark may be among the lost,
        or was not written yet and never would be, its stream having begun anew. Nothing is marked before its
        letter is written."""
        marks: dict[str, list[str]] = {}
        without_letter = {_set_aside(letter) for _, letter in self._letters}
        for (key, event_id), mark in self._recent.items():
            if concerns(key) and (key, event_id) not in without_letter:
                marks.setdefault(stream_of(key), []).append(mark)
        for stream, lost in marks.items():
            for first in range(0, len(lost), MARKED_AT_ONCE):
                await self._mailboxes.mark_seen({stream: lost[first : first + MARKED_AT_ONCE]})

    async def flush(self) -> tuple[list[Entry], dict[int, int]]:
        """Write the dead letters, mark what is finished as seen, then delete it. Answers what is gone from
        the streams now, and the claims (partition, epoch) that are known to be superseded: whatever was read
        under those is the next reader's."""
        letters, finished = self._letters.copy(), self._finished.copy()
        if letters:
            await self._dead_letters.put([letter for _, letter in letters])
            self._count("dead_lettered", len(letters))
            self._failpoints.hit(Failpoint.DEAD_LETTERED)
            self._letters = [kept for kept in self._letters if kept not in letters]
        if not finished:
            return [], {}
        marks: dict[str, list[str]] = {}
        for delivery in finished:
            if delivery.marks:
                marks.setdefault(delivery.entry.stream, []).extend(delivery.marks)
        if marks:
            await self._mailboxes.mark_seen(marks)
        self._failpoints.hit(Failpoint.SEEN_MARKED)
        epochs = {d.partition: d.epoch for d in finished}
        fenced = await self._mailboxes.delete([d.entry for d in finished], epochs)
        self._failpoints.hit(Failpoint.MAIL_DELETED)
        done = set(finished)  # only now: interrupted, it is done again
        self._finished = [d for d in self._finished if d not in done]
        return [d.entry for d in finished if d.partition not in fenced], {p: epochs[p] for p in fenced}
