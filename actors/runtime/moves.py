"""How a host hands a partition to another one: in good order, while it serves on as long as it can.

effects end or go along -> no more mail and commands -> turns end -> the claim is released
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from actors.runtime.owner import Owner
from actors.runtime.partitions import Partitions
from domain.ids import EntityKey

log = structlog.get_logger()

OTHERS_PATIENCE_S = 2.0
"""For effects that are no intents. Most answer sooner; the outcome of a slow one is handed over."""
QUIET_PATIENCE = 500
"""For turns under way in a partition that takes nothing new any more, in hundredths of a second."""


class Moves:
    """`rounds` counts the rounds of each mail loop; `intents_s` is how long an intent may take."""

    def __init__(
        self,
        partitions: Partitions,
        owner: Owner,
        partition_of: Callable[[EntityKey], int],
        epoch_of: Callable[[EntityKey], int | None],
        rounds: Callable[[], Sequence[int]],
        intents_s: float,
    ) -> None:
        self._partitions = partitions
        self._effects = owner.effects
        self._locks = owner.turns.locks
        self._partition_of = partition_of
        self._epoch_of = epoch_of
        self._rounds = rounds
        self._intents_s = intents_s

    async def release(self, partition: int, to: str) -> bool:
        """Begin no effects but intents, and let what is under way end (bounded); take no more mail and
        commands; let the turns end; give up the claim.

        False when it is not served here, or its turns did not end: then it is served on. Whatever its
        effects bring later is handed to its new owner, and so is what was decided and not begun.
        """

        def concerns(key: EntityKey) -> bool:
            return self._partition_of(key) == partition

        bar = self._effects.bar(concerns)
        released = False
        try:
            await self._effects.settle(bar, self._intents_s, OTHERS_PATIENCE_S)
            if not await self._partitions.suspend(partition):
                return False
            bar.closed = True
            await self._mail_round()
            released = await self._released(partition, to, concerns)
            if not released:
                await self._partitions.resume(partition)
        finally:
            self._effects.lift(bar, lambda key: self._epoch_of(key) is not None)
        log.info("partition.released" if released else "partition.kept", partition=partition, to=to)
        return released

    async def _released(self, partition: int, to: str, concerns: Callable[[EntityKey], bool]) -> bool:
        for _ in range(QUIET_PATIENCE):
            if not self._locks.any_held(concerns):
                break
            await asyncio.sleep(0.01)
        return await self._partitions.release(partition, to, lambda: not self._locks.any_held(concerns))

    async def _mail_round(self) -> None:
        """Until no mail loop carries anything that it took from a partition before it was suspended. If that
        takes too long (a store is away), the locks have the last word."""
        begun = self._rounds()
        for _ in range(QUIET_PATIENCE):
            if all(ended > before for ended, before in zip(self._rounds(), begun, strict=True)):
                return
            await asyncio.sleep(0.01)
