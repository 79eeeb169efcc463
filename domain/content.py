"""One model for what every platform publishes and what people answer to it (R1, R3).

The platform's own payload travels beside the normalised form as the JSON bytes it came in: arbitrary JSON
does not survive BSON (64-bit overflow, lone surrogates, NUL keys), bytes do.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict


class ContentKind(StrEnum):
    POST = "post"  # text, possibly with links
    PHOTO = "photo"
    VIDEO = "video"
    CAROUSEL = "carousel"
    REEL = "reel"
    STORY = "story"
    LIVE = "live"
    SHORT = "short"
    PIN = "pin"
    BOARD = "board"  # a named collection of pins
    UNKNOWN = "unknown"  # a kind the platform invented after us: kept, never dropped


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    GIF = "gif"
    UNKNOWN = "unknown"


class Media(Struct, frozen=True):
    kind: MediaKind
    url: str | None = None  # may be signed and expire
    preview_url: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    alt_text: str | None = None
    platform_id: str | None = None


class Text(Struct, frozen=True):
    """Normalised text: valid Unicode without NUL or lone surrogates; lists keep order, without repeats."""

    text: str = ""
    hashtags: tuple[str, ...] = ()  # without '#'
    mentions: tuple[str, ...] = ()  # user names without '@'
    links: tuple[str, ...] = ()  # expanded where the platform tells the target
    language: str | None = None


class Engagement(Struct, frozen=True):
    """Totals as the platform tells them. None means "not available", which is not zero."""

    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    views: int | None = None
    click_throughs: int | None = None


class Person(Struct, frozen=True):
    """Somebody on a platform. Personal data: sealed wherever it is stored."""

    external_id: str
    username: str | None = None
    name: str | None = None


class ContentItem(Struct, frozen=True):
    """One piece of content of the connected account itself."""

    external_id: str
    kind: ContentKind
    text: Text
    payload: bytes  # the platform's own JSON
    media: tuple[Media, ...] = ()
    published_at: datetime | None = None
    edited_at: datetime | None = None
    permalink: str | None = None
    engagement: Engagement = Engagement()
    replaces: tuple[str, ...] = ()  # earlier ids of the same piece (X: edits make a new id)


class RemarkKind(StrEnum):
    COMMENT = "comment"  # under content of the account (X: a reply)
    MENTION = "mention"
    QUOTE = "quote"
    MESSAGE = "message"


class Remark(Struct, frozen=True):
    """Other people's words addressed to the account. Personal data: sealed wherever it is stored."""

    external_id: str
    kind: RemarkKind
    author: Person
    text: Text
    payload: bytes
    content_id: str | None = None  # external id of the content it belongs to
    parent_id: str | None = None  # external id of the remark it answers
    at: datetime | None = None


class Profile(Struct, frozen=True):
    external_id: str
    username: str
    display_name: str = ""
    follower_count: int | None = None
    profile_image_url: str | None = None
    bio: str = ""
    is_verified: bool = False
    alias_ids: tuple[str, ...] = field(default=())  # other ids of the same account (Instagram has two)

    def facts(self) -> dict[str, Any]:
        """What a message carries: JSON values by field name, without the id, which addresses it."""
        facts = asdict(self) | {"alias_ids": list(self.alias_ids)}
        del facts["external_id"]
        return facts


class Happening(StrEnum):
    """What a webhook entry tells, in words every platform shares."""

    CONTENT_CREATED = "content_created"
    CONTENT_EDITED = "content_edited"
    CONTENT_DELETED = "content_deleted"
    REMARKED = "remarked"  # comment, reply, mention, quote, message: see `remark.kind`
    REMARK_DELETED = "remark_deleted"
    LIKED = "liked"
    UNLIKED = "unliked"
    SHARED = "shared"
    FOLLOWED = "followed"
    UNFOLLOWED = "unfollowed"
    PROFILE_CHANGED = "profile_changed"
    TOTALS = "totals"  # the entry carries totals (Instagram story insights)
    ACCESS_REVOKED = "access_revoked"
    LEASED = "leased"  # webhooks were granted for `lease_s`
    OTHER = "other"  # verified and understood as JSON, but nothing Rookery acts on


class PlatformEvent(Struct, frozen=True):
    """One thing that happened, parsed from a webhook entry.

    `subject_id` is the platform's id of the thing itself (the reply, the comment); `content_id` the
    account's content it concerns. Content created or edited without `content` was only named: it is read.
    `occurred_at` is the platform's time of the happening where it tells it.
    """

    external_id: str  # the connected account concerned
    event_id: str  # the platform's, or a hash of the entry: what makes it take effect once
    what: Happening
    occurred_at: datetime | None = None
    subject_id: str | None = None
    content_id: str | None = None
    content: ContentItem | None = None
    remark: Remark | None = None
    totals: Engagement | None = None
    lease_s: int | None = None
