"""What an entity is to the runtime: pure, synchronous turns; no Ray, Redis, Mongo or HTTP.

A turn takes the state, a message and the time, and answers a new state with everything that shall follow
from it. Raising leaves the old state. The host saves, then lets the rest happen.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from msgspec import Struct, field

from actors.runtime.urgency import Urgency
from domain.events import Event
from domain.ids import EntityKey, Kind
from storage.records import Document

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)


class Message(Struct, frozen=True):
    """`name` selects the handler. From a mailbox or a person `data` holds JSON values; outcomes of effects
    never leave the process and may hold any object. `id` makes it take effect once."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None


TICK = Message("tick")
"""A reminder came due. It may come twice or late: the handler decides from the state what is due."""

LONELY_TICK = Message(TICK.name, {"lonely": True})
"""The same where no effect of the entity is under way in the process that owns it: what its state waits for
was begun by a process that is gone, or by one that owns it no more. What may be done twice is done again."""


class SideRef(Struct, frozen=True):
    """A side document that a turn wants to see."""

    collection: str
    id: str


class SideWrite(Struct, frozen=True):
    """A whole side document, absolute values only; the runtime adds `rev`. Deletion is a tombstone."""

    collection: str
    document: Document


SideView = Mapping[SideRef, Document]


class Effect(Struct, frozen=True):
    """Input or output to be done after the save, outside the turn; its outcome comes back as a message.

    Effects are not durable: the state says what is pending and a reminder drives it again after a crash.
    """

    once: ClassVar[bool] = False
    """Whether its intent is saved, and nobody but its outcome can tell whether it happened."""

    early: ClassVar[bool] = False
    """Whether it reads nothing that its turn wrote beside the entity: it begins while that is written."""


class Turn(Struct, Generic[S], frozen=True):
    """`changed` False means: nothing to save (a query-like command, a duplicate). `forgets`: the answers that
    are kept for repeated commands go, because they show what the entity was."""

    state: S
    events: tuple[Event, ...] = ()
    side: tuple[SideWrite, ...] = ()
    effects: tuple[Effect, ...] = ()
    reply: dict[str, Any] | None = None
    changed: bool = True
    forgets: bool = False


class Entity(Protocol[S]):
    """The behaviour of one kind. One object serves all entities of its kind in a process."""

    kind: Kind

    def load(self, document: Document) -> S: ...

    def dump(self, state: S) -> Document:
        """The domain fields of the document; the runtime adds its own (`_id`, `version`, `rt`...)."""
        ...

    def org(self, state: S) -> str: ...

    def reads(self, key: EntityKey, state: S | None, message: Message) -> Sequence[SideRef]: ...

    def apply(
        self, key: EntityKey, state: S | None, message: Message, now: datetime, side: SideView
    ) -> Turn[S]: ...

    def due(self, state: S) -> datetime | None:
        """When this entity wants a TICK next."""
        ...

    def urgency(self, state: S, due: datetime | None) -> Urgency:
        """What the TICK at `due` (as just answered) is for. Kinds without platform calls answer SCHEDULED."""
        ...

    def view(self, key: EntityKey, state: S) -> dict[str, Any]:
        """JSON for people: no tokens."""
        ...

    def snapshot(self, key: EntityKey, state: S) -> dict[str, Any] | None:
        """What live subscribers see after a change; None for kinds without."""
        ...


@runtime_checkable
class Intends(Protocol[S_contra]):
    """An entity with once-only effects."""

    def intends(self, state: S_contra, effect: Effect) -> bool:
        """Whether the intent of a once-only effect is in this state. Of several messages in one turn a later
        one may end what an earlier one began: then nothing of it is saved, and nothing may be sent."""
        ...


@runtime_checkable
class Awaits(Protocol[S_contra]):
    """An entity with effects that a lonely reminder (`LONELY_TICK`) begins again."""

    def awaits(self, state: S_contra) -> bool:
        """Whether this state waits for the outcome of one. Who takes over looks soon, also when other
        messages were applied meanwhile, here or there."""
        ...
