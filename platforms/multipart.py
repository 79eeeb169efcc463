"""Form bodies with one file, streamed: fields before it, the file's bytes as they come (RFC 7578)."""

from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256

from platforms.http import Body


def multipart(
    fields: Mapping[str, str],
    name: str,
    content_type: str,
    size: int,
    chunks: Callable[[], AsyncIterator[bytes]],
) -> Body:
    """`chunks` yields exactly `size` bytes, anew for each sending. Field values are short texts."""
    # Not random, so that a body is the same when it is sent again; that files hold it is out of the question.
    seed = repr((sorted(fields.items()), name, size)).encode()
    boundary = f"rookery-{sha256(seed).hexdigest()}"
    head = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="file"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield head
        async for piece in chunks():
            yield piece
        yield tail

    return Body(len(head) + size + len(tail), f"multipart/form-data; boundary={boundary}", pieces)
