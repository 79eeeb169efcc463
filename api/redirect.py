"""`GET|HEAD /r/{code}`: sends a visitor on to the link's address and counts the click.

The visitor comes before the count: when the mailbox does not take the click (Redis away, or slower than
CLICK_TIMEOUT_S), the visitor is sent on all the same and the metric `clicks_lost` goes up. When the document
server is away, links this process knows still work; others are answered 503.

Nothing about the visitor is kept: a click is a time and a random id.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request, Response

from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from api.bots import is_person
from api.webhooks import Metrics
from domain.clock import Clock
from domain.errors import Busy, NotFound
from domain.ids import EntityKey, Kind, new_id
from domain.links import CODE
from storage.ports import EntityStore, Mailboxes
from storage.records import Document, StoreUnavailable

KNOWN_S = 30.0  # a changed link is followed to its old address for at most this long
UNKNOWN_S = 5.0  # and a code that was asked for before it existed stays unknown for this long
KNOWN_LINKS = 20_000  # about 10 MB
CLICK_TIMEOUT_S = 1.0
_BATCH = 50  # ids a query; more are slow on the embedded server
_URL_SAFE = ":/?#[]@!$&'()*+,;=%~"  # what may stand in a URL as it is: everything else is escaped


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads; `platform` is where it was published, if that is known."""

    url: str
    platform: str | None


class LinkTargets:
    """Reads link documents and remembers what it read, bounded in time and number.

    One query is in flight at a time and takes along every code that was asked for meanwhile: neither a
    popular link nor somebody trying codes can swamp the document server.
    """

    def __init__(self, entities: EntityStore, clock: Clock) -> None:
        self._entities = entities
        self._clock = clock
        self._known: dict[str, tuple[float, Target | None]] = {}  # code -> fresh until, target
        self._asked: dict[str, asyncio.Future[Target | StoreUnavailable | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def find(self, code: str) -> Target | None:
        """None: there is no such link. Raises StoreUnavailable when that cannot be told."""
        fresh_until, target = self._known.get(code, (float("-inf"), None))
        if self._clock.monotonic() < fresh_until:
            return target
        if code not in self._asked:
            self._asked[code] = asyncio.get_running_loop().create_future()
        answer = self._asked[code]
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="link-targets")
        found = await asyncio.shield(answer)
        if isinstance(found, StoreUnavailable):
            if target is not None:
                return target
            raise found
        return found

    async def _read(self) -> None:
        try:
            while codes := list(self._asked)[:_BATCH]:
                found = await self._query(codes)
                for code in codes:
                    self._asked.pop(code).set_result(found if isinstance(found, Exception) else found[code])
        finally:
            self._reader = None
            for waiting in self._asked.values():  # only after an error nobody foresaw: none may wait for ever
                waiting.set_result(StoreUnavailable("the links could not be read"))
            self._asked.clear()

    async def _query(self, codes: list[str]) -> dict[str, Target | None] | StoreUnavailable:
        keys = {code: EntityKey(Kind.LINK, code) for code in codes}
        try:
            documents = await self._entities.load_many(list(keys.values()))
        except StoreUnavailable as unavailable:
            return unavailable
        targets = {code: _target(documents.get(key)) for code, key in keys.items()}
        now = self._clock.monotonic()
        for code, target in targets.items():
            self._known.pop(code, None)
            self._known[code] = (now + (UNKNOWN_S if target is None else KNOWN_S), target)
        while len(self._known) > KNOWN_LINKS:
            del self._known[next(iter(self._known))]
        return targets


class Redirects:
    def __init__(
        self, entities: EntityStore, envelope: Envelope, mailboxes: Mailboxes, clock: Clock, metrics: Metrics
    ) -> None:
        self._targets = LinkTargets(entities, clock)
        self._envelope = envelope
        self._mailboxes = mailboxes
        self._clock = clock
        self._metrics = metrics

    async def follow(self, code: str, method: str, headers: Mapping[str, str]) -> str:
        """The address to send the visitor to; a person's visit is counted. Raises NotFound, Busy."""
        try:
            target = await self._targets.find(code) if CODE.fullmatch(code) else None
        except StoreUnavailable:
            raise Busy("links_unavailable", "The link cannot be looked up now; try again.") from None
        if target is None:
            raise NotFound("link_unknown", "There is no such link.")
        if is_person(method, headers):
            await self._count(code, target)
        else:
            self._metrics.count("clicks_ignored")
        return target.url

    async def _count(self, code: str, target: Target) -> None:
        click_id = new_id("clk")
        click = {"at": self._clock.now().isoformat(), "click_id": click_id, "platform": target.platform}
        mail = self._envelope.mail(EntityKey(Kind.LINK, code), Message("click", click, click_id))
        try:
            async with asyncio.timeout(CLICK_TIMEOUT_S):
                await self._mailboxes.tell([mail])
        except (StoreUnavailable, TimeoutError):
            self._metrics.count("clicks_lost")
        else:
            self._metrics.count("clicks_counted")


def redirect_router(redirects: Redirects) -> APIRouter:
    router = APIRouter(tags=["links"])

    @router.api_route("/r/{code}", methods=["GET", "HEAD"], name="follow_link", status_code=302)
    async def follow_link(code: str, request: Request) -> Response:
        """Follow a short link. Answers 302; 404 when there is no such link."""
        url = await redirects.follow(code, request.method, request.headers)
        # no-store: a browser that remembers the redirect would not come by for its next click.
        return Response(
            status_code=302, headers={"location": quote(url, safe=_URL_SAFE), "cache-control": "no-store"}
        )

    return router


def _target(document: Document | None) -> Target | None:
    """None also for a link that is not active, or that leads anywhere but to a web address."""
    if document is None or document.get("status", "active") != "active":
        return None
    url = document["url"]
    return Target(url, document.get("platform")) if urlsplit(url).scheme in ("http", "https") else None
