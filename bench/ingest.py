"""Webhooks accepted per second: our ingress beside what a user would otherwise write.

Both verify the same signed X webhooks (one entry each), both wait until Valkey (`appendfsync always`) has one
stream entry on disk, both have the same number of worker processes, the same clients, the same machine. They
are loaded in turn, A B A B, and the medians are compared, because machines are noisy. A round in which a
request failed, or in which the streams do not hold what was answered 200, spoils the run.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import redis

from bench.load import drive, request
from bench.processes import Servers, cpu_s
from bench.results import Result, Row, Spoiled
from domain.secrets import Secret
from ops.embedded import DataPlane, Urls
from ops.ports import free_port
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo.apps import AppRecord, Apps

SECRET = "bench_consumer_secret"
APP = "bench"
PATH = f"/webhooks/twitter/{APP}"
ACCOUNTS = 500  # so that no account counts as flooding
REQUESTS = 5_000
WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    workers: int = 2
    connections: int = 32
    rounds: int = 5
    seconds: float = 5.0


SMALL = Options(rounds=1, seconds=1.0)


@dataclass(frozen=True, slots=True)
class Round:
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the servers under test, per accepted webhook
    redis_cpu_us: float


@dataclass(frozen=True, slots=True)
class Contender:
    servers: Servers
    port: int
    streams: str  # pattern of the stream names it appends to
    requests: list[bytes]


Start = Callable[[Urls, Path, Options], Contender]


def ingest(options: Options) -> Result:
    title = "Webhooks accepted, as deployed (Ray Serve behind HAProxy)"
    return _measure("ingest", title, options, _serve, target=1.2)


def ingest_bare(options: Options) -> Result:
    return _measure("ingest_bare", "Webhooks accepted, our application on uvicorn", options, _bare)


def ingest_proxy(options: Options) -> Result:
    title = "Webhooks accepted, as deployed, beside FastAPI on Ray Serve as it comes"
    return _measure("ingest_proxy", title, options, _serve, _default_serve, target=10.0)


def _measure(
    name: str,
    title: str,
    options: Options,
    start_ours: Start,
    start_theirs: Start | None = None,
    target: float | None = None,
) -> Result:
    start_theirs = start_theirs or _plain
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        urls = stack.enter_context(_data_plane(folder))
        store = stack.enter_context(redis.Redis.from_url(urls.redis))
        contenders = {"ours": start_ours(urls, folder, options)}
        stack.callback(contenders["ours"].servers.stop)
        contenders["theirs"] = start_theirs(urls, folder, options)
        stack.callback(contenders["theirs"].servers.stop)
        for contender in contenders.values():
            _await_accepting(contender)
        rounds: dict[str, list[Round]] = {who: [] for who in contenders}
        for n in range(options.rounds):
            for who, contender in contenders.items():
                rounds[who].append(_round(contender, store, options))
                print(f"round {n + 1} {who:7}{_line(rounds[who][-1])}", flush=True)
    ours, theirs = _median(rounds["ours"]), _median(rounds["theirs"])
    for who, middle in (("ours", ours), ("theirs", theirs)):
        print(f"median  {who:7}{_line(middle)}")
    return Result(
        name=name,
        title=title,
        command=f"python -m bench {name}",
        unit="webhooks/s",
        ours=round(ours.per_second, 1),
        theirs=round(theirs.per_second, 1),
        ratio=round(ours.per_second / theirs.per_second, 3),
        target=target,
        rows=_rows(ours, theirs),
        detail={
            "ours": asdict(ours),
            "theirs": asdict(theirs),
            "ratio_of_rounds": [
                round(a.per_second / b.per_second, 3)
                for a, b in zip(rounds["ours"], rounds["theirs"], strict=True)
            ],
            **asdict(options),
            # Ray's own switches, where somebody set them for this run: it is not "as deployed" then.
            "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith("RAY_SERVE_")},
        },
    )


def _rows(ours: Round, theirs: Round) -> list[Row]:
    return [
        Row(what, unit, round(getattr(ours, name), 1), round(getattr(theirs, name), 1),
            round(getattr(theirs, name) / getattr(ours, name), 3))
        for what, unit, name in (
            ("Answered, p50", "ms", "p50_ms"),
            ("Answered, p99", "ms", "p99_ms"),
            ("CPU of the servers for each webhook", "µs", "cpu_us"),
            ("CPU of Valkey for each webhook", "µs", "redis_cpu_us"),
        )
    ]  # fmt: skip


def _round(contender: Contender, store: "redis.Redis", options: Options) -> Round:
    drive(contender.port, contender.requests, options.connections, WARM_UP_S)
    _empty(store, contender.streams)
    redis_pid = int(store.info("server")["process_id"])
    before, redis_before = contender.servers.cpu_s(), cpu_s(redis_pid)
    load = drive(contender.port, contender.requests, options.connections, options.seconds)
    used, redis_used = contender.servers.cpu_s() - before, cpu_s(redis_pid) - redis_before
    if load.failed or not load.accepted:
        raise Spoiled(f"{contender.streams}: {load.failed} requests failed: {load.statuses}.")
    time.sleep(0.2)  # requests under way at the end are not counted, but may be appended
    held = _empty(store, contender.streams)
    if not load.accepted <= held <= load.accepted + 2 * options.connections:
        raise Spoiled(f"{load.accepted} webhooks were answered 200, and the streams hold {held}.")
    return Round(
        per_second=load.accepted / load.seconds,
        p50_ms=load.percentile_ms(0.50),
        p99_ms=load.percentile_ms(0.99),
        cpu_us=used / load.accepted * 1e6,
        redis_cpu_us=redis_used / load.accepted * 1e6,
    )


def _empty(store: "redis.Redis", pattern: str) -> int:
    """Delete the streams; how many entries they held."""
    names = list(store.scan_iter(pattern, count=1000))
    held = sum(store.xlen(name) for name in names)
    if names:
        store.delete(*names)
    return held


def _median(rounds: list[Round]) -> Round:
    return Round(
        *(statistics.median(column) for column in zip(*(asdict(r).values() for r in rounds), strict=True))
    )


def _line(r: Round) -> str:
    return (
        f"{r.per_second:8.0f}/s  p50 {r.p50_ms:6.1f} ms  p99 {r.p99_ms:6.1f} ms  "
        f"cpu {r.cpu_us:5.0f} us  redis {r.redis_cpu_us:4.0f} us"
    )


# -- what is measured -----------------------------------------------------------------------------------
@contextmanager
def _data_plane(folder: Path) -> Iterator[Urls]:
    plane = DataPlane(folder / "data")
    try:
        yield plane.start()
    finally:
        plane.stop()


def _serve(urls: Urls, folder: Path, options: Options) -> Contender:
    keys = folder / "keys.json"
    asyncio.run(_add_app(urls.mongodb, Keys.create(keys)))
    port = free_port()
    env = {
        "MONGODB_URL": urls.mongodb,
        "REDIS_URL": urls.redis,
        "ROOKERY_KEYS": str(keys),
        "ROOKERY_DATA_DIR": str(folder),
        "ROOKERY_HTTP_PORT": str(port),
        "ROOKERY_REPLICAS": str(options.workers),
    }
    servers = Servers(["bench.ours_serve"], env, folder / "ours.log")
    return Contender(servers, port, "mailbox:account:*", _requests(port))


async def _add_app(mongodb_url: str, keys: Keys) -> None:
    secret = Secret(SECRET)
    record = AppRecord(APP, None, "twitter", "bench", secret, (secret,), datetime.now(UTC))
    await Apps(mongo.connect(mongodb_url), keys.seal).put(record)


def _plain(urls: Urls, folder: Path, options: Options) -> Contender:
    return _uvicorn("bench.theirs:app", "bench:theirs", urls, folder, options)


def _default_serve(urls: Urls, folder: Path, options: Options) -> Contender:
    port = free_port()
    env = {
        "BENCH_REDIS_URL": urls.redis,
        "BENCH_SECRET": SECRET,
        "BENCH_PORT": str(port),
        "BENCH_WORKERS": str(options.workers),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    servers = Servers(["bench.theirs_serve"], env, folder / "theirs.log")
    return Contender(servers, port, "bench:theirs", _requests(port))


def _bare(urls: Urls, folder: Path, options: Options) -> Contender:
    return _uvicorn("bench.ours_bare:create", "mailbox:account:*", urls, folder, options, "--factory")


def _uvicorn(
    app: str, streams: str, urls: Urls, folder: Path, options: Options, *arguments: str
) -> Contender:
    port = free_port()
    command = ["uvicorn", app, *arguments, "--port", str(port), "--workers", str(options.workers)]
    command += ["--no-access-log", "--log-level", "warning"]
    env = {"BENCH_REDIS_URL": urls.redis, "BENCH_SECRET": SECRET}
    servers = Servers(command, env, folder / f"{app.partition(':')[0]}.log")
    return Contender(servers, port, streams, _requests(port))


def _await_accepting(contender: Contender) -> None:
    """Until it answers 200: listening comes before being ready."""
    contender.servers.wait_for(contender.port, 120)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(OSError):  # HAProxy starts anew when it learns of the replicas
            load = drive(contender.port, contender.requests, 1, 0.5)
            if load.accepted and not load.failed:
                return
        time.sleep(0.1)
    raise Spoiled(f"The server of {contender.streams} listens but does not accept webhooks.")


def _requests(port: int) -> list[bytes]:
    prepared = []
    for n in range(REQUESTS):
        body = _webhook(n)
        signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
        headers = {"x-twitter-webhooks-signature": f"sha256={signature}"}
        prepared.append(request(port, PATH, body, headers))
    return prepared


def _webhook(n: int) -> bytes:
    """A mention, about 800 bytes, as X sends it."""
    post = str(1_990_000_000_000_000_000 + n)
    author = str(1_900_000_000_000_900_000 + n)
    counts = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count")
    event = {
        "event_uuid": str(1_991_000_000_000_000_000 + n),
        "event_type": "post.mention.create",
        "filter": {"user_id": str(1_900_000_000_000_000_000 + n % ACCOUNTS)},
        "tag": "mentions",
        "payload": {
            "id": post,
            "text": f"@demoshop is the blue one of {n} still there? " + "Asking for a friend. " * 5,
            "author_id": author,
            "created_at": "2026-11-20T10:00:00.000Z",
            "conversation_id": post,
            "edit_history_tweet_ids": [post],
            "public_metrics": dict.fromkeys(counts, 0),
        },
        "includes": {"users": [{"id": author, "username": f"fan{n}", "name": f"Fan {n}"}]},
    }
    return orjson.dumps({"data": event})
