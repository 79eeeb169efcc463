"""Webhooks of a platform that pushes nothing: nothing is asked for, and whatever comes is somebody else's."""

from collections.abc import Mapping

from domain.content import Happening, PlatformEvent
from domain.secrets import Secret
from platforms.base import Handshake, PlatformApp, RawEntry, WebhookRefused
from platforms.http import PlatformHttp
from platforms.outcome import Ok, Outcome
from platforms.spec import PlatformSpec


class PushesNothing:
    spec: PlatformSpec

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        return Ok(None)

    def handshake(self, app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
        return None

    def verify(self, app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
        return False

    def split(self, body: bytes) -> list[RawEntry]:
        raise WebhookRefused(f"{self.spec.title} sends no webhooks")

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return PlatformEvent(entry.external_id, entry.event_id, Happening.OTHER)
