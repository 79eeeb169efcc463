"""How long a fault was felt: from its injection until everybody is served again.

Served: a remark made after the injection has been accepted and is held, and the owner has answered 200; of
each of the accounts, so that whichever host, node or server was hit counts.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.run.faults import Target, inject, undo_later
from tests.chaos.run.schedule import Fault
from tests.chaos.run.traffic import Connected, Traffic
from tests.support.client import Caller

Json = dict[str, Any]

_LOOK_S = 0.1
_ANSWER_S = 3.0
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Endured:
    """`recovery_s`: None when not everybody was served in time; `missing`: what had not come back then."""

    victim: str
    recovery_s: float | None
    missing: str | None


async def endure(
    target: Target, fault: Fault, caller: Caller, traffic: Traffic, patience_s: float
) -> Endured:
    """One fault, from the peace before it until everything is whole again. Raises NoVictim."""
    await asyncio.sleep(fault.pause)
    await traffic.expire_one()  # a refresh is under way, or soon
    await asyncio.sleep(fault.lead)
    since = time.monotonic()
    done = await asyncio.to_thread(inject, target, fault)
    undoing = asyncio.create_task(undo_later(done, fault.seconds))
    try:
        recovery_s = await recovered(caller, traffic, since, patience_s)
        await undoing
    finally:
        undoing.cancel()  # which undoes it at once
    missing = await whole(caller, target.joined, patience_s)
    traffic.check()
    return Endured(done.victim, recovery_s, missing)


async def recovered(caller: Caller, traffic: Traffic, since: float, patience_s: float) -> float | None:
    """Seconds from `since` until the last of the accounts was served; None when that took too long."""

    async def last() -> None:
        await asyncio.gather(*(_served(caller, one, since) for one in traffic.connected))

    try:
        await asyncio.wait_for(last(), since + patience_s - time.monotonic())
    except TimeoutError:
        return None
    return time.monotonic() - since


async def whole(caller: Caller, joined: Callable[[], bool], patience_s: float) -> str | None:
    """Wait until nothing is missing any more; what is, when it took too long. `joined`: whether all nodes are
    there."""
    deadline = time.monotonic() + patience_s
    missing = "no look was made"
    while time.monotonic() < deadline:
        missing = await _missing(caller, joined)
        if not missing:
            return None
        await asyncio.sleep(0.5)
    return missing


async def _served(caller: Caller, one: Connected, since: float) -> None:
    answered = held = False
    while not (answered and held):
        if not answered:
            answered = await _get(caller, f"/v1/accounts/{one.id}") is not None
        if not held:
            page = await _get(caller, f"/v1/comments?account_id={one.id}&limit={_SHOWN}")
            shown = {item["external_id"] for item in page["items"]} if page else set()
            held = any(at >= since and id_ in shown for at, id_ in reversed(one.said[-_SHOWN:]))
        await asyncio.sleep(_LOOK_S)


async def _missing(caller: Caller, joined: Callable[[], bool]) -> str:
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
    return "" if joined() else "a node has not joined"


async def _get(caller: Caller, path: str) -> Json | None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            answer = await caller.request("GET", path)
            return answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, TimeoutError, ValueError):
        return None
