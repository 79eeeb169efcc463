"""X's three steps of OAuth 1.0a: what is signed, what the pages say, and how often."""

import re
from typing import Any

import httpx
import oauthlib.oauth1
import pytest

from tests.unit.sandbox.conftest import NOW_MS, World

API = "https://api.x.com/oauth"
CALLBACK = "http://127.0.0.1:9/callback"


@pytest.fixture
async def account(world: World) -> dict[str, Any]:
    return await world.account("twitter", posts=0)


class Client:
    """Signs with somebody else's implementation, for the address that the platform really has."""

    def __init__(self, world: World, app: dict[str, Any], **more: Any) -> None:
        more = {"client_secret": app["webhook_secret"], "timestamp": str(NOW_MS // 1000)} | more
        self._http, self._signer = world.http, oauthlib.oauth1.Client(app["client_id"], **more)

    async def post(self, name: str, **changes: str) -> httpx.Response:
        """`changes`: parts of the header, after it was signed."""
        _, headers, _ = self._signer.sign(f"{API}/{name}", "POST")
        said = headers["Authorization"]
        for part, value in changes.items():
            said = re.sub(f'{part}="[^"]*"', f'{part}="{value}"', said)
        return await self._http.post(f"/api.x.com/oauth/{name}", headers={"Authorization": said})


def fields(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return dict(httpx.QueryParams(answer.text))


async def begun(world: World, account: dict[str, Any], **more: Any) -> dict[str, str]:
    client = Client(world, account["app"], **({"callback_uri": CALLBACK} | more))
    return fields(await client.post("request_token"))


async def decided(world: World, account: dict[str, Any], token: str, decision: str = "approve") -> Any:
    form = {"oauth_token": token, "user": account["external_id"], "decision": decision}
    return await world.http.post("/api.x.com/oauth/authorize", data=form)


def exchanging(world: World, account: dict[str, Any], pair: dict[str, str], verifier: str) -> Client:
    return Client(
        world,
        account["app"],
        resource_owner_key=pair["oauth_token"],
        resource_owner_secret=pair["oauth_token_secret"],
        verifier=verifier,
    )


@pytest.mark.parametrize("part", ["oauth_callback", "oauth_nonce", "oauth_timestamp", "oauth_signature"])
async def test_whatever_is_changed_after_it_was_signed_is_noticed(
    world: World, account: dict[str, Any], part: str
) -> None:
    wrong = {"oauth_timestamp": str(NOW_MS // 1000 + 1)}.get(part, "http%3A%2F%2F127.0.0.1%2F")
    client = Client(world, account["app"], callback_uri=CALLBACK)
    assert (await client.post("request_token", **{part: wrong})).status_code == 401
    assert fields(await client.post("request_token"))["oauth_callback_confirmed"] == "true"


async def test_the_key_pair_is_not_that_of_oauth_2(world: World, account: dict[str, Any]) -> None:
    app = account["app"]
    for secret in (app["client_secret"], "", app["webhook_secret"][:-1]):
        client = Client(world, app, callback_uri=CALLBACK, client_secret=secret)
        answer = await client.post("request_token")
        assert answer.status_code == 401 and answer.json()["errors"][0]["code"] == 32


async def test_a_call_is_taken_once_and_in_its_time(world: World, account: dict[str, Any]) -> None:
    client = Client(world, account["app"], callback_uri=CALLBACK, nonce="once")
    assert (await client.post("request_token")).status_code == 200
    assert (await client.post("request_token")).status_code == 401
    old = Client(world, account["app"], callback_uri=CALLBACK, timestamp=str(NOW_MS // 1000 - 301))
    assert (await old.post("request_token")).status_code == 401


async def test_only_registered_callbacks_and_the_pin(world: World, account: dict[str, Any]) -> None:
    await world.put(f"/apps/{account['app']['id']}", redirect_uris=["https://shop.example/back"])
    refused = await Client(world, account["app"], callback_uri=CALLBACK).post("request_token")
    assert refused.status_code == 403 and refused.json()["errors"][0]["code"] == 415
    missing = await Client(world, account["app"]).post("request_token")
    assert missing.status_code == 403 and missing.json()["errors"][0]["code"] == 38
    pair = await begun(world, account, callback_uri="oob")
    page = await decided(world, account, pair["oauth_token"])
    (pin,) = re.findall(r"<code>(\d{7})</code>", page.text)
    told = fields(await exchanging(world, account, pair, pin).post("access_token"))
    assert told["user_id"] == account["external_id"]


async def test_a_person_decides_once(world: World, account: dict[str, Any]) -> None:
    pair = await begun(world, account)
    token = pair["oauth_token"]
    early = await exchanging(world, account, pair, "").post("access_token")
    assert early.status_code == 401, "nobody has said yes"
    page = await world.http.get("/api.x.com/oauth/authorize", params={"oauth_token": token})
    assert f"@{account['username']}" in page.text and f"value='{token}'" in page.text
    back = httpx.URL((await decided(world, account, token)).headers["location"])
    assert str(back).startswith(CALLBACK) and back.params["oauth_token"] == token
    assert (await decided(world, account, token)).status_code == 400
    wrong = await exchanging(world, account, pair, "guessed").post("access_token")
    assert wrong.status_code == 401 and "oauth_verifier" in wrong.text
    client = exchanging(world, account, pair, back.params["oauth_verifier"])
    told = fields(await client.post("access_token"))
    assert (told["user_id"], told["screen_name"]) == (account["external_id"], account["username"])
    assert (await client.post("access_token")).status_code == 401, "a request token is good once"
    grants = (await world.get("/ledger"))["grants"]
    assert [g["via"] for g in grants] == ["control", "consent"]


async def test_a_cancellation_leads_back_with_the_token_and_ends_it(
    world: World, account: dict[str, Any]
) -> None:
    token = (await begun(world, account))["oauth_token"]
    page = await decided(world, account, token, "deny")
    assert page.status_code == 200 and f"href='{CALLBACK}?denied={token}'" in page.text
    assert (await decided(world, account, token)).status_code == 400
    again = await world.http.get("/api.x.com/oauth/authorize", params={"oauth_token": token})
    assert again.status_code == 400
