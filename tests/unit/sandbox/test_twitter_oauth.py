import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

REDIRECT = "http://127.0.0.1:9/callback"
VERIFIER = "a-verifier-of-the-length-that-pkce-asks-for-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "tweet.read users.read offline.access"


def authorize_query(app: dict[str, Any], **changes: str) -> dict[str, str]:
    query = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": REDIRECT,
        "scope": SCOPE,
        "state": "s-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return query | changes


async def consent(world: Any, account: dict[str, Any], **changes: str) -> str:
    form = authorize_query(account["app"], user=account["external_id"], decision="approve") | changes
    answer = await world.http.post("/x.com/i/oauth2/authorize", data=form)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == REDIRECT
    query = parse_qs(back.query)
    assert query["state"] == ["s-1"]
    return str(query["code"][0])


async def token(world: Any, account: dict[str, Any], **form: str) -> httpx.Response:
    app = account["app"]
    auth = (app["client_id"], app["client_secret"])
    answer: httpx.Response = await world.http.post("/api.x.com/2/oauth2/token", data=form, auth=auth)
    return answer


async def exchange(world: Any, account: dict[str, Any], code: str, /, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return await token(world, account, **(form | changes))


async def me(world: Any, access: str) -> int:
    answer = await world.http.get("/api.x.com/2/users/me", headers=world.x(access))
    status: int = answer.status_code
    return status


async def test_the_consent_page_lists_the_accounts_and_keeps_the_parameters(world: Any) -> None:
    account = await world.account("twitter")
    answer = await world.http.get("/x.com/i/oauth2/authorize", params=authorize_query(account["app"]))
    assert answer.status_code == 200
    assert account["external_id"] in answer.text and account["username"] in answer.text
    assert CHALLENGE in answer.text and REDIRECT in answer.text


async def test_a_person_connects_and_the_account_answers(world: Any) -> None:
    account = await world.account("twitter")
    answer = await exchange(world, account, await consent(world, account))
    assert answer.status_code == 200
    tokens = answer.json()
    assert tokens["expires_in"] == 7200 and tokens["token_type"] == "bearer"
    assert tokens["scope"] == SCOPE and tokens["refresh_token"]
    answer = await world.http.get("/api.twitter.com/2/users/me", headers=world.x(tokens["access_token"]))
    assert answer.json()["data"]["id"] == account["external_id"]


async def test_without_offline_access_there_is_no_refresh_token(world: Any) -> None:
    account = await world.account("twitter")
    code = await consent(world, account, scope="tweet.read users.read")
    assert "refresh_token" not in (await exchange(world, account, code)).json()


async def test_a_refusal_comes_back_as_an_error(world: Any) -> None:
    account = await world.account("twitter")
    form = authorize_query(account["app"], user=account["external_id"], decision="deny")
    answer = await world.http.post("/x.com/i/oauth2/authorize", data=form)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query == {"error": ["access_denied"], "state": ["s-1"]}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "https://elsewhere.example/cb"},
        {"response_type": "token"},
        {"state": "s" * 501},
        {"code_challenge": ""},
        {"scope": ""},
    ],
)
async def test_a_wrong_request_is_shown_and_never_redirected(world: Any, change: dict[str, str]) -> None:
    account = await world.account("twitter")
    query = authorize_query(account["app"]) | change
    answer = await world.http.get("/x.com/i/oauth2/authorize", params=query)
    assert answer.status_code == 400 and "location" not in answer.headers


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": REDIRECT + "/"},
        {"code_verifier": "another-verifier-that-does-not-fit-the-challenge"},
        {"code": "made-up"},
    ],
)
async def test_an_exchange_that_does_not_match_is_refused(world: Any, change: dict[str, str]) -> None:
    account = await world.account("twitter")
    answer = await exchange(world, account, await consent(world, account), **change)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"


async def test_a_code_works_once_and_for_thirty_seconds(world: Any) -> None:
    account = await world.account("twitter")
    code = await consent(world, account)
    assert (await exchange(world, account, code)).status_code == 200
    assert (await exchange(world, account, code)).status_code == 400
    late = await consent(world, account)
    world.ticks[0] += 30_000
    assert (await exchange(world, account, late)).status_code == 400


async def test_a_wrong_client_secret_is_refused(world: Any) -> None:
    account = await world.account("twitter")
    form = {"grant_type": "refresh_token", "refresh_token": account["refresh_token"]}
    auth = (account["app"]["client_id"], "wrong")
    answer = await world.http.post("/api.x.com/2/oauth2/token", data=form, auth=auth)
    assert answer.status_code == 401


async def test_an_access_token_lives_two_hours(world: Any) -> None:
    account = await world.account("twitter")
    world.ticks[0] += 7199_000
    assert await me(world, account["access_token"]) == 200
    world.ticks[0] += 1000
    assert await me(world, account["access_token"]) == 401
    assert (await world.get("/ledger/summary"))["token_expiries"] == 1


async def test_a_refresh_rotates_and_a_spent_token_kills_the_family(world: Any) -> None:
    account = await world.account("twitter")
    first = account["refresh_token"]
    rotated = (await token(world, account, grant_type="refresh_token", refresh_token=first)).json()
    assert rotated["refresh_token"] != first
    assert await me(world, rotated["access_token"]) == 200

    again = await token(world, account, grant_type="refresh_token", refresh_token=first)
    assert again.status_code == 400
    assert again.json() == {
        "error": "invalid_request",
        "error_description": "Value passed for the token was invalid.",
    }
    assert await me(world, rotated["access_token"]) == 401
    assert await me(world, account["access_token"]) == 401
    newer = rotated["refresh_token"]
    assert (await token(world, account, grant_type="refresh_token", refresh_token=newer)).status_code == 400

    ledger = await world.get("/ledger")
    assert [row["outcome"] for row in ledger["refreshes"]] == ["rotated", "reuse_killed_family", "invalid"]
    assert ledger["double_refreshes"] == 1 and ledger["in_doubt_retries"] == 0
    assert ledger["grants"][0]["family_killed"]


async def test_a_killed_family_leaves_the_other_apps_connection_alone(world: Any) -> None:
    one = await world.account("twitter")
    other_app = await world.post("/apps", 201, platform="twitter", name="other org")
    two = await world.account("twitter", app=other_app["id"])
    assert two["external_id"] == one["external_id"]
    for _ in range(2):
        await token(world, one, grant_type="refresh_token", refresh_token=one["refresh_token"])
    assert await me(world, one["access_token"]) == 401
    assert await me(world, two["access_token"]) == 200


async def test_a_refresh_token_of_another_app_is_not_spent(world: Any) -> None:
    one = await world.account("twitter")
    other_app = await world.post("/apps", 201, platform="twitter")
    two = await world.account("twitter", app=other_app["id"])
    stolen = await token(world, two, grant_type="refresh_token", refresh_token=one["refresh_token"])
    assert stolen.status_code == 400
    mine = await token(world, one, grant_type="refresh_token", refresh_token=one["refresh_token"])
    assert mine.status_code == 200


async def test_revocation(world: Any) -> None:
    account = await world.account("twitter")
    app = account["app"]
    answer = await world.http.post(
        "/api.x.com/2/oauth2/revoke",
        data={"token": account["access_token"]},
        auth=(app["client_id"], app["client_secret"]),
    )
    assert answer.json() == {"revoked": True}
    assert await me(world, account["access_token"]) == 401


async def test_the_app_only_bearer_comes_from_the_api_key_and_secret(world: Any) -> None:
    app = (await world.account("twitter"))["app"]
    form = {"grant_type": "client_credentials"}
    auth = (app["client_id"], app["webhook_secret"])
    answer = await world.http.post("/api.x.com/oauth2/token", data=form, auth=auth)
    assert answer.json()["access_token"] == app["bearer_token"]
