"""YouTube's push at the webhook edge: the challenge of what we asked for, and a signed entry."""

import hmac
from urllib.parse import urlsplit

import httpx

from actors.runtime.envelope import Envelope
from api.webhook_apps import AppDirectory
from api.webhooks import Webhooks
from domain.clock import ManualClock
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.registry import PLATFORMS
from tests.fakes.faulty import Faulty
from tests.fakes.streams import FakeRedis
from tests.unit.edge.doubles import AppStore, CountingMetrics, app_record, told
from tests.unit.platforms.support import Answers, answer, ok

CHANNEL = "UCsbx000000000000000-_01"
SECRET = "websub_secret"
ADDRESS = "/webhooks/youtube/yt_app"
BODY = f"""<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">
<entry><yt:videoId>sbxVid00001</yt:videoId><yt:channelId>{CHANNEL}</yt:channelId><title>Bread</title>
<published>2026-11-01T09:00:05+00:00</published><updated>2026-11-01T09:02:11+00:00</updated></entry>
</feed>""".encode()


async def test_what_was_subscribed_is_confirmed_and_heard(
    clock: ManualClock,
    envelope: Envelope,
    mailboxes: Faulty,
    metrics: CountingMetrics,
    redis: FakeRedis,
) -> None:
    sent = Answers(answer(202, b""))
    app = PlatformApp("yt_app", "youtube", "c", Secret("s"), (Secret(SECRET),))
    youtube = PLATFORMS["youtube"]
    ok(await youtube.subscribe(sent, app, Secret("t"), CHANNEL, f"http://rookery{ADDRESS}"))
    form = {name: str(value) for name, value in (sent.asked[0].form or {}).items()}
    callback = urlsplit(form["hub.callback"])
    store = AppStore(app_record("youtube", "yt_app", SECRET))
    webhooks = Webhooks(PLATFORMS, AppDirectory(store, clock), envelope, mailboxes, metrics)
    await webhooks.start()
    transport = httpx.ASGITransport(app=webhooks)
    async with httpx.AsyncClient(transport=transport, base_url="http://rookery") as client:
        asked = {
            "hub.mode": "subscribe",
            "hub.topic": form["hub.topic"],
            "hub.challenge": "c-1",
            "hub.lease_seconds": "432000",
        }
        query = f"{callback.query}&{httpx.QueryParams(asked)}"
        confirmed = await client.get(f"{callback.path}?{query}")
        assert (confirmed.status_code, confirmed.text) == (200, "c-1")
        assert (await client.get(f"{callback.path}?{httpx.QueryParams(asked)}")).status_code == 404
        mark = f"sha1={hmac.new(SECRET.encode(), BODY, 'sha1').hexdigest()}"
        target = f"{callback.path}?{callback.query}"
        signed = {"x-hub-signature": mark, "content-type": "application/atom+xml"}
        assert (await client.post(target, content=BODY, headers=signed)).status_code == 200
        assert (await client.post(target, content=BODY + b" ", headers=signed)).status_code == 401
    await webhooks.stop()
    lease, mail = told(redis)  # for how long the hub granted it, and what it told then
    assert lease.target == mail.target == f"youtube:{CHANNEL}"
