"""What Instagram does not let apps with Instagram Login do with products. Source: IGP/overview (what each
login has), IGP/instagram-api-with-facebook-login/product-tagging, docs/graph-api/changelog/version26.0."""

from platforms.no_commerce import NoCommerce

_CATALOG = "Instagram sells from Meta's catalogues: connect the shop's Facebook page and use its catalogue."

COMMERCE = NoCommerce(
    {
        "catalogs": _CATALOG,
        "products": _CATALOG,
        "upsert": _CATALOG,
        "orders": "Meta ended its order management for shops on 27 October 2026; there is no successor.",
        "tags": "Only apps with Facebook Login may tag products: tag them in Instagram's app.",
    }
)
