"""How many may be inside at once; who comes when it is full is turned away at once."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from domain.errors import Busy

K = TypeVar("K", bound=Hashable)


class Room(Generic[K]):
    """Of each key `at_most`. What waits without bound is what an owner dies of: people's programs give up
    and ask again, and the owner does for nobody what nobody waits for any more."""

    def __init__(self, at_most: int, turned_away: Callable[[], None] = lambda: None) -> None:
        self._at_most = at_most
        self._turned_away = turned_away
        self._inside: Counter[K] = Counter()

    @contextmanager
    def entered(self, key: K) -> Iterator[None]:
        """Raises Busy when it is full."""
        if self._inside[key] >= self._at_most:
            self._turned_away()
            raise crowded()
        self._inside[key] += 1
        try:
            yield
        finally:
            self._inside[key] -= 1
            if not self._inside[key]:
                del self._inside[key]


def crowded() -> Busy:
    return Busy("owner_busy", "The owner of this entity has too much to do: try again.", retry_after_s=1.0)
