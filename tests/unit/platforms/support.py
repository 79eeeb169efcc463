"""What the platform tests share: an in-process sandbox, the adapters' way to it, and made-up answers."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from domain.clock import ManualClock
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant, Page, PageQuery, Platform, PlatformApp
from platforms.http import Answer, Broken, Call, NotSent, PlatformHttp
from platforms.outcome import Ok, Outcome
from platforms.spec import PlatformSpec

CALLBACK = "http://127.0.0.1:9/callback"


@dataclass
class Receiver:
    """Plays the service's webhook address: answers handshakes through the adapter, keeps what arrives."""

    platform: Platform | None = None
    app: PlatformApp | None = None
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        assert self.platform is not None
        assert self.app is not None
        if request.method == "GET":
            shake = self.platform.handshake(self.app, dict(request.url.params))
            assert shake is not None
            headers = {"content-type": shake.content_type}
            return httpx.Response(shake.status, content=shake.body, headers=headers)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((headers, await request.aread()))
        return httpx.Response(200)


class World:
    """The sandbox's control API, and the adapters' HTTP wired to the same process."""

    def __init__(self, control: httpx.AsyncClient, http: PlatformHttp, receiver: Receiver) -> None:
        self.control = control
        self.http = http
        self.receiver = receiver

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = await self.control.request(method, f"/_sandbox{path}", json=body)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def account(self, platform: str, posts: int = 12, seed: str = "kiln") -> dict[str, Any]:
        body = {"platform": platform, "seed": seed, "posts": posts}
        return await self.ask("POST", "/accounts", body)

    async def act(self, account: Mapping[str, Any], **act: Any) -> dict[str, Any]:
        return await self.ask("POST", f"/accounts/{account['platform']}/{account['external_id']}/act", act)

    async def content(self, account: Mapping[str, Any]) -> list[dict[str, Any]]:
        ledger = await self.ask("GET", "/ledger")
        rows: list[dict[str, Any]] = ledger["content"][f"{account['platform']}:{account['external_id']}"]
        return rows

    async def settled(self) -> None:
        """Until the sandbox has delivered every webhook."""
        for _ in range(500):
            if (await self.ask("GET", "/healthz"))["deliveries_pending"] == 0:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("the sandbox did not deliver")

    async def consent(self, platform: Platform, request: AuthorizeRequest, user: str) -> str:
        """What the person's browser does at the login address. The code."""
        return (await self.approved(platform.authorize_url(request), user))["code"]

    async def approved(self, address: str, user: str, **more: str) -> dict[str, str]:
        """Opens the page, approves, follows the redirect: its query. `more`: fields of the form."""
        parts = urlsplit(address)
        page = await self.control.get(f"/{parts.netloc}{parts.path}?{parts.query}")
        assert page.status_code == 200, page.text
        form = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = await self.control.post(
            f"/{parts.netloc}{parts.path}", data={**form, "user": user, "decision": "approve", **more}
        )
        assert answer.status_code == 302, answer.text
        back = {n: v[0] for n, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        assert back.get("state") == form.get("state")
        return back


def app_of(account: Mapping[str, Any]) -> PlatformApp:
    told = account["app"]
    return PlatformApp(
        id=told["id"],
        platform=account["platform"],
        client_id=told["client_id"],
        client_secret=Secret(told["client_secret"]),
        webhook_secrets=(Secret(told["webhook_secret"]),),
        verify_token=Secret(told["verify_token"]) if told.get("verify_token") else None,
        bearer_token=Secret(told["bearer_token"]) if told.get("bearer_token") else None,
    )


def grant_of(account: Mapping[str, Any]) -> Grant:
    refresh = account["refresh_token"]
    return Grant(Secret(account["access_token"]), Secret(refresh) if refresh else None, None, None)


def ok(outcome: Outcome[Any]) -> Any:
    assert isinstance(outcome, Ok), outcome
    return outcome.value


async def list_all(
    platform: Platform, http: PlatformHttp, account: Mapping[str, Any], source: str, **query: Any
) -> list[Page]:
    found = next(s for s in platform.spec.sources if s.name == source)
    token, pages, cursor = Secret(account["access_token"]), [], None
    while True:
        outcome = await platform.list_page(
            http, token, account["external_id"], PageQuery(found, cursor, **query)
        )
        pages.append(ok(outcome))
        cursor = pages[-1].next_cursor
        if cursor is None:
            return pages
        assert len(pages) < 100


class Answers(PlatformHttp):
    """A way out that answers in order and keeps what was asked."""

    def __init__(self, *results: Answer | NotSent | Broken) -> None:
        self._results = list(results)
        self.asked: list[Call] = []

    async def send(
        self, spec: PlatformSpec, call: Call, timeout_s: float = 30.0
    ) -> Answer | NotSent | Broken:
        self.asked.append(call)
        return self._results.pop(0)


def answer(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, dict(headers or {}), content, ManualClock().now())
