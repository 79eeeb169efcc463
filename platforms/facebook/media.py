"""What Facebook takes as one piece, as data, and what data cannot say.

Sources: docs/graph-api/reference/page/{feed,photos,videos}, documentation/video-api/guides/reels-publishing,
docs/page-stories-api. Where two of Meta's pages differ the narrower is taken (photos apart: 10 MB is what the
reference and the upload itself say). Unconfirmed: the longest text, and the sizes of videos.
"""

from collections.abc import Mapping
from dataclasses import replace

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, FileRules, KindRules, Refusal, refusals
from platforms.meta.captions import caption_text

_MB = 1024 * 1024
_TEXT_MAX = 63_206
_PHOTO = FileRules(("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff"), 10 * _MB)
_FILMS = ("video/mp4", "video/quicktime")
_VIDEO = FileRules(_FILMS, 1024 * _MB, duration_ms=(1_000, 20 * 60_000))
# 3 to 90 s, 9:16, at least 540 x 960, 24 to 60 frames a second
_REEL = FileRules(
    _FILMS,
    1024 * _MB,
    width=(540, 4096),
    height=(960, 7680),
    ratio=(0.55, 0.575),
    duration_ms=(3_000, 90_000),
    frames_per_s=(23.9, 60),
)
_STORY_FILM = replace(_REEL, duration_ms=(3_000, 60_000))

RULES: Mapping[ContentKind, KindRules] = {
    ContentKind.POST: KindRules(text_max=_TEXT_MAX),
    ContentKind.PHOTO: KindRules(text_max=_TEXT_MAX, files=(1, 1), image=_PHOTO, link=False),
    ContentKind.CAROUSEL: KindRules(text_max=_TEXT_MAX, files=(2, 10), image=_PHOTO, link=False),
    ContentKind.VIDEO: KindRules(text_max=_TEXT_MAX, title_max=255, files=(1, 1), video=_VIDEO, link=False),
    ContentKind.REEL: KindRules(text_max=_TEXT_MAX, title_max=255, files=(1, 1), video=_REEL, link=False),
    ContentKind.STORY: KindRules(text_max=0, files=(1, 1), image=_PHOTO, video=_STORY_FILM, link=False),
}
_MAPPED = {ContentKind.SHORT: ContentKind.REEL, ContentKind.PIN: ContentKind.PHOTO}


def adapt(draft: Draft) -> Draft:
    """A link beside files goes into the text: Facebook has a field for it on posts without files only."""
    draft = replace(draft, kind=_MAPPED.get(draft.kind, draft.kind))
    rules = RULES.get(draft.kind)
    if rules is None or rules.link or draft.link is None or not rules.text_max:
        return draft
    text = draft.text if draft.link in draft.text else f"{draft.text}\n\n{draft.link}".strip()
    return replace(draft, text=text, link=None)


def refused(draft: Draft) -> list[Refusal]:
    found = refusals(draft, RULES, caption_text(draft.text).hashtags, ())
    if draft.kind is ContentKind.POST and not draft.text.strip() and draft.link is None:
        found.append(Refusal("text_required", "A post needs a text or a link.", "text"))
    if draft.reply_to is not None and (draft.kind is not ContentKind.POST or not draft.text.strip()):
        found.append(
            Refusal("reply_to", "A comment is a text: publish it as a post with a text.", "reply_to")
        )
    if draft.reply_to is not None and draft.link is not None:
        found.append(Refusal("link", "A comment has no link of its own: put it into the text.", "link"))
    if draft.product_tags:
        message = "Facebook's API has no way to tag products on a page's posts."
        found.append(Refusal("product_tags", message, "product_tags"))
    found += [
        Refusal("option", f"Facebook has no option {name[:40]!r} here.", f"options.{name[:40]}")
        for name in sorted(draft.options)
    ]
    if any(medium.kind is MediaKind.UNKNOWN for medium in draft.media):
        found.append(Refusal("media_kind", "The kind of a file is not known.", "media"))
    return found
