"""`python -m bench sync`: accounts pulled from X, emulated, by Rookery, by dlt and by airbyte-cdk.

Everybody asks for the same pages, meets a 429 spell when a quarter of them is read and a dead access token
at half, and writes either nowhere or into the same document server. Then each is killed in the middle
(SIGKILL), started again, and judged by the sandbox's ledger and by what lies in the server. A run that does
not end with every row spoils the benchmark.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from bench import peers
from bench.emulated import Control, sandbox
from bench.results import Result, Row, Spoiled
from bench.sync.job import PARTITIONS, QUERIES, STREAMS, Account, Job, Pulled
from ops.embedded import DataPlane, Urls
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo import schema

TIMELINE, MENTIONS = "GET /2/users/:id/tweets", "GET /2/users/:id/mentions"
SPELL_S = 2.0
LOOK_EVERY_S = 0.01
ATTEMPTS = 3
"""A run that met no 429 spell or no dead token, because we looked too late, is made again."""
CONTENDERS = ("rookery", "dlt", "airbyte-cdk")
_MODULES = {
    "rookery": "bench.sync.ours",
    "dlt": "bench.sync.peer_dlt",
    "airbyte-cdk": "bench.sync.peer_airbyte",
}
_COLLECTIONS = {
    "rookery": ("social_content", "social_comments"),
    "dlt": tuple(STREAMS.values()),
    "airbyte-cdk": tuple(STREAMS.values()),
}


LIMIT = (
    "dlt and airbyte-cdk hand rows on as they came. Here every item is normalised, searched for prices, "
    "codes and links, its original compressed and sealed, and the account saved once a page; that is most "
    "of the time per item (decision 26). Less would be another product, or that part in a compiled language. "
    "Into the server a page is written twice, each time acknowledged by the journal: with the account's "
    "document, as what is owed to the other collections, and there. That is why after kill -9 only the pages "
    "that were in flight are fetched again. After the 429 spell Rookery waits until the moment that the "
    "platform names, in whole seconds, and between the lists it asks the store what to read again by id: "
    "together three to four seconds of a run of seven."
)


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 4
    posts: int = 1000
    rounds: int = 3
    patience_s: float = 400.0


SMALL = Options(accounts=2, posts=1000, rounds=1)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the accounts hold: ids per list, and the pages it takes to read them."""

    ids: Mapping[str, frozenset[str]]
    pages: int

    @property
    def items(self) -> int:
        return sum(map(len, self.ids.values()))


@dataclass(frozen=True, slots=True)
class Killed:
    """What a SIGKILL in the middle and a restart cost. `doubled`: rows that are there more than once."""

    pages_again: int
    documents_again: int
    doubled: int
    lost: int
    state_bytes: int
    on_its_way_bytes: int
    seconds: float  # from the restart to every row


@dataclass(slots=True)
class Found:
    nothing: list[Pulled] = field(default_factory=list)
    server: list[Pulled] = field(default_factory=list)
    killed: Killed | None = None


def compare(options: Options) -> Result:
    interpreters = {who: Path(sys.executable) if who == "rookery" else peers.python() for who in CONTENDERS}
    found = {who: Found() for who in CONTENDERS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        urls = stack.enter_context(data_plane(folder))
        bench = _Bench(options, folder, urls, interpreters, _expected(options))
        print(f"{bench.expected.items} rows in {bench.expected.pages} pages", flush=True)
        for _ in range(options.rounds):
            for who in CONTENDERS:
                for kept, runs in ((False, found[who].nothing), (True, found[who].server)):
                    runs.append(bench.run(who, kept=kept))
                    print(f"{who:12}{'server ' if kept else 'nothing'} {_line(runs[-1])}", flush=True)
        for who in CONTENDERS:
            found[who].killed = bench.killed(who)
            print(f"{who:12}killed  {found[who].killed}", flush=True)
    return _result(options, bench.expected, found)


class _Bench:
    def __init__(
        self, options: Options, folder: Path, urls: Urls, interpreters: Mapping[str, Path], expected: Expected
    ) -> None:
        self._options, self._folder, self._urls = options, folder, urls
        self._interpreters = interpreters
        self.expected = expected
        self._runs = 0

    def run(self, who: str, *, kept: bool) -> Pulled:
        """From nothing to every row; with the 429 spell and the dead tokens on the way."""
        for _ in range(ATTEMPTS):
            if (pulled := self._run(who, kept=kept)) is not None:
                return pulled
        raise Spoiled(f"{who} met no 429 spell or no dead token: more accounts or posts are needed.")

    def _run(self, who: str, *, kept: bool) -> Pulled | None:
        with sandbox() as emulated:
            control = emulated.control
            job = self._job(control, kept=kept)
            puller = self._start(who, job)
            quarter, half = self.expected.pages / 4, self.expected.pages / 2
            if control.wait(lambda: control.calls() >= quarter, puller.runs, LOOK_EVERY_S):
                spell = {"kind": "status", "status": 429, "seconds": SPELL_S, "platform": "twitter"}
                control.post("faults", spell | {"path": "^/2/users/"})
            if control.wait(lambda: _answered(control) >= half, puller.runs, LOOK_EVERY_S):
                for account in job.accounts:
                    control.post(f"accounts/twitter/{account.external_id}/token", {"action": "expire"})
            pulled = puller.finish(self._options.patience_s)
            summary = control.get("ledger/summary")
        if not summary["rate_limited"] or not summary["refreshes"].get("rotated"):
            return None
        if summary["double_refreshes"]:
            raise Spoiled(f"{who} presented a spent refresh token.")
        if kept:
            _, doubled, lost = self._judge(who, job)
            if doubled or lost:
                raise Spoiled(f"{who} ended with {lost} rows missing and {doubled} doubled.")
        elif pulled.items != self.expected.items:
            raise Spoiled(f"{who} read {pulled.items} rows of {self.expected.items}.")
        return pulled

    def killed(self, who: str) -> Killed:
        with sandbox() as emulated:
            control = emulated.control
            job = self._job(control, kept=True)
            puller = self._start(who, job)
            control.wait(lambda: control.calls() >= self.expected.pages / 2, puller.runs, LOOK_EVERY_S)
            puller.kill()
            pulled = self._start(who, job).finish(self._options.patience_s)
            pages = _pages(control)
        documents, doubled, lost = self._judge(who, job)
        again = job.written.total() - documents
        return Killed(
            pages - self.expected.pages,
            max(0, again),
            doubled,
            lost,
            pulled.state_bytes,
            pulled.on_its_way_bytes,
            round(pulled.seconds, 1),
        )

    def _job(self, control: Control, *, kept: bool) -> Job:
        self._runs += 1
        name = f"run{self._runs}"
        folder = self._folder / name
        folder.mkdir()
        Keys.create(folder / "keys.json")
        accounts, app = _accounts(control, self._options)
        job = Job(control.url, app["client_id"], app["client_secret"], accounts, folder)
        if not kept:
            return job
        url = f"{self._urls.mongodb.split('?')[0].rstrip('/')}"
        base = url if url.count("/") == 2 else url.rpartition("/")[0]
        return Job(
            job.sandbox, job.client_id, job.client_secret, accounts, folder,
            mongodb=f"{base}/{name}", redis=self._urls.redis, database=name,
        )  # fmt: skip

    def _start(self, who: str, job: Job) -> "_Puller":
        if who == "rookery" and job.mongodb is not None:
            # A deployment's indexes exist before its first account does.
            prepare(job.mongodb)
        return _Puller(self._interpreters[who], _MODULES[who], job)

    def _judge(self, who: str, job: Job) -> tuple[int, int, int]:
        """Documents in the server, rows doubled, rows lost."""
        client: MongoClient[dict[str, Any]] = MongoClient(job.mongodb)
        documents = doubled = lost = 0
        for collection, name in zip(_COLLECTIONS[who], STREAMS.values(), strict=True):
            rows = client[job.database][collection].find({}, {"_id": 1})
            ids = [str(row["_id"]).rpartition("|")[2] for row in rows]
            documents += len(ids)
            doubled += len(ids) - len(set(ids))
            lost += len(self.expected.ids[name] - set(ids))
        client.close()
        return documents, doubled, lost


class _Puller:
    def __init__(self, interpreter: Path, module: str, job: Job) -> None:
        self._log = job.folder / "log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(interpreter), "-m", module],
                env=os.environ | {"PYTHONPATH": str(Path.cwd())},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise Spoiled(f"{module} did not start: {self._tail()}")
        self._process.stdin.write(job.line() + "\n")
        self._process.stdin.flush()

    def runs(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def finish(self, patience_s: float) -> Pulled:
        try:
            out, _ = self._process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Spoiled(f"A puller did not end within {patience_s:.0f} s: {self._tail()}") from None
        if self._process.returncode != 0:
            raise Spoiled(f"A puller failed: {self._tail()}")
        return Pulled(**json.loads(out.splitlines()[-1]))

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-1500:]


@contextmanager
def data_plane(folder: Path) -> Iterator[Urls]:
    plane = DataPlane(folder / "data")
    try:
        yield plane.start(os.environ.get("MONGODB_URL"))
    finally:
        plane.stop()


def prepare(url: str) -> None:
    """The collections and indexes that a host wants."""

    async def made() -> None:
        database = mongo.connect(url)
        await schema.prepare(database, PARTITIONS)
        database.client.close()

    asyncio.run(made())


def _accounts(control: Control, options: Options) -> tuple[list[Account], dict[str, Any]]:
    made = [control.account(f"bench-{n}", options.posts) for n in range(options.accounts)]
    accounts = [Account(a["external_id"], a["username"], a["access_token"], a["refresh_token"]) for a in made]
    return accounts, made[0]["app"]


def _pages(control: Control) -> int:
    """Pages given out so far. It shows the whole ledger, so it is for the end."""
    calls = control.get("ledger")["calls"]
    return sum(int(calls.get(operation, {}).get("200", 0)) for operation in (TIMELINE, MENTIONS))


def _answered(control: Control) -> int:
    """Calls but those that were refused with 429: nearly the pages given out, for less."""
    summary = control.get("ledger/summary")
    return int(summary["calls"]) - int(summary["rate_limited"])


def _expected(options: Options) -> Expected:
    """Read once, page by page, with nothing in the way."""
    ids: dict[str, set[str]] = {name: set() for name in STREAMS.values()}
    pages = 0
    with sandbox() as emulated, httpx.Client(timeout=30, trust_env=False) as http:
        accounts, _ = _accounts(emulated.control, options)
        job = Job(emulated.control.url, "", "", accounts, Path())
        for account in accounts:
            for stream, name in STREAMS.items():
                query = dict(QUERIES[stream])
                while True:
                    bearer = {"Authorization": f"Bearer {account.access_token}"}
                    page = http.get(job.url(account, stream), params=query, headers=bearer).json()
                    pages += 1
                    ids[name] |= {row["id"] for row in page.get("data", [])}
                    following = page.get("meta", {}).get("next_token")
                    if following is None:
                        break
                    query["pagination_token"] = following
    return Expected({name: frozenset(found) for name, found in ids.items()}, pages)


def _line(pulled: Pulled) -> str:
    return (
        f"{pulled.items / pulled.seconds:7.0f} items/s  {_cpu(pulled):6.2f} s CPU per 10,000 items  "
        f"(with its start {pulled.cpu_with_start_s / pulled.items * 1e4:.2f})"
    )


def _cpu(pulled: Pulled) -> float:
    """CPU seconds per 10,000 items."""
    return pulled.cpu_s / pulled.items * 1e4


def _result(options: Options, expected: Expected, found: Mapping[str, Found]) -> Result:
    def cpu(who: str, runs: str) -> float:
        return float(statistics.median(_cpu(p) for p in getattr(found[who], runs)))

    def rate(who: str, runs: str) -> float:
        return float(statistics.median(p.items / p.seconds for p in getattr(found[who], runs)))

    rows, peers_of = [], CONTENDERS[1:]
    for runs, where in (("nothing", "into nothing"), ("server", "into the document server")):
        for peer in peers_of:
            ours, theirs = cpu("rookery", runs), cpu(peer, runs)
            target = 2.0 if runs == "nothing" else None
            rows.append(
                Row(f"CPU for 10,000 items, {where}, beside {peer}", "s", ours, theirs, theirs / ours, target)
            )
        for peer in peers_of:
            ours, theirs = rate("rookery", runs), rate(peer, runs)
            target = 1.0 if runs == "server" else None
            rows.append(
                Row(
                    f"Items per second, {where}, beside {peer}",
                    "items/s",
                    ours,
                    theirs,
                    ours / theirs,
                    target,
                )
            )
    for peer in peers_of:
        ours_, theirs_ = found["rookery"].killed, found[peer].killed
        assert ours_ is not None and theirs_ is not None
        for what, unit in (
            ("pages_again", "pages"), ("documents_again", "documents"), ("doubled", "rows"),
            ("lost", "rows"), ("state_bytes", "bytes"), ("on_its_way_bytes", "bytes"), ("seconds", "s"),
        ):  # fmt: skip
            a, b = getattr(ours_, what), getattr(theirs_, what)
            rows.append(Row(f"{_WORDS[what]}, beside {peer}", unit, a, b, None))
    ours = cpu("rookery", "nothing")
    theirs = min(cpu(peer, "nothing") for peer in peers_of)
    return Result(
        name="sync",
        title="CPU for 10,000 items pulled into nothing, beside the better of dlt and airbyte-cdk",
        command="python -m bench sync",
        unit="s",
        ours=round(ours, 3),
        theirs=round(theirs, 3),
        ratio=round(theirs / ours, 3),
        target=2.0,
        rows=rows,
        limit=LIMIT,
        detail={
            "accounts": options.accounts,
            "items": expected.items,
            "pages": expected.pages,
            "rounds": options.rounds,
            "server": "MONGODB_URL" if os.environ.get("MONGODB_URL") else "embedded (secantusdb)",
            "peers": peers.versions("dlt", "airbyte-cdk"),
            "ours_re_reads": "after its lists Rookery reads the newest content again by id; not counted",
        },
    )


_WORDS = {
    "pages_again": "Pages fetched again after kill -9 in the middle",
    "documents_again": "Documents written again after it",
    "doubled": "Rows that are there twice after it",
    "lost": "Rows missing after it",
    "state_bytes": "Saved state",
    "on_its_way_bytes": "Rows that lie with it until they are known to be written",
    "seconds": "From the restart after it to every row",
}
