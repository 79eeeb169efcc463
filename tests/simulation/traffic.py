"""What people and the public do: content, likes, comments, clicks, and commands with their repetitions."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.host import Host
from domain.content import Happening
from domain.errors import RookeryError
from domain.ids import AccountId, EntityKey, Kind
from platforms.base import Grant
from storage.crypto import field_aad
from storage.records import StoreUnavailable
from tests.simulation.platform import APP, NAME, Post, raw_entry
from tests.simulation.processes import ProcessGone
from tests.simulation.world import World

LINK = EntityKey(Kind.LINK, "spring-sale")
CAMPAIGN = EntityKey(Kind.CAMPAIGN, "cmp_1")
FIRST = [AccountId(NAME, "100", "org_a"), AccountId(NAME, "200", "org_a")]
"""Connected before anything happens; the campaign's members."""
LATER = [
    AccountId(NAME, "100", "org_b"),
    AccountId(NAME, "300", "org_a"),
    AccountId(NAME, "200", "org_b"),
    AccountId(NAME, "100", "org_c"),
]
"""Connected in the middle: further orgs' connections, and one for which events are parked until then."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An entry of the ledger: what a webhook told."""

    external_id: str
    what: Happening
    post: int
    n: int


class Public:
    """Acts on the platform, which tells of it by webhook, late, repeatedly and in any order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mailboxes = world.network.view(world.replica, "mailboxes")
        self.ledger: dict[str, Happened] = {}  # by event id as the mailbox has it
        self.undelivered = 0
        known = ("100", "200", "300", *(a.external_id for a in world.strangers))
        world.platform.posts = {external_id: {} for external_id in known}
        self._every_s = world.random.choice((0.3, 0.7, 0.7))

    def begin(self) -> None:
        for external_id in self._world.platform.posts:
            self._post(external_id)

    def _post(self, external_id: str) -> Post:
        post = Post(self._world.platform.number(), self._world.now())
        self._world.platform.posts[external_id][post.id] = post
        return post

    async def act(self, seconds: float) -> None:
        world, random = self._world, self._world.random
        end = world.loop.time() + seconds
        while world.loop.time() < end:
            await asyncio.sleep(random.expovariate(1.0 / self._every_s))
            if random.random() < 0.15:
                self._click()
                continue
            external_id = random.choice(sorted(world.platform.posts))
            if world.commanded and random.random() < 0.3:
                external_id = world.commanded  # what comes while a command is under way
            posts = [p for p in world.platform.posts[external_id].values() if not p.deleted]
            if not posts or random.random() < 0.1:
                self.happens(external_id, Happening.CONTENT_CREATED, self._post(external_id))
                continue
            post = random.choice(posts)
            what = random.choice((Happening.LIKED, Happening.SHARED, Happening.SHARED, Happening.REMARKED))
            if random.random() < 0.04:
                what, post.deleted = Happening.CONTENT_DELETED, True
            post.likes += what is Happening.LIKED
            post.comments += what is Happening.REMARKED
            self.happens(external_id, what, post)

    def happens(self, external_id: str, what: Happening, post: Post) -> None:
        world = self._world
        n = world.platform.number()
        at = post.published_at if what is Happening.CONTENT_CREATED else world.now()
        entry = raw_entry(external_id, f"e{n}", what, at, post.id, n)
        for kind, chance in (("raise", 0.03), ("kill", 0.02)):
            if world.faults.happens(kind, chance):
                world.poisoned[f"{APP.id}:{entry.event_id}"] = kind
        self.ledger[f"{APP.id}:{entry.event_id}"] = Happened(external_id, what, post.id, n)
        self._send([world.envelope.webhook_mail(NAME, APP.id, entry)])

    def _click(self) -> None:
        n = self._world.platform.number()
        message = Message("click", {"at": self._world.now().isoformat()}, f"click{n}")
        self._send([self._world.envelope.mail(LINK, message)])

    def _send(self, mails: list[Any]) -> None:
        self.undelivered += 1
        self._world.loop.outside_task(self._deliver(mails))

    async def _deliver(self, mails: list[Any]) -> None:
        """Until it was accepted; then, often enough, once more."""
        random = self._world.random
        await asyncio.sleep(random.choice((0.0, 0.0, 0.1, 2.0)))
        repetitions = 1 + (random.random() < 0.25) + (random.random() < 0.1)
        while repetitions:
            try:
                await self._mailboxes.tell(mails)
                repetitions -= 1
                await asyncio.sleep(random.choice((0.0, 0.01, 1.0, 6.0)) if repetitions else 0.0)
            except StoreUnavailable:
                await asyncio.sleep(random.uniform(0.1, 2.0))
        self.undelivered -= 1


WHAT_PEOPLE_DO = {
    "look": 2,
    "sync": 2,
    "pause": 1,
    "resume": 1,
    "isolate": 2,
    "release": 1,
    "disconnect": 1,
    "connect": 1,
}
"""How often, beside each other."""


SHOWN_LATE = timedelta(seconds=10)
"""Longer than a host that lost its claim goes on believing in it."""


class People:
    """Gives commands and repeats them, with the same id, until there is an answer. Every seed has likings of
    its own: what only happens when one thing is done much, and others never, is found as well."""

    def __init__(self, world: World) -> None:
        self._world = world
        likings = {what: n * world.random.choice((0, 1, 1, 4)) for what, n in WHAT_PEOPLE_DO.items()}
        self._likings = likings if any(likings.values()) else WHAT_PEOPLE_DO
        self._every_s = world.random.choice((0.7, 1.5, 1.5))
        self.mailboxes = world.network.view(world.replica, "mailboxes")
        self.connected: set[EntityKey] = set()
        self.busy: set[EntityKey] = set()

    async def command(self, key: EntityKey, name: str, data: Mapping[str, Any] | None = None) -> Any:
        """The answer; a refusal is one too."""
        message = Message(name, data or {}, f"cmd{self._world.platform.number()}")
        self._told_of(key)
        answer = await self._until_answered(key, message)
        if self._world.random.random() < 0.2 and "refused" not in answer:
            again = await self._until_answered(key, message)
            if again != answer:
                self._world.judge.says(f"{key}: {name} repeated with its id was answered differently")
        return answer

    def _told_of(self, key: EntityKey) -> None:
        if key.kind is Kind.ACCOUNT:
            self._world.commanded = AccountId.parse(key.id).external_id

    async def _until_answered(self, key: EntityKey, message: Message) -> dict[str, Any]:
        world = self._world
        while True:
            try:
                answer: dict[str, Any] = await world.ask(key, lambda host: host.ask(key, message))
            except RookeryError as refused:
                if refused.status == 503:
                    await asyncio.sleep(0.5)
                    continue
                return {"refused": refused.code}
            except (ProcessGone, StoreUnavailable):
                await asyncio.sleep(world.random.uniform(0.1, 1.0))
                continue
            version = world.judge.history(key).version
            if answer.get("version", 0) > version:
                world.judge.says(f"{key}: {message.name} was answered before it was saved")
            return answer

    # -- what they do -------------------------------------------------------------------------------
    async def connect(self, account: AccountId) -> None:
        world = self._world
        grant: Grant = world.platform.consent(str(account))
        assert grant.refresh_token is not None
        data = {
            "user_id": "usr_1",
            "app_id": APP.id,
            "access_token": self._sealed(account, "accessToken", grant.access_token.reveal()),
            "refresh_token": self._sealed(account, "refreshToken", grant.refresh_token.reveal()),
            "expires_in_s": grant.expires_in_s,
            "scopes": ["read"],
            "profile": {"username": "wren", "display_name": "Wren", "alias_ids": []},
        }
        await self.command(account.key, "connect", data)
        if account.key not in self.connected:
            world.judge.connected(account.key)
        self.connected.add(account.key)

    def _sealed(self, account: AccountId, field: str, text: str) -> bytes:
        return self._world.keyring.seal(text.encode(), field_aad("social_accounts", str(account), field))

    async def look(self, key: EntityKey) -> None:
        """What is shown may be a moment old, not more: whoever owned it until then does not know yet. (Who
        stood still has not even heard of its own save.)"""
        world, asked_at = self._world, self._world.now()
        shown_by: list[Host] = []

        async def look(host: Host) -> dict[str, Any]:
            shown_by.append(host)
            return await host.view(key)

        try:
            view: dict[str, Any] = await world.ask(key, look)
        except (RookeryError, ProcessGone, StoreUnavailable):
            return
        actor = world.actors.get(key)
        involved = [p for p in world.processes if p.host in shown_by or p is actor]
        if any(world.loop.time() - p.went_on_at < SHOWN_LATE.total_seconds() for p in involved):
            return
        known = world.judge.version_at(key, asked_at - SHOWN_LATE)
        if view["version"] < known:
            world.judge.says(f"{key}: version {view['version']} is shown, {known} was long saved")

    async def place(self, key: EntityKey, placement: Placement) -> None:
        world = self._world
        self._told_of(key)
        for _ in range(5):
            try:
                await world.ask(key, lambda host: host.place(key, placement), 40.0)
                return
            except Exception:  # whatever it was, the preference is asked for again
                await asyncio.sleep(1.0)

    async def begin(self) -> None:
        """A campaign with a link and two accounts, before anything goes wrong."""
        for account in FIRST:
            await self.connect(account)
        fields = {
            "org": "org_a",
            "name": "Spring",
            "budget": {"total_minor": 10_000, "currency": "EUR"},
            "accounts": [str(a) for a in FIRST],
        }
        await self.command(CAMPAIGN, "create", fields)
        await self.command(CAMPAIGN, "launch", {"org": "org_a"})
        link = {"org": "org_a", "url": "https://shop.example/", "campaign_id": CAMPAIGN.id}
        await self.command(LINK, "create", link)

    async def act(self, seconds: float) -> None:
        world, random = self._world, self._world.random
        end = world.loop.time() + seconds
        later = [*LATER, *world.neighbours, *world.strangers]
        while world.loop.time() < end:
            await asyncio.sleep(random.expovariate(1.0 / self._every_s))
            if later and random.random() < 0.3:
                world.loop.outside_task(self._alone(later[0].key, self.connect(later.pop(0))))
                continue
            key = random.choice(sorted(self.connected | {CAMPAIGN}, key=str))
            if key not in self.busy:
                world.loop.outside_task(self._alone(key, self._something(key)))
        for account in later:
            await self.connect(account)

    async def _alone(self, key: EntityKey, work: Any) -> None:
        """One command at a time per entity, as one person gives them."""
        self.busy.add(key)
        try:
            await work
        finally:
            self.busy.discard(key)

    async def _something(self, key: EntityKey) -> None:
        what = self._world.random.choices(list(self._likings), list(self._likings.values()))[0]
        if what == "look":
            await self.look(key)
        elif what in ("isolate", "release"):
            await self.place(key, Placement.DEDICATED if what == "isolate" else Placement.SHARED)
        elif key.kind is Kind.CAMPAIGN:
            await self.command(key, "record_cost", {"org": "org_a", "amount_minor": 1, "currency": "EUR"})
        elif what == "connect":
            await self.connect(AccountId.parse(key.id))
        else:
            await self.command(key, what)
