"""One lock per entity key: the turn lock. It outlives the activation and costs nothing while unused."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from actors.runtime.room import crowded
from domain.ids import EntityKey


class TurnLocks:
    def __init__(self) -> None:
        self._locks: dict[EntityKey, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def is_held(self, key: EntityKey) -> bool:
        return key in self._locks

    def any_held(self, concerns: Callable[[EntityKey], bool]) -> bool:
        return any(map(concerns, self._locks))

    @asynccontextmanager
    async def holding(self, keys: Iterable[EntityKey], within_s: float | None = None) -> AsyncIterator[None]:
        """Hold all of them. Always taken in one order, so two batches never wait for each other in a ring.
        Raises Busy when that took longer than `within_s`."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(within_s):
                    for key in sorted(keys, key=str):
                        await stack.enter_async_context(self._one(key))
            except TimeoutError:
                raise crowded() from None
            yield

    @asynccontextmanager
    async def _one(self, key: EntityKey) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (None, 0))
        if lock is None:
            lock = asyncio.Lock()
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)
