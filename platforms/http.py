"""The one way out to the platforms: TLS 1.3, bounded in time and size, no redirects, tokens only to known
hosts, and every transport failure translated into what it means for the caller.

Nothing here puts a token, or an address with its query, into an exception, a log or a repr.
"""

import asyncio
import logging
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
from aiolimiter import AsyncLimiter

from domain.clock import Clock
from domain.secrets import Secret
from platforms.outcome import Failure, LimitScope, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec
from platforms.wire import NotJson, decode, encode

MAX_BODY_BYTES = 10 * 1024 * 1024
WHOLE_TIMEOUT_S = 30.0
_TIMEOUT = httpx.Timeout(connect=5.0, read=20.0, write=10.0, pool=5.0)
_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50)
_USER_AGENT = "rookery/0.1"
# Far above any account's budget: pacing only smooths the bursts of many accounts behind one address.
_CALLS_PER_SECOND = 50
_FAULT_RETRY_S = 15.0
_UNWRITABLE = "unwritable"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of a known number, streamed: nothing holds them all. `chunks` is called once for each sending."""

    size: int
    content_type: str
    chunks: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as an adapter says it. Secrets stay wrapped until the request is built."""

    method: str
    url: str  # https, without query
    family: str  # API family: the pacing bucket
    query: Mapping[str, str | Secret] = field(default_factory=dict)
    form: Mapping[str, str | Secret] | None = None
    json: object = field(default=None, repr=False)
    body: "Body | None" = None
    headers: Mapping[str, str | Secret] = field(default_factory=dict)  # beside the usual ones
    bearer: Secret | None = None
    basic: tuple[str, Secret] | None = None
    repeated: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of the query: once for each value


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer, whatever its status. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime

    def document(self) -> dict[str, object] | None:
        """The JSON object of the body; None for HTML, half a body or any other JSON value."""
        try:
            value = decode(self.body)
        except NotJson:
            return None
        return value if isinstance(value, dict) else None

    def seconds_until(self, unix_s: int) -> float:
        """Seconds from this answer until a moment the platform named, by the platform's own clock where the
        answer carries it: our clock being wrong must not park an account."""
        try:
            at = parsedate_to_datetime(self.headers["date"])
        except (KeyError, ValueError):
            at = self.received_at
        return unix_s - at.replace(tzinfo=at.tzinfo or UTC).timestamp()


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing reached the platform: the same call is safe to repeat."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The request went out and no whole answer came back: it may or may not have happened."""

    reason: str


class HostNotAllowed(ValueError):
    """An adapter aimed a call at a host that its spec does not list: a mistake in the code."""


class PlatformHttp:
    """Sends calls and never raises for what the network or the platform does. One per event loop."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._pacing: dict[tuple[str, str], AsyncLimiter] = {}

    def now(self) -> datetime:
        """The time that calls are made at, for platforms whose requests carry a signed one."""
        return self._clock.now()

    async def send(
        self, spec: PlatformSpec, call: Call, timeout_s: float = WHOLE_TIMEOUT_S
    ) -> Answer | NotSent | Broken:
        """`timeout_s` bounds everything, the wait for a turn included. Raises HostNotAllowed."""
        try:
            url = httpx.URL(call.url)
        except (httpx.InvalidURL, UnicodeError):
            return NotSent(_UNWRITABLE)
        secret_header = any(isinstance(value, Secret) for value in call.headers.values())
        carries_token = call.bearer is not None or call.basic is not None or secret_header
        hosts = spec.hosts if carries_token else (*spec.hosts, *spec.file_hosts)
        if url.scheme != "https" or url.host not in hosts:
            raise HostNotAllowed(f"{spec.name} does not list the host {url.host!r}")
        trace = _Trace()
        try:
            async with asyncio.timeout(timeout_s):
                await self._turn(url.host, call.family)
                trace.handed_over = True
                return await self._exchange(self._request(call, trace))
        except TimeoutError:
            return Broken("timeout") if trace.may_have_been_sent else NotSent("timeout")
        except (httpx.InvalidURL, UnicodeError):
            # What a platform gave (an id, a cursor) and gets back does not fit into a request.
            return NotSent(_UNWRITABLE)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(_REASONS.get(type(error), "connect_failed"))
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
            return NotSent("request_malformed")
        except httpx.RequestError as error:
            return Broken(_REASONS.get(type(error), "disconnected"))

    async def _turn(self, host: str, family: str) -> None:
        limiter = self._pacing.get((host, family))
        if limiter is None:
            limiter = self._pacing[host, family] = AsyncLimiter(_CALLS_PER_SECOND, 1.0)
        await limiter.acquire()

    def _request(self, call: Call, trace: "_Trace") -> httpx.Request:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if call.bearer is not None:
            headers["Authorization"] = f"Bearer {call.bearer.reveal()}"
        elif call.basic is not None:
            user, password = call.basic
            pair = b64encode(f"{user}:{password.reveal()}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        content: bytes | AsyncIterator[bytes] | None = None
        if call.json is not None:
            content, headers["Content-Type"] = encode(call.json), "application/json"
        elif call.body is not None:
            content, headers["Content-Type"] = call.body.chunks(), call.body.content_type
            headers["Content-Length"] = str(call.body.size)  # or httpx would send it in chunks
        headers |= _revealed(call.headers)
        return self._client.build_request(
            call.method,
            call.url,
            params=[*_revealed(call.query).items(), *((n, v) for n, vs in call.repeated.items() for v in vs)],
            data=None if call.form is None else _revealed(call.form),
            content=content,
            headers=headers,
            extensions={"trace": trace},
        )

    async def _exchange(self, request: httpx.Request) -> Answer | Broken:
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Broken("too_large")
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body), self._clock.now())


def failure_of(result: NotSent | Broken, once: str | None) -> Failure:
    """What a transport failure means. `once` says what may have happened when the call must not be repeated
    blindly; None for a call that is safe to repeat."""
    if isinstance(result, NotSent) and result.reason == _UNWRITABLE:
        return Rejected(_UNWRITABLE, "A value of this call cannot be written into a request.")
    if isinstance(result, NotSent):
        return RetryAfter(_FAULT_RETRY_S, LimitScope.ACCOUNT, f"not_sent: {result.reason}")
    if once is not None:
        return Unknown(once)
    if result.reason == "too_large":
        return Rejected("too_large", "The platform's answer is larger than Rookery accepts.")
    return RetryAfter(_FAULT_RETRY_S, LimitScope.ACCOUNT, f"no_answer: {result.reason}")


def make_client(
    sandbox_url: str | None = None, network: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """The client `PlatformHttp` sends with. With `sandbox_url` every call goes to the sandbox instead.

    `network` replaces the real network (tests: an in-process ASGI app). Raises ValueError for an address that
    is not http(s).
    """
    # httpx logs every address with its query at INFO, and some platforms take tokens there.
    logging.getLogger("httpx").addFilter(_no_addresses)
    if network is None:
        context = httpx.create_ssl_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        network = httpx.AsyncHTTPTransport(verify=context, limits=_LIMITS)
    transport = network if sandbox_url is None else RewriteTransport(sandbox_url, network)
    # A platform's cookies would tie the accounts behind one client together: none are kept.
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, cookies=no_cookies)


class RewriteTransport(httpx.AsyncBaseTransport):
    """Sends `https://graph.facebook.com/x` to `{sandbox}/graph.facebook.com/x`, and turns an address that the
    answer gives in `Location` back into the real one; nothing else changes."""

    def __init__(self, sandbox_url: str, network: httpx.AsyncBaseTransport) -> None:
        self._base = httpx.URL(sandbox_url.rstrip("/"))
        if self._base.scheme not in ("http", "https") or not self._base.host:
            raise ValueError(f"The sandbox address {sandbox_url!r} is not an http(s) address.")
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        real = request.url
        path = f"{self._base.raw_path.decode().rstrip('/')}/{real.host}{real.raw_path.decode()}"
        headers = request.headers.copy()
        headers["Host"] = self._base.netloc.decode()
        rewritten = httpx.Request(
            request.method,
            self._base.copy_with(raw_path=path.encode()),
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        response = await self._network.handle_async_request(rewritten)
        location, here = response.headers.get("location", ""), f"{self._base}".rstrip("/") + "/"
        if location.startswith(here):
            response.headers["location"] = f"https://{location.removeprefix(here)}"
        return response

    async def aclose(self) -> None:
        await self._network.aclose()


class _Trace:
    """Learns from httpcore whether a request began to leave. A transport without tracing (an in-process one)
    counts as having sent, because wrongly assuming "not sent" is the harmful mistake."""

    def __init__(self) -> None:
        self.handed_over = False
        self._traced = False
        self._sending = False

    async def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        self._traced = True
        if event.endswith("send_request_headers.started"):
            self._sending = True

    @property
    def may_have_been_sent(self) -> bool:
        return self._sending or (self.handed_over and not self._traced)


_REASONS: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "connect_timeout",
    httpx.PoolTimeout: "too_many_connections",
    httpx.ReadTimeout: "timeout",
    httpx.WriteTimeout: "timeout",
    httpx.RemoteProtocolError: "half_answer",
    httpx.DecodingError: "half_answer",
}


def _revealed(values: Mapping[str, str | Secret]) -> dict[str, str]:
    return {name: v.reveal() if isinstance(v, Secret) else v for name, v in values.items()}


def _no_addresses(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("HTTP Request")
