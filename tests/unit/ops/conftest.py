"""The command line as a shell sees it, and in front of the real API, which is in memory."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from ops import cli
from ops.remote import Remote
from storage.settings import Settings, variable
from tests.unit.api.conftest import Person, World, keys, world

__all__ = ["keys", "world"]


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def rookery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command's `main` in an empty folder (in this process: a new one takes seconds to import)."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["rookery", *arguments])
            for name, value in variables.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        shown = capsys.readouterr()
        return Ended(int(ended.value.code or 0), shown.out, shown.err)

    return run


class Bridge(httpx.BaseTransport):
    """From the command's thread to the API in the test's event loop."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = self._http.request(
            request.method, request.url, headers=request.headers.raw, content=request.read()
        )
        answer = asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=answer.content, request=request
        )


Ask = Callable[..., Awaitable[Ended]]


@pytest.fixture
async def ask(rookery: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command against the API in memory, by default as an admin."""
    monkeypatch.setattr("ops.commands.options.Remote", partial(Remote, transport=Bridge(world.http)))

    async def run(*arguments: str, by: Person | None = None) -> Ended:
        person = by or world.ours.admin
        return await asyncio.to_thread(rookery, *arguments, ROOKERY_API_KEY=person.api_key)

    return run
