"""The owner of one connected account: token, budgets, cursors, and what its webhooks tell.

Guarantee: every command answered is saved; a refresh, once decided, is never sent twice by decision, only
(and counted as `in_doubt`) when its outcome cannot be known; each distinct webhook event counts once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from actors.account import connection, erasure, wanted, wishes
from actors.account.content import errands, hearing, sync, work
from actors.account.content.content import Changes
from actors.account.documents import Seal
from actors.account.effects import DecisiveStep, PublishStep, Recall, Refresh, ReplayParked, Revoke
from actors.account.operations import operations, plans, tasks
from actors.account.publishing import publications, publishing
from actors.account.state import AccountState, Config, Errand, Mode, Status, Wish, dump, load
from actors.account.tokens import access, grants
from actors.account.view import view
from actors.account.wishes import must_be_connected
from actors.runtime.entity import Effect, Message, SideRef, SideView, Turn
from actors.runtime.urgency import Urgency
from domain.budget import Priority
from domain.clock import truncate_ms
from domain.errors import Conflict, Invalid, NotFound
from domain.events import Event, EventType
from domain.ids import AccountId, EntityKey, Kind, new_id
from platforms.base import Platform
from platforms.outcome import Ok, ReauthRequired
from platforms.spec import PlatformSpec
from storage.records import Document

State = AccountState | None


class AccountEntity:
    kind = Kind.ACCOUNT

    def __init__(
        self, platforms: Mapping[str, Platform], seal: Seal, make_id: Callable[[str], str] = new_id
    ) -> None:
        self._platforms = platforms
        self._seal = seal
        self._make_id = make_id
        self._commands: dict[str, Callable[[EntityKey, AccountState, Message, Changes], _Step]] = {
            "configure": self._configure,
            "pause": self._pause,
            "resume": self._resume,
            "sync": self._sync,
            "backfill": self._backfill,
            "disconnect": self._disconnect,
            "erase": self._erase,
        }

    # -- what the runtime asks ----------------------------------------------------------------------
    def load(self, document: Document) -> AccountState:
        return load(document)

    def dump(self, state: AccountState) -> Document:
        return dump(state)

    def org(self, state: AccountState) -> str:
        return state.org

    def view(self, key: EntityKey, state: AccountState) -> dict[str, Any]:
        return view(key, state)

    def snapshot(self, key: EntityKey, state: AccountState) -> dict[str, Any] | None:
        return None

    def due(self, state: AccountState) -> datetime | None:
        spec = self._spec(state)
        times = [work.wake_at(state, spec), errands.wake_at(state), state.replay_at, tasks.wake_at(state)]
        times.append(erasure.wake_at(state))
        if state.publications:
            times.append(publishing.wake_at(state, state.updated_at))
        if state.status in (Status.CONNECTED, Status.PAUSED):
            platform = self._platforms[state.platform]
            times.append(access.wake_at(state, spec, state.updated_at))
            times.append(grants.wake_at(state, platform, state.updated_at))
            times.append(plans.wake_at(state, platform))
        return min((t for t in times if t is not None), default=None)

    def urgency(self, state: AccountState, due: datetime | None) -> Urgency:
        if state.publications and publishing.wake_at(state, state.updated_at) == due:
            return Urgency.PUBLISH
        if due is not None and tasks.wake_at(state) == due:
            people = any(t.priority is Priority.PERSON for t in state.tasks)
            return Urgency.PERSON if people else Urgency.SCHEDULED
        if due is not None and erasure.wake_at(state) == due:
            return Urgency.SCHEDULED
        return work.urgency(state, self._spec(state), due)

    def intends(self, state: AccountState, effect: Effect) -> bool:
        match effect:
            case Refresh(grant=None):
                return state.intent is not None and state.intent.id == effect.intent_id
            case Refresh(grant=str(name)):
                grant = state.grants.get(name)
                return grant is not None and grant.intent is not None and grant.intent.id == effect.intent_id
            case PublishStep():
                return any(p.call is not None and p.call[0] == effect.call.id for p in state.publications)
            case DecisiveStep():
                return any(t.call is not None and t.call.id == effect.call.id for t in state.tasks)
            case _:
                return True

    def awaits(self, state: AccountState) -> bool:
        return state.job is not None and state.job.call is not None

    def reads(self, key: EntityKey, state: State, message: Message) -> Sequence[SideRef]:
        return wanted.reads(key.id, state, message)

    def apply(
        self, key: EntityKey, state: State, message: Message, now: datetime, side: SideView
    ) -> Turn[AccountState]:
        if message.name == "connect":
            return self._connect(key, state, message, now, side)
        if state is None:
            raise NotFound("account_not_found", "There is no account with this id.")
        changes = Changes(key.id, state, side, now, self._seal)
        effects: list[Effect] = []
        reply, begins = False, True
        command = self._commands.get(message.name)
        if command is not None or message.name in wishes.COMMANDS:
            _check_version(message)
            if state.status is Status.DISCONNECTED and message.name not in ("disconnect", "erase"):
                raise Conflict("account_disconnected", "The account is disconnected: connect it again.")
            if command is not None:
                new, effects = command(key, state, message, changes)
            else:
                platform = self._platforms[state.platform]
                new = wishes.COMMANDS[message.name](state, platform, message.data, changes, self._make_id)
            reply = True
        elif message.name == "platform_event":
            new, begins = _heard(state, message.data, changes, now)
        else:
            new, effects = self._outcome(state, message, changes, now)
        if begins:
            new, more = self._drive(key, new, changes, now, "lonely" in message.data)
            effects += more
        changed = new is not state or bool(changes.writes or changes.events)
        if changed and new.updated_at != now:  # the messages of a batch are applied at one time
            new = replace(new, updated_at=now)
        return Turn(
            new,
            events=tuple(changes.events),
            side=changes.side(),
            effects=tuple(effects),
            reply=view(key, new) if reply else None,
            changed=changed,
            forgets=message.name == "erase",
        )

    # -- what goes on by itself ---------------------------------------------------------------------
    def _drive(
        self, key: EntityKey, state: AccountState, changes: Changes, now: datetime, lonely: bool = False
    ) -> tuple[AccountState, list[Effect]]:
        """Whatever happened: begin what is due now. Deciding from state makes a late tick harmless."""
        effects: list[Effect] = []
        platform, spec = self._platforms[state.platform], self._spec(state)
        if state.replay_at is not None and state.replay_at <= now:
            # Looked for again until it is answered: events may wait there for seven days, no longer.
            state = replace(state, replay_at=now + connection.REPLAY_AGAIN)
            effects.append(ReplayParked(state.replay_at))
        if state.status in (Status.CONNECTED, Status.PAUSED):
            state, started, events = access.drive(state, spec, now, self._make_id)
            effects += started
            changes.events += [_named(e, key) for e in events]
            if state.grants:
                state, started, events = grants.drive(state, platform, now, self._make_id)
                effects += started
                changes.events += [_named(e, key) for e in events]
        state = plans.drive(state, platform, now, self._make_id)
        token_ok = access.usable(state, now)
        state, asked = errands.drive(state, spec, now, token_ok, self._make_id)
        state, calls = work.drive(state, spec, now, token_ok, self._make_id, lonely)
        if state.publications:
            tagging = None
            if any(p.tagged for p in state.publications):
                tagging = grants.tagging(state, platform, now)
            state, steps = publishing.drive(state, spec, changes, token_ok, self._make_id, tagging)
            calls += steps
        if state.tasks:
            state, steps = tasks.drive(state, platform, changes, self._make_id)
            calls += steps
        state, looks = erasure.drive(state, now, self._make_id)
        calls += looks
        return state, effects + asked + calls

    def _outcome(self, state: AccountState, message: Message, changes: Changes, now: datetime) -> "_Step":
        data, platform, spec = message.data, self._platforms[state.platform], self._spec(state)
        refusal: ReauthRequired | None = None
        match message.name:
            case "tick":
                return state, []
            case "page_fetched":
                state, refusal = sync.page_fetched(state, spec, data, changes, now)
            case "recheck_chosen":
                state = sync.recheck_chosen(state, data)
            case "items_read":
                state, refusal = sync.items_read(state, spec, data, changes, now)
            case "refreshed" if data.get("grant") is not None:
                data = {**data, "account_id": changes.account_id}
                state, effects, events = grants.refreshed(state, platform, data, now, self._make_id("int"))
                changes.events += [_named_id(e, changes.account_id) for e in events]
                return state, effects
            case "refreshed":
                data = {**data, "account_id": changes.account_id}
                state, effects, events = access.refreshed(state, data, spec, now, self._make_id("int"))
                changes.events += [_named_id(e, changes.account_id) for e in events]
                return state, effects
            case "profile_fetched":
                after, refusal = errands.answered(state, spec, Errand.PROFILE, data, now)
                if after is not state and isinstance(data["outcome"], Ok):
                    after = self._profiled(after, data["outcome"].value, changes)
                state = after
            case "subscribed":
                state, refusal = errands.answered(state, spec, Errand.SUBSCRIBE, data, now)
            case "publish_stepped":
                state, refusal = publishing.answered(state, spec, data, changes)
            case "publication_looked":
                state, refusal = publishing.looked(state, spec, data, changes)
            case "task_stepped":
                state, refusal = tasks.answered(state, platform, data, changes)
            case "replayed":
                return (replace(state, replay_at=None) if data["again_at"] == state.replay_at else state), []
            case "remains_found":
                return erasure.found(state, data, changes), []
            case "reseal":
                return connection.resealed(state, data["pairs"]), []
            case "reconcile" if state.status is not Status.CONNECTED:
                return state, []
            case "reconcile":
                return work.sync_all(state, spec, Priority.WEBHOOK), []
            case other:
                raise Invalid("unknown_command", f"An account has no command {other!r}.", field="command")
        state = work.reread(state, changes.reread.items(), changes.settled)
        if refusal is not None:
            if (name := data.get("grant")) is None:
                state, events = access.refused(state, spec, data["access"], refusal.reason, now)
            else:
                state, events = grants.refused(state, platform, name, data["access"], refusal.reason, now)
            changes.events += [_named_id(e, changes.account_id) for e in events]
        return state, []

    def _profiled(self, state: AccountState, told: Mapping[str, Any], changes: Changes) -> AccountState:
        profile = {**state.profile, **connection.profile_fields(told)}
        if profile == state.profile:
            return state
        changes.events.append(_changed(changes.account_id, state, "profile"))
        return replace(state, profile=profile)

    # -- commands -----------------------------------------------------------------------------------
    def _connect(
        self, key: EntityKey, state: State, message: Message, now: datetime, side: SideView
    ) -> Turn[AccountState]:
        id_ = AccountId.parse(key.id)
        if state is not None:
            erasure.must_have_ended(state)
        new = connection.connected(state, id_, message.data, self._platforms[id_.platform].spec, now)
        changes = Changes(key.id, new, side, now, self._seal)
        event = {"account_id": key.id, "platform": new.platform, "reconnected": state is not None}
        changes.events.append(Event(EventType.SOCIAL_ACCOUNT_CONNECTED, event))
        new, effects = self._drive(key, new, changes, now)
        effects = [ReplayParked(None), *effects]
        return Turn(new, tuple(changes.events), changes.side(), tuple(effects), view(key, new))

    def _configure(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        data = message.data
        frequency = data.get("sync_frequency", state.config.sync_frequency)
        if frequency not in work.FREQUENCY_S:
            choices = ", ".join(work.FREQUENCY_S)
            raise Invalid("sync_frequency_invalid", f"One of {choices}.", field="sync_frequency")
        config = Config(
            auto_sync=data.get("auto_sync", state.config.auto_sync),
            sync_frequency=frequency,
            content_types=tuple(data.get("content_types", state.config.content_types)),
            commerce_enabled=data.get("commerce_enabled", state.config.commerce_enabled),
        )
        if config == state.config:
            return state, []
        changes.events.append(_changed(key.id, state, "configured"))
        new = replace(state, config=config)
        return (work.rescheduled(new) if frequency != state.config.sync_frequency else new), []

    def _pause(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        if state.status is Status.PAUSED:
            return state, []
        if state.status is not Status.CONNECTED:
            raise Conflict("account_not_connected", "Only a connected account can be paused.")
        new = replace(work.set_aside(state, changes.now), status=Status.PAUSED)
        changes.events.append(_changed(key.id, new, "paused"))
        return new, []

    def _resume(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        if state.status is Status.CONNECTED:
            return state, []
        if state.status is not Status.PAUSED:
            raise Conflict("account_not_paused", "Only a paused account can be resumed: connect it again.")
        new = replace(state, status=Status.CONNECTED)
        new = work.sync_all(new, self._spec(new), Priority.SCHEDULED)
        changes.events.append(_changed(key.id, new, "resumed"))
        return new, []

    def _sync(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        must_be_connected(state)
        waiting = state.job.call if state.job is not None else None
        recalled: list[Effect] = [Recall(waiting.id)] if waiting is not None else []
        return work.sync_all(state, self._spec(state), Priority.PERSON), recalled

    def _backfill(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        must_be_connected(state)
        since = message.data.get("since")
        begin = datetime.fromisoformat(since) if since else None
        limit = message.data.get("limit")
        for source in self._spec(state).sources:
            state = work.wish(state, Wish(source.name, Mode.BACKFILL, Priority.BACKFILL, limit, begin))
        return state, []

    def _disconnect(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        """Tokens leave the document with the same write; the platform is told with the copies."""
        if state.status is Status.DISCONNECTED:
            return state, []
        token = state.token
        new = connection.disconnected(operations.abandon(publications.abandon(state, changes), changes))
        event = {"account_id": key.id, "platform": state.platform, "reason": new.reason}
        changes.events.append(Event(EventType.SOCIAL_ACCOUNT_DISCONNECTED, event))
        return new, [Revoke(state.app_id, token.access, token.refresh)]

    def _erase(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        """`data` of a platform's callback: app_id, asked_at. The platform is told as at a disconnect."""
        asked = message.data.get("asked_at")
        if asked is not None:
            asked_at = truncate_ms(datetime.fromisoformat(asked))
            if message.data["app_id"] != state.app_id or erasure.answers(state, asked_at):
                return state, []
        else:
            asked_at = changes.now
        token, connected = state.token, state.status is not Status.DISCONNECTED
        new = erasure.begun(
            operations.abandon(publications.abandon(state, changes), changes), asked_at, changes
        )
        return new, [Revoke(state.app_id, token.access, token.refresh)] if connected else []

    def _spec(self, state: AccountState) -> PlatformSpec:
        return self._platforms[state.platform].spec


_Step = tuple[AccountState, list[Effect]]


def _check_version(message: Message) -> None:
    wanted = message.data.get("if_version")
    if wanted is not None and wanted != message.data.get("_version"):
        raise Conflict("version_mismatch", "The account changed since it was read: read it again.")


def _heard(
    state: AccountState, data: Mapping[str, Any], changes: Changes, now: datetime
) -> tuple[AccountState, bool]:
    """The state after a webhook event, and whether it may have something begin: most change numbers only, and
    what is due by the time has its reminder."""
    if state.status is Status.DISCONNECTED:
        return state, False  # known and not wanted: dropped
    if data["app_id"] != state.app_id:
        # Whoever brought that application knows its secret and could sign anything with it.
        return state, False
    event = data["event"]
    after = hearing.hear(state, event, changes, now)
    after = work.reread(after, changes.reread.items(), changes.settled)
    return hearing.counted(after, event), after is not state


def _changed(account_id: str, state: AccountState, what: str) -> Event:
    data = {"account_id": account_id, "platform": state.platform, "status": state.status.value, "what": what}
    return Event(EventType.SOCIAL_ACCOUNT_CHANGED, data)


def _named(event: Event, key: EntityKey) -> Event:
    return _named_id(event, key.id)


def _named_id(event: Event, account_id: str) -> Event:
    return Event(event.type, {"account_id": account_id, **event.data})
