"""Every call to a platform ends in one of five outcomes; generic code reads only these.

    Ok               the platform did it and said so
    RetryAfter       not now: wait, then the same call is safe to repeat
    ReauthRequired   a named dead-token answer: a person must connect again
    Rejected         the platform understood and refused; repeating will not help
    Unknown          it may or may not have happened (time-out after sending, half an answer)

For a call without side effects an adapter answers RetryAfter where a once-only call answers Unknown.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class LimitScope(StrEnum):
    ACCOUNT = "account"
    APP = "app"


@dataclass(frozen=True, slots=True)
class LimitReading:
    """What an answer's headers said about a rate window.

    Platforms that tell percentages (Meta) are translated: limit 100, remaining 100 - used.
    """

    family: str
    scope: LimitScope
    limit: int
    remaining: int
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    value: T_co
    readings: tuple[LimitReading, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """`rate_limited` tells a limit from a fault; `family` is the window concerned when known. `held`: nothing
    was sent, because what all accounts of the application share has no room."""

    seconds: float
    scope: LimitScope
    reason: str  # short, free of tokens and personal data
    rate_limited: bool = False
    family: str | None = None
    readings: tuple[LimitReading, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True)
class ReauthRequired:
    reason: str  # snake_case, stable: `token_revoked`, `password_changed`, `refresh_token_invalid`...


@dataclass(frozen=True, slots=True)
class Rejected:
    code: str  # the platform's code, as text
    message: str  # one sentence, free of tokens and personal data
    readings: tuple[LimitReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    what: str  # what may have happened


Failure = RetryAfter | ReauthRequired | Rejected | Unknown
Outcome = Ok[T_co] | RetryAfter | ReauthRequired | Rejected | Unknown
