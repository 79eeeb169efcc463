"""Entities in memory: loaded when they are needed, forgotten when they are idle."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from actors.runtime.activation import Activation, Resting, Runtime
from actors.runtime.entity import Entity, SideRef
from actors.runtime.locks import TurnLocks
from domain.clock import Clock
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore, SideStore
from storage.records import RECEIPTS, Document

CAPACITY = 200_000

REST_S = 15.0
"""Longer than a save that owes something waits for the next one (`drafts.OUTBOX_RECHECK`): until then an
activation would be woken up again at once."""

SWEEP = 200
"""Activations put to rest or forgotten at once: about 20 ms."""


class Activations:
    """The activations of this process: awake, or at rest as their compressed document, about 2 KB each.

    Guarantee: what is here was saved, so forgetting it is free; whether it is still the newest, only the
    next save tells. Of an entity that is not here nothing is kept.
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
        # Each key is in one of the two; both are in the order of use, the least recent first.
        self._awake: OrderedDict[EntityKey, Activation[Any]] = OrderedDict()
        self._resting: dict[EntityKey, Resting] = {}

    def __len__(self) -> int:
        return len(self._awake) + len(self._resting)

    def __contains__(self, key: EntityKey) -> bool:
        return key in self._awake or key in self._resting

    @property
    def resting(self) -> int:
        return len(self._resting)

    def get(self, key: EntityKey) -> Activation[Any] | None:
        return self._woken(key) if key in self else None

    def _woken(self, key: EntityKey) -> Activation[Any]:
        resting = self._resting.pop(key, None)
        if resting is not None:
            activation = self._awake[key] = resting.awake(key, self._entities[key.kind])
            activation.used_at = self._clock.monotonic()
        return self._awake[key]

    async def load(self, keys: Iterable[EntityKey]) -> dict[EntityKey, Activation[Any]]:
        """Of each key, from memory or the store; version 0 where nothing was ever saved. The caller holds
        the turn locks."""
        keys = list(keys)
        # Again while there are any: a partition may be let go of meanwhile, with what was here of it.
        while missing := [key for key in keys if key not in self]:
            documents = await self._store.load_many(missing)
            loaded: dict[EntityKey, Activation[Any]] = {}
            for key in missing:
                if key in documents:
                    loaded[key] = Activation.load(key, self._entities[key.kind], documents[key])
                else:
                    loaded[key] = Activation(key, None)
            # A crash may have come between the save and its side documents.
            await write_sides(self._sides, [a.runtime for a in loaded.values()])
            for activation in loaded.values():
                activation.sides_written()
            self._awake |= loaded
        used_at = self._clock.monotonic()
        found = {}
        for key in keys:
            found[key] = activation = self._woken(key)
            activation.used_at = used_at
            self._awake.move_to_end(key)
        return found

    def forget(self, keys: Iterable[EntityKey]) -> None:
        for key in keys:
            self._awake.pop(key, None)
            self._resting.pop(key, None)

    def drop(self, gone: Callable[[EntityKey], bool]) -> None:
        """Forget what this process no longer owns; nothing needs saving."""
        self.forget([key for key in (*self._awake, *self._resting) if gone(key)])

    def passivate(self, idle_s: float, rest_s: float = REST_S) -> tuple[int, list[EntityKey]]:
        """Put to rest what was idle for `rest_s`, and forget what was for `idle_s` or is too much; at most
        `SWEEP` of each, so that nothing else waits for long. Whatever is locked, or has events to publish,
        stays awake. Answers how many went to rest, and what was forgotten."""
        now = self._clock.monotonic()
        tired = self._longest_idle(self._awake, now - rest_s)
        for key in tired:
            activation = self._awake.pop(key)
            if activation.version:
                self._resting[key] = Resting.of(activation, self._entities[key.kind])
        gone = self._longest_idle(self._resting, now - idle_s)
        self.forget(gone)
        return len(tired), gone

    def _longest_idle(
        self, held: Mapping[EntityKey, Activation[Any]] | Mapping[EntityKey, Resting], before: float
    ) -> list[EntityKey]:
        over = len(self) - self._capacity
        found: list[EntityKey] = []
        for key, entry in held.items():
            if len(found) >= SWEEP or (entry.used_at >= before and len(found) >= over):
                break  # the rest is younger
            busy = isinstance(entry, Activation) and bool(entry.runtime.outbox)
            if not busy and not self._locks.is_held(key):
                found.append(key)
        return found


async def write_sides(store: SideStore, saved: Iterable[Runtime], new: Collection[SideRef] = ()) -> None:
    """Side documents follow the save that holds them. An attempt whose save is lost leaves no trace of
    itself in them, so the next attempt finds everything as this one did and says the same events. `new`:
    those of them that were not there before. Receipts come after all others: who reads in one that something
    is done finds what it brought."""
    side: dict[str, list[Document]] = {}
    for runtime in saved:
        for collection, document in runtime.sides:
            side.setdefault(collection, []).append(document)
    ids: dict[str, set[str]] = {}
    for ref in new:
        ids.setdefault(ref.collection, set()).add(ref.id)
    for group in (side.keys() - RECEIPTS, side.keys() & RECEIPTS):
        await asyncio.gather(*(store.upsert_many(c, side[c], new=ids.get(c, ())) for c in group))
