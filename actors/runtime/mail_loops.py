"""The mail loops of a host: one of the accounts, one of everything else.

A round of a loop saves everything it has read before it reads on. What follows from the events of accounts
(numbers of campaigns, sales) has a loop of its own, so that it does not wait for the next accounts first.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from actors.runtime.envelope import kind_of
from actors.runtime.mail import MailLoop
from domain.ids import Kind
from storage.records import StreamId

GROUPS: Final[Mapping[str, Collection[Kind]]] = {
    "accounts": {Kind.ACCOUNT},
    "others": set(Kind) - {Kind.ACCOUNT},
}


class MailLoops:
    """Each stream of a partition is read by the one loop of its kind; whatever concerns a partition concerns
    them all."""

    def __init__(self, make: Callable[[], MailLoop]) -> None:
        self.by_name = {name: make() for name in GROUPS}

    def of(self, kind: Kind) -> MailLoop:
        return next(self.by_name[name] for name, kinds in GROUPS.items() if kind in kinds)

    @property
    def held(self) -> dict[str, int]:
        """Entities that are held up, and how many of their messages."""
        return {key: size for loop in self._loops for key, size in loop.held.items()}

    def rounds(self) -> tuple[int, ...]:
        """How many each loop has ended."""
        return tuple(loop.rounds for loop in self._loops)

    def add(self, partition: int, epoch: int, generation: int, last_ids: Mapping[str, StreamId]) -> None:
        """Read a claimed partition from the beginning; `last_ids` of all its streams, as of the claim."""
        for name, loop in self.by_name.items():
            own = {s: id_ for s, id_ in last_ids.items() if kind_of(s) in GROUPS[name]}
            loop.streams.add(partition, epoch, generation, own)

    def remove(self, partitions: Collection[int]) -> None:
        for loop in self._loops:
            loop.remove(partitions)

    async def find_overflows(self) -> None:
        for loop in self._loops:
            await loop.find_overflows()

    def applied_ids(self) -> dict[int, dict[str, StreamId]]:
        """Partition -> stream -> highest id that was read and finished."""
        high: dict[int, dict[str, StreamId]] = {}
        for loop in self._loops:
            for partition, ids in loop.streams.applied_ids().items():
                high.setdefault(partition, {}).update(ids)
        return high

    async def lost(self) -> set[int]:
        """Partitions of which Redis has lost data."""
        return {partition for loop in self._loops for partition in await loop.lost()}

    async def mark_again(self, partition: int) -> None:
        for loop in self._loops:
            await loop.mark_again(partition)

    @property
    def _loops(self) -> Sequence[MailLoop]:
        return list(self.by_name.values())
