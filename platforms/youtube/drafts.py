"""What YouTube takes as a video, and a draft as YouTube's own resource.

Sources: discovery document `youtube.v3`, videos.insert; yt/reference/rest/v3/videos; YouTube's help pages.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, DraftMedia, FileRules, KindRules, Refusal, refusals
from platforms.wire import moment_at
from platforms.youtube.normalise import SHORT_MS, words

_VIDEO_TYPES = (
    "video/mp4",
    "video/quicktime",
    "video/webm",
    "video/mpeg",
    "video/x-msvideo",
    "video/x-matroska",
    "video/3gpp",
    "application/octet-stream",
)
_HALF_DAY_MS = 12 * 3600 * 1000
# discovery, videos.insert: 256 GiB; help page "Upload videos longer than 15 minutes": twelve hours
_FILE = FileRules(_VIDEO_TYPES, 274_877_906_944, duration_ms=(1, _HALF_DAY_MS))
# discovery, thumbnails.set: 50 MiB since September 2026
_THUMBNAIL = FileRules(("image/jpeg", "image/png"), 52_428_800)
# yt/reference/rest/v3/videos: a title of 100 characters, a description of 5000 bytes
_VIDEO = KindRules(
    text_max=5000,
    text_length=lambda text: len(text.encode()),
    title_max=100,
    title_required=True,
    files=(1, 2),  # the video, and a picture that becomes its thumbnail
    image=_THUMBNAIL,
    video=_FILE,
    mixed=True,
    link=False,  # there is no field for it: `adapt` puts it into the description
)
_SHORT = replace(_VIDEO, video=replace(_FILE, duration_ms=(1, SHORT_MS), ratio=(0.01, 1.0)))
_TAGS_MAX = 500  # characters in all, with a comma between two and quotes around one that holds a space
RULES: Mapping[ContentKind, KindRules] = {ContentKind.VIDEO: _VIDEO, ContentKind.SHORT: _SHORT}
TITLE_MAX = _VIDEO.title_max

# options by YouTube's names -> (part, whether a value is right)
_OPTIONS: dict[str, tuple[str, Any]] = {
    "categoryId": ("snippet", lambda v: isinstance(v, str) and v.isdigit()),
    "defaultLanguage": ("snippet", lambda v: isinstance(v, str)),
    "tags": ("snippet", lambda v: isinstance(v, list | tuple) and all(isinstance(t, str) for t in v)),
    "privacyStatus": ("status", lambda v: v in ("public", "unlisted", "private")),
    "publishAt": ("status", lambda v: moment_at({"at": v}, "at") is not None and isinstance(v, str)),
    "license": ("status", lambda v: v in ("youtube", "creativeCommon")),
    "embeddable": ("status", lambda v: isinstance(v, bool)),
    "selfDeclaredMadeForKids": ("status", lambda v: isinstance(v, bool)),
    "containsSyntheticMedia": ("status", lambda v: isinstance(v, bool)),
    "hasPaidProductPlacement": ("paidProductPlacementDetails", lambda v: isinstance(v, bool)),
    "notifySubscribers": ("", lambda v: isinstance(v, bool)),
    # Of Rookery: a list of {"language", "text", "name"}, uploaded as caption tracks once the video is there.
    "captions": ("", lambda v: _are_captions(v)),
}


WRITABLE = {
    "snippet": ("title", "description", "tags", "categoryId", "defaultLanguage", "defaultAudioLanguage"),
    "status": tuple(name for name, (part, _) in _OPTIONS.items() if part == "status"),
    "paidProductPlacementDetails": ("hasPaidProductPlacement",),
}


def resource(draft: Draft, *, whole: bool = True) -> dict[str, dict[str, Any]]:
    """The video resource of a draft, by parts. `whole`: with what YouTube needs of a new one."""
    parts: dict[str, dict[str, Any]] = {"snippet": {}}
    if whole or draft.title is not None:
        parts["snippet"]["title"] = draft.title or ""
    if whole or draft.text:
        parts["snippet"]["description"] = draft.text
    if whole:
        # Since November 2026 a video without it would be public: said, not left to a default.
        parts["status"] = {"privacyStatus": "private" if "publishAt" in draft.options else "public"}
    for name, value in draft.options.items():
        part = _OPTIONS[name][0] if name in _OPTIONS else ""
        if part:
            parts.setdefault(part, {})[name] = list(value) if name == "tags" else value
    return parts


def captions_of(draft: Draft) -> list[tuple[str, str, str]]:
    """Language, name and text of each caption track that belongs to the draft."""
    rows = draft.options.get("captions", ())
    return [(row["language"], row.get("name", ""), row["text"]) for row in rows]


def _are_captions(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not all(isinstance(row, Mapping) for row in value):
        return False
    named = [(row.get("language"), row.get("name", "")) for row in value]
    return len(set(named)) == len(named) and all(
        set(row) <= {"language", "name", "text"}
        and isinstance(row.get("language"), str)
        and bool(row["language"])
        and isinstance(row.get("name", ""), str)
        and isinstance(row.get("text"), str)
        and "-->" in row["text"]
        for row in value
    )


def all_refusals(draft: Draft) -> list[Refusal]:
    found = words(f"{draft.title or ''}\n{draft.text}")
    return [
        *refusals(draft, RULES, found.hashtags, found.mentions),
        *_media_refusals(draft),
        *_text_refusals(draft),
        *_option_refusals(draft.options),
    ]


def video_of(draft: Draft) -> DraftMedia | None:
    return next((m for m in draft.media if m.kind is MediaKind.VIDEO), None)


def thumbnail_of(draft: Draft) -> DraftMedia | None:
    return next((m for m in draft.media if m.kind is MediaKind.IMAGE), None)


def _media_refusals(draft: Draft) -> list[Refusal]:
    kinds = [m.kind for m in draft.media]
    found = []
    if kinds and kinds.count(MediaKind.VIDEO) != 1:
        found.append(Refusal("video", "Exactly one video is taken, and a picture as its thumbnail.", "media"))
    if any(m.size == 0 for m in draft.media):
        found.append(Refusal("empty", "A file is empty.", "media"))
    if draft.reply_to is not None:
        found.append(Refusal("reply_to", "A video answers nothing on YouTube.", "reply_to"))
    if draft.product_tags:
        message = "YouTube has no call that tags products: tag them in YouTube Studio."
        found.append(Refusal("product_tags", message, "product_tags"))
    return found


def _text_refusals(draft: Draft) -> list[Refusal]:
    """yt/reference/rest/v3/videos: neither title nor description may hold angle brackets."""
    return [
        Refusal("characters", f"The {name} must not hold < or >.", name)
        for name, value in (("title", draft.title or ""), ("text", draft.text))
        if "<" in value or ">" in value
    ]


def _option_refusals(options: Mapping[str, Any]) -> list[Refusal]:
    found = []
    for name, value in options.items():
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            found.append(Refusal("option", f"There is no option {name!r}; known are {known}.", "options"))
        elif not _OPTIONS[name][1](value):
            shown = json.dumps(value, default=str)[:60]
            found.append(Refusal("option", f"{name} cannot be {shown}.", f"options.{name}"))
    if "publishAt" in options and options.get("privacyStatus", "private") != "private":
        message = "A video with publishAt is private until then: privacyStatus must be private."
        found.append(Refusal("publish_at", message, "options.publishAt"))
    tags = options.get("tags")
    if isinstance(tags, list | tuple):
        length = sum(len(str(t)) + 2 * (" " in str(t)) for t in tags) + max(0, len(tags) - 1)
        if length > _TAGS_MAX:
            message = f"The tags count {length} characters; at most {_TAGS_MAX} are taken."
            found.append(Refusal("tags", message, "options.tags"))
    return found
