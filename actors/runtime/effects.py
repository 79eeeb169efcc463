"""Runs effects after the save that decided them, and brings each outcome back as a message."""

import asyncio
import contextlib
import uuid
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from actors.runtime.tasks import Tasks
from actors.runtime.verdicts import Elsewhere, Item, NotOwner
from domain.errors import RookeryError
from domain.ids import EntityKey
from storage.records import StoreUnavailable

log = structlog.get_logger()

HAND_OVER_S = 60.0
"""Longer than anybody waits for an outcome before asking again, or giving a refresh up as in doubt."""


class EffectHandler(Protocol):
    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        """Do it, and bound how much is done at once. Answers outcome messages; what the platform said is
        data, not an exception."""
        ...


class Handover(Protocol):
    """Reaches the process that owns the entity now. RookeryError when it was not reached."""

    async def outcome(self, key: EntityKey, message: Message, outcome: str) -> None:
        """Have the outcome of an effect applied; twice under one id `outcome` is once."""
        ...

    async def effect(self, key: EntityKey, effect: Effect) -> None:
        """Have an effect begun that was decided here and not begun. At most once."""
        ...


@dataclass(slots=True, eq=False)
class Bar:
    """Entities for which nothing new is begun here, and what was not begun. Intents go on until `closed`:
    their time is counted from the save."""

    concerns: Callable[[EntityKey], bool]
    kept: list[tuple[EntityKey, Effect]] = field(default_factory=list)
    closed: bool = False


class EffectRunner:
    """An outcome is posted until it is saved, also by another owner if the entity has moved: a platform's
    answer (a rotated token above all) is never dropped because the store was away for a while. Each has an
    id, so that one whose answer was lost takes effect once.

    Without a `handover`, or when the new owner is not reached within a minute, the outcome is dropped and
    counted: a read is asked for again, a refresh is in doubt.
    """

    def __init__(
        self,
        handler: EffectHandler,
        post: Callable[[EntityKey, Message, str], Awaitable[None]],
        tasks: Tasks,
        failpoints: Failpoints,
        count: Counter,
        handover: Handover | None = None,
    ) -> None:
        self._failpoints = failpoints
        self._handler = handler
        self._post = post
        self._tasks = tasks
        self._count = count
        self._handover = handover
        self._ended = asyncio.Event()
        self._bars: list[Bar] = []
        self._once: Tally[EntityKey] = Tally()
        self._heard: dict[EntityKey, list[Item]] = {}
        self.closing = False
        self.in_flight: dict[EntityKey, int] = {}

    def heard(self, key: EntityKey) -> Sequence[Item]:
        """Outcomes that are heard and not known to be saved: first of all in whatever turn comes next. A
        store that was away for longer than an intent lasts is otherwise back in time for its reminder, which
        would take the outcome for unknown."""
        return self._heard.get(key, ())

    def is_busy(self, key: EntityKey) -> bool:
        """Whether anything of the entity is under way, or kept until it may begin; while this closes, nothing
        of it may be begun anew."""
        return (
            self.closing or key in self.in_flight or any(k == key for bar in self._bars for k, _ in bar.kept)
        )

    def start(self, key: EntityKey, effect: Effect) -> None:
        if self.closing:
            return  # as if the process had ended here: the successor's reminder starts it
        for bar in self._bars:
            if bar.concerns(key) and (bar.closed or not effect.once):
                bar.kept.append((key, effect))
                return
        self.in_flight[key] = self.in_flight.get(key, 0) + 1
        if effect.once:
            self._once[key] += 1
        self._tasks.spawn(self._run(key, effect), f"effect:{type(effect).__name__}:{key}")

    async def close(self, patience_s: float) -> None:
        """Start nothing more and let what is under way end, outcomes saved."""
        self.closing = True
        await self._until(lambda: not self.in_flight, patience_s)

    # -- entities that leave ------------------------------------------------------------------------
    def bar(self, concerns: Callable[[EntityKey], bool]) -> Bar:
        bar = Bar(concerns)
        self._bars.append(bar)
        return bar

    async def settle(self, bar: Bar, intents_s: float, others_s: float) -> None:
        """Let what is under way for its entities end: intents first, then the rest."""
        await self._until(
            lambda: not any(self._once[k] and bar.concerns(k) for k in self.in_flight), intents_s
        )
        await self._until(lambda: not any(bar.concerns(k) for k in self.in_flight), others_s)

    def lift(self, bar: Bar, owns: Callable[[EntityKey], bool]) -> None:
        """Begin what was kept: here, or where its entity is owned now."""
        self._bars.remove(bar)
        for key, effect in bar.kept:
            if owns(key):
                self.start(key, effect)
            elif self._handover is not None:
                self._tasks.spawn(self._begin_elsewhere(self._handover, key, effect), f"hand over:{key}")

    async def _begin_elsewhere(self, handover: Handover, key: EntityKey, effect: Effect) -> None:
        try:
            await handover.effect(key, effect)
        except (RookeryError, StoreUnavailable) as error:  # perhaps begun: its owner's reminder decides
            log.warning("effect.not_handed_over", entity=str(key), error=type(error).__name__)

    async def _until(self, done: Callable[[], bool], patience_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not done():
                    self._ended.clear()
                    await self._ended.wait()

    # -- running ------------------------------------------------------------------------------------
    async def _run(self, key: EntityKey, effect: Effect) -> None:
        try:
            outcomes = await self._handler.run(key, effect)
            for message in outcomes:
                outcome = uuid.uuid4().hex[:12]
                item = Item(message, outcome=outcome)
                self._heard.setdefault(key, []).append(item)
                try:
                    await self._deliver(key, message, outcome)
                finally:
                    self._forget(key, item)
                self._failpoints.hit(Failpoint.INTENT_RESOLVED)
        finally:
            if effect.once:
                self._once -= Tally([key])  # which forgets those at zero
            self.in_flight[key] -= 1
            if not self.in_flight[key]:
                del self.in_flight[key]
            self._ended.set()

    def _forget(self, key: EntityKey, item: Item) -> None:
        self._heard[key].remove(item)
        if not self._heard[key]:
            del self._heard[key]

    async def _deliver(self, key: EntityKey, message: Message, outcome: str) -> None:
        while True:
            try:
                return await self._post(key, message, outcome)
            except StoreUnavailable:
                await asyncio.sleep(0.5)
            except NotOwner:
                if self._handover is not None:
                    return await self._hand_over(self._handover, key, message, outcome)
                return self._drop(key, message)
            except Elsewhere:  # into an actor of its own, by a write that waited for everything but this
                return self._drop(key, message)

    async def _hand_over(self, handover: Handover, key: EntityKey, message: Message, outcome: str) -> None:
        try:
            async with asyncio.timeout(HAND_OVER_S):
                while True:
                    try:
                        await handover.outcome(key, message, outcome)
                        self._count("outcomes_handed_over")
                        return
                    except (RookeryError, StoreUnavailable):
                        await asyncio.sleep(0.5)
        except TimeoutError:
            self._drop(key, message)

    def _drop(self, key: EntityKey, message: Message) -> None:
        self._count("outcomes_dropped", outcome=message.name)
        log.warning("effect.outcome_without_owner", entity=str(key), outcome=message.name)
