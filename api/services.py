"""What the API is given: one bundle, made by whoever composes the process, never a module-level object."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.runtime.entity import Entity
from actors.runtime.envelope import Envelope
from actors.runtime.ports import Owners
from api.auth import Authenticator
from domain.clock import Clock
from domain.ids import Kind
from platforms.base import Platform
from platforms.http import PlatformHttp
from services.fetch import Fetcher
from storage.keys import Keys
from storage.mongo.directory import Directory
from storage.objects import MediaObjects
from storage.ports import DeadLetters, EntityStore, Mailboxes, MediaRecords, Parking, SideStore
from storage.settings import Settings

Probe = Callable[[], Awaitable[None]]
"""Returns when a store answers; raises StoreUnavailable when it does not."""


@dataclass(frozen=True)
class Services:
    settings: Settings
    clock: Clock
    keys: Keys
    envelope: Envelope
    owners: Owners
    entities: Mapping[Kind, Entity[Any]]
    """The behaviours, to show stored documents as the owners show them."""
    entity_store: EntityStore
    side_store: SideStore
    mailboxes: Mailboxes
    dead_letters: DeadLetters
    parking: Parking
    directory: Directory
    media: MediaRecords
    objects: MediaObjects
    fetcher: Fetcher
    platforms: Mapping[str, Platform]
    http: PlatformHttp
    probes: Mapping[str, Probe]
    """By store name, for `/readyz`."""
    return_origins: frozenset[str] = frozenset()
    """Origins (`https://shop.example`) a browser may be sent back to after a connect, beside our own."""
    trust_forwarded_for: bool = False
    """Whether the last `X-Forwarded-For` address was added by a proxy of ours; false lets callers lie."""
    auth: Authenticator = field(init=False)

    def __post_init__(self) -> None:
        auth = Authenticator(self.keys.jwt, self.clock, self.directory.revocations)
        object.__setattr__(self, "auth", auth)
