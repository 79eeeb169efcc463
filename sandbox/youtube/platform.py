"""YouTube as one platform of the sandbox."""

from typing import Any

from sandbox.acts import Act, Done
from sandbox.apps import PlatformApp
from sandbox.emulation import Emulation
from sandbox.generate import draft_comment, voice_of
from sandbox.ids import person_id, secret, seeded
from sandbox.platform import Issued, Platform
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Profile
from sandbox.youtube import errors
from sandbox.youtube.access import RATE_FAMILIES, Access
from sandbox.youtube.analytics import Analytics
from sandbox.youtube.captions import Captions
from sandbox.youtube.history import YouTubeHistory
from sandbox.youtube.live import Live
from sandbox.youtube.oauth import ACCESS_LIFETIME_S, ACCESS_PREFIX, DEFAULT_SCOPES, REFRESH_PREFIX, OAuth
from sandbox.youtube.people import KINDS, People
from sandbox.youtube.read import Reading
from sandbox.youtube.upload import Uploads
from sandbox.youtube.websub import Hub, compose
from sandbox.youtube.write import Writing

TRAFFIC_MIX = {"comment": 5.0, "like": 6.0, "view": 6.0, "follow": 1.0, "post": 0.5, "edit": 0.3}
_TOKEN_HOST = "oauth2.googleapis.com"


def youtube(state: State) -> Platform:
    access, hub = Access(state), Hub(state)
    people, live = People(state, hub), Live(state, access)

    def issue(app: PlatformApp, account: Profile) -> Issued:
        now = state.clock.now_ms()
        grant = state.tokens.grant("youtube", app.id, account.id, DEFAULT_SCOPES, now, "control")
        refresh = state.tokens.issue_refresh(grant, REFRESH_PREFIX)
        token = state.tokens.issue_access(grant, now, ACCESS_LIFETIME_S, ACCESS_PREFIX)
        return Issued(token.value, refresh, ACCESS_LIFETIME_S, DEFAULT_SCOPES)

    async def register(app: PlatformApp, url: str) -> str | None:
        return (
            "YouTube keeps no webhook address for an app: subscribe to a channel's feed at "
            "pubsubhubbub.appspot.com/subscribe with hub.callback"
        )

    def act(account: Profile, wish: Act) -> Done:
        if wish.kind == "stream":
            return Done(live.encode(account, wish.content_id))
        if wish.kind == "chat":
            rng = seeded(state.seed, "chat", account.id, state.clock.now_ms())
            author = wish.author_in(state.world, "youtube", rng)
            text = wish.text or draft_comment(rng, voice_of(account), account)
            return Done(live.chatted(account, wish.content_id, author, text))
        return people.act(account, wish)

    operations = [
        *OAuth(state).operations(),
        *Reading(state, access).operations(),
        *Uploads(state, access, people).operations(),
        *Writing(state, access, people).operations(),
        *Captions(state, access).operations(),
        *live.operations(),
        *Analytics(state, access).operations(),
        *hub.operations(),
    ]
    return Platform(
        name="youtube",
        operations=operations,
        failure=lambda status, reset_s, call: errors.failure(status, reset_s, call.host == _TOKEN_HOST),
        dead_token=lambda call: errors.bad_token(),
        not_found=_not_found,
        credential=_credential,
        issue=issue,
        register=register,
        act=act,
        act_kinds=(*KINDS, "stream", "chat"),
        traffic_mix=TRAFFIC_MIX,
        rate_families=RATE_FAMILIES,
    )


def _not_found(call: Call) -> Reply:
    return errors.error(404, "notFound", f"The sandbox does not emulate {call.method} {call.path}.", "global")


def _credential(call: Call) -> str | None:
    if call.host == _TOKEN_HOST:
        form = call.form()
        return form.get("refresh_token") or form.get("token")
    return call.bearer()


def _credentials(app_id: str, *basis: object) -> dict[str, Any]:
    """WebSub's secrets are the subscriber's own; the one here is there for it to use."""
    return {
        "client_id": f"{app_id}-{secret(32, *basis, 'client').lower()}.apps.googleusercontent.com",
        "client_secret": "GOCSPX-" + secret(28, *basis, "client_secret"),
        "webhook_secret": secret(40, *basis, "websub"),
        "auto_subscribe": False,
    }


YOUTUBE = Emulation(
    "youtube",
    youtube,
    YouTubeHistory,
    account_id=lambda *basis: person_id("youtube", 24, *basis),
    credentials=_credentials,
    dialects=("websub",),
    compose=compose,
    retry_delays_s=(5.0, 30, 120, 600, 3600),  # the hub documents no schedule (unconfirmed)
    any_success=True,  # WebSub: any 2xx
)
