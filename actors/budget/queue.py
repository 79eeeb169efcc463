"""Calls that wait for units of shared windows, in the order in which they are paid."""

from asyncio import Future
from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from domain.budget import Priority

REMEMBERED_S = 2 * 3600.0
"""Longer than a call is held back at most."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One call. `future` is answered with what was paid, or with why it is held back."""

    needs: Mapping[str, int]
    priority: Priority
    org: str
    account: str
    call_id: str
    future: "Future[Any]"
    deadline: float  # monotonic
    came: float = 0.0  # since when its account waits for this, also while it was held back

    def answer(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)


class Queue:
    """The more urgent first. Within a priority deficit round robin over orgs: an org's credit is what the
    owner granted for it and was not spent; who has credit goes first, in turn, then anybody, in turn. An
    account has one call at a time here, so that first come, first served within an org is in turn as well;
    who was held back and comes again has its place from before.
    """

    def __init__(self) -> None:
        self._waiting: list[dict[str, deque[Ticket]]] = [{} for _ in Priority]
        self._by_call: dict[str, Ticket] = {}
        self._credit: dict[str, dict[str, int]] = {}  # pool -> org -> units
        self._held: dict[tuple[str, Priority], tuple[float, float]] = {}  # came, and when it was held back

    def __len__(self) -> int:
        return len(self._by_call)

    def add(self, ticket: Ticket, now: float) -> None:
        ticket.came, _ = self._held.pop((ticket.account, ticket.priority), (now, now))
        line = self._waiting[ticket.priority].setdefault(ticket.org, deque())
        insort(line, ticket, key=lambda other: other.came)
        self._by_call[ticket.call_id] = ticket

    def hold(self, ticket: Ticket, now: float) -> None:
        """It was held back, or its time was over: remember since when it waits, for some time."""
        self._held[ticket.account, ticket.priority] = ticket.came, now
        while (oldest := next(iter(self._held.items())))[1][1] < now - REMEMBERED_S:
            del self._held[oldest[0]]

    def remove(self, ticket: Ticket) -> None:
        if self._by_call.get(ticket.call_id) is ticket:
            del self._by_call[ticket.call_id]
        line = self._waiting[ticket.priority].get(ticket.org)
        if line is not None and ticket in line:
            line.remove(ticket)
            if not line:
                del self._waiting[ticket.priority][ticket.org]

    def find(self, call_id: str) -> Ticket | None:
        return self._by_call.get(call_id)

    def all(self) -> Iterator[Ticket]:
        """In order of priority, then in turn by org."""
        for lines in self._waiting:
            columns = [list(line) for line in lines.values()]
            for place in range(max((len(column) for column in columns), default=0)):
                yield from (c[place] for c in columns if place < len(c) and not c[place].future.done())

    def heads(self) -> Iterator[Ticket]:
        """The first of each org and priority."""
        for lines in self._waiting:
            for line in lines.values():
                yield from islice((t for t in line if not t.future.done()), 1)

    def credit(self, pool: str, granted: Iterable[tuple[str, int]]) -> None:
        """What was granted for whom. What an org did not use of earlier grants is not kept for it."""
        credit: dict[str, int] = {}
        for org, units in granted:
            credit[org] = credit.get(org, 0) + units
        self._credit[pool] = credit

    def payable(self, short: Callable[[Ticket], Collection[str]]) -> Iterator[Ticket]:
        """The tickets to pay now, each to be paid before the next is asked for. `short` tells the windows
        that lack room for a ticket: nothing less urgent overtakes it there."""
        blocked: set[str] = set()
        for lines in self._waiting:
            for credited in (True, False):
                yield from self._in_turn(lines, credited, blocked, short)
            for line in lines.values():
                for ticket in islice((t for t in line if not t.future.done()), 1):
                    blocked.update(short(ticket))

    def _in_turn(
        self,
        lines: dict[str, deque[Ticket]],
        credited: bool,
        blocked: set[str],
        short: Callable[[Ticket], Collection[str]],
    ) -> Iterator[Ticket]:
        going = True
        while going:
            going = False
            for org in list(lines):
                line = lines[org]
                while line and line[0].future.done():
                    line.popleft()
                if not line:
                    del lines[org]
                    continue
                ticket = line[0]
                if blocked & ticket.needs.keys() or (credited and not self._has_credit(ticket)):
                    continue
                if short(ticket):
                    continue
                del lines[org]
                line.popleft()
                if line:
                    lines[org] = line  # its turn is over: the others of this priority come first
                for pool, units in ticket.needs.items():
                    credit = self._credit.get(pool, {})
                    credit[org] = credit.get(org, 0) - units
                going = True
                yield ticket

    def _has_credit(self, ticket: Ticket) -> bool:
        return any(self._credit.get(pool, {}).get(ticket.org, 0) > 0 for pool in ticket.needs)
