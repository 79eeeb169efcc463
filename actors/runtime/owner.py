"""What runs the turns of entities in one process, whether a host with thousands or an actor with one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiolimiter import AsyncLimiter

from actors.runtime.activation import Activation, Placement
from actors.runtime.effects import EffectHandler, EffectRunner, Handover
from actors.runtime.entity import TICK, Entity, Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.metrics import Counter
from actors.runtime.outbox import Outbox
from actors.runtime.reminders import Reminders
from actors.runtime.room import Room
from actors.runtime.snapshots import Show, Snapshots
from actors.runtime.tasks import Tasks
from actors.runtime.turns import RACES, Turns
from actors.runtime.verdicts import FLUSH, Elsewhere, Fate, Item, NotOwner, Saved, Verdict
from domain.clock import Clock
from domain.errors import Busy, NotFound
from domain.ids import EntityKey, Kind
from storage.ports import Claims, DeadLetters, EntityStore, EventBus, Mailboxes, Parking, SideStore
from storage.records import StoreUnavailable

log = structlog.get_logger()

TICK_BATCH = 500
STARTS_PER_S = 100
"""Entities that one host wakes for calls. Two hosts keep 100,000 accounts at one synchronisation in 15
minutes, which is 56 a second each, and after a stop catch up within ten minutes."""
UNDER_WAY = 1000
"""Calls under way, or waiting for a quota, above which a host wakes nobody for more."""
TICK_FAILURES = 5
TURN_WITHIN_S = 8.0
"""A turn that somebody waits for begins so soon or not at all. Less than anybody waits for the answer, so
that who asked is told: what nobody waits for any more would hold up the mail and everybody after it."""
ASKS_AT_ONCE = 32
"""Commands and views of one entity that may wait for its turn. More are told to come again."""
FAILED_CODE = "command_failed"
"""Of a Busy that is a defect: asking again at once is of no use."""
PLACE_PATIENCE = 150  # tenths of a second
POST_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a host is given; the composition root builds it, tests build it from fakes."""

    entities: Mapping[Kind, Entity[Any]]
    handler: EffectHandler
    envelope: Envelope
    clock: Clock
    count: Counter
    show: Show
    failpoints: Failpoints
    store: EntityStore
    sides: SideStore
    bus: EventBus
    mailboxes: Mailboxes
    claims: Claims
    dead_letters: DeadLetters
    parking: Parking
    handover: Handover | None = None
    """None where nothing moves: in actors of a single entity."""


class Owner:
    """Guarantee: an answered `ask` is saved; one that raised is unknown to the caller, who repeats it with
    the same id and gets the first answer. Outcomes of effects are applied in turns like everything else."""

    def __init__(
        self,
        parts: Parts,
        tasks: Tasks,
        epoch_of: Callable[[EntityKey], int | None],
        serves: Placement,
        after_save: Callable[[EntityKey], None] = lambda _: None,
    ) -> None:
        self._parts = parts
        self._after_save = after_save
        self.reminders = Reminders(parts.store, parts.clock)
        self.effects = EffectRunner(
            parts.handler, self.post, tasks, parts.failpoints, parts.count, parts.handover
        )
        self._snapshots = Snapshots(parts.show, tasks)
        self.turns = Turns(
            parts.entities,
            parts.store,
            parts.sides,
            Outbox(parts.bus, parts.envelope.seal_event, parts.failpoints),
            parts.clock,
            parts.envelope.partitions,
            epoch_of,
            self._saved,
            parts.failpoints,
            serves,
            self.effects.heard,
            self.effects.is_busy,
            self.effects.start,
        )
        self._room: Room[EntityKey] = Room(ASKS_AT_ONCE, lambda: parts.count("asks_turned_away"))
        self._ticks_failed: dict[EntityKey, int] = {}
        self._starts = AsyncLimiter(STARTS_PER_S / 2, 0.5)

    @property
    def quarantined(self) -> list[str]:
        """Entities whose reminders failed five times in a row: left alone until a command succeeds."""
        return [str(k) for k, n in self._ticks_failed.items() if n >= TICK_FAILURES]

    async def ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        """Apply a command, save, answer. A lost race is decided again from the winner's state; a refusal is
        given only if the newest state says so, too. Busy, when too many wait or its turn did not come in
        time: nothing has happened then."""
        with self._room.entered(key):
            return await self._ask(key, message)

    async def _ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        refused = False
        for _ in range(RACES):
            work = {key: [Item(message)]}
            verdict = (await self.turns.run(work, fresh=refused, within_s=TURN_WITHIN_S))[key][0]
            match verdict.fate:
                case Fate.LOST_RACE:
                    continue
                case Fate.REFUSED if not refused:
                    refused = True
                    continue
                case Fate.ELSEWHERE:
                    raise Elsewhere(str(key))
                case Fate.FAILED:
                    self._log_failure(key, message, verdict)
                    raise Busy(FAILED_CODE, "The command could not be applied: the operator is told.")
                case Fate.REFUSED if verdict.error is not None:
                    raise verdict.error
                case _:
                    self._ticks_failed.pop(key, None)
                    return verdict.reply or {}
        raise Busy("contended", "Another process owns this entity at the moment: try again.")

    async def post(
        self, key: EntityKey, message: Message, outcome: str, within_s: float | None = None
    ) -> None:
        """Apply the outcome of an effect, however many races it takes: nobody else has it. Posted again
        under the same id `outcome`, after an answer of the store was lost, it changes nothing. `within_s`:
        where somebody else has it after all, who is told Busy and posts it again."""
        while True:
            work = {key: [Item(message, outcome=outcome)]}
            verdict = (await self.turns.run(work, within_s=within_s))[key][0]
            if verdict.fate is not Fate.LOST_RACE:
                break
            await asyncio.sleep(POST_PAUSE_S)
        if verdict.fate is Fate.ELSEWHERE:
            raise Elsewhere(str(key))
        if verdict.fate not in (Fate.APPLIED, Fate.KNOWN):
            self._log_failure(key, message, verdict)

    async def view(self, key: EntityKey) -> dict[str, Any]:
        activation = await self._found(key)
        return self._parts.entities[key.kind].view(key, activation.state) | {"version": activation.version}

    async def is_elsewhere(self, key: EntityKey) -> bool:
        """Whether the entity's placement, as last saved, says that another process runs its turns."""
        return self.turns.is_elsewhere(await self._found(key))

    async def _found(self, key: EntityKey) -> Activation[Any]:
        with self._room.entered(key):
            activation = await self.turns.activation(key, TURN_WITHIN_S)
        if activation is None:
            raise NotFound("not_found", f"There is no {key.kind} with this id.")
        return activation

    async def inspect(self, key: EntityKey) -> dict[str, Any]:
        active = key in self.turns.active
        activation = await self._found(key)
        runtime = activation.runtime
        return {
            "key": str(key),
            "version": activation.version,
            "placement": runtime.placement.value,
            "activated": active,
            "partition": key.partition(self._parts.envelope.partitions),
            "watermark": str(runtime.watermark),
            "mailbox_generation": runtime.generation,
            "unpublished": len(runtime.outbox),
            "next_due_at": activation.next_due_at.isoformat() if activation.next_due_at else None,
            "effects_in_flight": self.effects.in_flight.get(key, 0),
            "quarantined": str(key) in self.quarantined,
            "state": self._parts.entities[key.kind].view(key, activation.state),
        }

    async def take_over(self, key: EntityKey) -> bool:
        """Begin to serve a dedicated entity from what the store holds now; False when it is not dedicated
        (any more). Nothing is written: of whoever served it before and this process one wins the next
        version, and until then neither has done what the other could undo."""
        activation = await self.turns.reload(key)
        if activation.runtime.placement is not Placement.DEDICATED:
            return False
        self.reminders.note(key, activation.next_due_at, activation.urgency)
        return True

    async def place(self, key: EntityKey, placement: Placement) -> None:
        """Hand the entity over once its platform calls in flight have come back."""
        for _ in range(PLACE_PATIENCE):
            try:
                if await self.turns.place(key, placement, lambda: key in self.effects.in_flight):
                    return
            except KeyError:
                raise NotFound("not_found", f"There is no {key.kind} with this id.") from None
            await asyncio.sleep(0.1)
        raise Busy("entity_busy", "The entity is waiting for its platform: try again in a moment.")

    async def tick(self, calls: int = TICK_BATCH) -> list[EntityKey]:
        """Wake what is due, as one batch, at most `calls` of it for calls to platforms; answers the keys that
        live elsewhere."""
        keys = [
            key
            for key in self.reminders.pop_due(TICK_BATCH, await self._startable(calls))
            if self._ticks_failed.get(key, 0) < TICK_FAILURES
        ]
        if not keys:
            return []
        elsewhere = []
        for key, (_, verdict) in (await self._run_ticks(keys)).items():
            if verdict.fate is Fate.ELSEWHERE:
                elsewhere.append(key)
            elif verdict.fate in (Fate.FAILED, Fate.REFUSED):
                self._ticks_failed[key] = self._ticks_failed.get(key, 0) + 1
                self._log_failure(key, TICK, verdict)
            elif verdict.fate is Fate.LOST_RACE:
                self.reminders.note(key, self._parts.clock.now())
            else:
                self._ticks_failed.pop(key, None)
        return elsewhere

    async def _startable(self, at_most: int) -> int:
        """How many entities may be woken for calls now: `STARTS_PER_S` on the average. The commands of people
        and webhooks are not held up by this."""
        room = min(at_most, UNDER_WAY - sum(self.effects.in_flight.values()))
        started = 0
        while started < min(room, self.reminders.waiting()) and self._starts.has_capacity():
            await self._starts.acquire()
            started += 1
        return started

    async def _run_ticks(self, keys: Sequence[EntityKey]) -> dict[EntityKey, list[Verdict]]:
        """The outbox first: what a crash left in it goes out even if the tick fails."""
        try:
            return await self.turns.run({key: [FLUSH, Item(TICK)] for key in keys})
        except StoreUnavailable:
            raise
        except Exception as error:
            # A partition was lost meanwhile, or something about one entity is broken: the others shall not
            # wait for a scan, nor for ever.
            if len(keys) == 1:
                lost = isinstance(error, NotOwner)
                return {} if lost else {keys[0]: [Verdict(Fate.FAILED, error=error)] * 2}
        verdicts: dict[EntityKey, list[Verdict]] = {}
        for key in keys:
            verdicts |= await self._run_ticks([key])
        return verdicts

    def _saved(self, saved: Saved) -> None:
        self._after_save(saved.key)
        self.reminders.note(saved.key, saved.next_due_at, saved.urgency)
        for effect in saved.effects:
            self.effects.start(saved.key, effect)
        if saved.snapshot is not None:
            self._snapshots.offer(saved.key, saved.org, saved.snapshot)

    def _log_failure(self, key: EntityKey, message: Message, verdict: Verdict) -> None:
        error = verdict.error
        log.error(
            "turn.failed",
            entity=str(key),
            message_name=message.name,
            error=type(error).__name__,
            where=_where(error),
        )


def _where(error: BaseException | None) -> str:
    """File and line of the innermost frame: enough to find a defect, without values in the text."""
    frame = error.__traceback__ if error else None
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}" if frame else ""


async def run_dedicated(owner: Owner, key: EntityKey, items: Sequence[Item]) -> list[Verdict]:
    """Apply forwarded mailbox messages; an item that lost a race is decided again at once."""
    for _ in range(RACES):
        verdicts = (await owner.turns.run({key: items}))[key]
        if not any(v.fate is Fate.LOST_RACE for v in verdicts):
            return verdicts
        await asyncio.sleep(0)
    return verdicts
