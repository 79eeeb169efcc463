"""The platforms' side of a benchmark without a network: facts, webhooks and parsing are the real ones, and
every call is answered at once with what a small account holds."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from domain.clock import Clock
from domain.content import ContentItem, ContentKind, Engagement, Profile, Text
from domain.secrets import Secret
from platforms.base import Grant, ItemReads, Page, PageQuery, Platform, PlatformApp
from platforms.outcome import LimitReading, LimitScope, Ok, Outcome
from platforms.registry import PLATFORMS
from platforms.spec import TokenModel

POSTS = 5
APP = "rookery"

_TOKEN_BYTES = {"twitter": 68, "instagram": 150}  # printed: 91 and 200 characters, as the platforms' are


def grant(platform: str) -> Grant:
    """A fresh grant with tokens of the length that the platform gives."""
    spec, size = PLATFORMS[platform].spec, _TOKEN_BYTES[platform]
    access, refresh = (base64.urlsafe_b64encode(secrets.token_bytes(size)).decode() for _ in range(2))
    second = Secret(refresh) if spec.token.model is TokenModel.ROTATING else None
    return Grant(Secret(access), second, spec.token.lifetime_s, spec.default_scopes)


def profile(platform: str, external_id: str) -> Profile:
    """About what people write there."""
    return Profile(
        external_id,
        f"shop_{external_id[-7:]}",
        f"Shop number {external_id[-7:]}",
        follower_count=1000 + int(external_id[-5:]),
        profile_image_url=f"https://pbs.example/profile_images/{external_id}/picture_normal.jpg",
        bio=f"Handmade things since {external_id[-3:]}. Orders by message, parcels every Friday.",
        alias_ids=(f"178{external_id}",) if platform == "instagram" else (),
    )


class Answering:
    """`platforms.base.Platform` for accounts whose posts, `POSTS` each, are a day old."""

    insights = ads = commerce = live = None

    def __init__(self, real: Platform, clock: Clock) -> None:
        self.spec = real.spec
        self.split, self.parse, self.verify, self.handshake = (
            real.split,
            real.parse,
            real.verify,
            real.handshake,
        )
        self._clock = clock

    async def refresh(self, http: Any, app: PlatformApp, old: Grant, timeout_s: float) -> Outcome[Grant]:
        return Ok(grant(self.spec.name))

    async def list_page(self, http: Any, token: Secret, external_id: str, query: PageQuery) -> Outcome[Page]:
        nothing = query.source.remarks or query.source.complete
        items = () if nothing else tuple(self._post(f"{external_id}{n}", n) for n in range(POSTS))
        return Ok(Page(items), self._readings(query.source.family))

    async def read_items(
        self, http: Any, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        items = tuple(self._post(id_, int(id_[-1])) for id_ in ids)
        return Ok(ItemReads(items), self._readings(self.spec.batch_read_family))

    async def subscribe(
        self, http: Any, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        return Ok(None)

    def _post(self, id_: str, n: int) -> ContentItem:
        text = Text(
            f"Number {n} is back in stock: https://shop.example/{id_}", links=(f"https://shop.example/{id_}",)
        )
        payload = orjson.dumps({"id": id_, "text": text.text})
        published_at = self._clock.now() - timedelta(days=1, hours=n)
        totals = Engagement(likes=10 * n, comments=n, shares=n)
        return ContentItem(id_, ContentKind.POST, text, payload, published_at=published_at, engagement=totals)

    def _readings(self, family: str) -> tuple[LimitReading, ...]:
        """What the headers of an answer tell: X names its windows, Instagram percentages."""
        if self.spec.name == "instagram":
            return (LimitReading(family, LimitScope.ACCOUNT, 100, 99),)
        resets_at = (self._clock.now() + timedelta(minutes=15)).replace(microsecond=0)
        return (LimitReading(family, LimitScope.ACCOUNT, 900, 890, resets_at),)


def webhook(platform: str, external_id: str, n: int, at_s: float) -> bytes:
    """The n-th webhook body of an account: of X a like or a mention, of Instagram a comment."""
    post = f"{external_id}{n % POSTS}"
    if platform == "instagram":
        comment = {
            "id": f"18{external_id}{n:03}",
            "from": {"id": f"9{n:05}{external_id[-6:]}", "username": f"fan_{n}"},
            "media": {"id": post, "media_product_type": "FEED"},
            "text": f"Is number {n} still there? Asking for a friend.",
        }
        change = {"field": "comments", "value": comment}
        entry = {"id": external_id, "time": int(at_s), "changes": [change]}
        return orjson.dumps({"object": "instagram", "entry": [entry]})
    happened = str(int(at_s * 1000))
    if n % 2:
        like = {"id": f"{post}{n}", "liked_tweet_id": post, "timestamp_ms": happened}
        event = _activity("like.create", external_id, n, like)
    else:
        event = _activity("post.mention.create", external_id, n, _mention(external_id, post, n, happened))
        event["includes"] = {"users": [{"id": "77", "username": f"fan{n}", "name": f"Fan {n}"}]}
    return orjson.dumps({"data": event})


def _activity(kind: str, external_id: str, n: int, payload: dict[str, Any]) -> dict[str, Any]:
    uuid = f"{external_id}{n:04}"
    found = {"user_id": external_id, "direction": "inbound"}
    return {"event_uuid": uuid, "event_type": kind, "filter": found, "tag": kind, "payload": payload}


def _mention(external_id: str, post: str, n: int, at_ms: str) -> dict[str, Any]:
    counts = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count")
    return {
        "id": f"2{external_id}{n:03}",
        "text": f"@demoshop is the blue one of {n} still there? " + "Asking for a friend. " * 5,
        "author_id": "77",
        "timestamp_ms": at_ms,
        "conversation_id": post,
        "edit_history_tweet_ids": [f"2{external_id}{n:03}"],
        "public_metrics": dict.fromkeys(counts, 0),
    }
