"""Calls to graph.instagram.com with an `Access`."""

from collections.abc import Mapping

from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import WHOLE_TIMEOUT_S, Call
from platforms.instagram.errors import outcome_of
from platforms.instagram.spec import GRAPH, SPEC, VERSION
from platforms.outcome import Outcome
from platforms.wire import Json


async def get(
    access: Access, path: str, params: Mapping[str, str], timeout_s: float = WHOLE_TIMEOUT_S
) -> Outcome[Json]:
    call = Call("GET", f"{GRAPH}/{VERSION}/{path}", "reading", query=params, bearer=access.token)
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
    call = Call("POST", f"{GRAPH}/{VERSION}/{path}", "reading", form=form, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call, timeout_s), once=once)


async def delete(access: Access, path: str) -> Outcome[Json]:
    call = Call("DELETE", f"{GRAPH}/{VERSION}/{path}", "reading", bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call))
