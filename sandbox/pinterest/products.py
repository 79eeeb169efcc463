"""The products of catalogues: each is a Pin, and shown in groups.

Source: Pinterest's OpenAPI document 5.23.0 (`/catalogs/product_groups`). Decided here: a business has the
group of all products, which Pinterest makes, and one that it made itself; Pins of products are in no list of
Pins.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.ids import digits
from sandbox.pinterest import shapes
from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.boards import Boards
from sandbox.pinterest.errors import Refused, refusal
from sandbox.pinterest.paging import listed
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Content, Media, Profile

_CHEAP = 50  # the group of one's own: what costs at most so much
_READ = ("boards:read", "catalogs:read", "pins:read")


@dataclass(slots=True)
class Product:
    """`attributes` as the batch that brought them said: the price is an amount and a currency in one text."""

    owner_id: str
    item_id: str
    attributes: dict[str, Any]
    created_ms: int

    @property
    def pin_id(self) -> str:
        return digits(18, self.owner_id, "product", self.item_id, prefix="8804")

    def price(self, name: str) -> tuple[float, str] | None:
        told = str(self.attributes.get(name) or "")
        return (float(Decimal(told[:-3].strip())), told[-3:]) if told else None


class Products:
    def __init__(self, state: State, access: Access, boards: Boards) -> None:
        self._state, self._access, self._boards = state, access, boards
        self._all: dict[str, Product] = {}  # by the id of the Pin

    def operations(self) -> list[Operation]:
        op, groups = self._access.operation, "/catalogs/product_groups"
        return [
            op("GET", groups, self.groups, ("catalogs:read",), "catalogs_read"),
            op("GET", f"{groups}/:group/products", self.products, _READ, "catalogs_read"),
        ]

    def put(self, owner: Profile, item_id: str, attributes: dict[str, Any]) -> None:
        new = Product(owner.id, item_id, attributes, self._state.clock.now_ms())
        self._all.setdefault(new.pin_id, new).attributes = attributes

    def of(self, owner: Profile) -> dict[str, Product]:
        """By the shop's own id, the first one first."""
        return {p.item_id: p for p in self._all.values() if p.owner_id == owner.id}

    def pinned(self, pin_id: str) -> Product | None:
        return self._all.get(pin_id)

    async def groups(self, call: Call, caller: Caller) -> Reply:
        account = caller.account
        if call.query.get("catalog_id", catalog_id(account)) != catalog_id(account):
            raise Refused(refusal(409, 4182, "The catalog was not found."))
        cheap: dict[str, Any] = {"MAX_PRICE": {"values": _CHEAP}}
        rows = [
            _group(account, "ALL_PRODUCTS", "All products", []),
            _group(account, "MERCHANT_CREATED", "Small things", [cheap]),
        ]
        return listed(call, "product groups", rows)

    async def products(self, call: Call, caller: Caller) -> Reply:
        account, group = caller.account, call.params["group"]
        found = list(self.of(account).values())
        if group == _group_id(account, "MERCHANT_CREATED"):
            found = [p for p in found if (price := p.price("price")) and price[0] <= _CHEAP]
        elif group != _group_id(account, "ALL_PRODUCTS"):
            raise Refused(refusal(404, 4180, "Sorry! We could not find your catalogs product group."))
        return listed(call, f"products {group}", [self._shown(account, product) for product in found])

    def _shown(self, account: Profile, product: Product) -> dict[str, Any]:
        told, sale = product.attributes, product.price("sale_price")
        price, currency = product.price("price") or (0.0, "USD")
        picture = Media(product.pin_id, "image", f"{product.pin_id}.jpg", None, 1000, 1500)
        pin = Content(
            "pinterest",
            product.pin_id,
            "image",
            account.id,
            str(told.get("description") or ""),
            product.created_ms,
            media=[picture],
            title=str(told.get("title") or ""),
            facts={"board_id": next(iter(self._boards.of(account))), "link": told.get("link")},
        )
        metadata = {
            "item_id": product.item_id,
            "item_group_id": None,
            "availability": str(told.get("availability", "")).upper().replace(" ", "_"),
            "price": price,
            "sale_price": sale[0] if sale else None,
            "currency": currency,
        }
        shown = shapes.pin(account, pin, self._state.clock.now_ms(), False)
        return {"catalog_type": "RETAIL", "metadata": metadata, "pin": shown}


def catalog_id(account: Profile) -> str:
    return digits(18, account.id, "catalog", prefix="8808")


def _group_id(account: Profile, kind: str) -> str:
    return digits(12, account.id, "group", kind, prefix="4437")


def _group(account: Profile, kind: str, name: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "catalog_type": "RETAIL",
        "id": _group_id(account, kind),
        "catalog_id": catalog_id(account),
        "feed_id": None,
        "name": name,
        "description": None,
        "type": kind,
        "status": "ACTIVE",
        "filters": {"all_of": filters},
        "created_at": account.created_ms // 1000,
        "updated_at": account.created_ms // 1000,
        "country": None,
        "locale": None,
    }
