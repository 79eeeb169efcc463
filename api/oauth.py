"""Connecting an account: OAuth from the authorize address to the owner that holds the tokens.

    start   -> a random handle goes to the platform as `state`; its record is stored sealed, for ten minutes
    finish  -> the record is taken (once), then: code to grant, profile read, owner asked (which
               subscribes to webhooks and begins the backfill)

The state says who asked, not who sits at the browser that comes back: whoever consents at the platform
connects their account to the org that started.
"""

import asyncio
import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import orjson

from actors.compose import platform_app
from actors.runtime.entity import Message
from api.auth import Principal
from api.platform_apps import choose_app, platform_of
from api.policy import POLICY
from api.services import Services
from domain.content import Profile
from domain.errors import BadRequest, Busy, Invalid
from domain.ids import AccountId
from platforms.base import AuthorizeRequest, Grant
from platforms.outcome import Failure, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from storage.crypto import SealBroken, field_aad

T = TypeVar("T")

STATE_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class StateRecord:
    """What a state stands for."""

    org: str
    user_id: str
    platform: str
    app_id: str
    redirect_uri: str
    scopes: list[str]
    verifier: str | None
    return_to: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """`view` is the account's, with the `missing_scopes` that the person did not grant."""

    view: dict[str, Any]
    return_to: str | None


async def start(
    services: Services,
    caller: Principal,
    platform_name: str,
    app_id: str | None,
    scopes: list[str] | None,
    return_to: str | None,
) -> tuple[str, datetime]:
    """The platform's consent page for this caller, and until when its state is good."""
    platform = platform_of(services, platform_name)
    app = await choose_app(services.directory.apps, caller.org, platform_name, app_id)
    if return_to is not None:
        _check_origin(services, return_to)
    handle = secrets.token_urlsafe(32)
    record = StateRecord(
        org=caller.org,
        user_id=caller.user_id,
        platform=platform_name,
        app_id=app.id,
        redirect_uri=f"{services.settings.public_url}/v1/integrations/{platform_name}/callback",
        scopes=list(scopes or platform.spec.default_scopes),
        verifier=secrets.token_urlsafe(48) if platform.spec.pkce else None,
        return_to=return_to,
    )
    hashed = _hash(handle)
    expires_at = services.clock.now() + STATE_LIFETIME
    sealed = services.keys.state.seal(orjson.dumps(asdict(record)), hashed)
    await services.directory.oauth_states.put(hashed, sealed, expires_at)
    request = AuthorizeRequest(
        app=platform_app(app),
        redirect_uri=record.redirect_uri,
        state=handle,
        scopes=tuple(record.scopes),
        code_verifier=record.verifier,
    )
    return platform.authorize_url(request), expires_at


async def take_state(services: Services, platform_name: str, handle: str | None) -> StateRecord:
    """The record of a state, which is good for this one time; BadRequest for a forged, used, expired or
    foreign one."""
    hashed = _hash(handle or "")
    sealed = await services.directory.oauth_states.take(hashed, services.clock.now())
    if sealed is not None:
        try:
            opened = await asyncio.to_thread(services.keys.state.open, sealed, hashed)
            record = StateRecord(**orjson.loads(opened))
        except SealBroken:
            raise _state_invalid() from None
        if record.platform == platform_name and await _may_still_connect(services, record):
            return record
    raise _state_invalid()


async def finish(services: Services, record: StateRecord, code: str) -> Connected:
    """Exchange the code and connect. Nothing is stored unless the profile could be read with the grant."""
    platform = platform_of(services, record.platform)
    app = await services.directory.apps.find(record.app_id)
    if app is None:
        raise _state_invalid()
    grant = _value(
        await platform.exchange(
            services.http, platform_app(app), code.removesuffix("#_"), record.redirect_uri, record.verifier
        )
    )
    profile = _value(await platform.profile(services.http, grant.access_token))
    if grant.external_id not in (None, profile.external_id, *profile.alias_ids):
        raise BadRequest(
            "account_mismatch", "The platform answered for two different accounts: connect again."
        )
    view = await _ask_owner(services, record, grant, profile)
    granted = record.scopes if grant.scopes is None else grant.scopes
    missing = [s for s in platform.spec.default_scopes if s not in granted]
    return Connected(view | {"missing_scopes": missing}, record.return_to)


async def _ask_owner(
    services: Services, record: StateRecord, grant: Grant, profile: Profile
) -> dict[str, Any]:
    account = AccountId(record.platform, profile.external_id, record.org)
    try:
        AccountId.parse(str(account))
    except ValueError:
        raise BadRequest(
            "account_id_invalid", "The platform answered an account id this service cannot use."
        ) from None

    def seal(token: str, field: str) -> bytes:
        return services.keys.seal.seal(token.encode(), field_aad("social_accounts", str(account), field))

    data = {
        "user_id": record.user_id,
        "app_id": record.app_id,
        "access_token": seal(grant.access_token.reveal(), "accessToken"),
        # None means "not given": the owner keeps the one it has.
        "refresh_token": grant.refresh_token and seal(grant.refresh_token.reveal(), "refreshToken"),
        "expires_in_s": grant.expires_in_s,
        "scopes": list(record.scopes if grant.scopes is None else grant.scopes),
        "profile": profile.facts(),
    }
    message = Message("connect", data, f"connect:{secrets.token_urlsafe(16)}")
    return await services.owners.ask(account.key, message)


async def _may_still_connect(services: Services, record: StateRecord) -> bool:
    """Whether the user who began is still in the org, in a role that may."""
    org = await services.directory.orgs.get(record.org)
    return org is not None and org.roles.get(record.user_id) in POLICY["connect_account"].roles


def _value(outcome: Ok[T] | Failure) -> T:
    """What the platform answered, or the error that tells the person what to do."""
    match outcome:
        case Ok(value):
            return value
        case RetryAfter(seconds):
            raise Busy("platform_busy", _reason(outcome), retry_after_s=seconds)
        case ReauthRequired() | Rejected():
            raise BadRequest("platform_refused", _reason(outcome))
        case _:
            raise Busy("platform_unknown_outcome", _reason(outcome))


def _reason(outcome: Failure) -> str:
    match outcome:
        case RetryAfter(reason=reason):
            return f"The platform does not serve this now ({reason}): start the connect again later."
        case ReauthRequired(reason):
            return f"The platform does not accept the authorisation ({reason}): start the connect again."
        case Rejected(code, message):
            return f"The platform refused ({code}): {message}"
        case Unknown():
            return "The platform did not answer: start the connect again."


def _check_origin(services: Services, return_to: str) -> None:
    own = urlsplit(services.settings.public_url)
    allowed = {*services.return_origins, f"{own.scheme}://{own.netloc}"}
    try:
        parts = urlsplit(return_to)
        origin = f"{parts.scheme}://{parts.netloc}"
    except ValueError:  # such as half an IPv6 address
        origin = ""
    if origin not in allowed:
        raise Invalid("return_to_refused", "return_to is not on an allowed origin.", field="return_to")


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def _state_invalid() -> BadRequest:
    return BadRequest(
        "state_invalid", "This sign-in link is not valid any more, or never was: start the connect again."
    )
