"""What Instagram's answers mean: its own codes beside those that all of Meta shares.

Source: IGP/instagram-graph-api/reference/error-codes.
"""

from platforms.http import Answer, Broken, NotSent
from platforms.meta.errors import ACCOUNT_LIMIT, GraphErrors, shared_table
from platforms.outcome import LimitReading, Outcome, Rejected
from platforms.wire import Json

_GRAPH = GraphErrors(
    "Instagram",
    {
        **shared_table("Instagram"),
        (80002, None): ACCOUNT_LIMIT,
        (4, 2207051): Rejected("4/2207051", "Instagram restricts this account's actions as spam."),
        (24, 2207006): Rejected(
            "24/2207006", "Instagram has no such media, or does not show it to this account."
        ),
        (25, 2207050): Rejected("25/2207050", "Instagram has deactivated or restricted this account."),
    },
    {None: frozenset({"instagram"})},
)
# Codes that say an object read by id is not there.
GONE = frozenset({"100/33", "24/2207006"})


def outcome_of(
    result: Answer | NotSent | Broken, family: str = "reading", *, once: str | None = None
) -> Outcome[Json]:
    """The outcome of any call; `once` as in `failure_of`."""
    return _GRAPH.outcome_of(result, family, once=once)


def readings_of(answer: Answer, family: str) -> tuple[LimitReading, ...]:
    return _GRAPH.readings_of(answer, family)
