"""The HTTP API as one FastAPI application. `create_api` is all that composition needs."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute

from api import problems
from api.access import authorise
from api.limiter import FailureLimiter
from api.middleware import AuditLog, BodyLimit, Guard
from api.policy import POLICY
from api.query import check_query
from api.routes import (
    accounts,
    ads,
    auth,
    broadcasts,
    campaigns,
    comments,
    commerce,
    content,
    events,
    farewells,
    grants,
    health,
    insights,
    integrations,
    links,
    media,
    operations,
    ops,
    people,
    publications,
    transactions,
)
from api.services import Services

_ROUTERS = (
    health.router,
    auth.router,
    people.router,
    integrations.router,
    farewells.router,
    accounts.router,
    content.router,
    comments.router,
    publications.router,
    publications.content_router,
    operations.router,
    grants.router,
    insights.router,
    ads.router,
    commerce.router,
    broadcasts.router,
    media.router,
    media.public_router,
    campaigns.router,
    links.router,
    transactions.router,
    events.router,
    ops.router,
)


def create_api(services: Services, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """`routers` are those that need more than `services` (redirects, the WebSocket); their routes are under
    the same policy. RuntimeError when a route has no row in `api.policy.POLICY`."""
    app = FastAPI(
        title="Rookery",
        version="1",
        summary="Social-media integration for social commerce.",
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        dependencies=[Depends(authorise), Depends(check_query)],
        redirect_slashes=False,
        responses=problems.RESPONSES,
    )
    app.state.services = services
    app.state.failures = FailureLimiter(services.clock)
    for router in (*_ROUTERS, *routers):
        _check_policy(router)
        app.include_router(router)
    problems.install(app)
    _describe_tokens(app, [*_ROUTERS, *routers])
    app.add_middleware(BodyLimit)
    app.add_middleware(AuditLog)
    app.add_middleware(Guard)  # added last: outermost
    return app


def _check_policy(router: APIRouter) -> None:
    names = [r.name for r in router.routes if isinstance(r, APIRoute | APIWebSocketRoute)]
    if without := sorted(set(names) - POLICY.keys()):
        raise RuntimeError(f"routes without an access policy: {', '.join(without)}")


def _describe_tokens(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Say in the OpenAPI document which routes want a token: `POLICY` knows, FastAPI does not."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = make()
        schema["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        for route in (r for router in routers for r in router.routes if isinstance(r, APIRoute)):
            if not POLICY[route.name].public:
                for method in route.methods or ():
                    schema["paths"][route.path][method.lower()]["security"] = [{"token": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
