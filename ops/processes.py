"""Child processes that cannot outlive their parent, and processes found again by number (Linux)."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# The kernel sends the parent-death signal when the *thread* that started the child ends. One thread that
# lives as long as the process makes that the same thing.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="process-starter")

# Runs in the child before the server: asks for SIGTERM at the parent's death, then becomes the server. (A
# `preexec_fn` would run Python between fork and exec, which is unsafe in a process with threads.)
_LEASHED = """
import ctypes, os, signal, sys
parent, command = int(sys.argv[1]), sys.argv[2:]
if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM) != 0:  # 1 = PR_SET_PDEATHSIG
    sys.exit("prctl refused the parent-death signal")
if os.getppid() != parent:
    sys.exit("the parent ended first")
os.execv(command[0], command)
"""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A running process, told apart from a later one that was given the same number."""

    pid: int
    started: int
    """Clock ticks from boot to its start."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """None when no such process runs; one that ended and waits for its parent does not run."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name in parentheses may hold anything; what follows its last ")" starts with field 3, the state.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def runs(self) -> bool:
        return ProcessId.of(self.pid) == self

    def name(self) -> str | None:
        """As the kernel shows it, up to 15 characters; None when it ended."""
        try:
            return Path(f"/proc/{self.pid}/comm").read_text().strip()
        except OSError:
            return None

    def folder(self) -> Path | None:
        """Its working folder; None when it ended or belongs to somebody else."""
        try:
            return Path(f"/proc/{self.pid}/cwd").readlink()
        except OSError:
            return None

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended in time. Works for processes that are not children, too."""
        return self._signal(None, timeout_s)

    def end(self, patience_s: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended after `patience_s`."""
        if not self._signal(signal.SIGTERM, patience_s):
            self._signal(signal.SIGKILL, patience_s)

    def _signal(self, number: signal.Signals | None, timeout_s: float) -> bool:
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.runs():  # looked at after opening, so that the signal cannot hit a successor
                return True
            if number is not None:
                signal.pidfd_send_signal(descriptor, number)
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(timeout_s * 1000))
        except ProcessLookupError:
            return True
        finally:
            os.close(descriptor)


def children() -> Iterator[ProcessId]:
    """The processes that this one started and that still run."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid() and (found := ProcessId.of(int(folder.name))):
            yield found


def start(
    command: Sequence[str],
    *,
    folder: Path,
    log: Path,
    env: Mapping[str, str],
    inherit: int,
    outlive: bool,
) -> subprocess.Popen[bytes]:
    """Start a server that writes to `log` and keeps the descriptor `inherit` open; see `leashed`."""
    with log.open("ab") as output:
        return (_session if outlive else leashed)(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(inherit,),
        )


def leashed(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child that is sent SIGTERM when this process ends, however that ends.

    It gets a session of its own, so that Ctrl-C in the terminal does not reach it; `options` are Popen's.
    """
    leash = [sys.executable, "-I", "-c", _LEASHED, str(os.getpid())]
    return _starter.submit(_session, [*leash, *command], **options).result()


def _session(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(list(command), start_new_session=True, **options)
