"""Entities in memory: loaded when they are needed, forgotten when they are idle."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.runtime.activation import Activation, Runtime
from actors.runtime.entity import Entity
from actors.runtime.locks import TurnLocks
from domain.clock import Clock
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore, SideStore
from storage.records import Document

CAPACITY = 200_000


class Activations:
    """The activations of this process, least recently used first.

    Guarantee: what is here was saved, so forgetting it is free; whether it is still the newest, only the
    next save tells.
    """

    def __init__(
        self,
        entities: Mapping[Kind, Entity[Any]],
        store: EntityStore,
        sides: SideStore,
        clock: Clock,
        locks: TurnLocks,
        capacity: int = CAPACITY,
    ) -> None:
        self._entities = entities
        self._store = store
        self._sides = sides
        self._clock = clock
        self._locks = locks
        self._capacity = capacity
        self._held: OrderedDict[EntityKey, Activation[Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: EntityKey) -> bool:
        return key in self._held

    def get(self, key: EntityKey) -> Activation[Any] | None:
        return self._held.get(key)

    async def load(self, keys: Iterable[EntityKey]) -> dict[EntityKey, Activation[Any]]:
        """Of each key, from memory or the store; version 0 where nothing was ever saved. The caller holds
        the turn locks."""
        keys = list(keys)
        # Again while there are any: a partition may be let go of meanwhile, with what was here of it.
        while missing := [key for key in keys if key not in self._held]:
            documents = await self._store.load_many(missing)
            loaded: dict[EntityKey, Activation[Any]] = {}
            for key in missing:
                if key in documents:
                    loaded[key] = Activation.load(key, self._entities[key.kind], documents[key])
                else:
                    loaded[key] = Activation(key, None)
            # A crash may have come between the save and its side documents.
            await write_sides(self._sides, [a.runtime for a in loaded.values()])
            self._held |= loaded
        used_at = self._clock.monotonic()
        found = {}
        for key in keys:
            activation = found[key] = self._held[key]
            activation.used_at = used_at
            self._held.move_to_end(key)
        return found

    def forget(self, keys: Iterable[EntityKey]) -> None:
        for key in keys:
            self._held.pop(key, None)

    def drop(self, gone: Callable[[EntityKey], bool]) -> None:
        """Forget what this process no longer owns; nothing needs saving."""
        self.forget([key for key in self._held if gone(key)])

    def passivate(self, idle_s: float) -> int:
        """Drop what is idle, unlocked and has nothing unpublished."""
        oldest = self._clock.monotonic() - idle_s
        dropped = 0
        for key in list(self._held):
            activation = self._held[key]
            over = len(self._held) > self._capacity
            if activation.used_at >= oldest and not over:
                break  # least recently used first: the rest is younger
            if not self._locks.is_held(key) and not activation.unpublished:
                del self._held[key]
                dropped += 1
        return dropped


async def write_sides(store: SideStore, saved: Iterable[Runtime]) -> None:
    """Side documents follow the save that holds them. An attempt whose save is lost leaves no trace of
    itself in them, so the next attempt finds everything as this one did and says the same events."""
    side: dict[str, list[Document]] = {}
    for runtime in saved:
        for collection, document in runtime.sides:
            side.setdefault(collection, []).append(document)
    await asyncio.gather(*(store.upsert_many(c, documents) for c, documents in side.items()))
