"""OAuth: the state, the exchange, and what is stored when something goes wrong."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domain.content import Profile
from domain.ids import AccountId, Kind
from domain.secrets import Secret
from platforms.base import Grant
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from storage.crypto import field_aad
from storage.mongo.identity import Role
from tests.unit.api.conftest import PUBLIC, World

CALLBACK = "/v1/integrations/twitter/callback"


async def stored_accounts(world: World) -> list[str]:
    page = await world.entities.page(Kind.ACCOUNT, world.ours.id, 100)
    return [d["_id"] for d in page.documents]


async def test_a_connect_ends_in_the_owners_view(world: World) -> None:
    state = await world.begin(world.ours.manager)
    done = await world.http.get(CALLBACK, params={"state": state, "code": "the-code"})
    assert done.status_code == 200
    view = done.json()
    assert view["id"] == f"twitter:4711:{world.ours.id}"
    assert view["status"] == "connected"
    assert view["user_id"] == world.ours.manager.id
    assert view["profile"]["username"] == "anna"
    assert view["missing_scopes"] == []
    [(app, code, redirect_uri, verifier)] = world.twitter.exchanged
    assert (app, code, redirect_uri) == ("twitter-default", "the-code", PUBLIC + CALLBACK)
    assert verifier is not None and 43 <= len(verifier) <= 128  # RFC 7636


async def test_tokens_reach_the_owner_sealed_to_their_place(world: World) -> None:
    account = (await world.connect(world.ours.manager))["id"]
    _, message = world.owners.asked[-1]
    for token, field in (("ACCESS-TOKEN-1", "accessToken"), ("REFRESH-TOKEN-1", "refreshToken")):
        sealed = message.data[{"accessToken": "access_token", "refreshToken": "refresh_token"}[field]]
        opened = world.services.keys.seal.open(sealed, field_aad("social_accounts", account, field))
        assert opened.decode() == token


async def test_without_an_application_it_is_said_where_to_add_one(world: World) -> None:
    world.database["platform_apps"].documents.clear()
    answer = await world.call("POST", "/v1/integrations/twitter/connect", world.ours.admin, json={})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:rookery:error:app_missing")
    assert "add one under /v1/integrations/twitter/apps." in answer.json()["detail"]


@pytest.mark.parametrize("how", ["forged", "missing", "used", "expired", "foreign"])
async def test_a_bad_state_is_400_and_stores_nothing(world: World, how: str) -> None:
    state: str | None = await world.begin(world.ours.manager)
    path = CALLBACK
    match how:
        case "forged":
            state = "A" * 43
        case "missing":
            state = None
        case "used":
            await world.http.get(CALLBACK, params={"state": state, "error": "access_denied"})
        case "expired":
            world.clock.advance(601)
        case "foreign":
            path = path.replace("twitter", "instagram")
    params = {"code": "c"} | ({"state": state} if state else {})
    answer = await world.http.get(path, params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:rookery:error:state_invalid"
    assert world.twitter.exchanged == []
    assert await stored_accounts(world) == []


async def test_of_two_callbacks_with_one_state_one_gets_through(world: World) -> None:
    state = await world.begin(world.ours.manager)
    calls = (world.http.get(CALLBACK, params={"state": state, "code": "c"}) for _ in range(5))
    answers = await asyncio.gather(*calls)
    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400, 400]
    assert len(world.twitter.exchanged) == 1


async def test_a_state_is_spent_even_when_the_exchange_fails(world: World) -> None:
    state = await world.begin(world.ours.manager)
    good = world.twitter.grant
    world.twitter.grant = RetryAfter(30, LimitScope.APP, "rate limited")
    first = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert first.status_code == 503 and first.headers["retry-after"] == "30"
    world.twitter.grant = good
    again = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert again.status_code == 400


async def test_a_refused_consent_connects_nothing(world: World) -> None:
    state = await world.begin(world.ours.manager)
    answer = await world.http.get(CALLBACK, params={"state": state, "error": "access_denied"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:rookery:error:authorization_denied"
    assert await stored_accounts(world) == []


async def test_somebody_who_lost_their_role_meanwhile_cannot_finish(world: World) -> None:
    state = await world.begin(world.ours.creator)
    await world.services.directory.orgs.set_role(world.ours.id, world.ours.creator.id, Role.ANALYST)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == 400
    assert await stored_accounts(world) == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Rejected("invalid_grant", "The code was used."), 400),
        (ReauthRequired("token_revoked"), 400),
        (RetryAfter(7, LimitScope.APP, "server error"), 503),
        (Unknown("the code may be spent"), 503),
    ],
)
@pytest.mark.parametrize("step", ["grant", "found"])
async def test_nothing_is_stored_when_the_platform_does_not_play_along(
    world: World, step: str, outcome: Any, status: int
) -> None:
    setattr(world.twitter, step, outcome)
    state = await world.begin(world.ours.manager)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == status
    assert await stored_accounts(world) == []


async def test_instagrams_ornament_is_taken_off_the_code(world: World) -> None:
    state = await world.begin(world.ours.manager)
    await world.http.get(CALLBACK, params={"state": state, "code": "AQB-x#_"})
    assert world.twitter.exchanged[0][1] == "AQB-x"


async def test_a_grant_for_another_account_than_the_profile_is_refused(world: World) -> None:
    world.twitter.grant = Ok(Grant(Secret("a"), None, 60, None, external_id="1"))
    world.twitter.found = Ok(Profile("2", "berta"))
    state = await world.begin(world.ours.manager)
    assert (await world.http.get(CALLBACK, params={"state": state, "code": "c"})).status_code == 400
    world.twitter.found = Ok(Profile("2", "berta", alias_ids=("1",)))
    state = await world.begin(world.ours.manager)
    assert (await world.http.get(CALLBACK, params={"state": state, "code": "c"})).status_code == 200


async def test_a_reconnect_without_refresh_token_keeps_the_old_one(world: World) -> None:
    account = (await world.connect(world.ours.manager))["id"]
    world.twitter.grant = Ok(Grant(Secret("ACCESS-TOKEN-2"), None, 7200, None))
    await world.connect(world.ours.manager)
    key = AccountId.parse(account).key
    credentials = (await world.entities.load_many([key]))[key]["accessCredentials"]
    aad = field_aad("social_accounts", account, "refreshToken")
    opened = world.services.keys.seal.open(bytes(credentials["refreshToken"]), aad)
    assert opened == b"REFRESH-TOKEN-1"


async def test_missing_scopes_are_told_and_do_not_prevent_the_connection(world: World) -> None:
    assert isinstance(world.twitter.grant, Ok)
    world.twitter.grant = Ok(replace(world.twitter.grant.value, scopes=("tweet.read", "users.read")))
    view = await world.connect(world.ours.manager)
    assert view["status"] == "connected"
    assert view["missing_scopes"] == [
        "like.read",
        "follows.read",
        "tweet.write",
        "media.write",
        "offline.access",
    ]


async def test_a_scope_that_was_asked_for_and_not_granted_is_missing(world: World) -> None:
    assert isinstance(world.twitter.grant, Ok)
    world.twitter.grant = Ok(replace(world.twitter.grant.value, scopes=("tweet.read",)))
    state = await world.begin(world.ours.manager, scopes=["tweet.read", "users.email"])
    done = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert "users.email" in done.json()["missing_scopes"]


async def test_two_orgs_connect_the_same_account_each_for_itself(world: World) -> None:
    ours = await world.connect(world.ours.manager)
    theirs = await world.connect(world.theirs.manager)
    assert ours["id"] != theirs["id"]
    assert (await world.call("GET", f"/v1/accounts/{theirs['id']}", world.ours.admin)).status_code == 404


async def test_the_browser_goes_back_to_an_allowed_origin_only(world: World) -> None:
    back = "https://shop.example/done?tab=1#accounts"
    state = await world.begin(world.ours.manager, return_to=back)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://shop.example/done?tab=1&account_id=twitter%3A4711")
    assert answer.headers["location"].endswith("&status=connected#accounts")
    for bad in (
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://shop.example@evil.example/",
        "http://shop.example/",
        "//evil.example",
        "javascript:alert(1)",
        "https://shop.example:444/",
    ):
        refused = await world.call(
            "POST", "/v1/integrations/twitter/connect", world.ours.manager, json={"return_to": bad}
        )
        assert refused.status_code == 422, bad


async def test_an_org_uses_its_own_app_and_never_anothers(world: World) -> None:
    body = {"client_id": "their-client", "client_secret": "THEIR-SECRET", "bearer_token": "THEIR-BEARER"}
    added = await world.call("POST", "/v1/integrations/twitter/apps", world.theirs.admin, json=body)
    assert added.status_code == 201
    app = added.json()
    assert app["webhook_url"] == f"{PUBLIC}/webhooks/twitter/{app['id']}"
    listed = await world.call("GET", "/v1/integrations/twitter/apps", world.theirs.admin)
    assert [a["id"] for a in listed.json()["items"]] == [app["id"], "twitter-default"]
    for answer in (added, listed):
        assert "SECRET" not in answer.text and "BEARER" not in answer.text
    await world.connect(world.theirs.manager)
    assert world.twitter.exchanged[-1][0] == app["id"]
    foreign = await world.call(
        "POST", "/v1/integrations/twitter/connect", world.ours.manager, json={"app_id": app["id"]}
    )
    assert foreign.status_code == 422
    assert foreign.json()["errors"][0]["field"] == "app_id"


async def test_integrations_show_capabilities_and_health(world: World) -> None:
    await world.connect(world.ours.manager)
    answer = (await world.call("GET", "/v1/integrations", world.ours.analyst)).json()
    twitter = next(i for i in answer["items"] if i["platform"] == "twitter")
    assert "webhooks" in twitter["capabilities"] and twitter["pkce"]
    assert twitter["accounts"] == {"connected": 1} and twitter["healthy"]
    instagram = next(i for i in answer["items"] if i["platform"] == "instagram")
    assert instagram["accounts"] == {}


async def test_a_state_record_is_sealed_and_found_by_hash_only(world: World) -> None:
    state = await world.begin(world.ours.manager)
    assert len(state) >= 43  # 256 bits
    stored = b"".join(world.database["oauth_states"].documents.values())
    for clear in (state, world.ours.id, world.ours.manager.id, "twitter-default"):
        assert clear.encode() not in stored
