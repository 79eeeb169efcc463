"""X as one platform of the sandbox."""

from sandbox.apps import PlatformApp
from sandbox.platform import Issued, Platform
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.access import Access
from sandbox.twitter.media import Uploads
from sandbox.twitter.oauth import ACCESS_LIFETIME_S, DEFAULT_SCOPES, OAuth
from sandbox.twitter.read import Reading
from sandbox.twitter.webhooks import Webhooks, compose
from sandbox.twitter.write import KINDS, Writing
from sandbox.web import Call, Reply
from sandbox.world import Profile

TRAFFIC_MIX = {
    "comment": 5.0,
    "like": 6.0,
    "mention": 2.0,
    "post": 1.0,
    "quote": 1.0,
    "repost": 1.0,
    "follow": 1.0,
}


def twitter(state: State) -> Platform:
    access = Access(state)
    uploads = Uploads(state, access)
    writing, webhooks = Writing(state, access, uploads), Webhooks(state, access)

    def issue(app: PlatformApp, account: Profile) -> Issued:
        now = state.clock.now_ms()
        grant = state.tokens.grant("twitter", app.id, account.id, DEFAULT_SCOPES, now, "control")
        refresh = state.tokens.issue_refresh(grant)
        token = state.tokens.issue_access(grant, now, ACCESS_LIFETIME_S)
        return Issued(token.value, refresh, ACCESS_LIFETIME_S, DEFAULT_SCOPES)

    async def register(app: PlatformApp, url: str) -> str | None:
        _, reason = await webhooks.register(app, url)
        return reason

    operations = [
        *OAuth(state).operations(),
        *Reading(state, access).operations(),
        *writing.operations(),
        *uploads.operations(),
        *webhooks.operations(),
    ]
    return Platform(
        name="twitter",
        operations=operations,
        compose=compose,
        failure=lambda status, reset_s, call: errors.failure(status, reset_s),
        dead_token=lambda call: errors.dead_token(call.path),
        not_found=_not_found,
        credential=_credential,
        real_path=lambda host, path: path,
        issue=issue,
        register=register,
        act=writing.act,
        act_kinds=KINDS,
        traffic_mix=TRAFFIC_MIX,
        rate_families=tuple(access.families),
    )


def _not_found(call: Call) -> Reply:
    return errors.problem(404, "Not Found", f"The sandbox does not emulate {call.method} {call.path}.")


def _credential(call: Call) -> str | None:
    if call.path.startswith("/2/oauth2/"):
        form = call.form()
        return form.get("refresh_token") or form.get("token")
    return call.bearer()
