"""A sandbox with a shop whose files its Instagram fetches, and drafts of every kind."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from PIL import Image

from domain.clock import SystemClock
from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, DraftMedia
from platforms.http import PlatformHttp, make_client
from sandbox.app import Sandbox
from tests.unit.platforms.support import Receiver, World

FILM = b"\x00\x00\x00\x18ftypmp42" + b"film" * 5000
SHOP = "https://shop.example/media"


def jpeg(width: int = 1080, height: int = 1080, kind: str = "JPEG") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), (20, 128, 128)).save(written, kind)
    return written.getvalue()


class Studio(World):
    """The sandbox, with a shop whose files Instagram fetches."""

    files: dict[str, bytes]
    asked: list[str]


@asynccontextmanager
async def studio() -> AsyncIterator[Studio]:
    files = {"p": jpeg(), "q": jpeg(1080, 1350), "tall": jpeg(400, 2000), "png": jpeg(kind="PNG"), "v": FILM}
    asked: list[str] = []

    async def shop(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        asked.append(name)
        return httpx.Response(200, content=files[name]) if name in files else httpx.Response(404)

    sandbox = Sandbox(seed="publishing", webhook_transport=httpx.MockTransport(shop))
    transport = httpx.ASGITransport(app=sandbox)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as control,
        make_client("http://sandbox.test", transport) as client,
    ):
        opened = Studio(control, PlatformHttp(client, SystemClock()), Receiver())
        opened.files, opened.asked = files, asked
        yield opened
        await sandbox.close()


def picture(name: str = "p", **more: Any) -> DraftMedia:
    facts: dict[str, Any] = {
        "width": 1080,
        "height": 1080,
        "alt_text": "A bowl",
        "public_url": f"{SHOP}/{name}",
    } | more
    return DraftMedia(name, MediaKind.IMAGE, "image/jpeg", 90_000, **facts)


def film(name: str = "v", **more: Any) -> DraftMedia:
    facts: dict[str, Any] = {
        "width": 1080,
        "height": 1920,
        "duration_ms": 15_000,
        "frames_per_s": 30.0,
        "codec": "h264",
    }
    facts |= {"public_url": f"{SHOP}/{name}"} | more
    return DraftMedia(name, MediaKind.VIDEO, "video/mp4", len(FILM), **facts)


DRAFTS = {
    "picture": Draft(ContentKind.PHOTO, "Neu: Schüssel für 24,90 € 🎉 #handgemacht", media=(picture(),)),
    "carousel": Draft(ContentKind.CAROUSEL, "Three", media=(picture(), film(), picture("q", height=1350))),
    "reel": Draft(ContentKind.REEL, "Kiln opening @ana.r", media=(film(),), options={"share_to_feed": True}),
    "video": Draft(ContentKind.VIDEO, "A film", title="The kiln", media=(film(),)),
    "story": Draft(ContentKind.STORY, media=(picture(),)),
    "film_story": Draft(ContentKind.STORY, media=(film(),)),
}
