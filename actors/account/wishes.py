"""What people want of the platform through an account: publications, operations, further consents.

Each command is refused with the sentence that says why, before anything is kept or sent.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from actors.account.content.content import Changes
from actors.account.content.work import MakeId
from actors.account.operations import operations, plans
from actors.account.operations.task import TAGGED, What
from actors.account.publishing import publications
from actors.account.publishing.publication import Action
from actors.account.state import AccountState, Status
from actors.account.tokens import grants
from domain.errors import Conflict, Invalid
from domain.events import Event, EventType
from domain.publishing import Draft, draft_of
from platforms.base import Platform
from platforms.capabilities import Publishing
from storage.sealed import CAPABILITIES

Data = Mapping[str, Any]
Command = Callable[[AccountState, Platform, Data, Changes, MakeId], AccountState]

ASKING = frozenset({"perform", "cancel_operation"})
"""Commands about one operation, whose document they want to see."""


def must_be_connected(state: AccountState) -> None:
    if state.status is not Status.CONNECTED:
        raise Conflict(
            "account_not_connected",
            f"The account is {state.status.value.replace('_', ' ')}: resume or connect it first.",
        )


# -- publications -------------------------------------------------------------------------------------
def _publish(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    """Refused with every rule that the draft breaks."""
    must_be_connected(state)
    offered = _publishing(platform)
    draft = offered.adapt(draft_of(data["draft"]))
    if problems := offered.refusals(draft):
        sentence = " ".join(problem.message for problem in problems)
        raise Invalid("draft_refused", sentence, field=problems[0].field)
    due_at = datetime.fromisoformat(data["due_at"]) if data.get("due_at") else changes.now
    return _take_on(state, changes, data, Action.PUBLISH, draft, None, due_at)


def _edit_content(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    must_be_connected(state)
    _publishing(platform)
    draft, target = draft_of(data["draft"]), data["external_content_id"]
    return _take_on(state, changes, data, Action.EDIT, draft, target, changes.now)


def _delete_content(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    must_be_connected(state)
    _publishing(platform)
    return _take_on(state, changes, data, Action.DELETE, None, data["external_content_id"], changes.now)


def _take_on(
    state: AccountState,
    changes: Changes,
    data: Data,
    action: Action,
    draft: Draft | None,
    target: str | None,
    due_at: datetime,
) -> AccountState:
    group, user_id = data["group"], data["user_id"]
    return publications.ask(
        state, changes, data["publication_id"], action, draft, target, due_at, group, user_id
    )


def _cancel_publication(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    return publications.cancel(state, changes, data["publication_id"])


def _publishing(platform: Platform) -> Publishing:
    if platform.publishing is None:
        title = platform.spec.title
        raise Invalid("publishing_unsupported", f"Rookery does not publish on {title}.", field="accounts")
    return platform.publishing


# -- operations ---------------------------------------------------------------------------------------
def _perform(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    """`data`: operation_id, what, facts (where it begins), wish, user_id."""
    must_be_connected(state)
    what = What(data["what"])
    plans.check(state, platform, what)
    facts = dict(data["facts"])
    if what in TAGGED:
        # By this it is found again: nobody may guess it, and nothing else has it.
        facts["tag"] = make_id(TAGGED[what])
    return operations.ask(state, changes, data["operation_id"], what, facts, data["wish"], data["user_id"])


def _cancel_operation(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    return operations.cancel(state, changes, data["operation_id"])


# -- further consents ---------------------------------------------------------------------------------
def _grant(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    """`data`: capability, app_id, access_token, refresh_token, secret (sealed), expires_in_s, external_id,
    scopes."""
    name: str = data["capability"]
    if name not in CAPABILITIES or getattr(platform, name) is None:
        title = platform.spec.title
        raise Invalid("not_offered", f"{title} takes no consent of its own for {name}.", field="capability")
    state = grants.put(state, platform, name, data, changes.now)
    changes.events.append(_granted(changes, state, name, "granted"))
    return plans.soon(state, name, changes.now)


def _ungrant(
    state: AccountState, platform: Platform, data: Data, changes: Changes, make_id: MakeId
) -> AccountState:
    """The token is forgotten here; at the platform the person takes the consent back."""
    name: str = data["capability"]
    state = grants.remove(state, name)
    changes.events.append(_granted(changes, state, name, "grant_removed"))
    return state


def _granted(changes: Changes, state: AccountState, name: str, what: str) -> Event:
    data = {"account_id": changes.account_id, "platform": state.platform, "status": state.status.value}
    return Event(EventType.SOCIAL_ACCOUNT_CHANGED, data | {"what": what, "grant": name})


COMMANDS: Mapping[str, Command] = {
    "publish": _publish,
    "edit_content": _edit_content,
    "delete_content": _delete_content,
    "cancel_publication": _cancel_publication,
    "perform": _perform,
    "cancel_operation": _cancel_operation,
    "grant": _grant,
    "ungrant": _ungrant,
}
