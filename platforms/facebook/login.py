"""Facebook Login: a code becomes a short token, that one a long one, and the long one opens pages, each
with a token of its own that has no end.

Sources: documentation/facebook-login/guides/advanced/manual-flow, .../access-tokens/get-long-lived,
docs/graph-api/reference/{debug_token,user/accounts}, docs/facebook-login/auth-vs-data.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Connectable, Grant, PlatformApp
from platforms.facebook.errors import meaning_of, outcome_of
from platforms.facebook.normalise import PAGE_FIELDS, profile
from platforms.facebook.spec import GRAPH, LISTED_AT_MOST, SPEC
from platforms.http import WHOLE_TIMEOUT_S, Answer, Call, PlatformHttp
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import Failure, LimitReading, Ok, Outcome, ReauthRequired, Rejected
from platforms.wire import Json, account_id_at, count_at, id_at, mapping, objects, secret_at, strings

_LASTING_ATTEMPTS = 3
_LASTING_PAUSE_S = 0.5
_PAGES_OF_PAGES = 20  # of a hundred each: nobody manages more
_INVALID = ReauthRequired("token_invalid")


@dataclass(frozen=True, slots=True)
class Inspected:
    """What `debug_token` says of a token that is good."""

    scopes: tuple[str, ...] | None
    person_id: str | None
    expires_in_s: int | None  # None: it has no end
    data_access_in_s: int | None


def authorize_url(request: AuthorizeRequest) -> str:
    query = {
        "client_id": request.app.client_id,
        "redirect_uri": request.redirect_uri,
        "response_type": "code",
        "scope": SPEC.scope_separator.join(request.scopes),
        "state": request.state,
    }
    return f"{SPEC.authorize_url}?{urlencode(query, quote_via=quote)}"


async def exchange(http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str) -> Outcome[Grant]:
    """The person's own grant: a 60-day token, with the scopes that they did give."""
    query = _app_query(app) | {"redirect_uri": redirect_uri, "code": Secret(code)}
    short = await _token(http, query, once="the authorization code may be spent")
    if isinstance(short, Rejected):
        return replace(short, message="Facebook did not accept the authorization code: connect again.")
    if not isinstance(short, Ok):
        return short
    # Tried a few times at once: it is repeatable, while the code that led here is spent.
    query = _app_query(app) | {
        "grant_type": "fb_exchange_token",
        "fb_exchange_token": short.value.access_token,
    }
    for attempt in range(_LASTING_ATTEMPTS):
        await asyncio.sleep(attempt * _LASTING_PAUSE_S)
        long = await _token(http, query)
        if isinstance(long, Ok):
            return Ok(await _described(http, app, long.value), long.readings)
    return Rejected("code_spent", "Facebook gave no lasting token for the code: connect again.")


async def pages(http: PlatformHttp, grant: Grant) -> Outcome[tuple[Connectable, ...]]:
    """The pages that the person ticked and may act for. A page without a token is one they may only look
    at."""
    found: list[Connectable] = []
    readings: tuple[LimitReading, ...] = ()
    cursor: str | None = None
    for _ in range(_PAGES_OF_PAGES):
        query = {"fields": f"{PAGE_FIELDS},access_token,tasks", "limit": str(LISTED_AT_MOST)}
        call = Call(
            "GET",
            f"{GRAPH}/me/accounts",
            "graph",
            query=query | cursor_query(cursor),
            bearer=grant.access_token,
        )
        answer = outcome_of(await http.send(SPEC, call))
        if not isinstance(answer, Ok):
            return answer
        readings = answer.readings
        found += [page for row in objects(answer.value, "data") if (page := _connectable(row, grant))]
        cursor = next_cursor(answer.value, cursor)
        if cursor is None:
            break
    return Ok(tuple(found), readings)


async def confirm(http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float) -> Outcome[Grant]:
    """Whether a page's token is still good: Facebook has nothing to refresh, but says what a token is
    worth."""
    looked = await inspect(http, app, grant.access_token, timeout_s)
    if not isinstance(looked, Ok):
        return looked
    told = looked.value
    return Ok(
        Grant(
            grant.access_token,
            None,
            told.expires_in_s,
            told.scopes,
            person_id=told.person_id,
            data_access_in_s=told.data_access_in_s,
        ),
        looked.readings,
    )


async def inspect(
    http: PlatformHttp, app: PlatformApp, token: Secret, timeout_s: float = WHOLE_TIMEOUT_S
) -> Outcome[Inspected]:
    """Asked with the app's own token: a refusal of that one is Rejected, and only a named answer about
    `token` is ReauthRequired."""
    call = Call("GET", f"{GRAPH}/debug_token", "oauth", query={"input_token": token}, bearer=app_token(app))
    result = await http.send(SPEC, call, timeout_s)
    answer = outcome_of(result, "oauth")
    if isinstance(answer, ReauthRequired):
        return Rejected("app_refused", "Facebook does not accept the application's id and secret.")
    if not isinstance(answer, Ok):
        return answer
    data = mapping(answer.value, "data")
    if data.get("is_valid") is True and isinstance(result, Answer):
        return Ok(_inspected(data, result), answer.readings)
    if data.get("is_valid") is False and isinstance(result, Answer):
        return _why_dead(mapping(data, "error"), result)
    return Rejected("no_inspection", "Facebook did not say what the token is worth.", answer.readings)


def app_token(app: PlatformApp) -> Secret:
    """docs/facebook-login/guides/access-tokens: the app's id and secret are a token of the app."""
    return Secret(f"{app.client_id}|{app.client_secret.reveal()}")


def _why_dead(error: Json, answer: Answer) -> Failure:
    """An invalid token with whatever reason is dead; a reason that is no dead-token answer is not
    believed."""
    named = meaning_of({"code": 190} | error | {"error_subcode": error.get("subcode")}, answer)
    if isinstance(named, ReauthRequired) and named.reason != "token_refused":
        return named
    return _INVALID


def _inspected(data: Json, answer: Answer) -> Inspected:
    scopes = tuple(strings(data, "scopes"))
    return Inspected(
        scopes or None,
        id_at(data, "user_id"),
        _seconds_left(data, "expires_at", answer),
        _seconds_left(data, "data_access_expires_at", answer),
    )


def _seconds_left(data: Json, key: str, answer: Answer) -> int | None:
    """0 and a missing moment mean that there is no end."""
    moment = count_at(data, key)
    return max(1, int(answer.seconds_until(moment))) if moment else None


def _connectable(row: Json, grant: Grant) -> Connectable | None:
    """The person's own token stays with the page's: ads are theirs, not the page's."""
    page, token = profile(row), secret_at(row, "access_token")
    if page is None or token is None:
        return None
    return Connectable(
        page,
        Grant(
            token,
            grant.access_token,
            None,
            grant.scopes,
            external_id=account_id_at(row, "id"),
            person_id=grant.person_id,
            data_access_in_s=grant.data_access_in_s,
        ),
    )


def _app_query(app: PlatformApp) -> dict[str, str | Secret]:
    return {"client_id": app.client_id, "client_secret": app.client_secret}


async def _token(
    http: PlatformHttp, query: Mapping[str, str | Secret], *, once: str | None = None
) -> Outcome[Grant]:
    call = Call("GET", f"{GRAPH}/oauth/access_token", "oauth", query=query)
    answer = outcome_of(await http.send(SPEC, call), "oauth", once=once)
    if not isinstance(answer, Ok):
        return answer
    token = secret_at(answer.value, "access_token")
    if token is None:
        return Rejected("no_access_token", "Facebook answered without an access token.")
    return Ok(Grant(token, None, count_at(answer.value, "expires_in"), None), answer.readings)


async def _described(http: PlatformHttp, app: PlatformApp, grant: Grant) -> Grant:
    """With scopes and person; without them when Facebook does not say: the code is spent, so go on."""
    looked = await inspect(http, app, grant.access_token)
    if not isinstance(looked, Ok):
        return grant
    told = looked.value
    return replace(
        grant, scopes=told.scopes, person_id=told.person_id, data_access_in_s=told.data_access_in_s
    )
