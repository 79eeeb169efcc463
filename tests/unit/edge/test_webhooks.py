"""The webhook edge with the real adapters: what is accepted, what is refused, and what that leaves behind."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from actors.runtime.envelope import Envelope, WebhookMail
from api import webhooks as edge
from api.webhook_apps import AppDirectory
from api.webhooks import Webhooks
from domain.clock import ManualClock
from domain.secrets import Secret
from platforms.registry import PLATFORMS
from platforms.youtube.webhooks import _proof, topic_of
from tests.fakes.streams import FakeRedis
from tests.unit.edge.doubles import (
    META_SECRET,
    X_SECRET,
    AppStore,
    CountingMetrics,
    app_record,
    meta_signature,
    told,
    x_signature,
)

X = "/webhooks/twitter/x_app"
INSTAGRAM = "/webhooks/instagram/ig_app"
ACCOUNT = "17841400000000001"


def like(uuid: str = "-3402000000000000001", account: str = "1900000000000000001") -> dict[str, Any]:
    return {
        "event_uuid": uuid,
        "event_type": "like.create",
        "filter": {"user_id": account, "direction": "inbound"},
        "payload": {"id": "87719f50", "liked_tweet_id": "1990000000000000010"},
    }


def comment(number: int, account: str = ACCOUNT) -> dict[str, Any]:
    value = {
        "id": f"1790000000000{number:04}",
        "text": f"comment {number}",
        "from": {"id": "1790000000000777", "username": "ana.r"},
        "media": {"id": "18010000000000001", "media_product_type": "FEED"},
    }
    return {"id": account, "time": 1793698803, "changes": [{"field": "comments", "value": value}]}


def instagram_body(entries: Iterable[dict[str, Any]]) -> bytes:
    return json.dumps({"object": "instagram", "entry": list(entries)}).encode()


X_BODY = json.dumps({"data": like()}).encode()
IG_BODY = instagram_body([comment(1)])


@pytest.fixture
def store() -> AppStore:
    return AppStore(app_record("twitter", "x_app", X_SECRET), app_record("instagram", "ig_app", META_SECRET))


@pytest.fixture
async def app(
    store: AppStore, clock: ManualClock, envelope: Envelope, mailboxes: Any, metrics: CountingMetrics
) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(PLATFORMS, AppDirectory(store, clock), envelope, mailboxes, metrics)
    await webhooks.start()
    yield webhooks
    await webhooks.stop()


@pytest.fixture
async def client(app: Webhooks) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://rookery") as client:
        yield client


# -- accepted -----------------------------------------------------------------------------------------
async def test_a_signed_webhook_is_in_the_mailbox_before_the_answer(
    client: httpx.AsyncClient, app: Webhooks, redis: FakeRedis, envelope: Envelope, metrics: CountingMetrics
) -> None:
    answer = await client.post(X, content=X_BODY, headers=x_signature(X_BODY))
    assert answer.status_code == 200
    [mail] = told(redis)
    assert mail.target == "twitter:1900000000000000001"
    opened = envelope.open_mail(mail)
    assert isinstance(opened, WebhookMail)
    assert (opened.platform, opened.app_id) == ("twitter", "x_app")
    assert b"1990000000000000010" in opened.entry.raw
    assert b"1990000000000000010" not in mail.body, "bodies lie sealed in Redis"
    assert metrics.counts[("webhooks_accepted", "platform=twitter")] == 0
    await app.stop()  # counts are passed on once a second, and at the end
    assert metrics.counts[("webhooks_accepted", "platform=twitter")] == 1
    assert metrics.counts[("webhook_entries", "platform=twitter")] == 1


async def test_a_body_with_many_entries_is_one_call(
    client: httpx.AsyncClient, mailboxes: Any, redis: FakeRedis
) -> None:
    body = instagram_body(comment(n) for n in range(50))
    answer = await client.post(INSTAGRAM, content=body, headers=meta_signature(body))
    assert answer.status_code == 200
    assert mailboxes.calls["tell"] == 1
    assert len(told(redis)) == 50


async def test_regrouped_entries_keep_their_event_ids(client: httpx.AsyncClient, redis: FakeRedis) -> None:
    entries = [comment(n) for n in range(6)]
    for group in [entries], [entries[:2], entries[2:]], [[entry] for entry in reversed(entries)]:
        for part in group:
            body = instagram_body(part)
            answer = await client.post(INSTAGRAM, content=body, headers=meta_signature(body))
            assert answer.status_code == 200
    ids = [mail.event_id for mail in told(redis)]
    assert len(ids) == 18
    assert len(set(ids)) == 6


@pytest.mark.parametrize("root_path", ["", "/webhooks", "/edge"])
@pytest.mark.parametrize("stripped", [True, False])
async def test_the_prefix_may_be_stripped_or_not(app: Webhooks, root_path: str, stripped: bool) -> None:
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    prefix = "" if stripped else root_path or "/webhooks"
    async with httpx.AsyncClient(transport=transport, base_url="http://rookery") as client:
        answer = await client.post(f"{prefix}/twitter/x_app", content=X_BODY, headers=x_signature(X_BODY))
        assert answer.status_code == 200
        assert (await client.post(f"/other{prefix}/twitter/x_app")).status_code == 404


# -- refused: nothing may be left behind but a count ----------------------------------------------------
NESTED = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
REFUSALS = [
    pytest.param(X, X_BODY, {}, 401, "signature_invalid", id="x-missing-signature"),
    pytest.param(X, X_BODY, x_signature(X_BODY, "other"), 401, "signature_invalid", id="x-wrong-secret"),
    pytest.param(X, X_BODY, x_signature(b"other"), 401, "signature_invalid", id="x-other-body"),
    pytest.param(
        X, X_BODY, {"x-twitter-webhooks-signature": "sha256=\xff\x00"}, 401, "signature_invalid", id="x-bytes"
    ),
    pytest.param(INSTAGRAM, IG_BODY, {}, 401, "signature_invalid", id="ig-missing-signature"),
    pytest.param(
        INSTAGRAM, IG_BODY, meta_signature(IG_BODY, "x"), 401, "signature_invalid", id="ig-wrong-secret"
    ),
    pytest.param(
        INSTAGRAM, IG_BODY, {"x-hub-signature-256": "sha256=zz"}, 401, "signature_invalid", id="ig-malformed"
    ),
    pytest.param(INSTAGRAM, IG_BODY, {"x-hub-signature-256": ""}, 401, "signature_invalid", id="ig-empty"),
    pytest.param(X, b"not json", x_signature(b"not json"), 400, "webhook_invalid", id="x-not-json"),
    pytest.param(X, b"", x_signature(b""), 400, "webhook_invalid", id="x-no-body"),
    pytest.param(X, b"\xff\xfe", x_signature(b"\xff\xfe"), 400, "webhook_invalid", id="x-not-utf8"),
    pytest.param(X, NESTED, x_signature(NESTED), 400, "webhook_invalid", id="x-nested"),
    pytest.param(INSTAGRAM, b"[1]", meta_signature(b"[1]"), 400, "webhook_invalid", id="ig-not-object"),
    pytest.param(INSTAGRAM, NESTED, meta_signature(NESTED), 400, "webhook_invalid", id="ig-nested"),
    pytest.param("/webhooks/twitter/nobody", X_BODY, x_signature(X_BODY), 404, "not_found", id="unknown-app"),
    pytest.param(
        "/webhooks/instagram/x_app", X_BODY, x_signature(X_BODY), 404, "not_found", id="app-of-another"
    ),
    pytest.param("/webhooks/myspace/x_app", X_BODY, {}, 404, "not_found", id="unknown-platform"),
    pytest.param("/webhooks", X_BODY, {}, 404, "not_found", id="no-address"),
    pytest.param("/webhooks/a/b/twitter/x_app", X_BODY, {}, 404, "not_found", id="deeper"),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "code"), REFUSALS)
async def test_refused(
    client: httpx.AsyncClient,
    app: Webhooks,
    redis: FakeRedis,
    metrics: CountingMetrics,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    answer = await client.post(path, content=body, headers=raw)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:rookery:error:{code}"
    assert told(redis) == []
    again = await client.post(X, content=X_BODY, headers=x_signature(X_BODY))
    assert again.status_code == 200, "the process lives"
    await app.stop()  # counts are passed on once a second, and at the end
    refused = {name: n for name, n in metrics.counts.items() if name[0] == "webhooks_refused"}
    assert [n for name, n in refused.items() if f"reason={code}" in name] == [1]


async def test_a_body_announced_too_large_is_not_read(app: Webhooks, redis: FakeRedis) -> None:
    size = str(edge.MAX_BODY + 1).encode()
    assert await exchange(app, [], [(b"content-length", size)]) == 413
    assert told(redis) == []


async def test_a_body_that_grows_too_large_is_cut_off(app: Webhooks, redis: FakeRedis) -> None:
    piece = b"x" * 65_536
    endless = ({"type": "http.request", "body": piece, "more_body": True} for _ in itertools.count())
    counted = CountedPieces(endless)
    assert await exchange(app, counted) == 413
    assert counted.taken == edge.MAX_BODY // len(piece) + 1
    assert told(redis) == []


async def test_the_largest_body_is_read_whole(app: Webhooks, redis: FakeRedis) -> None:
    body = X_BODY + b" " * (edge.MAX_BODY - len(X_BODY))
    pieces = [body[i : i + 65_536] for i in range(0, len(body), 65_536)]
    messages = [{"type": "http.request", "body": p, "more_body": True} for p in pieces]
    messages.append({"type": "http.request"})
    headers = [(k.encode(), v.encode()) for k, v in x_signature(body).items()]
    assert await exchange(app, messages, headers) == 200
    assert len(told(redis)) == 1


async def test_a_sender_that_hangs_up_is_not_answered(app: Webhooks, redis: FakeRedis) -> None:
    begun = {"type": "http.request", "body": X_BODY[:10], "more_body": True}
    assert await exchange(app, [begun, {"type": "http.disconnect"}]) is None
    assert await exchange(app, [{"type": "http.disconnect"}]) is None
    assert told(redis) == []


async def test_a_body_that_does_not_come_is_given_up(app: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_TIMEOUT_S", 0.01)
    assert await exchange(app, []) == 408


async def test_beyond_what_may_be_under_way_the_sender_comes_again(
    app: Webhooks, client: httpx.AsyncClient, redis: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "MAX_UNDER_WAY", 2)
    slow = [asyncio.create_task(exchange(app, [])) for _ in range(2)]  # their bodies do not come
    await asyncio.sleep(0)
    answer = await client.post(X, content=X_BODY, headers=x_signature(X_BODY))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert told(redis) == []
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    answer = await client.post(X, content=X_BODY, headers=x_signature(X_BODY))
    assert answer.status_code == 200


async def test_other_methods_are_named(client: httpx.AsyncClient) -> None:
    answer = await client.put(X, content=X_BODY, headers=x_signature(X_BODY))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


# -- stores away ----------------------------------------------------------------------------------------
async def test_redis_away_is_503_and_nothing_is_kept(
    client: httpx.AsyncClient, app: Webhooks, mailboxes: Any, redis: FakeRedis, metrics: CountingMetrics
) -> None:
    body = instagram_body(comment(n) for n in range(3))
    mailboxes.away = True
    answer = await client.post(INSTAGRAM, content=body, headers=meta_signature(body))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert told(redis) == []
    mailboxes.away = False
    answer = await client.post(INSTAGRAM, content=body, headers=meta_signature(body))
    assert answer.status_code == 200
    assert len(told(redis)) == 3
    await app.stop()
    refused = ("webhooks_refused", "platform=instagram", "reason=temporarily_unavailable")
    assert metrics.counts[refused] == 1
    assert metrics.counts[("webhooks_accepted", "platform=instagram")] == 1
    assert metrics.counts[("webhook_entries", "platform=instagram")] == 3


async def test_mongo_away_does_not_concern_known_apps(client: httpx.AsyncClient, store: AppStore) -> None:
    store.away = True
    answer = await client.post(X, content=X_BODY, headers=x_signature(X_BODY))
    assert answer.status_code == 200


async def test_an_unknown_app_while_mongo_is_away_may_exist(
    client: httpx.AsyncClient, store: AppStore, clock: ManualClock
) -> None:
    store.away = True
    clock.advance(60)
    answer = await client.post("/webhooks/twitter/new", content=X_BODY, headers=x_signature(X_BODY))
    assert answer.status_code == 503


# -- handshakes -----------------------------------------------------------------------------------------
async def test_x_challenge(client: httpx.AsyncClient, store: AppStore, clock: ManualClock) -> None:
    store.records.append(app_record("twitter", "fresh", X_SECRET, webhook_secrets=(Secret(X_SECRET),)))
    clock.advance(60)
    answer = await client.get("/webhooks/twitter/fresh", params={"crc_token": "crc_demo_token_1"})
    assert answer.status_code == 200
    # The vector of the platform's wire facts.
    assert answer.json() == {"response_token": "sha256=zwUKjpnKRF6F3Na7rzF/bg4Fp8OSHZolfFiRg18C7gU="}


async def test_instagram_challenge(client: httpx.AsyncClient) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify_me"}
    answer = await client.get(INSTAGRAM, params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    wrong = await client.get(INSTAGRAM, params=query | {"hub.verify_token": "guess"})
    assert wrong.status_code == 403
    assert "1158201444" not in wrong.text


async def test_what_a_hub_grants_is_told_to_the_account(
    client: httpx.AsyncClient, store: AppStore, clock: ManualClock, mailboxes: Any
) -> None:
    secret, channel = Secret("s" * 20), "UC" + "a" * 22
    store.records.append(app_record("youtube", "hub", "client-secret", webhook_secrets=(secret,)))
    clock.advance(60)
    topic = topic_of(channel)
    query = {"hub.mode": "subscribe", "hub.topic": topic, "hub.challenge": "c1", "hub.lease_seconds": "86400"}
    guessed = await client.get("/webhooks/youtube/hub", params=query | {"proof": "guess"})
    assert guessed.status_code == 404 and mailboxes.calls["tell"] == 0
    proof = _proof(secret.reveal(), topic)
    answer = await client.get("/webhooks/youtube/hub", params=query | {"proof": proof})
    assert (answer.status_code, answer.text) == (200, "c1")
    assert mailboxes.calls["tell"] == 1
    mailboxes.away = True
    later = await client.get("/webhooks/youtube/hub", params=query | {"proof": proof})
    assert later.status_code == 503


@pytest.mark.parametrize("path", [X, INSTAGRAM, "/webhooks/twitter/nobody", "/webhooks/myspace/x_app"])
async def test_a_get_that_is_no_handshake_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


# -- the server's side ------------------------------------------------------------------------------------
async def test_lifespan_starts_and_stops(
    clock: ManualClock, envelope: Envelope, mailboxes: Any, metrics: CountingMetrics, store: AppStore
) -> None:
    directory = AppDirectory(store, clock)
    app = Webhooks(PLATFORMS, directory, envelope, mailboxes, metrics)
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append((message["type"], directory.get("twitter", "x_app") is not None))

    await app({"type": "lifespan"}, receive, send)
    assert sent == [("lifespan.startup.complete", True), ("lifespan.shutdown.complete", True)]


async def test_what_middleware_adds_to_one_answer_is_not_in_the_next(app: Webhooks) -> None:
    """Ray Serve puts `x-request-id` into the header list it is given."""
    sizes = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"unsigned"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sizes.append(len(message["headers"]))
            message["headers"].append((b"x-request-id", b"1"))

    scope = {"type": "http", "method": "POST", "path": X, "query_string": b"", "headers": []}
    for _ in range(3):
        await app(scope, receive, send)
    assert len(set(sizes)) == 1


async def test_websockets_are_turned_away(app: Webhooks) -> None:
    sent = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "websocket", "path": X}, receive, send)
    assert sent == ["websocket.close"]


# -- helpers --------------------------------------------------------------------------------------------
class CountedPieces:
    def __init__(self, pieces: Iterable[dict[str, Any]]) -> None:
        self._pieces = iter(pieces)
        self.taken = 0

    def __iter__(self) -> "CountedPieces":
        return self

    def __next__(self) -> dict[str, Any]:
        self.taken += 1
        return next(self._pieces)


async def exchange(
    app: Webhooks, messages: Iterable[dict[str, Any]], headers: list[tuple[bytes, bytes]] | None = None
) -> int | None:
    """POST to X over bare ASGI; the status answered, None without an answer. Waits when messages run out."""
    incoming = iter(messages)
    statuses: list[int] = []

    async def receive() -> Any:
        try:
            return next(incoming)
        except StopIteration:
            await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": X, "query_string": b"", "headers": headers or []}
    async with asyncio.timeout(5):
        await app(scope, receive, send)
    return statuses[0] if statuses else None
