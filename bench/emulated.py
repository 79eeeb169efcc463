"""The sandbox as a process under a benchmark's control: started anew for every run, with the same content."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]

EPOCH_MS = 1_790_000_000_000
"""All seeded content lies before this moment, so that every run of every day reads the same."""


class Control:
    """Its control API. Raises httpx.HTTPStatusError for what it refuses."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_sandbox/", timeout=30, trust_env=False)

    def get(self, path: str) -> Json:
        return self._answer("GET", path)

    def post(self, path: str, body: Json) -> Json:
        return self._answer("POST", path, body)

    def put(self, path: str, body: Json) -> Json:
        return self._answer("PUT", path, body)

    def account(self, seed: str, posts: int, platform: str = "twitter") -> Json:
        return self.post("accounts", {"platform": platform, "seed": seed, "posts": posts})

    def calls(self) -> int:
        return int(self.get("ledger/summary")["calls"])

    def wait(
        self, until: Callable[[], bool], while_running: Callable[[], bool], every_s: float = 0.05
    ) -> bool:
        """Whether it came true before the other process ended."""
        while not until():
            if not while_running():
                return False
            time.sleep(every_s)
        return True

    def _answer(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._http.request(method, path, json=body)
        answer.raise_for_status()
        return dict(answer.json())

    def close(self) -> None:
        self._http.close()


@dataclass(frozen=True, slots=True)
class Emulated:
    control: Control
    pid: int


@contextmanager
def sandbox() -> Iterator[Emulated]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--accounts", "0", "--epoch-ms", str(EPOCH_MS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if "http://" not in line:
                raise RuntimeError("The sandbox did not start.")
            control = Control(line[line.index("http://") :].strip())
            yield Emulated(control, process.pid)
            control.close()
        finally:
            process.terminate()
