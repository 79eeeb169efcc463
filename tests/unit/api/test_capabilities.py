"""Asking for what platforms do beside content: once, by whom it is allowed to, with an answer to look at."""

from typing import Any

import httpx
import pytest

from api.oauth import STATE_LIFETIME
from domain.secrets import Secret
from platforms.base import Grant
from platforms.outcome import Ok, Rejected
from storage.crypto import field_aad
from tests.unit.api.conftest import World
from tests.unit.api.things import add_content, campaign_body, make_things


async def ask(world: World, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await world.call("POST", path, world.ours.admin, json=body, headers=headers)


# -- operations ---------------------------------------------------------------------------------------
async def test_what_was_asked_for_can_be_looked_at_and_is_asked_for_once(world: World) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    answers = [await ask(world, f"/v1/accounts/{account}/insights", {}, "key-1") for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    operations = answers[0].json()["operations"]
    assert [o["what"] for o in operations] == ["account_insights", "content_insights"]
    shown = (await world.call("GET", f"/v1/operations/{operations[0]['id']}", world.ours.admin)).json()
    assert (shown["status"], shown["account_id"], shown["created_by"]) == (
        "running",
        account,
        world.ours.admin.id,
    )
    listed = (await world.call("GET", "/v1/operations", world.ours.admin)).json()["items"]
    assert len(listed) == 2
    other = await ask(world, f"/v1/accounts/{account}/insights", {"since": "2026-01-01T00:00:00Z"}, "key-1")
    assert other.status_code == 422
    ended = await ask(world, f"/v1/operations/{operations[0]['id']}/cancel")
    assert ended.json()["status"] == "cancelled"
    assert (await ask(world, f"/v1/operations/{operations[0]['id']}/cancel")).status_code == 409


async def test_what_a_platform_lacks_is_said(world: World) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    world.twitter.commerce.missing = {"orders": "It takes no orders."}
    answer = await ask(world, f"/v1/accounts/{account}/orders/read")
    assert answer.status_code == 422 and answer.json()["type"] == "urn:rookery:error:not_offered"
    assert "It takes no orders." in answer.json()["detail"]
    world.twitter.live = None  # type: ignore[assignment]
    answer = await ask(world, f"/v1/accounts/{account}/broadcasts/read")
    assert answer.status_code == 422 and "Not offered by the platform" in answer.json()["detail"]
    asked = [key for key, message in world.owners.asked if message.name == "perform"]
    kept = await world.call("GET", "/v1/operations", world.ours.admin)
    assert len(asked) == 2 and kept.json()["items"] == []


# -- ads ----------------------------------------------------------------------------------------------
async def test_only_ad_campaigns_of_the_org_are_tied_and_their_days_are_read(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    theirs = await make_things(world, world.theirs, "2")
    campaign = (await ask(world, "/v1/campaigns", campaign_body())).json()
    await ask(world, f"/v1/campaigns/{campaign['id']}/launch")
    path = f"/v1/campaigns/{campaign['id']}/ad-campaigns"
    for wrong in (theirs.ad, things.ad.replace("campaign", "group"), "nothing"):
        answer = await world.call("PUT", path, world.ours.admin, json={"ad_campaigns": [wrong]})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "ad_campaigns"
    answer = await world.call("PUT", path, world.ours.admin, json={"ad_campaigns": [things.ad, things.ad]})
    assert answer.status_code == 200 and answer.json()["ad_campaigns"] == [things.ad]
    (operation,) = answer.json()["operations"]
    assert operation["what"] == "ads" and operation["id"].startswith(things.account)
    _, message = next(m for m in reversed(world.owners.asked) if m[1].name == "perform")
    assert message.data["wish"] == {
        "levels": [],
        "report_level": "campaign",
        "since": f"{world.clock.now():%Y-%m-%d}",
    }
    await ask(world, f"/v1/accounts/{things.account}/pause")
    answer = await world.call("PUT", path, world.ours.admin, json={"ad_campaigns": []})
    assert answer.json()["operations"] == answer.json()["problems"] == []
    answer = await world.call("PUT", path, world.ours.admin, json={"ad_campaigns": [things.ad]})
    assert answer.json()["problems"][0]["code"] == "account_not_connected"
    assert answer.json()["ad_campaigns"] == [things.ad]


async def test_an_ad_campaign_goes_into_an_ad_account_that_the_account_opens(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    other = (await world.connect(world.ours.admin, "9"))["id"]
    wish = {"ad_account_id": f"{things.account}|77", "name": "Spring", "objective": "SALES"}
    assert (await ask(world, f"/v1/accounts/{other}/ad-campaigns", wish)).status_code == 422
    budget = {"amount_minor": 100, "currency": "EUR"}
    both = wish | {"daily_budget": budget, "lifetime_budget": budget}
    assert (await ask(world, f"/v1/accounts/{things.account}/ad-campaigns", both)).status_code == 422
    assert (await ask(world, f"/v1/accounts/{things.account}/ad-campaigns", wish)).status_code == 202


async def test_an_ad_group_goes_into_an_ad_campaign(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    path, wish = f"/v1/ads/{things.ad}/groups", {"name": "Germany", "goal": "CLICKS", "countries": ["DE"]}
    budget, end = {"amount_minor": 100, "currency": "EUR"}, "2027-01-01T00:00:00Z"
    for changes, field in (
        ({"daily_budget": budget, "lifetime_budget": budget, "ends_at": end}, "lifetime_budget"),
        ({"lifetime_budget": budget}, "ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": end, "ends_at": end}, "ends_at"),
        ({"countries": []}, "countries"),
        ({"countries": ["Germany"]}, "countries.0"),
    ):
        answer = await ask(world, path, wish | changes)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, changes
    group = things.ad.replace("campaign", "group")
    refused = await ask(world, f"/v1/ads/{group}/groups", wish)
    assert refused.status_code == 422 and "of the level campaign" in refused.json()["detail"]
    whole = wish | {"lifetime_budget": budget, "ends_at": end, "settings": {"dsa_payor": "Kiln"}}
    whole["countries"] = ["DE", "FR", "DE"]
    answers = [await ask(world, path, whole, "key-1") for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202] and answers[0].json() == answers[1].json()
    (operation,) = answers[0].json()["operations"]
    assert operation["what"] == "create_ad_group" and operation["id"].startswith(things.account)
    told = asked(world)["wish"]
    assert told["campaign"] == {"id": "77-campaign", "objective": None, "has_budget": True}
    assert (told["lifetime_budget"], told["ends_at"]) == ({"minor": 100, "currency": "EUR"}, end)
    assert told["countries"] == ["DE", "FR"] and told["settings"] == {"dsa_payor": "Kiln"}
    assert told["account"]["externalId"] == "77"


async def test_an_ad_shows_published_content_of_the_org(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    theirs = await make_things(world, world.theirs, "2")
    path = f"/v1/ads/{things.ad.replace('campaign', 'group')}/ads"
    for wrong in (theirs.content, "nothing", things.ad):
        answer = await ask(world, path, {"name": "Bowl", "content_id": wrong})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "content_id"
    gone = await add_content(world, world.ours, things.account, "gone", status="deleted")
    assert (await ask(world, path, {"name": "Bowl", "content_id": gone})).status_code == 422
    at_campaign = await ask(world, f"/v1/ads/{things.ad}/ads", {"name": "B", "content_id": things.content})
    assert at_campaign.status_code == 422 and "of the level group" in at_campaign.json()["detail"]
    assert (await ask(world, path, {"name": "Bowl", "content_id": things.content})).status_code == 202
    told = asked(world)["wish"]
    assert told["group"] == {"id": "77-group"}
    assert told["content"] == {
        "platform": "twitter",
        "owner_id": things.account.split(":")[1],
        "external_id": "900",
        "kind": "photo",
    }
    world.twitter.ads.missing = {"create_ad": "Ads are made elsewhere."}
    refused = await ask(world, path, {"name": "Bowl", "content_id": things.content})
    assert refused.status_code == 422 and "Ads are made elsewhere." in refused.json()["detail"]


def asked(world: World) -> Any:
    """What the owner was asked to perform last."""
    return next(m for _, m in reversed(world.owners.asked) if m.name == "perform").data


# -- live ---------------------------------------------------------------------------------------------
async def test_a_streams_name_is_for_those_who_may_broadcast(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    path = f"/v1/broadcasts/{things.broadcast}/stream"
    shown = await world.call("GET", path, world.ours.manager)
    assert shown.json()["name"] == "STREAM-NAME-1" and shown.headers["cache-control"] == "no-store"
    assert (await world.call("GET", path, world.ours.analyst)).status_code == 403
    listed = await world.call("GET", "/v1/broadcasts", world.ours.admin)
    assert "STREAM-NAME" not in listed.text


# -- further consents ---------------------------------------------------------------------------------
async def begun(world: World, account: str, **body: Any) -> str:
    started = await ask(world, f"/v1/accounts/{account}/grants/ads/connect", body)
    assert started.status_code == 200, started.text
    return httpx.URL(started.json()["authorize_url"]).params["state"]


async def back(world: World, state: str, **query: str) -> httpx.Response:
    return await world.http.get(
        "/v1/integrations/twitter/callback", params={"state": state, **query}, follow_redirects=False
    )


async def test_a_further_consent_is_stored_sealed(world: World) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    done = await back(world, await begun(world, account), auth_code="c1", code="c1")
    assert done.status_code == 200, done.text
    grant = done.json()["grants"]["ads"]
    assert (grant["external_id"], grant["scopes"], grant["lost"]) == ("70001", ["ads.read"], None)
    stored = repr(world.entities._data)
    for secret in ("ADS-TOKEN", "ADS-REFRESH", "ADS-SECRET"):
        assert secret not in stored and secret not in done.text
    _, message = next(m for m in world.owners.asked if m[1].name == "grant")
    seal = world.services.keys.seal
    opened = seal.open(message.data["secret"], field_aad("social_accounts", account, "ads.secret"))
    assert opened == b"ADS-SECRET"


async def test_a_state_is_good_once_and_only_for_what_it_was_made_for(world: World) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    state = await begun(world, account)
    assert (await back(world, state, auth_code="c")).status_code == 200
    assert (await back(world, state, auth_code="c")).status_code == 400
    state = await begun(world, account)
    denied = await back(world, state, error="access_denied")
    assert denied.status_code == 400 and denied.json()["type"].endswith("authorization_denied")
    state = await begun(world, account)
    world.clock.advance(STATE_LIFETIME.total_seconds())
    assert (await back(world, state, auth_code="c")).status_code == 400
    world.twitter.consents["ads"].grant = Rejected("40110", "The code is invalid.")
    refused = await back(world, await begun(world, account), auth_code="c")
    assert refused.status_code == 400 and "The code is invalid." in refused.json()["detail"]


async def test_a_browser_goes_back_where_it_came_from(world: World) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    state = await begun(world, account, return_to="https://shop.example/done")
    led = (await back(world, state, auth_code="c")).headers["location"]
    assert httpx.URL(led).host == "shop.example" and httpx.URL(led).params["grant"] == "ads"
    elsewhere = {"return_to": "https://evil.example/"}
    answer = await ask(world, f"/v1/accounts/{account}/grants/ads/connect", elsewhere)
    assert answer.status_code == 422


async def test_tokens_may_be_brought_and_forgotten(world: World) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    path = f"/v1/accounts/{account}/grants/insights"
    brought = {"access_token": "BROUGHT-TOKEN", "token_secret": "BROUGHT-SECRET"}
    kept = await world.call("PUT", path, world.ours.admin, json=brought)
    assert kept.status_code == 200 and kept.json()["grants"]["insights"]["expires_at"] is None
    assert "BROUGHT" not in kept.text + repr(world.entities._data)
    assert (await world.call("DELETE", path, world.ours.admin)).json()["grants"] == {}
    assert (await world.call("DELETE", path, world.ours.admin)).status_code == 409
    answer = await ask(world, f"{path}/connect", {})
    assert answer.status_code == 422 and "no consent of its own" in answer.json()["detail"]


@pytest.mark.parametrize("token", [None, Secret("refresh")])
async def test_what_an_exchange_does_not_tell_is_not_made_up(world: World, token: Secret | None) -> None:
    account = (await world.connect(world.ours.admin, "1"))["id"]
    world.twitter.consents["ads"].grant = Ok(Grant(Secret("T"), token, None, None))
    view = (await back(world, await begun(world, account), auth_code="c")).json()
    assert view["grants"]["ads"]["external_id"] is None and view["grants"]["ads"]["scopes"] == []
