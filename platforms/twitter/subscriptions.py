"""Asking X to send an account's events: one webhook per app, one activity subscription per event type.

Source: docs.x.com x-api/webhooks, x-api/activity; API specification 2.167.
"""

from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.http import Answer, Call, PlatformHttp
from platforms.outcome import LimitScope, Ok, Outcome, Rejected
from platforms.twitter.errors import is_duplicate, outcome_of
from platforms.twitter.spec import API, SPEC
from platforms.wire import Json, id_at, mapping, objects, text_at

# Event type -> whether it is private, that is, needs the person's own grant instead of the app's token.
_NEEDED = {
    "post.create": False,
    "post.delete": False,
    "post.mention.create": True,
    "like.create": True,
    "follow.follow": False,
    "follow.unfollow": False,
    "profile.update.bio": False,
    "profile.update.handle": False,
    "profile.update.profile_picture": False,
    "profile.update.screenname": False,
}
# Described in the guide but missing from the specification: an app whose X does not know them works without.
_WELCOME = {
    "post.reply.create": True,
    "post.quote.create": True,
    "post.repost.create": True,
    "oauth.revoke": False,
}
# Events that X can send for both directions; only what others do to the account is wanted.
_DIRECTED = frozenset({"like.create", "follow.follow", "follow.unfollow"})


async def subscribe(
    http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
) -> Outcome[None]:
    """Idempotent: what exists already counts as done."""
    if app.bearer_token is None:
        return Rejected("no_bearer_token", "X webhooks need the app's own bearer token: add it to the app.")
    webhook = await _webhook_id(http, app.bearer_token, callback_url)
    if not isinstance(webhook, Ok):
        return webhook
    for event_type, private in (_NEEDED | _WELCOME).items():
        bearer = token if private else app.bearer_token
        outcome = await _subscribe_to(http, bearer, event_type, external_id, webhook.value)
        refused_extra = isinstance(outcome, Rejected) and event_type in _WELCOME
        if not isinstance(outcome, Ok) and not refused_extra:
            return outcome
    return Ok(None)


async def _webhook_id(http: PlatformHttp, bearer: Secret, callback_url: str) -> Outcome[str]:
    """The app's webhook for this address, registered now if need be (X checks the address while we wait)."""
    listed = await _call(http, "webhooks", "GET", "/2/webhooks", bearer)
    if not isinstance(listed, Ok):
        return listed
    for row in objects(listed.value, "data"):
        if text_at(row, "url") == callback_url and (known := id_at(row, "id")):
            if row.get("valid") is False:
                checked = await _call(http, "webhooks", "PUT", f"/2/webhooks/{known}", bearer)
                if not isinstance(checked, Ok):
                    return checked
            return Ok(known)
    made = await _call(http, "webhooks", "POST", "/2/webhooks", bearer, {"url": callback_url})
    if not isinstance(made, Ok):
        return made
    webhook_id = id_at(mapping(made.value, "data"), "id") or id_at(made.value, "id")
    return Ok(webhook_id) if webhook_id else Rejected("no_webhook_id", "X registered no webhook.")


async def _subscribe_to(
    http: PlatformHttp, bearer: Secret, event_type: str, external_id: str, webhook_id: str
) -> Outcome[Json]:
    only = {"direction": "inbound"} if event_type in _DIRECTED else {}
    body = {
        "event_type": event_type,
        "filter": {"user_id": external_id, **only},
        "webhook_id": webhook_id,
    }
    return await _call(http, "subscriptions", "POST", "/2/activity/subscriptions", bearer, body)


async def _call(
    http: PlatformHttp, family: str, method: str, path: str, bearer: Secret, body: object = None
) -> Outcome[Json]:
    result = await http.send(SPEC, Call(method, f"{API}{path}", family, json=body, bearer=bearer))
    if isinstance(result, Answer) and result.status >= 400 and is_duplicate(result.document()):
        return Ok({})
    return outcome_of(result, family, scope=LimitScope.APP)
