"""What Instagram takes as one piece, as data, and what data cannot say.

Sources: IGP/content-publishing, IGP/instagram-graph-api/reference/ig-user/media. Megabytes are read as
decimal, the narrower way. Widths of pictures are no rule: no error exists for them. A carousel has at most 10
items by Meta's guide, 20 by a younger article.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, FileRules, KindRules, Refusal, refusals
from platforms.meta.captions import caption_text

_MB = 1_000_000
_CAPTION_MAX, _HASHTAGS_MAX, _MENTIONS_MAX = 2200, 30, 20
_ALT_TEXT_MAX, _COLLABORATORS_MAX = 1000, 3
_TAGS_MAX, _TAGS_IN_ALL = 5, 20
_CAROUSEL = (2, 10)
_FILMS, _CODECS = ("video/mp4", "video/quicktime"), ("h264", "hevc")

_PICTURE = FileRules(("image/jpeg",), 8 * _MB, ratio=(0.8, 1.91))
_REEL = FileRules(
    _FILMS,
    300 * _MB,
    width=(1, 1920),
    duration_ms=(3_000, 15 * 60_000),
    codecs=_CODECS,
    frames_per_s=(22.9, 60),
)
_STORY_FILM = replace(_REEL, max_bytes=100 * _MB, duration_ms=(3_000, 60_000))

_CAPTIONED = KindRules(
    text_max=_CAPTION_MAX, hashtags_max=_HASHTAGS_MAX, mentions_max=_MENTIONS_MAX, link=False
)
RULES: Mapping[ContentKind, KindRules] = {
    ContentKind.PHOTO: replace(_CAPTIONED, files=(1, 1), image=_PICTURE),
    ContentKind.CAROUSEL: replace(_CAPTIONED, files=_CAROUSEL, image=_PICTURE, video=_REEL, mixed=True),
    ContentKind.REEL: replace(_CAPTIONED, files=(1, 1), video=_REEL),
    ContentKind.STORY: KindRules(
        text_max=0, files=(1, 1), image=replace(_PICTURE, ratio=None), video=_STORY_FILM, link=False
    ),
}
# A comment is a text; how long it may be no page says.
_COMMENT = KindRules(text_max=_CAPTION_MAX, text_required=True, link=False)

_PHOTO, _ALBUM, _FILM, _STORY = ContentKind.PHOTO, ContentKind.CAROUSEL, ContentKind.REEL, ContentKind.STORY
OPTIONS: Mapping[str, frozenset[ContentKind]] = {
    "location_id": frozenset({_PHOTO}),
    "user_tags": frozenset({_PHOTO, _FILM, _STORY}),
    "collaborators": frozenset({_PHOTO, _FILM}),
    "share_to_feed": frozenset({_FILM}),
    "cover_url": frozenset({_FILM}),
    "thumb_offset": frozenset({_FILM}),  # milliseconds
    "audio_name": frozenset({_FILM}),
    "trial_params": frozenset({_FILM}),
    "is_ai_generated": frozenset({_PHOTO, _ALBUM, _FILM, _STORY}),
    "is_paid_partnership": frozenset({_PHOTO, _ALBUM, _FILM}),
}
"""Settings by Instagram's own names, and the kinds that have them."""


def adapt(draft: Draft) -> Draft:
    """Single films are reels (since November 2023 there is no other kind); a link goes into the caption,
    where it is shown although nobody can follow it; there are no titles."""
    kind, media = draft.kind, draft.media
    if kind in (ContentKind.VIDEO, ContentKind.SHORT):
        kind = ContentKind.REEL
    elif kind in (ContentKind.POST, ContentKind.PIN) and media and draft.reply_to is None:
        film = media[0].kind is MediaKind.VIDEO
        kind = ContentKind.CAROUSEL if len(media) > 1 else ContentKind.REEL if film else ContentKind.PHOTO
    text, link = draft.text, draft.link
    if link is not None and kind is not ContentKind.STORY:
        text, link = text if link in text else f"{text}\n\n{link}".strip(), None
    return replace(draft, kind=kind, text=text, link=link, title=None)


def refused(draft: Draft) -> list[Refusal]:
    rules = {ContentKind.POST: _COMMENT} if draft.reply_to is not None else RULES
    words = caption_text(draft.text)
    found = refusals(draft, rules, words.hashtags, words.mentions)
    found += _tag_refusals(draft)
    for n, medium in enumerate(draft.media):
        if len(medium.alt_text or "") > _ALT_TEXT_MAX:
            message = f"The alternative text is longer than {_ALT_TEXT_MAX} characters."
            found.append(Refusal("alt_text_length", message, f"media.{n}"))
    return found + [r for name, value in sorted(draft.options.items()) if (r := _option(draft, name, value))]


def _tag_refusals(draft: Draft) -> list[Refusal]:
    """Where products can be tagged, and how: places on pictures, none on films. Limits are the narrower of
    two that Meta's pages name."""
    found = []
    if draft.product_tags and (draft.kind is _STORY or draft.reply_to is not None):
        message = "Instagram takes no product tags on stories and comments."
        found.append(Refusal("product_tags", message, "product_tags"))
    for n, tag in enumerate(draft.product_tags):
        medium = draft.media[tag.media] if 0 <= tag.media < len(draft.media) else None
        places = [place for place in (tag.x, tag.y) if place is not None]
        if medium is None:
            wrong = f"there is no file {tag.media}"
        elif medium.kind is MediaKind.VIDEO and places:
            wrong = "a film has no places"
        elif medium.kind is MediaKind.IMAGE and not (len(places) == 2 and all(0 <= p <= 1 for p in places)):
            wrong = "on a picture it needs x and y from 0 to 1"
        else:
            continue
        found.append(Refusal("product_tag_place", f"Product tag {n}: {wrong}.", f"product_tags.{n}"))
    if len(draft.product_tags) > _TAGS_IN_ALL:
        message = f"A post takes at most {_TAGS_IN_ALL} product tags."
        found.append(Refusal("product_tags", message, "product_tags"))
    for number in {tag.media for tag in draft.product_tags}:
        if sum(tag.media == number for tag in draft.product_tags) > _TAGS_MAX:
            message = f"A file takes at most {_TAGS_MAX} product tags."
            found.append(Refusal("product_tags", message, "product_tags"))
    return found


def _option(draft: Draft, name: str, value: Any) -> Refusal | None:
    kinds = OPTIONS.get(name)
    if kinds is None or draft.reply_to is not None:
        return Refusal("option", f"Instagram has no option {name[:40]!r} here.", f"options.{name[:40]}")
    wrong = None
    if draft.kind not in kinds:
        wrong = f"only {', '.join(sorted(kinds))} has it"
    elif name == "collaborators" and not (_is_names(value) and len(value) <= _COLLABORATORS_MAX):
        wrong = f"it is a list of at most {_COLLABORATORS_MAX} user names"
    elif name == "user_tags" and not _is_tags(value, places=draft.kind is ContentKind.PHOTO):
        wrong = "it is a list of username with x and y from 0 to 1 (on pictures)"
    elif name == "thumb_offset" and not (type(value) is int and value >= 0):
        wrong = "it is a number of milliseconds"
    elif name == "trial_params" and not isinstance(value, Mapping):
        wrong = "it holds graduation_strategy, MANUAL or SS_PERFORMANCE"
    elif name in ("share_to_feed", "is_ai_generated", "is_paid_partnership") and not isinstance(value, bool):
        wrong = "it is true or false"
    elif name in ("location_id", "cover_url", "audio_name") and not (isinstance(value, str) and value):
        wrong = "it is a text"
    return None if wrong is None else Refusal("option", f"{name}: {wrong}.", f"options.{name}")


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _is_tags(value: Any, places: bool) -> bool:
    if not isinstance(value, list) or not all(isinstance(tag, Mapping) for tag in value):
        return False
    sides = [[tag[side] for side in ("x", "y") if side in tag] for tag in value]
    numbers = all(type(n) in (int, float) and 0 <= n <= 1 for pair in sides for n in pair)
    named = all(isinstance(tag.get("username"), str) and tag["username"] for tag in value)
    return named and numbers and (not places or all(len(pair) == 2 for pair in sides))
