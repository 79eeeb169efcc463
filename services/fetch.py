"""Reading an address that a person gave: only from the public internet, whatever names resolve to.

An address is resolved first, every answer must be a public one, and the connection is made to exactly that
answer: a name that resolves otherwise the next moment (DNS rebinding) changes nothing. Each redirect is a new
address. What is private, link-local, loopback, multicast or a cloud's metadata service is refused.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urljoin

import httpx

from domain.errors import Invalid

MAX_REDIRECTS = 3
_TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=5.0, pool=5.0)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Fetcher:
    """`resolve` answers the addresses of a host; `network` replaces the real one in tests. `trusted` hosts
    (the sandbox's media) may be private."""

    def __init__(
        self,
        resolve: Resolve | None = None,
        network: httpx.AsyncBaseTransport | None = None,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self._resolve = resolve or _resolved
        self._client = httpx.AsyncClient(transport=network, timeout=_TIMEOUT, trust_env=False)
        self._trusted = trusted

    @asynccontextmanager
    async def open(self, url: str, max_bytes: int) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """(content type, chunks). Invalid, with the reason, for an address that is not read or too large."""
        for _ in range(MAX_REDIRECTS + 1):
            request = await self._request(url)
            try:
                response = await self._client.send(request, stream=True, follow_redirects=False)
            except httpx.HTTPError as error:
                raise _refused(f"the address did not answer ({type(error).__name__})") from None
            try:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    url = _led_on(url, response.headers["location"])
                    continue
                if response.status_code != 200:
                    raise _refused(f"the address answered {response.status_code}")
                if int(response.headers.get("content-length", "0") or 0) > max_bytes:
                    raise _too_large(max_bytes)
                content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                yield content_type, _bounded(response, max_bytes)
                return
            finally:
                await response.aclose()
        raise _refused(f"the address leads on more than {MAX_REDIRECTS} times")

    async def _request(self, url: str) -> httpx.Request:
        """Aimed at the resolved address itself, with the name in the Host header and in TLS."""
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise _refused("it is not an address") from None
        if parsed.scheme not in ("https", "http") or not parsed.host or parsed.userinfo:
            raise _refused("it must be an http(s) address without a user name")
        if parsed.netloc.decode() in self._trusted:
            return self._client.build_request("GET", parsed)
        if parsed.scheme != "https":
            raise _refused("it must be an https address")
        addresses = await self._resolve(parsed.host, parsed.port or 443)
        if not addresses or not all(_public(address) for address in addresses):
            raise _refused("it does not lead to the public internet")
        target = parsed.copy_with(host=addresses[0])
        headers = {"Host": parsed.netloc.decode()}
        return self._client.build_request(
            "GET", target, headers=headers, extensions={"sni_hostname": parsed.host}
        )


def _led_on(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise _refused("it leads on to what is not an address") from None


async def _bounded(response: httpx.Response, max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            yield chunk
    except httpx.HTTPError as error:
        raise _refused(f"the address stopped answering ({type(error).__name__})") from None


async def _resolved(host: str, port: int) -> Sequence[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return [str(address[0]) for *_, address in found]


def _public(address: str) -> bool:
    """`is_global` with what hides another address inside it taken apart."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return _public(str(inner))
        if ip in _NAT64:
            return _public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _refused(reason: str) -> Invalid:
    return Invalid("address_refused", f"The file was not read: {reason}.", field="url")


def _too_large(max_bytes: int) -> Invalid:
    return Invalid("file_too_large", f"The file is larger than {max_bytes} bytes.", field="url")
