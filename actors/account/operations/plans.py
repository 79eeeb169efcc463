"""Which walks an account makes by itself, and when: numbers of what is recent, comments that no source shows,
days of ads, orders."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from actors.account.content.work import MakeId, interval
from actors.account.operations.operations import begun
from actors.account.operations.task import Plan, What
from actors.account.state import AccountState, Status
from actors.account.tokens import grants
from domain.budget import Priority
from domain.errors import Conflict, Invalid
from platforms.base import Platform
from platforms.capabilities import ListsComments

FIRST_AFTER = timedelta(minutes=10)
"""Of a new account: its history is read first."""
EVERY = timedelta(hours=24)
ORDERS_BACK = timedelta(days=30)
OVERLAP = timedelta(hours=1)
"""Late changes: each walk of orders or comments looks so far behind the beginning of the last one."""

COMMENTS_EVERY = timedelta(hours=1)
"""At most: each content costs a call, from a window that all accounts share."""

_SCHEDULED = (What.CONTENT_INSIGHTS, What.ACCOUNT_INSIGHTS, What.COMMENTS, What.ADS, What.ORDERS)
# By what a capability calls it, where a platform may lack a part of one.
_PARTS = {
    What.CREATE_AD_GROUP: "create_group",
    What.CREATE_AD: "create_ad",
    What.CATALOGS: "catalogs",
    What.PRODUCTS: "products",
    What.UPSERT_PRODUCTS: "upsert",
    What.ORDERS: "orders",
    What.CREATE_BROADCAST: "create",
    What.STREAM: "stream",
    What.TRANSITION: "transition",
    What.CHAT: "chat",
}


def not_offered(platform: Platform, what: What) -> str | None:
    """Why the platform does not do this, in a sentence; None: it does."""
    spec, capability = platform.spec, what.capability
    offered = getattr(platform, capability)
    if offered is None:
        default = f"{spec.title} offers nothing of this ({capability}) that Rookery could use."
        return spec.not_offered.get(capability, default)
    if what is What.COMMENTS and not isinstance(platform, ListsComments):
        return f"{spec.title} shows its comments to the account's own token, or to nobody."
    missing: str | None = offered.missing.get(_PARTS[what]) if what in _PARTS else None
    return missing


def check(state: AccountState, platform: Platform, what: What) -> None:
    """Raises with the sentence that says why it cannot be asked for."""
    if (sentence := not_offered(platform, what)) is not None:
        raise Invalid("not_offered", f"Not offered by the platform: {sentence}", field="platform")
    if grants.missing(state, platform, what.capability):
        spec, name = platform.spec, what.capability
        wants = spec.brought.get(name, "a consent of its own")
        ways = {"connect": name in grants.consents_of(platform), "bring": name in spec.brought}
        how = " or ".join(way for way, there in ways.items() if there)
        sentence = f"{spec.title} wants {wants} for this: {how} the account's {name} grant first."
        raise Conflict("grant_missing", sentence)


def drive(state: AccountState, platform: Platform, now: datetime, make_id: MakeId) -> AccountState:
    """Begin what is due. Late is once: what was missed meanwhile is not caught up with."""
    for what in _wanted(state, platform):
        plan = state.plans.get(what)
        if plan is None:
            state = _planned(state, what, Plan(now + FIRST_AFTER))
        elif plan.next_at <= now:
            state = _planned(state, what, replace(plan, next_at=now + _every(state, what)))
            if not any(t.what is what and not t.shown for t in state.tasks):
                facts = _facts(what, plan, now)
                task = begun(make_id("tsk"), what, facts, Priority.SCHEDULED, now, shown=False)
                state = replace(state, tasks=(*state.tasks, task))
    return state


def soon(state: AccountState, capability: str, now: datetime) -> AccountState:
    """Its consent was given just now: begin."""
    for what in _SCHEDULED:
        if what.capability == capability:
            state = _planned(state, what, replace(state.plans.get(what, Plan(now)), next_at=now))
    return state


def wake_at(state: AccountState, platform: Platform) -> datetime | None:
    times = [plan.next_at for what in _wanted(state, platform) if (plan := state.plans.get(what))]
    return min(times, default=None)


def _wanted(state: AccountState, platform: Platform) -> Iterator[What]:
    if state.status is not Status.CONNECTED or not state.config.auto_sync:
        return
    for what in _SCHEDULED:
        if getattr(platform, what.capability) is None:
            continue  # asked at every message: the sentence that says so is not made
        if what is What.ORDERS and not state.config.commerce_enabled:
            continue
        if what is What.COMMENTS and not grants.held(state, what.capability):
            continue
        if not_offered(platform, what) is None and not grants.missing(state, platform, what.capability):
            yield what


def _every(state: AccountState, what: What) -> timedelta:
    if what is What.COMMENTS:
        return max(interval(state), COMMENTS_EVERY)
    return interval(state) if what is What.ORDERS else EVERY


def _facts(what: What, plan: Plan, now: datetime) -> Mapping[str, Any]:
    if what is What.COMMENTS and plan.last_run_at is None:
        return {}  # all there are
    if what not in (What.ORDERS, What.COMMENTS):
        return {}
    since = plan.last_run_at - OVERLAP if plan.last_run_at else now - ORDERS_BACK
    return {"since": since.isoformat()}


def _planned(state: AccountState, what: What, plan: Plan) -> AccountState:
    return replace(state, plans=state.plans | {what.value: plan})
