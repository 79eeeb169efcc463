"""Catalogues of a business: products, batches and their outcome. Source: "Catalog Batch API", reference
product-catalog. Orders are gone since 27 Oct 2026, so no address for them answers."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.facebook.access import Access, Caller
from sandbox.facebook.read import Reading, bad_parameter
from sandbox.facebook.roles import Roles
from sandbox.generate import voice_of
from sandbox.ids import digits, hexadecimal
from sandbox.meta import errors
from sandbox.meta.errors import Refused
from sandbox.meta.fields import Wanted, chosen
from sandbox.meta.paging import page_of
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Profile

ITEMS_AT_MOST = 5000
_BATCH_MS = 120_000
_SCOPE = "catalog_management"
_PRICE = re.compile(r"(\d+(?:\.\d+)?) ([A-Z]{3})")
AVAILABILITIES = ("in stock", "out of stock", "preorder", "available for order", "discontinued")
_KNOWN = {
    "id": "retailer_id",
    "title": "name",
    "description": "description",
    "availability": "availability",
    "condition": "condition",
    "price": "price",
    "sale_price": "sale_price",
    "link": "url",
    "image_link": "image_url",
    "brand": "brand",
    "item_group_id": "item_group_id",
}


@dataclass(slots=True)
class Batch:
    at_ms: int
    errors: list[dict[str, Any]] = field(default_factory=list)


class Catalogs:
    def __init__(self, state: State, access: Access, roles: Roles, reading: Reading) -> None:
        self._state, self._access, self._roles, self._reading = state, access, roles, reading
        self._products: dict[str, dict[str, dict[str, Any]]] = {}  # catalogue -> retailer id -> fields
        self._batches: dict[str, Batch] = {}

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/:id/businesses", self.businesses, f"business_management {_SCOPE}", "catalog"),
            op("GET", "/:id/owned_product_catalogs", self.catalogs, _SCOPE, "catalog"),
            op("GET", "/:id/products", self.products, _SCOPE, "catalog"),
            op("POST", "/:id/items_batch", self.batch, _SCOPE, "catalog_batch"),
            op("GET", "/:id/check_batch_request_status", self.status, _SCOPE, "catalog"),
        ]

    def of_page(self, page: Profile) -> tuple[str, list[dict[str, Any]]]:
        """The id of the page's catalogue, and its products."""
        self._seed(page)
        catalog = self._id(page)
        return catalog, list(self._products[catalog].values())

    async def businesses(self, call: Call, caller: Caller) -> Reply:
        if caller.page is not None:
            message = "(#100) Tried accessing nonexisting field (businesses) on node type (Page)"
            raise Refused(errors.graph_error(100, message))
        wanted = self._reading.wanted(call)
        pages = self._roles.pages(caller.token.grant)

        def show(page: Profile) -> dict[str, Any]:
            edge = lambda want: {"data": [self._catalog(page, want.inner or [])]}  # noqa: E731
            shown = {"id": digits(15, page.id, "business", prefix="55"), "name": f"{page.name} GmbH"}
            return chosen(shown, wanted, {"owned_product_catalogs": edge})

        return page_of(call, pages, 100, show)

    async def catalogs(self, call: Call, caller: Caller) -> Reply:
        pages = [] if caller.page is not None else self._roles.pages(caller.token.grant)
        own = [p for p in pages if digits(15, p.id, "business", prefix="55") == call.params["id"]]
        if not own:
            raise Refused(errors.no_such_object(call.params["id"]))
        wanted = self._reading.wanted(call)
        return page_of(call, own, 100, lambda page: self._catalog(page, wanted))

    async def products(self, call: Call, caller: Caller) -> Reply:
        catalog = self._own(call, caller)
        wanted = self._reading.wanted(call, [Wanted("id"), Wanted("name"), Wanted("retailer_id")])
        rows = list(self._products[catalog].values())
        return page_of(call, rows, 100, lambda row: chosen(row, wanted, {}))

    async def batch(self, call: Call, caller: Caller) -> Reply:
        catalog, form = self._own(call, caller), call.fields()
        if form.get("item_type") != "PRODUCT_ITEM":
            raise bad_parameter("item_type must be PRODUCT_ITEM")
        try:
            requests = json.loads(form.get("requests", ""))
            rows = [(str(r["method"]), dict(r["data"])) for r in requests]
        except (ValueError, TypeError, KeyError):
            raise bad_parameter("requests must be a list of method and data") from None
        if not 0 < len(rows) <= ITEMS_AT_MOST:
            raise bad_parameter(f"requests must hold 1 to {ITEMS_AT_MOST} items")
        upsert = form.get("allow_upsert", "true") == "true"
        validation, accepted = [], 0
        for method, data in rows:
            found = self._problems(method, data)
            if found:
                messages = [{"message": message} for message in found]
                validation.append(
                    {"retailer_id": str(data.get("id", "")), "errors": messages, "warnings": []}
                )
                continue
            accepted += 1
            self._apply(catalog, method, data, upsert)
        if not accepted:
            return json_reply({"handles": [], "validation_status": validation})
        handle = "Ac" + hexadecimal(40, catalog, len(self._batches), form.get("requests"))
        self._batches[handle] = Batch(self._state.clock.now_ms())
        return json_reply({"handles": [handle], "validation_status": validation})

    async def status(self, call: Call, caller: Caller) -> Reply:
        self._own(call, caller)
        handle = call.query.get("handle", "")
        batch = self._batches.get(handle)
        if batch is None:
            raise bad_parameter("handle names no batch")
        done = self._state.clock.now_ms() >= batch.at_ms + _BATCH_MS
        row = {
            "handle": handle,
            "status": "finished" if done else "in_progress",
            "errors": batch.errors,
            "errors_total_count": len(batch.errors),
            "warnings": [],
            "warnings_total_count": 0,
            "ids_of_invalid_requests": [],
        }
        return json_reply({"data": [row]})

    def _problems(self, method: str, data: dict[str, Any]) -> list[str]:
        if not data.get("id"):
            return ["id is required"]
        if method == "DELETE":
            return []
        if method not in ("CREATE", "UPDATE"):
            return ["method must be CREATE, UPDATE or DELETE"]
        found = [
            f"{name} must be written as 9.99 USD"
            for name in ("price", "sale_price")
            if name in data and not _PRICE.fullmatch(str(data[name]))
        ]
        if "availability" in data and data["availability"] not in AVAILABILITIES:
            found.append(f"availability must be one of {', '.join(AVAILABILITIES)}")
        return found

    def _apply(self, catalog: str, method: str, data: dict[str, Any], upsert: bool) -> None:
        products, retailer_id = self._products[catalog], str(data["id"])
        if method == "DELETE":
            products.pop(retailer_id, None)
            return
        if retailer_id not in products and method == "UPDATE" and not upsert:
            return
        item = products.setdefault(
            retailer_id,
            {"id": digits(16, catalog, retailer_id, prefix="66"), "review_status": "pending"},
        )
        for name, value in data.items():
            if name in ("price", "sale_price") and (match := _PRICE.fullmatch(str(value))):
                item[_KNOWN[name]], item["currency"] = _shown(match[1], match[2]), match[2]
            elif name in _KNOWN:
                item[_KNOWN[name]] = value

    def _own(self, call: Call, caller: Caller) -> str:
        pages = [] if caller.page is not None else self._roles.pages(caller.token.grant)
        for page in pages:
            if self._id(page) == call.params["id"]:
                self._seed(page)
                return self._id(page)
        raise Refused(errors.no_such_object(call.params["id"]))

    def _catalog(self, page: Profile, wanted: list[Wanted]) -> dict[str, Any]:
        self._seed(page)
        catalog = self._id(page)
        shown = {
            "id": catalog,
            "name": f"{page.name} products",
            "product_count": len(self._products[catalog]),
            "vertical": "commerce",
        }
        return chosen(shown, wanted, {})

    def _id(self, page: Profile) -> str:
        return digits(15, page.id, "catalog", prefix="44")

    def _seed(self, page: Profile) -> None:
        catalog = self._id(page)
        if catalog in self._products:
            return
        self._products[catalog] = {}
        for number, name in enumerate(voice_of(page).products):
            data = {
                "id": f"sku-{number}",
                "title": name,
                "description": name,
                "availability": AVAILABILITIES[number % 3],
                "condition": "new",
                "price": f"{12 + number * 7}.90 EUR",
                "link": f"{page.website}/p/{number}",
                "image_link": f"{page.website}/p/{number}.jpg",
                "brand": page.name,
            }
            self._apply(catalog, "CREATE", data, True)
        for item in self._products[catalog].values():
            item["review_status"] = "approved"


def _shown(amount: str, currency: str) -> str:
    """Products show their price in words: `€24.90`."""
    sign = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency)
    return f"{sign}{float(amount):,.2f}" if sign else f"{float(amount):,.2f} {currency}"
