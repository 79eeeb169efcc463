"""Further consents of an account (`capabilities.AsksFurther`): kept sealed, kept fresh, lost one by one.

A grant is looked at as an account whose token it is, so that one set of rules (`access`) keeps them all
alive: the intent before the refresh, the doubt after it, the pauses. Only what becomes of the token is taken
from there; that a grant is lost takes nothing from the account but that capability.
"""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.account.content.work import MakeId
from actors.account.effects import Refresh
from actors.account.state import AccountState, Status
from actors.account.tokens import access
from actors.account.tokens.grant import FurtherGrant
from actors.account.tokens.token import Token
from actors.runtime.entity import Effect
from domain.errors import Conflict
from domain.events import Event, EventType
from platforms.base import Platform
from platforms.capabilities import AsksFurther, CodeConsent, SignedConsent
from platforms.outcome import ReauthRequired, Rejected
from platforms.spec import PlatformSpec

Changed = tuple[AccountState, list[Effect], list[Event]]


class Credentials(Struct, frozen=True):
    """Sealed, and where the seals belong: `grant` None is the account's own token."""

    app_id: str
    access: bytes
    secret: bytes | None
    external_id: str
    grant: str | None = None
    surface: str | None = None


def consents_of(platform: Platform) -> Mapping[str, CodeConsent | SignedConsent]:
    return platform.consents if isinstance(platform, AsksFurther) else {}


def put(
    state: AccountState, platform: Platform, name: str, data: Mapping[str, Any], now: datetime
) -> AccountState:
    """A consent was given, or tokens were brought. What is not told anew stays, if it is the same thing."""
    consent = consents_of(platform).get(name)
    spec = platform.spec if consent is None else dataclasses.replace(platform.spec, token=consent.token)
    lasting = consent is None and not data["expires_in_s"]
    token = Token(
        access=data["access_token"],
        refresh=data["refresh_token"],
        issued_at=now,
        expires_at=None if lasting else access.expiry(spec, data["expires_in_s"], now),
    )
    new = FurtherGrant(
        token,
        data["app_id"],
        now,
        data["external_id"],
        data["secret"],
        tuple(data["scopes"] or ()),
    )
    old = state.grants.get(name)
    if old is not None and (old.app_id, old.external_id) == (new.app_id, new.external_id):
        new = replace(new, secret=new.secret if new.secret is not None else old.secret)
        if token.refresh is None and old.token.refresh is not None and old.lost is None:
            kept = replace(token, refresh=old.token.refresh, doubtful=old.token.doubtful)
            new = replace(new, token=kept, intent=old.intent)
    return replace(state, grants=state.grants | {name: new})


def remove(state: AccountState, name: str) -> AccountState:
    if name not in state.grants:
        raise Conflict("grant_missing", f"The account has no consent of its own for {name}.")
    return replace(state, grants={n: g for n, g in state.grants.items() if n != name})


def credentials(
    state: AccountState, platform: Platform, capability: str, now: datetime
) -> Credentials | None:
    """With what a capability's calls are made now; None: the token has to be refreshed, or given, first."""
    grant, consent = state.grants.get(capability), consents_of(platform).get(capability)
    if grant is not None and grant.lost is None:
        if not access.usable(_as_account(state, grant), now):
            return None
        return Credentials(
            grant.app_id,
            grant.token.access,
            grant.secret,
            grant.external_id or state.external_id,
            capability,
            consent.surface if consent else None,
        )
    if missing(state, platform, capability) or not access.usable(state, now):
        return None
    # A lasting token goes with that of the person who gave it: a page's ads are the person's.
    secret = state.token.refresh if access.lasting(platform.spec) else None
    return Credentials(state.app_id, state.token.access, secret, state.external_id)


def held(state: AccountState, capability: str) -> bool:
    """Whether a consent of its own was given for it, and is not lost."""
    grant = state.grants.get(capability)
    return grant is not None and grant.lost is None


def tagging(state: AccountState, platform: Platform, now: datetime) -> Credentials | None:
    """With what a publication that tags products is made: shops are a capability's, where it has a consent of
    its own. None: as any other."""
    commerce = platform.commerce
    if "commerce" not in state.grants or commerce is None or "tags" in commerce.missing:
        return None
    return credentials(state, platform, "commerce", now)


def missing(state: AccountState, platform: Platform, capability: str) -> bool:
    """Whether nothing can be called before a person gives the consent that the capability wants."""
    grant, consent = state.grants.get(capability), consents_of(platform).get(capability)
    wanted = capability in platform.spec.brought or (consent is not None and consent.required)
    return wanted and (grant is None or grant.lost is not None)


def drive(state: AccountState, platform: Platform, now: datetime, make_id: MakeId) -> Changed:
    effects: list[Effect] = []
    events: list[Event] = []
    for name, grant in state.grants.items():
        if grant.lost is None:
            spec = _spec(platform, name)
            done = access.drive(_as_account(state, grant), spec, now, make_id)
            state, more, told = _taken(state, name, done)
            effects, events = effects + more, events + told
    return state, effects, events


def wake_at(state: AccountState, platform: Platform, now: datetime) -> datetime | None:
    times = [
        access.wake_at(_as_account(state, grant), _spec(platform, name), now)
        for name, grant in state.grants.items()
        if grant.lost is None
    ]
    return min((t for t in times if t is not None), default=None)


def refreshed(
    state: AccountState, platform: Platform, data: Mapping[str, Any], now: datetime, intent_id: str
) -> Changed:
    """As `access.refreshed`, of the grant that `data` names."""
    name: str = data["grant"]
    grant = state.grants.get(name)
    if grant is None or grant.lost is not None:
        return state, [], []
    if isinstance(data["outcome"], Rejected) and data["outcome"].code == "unsupported":
        # It is only ever asked about when a call was refused: there is nothing else to present.
        data = {**data, "outcome": ReauthRequired("token_refused")}
    done = access.refreshed(_as_account(state, grant), data, _spec(platform, name), now, intent_id)
    return _taken(state, name, done)


def refused(
    state: AccountState, platform: Platform, name: str, sent: bytes, reason: str, now: datetime
) -> tuple[AccountState, list[Event]]:
    grant = state.grants.get(name)
    if grant is None or grant.lost is not None:
        return state, []
    after, events = access.refused(_as_account(state, grant), _spec(platform, name), sent, reason, now)
    state, _, told = _taken(state, name, (after, [], events))
    return state, told


def _spec(platform: Platform, name: str) -> PlatformSpec:
    consent = consents_of(platform).get(name)
    return dataclasses.replace(platform.spec, token=consent.token) if consent is not None else platform.spec


def _as_account(state: AccountState, grant: FurtherGrant) -> AccountState:
    return replace(
        state,
        status=Status.CONNECTED,
        token=grant.token,
        intent=grant.intent,
        app_id=grant.app_id,
        scopes=grant.scopes,
        reason=None,
    )


def _taken(state: AccountState, name: str, done: Changed) -> Changed:
    after, effects, events = done
    old = state.grants[name]
    lost = after.reason if after.status is Status.REAUTHORIZATION_REQUIRED else None
    new = replace(old, token=after.token, intent=after.intent, scopes=after.scopes, lost=lost)
    if new != old:
        state = replace(state, grants=state.grants | {name: new})
    own = [replace(e, grant=name) if isinstance(e, Refresh) else e for e in effects]
    what = "grant_lost" if lost else "grant_refreshed"
    data = {"platform": state.platform, "status": state.status.value, "what": what, "grant": name}
    return state, own, [Event(EventType.SOCIAL_ACCOUNT_CHANGED, data | {"reason": lost}) for _ in events]
