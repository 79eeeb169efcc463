"""A member that joins a live campaign brings its history; what happens during a launch is not lost."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from actors.campaign.history import AGAIN, CampaignHandler, TellHistory
from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from domain.clock import ManualClock
from domain.ids import EntityKey, Kind
from storage.crypto import Keyring
from storage.records import ZERO, Cursor, Page, StoreUnavailable
from tests.fakes.documents import FakeSideStore
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.commerce.driver import ACCOUNT, ORG, POST, START, Actor, World

CAMPAIGN = EntityKey(Kind.CAMPAIGN, "cmp_a")
OTHER_POST = f"{ACCOUNT}|9001"


class Surroundings:
    """The event log, and the campaign's mailbox as its host reads it."""

    def __init__(self, world: World) -> None:
        self.sides = FakeSideStore()
        self.redis = FakeRedis(ManualClock(START))
        self.mailboxes = FakeMailboxes(self.redis)
        self.envelope = Envelope(Keyring.generate(), 1)
        self.handler = CampaignHandler(self.sides, self.mailboxes, self.envelope)
        self.world = world
        self.version = 0
        self.read: Any = None

    async def engaged(self, likes: int, previous: int | None, content: str = POST, org: str = ORG) -> None:
        self.version += 1
        event = {
            "id": f"account/{ACCOUNT}:{self.version}:0",
            "type": "rookery.ContentEngaged",
            "time": self.world.now.isoformat(),
            "org": org,
            "subject": ACCOUNT,
            "data": {
                "account_id": ACCOUNT,
                "content_id": content,
                "platform": "twitter",
                "totals": {"likes": likes},
                "previous": None if previous is None else {"likes": previous},
            },
        }
        row: dict[str, Any] = {
            "_id": event["id"],
            "org": org,
            "topic": "content-events",
            "type": "ContentEngaged",
        }
        row |= {"subject": ACCOUNT, "at": self.world.now, "event": event}
        await self.sides.upsert_many("events", [row])
        self.world.later(seconds=1)

    async def carry_out(self, campaign: Actor) -> None:
        """What the last turn wants done, and its outcome; then what is in the mailbox."""
        assert campaign.last is not None
        outcomes: list[Message] = []
        for effect in campaign.last.effects:
            outcomes += await self.handler.run(CAMPAIGN, effect)
        for name, data, id_ in await self.mail():
            campaign.send(name, dict(data), id_)
        for outcome in outcomes:
            campaign.send(outcome.name, dict(outcome.data))

    async def mail(self) -> list[tuple[str, Mapping[str, Any], str | None]]:
        found = []
        stream = self.envelope.mail(CAMPAIGN, Message("x", {}, "x"))[0]
        for entry in (await self.mailboxes.read({stream: ZERO}, 100, 0)).get(stream, []):
            message = self.envelope.open_mail(entry.mail)
            assert isinstance(message, Message)
            found.append((message.name, message.data, message.id))
            await self.mailboxes.delete([entry], {0: 1})
        return found


async def test_a_member_that_joins_brings_what_happened_since_the_launch() -> None:
    world = World()
    around = Surroundings(world)
    await around.engaged(3, None)  # before the launch
    campaign = world.campaign()
    campaign.send("launch")
    for likes in (5, 9, 14):
        await around.engaged(likes, likes - 2)
    await around.engaged(100, 50, OTHER_POST)
    campaign.send("update", {"content": [POST]})
    assert world.members() == []  # nothing newer may be routed before the history is there
    await around.carry_out(campaign)
    assert campaign.performance["engagement"]["likes"] == 11  # 14 - 3: from the first total after the launch
    assert [m["from"] for m in world.members()] == [START + timedelta(seconds=1)]


async def test_it_is_told_again_a_minute_later_and_then_no_more() -> None:
    world = World()
    around = Surroundings(world)
    campaign = world.campaign()
    campaign.send("launch")
    await around.engaged(5, 3)
    campaign.send("update", {"content": [POST]})
    await around.carry_out(campaign)
    await around.engaged(8, 5)  # while the member was being written: routed to nobody
    assert campaign.due == world.now - timedelta(seconds=1) + AGAIN
    world.later(minutes=2)
    campaign.tick()
    await around.carry_out(campaign)
    assert campaign.performance["engagement"]["likes"] == 5
    assert campaign.due is None and campaign.state.joining == {}


async def test_what_a_launch_overlaps_is_told_a_minute_later() -> None:
    world = World()
    around = Surroundings(world)
    campaign = world.campaign(accounts=[ACCOUNT])
    campaign.send("launch")
    await around.engaged(5, 3)  # read by the router before it could see the member
    assert campaign.last is not None and campaign.last.effects == ()
    world.later(minutes=1)
    campaign.tick()
    await around.carry_out(campaign)
    assert campaign.performance["engagement"]["likes"] == 2 and campaign.due is None


async def test_without_an_answer_it_is_asked_again() -> None:
    world = World()
    campaign = world.campaign()
    campaign.send("launch")
    campaign.send("update", {"content": [POST]})
    assert campaign.last is not None and len(campaign.last.effects) == 1
    campaign.tick()
    assert not campaign.last.effects  # it may be under way
    world.later(minutes=1)
    campaign.tick()
    assert campaign.last.effects == (TellHistory(ORG, (f"content:{POST}",), START),)


async def test_a_member_that_went_is_owed_nothing() -> None:
    world = World()
    campaign = world.campaign()
    campaign.send("launch")
    campaign.send("update", {"content": [POST]})
    campaign.send("update", {"content": []})
    campaign.send("history_told", {"refs": [f"content:{POST}"]})
    assert world.members() == [] and campaign.due is None


async def test_completing_makes_members_of_those_still_joining() -> None:
    world = World()
    campaign = world.campaign()
    campaign.send("launch")
    campaign.send("update", {"content": [POST]})
    campaign.send("complete")
    assert [m["until"] for m in world.members()] == [world.now + timedelta(days=7)]


class Away:
    async def page(
        self, collection: str, org: str, filters: Mapping[str, str], limit: int, after: Cursor | None = None
    ) -> Page:
        raise StoreUnavailable


async def test_stores_that_are_away_are_no_answer() -> None:
    around = Surroundings(World())
    handler = CampaignHandler(Away(), around.mailboxes, around.envelope)
    assert await handler.run(CAMPAIGN, TellHistory(ORG, (f"content:{POST}",), START)) == []


async def test_many_pages_and_other_orgs() -> None:
    world = World()
    around = Surroundings(world)
    began: datetime = world.now
    for n in range(450):
        await around.engaged(n + 1, n, POST if n % 2 else OTHER_POST, ORG if n % 3 else "org_b")
    effect = TellHistory(ORG, (f"account:{ACCOUNT}",), began + timedelta(seconds=10))
    (outcome,) = await around.handler.run(CAMPAIGN, effect)
    told = [(d["content_id"], d["totals"]["likes"]) for _, d, _ in await around.mail()]
    assert sorted(told) == sorted([(POST, 12), (OTHER_POST, 11), (POST, 450), (OTHER_POST, 449)])
    assert outcome == Message("history_told", {"refs": [f"account:{ACCOUNT}"]})
