"""Facts about Pinterest's API v5 as data. Sources: Pinterest's OpenAPI document 5.23.0 and its change log to
5.28.0 (`PO/` below), pages of developers.pinterest.com (`PD/`).
"""

from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules

API = "https://api.pinterest.com/v5"  # PO/ servers
PIN_PAGE = "https://www.pinterest.com/pin"
DAY_S = 86_400
MINUTE_S = 60
PAGE = 250  # PD/reference/pagination: 1 to 250
PINS, BOARDS = "pins", "boards"

# PO/ securitySchemes: reading, publishing, numbers; advertising; catalogues
SCOPES = (
    "user_accounts:read",
    "pins:read",
    "pins:write",
    "boards:read",
    "boards:write",
    "ads:read",
    "ads:write",
    "catalogs:read",
    "catalogs:write",
)

SPEC = PlatformSpec(
    name="pinterest",
    title="Pinterest",
    authorize_url="https://www.pinterest.com/oauth/",  # PD/getting-started
    pkce=False,
    default_scopes=SCOPES,
    scope_separator=",",  # PD/getting-started; in answers a space or a comma
    # Access 30 days, continuous refresh 60 days and answered anew each time (PO/ `/oauth/token`). Whether the
    # one presented dies at once is unconfirmed: it is treated as if it did, which is right both ways.
    token=TokenRules(TokenModel.ROTATING, lifetime_s=30 * DAY_S, refresh_margin=0.25),
    # PD/reference/rate-limits, standard access: a category of operations (PO/ `x-ratelimit-category`) in a
    # minute, for each user of the app. Those of org_*, ads_write and catalogs_* are second-hand; headers
    # correct them.
    windows=(
        RateWindow("org_read", 1000, MINUTE_S),
        RateWindow("org_write", 100, MINUTE_S),
        RateWindow("org_analytics", 60, MINUTE_S),
        RateWindow("ads_read", 1000, MINUTE_S),
        RateWindow("ads_write", 400, MINUTE_S),
        RateWindow("ads_analytics", 300, MINUTE_S),
        RateWindow("catalogs_read", 100, MINUTE_S),
        RateWindow("catalogs_write", 100, MINUTE_S),
    ),
    sources=(
        # PO/ GET /pins: the account's own, newest first (the order is not documented)
        ContentSource(PINS, "org_read", page_size=PAGE),
        # PO/ GET /boards: all that are there
        ContentSource(BOARDS, "org_read", page_size=PAGE, complete=True),
    ),
    hosts=("api.pinterest.com",),
    webhook_signature_header=None,  # see `not_offered`
    capabilities=frozenset({"publishing", "boards", "insights", "ads", "commerce"}),
    batch_read=1,  # PO/ GET /pins/{pin_id}: one at a time
    batch_read_family="org_read",
    batch_read_calls=2,  # an id that is no Pin may be a board
    profile_family="org_read",
    subscribe_calls={},
    publish_family="org_write",
    file_hosts=("pinterest-media-upload.s3-accelerate.amazonaws.com",),  # PO/ MediaUpload
    capability_calls={
        "insights.content": {"org_analytics": 1},
        "insights.account": {"org_read": 1, "org_analytics": 1},
        "ads.accounts": {"ads_read": 1},
        "ads.objects": {"ads_read": 1},
        "ads.report": {"ads_read": 1, "ads_analytics": 1},
        "ads.create": {"ads_write": 1},
        "ads.create_group": {"ads_write": 1},
        "ads.create_ad": {"ads_write": 1},
        "ads.find": {"ads_read": 10},  # names cannot be searched for: page by page
        "ads.change": {"ads_write": 1},
        "commerce.catalogs": {"catalogs_read": 1},
        "commerce.products": {"catalogs_read": 2},  # the groups, and a page of one
        "commerce.upsert": {"catalogs_read": 1, "catalogs_write": 1},
        "commerce.batch": {"catalogs_read": 1},
    },
    not_offered={
        "live": "Pinterest has no live streaming.",
        "webhooks": "Pinterest pushes leads of advertisements only, encrypted with AES-256-GCM. Its API "
        "document tells how to subscribe, but not how a push is laid out: its fields, where the nonce and "
        "the tag stand, and what proves that it is Pinterest's. Rookery does not subscribe: everything is "
        "polled.",
    },
)
