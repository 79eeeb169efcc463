"""Catalogues: one for each business with one feed, and batches of items that take a while.

Source: Pinterest's OpenAPI document 5.23.0 (`/catalogs/...`). Not emulated: fetching feeds.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import iso_z
from sandbox.ids import digits
from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.errors import Refused, refusal, wrong
from sandbox.pinterest.paging import listed
from sandbox.pinterest.products import Products, catalog_id
from sandbox.pinterest.shapes import moment
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply

PROCESSING_MS = 5000
_LOCALES = {"en": ("US", "en-US"), "de": ("DE", "de"), "ja": ("JP", "ja"), "pt": ("BR", "pt-BR")}
_PRICE = re.compile(r"[0-9]+(\.[0-9]{1,3})? ?[A-Z]{3}")
_AVAILABILITY = ("in stock", "out of stock", "preorder")


@dataclass(slots=True)
class Batch:
    id: str
    owner_id: str
    created_ms: int
    errors: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by item id, empty when fine


class Catalogs:
    def __init__(self, state: State, access: Access, products: Products) -> None:
        self._state, self._access, self._products = state, access, products
        self._batches: dict[str, Batch] = {}

    def operations(self) -> list[Operation]:
        op, read = self._access.operation, ("catalogs:read",)
        write = ("catalogs:read", "catalogs:write")
        batch = "/catalogs/items/batch"
        return [
            op("GET", "/catalogs", self.catalogs, read, "catalogs_read"),
            op("GET", "/catalogs/feeds", self.feeds, read, "catalogs_read"),
            op("POST", batch, self.change, write, "catalogs_write"),
            op("GET", f"{batch}/:batch", self.batch, read, "catalogs_read"),
            op("POST", "/catalogs/items", self.items, read, "catalogs_read"),
        ]

    async def catalogs(self, call: Call, caller: Caller) -> Reply:
        account, born = caller.account, iso_z(caller.account.created_ms)
        shown = {"id": catalog_id(account), "name": account.name, "catalog_type": "RETAIL"}
        return listed(call, "catalogs", [{**shown, "created_at": born, "updated_at": born}])

    async def feeds(self, call: Call, caller: Caller) -> Reply:
        account, born = caller.account, iso_z(caller.account.created_ms)
        if call.query.get("catalog_id", catalog_id(account)) != catalog_id(account):
            raise Refused(refusal(409, 4182, "The catalog was not found."))
        country, locale = _LOCALES.get(account.lang, ("FR", "fr"))
        feed = {
            "id": digits(18, account.id, "feed", prefix="8809"),
            "created_at": born,
            "updated_at": born,
            "name": "shop",
            "format": "TSV",
            "catalog_type": "RETAIL",
            "location": f"{account.website}/feed.tsv",
            "status": "ACTIVE",
            "default_currency": "USD",
            "default_locale": locale,
            "default_country": country,
            "default_availability": None,
            "credentials": None,
            "preferred_processing_schedule": None,
        }
        return listed(call, "feeds", [feed])

    async def change(self, call: Call, caller: Caller) -> Reply:
        body = call.json()
        items, now = body.get("items"), self._state.clock.now_ms()
        if not isinstance(items, list) or not 1 <= len(items) <= 1000:
            raise wrong("'items' must hold 1 to 1000 items.")
        if body.get("catalog_type") != "RETAIL" or not body.get("country") or not body.get("language"):
            raise wrong("'catalog_type', 'country' and 'language' are required.")
        if body.get("catalog_id", catalog_id(caller.account)) != catalog_id(caller.account):
            raise Refused(refusal(409, 4182, "The catalog was not found."))
        number = self._state.world.ids.numbered("5959", 18)
        batch = self._batches[number] = Batch(number, caller.account.id, now)
        for item in items:
            item_id, wish = str(item.get("item_id", "")), item.get("attributes") or {}
            batch.errors[item_id] = _errors(wish) if item.get("operation") == "UPSERT" else []
            if not batch.errors[item_id]:
                self._products.put(caller.account, item_id, wish)
        return json_reply(self._view(batch))

    async def batch(self, call: Call, caller: Caller) -> Reply:
        found = self._batches.get(call.params["batch"])
        if found is None or found.owner_id != caller.account.id:
            raise Refused(refusal(404, 4331, "The batch was not found."))
        return json_reply(self._view(found))

    async def items(self, call: Call, caller: Caller) -> Reply:
        wanted = (call.json().get("filters") or {}).get("item_ids")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 1000:
            raise wrong("'item_ids' must hold 1 to 1000 ids.")
        known = self._products.of(caller.account)
        shown = [
            {"catalog_type": "RETAIL", "item_id": i, "attributes": known[i].attributes, "pins": None}
            for i in wanted
            if i in known
        ]
        return json_reply({"items": shown})

    def _view(self, batch: Batch) -> dict[str, Any]:
        done_ms = batch.created_ms + PROCESSING_MS
        done = self._state.clock.now_ms() >= done_ms
        items = []
        for item_id, errors in batch.errors.items():
            status = ("FAILURE" if errors else "SUCCESS") if done else "PROCESSING"
            told = errors if done else []
            items.append({"item_id": item_id, "status": status, "errors": told, "warnings": []})
        return {
            "catalog_type": "RETAIL",
            "batch_id": batch.id,
            "status": "COMPLETED" if done else "PROCESSING",
            "created_time": moment(batch.created_ms),
            "completed_time": moment(done_ms) if done else None,
            "items": items,
        }


def _errors(wish: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        {"attribute": name, "code": 106, "message": f"{name} is missing from product metadata."}
        for name in ("title", "link", "image_link", "price", "availability")
        if not wish.get(name)
    ]
    for name in ("price", "sale_price"):
        if wish.get(name) and not _PRICE.fullmatch(str(wish[name])):
            found.append({"attribute": name, "code": 112, "message": f"{name} cannot be read."})
    if wish.get("availability") and str(wish["availability"]).lower() not in _AVAILABILITY:
        found.append({"attribute": "availability", "code": 113, "message": "availability is unknown."})
    return found
