"""At the end, when it is quiet: what the platforms' ledger says beside what the service holds."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.run.traffic import Connected, Traffic
from tests.support.client import Caller, World

Json = dict[str, Any]

_SETTLED_S = 240.0
"""A publication whose owner was killed while it was sent is looked for after two minutes, and then again."""
_REMARKS = frozenset({"comment", "mention", "quote"})
_ENDED = frozenset({"published", "failed", "unconfirmed", "cancelled"})


@dataclass
class Verdict:
    """Counts; `details` says which, of whatever must be 0."""

    events_accepted: int = 0
    effects_lost: int = 0
    effects_doubled: int = 0
    refreshes: int = 0
    refreshes_doubled: int = 0
    refresh_in_doubt: int = 0
    publications: int = 0
    publishes_lost: int = 0
    publishes_doubled: int = 0
    publishes_in_doubt: int = 0
    dead_letters: int = 0
    not_connected: int = 0
    details: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (
            self.effects_lost
            or self.effects_doubled
            or self.refreshes_doubled
            or self.publishes_lost
            or self.publishes_doubled
            or self.dead_letters
            or self.not_connected
        )


async def quiet(world: World, caller: Caller, patience_s: float) -> bool:
    """Whether every delivery is made or given up, and every mailbox empty."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            pending = (await world.sandbox.get("healthz"))["deliveries_pending"]
            rows = (await caller.get("/v1/ops/partitions"))["items"]
            if not pending and not any(sum(row["lag"].values()) for row in rows):
                return True
        except (AssertionError, httpx.HTTPError):
            pass
        await asyncio.sleep(0.5)
    return False


async def judge(
    world: World, caller: Caller, traffic: Traffic, refused_before: int = 0
) -> tuple[Verdict, Json]:
    """The verdict, and the ledger it is drawn from. What is still on its way has its time to arrive; what is
    there twice stays twice. `refused_before`: the ledger's `duplicates_refused` when it began."""
    deadline = time.monotonic() + _SETTLED_S
    while True:
        ledger = await world.sandbox.ledger()
        verdict = compare(ledger, await _held(caller, traffic), traffic.publications, refused_before)
        if verdict.holds or time.monotonic() > deadline:
            return verdict, ledger
        await asyncio.sleep(2.0)


@dataclass(frozen=True, slots=True)
class Held:
    """What the service holds of the accounts. `remarks`: account id -> external ids, as often as listed;
    `publications`: id -> view."""

    connected: Sequence[Connected]
    views: dict[str, Json]
    remarks: dict[str, Counter[str]]
    publications: dict[str, Json]
    dead_letters: int


async def _held(caller: Caller, traffic: Traffic) -> Held:
    remarks: dict[str, Counter[str]] = defaultdict(Counter)
    views = {}
    for one in traffic.connected:
        views[one.id] = await caller.get(f"/v1/accounts/{one.id}")
        for item in await caller.all(f"/v1/comments?account_id={one.id}"):
            remarks[one.id][item["external_id"]] += 1
    publications = {p["id"]: p for p in await caller.all("/v1/publications")}
    letters = await caller.get("/v1/ops/dead-letters?limit=200")
    return Held(traffic.connected, views, remarks, publications, len(letters["items"]))


def compare(ledger: Json, held: Held, publications: dict[str, str], refused_before: int = 0) -> Verdict:
    """`publications`: text -> id, of what an owner took on."""
    verdict = Verdict(dead_letters=held.dead_letters)
    for one in held.connected:
        _effects(verdict, ledger, held, one)
        _refreshes(verdict, ledger, held.views[one.id], one)
    _publications(verdict, ledger, held, publications, ledger["duplicates_refused"] - refused_before)
    return verdict


def _effects(verdict: Verdict, ledger: Json, held: Held, one: Connected) -> None:
    mine = one.account["external_id"], one.account["app"]["id"]
    accepted = [
        e
        for e in ledger["events"]
        if (e["external_id"], e["app_id"]) == mine and e["accepted_at"] is not None
    ]
    told = {e["subject_id"] for e in accepted if e["kind"] in _REMARKS}
    remarks = held.remarks[one.id]
    counted = held.views[one.id]["counters"].get("webhooks", 0)
    lost = sorted(told - remarks.keys())
    doubled = sorted(id_ for id_, n in remarks.items() if n > 1)
    verdict.events_accepted += len(accepted)
    verdict.effects_lost += max(len(lost), len(accepted) - counted, 0)
    verdict.effects_doubled += max(len(doubled), counted - len(accepted), 0)
    if lost or doubled or counted != len(accepted):
        verdict.details.append(
            f"{one.id}: accepted {len(accepted)}, counted {counted}, remarks lost {lost}, doubled {doubled}"
        )


def _refreshes(verdict: Verdict, ledger: Json, view: Json, one: Connected) -> None:
    """A token that is presented again is a violation, unless the service counts it as one of which nobody can
    know: its process ended between the platform's answer and the write of it, or never heard the answer."""
    rows = [r for r in ledger["refreshes"] if r["external_id"] == one.account["external_id"]]
    in_doubt = view["token"]["refresh_in_doubt"]
    # Once in doubt, a token is presented until it is refused or answered (decision 15): one doubt.
    repeated = sum(
        row["repeated"] and not row["in_doubt"] and not (n and rows[n - 1]["repeated"])
        for n, row in enumerate(rows)
    )
    verdict.refreshes += sum(r["outcome"] == "rotated" for r in rows)
    verdict.refresh_in_doubt += in_doubt
    verdict.refreshes_doubled += max(0, repeated - in_doubt)
    if repeated > in_doubt:
        verdict.details.append(f"{one.id}: {repeated} tokens presented twice, {in_doubt} in doubt: {rows}")
    if view["status"] != "connected":
        verdict.not_connected += 1
        verdict.details.append(f"{one.id}: {view['status']} ({view['reason']})")


def _publications(
    verdict: Verdict, ledger: Json, held: Held, publications: dict[str, str], refused: int
) -> None:
    """No two texts are equal, so what X refused as a duplicate was sent twice."""
    mine = {one.account["external_id"] for one in held.connected}
    times_out = Counter(row["text"] for row in ledger["posts_created"] if row["external_id"] in mine)
    verdict.publications = len(publications)
    verdict.publishes_doubled = sum(n > 1 for n in times_out.values()) + refused
    verdict.details += [f"published {n} times: {text}" for text, n in times_out.items() if n > 1]
    if refused:
        verdict.details.append(f"sent again, and refused by the platform: {refused}")
    for text, id_ in publications.items():
        found = held.publications.get(id_)
        status = found["status"] if found else "unknown here"
        if found and _is_in_doubt(found):
            verdict.publishes_in_doubt += 1
        elif status not in _ENDED or (status == "published") != (times_out[text] > 0):
            verdict.publishes_lost += 1
            verdict.details.append(f"{id_} is {status}, and {times_out[text]} times at the platform: {found}")


def _is_in_doubt(publication: Json) -> bool:
    """Sent by somebody who was not heard of again: the platform is asked for up to three quarters of an hour,
    and then a person. (What people see of it says no more than that it was sent.)"""
    sent = any(step["what"] in ("post", "outcome_unknown") for step in publication["steps"])
    return publication["status"] == "unconfirmed" or (sent and publication["status"] not in _ENDED)
