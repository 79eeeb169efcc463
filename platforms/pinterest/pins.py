"""A draft as Pinterest is asked for it. Source: PO/ PinCreate, PinMediaSource*.

Pictures travel inside the JSON, as base64: the body is streamed, so that nothing holds whole files.
"""

from base64 import b64encode
from collections.abc import AsyncIterator
from itertools import zip_longest
from secrets import token_hex

from domain.content import ContentKind
from domain.publishing import Draft, DraftMedia
from platforms.capabilities import MediaReader
from platforms.http import Body
from platforms.wire import Json, encode


def request(draft: Draft, media_id: str | None, mark: str = "") -> Json:
    """The body that creates the Pin. The bytes of its nth picture belong where `place(mark, n)` stands."""
    body = words(draft)
    for name in ("board_section_id", "dominant_color"):
        if name in draft.options:
            body[name] = draft.options[name]
    body["media_source"] = _source(draft, media_id, mark)
    return body | {"board_id": draft.options["board_id"]}


def words(draft: Draft) -> Json:
    """The fields that can also be changed later. An empty one is left out: null is not the same."""
    told = {
        "title": draft.title,
        "description": draft.text,
        "link": draft.link,
        "alt_text": draft.media[0].alt_text if draft.media else None,
    }
    return {name: value for name, value in told.items() if value}


def streamed(draft: Draft, media: MediaReader) -> Body:
    """The same with its pictures in it."""
    mark = token_hex(16)  # nobody can have written it into a text
    rest, heads = encode(request(draft, None, mark)), []
    for number in range(len(draft.media)):
        head, _, rest = rest.partition(place(mark, number).encode())
        heads.append(head)
    pieces = [*heads, rest]
    size = sum(map(len, pieces)) + sum((m.size + 2) // 3 * 4 for m in draft.media)

    async def chunks() -> AsyncIterator[bytes]:
        for piece, medium in zip_longest(pieces, draft.media):
            yield piece
            if medium is not None:
                async for coded in _base64(medium, media):
                    yield coded

    return Body(size, "application/json", chunks)


def place(mark: str, number: int) -> str:
    return f"{mark}.{number}"


def _source(draft: Draft, media_id: str | None, mark: str) -> Json:
    if draft.kind is ContentKind.VIDEO:
        return {"source_type": "video_id", "media_id": media_id, **_cover(draft)}
    pull = bool(draft.options.get("pull"))
    files = [
        {"url": m.public_url} if pull else {"content_type": m.content_type, "data": place(mark, n)}
        for n, m in enumerate(draft.media)
    ]
    if draft.kind is ContentKind.CAROUSEL:
        own = {"title": draft.title, "link": draft.link}
        shared = {name: value for name, value in own.items() if value}
        items = [{**file, **shared} for file in files]
        return {"source_type": "multiple_image_urls" if pull else "multiple_image_base64", "items": items}
    return {"source_type": "image_url" if pull else "image_base64", **files[0]}


def _cover(draft: Draft) -> Json:
    """A film without any cover is refused: by default it is its first picture."""
    if "cover_image_url" in draft.options:
        return {"cover_image_url": draft.options["cover_image_url"]}
    return {"cover_image_key_frame_time": draft.options.get("cover_image_key_frame_time", 0)}


async def _base64(medium: DraftMedia, media: MediaReader) -> AsyncIterator[bytes]:
    """Three bytes are four characters: what is left of a piece is coded with the next."""
    left = b""
    async for piece in media.read(medium.id, 0, medium.size):
        whole = left + piece
        end = len(whole) // 3 * 3
        left = whole[end:]
        yield b64encode(whole[:end])
    if left:
        yield b64encode(left)
