"""What a service that was killed leaves behind: HAProxy, which outlives the Ray that started it."""

import json
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ops.processes import ProcessId


class Scratch:
    """A folder of one run of the service, with a short name: Unix sockets allow 107 characters.

    The data folder remembers it, so that the next run finds the HAProxy of one that could not clean up: the
    folder is in its command line, and nobody else's.
    """

    def __init__(self, data_dir: Path) -> None:
        self._record = data_dir / "scratch.json"
        self._path: str | None = None

    def clear_former(self) -> None:
        """End what a former run left, unless that still runs."""
        try:
            known = json.loads(self._record.read_text())
            owner, path = ProcessId(**known["owner"]), str(known["path"])
        except (OSError, ValueError, TypeError, KeyError):  # there was none, or it ended while it wrote this
            return
        if not owner.runs():
            self._clear(path)

    def make(self) -> str:
        self._path = tempfile.mkdtemp(prefix="rookery-")
        owner = ProcessId.of(os.getpid())
        assert owner is not None  # noqa: S101
        self._record.write_text(json.dumps({"path": self._path, "owner": asdict(owner)}))
        return self._path

    def clear(self) -> None:
        if self._path is not None:
            self._clear(self._path)

    def _clear(self, path: str) -> None:
        for process in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if path in (process / "cmdline").read_text() and int(process.name) != os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)
        self._record.unlink(missing_ok=True)
