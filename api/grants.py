"""Further consents of a connected account: TikTok's advertising, its shop, whatever a capability asks apart.

start  -> the platform's page for that capability; its state names the account and the capability
finish -> code to grant, sealed, to the account's owner
bring  -> tokens that a person got at the platform by themselves, for what has no such page
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from actors.account.tokens.grant import field
from actors.account.tokens.grants import consents_of
from actors.compose import platform_app
from actors.runtime.entity import Message
from api.auth import Principal
from api.oauth import StateRecord, answer_of, callback_of, check_origin, put_state
from api.platform_apps import choose_app, platform_of
from api.services import Services
from domain.errors import BadRequest, Invalid
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant
from platforms.capabilities import Consent
from storage.crypto import field_aad


async def start(
    services: Services,
    caller: Principal,
    account: str,
    capability: str,
    app_id: str | None,
    return_to: str | None,
) -> tuple[str, datetime]:
    """The platform's consent page, and until when its state is good."""
    platform_name = AccountId.parse(account).platform
    consent = _consent(services, platform_name, capability)
    app = await choose_app(services.directory.apps, caller.org, platform_name, app_id)
    if return_to is not None:
        check_origin(services, return_to)
    redirect_uri = callback_of(services, platform_name)
    record = StateRecord(
        org=caller.org,
        user_id=caller.user_id,
        platform=platform_name,
        app_id=app.id,
        redirect_uri=redirect_uri,
        scopes=[],
        verifier=None,
        return_to=return_to,
        account=account,
        grant=capability,
    )
    handle, expires_at = await put_state(services, record)
    request = AuthorizeRequest(platform_app(app), redirect_uri, handle, ())
    return consent.authorize_url(request), expires_at


async def finish(services: Services, record: StateRecord, query: Mapping[str, str]) -> dict[str, Any]:
    """The account's view, after the browser came back with a code for `record`."""
    assert record.grant is not None and record.account is not None  # noqa: S101
    consent = _consent(services, record.platform, record.grant)
    code, app = query.get(consent.code_parameter), await services.directory.apps.find(record.app_id)
    if code is None or app is None:
        raise BadRequest("authorization_denied", "The platform was not authorised: nothing was connected.")
    exchanged = await consent.exchange(services.http, platform_app(app), code, record.redirect_uri)
    command_id = f"grant:{secrets.token_urlsafe(16)}"
    return await bring(
        services, record.account, record.grant, record.app_id, answer_of(exchanged), command_id
    )


async def bring(
    services: Services, account: str, capability: str, app_id: str, grant: Grant, command_id: str
) -> dict[str, Any]:
    """Hand tokens, sealed, to the account's owner; its view."""

    def sealed(name: str, value: Secret | None) -> bytes | None:
        aad = field_aad("social_accounts", account, field(name, capability))
        return None if value is None else services.keys.seal.seal(value.reveal().encode(), aad)

    data = {
        "capability": capability,
        "app_id": app_id,
        "access_token": sealed("accessToken", grant.access_token),
        "refresh_token": sealed("refreshToken", grant.refresh_token),
        "secret": sealed("secret", grant.token_secret),
        "expires_in_s": grant.expires_in_s,
        "external_id": grant.external_id,
        "scopes": list(grant.scopes or ()),
    }
    return await services.owners.ask(AccountId.parse(account).key, Message("grant", data, command_id))


def _consent(services: Services, platform_name: str, capability: str) -> Consent:
    platform = platform_of(services, platform_name)
    consent = consents_of(platform).get(capability)
    if consent is None:
        raise Invalid(
            "not_offered",
            f"{platform.spec.title} asks for no consent of its own for {capability[:40]}.",
            field="capability",
        )
    return consent
