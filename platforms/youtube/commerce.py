"""What YouTube does not let others do with products. Source: discovery document `youtube.v3`, revision
20261104, whose videos have no product; the Merchant API (`merchantapi.products_v1`) is another service."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.catalog import BatchState, Catalog, OrderPage, Product, ProductPage
from platforms.capabilities import Access
from platforms.outcome import Outcome, Rejected

_MERCHANT = "Products of YouTube Shopping are kept in Google Merchant Center, which is another service."


class YouTubeCommerce:
    missing: Mapping[str, str] = {
        "catalogs": _MERCHANT,
        "products": _MERCHANT,
        "upsert": _MERCHANT,
        "orders": "YouTube sells nothing itself: orders are made in the shop that the product links to.",
        "tags": "YouTube has no call that tags products on a video: tag them in YouTube Studio.",
    }

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]:
        return self._no("catalogs")

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
        return self._no("products")

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        return self._no("upsert")

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]:
        return self._no("upsert")

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]:
        return self._no("orders")

    def _no(self, what: str) -> Rejected:
        return Rejected("unsupported", self.missing[what])
