"""One application quota shared by 500 accounts on two hosts: how much of it is used, how many calls are
answered 429, how long a person waits while everybody backfills, and how equal the shares are.

Orgs are as unequal as they are in life: one has half of all accounts. All of them backfill without end. Each
org then is due the same part of the quota, and within an org each account. Fairness is Jain's index of what
the platform's ledger counted, (sum x)^2 / (n * sum x^2): 1 is equal, 1/n is one has all. The quota is changed
twice while running; the first two seconds after a change are not counted as 429s, but told.
"""

import asyncio
import logging
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import structlog

from actors.runtime.entity import Message
from bench.flock import Flock, until
from bench.results import Result, Row
from domain.ids import AccountId, budget_key
from sandbox.limits import Window
from tests.simulation.loop import SimLoop

ORGS = {  # accounts each; the people's org is beside them
    "org_half": 240,
    "org_quarter": 120,
    "org_eighth": 60,
    "org_twenty": 24,
    "org_ten": 12,
    "org_six": 8,
    "org_four": 6,
    "org_three": 5,
    "org_pair": 3,
    "org_one": 2,
}
PEOPLE = 20
QUOTA = 300
WINDOW_S = 30
LOWERED, RAISED = 200, 400
WINDOWS = 3
GRACE_S = 2.0
PERSON_EVERY_S = 2.0
AGAIN_S = 0.1
PATIENCE_S = 30.0


@dataclass(slots=True)
class Seen:
    windows: list[Window] = field(default_factory=list)
    person_s: list[float] = field(default_factory=list)
    unanswered: int = 0
    changes: list[dict[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    windows: int = WINDOWS  # measured, each of `WINDOW_S`


SMALL = Options(windows=1)


def budgets(options: Options) -> Result:
    """In simulated time: a minute of it takes a few seconds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    loop = SimLoop(Random(7))  # type: ignore[abstract]
    loop.shuffled = False
    return loop.run(_measure(options), limit_s=3600.0, limit_steps=100_000_000)


async def _measure(options: Options) -> Result:
    flock = Flock()
    await flock.start()
    try:
        return await _measured(flock, options.windows)
    finally:
        await flock.stop()


async def _measured(flock: Flock, windows: int) -> Result:
    people = [await flock.connect("org_people", f"person-{n}", 2) for n in range(PEOPLE)]
    await _until_idle(flock, people)
    await _set_quota(flock, QUOTA)
    storm = []
    for org, count in ORGS.items():
        storm += [await flock.connect(org, f"{org}-{n}", 2) for n in range(count)]
    seen = Seen()
    background = [
        asyncio.create_task(_storm(flock, storm)),
        asyncio.create_task(_watch(flock, seen)),
    ]
    await until(lambda: len(seen.windows) == 3)  # by then the budget knows the quota from the answers
    ledger = flock.sandbox.state.ledger
    ledger.clear()
    before, began = Counter(flock.counted), asyncio.get_running_loop().time()
    first = len(seen.windows) - 1
    background.append(asyncio.create_task(_people(flock, people, seen)))
    await until(lambda: len(seen.windows) > first + windows)
    steady = seen.windows[first : first + windows]
    of_app = ledger.apps[flock.app_id]
    refused_steady, calls_steady = of_app.rate_limited, sum(of_app.accounts.values())
    by_account = Counter(of_app.accounts)
    requests = flock.counted["app_budget_requests"] - before["app_budget_requests"]
    for quota in (LOWERED, RAISED):
        await _change(flock, seen, quota)
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    view = await flock.owner(_budget(flock)).view(_budget(flock))
    seconds = asyncio.get_running_loop().time() - began
    used = sum(min(w.used, w.limit) for w in steady) / sum(w.limit for w in steady)
    orgs: dict[str, list[int]] = defaultdict(list)
    for account in storm:
        orgs[account.org].append(by_account[account.external_id])
    shares = {org: sum(calls) for org, calls in orgs.items()}
    later = sum(change["later"] for change in seen.changes)
    total = calls_steady + sum(change["calls"] for change in seen.changes)
    refused_share = (refused_steady + later) / max(1, total)
    worst = max(seen.person_s, default=float("inf"))
    detail: dict[str, Any] = {
        "hosts": len(flock.hosts),
        "accounts": len(storm) + len(people),
        "orgs": len(ORGS) + 1,
        "quota": QUOTA,
        "window_s": WINDOW_S,
        "quota_used_by_window": [round(w.used / w.limit, 4) for w in steady],
        "calls": total,
        "refused": refused_steady + later,
        "refused_share": round(refused_share, 6),
        "changes": seen.changes,
        "person_ms": {
            "n": len(seen.person_s),
            "p50": round(statistics.median(seen.person_s) * 1000, 1) if seen.person_s else None,
            "p99": round(_percentile(seen.person_s, 0.99) * 1000, 1),
            "worst": round(worst * 1000, 1),
            "unanswered": seen.unanswered,
        },
        "jain_orgs": round(jain(list(shares.values())), 4),
        "shares": shares,
        "jain_accounts": {
            org: {"index": round(jain(calls), 4), "of_the_best_possible": round(jain(calls) / best(calls), 4)}
            for org, calls in orgs.items()
        },
        "requests_to_the_owner": requests,
        "calls_per_request": round(calls_steady / max(1, requests), 1),
        "held_back": flock.counted["app_budget_held"] - before["app_budget_held"],
        "simulated_s": round(seconds, 1),
        "limit_known_at_the_end": view["pools"]["app_day"]["limit"],
    }
    return Result(
        name="budgets",
        title="One application quota shared by 500 accounts",
        command="python -m bench budgets",
        unit="share of the quota used",
        ours=round(used, 4),
        theirs=0.95,
        ratio=round(used / 0.95, 3),
        detail=detail,
        target=1.0,
        rows=[
            Row("calls answered 429, of all", "", detail["refused_share"], target=0.001),
            Row("a person waits, p99", "ms", detail["person_ms"]["p99"], target=5000.0),
            Row("people unanswered", "", float(seen.unanswered), target=0.0),
            Row(
                "Jain's index over orgs, beside equal shares",
                "",
                detail["jain_orgs"],
                1.0,
                detail["jain_orgs"],
                target=0.95,
            ),
            Row(
                "the same over an org's accounts, of the best possible, at least",
                "",
                (least := min(f["of_the_best_possible"] for f in detail["jain_accounts"].values())),
                1.0,
                least,
            ),
            Row("calls for each request to the owner", "", detail["calls_per_request"]),
        ],
    )


def jain(values: Sequence[int]) -> float:
    """Jain's fairness index."""
    squares = sum(v * v for v in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


def best(values: Sequence[int]) -> float:
    """The index if the same whole calls had been divided as equally as whole calls can be."""
    each, more = divmod(sum(values), len(values))
    return jain([each + 1] * more + [each] * (len(values) - more)) or 1.0


async def _storm(flock: Flock, accounts: Sequence[AccountId]) -> None:
    """Everybody wants to backfill, always: an account that has done so begins again."""
    while True:
        for account in accounts:
            if await _idle(flock, account):
                await flock.owner(account.key).ask(account.key, Message("backfill"))
        await asyncio.sleep(AGAIN_S)


async def _people(flock: Flock, accounts: Sequence[AccountId], seen: Seen) -> None:
    """A person asks for what is new and waits until the list has been read."""
    waiting: set[asyncio.Task[None]] = set()
    n = 0
    while True:
        task = asyncio.create_task(_person(flock, accounts[n % len(accounts)], seen))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        n += 1
        await asyncio.sleep(PERSON_EVERY_S)


async def _person(flock: Flock, account: AccountId, seen: Seen) -> None:
    owner = flock.owner(account.key)
    before = (await owner.view(account.key))["last_sync_at"]
    asked = asyncio.get_running_loop().time()
    await owner.ask(account.key, Message("sync"))
    while (await owner.view(account.key))["last_sync_at"] == before:
        if asyncio.get_running_loop().time() - asked > PATIENCE_S:
            seen.unanswered += 1
            return
        await asyncio.sleep(0.02)
    seen.person_s.append(asyncio.get_running_loop().time() - asked)


async def _change(flock: Flock, seen: Seen, quota: int) -> None:
    """Change the quota at the platform and look at what is refused at first, and after that."""
    ledger = flock.sandbox.state.ledger
    ledger.clear()
    await _set_quota(flock, quota)
    windows = len(seen.windows)
    await asyncio.sleep(GRACE_S)
    first = ledger.apps[flock.app_id].rate_limited if flock.app_id in ledger.apps else 0
    await until(lambda: len(seen.windows) >= windows + 2)  # the one now open, and a whole one
    of_app = ledger.apps[flock.app_id]
    whole = seen.windows[-2]
    seen.changes.append(
        {
            "quota": quota,
            "first": first,
            "later": of_app.rate_limited - first,
            "calls": of_app.calls,
            "used_of_a_whole_window": min(whole.used, whole.limit),
        }
    )


async def _watch(flock: Flock, seen: Seen) -> None:
    """Keep every window of the quota: the sandbox goes on counting in it while it is open."""
    while True:
        window = flock.sandbox.state.limits.window("twitter", "app", "app", flock.app_id)
        if window is not None and (not seen.windows or seen.windows[-1] is not window):
            seen.windows.append(window)
        await asyncio.sleep(0.02)


async def _until_idle(flock: Flock, accounts: Sequence[AccountId]) -> None:
    for account in accounts:
        while not await _idle(flock, account):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _idle(flock: Flock, account: AccountId) -> bool:
    view = await flock.owner(account.key).view(account.key)
    return view["job"] is None and not view["waiting_work"]


async def _set_quota(flock: Flock, quota: int) -> None:
    wish = {"platform": "twitter", "family": "app", "limit": quota, "window_s": WINDOW_S}
    (await flock.control.put("/limits", json=wish)).raise_for_status()


def _budget(flock: Flock) -> Any:
    return budget_key("twitter", flock.app_id)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
