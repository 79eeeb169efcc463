"""What Instagram's answers mean: its own codes beside those that all of Meta shares.

Source: IGP/instagram-graph-api/reference/error-codes.
"""

from platforms.http import Answer, Broken, NotSent
from platforms.meta.errors import ACCOUNT_LIMIT, FAULT, GraphErrors, Table, shared_table
from platforms.outcome import Failure, LimitReading, LimitScope, Outcome, Rejected, RetryAfter
from platforms.wire import Json

# Only the oldest of the last 24 hours' posts makes room, and when that was is not told.
QUOTA_REACHED = RetryAfter(3600.0, LimitScope.ACCOUNT, "posting_limit", rate_limited=True, family="reading")
NOT_READY, NO_CONTAINER = "9007/2207027", "24/2207008"

_NOT_FETCHED = "Instagram could not fetch the file from its address."
_FILM = "Instagram does not take the video's format."
_PUBLISHING: Table = {
    (-2, 2207020): Rejected("-2/2207020", "Instagram's container has expired: publish it again."),
    (1, 2207057): Rejected("1/2207057", "thumb_offset lies outside of the video."),
    (9, 2207042): QUOTA_REACHED,
    (24, 2207008): Rejected(NO_CONTAINER, "Instagram does not know the container."),
    (100, 2207023): Rejected("100/2207023", "Instagram does not know this media_type."),
    (100, 2207028): Rejected("100/2207028", "The carousel has too few or too many items."),
    (100, 2207035): Rejected("100/2207035", "Instagram did not accept a product tag."),
    (100, 2207036): Rejected("100/2207036", "Instagram did not accept a product tag."),
    (100, 2207037): Rejected("100/2207037", "Instagram did not accept a product tag."),
    (100, 2207040): Rejected("100/2207040", "The caption mentions too many people."),
    (352, 2207026): Rejected("352/2207026", _FILM),
    (9004, 2207052): Rejected("9004/2207052", _NOT_FETCHED),
    (9007, 2207027): Rejected(NOT_READY, "Instagram is not ready with the media yet."),
    (36000, 2207004): Rejected("36000/2207004", "The picture is too large for Instagram."),
    (36001, 2207005): Rejected("36001/2207005", "Instagram takes JPEG pictures only."),
    (36003, 2207009): Rejected("36003/2207009", "The picture is too tall or too wide for Instagram."),
    (36004, 2207010): Rejected("36004/2207010", "The caption is too long, or has too many hashtags."),
}
_GRAPH = GraphErrors(
    "Instagram",
    {
        **shared_table("Instagram"),
        **_PUBLISHING,
        (80002, None): ACCOUNT_LIMIT,
        (4, 2207051): Rejected("4/2207051", "Instagram restricts this account's actions as spam."),
        (24, 2207006): Rejected(
            "24/2207006", "Instagram has no such media, or does not show it to this account."
        ),
        (25, 2207050): Rejected("25/2207050", "Instagram has deactivated or restricted this account."),
    },
    {None: frozenset({"instagram"})},
)
# Subcodes of failures that pass: fetching timed out, a server failed.
_PASSING = frozenset({2207001, 2207003, 2207032, 2207053})
_BY_SUBCODE = {subcode: failure for (_, subcode), failure in _PUBLISHING.items()}
# Codes that say an object read by id is not there.
GONE = frozenset({"100/33", "24/2207006"})


def outcome_of(
    result: Answer | NotSent | Broken, family: str = "reading", *, once: str | None = None
) -> Outcome[Json]:
    """The outcome of any call; `once` as in `failure_of`."""
    return _GRAPH.outcome_of(result, family, once=once)


def readings_of(answer: Answer, family: str) -> tuple[LimitReading, ...]:
    return _GRAPH.readings_of(answer, family)


def meaning_of_status(subcode: int | None) -> Failure:
    """Of a container with the status ERROR, whose text holds the subcode."""
    if subcode in _PASSING:
        return FAULT
    unnamed = Rejected("container_failed", "Instagram could not use the file.")
    return _BY_SUBCODE.get(subcode, unnamed) if subcode is not None else unnamed
