"""Further consents of an account, one for each capability whose platform wants its own."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from api import grants
from api.access import Caller, Svc, account_within_reach, own_view
from api.auth import Principal
from api.commands import Command, with_etag
from api.platform_apps import choose_app
from api.schemas import Body, Json, Label
from api.services import Services
from domain.errors import NotFound
from domain.ids import AccountId, Kind
from domain.secrets import Secret
from platforms.base import Grant
from storage.sealed import CAPABILITIES

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])

_SecretText = Annotated[str, Field(min_length=1, max_length=4096)]


class GrantRequest(Body):
    app_id: str | None = Field(default=None, max_length=64)
    return_to: str | None = Field(default=None, max_length=2000, description="Where the browser ends.")


class BroughtGrant(Body):
    """Tokens that a person got at the platform, instead of a consent that is asked for here."""

    app_id: str | None = Field(default=None, max_length=64)
    access_token: _SecretText
    token_secret: _SecretText | None = Field(default=None, description="OAuth 1.0a's, or a shop's cipher.")
    refresh_token: _SecretText | None = None
    expires_in_s: int | None = Field(default=None, ge=60, le=10**9)
    external_id: Label | None = Field(
        default=None, description="What calls are made for, if not the account."
    )


@router.post("/{id}/grants/{capability}/connect")
async def connect_grant(
    id: str, capability: str, body: GrantRequest, response: Response, services: Svc, caller: Caller
) -> Json:
    """Where to send the person who gives the consent."""
    await _reach(services, caller, id, capability)
    url, expires_at = await grants.start(services, caller, id, capability, body.app_id, body.return_to)
    response.headers["Cache-Control"] = "no-store"
    return {"authorize_url": url, "state_expires_at": expires_at.isoformat()}


@router.put("/{id}/grants/{capability}")
async def bring_grant(
    id: str,
    capability: str,
    body: BroughtGrant,
    response: Response,
    services: Svc,
    caller: Caller,
    command: Command,
) -> Json:
    """Store tokens for one capability, sealed. They are shown to nobody again."""
    await _reach(services, caller, id, capability)
    await command.check_repeated()
    platform = AccountId.parse(id).platform
    app = await choose_app(services.directory.apps, caller.org, platform, body.app_id)
    grant = Grant(
        Secret(body.access_token),
        Secret(body.refresh_token) if body.refresh_token else None,
        body.expires_in_s,
        None,
        external_id=body.external_id,
        token_secret=Secret(body.token_secret) if body.token_secret else None,
    )
    command.request.state.audit_target = id
    return with_etag(response, await grants.bring(services, id, capability, app.id, grant, command.id))


@router.delete("/{id}/grants/{capability}")
async def remove_grant(
    id: str, capability: str, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """Forget the tokens here. At the platform the person takes the consent back."""
    await _reach(services, caller, id, capability)
    data = {"capability": capability}
    return with_etag(response, await command.send(AccountId.parse(id).key, "ungrant", data))


async def _reach(services: Services, caller: Principal, id: str, capability: str) -> None:
    account_within_reach(caller, await own_view(services, caller, Kind.ACCOUNT, id))
    if capability not in CAPABILITIES:
        raise NotFound("capability_unknown", f"Capabilities are {', '.join(CAPABILITIES)}.")
