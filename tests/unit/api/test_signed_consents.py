"""A further consent by OAuth 1.0a: X's advertising, by the real adapter and the sandbox in this process."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from domain.secrets import Secret
from platforms.base import Platform
from platforms.capabilities import Access
from platforms.http import Answer, PlatformHttp, make_client
from platforms.registry import PLATFORMS
from platforms.twitter.ads import TwitterAds
from sandbox.app import Sandbox
from sandbox.clock import SandboxClock
from storage.crypto import field_aad
from storage.mongo.identity import Role
from tests.unit.api.conftest import PUBLIC, World
from tests.unit.platforms.support import app_of, ok

CALLBACK = "/v1/integrations/twitter/callback"


@dataclass
class At:
    """One account, connected, whose advertising is not open yet. `browser` is at the sandbox."""

    world: World
    browser: httpx.AsyncClient
    told: dict[str, Any]
    account: str
    app: str  # the application that was added with its API key pair

    async def begin(self, **body: Any) -> httpx.Response:
        path = f"/v1/accounts/{self.account}/grants/ads/connect"
        wish = {"app_id": self.app} | body
        return await self.world.call("POST", path, self.world.ours.manager, json=wish)

    async def begun(self, **body: Any) -> str:
        """The address of X's page."""
        started = await self.begin(**body)
        assert started.status_code == 200, started.text
        assert started.headers["cache-control"] == "no-store"
        return str(started.json()["authorize_url"])

    async def decide(self, address: str, user: str | None = None, decision: str = "approve") -> str:
        """What the person does on the page: fill in the form as it is. The address it leads to."""
        parts = urlsplit(address)
        page = await self.browser.get(f"/{parts.netloc}{parts.path}?{parts.query}")
        assert page.status_code == 200
        form = dict(re.findall(r"type=hidden name='(\w+)' value='(\w+)'", page.text))
        assert f"value='{self.told['external_id']}'" in page.text
        form |= {"user": user or self.told["external_id"], "decision": decision}
        done = await self.browser.post(f"/{parts.netloc}{parts.path}?{parts.query}", data=form)
        if done.status_code == 302:
            return str(done.headers["location"])
        (link,) = re.findall(r"<a href='([^']+)'", done.text)
        return str(link)

    async def back(self, address: str) -> httpx.Response:
        assert address.startswith(PUBLIC)
        return await self.world.http.get(address, follow_redirects=False)

    async def grants(self) -> dict[str, Any]:
        view = await self.world.call("GET", f"/v1/accounts/{self.account}", self.world.ours.manager)
        return cast(dict[str, Any], view.json()["grants"])


@pytest.fixture
async def at(world: World) -> AsyncIterator[At]:
    sandbox = Sandbox("signed", SandboxClock(lambda: int(world.clock.now().timestamp() * 1000)))
    network = httpx.ASGITransport(app=sandbox)
    async with (
        httpx.AsyncClient(transport=network, base_url="http://sandbox.test") as browser,
        make_client("http://sandbox.test", network) as client,
    ):
        wish = {"platform": "twitter", "seed": "kiln", "posts": 0}
        told = (await browser.post("/_sandbox/accounts", json=wish)).json()
        allowed = {"redirect_uris": [PUBLIC + CALLBACK]}
        await browser.put(f"/_sandbox/apps/{told['app']['id']}", json=allowed)
        account = (await world.connect(world.ours.manager, told["external_id"]))["id"]
        platforms = cast(dict[str, Platform], world.services.platforms)
        platforms["twitter"] = PLATFORMS["twitter"]
        object.__setattr__(world.services, "http", PlatformHttp(client, world.clock))
        keys = {"client_id": told["app"]["client_id"], "client_secret": told["app"]["webhook_secret"]}
        added = await world.call("POST", "/v1/integrations/twitter/apps", world.ours.admin, json=keys)
        yield At(world, browser, told, account, added.json()["id"])
    await sandbox.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_a_consent_opens_the_advertising(at: At) -> None:
    address = await at.begun()
    assert address.startswith("https://api.x.com/oauth/authorize?oauth_token=")
    done = await at.back(await at.decide(address))
    assert done.status_code == 200, done.text
    grant = done.json()["grants"]["ads"]
    assert (grant["external_id"], grant["expires_at"], grant["lost"]) == (at.told["external_id"], None, None)
    _, message = next(m for m in at.world.owners.asked if m[1].name == "grant")
    opened = {
        name: at.world.services.keys.seal.open(
            message.data[key], field_aad("social_accounts", at.account, f"ads.{name}")
        ).decode()
        for key, name in (("access_token", "accessToken"), ("secret", "secret"))
    }
    for secret in opened.values():
        assert secret not in done.text + repr(at.world.entities._data) + repr(message)
    app = app_of(at.told)
    access = Access(
        at.world.services.http,
        replace(app, client_secret=app.webhook_secrets[0]),
        Secret(opened["accessToken"]),
        at.told["external_id"],
        Secret(opened["secret"]),
    )
    assert len(ok(await TwitterAds().accounts(access))) == 1, "they sign calls"


async def test_the_browser_goes_back_where_it_came_from(at: At) -> None:
    address = await at.begun(return_to="https://shop.example/done")
    led = httpx.URL((await at.back(await at.decide(address))).headers["location"])
    assert (led.host, led.params["grant"], led.params["account_id"]) == ("shop.example", "ads", at.account)


async def test_a_request_token_waits_sealed_and_is_found_by_hash_only(at: At) -> None:
    made: list[str] = []
    send = at.world.services.http.send

    async def heard(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
        answer = await send(spec, call, timeout_s)
        assert isinstance(answer, Answer)
        made.extend(value for values in parse_qs(answer.body.decode()).values() for value in values)
        return answer

    at.world.services.http.send = heard  # type: ignore[method-assign]
    started = await at.begin()
    token, secret, confirmed = made
    assert confirmed == "true" and secret not in started.text
    stored = at.world.database.dump()
    for clear in (token, secret, at.account, at.world.ours.id):
        assert clear.encode() not in b"".join(at.world.database["oauth_states"].documents.values())
    assert secret.encode() not in stored


@pytest.mark.parametrize("how", ["forged", "missing", "used", "expired", "foreign", "demoted"])
async def test_a_bad_request_token_is_400_and_stores_nothing(at: At, how: str) -> None:
    address = await at.decide(await at.begun())
    match how:
        case "forged":
            address = re.sub(r"oauth_token=\w+", f"oauth_token={'A' * 27}", address)
        case "missing":
            address = re.sub(r"oauth_token=\w+&", "", address)
        case "used":
            denied = re.sub(r"oauth_token=(\w+)&.*", r"denied=\1", address)
            assert problem(await at.back(denied)) == (400, "authorization_denied")
        case "expired":
            at.world.clock.advance(601)
        case "foreign":
            address = address.replace("/twitter/", "/instagram/")
        case "demoted":
            orgs, ours = at.world.services.directory.orgs, at.world.ours
            await orgs.set_role(ours.id, ours.manager.id, Role.ANALYST)
    assert problem(await at.back(address)) == (400, "state_invalid")
    assert [m for _, m in at.world.owners.asked if m.name == "grant"] == []


async def test_of_two_callbacks_with_one_token_one_gets_through(at: At) -> None:
    address = await at.decide(await at.begun())
    answers = await asyncio.gather(*(at.back(address) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400]
    assert len([m for _, m in at.world.owners.asked if m.name == "grant"]) == 1


async def test_a_refused_consent_opens_nothing_and_spends_the_token(at: At) -> None:
    address = await at.decide(await at.begun(), decision="deny")
    assert "denied=" in address
    assert problem(await at.back(address)) == (400, "authorization_denied")
    assert problem(await at.back(address)) == (400, "state_invalid")
    assert await at.grants() == {}


async def test_another_account_that_says_yes_is_refused(at: At) -> None:
    wish = {"platform": "twitter", "seed": "another", "posts": 0}
    other = (await at.browser.post("/_sandbox/accounts", json=wish)).json()
    address = await at.decide(await at.begun(), user=other["external_id"])
    assert problem(await at.back(address)) == (400, "account_mismatch")
    assert [m for _, m in at.world.owners.asked if m.name == "grant"] == []
    assert await at.grants() == {}


async def test_a_wrong_verifier_is_refused_and_spends_the_token(at: At) -> None:
    address = await at.decide(await at.begun())
    wrong = re.sub(r"oauth_verifier=\w+", "oauth_verifier=guessed", address)
    assert problem(await at.back(wrong)) == (400, "platform_refused")
    assert problem(await at.back(address)) == (400, "state_invalid")
    assert await at.grants() == {}


async def test_what_the_application_lacks_is_said_before_anybody_is_sent_to_x(at: At) -> None:
    default = await at.begin(app_id="twitter-default")
    assert problem(default) == (400, "platform_refused") and "API key pair" in default.json()["detail"]
    elsewhere = {"redirect_uris": ["https://other.example/"]}
    await at.browser.put(f"/_sandbox/apps/{at.told['app']['id']}", json=elsewhere)
    unknown = await at.begin()
    assert problem(unknown) == (400, "platform_refused")
    assert f"enter {PUBLIC}{CALLBACK} there" in unknown.json()["detail"]
    assert at.world.database["oauth_states"].documents == {}


async def test_tokens_may_still_be_brought(at: At) -> None:
    pair = {"access_token": at.told["oauth1_token"], "token_secret": at.told["oauth1_secret"]}
    path = f"/v1/accounts/{at.account}/grants/ads"
    kept = await at.world.call("PUT", path, at.world.ours.admin, json=pair | {"app_id": at.app})
    assert kept.status_code == 200 and kept.json()["grants"]["ads"]["expires_at"] is None
