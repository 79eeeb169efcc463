"""What Meta calls, the same on each of its platforms; what the entries mean is a platform's own."""

from collections.abc import Mapping

from platforms.base import Farewell, Handshake, PlatformApp, RawEntry
from platforms.meta import signed_request, webhooks


class MetaCallbacks:
    """Part of a `Platform`, and of `TellsFarewell`."""

    def handshake(self, app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
        return webhooks.handshake(app, query)

    def verify(self, app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
        return webhooks.verify(app, headers, body)

    def farewell(self, app: PlatformApp, request: str) -> Farewell | None:
        return signed_request.farewell(app, request)

    def farewell_entry(self, external_id: str, farewell: Farewell) -> RawEntry:
        return signed_request.entry_of(external_id, farewell)
