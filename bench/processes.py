"""Server processes under measurement: start, CPU time of all they started, stop (Linux)."""

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

_PR_SET_CHILD_SUBREAPER = 36
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class NotStarted(Exception):
    """A server did not come up: one sentence and the end of its log."""


class Servers:
    """One command and whatever it starts."""

    def __init__(self, module: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, port: int, timeout_s: float) -> None:
        """Until something accepts connections there."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NotStarted(f"A server under measurement ended at once:\n{self._tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise NotStarted(
            f"A server under measurement did not listen within {timeout_s:.0f} s:\n{self._tail()}"
        )

    def cpu_s(self) -> float:
        """Seconds of CPU, user and system, that its living processes have used."""
        return sum(cpu_s(pid) for pid in descendants(self._process.pid))

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process has used; 0 when it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * _TICK_S if fields else 0.0


def rss(pid: int) -> int:
    """Resident bytes of a process; 0 when it is gone."""
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third (the state) on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def keep_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends (Ray's daemons do that), so that
    they stay in its tree."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl refused the child subreaper")


def descendants(root: int) -> Iterator[int]:
    """The process and all below it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children[pid]


def json_of(module: str, *arguments: object) -> Any:
    """What a module of ours prints as its last line, run in a fresh process."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NotStarted(f"{module} failed:\n" + "\n".join(done.stderr.splitlines()[-10:]))
    return orjson.loads(done.stdout.splitlines()[-1])
