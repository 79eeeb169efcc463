"""Publishing in two steps: a container, and what makes it public, within the quota of a rolling day.

Source: Instagram Platform "Content publishing", references ig-user/media_publish,
content_publishing_limit. Unconfirmed and read one way: a published container is answered like one
that does not exist, and the container past the 400th of a day like the publication past the quota.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from sandbox.clock import DAY_MS, iso_z
from sandbox.ids import hexadecimal
from sandbox.instagram import containers, errors
from sandbox.instagram.access import POSTS_FAMILY, Caller, Guard
from sandbox.instagram.containers import Container
from sandbox.instagram.people import People
from sandbox.instagram.read import Reading
from sandbox.ledger import Publication
from sandbox.limits import Rule
from sandbox.meta import forms
from sandbox.meta.errors import Refused
from sandbox.meta.fields import chosen
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Media, Profile

POSTS_A_DAY = Rule(100, DAY_MS // 1000)
CONTAINERS_A_DAY = 400
_PUBLISH = "content_publish"
Shops = Callable[[Caller, list[dict[str, Any]]], None]


class Publishing:
    """`shops`: refuses products that are not the account's; None: the app may tag none (Instagram Login)."""

    def __init__(
        self, state: State, access: Guard, people: People, reading: Reading, shops: Shops | None = None
    ) -> None:
        self._state, self._access, self._people, self._reading = state, access, people, reading
        self._shops = shops
        self._containers: dict[str, Container] = {}
        self._fetching: set[asyncio.Task[None]] = set()

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("POST", "/:id/media", self.create, _PUBLISH),
            op("POST", "/:id/media_publish", self.publish, _PUBLISH),
            op("GET", "/:id/content_publishing_limit", self.limit, _PUBLISH),
            op("GET", "/:id", self.status),
        ]

    async def create(self, call: Call, caller: Caller) -> Reply:
        self._reading.own_account(call, caller)
        now, form = self._state.clock.now_ms(), call.fields()
        made = [c for c in self._of(caller.account) if c.made_ms > now - DAY_MS]
        if len(made) >= CONTAINERS_A_DAY:
            raise errors.refused(9, 2207042, "Too many containers were created")
        container = Container("", caller.account, caller.app, now, "image")
        containers.read(form, container, shops=self._shops is not None)
        if self._shops is not None:
            self._shops(caller, container.product_tags)
        if container.kind == "carousel":
            ids = forms.names(form.get("children", ""))
            wanted = [self._own(id_, caller) for id_ in ids]
            container.children = containers.check_children(wanted, now)
            container.done_ms = now
        elif not container.film:
            wrong = await containers.fetch(container, self._state.deliverer.client)
            if wrong is not None:
                raise errors.refused(*wrong, "The picture could not be used")
            container.done_ms = now
        container.id = self._state.world.ids.numbered("1788", 17)
        self._containers[container.id] = container
        if container.film:
            self._fetch(container)
        return json_reply({"id": container.id})

    async def publish(self, call: Call, caller: Caller) -> Reply:
        self._reading.own_account(call, caller)
        now, account = self._state.clock.now_ms(), caller.account
        container = self._own(call.fields().get("creation_id", ""), caller)
        status = container.status(now) if container else ""
        if container is None or status == "PUBLISHED":
            raise errors.refused(24, 2207008, "The container does not exist")
        if status == "EXPIRED":
            raise errors.refused(-2, 2207020, "The container has expired")
        if container.kind == "slide":
            raise Refused(errors.bad_parameter("creation_id names an item of a carousel"))
        if status != "FINISHED":
            raise errors.refused(9007, 2207027, "The media is not ready for publishing")
        if self._published(account, now) >= self._rule().limit:
            raise errors.refused(9, 2207042, "The account has reached its daily limit of posts")
        parts = container.children or [container]
        media = [_media(part) for part in parts]
        content = container.content = self._people.publish(account, container.kind, container.caption, media)
        tags = [{**tag, "media": n} for n, part in enumerate(parts) for tag in part.product_tags]
        content.facts["product_tags"] = tags
        what = hexadecimal(32, container.kind, container.caption, container.fingerprint())
        self._state.ledger.publications.append(
            Publication("instagram", account.id, caller.app.id, content.id, what, iso_z(now))
        )
        return json_reply({"id": content.id})

    async def limit(self, call: Call, caller: Caller) -> Reply:
        self._reading.own_account(call, caller)
        rule, used = self._rule(), self._published(caller.account, self._state.clock.now_ms())
        row: dict[str, Any] = {"quota_usage": used}
        if "config" in call.query.get("fields", ""):
            row["config"] = {"quota_total": rule.limit, "quota_duration": rule.window_s}
        return json_reply({"data": [row]})

    async def status(self, call: Call, caller: Caller) -> Reply:
        """A container; any other id is somebody else's to answer."""
        container = self._own(call.params["id"], caller)
        if container is None:
            return await self._reading.object(call, caller)
        now = self._state.clock.now_ms()
        shown = {
            "id": container.id,
            "status_code": container.status(now),
            "status": container.words(now),
        }
        return json_reply(chosen(shown, self._reading.wanted(call), {}))

    def _fetch(self, container: Container) -> None:
        async def fetch() -> None:
            wrong = await containers.fetch(container, self._state.deliverer.client)
            if wrong is not None:
                container.failed = wrong[1]
            else:
                container.done_ms = self._state.clock.now_ms() + containers.PROCESSING_MS

        work = asyncio.get_running_loop().create_task(fetch())
        self._fetching.add(work)
        work.add_done_callback(self._fetching.discard)

    def _own(self, container_id: str, caller: Caller) -> Container | None:
        found = self._containers.get(container_id)
        return found if found and found.account is caller.account and found.app is caller.app else None

    def _of(self, account: Profile) -> list[Container]:
        return [c for c in self._containers.values() if c.account is account]

    def _published(self, account: Profile, now_ms: int) -> int:
        """Publications of the rolling window; a carousel is one."""
        since = now_ms - self._rule().window_s * 1000
        return sum(1 for c in self._of(account) if c.content is not None and c.content.created_ms > since)

    def _rule(self) -> Rule:
        return self._state.limits.rule("instagram", POSTS_FAMILY) or POSTS_A_DAY


def _media(part: Container) -> Media:
    base, kind = f"https://scontent.cdninstagram.com/v/{part.id}", "VIDEO" if part.film else "IMAGE"
    width, height = (1080, 1920) if part.film else part.size
    preview = f"{base}_t.jpg?oe=sig" if part.film else None
    address = f"{base}.{'mp4' if part.film else 'jpg'}?oe=sig"
    return Media(part.id, kind, address, preview, width, height, 15_000 if part.film else None, part.alt_text)
