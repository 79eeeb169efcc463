"""From a mailbox entry to the entities it concerns and the message each gets."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope, kind_of
from domain.ids import AccountId, EntityKey, Kind
from platforms.base import Platform
from storage.ports import EntityStore
from storage.records import Entry

CACHED_TARGETS = 100_000


class UnknownPlatform(Exception):
    """A webhook entry of a platform that this build does not have."""


class Addressing:
    """Resolves external accounts to connections. The cache holds because whoever connects an account of a
    partition does it through this partition's only owner, which calls `connected` after it is saved."""

    def __init__(self, store: EntityStore, envelope: Envelope, platforms: Mapping[str, Platform]) -> None:
        self._store = store
        self._envelope = envelope
        self._platforms = platforms
        self._connections: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._changes = 0

    def __len__(self) -> int:
        """External accounts whose connections are remembered."""
        return len(self._connections)

    def forget_all(self) -> None:
        self._changes += 1
        self._connections.clear()

    def forget(self, keys: Iterable[EntityKey]) -> None:
        """These are not in memory any more: nothing is kept of them here either."""
        for key in keys:
            if key.kind is Kind.ACCOUNT:
                account = AccountId.parse(key.id)
                self._connections.pop(f"{account.platform}:{account.external_id}", None)

    def connected(self, account: AccountId) -> None:
        """A connection came into being: the next look-up must see it, and one under way may not have."""
        self._changes += 1
        self._connections.pop(f"{account.platform}:{account.external_id}", None)

    async def resolve(self, targets: Sequence[str], *, fresh: bool = False) -> dict[str, tuple[str, ...]]:
        """`platform:external id` -> account ids; unknown targets are left out and never cached."""
        missing: dict[str, list[str]] = {}
        for target in set(targets):
            if fresh or target not in self._connections:
                platform, _, external_id = target.partition(":")
                missing.setdefault(platform, []).append(external_id)
        read: dict[str, tuple[str, ...]] = {}
        changes = self._changes
        for platform, external_ids in missing.items():
            for external_id, ids in (await self._store.connections(platform, external_ids)).items():
                if ids:
                    read[f"{platform}:{external_id}"] = tuple(ids)
        found = {t: known for t in targets if (known := read.get(t) or self._connections.get(t))}
        if changes == self._changes:
            self._connections |= read
        while len(self._connections) > CACHED_TARGETS:
            self._connections.popitem(last=False)
        return found

    @staticmethod
    def is_webhook(entry: Entry) -> bool:
        return kind_of(entry.stream) is Kind.ACCOUNT and entry.mail.target.count(":") == 1

    def keys(self, entry: Entry, account_ids: Sequence[str]) -> list[EntityKey]:
        """Whom it concerns, without opening it."""
        if self.is_webhook(entry):
            return [EntityKey(Kind.ACCOUNT, id_) for id_ in account_ids]
        return [EntityKey(kind_of(entry.stream), entry.mail.target)]

    def messages(self, entry: Entry, account_ids: Sequence[str]) -> dict[EntityKey, Message]:
        """Open, parse and normalise. Raises only for a body that cannot be opened."""
        mail = self._envelope.open_mail(entry.mail)
        if isinstance(mail, Message):
            message = mail
        else:
            platform = self._platforms.get(mail.platform)
            if platform is None:
                raise UnknownPlatform(mail.platform)
            data = {"event": platform.parse(mail.entry), "app_id": mail.app_id}
            message = Message("platform_event", data, entry.mail.event_id)
        return dict.fromkeys(self.keys(entry, account_ids), message)
