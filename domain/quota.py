"""What all accounts of one platform application share: a pool of units, leased in chunks to those who call.

Guarantee: units spent and units leased are together never more than the platform's limit as far as it is
known. A lease that its holder does not report on in time counts as spent until the window ends.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.budget import SHARES, Priority

LEASE = timedelta(seconds=15)
"""How long a holder may spend from a chunk without reporting."""
WAITING = timedelta(seconds=5)
"""How long a holder that was not given all it wanted counts as waiting after it was to ask again."""
KEPT_AT_LEAST = 0.05
"""Of what is kept back for more urgent calls, the part that stays kept until the window ends."""
REMEMBERED_ORGS = 500
_STEPS = 200
_SHORTEST_STEP = timedelta(milliseconds=250)
_PERCENT_SLACK = 0.02
_SAME_END = timedelta(seconds=1)  # platforms tell whole seconds


class Period(StrEnum):
    ROLLING = "rolling"  # so many seconds from the first call
    DAY = "day"  # from midnight to midnight of a time zone (YouTube: Pacific)
    MONTH = "month"  # the calendar month of a time zone


@dataclass(frozen=True, slots=True)
class Cycle:
    """When a window ends. `seconds` is the length of a rolling one; `zone` an IANA name."""

    period: Period
    seconds: int
    zone: str = "UTC"

    def ends(self, now: datetime, told_s: float = 0.0) -> datetime:
        """The end of the window that begins or is open now. A rolling one begins with its first call at the
        platform, which may come as late as the first lease ends; it is `told_s` long if that is known."""
        if self.period is Period.ROLLING:
            return now + LEASE + timedelta(seconds=told_s or self.seconds)
        midnight = now.astimezone(ZoneInfo(self.zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period is Period.DAY:
            following = midnight + timedelta(days=1)
        else:
            following = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
        return following.astimezone(now.tzinfo)


@dataclass(frozen=True, slots=True)
class Want:
    """Units that one org's calls of one priority wait for at one holder, or will soon. `calls`: those that
    wait now, of as many accounts; by them a scarce part is divided between holders. `step`: what one call
    costs; less than that is of no use. `since`: from when the one waits that waits longest."""

    priority: Priority
    org: str
    units: int
    calls: int = 1
    step: int = 1
    since: datetime | None = None

    @property
    def waits(self) -> "Want":
        """What the calls that are there cost; the rest is for those that will soon come."""
        return replace(self, units=min(self.units, self.calls * self.step))

    def less(self, units: int) -> "Want":
        """After so many were granted: how long the next one waits is not known."""
        if not units:
            return self
        return replace(
            self, units=self.units - units, calls=self.calls - min(self.calls, units // self.step), since=None
        )


@dataclass(frozen=True, slots=True)
class Lease:
    units: int  # leased and not reported as spent
    until: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    wants: tuple[Want, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """One shared window. `served` counts what each org was given in it; `refused`: the platform said no."""

    limit: int
    used: int = 0
    opened_at: datetime | None = None  # when we first heard of the window, by a call or a header
    resets_at: datetime | None = None
    refused: bool = False
    told_s: float = 0.0  # the longest that headers said a window is; 0: none said
    leases: Mapping[str, Lease] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    served: Mapping[str, int] = field(default_factory=dict)

    @property
    def leased(self) -> int:
        return sum(lease.units for lease in self.leases.values())

    @property
    def committed(self) -> int:
        return self.used + self.leased

    def at(self, now: datetime) -> "Pool":
        """As it is at this moment: leases that ended count as spent, and a window that ended starts anew."""
        alive = {holder: lease for holder, lease in self.leases.items() if lease.until > now}
        lapsed = self.leased - sum(lease.units for lease in alive.values())
        waiting = {holder: w for holder, w in self.waiting.items() if w.until > now}
        pool = replace(self, used=self.used + lapsed, leases=alive, waiting=waiting)
        if self.resets_at is not None and self.resets_at <= now:
            pool = replace(pool, used=0, opened_at=None, resets_at=None, refused=False, served={})
        return pool

    def left(self, now: datetime) -> float:
        """The share of the window that is still to come."""
        if self.resets_at is None or self.opened_at is None or self.opened_at >= self.resets_at:
            return 1.0
        return min(1.0, max(0.0, (self.resets_at - now) / (self.resets_at - self.opened_at)))

    def length(self, cycle: Cycle) -> timedelta:
        """As far as it is known: a header may tell another one than the spec."""
        if self.resets_at is None or self.opened_at is None or self.opened_at >= self.resets_at:
            return timedelta(seconds=self.told_s or cycle.seconds)
        return self.resets_at - self.opened_at

    # -- holders ------------------------------------------------------------------------------------
    def reported(self, holder: str, spent: int, returned: int) -> "Pool":
        """What a holder did with its lease since it last said so. What it no longer holds is not believed:
        it counts as spent already."""
        lease = self.leases.get(holder)
        if lease is None:
            return self
        spent = min(max(0, spent), lease.units)
        left = lease.units - spent - min(max(0, returned), lease.units - spent)
        leases = {h: held for h, held in self.leases.items() if h != holder}
        if left:
            leases[holder] = replace(lease, units=left)
        return replace(self, used=self.used + spent, leases=leases)

    def granted(
        self, holder: str, wants: Sequence[Want], cycle: Cycle, now: datetime
    ) -> tuple["Pool", list[Want], dict[tuple[Priority, str], datetime]]:
        """Lease what is to be had: the pool, what was granted, and when to ask again for what was not.

        The more urgent first, each as far into the window as it may reach; within a priority by `_shares`.
        What other holders wait for is left for them.
        """
        pool = self._waits(holder, wants, now + WAITING)
        if wants and pool.resets_at is None:
            pool = replace(pool, opened_at=now, resets_at=cycle.ends(now, pool.told_s))
        given: list[Want] = []
        again: dict[tuple[Priority, str], datetime] = {}
        for priority in sorted({want.priority for want in wants}):
            shares = pool._shares(priority, now)
            for want in (w for w in wants if w.priority is priority):
                units = min(want.units, shares.get((holder, want.org), 0))
                if 0 < units < want.units:
                    # Whole calls, if only one: fragments would lie about at several holders.
                    units = min(want.units, max(want.step, units // want.step * want.step))
                if units and units <= pool._free(priority, now):
                    given.append(replace(want, units=units))
                    pool = pool._leasing(holder, want.org, units, now)
                if units < want.units:
                    again[priority, want.org] = pool._again(want, cycle, now)
        lease = pool.leases.get(holder)
        if lease is not None:
            ends = min(now + LEASE, pool.resets_at or now + LEASE)
            pool = replace(pool, leases={**pool.leases, holder: replace(lease, until=ends)})
        got = {(g.priority, g.org): g.units for g in given}
        rest = [w.less(got.get((w.priority, w.org), 0)) for w in wants]
        until = max([now, *again.values()]) + WAITING
        return pool._waits(holder, [w for w in rest if w.units], until), given, again

    def reach(self, priority: Priority, now: datetime) -> int:
        """How far into the window this priority may go: what is kept back for the more urgent shrinks as the
        window passes, because less of it can still be needed."""
        return math.floor(self.limit * (1 - (1 - SHARES[priority]) * max(KEPT_AT_LEAST, self.left(now))))

    def _free(self, priority: Priority, now: datetime) -> int:
        if self.refused:
            return 0
        reach = self.reach(priority, now)
        if not self.committed:
            reach = max(reach, min(1, self.limit))  # a tiny quota must not starve anybody for ever
        return max(0, reach - self.committed)

    def _shares(self, priority: Priority, now: datetime) -> dict[tuple[str, str], int]:
        """(holder, org) -> units: the org that was served least comes first until all are level, and an org
        leaves the others' equal parts alone for as long as they can still use them.

        First for the calls that wait. Only when all of them can be paid there are units for those that will
        soon come: what an org were given ahead and did not use at once would be spent by others, in its name.
        """
        free = self._free(priority, now)
        demand: dict[str, dict[str, Want]] = {}
        for holder, waiting in self.waiting.items():
            for want in waiting.wants:
                if want.priority is priority:
                    demand.setdefault(want.org, {})[holder] = want
        if not free or not demand:
            return {}
        here = {org: {h: want.waits for h, want in wants.items()} for org, wants in demand.items()}
        total, served = _total(here), self._kept()
        parts = self._level(free, total, served, priority, now)
        shares = _divided(parts, here)
        if parts == total:
            soon = {
                org: {h: replace(want, units=want.units - here[org][h].units) for h, want in wants.items()}
                for org, wants in demand.items()
            }
            served = {org: served.get(org, 0) + parts.get(org, 0) for org in {*served, *parts}}
            more = self._level(free - sum(parts.values()), _total(soon), served, priority, now)
            ahead = _divided(more, soon)
            shares = {key: units + ahead[key] for key, units in shares.items()}
        return shares

    def _level(
        self,
        free: int,
        demand: Mapping[str, int],
        served: Mapping[str, int],
        priority: Priority,
        now: datetime,
    ) -> dict[str, int]:
        if priority > Priority.PUBLISH:
            demand = self._within_equal_parts(demand, served, self.reach(priority, now), now)
        return level(free, demand, served)

    def _within_equal_parts(
        self, total: Mapping[str, int], served: Mapping[str, int], reach: int, now: datetime
    ) -> dict[str, int]:
        orgs = set(total) | set(served)
        part = max(1, -(-reach // len(orgs)))
        behind = {org: max(0, part - served.get(org, 0)) for org in orgs}
        passed = 1 - self.left(now)
        unclaimed = sum(behind.values())
        return {
            org: min(units, behind[org] + math.floor(passed * (unclaimed - behind[org])))
            for org, units in total.items()
        }

    def _kept(self) -> Mapping[str, int]:
        """`served` less what was given back: by whom is not known, so that all lose the same share of it."""
        given = sum(self.served.values())
        if given <= self.committed:
            return self.served
        return {org: units * self.committed // given for org, units in self.served.items()}

    def _leasing(self, holder: str, org: str, units: int, now: datetime) -> "Pool":
        lease = self.leases.get(holder, Lease(0, now))
        served = {**self.served, org: self.served.get(org, 0) + units}
        if len(served) > REMEMBERED_ORGS:  # to forget the least served favours it
            del served[min(served, key=served.__getitem__)]
        leases = {**self.leases, holder: replace(lease, units=lease.units + units)}
        return replace(self, leases=leases, served=served)

    def _waits(self, holder: str, wants: Sequence[Want], until: datetime) -> "Pool":
        waiting = {h: w for h, w in self.waiting.items() if h != holder}
        if wants:
            waiting[holder] = Waiting(tuple(wants), until)
        return replace(self, waiting=waiting)

    def _again(self, want: Want, cycle: Cycle, now: datetime) -> datetime:
        """When this priority may use enough of the window for one more call, or when it is over."""
        ends = self.resets_at or now + LEASE
        wanted = self.committed + want.step
        kept = 1 - SHARES[want.priority]
        if self.refused or wanted > self.limit * (1 - kept * KEPT_AT_LEAST):
            return ends
        length = self.length(cycle)
        soon = now + max(_SHORTEST_STEP, length / _STEPS)
        if kept and wanted > self.reach(want.priority, now):
            left = (1 - wanted / self.limit) / kept
            soon = max(soon, ends - left * length)
        return min(ends, soon)

    # -- the platform's word ------------------------------------------------------------------------
    def told(self, limit: int, remaining: int, resets_at: datetime | None, now: datetime) -> "Pool":
        """Believe what an answer said. Without a reset time the numbers are a share of the limit (percent).

        An answer may be older than what holders spent meanwhile: a count of the same window only raises what
        is used.
        """
        if limit <= 0 or (resets_at is not None and resets_at <= now):
            return self
        spent = max(0, limit - max(0, remaining))
        if resets_at is None:
            least = self.limit * spent // limit
            most = math.ceil(self.limit * min(1.0, (spent + 1) / limit))
            used = max(self.used, least - self.leased)
            if used > most + self.limit * _PERCENT_SLACK:
                used = most
            return replace(self, used=used)
        pool = replace(self, limit=limit, resets_at=resets_at, opened_at=self.opened_at or now)
        if self.resets_at is not None and resets_at > self.resets_at + _SAME_END:
            # The platform has begun a new window. What is leased may have been spent in either.
            pool = replace(pool, used=0, opened_at=now, refused=False, served={})
        elif self.refused and limit > self.limit and remaining > 0:
            pool = replace(pool, used=0, refused=False)  # the refusal spoke of the quota as it was
        told_s = max(pool.told_s, (resets_at - (pool.opened_at or now)).total_seconds())
        return replace(pool, used=max(pool.used, spent - pool.leased), told_s=told_s)

    def exhausted(self, until: datetime, now: datetime) -> "Pool":
        """The platform refused a call for the application's sake: nothing is left before `until`."""
        if until <= now:
            return self
        used, opened = max(self.used, self.limit - self.leased), self.opened_at or now
        return replace(self, used=used, opened_at=opened, resets_at=until, refused=True)


def level(free: int, demand: Mapping[str, int], served: Mapping[str, int]) -> dict[str, int]:
    """Divide `free` units so that the least served come up to the others (max-min fair), never above what
    each demands. What cannot be divided equally goes, a unit each, to the least served."""
    free = min(free, sum(demand.values()))
    low, high = 0, free + max((served.get(name, 0) for name in demand), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(_up_to(middle, name, demand, served) for name in demand) <= free:
            low = middle
        else:
            high = middle - 1
    parts = {name: _up_to(low, name, demand, served) for name in demand}
    left = free - sum(parts.values())
    for name in sorted(demand, key=lambda n: (served.get(n, 0) + parts[n], n)):
        if left <= 0:
            break
        if parts[name] < demand[name] and served.get(name, 0) + parts[name] <= low:
            parts[name] += 1
            left -= 1
    return parts


def _total(demand: Mapping[str, Mapping[str, Want]]) -> dict[str, int]:
    return {org: sum(want.units for want in wants.values()) for org, wants in demand.items()}


def _divided(
    parts: Mapping[str, int], demand: Mapping[str, Mapping[str, Want]]
) -> dict[tuple[str, str], int]:
    return {
        (holder, org): units
        for org, part in parts.items()
        for holder, units in _by_calls(part, demand[org]).items()
    }


def _by_calls(units: int, wants: Mapping[str, Want]) -> dict[str, int]:
    """An org's part divided between holders, as many whole calls to each as wait there in proportion; the
    odd ones where a call waits longest, so that an org's accounts come in turn wherever they are."""
    parts: dict[str, int] = {}
    left = dict(wants)
    while left:
        calls = sum(max(1, want.calls) for want in left.values())
        fits = [h for h, want in left.items() if want.units * calls <= units * max(1, want.calls)]
        if not fits:
            break
        for holder in fits:
            parts[holder] = left.pop(holder).units
            units -= parts[holder]
    rest = units
    for holder, want in left.items():
        parts[holder] = units * max(1, want.calls) // calls // want.step * want.step
        rest -= parts[holder]
    for holder, want in sorted(left.items(), key=lambda row: (row[1].since is None, row[1].since, row[0])):
        more = min(want.step, want.units - parts[holder], rest)
        parts[holder] += more
        rest -= more
    return parts


def _up_to(height: int, name: str, demand: Mapping[str, int], served: Mapping[str, int]) -> int:
    return min(demand[name], max(0, height - served.get(name, 0)))
