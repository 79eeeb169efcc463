"""Files to be published: sent as they are, or read from an address; and given out to platforms."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.access import Caller, Svc, own_media
from api.commands import Command
from api.media import MAX_BYTES, media_json, opened, take_in
from api.schemas import Body, Json, Storable, Visible
from domain.errors import Invalid
from domain.ids import new_id

router = APIRouter(prefix="/v1/media", tags=["media"])
public_router = APIRouter(prefix="/media", tags=["media"])

AltText = Annotated[str, Field(max_length=1_000), Visible, Storable]
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")


class FromAddress(Body):
    url: Annotated[str, Field(min_length=1, max_length=4_000)]
    alt_text: AltText | None = None


@router.post("", status_code=201)
async def upload_media(
    request: Request,
    services: Svc,
    caller: Caller,
    alt_text: Annotated[AltText | None, Query()] = None,
) -> Json:
    """The file is the body, as it is (`curl --data-binary @film.mp4`). What it is is measured from its
    bytes."""
    media_id = new_id("med")
    request.state.audit_target = media_id
    document = await take_in(services, caller.org, caller.user_id, media_id, request.stream(), alt_text)
    return media_json(document)


@router.post("/fetch", status_code=201)
async def fetch_media(body: FromAddress, services: Svc, caller: Caller, command: Command) -> Json:
    """Read a file from the public internet. Addresses of private networks are refused, whatever they are
    called."""

    async def make(media_id: str) -> Json:
        async with services.fetcher.open(body.url, MAX_BYTES) as (_, chunks):
            document = await take_in(services, caller.org, caller.user_id, media_id, chunks, body.alt_text)
        return media_json(document)

    return await command.once("med", make)


@router.get("/{media_id}")
async def get_media(media_id: str, services: Svc, caller: Caller) -> Json:
    """What is known of a file."""
    return media_json(await own_media(services, caller, media_id))


@public_router.get("/{token}", response_class=StreamingResponse)
async def read_media(
    token: str, services: Svc, range: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """For platforms that fetch. The address is the credential; it expires."""
    media_id = opened(services, token)
    document = await services.media.get(media_id)
    size, content_type = document["size"], document["content_type"]
    start, end, status = 0, size, 200
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
    if range is not None and (found := _RANGE.fullmatch(range)) is not None:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if start >= end:
            raise Invalid("range_invalid", f"The file has {size} bytes.", field="Range")
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(services.objects.read(media_id, start, end), status, headers, content_type)
