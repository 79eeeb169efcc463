"""What passes Serve by, and what does not."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.serve_http import WebhooksDirectly, middlewares, serve_directly


def answering(text: str) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(text)(scope, receive, send)

    return application


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    WebhooksDirectly.application = WebhooksDirectly.loop = None


async def served(path: str) -> str:
    app = answering("Serve")
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://replica") as client:
        return (await client.post(path)).text


async def test_webhooks_reach_the_application_of_the_replica_at_once() -> None:
    serve_directly(answering("webhooks"))
    assert await served("/webhooks/twitter/app") == "webhooks"


@pytest.mark.parametrize("path", ["/-/healthz", "/-/routes", "/v1/accounts", "/webhooks", "/"])
async def test_everything_else_is_left_to_serve(path: str) -> None:
    serve_directly(answering("webhooks"))
    assert await served(path) == "Serve"


async def test_a_replica_without_the_application_leaves_webhooks_to_serve() -> None:
    assert await served("/webhooks/twitter/app") == "Serve"


async def test_an_application_of_another_loop_is_called_by_serve() -> None:
    async def elsewhere() -> None:
        serve_directly(answering("webhooks"))

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert await served("/webhooks/twitter/app") == "Serve"
