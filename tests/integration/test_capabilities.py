"""Numbers, advertising, commerce and live through the running service, against the sandbox."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.accounts import idle
from tests.support.client import Caller, Json, World, eventually

LEVELS = ("campaign", "group", "ad")
META_ADS = ("ads_read", "ads_management", "catalog_management", "business_management")


async def joined(
    world: World, caller: Caller, platform: str, more: tuple[str, ...] = (), posts: int = 3
) -> tuple[Json, Json]:
    """An account at the platform and its view here, connected with further scopes, its history read. The
    past of a sandbox's account is 90 days long: of three posts none may be recent."""
    account = await world.account(platform, f"able-{uuid.uuid4()}", posts=posts)
    listed = (await caller.get("/v1/integrations"))["items"]
    scopes = next(p["scopes"] for p in listed if p["platform"] == platform)
    body = {"scopes": [*scopes, *more]} if more else {}
    started = await caller.post(f"/v1/integrations/{platform}/connect", body)
    callback = await world.consent(started["authorize_url"], account["external_id"])
    view = (await world.api.get(callback)).json()
    await idle(caller, view)
    return account, view


async def done(caller: Caller, asked: Json, timeout_s: float = 30.0) -> list[Json]:
    """The operations that a request led to, once they are all done."""

    async def ended() -> list[Json] | None:
        found = [await caller.get(f"/v1/operations/{o['id']}") for o in asked["operations"]]
        assert not [o for o in found if o["status"] in ("failed", "unconfirmed")], found
        return found if all(o["status"] == "done" for o in found) else None

    return await eventually(ended, timeout_s)  # type: ignore[no-any-return]


async def registered(world: World, platform: str) -> None:
    """The sandbox's application leads back to this service: some consents have no address of their own."""
    apps = (await world.sandbox.get("apps"))["apps"]
    app = next(a for a in apps if a["platform"] == platform and a["name"] == "default")
    back = f"{world.settings.public_url}/v1/integrations/{platform}/callback"
    await world.sandbox.put(f"apps/{app['id']}", {"redirect_uris": [back]})


async def granted(
    world: World, caller: Caller, account: Json, view: Json, capability: str, **body: str
) -> Json:
    """A further consent, through the platform's own page."""
    started = await caller.post(f"/v1/accounts/{view['id']}/grants/{capability}/connect", body)
    callback = await world.consent(started["authorize_url"], account["external_id"])
    answer = await world.api.get(callback)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def brought(caller: Caller, account: Json, view: Json) -> Json:
    """X's tokens of OAuth 1.0a for the account's ads, and the application with the API key pair for them."""
    keys = {"client_id": account["app"]["client_id"], "client_secret": account["app"]["webhook_secret"]}
    app = await caller.post("/v1/integrations/twitter/apps", keys | {"name": "API key pair"})
    tokens = {"access_token": account["oauth1_token"], "token_secret": account["oauth1_secret"]}
    path = f"/v1/accounts/{view['id']}/grants/ads"
    answer = await caller.request("PUT", path, json=tokens | {"app_id": app["id"]})
    assert answer.status_code == 200, answer.text
    return app


async def test_numbers_of_content_and_account_are_read_and_kept(world: World) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, "facebook", posts=30)
    first, second = await done(caller, await caller.post(f"/v1/accounts/{view['id']}/insights"))
    assert (first["what"], second["what"]) == ("account_insights", "content_insights")
    (row,) = await caller.all(f"/v1/accounts/{view['id']}/insights")
    by_name = {m["name"]: m for m in row["metrics"]}
    assert isinstance(by_name["followers"]["value"], int)
    withdrawn = by_name["impressions"]
    assert withdrawn["value"] is None and withdrawn["reason"] == "withdrawn"
    content = (await caller.all(f"/v1/accounts/{view['id']}/content"))[0]
    (numbers,) = await caller.all(f"/v1/content/{content['id']}/insights")
    assert {m["name"] for m in numbers["metrics"]} >= {"views", "likes"}
    (again,) = await done(caller, await caller.post(f"/v1/content/{content['id']}/insights"))
    assert again["items"] == 1
    assert len(await caller.all(f"/v1/content/{content['id']}/insights")) == 1, "one row a day"


@pytest.mark.parametrize("platform", ["instagram", "pinterest", "tiktok", "twitter", "youtube"])
async def test_every_platform_tells_its_numbers_or_why_not(world: World, platform: str) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, platform, posts=30)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/insights"))
    rows = await caller.all(f"/v1/accounts/{view['id']}/insights")
    for content in await caller.all(f"/v1/accounts/{view['id']}/content"):
        rows += await caller.all(f"/v1/content/{content['id']}/insights")
    told = [metric for row in rows for metric in row["metrics"]]
    assert len(rows) > 1 and any(metric["value"] is not None for metric in told)
    assert all((metric["value"] is None) == (metric["reason"] is not None) for metric in told)


async def test_ads_at_x_are_opened_by_a_consent_or_by_tokens_that_a_person_brings(world: World) -> None:
    caller = await world.org()
    account, view = await joined(world, caller, "twitter")
    path = f"/v1/accounts/{view['id']}"
    refused = await caller.request("POST", f"{path}/ads/read")
    assert refused.status_code == 409 and "OAuth 1.0a" in refused.json()["detail"]
    app = await brought(caller, account, view)
    (first,) = await done(caller, await caller.post(f"{path}/ads/read", {"levels": ["campaign"]}))
    asked = await granted(world, caller, account, view, "ads", app_id=app["id"])
    assert asked["grants"]["ads"]["external_id"] == account["external_id"]
    (second,) = await done(caller, await caller.post(f"{path}/ads/read", {"levels": ["campaign"]}))
    assert first["items"] == second["items"] > 2
    (ad, *_) = await caller.all(f"/v1/ads?account_id={view['id']}&level=campaign")
    assert await caller.all(f"/v1/ads/{ad['id']}/days")


async def test_what_ads_cost_becomes_a_campaigns_cost_once(world: World) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, "facebook", META_ADS)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read"))
    levels = [len(await caller.all(f"/v1/ads?account_id={view['id']}&level={n}")) for n in LEVELS]
    assert levels == [2, 4, 8]
    ad = (await caller.all(f"/v1/ads?account_id={view['id']}&level=campaign"))[0]
    today = (await caller.all(f"/v1/ads/{ad['id']}/days"))[0]
    spend = today["spend"]["amount_minor"]
    assert spend > 0

    code = f"KILN{uuid.uuid4().hex[:8].upper()}"
    plan = {"name": "Spring", "budget": {"total_minor": 10_000_000, "currency": "EUR"}}
    campaign = await caller.post("/v1/campaigns", plan | {"promotion_codes": [{"code": code}]})
    await caller.post(f"/v1/campaigns/{campaign['id']}/launch")
    path = f"/v1/campaigns/{campaign['id']}"
    answer = await caller.request("PUT", f"{path}/ad-campaigns", json={"ad_campaigns": [ad["id"]]})
    assert answer.status_code == 200 and answer.json()["problems"] == [], answer.text
    await done(caller, answer.json())
    sale = {"order_id": code, "amount_minor": 2 * spend, "currency": "EUR", "promotion_code": code}
    await caller.post("/v1/transactions", sale | {"occurred_at": datetime.now(UTC).isoformat()})

    async def counted() -> Json:
        found = await caller.get(path)
        performance = found["performance"]
        assert (performance["cost_minor"], performance["roas"]) == (spend, "2.0000"), performance
        return found

    before = await eventually(counted)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read"))

    async def told_again() -> bool:
        return bool((await caller.get(path))["updated_at"] > before["updated_at"])

    await eventually(told_again)
    assert (await counted())["ad_spend"][0]["amount_minor"] == spend


@pytest.mark.heavy
async def test_an_ad_campaign_whose_answer_was_lost_is_made_once(world: World) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, "facebook", META_ADS)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read", {"levels": []}))
    (ad_account,) = await caller.all(f"/v1/ad-accounts?account_id={view['id']}")
    wish = {"ad_account_id": ad_account["id"], "name": "Glaze", "objective": "OUTCOME_SALES"}
    fault = {"platform": "facebook", "path": f"act_{ad_account['external_id']}/campaigns$", "count": 1}
    await world.sandbox.post("faults", fault | {"kind": "half_body"})
    path = f"/v1/accounts/{view['id']}/ad-campaigns"
    (operation,) = await done(caller, await caller.post(path, wish))
    assert "outcome_unknown" in [step["what"] for step in operation["steps"]]
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read", {"levels": ["campaign"]}))
    named = await caller.all(f"/v1/ads?account_id={view['id']}&level=campaign")
    (made,) = [ad for ad in named if ad["name"].startswith("Glaze ")]
    assert (made["id"], made["status"]) == (operation["result"]["ad_id"], "paused")
    change = {"daily_budget": {"amount_minor": 900, "currency": "EUR"}, "status": "active"}
    asked = await caller.request("PATCH", f"/v1/ads/{made['id']}", json=change)
    await done(caller, asked.json())
    found = await caller.get(f"/v1/ads/{made['id']}")
    assert (found["daily_budget"], found["status"]) == (change["daily_budget"], "active")


@pytest.mark.heavy
async def test_an_ad_of_a_post_is_made_once_whatever_answer_was_lost(world: World) -> None:
    """A campaign, an ad set, an ad of what is published: Facebook makes each, and nobody hears of it."""
    caller = await world.org()
    _, view = await joined(world, caller, "facebook", META_ADS, posts=6)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read", {"levels": []}))
    (ad_account,) = await caller.all(f"/v1/ad-accounts?account_id={view['id']}")
    content = await caller.all(f"/v1/accounts/{view['id']}/content")
    post = next(c["id"] for c in content if c["kind"] != "story")
    name = f"Glaze {uuid.uuid4().hex[:6]}"

    async def made(edge: str, path: str, wish: Json) -> str:
        where = f"act_{ad_account['external_id']}/{edge}$"
        fault = {"platform": "facebook", "path": where, "count": 1, "kind": "half_body"}
        await world.sandbox.post("faults", fault)
        (operation,) = await done(caller, await caller.post(path, wish | {"name": name}))
        assert "outcome_unknown" in [step["what"] for step in operation["steps"]]
        return str(operation["result"]["ad_id"])

    wish: Json = {"ad_account_id": ad_account["id"], "objective": "OUTCOME_TRAFFIC"}
    campaign = await made("campaigns", f"/v1/accounts/{view['id']}/ad-campaigns", wish)
    wish = {"goal": "LINK_CLICKS", "countries": ["DE"]}
    without_budget = await caller.post(f"/v1/ads/{campaign}/groups", wish | {"name": name})
    wish["daily_budget"] = {"amount_minor": 1500, "currency": "EUR"}
    group = await made("adsets", f"/v1/ads/{campaign}/groups", wish)
    ad = await made("ads", f"/v1/ads/{group}/ads", {"content_id": post})

    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read"))
    for level, parent, expected in zip(LEVELS, (None, campaign, group), (campaign, group, ad), strict=True):
        named = await caller.all(f"/v1/ads?account_id={view['id']}&level={level}")
        (found,) = [a for a in named if a["name"].startswith(name)]
        assert (found["id"], found["parent_id"], found["status"]) == (expected, parent, "paused")

    async def failed() -> bool:
        (operation,) = without_budget["operations"]
        shown = await caller.get(f"/v1/operations/{operation['id']}")
        return shown["status"] == "failed" and "need one each" in shown["reason"]

    await eventually(failed)


@pytest.mark.heavy
async def test_a_post_is_promoted_at_x_below_a_paused_group_whatever_answer_was_lost(world: World) -> None:
    """X makes a campaign, a line item, its countries and a promoted post, and nobody hears of any."""
    caller = await world.org()
    account, view = await joined(world, caller, "twitter", posts=12)
    await brought(caller, account, view)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read", {"levels": []}))
    (ad_account,) = await caller.all(f"/v1/ad-accounts?account_id={view['id']}")
    content = await caller.all(f"/v1/accounts/{view['id']}/content")
    name = f"Glaze {uuid.uuid4().hex[:6]}"

    edges = f"accounts/{ad_account['external_id']}"

    async def unheard(path: str) -> None:
        fault = {"platform": "twitter", "path": f"{path}$", "count": 1, "kind": "half_body"}
        await world.sandbox.post("faults", fault)

    async def made(path: str, wish: Json) -> Json:
        (operation,) = await done(caller, await caller.post(path, wish | {"name": name}), 60.0)
        assert "outcome_unknown" in [step["what"] for step in operation["steps"]]
        return operation

    await unheard(f"{edges}/campaigns")
    wish: Json = {"ad_account_id": ad_account["id"], "objective": "WEBSITE_CLICKS"}
    campaign = (await made(f"/v1/accounts/{view['id']}/ad-campaigns", wish))["result"]["ad_id"]
    await unheard(f"{edges}/line_items")
    await unheard(f"batch/{edges}/targeting_criteria")
    ends = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    wish = {"goal": "LINK_CLICKS", "countries": ["DE", "FR"], "ends_at": ends}
    wish["daily_budget"] = {"amount_minor": 1500, "currency": "USD"}
    operation = await made(f"/v1/ads/{campaign}/groups", wish)
    assert [step["what"] for step in operation["steps"]][-2:] == ["made, without its countries yet", "done"]
    group = operation["result"]["ad_id"]
    await unheard(f"{edges}/promoted_tweets")
    ad = (await made(f"/v1/ads/{group}/ads", {"content_id": content[0]["id"]}))["result"]["ad_id"]

    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/ads/read"))
    for level, parent, id_ in (("group", campaign, group), ("ad", group, ad)):
        (found,) = await caller.all(f"/v1/ads?account_id={view['id']}&level={level}&parent_id={parent}")
        assert found["id"] == id_
    assert (await caller.get(f"/v1/ads/{group}"))["status"] == "paused"

    asked = await caller.request("PATCH", f"/v1/ads/{group}", json={"status": "active"})
    await done(caller, asked.json())
    shown = await caller.post(f"/v1/ads/{group}/ads", {"content_id": content[1]["id"], "name": name})

    async def refused() -> bool:
        (asked,) = shown["operations"]
        operation = await caller.get(f"/v1/operations/{asked['id']}")
        return operation["status"] == "failed" and "pause the ad group first" in operation["reason"]

    await eventually(refused)


async def test_facebooks_live_videos_are_read_and_what_is_said_there_is_heard(world: World) -> None:
    caller = await world.org()
    account, view = await joined(world, caller, "facebook")
    video = (await world.sandbox.act(account, "stream", text="Kiln opening"))["id"]
    path = f"/v1/accounts/{view['id']}/broadcasts"
    await done(caller, await caller.post(f"{path}/read"))
    (shown,) = await caller.all(f"/v1/broadcasts?account_id={view['id']}")
    assert (shown["external_id"], shown["title"], shown["status"]) == (video, "Kiln opening", "live")
    assert shown["permalink"] and shown["started_at"] and shown["embed_html"]
    following = await caller.post(f"/v1/broadcasts/{shown['id']}/chat")
    await world.sandbox.act(account, "chat", text="Lovely glaze", author={"username": "berta"})
    await world.sandbox.act(account, "stream_end")
    await done(caller, following)
    messages = await caller.all(f"/v1/comments?account_id={view['id']}&kind=message")
    assert [m["text"] for m in messages] == ["Lovely glaze"]
    plan = {"title": "Next", "scheduled_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    answer = await caller.request("POST", path, json=plan)
    assert answer.status_code == 422 and answer.json()["type"].endswith("not_offered")
    assert "Rookery reads a page's live videos" in answer.json()["detail"]


async def test_an_order_of_a_shop_is_one_transaction_and_is_followed(world: World) -> None:
    caller = await world.org()
    await registered(world, "tiktok")
    account, view = await joined(world, caller, "tiktok")
    path = f"/v1/accounts/{view['id']}"
    refused = await caller.request("POST", f"{path}/orders/read")
    assert refused.status_code == 409 and "consent of its own" in refused.json()["detail"]
    after = await granted(world, caller, account, view, "commerce")
    assert after["grants"]["commerce"]["external_id"].startswith("7495")
    order = (await world.sandbox.act(account, "order"))["id"]
    await done(caller, await caller.post(f"{path}/orders/read"))
    await done(caller, await caller.post(f"{path}/orders/read"))
    listed = {o["external_id"]: o for o in await caller.all(f"/v1/orders?account_id={view['id']}")}
    found = listed[order]
    assert found["paid"] and not found["cancelled"]

    async def sold(status: str) -> Json | None:
        mine = [t for t in await caller.all("/v1/transactions") if t["order_id"].endswith(f"/{order}")]
        assert len(mine) == 1, mine
        return mine[0] if mine[0]["status"] == status else None

    sale = await eventually(lambda: sold("completed"))
    assert sale["id"] == found["transaction_id"] and sale["platform"] == "tiktok"
    assert {k: sale[k] for k in ("amount_minor", "currency")} == found["total"]
    await world.sandbox.act(account, "order_cancel", content_id=order)
    await done(caller, await caller.post(f"{path}/orders/read"))
    await eventually(lambda: sold("cancelled"))
    told = await caller.all(f"/v1/events?subject={sale['id']}&type=TransactionAdjusted")
    assert [e["data"]["difference_minor"] for e in told] == [-sale["amount_minor"]]


async def test_a_broadcast_is_planned_streamed_and_its_chat_is_heard(world: World) -> None:
    caller = await world.org()
    account, view = await joined(world, caller, "youtube")
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    wish = {"title": f"Kiln opening {uuid.uuid4().hex[:6]}", "scheduled_at": at}
    (made,) = await done(caller, await caller.post(f"/v1/accounts/{view['id']}/broadcasts", wish))
    path = f"/v1/broadcasts/{made['result']['broadcast_id']}"
    assert (await caller.get(path))["title"] == wish["title"]
    assert (await caller.request("GET", f"{path}/stream")).status_code == 409
    await done(caller, await caller.post(f"{path}/stream"))
    stream = await caller.get(f"{path}/stream")
    assert stream["bound"] and stream["address"].startswith("rtmp") and stream["name"]
    await world.sandbox.act(account, "stream")
    for state in ("testing", "live"):
        await done(caller, await caller.post(f"{path}/transition", {"to": state}))
        assert (await caller.get(path))["status"] == state
    following = await caller.post(f"{path}/chat")
    await world.sandbox.act(account, "chat", text="Lovely glaze", author={"username": "berta"})

    async def heard() -> bool:
        messages = await caller.all(f"/v1/comments?account_id={view['id']}&kind=message")
        return [m["text"] for m in messages] == ["Lovely glaze"]

    await eventually(heard)
    (operation,) = following["operations"]
    assert (await caller.get(f"/v1/operations/{operation['id']}"))["status"] == "running"
    await done(caller, await caller.post(f"{path}/transition", {"to": "complete"}))
    await done(caller, following)


async def test_a_catalogue_is_read_and_products_go_into_it_in_a_batch(world: World) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, "facebook", META_ADS)
    await done(caller, await caller.post(f"/v1/accounts/{view['id']}/catalogs/read"))
    catalog = (await caller.all(f"/v1/catalogs?account_id={view['id']}"))[0]
    path = f"/v1/catalogs/{catalog['id']}/products"
    product = {
        "retailer_id": "SKU-VASE",
        "title": "Blue vase",
        "price": {"amount_minor": 4900, "currency": "EUR"},
        "url": "https://shop.example/vase",
        "image_url": "https://shop.example/vase.png",
    }
    await done(caller, await caller.post(f"{path}/read"))
    assert len(await caller.all(path)) == catalog["product_count"]
    (asked,) = (await caller.post(path, {"products": [product]}))["operations"]

    async def taken() -> bool:  # the batch itself takes minutes at Facebook
        operation = await caller.get(f"/v1/operations/{asked['id']}")
        return "taken by the platform" in [step["what"] for step in operation["steps"]]

    await eventually(taken)


async def test_what_a_platform_does_not_offer_is_said_in_its_own_sentence(world: World) -> None:
    caller = await world.org()
    _, view = await joined(world, caller, "pinterest")
    path = f"/v1/accounts/{view['id']}"
    (read,) = await done(caller, await caller.post(f"{path}/ads/read", {"levels": ["campaign"]}))
    assert read["items"] > 0
    for what, sentence in (("orders/read", "takes no orders"), ("broadcasts/read", "no live streaming")):
        answer = await caller.request("POST", f"{path}/{what}")
        assert answer.status_code == 422 and answer.json()["type"].endswith("not_offered")
        assert sentence in answer.json()["detail"]
