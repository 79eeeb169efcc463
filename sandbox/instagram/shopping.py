"""Instagram for apps with Facebook Login: the same operations at graph.facebook.com, and shops beside them.

A page and an Instagram account of the same user name are linked; who manages the page acts for the account.
Source: Instagram Platform "Product tagging", references available_catalogs, catalog_product_search,
ig-media/product_tags. Appeals are not emulated, and the quota of posts is counted for each login.
"""

from typing import Any

from sandbox.facebook.access import Access as FacebookAccess
from sandbox.facebook.access import Caller as FacebookCaller
from sandbox.facebook.catalog import Catalogs
from sandbox.facebook.roles import Roles
from sandbox.instagram import containers, errors
from sandbox.instagram.access import Caller, Handler
from sandbox.instagram.containers import Container
from sandbox.instagram.people import People
from sandbox.instagram.publish import Publishing
from sandbox.instagram.read import Reading
from sandbox.meta import errors as graph
from sandbox.meta.errors import Refused
from sandbox.meta.paging import page_of
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Profile

# Ids of Instagram's, which no node of Facebook's has.
_ITS_OWN = "/(?=1[78][0-9]{15}(/|$))"
_SCOPES = {
    "basic": "instagram_basic",
    "content_publish": "instagram_content_publish",
    "manage_comments": "instagram_manage_comments instagram_manage_contents",
    "manage_insights": "instagram_manage_insights",
    "shopping_tag_products": "instagram_shopping_tag_products",
}


class FacebookGuard:
    """Lets a person's or page's token of Facebook act for the linked Instagram account."""

    def __init__(self, state: State, access: FacebookAccess, roles: Roles) -> None:
        self._state, self._access, self._roles = state, access, roles

    def operation(self, method: str, template: str, handler: Handler, scope: str = "basic") -> Operation:
        async def translated(call: Call, caller: FacebookCaller) -> Reply:
            _, account = self.linked(caller)
            reply = await handler(call, Caller(caller.app, account, caller.token))
            reply.headers["x-business-use-case-usage"] = graph.business_usage("instagram", account.id, 1)
            return reply

        path = _ITS_OWN + template.removeprefix("/")
        return self._access.operation(method, path, translated, _SCOPES[scope])

    def linked(self, caller: FacebookCaller) -> tuple[Profile, Profile]:
        """The first page that is linked, and its Instagram account."""
        pages = [caller.page] if caller.page else self._roles.pages(caller.token.grant)
        for page in pages:
            account = self._state.world.by_username("instagram", page.username)
            if account is not None and account.account_type:
                return page, account
        raise Refused(graph.missing_permission("instagram_basic"))


class Shopping:
    def __init__(self, state: State, guard: FacebookGuard, catalogs: Catalogs, reading: Reading) -> None:
        self._state, self._guard, self._catalogs, self._reading = state, guard, catalogs, reading

    def operations(self) -> list[Operation]:
        op, tag = self._guard.operation, "shopping_tag_products"
        return [
            op("GET", "/:id/available_catalogs", self.available, tag),
            op("GET", "/:id/catalog_product_search", self.search, tag),
            op("GET", "/:id/product_tags", self.tags, tag),
            op("POST", "/:id/product_tags", self.tag, tag),
        ]

    async def available(self, call: Call, caller: Caller) -> Reply:
        catalog, products, page = self._catalog(call, caller)
        row = {"catalog_id": catalog, "catalog_name": f"{page.name} products", "shop_name": page.name}
        return json_reply({"data": [{**row, "product_count": len(products)}]})

    async def search(self, call: Call, caller: Caller) -> Reply:
        catalog, products, _ = self._catalog(call, caller)
        if call.query.get("catalog_id") != catalog:
            raise Refused(errors.bad_parameter("catalog_id must be one of the account's catalogs"))
        words = call.query.get("q", "").lower()
        found = [row for row in products if words in row["name"].lower()]

        def show(row: dict[str, Any]) -> dict[str, Any]:
            return {
                "product_id": int(row["id"]),
                "merchant_id": int(catalog),
                "product_name": row["name"],
                "image_url": row.get("image_url", ""),
                "retailer_id": row["retailer_id"],
                "review_status": row["review_status"],
                "is_checkout_flow": False,
            }

        return page_of(call, found, 100, show)

    async def tags(self, call: Call, caller: Caller) -> Reply:
        content = self._media(call, caller)
        names = self._products(caller)

        def show(tag: dict[str, Any]) -> dict[str, Any]:
            row = names[str(tag["product_id"])]
            shown = {"product_id": int(row["id"]), "name": row["name"], "price_string": row.get("price", "")}
            shown |= {"review_status": row["review_status"], "is_checkout": False}
            return shown | {side: tag[side] for side in ("x", "y") if tag.get(side) is not None}

        return json_reply({"data": [show(tag) for tag in content.facts.get("product_tags", [])]})

    async def tag(self, call: Call, caller: Caller) -> Reply:
        """Adds; the same product again moves."""
        content, form = self._media(call, caller), call.fields()
        kind = "reel" if content.kind == "reel" else "image"
        shape = Container("", caller.account, caller.app, 0, kind, film=kind == "reel")
        new = containers.product_tags(containers.listed(form, "updated_tags"), shape)
        self.check(caller, new)
        known = {str(tag["product_id"]): tag for tag in content.facts.get("product_tags", [])}
        known |= {str(tag["product_id"]): tag for tag in new}
        if len(known) > containers.TAGS_AT_MOST:
            raise errors.refused(100, 2207037, "There are too many product tags")
        content.facts["product_tags"] = list(known.values())
        return json_reply({"success": True})

    def check(self, caller: Caller, tags: list[dict[str, Any]]) -> None:
        names = self._products(caller)
        if any(str(tag["product_id"]) not in names for tag in tags):
            raise errors.refused(100, 2207037, "A product tag names no product of the account")

    def _media(self, call: Call, caller: Caller) -> Content:
        content = self._state.world.find("instagram", call.params["id"])
        if content is None or content.author_id != caller.account.id or content.kind == "comment":
            raise Refused(graph.no_such_object(call.params["id"]))
        return content

    def _products(self, caller: Caller) -> dict[str, dict[str, Any]]:
        _, rows = self._catalogs.of_page(self._page(caller))
        return {row["id"]: row for row in rows}

    def _catalog(self, call: Call, caller: Caller) -> tuple[str, list[dict[str, Any]], Profile]:
        self._reading.own_account(call, caller)
        page = self._page(caller)
        return *self._catalogs.of_page(page), page

    def _page(self, caller: Caller) -> Profile:
        found = self._state.world.by_username("facebook", caller.account.username)
        assert found is not None  # the guard came by it
        return found


def instagram_shopping(
    state: State, access: FacebookAccess, roles: Roles, catalogs: Catalogs
) -> list[Operation]:
    """To be asked before Facebook's own operations."""
    guard, people = FacebookGuard(state, access, roles), People(state)
    reading = Reading(state, guard, people, manages=True)
    shopping = Shopping(state, guard, catalogs, reading)
    publishing = Publishing(state, guard, people, reading, shops=shopping.check)
    return [*shopping.operations(), *publishing.operations(), *reading.operations()]
