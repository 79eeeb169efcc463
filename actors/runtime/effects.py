"""Runs effects after the save that decided them, and brings each outcome back as a message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.tasks import Tasks
from actors.runtime.turns import NotOwner
from domain.ids import EntityKey
from storage.records import StoreUnavailable

log = structlog.get_logger()

CONCURRENT = 64
"""Effects in flight per process: bounds sockets and memory, not correctness."""


class EffectHandler(Protocol):
    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        """Do it. Answers outcome messages; what the platform said is data, not an exception."""
        ...


class EffectRunner:
    """An outcome is posted until it is saved or this process no longer owns the entity: a platform's
    answer (a rotated token above all) is never dropped because the store was away for a while."""

    def __init__(
        self,
        handler: EffectHandler,
        post: Callable[[EntityKey, Message], Awaitable[None]],
        tasks: Tasks,
        failpoints: Failpoints,
    ) -> None:
        self._failpoints = failpoints
        self._handler = handler
        self._post = post
        self._tasks = tasks
        self._slots = asyncio.Semaphore(CONCURRENT)
        self.in_flight: dict[EntityKey, int] = {}

    def start(self, key: EntityKey, effect: Effect) -> None:
        self.in_flight[key] = self.in_flight.get(key, 0) + 1
        self._tasks.spawn(self._run(key, effect), f"effect:{type(effect).__name__}:{key}")

    async def _run(self, key: EntityKey, effect: Effect) -> None:
        try:
            async with self._slots:
                outcomes = await self._handler.run(key, effect)
            for message in outcomes:
                await self._deliver(key, message)
                self._failpoints.hit(Failpoint.INTENT_RESOLVED)
        finally:
            self.in_flight[key] -= 1
            if not self.in_flight[key]:
                del self.in_flight[key]

    async def _deliver(self, key: EntityKey, message: Message) -> None:
        while True:
            try:
                return await self._post(key, message)
            except StoreUnavailable:
                await asyncio.sleep(0.5)
            except NotOwner:
                log.info("effect.outcome_without_owner", entity=str(key), outcome=message.name)
                return None
