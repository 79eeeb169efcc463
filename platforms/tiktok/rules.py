"""What TikTok takes as a post, as data, and what it would refuse before anything is sent.

Source: TD/content-posting-api-reference-direct-post, -photo-post, -media-transfer-guide.
"""

from collections.abc import Mapping
from dataclasses import replace

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, FileRules, KindRules, Refusal
from domain.publishing import refusals as broken_rules
from platforms.meta.captions import caption_text

PUBLIC = "PUBLIC_TO_EVERYONE"
PRIVACY_LEVELS = (PUBLIC, "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY")
CHUNK = 6_000_000  # at least 5 MB, whether decimal or binary (unconfirmed), and small to send again
PHOTO_KINDS = frozenset({ContentKind.PHOTO, ContentKind.CAROUSEL})


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


_VIDEO = FileRules(
    content_types=("video/mp4", "video/quicktime", "video/webm"),
    max_bytes=4_000_000_000,  # 4 GB, decimal or binary: the smaller
    width=(360, 4096),
    height=(360, 4096),
    duration_ms=(1000, 600_000),  # the account's own limit is asked for before the post
    codecs=("h264", "h265", "hevc", "vp8", "vp9"),
    frames_per_s=(23.0, 60.0),
)
_IMAGE = FileRules(
    content_types=("image/jpeg", "image/webp"),
    max_bytes=20_000_000,
    width=(1, 1920),  # "1080p", upright or not
    height=(1, 1920),
)
_PHOTOS = KindRules(
    text_max=4000, text_length=utf16_units, title_max=90, files=(1, 1), image=_IMAGE, link=False
)
RULES: Mapping[ContentKind, KindRules] = {
    ContentKind.VIDEO: KindRules(
        text_max=2200, text_length=utf16_units, files=(1, 1), video=_VIDEO, link=False
    ),
    ContentKind.PHOTO: _PHOTOS,
    ContentKind.CAROUSEL: replace(_PHOTOS, files=(2, 35)),
}
_CROSS_POSTED = {ContentKind.REEL: ContentKind.VIDEO, ContentKind.SHORT: ContentKind.VIDEO}

# A draft's options: TikTok's own names, and two of ours. `inbox`: into the creator's inbox, who posts it;
# `pull`: TikTok fetches the video from its public address instead of being sent it.
_COMMON: Mapping[str, type] = {
    "privacy_level": str,
    "disable_comment": bool,
    "brand_content_toggle": bool,
    "brand_organic_toggle": bool,
    "inbox": bool,
}
_OF_VIDEO: Mapping[str, type] = {
    **_COMMON,
    "disable_duet": bool,
    "disable_stitch": bool,
    "is_aigc": bool,
    "video_cover_timestamp_ms": int,
    "pull": bool,
}
_OF_PHOTOS: Mapping[str, type] = {**_COMMON, "auto_add_music": bool, "photo_cover_index": int}


def adapt(draft: Draft) -> Draft:
    """TikTok has no field for a link, and none for a video's title: both become part of the caption."""
    kind = _CROSS_POSTED.get(draft.kind, draft.kind)
    title = draft.title if kind in PHOTO_KINDS else None
    link = None if draft.link is None or draft.link in draft.text else draft.link
    parts = [None if title else draft.title, draft.text, link]
    return replace(draft, kind=kind, title=title, text="\n".join(p for p in parts if p), link=None)


def refusals(draft: Draft) -> list[Refusal]:
    words = caption_text(draft.text)
    found = broken_rules(draft, RULES, words.hashtags, words.mentions)
    if draft.reply_to is not None:
        found.append(Refusal("reply", "TikTok's API publishes no replies.", "reply_to"))
    if draft.product_tags:
        found.append(Refusal("product_tags", "TikTok's API tags no products in posts.", "product_tags"))
    return found + _option_refusals(draft)


def pulls(draft: Draft) -> bool:
    """Whether TikTok fetches the files itself: always for photos."""
    return draft.kind in PHOTO_KINDS or bool(draft.options.get("pull"))


def chunk_of(size: int) -> tuple[int, int]:
    """Size and number of an upload's chunks: the remainder is part of the last one."""
    return (size, 1) if size < 2 * CHUNK else (CHUNK, size // CHUNK)


def _option_refusals(draft: Draft) -> list[Refusal]:
    known = _OF_PHOTOS if draft.kind in PHOTO_KINDS else _OF_VIDEO
    found = []
    for name, value in draft.options.items():
        field = f"options.{name}"
        if name not in known:
            message = f"This kind of post has no option {name!r}; it has {', '.join(sorted(known))}."
            found.append(Refusal("option_unknown", message, field))
        elif type(value) is not known[name] or (isinstance(value, int) and value < 0):
            words = {bool: "true or false", int: "a whole number from 0", str: "a text"}[known[name]]
            found.append(Refusal("option_type", f"The option {name} is {words}.", field))
        elif name == "privacy_level" and value not in PRIVACY_LEVELS:
            message = f"privacy_level is one of {', '.join(PRIVACY_LEVELS)}."
            found.append(Refusal("privacy_level", message, field))
        elif name == "photo_cover_index" and isinstance(value, int) and value >= len(draft.media):
            message = f"photo_cover_index counts the {len(draft.media)} photos from 0."
            found.append(Refusal("photo_cover_index", message, field))
    return found


def is_video(draft: Draft) -> bool:
    return bool(draft.media) and draft.media[0].kind is MediaKind.VIDEO
