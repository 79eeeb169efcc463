"""Further consents of a connected account: TikTok's advertising, its shop, whatever a capability asks apart.

start  -> the platform's page for that capability; its state names the account and the capability. With OAuth
          1.0a the platform makes a request token first, which takes the place of the state, because nothing
          else comes back with the browser; its secret waits in the sealed record
finish -> code, or verifier, to grant, sealed, to the account's owner
bring  -> tokens that a person got at the platform by themselves
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
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
from platforms.base import AuthorizeRequest, Grant, PlatformApp
from platforms.capabilities import CodeConsent, RequestToken, SignedConsent
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
    record = StateRecord(
        org=caller.org,
        user_id=caller.user_id,
        platform=platform_name,
        app_id=app.id,
        redirect_uri=callback_of(services, platform_name),
        scopes=[],
        verifier=None,
        return_to=return_to,
        account=account,
        grant=capability,
    )
    if isinstance(consent, SignedConsent):
        asked = answer_of(await consent.request_token(services.http, platform_app(app), record.redirect_uri))
        record = replace(record, request_token=[asked.token.reveal(), asked.secret.reveal()])
        _, expires_at = await put_state(services, record, asked.token.reveal())
        return consent.authorize_url(asked), expires_at
    handle, expires_at = await put_state(services, record)
    request = AuthorizeRequest(platform_app(app), record.redirect_uri, handle, ())
    return consent.authorize_url(request), expires_at


async def finish(services: Services, record: StateRecord, query: Mapping[str, str]) -> dict[str, Any]:
    """The account's view, after the browser came back with a code, or a verifier, for `record`."""
    assert record.grant is not None and record.account is not None  # noqa: S101
    consent = _consent(services, record.platform, record.grant)
    name = "oauth_verifier" if isinstance(consent, SignedConsent) else consent.code_parameter
    code, app = query.get(name), await services.directory.apps.find(record.app_id)
    if code is None or app is None:
        raise BadRequest("authorization_denied", "The platform was not authorised: nothing was connected.")
    if isinstance(consent, SignedConsent):
        grant = await _signed(services, consent, platform_app(app), record, code)
    else:
        grant = answer_of(await consent.exchange(services.http, platform_app(app), code, record.redirect_uri))
    command_id = f"grant:{secrets.token_urlsafe(16)}"
    return await bring(services, record.account, record.grant, record.app_id, grant, command_id)


async def _signed(
    services: Services, consent: SignedConsent, app: PlatformApp, record: StateRecord, verifier: str
) -> Grant:
    assert record.account is not None and record.request_token is not None  # noqa: S101 - made with both
    token, secret = record.request_token
    request = RequestToken(Secret(token), Secret(secret))
    grant = answer_of(await consent.exchange(services.http, app, request, verifier))
    if grant.external_id != AccountId.parse(record.account).external_id:
        raise BadRequest(
            "account_mismatch",
            "The consent was given by another account than the one that it is for: sign in at the platform "
            "as that one, and begin again.",
        )
    return grant


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


def _consent(services: Services, platform_name: str, capability: str) -> CodeConsent | SignedConsent:
    platform = platform_of(services, platform_name)
    consent = consents_of(platform).get(capability)
    if consent is None:
        raise Invalid(
            "not_offered",
            f"{platform.spec.title} asks for no consent of its own for {capability[:40]}.",
            field="capability",
        )
    return consent
