"""Facts about TikTok as data. Sources: pages of developers.tiktok.com (`TD/` below), business-api.tiktok.com
(`TB/`) and partner.tiktokshop.com (`TS/`).

TikTok has three services that share nothing but the name: hosts, tokens, paths and error bodies differ.

    developers   open.tiktokapis.com          Login Kit, Display API, Content Posting API
    business     business-api.tiktok.com      advertising, analytics of account holders
    shop         open-api.tiktokglobalshop.com   orders and products, signed requests
"""

import re

from platforms.outcome import LimitScope
from platforms.spec import (
    ContentSource,
    PkceChallenge,
    PlatformSpec,
    RateWindow,
    TokenModel,
    TokenRules,
)

API = "https://open.tiktokapis.com"  # TD/tiktok-api-v2-introduction
BUSINESS = "https://business-api.tiktok.com/open_api/v1.3"  # TB/ every path ends in a slash
SHOP = "https://open-api.tiktokglobalshop.com"  # TS/sign-your-api-request: no slash at the end
SHOP_TOKENS = "https://auth.tiktok-shops.com/api/v2/token"  # TS/authorization-overview

# TD/tiktok-api-v2-get-user-info: an open_id is opaque text of letters, digits, `-` and `_`
OPEN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
DAY_S = 86_400
MINUTE_S = 60
BUSINESS_SURFACE = "business"  # `Access.surface` of calls with an account holder's consent
PAGE = 20  # TD/tiktok-api-v2-video-list: at most 20; TD/tiktok-api-v2-video-query: 20 ids

# TD/tiktok-api-scopes: what each opens of the user and video objects
SCOPES = (
    "user.info.basic",
    "user.info.profile",
    "user.info.stats",
    "video.list",
    "video.publish",
    "video.upload",
)

SPEC = PlatformSpec(
    name="tiktok",
    title="TikTok",
    authorize_url="https://www.tiktok.com/v2/auth/authorize/",  # TD/login-kit-web
    pkce=True,  # TD/login-kit-desktop; that web clients may send it, too, is unconfirmed
    pkce_challenge=PkceChallenge.HEX,  # TD/login-kit-desktop
    default_scopes=SCOPES,
    scope_separator=",",  # TD/login-kit-web
    # TD/oauth-refresh-a-user-access-token (Nov 2026): 2 hours, and a refresh spends its token. Older pages
    # say 24 hours: the answer's `expires_in` decides.
    token=TokenRules(TokenModel.ROTATING, lifetime_s=7200, refresh_margin=0.2),
    windows=(
        # Starting values of requirement F2. TikTok itself allows 600 a minute (TD/tiktok-api-v2-rate-limit)
        # and sends no headers that would correct them.
        RateWindow("user_info", 100, DAY_S),
        RateWindow("videos", 1000, DAY_S),
        # TD/content-posting-api-reference-get-video-status, per token: most steps of a publication ask how it
        # is. It is opened at most 6 times a minute, and the creator asked for 20 times: TikTok refuses more.
        RateWindow("publishing", 30, MINUTE_S),
        # TB/rate-limits: the lowest tier, all endpoints of the app together
        RateWindow("business", 600, MINUTE_S, LimitScope.APP),
        # TS/ publishes no number; this one only keeps a mistake of ours from flooding them.
        RateWindow("shop", 600, MINUTE_S),
    ),
    sources=(
        # TD/tiktok-api-v2-video-list: public videos, newest first
        ContentSource("videos", "videos", page_size=PAGE),
    ),
    hosts=(
        "open.tiktokapis.com",
        "business-api.tiktok.com",
        "open-api.tiktokglobalshop.com",
        "auth.tiktok-shops.com",
    ),
    webhook_signature_header="tiktok-signature",  # TD/webhooks-verification; the shop's is `authorization`
    capabilities=frozenset({"webhooks", "revoke", "publishing", "insights", "ads", "commerce"}),
    batch_read=PAGE,
    batch_read_family="videos",
    batch_read_calls=1,
    profile_family="user_info",
    subscribe_calls={},  # TD/webhooks-overview: one address for the app, set in the portal
    file_hosts=("open-upload.tiktokapis.com", "upload.us.tiktokapis.com"),  # TD/…-media-transfer-guide
    capability_calls={
        "insights.content": {"videos": 1},
        "insights.account": {"user_info": 1},
        f"insights.content@{BUSINESS_SURFACE}": {"business": 1},
        f"insights.account@{BUSINESS_SURFACE}": {"business": 1},
        "comments.list": {"business": 1},
        "ads.accounts": {"business": 2},
        "ads.objects": {"business": 1},
        "ads.report": {"business": 1},
        "ads.create": {"business": 1},
        "ads.create_group": {"business": 2},  # the ids of its countries are looked up
        "ads.create_ad": {"business": 2},  # under which identity, too
        "ads.find": {"business": 1},
        "ads.change": {"business": 1},
        # A shop's cipher may have to be looked up.
        "commerce.catalogs": {"shop": 1},
        "commerce.products": {"shop": 2},
        "commerce.orders": {"shop": 2},
    },
    not_offered={"live": "TikTok LIVE has no public API."},
)
