"""Webhook events: who must hear of what happened, in the shape each app asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.apps import Apps, PlatformApp, Subscription
from sandbox.clock import SandboxClock
from sandbox.ledger import EventRow, Ledger
from sandbox.tokens import Tokens
from sandbox.world import Profile


@dataclass(slots=True)
class Event:
    """A ledger row with what is sent for it: a whole body at X, one `entry` at Meta."""

    row: EventRow
    app: PlatformApp
    webhook_id: str | None
    payload: dict[str, Any] = field(repr=False)
    about: str = ""  # Meta's `object`: only entries about the same one share a POST


@dataclass(slots=True)
class Happening:
    """Something that happened to an account. `describe` shapes it for an app: it is given the app, the
    event id and the subscription that asked for it (None when the app subscribes to everything)."""

    account: Profile
    type: str
    kind: str
    subject_id: str
    describe: Callable[[PlatformApp, str, Subscription | None], dict[str, Any]]
    event_id: Callable[[], str]
    content_id: str | None = None
    author: Profile | None = None
    direction: str | None = None
    # Set when it concerns one app alone, such as a permission taken back.
    only_app: str | None = None
    about: str | None = None  # Meta's `object`; None: the platform's usual one


class Events:
    """Turns happenings into events for every subscribed app that has a valid webhook."""

    def __init__(
        self, apps: Apps, tokens: Tokens, ledger: Ledger, clock: SandboxClock, send: Callable[[Event], None]
    ) -> None:
        self._apps, self._tokens, self._ledger, self._clock, self._send = apps, tokens, ledger, clock, send

    def emit(self, happening: Happening) -> list[str]:
        """Queue the event for each app concerned; the ids of the events queued."""
        account = happening.account
        queued: list[str] = []
        for app in self._apps.all():
            if app.platform != account.platform or happening.only_app not in (None, app.id):
                continue
            wanted, subscription = self._interest(app, happening)
            webhook_id = subscription.webhook_id if subscription else None
            if not wanted or app.target(webhook_id) is None:
                continue
            author = happening.author
            row = self._ledger.open_event(
                happening.event_id(),
                app.id,
                account.platform,
                account.id,
                happening.type,
                happening.kind,
                happening.subject_id,
                happening.content_id,
                self._clock.now_ms(),
                {"id": author.id, "username": author.username} if author else None,
            )
            payload = happening.describe(app, row.event_id, subscription)
            about = happening.about or app.emulation.about
            self._send(Event(row, app, webhook_id, payload, about))
            queued.append(row.event_id)
        return queued

    def _interest(self, app: PlatformApp, happening: Happening) -> tuple[bool, Subscription | None]:
        external_id = happening.account.id
        subscription = app.subscription(external_id, happening.type)
        if subscription and subscription.direction not in (None, happening.direction):
            subscription = None
        if subscription:
            return True, subscription
        auto = app.auto_subscribe and self._tokens.connected(app.platform, app.id, external_id)
        return auto, None
