"""The HTTP API of a running service, as the command line uses it."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from domain.ids import new_id
from ops.commands import CommandFailed

Json = dict[str, Any]

_PAGE = 200


class Remote:
    """One command's conversation, as a context manager. CommandFailed with one sentence for every refusal."""

    def __init__(self, url: str, api_key: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = _checked(url)
        self._api_key = api_key
        self._http = httpx.Client(
            base_url=self._url, timeout=60, trust_env=False, transport=transport, follow_redirects=False
        )

    def __enter__(self) -> Self:
        answer = self.post("/v1/auth/token", {"api_key": self._api_key})
        self._http.headers["Authorization"] = f"Bearer {self._member(answer, 'access_token')}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Json:
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self._ask("POST", path, json=body or {}, headers={"Idempotency-Key": new_id("cli")})

    def put(self, path: str, body: Json) -> Json:
        return self._ask("PUT", path, json=body, headers={"Idempotency-Key": new_id("cli")})

    def patch(self, path: str, body: Json) -> Json:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def all(self, path: str, **query: str | int) -> list[Json]:
        """Every item of a list that comes in one piece."""
        items: list[Json] = self._member(self.get(path, **query), "items")
        return items

    def pages(self, path: str, **query: str | int) -> Iterator[Json]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            after = {"cursor": cursor} if cursor else {}
            page = self.get(path, limit=_PAGE, **query, **after)
            yield from self._member(page, "items")
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **given: Any) -> Json:
        try:
            answer = self._http.request(method, path, **given)
        except httpx.ConnectError:
            raise CommandFailed(
                f"Nothing answers at {self._url}: start the service with `rookery up`, or name it with --url."
            ) from None
        except httpx.TimeoutException:
            raise CommandFailed(f"{self._url} did not answer in time: try again.") from None
        except httpx.HTTPError as error:
            raise CommandFailed(
                f"{self._url} broke off ({type(error).__name__}): look whether it is done, then try again."
            ) from None
        if not answer.is_success:
            raise CommandFailed(_sentence(answer))
        return self._body(answer)

    def _body(self, answer: httpx.Response) -> Json:
        if not answer.content:
            return {}
        try:
            return dict(answer.json())
        except (ValueError, TypeError):
            raise self._somebody_else() from None

    def _member(self, body: Json, name: str) -> Any:
        if name not in body:
            raise self._somebody_else()
        return body[name]

    def _somebody_else(self) -> CommandFailed:
        return CommandFailed(f"What is at {self._url} does not answer as Rookery does: check --url.")


def segment(id_: str) -> str:
    """An id as one part of a path, whatever is in it."""
    if id_ in ("", ".", ".."):  # these would make another path
        raise CommandFailed(f"{id_!r} is no id: a list shows the ids there are.")
    return quote(id_, safe=":|@")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):  # no number as its port, half an IPv6 address
        good = False
    if not good:
        raise CommandFailed(f"{url!r} is no web address: give --url one such as http://127.0.0.1:8000.")
    return url.rstrip("/")


def _sentence(answer: httpx.Response) -> str:
    try:
        problem = dict(answer.json())
    except (ValueError, TypeError):
        problem = {}
    says = problem.get("detail") or problem.get("title")
    asked = f"{answer.request.method} {answer.request.url.path}"
    return str(says) if says else f"The service answered {answer.status_code} to {asked}."
