"""The two conversations of the demo: with the service's HTTP API, and with the sandbox's control API."""

import asyncio
from typing import Any, Self

import httpx

from domain.clock import Clock
from domain.ids import new_id

Json = dict[str, Any]

PATIENCE_S = 90.0
_LONGEST_PAUSE_S = 2.0
_PAGE = 200


class Refused(Exception):
    """The service or the sandbox did not do what the story needs; says what was asked and answered."""


class Api:
    """The service as one API key's holder sees it. An answer of 429 or 503, or none at all, is asked again
    (a command under its own Idempotency-Key) for as long as `PATIENCE_S`."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock, token: str) -> None:
        self._http = http
        self._clock = clock
        self.token = token

    @classmethod
    async def open(cls, http: httpx.AsyncClient, clock: Clock, api_key: str) -> Self:
        api = cls(http, clock, "")
        answer = await api.post("/v1/auth/token", {"api_key": api_key})
        api.token = answer["access_token"]
        return api

    async def get(self, path: str, **query: str | int) -> Json:
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        """`key`: the Idempotency-Key; one of its own when left out."""
        return await self._ask(
            "POST", path, json=body or {}, headers={"Idempotency-Key": key or new_id("key")}
        )

    async def all(self, path: str, **query: str | int) -> list[Json]:
        """Every item of a list, page after page."""
        items: list[Json] = []
        cursor: str | None = None
        while True:
            after = {"cursor": cursor} if cursor else {}
            page = await self.get(path, limit=_PAGE, **query, **after)
            items += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return items

    async def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **given: Any) -> Json:
        headers = headers or {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        deadline = self._clock.monotonic() + PATIENCE_S
        while True:
            pause = 0.5
            try:
                answer = await self._http.request(method, path, headers=headers, **given)
                if answer.status_code < 400:
                    return dict(answer.json())
                said = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code not in (429, 503):
                    raise Refused(f"{method} {path} was answered {said}")
                pause = min(float(answer.headers.get("retry-after", 1)), _LONGEST_PAUSE_S)
            except httpx.TransportError as error:
                said = type(error).__name__
            if self._clock.monotonic() > deadline:
                raise Refused(f"{method} {path} was not answered within {PATIENCE_S:.0f} s: {said}")
            await asyncio.sleep(pause)


class Sandbox:
    """The control API of the sandbox, and its pages as a person's browser sees them."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str) -> Json:
        return await self._ask("GET", path)

    async def post(self, path: str, body: Json) -> Json:
        return await self._ask("POST", path, json=body)

    async def put(self, path: str, body: Json) -> Json:
        return await self._ask("PUT", path, json=body)

    async def delete(self, path: str) -> Json:
        return await self._ask("DELETE", path)

    async def _ask(self, method: str, path: str, **given: Any) -> Json:
        answer = await self.http.request(method, f"/_sandbox{path}", **given)
        if answer.status_code >= 400:
            raise Refused(
                f"The sandbox answered {method} {path} with {answer.status_code} {answer.text[:300]}"
            )
        return dict(answer.json())
