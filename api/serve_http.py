"""What stands between Ray Serve's HTTP server and its applications.

The variable RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names `api.serve_http:middlewares`; Serve calls it in every
replica.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

# Source: ray/serve/_private/constants.py (2.60), SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER.
_UNWATCHED = (b"x-request-disconnect-disabled", b"?1")


class UnwatchedWebhooks:
    """Tells Serve not to watch whether the sender of a webhook hangs up.

    Watching takes two tasks and a queue per request, a good part of what a webhook costs, to cancel work
    that is better finished: a body that arrived whole is accepted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            scope["headers"] = [*scope["headers"], _UNWATCHED]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    return [Middleware(UnwatchedWebhooks)]
