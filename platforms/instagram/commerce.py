"""Instagram's shops: the catalogues an account may tag from, and their products. Products are tagged when
something is published (`publishing`).

All of it is for apps with Facebook Login (`consents.Shop`). Catalogues are changed and priced through the
Facebook page they belong to. Sources: IGP/instagram-api-with-facebook-login/product-tagging,
IGP/instagram-graph-api/reference/ig-user/{available_catalogs,catalog_product_search}.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.catalog import BatchState, Catalog, OrderPage, Product, ProductPage
from platforms.capabilities import Access
from platforms.instagram import api
from platforms.instagram.spec import FACEBOOK_LOGIN
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, count_at, id_at, objects, packed, words_at

NO_LOGIN = Rejected("unsupported", "Instagram's shops are opened by Facebook Login: give that consent.")
NOT_ELIGIBLE = Rejected("not_eligible", "Instagram does not let this account tag products.")
_LISTED = "100"


class InstagramCommerce:
    """Stateless."""

    missing: Mapping[str, str] = {
        "upsert": "Instagram sells from Meta's catalogues: change them through the Facebook page.",
        "orders": "Meta ended its order management for shops on 27 October 2026; there is no successor.",
    }

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]:
        if access.surface != FACEBOOK_LOGIN:
            return NO_LOGIN
        answer = await api.get(access, "me/available_catalogs", {"limit": _LISTED})
        if not isinstance(answer, Ok):
            return answer
        found = tuple(
            Catalog(id_, words_at(row, "catalog_name") or "", count_at(row, "product_count"))
            for row in objects(answer.value, "data")
            if (id_ := id_at(row, "catalog_id"))
        )
        return Ok(found, answer.readings)

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
        """Every product of the catalogue that can be tagged; prices are not told here."""
        if access.surface != FACEBOOK_LOGIN:
            return NO_LOGIN
        params = {"catalog_id": catalog_id, "limit": _LISTED} | cursor_query(cursor)
        answer = await api.get(access, "me/catalog_product_search", params)
        if not isinstance(answer, Ok):
            return answer
        items = (_product(row) for row in objects(answer.value, "data"))
        found = tuple(item for item in items if item is not None)
        return Ok(ProductPage(found, next_cursor(answer.value, cursor)), answer.readings)

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        return Rejected("unsupported", self.missing["upsert"])

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]:
        return Rejected("unsupported", self.missing["upsert"])

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]:
        return Rejected("unsupported", self.missing["orders"])


def _product(row: Json) -> Product | None:
    """`product_id` is what a tag names; it is a bare number."""
    product_id = id_at(row, "product_id")
    if product_id is None:
        return None
    return Product(
        retailer_id=id_at(row, "retailer_id") or product_id,
        title=words_at(row, "product_name") or "",
        price=None,
        external_id=product_id,
        image_url=words_at(row, "image_url"),
        payload=packed(row),
    )
