"""Products shown in a Pin: all tags of a call are taken, or none.

Source: Pinterest's OpenAPI document 5.28.0 as `pinterestsdk` carries it (`/pins/{pin_id}/product_tags`).
Decided here, as no document tells: the number in a refusal, scopes and category, that a Pin may have any
number of tags in all, and that a website is verified when it is the account's own.
"""

from urllib.parse import urlsplit

from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.boards import Boards
from sandbox.pinterest.errors import Refused, refusal, wrong
from sandbox.pinterest.products import Products
from sandbox.pinterest.read import own_pin
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content

AT_MOST = 24
_READ = ("boards:read", "pins:read")
_WRITE = ("boards:read", "boards:write", "pins:read", "pins:write")


class Tags:
    def __init__(self, state: State, access: Access, boards: Boards, products: Products) -> None:
        self._state, self._access = state, access
        self._boards, self._products = boards, products

    def operations(self) -> list[Operation]:
        op, path = self._access.operation, "/pins/:pin/product_tags"
        return [
            op("GET", path, self.listed, _READ, "org_read"),
            op("POST", path, self.add, _WRITE, "org_write"),
            op("POST", f"{path}/bulk-delete", self.remove, _WRITE, "org_write"),
        ]

    async def listed(self, call: Call, caller: Caller) -> Reply:
        return _shown(own_pin(self._state, caller, call))

    async def add(self, call: Call, caller: Caller) -> Reply:
        hero, wanted = own_pin(self._state, caller, call), _wanted(call)
        if len(set(wanted)) < len(wanted):
            raise wrong("'product_tags' must not name a Pin twice.")
        refused = [
            {"pin_id": pin_id, "error_message": reason}
            for pin_id in wanted
            if (reason := self._reason(pin_id, caller)) is not None
        ]
        if refused:
            message = "Some product tags are not eligible."
            raise Refused(refusal(400, 4001, message, {"product_tags": refused}))
        hero.facts["product_tags"] = list(dict.fromkeys([*_tags(hero), *wanted]))
        return _shown(hero)

    async def remove(self, call: Call, caller: Caller) -> Reply:
        hero, gone = own_pin(self._state, caller, call), _wanted(call)
        hero.facts["product_tags"] = [pin_id for pin_id in _tags(hero) if pin_id not in gone]
        return Reply(204)

    def _reason(self, pin_id: str, caller: Caller) -> str | None:
        """Why the Pin cannot be a tag."""
        product = self._products.pinned(pin_id)
        if product is None:
            pin = self._state.world.find("pinterest", pin_id)
            if pin is None:
                return "PIN_MISSING"
            board = self._boards.find(str(pin.facts["board_id"]))
            secret = board is not None and board.privacy == "SECRET"
            return "PIN_IS_PRIVATE" if secret else "PRODUCT_METADATA_MISSING"
        if product.owner_id != caller.account.id:
            return "PIN_NOT_FROM_SAME_USER_AS_HERO_PIN"
        own = urlsplit(caller.account.website).hostname
        linked = urlsplit(str(product.attributes.get("link") or "")).hostname
        return None if linked == own else "PIN_NOT_FROM_VERIFIED_DOMAIN"


def _tags(hero: Content) -> list[str]:
    found: list[str] = hero.facts.get("product_tags", [])
    return found


def _shown(hero: Content) -> Reply:
    return json_reply({"product_tags": [{"pin_id": pin_id} for pin_id in _tags(hero)]})


def _wanted(call: Call) -> list[str]:
    rows = call.json().get("product_tags")
    if not isinstance(rows, list) or not 1 <= len(rows) <= AT_MOST:
        raise wrong(f"'product_tags' must hold 1 to {AT_MOST} objects.")
    ids = [row.get("pin_id") if isinstance(row, dict) else None for row in rows]
    if not all(isinstance(pin_id, str) and pin_id.isdigit() for pin_id in ids):
        raise wrong("'pin_id' must be an id.")
    return [str(pin_id) for pin_id in ids]
