"""Google's resumable upload: a session, then the file in chunks, from wherever the last one ended.

    POST metadata --> session address      PUT chunk --308 Range--> next      PUT last chunk --201--> video
    after any break: PUT `bytes */size` --308--> what is stored | --200, 201--> it was whole already

Source: yt/guides/using_resumable_upload_protocol; discovery, videos.insert and thumbnails.set.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from domain.publishing import DraftMedia
from domain.secrets import Secret
from platforms.capabilities import Access, MediaReader
from platforms.http import Answer, Body, Broken, Call, NotSent
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter
from platforms.wire import Json
from platforms.youtube.api import ask
from platforms.youtube.errors import outcome_of
from platforms.youtube.spec import API, SPEC, UPLOADS

CHUNK = 8 * 1024 * 1024  # a multiple of 256 KiB, as all but the last must be
SESSION_GONE = "session_gone"
_ROOT = f"{API}/upload/youtube/v3"
_STORED = re.compile(r"bytes=0-(\d{1,15})")
_RESUME = 308


async def begin(
    access: Access, medium: DraftMedia, video: Mapping[str, object], notify: bool, timeout_s: float
) -> Outcome[Secret]:
    """The address of a new session: whoever has it can send the file. No video comes of it by itself."""
    call = Call(
        "POST",
        f"{_ROOT}/videos",
        UPLOADS,
        query={
            "uploadType": "resumable",
            "part": ",".join(video),
            "notifySubscribers": str(notify).lower(),
        },
        json=video,
        headers={
            "X-Upload-Content-Length": str(medium.size),
            "X-Upload-Content-Type": medium.content_type,
        },
        bearer=access.token,
    )
    result = await access.http.send(SPEC, call, timeout_s)
    answer = outcome_of(result, UPLOADS)
    if not isinstance(answer, Ok):
        return answer
    address = result.headers.get("location", "") if isinstance(result, Answer) else ""
    if not _is_session(address):
        return Rejected("no_session", "YouTube gave no address for the upload.")
    return Ok(Secret(address))


def _is_session(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc in SPEC.hosts


async def stored(access: Access, session: Secret, size: int, timeout_s: float) -> Outcome[int | Json]:
    """How many bytes YouTube has, or the video if it has all of them. Rejected(SESSION_GONE) when the session
    is no more."""
    call = _put(access, session, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
    return _progress(await access.http.send(SPEC, call, timeout_s), None, None)


async def send_chunk(
    access: Access,
    session: Secret,
    media: MediaReader,
    medium: DraftMedia,
    start: int,
    timeout_s: float,
) -> Outcome[int | Json]:
    """One chunk, streamed. The last one makes the video: without an answer it may have."""
    end = min(start + CHUNK, medium.size)
    body = Body(end - start, medium.content_type, lambda: media.read(medium.id, start, end))
    headers = {"Content-Range": f"bytes {start}-{end - 1}/{medium.size}"}
    result = await access.http.send(SPEC, _put(access, session, headers, body), timeout_s)
    return _progress(result, "the video may have been uploaded" if end == medium.size else None, start)


async def set_thumbnail(
    access: Access, video_id: str, media: MediaReader, medium: DraftMedia, timeout_s: float
) -> Outcome[Json]:
    """Repeatable: the same picture again changes nothing."""
    return await ask(
        access.http,
        access.token,
        "writes",
        "thumbnails/set",
        {"videoId": video_id, "uploadType": "media"},
        method="POST",
        body=Body(medium.size, medium.content_type, lambda: media.read(medium.id, 0, medium.size)),
        root=_ROOT,
        timeout_s=timeout_s,
    )


def _put(access: Access, session: Secret, headers: Mapping[str, str], body: Body | None = None) -> Call:
    address, _, query = session.reveal().partition("?")
    secret = {name: Secret(value) for name, value in parse_qsl(query, True)}
    return Call("PUT", address, UPLOADS, query=secret, body=body, headers=headers, bearer=access.token)


def _progress(result: Answer | NotSent | Broken, once: str | None, start: int | None) -> Outcome[int | Json]:
    if isinstance(result, Answer) and result.status == _RESUME:
        found = _STORED.fullmatch(result.headers.get("range", "").strip())
        reached = int(found[1]) + 1 if found else 0
        if start is not None and reached <= start:
            # Taken and not kept: the same chunk again, after a pause.
            return RetryAfter(5.0, LimitScope.ACCOUNT, "chunk_not_stored")
        return Ok(reached)
    if isinstance(result, Answer) and result.status in (404, 410):
        return Rejected(SESSION_GONE, "YouTube no longer knows this upload: it begins again.")
    answer: Outcome[Any] = outcome_of(result, UPLOADS, once=once)
    return answer
