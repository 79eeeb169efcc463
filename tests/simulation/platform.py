"""A platform with rotating refresh tokens, pages of content and windows of calls, and the ledger of what
truly happened there.

The platform is one object outside all processes; `Adapter` is what a process talks to it with.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol

import orjson

from actors.account.effects import Refresh
from domain.content import (
    ContentItem,
    ContentKind,
    Engagement,
    Happening,
    Person,
    PlatformEvent,
    Profile,
    Remark,
    RemarkKind,
    Text,
)
from domain.secrets import Secret
from platforms.base import Grant, ItemReads, Page, PageQuery, PlatformApp, RawEntry
from platforms.outcome import LimitReading, LimitScope, Ok, Outcome, ReauthRequired, RetryAfter, Unknown
from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules
from tests.simulation.loop import Process, SimLoop

NAME = "aviary"
APP = PlatformApp("app_1", NAME, "client", Secret("app-secret"), (Secret("app-secret"),))
LIFETIME_S = 30
CALL_TIMEOUT_S = 10.0
EDGE = timedelta(seconds=5)
"""The end of a window is not judged: clocks differ, and a window whose first answer was not heard began when
that call arrived, which nobody knows."""

SPEC = PlatformSpec(
    name=NAME,
    title="Aviary",
    authorize_url="https://aviary.example/authorize",
    pkce=True,
    default_scopes=("read",),
    scope_separator=" ",
    token=TokenRules(TokenModel.ROTATING, LIFETIME_S, refresh_margin=0.5),
    windows=(
        RateWindow("list", 3, 20),
        RateWindow("read", 2, 20),
        RateWindow("profile", 20, 20),
        RateWindow("subscribe", 20, 20),
    ),
    sources=(ContentSource("posts", "list", page_size=4),),
    hosts=("aviary.example",),
    webhook_signature_header="x-signature",
    capabilities=frozenset({"webhooks", "comments", "revoke"}),
    batch_read=5,
    batch_read_family="read",
    batch_read_calls=1,
    profile_family="profile",
    subscribe_calls={"subscribe": 1},
)

EFFECT: ContextVar[Refresh | None] = ContextVar("EFFECT", default=None)
"""The refresh being carried out, so that the ledger knows which intent a call belongs to."""


@dataclass(slots=True)
class Post:
    id: int
    published_at: datetime
    likes: int = 0
    comments: int = 0
    deleted: bool = False


@dataclass(slots=True)
class Window:
    resets_at: datetime
    used: int = 0


@dataclass(slots=True)
class Grantee:
    """One grant: what a consent gave, with the tokens that came of it."""

    owner: str  # account id
    refresh: str
    accesses: dict[str, datetime] = field(default_factory=dict)  # token -> valid until
    dead: str = ""  # why


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token as it came in. `sent_at`: by the sender's clock."""

    token: str
    process: Process
    intent: Refresh | None
    sent_at: datetime
    rotated: bool


class PlatformFaults(Protocol):
    def of_call(self, process: Process, family: str) -> tuple[str, float]:
        """("" | "429" | "500" | "unsent" | "unheard", seconds of delay)"""
        ...


class World(Protocol):
    loop: SimLoop
    random: Random
    platform_faults: PlatformFaults

    def now(self) -> datetime: ...

    def now_of(self, process: Process) -> datetime: ...


class Platform:
    """The truth. Its methods are synchronous: a call takes effect at once when it arrives."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = iter(range(1, 10**9))
        self.posts: dict[str, dict[int, Post]] = {}  # external account -> posts
        self.grants: dict[str, Grantee] = {}  # any token ever given -> its grant
        self.presented: list[Presented] = []
        self.overrun: list[str] = []
        self.windows: dict[tuple[str, str], Window] = {}
        self.calls = 0
        self.subscribed: set[str] = set()
        self.under_way: set[str] = set()
        """Intents whose refresh is being sent, by a process that is there to hear the answer."""

    def number(self) -> int:
        return next(self._numbers)

    # -- consent and tokens -------------------------------------------------------------------------
    def consent(self, owner: str) -> Grant:
        """A person agreed: a grant of its own, whatever became of earlier ones."""
        grantee = Grantee(owner, "")
        return self._give(grantee)

    def _give(self, grantee: Grantee) -> Grant:
        n = self.number()
        access, grantee.refresh = f"access-{n}", f"refresh-{n}"
        grantee.accesses[access] = self._world.now() + timedelta(seconds=LIFETIME_S)
        self.grants[access] = self.grants[grantee.refresh] = grantee
        return Grant(Secret(access), Secret(grantee.refresh), LIFETIME_S, ("read",))

    def refresh(
        self, token: str, process: Process, intent: Refresh | None, sent_at: datetime
    ) -> Outcome[Grant]:
        """Spends the token. A spent one that comes again ends the grant."""
        grantee = self.grants[token]
        rotated = not grantee.dead and grantee.refresh == token
        self.presented.append(Presented(token, process, intent, sent_at, rotated))
        if rotated:
            return Ok(self._give(grantee))
        grantee.dead = grantee.dead or "refresh token presented again"
        return ReauthRequired("refresh_token_invalid")

    def valid(self, access: str) -> bool:
        grantee = self.grants[access]
        return not grantee.dead and grantee.accesses[access] > self._world.now()

    # -- reading ------------------------------------------------------------------------------------
    def spend(self, access: str, family: str) -> tuple[bool, LimitReading]:
        """Count a call; False when the window holds no more."""
        self.calls += 1
        owner, now = self.grants[access].owner, self._world.now()
        told = SPEC.window(family)
        window = self.windows.get((owner, family))
        if window is None or window.resets_at <= now:
            window = self.windows[owner, family] = Window(now + timedelta(seconds=told.seconds))
        window.used += 1
        within = window.used <= told.limit
        if not within and window.resets_at - now > EDGE:
            self.overrun.append(f"{owner} {family}: call {window.used} of {told.limit} at {now.time()}")
        left = max(0, told.limit - window.used)
        return within, LimitReading(family, LimitScope.ACCOUNT, told.limit, left, window.resets_at)

    def item(self, post: Post) -> ContentItem:
        return ContentItem(
            external_id=str(post.id),
            kind=ContentKind.POST,
            text=Text(f"post {post.id}"),
            payload=b'{"id": %d}' % post.id,
            published_at=post.published_at,
            # Shares are never told by a listing: their totals are what webhooks said, and nothing else.
            engagement=Engagement(likes=post.likes, comments=post.comments),
        )

    def page(self, external_id: str, query: PageQuery) -> Page:
        below = int(query.cursor) if query.cursor else 10**9
        posts = [
            p
            for p in sorted(self.posts[external_id].values(), key=lambda p: -p.id)
            if not p.deleted and p.id < below and (query.since is None or p.published_at >= query.since)
        ]
        size = query.source.page_size
        more = str(posts[size - 1].id) if len(posts) > size else None
        return Page(tuple(self.item(p) for p in posts[:size]), (), more)

    def read(self, external_id: str, ids: Sequence[str]) -> ItemReads:
        posts = {i: self.posts[external_id].get(int(i)) for i in ids}
        there = tuple(self.item(p) for p in posts.values() if p is not None and not p.deleted)
        return ItemReads(there, frozenset(i for i, p in posts.items() if p is None or p.deleted))


class Adapter:
    """`platforms.base.Platform`, as far as an account's handler uses it, for one process."""

    spec = SPEC
    insights = ads = commerce = live = None

    def __init__(self, process: Process, platform: Platform, world: World) -> None:
        self._process = process
        self._platform = platform
        self._world = world

    async def refresh(self, http: Any, app: PlatformApp, grant: Grant, timeout_s: float) -> Outcome[Grant]:
        assert grant.refresh_token is not None
        token, intent = grant.refresh_token.reveal(), EFFECT.get()
        sent_at = self._world.now_of(self._process)
        under_way = self._platform.under_way
        if intent is not None:
            under_way.add(intent.intent_id)
        try:
            return await self._call(
                "refresh",
                timeout_s,
                lambda: self._platform.refresh(token, self._process, intent, sent_at),
                Unknown("the refresh may have happened"),
            )
        finally:
            if intent is not None:
                under_way.discard(intent.intent_id)

    async def revoke(self, http: Any, app: PlatformApp, grant: Grant) -> Outcome[None]:
        def serve() -> Outcome[None]:
            grantee = self._platform.grants[grant.access_token.reveal()]
            grantee.dead = grantee.dead or "revoked"
            return Ok(None)

        return await self._call("revoke", CALL_TIMEOUT_S, serve, _LATER)

    async def profile(self, http: Any, token: Secret) -> Outcome[Profile]:
        return await self._read(token, "profile", lambda: Profile("1", "wren"))

    async def list_page(self, http: Any, token: Secret, external_id: str, query: PageQuery) -> Outcome[Page]:
        return await self._read(token, "list", lambda: self._platform.page(external_id, query))

    async def read_items(
        self, http: Any, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        return await self._read(token, "read", lambda: self._platform.read(external_id, ids))

    async def subscribe(
        self, http: Any, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        def serve() -> Outcome[None]:
            self._platform.subscribed.add(self._platform.grants[token.reveal()].owner)
            return Ok(None)

        return await self._call("subscribe", CALL_TIMEOUT_S, serve, _LATER)

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return parse(entry)

    # -- the wire -----------------------------------------------------------------------------------
    async def _read(self, token: Secret, family: str, serve: Callable[[], Any]) -> Outcome[Any]:
        access = token.reveal()

        def answer() -> Outcome[Any]:
            within, reading = self._platform.spend(access, family)
            if not self._platform.valid(access):
                return ReauthRequired("token_refused")
            if not within:
                left = (reading.resets_at or self._world.now()) - self._world.now()
                return RetryAfter(
                    left.total_seconds(), LimitScope.ACCOUNT, "http_429", True, family, (reading,)
                )
            return Ok(serve(), (reading,))

        return await self._call(family, CALL_TIMEOUT_S, answer, _LATER)

    async def _call(
        self, family: str, timeout_s: float, serve: Callable[[], Outcome[Any]], unheard: Outcome[Any]
    ) -> Outcome[Any]:
        """One request over the network. `unheard`: what it comes to when no answer is heard."""
        loop, process = self._world.loop, self._process
        answer: asyncio.Future[Outcome[Any]] = loop.create_future()
        fault, delay_s = self._world.platform_faults.of_call(process, family)

        def arrive() -> None:
            if answer.cancelled() or not process.alive:
                # The connection was closed under way: it came through or it did not.
                if self._world.random.random() < 0.5:
                    serve()
                return
            outcome = serve()
            if fault != "unheard":
                loop.outside(delay_s, settle, outcome)

        def settle(outcome: Outcome[Any]) -> None:
            if not answer.done():
                answer.set_result(outcome)

        if fault == "429":
            loop.outside(delay_s, settle, RetryAfter(3.0, LimitScope.ACCOUNT, "http_429", True, family))
        elif fault == "500":
            loop.outside(delay_s, settle, _LATER)
        elif fault != "unsent":
            loop.outside(min(delay_s, 3.0), arrive)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            return unheard


_LATER = RetryAfter(1.0, LimitScope.ACCOUNT, "http_500")


# -- webhooks ---------------------------------------------------------------------------------------
def raw_entry(external_id: str, event_id: str, what: Happening, at: datetime, post: int, n: int) -> RawEntry:
    told = {"id": event_id, "what": what.value, "at": at.isoformat(), "post": post, "n": n}
    return RawEntry(external_id, event_id, orjson.dumps(told))


def parse(entry: RawEntry) -> PlatformEvent:
    told = orjson.loads(entry.raw)
    what, post = Happening(told["what"]), str(told["post"])
    at = datetime.fromisoformat(told["at"])
    remark = content = None
    if what is Happening.REMARKED:
        words = Text("lovely")
        author = Person("900", "ann")
        remark = Remark(str(told["n"]), RemarkKind.COMMENT, author, words, b"{}", post, None, at)
    if what is Happening.CONTENT_CREATED:
        content = ContentItem(post, ContentKind.POST, Text(f"post {post}"), b"{}", published_at=at)
    return PlatformEvent(entry.external_id, told["id"], what, at, post, post, content, remark)
