"""The owner of what all accounts of one platform application share.

Processes that call the platform lease units here in chunks, spend them in memory before each call, and say
with the next request what they spent and what the platform's answers told (`leases.py` is their side).

Guarantee: of a window no more is leased than the platform allows, as far as it said, whatever order requests
come in; a request that comes twice changes nothing; a lease that nobody reports on counts as spent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from actors.budget.state import BudgetState, Seen, dump, load
from actors.runtime.entity import Message, SideRef, SideView, Turn
from actors.runtime.urgency import Urgency
from domain.budget import Priority
from domain.clock import truncate_ms
from domain.errors import Invalid, NotFound
from domain.ids import EntityKey, Kind
from domain.quota import LEASE, Pool, Want
from platforms.base import Platform
from platforms.spec import RateWindow
from storage.records import Document

SEEN_FOR = timedelta(minutes=2)
WANTS_AT_MOST = 200
"""Rows of one request: more orgs than that wait for the next one."""
LARGEST_LIMIT = 10**12


class BudgetEntity:
    kind: Kind = Kind.BUDGET

    def __init__(self, platforms: Mapping[str, Platform]) -> None:
        self._platforms = platforms

    def load(self, document: Document) -> BudgetState:
        return load(document)

    def dump(self, state: BudgetState) -> Document:
        return dump(state)

    def org(self, state: BudgetState) -> str:
        """Nobody's: an application serves many orgs, and an operator looks after its budget."""
        return ""

    def reads(self, key: EntityKey, state: BudgetState | None, message: Message) -> Sequence[SideRef]:
        return ()

    def snapshot(self, key: EntityKey, state: BudgetState) -> None:
        return None

    def due(self, state: BudgetState) -> datetime | None:
        """When a lease lapses or a window ends, so that the saved state says what is."""
        times = [lease.until for pool in state.pools.values() for lease in pool.leases.values()]
        times += [pool.resets_at for pool in state.pools.values() if pool.resets_at is not None]
        return min(times, default=None)

    def urgency(self, state: BudgetState, due: datetime | None) -> Urgency:
        return Urgency.SAVE  # it makes no call

    def apply(
        self, key: EntityKey, state: BudgetState | None, message: Message, now: datetime, side: SideView
    ) -> Turn[BudgetState]:
        match message.name:
            case "lease":
                return self._lease(self._begun(key, state, now), message.data, now)
            case "set_limit":
                return self._set_limit(key, self._begun(key, state, now), message.data, now)
            case "tick" if state is not None:
                then = state.at(now)
                return Turn(replace(then, updated_at=now), changed=then != state)
            case other:
                raise Invalid("unknown_command", f"A budget has no command {other!r}.", field="command")

    def view(self, key: EntityKey, state: BudgetState) -> dict[str, Any]:
        """As last saved; it is saved again when a lease lapses or a window ends."""
        windows = {window.family: window for window in self._windows(state.platform)}
        return {
            "id": key.id,
            "org": "",
            "platform": state.platform,
            "app_id": state.app_id,
            "pools": {
                name: _pool_view(pool, windows[name]) for name, pool in state.pools.items() if name in windows
            },
            "updated_at": _time(state.updated_at),
        }

    def _begun(self, key: EntityKey, state: BudgetState | None, now: datetime) -> BudgetState:
        """With a pool for each shared window that the platform's spec has today."""
        platform, _, app_id = key.id.partition(".")
        if state is None:
            state = BudgetState(platform, app_id, now, now)
        state = state.at(now)
        missing = {w.family: Pool(w.limit) for w in self._windows(platform) if w.family not in state.pools}
        return replace(state, pools={**state.pools, **missing}) if missing else state

    def _windows(self, platform: str) -> tuple[RateWindow, ...]:
        found = self._platforms.get(platform)
        if found is None:
            raise NotFound("platform_unknown", "There is no such platform.")
        return found.spec.app_windows

    def _lease(self, state: BudgetState, data: Mapping[str, Any], now: datetime) -> Turn[BudgetState]:
        """`data`: holder, number (rising with each request of the holder), pools: name -> {spent, returned,
        wants: [[priority, org, units, calls, step, waited_s]], told: [[limit, remaining, resets_at]],
        refused_until}.

        The answer has for each of these pools what was granted as [priority, org, units] and for how many
        seconds, and for what was not: [priority, org, seconds after which to ask again]. `too_many` of the
        units in hand are to be given back: the limit was lowered, or others' spending was told.
        """
        holder, number = data["holder"], data["number"]
        seen = state.seen.get(holder)
        if seen is not None and number <= seen.number:
            return Turn(state, reply={"stale": True}, changed=False)
        windows = {window.family: window for window in self._windows(state.platform)}
        pools, answers = dict(state.pools), {}
        for name, asked in data["pools"].items():
            if name not in windows:
                continue  # the asker runs another release
            pool = _informed(pools[name].reported(holder, asked["spent"], asked["returned"]), asked, now)
            wants = [_want(row, now) for row in asked["wants"][:WANTS_AT_MOST]]
            pools[name], given, again = pool.granted(holder, wants, windows[name].cycle, now)
            answers[name] = _answer(pools[name], holder, given, again, windows[name], now)
        state = replace(
            state,
            pools=pools,
            seen={**state.seen, holder: Seen(number, now + SEEN_FOR)},
            updated_at=now,
        )
        return Turn(state, reply={"pools": answers})

    def _set_limit(
        self, key: EntityKey, state: BudgetState, data: Mapping[str, Any], now: datetime
    ) -> Turn[BudgetState]:
        """What an operator knows and no header tells: a quota that the platform granted to this app."""
        name, limit = data.get("pool"), data.get("limit")
        if name not in {window.family for window in self._windows(state.platform)}:
            choices = ", ".join(state.pools) or "none"
            raise Invalid("pool_unknown", f"The shared limits of this app are: {choices}.", field="pool")
        if not isinstance(limit, int) or isinstance(limit, bool) or not 0 < limit <= LARGEST_LIMIT:
            raise Invalid("limit_invalid", f"A limit is a number from 1 to {LARGEST_LIMIT}.", field="limit")
        pool = replace(state.pools[name], limit=limit, refused=False)
        state = replace(state, pools={**state.pools, name: pool}, updated_at=now)
        return Turn(state, reply=self.view(key, state))


def _want(row: Sequence[Any], now: datetime) -> Want:
    priority, org, units, calls, step, *waited_s = row  # a host of the former release does not say it
    since = now - timedelta(seconds=waited_s[0]) if waited_s and calls else None
    return Want(Priority(priority), org, units, calls, step, since and truncate_ms(since))


def _informed(pool: Pool, asked: Mapping[str, Any], now: datetime) -> Pool:
    for limit, remaining, resets_at in asked["told"]:
        pool = pool.told(limit, remaining, resets_at and datetime.fromisoformat(resets_at), now)
    if asked["refused_until"] is not None:
        pool = pool.exhausted(datetime.fromisoformat(asked["refused_until"]), now)
    return pool


def _answer(
    pool: Pool,
    holder: str,
    given: Sequence[Want],
    again: Mapping[tuple[Priority, str], datetime],
    window: RateWindow,
    now: datetime,
) -> dict[str, Any]:
    lease = pool.leases.get(holder)
    return {
        "granted": [[int(g.priority), g.org, g.units] for g in given],
        "units": lease.units if lease else 0,
        "lease_s": ((lease.until - now) if lease else LEASE).total_seconds(),
        "again_s": [[int(p), org, (at - now).total_seconds()] for (p, org), at in again.items()],
        "limit": pool.limit,
        "per_second": pool.limit / pool.length(window.cycle).total_seconds(),
        "to_the_end": lease is not None and lease.until == pool.resets_at,
        "too_many": max(0, pool.committed - pool.limit),
        "over": pool.refused or pool.committed >= pool.limit,
    }


def _pool_view(pool: Pool, window: RateWindow) -> dict[str, Any]:
    return {
        "limit": pool.limit,
        "used": pool.used,
        "leased": pool.leased,
        "leased_to": {
            holder: {"units": lease.units, "until": _time(lease.until)}
            for holder, lease in pool.leases.items()
        },
        "waiting": {
            holder: sum(want.units for want in waiting.wants) for holder, waiting in pool.waiting.items()
        },
        "refused": pool.refused,
        "resets_at": _time(pool.resets_at),
        "period": window.period.value,
        "zone": window.zone,
        "seconds": window.seconds,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
