"""Outages on purpose: a store that fails when the plan says so."""

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from storage.records import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Fault:
    """The `nth` call (from 1) of a method fails: `before` it did anything, or `after`, when all is done but
    the answer is lost."""

    method: str
    nth: int
    when: Literal["before", "after"]


class Faulty:
    """Stands in for any store. `calls` counts what was called, for tests that plan further faults."""

    def __init__(self, store: object, plan: Iterable[Fault] = ()) -> None:
        self._store = store
        self.plan = list(plan)
        self.calls: Counter[str] = Counter()
        self.away = False  # every call fails before it did anything

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._store, method)

        @functools.wraps(inner)
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[method] += 1
            nth = self.calls[method]
            if self.away or Fault(method, nth, "before") in self.plan:
                raise StoreUnavailable(f"planned: {method} call {nth} failed before it did anything")
            answer = await inner(*args, **kwargs)
            if Fault(method, nth, "after") in self.plan:
                raise StoreUnavailable(f"planned: the answer of {method} call {nth} was lost")
            return answer

        return call
