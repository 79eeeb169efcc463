"""Numbers that platforms tell about content and accounts, each with where it came from and when.

A number that a platform does not tell is a `Metric` without a value and with the reason, never a zero and
never left out: "not available" is an answer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class MetricName(StrEnum):
    """One name for what platforms call differently; `Metric.source` keeps the platform's own."""

    IMPRESSIONS = "impressions"
    REACH = "reach"
    VIEWS = "views"
    LIKES = "likes"
    COMMENTS = "comments"
    SHARES = "shares"
    REPOSTS = "reposts"  # shown again to the own followers; SHARES are sent to somebody
    SAVES = "saves"
    CLICKS = "clicks"
    LINK_CLICKS = "link_clicks"
    PROFILE_CLICKS = "profile_clicks"
    PROFILE_VIEWS = "profile_views"
    ENGAGEMENTS = "engagements"
    ENGAGED_ACCOUNTS = "engaged_accounts"  # people, however often each did something
    REPLIES = "replies"
    QUOTES = "quotes"
    FOLLOWERS = "followers"
    FOLLOWERS_GAINED = "followers_gained"
    FOLLOWERS_LOST = "followers_lost"
    WATCH_TIME_MS = "watch_time_ms"
    AVERAGE_WATCH_TIME_MS = "average_watch_time_ms"
    COMPLETED_VIEWS = "completed_views"
    COMPLETION_RATE = "completion_rate"  # 0 to 1: views to the end, of all views
    EXITS = "exits"
    TAPS_FORWARD = "taps_forward"
    TAPS_BACK = "taps_back"
    CONTENT_COUNT = "content_count"
    REVENUE_MINOR = "revenue_minor"
    ENGAGED_VIEWS = "engaged_views"  # views that went on past the first moments
    DISLIKES = "dislikes"
    SKIPPED_PERCENT = "skipped_percent"  # of the views that ended in the first seconds, 0 to 100
    AVERAGE_WATCH_PERCENT = "average_watch_percent"  # of the length, 0 to 100 and above


class Period(StrEnum):
    LIFETIME = "lifetime"
    DAY = "day"
    RANGE = "range"  # `since` to `until` as asked


@dataclass(frozen=True, slots=True)
class Metric:
    """`value` None: not available, and `reason` says why (`withdrawn`, `too_few_viewers`, `not_for_kind`,
    `permission_missing`, `not_answered`...)."""

    name: MetricName
    source: str  # the platform's own name, with its report where there are several
    value: int | float | None
    period: Period = Period.LIFETIME
    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None
