"""What the generic parts must know of a platform before it runs: who its applications and accounts are, how
its webhooks leave, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.ids import digits, secret

if TYPE_CHECKING:  # all of them speak of an emulation
    from sandbox.apps import PlatformApp
    from sandbox.events import Event
    from sandbox.generate import History
    from sandbox.platform import Platform
    from sandbox.state import State

    # Body and headers of one POST carrying these events.
    Compose = Callable[[PlatformApp, Sequence[Event]], tuple[bytes, dict[str, str]]]


def usual_credentials(app_id: str, *basis: object) -> dict[str, Any]:
    """The application's id is its client id, and one secret serves for everything."""
    own = secret(32, *basis, "client_secret")
    verify_token = secret(24, *basis, "verify")
    return {"client_id": app_id, "client_secret": own, "webhook_secret": own, "verify_token": verify_token}


def usual_account_id(*basis: object) -> str:
    return digits(16, *basis)


@dataclass(frozen=True, slots=True)
class Emulation:
    """`history` writes an account's past. `credentials(app id, *basis)`: fields of a new application, as the
    platform gives them; `app_id` is length and first digits of its id. `dialects`: what an application may be
    told to speak, the usual one first. Of webhooks: `compose` (None: nothing is pushed), the waits before
    each retry, whether several travel in one POST (`batching`), whether any 2xx accepts them or 200 alone,
    and what Meta calls the `object` of them."""

    name: str
    build: Callable[[State], Platform]
    history: type[History]
    account_id: Callable[..., str] = usual_account_id
    app_id: tuple[int, str] = (15, "99")
    credentials: Callable[..., Mapping[str, Any]] = usual_credentials
    dialects: tuple[str, ...] = ("standard",)
    compose: Compose | None = None
    retry_delays_s: tuple[float, ...] = (1.0, 5, 30, 300, 3600)
    batching: bool = False
    any_success: bool = False
    about: str = ""
