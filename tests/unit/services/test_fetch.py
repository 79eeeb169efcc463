"""Addresses that people give lead to the public internet, or nowhere."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from domain.errors import Invalid
from services.fetch import Fetcher

PUBLIC = "93.184.215.14"


def fetcher(answers: dict[str, Sequence[str]], handle: httpx.MockTransport) -> Fetcher:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.get(host, ())

    return Fetcher(resolve, handle, frozenset({"127.0.0.1:8910"}))


async def read(fetch: Fetcher, url: str, most: int = 100) -> tuple[str, bytes]:
    async with fetch.open(url, most) as (kind, chunks):
        return kind, b"".join([chunk async for chunk in chunks])


def served(request: httpx.Request) -> httpx.Response:
    seen.append(request)
    return httpx.Response(200, content=b"picture", headers={"Content-Type": "image/png; charset=x"})


seen: list[httpx.Request] = []


async def test_a_public_address_is_read_at_the_address_that_was_checked() -> None:
    seen.clear()
    fetch = fetcher({"pictures.example": [PUBLIC]}, httpx.MockTransport(served))
    assert await read(fetch, "https://pictures.example/p.png?x=1") == ("image/png", b"picture")
    (request,) = seen
    assert (request.url.host, request.headers["host"]) == (PUBLIC, "pictures.example")
    assert request.extensions["sni_hostname"] == "pictures.example"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "2002:0a00:0001::",
        "64:ff9b::a00:1",
        "not an address",
    ],
)
async def test_private_addresses_are_refused_whatever_they_are_called(address: str) -> None:
    seen.clear()
    for answers in ([address], [PUBLIC, address]):
        fetch = fetcher({"pictures.example": answers}, httpx.MockTransport(served))
        with pytest.raises(Invalid, match="public internet"):
            await read(fetch, "https://pictures.example/p.png")
    assert seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/",
        "ftp://x/",
        "https://u:p@pictures.example/",
        "https:///x",
        "x",
        "http://[::1",
        "",
    ],
)
async def test_what_is_no_https_address_is_refused(url: str) -> None:
    seen.clear()
    fetch = fetcher({"pictures.example": [PUBLIC]}, httpx.MockTransport(served))
    with pytest.raises(Invalid):
        await read(fetch, url)
    assert seen == []


async def test_a_redirect_is_a_new_address() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        there = {"a.example": "https://b.example/x", "b.example": "https://inside.example/x"}
        host = request.headers["host"]
        return httpx.Response(302, headers={"Location": there[host]}) if host in there else served(request)

    answers: dict[str, Sequence[str]] = {
        "a.example": [PUBLIC],
        "b.example": [PUBLIC],
        "inside.example": ["10.0.0.1"],
    }
    with pytest.raises(Invalid, match="public internet"):
        await read(fetcher(answers, httpx.MockTransport(handle)), "https://a.example/")
    answers["inside.example"] = [PUBLIC]
    assert (await read(fetcher(answers, httpx.MockTransport(handle)), "https://a.example/"))[1] == b"picture"
    loop = httpx.MockTransport(lambda _: httpx.Response(302, headers={"Location": "/again"}))
    with pytest.raises(Invalid, match="more than"):
        await read(fetcher(answers, loop), "https://a.example/")


@pytest.mark.parametrize("location", ["https://[", "//[x", "https://a\x01/", "x:"])
async def test_a_redirect_to_what_is_no_address_is_refused(location: str) -> None:
    led = httpx.MockTransport(lambda _: httpx.Response(302, headers={"Location": location}))
    with pytest.raises(Invalid):
        await read(fetcher({"a.example": [PUBLIC]}, led), "https://a.example/")


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 64


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(200, headers={"Content-Length": "101"}, content=b"x" * 101),
        httpx.Response(200, content=endless()),
    ],
    ids=["404", "said to be too large", "too large without saying so"],
)
async def test_what_is_not_there_or_too_large_is_refused(answer: httpx.Response) -> None:
    fetch = fetcher({"a.example": [PUBLIC]}, httpx.MockTransport(lambda _: answer))
    with pytest.raises(Invalid):
        await read(fetch, "https://a.example/")


async def test_the_sandbox_may_be_private() -> None:
    fetch = fetcher({}, httpx.MockTransport(served))
    assert (await read(fetch, "http://127.0.0.1:8910/x.png"))[1] == b"picture"
