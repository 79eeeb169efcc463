"""Keeping the account's token alive: one owner, one refresh at a time, the intent saved before the call.

fresh --due--> intent saved --> sent --+--> new tokens saved
                                       +--> transient failure: back off, stay connected
                                       +--> named dead token: reauthorization_required
                                       +--> no answer: unknown outcome
unknown outcome (rotating): present the old token again until an answer; refused -> reauthorization_required
unknown outcome (any other model): the old token still works: back off, then again

What may be presented again without harm (`repeatable`): everything but a rotating token. Google's refresh
token stays good when it is used (RENEWED), and where a new one is given its predecessor is taken for a while;
the access tokens of both answers work. So an answer that nobody heard has spent nothing: nothing is counted
as in doubt, the account stays connected, and a refusal is believed for what it says. The intent is saved
before the call all the same: it is what keeps two refreshes from being under way at once.

A lasting token (a Facebook page's) has no end and nothing to refresh: "refresh" then means asking the
platform what the token is worth, after a call was refused. Only a named answer about it disconnects. Data
access is another matter: the platform stops showing data some time after the person's last consent, the token
living on; the account warns two weeks ahead.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from actors.account.content.work import MakeId
from actors.account.effects import Refresh
from actors.account.state import AccountState, Status
from actors.account.tokens.token import Intent
from actors.runtime.entity import Effect
from domain.events import Event, EventType
from domain.tokens import UNRESOLVED_GRACE, Decision, backoff, refresh_decision
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec, TokenModel

REFRESH_TIMEOUT = timedelta(seconds=20)
USABLE_MARGIN = timedelta(seconds=10)
DATA_ACCESS_WARNING = timedelta(days=14)
_DISAGREEMENT = timedelta(minutes=5)
"""Between two looks at a token that the platform calls good and its calls refuse."""


_LONGEST_S = 10**9
"""More than thirty years. What a platform names beyond that would have no date."""


def expiry(spec: PlatformSpec, expires_in_s: int | None, now: datetime) -> datetime | None:
    """When a token given now ends; None: a lasting one does not by itself."""
    if not expires_in_s and spec.token.model is TokenModel.LASTING:
        return None
    return now + timedelta(seconds=min(expires_in_s or spec.token.lifetime_s, _LONGEST_S))


def data_access_end(spec: PlatformSpec, in_s: int | None, now: datetime) -> datetime | None:
    seconds = in_s or spec.token.data_access_s
    return None if seconds is None else now + timedelta(seconds=min(seconds, _LONGEST_S))


def lasting(spec: PlatformSpec) -> bool:
    return spec.token.model is TokenModel.LASTING


def repeatable(model: TokenModel) -> bool:
    """Whether a refresh may be made again when nobody knows if it happened."""
    return model is not TokenModel.ROTATING


def decide(state: AccountState, spec: PlatformSpec, now: datetime) -> Decision:
    token = state.token
    if token.refused_at is not None:
        # A call said "this token is refused": refresh once out of turn, then believe it.
        if token.retry_at is not None and token.retry_at > now:
            return Decision(False, "backing_off", token.retry_at)
        return Decision(True, "refused")
    return refresh_decision(
        now,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        margin=spec.token.refresh_margin,
        min_age_s=spec.token.min_age_s,
        retry_at=token.retry_at,
        refreshable=token.refresh is not None or spec.token.model is TokenModel.EXTENDED,
    )


def usable(state: AccountState, now: datetime) -> bool:
    token = state.token
    if token.refused_at is not None:
        return False
    return token.expires_at is None or now + USABLE_MARGIN < token.expires_at


def drive(
    state: AccountState, spec: PlatformSpec, now: datetime, make_id: MakeId
) -> tuple[AccountState, list[Effect], list[Event]]:
    """Resolve an intent that outlived its call, or begin a refresh that is due."""
    if state.intent is not None:
        if now < state.intent.not_after + UNRESOLVED_GRACE:
            return state, [], []
        return _unresolved(state, spec, now, make_id("int"))
    decision = decide(state, spec, now)
    if decision.act:
        return _begin(state, now, make_id("int"))
    warn_at = _warn_at(state)
    if warn_at is not None and warn_at <= now:
        state = replace(state, token=replace(state.token, data_access_ending=True))
        data = {"platform": state.platform, "status": state.status.value, "what": "data_access_ending"}
        return state, [], [Event(EventType.SOCIAL_ACCOUNT_CHANGED, data)]
    if decision.reason == "cannot_refresh" and state.token.expires_at and state.token.expires_at <= now:
        return dead(state, "token_expired")
    return state, [], []


def wake_at(state: AccountState, spec: PlatformSpec, now: datetime) -> datetime | None:
    if state.intent is not None:
        return state.intent.not_after + UNRESOLVED_GRACE
    decision = decide(state, spec, now)
    times = (now if decision.act else decision.at, _warn_at(state))
    return min((t for t in times if t is not None), default=None)


def _warn_at(state: AccountState) -> datetime | None:
    token = state.token
    if token.data_access_until is None or token.data_access_ending:
        return None
    return token.data_access_until - DATA_ACCESS_WARNING


def refreshed(
    state: AccountState, data: Mapping[str, Any], spec: PlatformSpec, now: datetime, intent_id: str
) -> tuple[AccountState, list[Effect], list[Event]]:
    """The outcome of a Refresh. `data`: intent_id, outcome (of None), and on Ok access, refresh (sealed),
    expires_in_s, scopes."""
    intent = state.intent
    if intent is None or intent.id != data["intent_id"]:
        return state, [], []
    outcome: Outcome[None] = data["outcome"]
    token = state.token
    match outcome:
        case Ok():
            lasting = spec.token.model is TokenModel.LASTING
            until = data_access_end(spec, data.get("data_access_in_s"), now)
            if data.get("data_access_in_s") is None:
                until = token.data_access_until  # not told: no consent was given anew either
            token = replace(
                token,
                access=data["access"],
                # An answer without a refresh token never overwrites the one we have.
                refresh=data["refresh"] if data["refresh"] is not None else token.refresh,
                issued_at=now,
                refreshed_at=now,
                expires_at=expiry(spec, data["expires_in_s"], now),
                refreshes=token.refreshes + (not lasting),
                failures=0,
                retry_at=None,
                refused_at=None,
                doubtful=False,
                data_access_until=until,
                data_access_ending=token.data_access_ending and until == token.data_access_until,
            )
            scopes = data["scopes"] or state.scopes
            state = replace(state, token=token, intent=None, scopes=scopes, reason=None)
            what = "token_confirmed" if lasting else "token_refreshed"
            return state, [], [_changed(state, data["account_id"], what)]
        case RetryAfter(seconds=seconds):
            return _later(state, timedelta(seconds=seconds), now), [], []
        case ReauthRequired(reason=reason):
            return dead(state, "refresh_outcome_unknown" if intent.last_chance else reason)
        case Rejected(code=code):
            return replace(_later(state, timedelta(), now), reason=f"refresh_rejected_{code}"), [], []
        case Unknown():
            return _unresolved(state, spec, now, intent_id)


def refused(
    state: AccountState, spec: PlatformSpec, access: bytes, reason: str, now: datetime
) -> tuple[AccountState, list[Event]]:
    """A call with the token `access` was answered that it is dead. One refresh decides whether it is."""
    if state.status not in (Status.CONNECTED, Status.PAUSED):
        return state, []
    if access != state.token.access:
        return state, []  # a former token, replaced while the call was under way
    if reason != "token_refused":
        lost, _, events = dead(state, reason)
        return lost, events
    recently = state.token.refreshed_at is not None and now - state.token.refreshed_at < timedelta(minutes=1)
    if recently and state.token.refused_at is None and spec.token.model is TokenModel.LASTING:
        token = replace(state.token, refused_at=now, retry_at=now + _DISAGREEMENT)
        return replace(state, token=token), []
    if recently and state.token.refused_at is None:
        lost, _, events = dead(state, "token_refused_after_refresh")
        return lost, events
    return replace(state, token=replace(state.token, refused_at=state.token.refused_at or now)), []


def _begin(
    state: AccountState, now: datetime, intent_id: str
) -> tuple[AccountState, list[Effect], list[Event]]:
    token = state.token
    intent = Intent(intent_id, now + REFRESH_TIMEOUT, last_chance=token.doubtful)
    effect = Refresh(intent.id, state.app_id, token.access, token.refresh, intent.not_after)
    return replace(state, intent=intent), [effect], []


def _unresolved(
    state: AccountState, spec: PlatformSpec, now: datetime, intent_id: str
) -> tuple[AccountState, list[Effect], list[Event]]:
    if repeatable(spec.token.model) or state.token.doubtful:
        # Either nothing can have been spent; or it is unknown again (a gateway answers 502 for a while): only
        # a refusal tells that the token was spent, and asking once more costs nothing that the last time did
        # not cost. Always after a growing pause: nobody may take it for an attack.
        return _later(state, timedelta(), now), [], []
    token = replace(state.token, in_doubt=state.token.in_doubt + 1, doubtful=True)
    return _begin(replace(state, token=token, intent=None), now, intent_id)


def _later(state: AccountState, at_least: timedelta, now: datetime) -> AccountState:
    token = state.token
    pause = max(at_least, backoff(token.failures + 1))
    token = replace(token, failures=token.failures + 1, retry_at=now + pause)
    return replace(state, token=token, intent=None)


def dead(state: AccountState, reason: str) -> tuple[AccountState, list[Effect], list[Event]]:
    """Only a person can help: work ends, and an event says so."""
    state = replace(
        state,
        status=Status.REAUTHORIZATION_REQUIRED,
        reason=reason,
        intent=None,
        job=None,
        shelved=(),
        wishes=(),
        errands={},
        token=replace(state.token, retry_at=None, refused_at=None),
    )
    data = {"platform": state.platform, "reason": reason}
    return state, [], [Event(EventType.SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED, data)]


def _changed(state: AccountState, account_id: str, what: str) -> Event:
    data = {"account_id": account_id, "platform": state.platform, "status": state.status.value, "what": what}
    return Event(EventType.SOCIAL_ACCOUNT_CHANGED, data)
