"""Who may call YouTube, what a call costs, and what has not changed since it was last read.

Sources: "Quota costs" of the YouTube Data API, as of June 2026; RFC 9110 for If-None-Match.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from sandbox.apps import PlatformApp
from sandbox.ids import base64_id
from sandbox.limits import Rule
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import AccessToken
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Profile, World
from sandbox.youtube import errors
from sandbox.youtube.errors import Refused

API = ("youtube.googleapis.com", "www.googleapis.com")
ANALYTICS = ("youtubeanalytics.googleapis.com",)
_PREFIX = "https://www.googleapis.com/auth/"
READ = ("youtube.readonly", "youtube", "youtube.force-ssl")
WRITE = ("youtube", "youtube.force-ssl")
UPLOAD = ("youtube.upload", *WRITE)
COMMENTS = ("youtube.force-ssl",)
REPORTS = ("yt-analytics.readonly", "youtube.readonly", "youtube")
MONEY = ("yt-analytics-monetary.readonly",)

_DAY_S = 86_400
# Buckets of one application: units a day, and what Google calls them in a refusal.
_BUCKETS = {
    "units": (10_000, ""),
    "search": (100, "Search Queries"),
    "video_uploads": (100, "Video Uploads"),
    "stats": (10_000, "Video Stats"),
    "analytics": (100_000, "Queries"),
}
RATE_FAMILIES = tuple(_BUCKETS)
_PACIFIC = ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True, slots=True)
class Caller:
    app: PlatformApp
    account: Profile
    token: AccessToken

    def may(self, scopes: tuple[str, ...]) -> bool:
        return any(f"{_PREFIX}{scope}" in self.token.grant.scopes for scope in scopes)


Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Access:
    def __init__(self, state: State) -> None:
        self._state = state

    def operation(
        self,
        method: str,
        template: str,
        handler: Handler,
        scopes: tuple[str, ...] = READ,
        cost: int = 1,
        bucket: str = "units",
        hosts: tuple[str, ...] = API,
    ) -> Operation:
        """Refused calls cost as well, at least one unit."""

        async def guarded(call: Call) -> Reply:
            try:
                caller = self.caller(call)
                self.spend(caller, bucket, cost)
                if not caller.may(scopes):
                    raise Refused(errors.missing_scope())
                reply = await handler(call, caller)
            except Refused as refused:
                return refused.reply
            known = call.headers.get("if-none-match")
            if call.method == "GET" and known and known == reply.headers.get("etag"):
                return Reply(304, b"", {"etag": known})
            return reply

        return Operation("youtube", hosts, method, template, guarded)

    def caller(self, call: Call) -> Caller:
        value = call.bearer() or call.query.get("access_token")
        if not value:
            raise Refused(errors.no_token())
        token = self._state.tokens.access(value)
        if token is None or token.grant.platform != "youtube":
            raise Refused(errors.bad_token())
        if token.expires_ms <= self._state.clock.now_ms():
            self._state.ledger.token_expiries += 1
            raise Refused(errors.bad_token())
        if token.revoked or not token.grant.authorised:
            raise Refused(errors.bad_token())
        account = self._state.world.accounts["youtube", token.grant.external_id]
        return Caller(self._state.app_of(token.grant.app_id), account, token)

    def spend(self, caller: Caller, bucket: str, cost: int) -> None:
        app, ledger = caller.app, self._state.ledger
        limit, metric = _BUCKETS[bucket]
        now = self._state.clock.now_ms()
        window = self._state.limits.spend(
            "youtube", bucket, "app", app.id, Rule(limit, _DAY_S), now, cost, next_reset_ms(now)
        )
        ledger.shared(app.id, caller.account.id, window.exceeded)
        if window.exceeded:
            ledger.limited(app.id)
            raise Refused(errors.bucket_exceeded(metric) if metric else errors.quota_exceeded())


def next_reset_ms(now_ms: int) -> int:
    """Midnight Pacific, also across a change of summer time."""
    here = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_PACIFIC)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)
    return int(midnight.timestamp() * 1000)


def own_video(world: World, caller: Caller, video_id: str, what: str) -> Content:
    """`what`: the resource that Google names in a refusal."""
    video = world.find("youtube", video_id)
    if video is None or video.kind == "comment":
        message = "The video identified by the request cannot be found."
        raise errors.refuse(404, "videoNotFound", message, what)
    if video.author_id != caller.account.id:
        message = "The request might not be properly authorized."
        raise errors.refuse(403, "forbidden", message, what)
    return video


def tagged(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A resource with its kind and an etag that changes with what it says."""
    mark = base64_id(27, kind, orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode())
    return {"kind": f"youtube#{kind}", "etag": mark, **values}


def answer(body: dict[str, Any], status: int = 200) -> Reply:
    return json_reply(body, status, {"etag": body["etag"]} if "etag" in body else None)


def parts_of(call: Call, known: tuple[str, ...]) -> list[str]:
    """The `part` parameter; Google refuses none, and names it does not know."""
    wanted = [part.strip() for part in call.query.get("part", "").split(",") if part.strip()]
    if not wanted:
        raise Refused(errors.missing("part"))
    unknown = [part for part in wanted if part not in known]
    if unknown:
        message = f"'{unknown[0]}'"
        raise errors.refuse(400, "unknownPart", message, "part", location="part", locationType="parameter")
    return wanted
