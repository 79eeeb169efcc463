"""Short links: visitors get through, persons are counted, programs are not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from api import problems
from api.bots import is_person
from api.redirect import CLICK_TIMEOUT_S, KNOWN_S, UNKNOWN_S, LinkTargets, Redirects, redirect_router
from domain.clock import ManualClock
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore
from storage.records import Document, Save, StoreUnavailable
from tests.fakes.documents import FakeEntityStore
from tests.fakes.faulty import Faulty
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.edge.doubles import CountingMetrics, told

SHOP = "https://shop.example/p/1?size=m&ref=a;b"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 "
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def keep(entities: EntityStore, code: str, **fields: Any) -> None:
    """Store a link as its owner would."""
    document = {"_id": code, "org": "org_a", "url": SHOP, "platform": "instagram", "status": "active"}
    save = Save(document | fields | {"version": 1, "partition": 0, "next_due_at": None}, expected=0)
    await entities.save_many({EntityKey(Kind.LINK, code): save})


@pytest.fixture
async def entities() -> Faulty:
    store = FakeEntityStore()
    await keep(store, "summer26a")
    return Faulty(store)


@pytest.fixture
async def client(
    entities: Any, envelope: Envelope, mailboxes: Any, clock: ManualClock, metrics: CountingMetrics
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(redirect_router(Redirects(entities, envelope, mailboxes, clock, metrics)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://rookery", headers={"user-agent": DESKTOP}
    ) as client:
        yield client


async def test_a_visitor_is_sent_on_and_counted(
    client: httpx.AsyncClient, redis: FakeRedis, envelope: Envelope, clock: ManualClock
) -> None:
    answer = await client.get("/r/summer26a")
    assert answer.status_code == 302
    assert answer.headers["location"] == SHOP
    assert answer.headers["cache-control"] == "no-store"
    [mail] = told(redis)
    assert mail.target == "summer26a"
    message = envelope.open_mail(mail)
    assert isinstance(message, Message)
    assert (message.name, message.id) == ("click", mail.event_id)
    assert message.data == {
        "at": clock.now().isoformat(),
        "click_id": mail.event_id,
        "platform": "instagram",
    }


async def test_every_click_has_its_own_id(client: httpx.AsyncClient, redis: FakeRedis) -> None:
    for _ in range(5):
        await client.get("/r/summer26a")
    assert len({mail.event_id for mail in told(redis)}) == 5


async def test_programs_are_sent_on_but_not_counted(
    client: httpx.AsyncClient, redis: FakeRedis, metrics: CountingMetrics
) -> None:
    assert (await client.head("/r/summer26a")).headers["location"] == SHOP
    answer = await client.get("/r/summer26a", headers={"user-agent": "facebookexternalhit/1.1"})
    assert answer.headers["location"] == SHOP
    assert told(redis) == []
    assert metrics.counts[("clicks_ignored",)] == 2


@pytest.mark.parametrize("code", ["nothing0", "short", "a" * 65, "bad%20code1", "caf%C3%A9caf%C3%A9"])
async def test_an_unknown_code_is_404(client: httpx.AsyncClient, redis: FakeRedis, code: str) -> None:
    answer = await client.get(f"/r/{code}")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:rookery:error:link_unknown"
    assert "location" not in answer.headers
    assert told(redis) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "javascript:alert(1)"},
        {"url": "//evil.example/"},
        {"url": "data:text/html,x"},
        {"status": "disabled"},
    ],
)
async def test_only_active_web_addresses_are_followed(
    client: httpx.AsyncClient, entities: Any, fields: dict[str, str]
) -> None:
    await keep(entities, "oddlink1", **fields)
    assert (await client.get("/r/oddlink1")).status_code == 404


async def test_a_stored_address_cannot_add_headers(client: httpx.AsyncClient, entities: Any) -> None:
    await keep(entities, "oddlink2", url="https://shop.example/ü\r\nset-cookie: a=b")
    answer = await client.get("/r/oddlink2")
    assert answer.headers["location"] == "https://shop.example/%C3%BC%0D%0Aset-cookie:%20a=b"
    assert "set-cookie" not in answer.headers


async def test_redis_away_loses_the_click_not_the_visitor(
    client: httpx.AsyncClient, mailboxes: Any, metrics: CountingMetrics
) -> None:
    mailboxes.away = True
    assert (await client.get("/r/summer26a")).status_code == 302
    assert metrics.counts[("clicks_lost",)] == 1
    assert metrics.counts[("clicks_counted",)] == 0


async def test_redis_slow_does_not_hold_the_visitor(
    entities: Any,
    redis: FakeRedis,
    envelope: Envelope,
    clock: ManualClock,
    metrics: CountingMetrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stuck(FakeMailboxes):
        async def tell(self, mails: object) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("api.redirect.CLICK_TIMEOUT_S", CLICK_TIMEOUT_S / 100)
    redirects = Redirects(entities, envelope, Stuck(redis), clock, metrics)
    assert await redirects.follow("summer26a", "GET", {"user-agent": DESKTOP}) == SHOP
    assert metrics.counts[("clicks_lost",)] == 1


async def test_mongo_away_known_links_work_and_others_are_503(
    client: httpx.AsyncClient, entities: Any, clock: ManualClock
) -> None:
    await client.get("/r/summer26a")
    entities.away = True
    clock.advance(KNOWN_S * 10)
    assert (await client.get("/r/summer26a")).headers["location"] == SHOP
    answer = await client.get("/r/another1")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


# -- what is asked of the document server -----------------------------------------------------------------
async def test_a_popular_link_is_read_once(entities: Any, clock: ManualClock) -> None:
    targets = LinkTargets(entities, clock)
    found = await asyncio.gather(*(targets.find("summer26a") for _ in range(200)))
    assert {t.url for t in found if t} == {SHOP}
    assert entities.calls["load_many"] == 1
    clock.advance(KNOWN_S + 1)
    await targets.find("summer26a")
    assert entities.calls["load_many"] == 2


async def test_tried_codes_share_queries(clock: ManualClock) -> None:
    sizes: list[int] = []
    running: list[int] = [0]

    class Watched(FakeEntityStore):
        async def load_many(self, keys: Sequence[EntityKey]) -> dict[EntityKey, Document]:
            sizes.append(len(keys))
            running[0] += 1
            assert running[0] == 1, "one query at a time"
            await asyncio.sleep(0)
            running[0] -= 1
            return await super().load_many(keys)

    targets = LinkTargets(Watched(), clock)
    found = await asyncio.gather(*(targets.find(f"tried{n:04}") for n in range(1000)))
    assert set(found) == {None}
    assert sizes == [50] * 20


async def test_a_new_link_is_seen_soon(entities: Any, clock: ManualClock) -> None:
    targets = LinkTargets(entities, clock)
    assert await targets.find("newlink1") is None
    await keep(entities, "newlink1")
    clock.advance(UNKNOWN_S + 0.1)
    assert await targets.find("newlink1") is not None


async def test_what_is_remembered_is_bounded(
    entities: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.redirect.KNOWN_LINKS", 10)
    targets = LinkTargets(entities, clock)
    for n in range(30):
        await targets.find(f"tried{n:04}")
    assert len(targets._known) == 10


async def test_a_defect_leaves_nobody_waiting(clock: ManualClock) -> None:
    class Defect(FakeEntityStore):
        async def load_many(self, keys: Sequence[EntityKey]) -> dict[EntityKey, Document]:
            raise ZeroDivisionError

    targets = LinkTargets(Defect(), clock)
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnavailable):
            await targets.find("summer26a")


# -- who is a person ----------------------------------------------------------------------------------------
PEOPLE = [
    DESKTOP,
    PHONE + "Safari/604.1",
    PHONE + "Instagram 350.0.0.20.95 (iPhone15,2; iOS 18_1)",
    PHONE + "[FBAN/FBIOS;FBAV/480.0.0]",
    PHONE + "[Pinterest/iOS]",
    PHONE + "Twitter for iPhone/10.60",
    PHONE + "musical_ly_33.1.0 BytedanceWebview/d8a21c6",
    "Mozilla/5.0 (Linux; Android 14; CUBOT X70) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; CUBOT_NOTE_50) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
]
PROGRAMS = [
    "",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Facebot",
    "meta-externalagent/1.1",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "WhatsApp/2.24.20.89 A",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient)",
    "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
    "Pinterest/0.2 (+http://www.pinterest.com/bot.html)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (Windows NT 6.1) BingPreview/1.0b",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mozilla/5.0 (compatible; archive.org_bot)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/130.0 Safari/537.36",
    "Mastodon/4.3.0 (http.rb/5.2.0; +https://mastodon.example/)",
    "curl/8.10.1",
    "python-httpx/0.28.1",
    "Go-http-client/2.0",
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_people(agent: str) -> None:
    assert is_person("GET", {"user-agent": agent})


@pytest.mark.parametrize("agent", PROGRAMS)
def test_programs(agent: str) -> None:
    assert not is_person("GET", {"user-agent": agent})
    assert not is_person("GET", {"user-agent": agent.upper()})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x-purpose": "preview"},
        {"x-moz": "prefetch"},
    ],
)
def test_prefetching_is_not_a_visit(headers: dict[str, str]) -> None:
    assert not is_person("GET", {"user-agent": DESKTOP} | headers)


def test_head_is_not_a_visit() -> None:
    assert not is_person("HEAD", {"user-agent": DESKTOP})
