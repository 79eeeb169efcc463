"""Mailbox entries on their way to entities: what each still owes, and what holds an entity up."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from actors.runtime.entity import Message
from actors.runtime.turns import Item
from domain.ids import EntityKey
from storage.records import Entry

REMEMBERED = 50_000


@dataclass(slots=True)
class Delivery:
    """One entry and the entities that still have to apply it (several orgs may have connected one external
    account). It is marked seen and deleted from the stream when nobody is left."""

    entry: Entry
    partition: int
    generation: int
    messages: dict[EntityKey, Message] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)  # event ids to mark seen when done

    def item(self, key: EntityKey) -> Item:
        return Item(self.messages[key], self.entry.id, self.generation)


@dataclass(slots=True)
class Held:
    """An entity whose first waiting message failed; its later ones queue behind, its neighbours go on."""

    waiting: deque[Delivery]
    failures: int
    retry_at: float  # monotonic seconds


class RecentlyApplied:
    """Effects saved by this incarnation, for the moment between the save and the mark in Redis."""

    def __init__(self) -> None:
        self._ids: OrderedDict[tuple[EntityKey, str], None] = OrderedDict()

    def add(self, key: EntityKey, event_id: str) -> None:
        self._ids[key, event_id] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)

    def __contains__(self, item: tuple[EntityKey, str]) -> bool:
        return item in self._ids


def mark_of(key: EntityKey, delivery: Delivery) -> str:
    """The id under which an effect is remembered: per entity, because a fan-out may be half done."""
    event_id = delivery.entry.mail.event_id
    return event_id if delivery.entry.mail.target == key.id else f"{event_id}@{key.id.rsplit(':', 1)[-1]}"
