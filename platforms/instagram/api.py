"""Calls with the account's token, or with an `Access`: to graph.instagram.com, or of the surface
`FACEBOOK_LOGIN` to graph.facebook.com, which knows no "me" for an Instagram account."""

from collections.abc import Mapping

from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import WHOLE_TIMEOUT_S, Call, PlatformHttp
from platforms.instagram.errors import outcome_of
from platforms.instagram.spec import FACEBOOK_GRAPH, FACEBOOK_LOGIN, GRAPH, SPEC, VERSION
from platforms.outcome import Outcome
from platforms.wire import Json


async def read(http: PlatformHttp, token: Secret, path: str, params: Mapping[str, str]) -> Outcome[Json]:
    call = Call("GET", f"{GRAPH}/{VERSION}/{path}", "reading", query=params, bearer=token)
    return outcome_of(await http.send(SPEC, call))


async def get(
    access: Access, path: str, params: Mapping[str, str], timeout_s: float = WHOLE_TIMEOUT_S
) -> Outcome[Json]:
    call = Call("GET", _address(access, path), "reading", query=params, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call, timeout_s))


async def post(
    access: Access,
    path: str,
    form: Mapping[str, str | Secret],
    *,
    once: str | None = None,
    timeout_s: float = WHOLE_TIMEOUT_S,
) -> Outcome[Json]:
    """`once` as in `failure_of`."""
    call = Call("POST", _address(access, path), "reading", form=form, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call, timeout_s), once=once)


async def delete(access: Access, path: str) -> Outcome[Json]:
    call = Call("DELETE", _address(access, path), "reading", bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call))


def _address(access: Access, path: str) -> str:
    if access.surface != FACEBOOK_LOGIN:
        return f"{GRAPH}/{VERSION}/{path}"
    first, slash, rest = path.partition("/")
    own = access.external_id if first == "me" else first
    return f"{FACEBOOK_GRAPH}/{VERSION}/{own}{slash}{rest}"
