"""Request bodies for uploads, streamed with their size told before the first byte."""

from collections.abc import AsyncIterator, Callable, Mapping
from secrets import token_hex

from platforms.http import Body


def multipart(
    fields: Mapping[str, str],
    name: str,
    filename: str,
    content_type: str,
    size: int,
    chunks: Callable[[], AsyncIterator[bytes]],
) -> Body:
    """multipart/form-data (RFC 7578) with one file as its last part. `filename` and `content_type` are
    ours."""
    boundary = f"rookery{token_hex(16)}"
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    begin = f"{head}Content-Type: {content_type}\r\n\r\n".encode()
    end = f"\r\n--{boundary}--\r\n".encode()

    async def whole() -> AsyncIterator[bytes]:
        yield begin
        async for chunk in chunks():
            yield chunk
        yield end

    return Body(len(begin) + size + len(end), f"multipart/form-data; boundary={boundary}", whole)
