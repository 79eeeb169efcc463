"""Caption tracks of a video: the kinds there are, and a track of one's own.

A track is `standard` (somebody's own), `ASR` (YouTube's speech recognition) or `forced` (for what is not in
the video's language). Source: discovery document `youtube.v3`, captions.list and captions.insert.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from platforms.capabilities import Access
from platforms.http import Body
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, digest, encode, id_at, mapping, objects, text_at
from platforms.youtube.api import ask
from platforms.youtube.spec import API

EXISTS = "captionExists"
_FAMILY = "captions"


class TrackKind(StrEnum):
    STANDARD = "standard"
    ASR = "ASR"
    FORCED = "forced"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Track:
    external_id: str
    kind: TrackKind
    language: str
    name: str
    draft: bool = False
    serving: bool = True


async def tracks(access: Access, video_id: str, timeout_s: float) -> Outcome[tuple[Track, ...]]:
    query = {"part": "snippet", "videoId": video_id}
    answer = await ask(access.http, access.token, _FAMILY, "captions", query, timeout_s=timeout_s)
    if not isinstance(answer, Ok):
        return answer
    return Ok(tuple(found for row in objects(answer.value, "items") if (found := track(row))))


async def insert(
    access: Access, video_id: str, language: str, name: str, text: str, timeout_s: float
) -> Outcome[None]:
    """`text` is SubRip or another format that YouTube reads. A track of that language and name that is there
    already counts as done: so a call whose answer was lost may be made again."""
    snippet = {"videoId": video_id, "language": language, "name": name, "isDraft": False}
    answer = await ask(
        access.http,
        access.token,
        _FAMILY,
        "captions",
        {"part": "snippet", "uploadType": "multipart"},
        method="POST",
        body=_related({"snippet": snippet}, text.encode()),
        root=f"{API}/upload/youtube/v3",
        timeout_s=timeout_s,
    )
    done = isinstance(answer, Rejected) and answer.code == EXISTS
    return Ok(None) if isinstance(answer, Ok) or done else answer


def track(row: Json) -> Track | None:
    track_id, snippet = id_at(row, "id"), mapping(row, "snippet")
    if track_id is None:
        return None
    named = text_at(snippet, "trackKind") or ""
    # `asr` in small letters is what the API has answered for years, whatever its document says.
    kinds = {kind.value.lower(): kind for kind in TrackKind}
    return Track(
        track_id,
        kinds.get(named.lower(), TrackKind.UNKNOWN),
        text_at(snippet, "language") or "",
        text_at(snippet, "name") or "",
        snippet.get("isDraft") is True,
        text_at(snippet, "status") == "serving",
    )


def _related(resource: Json, file: bytes) -> Body:
    """multipart/related (RFC 2387): the resource, then the file. The boundary is made of what it must not
    occur in."""
    boundary = digest(resource, file.hex())
    whole = b"".join(
        (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode(),
            encode(resource),
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n".encode(),
            file,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )

    async def once() -> AsyncIterator[bytes]:
        yield whole

    return Body(len(whole), f"multipart/related; boundary={boundary}", once)
