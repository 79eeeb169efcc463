"""Asking X to send an account's events: one webhook per app, one activity subscription per event type.

Source: docs.x.com x-api/webhooks, x-api/activity; API specification 2.167.
"""

from typing import TypeVar

from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.http import Answer, Call, PlatformHttp
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.twitter.errors import outcome_of, webhook_failure
from platforms.twitter.spec import API, NEEDED_EVENTS, SPEC, WELCOME_EVENTS
from platforms.wire import Json, id_at, mapping, objects, text_at

T = TypeVar("T")

# Events that X can send for both directions; only what others do to the account is wanted.
_DIRECTED = frozenset({"like.create", "follow.follow", "follow.unfollow"})

# X calls the address while we wait: it may be we who are not up yet.
_NOT_REACHED = RetryAfter(60.0, LimitScope.APP, "callback_not_reached")
# Another account of the app was faster: the next look finds what there is.
_CHANGED_MEANWHILE = RetryAfter(5.0, LimitScope.APP, "webhook_changed_meanwhile")
_APP_TOKEN_REFUSED = Rejected(
    "app_token_refused", "X does not accept the app's bearer token: store its current one with the app."
)
_NAMED: dict[str, Outcome[Json]] = {
    "DuplicateSubscriptionFailed": Ok({}),  # what exists already counts as done
    "DuplicateUrlFailed": _CHANGED_MEANWHILE,
    "WebhookIdInvalid": _CHANGED_MEANWHILE,
    "CrcValidationFailed": _NOT_REACHED,
    "UrlValidationFailed": Rejected(
        "UrlValidationFailed", "X takes a public https address without a port only: check the public URL."
    ),
    "WebhookLimitExceeded": Rejected(
        "WebhookLimitExceeded", "The X app has as many webhooks as it may have: remove one in the X console."
    ),
    "SubscriptionLimitExceeded": Rejected(
        "SubscriptionLimitExceeded", "The X app has as many subscriptions as it may have: ask X for more."
    ),
}


async def subscribe(
    http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
) -> Outcome[None]:
    """Idempotent."""
    if app.bearer_token is None:
        return Rejected("no_bearer_token", "X webhooks need the app's own bearer token: add it to the app.")
    webhook = _of_app(await _webhook_id(http, app.bearer_token, callback_url))
    if not isinstance(webhook, Ok):
        return webhook
    for event_type, private in (NEEDED_EVENTS | WELCOME_EVENTS).items():
        bearer = token if private else app.bearer_token
        outcome = await _subscribe_to(http, bearer, event_type, external_id, webhook.value)
        if not private:
            outcome = _of_app(outcome)
        refused_extra = isinstance(outcome, Rejected) and event_type in WELCOME_EVENTS
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
            if row.get("valid") is not False:
                return Ok(known)
            checked = await _call(http, "webhooks", "PUT", f"/2/webhooks/{known}", bearer)
            if isinstance(checked, Ok) and mapping(checked.value, "data").get("valid") is False:
                return _NOT_REACHED
            return Ok(known) if isinstance(checked, Ok) else checked
    made = await _call(http, "webhooks", "POST", "/2/webhooks", bearer, {"url": callback_url})
    if not isinstance(made, Ok):
        return made
    webhook_id = id_at(mapping(made.value, "data"), "id") or id_at(made.value, "id")
    return Ok(webhook_id) if webhook_id else Rejected("no_webhook_id", "X registered no webhook.")


def _of_app(outcome: Outcome[T]) -> Outcome[T]:
    """A call with the app's own token says nothing of the account's."""
    return _APP_TOKEN_REFUSED if isinstance(outcome, ReauthRequired) else outcome


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
    if isinstance(result, Answer) and result.status >= 400:
        named = _NAMED.get(webhook_failure(result.document()) or "")
        if named is not None:
            return named
    return outcome_of(result, family, scope=LimitScope.APP)
