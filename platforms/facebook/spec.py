"""Facts about Facebook Pages as data. Sources are pages of developers.facebook.com.

Unconfirmed, and read one way here: how long a code lives; whether a reel is listed among the posts, too (both
readings end in one piece of content, see `normalise.reel_item`).
"""

from platforms.meta.webhooks import SIGNATURE_HEADER
from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules

VERSION = "v26.0"  # docs/graph-api/changelog/versions: current since July 2026
GRAPH = f"https://graph.facebook.com/{VERSION}"  # docs/graph-api/overview
GRAPH_VIDEO = f"https://graph-video.facebook.com/{VERSION}"  # docs/graph-api/reference/page/videos
UPLOAD_HOST = "rupload.facebook.com"  # documentation/video-api/guides/reels-publishing
LISTED_AT_MOST = 100  # docs/graph-api/reference/page/feed: a larger `limit` is refused
BATCH_AT_MOST = 50  # docs/graph-api/batch-requests
DAY_S = 86_400

SPEC = PlatformSpec(
    name="facebook",
    title="Facebook",
    # documentation/facebook-login/guides/advanced/manual-flow
    authorize_url=f"https://www.facebook.com/{VERSION}/dialog/oauth",
    pkce=False,
    # docs/permissions: reading, publishing, moderating, numbers and webhooks of pages. Ads and catalogues ask
    # for `ads_read`, `ads_management`, `catalog_management` and `business_management` beside them, ads of the
    # page's posts for `pages_manage_ads`, too.
    default_scopes=(
        "pages_show_list",
        "pages_read_engagement",
        "pages_read_user_content",
        "pages_manage_posts",
        "pages_manage_engagement",
        "pages_manage_metadata",
        "read_insights",
    ),
    scope_separator=",",
    # docs/facebook-login/guides/access-tokens: a page token made from a long-lived user token has no end of
    # its own (the lifetime here is that user token's); docs/facebook-login/auth-vs-data: data is shown for
    # 90 days
    token=TokenRules(
        TokenModel.LASTING, lifetime_s=60 * DAY_S, refresh_margin=0.25, data_access_s=90 * DAY_S
    ),
    windows=(
        # Starting values of requirement F2; the answers' usage headers tell percentages of the real budgets
        # (docs/graph-api/overview/rate-limiting).
        RateWindow("graph", 200, 3600),
        RateWindow("marketing", 5000, 3600),
        RateWindow("catalog", 200, 3600),
    ),
    sources=(
        # docs/graph-api/reference/page/feed: about the 600 best of a year are reachable
        ContentSource("posts", "graph", page_size=50),
        # documentation/video-api/guides/reels-publishing
        ContentSource("reels", "graph", page_size=50),
        # docs/page-stories-api: those of the last 24 hours
        ContentSource("stories", "graph", page_size=50, complete=True),
        # docs/graph-api/reference/page/tagged
        ContentSource("tagged", "graph", page_size=50, remarks=True),
        # docs/graph-api/reference/object/comments, asked for inside the posts
        ContentSource("comments", "graph", page_size=25, remarks=True),
    ),
    hosts=("graph.facebook.com", "graph-video.facebook.com", UPLOAD_HOST),
    webhook_signature_header=SIGNATURE_HEADER,  # docs/graph-api/webhooks/getting-started
    capabilities=frozenset(
        {"webhooks", "comments", "mentions", "stories", "publishing", "insights", "ads", "catalogs", "live"}
    ),
    batch_read=25,
    batch_read_family="graph",
    batch_read_calls=25,  # docs/graph-api/batch-requests: each part counts as a call
    profile_family="graph",
    subscribe_calls={"graph": 4},
    publish_family="graph",
    capability_calls={
        "insights.content": {"graph": 1},
        "insights.account": {"graph": 2},
        "ads.accounts": {"marketing": 10},
        "ads.objects": {"marketing": 1},
        "ads.report": {"marketing": 1},
        "ads.create": {"marketing": 1},
        "ads.create_group": {"marketing": 1},
        "ads.create_ad": {"marketing": 1},
        "ads.find": {"marketing": 1},
        "ads.change": {"marketing": 1},
        "commerce.catalogs": {"catalog": 1},
        "commerce.products": {"catalog": 1},
        "commerce.upsert": {"catalog": 1},
        "commerce.batch": {"catalog": 1},
        "live.list": {"graph": 1},
        "live.chat": {"graph": 1},
    },
)
