"""Answers put before an adapter instead of the sandbox's: made up, or recorded and changed."""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import repeat
from typing import Any

import httpx
import msgspec

from domain.clock import ManualClock
from platforms import http as wire
from platforms.http import PlatformHttp, make_client
from platforms.outcome import Outcome
from tests.contract.platforms.place import SANDBOX, START

Ask = Callable[[PlatformHttp], Awaitable[Outcome[Any]]]

_NOWHERE = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
ELSEWHERE = "https://evil.example/x"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def response(self) -> httpx.Response:
        return httpx.Response(self.status, headers=list(self.headers), content=self.body)


@dataclass(frozen=True)
class Sent:
    host: str
    text: str  # address, headers and body: where a secret would be seen


async def asked(
    ask: Callable[[PlatformHttp], Awaitable[Outcome[Any]]], answers: Iterable[Answer]
) -> tuple[Outcome[Any], list[Sent]]:
    """The outcome of a call when these are the answers, the last one again and again; and what was sent."""
    sent: list[Sent] = []
    ways = _endless(answers)

    async def handle(request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        host = request.url.path.split("/")[1]  # as the sandbox is told it
        sent.append(Sent(host, f"{request.url} {request.headers.raw} {content!r}"))
        return next(ways).response()

    async with make_client(SANDBOX, httpx.MockTransport(handle)) as client:
        return await ask(PlatformHttp(client, ManualClock(START))), sent


class Canned(PlatformHttp):
    """The way out with everything but HTTP itself, which takes nine tenths of the time: one answer to every
    call. What it would not send, it does not."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(_NOWHERE, ManualClock(START))
        self._answer = wire.Answer(answer.status, dict(answer.headers), answer.body, START)

    def _request(self, call: wire.Call, trace: object) -> Any:
        return call

    async def _exchange(self, request: object) -> wire.Answer:
        return self._answer


def _endless(answers: Iterable[Answer]) -> Iterator[Answer]:
    last = Answer(500, (), b"")
    for answer in answers:
        yield (last := answer)
    yield from repeat(last)


# -- JSON ---------------------------------------------------------------------------------------------
def document(answer: Answer) -> Any:
    """The JSON of an answer; None when it has none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def with_document(answer: Answer, value: object) -> Answer:
    headers = tuple((n, v) for n, v in answer.headers if n != "content-length")
    return Answer(answer.status, headers, json.dumps(value).encode())


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside of a document, its root first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places_of(child, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at `path`; LEFT_OUT: without it."""
    if not path:
        return None if new is LEFT_OUT else new
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        changed = {k: replaced(v, rest, new) if k == head else v for k, v in value.items()}
        if not rest and new is LEFT_OUT:
            del changed[head]
        return changed
    items = [replaced(v, rest, new) if n == head else v for n, v in enumerate(value)]
    return items[:head] + items[head + 1 :] if not rest and new is LEFT_OUT else items


LEFT_OUT = object()


def with_unknown_fields(answer: Answer, maps: Collection[str]) -> Answer:
    """As a platform answers tomorrow: every object has something more to say, but `maps`."""

    def richer(value: Any) -> Any:
        if isinstance(value, list):
            return [richer(v) for v in value]
        if isinstance(value, dict):
            more = {"added_tomorrow": {"ids": [1, None], "x": "y"}, "also_added": "text"}
            return {k: v if k in maps else richer(v) for k, v in value.items()} | more
        return value

    value = document(answer)
    return answer if value is None else with_document(answer, richer(value))


# -- outcomes -----------------------------------------------------------------------------------------
def plain(value: Any) -> Any:
    """A value without the platform's own payload, which keeps whatever came."""
    names: Iterable[str] | None = None
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
    elif is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value))
    if names is not None:
        return type(value).__name__, {n: plain(getattr(value, n)) for n in names if n != "payload"}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value
