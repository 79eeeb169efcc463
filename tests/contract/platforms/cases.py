"""What the suite must be told of each platform. A platform adds data here, not test code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.content import ContentKind, Happening, MediaKind
from domain.publishing import Draft, DraftMedia
from platforms.base import Platform
from platforms.registry import PLATFORMS
from platforms.tiktok.consents import CONSENTS, Consent

JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 400
FILM = b"\0\0\0\x18ftypmp42" + b"a film" * 400
TEXT = "Fresh from the kiln #ceramics 😀"
FILES = {"p": JPEG, "f": FILM}


@dataclass(frozen=True)
class Case:
    """`window`: the sandbox's name of a rate window that every list counts in, `room`: a limit of it that a
    single call fits in and a walk does not. `heard`: an act in the sandbox
    and what its webhook tells; None: nothing is pushed. `options_by_act`: an option of a draft -> the act
    that makes what it names. `dialect`: of the sandbox's app, where the default hides what the token model
    says. `consents`: capability -> the consent of its own that its token comes from."""

    platform: Platform
    window: str
    draft: Draft | None
    heard: tuple[str, Happening] | None = None
    options_by_act: Mapping[str, str] = field(default_factory=dict)
    dialect: str | None = None
    room: int = 2
    consents: Mapping[str, Consent] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.platform.spec.name


def text_of(**fields: Any) -> Draft:
    return Draft(ContentKind.POST, TEXT, **fields)


def picture_of(kind: ContentKind, **fields: Any) -> Draft:
    medium = DraftMedia("p", MediaKind.IMAGE, "image/jpeg", len(JPEG), 1000, 1500)
    return Draft(kind, TEXT, media=(medium,), **fields)


def film_of(size: int = len(FILM), **fields: Any) -> Draft:
    medium = DraftMedia("f", MediaKind.VIDEO, "video/mp4", size, 1080, 1920, 15_000, "h264", 30.0)
    return Draft(ContentKind.VIDEO, TEXT, media=(medium,), **fields)


CASES = {
    case.name: case
    for case in (
        Case(PLATFORMS["facebook"], "pages", text_of(), heard=("comment", Happening.REMARKED), room=16),
        Case(PLATFORMS["instagram"], "business", None, heard=("comment", Happening.REMARKED)),
        Case(
            PLATFORMS["pinterest"],
            "org_read",
            picture_of(ContentKind.PIN, title="A bowl"),
            options_by_act={"board_id": "board"},
            dialect="rotating",
        ),
        Case(
            PLATFORMS["tiktok"],
            "/v2/video/list/",
            film_of(),
            heard=("revoke", Happening.ACCESS_REVOKED),
            consents=CONSENTS,
        ),
        Case(PLATFORMS["twitter"], "/2/users/:id/tweets", text_of(), heard=("comment", Happening.REMARKED)),
        Case(
            PLATFORMS["youtube"],
            "units",
            film_of(title="Two mugs"),
            heard=("post", Happening.CONTENT_CREATED),
            room=4,
        ),
    )
}
