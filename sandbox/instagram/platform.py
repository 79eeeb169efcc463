"""Instagram as one platform of the sandbox."""

import re

from sandbox.apps import PlatformApp
from sandbox.emulation import Emulation
from sandbox.ids import digits
from sandbox.instagram import errors
from sandbox.instagram.access import GRAPH, RATE_FAMILIES, Access
from sandbox.instagram.history import InstagramHistory
from sandbox.instagram.oauth import DEFAULT_SCOPES, LONG_LIFETIME_S, TOKEN_PREFIX, OAuth
from sandbox.instagram.people import KINDS, People
from sandbox.instagram.publish import Publishing
from sandbox.instagram.read import Reading
from sandbox.meta import errors as graph
from sandbox.meta import webhooks
from sandbox.meta.access import credential
from sandbox.platform import Issued, Platform
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Profile

TRAFFIC_MIX = {"comment": 6.0, "like": 4.0, "mention": 1.0, "message": 1.0, "post": 0.5}
_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")


def instagram(state: State) -> Platform:
    access, people = Access(state), People(state)
    reading = Reading(state, access, people)
    operations = [
        *OAuth(state, access).operations(),
        *Publishing(state, access, people, reading).operations(),
        *reading.operations(),
    ]

    def issue(app: PlatformApp, account: Profile) -> Issued:
        """A long-lived token; Instagram has no refresh tokens."""
        now = state.clock.now_ms()
        grant = state.tokens.grant("instagram", app.id, account.id, DEFAULT_SCOPES, now, "control")
        token = state.tokens.issue_access(grant, now, LONG_LIFETIME_S, TOKEN_PREFIX, long_lived=True)
        return Issued(token.value, None, LONG_LIFETIME_S, DEFAULT_SCOPES)

    async def register(app: PlatformApp, url: str) -> str | None:
        return await webhooks.register(state, app, url)

    def failure(status: int, reset_s: int, call: Call) -> Reply:
        grant = state.tokens.owner(credential(call) or "")
        wait_s = max(0, reset_s - state.clock.now_ms() // 1000)
        return errors.failure(status, grant.external_id if grant else "", wait_s, call.host not in GRAPH)

    return Platform(
        name="instagram",
        operations=operations,
        failure=failure,
        dead_token=lambda call: graph.bad_token(
            "Error validating access token: The session is no longer valid.", 460
        ),
        not_found=_not_found,
        credential=credential,
        # Any version or none; Meta's own client ends its paths with a slash.
        real_path=lambda host, path: _VERSION.sub("", path).rstrip("/") or "/",
        issue=issue,
        register=register,
        act=people.act,
        act_kinds=KINDS,
        traffic_mix=TRAFFIC_MIX,
        rate_families=RATE_FAMILIES,
    )


def _not_found(call: Call) -> Reply:
    return graph.graph_error(2500, f"Unknown path components: {call.path}")


INSTAGRAM = Emulation(
    "instagram",
    instagram,
    InstagramHistory,
    account_id=lambda *basis: digits(17, *basis, prefix="178414"),
    dialects=("changes", "flat"),
    compose=webhooks.compose,
    retry_delays_s=webhooks.RETRY_DELAYS_S,
    batching=True,
    about="instagram",
)
