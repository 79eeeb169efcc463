"""Background tasks that may fail a step but never die silently."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from storage.records import StoreUnavailable

log = structlog.get_logger()


class Tasks:
    """Owns the tasks of one component; `stop` cancels and awaits them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def loop(self, step: Callable[[], Awaitable[float]], name: str) -> None:
        """Run `step` for ever; it answers the seconds to wait before the next one."""
        self.spawn(self._forever(step, name), name)

    async def stop(self) -> None:
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forever(self, step: Callable[[], Awaitable[float]], name: str) -> None:
        while True:
            try:
                wait = await step()
            except StoreUnavailable as unavailable:
                log.warning("loop.store_unavailable", loop=name, reason=str(unavailable))
                wait = 1.0
            except Exception as error:
                log.error("loop.step_failed", loop=name, error=type(error).__name__, exc_info=True)
                wait = 1.0
            await asyncio.sleep(wait)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._stopping:
            log.error("task.failed", task=task.get_name(), error=type(error).__name__, exc_info=error)
