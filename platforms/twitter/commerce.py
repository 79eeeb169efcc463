"""What X does not let others do with products. Source: docs.x.com x-ads-api/catalog-management."""

from platforms.no_commerce import NoCommerce

_CATALOG = "X keeps products for advertising only, in catalogues whose API is in early access."

COMMERCE = NoCommerce(
    {
        "catalogs": _CATALOG,
        "products": _CATALOG,
        "upsert": _CATALOG,
        "orders": "X sells nothing itself: orders are made in the shop that a post links to.",
        "tags": "X has no product tags: put the link to the product into the post.",
    }
)
