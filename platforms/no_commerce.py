"""`Commerce` of a platform that lets others do nothing with products: every call is answered by the sentence
that says so."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.catalog import BatchState, Catalog, OrderPage, Product, ProductPage
from platforms.capabilities import Access
from platforms.outcome import Outcome, Rejected


class NoCommerce:
    """`missing` has a sentence for each of `catalogs`, `products`, `upsert`, `orders`, `tags`."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        self.missing = missing

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
