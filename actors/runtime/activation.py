"""An entity in memory: its state and what the runtime keeps beside it, in one document."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import orjson

from actors.runtime.entity import Entity
from domain.ids import EntityKey
from storage.records import ZERO, Document, StreamId

S = TypeVar("S")

KEPT_ANSWERS = 8
"""Answers to commands kept for `Idempotency-Key`: a person's retries come within a few commands."""

KEPT_ASIDE = 8
"""Messages passed without effect of which it is known: until the letter is written, which comes at once."""

KEPT_OUTCOMES = 8
"""Outcomes of effects kept to recognise one that is posted again: it comes again within a second or so."""


class Placement(StrEnum):
    SHARED = "shared"
    DEDICATED = "dedicated"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The part of an entity document that the runtime owns (`rt`)."""

    watermark: StreamId = ZERO  # last mailbox message applied
    generation: int = 0  # of the mailbox the watermark speaks of
    outbox: tuple[dict[str, Any], ...] = ()  # events saved and not known to be published by a later save
    sides: tuple[tuple[str, Document], ...] = ()  # (collection, document) saved and perhaps not yet written
    answers: tuple[tuple[str, bytes], ...] = ()  # (command id, JSON answer), oldest first
    outcomes: tuple[str, ...] = ()  # ids of outcomes applied, oldest first
    aside: tuple[tuple[StreamId, str], ...] = ()  # (message passed without effect, reason), oldest first
    placement: Placement = Placement.SHARED
    epoch: int = 0  # the highest claim epoch that wrote: no later side document may look older

    def answer_to(self, command_id: str) -> dict[str, Any] | None:
        for known, answer in self.answers:
            if known == command_id:
                found: dict[str, Any] = orjson.loads(answer)
                return found
        return None

    def with_answer(self, command_id: str, answer: dict[str, Any]) -> "Runtime":
        kept = (*self.answers, (command_id, orjson.dumps(answer)))[-KEPT_ANSWERS:]
        return replace(self, answers=kept)

    def with_outcome(self, outcome: str) -> "Runtime":
        return replace(self, outcomes=(*self.outcomes, outcome)[-KEPT_OUTCOMES:])

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


@dataclass(slots=True)
class Activation(Generic[S]):
    """What a save would write is `document(...)`; `published` counts outbox events already on the bus."""

    key: EntityKey
    state: S | None
    version: int = 0
    runtime: Runtime = field(default_factory=Runtime)
    published: int = 0
    next_due_at: datetime | None = None
    used_at: float = 0.0  # monotonic seconds, for passivation

    @property
    def unpublished(self) -> tuple[dict[str, Any], ...]:
        return self.runtime.outbox[self.published :]

    @classmethod
    def load(cls, key: EntityKey, entity: Entity[S], document: Document) -> "Activation[S]":
        rt = document["rt"]
        runtime = Runtime(
            watermark=StreamId.parse(rt["wm"]),
            generation=rt["gen"],
            outbox=tuple(rt["outbox"]),
            sides=tuple((c, d) for c, d in rt.get("sides", ())),
            answers=tuple((c, bytes(a)) for c, a in rt["answers"]),
            outcomes=tuple(rt.get("outcomes", ())),
            aside=tuple((StreamId.parse(p), r) for p, r in rt.get("aside", ())),
            placement=Placement(rt["placement"]),
            epoch=rt.get("epoch", 0),
        )
        due = document["next_due_at"]
        return cls(key, entity.load(document), document["version"], runtime, next_due_at=due)


def to_document(
    key: EntityKey,
    entity: Entity[S],
    state: S,
    runtime: Runtime,
    version: int,
    partition: int,
    next_due_at: datetime | None,
) -> Document:
    return entity.dump(state) | {
        "_id": key.id,
        "org": entity.org(state),
        "partition": partition,
        "version": version,
        "next_due_at": next_due_at,
        "rt": {
            "wm": str(runtime.watermark),
            "gen": runtime.generation,
            "outbox": list(runtime.outbox),
            "sides": [[c, d] for c, d in runtime.sides],
            "answers": [[c, a] for c, a in runtime.answers],
            "outcomes": list(runtime.outcomes),
            "aside": [[str(p), r] for p, r in runtime.aside],
            "placement": runtime.placement.value,
            "epoch": runtime.epoch,
        },
    }
