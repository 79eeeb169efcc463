"""OAuth: authorization codes, access tokens, and refresh tokens that rotate within a family.

A grant is one "yes" of a person to an app. At X it is also a token family: each refresh spends its
token, and presenting a spent one again ends the family, access tokens included.
"""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.ids import secret

RefreshOutcome = Literal["rotated", "renewed", "reuse_killed_family", "invalid"]


@dataclass(slots=True)
class Grant:
    id: str
    platform: str
    app_id: str
    external_id: str
    scopes: tuple[str, ...]
    at_ms: int
    via: str  # "consent" or "control"
    # False once the person took the permission back; a killed family leaves it standing.
    authorised: bool = True
    family_killed: bool = False


@dataclass(slots=True)
class AccessToken:
    grant: Grant
    issued_ms: int
    expires_ms: int
    long_lived: bool = False
    revoked: bool = False
    value: str = field(default="", repr=False)


@dataclass(slots=True)
class RefreshToken:
    grant: Grant
    spent: bool = False
    revoked: bool = False
    # One entry per presentation: whether the platform's answer was let through.
    presented: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class Code:
    grant_args: tuple[str, str, str, tuple[str, ...]]
    redirect_uri: str
    challenge: str | None
    method: str | None
    expires_ms: int
    used: bool = False


@dataclass(slots=True)
class Refreshed:
    outcome: RefreshOutcome
    grant: Grant | None
    access: AccessToken | None = None
    refresh_token: str | None = None
    # Whether this refresh token had been presented before, and whether that answer never arrived.
    repeated: bool = False
    in_doubt: bool = False


class Tokens:
    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0
        self._codes: dict[str, Code] = {}
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self.grants: list[Grant] = []
        self._by_account: dict[tuple[str, str, str], list[Grant]] = {}
        self._tokens_of: dict[str, list[AccessToken]] = {}
        self._refresh_of: dict[str, list[RefreshToken]] = {}

    def issue_code(
        self,
        platform: str,
        app_id: str,
        external_id: str,
        scopes: tuple[str, ...],
        redirect_uri: str,
        expires_ms: int,
        challenge: str | None = None,
        method: str | None = None,
    ) -> str:
        value = self._new("code", 96)
        self._codes[value] = Code(
            (platform, app_id, external_id, scopes), redirect_uri, challenge, method, expires_ms
        )
        return value

    def code(self, value: str, app_id: str) -> Code | None:
        """The code if it was issued to this app, used or not."""
        code = self._codes.get(value)
        return code if code and code.grant_args[1] == app_id else None

    def redeem(self, code: Code, now_ms: int) -> Grant:
        code.used = True
        platform, app_id, external_id, scopes = code.grant_args
        return self.grant(platform, app_id, external_id, scopes, now_ms, "consent")

    def grant(
        self, platform: str, app_id: str, external_id: str, scopes: tuple[str, ...], now_ms: int, via: str
    ) -> Grant:
        grant = Grant(f"g{len(self.grants) + 1}", platform, app_id, external_id, scopes, now_ms, via)
        self.grants.append(grant)
        self._by_account.setdefault((platform, app_id, external_id), []).append(grant)
        return grant

    def connected(self, platform: str, app_id: str, external_id: str) -> bool:
        return any(g.authorised for g in self._by_account.get((platform, app_id, external_id), ()))

    def authorised_apps(self, platform: str, external_id: str) -> list[str]:
        """Ids of the apps this account has said yes to, each once, oldest first."""
        return list(
            dict.fromkeys(
                g.app_id
                for g in self.grants
                if g.authorised and g.platform == platform and g.external_id == external_id
            )
        )

    def issue_access(
        self, grant: Grant, now_ms: int, lifetime_s: int, prefix: str = "", long_lived: bool = False
    ) -> AccessToken:
        value = prefix + self._new("access", 88)
        token = AccessToken(grant, now_ms, now_ms + lifetime_s * 1000, long_lived, value=value)
        self._access[value] = token
        self._tokens_of.setdefault(grant.id, []).append(token)
        return token

    def issue_refresh(self, grant: Grant, prefix: str = "") -> str:
        value = prefix + self._new("refresh", 88)
        token = self._refresh[value] = RefreshToken(grant)
        self._refresh_of.setdefault(grant.id, []).append(token)
        return value

    def access(self, value: str) -> AccessToken | None:
        return self._access.get(value)

    def owner(self, value: str) -> Grant | None:
        """Whose token this is, whatever its kind or state."""
        found = self._access.get(value) or self._refresh.get(value)
        return found.grant if found else None

    def refresh(
        self,
        value: str,
        app_id: str,
        now_ms: int,
        lifetime_s: int,
        answered: bool,
        prefix: str = "",
        reuse_kills: bool = True,
    ) -> Refreshed:
        """Present a refresh token. `answered` is False when the caller will never see the answer;
        `reuse_kills`: presenting a spent one ends the family, not only this call."""
        token = self._refresh.get(value)
        if token is None or token.grant.app_id != app_id:
            return Refreshed("invalid", None)
        repeated, in_doubt = bool(token.presented), not all(token.presented)
        token.presented.append(answered)
        grant = token.grant
        if reuse_kills and token.spent and not grant.family_killed and grant.authorised:
            self.kill_family(grant)
            return Refreshed("reuse_killed_family", grant, repeated=repeated, in_doubt=in_doubt)
        if token.spent or token.revoked or not grant.authorised or grant.family_killed:
            return Refreshed("invalid", grant, repeated=repeated, in_doubt=in_doubt)
        token.spent = True
        access = self.issue_access(grant, now_ms, lifetime_s, prefix)
        return Refreshed("rotated", grant, access, self.issue_refresh(grant), repeated, in_doubt)

    def renew(
        self, value: str, app_id: str, now_ms: int, lifetime_s: int, answered: bool, prefix: str
    ) -> Refreshed:
        """Present a refresh token that stays good (Google): a new access token beside the earlier ones."""
        token = self._refresh.get(value)
        if token is None or token.grant.app_id != app_id:
            return Refreshed("invalid", None)
        token.presented.append(answered)
        if token.revoked or not token.grant.authorised:
            return Refreshed("invalid", token.grant)
        return Refreshed("renewed", token.grant, self.issue_access(token.grant, now_ms, lifetime_s, prefix))

    def kill_family(self, grant: Grant) -> None:
        grant.family_killed = True
        for access in self._tokens_of.get(grant.id, ()):
            access.revoked = True

    def revoke(self, value: str, app_id: str) -> bool:
        """Revoke one token by its value; False when this app has no such token."""
        if value in self._access and self._access[value].grant.app_id == app_id:
            self._access[value].revoked = True
            return True
        if value in self._refresh and self._refresh[value].grant.app_id == app_id:
            self._refresh[value].revoked = True
            return True
        return False

    def end(self, grant: Grant) -> None:
        """One permission is taken back, with everything given under it."""
        grant.authorised = False
        self.kill_family(grant)

    def withdraw(self, platform: str, external_id: str) -> None:
        """The person takes back every permission given for this account."""
        for grant in self._of(platform, external_id):
            self.end(grant)

    def revoke_refresh(self, platform: str, external_id: str) -> None:
        for grant in self._of(platform, external_id):
            for token in self._refresh_of.get(grant.id, ()):
                token.revoked = True

    def expire_at(self, platform: str, external_id: str, moment_ms: int) -> None:
        for grant in self._of(platform, external_id):
            for access in self._tokens_of.get(grant.id, ()):
                access.expires_ms = moment_ms

    def _of(self, platform: str, external_id: str) -> list[Grant]:
        return [g for g in self.grants if (g.platform, g.external_id) == (platform, external_id)]

    def _new(self, kind: str, length: int) -> str:
        self._count += 1
        return secret(length, self._seed, kind, self._count)
