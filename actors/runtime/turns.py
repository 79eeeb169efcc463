"""Turns: load, apply, save, publish. The one place where entity documents are written.

Guarantee: when `run` answers that a message was applied, its effect is in MongoDB by a versioned write, and
its events are in the same document. When it raises or answers otherwise, nothing of that message is known
to be saved, and running it again is safe.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.runtime.activation import Activation, Placement
from actors.runtime.activations import Activations, write_sides
from actors.runtime.drafts import Draft
from actors.runtime.entity import LONELY_TICK, TICK, Effect, Entity, SideRef
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.locks import TurnLocks
from actors.runtime.outbox import Outbox
from actors.runtime.verdicts import Fate, Item, NotOwner, Saved, Verdict
from domain.clock import Clock
from domain.errors import Conflict
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore, SideStore
from storage.records import Document, Save, SaveOutcome

RACES = 5
"""Lost races after which the caller is told, instead of deciding once more."""


class Turns:
    """Runs turns for the entities of this process.

    `epoch_of(key)` tells the claim epoch under which this process owns the entity, or None; it is asked
    again directly before every save. `on_saved` is called after each save, outside any await. `heard(key)`
    are outcomes of effects that wait to be saved: every turn begins with them. `busy(key)` tells whether any
    effect of the entity is under way here; `begin` begins those that need not wait for `on_saved`.
    """

    def __init__(
        self,
        entities: Mapping[Kind, Entity[Any]],
        store: EntityStore,
        sides: SideStore,
        outbox: Outbox,
        clock: Clock,
        partitions: int,
        epoch_of: Callable[[EntityKey], int | None],
        on_saved: Callable[[Saved], None],
        failpoints: Failpoints,
        serves: Placement,
        heard: Callable[[EntityKey], Sequence[Item]],
        busy: Callable[[EntityKey], bool],
        begin: Callable[[EntityKey, Effect], None],
    ) -> None:
        self._begin = begin
        self._heard = heard
        self._busy = busy
        self._entities = entities
        self._store = store
        self._sides = sides
        self._outbox = outbox
        self._clock = clock
        self._partitions = partitions
        self._epoch_of = epoch_of
        self._on_saved = on_saved
        self._failpoints = failpoints
        self._serves = serves
        self.adopted: set[EntityKey] = set()
        """Entities served here although their placement says otherwise (their own actor is not ready)."""
        self.locks = TurnLocks()
        self.active = Activations(entities, store, sides, clock, self.locks)
        self.applied = 0

    # -- reading ------------------------------------------------------------------------------------
    async def activation(self, key: EntityKey, within_s: float | None = None) -> Activation[Any] | None:
        """The last saved state, loaded if need be; None when the entity was never created. Raises Busy when
        its turn to be loaded did not come in time."""
        found = self.active.get(key)
        if found is None:
            async with self.locks.holding([key], within_s):
                found = (await self.active.load([key]))[key]
                if self.is_elsewhere(found) or not found.version:
                    self.active.forget([key])  # it changes in another process: never answered from memory
        return found if found.version else None

    def is_elsewhere(self, activation: Activation[Any]) -> bool:
        """Whether the entity's placement says that another process runs its turns."""
        if activation.key in self.adopted:
            return False
        return bool(activation.version) and activation.runtime.placement is not self._serves

    # -- running ------------------------------------------------------------------------------------
    async def run(
        self,
        work: Mapping[EntityKey, Sequence[Item]],
        *,
        fresh: bool = False,
        within_s: float | None = None,
    ) -> dict[EntityKey, list[Verdict]]:
        """Apply each entity's messages in order and save all entities as one bulk. `fresh`: from what the
        store holds now, whatever is remembered here. `within_s`: the turn begins so soon, or Busy is raised
        and nothing has happened.

        Raises StoreUnavailable (nothing is known to have happened; activations concerned are dropped) and
        NotOwner. A command refused by a rule, a handler that raised and a lost race are verdicts. Anything
        else raised is a defect around an entity, such as a document that this build cannot read.
        """
        async with self._turn_of(work, within_s):
            if fresh:
                self.active.forget(work)
            first = {key: self._heard_before(key, items) for key, items in work.items()}
            activations = await self.active.load(work)
            verdicts = {
                key: [Verdict(Fate.ELSEWHERE) for _ in items]
                for key, items in work.items()
                if self.is_elsewhere(activations[key])
            }
            self.active.forget(verdicts)
            drafts = {
                key: Draft(
                    self._entities[key.kind], activations[key], [*first[key], *self._ticking(key, items)]
                )
                for key, items in work.items()
                if key not in verdicts
            }
            view = await self._read_sides(drafts.values())
            now = self._clock.now()
            for draft in drafts.values():
                draft.apply(view, now)
            self._failpoints.hit(Failpoint.BATCH_APPLIED)
            await self._save(drafts)
            self.active.forget([key for key, draft in drafts.items() if _is_doubtful(draft)])
            return verdicts | {key: draft.verdicts[len(first[key]) :] for key, draft in drafts.items()}

    def _heard_before(self, key: EntityKey, items: Sequence[Item]) -> list[Item]:
        """Outcomes that wait to be saved, and are not what this turn is for."""
        posted = {item.outcome for item in items}
        return [item for item in self._heard(key) if item.outcome not in posted]

    def _ticking(self, key: EntityKey, items: Sequence[Item]) -> Sequence[Item]:
        """Decided under the turn's lock, where effects are begun and their outcomes saved."""
        if self._busy(key):
            return items
        return [Item(LONELY_TICK) if item.message.name == TICK.name else item for item in items]

    async def place(self, key: EntityKey, placement: Placement, busy: Callable[[], bool]) -> bool:
        """Change the placement by a versioned write and forget the activation: its owner changes.

        False, and nothing changed, while `busy()`: an effect's outcome must come back to the process that
        started it. KeyError when the entity was never created. A lost race is decided again; Conflict
        `lost_race` when other writers were first each time.
        """
        for _ in range(RACES):
            async with self._turn_of([key]):
                if busy():
                    return False
                activation = (await self.active.load([key]))[key]
                if not activation.version:
                    raise KeyError(str(key))
                placed = activation.runtime.placement is placement or await self._place(activation, placement)
                self.active.forget([key])
            if placed:
                self._failpoints.hit(Failpoint.PLACEMENT_SAVED)
                return True
        raise Conflict("lost_race", "The entity changed meanwhile: try again.")

    async def reload(self, key: EntityKey) -> Activation[Any]:
        """What the store holds now, whatever is remembered here; version 0 when nothing was ever saved."""
        async with self._turn_of([key]):
            self.active.forget([key])
            return (await self.active.load([key]))[key]

    async def _place(self, activation: Activation[Any], placement: Placement) -> bool:
        draft = Draft(self._entities[activation.key.kind], activation)
        draft.place(placement)
        await self._save({activation.key: draft})
        (verdict,) = draft.verdicts
        if verdict.error is not None:
            raise verdict.error
        return verdict.fate is Fate.APPLIED

    @asynccontextmanager
    async def _turn_of(
        self, keys: Collection[EntityKey], within_s: float | None = None
    ) -> AsyncIterator[None]:
        async with self.locks.holding(keys, within_s):
            try:
                yield
            except BaseException:
                # The memory may be ahead of or behind the store: only a reload tells.
                self.active.forget(keys)
                raise

    async def _read_sides(self, drafts: Collection[Draft]) -> dict[SideRef, Document]:
        wanted: dict[str, set[str]] = {}
        for draft in drafts:
            for ref in draft.reads():
                wanted.setdefault(ref.collection, set()).add(ref.id)
        view: dict[SideRef, Document] = {}
        for collection, ids in wanted.items():
            for id_, document in (await self._sides.load_many(collection, sorted(ids))).items():
                view[SideRef(collection, id_)] = document
        return view

    async def _save(self, drafts: Mapping[EntityKey, Draft]) -> None:
        now = self._clock.now()
        saves: dict[EntityKey, Save] = {}
        outlived: dict[EntityKey, SaveOutcome] = {}
        for key, draft in drafts.items():
            epoch = self._epoch_of(key)
            if epoch is None:
                raise NotOwner(str(key))
            if epoch < draft.runtime.epoch:
                # A later claim wrote it, so ours is lost, whatever this process has heard. It may hold mail
                # that the later owner has disposed of, and that has come back under another position.
                outlived[key] = SaveOutcome.CONFLICT
            save = draft.save(epoch, key.partition(self._partitions), now)
            if save is not None:
                saves[key] = save
        if saves:
            outcomes = {
                **await self._store.save_many({k: s for k, s in saves.items() if k not in outlived}),
                **outlived,
            }
            self._failpoints.hit(Failpoint.ENTITY_SAVED)
            for key in saves:
                if outcomes[key] is SaveOutcome.SAVED:
                    for effect in drafts[key].take_early():
                        self._begin(key, effect)
            written = [drafts[k].runtime for k in saves if outcomes[k] is SaveOutcome.SAVED]
            new = {ref for key in saves for ref in drafts[key].new_sides}
            await write_sides(self._sides, written, new)
            self._failpoints.hit(Failpoint.SIDE_SAVED)
            saved = []
            for key, save in saves.items():
                if drafts[key].settle(save, outcomes[key]):
                    saved.append(drafts[key])
                    self.applied += drafts[key].applied
                    self._on_saved(drafts[key].saved())
                else:
                    self.active.forget([key])
            await self._outbox.publish([draft.activation for draft in saved])
        for key, draft in drafts.items():
            if draft.effects and key not in saves:
                self._on_saved(draft.saved())


def _is_doubtful(draft: Draft) -> bool:
    """Whether what is remembered of the entity may not be decided from again: nobody wrote it yet (another
    may be about to), or a message failed, perhaps only because this is not the newest state."""
    failed = any(verdict.fate is Fate.FAILED for verdict in draft.verdicts)
    return failed or not draft.activation.version
