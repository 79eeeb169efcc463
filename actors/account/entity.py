"""The owner of one connected account: token, budgets, cursors, and what its webhooks tell.

Guarantee: every command answered is saved; a refresh, once decided, is never sent twice by decision, only
(and counted as `in_doubt`) when its outcome cannot be known; each distinct webhook event counts once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from actors.account import access, hearing, sync
from actors.account.content import Changes
from actors.account.documents import CONTENT, REMARKS, Seal, side_id
from actors.account.effects import ReplayParked, Revoke, Subscribe
from actors.account.state import AccountState, Config, Mode, Status, Token, Wish, dump, load
from actors.account.view import view
from actors.runtime.entity import Effect, Message, SideRef, SideView, Turn
from domain.budget import Priority
from domain.errors import Conflict, Invalid, NotFound
from domain.events import Event, EventType
from domain.ids import AccountId, EntityKey, Kind, new_id
from platforms.base import Platform
from platforms.outcome import Ok, ReauthRequired
from platforms.spec import PlatformSpec
from storage.records import Document

REPLAY_AGAIN = timedelta(minutes=1)
"""A webhook replica that had not heard of the connection may park one more event after the first replay."""

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
        times = [sync.wake_at(state), state.replay_at]
        if state.status in (Status.CONNECTED, Status.PAUSED):
            times.append(access.wake_at(state, spec, state.updated_at))
        return min((t for t in times if t is not None), default=None)

    def reads(self, key: EntityKey, state: State, message: Message) -> Sequence[SideRef]:
        match message.name:
            case "platform_event":
                return hearing.reads(key.id, message.data["event"])
            case "page_fetched" | "items_read" if isinstance(message.data["outcome"], Ok):
                value = message.data["outcome"].value
                items = getattr(value, "items", ())
                ids = {i.external_id for i in items} | {r for i in items for r in i.replaces}
                refs = [SideRef(CONTENT, side_id(key.id, i)) for i in ids | getattr(value, "gone", set())]
                remarks = getattr(value, "remarks", ())
                return refs + [SideRef(REMARKS, side_id(key.id, r.external_id)) for r in remarks]
            case _:
                return ()

    def apply(
        self, key: EntityKey, state: State, message: Message, now: datetime, side: SideView
    ) -> Turn[AccountState]:
        if message.name == "connect":
            return self._connect(key, state, message, now)
        if state is None:
            raise NotFound("account_not_found", "There is no account with this id.")
        changes = Changes(key.id, state, side, now, self._seal)
        if message.name in self._commands:
            _check_version(message)
            if state.status is Status.DISCONNECTED and message.name != "disconnect":
                raise Conflict("account_disconnected", "The account is disconnected: connect it again.")
            new, effects = self._commands[message.name](key, state, message, changes)
            reply = True
        else:
            new, effects = self._outcome(state, message, changes, now)
            reply = False
        new, more = self._drive(key, new, changes, now)
        effects += more
        changed = new is not state or bool(changes.writes or changes.events)
        if changed:
            new = replace(new, updated_at=now)
        return Turn(
            new,
            events=tuple(changes.events),
            side=changes.side(),
            effects=tuple(effects),
            reply=view(key, new) if reply else None,
            changed=changed,
        )

    # -- what goes on by itself ---------------------------------------------------------------------
    def _drive(
        self, key: EntityKey, state: AccountState, changes: Changes, now: datetime
    ) -> tuple[AccountState, list[Effect]]:
        """Whatever happened: begin what is due now. Deciding from state makes a late tick harmless."""
        effects: list[Effect] = []
        spec = self._spec(state)
        if state.replay_at is not None and state.replay_at <= now:
            state = replace(state, replay_at=None)
            effects.append(ReplayParked())
        if state.status in (Status.CONNECTED, Status.PAUSED):
            state, started, events = access.drive(state, spec, now, self._make_id("int"))
            effects += started
            changes.events += [_named(e, key) for e in events]
        token_ok = access.usable(state, now)
        state, calls = sync.drive(state, spec, now, token_ok, self._make_id("job"))
        return state, effects + calls

    def _outcome(self, state: AccountState, message: Message, changes: Changes, now: datetime) -> "_Step":
        data, spec = message.data, self._spec(state)
        refusal: ReauthRequired | None = None
        match message.name:
            case "tick":
                return state, []
            case "platform_event":
                if state.status is Status.DISCONNECTED:
                    return state, []  # known and not wanted: dropped
                if data["app_id"] != state.app_id:
                    # Whoever brought that application knows its secret and could sign anything with it.
                    return state, []
                state, effects = hearing.hear(state, data["event"], changes, now)
                source = next((s.name for s in spec.sources if not s.remarks), spec.sources[0].name)
                return hearing.follow_up(state, changes.unknown, source), effects
            case "page_fetched":
                state, refusal = sync.page_fetched(state, spec, data, changes, now)
            case "recheck_chosen":
                state = sync.recheck_chosen(state, data)
            case "items_read":
                state, refusal = sync.items_read(state, spec, data, changes, now)
            case "refreshed":
                data = {**data, "account_id": changes.account_id}
                state, effects, events = access.refreshed(state, data, spec, now, self._make_id("int"))
                changes.events += [_named_id(e, changes.account_id) for e in events]
                return state, effects
            case "profile_fetched":
                return self._profiled(state, data, changes), []
            case "subscribed":
                return replace(state, subscribed=data["ok"]), []
            case "reconcile" if state.status is not Status.CONNECTED:
                return state, []
            case "reconcile":
                return sync.sync_all(state, spec, Priority.WEBHOOK), []
            case other:
                raise Invalid("unknown_command", f"An account has no command {other!r}.", field="command")
        if refusal is not None:
            state, events = access.refused(state, data["access"], refusal.reason, now)
            changes.events += [_named_id(e, changes.account_id) for e in events]
        return state, []

    def _profiled(self, state: AccountState, data: Mapping[str, Any], changes: Changes) -> AccountState:
        profile = state.profile | data["profile"]
        if profile == state.profile:
            return state
        changes.events.append(_changed(changes.account_id, state, "profile"))
        return replace(state, profile=profile)

    # -- commands -----------------------------------------------------------------------------------
    def _connect(self, key: EntityKey, state: State, message: Message, now: datetime) -> Turn[AccountState]:
        """A full exchange happened and the profile was read: store it, also over an existing connection."""
        data, id_ = message.data, AccountId.parse(key.id)
        spec = self._platforms[id_.platform].spec
        lifetime = data["expires_in_s"] or spec.token.lifetime_s
        old = state.token if state is not None else None
        refresh = data["refresh_token"]
        if refresh is None and old is not None:
            refresh = old.refresh  # never overwritten by nothing
        token = Token(
            access=data["access_token"],
            refresh=refresh,
            issued_at=now,
            expires_at=now + timedelta(seconds=lifetime),
            refreshes=old.refreshes if old else 0,
            in_doubt=old.in_doubt if old else 0,
        )
        profile = {_PROFILE[k]: v for k, v in data["profile"].items() if k in _PROFILE}
        new = AccountState(
            org=id_.org,
            platform=id_.platform,
            external_id=id_.external_id,
            user_id=data["user_id"],
            app_id=data["app_id"],
            status=Status.CONNECTED,
            token=token,
            scopes=tuple(data["scopes"]),
            profile=profile,
            created_at=state.created_at if state else now,
            updated_at=now,
        )
        if state is not None:
            new = replace(
                new,
                config=state.config,
                budget=state.budget,
                sources=state.sources,
                counters=state.counters,
                last_sync_at=state.last_sync_at,
            )
            if refresh is not None and data["refresh_token"] is None:
                # The same refresh token goes on: what is known of its last presentation does too.
                token = replace(token, doubtful=state.token.doubtful)
                new = replace(new, token=token, intent=state.intent)
        new = sync.sync_all(new, spec, Priority.SCHEDULED)
        new = replace(new, replay_at=now + REPLAY_AGAIN)
        changes = Changes(key.id, new, {}, now, self._seal)
        event = {"account_id": key.id, "platform": new.platform, "reconnected": state is not None}
        changes.events.append(Event(EventType.SOCIAL_ACCOUNT_CONNECTED, event))
        new, effects = self._drive(key, new, changes, now)
        effects = [ReplayParked(), Subscribe(new.app_id, token.access), *effects]
        return Turn(new, tuple(changes.events), (), tuple(effects), view(key, new))

    def _configure(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        data = message.data
        frequency = data.get("sync_frequency", state.config.sync_frequency)
        if frequency not in sync.FREQUENCY_S:
            choices = ", ".join(sync.FREQUENCY_S)
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
        return replace(state, config=config), []

    def _pause(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        if state.status is Status.PAUSED:
            return state, []
        if state.status is not Status.CONNECTED:
            raise Conflict("account_not_connected", "Only a connected account can be paused.")
        new = replace(state, status=Status.PAUSED, job=None)
        changes.events.append(_changed(key.id, new, "paused"))
        return new, []

    def _resume(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        if state.status is Status.CONNECTED:
            return state, []
        if state.status is not Status.PAUSED:
            raise Conflict("account_not_paused", "Only a paused account can be resumed: connect it again.")
        new = replace(state, status=Status.CONNECTED)
        new = sync.sync_all(new, self._spec(new), Priority.SCHEDULED)
        changes.events.append(_changed(key.id, new, "resumed"))
        return new, []

    def _sync(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        self._must_be_connected(state)
        return sync.sync_all(state, self._spec(state), Priority.PERSON), []

    def _backfill(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        self._must_be_connected(state)
        since = message.data.get("since")
        wishes = [
            Wish(
                source.name,
                Mode.BACKFILL,
                Priority.BACKFILL,
                limit=message.data.get("limit"),
                since=datetime.fromisoformat(since) if since else None,
            )
            for source in self._spec(state).sources
        ]
        return sync.wish(state, *wishes), []

    def _disconnect(self, key: EntityKey, state: AccountState, message: Message, changes: Changes) -> "_Step":
        """Tokens leave the document with the same write; the platform is told with the copies."""
        if state.status is Status.DISCONNECTED:
            return state, []
        token = state.token
        new = replace(
            state,
            status=Status.DISCONNECTED,
            reason="disconnected_by_user",
            token=replace(token, access=b"", refresh=None, expires_at=None, retry_at=None, refused_at=None),
            intent=None,
            job=None,
            wishes=(),
            replay_at=None,
            subscribed=False,
        )
        event = {"account_id": key.id, "platform": state.platform, "reason": new.reason}
        changes.events.append(Event(EventType.SOCIAL_ACCOUNT_DISCONNECTED, event))
        return new, [Revoke(state.app_id, token.access, token.refresh)]

    def _must_be_connected(self, state: AccountState) -> None:
        if state.status is not Status.CONNECTED:
            raise Conflict(
                "account_not_connected",
                f"The account is {state.status.value.replace('_', ' ')}: resume or connect it first.",
            )

    def _spec(self, state: AccountState) -> PlatformSpec:
        return self._platforms[state.platform].spec


_Step = tuple[AccountState, list[Effect]]

_PROFILE = {
    "username": "username",
    "display_name": "displayName",
    "follower_count": "followerCount",
    "profile_image_url": "profileImageUrl",
    "bio": "bio",
    "is_verified": "isVerified",
    "alias_ids": "aliasIds",
}


def _check_version(message: Message) -> None:
    wanted = message.data.get("if_version")
    if wanted is not None and wanted != message.data.get("_version"):
        raise Conflict("version_mismatch", "The account changed since it was read: read it again.")


def _changed(account_id: str, state: AccountState, what: str) -> Event:
    data = {"account_id": account_id, "platform": state.platform, "status": state.status.value, "what": what}
    return Event(EventType.SOCIAL_ACCOUNT_CHANGED, data)


def _named(event: Event, key: EntityKey) -> Event:
    return _named_id(event, key.id)


def _named_id(event: Event, account_id: str) -> Event:
    return Event(event.type, {"account_id": account_id, **event.data})
