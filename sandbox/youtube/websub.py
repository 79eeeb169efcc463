"""Google's WebSub hub for the feeds of channels: subscriptions, their verification, Atom entries.

The hub knows no apps: a subscription is booked under the app whose id the callback names, else under the
default one. Sources: W3C WebSub 1.0; YouTube's guide "Subscribe to Push Notifications". Tombstones are seen
in many public repositories and documented nowhere.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

import httpx

from sandbox.apps import PlatformApp, Subscription, Webhook
from sandbox.events import Event, Happening
from sandbox.ids import hexadecimal
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Content, Profile

LEASE_S = 432_000
_LONGEST_S, _SHORTEST_S = 864_000, 300
_HUB = ("pubsubhubbub.appspot.com",)
_TOPIC = re.compile(r"https://www\.youtube\.com/(?:xml/)?feeds/videos\.xml")
_TYPE = "video"
_SECRET_BYTES = 200


def compose(app: PlatformApp, events: Sequence[Event]) -> tuple[bytes, dict[str, str]]:
    """One entry to one address; signed when the subscriber gave a secret."""
    event = events[0]
    body = str(event.payload["xml"]).encode()
    headers = {
        "content-type": "application/atom+xml",
        "link": f'<https://pubsubhubbub.appspot.com/>; rel="hub", <{event.payload["topic"]}>; rel="self"',
    }
    hook = app.webhooks.get(event.webhook_id or "")
    if hook is not None and hook.secret:
        mark = hmac.new(hook.secret.encode(), body, hashlib.sha1).hexdigest()
        headers["x-hub-signature"] = f"sha1={mark}"
    return body, headers


class Hub:
    def __init__(self, state: State) -> None:
        self._state = state
        self._tasks: set[asyncio.Task[None]] = set()

    def operations(self) -> list[Operation]:
        return [Operation("youtube", _HUB, "POST", path, self.subscribe) for path in ("/subscribe", "/")]

    async def subscribe(self, call: Call) -> Reply:
        """Answered before the address is asked whether it wants that."""
        form = call.form()
        mode, topic, callback = (form.get(f"hub.{name}", "") for name in ("mode", "topic", "callback"))
        parts = urlsplit(topic)
        channel_id = parse_qs(parts.query).get("channel_id", [""])[0]
        if mode not in ("subscribe", "unsubscribe"):
            return _refusal("Invalid value for hub.mode: " + mode)
        if not _TOPIC.fullmatch(f"{parts.scheme}://{parts.netloc}{parts.path}") or not channel_id:
            return _refusal("Invalid parameter: hub.topic; must be a YouTube channel feed")
        if urlsplit(callback).scheme not in ("http", "https"):
            return _refusal("Invalid parameter: hub.callback; must be valid URI")
        secret = form.get("hub.secret") or None
        if secret and len(secret.encode()) >= _SECRET_BYTES:
            return _refusal("Invalid parameter: hub.secret; must be less than 200 bytes")
        asked = form.get("hub.lease_seconds", "")
        lease = min(max(int(asked), _SHORTEST_S), _LONGEST_S) if asked.isdigit() else LEASE_S
        self._state.deliverer.pending += 1
        work = self._verified(mode, topic, channel_id, callback, secret, lease)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Reply(202)

    async def _verified(
        self, mode: str, topic: str, channel_id: str, callback: str, secret: str | None, lease: int
    ) -> None:
        """Ask the address; only what it confirms with the challenge alone holds."""
        now = self._state.clock.now_ms()
        challenge = hexadecimal(32, self._state.seed, "challenge", callback, now)
        query = {
            "hub.mode": mode,
            "hub.topic": topic,
            "hub.challenge": challenge,
            "hub.lease_seconds": str(lease),
        }
        separator = "&" if urlsplit(callback).query else "?"
        address = f"{callback}{separator}{httpx.QueryParams(query)}"
        row: dict[str, Any] = {"platform": "youtube", "mode": mode, "topic": topic, "ok": False}
        try:
            answer = await self._state.deliverer.client.get(address)
            row["ok"] = answer.is_success and answer.text == challenge
        except (httpx.HTTPError, httpx.InvalidURL):
            row["ok"] = False
        finally:
            self._state.deliverer.pending -= 1
            self._state.ledger.crc_checks.append(row)
        if row["ok"]:
            self._hold(mode, channel_id, callback, secret, now + lease * 1000)

    def _hold(self, mode: str, channel_id: str, callback: str, secret: str | None, ends_ms: int) -> None:
        app, now = self._app_of(callback), self._state.clock.now_ms()
        hook_id = hexadecimal(16, "hook", channel_id, callback)
        if mode == "unsubscribe":
            app.webhooks.pop(hook_id, None)
            app.subscriptions.pop(hook_id, None)
            return
        app.webhooks[hook_id] = Webhook(hook_id, callback, True, now, secret, ends_ms)
        app.subscriptions[hook_id] = Subscription(hook_id, channel_id, _TYPE, now, hook_id)

    def _app_of(self, callback: str) -> PlatformApp:
        named = [self._state.apps.get(part) for part in urlsplit(callback).path.split("/")]
        found = next((app for app in named if app and app.platform == "youtube"), None)
        return found or self._state.app_of(self._state.apps.defaults["youtube"])

    # -- what happened ------------------------------------------------------------------------------
    def published(self, account: Profile, video: Content, edited: bool = False) -> list[str]:
        now = self._state.clock.now_ms()
        updated = _stamp(now) if edited else _stamp(video.created_ms + 1000)
        kind = "edit" if edited else "post"
        return self._tell(account, video, kind, _entry(account, video, updated), updated)

    def gone(self, account: Profile, video: Content) -> list[str]:
        when = _stamp(self._state.clock.now_ms())
        return self._tell(account, video, "delete", _tombstone(account, video, when), when)

    def _tell(self, account: Profile, video: Content, kind: str, xml: str, at: str) -> list[str]:
        self._end_leases()
        event_id = f"{video.id}:{kind}:{at}"
        payload = {"xml": xml, "topic": _topic(account)}
        happening = Happening(
            account=account,
            type=_TYPE,
            kind=kind,
            subject_id=video.id,
            describe=lambda app, event_id, wanted: payload,
            event_id=lambda: event_id,
            content_id=video.id,
        )
        return self._state.events.emit(happening)

    def _end_leases(self) -> None:
        now = self._state.clock.now_ms()
        for app in self._state.apps.all():
            ended = [h.id for h in app.webhooks.values() if h.ends_ms is not None and h.ends_ms <= now]
            for hook_id in ended:
                del app.webhooks[hook_id]
                app.subscriptions.pop(hook_id, None)


def _topic(account: Profile) -> str:
    return f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={account.id}"


def _stamp(moment_ms: int) -> str:
    """`2026-11-01T09:02:11.552394234+00:00`: nine digits of a second."""
    shown = datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{shown}.{moment_ms % 1000:03d}394234+00:00"


def _entry(account: Profile, video: Content, updated: str) -> str:
    published = datetime.fromtimestamp(video.created_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">'
        '<link rel="hub" href="https://pubsubhubbub.appspot.com"/>'
        f'<link rel="self" href={quoteattr(_topic(account))}/><title>YouTube video feed</title>'
        f"<updated>{updated}</updated><entry><id>yt:video:{video.id}</id><yt:videoId>{video.id}</yt:videoId>"
        f"<yt:channelId>{account.id}</yt:channelId><title>{escape(video.title)}</title>"
        f'<link rel="alternate" href="https://www.youtube.com/watch?v={video.id}"/>'
        f"<author><name>{escape(account.name)}</name>"
        f"<uri>https://www.youtube.com/channel/{account.id}</uri></author>"
        f"<published>{published}</published><updated>{updated}</updated></entry></feed>"
    )


def _tombstone(account: Profile, video: Content, when: str) -> str:
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">'
        f'<at:deleted-entry ref="yt:video:{video.id}" when="{when}">'
        f'<link href="https://www.youtube.com/watch?v={video.id}"/>'
        f"<at:by><name>{escape(account.name)}</name>"
        f"<uri>https://www.youtube.com/channel/{account.id}</uri></at:by></at:deleted-entry></feed>"
    )


def _refusal(text: str) -> Reply:
    return Reply(400, text.encode(), {"content-type": "text/plain; charset=utf-8"})
