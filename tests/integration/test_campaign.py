"""A campaign from its plan to its end: what people do on platforms, at links and in the shop, as numbers."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.support.accounts import connected
from tests.support.client import Caller, Json, World, eventually

BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Instagram 385.0"
PLAN = {"name": "Summer", "budget": {"total_minor": 100_000, "currency": "EUR"}}


def now() -> str:
    return datetime.now(UTC).isoformat()


def order(amount_minor: int, **more: Any) -> Json:
    id_ = f"order-{uuid.uuid4()}"
    return {"order_id": id_, "amount_minor": amount_minor, "currency": "EUR", "occurred_at": now()} | more


def code() -> str:
    return f"C{uuid.uuid4().hex[:8]}".upper()


async def launched(caller: Caller, **plan: Any) -> Json:
    campaign = await caller.post("/v1/campaigns", PLAN | plan)
    return await caller.post(f"/v1/campaigns/{campaign['id']}/launch")


async def performance(caller: Caller, campaign: Json) -> Json:
    found: Json = (await caller.get(f"/v1/campaigns/{campaign['id']}/metrics"))["performance"]
    return found


async def reaches(caller: Caller, campaign: Json, **wanted: Any) -> Json:
    """The performance, once these of its numbers are as wanted."""

    async def there() -> Json | None:
        found = await performance(caller, campaign)
        assert {name: found[name] for name in wanted} == wanted
        return found

    return await eventually(there)  # type: ignore[no-any-return]


async def test_a_campaign_lives_as_planned(world: World) -> None:
    caller = await world.org()
    campaign = await caller.post("/v1/campaigns", PLAN | {"promotion_codes": [{"code": code()}]})
    path = f"/v1/campaigns/{campaign['id']}"
    assert campaign["status"] == "draft"

    async def step(name: str, status: int, now_is: str) -> None:
        answer = await caller.request("POST", f"{path}/{name}")
        assert answer.status_code == status, (name, answer.text)
        assert (await caller.get(path))["status"] == now_is

    for name in ("pause", "resume", "complete"):
        await step(name, 409, "draft")
    await step("launch", 200, "active")
    await step("launch", 409, "active")
    await step("pause", 200, "paused")
    await step("resume", 200, "active")
    await step("complete", 200, "completed")
    for name in ("launch", "pause", "resume", "complete"):
        await step(name, 409, "completed")
    assert (await caller.request("PATCH", path, json={"name": "Autumn"})).status_code == 409

    async def told() -> bool:
        events = await caller.all(f"/v1/events?subject={campaign['id']}&topic=campaign-events")
        kinds = [e["type"].removeprefix("rookery.") for e in reversed(events)]
        wanted = ["CampaignChanged", "CampaignLaunched", *["CampaignChanged"] * 2, "CampaignCompleted"]
        return kinds == wanted

    await eventually(told)


async def test_a_campaign_planned_for_later_waits_and_one_that_is_over_is_refused(world: World) -> None:
    caller = await world.org()
    later = {"start_date": "2199-06-01", "end_date": "2199-06-30", "timezone": "Europe/Berlin"}
    armed = await launched(caller, schedule=later)
    assert armed["status"] == "draft"
    assert armed["launch_at"].startswith("2199-06-01T00:00:00+02:00")
    over = await caller.request("POST", "/v1/campaigns", json=PLAN | {"schedule": {"end_date": "2001-01-01"}})
    assert over.status_code == 422


async def test_a_member_added_later_brings_what_happened_since_the_launch(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    campaign = await launched(caller)
    post = await world.sandbox.act(account, "post", text="Late to the party")
    for _ in range(3):
        await world.sandbox.act(account, "like", content_id=post["id"])

    async def logged() -> bool:
        events = await caller.all(f"/v1/events?subject={view['id']}&type=ContentEngaged")
        return any(e["data"]["totals"]["likes"] == 3 for e in events)

    await eventually(logged)
    await caller.request("PATCH", f"/v1/campaigns/{campaign['id']}", json={"accounts": [view["id"]]})

    async def counted() -> bool:
        return bool((await performance(caller, campaign))["engagement"]["likes"] == 3)

    await eventually(counted)
    await world.sandbox.act(account, "like", content_id=post["id"])

    async def goes_on() -> bool:
        return bool((await performance(caller, campaign))["engagement"]["likes"] == 4)

    await eventually(goes_on)


async def test_engagement_converges_to_what_the_platforms_know(world: World) -> None:
    caller = await world.org()
    accounts = [await connected(world, caller, platform) for platform in ("twitter", "instagram")]
    campaign = await launched(caller, accounts=[view["id"] for _, view in accounts])
    before = {view["id"]: await platform_totals(world, account) for account, view in accounts}
    for account, _ in accounts:
        kinds = ["comment"] * 4 + (["like"] * 5 + ["repost"] if account["platform"] == "twitter" else [])
        await asyncio.gather(*(world.sandbox.act(account, kind) for kind in kinds))
        fresh = await world.sandbox.act(account, "post", text="Fresh from the kiln #new")
        await world.sandbox.act(account, "comment", content_id=fresh["id"])

    async def settled() -> bool:
        return bool((await world.sandbox.get("delivery"))["pending"] == 0)

    await eventually(settled)
    for _, view in accounts:  # Instagram tells of likes and new posts only to those who read
        await caller.post(f"/v1/accounts/{view['id']}/backfill")

    async def equal() -> bool:
        found = await performance(caller, campaign)
        for account, view in accounts:
            after = await platform_totals(world, account)
            moved = {name: after[name] - before[view["id"]][name] for name in after}
            mine = found["by_platform"][account["platform"]]["engagement"]
            assert {name: mine[name] for name in moved} == moved, (account["platform"], mine, moved)
        total = found["engagement"]
        parts = [row["engagement"] for row in found["by_platform"].values()]
        return all(total[name] == sum(p[name] for p in parts) for name in total)

    await eventually(equal)
    contents = (await performance(caller, campaign))["by_content"]
    assert all(name.rsplit("|", 1)[0] in {view["id"] for _, view in accounts} for name in contents)


async def platform_totals(world: World, account: Json) -> dict[str, int]:
    key = f"{account['platform']}:{account['external_id']}"
    rows = (await world.sandbox.ledger())["content"][key]
    own = [row for row in rows if not row["deleted"] and row["kind"] != "story"]
    return {name: sum(row["metrics"][name] for row in own) for name in ("likes", "comments")}


async def test_people_are_counted_and_machines_are_not(world: World) -> None:
    caller = await world.org()
    campaign = await launched(caller)
    wish = {
        "url": "https://shop.example/mugs?a=1&b=ü",
        "campaign_id": campaign["id"],
        "platform": "instagram",
    }
    link = await caller.post("/v1/links", wish | {"influencer": "ana", "product_id": "mug"})
    machines: list[tuple[str, dict[str, str]]] = [
        ("HEAD", {"User-Agent": BROWSER}),
        ("GET", {"User-Agent": "facebookexternalhit/1.1"}),
        ("GET", {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
        ("GET", {"User-Agent": "WhatsApp/2.23"}),
        ("GET", {"User-Agent": "curl/8.5.0"}),
        ("GET", {"User-Agent": ""}),
        ("GET", {"User-Agent": BROWSER, "Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"User-Agent": BROWSER, "X-Moz": "prefetch"}),
    ]
    for method, headers in machines:
        answer = await world.api.request(method, f"/r/{link['code']}", headers=headers)
        assert answer.status_code == 302
    for _ in range(3):
        answer = await world.api.get(f"/r/{link['code']}", headers={"User-Agent": BROWSER})
        assert answer.status_code == 302
        assert answer.headers["location"] == "https://shop.example/mugs?a=1&b=%C3%BC"
    found = await reaches(caller, campaign, clicks=3)
    assert found["by_platform"]["instagram"]["clicks"] == 3
    assert found["by_influencer"]["ana"]["clicks"] == found["by_product"]["mug"]["clicks"] == 3
    assert (await caller.get(f"/v1/links/{link['code']}"))["clicks"] == 3
    assert (await world.api.get("/r/nobodyknows0")).status_code == 404

    await caller.post(f"/v1/links/{link['code']}/disable")
    await world.api.get(f"/r/{link['code']}", headers={"User-Agent": BROWSER})
    other = await caller.post("/v1/links", wish)
    await world.api.get(f"/r/{other['code']}", headers={"User-Agent": BROWSER})
    await reaches(caller, campaign, clicks=4)
    assert (await caller.get(f"/v1/links/{link['code']}"))["clicks"] == 3


async def test_sales_are_credited_once_with_a_reason_and_make_the_roas(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "twitter", posts=2)
    post = (await caller.all(f"/v1/accounts/{view['id']}/content"))[0]["id"]
    promotion = code()
    codes = [{"code": promotion, "content_id": post, "platform": "twitter", "influencer": "bo"}]
    campaign = await launched(caller, promotion_codes=codes)
    id_ = campaign["id"]
    link = await caller.post(
        "/v1/links",
        {"url": "https://shop.example/", "campaign_id": id_, "platform": "instagram", "influencer": "ana"},
    )

    async def sell(body: Json) -> Json:
        sale: Json = (await caller.post("/v1/transactions", body))["attribution"]
        return sale

    by_link = await sell(order(1000, link_code=link["code"]))
    assert (by_link["by"], by_link["campaign_id"], by_link["platform"]) == ("link", id_, "instagram")
    assert by_link["reason"] == "link matched"
    by_code = await sell(order(2500, promotion_code=promotion.lower()))
    assert (by_code["by"], by_code["content_id"], by_code["influencer"]) == ("promotion_code", post, "bo")
    both = await sell(order(400, link_code=link["code"], promotion_code=promotion))
    assert both["by"] == "link" and "the promotion code names another platform: twitter" in both["reason"]
    assert both["content_id"] == post and "completed by the promotion code" in both["reason"]
    for body, reason in (
        (order(9), "no link and no promotion code"),
        (order(9, link_code="nobodyknows0"), "link unknown"),
        (order(9, promotion_code="NOSUCHCODE"), "promotion code unknown"),
        (order(9, promotion_code=promotion, occurred_at="2020-01-01T00:00:00Z"), "not valid at the time"),
    ):
        sale = await sell(body)
        assert sale["by"] == "none" and sale["campaign_id"] is None
        assert reason in sale["reason"]
    await sell(order(700, link_code=link["code"], currency="CHF"))

    body = order(100, link_code=link["code"])
    first = await caller.request("POST", "/v1/transactions", json=body)
    again = await caller.request("POST", "/v1/transactions", json=body)
    # Doing nothing is saved as well, so the version goes on.
    assert first.json() | {"version": None} == again.json() | {"version": None}
    other = await caller.request("POST", "/v1/transactions", json=body | {"amount_minor": 101})
    assert other.status_code == 409

    await caller.post(f"/v1/campaigns/{id_}/costs", {"amount_minor": 1000})
    found = await reaches(caller, campaign, conversions=5, revenue_minor=4000, cost_minor=1000)
    assert found["roas"] == "4.0000"
    assert found["other_currencies"] == {"CHF": 700}
    assert found["by_platform"]["instagram"]["revenue_minor"] == 1500
    assert found["by_platform"]["twitter"]["revenue_minor"] == 2500
    assert found["by_content"][post]["conversions"] == 2
    assert found["by_influencer"]["ana"]["conversions"] == 4
    listed = await caller.all("/v1/transactions")
    assert len(listed) == len({t["order_id"] for t in listed}) == 9


async def test_many_orders_at_once_are_all_counted_once(world: World) -> None:
    caller = await world.org()
    campaign = await launched(caller, promotion_codes=[{"code": (promotion := code())}])
    orders = [order(n, promotion_code=promotion) for n in range(1, 21)]
    answers = await asyncio.gather(
        *(caller.request("POST", "/v1/transactions", json=body) for body in orders * 2)
    )
    assert {a.status_code for a in answers} == {201}
    await reaches(caller, campaign, conversions=20, revenue_minor=sum(range(1, 21)))


async def test_what_belongs_to_another_org_counts_for_nobody_else(world: World) -> None:
    ours, theirs = await world.org("Ours"), await world.org("Theirs")
    account, view = await connected(world, ours, "twitter", posts=2)
    promotion = code()
    campaign = await launched(ours, accounts=[view["id"]], promotion_codes=[{"code": promotion}])
    post = (await ours.all(f"/v1/accounts/{view['id']}/content"))[0]["id"]
    for path, wish in (
        ("/v1/campaigns", PLAN | {"accounts": [view["id"]]}),
        ("/v1/campaigns", PLAN | {"content": [post]}),
        ("/v1/links", {"url": "https://x.example", "campaign_id": campaign["id"]}),
        ("/v1/links", {"url": "https://x.example", "content_id": post}),
    ):
        assert (await theirs.request("POST", path, json=wish)).status_code == 422, (path, wish)
    sale = await theirs.post("/v1/transactions", order(50, promotion_code=promotion))
    assert sale["attribution"]["by"] == "none"
    await world.sandbox.act(account, "like")

    async def liked() -> bool:
        return bool((await performance(ours, campaign))["engagement"]["likes"] == 1)

    await eventually(liked)
    assert (await performance(ours, campaign))["conversions"] == 0
