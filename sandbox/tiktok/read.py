"""The Display API: the user, the list of public videos, and videos by id.

Source: developers.tiktok.com "Get user info", "List videos", "Query videos". The cursor is a time in
milliseconds, newest first; a page may be shorter than asked although there is more.
"""

from typing import Any

from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok import errors, shapes
from sandbox.tiktok.access import Access, Caller
from sandbox.tiktok.errors import Refused
from sandbox.tiktok.publish import Publishing
from sandbox.web import Call, Reply

PAGE_AT_MOST = 20
_PAGE = 10
_PER_MINUTE = 600


class Reading:
    def __init__(self, state: State, access: Access, publishing: Publishing) -> None:
        self._state, self._world, self._access, self._publishing = state, state.world, access, publishing

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/v2/user/info/", self.user, ("user.info.basic",), _PER_MINUTE),
            op("POST", "/v2/video/list/", self.videos, ("video.list",), _PER_MINUTE),
            op("POST", "/v2/video/query/", self.query, ("video.list",), _PER_MINUTE),
        ]

    async def user(self, call: Call, caller: Caller) -> Reply:
        shown = shapes.user(self._world, caller.account, _fields(call), caller.scopes)
        return errors.fine({"user": shown})

    async def videos(self, call: Call, caller: Caller) -> Reply:
        self._publishing.settle()
        wanted, wish, now = _video_fields(call), call.json(), self._state.clock.now_ms()
        size, cursor = wish.get("max_count", _PAGE), wish.get("cursor", 0)
        if type(size) is not int or not 1 <= size <= PAGE_AT_MOST:
            raise Refused(errors.refusal("invalid_params", "max_count must be from 1 to 20."))
        if type(cursor) is not int or cursor < 0:
            raise Refused(errors.refusal("invalid_params", "cursor must be an int64."))
        feed = self._world.timeline("tiktok", caller.account.id)
        rows, more = feed.older((cursor, 0) if cursor else None, size, lambda c: not c.deleted)
        shown = [shapes.video(self._world, c, wanted, now) for c in rows if shapes.is_public(c)]
        following = rows[-1].created_ms if rows else cursor or now
        return errors.fine({"videos": shown, "cursor": following, "has_more": more})

    async def query(self, call: Call, caller: Caller) -> Reply:
        """Whatever is not the account's own, public and there is left out without a word (unconfirmed)."""
        self._publishing.settle()
        wanted, now = _video_fields(call), self._state.clock.now_ms()
        filters = call.json().get("filters")
        ids: Any = filters.get("video_ids") if isinstance(filters, dict) else None
        if not isinstance(ids, list) or not 1 <= len(ids) <= PAGE_AT_MOST:
            raise Refused(errors.refusal("invalid_params", "filters.video_ids must hold 1 to 20 ids."))
        found = [self._world.find("tiktok", str(i)) for i in dict.fromkeys(ids)]
        own = [c for c in found if c and shapes.is_public(c) and c.author_id == caller.account.id]
        return errors.fine({"videos": [shapes.video(self._world, c, wanted, now) for c in own]})


def _fields(call: Call) -> list[str]:
    wanted = [field.strip() for field in call.query.get("fields", "").split(",") if field.strip()]
    if not wanted:
        raise Refused(errors.refusal("invalid_params", "Fields is required."))
    return list(dict.fromkeys(wanted))


def _video_fields(call: Call) -> list[str]:
    wanted = _fields(call)
    unknown = [field for field in wanted if field not in shapes.VIDEO_FIELDS]
    if unknown:
        raise Refused(errors.refusal("invalid_params", f"Field {unknown[0]} does not exist."))
    return wanted
