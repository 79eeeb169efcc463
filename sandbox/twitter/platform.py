"""X as one platform of the sandbox."""

from typing import Any

from sandbox.apps import PlatformApp
from sandbox.emulation import Emulation
from sandbox.ids import digits, secret
from sandbox.platform import Issued, Platform
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.access import Access
from sandbox.twitter.ads import HOSTS as ADS_HOSTS
from sandbox.twitter.ads import RULES as ADS_RULES
from sandbox.twitter.ads import Ads
from sandbox.twitter.consents import Consents
from sandbox.twitter.history import XHistory
from sandbox.twitter.media import Uploads
from sandbox.twitter.metrics import Analytics
from sandbox.twitter.oauth import ACCESS_LIFETIME_S, DEFAULT_SCOPES, OAuth
from sandbox.twitter.oauth1 import Signatures, fields_of
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
    uploads, signatures = Uploads(state, access), Signatures(state)
    writing, webhooks = Writing(state, access, uploads), Webhooks(state, access)

    def issue(app: PlatformApp, account: Profile) -> Issued:
        now = state.clock.now_ms()
        grant = state.tokens.grant("twitter", app.id, account.id, DEFAULT_SCOPES, now, "control")
        refresh = state.tokens.issue_refresh(grant)
        token = state.tokens.issue_access(grant, now, ACCESS_LIFETIME_S)
        signed = signatures.issue(grant, account.id)
        return Issued(token.value, refresh, ACCESS_LIFETIME_S, DEFAULT_SCOPES, oauth1=signed)

    async def register(app: PlatformApp, url: str) -> str | None:
        _, reason = await webhooks.register(app, url)
        return reason

    operations = [
        *OAuth(state).operations(),
        *Consents(state, signatures).operations(),
        *Analytics(state, access).operations(),
        *Reading(state, access).operations(),
        *writing.operations(),
        *uploads.operations(),
        *webhooks.operations(),
        *Ads(state, signatures).operations(),
    ]
    return Platform(
        name="twitter",
        operations=operations,
        failure=lambda status, reset_s, call: errors.failure(status, reset_s, call.host in ADS_HOSTS),
        dead_token=_dead_token,
        not_found=_not_found,
        credential=_credential,
        issue=issue,
        register=register,
        act=writing.act,
        act_kinds=KINDS,
        traffic_mix=TRAFFIC_MIX,
        rate_families=(*access.families, *ADS_RULES),
    )


def _dead_token(call: Call) -> Reply:
    return errors.failure(401, 0, ads=True) if call.host in ADS_HOSTS else errors.dead_token(call.path)


def _not_found(call: Call) -> Reply:
    return errors.problem(404, "Not Found", f"The sandbox does not emulate {call.method} {call.path}.")


def _credential(call: Call) -> str | None:
    if call.path.startswith("/2/oauth2/"):
        form = call.form()
        return form.get("refresh_token") or form.get("token")
    return fields_of(call).get("oauth_token") or call.bearer()


def _credentials(app_id: str, *basis: object) -> dict[str, Any]:
    """Webhooks are signed with the API (consumer) secret, which OAuth 2.0 does not use."""
    return {
        "client_id": secret(34, *basis, "client"),
        "client_secret": secret(50, *basis, "client_secret"),
        "webhook_secret": secret(50, *basis, "consumer_secret"),
        "bearer_token": "AAAAAAAAAAAA" + secret(96, *basis, "bearer"),
    }


TWITTER = Emulation(
    "twitter",
    twitter,
    XHistory,
    account_id=lambda *basis: digits(19, *basis, prefix="19"),
    app_id=(8, "29"),
    credentials=_credentials,
    dialects=("xaa", "account_activity"),
    compose=compose,
    retry_delays_s=(1.0, 5, 15, 60, 300, 900, 3600),  # X documents no schedule (unconfirmed)
)
