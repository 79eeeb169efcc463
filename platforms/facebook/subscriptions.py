"""Asking for a page's webhooks: fields are sent only when the app *and* the page have them on.

Source: docs/graph-api/webhooks/subscriptions-edge, docs/graph-api/reference/page/subscribed_apps.
"""

from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.facebook.errors import outcome_of
from platforms.facebook.login import app_token
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Call, PlatformHttp
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected
from platforms.wire import Json, flag_at, mapping, objects, text_at

PAGE_FIELDS = ("feed", "mention", "ratings")
_OBJECTS = {
    "page": PAGE_FIELDS,
    "permissions": ("pages_show_list", "pages_read_engagement"),
}


async def subscribe(
    http: PlatformHttp, app: PlatformApp, token: Secret, page_id: str, callback_url: str
) -> Outcome[None]:
    prepared = await _app_side(http, app, callback_url)
    if not isinstance(prepared, Ok):
        return prepared
    form = {"subscribed_fields": ",".join(PAGE_FIELDS)}
    call = Call("POST", f"{GRAPH}/{page_id}/subscribed_apps", "graph", form=form, bearer=token)
    return _confirmed(outcome_of(await http.send(SPEC, call)))


async def _app_side(http: PlatformHttp, app: PlatformApp, callback_url: str) -> Outcome[None]:
    """One address serves an app's pages; one that somebody else entered is left alone."""
    url = f"{GRAPH}/{app.client_id}/subscriptions"
    listed = _of_app(outcome_of(await http.send(SPEC, Call("GET", url, "graph", bearer=app_token(app)))))
    if not isinstance(listed, Ok):
        return listed
    have = {text_at(row, "object"): row for row in objects(listed.value, "data")}
    for about, wanted in _OBJECTS.items():
        row = have.get(about, {})
        address = text_at(row, "callback_url")
        if address not in (None, callback_url):
            message = "The application sends its webhooks elsewhere: change the address in Meta's dashboard."
            return Rejected("callback_elsewhere", message, listed.readings)
        if address == callback_url and set(wanted) <= _fields(row):
            continue
        if app.verify_token is None:
            return Rejected("verify_token_missing", "The application has no verify token: add one.")
        form: dict[str, str | Secret] = {
            "object": about,
            "callback_url": callback_url,
            "fields": ",".join(sorted({*wanted, *_fields(row)})),
            "include_values": "true",
            "verify_token": app.verify_token,
        }
        made = _confirmed(
            _of_app(
                outcome_of(
                    await http.send(SPEC, Call("POST", url, "graph", form=form, bearer=app_token(app)))
                )
            )
        )
        if not isinstance(made, Ok):
            return made
    return Ok(None)


def _fields(row: Json) -> set[str]:
    """`[{"name", "version"}]`, or names alone in older answers."""
    listed = row.get("fields")
    fields = listed if isinstance(listed, list) else []
    return {name for field in fields if (name := field if isinstance(field, str) else text_at(field, "name"))}


def _of_app(outcome: Outcome[Json]) -> Outcome[Json]:
    if isinstance(outcome, ReauthRequired):
        return Rejected("app_refused", "Facebook does not accept the application's id and secret.")
    return outcome


def _confirmed(outcome: Outcome[Json]) -> Outcome[None]:
    if not isinstance(outcome, Ok):
        return outcome
    if not flag_at(mapping(outcome.value), "success"):
        return Rejected("not_subscribed", "Facebook did not confirm the webhooks.", outcome.readings)
    return Ok(None, outcome.readings)
