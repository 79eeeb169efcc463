"""`python -m bench workers`: many racing requests to refresh and sync, by Celery with row locks and by us.

Every account's token has expired; a hundred requests for each arrive at once. Twice: undisturbed, and with
a process that stands still (SIGSTOP) in the middle of a refresh for longer than a lease lasts, as a machine
that is moved or swaps does. The sandbox's ledger counts refreshes that presented a spent token (doubled),
and accounts that cannot be read any more in the end (lost). The throughput is of requests served; ours
joins requests for an account that arrive together, which is part of the design.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench import peers
from bench.emulated import Control, Json, sandbox
from bench.results import Result, Row, Spoiled
from bench.sync.compare import data_plane, prepare
from bench.sync.job import OWN, Account, Job
from ops.embedded import Urls
from storage.keys import Keys

LEASE_S, CALL_TIMEOUT_S = 10.0, 8.0
STOPPED_S = 14.0
_ALONE = ("--without-gossip", "--without-mingle", "--without-heartbeat")
TOKEN_LATENCY_MS = 1500
"""How long the platform takes for a refresh while a process is stopped: so that it is stopped within one."""


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 10
    racers: int = 100
    processes: int = 4
    patience_s: float = 180.0


SMALL = Options(accounts=2, racers=10, processes=2)


@dataclass(frozen=True, slots=True)
class Raced:
    seconds: float
    doubled: int
    lost: int
    refreshes: int
    calls: int
    requests_unserved: int


def compare(options: Options) -> Result:
    found: dict[tuple[str, bool], Raced] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        urls = stack.enter_context(data_plane(folder))
        for stopped in (False, True):
            for who, race in (("celery", _celery), ("rookery", _rookery)):
                place = folder / f"{who}-{stopped}"
                place.mkdir()
                found[who, stopped] = race(options, place, urls, stopped=stopped)
                print(f"{who:8} {'one stopped' if stopped else 'calm':12} {found[who, stopped]}", flush=True)
    return _result(options, found)


def _rookery(options: Options, folder: Path, urls: Urls, *, stopped: bool) -> Raced:
    with sandbox() as emulated:
        control = emulated.control
        accounts, app = _accounts(control, options)
        Keys.create(folder / "keys.json")
        job = Job(
            control.url, app["client_id"], app["client_secret"], accounts, folder,
            mongodb=_database(urls.mongodb, folder.name), redis=urls.redis, database=folder.name,
        )  # fmt: skip
        assert job.mongodb is not None
        prepare(job.mongodb)
        if stopped:
            _slow_refreshes(control)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.workers.ours", str(options.racers)],
                env=os.environ | {"PYTHONPATH": str(Path.cwd())},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        process.stdin.write(job.line() + "\n")
        process.stdin.flush()
        try:
            if stopped:
                _stop_within_a_refresh(control, lambda: process.pid)
            out, _ = process.communicate(timeout=options.patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Spoiled("Rookery did not serve every request in time.") from None
        done = [line for line in out.splitlines() if line.startswith("done ")]
        if process.returncode != 0 or not done:
            raise Spoiled(f"Rookery's side failed: {(folder / 'log').read_text()[-800:]}")
        seconds = float(done[0].split()[1])
        return _judged(control, options, seconds, unserved=0)


def _celery(options: Options, folder: Path, urls: Urls, *, stopped: bool) -> Raced:
    with sandbox() as emulated, ExitStack() as stack:
        control = emulated.control
        accounts, app = _accounts(control, options)
        client: MongoClient[dict[str, Any]] = MongoClient(urls.mongodb)
        stack.callback(client.close)
        database = client[folder.name]
        database.accounts.insert_many(
            {
                "_id": a.external_id,
                "access_token": a.access_token,
                "refresh_token": a.refresh_token,
                "expires_at": 0.0,
                "locked_until": 0.0,
            }
            for a in accounts
        )
        settings = {
            "redis": urls.redis.rpartition("/")[0] + ("/2" if stopped else "/1"),
            "mongodb": urls.mongodb,
            "database": folder.name,
            "token_url": f"{control.url}/api.x.com/2/oauth2/token",
            "timeline_url": control.url + "/api.x.com/2/users/{}/tweets",
            "query": OWN,
            "client_id": app["client_id"],
            "client_secret": app["client_secret"],
            "lease_s": LEASE_S,
            "call_timeout_s": CALL_TIMEOUT_S,
            "visibility_timeout_s": 60,
        }
        environment = os.environ | {
            "BENCH_WORKERS": json.dumps(settings),
            "PYTHONPATH": str(Path.cwd()),
        }
        interpreter = str(peers.python())
        celery = [interpreter, "-m", "celery", "-A", "bench.workers.celery_app", "--quiet"]
        log = stack.enter_context((folder / "log").open("wb"))
        workers = subprocess.Popen(
            [*celery, "worker", "--loglevel", "ERROR", "--concurrency", str(options.processes), *_ALONE],
            env=environment,
            stdout=log,
            stderr=log,
        )
        stack.callback(_end, workers)
        _await_workers(workers.pid, options.processes)
        if stopped:
            _slow_refreshes(control)
        ids = [a.external_id for a in accounts for _ in range(options.racers)]
        subprocess.run(
            [interpreter, "-c", _ENQUEUE, json.dumps(ids)],
            env=environment,
            check=True,
            stdout=log,
            stderr=log,
        )
        began = time.perf_counter()
        if stopped:
            _stop_within_a_refresh(control, lambda: _lock_holder(database))
        seconds, served = _await_served(database, len(ids), began, options.patience_s)
        return _judged(control, options, seconds, unserved=len(ids) - served)


_ENQUEUE = """
import json, sys
from bench.workers.celery_app import app, refresh_and_sync
ids = json.loads(sys.argv[1])
with app.producer_pool.acquire(block=True) as producer:
    for account_id in ids:
        refresh_and_sync.apply_async((account_id,), producer=producer)
"""


def _await_served(database: Any, wanted: int, began: float, patience_s: float) -> tuple[float, int]:
    """Until every request was served, or none was for half a lease more than the longest stop."""
    served, changed = 0, time.perf_counter()
    while time.perf_counter() - began < patience_s:
        now = sum(row["n"] for row in database.done.find())
        if now != served:
            served, changed = now, time.perf_counter()
        if served >= wanted or time.perf_counter() - changed > STOPPED_S + LEASE_S:
            break
        time.sleep(0.1)
    return changed - began, served


def _await_workers(parent: int, wanted: int) -> None:
    """Until Celery has forked its processes, which it does when it is about to take tasks."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    deadline = time.perf_counter() + 60
    while len(children.read_text().split()) < wanted:
        if time.perf_counter() > deadline:
            raise Spoiled("Celery did not start its processes within a minute.")
        time.sleep(0.1)
    time.sleep(2.0)


def _lock_holder(database: Any) -> int:
    """The process that holds a row whose token was not refreshed yet, and so is refreshing it."""
    row = database.accounts.find_one({"locked_until": {"$gt": time.time()}, "expires_at": 0.0})
    if row is None:
        raise Spoiled("A refresh was under way and no row was locked.")
    return int(row["locked_by"].partition("-")[0])


def _slow_refreshes(control: Control) -> None:
    fault = {"kind": "latency", "latency_ms": TOKEN_LATENCY_MS, "platform": "twitter"}
    control.post("faults", fault | {"path": "oauth2/token"})


def _stop_within_a_refresh(control: Control, victim: Callable[[], int]) -> None:
    """Once a refresh is on its way, the process that sent it stands still for longer than a lease lasts."""
    deadline = time.perf_counter() + 30
    while not any(fault["hits"] for fault in control.get("faults")["faults"]):
        if time.perf_counter() > deadline:
            raise Spoiled("No refresh was sent within half a minute.")
        time.sleep(0.02)
    pid = victim()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    os.kill(pid, signal.SIGCONT)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _accounts(control: Control, options: Options) -> tuple[list[Account], Json]:
    made = [control.account(f"race-{n}", 50) for n in range(options.accounts)]
    for a in made:
        control.post(f"accounts/twitter/{a['external_id']}/token", {"action": "expire"})
    accounts = [Account(a["external_id"], a["username"], a["access_token"], a["refresh_token"]) for a in made]
    return accounts, made[0]["app"]


def _judged(control: Control, options: Options, seconds: float, *, unserved: int) -> Raced:
    ledger = control.get("ledger")
    killed = {g["external_id"] for g in ledger["grants"] if g["family_killed"]}
    refreshes = [r["outcome"] for r in ledger["refreshes"]]
    return Raced(
        seconds=round(seconds, 3),
        doubled=int(ledger["double_refreshes"]) + int(ledger["in_doubt_retries"]),
        lost=len(killed),
        refreshes=refreshes.count("rotated"),
        calls=sum(sum(statuses.values()) for statuses in ledger["calls"].values()),
        requests_unserved=unserved,
    )


def _database(url: str, name: str) -> str:
    head, _, options = url.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}" + (f"?{options}" if options else "")


def _result(options: Options, found: dict[tuple[str, bool], Raced]) -> Result:
    requests = options.accounts * options.racers

    def rate(who: str) -> float:
        raced = found[who, False]
        return (requests - raced.requests_unserved) / raced.seconds

    rows = []
    for stopped, when in ((False, "undisturbed"), (True, "while a process stood still within a refresh")):
        ours, theirs = found["rookery", stopped], found["celery", stopped]
        for what, name in (
            ("Refreshes doubled", "doubled"),
            ("Accounts lost", "lost"),
            ("Requests not served", "requests_unserved"),
            ("Calls to the platform", "calls"),
        ):
            target = 0.0 if name in ("doubled", "lost") else None
            rows.append(Row(f"{what}, {when}", "", getattr(ours, name), getattr(theirs, name), None, target))
    ours_rate, theirs_rate = rate("rookery"), rate("celery")
    return Result(
        name="workers",
        title=f"Requests to refresh and sync served, {options.racers} racing for each of {options.accounts} "
        "accounts, beside Celery with Redis and row locks",
        command="python -m bench workers",
        unit="requests/s",
        ours=round(ours_rate, 1),
        theirs=round(theirs_rate, 1),
        ratio=round(ours_rate / theirs_rate, 3),
        rows=rows,
        detail={
            "raced": {f"{who} {'stopped' if s else 'calm'}": asdict(r) for (who, s), r in found.items()},
            "lease_s": LEASE_S,
            "stopped_s": STOPPED_S,
            "peers": peers.versions("celery"),
            **asdict(options),
        },
    )
