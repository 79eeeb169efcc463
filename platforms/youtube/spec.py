"""Facts about YouTube as data. Sources: the discovery documents `youtube.v3` (revision 20261104) and
`youtubeAnalytics.v2`, and pages of developers.google.com (`yt/` is youtube/data, `id/` identity/protocols).
"""

import re

from domain.quota import Period
from platforms.outcome import LimitScope
from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules

API = "https://youtube.googleapis.com"  # discovery: rootUrl, for the Data API and the Live Streaming API
ANALYTICS = "https://youtubeanalytics.googleapis.com"  # discovery: rootUrl
EXCHANGE_URL = "https://oauth2.googleapis.com/token"  # id/oauth2/web-server
REVOKE_URL = "https://oauth2.googleapis.com/revoke"
HUB = "https://pubsubhubbub.appspot.com/subscribe"  # yt/guides/push_notifications
# The address of today, and the one that older guides name: both may come back in a feed.
FEEDS = ("https://www.youtube.com/xml/feeds/videos.xml", "https://www.youtube.com/feeds/videos.xml")

DAY_S = 86_400
QUOTA_ZONE = "America/Los_Angeles"  # yt/determine_quota_cost: daily quotas start anew at midnight Pacific
LEASE_S = 432_000  # what hubs commonly grant: five days; the hub decides
CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")

UNITS = "units"
UNITS_A_DAY = 10_000
# yt/determine_quota_cost: units of the shared daily pool that one call of a family may cost. A family is what
# Rookery does at once: a page of uploads asks for the channel's playlist, its items and their videos.
COSTS = {
    "channels": 1,
    "listing": 3,
    "videos": 1,
    "comments": 1,
    "writes": 51,  # videos.update reads first, because it replaces whatever its parts do not name
    "captions": 450,  # a list, then an insert
    "live": 50,  # not documented for liveBroadcasts and liveStreams: as for other writes
    "chat": 5,
}
UPLOADS = "video_uploads"

SPEC = PlatformSpec(
    name="youtube",
    title="YouTube",
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",  # id/oauth2/web-server
    pkce=True,
    # discovery: reading, comments and live; uploads; reports. `force-ssl` is the only scope that
    # commentThreads.list takes.
    default_scopes=(
        "https://www.googleapis.com/auth/youtube.readonly",
        "https://www.googleapis.com/auth/youtube.force-ssl",
        "https://www.googleapis.com/auth/youtube.upload",
        "https://www.googleapis.com/auth/yt-analytics.readonly",
    ),
    scope_separator=" ",
    # id/oauth2: access tokens live an hour; a refresh answers a new one and leaves the refresh token as it is
    token=TokenRules(TokenModel.RENEWED, lifetime_s=3599, refresh_margin=0.2),
    windows=(
        # What one account may take of the application's day: all of it, if nobody else wants any.
        *(RateWindow(name, UNITS_A_DAY // cost, DAY_S) for name, cost in COSTS.items()),
        RateWindow(
            UNITS,
            UNITS_A_DAY,
            DAY_S,
            LimitScope.APP,
            period=Period.DAY,
            zone=QUOTA_ZONE,
            costs=COSTS,
        ),
        # yt/determine_quota_cost: videos.insert has a bucket of its own since June 2026
        RateWindow(UPLOADS, 100, DAY_S, LimitScope.APP, period=Period.DAY, zone=QUOTA_ZONE),
        RateWindow("publishing", 3000, 3600),  # chunks are free: a bound of our own
        RateWindow("analytics", 600, 60),  # nothing is documented for one person: a bound of our own
        RateWindow("hub", 200, DAY_S),  # nothing is documented: a bound of our own
    ),
    sources=(
        # discovery: pages of at most 50 playlist items and 100 comment threads
        ContentSource("uploads", "listing", page_size=50),
        ContentSource("comments", "comments", page_size=100, remarks=True),
    ),
    hosts=(
        "youtube.googleapis.com",
        "www.googleapis.com",  # the guides' older name of it; an upload session may live there
        "youtubeanalytics.googleapis.com",
        "oauth2.googleapis.com",
        "pubsubhubbub.appspot.com",
    ),
    webhook_signature_header="x-hub-signature",  # W3C WebSub 1.0, section 8
    capabilities=frozenset({"webhooks", "comments", "revoke", "publishing", "insights", "live"}),
    batch_read=50,  # discovery: videos.list takes up to 50 ids
    batch_read_family="videos",
    batch_read_calls=1,
    profile_family="channels",
    subscribe_calls={"hub": 1},
    webhook_lease_s=LEASE_S,
    # Of a publication's steps most are chunks; what else there is costs units, and a video its place in the
    # uploads of the day.
    publish_calls={
        "start": {"publishing": 1, UPLOADS: 1},
        "processing": {"videos": 1},
        "thumbnail": {"writes": 1},
        "captions": {"captions": 1},
        "find": {"publishing": 1, "listing": 1},
        "edit": {"writes": 1},
        "delete": {"writes": 1},
    },
    capability_calls={
        "insights.content": {"analytics": 1},
        "insights.account": {"analytics": 1, "channels": 1},
        "live.list": {"live": 1},
        "live.create": {"live": 1},
        "live.stream": {"live": 1},
        "live.bind": {"live": 1},
        "live.transition": {"live": 1},
        "live.chat": {"chat": 1},
    },
    not_offered={"ads": "Advertising on YouTube is sold by Google Ads, which is another platform."},
)
