"""The connection to Redis (or Valkey), and its failures in the project's words."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from storage.records import StoreMisconfigured, StoreUnavailable

TIMEOUT_S = 5.0

_OUTAGES = (
    OSError,
    TimeoutError,
    RedisConnectionError,  # also: still loading
    RedisTimeoutError,
    InvalidResponse,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
)
_OUTAGE_WORDS = re.compile(r"\b(MISCONF|NOREPLICAS|BUSY|UNKILLABLE)\b")
"""Error replies without a class of their own in redis-py that tell of the server's state.
Source: redis/redis src/server.c, createSharedObjects."""

_OLDEST = (6, 2)  # XTRIM MINID and SMISMEMBER


def connect(url: str) -> Redis:
    """A client with a pool of connections, opened as needed. StoreMisconfigured for an impossible URL.

    Nothing is repeated after a broken connection, because the first attempt may have had its effect.
    """
    try:
        return Redis.from_url(
            url,
            protocol=2,
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=None,  # blocking reads outlast any one value: `guard` has the deadline
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # redis-py's own words may quote the address and with it the password.
        raise StoreMisconfigured(
            "REDIS_URL is not an address a Redis client understands; write it as "
            "redis://user:password@host:6379/0 (rediss:// for TLS)."
        ) from None


@asynccontextmanager
async def guard(timeout_s: float = TIMEOUT_S) -> AsyncIterator[None]:
    """Turn an outage, or no answer in time, into StoreUnavailable. A wrong command stays what it is."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except _OUTAGES as error:
        # redis-py's own words may quote the command.
        raise StoreUnavailable(f"redis: {type(error).__name__}") from None
    except ResponseError as error:
        if outage := _OUTAGE_WORDS.search(str(error)):
            raise StoreUnavailable(f"redis: {outage[0]}") from None
        raise


async def verify(redis: Redis, url: str, *, allow_lossy: bool = False) -> None:
    """Raise StoreMisconfigured, one sentence, unless a Redis answers that keeps what it confirms.

    `allow_lossy` accepts one that may evict keys or lose its last writes.
    """
    parts = urlsplit(url)
    where = parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    try:
        async with asyncio.timeout(TIMEOUT_S):
            info = await redis.info("server", "memory", "persistence")
    except BusyLoadingError:
        raise StoreMisconfigured(f"Redis at {where} is still loading its data; start again later.") from None
    except AuthenticationError:
        raise StoreMisconfigured(_refused(where)) from None
    except (RedisConnectionError, RedisTimeoutError, TimeoutError, OSError) as error:
        if "connecting to" in str(error):  # and not: reading from
            raise StoreMisconfigured(f"No Redis answers at {where}; start it or correct REDIS_URL.") from None
        raise StoreMisconfigured(_not_redis(where)) from None
    except ResponseError as error:
        if str(error).startswith(("NOAUTH", "WRONGPASS", "NOPERM")) or "permission" in str(error):
            raise StoreMisconfigured(_refused(where)) from None
        raise StoreMisconfigured(_not_redis(where)) from None
    except RedisError:
        raise StoreMisconfigured(_not_redis(where)) from None
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < _OLDEST:
        raise StoreMisconfigured(
            f"Redis at {where} is version {info['redis_version']}; 6.2 is the oldest that works."
        )
    if not allow_lossy:
        await _verify_durable(redis, where, info)


async def _verify_durable(redis: Redis, where: str, info: dict[str, object]) -> None:
    unless = "or set ROOKERY_ALLOW_LOSSY_REDIS=true if accepted webhooks may be lost"
    if info["maxmemory_policy"] != "noeviction":
        raise StoreMisconfigured(
            f"Redis at {where} may evict keys (maxmemory-policy {info['maxmemory_policy']}); set "
            f"maxmemory-policy noeviction, {unless}."
        )
    if not info["aof_enabled"]:
        raise StoreMisconfigured(
            f"Redis at {where} keeps no append-only file; set appendonly yes and appendfsync always, "
            f"{unless}."
        )
    try:
        fsync = (await redis.config_get("appendfsync")).get("appendfsync")
    except RedisError:
        raise StoreMisconfigured(
            f"Redis at {where} does not tell its appendfsync; allow this user CONFIG GET, {unless}."
        ) from None
    if fsync != "always":
        raise StoreMisconfigured(
            f"Redis at {where} confirms writes before they are on disk (appendfsync {fsync}); set "
            f"appendfsync always, {unless}."
        )


def _refused(where: str) -> str:
    return f"Redis at {where} refuses the user name and password of REDIS_URL; correct them."


def _not_redis(where: str) -> str:
    return (
        f"What is at {where} does not answer as a Redis does; check that host and port in REDIS_URL are "
        "right and that the server is not hanging."
    )
