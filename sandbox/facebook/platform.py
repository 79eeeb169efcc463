"""Facebook as one platform of the sandbox."""

import re

from sandbox.acts import Act, Done
from sandbox.apps import PlatformApp
from sandbox.emulation import Emulation
from sandbox.facebook.access import RATE_FAMILIES, Access, limit_reply
from sandbox.facebook.ads import Ads
from sandbox.facebook.catalog import Catalogs
from sandbox.facebook.films import Films
from sandbox.facebook.history import FacebookHistory
from sandbox.facebook.insights import Insights
from sandbox.facebook.live import ACTS as LIVE_ACTS
from sandbox.facebook.live import Live
from sandbox.facebook.oauth import DEFAULT_SCOPES, LONG_LIFETIME_S, OAuth
from sandbox.facebook.people import KINDS, People
from sandbox.facebook.read import Batch, Reading
from sandbox.facebook.roles import USER_PREFIX, Consent, Roles
from sandbox.facebook.subscriptions import Subscriptions
from sandbox.facebook.write import Writing
from sandbox.ids import digits
from sandbox.instagram.shopping import instagram_shopping
from sandbox.meta import errors, webhooks
from sandbox.meta.access import credential
from sandbox.platform import Issued, Platform
from sandbox.routing import Routes
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Profile

TRAFFIC_MIX = {"comment": 6.0, "like": 5.0, "share": 1.0, "mention": 1.0, "post": 0.5}
_VERSION = re.compile(r"^/v\d+\.\d+(?=/|$)")


def facebook(state: State) -> Platform:
    roles = Roles(state)
    access, people = Access(state, roles), People(state, roles)
    reading, batch = Reading(state, access, roles), Batch(state)
    writing = Writing(state, access, people, reading)
    catalogs, live = Catalogs(state, access, roles, reading), Live(state, access, reading)
    operations = [
        *instagram_shopping(state, access, roles, catalogs),
        *OAuth(state, access, roles).operations(),
        *batch.operations(),
        *Subscriptions(state, access, reading).operations(),
        *Ads(state, access, roles, reading).operations(),
        *catalogs.operations(),
        *Insights(state, access, reading).operations(),
        *live.operations(),
        *reading.operations(),
        *Films(state, access, people, reading, writing).operations(),
        *writing.operations(),
    ]
    batch.routes = Routes(operations)

    def issue(app: PlatformApp, page: Profile) -> Issued:
        """A page's lasting token, and as the "refresh token" the person's own long one."""
        now = state.clock.now_ms()
        person = roles.manager(page)
        grant = state.tokens.grant("facebook", app.id, person, DEFAULT_SCOPES, now, "control")
        roles.consented(grant, Consent(person, (page.id,)))
        user = state.tokens.issue_access(grant, now, LONG_LIFETIME_S, USER_PREFIX, long_lived=True)
        token = roles.page_token(user, page, now)
        return Issued(token.value, user.value, 0, DEFAULT_SCOPES)

    def act(page: Profile, wish: Act) -> Done:
        return live.act(page, wish) if wish.kind in LIVE_ACTS else people.act(page, wish)

    async def register(app: PlatformApp, url: str) -> str | None:
        return await webhooks.register(state, app, url)

    def failure(status: int, reset_s: int, call: Call) -> Reply:
        if status == 429:
            grant = state.tokens.owner(credential(call) or "")
            wait_s = max(0, reset_s - state.clock.now_ms() // 1000)
            return limit_reply("pages", grant.external_id if grant else "", -(-wait_s // 60))
        return errors.ordered(status)

    return Platform(
        name="facebook",
        operations=operations,
        failure=failure,
        dead_token=lambda call: errors.bad_token(
            "Error validating access token: The session has been invalidated.", 460
        ),
        not_found=lambda call: errors.graph_error(2500, f"Unknown path components: {call.path}"),
        credential=credential,
        real_path=_real_path,
        issue=issue,
        register=register,
        act=act,
        act_kinds=(*KINDS, *LIVE_ACTS),
        traffic_mix=TRAFFIC_MIX,
        rate_families=RATE_FAMILIES,
    )


def _real_path(host: str, path: str) -> str:
    """Any version or none; Meta's own client ends its paths with a slash."""
    if host == "rupload.facebook.com":
        return path.rstrip("/")
    return _VERSION.sub("", path).rstrip("/") or "/"


FACEBOOK = Emulation(
    "facebook",
    facebook,
    FacebookHistory,
    account_id=lambda *basis: digits(15, *basis, prefix="1045"),
    dialects=("changes",),
    compose=webhooks.compose,
    retry_delays_s=webhooks.RETRY_DELAYS_S,
    batching=True,
    about="page",
)
