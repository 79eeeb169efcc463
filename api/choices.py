"""What a consent opened, kept until the person chooses: several pages, each with a token of its own.

    callback -> the grants are stored sealed, for ten minutes, under the hash of a random handle
    choose   -> taken (once), then each chosen account is connected as any other

Only the user who began may look or choose. A choice whose connecting failed is put back, and connecting under
the same command id again changes nothing: an owner that has it already gives its first answer.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from api.auth import Principal
from api.oauth import STATE_LIFETIME, StateRecord, connect
from api.services import Services
from domain.content import Profile
from domain.errors import BadRequest, Invalid, NotFound, RookeryError
from domain.secrets import Secret
from platforms.base import Connectable, Grant
from storage.crypto import SealBroken
from storage.records import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Choice:
    """Accounts to choose from, until `expires_at`."""

    record: StateRecord
    accounts: tuple[Connectable, ...]
    expires_at: datetime
    kept_at: datetime

    def to_json(self) -> dict[str, Any]:
        """For people: no tokens."""
        return {
            "platform": self.record.platform,
            "expires_at": self.expires_at.isoformat(),
            "accounts": [_shown(account.profile) for account in self.accounts],
        }


async def keep(services: Services, record: StateRecord, opened: Sequence[Connectable]) -> tuple[str, Choice]:
    """The handle under which the choice waits, and the choice."""
    now = services.clock.now()
    choice = Choice(record, tuple(opened), now + STATE_LIFETIME, now)
    handle = secrets.token_urlsafe(32)
    await _put(services, _hash(handle), choice)
    return handle, choice


async def look(services: Services, caller: Principal, platform: str, handle: str) -> Choice:
    """The choice, which stays good; NotFound for a forged, used, expired or foreign handle."""
    found = await _look(services, caller, platform, handle)
    if found is None:
        raise NotFound("choice_unknown", "There is no such choice, or it is not open any more.")
    return found


async def choose(
    services: Services, caller: Principal, platform: str, handle: str, wanted: Sequence[str]
) -> list[dict[str, Any]]:
    """The views of the accounts chosen, in their order. Nothing is spent by a choice that is refused.
    BadRequest for a forged, used, expired or foreign handle."""
    choice = await _look(services, caller, platform, handle)
    if choice is None:
        raise _invalid()
    offered = {account.profile.external_id: account for account in choice.accounts}
    if unknown := [id_ for id_ in wanted if id_ not in offered]:
        raise Invalid("account_not_offered", f"The consent did not open {unknown[0][:40]}.", field="accounts")
    hashed = _hash(handle)
    sealed = await services.directory.oauth_states.take(hashed, services.clock.now())
    choice = await _opened(services, caller, platform, hashed, sealed)
    if choice is None:
        raise _invalid()
    passed_s = int((services.clock.now() - choice.kept_at).total_seconds())
    try:
        return [
            await connect(services, choice.record, _aged(offered[id_], passed_s), f"connect:{hashed[:40]}")
            for id_ in dict.fromkeys(wanted)
        ]
    except (RookeryError, StoreUnavailable):
        await _put(services, hashed, choice)
        raise


async def _put(services: Services, hashed: str, choice: Choice) -> None:
    kept = {
        "state": asdict(choice.record),
        "accounts": [_account_out(account) for account in choice.accounts],
        "expires_at": choice.expires_at.isoformat(),
        "kept_at": choice.kept_at.isoformat(),
    }
    sealed = await asyncio.to_thread(services.keys.state.seal, orjson.dumps(kept), hashed)
    await services.directory.oauth_states.put(hashed, sealed, choice.expires_at)


async def _look(services: Services, caller: Principal, platform: str, handle: str) -> Choice | None:
    hashed = _hash(handle)
    sealed = await services.directory.oauth_states.look(hashed, services.clock.now())
    return await _opened(services, caller, platform, hashed, sealed)


async def _opened(
    services: Services, caller: Principal, platform: str, hashed: str, sealed: bytes | None
) -> Choice | None:
    """None for what was never there, is somebody else's or another platform's."""
    if sealed is None:
        return None
    try:
        kept = orjson.loads(await asyncio.to_thread(services.keys.state.open, sealed, hashed))
    except SealBroken:
        return None
    record = StateRecord(**kept["state"])
    if (record.platform, record.org, record.user_id) != (platform, caller.org, caller.user_id):
        return None
    return Choice(
        record,
        tuple(_account_in(account) for account in kept["accounts"]),
        datetime.fromisoformat(kept["expires_at"]),
        datetime.fromisoformat(kept["kept_at"]),
    )


def _account_out(account: Connectable) -> dict[str, Any]:
    grant = account.grant
    return {
        "external_id": account.profile.external_id,
        "profile": account.profile.facts(),
        "access_token": grant.access_token.reveal(),
        "refresh_token": grant.refresh_token and grant.refresh_token.reveal(),
        "expires_in_s": grant.expires_in_s,
        "scopes": grant.scopes,
        "person_id": grant.person_id,
        "data_access_in_s": grant.data_access_in_s,
    }


def _account_in(kept: dict[str, Any]) -> Connectable:
    facts = kept["profile"]
    return Connectable(
        Profile(kept["external_id"], **facts | {"alias_ids": tuple(facts["alias_ids"])}),
        Grant(
            Secret(kept["access_token"]),
            Secret(kept["refresh_token"]) if kept["refresh_token"] else None,
            kept["expires_in_s"],
            None if kept["scopes"] is None else tuple(kept["scopes"]),
            person_id=kept["person_id"],
            data_access_in_s=kept["data_access_in_s"],
        ),
    )


def _aged(account: Connectable, passed_s: int) -> Connectable:
    """Lifetimes count from the platform's answer, not from the choice."""
    grant = account.grant
    return Connectable(
        account.profile,
        replace(
            grant,
            expires_in_s=_left(grant.expires_in_s, passed_s),
            data_access_in_s=_left(grant.data_access_in_s, passed_s),
        ),
    )


def _left(seconds: int | None, passed_s: int) -> int | None:
    return None if seconds is None else max(1, seconds - passed_s)


def _shown(profile: Profile) -> dict[str, Any]:
    return {
        "external_id": profile.external_id,
        "username": profile.username,
        "display_name": profile.display_name,
        "follower_count": profile.follower_count,
        "profile_image_url": profile.profile_image_url,
    }


def _hash(handle: str) -> str:
    """Another one than a state's, so that neither can be presented as the other."""
    return hashlib.sha256(f"choice:{handle}".encode()).hexdigest()


def _invalid() -> BadRequest:
    return BadRequest(
        "choice_invalid", "This choice is not open any more, or never was: start the connect again."
    )
