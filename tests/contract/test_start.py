"""What a start refuses, in one sentence; and what it prepares."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo.errors import OperationFailure
from redis.asyncio import Redis

from ops.embedded import Urls
from storage.mongo.client import Database
from storage.mongo.client import connect as connect_mongo
from storage.mongo.client import verify as verify_mongo
from storage.mongo.schema import INDEXES, prepare
from storage.records import StoreMisconfigured
from storage.redis.client import connect as connect_redis
from storage.redis.client import verify as verify_redis

PASSWORD = "s3cr3t-in-the-url"


async def refused_mongo(url: str) -> str:
    with pytest.raises(StoreMisconfigured) as caught:
        handle = connect_mongo(url)
        try:
            await verify_mongo(handle, url)
        finally:
            handle.client.close()
    return sentence(caught.value)


async def refused_redis(url: str, allow_lossy: bool = False) -> str:
    with pytest.raises(StoreMisconfigured) as caught:
        client = connect_redis(url)
        try:
            await verify_redis(client, url, allow_lossy=allow_lossy)
        finally:
            await client.aclose()
    return sentence(caught.value)


def sentence(error: Exception) -> str:
    text = str(error)
    assert re.fullmatch(r"[A-Z][^\n]+\.", text), text
    assert PASSWORD not in text
    assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    return text


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """Something that is neither a MongoDB nor a Redis, on a port of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(65536)
        writer.write(answer(data))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def web_server(_: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def mute_server(_: bytes) -> bytes:
    return b""


async def test_the_embedded_servers_are_accepted(servers: Urls) -> None:
    handle, client = connect_mongo(servers.mongodb), connect_redis(servers.redis)
    await verify_mongo(handle, servers.mongodb)
    await verify_redis(client, servers.redis)
    handle.client.close()
    await client.aclose()


async def test_the_database_is_the_one_of_the_url() -> None:
    for url, name in (("", "rookery"), ("/", "rookery"), ("/shop", "shop"), ("/?appName=x", "rookery")):
        handle = connect_mongo(f"mongodb://127.0.0.1:1{url}")
        assert handle.name == name
        handle.client.close()


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://user:{PASSWORD}@127.0.0.1:notaport/rookery",
        f"mongodb://user:{PASSWORD}@x@127.0.0.1/rookery",
        f"http://user:{PASSWORD}@127.0.0.1/",
    ],
)
async def test_an_impossible_mongodb_url(url: str) -> None:
    assert "MONGODB_URL is not an address" in await refused_mongo(url)


async def test_no_mongodb_there() -> None:
    async with answering(mute_server) as port:
        pass  # closed again: nobody answers
    text = await refused_mongo(f"mongodb://user:{PASSWORD}@127.0.0.1:{port}/rookery")
    assert text.startswith(f"No MongoDB answers at 127.0.0.1:{port};")


@pytest.mark.parametrize("answer", [web_server, mute_server])
async def test_something_else_than_a_mongodb(answer: Callable[[bytes], bytes]) -> None:
    async with answering(answer) as port:
        text = await refused_mongo(f"mongodb://127.0.0.1:{port}/rookery")
    assert "does not answer as a MongoDB does" in text and str(port) in text


async def test_a_redis_where_a_mongodb_should_be(servers: Urls) -> None:
    text = await refused_mongo(servers.redis.replace("redis://", "mongodb://").removesuffix("/0"))
    assert "does not answer as a MongoDB does" in text


async def test_a_mongodb_that_refuses_the_password(servers: Urls) -> None:
    url = servers.mongodb.replace("mongodb://", f"mongodb://nobody:{PASSWORD}@")
    assert "refuses the user name and password of MONGODB_URL" in await refused_mongo(url)


@pytest.mark.parametrize(
    "url", [f"http://user:{PASSWORD}@127.0.0.1/", f"redis://user:{PASSWORD}@127.0.0.1:notaport/0"]
)
async def test_an_impossible_redis_url(url: str) -> None:
    assert "REDIS_URL is not an address" in await refused_redis(url)


async def test_no_redis_there() -> None:
    async with answering(mute_server) as port:
        pass
    text = await refused_redis(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    assert text.startswith(f"No Redis answers at 127.0.0.1:{port};")


@pytest.mark.parametrize("answer", [web_server, mute_server])
async def test_something_else_than_a_redis(answer: Callable[[bytes], bytes]) -> None:
    async with answering(answer) as port:
        text = await refused_redis(f"redis://127.0.0.1:{port}/0")
    assert "does not answer as a Redis does" in text


async def test_a_mongodb_where_a_redis_should_be(servers: Urls) -> None:
    port = servers.mongodb.split(":")[2].split("/")[0]
    assert "does not answer as a Redis does" in await refused_redis(f"redis://127.0.0.1:{port}/0")


async def test_a_redis_that_refuses_the_password(servers: Urls) -> None:
    url = servers.redis.replace("redis://", f"redis://nobody:{PASSWORD}@")
    assert "refuses the user name and password of REDIS_URL" in await refused_redis(url)


@pytest.fixture
async def configurable(servers: Urls) -> AsyncIterator[Redis]:
    client = connect_redis(servers.redis)
    names = ("maxmemory-policy", "appendonly", "appendfsync", "requirepass")
    before = {name: (await client.config_get(name))[name] or "" for name in names}
    yield client
    for name, value in before.items():
        await client.config_set(name, value)
    await client.aclose()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("maxmemory-policy", "allkeys-lru", "may evict keys (maxmemory-policy allkeys-lru)"),
        ("appendonly", "no", "keeps no append-only file"),
        ("appendfsync", "everysec", "(appendfsync everysec)"),
    ],
)
async def test_a_redis_that_may_lose_mail_is_refused_unless_told(
    servers: Urls, configurable: Redis, name: str, value: str, told: str
) -> None:
    await configurable.config_set(name, value)
    text = await refused_redis(servers.redis)
    assert told in text and "ROOKERY_ALLOW_LOSSY_REDIS=true" in text
    await verify_redis(configurable, servers.redis, allow_lossy=True)


async def test_a_redis_that_wants_a_password(servers: Urls, configurable: Redis) -> None:
    await configurable.config_set("requirepass", PASSWORD)
    assert "refuses the user name and password" in await refused_redis(servers.redis)
    await configurable.auth(PASSWORD)


async def test_preparing_twice_and_at_once_is_harmless(database: Database) -> None:
    await asyncio.gather(*(prepare(database, 64) for _ in range(3)))
    for collection, indexes in INDEXES.items():
        if not indexes:
            continue  # it begins with its first document
        made = await database[collection].index_information()
        assert {index.document["name"] for index in indexes} < set(made)


async def test_another_number_of_partitions_is_refused(database: Database) -> None:
    with pytest.raises(StoreMisconfigured) as caught:
        await prepare(database, 32)
    assert "first started with 64 partitions" in sentence(caught.value)
    await prepare(database, 64)


async def test_migrations_run_once_in_order_and_newer_data_is_refused(database: Database) -> None:
    ran: list[int] = []

    async def first(_: Database) -> None:
        ran.append(1)

    async def second(_: Database) -> None:
        ran.append(2)
        if len(ran) == 2:
            raise OperationFailure("stopped in the middle", 20)

    try:
        await prepare(database, 64, [first])
        with pytest.raises(OperationFailure):
            await prepare(database, 64, [first, second])
        await prepare(database, 64, [first, second])
        await prepare(database, 64, [first, second])
        assert ran == [1, 2, 2]
        with pytest.raises(StoreMisconfigured, match=r"has schema 3, .* knows schemas up to 1"):
            await prepare(database, 64)
    finally:
        await database["meta"].delete_many({})


async def test_no_collection_is_asked_to_make_no_index(
    servers: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB refuses that ("Must specify at least one index to create"); the embedded server does not."""
    database = connect_mongo(servers.mongodb).client["prepared"]
    kind = type(database["any"])
    real = kind.create_indexes

    async def strict(self: Any, indexes: list[Any], **more: Any) -> Any:
        assert indexes, self.name
        return await real(self, indexes, **more)

    monkeypatch.setattr(kind, "create_indexes", strict)
    await prepare(database, 4)
    await database.client.drop_database("prepared")
    database.client.close()
