"""What YouTube does not let others do with products. Source: discovery document `youtube.v3`, revision
20261104, whose videos have no product; the Merchant API (`merchantapi.products_v1`) is another service."""

from platforms.no_commerce import NoCommerce

_MERCHANT = "Products of YouTube Shopping are kept in Google Merchant Center, which is another service."

COMMERCE = NoCommerce(
    {
        "catalogs": _MERCHANT,
        "products": _MERCHANT,
        "upsert": _MERCHANT,
        "orders": "YouTube sells nothing itself: orders are made in the shop that the product links to.",
        "tags": "YouTube has no call that tags products on a video: tag them in YouTube Studio.",
    }
)
