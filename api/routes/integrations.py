"""Platforms: what they can do, the applications registered with them, and connecting accounts."""

import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from api import choices, grants, oauth
from api.access import Caller, Svc
from api.bootstrap import add_platform_app
from api.commands import Command, with_etag
from api.platform_apps import platform_of, webhook_url
from api.schemas import Body, Json, Label, Visible
from api.services import Services
from domain.errors import BadRequest
from domain.ids import AccountId, Kind
from domain.secrets import Secret
from platforms.base import Platform
from storage.mongo.apps import AppRecord
from storage.records import Cursor

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])
_COUNTED_PAGES = 10  # of 200 accounts

_SecretText = Annotated[str, Field(min_length=1, max_length=4096)]


class NewPlatformApp(Body):
    name: Annotated[str, Visible] = Field(default="", max_length=200)
    client_id: Label
    client_secret: _SecretText
    webhook_secrets: list[_SecretText] = Field(
        default=[], max_length=5, description="What signs webhooks, if not the client secret; tried in order."
    )
    verify_token: _SecretText | None = None
    bearer_token: _SecretText | None = Field(default=None, description="App-only token, where there is one.")


class ConnectRequest(Body):
    app_id: str | None = Field(default=None, max_length=64)
    scopes: list[Label] | None = Field(default=None, min_length=1, max_length=50)
    return_to: str | None = Field(default=None, max_length=2000, description="Where the browser ends.")


class Chosen(Body):
    handle: str = Field(min_length=1, max_length=100)
    accounts: list[Label] = Field(min_length=1, max_length=200, description="External ids, as offered.")


@router.get("")
async def list_integrations(services: Svc, caller: Caller) -> Json:
    """Every platform: its capabilities, the usable applications, the org's accounts by status."""
    statuses, complete = await _statuses(services, caller.org)
    items = []
    for name, platform in sorted(services.platforms.items()):
        apps = await services.directory.apps.usable(caller.org, name)
        counts = statuses.get(name, Counter())
        items.append(
            _platform_json(platform)
            | {
                "apps": [{"id": a.id, "name": a.name, "own": a.org is not None} for a in apps],
                "accounts": dict(counts),
                "accounts_complete": complete,
                "healthy": bool(apps) and not counts["reauthorization_required"],
            }
        )
    return {"items": items}


@router.get("/{platform}/apps")
async def list_platform_apps(platform: str, services: Svc, caller: Caller) -> Json:
    """The org's own applications and the deployment's. Secrets are never shown."""
    platform_of(services, platform)
    apps = await services.directory.apps.usable(caller.org, platform)
    return {"items": [_app_json(services, app) for app in apps]}


@router.post("/{platform}/apps", name="add_platform_app", status_code=201)
async def add_platform_app_route(
    platform: str, body: NewPlatformApp, services: Svc, caller: Caller, command: Command
) -> Json:
    """Bring an application of one's own. Enter `webhook_url` at the platform."""
    platform_of(services, platform)

    async def make(app_id: str) -> dict[str, Any]:
        app = await add_platform_app(
            services.directory,
            services.clock,
            platform,
            body.client_id,
            Secret(body.client_secret),
            app_id=app_id,
            org=caller.org,
            webhook_secrets=tuple(Secret(s) for s in body.webhook_secrets),
            verify_token=Secret(body.verify_token) if body.verify_token else None,
            bearer_token=Secret(body.bearer_token) if body.bearer_token else None,
            name=body.name,
        )
        return _app_json(services, app)

    return await command.once("app", make)


@router.post("/{platform}/connect")
async def connect_account(
    platform: str, body: ConnectRequest, response: Response, services: Svc, caller: Caller
) -> Json:
    """Where to send the person who owns the account."""
    url, expires_at = await oauth.start(services, caller, platform, body.app_id, body.scopes, body.return_to)
    response.headers["Cache-Control"] = "no-store"
    return {"authorize_url": url, "state_expires_at": expires_at.isoformat()}


@router.get("/{platform}/callback", response_model=None)
async def finish_connect(
    platform: str,
    request: Request,
    response: Response,
    services: Svc,
    state: Annotated[str | None, Query()] = None,
    code: Annotated[str | None, Query()] = None,
    error: Annotated[str | None, Query()] = None,
    oauth_token: Annotated[str | None, Query(description="OAuth 1.0a: takes the place of `state`.")] = None,
    denied: Annotated[str | None, Query(description="The same, of a consent that was refused.")] = None,
) -> Json | RedirectResponse:
    """Where the platform sends the browser back to, from any of its consents. Answers the account, or goes on
    to `return_to`. A consent that opens several accounts connects none yet: the answer, or `return_to`,
    carries the handle of a choice."""
    record = await oauth.take_state(services, platform, state or oauth_token or denied)
    request.state.audit_actor = (record.org, record.user_id)
    if record.grant is not None:
        view = await grants.finish(services, record, request.query_params)
        request.state.audit_target = view["id"]
        if record.return_to is not None:
            return _back_to(record.return_to, {"account_id": view["id"], "grant": record.grant})
        return with_etag(response, view)
    if error is not None or code is None:
        raise BadRequest("authorization_denied", "The platform was not authorised: nothing was connected.")
    opened = await oauth.finish(services, record, code)
    if len(opened) > 1:
        handle, choice = await choices.keep(services, record, opened)
        request.state.audit_target = f"{platform}: {len(opened)} accounts to choose from"
        if record.return_to is not None:
            return _back_to(record.return_to, {"platform": platform, "choice": handle})
        response.headers["Cache-Control"] = "no-store"
        return {"choice": {"handle": handle} | choice.to_json()}
    view = await oauth.connect(services, record, opened[0], f"connect:{secrets.token_urlsafe(16)}")
    request.state.audit_target = view["id"]
    if record.return_to is not None:
        return _back_to(record.return_to, {"account_id": view["id"], "status": view["status"]})
    return with_etag(response, view)


@router.get("/{platform}/choices/{handle}")
async def show_choice(platform: str, handle: str, response: Response, services: Svc, caller: Caller) -> Json:
    """The accounts that a consent opened, for the user who began the connect, until one is chosen."""
    platform_of(services, platform)
    response.headers["Cache-Control"] = "no-store"
    return (await choices.look(services, caller, platform, handle)).to_json()


@router.post("/{platform}/choose")
async def choose_accounts(
    platform: str, body: Chosen, request: Request, services: Svc, caller: Caller
) -> Json:
    """Connect some of the accounts that a consent opened. The handle is good for one choice."""
    platform_of(services, platform)
    views = await choices.choose(services, caller, platform, body.handle, body.accounts)
    request.state.audit_target = " ".join(view["id"] for view in views)
    return {"items": views}


async def _statuses(services: Services, org: str) -> tuple[dict[str, Counter[str]], bool]:
    """Platform -> status -> accounts, and whether that is all of them (orgs with thousands: the newest)."""
    found: dict[str, Counter[str]] = {}
    after: Cursor | None = None
    for _ in range(_COUNTED_PAGES):
        page = await services.entity_store.page(Kind.ACCOUNT, org, 200, after)
        for document in page.documents:
            platform = AccountId.parse(document["_id"]).platform
            found.setdefault(platform, Counter())[document["status"]] += 1
        after = page.next
        if after is None:
            return found, True
    return found, False


def _back_to(return_to: str, result: Mapping[str, str]) -> RedirectResponse:
    parts = urlsplit(return_to)
    query = urlencode(result)
    whole = parts._replace(query=f"{parts.query}&{query}" if parts.query else query)
    return RedirectResponse(whole.geturl(), 303)


def _platform_json(platform: Platform) -> dict[str, Any]:
    spec = platform.spec
    return {
        "platform": spec.name,
        "title": spec.title,
        "capabilities": sorted(spec.capabilities),
        "scopes": list(spec.default_scopes),
        "pkce": spec.pkce,
        "sources": [s.name for s in spec.sources],
        "rate_windows": [
            {"family": w.family, "limit": w.limit, "seconds": w.seconds, "scope": w.scope.value}
            for w in spec.windows
        ],
    }


def _app_json(services: Services, app: AppRecord) -> dict[str, Any]:
    return {
        "id": app.id,
        "name": app.name,
        "platform": app.platform,
        "client_id": app.client_id,
        "own": app.org is not None,
        "webhook_url": webhook_url(services, app.platform, app.id),
        "updated_at": app.updated_at.isoformat(),
    }
