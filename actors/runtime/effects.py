"""Runs effects after the save that decided them, and brings each outcome back as a message."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.tasks import Tasks
from actors.runtime.verdicts import Elsewhere, NotOwner
from domain.ids import EntityKey
from storage.records import StoreUnavailable

log = structlog.get_logger()


class EffectHandler(Protocol):
    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        """Do it, and bound how much is done at once. Answers outcome messages; what the platform said is
        data, not an exception."""
        ...


class EffectRunner:
    """An outcome is posted until it is saved or this process no longer owns the entity: a platform's
    answer (a rotated token above all) is never dropped because the store was away for a while. Each has an
    id, so that one whose answer was lost takes effect once."""

    def __init__(
        self,
        handler: EffectHandler,
        post: Callable[[EntityKey, Message, str], Awaitable[None]],
        tasks: Tasks,
        failpoints: Failpoints,
    ) -> None:
        self._failpoints = failpoints
        self._handler = handler
        self._post = post
        self._tasks = tasks
        self._idle = asyncio.Event()
        self._idle.set()
        self.closing = False
        self.in_flight: dict[EntityKey, int] = {}

    def start(self, key: EntityKey, effect: Effect) -> None:
        if self.closing:
            return  # as if the process had ended here: the successor's reminder starts it
        self.in_flight[key] = self.in_flight.get(key, 0) + 1
        self._idle.clear()
        self._tasks.spawn(self._run(key, effect), f"effect:{type(effect).__name__}:{key}")

    async def close(self, patience_s: float) -> None:
        """Start nothing more and let what is under way end, outcomes saved."""
        self.closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._idle.wait()

    async def _run(self, key: EntityKey, effect: Effect) -> None:
        try:
            outcomes = await self._handler.run(key, effect)
            for message in outcomes:
                await self._deliver(key, message, uuid.uuid4().hex[:12])
                self._failpoints.hit(Failpoint.INTENT_RESOLVED)
        finally:
            self.in_flight[key] -= 1
            if not self.in_flight[key]:
                del self.in_flight[key]
            if not self.in_flight:
                self._idle.set()

    async def _deliver(self, key: EntityKey, message: Message, outcome: str) -> None:
        while True:
            try:
                return await self._post(key, message, outcome)
            except StoreUnavailable:
                await asyncio.sleep(0.5)
            except (NotOwner, Elsewhere):
                log.info("effect.outcome_without_owner", entity=str(key), outcome=message.name)
                return None
