"""Live broadcasts on platforms that have them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.content import Remark


class BroadcastStatus(StrEnum):
    CREATED = "created"
    READY = "ready"
    TESTING = "testing"
    LIVE = "live"
    COMPLETE = "complete"
    CANCELLED = "cancelled"  # planned, and called off or not begun in time
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Broadcast:
    external_id: str
    title: str
    status: BroadcastStatus
    native_status: str
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    viewers: int | None = None
    stream_id: str | None = None
    chat_id: str | None = None
    permalink: str | None = None
    embed_html: str | None = None  # the platform's own markup of a player: not ours to vouch for
    payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class BroadcastPage:
    items: tuple[Broadcast, ...] = ()
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Where an encoder sends to. The name is a secret: whoever has it can broadcast."""

    external_id: str
    address: str
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChatPage:
    messages: tuple[Remark, ...] = ()
    next_cursor: str | None = None
    wait_s: float = 5.0  # the platform says how often it may be asked
    ended: bool = False
