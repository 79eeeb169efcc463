"""What every puller is told and tells: one JSON line each way. Standard library only, because the peers run
in an environment of their own.

A puller says `ready` once everything is imported, reads its job, pulls, and ends with its `Pulled`.
"""

import json
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

PLATFORM = "https://api.x.com"
POST_FIELDS = "attachments,conversation_id,created_at,entities,id,lang,note_post,public_metrics,text"
MEDIA_FIELDS = "alt_text,duration_ms,height,media_key,preview_image_url,type,url,variants,width"
OWN = {
    "max_results": "100",
    "post.fields": POST_FIELDS,
    "media.fields": MEDIA_FIELDS,
    "expansions": "attachments.media_keys,edit_history_post_ids,referenced_posts",
}
"""What Rookery asks of X, so that everybody asks for the same pages."""
QUERIES: dict[str, dict[str, str]] = {
    "tweets": OWN,
    "mentions": OWN | {"expansions": OWN["expansions"] + ",author_id", "user.fields": "id,name,username"},
}
STREAMS = {"tweets": "posts", "mentions": "mentions"}
"""Last part of the path at X -> what it is called here."""
PARTITIONS = 4
"""Of our deployment; one host owns them all."""
BULK = 1000
"""Documents in one bulk upsert of a peer's loader."""


@dataclass(frozen=True)
class Account:
    external_id: str
    username: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True)
class Job:
    """`mongodb` and `redis` are None when what is pulled goes nowhere. `folder` is the puller's own and
    outlives it; there `written` counts documents handed to the server, one line a bulk."""

    sandbox: str
    client_id: str
    client_secret: str = field(repr=False)
    accounts: list[Account] = field(repr=False)
    folder: Path
    mongodb: str | None = None
    redis: str | None = None
    database: str = "bench"

    def line(self) -> str:
        return json.dumps(asdict(self) | {"folder": str(self.folder)})

    @classmethod
    def read(cls) -> Self:
        """Say that we are ready, and wait for the job."""
        print("ready", flush=True)
        raw: dict[str, Any] = json.loads(sys.stdin.readline())
        raw["accounts"] = [Account(**a) for a in raw["accounts"]]
        return cls(**raw | {"folder": Path(raw["folder"])})

    def url(self, account: Account, stream: str) -> str:
        return f"{self.sandbox}/api.x.com/2/users/{account.external_id}/{stream}"

    @property
    def token_url(self) -> str:
        return f"{self.sandbox}/api.x.com/2/oauth2/token"

    @property
    def written(self) -> "Written":
        return Written(self.folder / "written")


@dataclass(frozen=True)
class Written:
    path: Path

    def note(self, documents: int) -> None:
        """Straight to the kernel, so that a SIGKILL loses nothing of it."""
        with self.path.open("ab", buffering=0) as out:
            out.write(b"%d\n" % documents)

    def total(self) -> int:
        return sum(map(int, self.path.read_text().split())) if self.path.exists() else 0


@dataclass(frozen=True)
class Pulled:
    """`items`: rows the puller believes it pulled in this run. CPU is user and system of the whole process,
    without and with what it needed to start. `on_its_way_bytes`: rows that lie with the state until they are
    known to be where they belong."""

    items: int
    seconds: float
    cpu_s: float
    cpu_with_start_s: float
    state_bytes: int
    on_its_way_bytes: int = 0


class Stopwatch:
    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), _cpu_s()

    def tell(self, items: int, state_bytes: int, on_its_way_bytes: int = 0) -> None:
        """The puller's last line."""
        used = _cpu_s()
        pulled = Pulled(
            items, time.perf_counter() - self._began, used - self._cpu, used, state_bytes, on_its_way_bytes
        )
        print(json.dumps(asdict(pulled)), flush=True)


def _cpu_s() -> float:
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


class TokenFile:
    """Where a peer's user keeps tokens that rotate: one file per account, replaced as a whole."""

    def __init__(self, folder: Path, account: Account) -> None:
        self._path = folder / f"tokens-{account.external_id}.json"
        self._first = {"access_token": account.access_token, "refresh_token": account.refresh_token}

    def load(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else self._first

    def save(self, tokens: dict[str, str]) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(tokens))
        os.replace(temporary, self._path)
