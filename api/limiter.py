"""Against guessing API keys: failed attempts are counted by the caller's address, in this process."""

from collections import OrderedDict, deque
from ipaddress import ip_address
from typing import Final

from starlette.requests import HTTPConnection

from api.problems import TooMany
from domain.clock import Clock

WINDOW_S: Final = 60.0
PER_ADDRESS: Final = 20  # failures a minute from one caller
BEHIND_PROXY: Final = 600  # when a proxy hides who calls: one bad caller must not lock out the others
_ADDRESSES: Final = 10_000


class FailureLimiter:
    """At most so many failures a minute and address; successes cost nothing. Memory is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """TooMany when this address has used up its failures."""
        recent = self._recent(address)
        limit = BEHIND_PROXY if _may_be_a_proxy(address) else PER_ADDRESS
        if len(recent) >= limit:
            raise TooMany(
                "too_many_attempts",
                "Too many failed attempts from this address: wait a minute.",
                retry_after_s=WINDOW_S - (self._clock.monotonic() - recent[0]),
            )

    def failed(self, address: str) -> None:
        self._recent(address).append(self._clock.monotonic())

    def _recent(self, address: str) -> deque[float]:
        times = self._failures.setdefault(address, deque(maxlen=BEHIND_PROXY))
        self._failures.move_to_end(address)
        while times and times[0] <= self._clock.monotonic() - WINDOW_S:
            times.popleft()
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)
        return times


def client_address(connection: HTTPConnection, trust_forwarded_for: bool) -> str:
    """Who calls. Ray Serve's HAProxy adds no `X-Forwarded-For`, so without a proxy of one's own in front the
    address is HAProxy's."""
    forwarded = connection.headers.get("x-forwarded-for", "") if trust_forwarded_for else ""
    last = forwarded.rpartition(",")[2].strip()
    return last or (connection.client.host if connection.client else "unknown")


def _may_be_a_proxy(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return True
