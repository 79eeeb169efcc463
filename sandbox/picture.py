"""A real picture for clients that fetch media by address: plain, of any size, made without a library."""

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
