"""The HTTP API of a running service, as the command line uses it."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from domain.ids import new_id
from ops.commands import CommandFailed

Json = dict[str, Any]

_PAGE = 200


class Remote:
    """One command's conversation, as a context manager. CommandFailed with one sentence for every refusal."""

    def __init__(self, url: str, api_key: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._http = httpx.Client(
            base_url=self._url, timeout=60, trust_env=False, transport=transport, follow_redirects=False
        )

    def __enter__(self) -> Self:
        token = self.post("/v1/auth/token", {"api_key": self._api_key})["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Json:
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self._ask("POST", path, json=body or {}, headers={"Idempotency-Key": new_id("cli")})

    def patch(self, path: str, body: Json) -> Json:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def items(self, path: str, **query: str | int) -> Iterator[Json]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            after = {"cursor": cursor} if cursor else {}
            page = self.get(path, limit=_PAGE, **query, **after)
            yield from page["items"]
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
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CommandFailed(f"{self._url} cannot be asked ({type(error).__name__}).") from None
        if answer.status_code >= 400:
            raise CommandFailed(_sentence(answer))
        return _body(answer)


def segment(id_: str) -> str:
    """An id as one part of a path, whatever is in it."""
    return quote(id_, safe=":|@")


def _body(answer: httpx.Response) -> Json:
    if not answer.content:
        return {}
    try:
        return dict(answer.json())
    except (ValueError, TypeError):
        raise CommandFailed(f"{answer.url.host} does not answer as Rookery does: check --url.") from None


def _sentence(answer: httpx.Response) -> str:
    try:
        problem = dict(answer.json())
    except (ValueError, TypeError):
        return (
            f"The service answered {answer.status_code} to {answer.request.method} {answer.request.url.path}."
        )
    detail = str(problem.get("detail") or problem.get("title") or answer.status_code)
    faults = [e for e in problem.get("errors", ()) if e["message"] != detail]
    fields = "; ".join(f"{e['field']}: {e['message']}" for e in faults)
    return f"{detail} ({fields})" if fields else detail
