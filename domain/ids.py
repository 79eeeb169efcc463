"""Names of things, derived from ids and parsed back; no other module builds or splits such a name."""

import hashlib
import re
import secrets
from base64 import b32encode
from binascii import crc32
from enum import StrEnum
from typing import Self

from msgspec import Struct

# Base 32 without the letters that are taken for digits or each other.
_READABLE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")
_SAFE = re.compile(r"[A-Za-z0-9_.@-]{1,128}")


class Kind(StrEnum):
    """The kinds of entity. The value is the first part of a key and of a mailbox name."""

    ACCOUNT = "account"
    CAMPAIGN = "campaign"
    LINK = "link"
    TRANSACTION = "transaction"
    BUDGET = "budget"


class EntityKey(Struct, frozen=True):
    """Identity of one entity: it outlives every activation, process and host.

    `id` is unique within its kind and is the document's `_id`.
    """

    kind: Kind
    id: str

    def partition(self, count: int) -> int:
        """The partition, 0 to `count`-1. All orgs' connections of one external account share one."""
        routing = self.id
        if self.kind is Kind.ACCOUNT:
            platform, external_id, _ = self.id.split(":")
            routing = f"{platform}:{external_id}"
        return crc32(routing.encode()) % count

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Inverse of `str()`; ValueError for anything else."""
        kind, _, id_ = text.partition("/")
        key = cls(Kind(kind), id_)
        if key.kind is Kind.ACCOUNT:
            AccountId.parse(id_)
        elif not _SAFE.fullmatch(id_):
            raise ValueError(f"not an entity key: {text[:80]!r}")
        return key


class AccountId(Struct, frozen=True):
    """One org's connection of one external account: `platform:external id:org`.

    Readable in the Ray dashboard and self-routing: whoever has the id knows the partition and the org.
    """

    platform: str
    external_id: str
    org: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.external_id}:{self.org}"

    @property
    def key(self) -> EntityKey:
        return EntityKey(Kind.ACCOUNT, str(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Inverse of `str()`; ValueError for anything else."""
        parts = text.split(":")
        if len(parts) != 3 or not all(_SAFE.fullmatch(p) for p in parts):
            raise ValueError(f"not an account id: {text[:80]!r}")
        return cls(*parts)


def budget_key(platform: str, app_id: str) -> EntityKey:
    """The budget that all accounts of one platform application share."""
    return EntityKey(Kind.BUDGET, f"{platform}.{app_id}")


def transaction_key(org: str, order_id: str) -> EntityKey:
    """The same order is the same entity, however often and by whomever it is told."""
    digest = hashlib.sha256(f"{org}\0{order_id}".encode()).digest()
    return EntityKey(Kind.TRANSACTION, "txn_" + b32encode(digest).decode().lower()[:26])


def platform_order(account: AccountId, external_id: str) -> str:
    """The order id of an order that a platform took: no shop's own order has it."""
    return f"{account.platform}/{account.external_id}/{external_id}"


def external_partition(platform: str, external_id: str, count: int) -> int:
    """The partition where every connection of this external account lives (webhooks know no org)."""
    return crc32(f"{platform}:{external_id}".encode()) % count


def new_id(prefix: str) -> str:
    """A random id such as `cmp_8f3k...`: 80 random bits, safe in URLs and actor names."""
    return f"{prefix}_{b32encode(secrets.token_bytes(10)).translate(_READABLE).decode()}"
