"""What YouTube's answers mean: the one table from Google's reasons to outcomes.

The reason decides, not the HTTP status: quotas come as 403 and as 429. Sources: yt/reference/rest/v3/errors,
yt/determine_quota_cost, and for token endpoints id/oauth2 and RFC 6749, section 5.2.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from platforms.http import Answer, Broken, NotSent, failure_of
from platforms.outcome import (
    Failure,
    LimitScope,
    Ok,
    Outcome,
    ReauthRequired,
    Rejected,
    RetryAfter,
    Unknown,
)
from platforms.wire import Json, mapping, objects, text_at
from platforms.youtube.spec import COSTS, QUOTA_ZONE, UNITS, UPLOADS

_FAULT = RetryAfter(30.0, LimitScope.ACCOUNT, "platform_fault")
_PACE = RetryAfter(60.0, LimitScope.APP, "rate_limit", rate_limited=True)
# Its seconds are set to the next midnight at the place where YouTube's day begins.
_DAY = RetryAfter(0.0, LimitScope.APP, "daily_quota", rate_limited=True)
_LONGEST_WAIT_S = 86_400.0
_FORBIDDEN = "YouTube does not allow this account or application to do that."
_SCOPE = "The permission for this was not given: connect again and leave every box ticked."
_NO_CHANNEL = "This Google account has no YouTube channel: make one, then connect again."
_GONE = "YouTube has no such item, or does not show it to this account."
_UPLOAD_LIMIT = "The channel has reached YouTube's own limit of uploads for a day."
_TEXT = "YouTube did not accept a text of the video."
_STATE = "The broadcast is not in a state that allows this."

_TABLE: dict[str, Failure] = {
    # tokens and accounts
    "authError": ReauthRequired("token_refused"),
    "authorizationRequired": ReauthRequired("token_refused"),
    "required": ReauthRequired("token_refused"),
    "expired": ReauthRequired("token_refused"),
    "authenticatedUserAccountClosed": ReauthRequired("account_closed"),
    "authenticatedUserAccountSuspended": ReauthRequired("account_suspended"),
    "youtubeSignupRequired": Rejected("youtubeSignupRequired", _NO_CHANNEL),
    "authenticatedUserNotChannel": Rejected("authenticatedUserNotChannel", _NO_CHANNEL),
    # permissions
    "insufficientPermissions": Rejected("insufficientPermissions", _SCOPE),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": Rejected("insufficientPermissions", _SCOPE),
    "forbidden": Rejected("forbidden", _FORBIDDEN),
    "PERMISSION_DENIED": Rejected("forbidden", _FORBIDDEN),  # its reason can be `SERVICE_UNAVAILABLE`
    "accountDelegationForbidden": Rejected("accountDelegationForbidden", _FORBIDDEN),
    "accessNotConfigured": Rejected(
        "accessNotConfigured", "The application has not switched this API on in Google's console."
    ),
    "keyInvalid": Rejected("keyInvalid", "Google does not accept the application's key."),
    "commentsDisabled": Rejected("commentsDisabled", "Comments are switched off there."),
    # limits
    "quotaExceeded": _DAY,
    "dailyLimitExceeded": _DAY,
    "rateLimitExceeded": _PACE,
    "userRateLimitExceeded": replace(_PACE, scope=LimitScope.ACCOUNT),
    "RESOURCE_EXHAUSTED": _PACE,
    "uploadLimitExceeded": Rejected("uploadLimitExceeded", _UPLOAD_LIMIT),
    "uploadRateLimitExceeded": RetryAfter(900.0, LimitScope.ACCOUNT, "upload_limit", rate_limited=True),
    "userRequestsExceedRateLimit": RetryAfter(900.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True),
    # what is not there
    "videoNotFound": Rejected("videoNotFound", _GONE),
    "channelNotFound": Rejected("channelNotFound", _GONE),
    "playlistNotFound": Rejected("playlistNotFound", _GONE),
    "playlistItemNotFound": Rejected("playlistItemNotFound", _GONE),
    "commentThreadNotFound": Rejected("commentThreadNotFound", _GONE),
    "commentNotFound": Rejected("commentNotFound", _GONE),
    "liveBroadcastNotFound": Rejected("liveBroadcastNotFound", _GONE),
    "liveStreamNotFound": Rejected("liveStreamNotFound", _GONE),
    "liveChatNotFound": Rejected("liveChatNotFound", _GONE),
    "notFound": Rejected("notFound", _GONE),
    # publishing
    "invalidTitle": Rejected("invalidTitle", _TEXT),
    "invalidDescription": Rejected("invalidDescription", _TEXT),
    "invalidTags": Rejected("invalidTags", _TEXT),
    "invalidCategoryId": Rejected("invalidCategoryId", "YouTube has no such video category."),
    "invalidPublishAt": Rejected("invalidPublishAt", "YouTube did not accept the time of publication."),
    "mediaBodyRequired": Rejected("mediaBodyRequired", "YouTube got no video file."),
    "forbiddenPrivacySetting": Rejected("forbiddenPrivacySetting", _FORBIDDEN),
    "forbiddenLicenseSetting": Rejected("forbiddenLicenseSetting", _FORBIDDEN),
    "captionExists": Rejected("captionExists", "The video has a caption track of this language and name."),
    "invalidMetadata": Rejected("invalidMetadata", "YouTube did not accept what was said of the track."),
    "contentRequired": Rejected("contentRequired", "YouTube found no captions in the file."),
    # live
    "liveStreamingNotEnabled": Rejected(
        "liveStreamingNotEnabled", "Live streaming is not switched on for this channel."
    ),
    "errorStreamInactive": RetryAfter(10.0, LimitScope.ACCOUNT, "stream_inactive"),
    "invalidTransition": Rejected("invalidTransition", _STATE),
    "redundantTransition": Rejected("redundantTransition", "The broadcast is in that state already."),
    "liveChatEnded": Rejected("liveChatEnded", "The live chat has ended."),
    "liveChatDisabled": Rejected("liveChatDisabled", "The broadcast has no live chat."),
    # faults
    "conflict": _FAULT,
    "backendError": _FAULT,
    "internalError": _FAULT,
    "processingFailure": _FAULT,
    # token endpoints: what a refused refresh means, see `token_outcome_of`
    "invalid_grant": ReauthRequired("refresh_token_invalid"),
    "admin_policy_enforced": ReauthRequired("admin_policy"),
    "org_internal": ReauthRequired("admin_policy"),
    "invalid_client": Rejected("invalid_client", "Google does not know the application, or its secret."),
    "deleted_client": Rejected("deleted_client", "The application was deleted at Google."),
    "unauthorized_client": Rejected("unauthorized_client", "Google does not allow the application that."),
    "invalid_token": Rejected("invalid_token", "Google does not know this token (any more)."),
    "redirect_uri_mismatch": Rejected(
        "redirect_uri_mismatch", "The return address is not registered for the application at Google."
    ),
    "temporarily_unavailable": _FAULT,
    "internal_failure": _FAULT,
    "server_error": _FAULT,
    "slow_down": _PACE,
}
GONE = frozenset(reason for reason in _TABLE if reason.endswith(("NotFound", "notFound")))


def outcome_of(result: Answer | NotSent | Broken, family: str, *, once: str | None = None) -> Outcome[Json]:
    """The outcome of any call; `once` as in `failure_of`. An answer without a body (204) is an empty one."""
    if not isinstance(result, Answer):
        return failure_of(result, once)
    document = result.document()
    error = document.get("error") if document is not None else None
    if error:
        return _classified(document or {}, result, family, once)
    if 200 <= result.status < 300 and (document is not None or not result.body):
        return Ok(document or {})
    if 300 <= result.status < 400:
        return Rejected("redirect", "YouTube answered with a redirect, which is not followed.")
    if result.status == 429:
        return _waiting(replace(_PACE, family=family), result)
    if result.status == 503:
        return _waiting(replace(_FAULT, reason="http_503", family=family), result)
    if document is None or result.status >= 500:
        # A page of a proxy or half an answer says nothing about the token or the request.
        if once is not None:
            return Unknown(once)
        return _waiting(replace(_FAULT, reason=f"http_{result.status}", family=family), result)
    return Rejected(str(result.status), "YouTube refused the call.")


def token_outcome_of(result: Answer | NotSent | Broken, *, refreshing: bool) -> Outcome[Json]:
    """Of a token endpoint. A code is spent by its use, a refresh token is not."""
    outcome = outcome_of(result, "oauth", once=None if refreshing else "the authorization code may be spent")
    if isinstance(outcome, ReauthRequired) and not refreshing:
        return Rejected(outcome.reason, "Google did not accept the authorization code: connect again.")
    return outcome


def reset_after(moment: datetime) -> datetime:
    """The next midnight Pacific: the first moment at which a day's quota is whole again."""
    here = moment.astimezone(ZoneInfo(QUOTA_ZONE))
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)
    return midnight.astimezone(UTC)


def _classified(document: Json, answer: Answer, family: str, once: str | None) -> Failure:
    reason, said = _reason(document)
    found = _TABLE.get(reason)
    if found is None and answer.status == 401:
        found = ReauthRequired("token_refused")
    if found is None and answer.status == 429:
        found = _PACE
    if found is None and answer.status >= 500:
        found = _FAULT
    if found is None:
        return Rejected(reason or str(answer.status), "YouTube refused the call.")
    if found is _PACE and "per day" in said:
        # A daily bucket of its own that is empty; the reason is the one of a burst.
        found, family = _DAY, UPLOADS if "Video Uploads" in said else family
    if found is _DAY and family in COSTS:
        family = UNITS
    if isinstance(found, RetryAfter):
        if found is _FAULT and once is not None and answer.status >= 500 and answer.status != 503:
            return Unknown(once)
        return _waiting(replace(found, family=family), answer)
    return found


def _reason(document: Json) -> tuple[str, str]:
    """The most telling name of an error, and its message. At token endpoints `error` is the name itself."""
    error = mapping(document, "error")
    if not error:
        return text_at(document, "error") or "", text_at(document, "error_description") or ""
    details = [name for d in objects(error, "details") if (name := text_at(d, "reason"))]
    reasons = [name for e in objects(error, "errors") if (name := text_at(e, "reason"))]
    names = [*details, *reasons, text_at(error, "status") or ""]
    known = next((name for name in names if name in _TABLE), None)
    return known or next(iter(names), ""), text_at(error, "message") or ""


def _waiting(found: RetryAfter, answer: Answer) -> RetryAfter:
    """With how long: until the day's end, or what the answer says, or the table's own."""
    told = answer.headers.get("retry-after", "")
    if found.reason == _DAY.reason:
        seconds = (reset_after(_told_at(answer)) - _told_at(answer)).total_seconds()
    elif told.isascii() and told.isdigit():
        seconds = min(float(told[:9]), _LONGEST_WAIT_S)
    else:
        seconds = found.seconds
    return replace(found, seconds=seconds)


def _told_at(answer: Answer) -> datetime:
    """Now by Google's own clock where the answer carries it: ours being wrong must not park an application
    for a day."""
    try:
        at = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return answer.received_at
    return at.replace(tzinfo=at.tzinfo or UTC)
