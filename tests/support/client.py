"""Driving the running service as its users do: over HTTP, with the sandbox on the other side."""

import asyncio
import html
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from api.bootstrap import NewOrg, add_platform_app, create_org
from domain.clock import SystemClock
from domain.secrets import Secret
from platforms.registry import PLATFORMS
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo.directory import Directory
from storage.settings import Settings

Json = dict[str, Any]


async def eventually(
    check: Callable[[], Awaitable[Any]], timeout_s: float = 20.0, every_s: float = 0.1
) -> Any:
    """The first truthy answer of `check`; an assertion inside it may fail until it holds."""
    last: BaseException | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    if found := await check():
                        return found
                except (AssertionError, KeyError, IndexError, httpx.HTTPError) as error:
                    last = error
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise AssertionError(f"did not come true within {timeout_s} s (last: {last!r})") from last


@dataclass
class Sandbox:
    """The platforms' side."""

    http: httpx.AsyncClient

    async def post(self, path: str, body: Json | None = None) -> Json:
        return _ok(await self.http.post(f"/_sandbox/{path}", json=body or {}))

    async def put(self, path: str, body: Json) -> Json:
        return _ok(await self.http.put(f"/_sandbox/{path}", json=body))

    async def get(self, path: str) -> Json:
        return _ok(await self.http.get(f"/_sandbox/{path}"))

    async def delete(self, path: str) -> None:
        (await self.http.delete(f"/_sandbox/{path}")).raise_for_status()

    async def act(self, account: Json, kind: str, **more: Any) -> Json:
        path = f"accounts/{account['platform']}/{account['external_id']}/act"
        return await self.post(path, {"kind": kind, **more})

    async def ledger(self) -> Json:
        return await self.get("ledger")

    @asynccontextmanager
    async def fault(self, kind: str, **more: Any) -> AsyncIterator[Callable[[], Awaitable[int]]]:
        """While it lasts the platforms misbehave as asked; yields how often they did."""
        made = await self.post("faults", {"kind": kind, **more})

        async def hits() -> int:
            faults = (await self.get("faults"))["faults"]
            return int(next(f["hits"] for f in faults if f["id"] == made["id"]))

        try:
            yield hits
        finally:
            await self.delete("faults")


@dataclass
class Caller:
    """One API key's view of the service."""

    http: httpx.AsyncClient
    org: NewOrg
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def sign_in(self) -> None:
        answer = await self.http.post("/v1/auth/token", json={"api_key": self.org.api_key.reveal()})
        self.token = _ok(answer)["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str) -> Json:
        return _ok(await self.request("GET", path))

    async def post(self, path: str, body: Json | None = None, key: str | None = None) -> Json:
        headers = {"Idempotency-Key": key} if key else {}
        return _ok(await self.request("POST", path, json=body or {}, headers=headers))

    async def all(self, path: str) -> list[Json]:
        """Every page of a list."""
        items: list[Json] = []
        joiner = "&" if "?" in path else "?"
        cursor = ""
        while True:
            page = await self.get(f"{path}{joiner}limit=200{cursor}")
            items += page["items"]
            if not page.get("next_cursor"):
                return items
            cursor = f"&cursor={page['next_cursor']}"


@dataclass
class World:
    """A running service, its sandbox, and how to put people and accounts into it."""

    settings: Settings
    api: httpx.AsyncClient
    sandbox: Sandbox
    directory: Directory
    database: mongo.Database
    keys: Keys
    apps: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def open(cls, settings: Settings, api_url: str) -> "World":
        assert settings.sandbox_url and settings.mongodb_url
        keys = Keys.load(settings.keys)
        database = mongo.connect(settings.mongodb_url)
        world = cls(
            settings,
            httpx.AsyncClient(base_url=api_url, timeout=30),
            Sandbox(httpx.AsyncClient(base_url=settings.sandbox_url, timeout=30)),
            Directory.open(database, keys),
            database,
            keys,
        )
        await world._register_apps()
        await world._raise_limits()
        return world

    async def close(self) -> None:
        await self.api.aclose()
        await self.sandbox.http.aclose()
        self.database.client.close()

    async def org(self, name: str = "Kiln & Co", *, operator: bool = True) -> Caller:
        """A new org with an admin, signed in."""
        made = await create_org(
            self.directory, SystemClock(), name, f"admin@{name[:4].lower()}.example", operator=operator
        )
        caller = Caller(self.api, made)
        await caller.sign_in()
        return caller

    async def member(self, admin: Caller, role: str) -> Caller:
        """Another person of the admin's org, signed in."""
        email = f"{role}-{uuid.uuid4()}@people.example"
        user = await admin.post("/v1/users", {"email": email, "role": role})
        key = await admin.post("/v1/api-keys", {"name": role, "user_id": user["id"]})
        caller = Caller(self.api, replace(admin.org, api_key=Secret(key["api_key"])))
        await caller.sign_in()
        return caller

    async def account(self, platform: str, seed: str, **more: Any) -> Json:
        """An account at the platform, not connected yet."""
        return await self.sandbox.post("accounts", {"platform": platform, "seed": seed, **more})

    async def connect(self, caller: Caller, account: Json) -> Json:
        """The OAuth redirect flow as a browser goes through it; the account's view."""
        started = await caller.post(f"/v1/integrations/{account['platform']}/connect")
        callback = await self.consent(started["authorize_url"], account["external_id"])
        return _ok(await self.api.get(callback))

    async def consent(self, authorize_url: str, external_id: str, decision: str = "approve") -> str:
        """Where the platform sends the browser back to."""
        path = re.sub("^https://", "/", authorize_url)
        page = await self.sandbox.http.get(path)
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        fields = {name: html.unescape(value) for name, value in hidden.items()}
        target = html.unescape(action[1]) if action else path
        answer = await self.sandbox.http.post(
            target, data={**fields, "user": external_id, "decision": decision}
        )
        return answer.headers["location"]

    async def _raise_limits(self) -> None:
        """X takes 500 subscriptions of an application in a quarter of an hour, which are some sixty accounts.
        A tier connects more, so this application was given more."""
        for family in ("POST /2/activity/subscriptions", "POST /2/webhooks"):
            await self.sandbox.put("limits", {"platform": "twitter", "family": family, "limit": 50_000})
        operator = await self.org("Operators of the quota")
        for pool in ("subscriptions", "webhooks"):
            wish = {"budget": f"twitter.{self.apps['twitter']}", "pool": pool, "limit": 50_000}
            _ok(await operator.request("PUT", "/v1/ops/budgets", json=wish))

    async def _register_apps(self) -> None:
        """The sandbox's default apps as the deployment's own; ids are remembered across worlds."""
        for app in (await self.sandbox.get("apps"))["apps"]:
            if app["name"] != "default":
                continue
            platform = app["platform"]
            optional: dict[str, Any] = {
                name: Secret(app[name]) for name in ("verify_token", "bearer_token") if app.get(name)
            }
            record = await add_platform_app(
                self.directory,
                SystemClock(),
                platform,
                app["client_id"],
                Secret(app["client_secret"]),
                app_id=f"app_default_{platform}",
                webhook_secrets=(Secret(app["webhook_secret"]),),
                **optional,
            )
            self.apps[platform] = record.id
            pushes = "webhooks" in PLATFORMS[platform].spec.capabilities
            if not pushes or app["dialect"] == "websub":
                continue  # the latter: the service subscribes each account by itself
            url = f"{self.api.base_url}".rstrip("/") + f"/webhooks/{platform}/{record.id}"
            answer = await self.sandbox.put(f"apps/{app['id']}", {"webhook_url": url})
            assert answer["verified"], answer


def _ok(answer: httpx.Response) -> Json:
    assert answer.status_code < 400, (
        f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}"
    )
    body: Json = answer.json()
    return body
