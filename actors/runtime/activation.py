"""An entity in memory: its state and what the runtime keeps beside it, in one document."""

import zlib
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import bson
import orjson
from bson.codec_options import CodecOptions
from msgspec import Struct, field
from msgspec.structs import replace

from actors.runtime.entity import Entity
from actors.runtime.urgency import Urgency
from domain.ids import EntityKey
from storage.records import ZERO, Document, StreamId

S = TypeVar("S")

KEPT_ANSWERS = 8
"""Answers to commands kept for `Idempotency-Key`: a person's retries come within a few commands."""

KEPT_ASIDE = 8
"""Messages passed without effect of which it is known: until the letter is written, which comes at once."""

KEPT_OUTCOMES = 8
"""Outcomes of effects kept to recognise one that is posted again: it comes again within a second or so."""


_AS_LOADED: CodecOptions[Document] = CodecOptions(tz_aware=True)


class Placement(StrEnum):
    SHARED = "shared"
    DEDICATED = "dedicated"


class Runtime(Struct, frozen=True):
    """The part of an entity document that the runtime owns (`rt`)."""

    watermark: StreamId = ZERO  # last mailbox message applied
    generation: int = 0  # of the mailbox the watermark speaks of
    outbox: tuple[dict[str, Any], ...] = ()  # events saved and not known to be published by a later save
    sides: tuple[tuple[str, Document], ...] = ()  # (collection, document) saved and perhaps not yet written
    answers: tuple[tuple[str, bytes], ...] = ()  # (command id, compressed JSON answer), oldest first
    outcomes: str = ""  # ids of outcomes applied, oldest first, with spaces between: one object, not nine
    aside: tuple[tuple[StreamId, str], ...] = ()  # (message passed without effect, reason), oldest first
    placement: Placement = Placement.SHARED
    epoch: int = 0  # the highest claim epoch that wrote: no later side document may look older

    def answer_to(self, command_id: str) -> dict[str, Any] | None:
        for known, answer in self.answers:
            if known == command_id:
                found: dict[str, Any] = orjson.loads(zlib.decompress(answer))
                return found
        return None

    def with_answer(self, command_id: str, answer: dict[str, Any]) -> "Runtime":
        packed = zlib.compress(orjson.dumps(answer), 1)  # orjson's own bytes also hold on to their buffer
        kept = (*self.answers, (command_id, packed))[-KEPT_ANSWERS:]
        return replace(self, answers=kept)

    def with_outcome(self, outcome: str) -> "Runtime":
        return replace(self, outcomes=" ".join([*self.outcomes.split(), outcome][-KEPT_OUTCOMES:]))

    def knows_outcome(self, outcome: str) -> bool:
        return outcome in self.outcomes.split()

    def has_applied(self, position: StreamId) -> bool:
        """In whatever generation: ids are made from the time, so what a loss of data brings back has its old
        one, and new mail a higher one."""
        return position <= self.watermark

    def passed(self, generation: int, position: StreamId) -> "Runtime":
        return replace(self, generation=generation, watermark=position)

    def set_aside(self, position: StreamId, reason: str) -> "Runtime":
        return replace(self, aside=(*self.aside, (position, reason))[-KEPT_ASIDE:])

    def why_aside(self, position: StreamId) -> str | None:
        """None: it was applied."""
        return next((reason for known, reason in self.aside if known == position), None)


class Activation(Struct, Generic[S]):
    """What a save would write is `document(...)`. Of the outbox and the side documents it keeps what is still
    to be sent out or written; `owes_save` when the saved document holds more than that."""

    key: EntityKey
    state: S | None
    version: int = 0
    runtime: Runtime = field(default_factory=Runtime)
    owes_save: bool = False
    next_due_at: datetime | None = None
    urgency: int = Urgency.SCHEDULED  # of the tick at that time
    used_at: float = 0.0  # monotonic seconds, for passivation

    def published(self) -> None:
        """The events of the outbox are on the bus."""
        if self.runtime.outbox:
            self.runtime, self.owes_save = replace(self.runtime, outbox=()), True

    def sides_written(self) -> None:
        if self.runtime.sides:
            self.runtime, self.owes_save = replace(self.runtime, sides=()), True

    @classmethod
    def load(cls, key: EntityKey, entity: Entity[S], document: Document) -> "Activation[S]":
        rt = document["rt"]
        runtime = Runtime(
            watermark=StreamId.parse(rt["wm"]),
            generation=rt["gen"],
            outbox=tuple(rt["outbox"]),
            sides=tuple((c, d) for c, d in rt.get("sides", ())),
            answers=tuple((c, bytes(a)) for c, a in rt["answers"]),
            outcomes=" ".join(rt.get("outcomes", ())),
            aside=tuple((StreamId.parse(p), r) for p, r in rt.get("aside", ())),
            placement=Placement(rt["placement"]),
            epoch=rt.get("epoch", 0),
        )
        state, version, due = entity.load(document), document["version"], document["next_due_at"]
        urgency = document.get("urgency", Urgency.SCHEDULED)
        return cls(key, state, version, runtime, next_due_at=due, urgency=urgency)


class Resting(Struct, frozen=True):
    """An activation that nothing was asked of for a while: its document, compressed. It wakes up as it would
    after a load, without asking the store."""

    packed: bytes
    owes_save: bool
    used_at: float

    @classmethod
    def of(cls, activation: Activation[S], entity: Entity[S]) -> "Resting":
        if activation.state is None:
            raise ValueError(f"{activation.key} was never created")
        document = to_document(
            activation.key,
            entity,
            activation.state,
            activation.runtime,
            activation.version,
            activation.next_due_at,
        )
        return cls(zlib.compress(bson.encode(document), 1), activation.owes_save, activation.used_at)

    def awake(self, key: EntityKey, entity: Entity[S]) -> Activation[S]:
        activation = Activation.load(key, entity, bson.decode(zlib.decompress(self.packed), _AS_LOADED))
        activation.owes_save, activation.used_at = self.owes_save, self.used_at
        return activation


def to_document(
    key: EntityKey,
    entity: Entity[S],
    state: S,
    runtime: Runtime,
    version: int,
    next_due_at: datetime | None,
) -> Document:
    """The document without its `partition`, which follows from the key, and its `urgency`."""
    return entity.dump(state) | {
        "_id": key.id,
        "org": entity.org(state),
        "version": version,
        "next_due_at": next_due_at,
        "rt": {
            "wm": str(runtime.watermark),
            "gen": runtime.generation,
            "outbox": list(runtime.outbox),
            "sides": [[c, d] for c, d in runtime.sides],
            "answers": [[c, a] for c, a in runtime.answers],
            "outcomes": runtime.outcomes.split(),
            "aside": [[str(p), r] for p, r in runtime.aside],
            "placement": runtime.placement.value,
            "epoch": runtime.epoch,
        },
    }
