"""Tokens: an API key becomes a JWT; a JWT is taken back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.access import Caller, Svc
from api.auth import LIFETIME, MAX_ACCOUNTS
from api.limiter import FailureLimiter, client_address
from api.paging import filtered
from api.schemas import Body, Json
from api.services import Services
from domain.errors import Forbidden, Unauthorized
from domain.ids import EntityKey, Kind
from storage.mongo.identity import ApiKey, Org, Role
from storage.records import Document

router = APIRouter(prefix="/v1/auth", tags=["auth"])


class TokenRequest(Body):
    api_key: str = Field(min_length=1, max_length=200)


class RevokeRequest(Body):
    jti: str | None = Field(default=None, min_length=1, max_length=64)


def _limiter(request: Request) -> FailureLimiter:
    limiter: FailureLimiter = request.app.state.failures
    return limiter


@router.post("/token")
async def create_token(
    body: TokenRequest,
    request: Request,
    response: Response,
    services: Svc,
    limiter: Annotated[FailureLimiter, Depends(_limiter)],
) -> Json:
    """Exchange an API key for a token that is good for 24 hours.

    An unknown, a revoked and an orphaned key get the same answer.
    """
    address = client_address(request, services.trust_forwarded_for)
    limiter.check(address)
    found = await _holder(services, body.api_key)
    if found is None:
        limiter.failed(address)
        raise Unauthorized("api_key_invalid", "This API key is not valid.")
    org, key, role = found
    request.state.audit_actor = (org.id, key.user_id)
    request.state.audit_target = key.id
    token = services.auth.issue(org, key, role, await _accounts(services, org, key.user_id, role))
    response.headers["Cache-Control"] = "no-store"
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(LIFETIME.total_seconds()),
    }


@router.post("/revoke", status_code=204)
async def revoke_token(body: RevokeRequest, request: Request, services: Svc, caller: Caller) -> None:
    """Take back the token of this very request, or, as an admin, another of the org by its `jti`."""
    jti = body.jti or caller.jti
    if jti != caller.jti and caller.role is not Role.ADMIN:
        raise Forbidden("role_missing", "Only an admin takes back somebody else's token.")
    request.state.audit_target = jti
    await services.auth.revoke(caller.org, jti)


async def _holder(services: Services, secret: str) -> tuple[Org, ApiKey, Role] | None:
    key = await services.directory.api_keys.by_secret(secret)
    if key is None or key.revoked_at is not None:
        return None
    org = await services.directory.orgs.get(key.org)
    role = org.roles.get(key.user_id) if org else None
    return (org, key, role) if org and role else None


async def _accounts(services: Services, org: Org, user_id: str, role: Role) -> list[dict[str, Any]]:
    """S2's `socialAccounts`: those the user may act on, at most one more than a token holds."""
    entity = services.entities[Kind.ACCOUNT]

    def keep(document: Document) -> bool:
        own: bool = role is not Role.CREATOR or document["userId"] == user_id
        return own and document["status"] != "disconnected"

    page = await filtered(
        lambda limit, after: services.entity_store.page(Kind.ACCOUNT, org.id, limit, after),
        keep,
        MAX_ACCOUNTS + 1,
        None,
        "createdAt",
    )
    views = [entity.view(EntityKey(Kind.ACCOUNT, d["_id"]), entity.load(d)) for d in page.documents]
    return [
        {
            "platform": view["platform"],
            "accountId": view["id"],
            "permissions": view["scopes"],
            "expiresAt": view["token"]["expires_at"],
        }
        for view in views
    ]
