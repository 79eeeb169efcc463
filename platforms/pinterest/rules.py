"""What Pinterest takes as a Pin, as data, and what it would refuse before anything is sent.

Source: PO/ PinCreate, PinMediaSource*; sizes and lengths of files are second-hand.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, FileRules, KindRules, Refusal
from domain.publishing import refusals as broken_rules
from platforms.meta.captions import caption_text
from platforms.pinterest import tags

ALT_TEXT_MAX, LINK_MAX = 500, 2048

_IMAGE = FileRules(content_types=("image/jpeg", "image/png"), max_bytes=10_000_000)
_VIDEO = FileRules(
    content_types=("video/mp4", "video/quicktime", "video/x-m4v"),
    max_bytes=2_000_000_000,  # 2 GB, decimal or binary: the smaller
    duration_ms=(4_000, 900_000),
)
_PIN = KindRules(text_max=800, title_max=100, files=(1, 1), image=_IMAGE)
RULES: Mapping[ContentKind, KindRules] = {
    ContentKind.PIN: _PIN,
    ContentKind.VIDEO: replace(_PIN, image=None, video=_VIDEO),
    ContentKind.CAROUSEL: replace(_PIN, files=(2, 5)),
}
_CROSS_POSTED = frozenset(
    {ContentKind.POST, ContentKind.PHOTO, ContentKind.PIN, ContentKind.REEL, ContentKind.SHORT}
)

# A draft's options: Pinterest's own names, and `pull`: Pinterest fetches the pictures from their public
# addresses instead of being sent them.
_OPTIONS: Mapping[str, type] = {
    "board_id": str,
    "board_section_id": str,
    "dominant_color": str,
    "pull": bool,
}
_OF_VIDEO: Mapping[str, type] = {
    "board_id": str,
    "board_section_id": str,
    "dominant_color": str,
    "cover_image_url": str,
    "cover_image_key_frame_time": int,
}
_ID = re.compile(r"[0-9]{1,32}")


def adapt(draft: Draft) -> Draft:
    """What the files are decides what kind of Pin it is."""
    if draft.kind not in _CROSS_POSTED or not draft.media:
        return draft
    if len(draft.media) > 1:
        return replace(draft, kind=ContentKind.CAROUSEL)
    film = draft.media[0].kind is MediaKind.VIDEO
    return replace(draft, kind=ContentKind.VIDEO if film else ContentKind.PIN)


def refusals(draft: Draft) -> list[Refusal]:
    words = caption_text(draft.text)
    found = broken_rules(draft, RULES, words.hashtags, words.mentions)
    if draft.reply_to is not None:
        found.append(Refusal("reply", "Pinterest's API publishes no comments.", "reply_to"))
    if draft.link is not None and not _is_link(draft.link):
        message = f"The link is an http(s) address of at most {LINK_MAX} characters."
        found.append(Refusal("link", message, "link"))
    alt_text = draft.media[0].alt_text if draft.media else None
    if alt_text is not None and len(alt_text) > ALT_TEXT_MAX:
        message = f"The alt text has {len(alt_text)} characters; at most {ALT_TEXT_MAX} are taken."
        found.append(Refusal("alt_text", message, "media.0"))
    return found + _tag_refusals(draft) + _option_refusals(draft)


def _tag_refusals(draft: Draft) -> list[Refusal]:
    """A product is tagged by its Pin's id, in the Pin as a whole (PO/ 5.28 ProductTagsBulkAddRequest)."""
    found = []
    ids = [tag.product_id for tag in draft.product_tags]
    if len(ids) > tags.AT_MOST or len(set(ids)) < len(ids):
        message = f"A Pin takes at most {tags.AT_MOST} product tags, each product once."
        found.append(Refusal("product_tags", message, "product_tags"))
    for n, tag in enumerate(draft.product_tags):
        if not _ID.fullmatch(tag.product_id):
            message = f"Product tag {n}: the product is named by its Pin's id, which is digits."
            found.append(Refusal("product_tag_id", message, f"product_tags.{n}"))
        if (tag.media, tag.x, tag.y) != (0, None, None):
            message = f"Product tag {n}: a tag at Pinterest has no place and belongs to no single picture."
            found.append(Refusal("product_tag_place", message, f"product_tags.{n}"))
    return found


def _is_link(link: str) -> bool:
    return len(link) <= LINK_MAX and link.startswith(("http://", "https://"))


def _option_refusals(draft: Draft) -> list[Refusal]:
    known = _OF_VIDEO if draft.kind is ContentKind.VIDEO else _OPTIONS
    found = []
    if "board_id" not in draft.options:
        message = "A Pin is on a board: the option board_id names it (boards are listed as content)."
        found.append(Refusal("board", message, "options.board_id"))
    for name, value in draft.options.items():
        field = f"options.{name}"
        if name not in known:
            message = f"This kind of Pin has no option {name!r}; it has {', '.join(sorted(known))}."
            found.append(Refusal("option_unknown", message, field))
        elif type(value) is not known[name] or (isinstance(value, int) and value < 0):
            words = {bool: "true or false", int: "a whole number from 0", str: "a text"}[known[name]]
            found.append(Refusal("option_type", f"The option {name} is {words}.", field))
        elif name in ("board_id", "board_section_id") and not _ID.fullmatch(str(value)):
            found.append(Refusal("option_type", f"The option {name} is an id: digits.", field))
    return found
