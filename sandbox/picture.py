"""Pictures without a library: a plain one of any size for clients that fetch media; the size of a JPEG."""

import struct
import zlib

from sandbox.web import BadInput, Call, Reply

_SIDE_AT_MOST = 4096


def picture(call: Call) -> Reply:
    """`GET /_sandbox/picture.png?width=1080&height=1080`: a PNG of one colour."""
    try:
        width, height = (int(call.query.get(side, "1080")) for side in ("width", "height"))
    except ValueError:
        raise BadInput("width and height are whole numbers") from None
    if not (0 < width <= _SIDE_AT_MOST and 0 < height <= _SIDE_AT_MOST):
        raise BadInput(f"width and height are 1 to {_SIDE_AT_MOST}")
    return Reply(200, png(width, height), {"content-type": "image/png"})


def png(width: int, height: int) -> bytes:
    """8-bit RGB (PNG specification, section 5 and 11.2)."""
    row = b"\0" + bytes((20, 128, 128)) * width
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * height, 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the frame header (ITU T.81, B.2.2); None when it is no JPEG."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return (width, height) if width and height else None
        at += 2 + length
    return None
