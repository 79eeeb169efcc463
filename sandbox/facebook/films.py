"""Videos, reels and video stories: start a session, send the bytes, finish; the platform then needs a while.

Sources: reference page/videos (chunked: start, transfer, finish), "Reels publishing" (rupload.facebook.com),
"Page stories". One reading where it is unconfirmed: past 30 reels in 24 hours the answer is code 341.
"""

from typing import Any

from sandbox.clock import DAY_MS
from sandbox.facebook.access import VIDEO, Access, Caller
from sandbox.facebook.people import People
from sandbox.facebook.read import Reading, bad_parameter
from sandbox.facebook.uploads import Upload
from sandbox.facebook.write import Writing
from sandbox.meta import errors, forms
from sandbox.meta.errors import Refused
from sandbox.meta.fields import chosen
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Media

REELS_A_DAY = 30
CHUNK = 1024 * 1024  # what Facebook asks for at once
_RUPLOAD = ("rupload.facebook.com",)
_MANAGE_POSTS = "pages_manage_posts"


class Films:
    def __init__(
        self, state: State, access: Access, people: People, reading: Reading, writing: Writing
    ) -> None:
        self._state, self._access, self._people = state, access, people
        self._reading, self._writing = reading, writing
        self._uploads: dict[str, Upload] = {}
        self._sessions: dict[str, Upload] = {}

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("POST", "/:id/videos", self.videos, _MANAGE_POSTS, hosts=VIDEO),
            op("POST", "/:id/video_reels", self.reels, _MANAGE_POSTS),
            op("POST", "/:id/video_stories", self.stories, _MANAGE_POSTS),
            Operation("facebook", _RUPLOAD, "POST", "/video-upload/:version/:id", self.receive),
            op("GET", "/:id", self.status),
        ]

    async def videos(self, call: Call, caller: Caller) -> Reply:
        page, sent = self._reading.own(call, caller), forms.read(call)
        form, now = sent.fields, self._state.clock.now_ms()
        match form.get("upload_phase"):
            case None if "source" in sent.files:
                upload = self._start(caller, call, "video", len(sent.files["source"]))
                upload.take(sent.files["source"], now)
                self._finish(upload, caller, form)
                return json_reply({"id": upload.video_id})
            case "start":
                size = form.get("file_size", "")
                if not size.isdigit() or int(size) <= 0:
                    raise bad_parameter("file_size is required")
                upload = self._start(caller, call, "video", int(size))
                session = self._state.world.ids.numbered("1225", 15)
                self._sessions[session] = upload
                answer = {"upload_session_id": session, "video_id": upload.video_id}
                return json_reply(answer | _offsets(upload))
            case "transfer" | "finish" as phase:
                found = self._sessions.get(form.get("upload_session_id", ""))
                if found is None or found.page is not page:
                    raise Refused(
                        errors.graph_error(6000, "(#6000) There was a problem uploading your video")
                    )
                if phase == "transfer":
                    return self._transfer(found, form, sent.files)
                if found.done_ms is None:
                    raise Refused(errors.graph_error(6000, "(#6000) The video is not complete"))
                self._finish(found, caller, form)
                return json_reply({"success": True})
        raise bad_parameter("upload_phase must be start, transfer or finish, or source a file")

    async def reels(self, call: Call, caller: Caller) -> Reply:
        return self._two_steps(call, caller, "reel")

    async def stories(self, call: Call, caller: Caller) -> Reply:
        return self._two_steps(call, caller, "story")

    async def receive(self, call: Call) -> Reply:
        """Bytes from `offset` on. A wrong offset and a body that ends early are told apart."""
        scheme, _, _ = call.headers.get("authorization", "").partition(" ")
        upload = self._uploads.get(call.params["id"])
        try:
            caller = self._access.caller(call)
        except Refused as refused:
            return refused.reply
        if scheme != "OAuth" or upload is None or caller.page is not upload.page:
            return _debug(
                "UnauthorizedError", "Authorization must be OAuth, for the page's own session", False
            )
        now, offset = self._state.clock.now_ms(), call.headers.get("offset", "")
        size = call.headers.get("file_size", "")
        if not offset.isdigit() or not size.isdigit():
            return _debug("ParameterError", "offset and file_size are required", False)
        if upload.done_ms is not None:
            return json_reply({"success": True})
        if int(offset) != upload.received:
            return _debug("OffsetInvalidError", "The offset is not where the last bytes ended", True)
        upload.size = int(size)
        upload.take(call.body, now)
        if upload.broken:
            return _debug("ProcessingFailedError", "The file is not a video", False)
        if upload.received < upload.size:
            return _debug("PartialRequestError", "The request ended before the file", True)
        return json_reply({"success": True})

    async def status(self, call: Call, caller: Caller) -> Reply:
        """A video that is not out yet; any other id is somebody else's to answer."""
        upload = self._uploads.get(call.params["id"])
        if upload is None or upload.page is not caller.page:
            return await self._reading.object(call, caller)
        now = self._state.clock.now_ms()
        shown: dict[str, Any] = {"id": upload.video_id, "status": upload.status(now), "published": False}
        if upload.content is not None:
            shown["published"] = True
            shown["post_id"] = upload.content.id.partition("_")[2]
            shown["permalink_url"] = f"/{'reel' if upload.kind == 'reel' else 'watch'}/{upload.video_id}/"
            shown["description"] = upload.content.text or None
        return json_reply(chosen(shown, self._reading.wanted(call), {}))

    def _two_steps(self, call: Call, caller: Caller, kind: str) -> Reply:
        page, form = self._reading.own(call, caller), call.fields()
        now = self._state.clock.now_ms()
        if form.get("upload_phase") == "start":
            if kind == "reel" and self._reels_of(page.id, now) >= REELS_A_DAY:
                raise Refused(errors.graph_error(341, "(#341) Feed action request limit reached"))
            upload = self._start(caller, call, kind, None)
            url = f"https://rupload.facebook.com/video-upload/v26.0/{upload.video_id}"
            return json_reply({"video_id": upload.video_id, "upload_url": url})
        found = self._uploads.get(form.get("video_id", ""))
        if form.get("upload_phase") != "finish" or found is None or found.page is not page:
            raise bad_parameter("upload_phase must be start, or finish with the video_id of a session")
        if found.done_ms is None or found.broken:
            raise Refused(errors.graph_error(6000, "(#6000) There was a problem uploading your video"))
        self._finish(found, caller, form)
        answer: dict[str, Any] = {"success": True}
        if kind == "story" and found.content is not None:
            answer["post_id"] = found.content.id.partition("_")[2]
        return json_reply(answer)

    def _start(self, caller: Caller, call: Call, kind: str, size: int | None) -> Upload:
        page = self._reading.own(call, caller)
        video_id = self._state.world.ids.numbered("1226", 15)
        upload = Upload(video_id, kind, page, size, self._state.clock.now_ms())
        self._uploads[video_id] = upload
        return upload

    def _transfer(self, upload: Upload, form: dict[str, str], files: dict[str, bytes]) -> Reply:
        piece = files.get("video_file_chunk", b"")
        if form.get("start_offset") != str(upload.received):
            message = "(#6001) There was a problem uploading your video: the offset is wrong"
            reply = errors.graph_error(6001, message, 1363037)
            raise Refused(reply)
        if piece:
            upload.take(piece, self._state.clock.now_ms())
        if upload.broken:
            raise Refused(errors.graph_error(382, "(#382) The video is too small or damaged"))
        return json_reply(_offsets(upload))

    def _finish(self, upload: Upload, caller: Caller, form: dict[str, str]) -> None:
        """Once: a repeated finish of the same session makes nothing new."""
        if upload.finished_ms is not None:
            return
        upload.finished_ms = self._state.clock.now_ms()
        state = form.get("video_state", "PUBLISHED")
        hidden = state != "PUBLISHED" or form.get("published", "true").lower() in ("false", "0")
        film = Media(
            upload.video_id,
            "VIDEO",
            f"https://scontent.xx.fbcdn.net/v/{upload.video_id}.mp4?oe=sig",
            f"https://scontent.xx.fbcdn.net/v/{upload.video_id}_t.jpg?oe=sig",
            1080,
            1920 if upload.kind == "reel" else 608,
            15_000,
        )
        text, title = form.get("description", ""), form.get("title")
        content = self._people.publish(upload.page, upload.kind, text, [film], hidden=hidden, title=title)
        upload.content = content
        if not hidden:
            digest = str(upload.digest.hexdigest())
            self._writing.published(caller, upload.page, content.id, upload.kind, text, None, digest)

    def _reels_of(self, page_id: str, now_ms: int) -> int:
        made = [u for u in self._uploads.values() if u.kind == "reel" and u.page.id == page_id]
        return sum(u.finished_ms is not None and now_ms - u.finished_ms < DAY_MS for u in made)


def _offsets(upload: Upload) -> dict[str, str]:
    """Texts, not numbers; equal when everything has arrived."""
    end = min(upload.size or 0, upload.received + CHUNK)
    return {"start_offset": str(upload.received), "end_offset": str(end)}


def _debug(kind: str, message: str, retriable: bool) -> Reply:
    return json_reply({"debug_info": {"retriable": retriable, "type": kind, "message": message}}, 400)
