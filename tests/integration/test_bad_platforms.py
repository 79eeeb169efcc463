"""Platforms that fail, and tokens that are dead, meet the running service."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.accounts import connected, idle, look, token
from tests.support.client import Json, World, eventually

_FAULTS: dict[str, Json] = {
    "429": {"kind": "status", "status": 429, "seconds": 3},
    "500": {"kind": "status", "status": 500, "count": 1},
    "503": {"kind": "status", "status": 503, "count": 1},
    "half a body": {"kind": "half_body", "count": 1},
    "HTML": {"kind": "html", "status": 502, "count": 1},
    "hangs up": {"kind": "disconnect", "count": 1},
    "no answer": {"kind": "timeout", "count": 1},
}
_RESTS_A_MINUTE = ("instagram", "429")  # Meta tells whole minutes: seen to wait, not waited for


@pytest.mark.heavy
async def test_a_platform_that_fails_is_asked_again_and_nobody_is_disconnected(world: World) -> None:
    """All kinds at once, each on an account of its own: every wait is the service's own back-off."""
    caller = await world.org()
    views: dict[tuple[str, str], Json] = {}
    for platform in ("twitter", "instagram"):
        for name in _FAULTS:
            account = await world.account(platform, f"fault-{uuid.uuid4()}", posts=2)
            views[platform, name] = await world.connect(caller, account)
    for view in views.values():
        await idle(caller, view)
    began = datetime.now(UTC).isoformat()
    for (platform, name), view in views.items():
        where = {"external_id": view["external_id"], "platform": platform}
        await world.sandbox.post("faults", _FAULTS[name] | where)
    try:
        for view in views.values():
            await caller.post(f"/v1/accounts/{view['id']}/sync")

        async def all_met() -> bool:
            return all(f["hits"] >= 1 for f in (await world.sandbox.get("faults"))["faults"])

        await eventually(all_met)
        asleep = views.pop(_RESTS_A_MINUTE)

        async def waits() -> bool:
            found = await look(caller, asleep)
            assert found["status"] == "connected"
            until = found["job"] and found["job"]["waiting_until"]
            return bool(until and until > (datetime.now(UTC) + timedelta(seconds=20)).isoformat())

        await eventually(waits)

        async def all_done() -> bool:
            for view in views.values():
                found = await look(caller, view)
                assert found["status"] == "connected"
                if any(s["last_run_at"] < began or s["last_error"] for s in found["sync"].values()):
                    return False
            return True

        await eventually(all_done, 80, 1.0)
    finally:
        await world.sandbox.delete("faults")
    assert await caller.all("/v1/events?type=SocialAccountReauthorizationRequired") == []


@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_a_dead_token_is_said_once_and_not_asked_again(world: World, platform: str) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, platform)
    await token(world, account, "revoke")
    calls = {"latency_ms": 0, "external_id": account["external_id"]}
    async with world.sandbox.fault("latency", **calls) as made:
        await caller.post(f"/v1/accounts/{view['id']}/sync")

        async def told() -> bool:
            found = await look(caller, view)
            return bool(found["status"] == "reauthorization_required" and found["reason"])

        await eventually(told)
        settled = await made()
        assert settled >= 1
        refused = await caller.request("POST", f"/v1/accounts/{view['id']}/sync")
        assert refused.status_code == 409
        await asyncio.sleep(4)
        assert await made() == settled, "the service goes on asking with a dead token"

    async def announced() -> list[Json]:
        kind = "SocialAccountReauthorizationRequired"
        return await caller.all(f"/v1/events?type={kind}&subject={view['id']}")

    (event,) = await eventually(announced)
    assert event["data"]["reason"]
    listed = await caller.get("/v1/accounts?status=reauthorization_required")
    assert [a["id"] for a in listed["items"]] == [view["id"]]
