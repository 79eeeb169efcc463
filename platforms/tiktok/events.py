"""What an entry cut by `webhooks.split` tells. Never raises: what is not understood is Happening.OTHER.

TikTok tells this service of publications and permissions only: no likes, comments or follows.
Source: TD/webhooks-events, TD/content-posting-api-reference-get-video-status, TS/update-shop-webhook.
"""

from msgspec.structs import replace

from domain.content import Happening, PlatformEvent
from platforms.base import RawEntry
from platforms.tiktok.webhooks import happening
from platforms.wire import id_at, moment_at

_PUBLIC = "post.publish.publicly_available"
# Spelt as on the wire, and as the word is spelt, should that be mended.
_NOT_PUBLIC = frozenset(
    {"post.publish.no_longer_publicaly_available", "post.publish.no_longer_publicly_available"}
)
_ORDER = frozenset({"shop.1", "shop.3", "shop.4", "shop.11", "shop.12"})
_PRODUCT = frozenset({"shop.5", "shop.15", "shop.16"})
_SHOP_LEFT = "shop.6"


def parse(entry: RawEntry) -> PlatformEvent:
    name, body, content = happening(entry)
    event = PlatformEvent(
        entry.external_id,
        entry.event_id,
        Happening.OTHER,
        occurred_at=moment_at(body, "create_time", "timestamp"),
    )
    if name in ("authorization.removed", _SHOP_LEFT):
        return replace(event, what=Happening.ACCESS_REVOKED)
    post_id = id_at(content, "post_id")
    if name == _PUBLIC and post_id:
        # Words and numbers are not in it: they come with the next listing.
        return replace(event, what=Happening.CONTENT_CREATED, subject_id=post_id, content_id=post_id)
    if name in _NOT_PUBLIC and post_id:
        return replace(event, what=Happening.CONTENT_DELETED, subject_id=post_id, content_id=post_id)
    if name in _ORDER:
        return replace(event, subject_id=id_at(content, "order_id"))
    if name in _PRODUCT:
        return replace(event, subject_id=id_at(content, "product_id"))
    return replace(event, subject_id=id_at(content, "publish_id", "share_id", "request_id"))
