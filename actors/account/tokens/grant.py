"""A consent beside the account's own: the token that one capability's calls are made with."""

from datetime import datetime

from msgspec import Struct

from actors.account.tokens.token import Intent, Token, intent_in, intent_out, token_in, token_out
from storage.records import Document


class FurtherGrant(Struct, frozen=True):
    """`external_id` is what calls are made for, None: the account itself. `secret`, sealed, is what calls
    need beside the token. `lost` says why only a person can help."""

    token: Token
    app_id: str
    granted_at: datetime
    external_id: str | None = None
    secret: bytes | None = None
    scopes: tuple[str, ...] = ()
    intent: Intent | None = None
    lost: str | None = None


def field(name: str, of: str | None) -> str:
    """The place of a sealed value: `accessToken` of the account itself, `ads.accessToken` of a grant."""
    return f"{of}.{name}" if of else name


def grant_out(grant: FurtherGrant) -> Document:
    return token_out(grant.token) | {
        "secret": grant.secret,
        "scope": list(grant.scopes),
        "appId": grant.app_id,
        "grantedAt": grant.granted_at,
        "externalId": grant.external_id,
        "intent": intent_out(grant.intent),
        "lost": grant.lost,
    }


def grant_in(d: Document) -> FurtherGrant:
    return FurtherGrant(
        token=token_in(d),
        app_id=d["appId"],
        granted_at=d["grantedAt"],
        external_id=d["externalId"],
        secret=bytes(d["secret"]) if d["secret"] is not None else None,
        scopes=tuple(d["scope"]),
        intent=intent_in(d["intent"]),
        lost=d["lost"],
    )
