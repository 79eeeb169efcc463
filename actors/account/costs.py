"""What the effects of an account cost, and as which message their outcomes come back."""

from collections.abc import Mapping
from typing import Any

from actors.account.content.errands import calls_of
from actors.account.content.work import source_of
from actors.account.effects import (
    DecisiveStep,
    FetchPage,
    FetchProfile,
    LookForPublication,
    PlatformCall,
    PublishStep,
    ReadItems,
    Subscribe,
    TaskStep,
)
from actors.account.operations.task import Step
from actors.account.state import Errand
from platforms.base import ItemReads, Page
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.spec import PlatformSpec

NAMES: Mapping[type[PlatformCall], str] = {
    FetchPage: "page_fetched",
    ReadItems: "items_read",
    FetchProfile: "profile_fetched",
    Subscribe: "subscribed",
    PublishStep: "publish_stepped",
    LookForPublication: "publication_looked",
    TaskStep: "task_stepped",
    DecisiveStep: "task_stepped",
}
"""As which message the outcome of a call comes back."""


def calls_of_effect(spec: PlatformSpec, effect: PlatformCall) -> Mapping[str, int]:
    """API family -> calls that the effect may need."""
    match effect:
        case FetchPage():
            return {source_of(spec, effect.source).family: 1}
        case ReadItems():
            return {spec.batch_read_family: spec.batch_read_calls}
        case Subscribe():
            return calls_of(spec, Errand.SUBSCRIBE)
        case TaskStep() | PublishStep() | LookForPublication():
            return effect.calls
        case _:
            return calls_of(spec, Errand.PROFILE)


def what_was_sent(effect: PlatformCall) -> dict[str, Any]:
    """What an outcome is of: the token that was sent, so that a refusal is believed of that one, and where
    the call alone does not say it, the publication."""
    names: dict[str, Any] = {"access": getattr(effect, "access", b"")}
    if (grant := getattr(effect, "grant", None)) is not None:
        names["grant"] = grant
    if isinstance(effect, PublishStep | LookForPublication):
        names["publication_id"] = effect.record.id
    return names


def items_of(effect: PlatformCall, outcome: Outcome[Any]) -> int | None:
    """How many things an answer brought; None when the call may have brought some that nobody saw."""
    if isinstance(effect, LookForPublication):
        return None
    match outcome:
        case Ok(value=Step() as step):
            return step.items
        case Ok(value=Page() | ItemReads() as found):
            return len(found.items) + len(getattr(found, "remarks", ()))
        case Ok() | Rejected() | ReauthRequired():
            return 0
        case RetryAfter(rate_limited=True):
            return 0
        case _:
            return None
