"""The state of one platform application's budget and its document (`app_budgets`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.budget import Priority
from domain.quota import Lease, Pool, Waiting, Want
from storage.records import Document


@dataclass(frozen=True, slots=True)
class Seen:
    """The last request of a holder that was answered; one that comes after it with a lower number is old."""

    number: int
    until: datetime


@dataclass(frozen=True, slots=True)
class BudgetState:
    platform: str
    app_id: str
    created_at: datetime
    updated_at: datetime
    pools: Mapping[str, Pool] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)

    def at(self, now: datetime) -> "BudgetState":
        pools = {name: pool.at(now) for name, pool in self.pools.items()}
        return replace(self, pools=pools, seen={h: s for h, s in self.seen.items() if s.until > now})


def dump(s: BudgetState) -> Document:
    """Names of holders and orgs are values, never field names: they may be spelled in any way."""
    return {
        "platform": s.platform,
        "appId": s.app_id,
        "createdAt": s.created_at,
        "updatedAt": s.updated_at,
        "pools": [_pool_out(name, pool) for name, pool in s.pools.items()],
        "seen": [[holder, seen.number, seen.until] for holder, seen in s.seen.items()],
    }


def load(d: Document) -> BudgetState:
    return BudgetState(
        platform=d["platform"],
        app_id=d["appId"],
        created_at=d["createdAt"],
        updated_at=d["updatedAt"],
        pools={pool["name"]: _pool_in(pool) for pool in d["pools"]},
        seen={holder: Seen(number, until) for holder, number, until in d["seen"]},
    )


def _pool_out(name: str, pool: Pool) -> Document:
    return {
        "name": name,
        "limit": pool.limit,
        "used": pool.used,
        "openedAt": pool.opened_at,
        "resetsAt": pool.resets_at,
        "refused": pool.refused,
        "toldS": pool.told_s,
        "leases": [[holder, lease.units, lease.until] for holder, lease in pool.leases.items()],
        "waiting": [
            [
                holder,
                [[int(w.priority), w.org, w.units, w.calls, w.step, w.since] for w in waiting.wants],
                waiting.until,
            ]
            for holder, waiting in pool.waiting.items()
        ],
        "served": [[org, units] for org, units in pool.served.items()],
    }


def _pool_in(d: Document) -> Pool:
    return Pool(
        limit=d["limit"],
        used=d["used"],
        opened_at=d["openedAt"],
        resets_at=d["resetsAt"],
        refused=d["refused"],
        told_s=d["toldS"],
        leases={holder: Lease(units, until) for holder, units, until in d["leases"]},
        waiting={
            holder: Waiting(tuple(Want(Priority(p), org, *rest) for p, org, *rest in wants), until)
            for holder, wants, until in d["waiting"]
        },
        served={org: units for org, units in d["served"]},
    )
