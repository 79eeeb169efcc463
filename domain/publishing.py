"""What a person wants to publish, and what a platform would refuse about it, before anything is sent (R2,
R3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from domain.content import ContentKind, MediaKind


@dataclass(frozen=True, slots=True)
class DraftMedia:
    """One file of a draft, in Rookery's object store, with what was measured of it. `None`: not measured."""

    id: str  # of the object in the store
    kind: MediaKind
    content_type: str
    size: int  # bytes
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    codec: str | None = None  # of the video stream, such as `h264`
    frames_per_s: float | None = None
    alt_text: str | None = None
    public_url: str | None = None  # where a platform that pulls may fetch it; signed, expires


@dataclass(frozen=True, slots=True)
class ProductTag:
    """A product shown in the content; `media` counts its files from 0, x and y are shares of the picture."""

    product_id: str
    media: int = 0
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One piece for one account. `options` are the platform's own settings by its own names (a board, a
    privacy level); an unknown one is refused by the platform's class."""

    kind: ContentKind
    text: str = ""
    title: str | None = None
    link: str | None = None
    media: tuple[DraftMedia, ...] = ()
    reply_to: str | None = None  # external id of the content or remark it answers
    product_tags: tuple[ProductTag, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a platform takes as one file. `ratio` is width / height, least and most."""

    content_types: tuple[str, ...]
    max_bytes: int
    width: tuple[int, int] | None = None
    height: tuple[int, int] | None = None
    ratio: tuple[float, float] | None = None
    duration_ms: tuple[int, int] | None = None
    codecs: tuple[str, ...] | None = None
    frames_per_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class KindRules:
    """What a platform takes as one kind of content. `text_length` counts as the platform does."""

    text_max: int
    text_length: Callable[[str], int] = len
    text_required: bool = False
    title_max: int = 0  # 0: there is no title
    title_required: bool = False
    hashtags_max: int | None = None
    mentions_max: int | None = None
    files: tuple[int, int] = (0, 0)  # fewest and most
    image: FileRules | None = None
    video: FileRules | None = None
    mixed: bool = False  # images and videos in one piece
    link: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that a draft breaks: `rule` is its name, stable, `field` the part of the draft."""

    rule: str
    message: str  # one sentence: what is wrong and what would be right
    field: str


@dataclass(frozen=True, slots=True)
class PublishState:
    """How far a publication is: plain JSON values, so that it can be saved between any two steps.

    `stage` names the next step in the platform's own terms, `facts` holds what earlier steps learned
    (container ids, offsets; no secrets: a session address that is one goes into `sealed`). `decisive` says
    that the next step may make the piece public, so that an intent is saved before it and its time-out is
    an unknown outcome.
    `wait_s` is how long the platform needs before the next step is worth making.
    """

    stage: str = "start"
    facts: Mapping[str, Any] = field(default_factory=dict)
    sealed: str | None = field(default=None, repr=False)
    decisive: bool = False
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Published:
    """It is out. `external_id` None: public, but the platform tells the id later (ask `find` again)."""

    external_id: str | None
    permalink: str | None = None
    published_at: datetime | None = None
    refused: tuple[str, ...] = ()  # sentences: what the platform did not take of what belongs to it (a cover)


@dataclass(frozen=True, slots=True)
class PublishQuota:
    """How many pieces an account may still publish, as the platform says now; None: it does not say."""

    limit: int | None
    used: int | None
    seconds: int  # length of the window


def refusals(
    draft: Draft, rules: Mapping[ContentKind, KindRules], hashtags: Sequence[str], mentions: Sequence[str]
) -> list[Refusal]:
    """Every rule the draft breaks, in the order of its parts. What was not measured is not refused."""
    kind = rules.get(draft.kind)
    if kind is None:
        known = ", ".join(sorted(rules))
        return [Refusal("kind", f"This platform does not publish {draft.kind}; it takes {known}.", "kind")]
    return [
        *_text_refusals(draft, kind, hashtags, mentions),
        *_count_refusals(draft, kind),
        *(r for n, medium in enumerate(draft.media) for r in _file_refusals(medium, kind, n)),
    ]


def _text_refusals(
    draft: Draft, rules: KindRules, hashtags: Sequence[str], mentions: Sequence[str]
) -> list[Refusal]:
    found: list[Refusal] = []
    length = rules.text_length(draft.text)
    if length > rules.text_max:
        found.append(
            Refusal("text_length", f"The text counts {length}; at most {rules.text_max} are taken.", "text")
        )
    if rules.text_required and not draft.text.strip():
        found.append(Refusal("text_required", "A text is needed for this kind of content.", "text"))
    for name, words, most in (
        ("hashtags", hashtags, rules.hashtags_max),
        ("mentions", mentions, rules.mentions_max),
    ):
        if most is not None and len(words) > most:
            found.append(Refusal(name, f"There are {len(words)} {name}; at most {most} are taken.", "text"))
    title = draft.title or ""
    if rules.title_required and not title.strip():
        found.append(Refusal("title_required", "A title is needed for this kind of content.", "title"))
    if len(title) > rules.title_max:
        what = f"at most {rules.title_max} characters are taken" if rules.title_max else "there is none here"
        found.append(Refusal("title_length", f"The title has {len(title)} characters; {what}.", "title"))
    if draft.link is not None and not rules.link:
        found.append(Refusal("link", "This kind of content takes no link.", "link"))
    return found


def _count_refusals(draft: Draft, rules: KindRules) -> list[Refusal]:
    fewest, most = rules.files
    found: list[Refusal] = []
    if not fewest <= len(draft.media) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        found.append(Refusal("files", f"There are {len(draft.media)} files; {wanted} are taken.", "media"))
    if not rules.mixed and len({m.kind for m in draft.media}) > 1:
        found.append(Refusal("mixed", "Pictures and videos are not taken in one piece.", "media"))
    return found


def _file_refusals(medium: DraftMedia, kind: KindRules, n: int) -> list[Refusal]:
    field_ = f"media.{n}"
    rules = kind.video if medium.kind is MediaKind.VIDEO else kind.image
    if rules is None:
        return [Refusal("media_kind", f"A {medium.kind} is not taken for this kind of content.", field_)]
    found: list[Refusal] = []
    if medium.content_type not in rules.content_types:
        known = ", ".join(rules.content_types)
        found.append(Refusal("content_type", f"{medium.content_type} is not taken; {known} are.", field_))
    if medium.size > rules.max_bytes:
        message = f"The file has {medium.size} bytes; at most {rules.max_bytes} are taken."
        found.append(Refusal("size", message, field_))
    if rules.codecs is not None and medium.codec is not None and medium.codec not in rules.codecs:
        known = ", ".join(rules.codecs)
        found.append(Refusal("codec", f"The codec {medium.codec} is not taken; {known} are.", field_))
    ratio = medium.width / medium.height if medium.width and medium.height else None
    for name, value, bounds in (
        ("width", medium.width, rules.width),
        ("height", medium.height, rules.height),
        ("ratio", ratio, rules.ratio),
        ("duration", medium.duration_ms, rules.duration_ms),
        ("frame_rate", medium.frames_per_s, rules.frames_per_s),
    ):
        if value is not None and bounds is not None and not bounds[0] <= value <= bounds[1]:
            message = f"Its {name} is {value:g}; {bounds[0]:g} to {bounds[1]:g} is taken."
            found.append(Refusal(name, message, field_))
    return found


# -- as a message carries it --------------------------------------------------------------------------
def draft_json(draft: Draft) -> dict[str, Any]:
    """JSON values; `draft_of` is the inverse."""
    return asdict(draft) | {"options": dict(draft.options)}


def draft_of(data: Mapping[str, Any]) -> Draft:
    media = (DraftMedia(**m | {"kind": MediaKind(m["kind"])}) for m in data["media"])
    tags = (ProductTag(**t) for t in data["product_tags"])
    parsed = {"kind": ContentKind(data["kind"]), "media": tuple(media), "product_tags": tuple(tags)}
    return Draft(**{**data, **parsed})
