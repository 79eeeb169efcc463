"""Tokens, calls and intents: what an account, and each further consent it has, keeps of them."""

from datetime import datetime

from msgspec import Struct

from storage.records import Document


class Call(Struct, frozen=True):
    """A call under way: its outcome is awaited until then. Later it is made again, under another id."""

    id: str
    until: datetime


class Intent(Struct, frozen=True):
    """A refresh that may have been sent. `last_chance` marks a repetition after an unknown
    outcome: a refusal then means that the token was spent."""

    id: str
    not_after: datetime
    last_chance: bool = False


class Token(Struct, frozen=True):
    access: bytes  # sealed
    refresh: bytes | None  # sealed
    issued_at: datetime
    expires_at: datetime | None
    refreshed_at: datetime | None = None
    refreshes: int = 0
    in_doubt: int = 0  # refreshes whose outcome nobody can know (DESIGN section 4)
    failures: int = 0
    retry_at: datetime | None = None
    doubtful: bool = False  # the refresh token may already be spent: one presentation is left
    refused_at: datetime | None = None  # a call answered "token refused" since the last refresh
    data_access_until: datetime | None = (
        None  # the platform shows data for so long; None: as long as it lives
    )
    data_access_ending: bool = False  # soon, or it has ended: a person was warned


def token_out(token: Token) -> Document:
    return {
        "accessToken": token.access,
        "refreshToken": token.refresh,
        "expiresAt": token.expires_at,
        "issuedAt": token.issued_at,
        "refreshedAt": token.refreshed_at,
        "refreshes": token.refreshes,
        "inDoubt": token.in_doubt,
        "failures": token.failures,
        "retryAt": token.retry_at,
        "doubtful": token.doubtful,
        "refusedAt": token.refused_at,
        "dataAccessUntil": token.data_access_until,
        "dataAccessEnding": token.data_access_ending,
    }


def token_in(c: Document) -> Token:
    return Token(
        access=bytes(c["accessToken"]),
        refresh=bytes(c["refreshToken"]) if c["refreshToken"] is not None else None,
        issued_at=c["issuedAt"],
        expires_at=c["expiresAt"],
        refreshed_at=c["refreshedAt"],
        refreshes=c["refreshes"],
        in_doubt=c["inDoubt"],
        failures=c["failures"],
        retry_at=c["retryAt"],
        doubtful=c["doubtful"],
        refused_at=c["refusedAt"],
        # Accounts that were saved before there was such a thing.
        data_access_until=c.get("dataAccessUntil"),
        data_access_ending=c.get("dataAccessEnding", False),
    )


def intent_out(intent: Intent | None) -> Document | None:
    if intent is None:
        return None
    return {"id": intent.id, "not_after": intent.not_after, "last_chance": intent.last_chance}


def intent_in(document: Document | None) -> Intent | None:
    return Intent(**document) if document else None
