"""Erasing everything that an account holds: its connection at once, its documents page by page.

    asked for --> emptied and disconnected, in one write --> look in a place --+--> a page: tombstones; again
                                                                               +--> nothing: the next place
                                                                               +--> no outcome: again
    the last place holds nothing: erased

Where it is is saved with every page, and a look that is repeated finds what is left. Meanwhile nothing new
comes: a disconnected account drops its webhooks, and it is not connected before this has ended. What is left
is the document itself, with its key and version, what the platform's windows have used, and the tombstones.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from actors.account.content.content import Changes
from actors.account.content.work import CALL_TIMEOUT, MakeId
from actors.account.documents import CONTENT, REMARKS, erased
from actors.account.effects import FindRemains
from actors.account.operations.task import OPERATIONS
from actors.account.operations.told import (
    AD_ACCOUNTS,
    AD_DAYS,
    ADS,
    BROADCASTS,
    CATALOGS,
    INSIGHTS,
    ORDERS,
    PRODUCTS,
    STREAMS,
)
from actors.account.publishing.publication import PUBLICATIONS
from actors.account.state import AccountState, Erasure, Status
from actors.account.tokens.token import Call, Token
from actors.runtime.entity import Effect
from domain.errors import Conflict
from domain.events import Event, EventType

DOCUMENTS: Mapping[str, str] = {
    CONTENT: "publishedAt",
    REMARKS: "at",
    PUBLICATIONS: "createdAt",
    OPERATIONS: "createdAt",
    INSIGHTS: "readAt",
    AD_ACCOUNTS: "readAt",
    ADS: "readAt",
    AD_DAYS: "day",
    CATALOGS: "readAt",
    PRODUCTS: "readAt",
    ORDERS: "orderedAt",
    BROADCASTS: "at",
    STREAMS: "readAt",
}
"""Every collection of documents that name an account, and the field that lists it by time."""
PARKED = "parked"
LETTERS = "letters"
CONSENT = "consent"
PLACES = (PARKED, *DOCUMENTS, LETTERS, CONSENT)
PAGE = 100
BEING_ERASED = "account_being_erased"


# -- asked for ----------------------------------------------------------------------------------------
def answers(state: AccountState, asked_at: datetime) -> bool:
    """Whether the wish of that time was taken on: platforms repeat themselves, and the account may have been
    connected again since."""
    return state.erasure is not None and asked_at <= state.erasure.asked_at


def begun(state: AccountState, asked_at: datetime, changes: Changes) -> AccountState:
    """Everything in the account's own document goes with this write. One that is under way goes on: nothing
    has come since it began."""
    now, before = changes.now, state.erasure
    if before is not None:
        asked_at = max(asked_at, before.asked_at)
    if before is not None and before.ended_at is None:
        return replace(state, erasure=replace(before, asked_at=asked_at))
    emptied = AccountState(
        org=state.org,
        platform=state.platform,
        external_id=state.external_id,
        user_id="",
        app_id=state.app_id,
        status=Status.DISCONNECTED,
        reason="erasing",
        token=Token(b"", None, issued_at=now, expires_at=None),
        created_at=state.created_at,
        updated_at=now,
        budget=state.budget,  # calls were made, whoever connects it next
        erasure=Erasure(asked_at, now, PLACES[0]),
    )
    if state.status is not Status.DISCONNECTED:
        changes.events.append(
            _event(EventType.SOCIAL_ACCOUNT_DISCONNECTED, emptied, changes, reason="erasing")
        )
    return emptied


def must_have_ended(state: AccountState) -> None:
    if state.erasure is not None and state.erasure.ended_at is None:
        raise Conflict(BEING_ERASED, "What was held of the account is being erased: connect it in a minute.")


# -- going on -----------------------------------------------------------------------------------------
def drive(state: AccountState, now: datetime, make_id: MakeId) -> tuple[AccountState, list[Effect]]:
    """Look in the place where it is, unless a look is under way."""
    known = state.erasure
    if known is None or known.place is None or (known.call is not None and now < known.call.until):
        return state, []
    call = Call(make_id("call"), now + CALL_TIMEOUT)
    state = replace(state, erasure=replace(known, call=call))
    return state, [FindRemains(call, known.place, known.begun_at)]


def wake_at(state: AccountState) -> datetime | None:
    return state.erasure.call.until if state.erasure is not None and state.erasure.call is not None else None


def found(state: AccountState, data: Mapping[str, Any], changes: Changes) -> AccountState:
    """`data`: call_id; ids of documents that are there; removed, how much else was there and is not now."""
    known = state.erasure
    if known is None or known.place is None or known.call is None or known.call.id != data["call_id"]:
        return state
    ids = data["ids"]
    for id_ in ids:
        changes.put(known.place, erased(id_, state.org, DOCUMENTS[known.place], changes.now))
    known = replace(known, call=None, documents=known.documents + len(ids))
    if ids or data["removed"]:
        return replace(state, erasure=known)
    place = next(iter(PLACES[PLACES.index(known.place) + 1 :]), None)
    if place is not None:
        return replace(state, erasure=replace(known, place=place))
    state = replace(state, reason="erased", erasure=replace(known, place=None, ended_at=changes.now))
    changes.events.append(_event(EventType.SOCIAL_ACCOUNT_ERASED, state, changes, documents=known.documents))
    return state


def _event(kind: EventType, state: AccountState, changes: Changes, **data: Any) -> Event:
    return Event(kind, {"account_id": changes.account_id, "platform": state.platform, **data})
