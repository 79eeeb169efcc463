"""Calls to TikTok's API for Business: the token in a header of its own, lists as JSON texts in the query, and
200 for everything. Source: TB/, and TikTok's client library, which writes lists the same way."""

from collections.abc import Mapping

from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Outcome
from platforms.tiktok.errors import business_outcome_of
from platforms.tiktok.spec import BUSINESS, SPEC
from platforms.wire import Json, encode

Value = str | Secret | int | list[str] | Json


async def get(access: Access, path: str, query: Mapping[str, Value]) -> Outcome[Json]:
    """`path` without slashes around it, such as `campaign/get`."""
    texts = {n: v if isinstance(v, str | Secret) else encode(v).decode() for n, v in query.items()}
    call = Call("GET", f"{BUSINESS}/{path}/", "business", query=texts, headers=_token(access))
    return business_outcome_of(await access.http.send(SPEC, call))


async def post(access: Access, path: str, body: Json, *, once: str | None = None) -> Outcome[Json]:
    """`once` as in `platforms.http.failure_of`."""
    call = Call("POST", f"{BUSINESS}/{path}/", "business", json=body, headers=_token(access))
    return business_outcome_of(await access.http.send(SPEC, call), once=once)


def _token(access: Access) -> dict[str, str | Secret]:
    return {"Access-Token": access.token}
