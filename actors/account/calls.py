"""What every call to a platform needs: the application, tokens opened for it alone, its time, its count."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.account.tokens.token import Call
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from domain.clock import Clock
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.outcome import LimitScope, Outcome, RetryAfter
from storage.crypto import Keyring, field_aad
from storage.records import StoreUnavailable

FindApp = Callable[[str], Awaitable[PlatformApp | None]]

CALL_MARGIN_S = 5.0
"""A call ends so much earlier than its owner stops waiting: the same call is never under way twice."""


class Calls:
    def __init__(
        self, find_app: FindApp, keyring: Keyring, clock: Clock, failpoints: Failpoints, count: Counter
    ) -> None:
        self._find_app = find_app
        self._keyring = keyring
        self._clock = clock
        self._failpoints = failpoints
        self._count = count

    async def app(self, app_id: str) -> PlatformApp | RetryAfter:
        try:
            app = await self._find_app(app_id)
        except StoreUnavailable:
            return RetryAfter(2.0, LimitScope.ACCOUNT, "store_unavailable")
        return app if app is not None else RetryAfter(300.0, LimitScope.ACCOUNT, "platform_app_missing")

    def left_s(self, call: Call) -> float:
        return (call.until - self._clock.now()).total_seconds() - CALL_MARGIN_S

    def passed(self, point: Failpoint, *, decisive: bool) -> None:
        """A step of an intent, where it is one."""
        if decisive:
            self._failpoints.hit(point)

    def open(self, account: AccountId, field: str, sealed: bytes) -> Secret:
        return Secret(self._keyring.open(sealed, field_aad("social_accounts", str(account), field)).decode())

    def seal(self, account: AccountId, field: str, secret: Secret) -> bytes:
        aad = field_aad("social_accounts", str(account), field)
        return self._keyring.seal(secret.reveal().encode(), aad)

    def tally(self, account: AccountId, family: str, outcome: Outcome[Any]) -> None:
        name = type(outcome).__name__.lower()
        if isinstance(outcome, RetryAfter) and outcome.rate_limited:
            name = "rate_limited"
        self._count("platform_calls", platform=account.platform, family=family, outcome=name)
