"""What a turn is given and what it answers: items, fates, what a save let loose, and "not here"."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from actors.runtime.entity import Effect, Message
from domain.ids import EntityKey
from storage.records import StreamId


class NotOwner(Exception):
    """This process does not hold the partition (any more)."""


class Elsewhere(Exception):
    """The entity's turns run in another process, by its placement."""


class Item(Struct, frozen=True):
    """One message for one entity. `position` is set for mailbox messages, with the mailbox generation;
    `outcome` for outcomes of effects: the same one posted again is known by it."""

    message: Message
    position: StreamId | None = None
    generation: int = 0
    outcome: str | None = None


class Fate(StrEnum):
    APPLIED = "applied"  # saved now
    KNOWN = "known"  # was applied before
    ASIDE = "aside"  # passed without effect by a versioned write, now or before: a dead letter is owed
    REFUSED = "refused"  # a rule said no to a person's command; nothing changed
    FAILED = "failed"  # the handler raised: the message counts an attempt
    WAITING = "waiting"  # not reached because an earlier message of this entity failed
    LOST_RACE = "lost_race"  # another writer was first: reload, decide again
    ELSEWHERE = "elsewhere"  # the entity's placement says that another process runs its turns


DONE = frozenset({Fate.APPLIED, Fate.KNOWN, Fate.ASIDE})
"""The message owes its entity nothing more."""


class Verdict(Struct):
    """`reply`: to a command; of what was set aside, the `reason` and the entity's `org`."""

    fate: Fate
    reply: dict[str, Any] | None = None
    error: Exception | None = None


class Saved(Struct, frozen=True):
    """What a save let loose: effects to run, a snapshot to show, the next due time."""

    key: EntityKey
    effects: tuple[Effect, ...]
    snapshot: dict[str, Any] | None
    org: str
    next_due_at: datetime | None
    urgency: int  # of the tick at that time


SKIP_NAME = "$skip"
FLUSH_NAME = "$flush"
RUNTIME_NAMES = frozenset({SKIP_NAME, FLUSH_NAME})
"""Messages that no entity sees."""

FLUSH = Item(Message(FLUSH_NAME))
"""Publish what a crash left in the outbox; take published events out of the document."""


def skipping(reason: str, message_id: str | None) -> Message:
    """Instead of a message: the watermark passes it without effect, and `reason` is remembered."""
    return Message(SKIP_NAME, {"reason": reason}, message_id)
