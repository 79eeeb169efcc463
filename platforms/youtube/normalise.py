"""YouTube's channels, videos and comments as Rookery's content. Never raises for odd values; what has no id
is None. Source: discovery document `youtube.v3`, schemas Channel, Video, Comment, CommentThread.

YouTube sends no positions of hashtags, mentions and links, so they are found in title and description by the
rules of its help pages; a mention is a handle: 3 to 30 letters, digits, `_`, `-`, `.` and `·`.
"""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from domain.content import (
    ContentItem,
    ContentKind,
    Engagement,
    Media,
    MediaKind,
    Person,
    Profile,
    Remark,
    RemarkKind,
    Text,
)
from platforms.meta.captions import caption_text
from platforms.wire import (
    Json,
    account_id_at,
    count_at,
    flag_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)
from platforms.youtube.spec import CHANNEL_ID

SHORT_MS = 180_000  # a Short may last three minutes since October 2024 (help page on Shorts)
_HANDLE = re.compile(r"(?<![\w@./])@([\w·][\w.·-]{1,28}[\w·])(?![\w-])")
_DURATION = re.compile(
    r"P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?"
)
_SECONDS = (604_800, 86_400, 3600, 60, 1)
_LIVE = ("live", "upcoming")


def content_item(video: Json) -> ContentItem | None:
    video_id = id_at(video, "id")
    if video_id is None:
        return None
    snippet, statistics = mapping(video, "snippet"), mapping(video, "statistics")
    medium = _medium(video, video_id)
    kind = _kind(video, medium)
    return ContentItem(
        external_id=video_id,
        kind=kind,
        text=_text(snippet),
        payload=packed(video),
        media=(medium,),
        published_at=moment_at(snippet, "publishedAt"),
        permalink=permalink(video_id, kind),
        engagement=Engagement(
            # Each is left out when its owner hides it, or comments are off: not zero.
            likes=count_at(statistics, "likeCount"),
            comments=count_at(statistics, "commentCount"),
            views=count_at(statistics, "viewCount"),
        ),
    )


def permalink(video_id: str, kind: ContentKind) -> str:
    if kind is ContentKind.SHORT:
        return f"https://www.youtube.com/shorts/{video_id}"
    return f"https://www.youtube.com/watch?v={video_id}"


def thread_remarks(thread: Json) -> Iterator[Remark]:
    """The comment that began the thread, then the replies that came with it."""
    video_id = id_at(mapping(thread, "snippet"), "videoId")
    top = comment(mapping(thread, "snippet", "topLevelComment"), video_id)
    if top is None:
        return
    yield top
    for reply in objects(mapping(thread, "replies"), "comments"):
        found = comment(reply, video_id)
        if found is not None:
            yield found if found.parent_id else replace(found, parent_id=top.external_id)


def hidden_replies(thread: Json) -> str | None:
    """The id of a thread that has more replies than came with it."""
    shown = sum(1 for _ in objects(mapping(thread, "replies"), "comments"))
    total = count_at(mapping(thread, "snippet"), "totalReplyCount") or 0
    return id_at(thread, "id") if total > shown else None


def comment(row: Json, video_id: str | None = None) -> Remark | None:
    """`video_id`: what the thread says, for replies that do not name it."""
    comment_id = id_at(row, "id")
    if comment_id is None:
        return None
    snippet = mapping(row, "snippet")
    return Remark(
        external_id=comment_id,
        kind=RemarkKind.COMMENT,
        author=_author(snippet),
        # The original is given to its author only; `textFormat=plainText` makes the other one plain.
        text=words(text_at(snippet, "textOriginal", "textDisplay") or ""),
        payload=packed(row),
        content_id=id_at(snippet, "videoId") or video_id,
        parent_id=id_at(snippet, "parentId"),
        at=moment_at(snippet, "publishedAt"),
    )


def chat_message(row: Json) -> Remark | None:
    message_id = id_at(row, "id")
    if message_id is None:
        return None
    snippet, author = mapping(row, "snippet"), mapping(row, "authorDetails")
    return Remark(
        external_id=message_id,
        kind=RemarkKind.MESSAGE,
        author=Person(
            external_id=account_id_at(author, "channelId", shape=CHANNEL_ID)
            or account_id_at(snippet, "authorChannelId", shape=CHANNEL_ID)
            or "",
            name=words_at(author, "displayName"),
        ),
        text=words(text_at(snippet, "displayMessage") or ""),
        payload=packed(row),
        at=moment_at(snippet, "publishedAt"),
    )


def profile(channel: Json) -> Profile | None:
    external_id = account_id_at(channel, "id", shape=CHANNEL_ID)
    if external_id is None:
        return None
    snippet, statistics = mapping(channel, "snippet"), mapping(channel, "statistics")
    title = words_at(snippet, "title") or ""
    hidden = flag_at(statistics, "hiddenSubscriberCount")
    return Profile(
        external_id=external_id,
        # A channel without a handle yet is known by its title.
        username=(words_at(snippet, "customUrl") or "").removeprefix("@") or title or external_id,
        display_name=title,
        follower_count=None if hidden else count_at(statistics, "subscriberCount"),
        profile_image_url=_picture(snippet),
        bio=words_at(snippet, "description") or "",
    )


def words(text: str) -> Text:
    return caption_text(text, mention=_HANDLE)


def duration_ms(text: str | None) -> int | None:
    """ISO 8601 (`PT7M31S`); YouTube writes `P0D` for what has no length yet."""
    found = _DURATION.fullmatch(text or "")
    if found is None or not any(found.groups()):
        return None
    total = sum(int(n or 0) * s for n, s in zip(found.groups(), _SECONDS, strict=True)) * 1000
    return total or None


def _text(snippet: Json) -> Text:
    """Title and description as one text: commerce is found in both."""
    parts = [text_at(snippet, "title") or "", text_at(snippet, "description") or ""]
    language = words_at(snippet, "defaultLanguage", "defaultAudioLanguage")
    return replace(words("\n\n".join(part for part in parts if part)), language=language)


def _author(snippet: Json) -> Person:
    shown = words_at(snippet, "authorDisplayName")
    handle = shown.removeprefix("@") if shown and shown.startswith("@") else None
    return Person(
        external_id=account_id_at(mapping(snippet, "authorChannelId"), "value", shape=CHANNEL_ID) or "",
        username=handle,
        name=shown,
    )


def _medium(video: Json, video_id: str) -> Media:
    """Width and height are told to the owner only, and only of what was uploaded."""
    stream = next(objects(mapping(video, "fileDetails"), "videoStreams"), {})
    width, height = count_at(stream, "widthPixels"), count_at(stream, "heightPixels")
    if text_at(stream, "rotation") in ("clockwise", "counterClockwise"):
        width, height = height, width
    return Media(
        kind=MediaKind.VIDEO,
        preview_url=_picture(mapping(video, "snippet")),
        width=width,
        height=height,
        duration_ms=duration_ms(text_at(mapping(video, "contentDetails"), "duration")),
        platform_id=video_id,
    )


def _kind(video: Json, medium: Media) -> ContentKind:
    """YouTube names no Shorts. A thumbnail in their shape is its sign since November 2026; for older ones the
    file tells: upright or square, and three minutes at most."""
    snippet = mapping(video, "snippet")
    if text_at(snippet, "liveBroadcastContent") in _LIVE or mapping(video, "liveStreamingDetails"):
        return ContentKind.LIVE
    if mapping(snippet, "thumbnails", "shortsAspectRatio"):
        return ContentKind.SHORT
    upright = medium.width is not None and medium.height is not None and medium.width <= medium.height
    if upright and medium.duration_ms is not None and medium.duration_ms <= SHORT_MS:
        return ContentKind.SHORT
    return ContentKind.VIDEO


def _picture(snippet: Json) -> str | None:
    """The largest thumbnail."""
    thumbnails = mapping(snippet, "thumbnails")
    rows = [mapping(thumbnails, name) for name in thumbnails]
    largest = max(rows, key=lambda row: count_at(row, "width") or 0, default={})
    return words_at(largest, "url")
