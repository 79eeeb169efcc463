"""What TikTok's answers mean: the one table from its codes to outcomes, for each of its services.

The code in the body decides, never the HTTP status alone: the business service answers 200 to everything, and
creator_info refuses with 200. Sources: TD/tiktok-api-v2-error-handling, TD/oauth-error-handling,
TD/content-posting-api-reference-*, TB/ return codes, TS/common-errors.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

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
from platforms.wire import Json, count_at, mapping, text_at

_FAULT = RetryAfter(30.0, LimitScope.ACCOUNT, "platform_fault")
# Sliding minutes, without any header that tells more.
_MINUTE = RetryAfter(60.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True)
_POSTS = RetryAfter(3600.0, LimitScope.ACCOUNT, "posting_cap", rate_limited=True)
_ACTIVE_USERS = RetryAfter(3600.0, LimitScope.APP, "active_user_cap", rate_limited=True)
# TB/rate-limits: a second, five minutes or until midnight UTC, and no header that says which.
_BUSINESS_LIMIT = RetryAfter(300.0, LimitScope.APP, "rate_limit", rate_limited=True)

# After these a once-only call may have happened: a gateway gave up waiting, or the work broke off.
_IN_DOUBT = frozenset({500, 502, 504})
_CODE = re.compile(r"[a-z0-9_]{1,64}")

DEVELOPERS: Mapping[str, Failure] = {
    "access_token_invalid": ReauthRequired("token_refused"),
    "scope_not_authorized": Rejected("scope_not_authorized", "The person did not grant the needed scope."),
    "scope_permission_missed": Rejected(
        "scope_permission_missed", "A field was asked for that the granted scopes do not open."
    ),
    "rate_limit_exceeded": _MINUTE,
    "internal_error": _FAULT,
    "invalid_params": Rejected("invalid_params", "TikTok did not accept a parameter of the request."),
    "invalid_param": Rejected("invalid_param", "TikTok did not accept a parameter of the post."),
    "invalid_file_upload": Rejected("invalid_file_upload", "TikTok does not take a file like this."),
    "invalid_publish_id": Rejected("invalid_publish_id", "TikTok knows no such publication."),
    "token_not_authorized_for_specified_publish_id": Rejected(
        "token_not_authorized_for_specified_publish_id", "The publication belongs to another account or app."
    ),
    "publish_not_cancellable": Rejected("publish_not_cancellable", "This can no longer be cancelled."),
    "app_version_check_failed": Rejected(
        "app_version_check_failed", "The person's TikTok app is too old to receive drafts."
    ),
    "spam_risk_too_many_posts": _POSTS,
    "spam_risk_too_many_pending_share": replace(_POSTS, reason="pending_drafts_cap"),
    "spam_risk_user_banned_from_posting": Rejected(
        "spam_risk_user_banned_from_posting", "TikTok has banned this account from posting."
    ),
    "reached_active_user_cap": _ACTIVE_USERS,
    "unaudited_client_can_only_post_to_private_accounts": Rejected(
        "unaudited_client_can_only_post_to_private_accounts",
        "TikTok has not audited this app: it may post with privacy SELF_ONLY to private accounts only.",
    ),
    "url_ownership_unverified": Rejected(
        "url_ownership_unverified", "The address of the media is not on a domain verified with TikTok."
    ),
    "privacy_level_option_mismatch": Rejected(
        "privacy_level_option_mismatch", "This account does not offer the chosen privacy level."
    ),
}

# TD/content-posting-api-reference-get-video-status. None: the same post may be tried anew.
FAIL_REASONS: Mapping[str, Failure | None] = {
    "file_format_check_failed": Rejected("file_format_check_failed", "TikTok does not take this format."),
    "duration_check_failed": Rejected("duration_check_failed", "The video is too long or too short."),
    "frame_rate_check_failed": Rejected("frame_rate_check_failed", "The frame rate is not taken."),
    "picture_size_check_failed": Rejected("picture_size_check_failed", "The picture size is not taken."),
    "internal": None,
    "video_pull_failed": None,
    "photo_pull_failed": None,
    "publish_cancelled": Rejected("publish_cancelled", "The publication was cancelled."),
    "auth_removed": ReauthRequired("access_revoked"),
    "spam_risk_too_many_posts": _POSTS,
    "spam_risk_user_banned_from_posting": DEVELOPERS["spam_risk_user_banned_from_posting"],
    "spam_risk_text": Rejected("spam_risk_text", "TikTok takes the text for spam or against its rules."),
    "spam_risk": Rejected("spam_risk", "TikTok takes the post for spam."),
}

OAUTH: Mapping[str, Failure] = {
    "access_denied": Rejected("access_denied", "The person did not allow it."),
    "invalid_client": Rejected("invalid_client", "TikTok does not accept this app's key and secret."),
    "unauthorized_client": Rejected("invalid_client", "TikTok does not accept this app's key and secret."),
    "invalid_request": Rejected("invalid_request", "TikTok did not accept the token request."),
    "invalid_scope": Rejected("invalid_scope", "The app does not have a scope that it asks for."),
    "unsupported_grant_type": Rejected("unsupported_grant_type", "TikTok does not know this grant type."),
    "unsupported_response_type": Rejected("unsupported_response_type", "TikTok does not know this request."),
    "server_error": _FAULT,
    "temporarily_unavailable": _FAULT,
}

# TB/ return codes; names as in TikTok's own client library (tiktok-business-api-sdk, `tiktok_code`).
BUSINESS: Mapping[int, Failure] = {
    40000: Rejected("40000", "TikTok did not accept a parameter of the request."),
    40001: Rejected("40001", "TikTok does not give this app that permission for this account."),
    40002: Rejected("40002", "TikTok did not accept a parameter of the request."),
    40003: Rejected("40003", "TikTok does not allow this app to do that."),
    40007: Rejected("40007", "TikTok has no such object, or does not show it to this account."),
    40008: Rejected("40008", "TikTok has no such endpoint."),
    40016: _BUSINESS_LIMIT,
    40050: Rejected("40050", "TikTok takes the request for a repetition of an earlier one."),
    40100: _BUSINESS_LIMIT,
    40101: Rejected("40101", "TikTok does not accept this app's id and secret."),
    40102: ReauthRequired("token_expired"),
    40103: ReauthRequired("refresh_token_expired"),
    40104: ReauthRequired("token_empty"),
    40105: ReauthRequired("token_refused"),
    40107: ReauthRequired("refresh_token_invalid"),
    40108: Rejected("40108", "TikTok does not know this grant type."),
    40110: Rejected("40110", "TikTok did not accept the authorisation code: connect again."),
    40113: Rejected("40113", "TikTok has blocked this app."),
    40130: Rejected("40130", "The person did not grant the needed scope."),
    40131: Rejected("40131", "The person did not grant the needed scope."),
    40132: _BUSINESS_LIMIT,
    40133: _BUSINESS_LIMIT,
    40201: RetryAfter(15.0, LimitScope.ACCOUNT, "task_not_ready"),
    40202: RetryAfter(5.0, LimitScope.ACCOUNT, "write_conflict"),
    40300: Rejected("40300", "TikTok has no such advertiser, or does not show it to this account."),
    40400: Rejected("40400", "TikTok has no such endpoint."),
    41000: Rejected("41000", "TikTok has blocked this request."),
    60001: RetryAfter(300.0, LimitScope.APP, "maintenance"),
    61000: _BUSINESS_LIMIT,
}
_NOTHING_TO_CHANGE = 40012
_PARTLY_DONE = 20001  # TB/ return codes: the rows that worked are in the answer

SHOP: Mapping[int, Failure] = {
    101000: Rejected("101000", "The shop's cipher is missing."),
    105002: ReauthRequired("token_expired"),
    105005: Rejected("105005", "The shop did not grant the needed scope."),
    106001: Rejected("106001", "TikTok Shop did not accept the signature: is the app's secret right?"),
    106013: Rejected("106013", "The shop's cipher is wrong."),
    36009002: replace(_MINUTE, reason="shop_throttled"),
    36009003: _FAULT,
    # One code for a wrong token, a wrong app key and a clock that is off: no proof of a dead token.
    36009004: Rejected("36009004", "TikTok Shop did not accept the token, the app key or the time."),
}


def outcome_of(result: Answer | NotSent | Broken, family: str, *, once: str | None = None) -> Outcome[Json]:
    """The outcome of a call to the developers' service: its `data`. `once` as in `failure_of`."""
    if not isinstance(result, Answer):
        return failure_of(result, once)
    document = result.document()
    error = mapping(document, "error")
    code = text_at(error, "code")
    if document is None or code is None:
        return _unreadable(result, document, family, once)
    if code == "ok":
        if 200 <= result.status < 300:
            return Ok(mapping(document, "data"))
        return _unreadable(result, document, family, once)
    return _told(DEVELOPERS.get(code), code, result, family, once)


def token_outcome_of(result: Answer | NotSent | Broken, *, refreshing: bool) -> Outcome[Json]:
    """The outcome at the token endpoint: once-only, because it spends a code or a refresh token. TikTok
    documents no status for its refusals, and sends some with 200."""
    once = "the refresh token may be spent" if refreshing else "the authorization code may be spent"
    if not isinstance(result, Answer):
        return failure_of(result, once)
    document = result.document()
    if document is None:
        return _unreadable(result, document, "oauth", once)
    if text_at(document, "access_token"):
        return Ok(document)
    error = text_at(document, "error") or text_at(mapping(document, "error"), "code")
    if error == "invalid_grant":
        if refreshing:
            return ReauthRequired("refresh_token_invalid")
        return Rejected(error, "TikTok did not accept the authorization code: start connecting again.")
    if error is None or error == "ok":
        return _unreadable(result, document, "oauth", once)
    return _told(OAUTH.get(error) or DEVELOPERS.get(error), error, result, "oauth", once)


def revoke_outcome_of(result: Answer | NotSent | Broken) -> Outcome[Json]:
    """Success has an empty body (TD/oauth-user-access-token-management)."""
    if isinstance(result, Answer) and 200 <= result.status < 300 and not result.body.strip():
        return Ok({})
    answer = token_outcome_of(result, refreshing=False)
    if isinstance(answer, Unknown):  # repeating it changes nothing
        return replace(_FAULT, family="oauth")
    return answer


def business_outcome_of(
    result: Answer | NotSent | Broken, family: str = "business", *, once: str | None = None
) -> Outcome[Json]:
    """The outcome of a call to the business service: its `data`."""
    return _coded(result, BUSINESS, family, once)


def shop_outcome_of(
    result: Answer | NotSent | Broken, family: str = "shop", *, once: str | None = None
) -> Outcome[Json]:
    """The outcome of a call to the shop's service: its `data`."""
    return _coded(result, SHOP, family, once)


def _coded(
    result: Answer | NotSent | Broken, table: Mapping[int, Failure], family: str, once: str | None
) -> Outcome[Json]:
    if not isinstance(result, Answer):
        return failure_of(result, once)
    document = result.document()
    code = count_at(document, "code")
    if document is None or code is None or (code == 0 and not 200 <= result.status < 300):
        return _unreadable(result, document, family, once)
    if code in (0, _PARTLY_DONE, _NOTHING_TO_CHANGE):
        return Ok(mapping(document, "data"))
    found = table.get(code)
    if found is None and (50_000 <= code <= 59_999):
        found = _FAULT
    return _told(found, str(code), result, family, once)


def _told(found: Failure | None, code: str, answer: Answer, family: str, once: str | None) -> Failure:
    """What TikTok named. A fault on its side may have come after the work was done."""
    if found is None and answer.status == 429:
        found = _MINUTE
    if found is None and answer.status >= 500:
        found = _FAULT
    if found is _FAULT and once is not None:
        return Unknown(once)
    if isinstance(found, RetryAfter):
        return replace(found, family=family)
    return found or Rejected(code if _CODE.fullmatch(code) else "unnamed", "TikTok refused the call.")


def _unreadable(answer: Answer, document: Json | None, family: str, once: str | None) -> Failure:
    """A page of a proxy, half an answer or a body without a code: it says nothing about token or request."""
    if answer.status == 429:
        return replace(_MINUTE, family=family)
    if 300 <= answer.status < 400:
        return Rejected("redirect", "TikTok answered with a redirect, which is not followed.")
    if once is not None and (answer.status < 300 or answer.status in _IN_DOUBT):
        return Unknown(once)
    reason = f"http_{answer.status}" + ("" if document else "_not_json")
    return replace(_FAULT, reason=reason, family=family)
