"""Beginning and ending the connection of an account: what is stored anew, and what stays."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from sys import intern
from typing import Any

from msgspec.structs import replace

from actors.account.content import errands, work
from actors.account.state import AccountState, Errand, Status, shared
from actors.account.tokens import access
from actors.account.tokens.token import Token
from domain.budget import Priority
from domain.ids import AccountId
from platforms.spec import PlatformSpec

REPLAY_AGAIN = timedelta(minutes=1)
"""A webhook replica that had not heard of the connection may park one more event after the first replay."""

_PROFILE = {
    "username": "username",
    "display_name": "displayName",
    "follower_count": "followerCount",
    "profile_image_url": "profileImageUrl",
    "bio": "bio",
    "is_verified": "isVerified",
    "alias_ids": "aliasIds",
}


def profile_fields(told: Mapping[str, Any]) -> dict[str, Any]:
    """A `Profile`'s fields as the document names them."""
    return {stored: told[name] for name, stored in _PROFILE.items() if name in told}


def connected(
    old: AccountState | None, id_: AccountId, data: Mapping[str, Any], spec: PlatformSpec, now: datetime
) -> AccountState:
    """A full exchange happened and the profile was read: store it, also over an existing connection."""
    token = Token(
        access=data["access_token"],
        refresh=data["refresh_token"],
        issued_at=now,
        expires_at=access.expiry(spec, data["expires_in_s"], now),
        data_access_until=access.data_access_end(spec, data.get("data_access_in_s"), now),
    )
    new = AccountState(
        org=intern(id_.org),
        platform=spec.name,
        external_id=id_.external_id,
        user_id=intern(data["user_id"]),
        app_id=data["app_id"],
        status=Status.CONNECTED,
        token=token,
        scopes=shared(data["scopes"]),
        profile=profile_fields(data["profile"]),
        created_at=now,
        updated_at=now,
        replay_at=now + REPLAY_AGAIN,
    )
    if old is not None:
        new = _kept(new, work.set_aside(old, now))
    new = work.sync_all(new, spec, Priority.SCHEDULED)
    return errands.owe(new, Errand.SUBSCRIBE)


def _kept(new: AccountState, old: AccountState) -> AccountState:
    """What the account has become, under the new token. A new token is no new quota."""
    token = replace(new.token, refreshes=old.token.refreshes, in_doubt=old.token.in_doubt)
    new = replace(
        new,
        token=token,
        created_at=old.created_at,
        config=old.config,
        budget=old.budget,
        sources=old.sources,
        wishes=old.wishes,
        reread=old.reread,
        publications=old.publications,
        grants=old.grants,
        tasks=old.tasks,
        plans=old.plans,
        counters=old.counters,
        last_sync_at=old.last_sync_at,
        erasure=old.erasure,
    )
    if token.refresh is not None or old.token.refresh is None:
        return new
    # Never overwritten by nothing. It is the same refresh token: what is known of its last presentation
    # goes on, too.
    token = replace(token, refresh=old.token.refresh, doubtful=old.token.doubtful)
    return replace(new, token=token, intent=old.intent)


def resealed(state: AccountState, pairs: Iterable[tuple[bytes, bytes]]) -> AccountState:
    """The same tokens under a newer key; each pair is a sealed one as it is and as it shall be. Who knows
    one that is not here any more changes nothing."""
    for old, new in pairs:
        token = _resealed(state.token, old, new)
        if token is not state.token:
            state = replace(state, token=token)
        for name, grant in state.grants.items():
            secret = new if grant.secret == old else grant.secret
            after = replace(grant, token=_resealed(grant.token, old, new), secret=secret)
            if after != grant:
                state = replace(state, grants=state.grants | {name: after})
    return state


def _resealed(token: Token, old: bytes, new: bytes) -> Token:
    if token.access == old:
        return replace(token, access=new)
    return replace(token, refresh=new) if token.refresh == old else token


def disconnected(state: AccountState) -> AccountState:
    """Nothing is kept that could act: tokens leave the document with the same write."""
    token = replace(
        state.token,
        access=b"",
        refresh=None,
        expires_at=None,
        retry_at=None,
        refused_at=None,
        data_access_until=None,
        data_access_ending=False,
    )
    return replace(
        state,
        status=Status.DISCONNECTED,
        reason="disconnected_by_user",
        token=token,
        intent=None,
        job=None,
        shelved=(),
        wishes=(),
        reread={},
        errands={},
        grants={},
        plans={},
        replay_at=None,
        subscribed=False,
        not_subscribed=None,
        resubscribe_at=None,
    )
