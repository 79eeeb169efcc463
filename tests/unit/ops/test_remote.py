"""What the command line says when the service refuses, is not there, or is something else."""

import json
from collections.abc import Callable

import httpx
import pytest

from ops.commands import CommandFailed
from ops.remote import Remote, segment

URL = "http://service.example:8000"

Answer = Callable[[httpx.Request], httpx.Response]


def remote(answer: Answer, url: str = URL) -> Remote:
    """A conversation with a service that gives tokens and answers the rest so."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/auth/token":
            assert json.loads(request.content) == {"api_key": "the-key"}
            return httpx.Response(200, json={"access_token": "the-token"})
        assert request.headers["authorization"] == "Bearer the-token"
        return answer(request)

    return Remote(url, "the-key", httpx.MockTransport(handle))


def failing(answer: Answer) -> str:
    with pytest.raises(CommandFailed) as failed, remote(answer) as api:
        api.get("/v1/accounts")
    sentence = str(failed.value)
    assert sentence.endswith(".") and "\n" not in sentence and "the-key" not in sentence
    return sentence


def test_pages_are_read_to_the_end() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        n = len(asked)
        return httpx.Response(200, json={"items": [{"n": n}], "next_cursor": f"c{n}" if n < 3 else None})

    with remote(answer) as api:
        assert list(api.pages("/v1/things", status="paused")) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert asked[0] == {"limit": "200", "status": "paused"}
    assert [query.get("cursor") for query in asked] == [None, "c1", "c2"]


def test_each_command_has_an_idempotency_key_of_its_own() -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        return httpx.Response(204)

    with remote(answer) as api:
        assert api.post("/v1/things") == {}
        api.post("/v1/things")
    assert len(set(keys)) == 2


def test_a_refusal_is_its_own_sentence() -> None:
    problem = {"type": "urn:x", "title": "Not Found", "status": 404, "detail": "There is no such account."}
    assert failing(lambda _: httpx.Response(404, json=problem)) == "There is no such account."


@pytest.mark.parametrize(
    ("status", "content"),
    [(502, b"<html>bad gateway</html>"), (500, b""), (301, b""), (404, b"[]"), (400, b"{}")],
)
def test_a_refusal_without_a_sentence_says_what_was_asked(status: int, content: bytes) -> None:
    sentence = failing(lambda _: httpx.Response(status, content=content))
    assert sentence == f"The service answered {status} to GET /v1/accounts."


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError, f"Nothing answers at {URL}: start the service with `rookery up`"),
        (httpx.ReadTimeout, f"{URL} did not answer in time"),
        (httpx.ConnectTimeout, f"{URL} did not answer in time"),
        (httpx.RemoteProtocolError, f"{URL} broke off (RemoteProtocolError)"),
        (httpx.ReadError, f"{URL} broke off (ReadError)"),
    ],
)
def test_a_service_that_is_not_there_or_breaks_off(error: type[httpx.HTTPError], says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error("the-key is in this text")

    assert failing(answer).startswith(says)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'"ok"', b'{"hello": "world"}', b""])
def test_something_else_that_answers_is_recognised(content: bytes) -> None:
    says = f"What is at {URL} does not answer as Rookery does: check --url."
    other = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    with pytest.raises(CommandFailed) as at_once, Remote(URL, "the-key", other):
        pass
    assert str(at_once.value) == says
    for read in (lambda api: api.all("/v1/x"), lambda api: list(api.pages("/v1/x"))):
        with (
            pytest.raises(CommandFailed) as later,
            remote(lambda _: httpx.Response(200, content=content)) as api,
        ):
            read(api)
        assert str(later.value) == says


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://x", "http://", "http://[::1", "http://x:99999", "http://x:port", "//x"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(CommandFailed, match="is no web address: give --url one such as http://"):
        Remote(url, "the-key")


@pytest.mark.parametrize("id_", ["twitter:1:org|2", "a/b", "a?b=c", "a#b", "%2e", "é ", "..."])
def test_an_id_stays_one_part_of_the_path(id_: str) -> None:
    paths = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url)
        return httpx.Response(200, json={})

    with remote(answer) as api:
        api.get(f"/v1/things/{segment(id_)}/end")
    assert httpx.URL(paths[0]).path == f"/v1/things/{id_}/end"
    assert paths[0].raw_path.count(b"/") == 4 and not paths[0].query


@pytest.mark.parametrize("id_", ["", ".", ".."])
def test_what_would_make_another_path_is_no_id(id_: str) -> None:
    with pytest.raises(CommandFailed, match="is no id"):
        segment(id_)
