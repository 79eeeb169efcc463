"""One quota of a platform application, shared by the accounts of several orgs, on the running service.

06 rate limits met only by 429 and blind sleeps
07 app-wide caps starve everyone and are blamed on the tool
"""

import asyncio

import pytest

from domain.ids import budget_key
from tests.support.accounts import connected, look
from tests.support.client import Caller, Json, World, eventually

QUOTA, WINDOW_S = 30, 10
FAR_AWAY = {"platform": "twitter", "family": "app", "limit": 1_000_000, "window_s": 86_400}


async def of_app(world: World) -> Json:
    """What the platform's ledger counted for the application; without its keys, which others share."""
    apps = (await world.sandbox.get("apps"))["apps"]
    id_ = next(a["id"] for a in apps if a["platform"] == "twitter" and a["name"] == "default")
    found: Json = (await world.sandbox.ledger())["apps"].get(id_, {"calls": 0, "refused": 0, "accounts": {}})
    return found


async def storm(caller: Caller, views: list[Json], seconds: float) -> None:
    """Everybody wants to backfill, always."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        for view in views:
            found = await look(caller, view)
            if found["job"] is None and not found["waiting_work"]:
                await caller.post(f"/v1/accounts/{view['id']}/backfill")
        await asyncio.sleep(0.2)


@pytest.mark.heavy
async def test_pain_06_and_07_a_shared_quota_is_spent_before_calling_in_fair_shares(world: World) -> None:
    many, few = await world.org("Many"), await world.org("Few")
    crowd = [await connected(world, many, "twitter", posts=2) for _ in range(5)]
    single, view = await connected(world, few, "twitter", posts=2)
    await world.sandbox.put("limits", FAR_AWAY | {"limit": QUOTA, "window_s": WINDOW_S})
    storming = [
        asyncio.create_task(storm(many, [v for _, v in crowd], 4 * WINDOW_S)),
        asyncio.create_task(storm(few, [view], 4 * WINDOW_S)),
    ]

    try:
        budget = await eventually(lambda: known(world, few), 2 * WINDOW_S)
        before = await of_app(world)
        await asyncio.gather(*storming)
        after = await of_app(world)
    finally:
        for task in storming:
            task.cancel()
        await world.sandbox.put("limits", FAR_AWAY)
    calls = after["calls"] - before["calls"]
    assert budget["limit"] == QUOTA
    assert calls > 2 * QUOTA * 0.8, "the quota was not used"
    # Only what was under way when the quota was set may have been refused; then no call more than it holds.
    assert after["refused"] - before["refused"] <= 1
    got = {a["external_id"]: after["accounts"].get(a["external_id"], 0) for a, _ in [*crowd, (single, view)]}
    assert got[single["external_id"]] > max(got[a["external_id"]] for a, _ in crowd)


async def known(world: World, caller: Caller) -> Json | None:
    """The pool, once the budget has heard of the quota from an answer."""
    id_ = budget_key("twitter", world.apps["twitter"]).id
    listed = {one["id"]: one for one in await caller.all("/v1/ops/budgets")}
    pool: Json = listed[id_]["pools"]["app_day"]
    return pool if pool["limit"] == QUOTA and pool["resets_at"] else None


async def test_pain_07_an_account_says_whose_limit_holds_it_up(world: World) -> None:
    caller = await world.org("Held")
    _, view = await connected(world, caller, "twitter", posts=2)
    id_ = budget_key("twitter", world.apps["twitter"]).id
    body = {"budget": id_, "pool": "post_cap", "limit": 1}
    await caller.request("PUT", "/v1/ops/budgets", json=body)

    async def held() -> bool:
        job = (await look(caller, view))["job"]
        if job is None:  # paid from what its host still had in hand
            await caller.post(f"/v1/accounts/{view['id']}/backfill")
        return bool(job) and job["held_by"] == {"whose": "app", "limit": "post_cap"}

    try:
        await eventually(held, 80)
    finally:
        answer = await caller.request("PUT", "/v1/ops/budgets", json=body | {"limit": 3_000_000})
        assert answer.status_code == 200, answer.text
