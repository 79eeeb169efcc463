"""The pure half of a turn: messages applied in memory, and the document a save would write. No I/O."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from msgspec.structs import replace

from actors.runtime.activation import Activation, Placement, to_document
from actors.runtime.entity import TICK, Awaits, Effect, Entity, Intends, Message, SideRef, SideWrite, Turn
from actors.runtime.urgency import Urgency
from actors.runtime.verdicts import FLUSH_NAME, RUNTIME_NAMES, SKIP_NAME, Fate, Item, Saved, Verdict
from domain.errors import RookeryError
from domain.events import Event, cloud_events
from storage.records import Document, Rev, Save, SaveOutcome

OUTBOX_RECHECK = timedelta(seconds=10)
"""A save that owes something (events, documents beside it, a call) is looked at again after this, so that a
crash before it was done is found."""


@cache
def _is_awaiting(kind: type[Entity[Any]]) -> bool:
    """Asked at each save, and far from free: a protocol's members are looked up one by one."""
    return issubclass(kind, Awaits)


class Unencodable(Exception):
    """The document that the turns led to cannot be stored."""


class Draft:
    """One entity's messages applied in memory.

    Guarantee: the activation is as it was until `settle` is told that the save succeeded. Whatever the
    entity's own code raises is a FAILED verdict of this entity and no exception: its neighbours in the
    batch are saved.
    """

    def __init__(self, entity: Entity[Any], activation: Activation[Any], items: Sequence[Item] = ()) -> None:
        self.activation = activation
        self.runtime = activation.runtime
        self.verdicts: list[Verdict] = []
        self.effects: list[Effect] = []
        self._entity = entity
        self._key = activation.key
        self._items = items
        self._state = activation.state
        self._events: list[Event] = []
        self._side: dict[SideRef, SideWrite] = {}
        self._asked: set[SideRef] = set()
        self.new_sides: set[SideRef] = set()
        """Of what is written beside the entity: what was looked for and not found."""
        self._snapshot: dict[str, Any] | None = None
        self._unreadable: dict[int, Exception] = {}
        self._dirty = False
        self._changed = False

    def reads(self) -> list[SideRef]:
        """The side documents that these messages want to see."""
        refs: list[SideRef] = []
        for n, item in enumerate(self._items):
            if item.message.name not in RUNTIME_NAMES:
                try:
                    refs += self._entity.reads(self._key, self._state, item.message)
                except Exception as error:  # told when its turn has come
                    self._unreadable[n] = error
        self._asked.update(refs)
        return refs

    def place(self, placement: Placement) -> None:
        """Write the document again with this placement: whoever holds an older version loses."""
        self.runtime = replace(self.runtime, placement=placement)
        self.verdicts.append(Verdict(Fate.APPLIED))
        self._dirty = True

    # -- applying -----------------------------------------------------------------------------------
    def apply(self, view: dict[SideRef, Document], now: datetime) -> None:
        """Apply the messages in order, up to the first that fails. What a message writes to side documents
        is in `view` for the next one."""
        failed = False
        for n, item in enumerate(self._items):
            verdict = Verdict(Fate.WAITING) if failed else self._apply_one(n, item, view, now)
            self.verdicts.append(verdict)
            # An outcome that cannot be applied is told by whoever posts it, and holds nothing up.
            failed = failed or (verdict.fate in (Fate.FAILED, Fate.LOST_RACE) and item.outcome is None)

    def _apply_one(self, n: int, item: Item, view: dict[SideRef, Document], now: datetime) -> Verdict:
        message, position = item.message, item.position
        if (known := self._known(item)) is not None:
            return known
        if message.name == SKIP_NAME and position is not None:
            self.runtime = self.runtime.passed(item.generation, position)
            self.runtime = self.runtime.set_aside(position, message.data["reason"])
            self._dirty = self._state is not None
            return self._aside(message.data["reason"])
        if message.name == FLUSH_NAME:
            owed = self.activation.owes_save or self.runtime.outbox or self.runtime.sides
            self._dirty = self._dirty or (self._state is not None and bool(owed))
            return Verdict(Fate.APPLIED)
        if message.name == TICK.name and self._state is None:
            return Verdict(Fate.APPLIED)
        person = position is None and message.id is not None
        if person or "if_version" in message.data:
            message = replace(message, data={**message.data, "_version": self.activation.version})
        try:
            if n in self._unreadable:
                raise self._unreadable[n]
            turn = self._entity.apply(self._key, self._state, message, now, view)
        except RookeryError as refused:
            return Verdict(Fate.REFUSED if position is None else Fate.FAILED, error=refused)
        except Exception as error:  # a defect or a poison message holds up its entity, not its neighbours
            return Verdict(Fate.FAILED, error=error)
        if turn.changed:
            self._events += turn.events
            for write in turn.side:
                ref = SideRef(write.collection, write.document["_id"])
                self._side[ref] = write
                if ref in self._asked and ref not in view:
                    self.new_sides.add(ref)
                view[ref] = write.document
            self._state = turn.state
            self._dirty = self._changed = True
            if turn.forgets:
                self.runtime = replace(self.runtime, answers=())
        self.effects.extend(turn.effects)
        return Verdict(Fate.APPLIED, reply=self._noted(item, message, turn, person))

    def _known(self, item: Item) -> Verdict | None:
        if item.position is not None:
            if item.generation < self.runtime.generation:
                return Verdict(Fate.LOST_RACE)  # read before a loss of data that its owner knows of
            if not self.runtime.has_applied(item.position):
                return None
            reason = self.runtime.why_aside(item.position)
            return Verdict(Fate.KNOWN) if reason is None else self._aside(reason)
        if item.outcome is not None and self.runtime.knows_outcome(item.outcome):
            return Verdict(Fate.KNOWN)
        if item.message.id is not None and (answer := self.runtime.answer_to(item.message.id)) is not None:
            return Verdict(Fate.KNOWN, reply=answer)
        return None

    def _aside(self, reason: str) -> Verdict:
        org = self._entity.org(self._state) if self._state is not None else None
        return Verdict(Fate.ASIDE, reply={"org": org, "reason": reason})

    def _noted(self, item: Item, message: Message, turn: Turn[Any], person: bool) -> dict[str, Any] | None:
        """What makes a repetition known is kept with the effect; answers the reply.

        A message or a command that changes nothing is saved as well: only the write tells whether that was
        decided from the newest state. A reminder comes again, and an outcome belongs to a state that this
        process has written.
        """
        outcome, reminder = item.outcome is not None, message.name == TICK.name
        if self._state is not None and not outcome and not reminder:
            self._dirty = True
        reply = turn.reply
        if person and reply is not None:
            reply = reply | {"version": self.activation.version + (1 if self._dirty else 0)}
        if self._dirty and item.position is not None:
            self.runtime = self.runtime.passed(item.generation, item.position)
        if turn.changed and item.outcome is not None:
            self.runtime = self.runtime.with_outcome(item.outcome)
        if self._dirty and person and message.id is not None and reply is not None:
            self.runtime = self.runtime.with_answer(message.id, reply)
        return reply

    # -- saving -------------------------------------------------------------------------------------
    def save(self, epoch: int, partition: int, now: datetime) -> Save | None:
        """The versioned write; None when nothing changed, or when the entity cannot say what to write."""
        if not self._dirty or self._state is None:
            return None
        if any(effect.once for effect in self.effects) and isinstance(self._entity, Intends):
            state, intends = self._state, self._entity.intends
            self.effects = [e for e in self.effects if not e.once or intends(state, e)]
        version = self.activation.version + 1
        epoch = max(epoch, self.runtime.epoch)
        try:
            rev = Rev(epoch, version).packed()
            said = cloud_events(self._events, self._key, self._entity.org(self._state), version, now)
            self.runtime = replace(
                self.runtime,
                outbox=(*self.activation.runtime.outbox, *said),
                sides=tuple((w.collection, w.document | {"rev": rev}) for w in self._side.values()),
                epoch=epoch,
            )
            due = self._entity.due(self._state)
            urgency = self._entity.urgency(self._state, due)
            recheck_at = now + OUTBOX_RECHECK
            owes = self.runtime.outbox or self.runtime.sides or self._awaits()
            if owes and (due is None or recheck_at < due):
                due, urgency = recheck_at, Urgency.SAVE
            self._snapshot = self._entity.snapshot(self._key, self._state) if self._changed else None
            document = to_document(self._key, self._entity, self._state, self.runtime, version, due)
            document |= {"partition": partition, "urgency": int(urgency)}
        except Exception as error:
            self._undo(Fate.FAILED, error)
            return None
        return Save(document, self.activation.version)

    def _awaits(self) -> bool:
        entity = self._entity
        return _is_awaiting(type(entity)) and cast(Awaits[Any], entity).awaits(self._state)

    def settle(self, save: Save, outcome: SaveOutcome) -> bool:
        """What became of the save, once its side documents are written. True when it was saved: the
        activation is now what the document says."""
        match outcome:
            case SaveOutcome.SAVED:
                activation = self.activation
                activation.state, activation.runtime = self._state, self.runtime
                activation.version, activation.owes_save = save.expected + 1, False
                activation.next_due_at = save.document["next_due_at"]
                activation.urgency = save.document["urgency"]
                activation.sides_written()
                return True
            case SaveOutcome.CONFLICT:
                self._undo(Fate.LOST_RACE)
            case SaveOutcome.UNENCODABLE:
                self._undo(Fate.FAILED, Unencodable("the document cannot be encoded"))
        return False

    def _undo(self, fate: Fate, error: Exception | None = None) -> None:
        self.effects.clear()
        for verdict in self.verdicts:
            if verdict.fate in (Fate.APPLIED, Fate.ASIDE):
                verdict.fate, verdict.error = fate, error

    def take_early(self) -> list[Effect]:
        """The effects that need not wait until the side documents are written; they are not in `saved`."""
        early = [effect for effect in self.effects if effect.early]
        self.effects = [effect for effect in self.effects if not effect.early]
        return early

    def saved(self) -> Saved:
        """What may happen now that everything of this draft is saved."""
        org = self._entity.org(self._state) if self._state is not None else ""
        due, urgency = self.activation.next_due_at, self.activation.urgency
        return Saved(self._key, tuple(self.effects), self._snapshot, org, due, urgency)

    @property
    def applied(self) -> int:
        return sum(verdict.fate is Fate.APPLIED for verdict in self.verdicts)
