"""Changing and deleting videos, answering comments. Source: discovery document `youtube.v3`."""

from typing import Any

from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import BadInput, Call, Reply
from sandbox.youtube import errors, shapes
from sandbox.youtube.access import COMMENTS, WRITE, Access, Caller, answer, own_video, parts_of
from sandbox.youtube.people import STATUS_NAMES, People
from sandbox.youtube.upload import check_resource


class Writing:
    def __init__(self, state: State, access: Access, people: People) -> None:
        self._state, self._access, self._people = state, access, people

    def operations(self) -> list[Operation]:
        op, root = self._access.operation, "/youtube/v3"
        return [
            op("PUT", f"{root}/videos", self.update, scopes=WRITE, cost=50),
            op("DELETE", f"{root}/videos", self.delete, scopes=WRITE, cost=50),
            op("POST", f"{root}/comments", self.reply, scopes=COMMENTS, cost=50),
        ]

    async def update(self, call: Call, caller: Caller) -> Reply:
        """Replaces every property of the parts named: what is left out is emptied."""
        parts, wish = parts_of(call, shapes.VIDEO_PARTS), _json(call)
        video = own_video(self._state.world, caller, str(wish.get("id", "")), "video")
        check_resource(wish, new=False)
        changed = False
        if "snippet" in parts:
            snippet = wish.get("snippet", {})
            if not snippet.get("title") or not snippet.get("categoryId"):
                message = "The request metadata specifies an invalid or empty video title or category."
                raise errors.refuse(400, "invalidTitle", message, "video")
            before = video.title, video.text
            video.title, video.text = snippet["title"], snippet.get("description", "")
            video.facts |= {"categoryId": snippet["categoryId"], "tags": snippet.get("tags", [])}
            changed = before != (video.title, video.text)
        if "status" in parts:
            status = wish.get("status", {})
            kept = {name: status[name] for name in STATUS_NAMES if name in status}
            video.facts = {k: v for k, v in video.facts.items() if k not in STATUS_NAMES} | kept
        if changed:
            self._people.told_of_edit(caller.account, video)
        return answer(shapes.video(caller.account, video, parts, self._state.clock.now_ms()))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        video = own_video(self._state.world, caller, call.query.get("id", ""), "video")
        self._people.remove(caller.account, video)
        return Reply(204)

    async def reply(self, call: Call, caller: Caller) -> Reply:
        parts_of(call, ("id", "snippet"))
        snippet = _json(call).get("snippet", {})
        top = self._state.world.find("youtube", str(snippet.get("parentId", "")))
        text = snippet.get("textOriginal")
        if top is None or top.kind != "comment":
            message = "The specified parent comment could not be found."
            raise errors.refuse(404, "parentCommentNotFound", message, "comment")
        if not isinstance(text, str) or not text.strip():
            message = "The comment text is empty."
            raise errors.refuse(400, "commentTextRequired", message, "comment")
        made = self._people.comment(caller.account, top, text)
        return answer(shapes.comment(self._state.world, made, plain=False))


def _json(call: Call) -> dict[str, Any]:
    try:
        return call.json()
    except BadInput:
        raise errors.refuse(400, "parseError", "Parse Error", "global") from None
