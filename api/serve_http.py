"""A way past Serve's own work for webhooks, inside the replica's HTTP server.

Serve wraps every request in tasks, contexts and metrics that cost twice what a webhook needs. Those for the
webhook application are handed to it directly in its replica; everything else goes on as usual. What Serve
did for them is done by the application itself: counts, a bound on what is under way, and an answer to the
sender whatever happens. Without the setting all of it still works, only slower. Decision 0017.

RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=api.serve_http:middlewares, read once when Ray starts, installs it.
"""

import asyncio

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = "/webhooks/"


class WebhooksDirectly:
    """Sends webhooks to the application of this process, if it has one; built by Serve around its own."""

    application: ASGIApp | None = None
    loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, serve: ASGIApp) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            self.application is not None
            and scope["type"] == "http"
            and scope["path"].startswith(_PREFIX)
            # Outside throughput mode Serve runs applications in a thread of their own.
            and asyncio.get_running_loop() is self.loop
        ):
            await self.application(scope, receive, send)
        else:
            await self._serve(scope, receive, send)


def serve_directly(application: ASGIApp) -> None:
    """Called by the webhook replica, in the loop that runs the application, before Serve starts to listen."""
    WebhooksDirectly.application = staticmethod(application)
    WebhooksDirectly.loop = asyncio.get_running_loop()


def middlewares() -> list[Middleware]:
    """What Serve asks for by the setting's name."""
    return [Middleware(WebhooksDirectly)]
