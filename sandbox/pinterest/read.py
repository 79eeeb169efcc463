"""The account, its boards and its Pins. Source: Pinterest's OpenAPI document 5.23.0."""

from typing import Any

from sandbox.pinterest import shapes
from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.boards import PRIVACIES, Board, Boards
from sandbox.pinterest.errors import Refused, no_board, no_pin, refusal, wrong
from sandbox.pinterest.paging import bookmark, listed, page_size, position
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content

_READ = ("boards:read", "pins:read")
_BOARDS = ("boards:read",)
_WRITE = ("boards:read", "boards:write")


class Reading:
    def __init__(self, state: State, access: Access, boards: Boards) -> None:
        self._state, self._world, self._access, self._boards = state, state.world, access, boards

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/user_account", self.user, ("user_accounts:read",), "org_read"),
            op("GET", "/boards", self.boards, _BOARDS, "org_read"),
            op("POST", "/boards", self.create_board, _WRITE, "org_write"),
            op("GET", "/boards/:board", self.board, _BOARDS, "org_read"),
            op("PATCH", "/boards/:board", self.change_board, _WRITE, "org_write"),
            op("DELETE", "/boards/:board", self.delete_board, _WRITE, "org_write"),
            op("GET", "/boards/:board/pins", self.board_pins, _READ, "org_read"),
            op("GET", "/pins", self.pins, _READ, "org_read"),
            op("GET", "/pins/:pin", self.pin, _READ, "org_read"),
        ]

    async def user(self, call: Call, caller: Caller) -> Reply:
        return json_reply(shapes.account(self._world, self._boards, caller.account))

    async def boards(self, call: Call, caller: Caller) -> Reply:
        privacy = call.query.get("privacy", "ALL")
        if privacy not in ("ALL", "PUBLIC_AND_SECRET", *PRIVACIES):
            raise wrong(f"'{privacy}' is not a privacy.")
        wanted = privacy.split("_AND_") if privacy != "ALL" else PRIVACIES
        own = [b for b in self._boards.of(caller.account).values() if b.privacy in wanted]
        shown = [shapes.board(self._world, caller.account, b) for b in own]
        return listed(call, f"boards-{privacy}", shown)

    async def board(self, call: Call, caller: Caller) -> Reply:
        return json_reply(shapes.board(self._world, caller.account, own_board(self._boards, caller, call)))

    async def create_board(self, call: Call, caller: Caller) -> Reply:
        name, description, privacy = _board_fields(call.json(), new=True)
        assert name is not None  # _board_fields has looked
        if any(b.name == name for b in self._boards.of(caller.account).values()):
            raise Refused(refusal(400, 58, "You already have a board with this name."))
        now = self._state.clock.now_ms()
        made = self._boards.create(caller.account, name, description or "", privacy or "PUBLIC", now)
        return json_reply(shapes.board(self._world, caller.account, made), 201)

    async def change_board(self, call: Call, caller: Caller) -> Reply:
        found = own_board(self._boards, caller, call)
        name, description, privacy = _board_fields(call.json(), new=False)
        found.name, found.privacy = name or found.name, privacy or found.privacy
        found.description = found.description if description is None else description
        return json_reply(shapes.board(self._world, caller.account, found))

    async def delete_board(self, call: Call, caller: Caller) -> Reply:
        self._boards.remove(caller.account, own_board(self._boards, caller, call))
        return Reply(204)

    async def pins(self, call: Call, caller: Caller) -> Reply:
        return self._pins(call, caller, "pins", None)

    async def board_pins(self, call: Call, caller: Caller) -> Reply:
        board_id = own_board(self._boards, caller, call).id
        return self._pins(call, caller, f"pins-{board_id}", board_id)

    async def pin(self, call: Call, caller: Caller) -> Reply:
        found = own_pin(self._state, caller, call)
        now = self._state.clock.now_ms()
        return json_reply(shapes.pin(caller.account, found, now, _metrics(call)))

    def _pins(self, call: Call, caller: Caller, listing: str, board_id: str | None) -> Reply:
        """Newest first (the order is not documented)."""
        size, at = page_size(call), position(call, listing, 2)

        def keep(content: Content) -> bool:
            return not content.deleted and (board_id is None or shapes.on_board(content, board_id))

        feed = self._world.timeline("pinterest", caller.account.id)
        rows, more = feed.older((at[0], at[1]) if at else None, size, keep)
        now, metrics = self._state.clock.now_ms(), _metrics(call)
        shown = [shapes.pin(caller.account, row, now, metrics) for row in rows]
        following = bookmark(listing, *rows[-1].key) if more else None
        return json_reply({"items": shown, "bookmark": following})


def own_board(boards: Boards, caller: Caller, call: Call) -> Board:
    return named_board(boards, caller, call.params["board"])


def named_board(boards: Boards, caller: Caller, board_id: str) -> Board:
    """404 for what does not exist, 401 for somebody else's."""
    if not board_id.isdigit():
        raise wrong(f"'{board_id}' does not match the pattern of board_id.")
    found = boards.of(caller.account).get(board_id)
    if found is None and boards.find(board_id) is not None:
        raise Refused(refusal(401, 7, "You are not permitted to access that board."))
    if found is None:
        raise no_board()
    return found


def own_pin(state: State, caller: Caller, call: Call) -> Content:
    pin_id = call.params["pin"]
    if not pin_id.isdigit():
        raise wrong(f"'{pin_id}' does not match the pattern of pin_id.")
    found = state.world.find("pinterest", pin_id)
    if found is None:
        raise no_pin()
    if found.author_id != caller.account.id:
        raise Refused(refusal(401, 7, "You are not permitted to access that Pin."))
    return found


def _metrics(call: Call) -> bool:
    told = call.query.get("pin_metrics", "false").lower()
    if told not in ("true", "false"):
        raise wrong("'pin_metrics' must be a boolean.")
    return told == "true"


def _board_fields(body: dict[str, Any], new: bool) -> tuple[str | None, str | None, str | None]:
    name, description, privacy = (body.get(key) for key in ("name", "description", "privacy"))
    if (new and not name) or not isinstance(name, str | None):
        raise wrong("'name' must be a text.")
    if not isinstance(description, str | None):
        raise wrong("'description' must be a text.")
    if privacy is not None and privacy not in PRIVACIES:
        raise wrong(f"'privacy' must be one of {', '.join(PRIVACIES)}.")
    return name, description, privacy
