"""What Facebook's answers mean: its own codes beside those that all of Meta shares.

Sources: docs/graph-api/guides/error-handling, docs/graph-api/overview/rate-limiting,
documentation/ads-commerce/ marketing-api/insights/error-codes,
documentation/video-api/guides/reels-publishing (`debug_info`)."""

from dataclasses import replace

from platforms.http import Answer, Broken, NotSent, failure_of
from platforms.meta.errors import ACCOUNT_LIMIT, APP_LIMIT, FAULT, GraphErrors, shared_table
from platforms.outcome import Failure, LimitReading, Ok, Outcome, ReauthRequired, Rejected
from platforms.wire import Json, flag_at, mapping, text_at

_LIMITS = (80000, 80001, 80003, 80004, 80005, 80006, 80008, 80009, 80014)
# An ads report that is too big: split, then ask again.
TOO_BIG = "report_too_big"
_TOO_BIG = Rejected(TOO_BIG, "Facebook finds the report too big.")
_INSIGHTS_LIMIT = replace(ACCOUNT_LIMIT, reason="insights_limit")

_GRAPH = GraphErrors(
    "Facebook",
    {
        **shared_table("Facebook"),
        **dict.fromkeys(((code, None) for code in _LIMITS), ACCOUNT_LIMIT),
        (4, 1504022): _INSIGHTS_LIMIT,
        (4, 1504039): replace(APP_LIMIT, reason="insights_limit"),
        (17, 2446079): ACCOUNT_LIMIT,
        (613, 1487742): ACCOUNT_LIMIT,
        (613, 1996): ACCOUNT_LIMIT,
        (341, None): replace(ACCOUNT_LIMIT, seconds=3600.0, reason="posting_limit"),
        (100, 36007): Rejected("100/36007", "The authorization code has expired: connect again."),
        (100, 36009): Rejected("100/36009", "The authorization code was used before: connect again."),
        (100, 3191001): Rejected("100/3191001", "Facebook does not give this app the ad account's numbers."),
        (100, 1487534): _TOO_BIG,
        (100, 1504018): _TOO_BIG,
        (2, 1504038): _TOO_BIG,
        (-3, 1504045): _TOO_BIG,
        (2, 1504041): Rejected("2/1504041", "These breakdowns do not go together."),
        (2, 1504043): FAULT,
        (2, 1504044): FAULT,
        (-2, 2490547): Rejected("-2/2490547", "Facebook's report run failed."),
        (102, None): ReauthRequired("session_invalid"),
        (104, None): Rejected("104", "Facebook wants a signed call (appsecret_proof) or an access token."),
        (210, None): Rejected("210", "Facebook wants the page's own token for this."),
        (382, None): Rejected("382", "Facebook finds the video too small or damaged."),
        (389, None): Rejected("389", "Facebook could not fetch the file from its address."),
        (506, None): Rejected("506", "Facebook refuses a post that repeats the last one."),
        (1609005, None): Rejected("1609005", "Facebook could not read the link."),
        (6000, None): Rejected("6000", "Facebook did not accept the video."),
        (6001, None): Rejected("6001", "Facebook did not accept the video."),
        (2500, None): Rejected("2500", "Facebook did not understand the question."),
        (2635, None): Rejected("2635", "This version of Facebook's API is no longer served."),
        (3001, None): Rejected("3001", "Facebook did not understand which numbers are wanted."),
        (3018, None): Rejected("3018", "Facebook does not keep numbers that far back."),
        (10803, None): Rejected("10803", "A product set with the same filter exists."),
    },
    # `X-Business-Use-Case-Usage` names what was counted.
    {
        None: frozenset({"pages"}),
        "marketing": frozenset({"ads_insights", "ads_management"}),
        "catalog": frozenset({"ads_management", "pages"}),
    },
)
# Codes that say an object read by id is not there.
GONE = frozenset({"100/33"})
_UPLOAD = {
    "OffsetInvalidError": "offset_invalid",
    "PartialRequestError": "partial_request",
    "ProcessingFailedError": "processing_failed",
}
OFFSET_INVALID = "offset_invalid"


def outcome_of(
    result: Answer | NotSent | Broken, family: str = "graph", *, once: str | None = None
) -> Outcome[Json]:
    """The outcome of any call; `once` as in `failure_of`."""
    return _GRAPH.outcome_of(result, family, once=once)


def meaning_of(error: Json, answer: Answer, family: str = "graph") -> Failure:
    """Of an error object that comes inside another answer: a token's inspection, one part of a batch."""
    return _GRAPH.meaning_of(error, answer, family)


def readings_of(answer: Answer, family: str = "graph") -> tuple[LimitReading, ...]:
    return _GRAPH.readings_of(answer, family)


def upload_outcome_of(result: Answer | NotSent | Broken) -> Outcome[Json]:
    """Of rupload.facebook.com, which says `debug_info{retriable,type,message}`."""
    if not isinstance(result, Answer):
        return failure_of(result, None)
    document = result.document()
    debug = mapping(document, "debug_info")
    if debug:
        name = _UPLOAD.get(text_at(debug, "type") or "", "upload_failed")
        if flag_at(debug, "retriable") and name != OFFSET_INVALID:
            return replace(FAULT, reason=name, family="graph")
        return Rejected(name, f"Facebook did not take the bytes ({name}).")
    outcome = outcome_of(result)
    if isinstance(outcome, Ok) and document is not None and document.get("success") is False:
        return Rejected("upload_failed", "Facebook did not take the bytes.")
    return outcome
