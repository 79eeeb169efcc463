"""Pinterest as one platform of the sandbox."""

from sandbox.apps import PlatformApp
from sandbox.emulation import Emulation
from sandbox.ids import digits
from sandbox.pinterest import errors
from sandbox.pinterest.access import CATEGORIES, TRIAL_FAMILY, Access
from sandbox.pinterest.ads import Advertising
from sandbox.pinterest.boards import Boards
from sandbox.pinterest.catalogs import Catalogs
from sandbox.pinterest.history import PinterestHistory
from sandbox.pinterest.insights import Insights
from sandbox.pinterest.media import Uploads
from sandbox.pinterest.oauth import ACCESS_PREFIX, ACCESS_S, SCOPES, OAuth
from sandbox.pinterest.people import KINDS, People
from sandbox.pinterest.products import Products
from sandbox.pinterest.publish import Publishing
from sandbox.pinterest.read import Reading
from sandbox.pinterest.tags import Tags
from sandbox.platform import Issued, Platform
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Profile

TRAFFIC_MIX = {"comment": 2.0, "like": 5.0, "share": 3.0, "follow": 1.0, "post": 0.5}


def pinterest(state: State) -> Platform:
    access, boards, oauth = Access(state), Boards(state.world), OAuth(state)
    people, uploads = People(state, boards), Uploads(state, access)
    products = Products(state, access, boards)

    def issue(app: PlatformApp, account: Profile) -> Issued:
        now = state.clock.now_ms()
        grant = state.tokens.grant("pinterest", app.id, account.id, SCOPES, now, "control")
        token = state.tokens.issue_access(grant, now, ACCESS_S, ACCESS_PREFIX)
        return Issued(token.value, oauth.issue_refresh(grant), ACCESS_S, SCOPES)

    def failure(status: int, reset_s: int, call: Call) -> Reply:
        return errors.failure(status, reset_s, state.clock.now_ms() // 1000)

    return Platform(
        name="pinterest",
        operations=[
            *oauth.operations(),
            *Reading(state, access, boards).operations(),
            *Insights(state, access).operations(),
            *Advertising(state, access).operations(),
            *Catalogs(state, access, products).operations(),
            *products.operations(),
            *uploads.operations(),
            *Publishing(state, access, boards, uploads, people).operations(),
            *Tags(state, access, boards, products).operations(),
        ],
        failure=failure,
        dead_token=errors.dead_token,
        not_found=_not_found,
        credential=_credential,
        issue=issue,
        act=people.act,
        act_kinds=KINDS,
        traffic_mix=TRAFFIC_MIX,
        rate_families=(*CATEGORIES, TRIAL_FAMILY),
    )


def _not_found(call: Call) -> Reply:
    return errors.refusal(404, 404, f"The sandbox does not emulate {call.method} {call.path}.")


def _credential(call: Call) -> str | None:
    if call.path.startswith("/v5/oauth/"):
        form = call.form()
        return form.get("refresh_token") or form.get("token")
    return call.bearer()


PINTEREST = Emulation(
    "pinterest",
    pinterest,
    PinterestHistory,
    account_id=lambda *basis: digits(18, *basis, prefix="8800"),
    dialects=("standard", "rotating", "trial"),
)
