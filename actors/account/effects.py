"""What an account asks of the outside. Tokens travel sealed; the handler opens them for the call alone."""

from dataclasses import dataclass
from datetime import datetime

from actors.runtime.entity import Effect


@dataclass(frozen=True, slots=True)
class Refresh(Effect):
    """Once-only for rotating tokens: not sent after `not_after`, ended before it."""

    intent_id: str
    app_id: str
    access: bytes
    refresh: bytes | None
    not_after: datetime


@dataclass(frozen=True, slots=True)
class FetchPage(Effect):
    job_id: str
    source: str
    access: bytes
    cursor: str | None
    since: datetime | None
    newer_than_id: str | None


@dataclass(frozen=True, slots=True)
class ChooseRecheck(Effect):
    """Which known content to read by id: what a fully listed window no longer showed, then the newest."""

    job_id: str
    source: str
    window_from: datetime | None
    window_to: datetime | None
    limit: int


@dataclass(frozen=True, slots=True)
class ReadItems(Effect):
    job_id: str
    ids: tuple[str, ...]
    access: bytes


@dataclass(frozen=True, slots=True)
class FetchProfile(Effect):
    access: bytes


@dataclass(frozen=True, slots=True)
class Subscribe(Effect):
    app_id: str
    access: bytes


@dataclass(frozen=True, slots=True)
class Revoke(Effect):
    app_id: str
    access: bytes
    refresh: bytes | None


@dataclass(frozen=True, slots=True)
class ReplayParked(Effect):
    """Events that came before anybody had connected the account."""
