"""What the generic parts need to know of one emulated platform."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.acts import Act, Done
from sandbox.apps import PlatformApp
from sandbox.deliver import Compose
from sandbox.routing import Operation
from sandbox.web import Call, Reply
from sandbox.world import Profile


@dataclass(frozen=True, slots=True)
class Issued:
    """Working tokens of an account, handed out without the consent page."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    """`failure(status, reset_s, call)` is the platform's own body for an ordered status, `dead_token(call)`
    its answer to a token that is no longer good. `credential(call)` finds the token a call presents.
    `register(app, url)` does the handshake and answers why it failed, or None."""

    name: str
    operations: list[Operation]
    compose: Compose
    failure: Callable[[int, int, Call], Reply]
    dead_token: Callable[[Call], Reply]
    not_found: Callable[[Call], Reply]
    credential: Callable[[Call], str | None]
    real_path: Callable[[str, str], str]
    issue: Callable[[PlatformApp, Profile], Issued]
    register: Callable[[PlatformApp, str], Awaitable[str | None]]
    act: Callable[[Profile, Act], Done]
    act_kinds: tuple[str, ...]
    traffic_mix: dict[str, float]
    # Names under which a rate window can be changed.
    rate_families: tuple[str, ...]
