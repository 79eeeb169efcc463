"""Server processes under measurement: start, CPU time of all they started, stop."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

_MARK = "ROOKERY_BENCH_MARK"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class NotStarted(Exception):
    """A server did not come up: one sentence and the end of its log."""


class Servers:
    """One command and whatever it starts. Its descendants are found by a mark in their environment, because
    some (Ray's daemons, HAProxy) leave the process tree."""

    def __init__(self, module: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._mark = uuid.uuid4().hex
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=os.environ | env | {_MARK: self._mark},
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
        mark = f"{_MARK}={self._mark}".encode()
        return sum(cpu_s(pid) for pid in _pids() if mark in _environment(pid))

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
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
