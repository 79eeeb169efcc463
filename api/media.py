"""Files for publications: taken in, measured, and given out to platforms that fetch them by themselves.

Who holds the address of a file may read it until it expires: it carries the file's id and the time, sealed.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from api.services import Services
from domain.content import MediaKind
from domain.errors import Invalid, NotFound
from domain.publishing import DraftMedia
from services.probe import Measured, probe
from storage.crypto import SealBroken
from storage.records import Document

MAX_BYTES = 4 * 1024**3
"""The largest file that any platform takes (TikTok, 4 GB)."""
_AAD = "media-address"


async def take_in(
    services: Services,
    org: str,
    user_id: str,
    media_id: str,
    chunks: AsyncIterator[bytes],
    alt_text: str | None,
) -> Document:
    """Store, measure, record. What is neither picture nor video is refused and not kept."""
    size = await services.objects.put(media_id, _bounded(chunks))
    try:
        measured = await probe(services.objects.reader(media_id))
    except Invalid:
        await services.objects.delete(media_id)
        raise
    document = media_document(org, user_id, media_id, size, measured, alt_text, services.clock.now())
    await services.media.add(document)
    return document


def media_document(
    org: str,
    user_id: str,
    media_id: str,
    size: int,
    measured: Measured,
    alt_text: str | None,
    now: datetime,
) -> Document:
    facts = asdict(measured) | {"kind": measured.kind.value}
    return {
        "_id": media_id,
        "org": org,
        "createdBy": user_id,
        "createdAt": now,
        "size": size,
        "altText": alt_text,
        **facts,
    }


def media_json(document: Document) -> dict[str, object]:
    return {
        "id": document["_id"],
        "kind": document["kind"],
        "content_type": document["content_type"],
        "size": document["size"],
        "width": document["width"],
        "height": document["height"],
        "duration_ms": document["duration_ms"],
        "codec": document["codec"],
        "frames_per_s": document["frames_per_s"],
        "alt_text": document["altText"],
        "created_at": document["createdAt"].isoformat().replace("+00:00", "Z"),
    }


async def drafted(
    services: Services, org: str, ids: Sequence[str], readable_until: datetime
) -> tuple[DraftMedia, ...]:
    """The org's files as a draft holds them, in the order given. Invalid names the first that is not
    there."""
    found = await services.media.find(org, list(dict.fromkeys(ids)))
    media = []
    for n, id_ in enumerate(ids):
        document = found.get(id_)
        if document is None:
            raise Invalid("media_unknown", f"media.{n}: there is no file {id_[:64]}.", field=f"media.{n}")
        names = ("content_type", "size", "width", "height", "duration_ms", "codec", "frames_per_s")
        media.append(
            DraftMedia(
                id=id_,
                kind=MediaKind(document["kind"]),
                **{name: document[name] for name in names},
                alt_text=document["altText"],
                public_url=public_url(services, id_, readable_until),
            )
        )
    return tuple(media)


def public_url(services: Services, media_id: str, until: datetime) -> str:
    sealed = services.keys.seal.seal(f"{media_id} {int(until.timestamp())}".encode(), _AAD)
    return f"{services.settings.public_url}/media/{urlsafe_b64encode(sealed).rstrip(b'=').decode()}"


def opened(services: Services, token: str) -> str:
    """The id of the file that an address gives; NotFound for one that is forged or expired."""
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        media_id, until = services.keys.seal.open(sealed, _AAD).decode().split(" ")
    except (NotBase64, ValueError, SealBroken):
        raise _gone() from None
    if datetime.fromtimestamp(int(until), UTC) < services.clock.now():
        raise _gone()
    return media_id


def _gone() -> NotFound:
    return NotFound("media_unknown", "There is no such file, or no longer.")


async def _bounded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            raise Invalid("file_too_large", f"A file has at most {MAX_BYTES} bytes.", field="file")
        yield chunk
