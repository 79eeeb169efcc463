"""TikTok as one platform of the sandbox. One app of the sandbox is registered with all of TikTok's services:
its client id is the client key, the app id and the app key."""

from typing import Any

from sandbox.acts import Act, Done
from sandbox.apps import PlatformApp
from sandbox.emulation import Emulation
from sandbox.ids import open_id, secret
from sandbox.platform import Issued, Platform
from sandbox.state import State
from sandbox.tiktok import errors, webhooks
from sandbox.tiktok.access import Access
from sandbox.tiktok.advertising import Advertisers
from sandbox.tiktok.business import FAMILY as BUSINESS_FAMILY
from sandbox.tiktok.business import Business
from sandbox.tiktok.consents import Consents
from sandbox.tiktok.history import TikTokHistory
from sandbox.tiktok.oauth import ACCESS_PREFIX, LIFETIMES_S, SCOPES, OAuth
from sandbox.tiktok.people import KINDS, People
from sandbox.tiktok.publish import POSTS_FAMILY, Publishing
from sandbox.tiktok.read import Reading
from sandbox.tiktok.shop import FAMILY as SHOP_FAMILY
from sandbox.tiktok.shop import Shop
from sandbox.web import Call, Reply
from sandbox.world import Profile

DRAFT = "publish_draft"
ORDERS = ("order", "order_cancel")
TRAFFIC_MIX = {"comment": 3.0, "like": 6.0, "share": 1.0, "follow": 1.0, "post": 0.5}


def tiktok(state: State) -> Platform:
    access, people = Access(state), People(state)
    publishing, shop = Publishing(state, access, people), Shop(state)

    def issue(app: PlatformApp, account: Profile) -> Issued:
        now = state.clock.now_ms()
        access_s, _ = LIFETIMES_S[app.dialect]
        grant = state.tokens.grant("tiktok", app.id, account.id, SCOPES, now, "control")
        refresh = state.tokens.issue_refresh(grant)
        token = state.tokens.issue_access(grant, now, access_s, ACCESS_PREFIX)
        return Issued(token.value, refresh, access_s, SCOPES)

    async def register(app: PlatformApp, url: str) -> str | None:
        return await webhooks.register(state, app, url)

    def act(account: Profile, wish: Act) -> Done:
        if wish.kind == DRAFT:
            return publishing.post_draft(account)
        if wish.kind in ORDERS:
            return shop.act(account, wish)
        return people.act(account, wish)

    return Platform(
        name="tiktok",
        operations=[
            *OAuth(state).operations(),
            *Reading(state, access, publishing).operations(),
            *publishing.operations(),
            *Consents(state).operations(),
            *Business(state, Advertisers(state.world)).operations(),
            *shop.operations(),
        ],
        failure=lambda status, reset_s, call: errors.failure(status, call),
        dead_token=errors.dead_token,
        not_found=_not_found,
        credential=_credential,
        issue=issue,
        register=register,
        act=act,
        act_kinds=(*KINDS, DRAFT, *ORDERS),
        traffic_mix=TRAFFIC_MIX,
        rate_families=(*access.families, POSTS_FAMILY, BUSINESS_FAMILY, SHOP_FAMILY),
    )


def _not_found(call: Call) -> Reply:
    if call.host in errors.BUSINESS and not call.path.endswith("/"):
        return Reply(404, b"404 page not found", {"content-type": "text/plain"})
    if call.host in errors.BUSINESS:
        return errors.coded(40008, f"The sandbox does not emulate {call.method} {call.path}.")
    return errors.refusal("invalid_params", f"The sandbox does not emulate {call.path}.", 404)


def _credential(call: Call) -> str | None:
    if call.path.startswith("/v2/oauth/"):
        form = call.form()
        return form.get("refresh_token") or form.get("token")
    return call.bearer() or call.headers.get("access-token") or call.headers.get("x-tts-access-token")


def _credentials(app_id: str, *basis: object) -> dict[str, Any]:
    own = secret(32, *basis, "client_secret")
    key = "aw" + secret(16, *basis, "client").lower()
    return {"client_id": key, "client_secret": own, "webhook_secret": own}


TIKTOK = Emulation(
    "tiktok",
    tiktok,
    TikTokHistory,
    account_id=open_id,
    credentials=_credentials,
    dialects=("two_hours", "one_day"),
    compose=webhooks.compose,
    # "Exponential back-off, up to 72 hours."
    retry_delays_s=(1.0, 4, 16, 60, 240, 960, 3600, 14_400, 57_600, 86_400, 86_400),
)
