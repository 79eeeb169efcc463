"""How long a fault was felt: from its injection until everybody is served again.

Served: a remark made after the injection has been accepted and is held, and the owner has answered 200; of
each of the accounts, so that whichever host, node or server was hit counts.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo.errors import PyMongoError

from tests.chaos.run.faults import Target, inject, undo_later
from tests.chaos.run.schedule import ENDS_THE_HEAD, Fault
from tests.chaos.run.traffic import Connected, Traffic
from tests.support.client import Caller

Json = dict[str, Any]

_LOOK_S = 0.2
_ANSWER_S = 3.0
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Endured:
    """Seconds from the injection, None when patience ended before; `missing`: what had not come back then."""

    victim: str
    answered_s: float | None
    """Until the owner of the last account had answered."""
    held_s: float | None
    """Until a remark of each account was held."""
    missing: str | None

    @property
    def recovery_s(self) -> float | None:
        both = self.answered_s, self.held_s
        return None if None in both else max(s for s in both if s is not None)


async def endure(
    target: Target, fault: Fault, caller: Caller, traffic: Traffic, patience_s: float
) -> Endured:
    """One fault, from the peace before it until everything is whole again. Raises NoVictim."""
    await asyncio.sleep(fault.pause)
    await traffic.expire_one()  # a refresh is under way, or soon
    await asyncio.sleep(fault.lead)
    since, starts = time.monotonic(), target.head_starts
    done = await asyncio.to_thread(inject, target, fault)
    undoing = asyncio.create_task(undo_later(done, fault.seconds))
    try:
        after = since
        if fault.kind in ENDS_THE_HEAD:  # for some seconds everybody is still served, by what is ending
            await _started_anew(target, starts, patience_s)
            after = time.monotonic()
        answered_s, held_s = await asyncio.gather(
            _last(traffic, lambda one: _answered(caller, one), since, patience_s),
            _last(traffic, lambda one: _held(traffic, one, after), since, patience_s),
        )
        await undoing
    finally:
        undoing.cancel()  # which undoes it at once
    missing = await whole(caller, target.node_ids, patience_s)
    traffic.check()
    return Endured(done.victim, answered_s, held_s, missing)


async def whole(caller: Caller, node_ids: Callable[[], list[str | None]], patience_s: float) -> str | None:
    """Wait until nothing is missing any more; what is, when it took too long. Each of the nodes has a host
    then."""
    deadline = time.monotonic() + patience_s
    missing = "no look was made"
    while time.monotonic() < deadline:
        missing = await _missing(caller, node_ids)
        if not missing:
            return None
        await asyncio.sleep(0.5)
    return missing


async def _started_anew(target: Target, starts: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if target.head_starts > starts:
            return
        await asyncio.sleep(_LOOK_S)


async def _last(
    traffic: Traffic, holds: Callable[[Connected], Awaitable[bool]], since: float, patience_s: float
) -> float | None:
    """Seconds from `since` until it held for the last of the accounts."""

    async def until(one: Connected) -> None:
        while True:
            if await holds(one):
                return
            await asyncio.sleep(_LOOK_S)

    try:
        async with asyncio.timeout(since + patience_s - time.monotonic()):
            await asyncio.gather(*map(until, traffic.connected))
    except TimeoutError:
        return None
    return time.monotonic() - since


async def _answered(caller: Caller, one: Connected) -> bool:
    return await _get(caller, f"/v1/accounts/{one.id}") is not None


async def _held(traffic: Traffic, one: Connected, after: float) -> bool:
    """Looked up by id in the document server: a list through the API would have the embedded one read all
    comments of the account, ten times a second for each, and that alone would keep it from recovering."""
    said = [id_ for at, id_ in one.said[-_SHOWN:] if at >= after]
    try:
        async with asyncio.timeout(_ANSWER_S):
            return bool(said) and await traffic.holds(one, said)
    except (PyMongoError, TimeoutError):
        return False


async def _missing(caller: Caller, node_ids: Callable[[], list[str | None]]) -> str:
    scale = await _get(caller, "/v1/ops/scale")
    hosts = await _get(caller, "/v1/ops/hosts")
    if scale is None or hosts is None or await _get(caller, "/readyz") is None:
        return "the service is not ready"
    if silent := [
        host["name"] for host in hosts["items"] if host.get("unreachable") or not host["partitions"]
    ]:
        return f"{', '.join(silent)} owns nothing"
    if scale["partitions_to_move"]:
        return f"{scale['partitions_to_move']} partitions are to move"
    nodes = node_ids()
    if None in nodes:
        return "a node has not joined"
    return "a node has no host" if set(nodes) - {host.get("node") for host in hosts["items"]} else ""


async def _get(caller: Caller, path: str) -> Json | None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            answer = await caller.request("GET", path)
            return answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, TimeoutError, ValueError):
        return None
