"""A process's side of the shared budgets: it leases units in chunks and pays each call from them, in memory.

    call --pay--> units in hand? --yes--> sent --settle--> what it did not cost goes back into the hand
                       |no
                       v
                  waits in the queue; one request to the budget's owner speaks for all that wait
                       |  granted: the most urgent first, within a priority by org in turn, then by account
                       v
                  too long for a call to wait: held back, with the time at which to come again

Guarantee: no call is sent that was not paid from a lease that still holds. Whatever becomes of a request to
the owner that was not answered, its units are not used: the next request begins under another holder's name.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Any, Protocol

import structlog

from actors.budget.hand import Hand, Held, Paid
from actors.budget.queue import Queue, Ticket
from actors.runtime.entity import Message
from actors.runtime.metrics import Counter
from actors.runtime.tasks import Tasks
from domain.budget import SHARES, Priority
from domain.clock import Clock
from domain.errors import RookeryError
from domain.ids import AccountId, EntityKey, budget_key
from platforms.base import Platform
from platforms.outcome import LimitScope, RetryAfter
from platforms.spec import RateWindow
from storage.records import StoreUnavailable

log = structlog.get_logger()

STEP_S = 0.25
IDLE_S = 2.0
"""A process that paid for nothing so long gives back what it has left, and says what it spent."""
END_MARGIN_S = 1.0
"""A lease is not used in its last second: the owner's clock counts from later than ours does."""
RENEW_S = 4.0
AHEAD_S = 4.0
"""A chunk is what waits now and what was spent in so many seconds."""
SMALLEST_CHUNK = 5
"""Calls: a chunk for work that has only begun, so that a request to the owner is not made for each."""
AWAY_S = 1.0
SPREAD_S = 2.0
LONGEST_PACE_S = 900.0
LONGEST_HOLD_S = 3600.0
"""After so long an account looks again, because a quota may have grown meanwhile."""


class Ask(Protocol):
    """Reaches the owner of a budget, here or elsewhere, with an id that makes a repetition harmless."""

    def __call__(self, key: EntityKey, message: Message) -> Awaitable[dict[str, Any]]: ...


@dataclass(slots=True)
class App:
    """One platform application in this process."""

    key: EntityKey
    windows: Mapping[str, RateWindow]
    queue: Queue = field(default_factory=Queue)
    hands: dict[str, Hand] = field(default_factory=dict)
    asking: bool = False
    life: int = 0  # of the holder's name: a request whose outcome is unknown ends it
    number: int = 0
    away_until: float = 0.0


class Leases:
    """One per process. Unbound it pays for nothing that has a shared window: such calls wait."""

    def __init__(self, platforms: Mapping[str, Platform], clock: Clock, count: Counter) -> None:
        self._platforms = platforms
        self._clock = clock
        self._count = count
        self._apps: dict[EntityKey, App] = {}
        self._holder = ""
        self._ask: Ask | None = None
        self._tasks = Tasks()
        self.closing = False

    def bind(self, holder: str, ask: Ask, tasks: Tasks) -> None:
        """`holder` names this process and no other, before or after it."""
        self._holder, self._ask, self._tasks = holder, ask, tasks
        tasks.loop(self._step, "leases")

    # -- calls --------------------------------------------------------------------------------------
    async def pay(
        self,
        account: AccountId,
        app_id: str,
        calls: Mapping[str, int],
        priority: Priority,
        call_id: str,
        patience_s: float,
    ) -> Paid | Held:
        """Pay for the calls of each API family; waits for at most `patience_s`."""
        spec = self._platforms[account.platform].spec
        needs = spec.app_costs(calls)
        if not needs:
            return Paid(budget_key(account.platform, app_id), priority, account.org, {}, {})
        if self.closing:
            return Held(1.0, None)
        app = self._app(account.platform, app_id)
        for pool in needs:
            app.hands.setdefault(pool, Hand())
        future: asyncio.Future[Paid | Held] = asyncio.get_running_loop().create_future()
        now = self._clock.monotonic()
        ticket = Ticket(needs, priority, account.org, str(account), call_id, future, now + patience_s)
        app.queue.add(ticket, now)
        self._serve(app)
        try:
            async with asyncio.timeout(max(0.0, patience_s)):
                result = await asyncio.shield(future)
        except TimeoutError:
            late = self._too_late(app, ticket)
            result = future.result() if future.done() else late
        finally:
            app.queue.remove(ticket)
        if isinstance(result, Held):
            app.queue.hold(ticket, self._clock.monotonic())
            self._count("app_budget_held", platform=account.platform, pool=result.pool or "unknown")
        return result

    def settle(self, paid: Paid, items: int | None) -> None:
        """The call is over, answered with so many things (None: nobody knows): of windows that count these,
        the rest goes back. To be called once for all that was paid."""
        if not paid.needs:
            return
        app = self._apps[paid.budget]
        for pool, units in paid.needs.items():
            hand = app.hands[pool]
            if app.windows[pool].by_item and hand.life == paid.lives[pool]:
                cost = units if items is None else min(items, units)
                hand.open -= units
                hand.spend(paid.priority, paid.org, cost, self._clock.monotonic())
                hand.units[paid.priority] += units - cost
        self._serve(app)

    def learn(self, platform: str, app_id: str, outcome: Any) -> None:
        """What an answer told of the application's windows; a refusal for its sake ends what is in hand."""
        spec = self._platforms[platform].spec
        for reading in getattr(outcome, "readings", ()):
            pool = spec.app_pool(reading.family) if reading.scope is LimitScope.APP else None
            if pool is not None:
                hand = self._app(platform, app_id).hands.setdefault(pool, Hand())
                hand.told[reading.resets_at is not None] = reading
        refused = isinstance(outcome, RetryAfter) and outcome.rate_limited and not outcome.held
        if refused and outcome.scope is LimitScope.APP and outcome.family is not None:
            pool = spec.app_pool(outcome.family)
            if pool is not None:
                app = self._app(platform, app_id)
                hand = app.hands.setdefault(pool, Hand())
                hand.refused_until = self._clock.now() + timedelta(seconds=max(1.0, outcome.seconds))
                self._kick(app)

    def recall(self, call_id: str) -> None:
        """A call that still waits comes back unpaid: its account has something more urgent to do."""
        for app in self._apps.values():
            ticket = app.queue.find(call_id)
            if ticket is not None:
                ticket.answer(Held(0.0, None))

    def give_up(self, account: str) -> None:
        """Hold back what an account waits for: it is to be handed over to another process."""
        for app in self._apps.values():
            for ticket in app.queue.all():
                if ticket.account == account:
                    ticket.answer(Held(1.0, None))

    async def close(self) -> None:
        """Give everything back and hold back whatever still waits or comes."""
        self.closing = True
        for app in self._apps.values():
            for ticket in app.queue.all():
                ticket.answer(Held(1.0, None))
        if self._ask is not None:
            await asyncio.gather(*(self._last_request(app) for app in self._apps.values()))

    async def _last_request(self, app: App) -> None:
        while app.asking:  # noqa: ASYNC110  # at most as long as a request may take
            await asyncio.sleep(0.02)
        await self._request(app)

    def status(self) -> dict[str, Any]:
        """What this process holds, and how many calls wait, by budget."""
        return {
            app.key.id: {
                "waiting": len(app.queue),
                "units": {pool: hand.held() for pool, hand in app.hands.items()},
            }
            for app in self._apps.values()
        }

    # -- the queue ----------------------------------------------------------------------------------
    def _app(self, platform: str, app_id: str) -> App:
        key = budget_key(platform, app_id)
        app = self._apps.get(key)
        if app is None:
            windows = {w.family: w for w in self._platforms[platform].spec.app_windows}
            app = self._apps[key] = App(key, windows)
        return app

    def _serve(self, app: App) -> None:
        """Pay for what can be paid, then ask for the rest."""
        self._pay_waiting(app)
        self._kick(app)

    def _pay_waiting(self, app: App) -> None:
        now = self._clock.monotonic()
        for hand in app.hands.values():
            if (hand.held() or hand.open) and hand.ends <= now:
                hand.lapse()
        if not self.closing:
            for ticket in app.queue.payable(lambda t: self._short_of(app, t)):
                ticket.answer(self._paid(app, ticket, now))

    def _paid(self, app: App, ticket: Ticket, now: float) -> Paid:
        costs = {pool: self._cost(app, pool, units) for pool, units in ticket.needs.items()}
        for pool, units in costs.items():
            app.hands[pool].take(ticket.priority, ticket.org, units, now, app.windows[pool].by_item)
        return Paid(
            app.key, ticket.priority, ticket.org, costs, {pool: app.hands[pool].life for pool in costs}
        )

    def _cost(self, app: App, pool: str, units: int) -> int:
        """A call that may cost more than the whole window is paid with all of it."""
        limit = app.hands[pool].limit
        return units if limit is None else min(units, max(1, limit))

    def _short_of(self, app: App, ticket: Ticket) -> list[str]:
        """The pools that have no room for it."""
        return [
            pool
            for pool, units in ticket.needs.items()
            if app.hands[pool].room(ticket.priority) < self._cost(app, pool, units)
            or app.hands[pool].refused_until is not None
        ]

    def _too_late(self, app: App, ticket: Ticket) -> Held:
        now, pause, pool = self._clock.monotonic(), 1.0, None
        for pool in self._short_of(app, ticket):
            again = app.hands[pool].again.get((ticket.priority, ticket.org), now)
            pause = max(pause, again - now)
        return Held(pause, pool)

    # -- the owner ----------------------------------------------------------------------------------
    async def _step(self) -> float:
        for app in list(self._apps.values()):
            self._serve(app)
        return STEP_S

    def _kick(self, app: App) -> None:
        """Ask the owner if there is a reason to; one request at a time."""
        if self._ask is None or app.asking or self.closing or app.away_until > self._clock.monotonic():
            return
        if any(self._reason(app, pool) for pool in app.hands):
            app.asking = True
            self._tasks.spawn(self._request(app), f"lease:{app.key}")

    def _reason(self, app: App, pool: str) -> bool:
        hand, now = app.hands[pool], self._clock.monotonic()
        if hand.refused_until is not None or hand.returned:
            return True
        if any(hand.again.get((t.priority, t.org), 0.0) <= now for t in self._short(app, pool)):
            return True
        if (hand.held() or hand.spent) and self._idle(app, pool, now):
            return True
        return bool(hand.held() or hand.open) and hand.renews <= now

    def _idle(self, app: App, pool: str, now: float) -> bool:
        """Nothing was paid from it for a while, and nothing waits for it."""
        if now - app.hands[pool].paid_at <= IDLE_S:
            return False
        return not any(pool in ticket.needs for ticket in app.queue.heads())

    def _short(self, app: App, pool: str) -> Iterable[Ticket]:
        """Tickets that this pool holds up. The first of an org stands for those behind it."""
        hand = app.hands[pool]
        return (
            t
            for t in app.queue.heads()
            if pool in t.needs and hand.room(t.priority) < self._cost(app, pool, t.needs[pool])
        )

    async def _request(self, app: App) -> None:
        """Report, give back and ask, in one message."""
        app.asking = True
        app.number += 1
        sent_at = self._clock.monotonic()
        holder = f"{self._holder}.{app.life}"
        pools = {pool: self._asked(app, pool, sent_at) for pool in app.hands}
        data = {"holder": holder, "number": app.number, "pools": pools}
        refused = {pool: hand.refused_until for pool, hand in app.hands.items()}
        for hand in app.hands.values():
            hand.told, hand.spent, hand.returned, hand.refused_until = {}, 0, 0, None
        try:
            assert self._ask is not None  # noqa: S101
            answer = await self._ask(app.key, Message("lease", data, f"lease:{holder}:{app.number}"))
            self._count("app_budget_requests", platform=app.key.id.partition(".")[0])
            if "pools" not in answer:
                raise _Stale
            self._granted(app, answer["pools"], sent_at)
        except (RookeryError, StoreUnavailable, _Stale, TimeoutError) as error:
            # Whether it arrived is unknown. Under a new name nothing is spent that the owner may have counted
            # as given back; what was in hand lapses there.
            log.warning("budget.not_reached", budget=str(app.key), reason=type(error).__name__)
            app.life += 1
            app.away_until = self._clock.monotonic() + AWAY_S
            for pool, hand in app.hands.items():
                hand.lapse()
                hand.again.clear()
                hand.refused_until = hand.refused_until or refused.get(pool)
        finally:
            app.asking = False
        if not self.closing:
            self._serve(app)

    def _asked(self, app: App, pool: str, now: float) -> dict[str, Any]:
        hand = app.hands[pool]
        wants: list[list[Any]] = []
        idle = self._idle(app, pool, now)
        if self.closing or idle or hand.refused_until is not None:
            hand.drop()
        if not self.closing:
            wants = self._wants(app, pool, now)
        return {
            "spent": hand.spent,
            "returned": hand.returned,
            "wants": wants,
            "told": [
                [r.limit, r.remaining, r.resets_at and r.resets_at.isoformat()] for r in hand.told.values()
            ],
            "refused_until": hand.refused_until and hand.refused_until.isoformat(),
        }

    def _wants(self, app: App, pool: str, now: float) -> list[list[Any]]:
        """Rows of priority, org, units (for what waits and will soon come, less what is in hand), calls that
        wait, what one of them costs, and how long the one has waited that has waited longest."""
        hand = app.hands[pool]
        rows: dict[tuple[Priority, str], list[int]] = {}
        came: dict[tuple[Priority, str], float] = {}
        for ticket in app.queue.all():
            if pool in ticket.needs:
                whose, cost = (ticket.priority, ticket.org), self._cost(app, pool, ticket.needs[pool])
                row = rows.setdefault(whose, [0, 0, cost])
                row[:] = row[0] + cost, row[1] + 1, min(row[2], cost)
                came[whose] = min(came.get(whose, now), ticket.came)
        hand.fade(now)
        if not self._idle(app, pool, now):
            for known in hand.recent:
                rows.setdefault(known, [0, 0, 1])
        free, counted = 0, len(Priority)
        wants: list[list[Any]] = []
        for (priority, org), (units, calls, cost) in sorted(rows.items(), reverse=True):
            # Units granted for a priority serve it and the more urgent ones, and nothing less urgent.
            free, counted = free + sum(hand.units[priority:counted]), int(priority)
            if priority > Priority.PUBLISH:  # what is kept back for people is not taken before they come
                units += max(int(hand.recent.get((priority, org), 0.0) * AHEAD_S), SMALLEST_CHUNK * cost)
            covered = min(units, free)
            free -= covered
            if units > covered:
                waited_s = round(now - came.get((priority, org), now), 3)
                wants.append([int(priority), org, units - covered, calls, cost, waited_s])
        return wants[::-1]

    def _granted(self, app: App, answers: Mapping[str, Any], sent_at: float) -> None:
        now = self._clock.monotonic()
        for pool, answer in answers.items():
            hand = app.hands[pool]
            hand.limit, hand.over = answer["limit"], answer["over"]
            hand.per_second = answer["per_second"]
            for priority, _, units in answer["granted"]:
                hand.units[priority] += units
            hand.give_back(answer.get("too_many", 0))  # an owner of the former release does not say
            app.queue.credit(pool, [(org, units) for _, org, units in answer["granted"]])
            hand.ends = sent_at + answer["lease_s"] - min(END_MARGIN_S, answer["lease_s"] / 4)
            hand.renews = inf if answer["to_the_end"] else hand.ends - RENEW_S
            hand.again = {(Priority(p), org): now + pause for p, org, pause in answer["again_s"]}
        self._pay_waiting(app)
        for pool in answers:
            self._hold_back(app, pool, now)

    def _hold_back(self, app: App, pool: str, now: float) -> None:
        """Calls whose turn will not come while they may wait learn when it may, one after the other."""
        hand = app.hands[pool]
        ahead: dict[Priority, int] = {}
        for ticket in app.queue.all():
            again = hand.again.get((ticket.priority, ticket.org))
            if again is None or pool not in ticket.needs:
                continue
            units = ahead.get(ticket.priority, 0)
            ahead[ticket.priority] = units + ticket.needs[pool]
            freed = hand.per_second * (1 - SHARES[ticket.priority]) or hand.per_second
            at = again + (min(units / hand.per_second, SPREAD_S) if hand.over else units / freed)
            if at > ticket.deadline:
                longest = LONGEST_HOLD_S if hand.over else LONGEST_PACE_S
                ticket.answer(Held(min(max(1.0, at - now), longest), pool))


class _Stale(Exception):
    """The owner has answered a later request of this holder."""
