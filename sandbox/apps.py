"""Developer applications registered with the emulated platforms, their webhooks and subscriptions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sandbox.emulation import Emulation
from sandbox.ids import digits

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(slots=True)
class Webhook:
    id: str
    url: str
    valid: bool
    created_ms: int
    # Of a WebSub subscription: what its subscriber wants deliveries signed with, and when it ends.
    secret: str | None = field(default=None, repr=False)
    ends_ms: int | None = None


@dataclass(slots=True)
class Subscription:
    """What an app asked to hear about one account. `type` is an X event type or a Meta webhook field."""

    id: str
    external_id: str
    type: str
    created_ms: int
    webhook_id: str | None = None
    tag: str | None = None
    direction: str | None = None


@dataclass(slots=True)
class PlatformApp:
    """`webhook_secret` signs deliveries: at X the API (consumer) secret, at Meta the app secret."""

    id: str
    emulation: Emulation = field(repr=False)
    name: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    verify_token: str | None = field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ()
    deauthorize_url: str | None = None
    data_deletion_url: str | None = None
    auto_subscribe: bool = True
    # Shape of what is sent: X "xaa" or "account_activity"; Instagram "changes" or "flat". At TikTok the
    # lifetimes of tokens: "two_hours" (documented since Nov 2026) or "one_day". At Pinterest "trial" is the
    # app's tier of access, and "rotating" says that a refresh ends the token presented.
    dialect: str = ""
    # Instagram's code exchange answers flat, or wrapped in data[] as one of its guides prints it.
    wrapped_tokens: bool = False
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    @property
    def platform(self) -> str:
        return self.emulation.name

    def accepts_redirect(self, uri: str) -> bool:
        """Exact match; an app without registered addresses accepts any on loopback."""
        if self.redirect_uris:
            return uri in self.redirect_uris
        return urlsplit(uri).hostname in _LOOPBACK

    def target(self, webhook_id: str | None) -> Webhook | None:
        """Where a delivery goes now: the webhook named, else the newest valid one."""
        if webhook_id in self.webhooks:
            chosen = self.webhooks[webhook_id]
            return chosen if chosen.valid else None
        valid = [hook for hook in self.webhooks.values() if hook.valid]
        return valid[-1] if valid else None

    def subscription(self, external_id: str, event_type: str) -> Subscription | None:
        for subscription in self.subscriptions.values():
            if subscription.external_id == external_id and subscription.type == event_type:
                return subscription
        return None


class Apps:
    """All apps by id; one per platform exists from the start, derived from the sandbox's seed."""

    def __init__(self, seed: str, emulations: Mapping[str, Emulation]) -> None:
        self._seed, self.emulations = seed, emulations
        self._by_id: dict[str, PlatformApp] = {}
        self._by_client: dict[tuple[str, str], PlatformApp] = {}
        self._by_bearer: dict[str, PlatformApp] = {}
        self.defaults = {platform: self.create(platform, "default").id for platform in emulations}

    def create(self, platform: str, name: str | None = None) -> PlatformApp:
        emulation, number = self.emulations[platform], len(self._by_id)
        basis = (self._seed, "app", platform, number)
        length, prefix = emulation.app_id
        app_id = digits(length, *basis, prefix=prefix)
        given = emulation.credentials(app_id, *basis)
        name, dialect = name or f"app {number}", emulation.dialects[0]
        app = PlatformApp(id=app_id, emulation=emulation, name=name, dialect=dialect, **given)
        self._by_id[app.id] = app
        self._by_client[platform, app.client_id] = app
        if app.bearer_token is not None:
            self._by_bearer[app.bearer_token] = app
        return app

    def get(self, app_id: str) -> PlatformApp | None:
        return self._by_id.get(app_id)

    def by_client_id(self, platform: str, client_id: str) -> PlatformApp | None:
        return self._by_client.get((platform, client_id))

    def by_bearer(self, token: str) -> PlatformApp | None:
        return self._by_bearer.get(token)

    def all(self) -> list[PlatformApp]:
        return list(self._by_id.values())
