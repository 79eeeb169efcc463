"""Nothing that is secret or personal is found in clear where it does not belong.

Recognisable tokens, secrets, names and words go through real flows, and then every place an operator, a
backup or a log collector sees is searched for them.
"""

import asyncio
import ssl
import uuid
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bson
import httpx
import pytest
from redis.asyncio import Redis

from platforms.http import make_client
from storage.crypto import field_aad
from storage.redis.client import connect
from tests.support.client import Caller, Json, World, eventually
from tests.support.cluster import log_files, ray_metrics, ray_state
from tests.support.webhooks import Hook, instagram_comment

# One word each that occurs nowhere else, so that a hit says what leaked.
PERSON, HANDLE, WORDS = "Zyxandria Plantedname", "zyxandria.planted", "plantedwords quuxify the mug"
CUSTOMER, EMAIL = "planted-customer-77ab", "planted.address@people.example"


@dataclass
class Planted:
    """Texts by what they are. `words` are people's: not even the document store may hold them in clear."""

    secrets: dict[str, str] = field(default_factory=dict)

    def found_in(self, data: bytes) -> list[str]:
        return [name for name, text in self.secrets.items() if any(form in data for form in _forms(text))]


def _forms(text: str) -> Iterator[bytes]:
    """As bytes, as JSON writes them, and as Windows or Java would."""
    yield text.encode()
    yield text.replace(" ", "\\u0020").encode()
    yield text.replace(" ", "+").encode()
    yield text.replace(" ", "%20").encode()
    yield text.encode("utf-16-le")


@pytest.fixture
async def planted(world: World) -> Planted:
    """Real flows with recognisable content: what they leave behind is what the tests search."""
    planted = Planted()
    keep = planted.secrets
    admin = await world.org()
    keep["API key"] = admin.org.api_key.reveal()
    keep["JWT"] = admin.token.rsplit(".", 1)[1]
    keep["e-mail"] = EMAIL
    await admin.post("/v1/users", {"email": EMAIL, "role": "analyst"})

    mine = await world.sandbox.post("apps", {"platform": "twitter", "name": f"own-{uuid.uuid4()}"})
    wish = {"client_id": mine["client_id"], "client_secret": mine["client_secret"]}
    wish |= {"webhook_secrets": [mine["webhook_secret"]], "bearer_token": mine["bearer_token"]}
    app = await admin.post("/v1/integrations/twitter/apps", wish)
    keep["client secret"] = mine["client_secret"]
    keep["webhook secret"] = mine["webhook_secret"]
    keep["app-only token"] = mine["bearer_token"]
    hook = {"webhook_url": f"{str(world.api.base_url).rstrip('/')}/webhooks/twitter/{app['id']}"}
    assert (await world.sandbox.put(f"apps/{mine['id']}", hook))["verified"]

    x = await world.account("twitter", f"secret-{uuid.uuid4()}", posts=3, app=mine["id"])
    begun = await admin.post("/v1/integrations/twitter/connect", {"app_id": app["id"]})
    callback = await world.consent(begun["authorize_url"], x["external_id"])
    query = parse_qs(urlsplit(callback).query)
    keep["OAuth state"], keep["authorization code"] = query["state"][0], query["code"][0]
    view = (await world.api.get(callback)).json()
    keep.update(await tokens_of(world, view["id"], "before"))
    instagram = await world.account("instagram", f"secret-{uuid.uuid4()}", posts=3)
    view_2 = await world.connect(admin, instagram)
    keep.update(await tokens_of(world, view_2["id"], "instagram"))

    author = {"username": HANDLE, "name": PERSON}
    keep |= {"name": PERSON, "handle": HANDLE, "words": WORDS}
    for account in (x, instagram):
        await world.sandbox.act(account, "comment", text=WORDS, author=author)
        await world.sandbox.act(account, "mention", text=WORDS, author=author)
    stranger = await world.account("instagram", f"secret-{uuid.uuid4()}", posts=1)
    parked = instagram_comment(stranger["external_id"], str(uuid.uuid4().int)[:17], "1", WORDS)
    parked["changes"][0]["value"]["from"] = {"id": "1", "username": HANDLE}
    await (await Hook.of(world, "instagram")).send({"object": "instagram", "entry": [parked]})

    await world.sandbox.post(f"accounts/twitter/{x['external_id']}/token", {"action": "expire"})
    await admin.post(f"/v1/accounts/{view['id']}/sync")
    await arrived(admin, view, view_2)
    keep.update(await tokens_of(world, view["id"], "after the refresh"))
    order = {"order_id": "o-1", "amount_minor": 100, "currency": "EUR", "customer_id": CUSTOMER}
    await admin.post("/v1/transactions", order | {"occurred_at": "2026-01-01T00:00:00Z"})
    keep["customer"] = CUSTOMER
    assert all(len(text) >= 8 for text in keep.values())
    return planted


async def tokens_of(world: World, account_id: str, when: str) -> Json:
    """The tokens the service holds, opened with the deployment's keys."""
    document = await world.database["social_accounts"].find_one({"_id": account_id})
    assert document is not None
    opened = {}
    for name in ("accessToken", "refreshToken"):
        if sealed := document["accessCredentials"][name]:
            aad = field_aad("social_accounts", account_id, name)
            opened[f"{name} {when}"] = world.keys.seal.open(bytes(sealed), aad).decode()
    return opened


async def arrived(admin: Caller, x: Json, instagram: Json) -> None:
    async def all_in() -> bool:
        said = [c for c in await admin.all("/v1/comments") if WORDS in (c["text"] or "")]
        found = await admin.get(f"/v1/accounts/{x['id']}")
        refreshed = found["token"]["refreshes"] >= 1
        both = {c["account_id"] for c in said} == {x["id"], instagram["id"]}
        return refreshed and both and len(said) >= 3

    await eventually(all_in)


async def test_nothing_planted_is_found_in_clear(world: World, planted: Planted) -> None:
    places = [place async for place in everything(world)]
    for kind, known in _KNOWN_TO_BE_THERE.items():
        assert any(name.startswith(f"{kind}:") and known in data for name, data in places), kind
    leaks = {name: hits for name, data in places if (hits := planted.found_in(data))}
    assert leaks == {}
    # The search itself works: each text is found where it was put on purpose.
    assert planted.found_in(b"..".join(t.encode() for t in planted.secrets.values())) == list(planted.secrets)


_KNOWN_TO_BE_THERE = {
    "log": b"host.started",
    "ray": b"HostActor",
    "metrics": b"rookery_webhooks_accepted",
    "redis": b"live:org_",
    "redis file": b"mailbox:account:",
    "document": b"twitter:",
    "server log": b"Ready to accept",
}
"""By place, something that is in it: whoever looks in the wrong place finds no leak either."""


async def everything(world: World) -> AsyncIterator[tuple[str, bytes]]:
    """(place, its bytes), each where something could lie in clear."""
    for path in log_files():
        yield f"log:{path.name}", await asyncio.to_thread(path.read_bytes)
    yield "ray:state", (await asyncio.to_thread(ray_state)).encode()
    yield "metrics:ray", (await asyncio.to_thread(ray_metrics)).encode()
    async for row in redis_rows(world):
        yield row
    for path in redis_files(world.settings.data_dir):
        yield f"redis file:{path.name}", await asyncio.to_thread(path.read_bytes)
    for path in world.settings.data_dir.glob("*/server.log"):
        yield f"server log:{path}", await asyncio.to_thread(path.read_bytes)
    for name in await world.database.list_collection_names():
        async for document in world.database[name].find({}):
            unpacked = b" ".join(_unpacked(document))
            yield f"document:{name}:{document['_id']}", bson.encode(document) + unpacked


def _unpacked(value: object) -> Iterator[bytes]:
    """What compressed bytes inside hold: compressed is not sealed."""
    if isinstance(value, bytes):
        with suppress(zlib.error):
            yield zlib.decompress(value)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _unpacked(part)


async def redis_rows(world: World) -> AsyncIterator[tuple[str, bytes]]:
    assert world.settings.redis_url
    redis: Redis = connect(world.settings.redis_url)
    reads: dict[Any, Any] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"stream": redis.xrange,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"zset": lambda key: redis.zrange(key, 0, -1),
    }
    try:
        async for key in redis.scan_iter():
            value = await reads[await redis.type(key)](key)
            yield f"redis:{key.decode()}", key + b" " + _flat(value)
    finally:
        await redis.aclose()


def _flat(value: object) -> bytes:
    """Every byte string inside, as it is: a repr would escape what is searched."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b" ".join(_flat(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return b" ".join(_flat(part) for part in value)
    return str(value).encode()


def redis_files(data_dir: Path) -> list[Path]:
    """The append-only file: everything that was ever in Redis, also what is gone again."""
    return [p for p in (data_dir / "redis").rglob("*") if p.is_file() and p.suffix != ".lock"]


async def test_error_answers_do_not_repeat_what_they_were_given(world: World) -> None:
    admin = await world.org()
    hidden = f"planted-{uuid.uuid4()}"
    apps, sale = "/v1/integrations/twitter/apps", {"order_id": "o", "currency": "EUR", "amount_minor": 1}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/v1/auth/token", {"json": {"api_key": hidden}}),
        ("POST", "/v1/auth/token", {"json": {"api_key": [hidden]}}),
        ("POST", "/v1/auth/token", {"content": hidden}),
        ("POST", apps, {"json": {"client_id": "c", "client_secret": {"x": hidden}}}),
        ("POST", apps, {"json": {"client_id": "c", "client_secret": hidden, "extra": hidden}}),
        ("POST", "/v1/users", {"json": {"email": f"{hidden} no address", "role": "analyst"}}),
        ("POST", "/v1/users", {"json": {"email": "a@b.example", "role": hidden}}),
        ("POST", "/v1/transactions", {"json": sale | {"customer_id": hidden, "occurred_at": "never"}}),
        ("POST", "/v1/transactions", {"json": sale | {"customer_id": {"name": hidden}}}),
        ("GET", f"/v1/integrations/twitter/callback?state={hidden}&code={hidden}", {}),
        ("GET", f"/v1/integrations/twitter/callback?state={hidden}&error={hidden}", {}),
        ("GET", "/v1/accounts", {"headers": {"Authorization": f"Bearer {hidden}"}}),
        ("GET", f"/v1/live?token={hidden}", {}),
    ]
    for method, path, more in asked:
        answer: httpx.Response = await admin.request(method, path, **more)
        assert 400 <= answer.status_code < 500, (path, answer.status_code)
        assert hidden not in answer.text, (path, answer.text)
        assert hidden not in str(answer.headers), path


async def test_roles_without_the_words_do_not_get_them(world: World) -> None:
    admin = await world.org()
    account = await world.account("twitter", f"words-{uuid.uuid4()}", posts=2)
    view = await world.connect(admin, account)
    await world.sandbox.act(account, "comment", text=WORDS, author={"username": HANDLE, "name": PERSON})

    async def said() -> list[Json]:
        return [c for c in await admin.all("/v1/comments") if WORDS in (c["text"] or "")]

    (comment,) = await eventually(said)
    assert comment["author"]["username"] == HANDLE
    analyst = await world.member(admin, "analyst")
    for path in ("/v1/comments", f"/v1/content/{comment['content_id']}/comments", "/v1/events"):
        answer = await analyst.request("GET", path)
        assert answer.status_code == 200
        assert not any(text in answer.text for text in (WORDS, HANDLE, PERSON)), path
    ops = await admin.request("GET", f"/v1/ops/entities/account/{view['id']}")
    assert not any(text in ops.text for text in (WORDS, HANDLE, PERSON))
    tokens = await tokens_of(world, view["id"], "now")
    for path in (f"/v1/accounts/{view['id']}", f"/v1/ops/entities/account/{view['id']}"):
        text = (await admin.request("GET", path)).text
        assert not any(token in text for token in tokens.values())


async def test_platforms_are_reached_with_tls_1_3_or_not_at_all() -> None:
    client = make_client()
    transport: Any = client._transport
    context: ssl.SSLContext = transport._pool._ssl_context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    await client.aclose()
