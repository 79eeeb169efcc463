"""One call to YouTube's APIs, the same for every part of the adapter."""

from collections.abc import Mapping

from domain.secrets import Secret
from platforms.http import WHOLE_TIMEOUT_S, Answer, Body, Call, PlatformHttp
from platforms.outcome import Outcome, Rejected
from platforms.wire import Json
from platforms.youtube.errors import outcome_of
from platforms.youtube.spec import API, SPEC

UNCHANGED = "not_modified"


async def ask(
    http: PlatformHttp,
    token: Secret,
    family: str,
    path: str,
    query: Mapping[str, str],
    *,
    method: str = "GET",
    json: object = None,
    body: Body | None = None,
    etag: str | None = None,
    root: str = f"{API}/youtube/v3",
    once: str | None = None,
    timeout_s: float = WHOLE_TIMEOUT_S,
) -> Outcome[Json]:
    """`etag`: what an earlier answer carried; Rejected(UNCHANGED) when it would be the same again. `once` as
    in `failure_of`."""
    # One that no header can hold is not asked with.
    headers = {"If-None-Match": etag} if etag and etag.isascii() and etag.isprintable() else {}
    call = Call(
        method,
        f"{root}/{path}",
        family,
        query=query,
        json=json,
        body=body,
        headers=headers,
        bearer=token,
    )
    result = await http.send(SPEC, call, timeout_s)
    if isinstance(result, Answer) and result.status == 304 and etag:
        return Rejected(UNCHANGED, "Nothing changed since it was last read.")
    return outcome_of(result, family, once=once)
