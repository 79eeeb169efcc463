"""Files that a platform hands out packed (gzip, RFC 1952), unpacked as far as they may go."""

import zlib

_MAGIC = b"\x1f\x8b"


class Cut(ValueError):
    """Half a file, or a damaged one."""


class TooLarge(ValueError):
    """More comes out of it than is wanted. No more than that was unpacked."""


def unpacked(body: bytes, at_most: int) -> bytes:
    """What was packed, of at most so many bytes; a body that is not packed as it is, because HTTP may have
    unpacked it on the way. Raises Cut, TooLarge."""
    if not body.startswith(_MAGIC):
        return body
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = stream.decompress(body, at_most + 1)
    except zlib.error as error:
        raise Cut("damaged") from error
    if len(found) > at_most:
        raise TooLarge(f"more than {at_most} bytes")
    if not stream.eof:
        raise Cut("the end is missing")
    return found
