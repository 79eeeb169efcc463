"""Connecting an account: OAuth from the authorize address to the owner that holds the tokens.

    start   -> a random handle goes to the platform as `state`; its record is stored sealed, for ten minutes
    finish  -> the record is taken (once), then: code to grant, and which accounts that opens
    connect -> the owner of one account is asked (which subscribes to webhooks and begins the backfill);
               where a consent opens several accounts, `api.choices` comes between

The state says who asked, not who sits at the browser that comes back: whoever consents at the platform
connects their account to the org that started.
"""

import asyncio
import hashlib
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import orjson

from actors.account.erasure import BEING_ERASED
from actors.compose import platform_app
from actors.runtime.entity import Message
from api.auth import Principal
from api.platform_apps import choose_app, platform_of
from api.policy import POLICY
from api.services import Services
from domain.errors import BadRequest, Busy, Conflict, Invalid
from domain.ids import AccountId
from platforms.base import AuthorizeRequest, Connectable
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
    account: str | None = None  # of a further consent: the account that it is for, and its capability
    grant: str | None = None
    request_token: list[str] | None = field(default=None, repr=False)  # of OAuth 1.0a, and its secret


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
        check_origin(services, return_to)
    record = StateRecord(
        org=caller.org,
        user_id=caller.user_id,
        platform=platform_name,
        app_id=app.id,
        redirect_uri=callback_of(services, platform_name),
        scopes=list(scopes or platform.spec.default_scopes),
        verifier=secrets.token_urlsafe(48) if platform.spec.pkce else None,
        return_to=return_to,
    )
    handle, expires_at = await put_state(services, record)
    request = AuthorizeRequest(
        app=platform_app(app),
        redirect_uri=record.redirect_uri,
        state=handle,
        scopes=tuple(record.scopes),
        code_verifier=record.verifier,
    )
    return platform.authorize_url(request), expires_at


async def put_state(
    services: Services, record: StateRecord, handle: str | None = None
) -> tuple[str, datetime]:
    """The handle under which it waits, and until when. `handle`: the platform's, where it made one."""
    handle = handle or secrets.token_urlsafe(32)
    hashed = _hash(handle)
    expires_at = services.clock.now() + STATE_LIFETIME
    sealed = services.keys.state.seal(orjson.dumps(asdict(record)), hashed)
    await services.directory.oauth_states.put(hashed, sealed, expires_at)
    return handle, expires_at


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


async def finish(services: Services, record: StateRecord, code: str) -> tuple[Connectable, ...]:
    """Exchange the code; the accounts that the consent opened, at least one. Nothing is stored here."""
    platform = platform_of(services, record.platform)
    app = await services.directory.apps.find(record.app_id)
    if app is None:
        raise _state_invalid()
    grant = answer_of(
        await platform.exchange(
            services.http, platform_app(app), code.removesuffix("#_"), record.redirect_uri, record.verifier
        )
    )
    opened = answer_of(await platform.connectables(services.http, platform_app(app), grant))
    if not opened:
        raise BadRequest(
            "nothing_to_connect",
            f"The consent opened no account at {platform.spec.title}: the person has none that can be "
            "connected, or did not choose one.",
        )
    for account in opened:
        if account.grant.external_id not in (None, account.profile.external_id, *account.profile.alias_ids):
            raise BadRequest(
                "account_mismatch", "The platform answered for two different accounts: connect again."
            )
    return opened


async def connect(
    services: Services, record: StateRecord, account: Connectable, command_id: str
) -> dict[str, Any]:
    """The account's view, with the `missing_scopes` that the person did not grant."""
    grant, profile = account.grant, account.profile
    id_ = AccountId(record.platform, profile.external_id, record.org)
    try:
        AccountId.parse(str(id_))
    except ValueError:
        raise BadRequest(
            "account_id_invalid", "The platform answered an account id this service cannot use."
        ) from None

    def seal(token: str, name: str) -> bytes:
        return services.keys.seal.seal(token.encode(), field_aad("social_accounts", str(id_), name))

    scopes = record.scopes if grant.scopes is None else list(grant.scopes)
    data = {
        "user_id": record.user_id,
        "app_id": record.app_id,
        "access_token": seal(grant.access_token.reveal(), "accessToken"),
        # None means "not given": the owner keeps the one it has.
        "refresh_token": grant.refresh_token and seal(grant.refresh_token.reveal(), "refreshToken"),
        "expires_in_s": grant.expires_in_s,
        "data_access_in_s": grant.data_access_in_s,
        "scopes": scopes,
        "profile": profile.facts(),
    }
    # Before the owner: whoever takes the consent back next must be found.
    alias = profile.alias_ids[0] if profile.alias_ids else None
    person = grant.person_id or profile.external_id
    now = services.clock.now()
    await services.directory.consents.put(str(id_), record.app_id, person, alias, now)
    try:
        view = await services.owners.ask(id_.key, Message("connect", data, command_id))
    except Conflict as refused:
        if refused.code == BEING_ERASED:  # which forgets earlier consents only
            await services.directory.consents.forget(str(id_), now + timedelta(milliseconds=1))
        raise
    # What the platform's calls need, and what this connect asked for beside it, such as ads.
    default = platform_of(services, record.platform).spec.default_scopes
    wanted = dict.fromkeys([*default, *record.scopes])
    return view | {"missing_scopes": [s for s in wanted if s not in scopes]}


async def _may_still_connect(services: Services, record: StateRecord) -> bool:
    """Whether the user who began is still in the org, in a role that may."""
    org = await services.directory.orgs.get(record.org)
    return org is not None and org.roles.get(record.user_id) in POLICY["connect_account"].roles


def answer_of(outcome: Ok[T] | Failure) -> T:
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


def callback_of(services: Services, platform_name: str) -> str:
    """Where a platform sends browsers back to, from any of its consents."""
    return f"{services.settings.public_url}/v1/integrations/{platform_name}/callback"


def check_origin(services: Services, return_to: str) -> None:
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
