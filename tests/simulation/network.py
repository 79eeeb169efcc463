"""The stores as one process sees them: requests travel, take effect over there, and answers travel back.

What a process sent may take effect after its end, or not at all; an answer may get lost; a bulk may be done
by half. The stores themselves are the tests' fakes, whose methods never wait.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol
from zlib import crc32

from domain.ids import EntityKey
from storage.records import StoreUnavailable
from tests.simulation.loop import Process, SimLoop

REDIS = frozenset({"mailboxes", "bus"})
READ_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request. `lost`: where it ends. `delay_s`: before it takes effect; `given_up`: the
    sender does not wait that long."""

    lost: str = ""  # "before", "after" or "half"
    delay_s: float = 0.0
    given_up: bool = False


GOES_WELL = Fate()


class StoreFaults(Protocol):
    def of_request(self, process: Process, service: str, method: str) -> Fate: ...

    def of_intent(self) -> float: ...


@dataclass(slots=True, eq=False)
class Request:
    """`epochs`: of a save, under which claim its sender believed to write. `unheard`: it took effect, and
    whoever sent it does not hear so."""

    process: Process
    service: str
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: asyncio.Future[Any]
    fate: Fate
    epochs: dict[EntityKey, int | None]
    unheard: bool = False


Watch = Callable[[Request, tuple[Any, ...], Any], None]
"""(request, the arguments that took effect, result): told directly after the effect."""


class Network:
    def __init__(self, loop: SimLoop, random: Random, faults: StoreFaults, watch: Watch) -> None:
        self._loop = loop
        self._random = random
        self._faults = faults
        self._watch = watch
        self._stores: dict[str, Any] = {}
        self._readers: list[Request] = []
        self.history = 0
        """Checksum of what took effect, in order."""
        self.away: set[str] = set()
        """Services that answer nobody."""
        self.block_s = 1.0
        """How long a read waits for news: longer than asked for, because every waking costs."""

    def add(self, service: str, store: Any) -> None:
        self._stores[service] = store

    def view(self, process: Process, service: str) -> Any:
        return _Remote(self, process, service)

    # -- requests -----------------------------------------------------------------------------------
    async def request(
        self, process: Process, service: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        answer = self._loop.create_future()
        fate = self._faults.of_request(process, service, method)
        epochs = {key: process.epoch_of(key) for key in args[0]} if method == "save_many" else {}
        request = Request(process, service, method, args, kwargs, answer, fate, epochs)
        if fate.lost == "before" or process.cut or service in self.away:
            self._loop.outside(0.0, self._fail, request)
            return await answer
        if method == "save_many" and any(save.document.get("intent") for save in args[0].values()):
            self._stall(process)
        self._loop.outside(fate.delay_s, self._serve, request)
        if fate.given_up:
            self._loop.outside(fate.delay_s * self._random.random(), self._fail, request)
        return await answer

    def _stall(self, process: Process) -> None:
        seconds = self._faults.of_intent()
        if seconds and not process.frozen:
            process.frozen = True
            self._loop.outside(seconds, self._loop.go_on, process)

    def _serve(self, request: Request) -> None:
        process = request.process
        gone = not process.alive or process.cut or request.service in self.away
        if gone and self._random.random() < 0.5:
            self._fail(request)
            return
        if request.method == "read":
            if not self._read(request):
                self._readers.append(request)
                self._loop.outside(self.block_s, self._expire, request)
            return
        try:
            if request.fate.lost == "half":
                self._half(request)
            else:
                self._effect(request, request.args)
        except StoreUnavailable as error:
            self._settle(request, error=error)

    def _effect(self, request: Request, args: tuple[Any, ...]) -> None:
        """Do it, tell the watch, answer."""
        method = getattr(self._stores[request.service], request.method)
        try:
            result = run_now(method(*args, **request.kwargs))
        except StoreUnavailable:
            raise
        except Exception as refused:  # an answer too: the store refuses what it was given
            self._settle(request, error=refused)
            return
        self._note(request, result)
        lost = bool(request.fate.lost) or request.process.cut or request.service in self.away
        request.unheard = lost or request.fate.given_up
        self._watch(request, args, result)
        if request.method in ("tell", "publish"):
            self.wake()
        if lost:
            raise StoreUnavailable("planned: the answer was lost")
        self._settle(request, result=result)

    def _note(self, request: Request, result: Any) -> None:
        outcome = sorted(result.items(), key=str) if request.method == "save_many" else ""
        call = f"{request.process} {request.service} {request.method}"
        line = f"{self.history} {self._loop.time()} {call} {outcome}"
        self.history = crc32(line.encode())

    def _half(self, request: Request) -> None:
        """Of the writes that are not one transaction, a part is done."""
        args = request.args
        if request.method == "save_many":
            kept = {k: s for k, s in args[0].items() if self._random.random() < 0.5}
            args = (kept, *args[1:])
        elif request.method == "upsert_many":
            some = [d for d in args[1] if self._random.random() < 0.5]
            args = (args[0], some, *args[2:])
        self._effect(request, args)

    # -- reads that wait ----------------------------------------------------------------------------
    def _read(self, request: Request) -> bool:
        method = self._stores[request.service].read
        found = run_now(method(*request.args[:-1], 0))
        if not found:
            return False
        self._settle(request, result=found)
        return True

    def wake(self) -> None:
        self._readers = [r for r in self._readers if not r.answer.done() and not self._read(r)]

    def _expire(self, request: Request) -> None:
        if request in self._readers:
            self._readers.remove(request)
            self._settle(request, result=[] if request.service == "bus" else {})

    def disconnect(self) -> None:
        """Redis went away: nobody waits there any more."""
        readers, self._readers = self._readers, []
        for request in readers:
            self._fail(request)

    # -- answers ------------------------------------------------------------------------------------
    def _fail(self, request: Request) -> None:
        self._settle(request, error=StoreUnavailable(f"planned: {request.service}.{request.method}"))

    def _settle(self, request: Request, result: Any = None, error: Exception | None = None) -> None:
        if request.answer.done():
            return
        if error is not None:
            request.answer.set_exception(error)
        else:
            request.answer.set_result(result)


class _Remote:
    """Stands in for any store: every method is a request."""

    def __init__(self, network: Network, process: Process, service: str) -> None:
        self._network = network
        self._process = process
        self._service = service

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        network, process, service = self._network, self._process, self._service

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await network.request(process, service, method, args, kwargs)

        setattr(self, method, call)
        return call


def run_now(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that does not wait."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a fake store waited for something")
