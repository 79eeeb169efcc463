"""Facts about Instagram with Instagram Login as data. Sources are pages of developers.facebook.com
(documentation/instagram-platform, `IGP/` below).
"""

from platforms.outcome import LimitScope
from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules

VERSION = "v26.0"  # docs/graph-api/changelog/versions: current since July 2026
GRAPH = "https://graph.instagram.com"  # IGP/overview
# IGP/overview: the same for apps with Facebook Login, and product tags, catalogues and deletion beside it
FACEBOOK_GRAPH = "https://graph.facebook.com"
FACEBOOK_LOGIN = "facebook"  # `Access.surface` of its tokens
CODE_EXCHANGE = "https://api.instagram.com/oauth/access_token"  # IGP/.../business-login
DAY_S = 86_400

SPEC = PlatformSpec(
    name="instagram",
    title="Instagram",
    authorize_url="https://www.instagram.com/oauth/authorize",  # IGP/.../business-login
    pkce=False,
    # IGP/overview: names since January 2025; reading, publishing, comments, messages and numbers
    default_scopes=(
        "instagram_business_basic",
        "instagram_business_content_publish",
        "instagram_business_manage_comments",
        "instagram_business_manage_messages",
        "instagram_business_manage_insights",
    ),
    scope_separator=",",
    # IGP/reference/refresh_access_token: 60 days; a token younger than 24 hours is not refreshed
    token=TokenRules(TokenModel.EXTENDED, lifetime_s=60 * DAY_S, refresh_margin=0.25, min_age_s=DAY_S),
    windows=(
        # Starting values of requirement F2; the answers' usage headers tell percentages of the real budget
        # (IGP/overview: 4800 x impressions of the account per 24 hours).
        RateWindow("reading", 240, 3600),
        RateWindow("publishing", 25, 3600),
        # docs/graph-api/overview/rate-limiting: 200 calls an hour for each user of the app, shared by all of
        # them. Taken for a hundred users until `x-app-usage` tells how much of the real one is used.
        RateWindow("app", 20_000, 3600, LimitScope.APP, costs={"reading": 1, "publishing": 1}),
    ),
    sources=(
        # IGP/instagram-graph-api/reference/ig-user/media: the newest 10,000, stories not among them
        ContentSource("media", "reading", page_size=50),
        # IGP/.../ig-user/stories: those of the last 24 hours
        ContentSource("stories", "reading", page_size=50, complete=True),
        # IGP/reference/instagram-media, field `comments`: asked for inside the media. Webhooks tell of none
        # that were made before, and of none while they are not subscribed.
        ContentSource("comments", "reading", page_size=25, remarks=True),
    ),
    hosts=("graph.instagram.com", "api.instagram.com", "graph.facebook.com"),
    webhook_signature_header="x-hub-signature-256",  # docs/graph-api/webhooks/getting-started
    capabilities=frozenset({"webhooks", "comments", "stories", "publishing", "insights", "catalogs", "tags"}),
    batch_read=1,  # graph-api changelog v26.0: reading several ids in one call is gone
    batch_read_family="reading",
    batch_read_calls=1,
    profile_family="reading",
    subscribe_calls={"reading": 1},
    # A publication's calls count like any other, what makes it public in a window of its own as well (F2);
    # how many posts are left a day is asked at run time.
    publish_family="reading",
    publish_calls={"publish": {"reading": 1, "publishing": 1}},
    capability_calls={
        "insights.content": {"reading": 2},  # a story's taps are a question of their own
        "insights.account": {"reading": 3},
        "commerce.catalogs": {"reading": 1},
        "commerce.products": {"reading": 1},
    },
    not_offered={
        "ads": "Instagram's advertising is that of the Facebook page it belongs to.",
        "live": "Instagram's API has no way to start a live film.",
    },
)
