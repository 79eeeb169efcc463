"""What the generic parts need to know of one emulated platform that runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sandbox.acts import Act, Done
from sandbox.apps import PlatformApp
from sandbox.routing import Operation
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Profile


@dataclass(frozen=True, slots=True)
class Issued:
    """Working tokens of an account, handed out without the consent page."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    scopes: tuple[str, ...]
    oauth1: tuple[str, str] | None = None  # a token that signs calls, and its secret (X's Ads API)


def plain_failure(status: int, reset_s: int, call: Call) -> Reply:
    return json_reply({"error": "try_later"}, status, {"x-reset": str(reset_s)})


def plain_dead_token(call: Call) -> Reply:
    return json_reply({"error": "invalid_token"}, 401)


def plain_not_found(call: Call) -> Reply:
    return json_reply({"error": f"The sandbox does not emulate {call.method} {call.path}."}, 404)


def plain_credential(call: Call) -> str | None:
    """A bearer token, or the refresh token in a form."""
    return call.bearer() or call.form().get("refresh_token")


async def takes_no_address(app: PlatformApp, url: str) -> str | None:
    return "the platform keeps no webhook address for an app"


@dataclass(frozen=True, slots=True)
class Platform:
    """`failure(status, reset_s, call)` is the platform's own body for an ordered status, `dead_token(call)`
    its answer to a token that is no longer good. `credential(call)` finds the token a call presents.
    `register(app, url)` does the handshake and answers why it failed, or None. The defaults are those of a
    platform that speaks plain JSON and has no ways of its own."""

    name: str
    operations: list[Operation]
    issue: Callable[[PlatformApp, Profile], Issued]
    act: Callable[[Profile, Act], Done]
    act_kinds: tuple[str, ...]
    failure: Callable[[int, int, Call], Reply] = plain_failure
    dead_token: Callable[[Call], Reply] = plain_dead_token
    not_found: Callable[[Call], Reply] = plain_not_found
    credential: Callable[[Call], str | None] = plain_credential
    real_path: Callable[[str, str], str] = lambda host, path: path
    register: Callable[[PlatformApp, str], Awaitable[str | None]] = takes_no_address
    traffic_mix: dict[str, float] = field(default_factory=dict)
    # Names under which a rate window can be changed.
    rate_families: tuple[str, ...] = ()
