"""Who is calling: the service's own JWTs (S2), issued for an API key, and their revocation."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.clock import Clock
from domain.errors import Unauthorized
from storage.crypto import JwtKeys, SealBroken
from storage.mongo.identity import ApiKey, Org, Revocations, Role

ISSUER: Final = "social-media-integration-service"
AUDIENCE: Final = "social-commerce-platform"
LIFETIME: Final = timedelta(hours=24)
MAX_ACCOUNTS: Final = 20  # listed in a token; proxies limit the size of a header
_LEEWAY: Final = timedelta(seconds=60)  # between the clocks of machines that issue and check
REVOKED_WITHIN_S: Final = 3.0  # how long a token that was taken back may still work, anywhere


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `operator`: an admin of an org that runs the deployment."""

    user_id: str
    org: str
    role: Role
    operator: bool
    jti: str
    key_id: str  # of the API key the token was issued for
    issued_at: datetime
    expires_at: datetime


class Authenticator:
    """Issues and checks tokens.

    A revoked token works nowhere later than `REVOKED_WITHIN_S` after the revocation was stored: a request is
    checked against revocations read at most that long ago; a live connection, checked again every
    `api.live.RECHECK_S`, against ones younger by as much. While the revocations cannot be read, checks raise
    StoreUnavailable: nobody gets in by an outage.
    """

    def __init__(self, jwt: JwtKeys, clock: Clock, revocations: Revocations) -> None:
        self._jwt = jwt
        self._clock = clock
        self._store = revocations
        self._revoked: dict[tuple[str, str], datetime] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    def issue(self, org: Org, key: ApiKey, role: Role, accounts: Sequence[dict[str, Any]]) -> str:
        """A token for the API key's user. `accounts` (S2's `socialAccounts`) is left out when it is longer
        than a header can bear; authorisation never reads it."""
        now = self._clock.now()
        operator = org.operator and role is Role.ADMIN
        level = "deployment" if operator else "own_accounts" if role is Role.CREATOR else "organization"
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": key.user_id,
            "userId": key.user_id,
            "org": org.id,
            "roles": [role.value],
            "integrationLevel": level,
            "keyId": key.id,
            "jti": secrets.token_urlsafe(16),
            # To the millisecond, as RFC 7519 allows: a role change takes back the tokens before it, and
            # the next token may follow within the second.
            "iat": now.timestamp(),
            "exp": int((now + LIFETIME).timestamp()),
        }
        if len(accounts) <= MAX_ACCOUNTS:
            claims["socialAccounts"] = list(accounts)
        return self._jwt.sign(claims)

    async def principal(self, token: str, *, stale_s: float = REVOKED_WITHIN_S) -> Principal:
        """The caller who presents this token; Unauthorized for anything but a current one of ours. `stale_s`
        is how long ago the revocations may have been read."""
        try:
            principal = _read(self._jwt.verify(token))
        except (SealBroken, KeyError, ValueError, TypeError, IndexError, OverflowError):
            raise Unauthorized(
                "token_invalid", "The token is not one of this service: get a new one."
            ) from None
        now = self._clock.now()
        if principal.expires_at <= now:
            raise Unauthorized("token_expired", "The token has expired: get a new one.")
        if principal.issued_at > now + _LEEWAY:
            raise Unauthorized("token_invalid", "The token is from the future: check the clocks.")
        await self._refresh(stale_s)
        if self._is_revoked(principal):
            raise Unauthorized("token_revoked", "The token was revoked: get a new one.")
        return principal

    async def revoke(self, org: str, subject: str) -> None:
        """Take back a token by `jti`, or all tokens issued until now by API key or user id."""
        now = self._clock.now()
        await self._store.add(org, subject, now, now + LIFETIME + _LEEWAY)
        async with self._reading:  # a read under way may have missed it
            self._read_at = float("-inf")  # this process sees its own revocation at once

    def _is_revoked(self, principal: Principal) -> bool:
        """Whether the token, its API key or its user was taken back since it was issued."""
        for subject in (principal.jti, principal.key_id, principal.user_id):
            at = self._revoked.get((principal.org, subject))
            if at is not None and principal.issued_at <= at:
                return True
        return False

    async def _refresh(self, stale_s: float) -> None:
        if self._is_fresh(stale_s):
            return
        async with self._reading:
            if self._is_fresh(stale_s):  # another request read while this one waited
                return
            started = self._clock.monotonic()
            self._revoked = await self._store.current(self._clock.now())
            self._read_at = started

    def _is_fresh(self, stale_s: float) -> bool:
        return self._clock.monotonic() - self._read_at < stale_s


def bearer_token(authorization: str | None) -> str:
    """The token in an `Authorization` header; Unauthorized when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("token_missing", "Send a token: Authorization: Bearer ...")
    return token.strip()


def _read(claims: dict[str, Any]) -> Principal:
    if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE:
        raise ValueError("issued by or for somebody else")
    return Principal(
        user_id=claims["sub"],
        org=claims["org"],
        role=Role(claims["roles"][0]),
        operator=claims["integrationLevel"] == "deployment",
        jti=claims["jti"],
        key_id=claims["keyId"],
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
