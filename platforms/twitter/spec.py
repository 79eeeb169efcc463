"""Facts about X as data. Sources are pages of docs.x.com (public repository `xdevplatform/docs`)."""

from domain.quota import Period
from platforms.outcome import LimitScope
from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules

API = "https://api.x.com"  # x-api/fundamentals: v2 and the token endpoint
ADS_API = "https://ads-api.x.com/12"  # x-ads-api/fundamentals/versioning: since October 2022, without an end
DAY_S = 86_400
POST_CAP = "post_cap"
APP_DAY = "app_day"
QUARTER_HOUR_S = 900  # x-api/fundamentals/rate-limits: every window is 15 minutes

# x-api/activity: event type -> whether it is private, that is, needs the person's own grant instead of the
# app's token.
NEEDED_EVENTS = {
    "post.create": False,
    "post.delete": False,
    "post.mention.create": True,
    "like.create": True,
    "follow.follow": False,
    "follow.unfollow": False,
    "profile.update.bio": False,
    "profile.update.handle": False,
    "profile.update.profile_picture": False,
    "profile.update.screenname": False,
}
# Described in the guide but missing from the specification: an app whose X does not know them works without.
WELCOME_EVENTS = {
    "post.reply.create": True,
    "post.quote.create": True,
    "post.repost.create": True,
    "oauth.revoke": False,
}

PAGE = 100  # posts in one answer, at most
_USER_FAMILIES = ("tweets", "mentions", "lookup", "users")

SPEC = PlatformSpec(
    name="twitter",
    title="X (Twitter)",
    # fundamentals/authentication/oauth-2-0: guide and official client use this address
    authorize_url="https://x.com/i/oauth2/authorize",
    pkce=True,
    # Reading, own likes, publishing and followers; `offline.access` is what makes X give a refresh token.
    default_scopes=(
        "tweet.read",
        "users.read",
        "like.read",
        "follows.read",
        "tweet.write",
        "media.write",
        "offline.access",
    ),
    scope_separator=" ",
    # authorization-code: access tokens live two hours; every refresh answers a new refresh token
    token=TokenRules(TokenModel.ROTATING, lifetime_s=7200, refresh_margin=0.2),
    windows=(
        # Starting values of requirement F2 (tweets 300, users 75 per 15 minutes); X counts per endpoint and
        # its headers tell the account's real limits (users/:id/tweets 900, tweets?ids= 5000, ...).
        RateWindow("tweets", 300, QUARTER_HOUR_S),
        RateWindow("mentions", 300, QUARTER_HOUR_S),
        RateWindow("lookup", 300, QUARTER_HOUR_S),
        RateWindow("users", 75, QUARTER_HOUR_S),
        RateWindow("analytics", 300, QUARTER_HOUR_S),  # x-api/posts: GET /2/tweets/analytics
        RateWindow("publishing", 100, QUARTER_HOUR_S),  # manage-tweets: POST /2/tweets
        # x-ads-api/fundamentals/rate-limiting: core reads, writes and targeting of one ad account
        RateWindow("ads", 10_000, QUARTER_HOUR_S),
        RateWindow("ads_write", 450, 60),
        RateWindow("ads_targeting", 400, QUARTER_HOUR_S),
        # x-api/webhooks, x-api/activity
        RateWindow("webhooks", 450, QUARTER_HOUR_S, LimitScope.APP),
        RateWindow("subscriptions", 500, QUARTER_HOUR_S, LimitScope.APP),
        # x-api/fundamentals/post-cap: posts read in a month by all accounts of the app; no header tells it
        RateWindow(
            POST_CAP,
            3_000_000,
            30 * DAY_S,
            LimitScope.APP,
            Period.MONTH,
            costs={"tweets": PAGE, "mentions": PAGE, "lookup": PAGE},
            by_item=True,
        ),
        # What an agreement allows an app in 24 hours over all its users, told by `x-app-limit-24hour-*`
        # (seen in answers, not in the documentation): far away until a header says otherwise.
        RateWindow(APP_DAY, 10_000_000, DAY_S, LimitScope.APP, costs=dict.fromkeys(_USER_FAMILIES, 1)),
    ),
    sources=(
        # x-api/posts/timelines: 3,200 newest posts, 800 newest mentions, pages of at most 100
        ContentSource("posts", "tweets", page_size=PAGE),
        ContentSource("mentions", "mentions", page_size=PAGE, remarks=True),
    ),
    hosts=("api.x.com", "ads-api.x.com"),
    file_hosts=("ton.twimg.com",),  # x-ads-api/analytics: the files of reports
    webhook_signature_header="x-twitter-webhooks-signature",  # x-api/webhooks
    capabilities=frozenset({"webhooks", "comments", "mentions", "publishing", "insights", "ads", "revoke"}),
    batch_read=PAGE,  # GET /2/tweets?ids=
    batch_read_family="lookup",
    batch_read_calls=2,  # the newest version of an edited post is a second one
    profile_family="users",
    # The address is looked for and registered or checked again; then one call for each event type.
    subscribe_calls={"webhooks": 2, "subscriptions": len(NEEDED_EVENTS) + len(WELCOME_EVENTS)},
    publish_calls={"find": {"tweets": 1}},  # the account's newest posts
    capability_calls={
        "insights.content": {"lookup": 1, "analytics": 1},
        "insights.account": {"users": 1},
        "ads.accounts": {"ads": 10},
        "ads.objects": {"ads": 1},
        "ads.report": {"ads": 1, "ads_write": 1},
        "ads.create": {"ads": 1, "ads_write": 1},
        "ads.create_group": {"ads_targeting": 1, "ads_write": 1},  # X's ids of the countries
        "ads.target_group": {"ads_targeting": 2, "ads_write": 1},  # and which the line item has already
        "ads.create_ad": {"ads": 2, "ads_write": 1},  # its line item, whose posts the ad account promotes
        "ads.find": {"ads": 10},
        "ads.change": {"ads_write": 1},
    },
    not_offered={"live": "X's API has no way to start a live film."},
    brought={"ads": "an OAuth 1.0a access token and its secret, of somebody with a role at the ad account"},
)
