"""Caption tracks: those of speech recognition, and those that somebody brings. Source: discovery document
`youtube.v3`. Their text is received and not kept.
"""

from typing import Any

from sandbox.ids import base64_id
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Content
from sandbox.youtube import errors, shapes
from sandbox.youtube.access import COMMENTS, Access, Caller, answer, own_video, parts_of, tagged
from sandbox.youtube.upload import related


class Captions:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/youtube/v3/captions", self.tracks, COMMENTS, cost=50),
            op("POST", "/upload/youtube/v3/captions", self.insert, COMMENTS, cost=400),
        ]

    async def tracks(self, call: Call, caller: Caller) -> Reply:
        parts_of(call, ("id", "snippet"))
        video = own_video(self._state.world, caller, call.query.get("videoId", ""), "caption")
        items = [self._shown(video, row) for row in self._rows(video)]
        return answer(tagged("captionListResponse", {"items": items}))

    async def insert(self, call: Call, caller: Caller) -> Reply:
        """One track of a language and name; a second one is refused."""
        parts_of(call, ("id", "snippet"))
        resource, _, text = related(call)
        snippet = resource.get("snippet", {})
        video = own_video(self._state.world, caller, str(snippet.get("videoId", "")), "caption")
        language, name = snippet.get("language"), snippet.get("name")
        if not language or name is None:
            raise errors.refuse(400, "invalidMetadata", "language and name are needed.", "caption")
        if b"-->" not in text:
            raise errors.refuse(400, "contentRequired", "The request holds no caption track.", "caption")
        row = {"trackKind": "standard", "language": language, "name": name}
        if row in self._rows(video):
            message = "The specified video already has a caption track with this language and name."
            raise errors.refuse(409, "captionExists", message, "caption")
        video.facts.setdefault("captions", []).append(row)
        return answer(self._shown(video, row))

    def _rows(self, video: Content) -> list[dict[str, Any]]:
        heard = {"trackKind": "asr", "language": video.lang, "name": ""}
        return [heard, *video.facts.get("captions", [])]

    def _shown(self, video: Content, row: dict[str, Any]) -> dict[str, Any]:
        snippet = {
            "videoId": video.id,
            "lastUpdated": shapes.stamp(video.created_ms),
            **row,
            "trackKind": {"asr": "ASR"}.get(row["trackKind"], row["trackKind"]),
            "audioTrackType": "unknown",
            "isCC": False,
            "isLarge": False,
            "isEasyReader": False,
            "isDraft": False,
            "isAutoSynced": False,
            "status": "serving",
        }
        track_id = base64_id(32, video.id, row["trackKind"], row["language"], row["name"])
        return tagged("caption", {"id": track_id, "snippet": snippet})
