"""A sandbox in this process, its clock in the test's hand, and a receiver for its webhooks."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from sandbox.app import Sandbox
from sandbox.clock import SandboxClock

X_SPEC = Path(__file__).parents[4] / "shared" / "specs" / "x-v2.openapi.json"
NOW_MS = 1_795_350_000_000  # 2026-11-22T12:20:00Z


@dataclass
class Receiver:
    """The address webhooks are sent to. `answers` are used up first, then 200."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    received: list[tuple[httpx.Headers, bytes]] = field(default_factory=list)
    lie: bool = False

    def handle(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        if "crc_token" in query:
            secret = self.secrets[request.url.path]
            digest = hmac.new(secret.encode(), query["crc_token"].encode(), hashlib.sha256).digest()
            token = "sha256=" + ("lie" if self.lie else base64.b64encode(digest).decode())
            return httpx.Response(200, json={"response_token": token})
        if "hub.challenge" in query:
            wrong = query["hub.verify_token"] != self.secrets[request.url.path]
            return httpx.Response(403) if wrong else httpx.Response(200, text=query["hub.challenge"])
        self.received.append((request.headers, request.content))
        return httpx.Response(self.answers.pop(0) if self.answers else 200)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]


@dataclass
class World:
    """One sandbox with everything a test needs to talk to it."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    receiver: Receiver
    ticks: list[int]

    async def post(self, path: str, status: int = 200, /, **wish: Any) -> dict[str, Any]:
        return await self._json("POST", path, status, wish)

    async def put(self, path: str, status: int = 200, /, **wish: Any) -> dict[str, Any]:
        return await self._json("PUT", path, status, wish)

    async def get(self, path: str, status: int = 200) -> dict[str, Any]:
        return await self._json("GET", path, status, None)

    async def _json(self, method: str, path: str, status: int, wish: dict[str, Any] | None) -> dict[str, Any]:
        answer = await self.http.request(method, f"/_sandbox{path}", json=wish)
        assert answer.status_code == status, answer.text
        value: dict[str, Any] = answer.json()
        return value

    async def account(self, platform: str, seed: int | str = 1, **more: Any) -> dict[str, Any]:
        return await self.post("/accounts", 201, platform=platform, seed=seed, **more)

    async def act(self, account: dict[str, Any], kind: str, **more: Any) -> dict[str, Any]:
        path = f"/accounts/{account['platform']}/{account['external_id']}/act"
        return await self.post(path, kind=kind, **more)

    async def listen(self, account: dict[str, Any], **settings: Any) -> None:
        """Register the receiver as the webhook of the account's app."""
        app = account["app"]
        path = f"/{app['id']}"
        self.receiver.secrets[path] = (
            app["webhook_secret"] if app["platform"] == "twitter" else app["verify_token"]
        )
        answer = await self.put(f"/apps/{app['id']}", webhook_url=f"http://127.0.0.1{path}", **settings)
        assert answer == {"verified": True}

    async def quiet(self) -> None:
        """Wait until every webhook has been answered or given up."""
        async with asyncio.timeout(10):
            while self.sandbox.state.deliverer.pending:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def x(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def make_world() -> AsyncIterator[Callable[..., Awaitable[World]]]:
    worlds: list[World] = []

    async def make(seed: str = "test") -> World:
        ticks = [NOW_MS]
        receiver = Receiver()
        sandbox = Sandbox(
            seed,
            clock=SandboxClock(lambda: ticks[0]),
            webhook_transport=httpx.MockTransport(receiver.handle),
        )
        http = httpx.AsyncClient(transport=httpx.ASGITransport(sandbox), base_url="http://sandbox.test")
        worlds.append(World(sandbox, http, receiver, ticks))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.http.aclose()
        await world.sandbox.close()


@pytest.fixture
async def world(make_world: Callable[..., Awaitable[World]]) -> World:
    return await make_world()


@pytest.fixture(scope="session")
def x_contract() -> Callable[[str, str, Any], list[str]]:
    """What is wrong with an answer to (method, path template) by X's own OpenAPI file."""
    if not X_SPEC.exists():
        pytest.skip("X's OpenAPI file is not part of this repository")
    spec = json.loads(X_SPEC.read_text())
    components = {"schemas": _strict(spec["components"]["schemas"])}

    def check(method: str, template: str, answer: Any) -> list[str]:
        responses = spec["paths"][template][method]["responses"]
        response = responses.get("200") or responses["201"]
        schema = _strict(response["content"]["application/json"]["schema"])
        validator = Draft202012Validator(schema | {"components": components})
        return [
            f"{template} {'/'.join(map(str, error.path))}: {error.message[:200]}"
            for error in validator.iter_errors(answer)
        ]

    return check


def _strict(node: Any) -> Any:
    """OpenAPI 3.0 `nullable` becomes JSON Schema, and objects with properties take no others: an answer
    with a word the platform does not know must fail."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _strict(value) for key, value in node.items() if key != "discriminator"}
    if isinstance(node.get("properties"), dict):
        node.setdefault("additionalProperties", False)
    if node.pop("nullable", False):
        node = {"anyOf": [node, {"type": "null"}]}
    return node
