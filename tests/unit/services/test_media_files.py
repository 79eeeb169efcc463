"""Files are kept as they came, and measured from their bytes."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from domain.content import MediaKind
from domain.errors import Invalid
from services.probe import probe
from storage.objects import PIECE, MediaObjects


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def whole(objects: MediaObjects, id: str, start: int, end: int) -> bytes:
    found = [piece async for piece in objects.read(id, start, end)]
    assert all(len(piece) <= PIECE for piece in found)
    return b"".join(found)


async def test_a_file_is_read_in_any_range(tmp_path: Path) -> None:
    objects = MediaObjects(tmp_path / "media")
    data = bytes(range(256)) * 12_000
    assert await objects.put("med_1", pieces(data)) == len(data)
    for start, end in ((0, len(data)), (1, 2), (PIECE - 1, 2 * PIECE + 5), (7, 7)):
        assert await whole(objects, "med_1", start, end) == data[start:end]
    reader = objects.reader("med_1")
    reader.seek(1000)
    assert reader.read(20) == data[1000:1020]
    await objects.delete("med_1")
    await objects.delete("med_1")
    with pytest.raises(KeyError):
        await whole(objects, "med_1", 0, 1)


def picture(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, format)
    return file.getvalue()


def film(format: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(50):
            frame = av.VideoFrame.from_image(  # type: ignore[no-untyped-call]
                Image.new("RGB", (128, 96), "teal")
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "type_"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
async def test_pictures(format: str, type_: str) -> None:
    found = await probe(io.BytesIO(picture(format)))
    assert (found.kind, found.content_type, found.width, found.height) == (MediaKind.IMAGE, type_, 64, 48)


async def test_a_moving_picture_is_of_a_kind_of_its_own() -> None:
    assert (await probe(io.BytesIO(picture("GIF")))).kind is MediaKind.GIF


@pytest.mark.parametrize(
    ("format", "codec", "type_"),
    [("mp4", "mpeg4", "video/mp4"), ("mov", "mpeg4", "video/quicktime"), ("webm", "vp8", "video/webm")],
)
async def test_films(format: str, codec: str, type_: str) -> None:
    found = await probe(io.BytesIO(film(format, codec)))
    assert (found.kind, found.content_type, found.width, found.height) == (MediaKind.VIDEO, type_, 128, 96)
    assert found.duration_ms is not None and abs(found.duration_ms - 2000) < 100
    assert found.frames_per_s == pytest.approx(25, abs=1) and found.codec == codec


@given(
    st.binary(max_size=2000)
    | st.sampled_from([b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"GIF89a", b"\xff\xd8\xff"])
)
async def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid, match="neither"):
        await probe(io.BytesIO(data))
