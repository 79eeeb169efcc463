"""Calls to the Marketing API. Ads are a person's, not a page's: they are made with the person's own token
(`Access.token_secret`), which the grant of a page carries as its refresh token. Without one Facebook refuses.
"""

from collections.abc import Mapping

from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.facebook import reading
from platforms.facebook.errors import outcome_of
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Call
from platforms.outcome import Outcome
from platforms.wire import Json

FAMILY = "marketing"


def token_of(access: Access) -> Secret:
    return access.token_secret or access.token


async def get(access: Access, path: str, params: Mapping[str, str]) -> Outcome[Json]:
    return await reading.get(access.http, token_of(access), path, params, FAMILY)


async def post(
    access: Access, path: str, form: Mapping[str, str], *, once: str | None = None
) -> Outcome[Json]:
    """`once` as in `platforms.http.failure_of`."""
    call = Call("POST", f"{GRAPH}/{path}", FAMILY, form=form, bearer=token_of(access))
    return outcome_of(await access.http.send(SPEC, call), FAMILY, once=once)
