"""What the suite must be told of each platform. A platform adds data here, not test code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from domain.content import ContentKind, Happening, MediaKind
from domain.publishing import Draft, DraftMedia, ProductTag
from platforms.base import Platform
from platforms.registry import PLATFORMS
from tests.contract.toy.perch import Perch

# Heads that tell a picture of 1080 x 1080 and a film, and no more: nobody looks further into them.
JPEG = (
    bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
    + bytes.fromhex("ffc0001108043804380301220002110103110100")
    + b"a picture" * 400
)
FILM = b"\0\0\0\x18ftypmp42" + b"a film" * 400
TEXT = "Fresh from the kiln #ceramics 😀"
FILES = {"p": JPEG, "f": FILM}


@dataclass(frozen=True)
class Advert:
    """What is advertised with: a campaign's objective, what its ad groups are for, what they need beside."""

    objective: str
    goal: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """`window`: the sandbox's name of a rate window that every list counts in, `room`: a limit of it that a
    single call fits in and a walk does not. `drafts`: one of each way of publishing. `film_mib`: a large
    film; where it goes out in one request, one that the sandbox takes; 0 where the platform fetches them.
    `heard`: an act in the sandbox and what its webhook tells; None: nothing is pushed. `options_by_act`: an
    option of a draft -> the act that makes what it names. `dialect`: of the sandbox's app, where the default
    hides what the token model says. `seed`: of an account that may do all there is. `consents_at`: capability
    -> the platform whose login its own consent is, where it is another's. `shops`: a consent opens shops, and
    calls are made for one of them. `maps`: where an answer holds names of the platform's choice, so that
    every one of them has a meaning. `advert`: of platforms with ads."""

    platform: Platform
    window: str
    drafts: tuple[Draft, ...]
    heard: tuple[str, Happening] | None = None
    options_by_act: Mapping[str, str] = field(default_factory=dict)
    dialect: str | None = None
    room: int = 2
    consents_at: Mapping[str, str] = field(default_factory=dict)
    seed: str = "kiln"
    shops: bool = False
    maps: frozenset[str] = frozenset()
    film_mib: int = 100
    advert: Advert | None = None

    @property
    def name(self) -> str:
        return self.platform.spec.name


TEXT_ONLY = Draft(ContentKind.POST, TEXT)
MEDIA = "https://shop.example/media"
FILMED = DraftMedia(
    "f", MediaKind.VIDEO, "video/mp4", len(FILM), 1080, 1920, 15_000, "h264", 30.0, public_url=f"{MEDIA}/f"
)
PICTURED = DraftMedia("p", MediaKind.IMAGE, "image/jpeg", len(JPEG), 1080, 1080, public_url=f"{MEDIA}/p")
FILM_DRAFT = Draft(ContentKind.VIDEO, TEXT, title="Two mugs", media=(FILMED,))
REEL = replace(FILM_DRAFT, kind=ContentKind.REEL, title=None)
PHOTO = Draft(ContentKind.PHOTO, TEXT, media=(PICTURED,))
PHOTOS = Draft(ContentKind.CAROUSEL, TEXT, media=(PICTURED, PICTURED))

CASES = {
    case.name: case
    for case in (
        Case(
            PLATFORMS["facebook"],
            "pages",
            (TEXT_ONLY, PHOTOS, REEL, Draft(ContentKind.STORY, media=(FILMED,))),
            heard=("comment", Happening.REMARKED),
            room=16,
            advert=Advert("OUTCOME_TRAFFIC", "LINK_CLICKS"),
        ),
        Case(Perch(), "calls", (TEXT_ONLY,)),
        Case(
            PLATFORMS["instagram"],
            "business",
            (PHOTO, PHOTOS, REEL),
            heard=("comment", Happening.REMARKED),
            film_mib=0,
            consents_at={"commerce": "facebook"},
            seed="shop-0",
        ),
        Case(
            PLATFORMS["pinterest"],
            "org_read",
            (
                replace(PHOTO, kind=ContentKind.PIN, title="A bowl"),
                FILM_DRAFT,
                # A step after the decisive one; of no product, so that the tag is refused.
                replace(PHOTOS, product_tags=(ProductTag("7"),)),
            ),
            options_by_act={"board_id": "board"},
            dialect="rotating",
            maps=frozenset({"upload_parameters"}),
            film_mib=15,
            advert=Advert("CONSIDERATION", "CLICKTHROUGH"),
        ),
        Case(
            PLATFORMS["tiktok"],
            "/v2/video/list/",
            (replace(FILM_DRAFT, title=None), PHOTOS),
            heard=("revoke", Happening.ACCESS_REVOKED),
            shops=True,
            advert=Advert("TRAFFIC", "CLICK", {"promotion_type": "WEBSITE"}),
        ),
        Case(
            PLATFORMS["twitter"],
            "/2/users/:id/tweets",
            (TEXT_ONLY, PHOTO, replace(FILM_DRAFT, title=None)),
            heard=("comment", Happening.REMARKED),
            advert=Advert("WEBSITE_CLICKS", "LINK_CLICKS"),
        ),
        Case(
            PLATFORMS["youtube"],
            "units",
            (FILM_DRAFT,),
            heard=("post", Happening.CONTENT_CREATED),
            room=4,
        ),
    )
}
