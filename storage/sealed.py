"""Where sealed values lie, which keys they are under, and what they become under the active one."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from storage.crypto import Keyring, SealBroken, field_aad, sealed_under
from storage.records import Document

CAPABILITIES: Final = ("insights", "ads", "commerce", "live")
"""What an account may have a further consent for."""
_GRANT: Final = ("accessToken", "refreshToken", "secret")

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "social_accounts": (
        "accessCredentials.accessToken",
        "accessCredentials.refreshToken",
        *(f"grants.{name}.{field}" for name in CAPABILITIES for field in _GRANT),
    ),
    "social_transactions": ("customerId",),
    "social_content": ("originalData",),
    "social_comments": ("sealed", "originalData"),
    "social_publications": ("draft",),
    "social_operations": ("wish",),
    "social_ads": ("originalData",),
    "social_products": ("originalData",),
    "social_orders": ("originalData",),
    "social_broadcasts": ("originalData",),
    "social_streams": ("name",),
    "users": ("email",),
    "platform_apps": ("secrets",),
    "idempotency": ("answer",),
    "dead_letters": ("sealed_body",),
    "parked": ("body",),
}
"""By collection: the fields that are sealed anew. What is not here is in transit and expires by itself."""

_MAIL: Final = frozenset({"dead_letters", "parked"})
"""These keep mailbox bodies as they came, which are tied to no place."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """One value of a document, as it is and as it shall be."""

    path: str
    old: bytes
    new: bytes


def keys_in(value: Any, known: Collection[str]) -> Counter[str]:
    """How many values anywhere in a document are sealed under each of the known keys."""
    found: Counter[str] = Counter()
    if isinstance(value, bytes):
        if (key := sealed_under(value)) in known and key is not None:
            found[key] += 1
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            found += keys_in(part, known)
    return found


def resealed(keyring: Keyring, collection: str, document: Document) -> list[Resealed]:
    """The values of the document that are under an older key, sealed under the active one. What does not
    open stays as it is: it is not ours, or its key is lost."""
    found = []
    for path in FIELDS.get(collection, ()):
        old = _at(document, path)
        if old is None or sealed_under(old) in (None, keyring.active):
            continue
        field = path.partition(".")[2] or path
        aad = "mail" if collection in _MAIL else field_aad(collection, document["_id"], field)
        try:
            found.append(Resealed(path, old, keyring.seal(keyring.open(old, aad), aad)))
        except SealBroken:
            continue
    return found


def _at(document: Document, path: str) -> bytes | None:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, bytes) else None
