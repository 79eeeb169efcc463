"""What an entry of `webhooks` tells. Never raises. Source: yt/guides/push_notifications.

The feed tells a title and two times; everything else is read by the video's id. A tombstone is sent when a
video is deleted and when it is made private, so it is no proof of a deletion: reading by id is.
"""

from datetime import timedelta

from domain.content import Happening, PlatformEvent
from platforms.base import RawEntry
from platforms.wire import NotJson, count_at, decode, id_at, moment_at

# A new video is told of within minutes; an edit of its title or description later, in the same shape.
_NEW_FOR = timedelta(minutes=10)


def parse(entry: RawEntry) -> PlatformEvent:
    try:
        told = decode(entry.raw)
    except NotJson:
        told = {}
    lease_s = count_at(told, "lease_s")
    if lease_s is not None:
        return PlatformEvent(entry.external_id, entry.event_id, Happening.LEASED, lease_s=lease_s)
    video_id = id_at(told, "video", "gone")
    if video_id is None:
        return PlatformEvent(entry.external_id, entry.event_id, Happening.OTHER)
    published, updated = moment_at(told, "published"), moment_at(told, "updated", "when")
    new = published is not None and updated is not None and updated - published < _NEW_FOR
    return PlatformEvent(
        entry.external_id,
        entry.event_id,
        Happening.CONTENT_CREATED if new else Happening.CONTENT_EDITED,
        occurred_at=updated,
        subject_id=video_id,
        content_id=video_id,
    )
