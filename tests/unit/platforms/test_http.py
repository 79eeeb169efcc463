"""The way out: what each transport failure means, and what never gets out."""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from domain.clock import ManualClock
from domain.secrets import Secret
from platforms.http import (
    MAX_BODY_BYTES,
    Answer,
    Broken,
    Call,
    HostNotAllowed,
    NotSent,
    PlatformHttp,
    RewriteTransport,
    failure_of,
    make_client,
)
from platforms.instagram.spec import SPEC as INSTAGRAM
from platforms.outcome import Rejected, RetryAfter, Unknown
from platforms.twitter.spec import SPEC

TOKEN = Secret("tok-5up3rs3cr3t")
CALL = Call("GET", "https://api.x.com/2/users/me", "users", query={"a": "ä b"}, bearer=TOKEN)
Handle = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def http_to(handle: Handle, sandbox_url: str | None = None) -> AsyncIterator[PlatformHttp]:
    async with make_client(sandbox_url, httpx.MockTransport(handle)) as client:
        yield PlatformHttp(client, ManualClock())


async def sent_by(call: Call, sandbox_url: str | None = None) -> httpx.Request:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    async with http_to(handle, sandbox_url) as http:
        assert isinstance(await http.send(SPEC, call), Answer)
    return seen[0]


async def test_a_call_as_the_platform_sees_it() -> None:
    request = await sent_by(CALL)
    assert str(request.url) == "https://api.x.com/2/users/me?a=%C3%A4+b"
    assert request.headers["authorization"] == "Bearer tok-5up3rs3cr3t"
    assert request.headers["user-agent"].startswith("rookery/")
    form = Call(
        "POST", "https://api.x.com/2/oauth2/token", "oauth", form={"code": Secret("c d")}, basic=("i", TOKEN)
    )
    request = await sent_by(form)
    assert request.content == b"code=c+d"
    assert request.headers["authorization"].startswith("Basic ")
    assert (
        await sent_by(Call("POST", "https://api.x.com/2/webhooks", "w", json={"url": "u"}))
    ).content == b'{"url":"u"}'


async def test_the_sandbox_gets_the_same_call_at_its_own_address() -> None:
    request = await sent_by(CALL, "http://127.0.0.1:8900/base/")
    assert str(request.url) == "http://127.0.0.1:8900/base/api.x.com/2/users/me?a=%C3%A4+b"
    assert request.headers["host"] == "127.0.0.1:8900"
    assert request.headers["authorization"] == "Bearer tok-5up3rs3cr3t"


@pytest.mark.parametrize("address", ["", "127.0.0.1:8900", "ftp://x", "http://"])
def test_a_sandbox_address_must_be_one(address: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        RewriteTransport(address, httpx.MockTransport(lambda r: httpx.Response(200)))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.x.com/2/users/me",
        "https://api.x.com.evil.example/",
        "https://x.com/",
        "https://api.x.com@evil.example/",
    ],
)
async def test_no_token_leaves_for_another_host(url: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError("sent")

    async with http_to(handle) as http:
        with pytest.raises(HostNotAllowed) as caught:
            await http.send(SPEC, Call("GET", url, "users", bearer=TOKEN))
    assert TOKEN.reveal() not in str(caught.value)


@pytest.mark.parametrize(
    "carried",
    [
        {"bearer": TOKEN},
        {"basic": ("app", TOKEN)},
        {"headers": {"Authorization": TOKEN}},
        {"headers": {"Access-Token": TOKEN}},  # TikTok's business service
        {"headers": {"x-tts-access-token": TOKEN}},  # TikTok Shop
    ],
)
async def test_a_host_of_files_gets_no_token(carried: dict[str, Any]) -> None:
    url = f"https://{SPEC.file_hosts[0]}/x.json.gz"
    async with http_to(lambda request: httpx.Response(200)) as http:
        assert isinstance(await http.send(SPEC, Call("GET", url, "files")), Answer)
        with pytest.raises(HostNotAllowed):
            await http.send(SPEC, Call("GET", url, "files", **carried))


async def test_redirects_are_not_followed() -> None:
    hosts = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://evil.example/"})

    async with http_to(handle) as http:
        answer = await http.send(SPEC, CALL)
    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert hosts == ["api.x.com"]


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("http://sandbox.test/base/api.x.com/up?id=1", "https://api.x.com/up?id=1"),
        ("http://sandbox.test/basement/x", "http://sandbox.test/basement/x"),
        ("https://evil.example/", "https://evil.example/"),
    ],
)
async def test_an_address_of_the_sandbox_comes_back_as_the_real_one(location: str, seen: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={}, headers={"location": location})

    async with http_to(handle, "http://sandbox.test/base") as http:
        answer = await http.send(SPEC, CALL)
    assert isinstance(answer, Answer)
    assert answer.headers["location"] == seen


async def test_cookies_do_not_tie_accounts_together() -> None:
    cookies = []

    def handle(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("cookie"))
        return httpx.Response(200, json={}, headers={"set-cookie": "guest=1; Domain=.x.com; Path=/"})

    async with http_to(handle) as http:
        await http.send(SPEC, CALL)
        await http.send(SPEC, CALL)
    assert cookies == [None, None]


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_is_bounded(packed: bool) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    headers = {"content-encoding": "gzip"} if packed else {}
    content = gzip.compress(body) if packed else body
    async with http_to(lambda r: httpx.Response(200, content=content, headers=headers)) as http:
        assert await http.send(SPEC, CALL) == Broken("too_large")
    assert isinstance(failure_of(Broken("too_large"), None), Rejected)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (httpx.ConnectError("x"), NotSent("connect_failed")),
        (httpx.ConnectTimeout("x"), NotSent("connect_timeout")),
        (httpx.PoolTimeout("x"), NotSent("too_many_connections")),
        (httpx.ReadTimeout("x"), Broken("timeout")),
        (httpx.WriteError("x"), Broken("disconnected")),
        (httpx.ReadError("x"), Broken("disconnected")),
        (httpx.RemoteProtocolError("x"), Broken("half_answer")),
        (httpx.DecodingError("x"), Broken("half_answer")),
    ],
)
async def test_transport_errors_are_translated(error: Exception, result: object) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    async with http_to(handle) as http:
        assert await http.send(SPEC, CALL) == result


@pytest.mark.parametrize(
    "call",
    [
        Call("GET", "https://api.x.com/2/tweets/1\n2", "users"),
        Call("GET", "https://api.x.com/2/tweets/\ud800", "users"),
        Call("GET", f"https://api.x.com/2/{'9' * 70_000}", "users"),
        Call("GET", "https://api.x.com/2/tweets", "users", query={"pagination_token": "\ud800"}),
        Call("GET", "https://api.x.com/2/tweets", "users", query={"pagination_token": "9" * 70_000}),
        Call("POST", "https://api.x.com/2/tweets", "users", form={"a": "\ud800"}),
        Call("GET", "https://api.x.com/2/tweets", "users", headers={"If-None-Match": "ü"}),
    ],
)
async def test_what_fits_into_no_request_is_refused(call: Call) -> None:
    """Ids, cursors and marks come from platforms, and go back to them."""

    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError("sent")

    async with http_to(handle) as http:
        result = await http.send(SPEC, call)
    assert isinstance(result, NotSent)
    assert isinstance(failure_of(result, "spent"), Rejected), "trying again would not help"


def test_what_a_transport_failure_means() -> None:
    assert isinstance(failure_of(NotSent("connect_failed"), "spent"), RetryAfter)
    assert failure_of(Broken("timeout"), "spent") == Unknown("spent")
    assert isinstance(failure_of(Broken("timeout"), None), RetryAfter)


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[str]:
    """A server that reads a request, then sends `answer` and hangs up, or with None says nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        if answer is None:
            await reader.read()  # until the client goes
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def send_over_network(url: str, timeout_s: float) -> Answer | NotSent | Broken:
    async with make_client(url) as client:
        return await PlatformHttp(client, ManualClock()).send(SPEC, CALL, timeout_s)


async def test_time_running_out_after_sending_is_told_from_before() -> None:
    async with listening(None) as address:
        assert await send_over_network(f"http://{address}", 0.5) == Broken("timeout")
        # The same silence during the TLS handshake: the request never left.
        assert await send_over_network(f"https://{address}", 0.5) == NotSent("timeout")
    assert await send_over_network(f"http://{address}", 5.0) == NotSent("connect_failed")


async def test_half_an_answer_over_the_network() -> None:
    half = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"data":'
    async with listening(half) as address:
        assert await send_over_network(f"http://{address}", 5.0) == Broken("half_answer")
    async with listening(b"") as address:
        assert await send_over_network(f"http://{address}", 5.0) == Broken("half_answer")


async def test_a_wait_for_a_turn_counts_as_not_sent() -> None:
    async with http_to(lambda r: httpx.Response(200, json={})) as http:
        results = await asyncio.gather(*(http.send(SPEC, CALL, 0.5) for _ in range(150)))
        other = await http.send(SPEC, Call("GET", CALL.url, "tweets", bearer=TOKEN), 0.5)
    assert sum(isinstance(r, Answer) for r in results) >= 50
    assert NotSent("timeout") in results
    assert isinstance(other, Answer), "another API family has its own pace"


def test_tls_is_1_3_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    real = httpx.AsyncHTTPTransport

    def transport(*, verify: ssl.SSLContext, **kwargs: object) -> httpx.AsyncBaseTransport:
        contexts.append(verify)
        return real(verify=verify)

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", transport)
    make_client()
    (context,) = contexts
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_tokens_stay_out_of_logs_and_reprs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = "https://graph.instagram.com/refresh_access_token"
    call = Call("GET", url, "oauth", query={"access_token": TOKEN}, form={"s": TOKEN}, basic=("i", TOKEN))
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"access_token": TOKEN.reveal()}, headers={"x-echo": TOKEN.reveal()})

    async with http_to(handle) as http:
        answer = await http.send(INSTAGRAM, call)
    assert TOKEN.reveal() in seen[0], "the platform does get it"
    assert TOKEN.reveal() not in caplog.text
    assert TOKEN.reveal() not in repr(call) + repr(answer)


def test_seconds_until_uses_the_platforms_clock() -> None:
    now = ManualClock().now()
    theirs = now + timedelta(hours=3)  # our clock is three hours slow
    answer = Answer(429, {"date": format_datetime(theirs, usegmt=True)}, b"", now)
    assert answer.seconds_until(int(theirs.timestamp()) + 60) == 60
    for date in ({}, {"date": "yesterday"}):
        assert Answer(429, date, b"", now).seconds_until(int(now.timestamp()) + 60) == 60
