"""Turns: load, apply, save, publish. The one place where entity documents are written.

Guarantee: when `run` answers that a message was applied, its effect is in MongoDB by a versioned write, and
its events are in the same document. When it raises or answers otherwise, nothing of that message is known
to be saved, and running it again is safe.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog

from actors.runtime.activation import Activation, Placement, Runtime, to_document
from actors.runtime.entity import TICK, Effect, Entity, Message, SideRef, SideWrite
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.locks import TurnLocks
from domain.clock import Clock
from domain.errors import Conflict, RookeryError
from domain.events import EventType, cloud_event, topic_of
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore, EventBus, SideStore
from storage.records import Document, Rev, Save, SaveOutcome, StoreUnavailable, StreamId

log = structlog.get_logger()

OUTBOX_RECHECK = timedelta(seconds=10)
"""A save with events is looked at again after this, so that a crash before publishing is found."""


class NotOwner(Exception):
    """This process does not hold the partition (any more)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message for one entity. `position` is set for mailbox messages, with the mailbox generation."""

    message: Message
    position: StreamId | None = None
    generation: int = 0


class Fate(StrEnum):
    APPLIED = "applied"  # saved now
    KNOWN = "known"  # was applied before
    REFUSED = "refused"  # a rule said no to a person's command; nothing changed
    FAILED = "failed"  # the handler raised: the message counts an attempt
    WAITING = "waiting"  # not reached because an earlier message of this entity failed
    LOST_RACE = "lost_race"  # another writer was first: reload, decide again
    ELSEWHERE = "elsewhere"  # the entity's placement says that another process runs its turns


@dataclass(slots=True)
class Verdict:
    fate: Fate
    reply: dict[str, Any] | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save let loose: effects to run, a snapshot to show, the next due time."""

    key: EntityKey
    effects: tuple[Effect, ...]
    snapshot: dict[str, Any] | None
    org: str
    next_due_at: datetime | None


@dataclass(slots=True)
class _Draft:
    """The outcome of one entity's messages, in memory, before the save."""

    activation: Activation[Any]
    state: Any
    runtime: Runtime
    verdicts: list[Verdict] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    side: dict[SideRef, SideWrite] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    dirty: bool = False
    changed: bool = False


class Turns:
    """Runs turns for the entities of this process.

    `epoch_of(key)` tells the claim epoch under which this process owns the entity, or None; it is asked
    again directly before every save. `on_saved` is called after each save, outside any await.
    """

    def __init__(
        self,
        entities: Mapping[Kind, Entity[Any]],
        store: EntityStore,
        sides: SideStore,
        bus: EventBus,
        seal_event: Callable[[dict[str, Any]], bytes],
        clock: Clock,
        partitions: int,
        epoch_of: Callable[[EntityKey], int | None],
        on_saved: Callable[[Saved], None],
        failpoints: Failpoints,
        serves: Placement = Placement.SHARED,
        capacity: int = 200_000,
    ) -> None:
        self._entities = entities
        self._store = store
        self._sides = sides
        self._bus = bus
        self._seal_event = seal_event
        self._clock = clock
        self._partitions = partitions
        self._epoch_of = epoch_of
        self._on_saved = on_saved
        self._failpoints = failpoints
        self._capacity = capacity
        self._activations: OrderedDict[EntityKey, Activation[Any]] = OrderedDict()
        self._serves = serves
        self.adopted: set[EntityKey] = set()
        """Entities served here although their placement says otherwise (their own actor is not ready)."""
        self.locks = TurnLocks()
        self.applied = 0

    # -- reading ------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._activations)

    def is_active(self, key: EntityKey) -> bool:
        return key in self._activations

    async def activation(self, key: EntityKey) -> Activation[Any] | None:
        """The last saved state, loaded if need be; None when the entity was never created."""
        found = self._activations.get(key)
        if found is None:
            async with self.locks.holding([key]):
                found = (await self._activate([key]))[key]
        return found if found.version else None

    def org_of(self, key: EntityKey) -> str | None:
        """The org of an entity in memory; None when it is not there or was never created."""
        activation = self._activations.get(key)
        if activation is None or activation.state is None:
            return None
        return self._entities[key.kind].org(activation.state)

    def drop(self, gone: Callable[[EntityKey], bool]) -> None:
        """Forget activations that this process no longer owns; nothing needs saving."""
        for key in [k for k in self._activations if gone(k)]:
            del self._activations[key]

    def passivate(self, idle_s: float) -> int:
        """Drop what is idle, unlocked and has nothing unpublished; free, because everything is saved."""
        oldest = self._clock.monotonic() - idle_s
        dropped = 0
        for key in list(self._activations):
            activation = self._activations[key]
            over = len(self._activations) > self._capacity
            if activation.used_at >= oldest and not over:
                break  # least recently used first: the rest is younger
            if not self.locks.is_held(key) and not activation.unpublished:
                del self._activations[key]
                dropped += 1
        return dropped

    # -- running ------------------------------------------------------------------------------------
    async def run(self, work: Mapping[EntityKey, Sequence[Item]]) -> dict[EntityKey, list[Verdict]]:
        """Apply each entity's messages in order and save all entities as one bulk.

        Raises StoreUnavailable (nothing is known to have happened; activations concerned are dropped) and
        NotOwner. A command refused by a rule, a handler that raised and a lost race are verdicts.
        """
        async with self.locks.holding(work):
            try:
                return await self._run_locked(work)
            except BaseException:
                # The memory may be ahead of or behind the store: only a reload tells.
                self.drop(lambda key: key in work)
                raise

    async def place(self, key: EntityKey, placement: Placement, busy: Callable[[], bool]) -> bool:
        """Change the placement by a versioned write and forget the activation: its owner changes.

        False, and nothing changed, while `busy()`: an effect's outcome must come back to the process that
        started it. KeyError when the entity was never created.
        """
        async with self.locks.holding([key]):
            if busy():
                return False
            activation = (await self._activate([key]))[key]
            if not activation.version:
                raise KeyError(str(key))
            if activation.runtime.placement is not placement:
                draft = _Draft(activation, activation.state, replace(activation.runtime, placement=placement))
                draft.dirty = True
                draft.verdicts.append(Verdict(Fate.APPLIED))
                await self._save({key: draft})
                if draft.verdicts[0].fate is not Fate.APPLIED:
                    raise StoreUnavailable("another writer was first")
            self._activations.pop(key, None)
        self._failpoints.hit(Failpoint.PLACEMENT_SAVED)
        return True

    async def take_over(self, key: EntityKey) -> None:
        """Start an activation with a versioned write, so that whoever held it before loses its next one."""
        async with self.locks.holding([key]):
            self._activations.pop(key, None)
            activation = (await self._activate([key]))[key]
            if not activation.version:
                raise KeyError(str(key))
            draft = _Draft(activation, activation.state, activation.runtime, [Verdict(Fate.APPLIED)])
            draft.dirty = True
            await self._save({key: draft})
            if draft.verdicts[0].fate is not Fate.APPLIED:
                raise StoreUnavailable("another writer was first")

    async def skip(self, key: EntityKey, item: Item) -> None:
        """Pass a dead-lettered message by a versioned write, without applying it."""
        await self.run({key: [replace(item, message=Message(_SKIP, id=item.message.id))]})

    async def _run_locked(self, work: Mapping[EntityKey, Sequence[Item]]) -> dict[EntityKey, list[Verdict]]:
        activations = await self._activate(work)
        elsewhere = {key for key in work if self._is_elsewhere(activations[key])}
        verdicts = {key: [Verdict(Fate.ELSEWHERE) for _ in work[key]] for key in elsewhere}
        if elsewhere:
            self.drop(lambda key: key in elsewhere)
            work = {key: items for key, items in work.items() if key not in elsewhere}
        view = await self._read_sides(work, activations)
        now = self._clock.now()
        drafts = {key: self._apply(key, activations[key], work[key], view, now) for key in work}
        self._failpoints.hit(Failpoint.BATCH_APPLIED)
        await self._save(drafts)
        return verdicts | {key: draft.verdicts for key, draft in drafts.items()}

    def _is_elsewhere(self, activation: Activation[Any]) -> bool:
        if activation.key in self.adopted:
            return False
        return bool(activation.version) and activation.runtime.placement is not self._serves

    async def _activate(self, keys: Iterable[EntityKey]) -> dict[EntityKey, Activation[Any]]:
        keys = list(keys)
        missing = [key for key in keys if key not in self._activations]
        if missing:
            documents = await self._store.load_many(missing)
            loaded: dict[EntityKey, Activation[Any]] = {}
            for key in missing:
                if key in documents:
                    loaded[key] = Activation.load(key, self._entities[key.kind], documents[key])
                else:
                    loaded[key] = Activation(key, None)
            await self._write_sides([a.runtime for a in loaded.values()])  # a crash may have come before it
            self._activations |= loaded
        used_at = self._clock.monotonic()
        found = {}
        for key in keys:
            activation = found[key] = self._activations[key]
            activation.used_at = used_at
            self._activations.move_to_end(key)
        return found

    async def _read_sides(
        self, work: Mapping[EntityKey, Sequence[Item]], activations: Mapping[EntityKey, Activation[Any]]
    ) -> dict[SideRef, Document]:
        wanted: dict[str, set[str]] = {}
        for key, items in work.items():
            entity, state = self._entities[key.kind], activations[key].state
            for item in items:
                if item.message.name in _RUNTIME_MESSAGES:
                    continue
                for ref in entity.reads(key, state, item.message):
                    wanted.setdefault(ref.collection, set()).add(ref.id)
        view: dict[SideRef, Document] = {}
        for collection, ids in wanted.items():
            for id_, document in (await self._sides.load_many(collection, sorted(ids))).items():
                view[SideRef(collection, id_)] = document
        return view

    # -- applying -----------------------------------------------------------------------------------
    def _apply(
        self,
        key: EntityKey,
        activation: Activation[Any],
        items: Sequence[Item],
        view: dict[SideRef, Document],
        now: datetime,
    ) -> _Draft:
        draft = _Draft(activation, activation.state, activation.runtime)
        failed = False
        for item in items:
            if failed:
                draft.verdicts.append(Verdict(Fate.WAITING))
                continue
            verdict = self._apply_one(key, draft, item, view, now)
            draft.verdicts.append(verdict)
            failed = verdict.fate is Fate.FAILED
        return draft

    def _apply_one(
        self, key: EntityKey, draft: _Draft, item: Item, view: dict[SideRef, Document], now: datetime
    ) -> Verdict:
        message, position = item.message, item.position
        if position is not None:
            if draft.runtime.has_applied(item.generation, position):
                return Verdict(Fate.KNOWN)
        elif message.id is not None and (answer := draft.runtime.answer_to(message.id)) is not None:
            return Verdict(Fate.KNOWN, reply=answer)
        if message.name == _SKIP:
            draft.runtime = draft.runtime.passed(item.generation, position) if position else draft.runtime
            draft.dirty = draft.state is not None
            return Verdict(Fate.APPLIED)
        if message.name == _FLUSH:
            owed = bool(draft.runtime.outbox or draft.runtime.sides)
            draft.dirty = draft.dirty or (draft.state is not None and owed)
            return Verdict(Fate.APPLIED)
        if message is TICK and draft.state is None:
            return Verdict(Fate.APPLIED)
        person = position is None and message.id is not None
        if person or "if_version" in message.data:
            message = replace(message, data={**message.data, "_version": draft.activation.version})
        try:
            turn = self._entities[key.kind].apply(key, draft.state, message, now, view)
        except RookeryError as refused:
            if position is None:
                return Verdict(Fate.REFUSED, error=refused)
            return Verdict(Fate.FAILED, error=refused)
        except Exception as error:  # a defect or a poison message holds up its entity, not its neighbours
            return Verdict(Fate.FAILED, error=error)
        if turn.changed:
            version = draft.activation.version + 1
            org = self._entities[key.kind].org(turn.state)
            for event in turn.events:
                draft.events.append(cloud_event(event, key, org, version, len(draft.events), now))
            for write in turn.side:
                ref = SideRef(write.collection, write.document["_id"])
                draft.side[ref] = write
                view[ref] = write.document
            draft.state = turn.state
            draft.dirty = draft.changed = True
        draft.effects.extend(turn.effects)
        reply = turn.reply
        if person and reply is not None:
            reply = reply | {"version": draft.activation.version + (1 if turn.changed else 0)}
        if draft.dirty and position is not None:
            draft.runtime = draft.runtime.passed(item.generation, position)
        if message.id is not None and person and reply is not None and turn.changed:
            draft.runtime = draft.runtime.with_answer(message.id, reply)
        return Verdict(Fate.APPLIED, reply=reply)

    # -- saving -------------------------------------------------------------------------------------
    async def _save(self, drafts: Mapping[EntityKey, _Draft]) -> None:
        now = self._clock.now()
        saves: dict[EntityKey, Save] = {}
        for key, draft in drafts.items():
            epoch = self._epoch_of(key)
            if epoch is None:
                raise NotOwner(str(key))
            if not draft.dirty or draft.state is None:
                continue
            version = draft.activation.version + 1
            rev = Rev(epoch, version).packed()
            draft.runtime = replace(
                draft.runtime,
                outbox=(*draft.activation.unpublished, *draft.events),
                sides=tuple((w.collection, w.document | {"rev": rev}) for w in draft.side.values()),
            )
            due = self._entities[key.kind].due(draft.state)
            if draft.runtime.outbox or draft.runtime.sides:
                due = min(due, now + OUTBOX_RECHECK) if due else now + OUTBOX_RECHECK
            document = to_document(
                key,
                self._entities[key.kind],
                draft.state,
                draft.runtime,
                version,
                key.partition(self._partitions),
                due,
            )
            saves[key] = Save(document, draft.activation.version)
        if saves:
            outcomes = await self._store.save_many(saves)
            self._failpoints.hit(Failpoint.ENTITY_SAVED)
            saved = [k for k in saves if outcomes[k] is SaveOutcome.SAVED]
            await self._write_sides([drafts[k].runtime for k in saved])
            self._failpoints.hit(Failpoint.SIDE_SAVED)
            self._settle(drafts, saves, outcomes)
            await self._publish([drafts[k].activation for k in saved])
        for key, draft in drafts.items():
            if draft.effects and key not in saves:
                self._release(key, draft)

    async def _write_sides(self, saved: Iterable[Runtime]) -> None:
        """Side documents follow the save that holds them. An attempt whose save is lost leaves no trace of
        itself in them, so the next attempt finds everything as this one did and says the same events."""
        side: dict[str, list[Document]] = {}
        for runtime in saved:
            for collection, document in runtime.sides:
                side.setdefault(collection, []).append(document)
        await asyncio.gather(*(self._sides.upsert_many(c, documents) for c, documents in side.items()))

    def _settle(
        self,
        drafts: Mapping[EntityKey, _Draft],
        saves: Mapping[EntityKey, Save],
        outcomes: Mapping[EntityKey, SaveOutcome],
    ) -> None:
        for key, save in saves.items():
            draft, outcome = drafts[key], outcomes[key]
            if outcome is SaveOutcome.SAVED:
                activation = draft.activation
                activation.state, activation.runtime = draft.state, draft.runtime
                activation.version, activation.published = save.expected + 1, 0
                activation.next_due_at = save.document["next_due_at"]
                self.applied += sum(v.fate is Fate.APPLIED for v in draft.verdicts)
                self._release(key, draft)
                continue
            self._activations.pop(key, None)
            lost = outcome is SaveOutcome.CONFLICT
            for verdict in draft.verdicts:
                if verdict.fate is Fate.APPLIED:
                    verdict.fate = Fate.LOST_RACE if lost else Fate.FAILED
                    verdict.error = None if lost else _Unencodable("the document cannot be encoded")

    def _release(self, key: EntityKey, draft: _Draft) -> None:
        activation, entity = draft.activation, self._entities[key.kind]
        snapshot = entity.snapshot(key, draft.state) if draft.changed else None
        org = entity.org(draft.state) if draft.state is not None else ""
        self._on_saved(Saved(key, tuple(draft.effects), snapshot, org, activation.next_due_at))

    async def _publish(self, activations: Sequence[Activation[Any]]) -> None:
        """Outbox to bus, under the turn locks so that an entity's events keep their order.

        Failing is harmless: the events stay in the documents and the reminder comes back to them.
        """
        events = [
            (topic_of(EventType(e["type"].split(".", 1)[1])).value, e["org"], self._seal_event(e))
            for a in activations
            for e in a.unpublished
        ]
        if not events:
            return
        try:
            await self._bus.publish(events)
        except StoreUnavailable as unavailable:
            log.warning("outbox.publish_failed", events=len(events), reason=str(unavailable))
            return
        for activation in activations:
            activation.published = len(activation.runtime.outbox)
        self._failpoints.hit(Failpoint.EVENTS_PUBLISHED)


class _Unencodable(Exception):
    pass


_SKIP = "$skip"
_FLUSH = "$flush"

FLUSH = Item(Message(_FLUSH))
"""Publish what a crash left in the outbox; take published events out of the document."""
_RUNTIME_MESSAGES = frozenset({_SKIP, _FLUSH})


def reply_of(verdict: Verdict) -> dict[str, Any]:
    """The answer for a person, or the error that refused the command."""
    if verdict.error is not None:
        raise verdict.error
    if verdict.fate is Fate.LOST_RACE:
        raise Conflict("lost_race", "The entity changed meanwhile: try again.")
    return verdict.reply or {}
