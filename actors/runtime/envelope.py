"""What travels between processes is sealed here and opened here: mailbox bodies, bus events, Ray arguments.

Bodies are full of people's words and, on connect, of credentials; Redis and Ray see ciphertext only.
"""

from base64 import b64decode, b64encode
from typing import Any

import orjson
from msgspec import Struct

from actors.runtime.entity import Message
from domain.ids import EntityKey, Kind, external_partition
from platforms.base import RawEntry
from storage.crypto import Keyring
from storage.records import Mail

_MAIL = "mail"
_CALL = "call"
_BUS = "bus"


class WebhookMail(Struct, frozen=True):
    """A webhook entry as it lies in a mailbox, addressed to every connection of an external account."""

    platform: str
    app_id: str
    entry: RawEntry


def stream_of(kind: Kind, partition: int) -> str:
    return f"mailbox:{kind}:{partition}"


def kind_of(stream: str) -> Kind:
    """Of a mailbox's stream or overflow stream."""
    return Kind(stream.split(":", 2)[1])


class Envelope:
    """Seals and opens with one keyring; `partitions` is the deployment's fixed number."""

    def __init__(self, keyring: Keyring, partitions: int) -> None:
        self._keyring = keyring
        self.partitions = partitions

    # -- mailboxes ----------------------------------------------------------------------------------
    def mail(self, key: EntityKey, message: Message) -> tuple[str, Mail]:
        """A message to one entity. `message.id` is required: it makes the effect happen once."""
        if message.id is None:
            raise ValueError("a message in a mailbox needs an id")
        body = self._keyring.seal(orjson.dumps({"n": message.name, "d": message.data}), _MAIL)
        return stream_of(key.kind, key.partition(self.partitions)), Mail(key.id, message.id, body)

    def webhook_mail(self, platform: str, app_id: str, entry: RawEntry) -> tuple[str, Mail]:
        """A webhook entry to whoever connected the external account."""
        target = f"{platform}:{entry.external_id}"
        partition = external_partition(platform, entry.external_id, self.partitions)
        sealed = self._keyring.seal(app_id.encode() + b"\n" + entry.raw, _MAIL)
        # Every application is told of the same happening; each connection listens to its own only.
        event_id = f"{app_id}:{entry.event_id}"
        return stream_of(Kind.ACCOUNT, partition), Mail(target, event_id, sealed)

    def open_mail(self, mail: Mail) -> Message | WebhookMail:
        """A message, or a webhook entry: also one replayed to a single connection of its account."""
        body = self._keyring.open(mail.body, _MAIL)
        if body.startswith(b"{"):
            message = orjson.loads(body)
            return Message(message["n"], message["d"], mail.event_id)
        platform, external_id = mail.target.split(":")[:2]
        app_id, _, raw = body.partition(b"\n")
        return WebhookMail(platform, app_id.decode(), RawEntry(external_id, mail.event_id, raw))

    # -- Ray calls ----------------------------------------------------------------------------------
    def seal_call(self, data: dict[str, Any]) -> bytes:
        return self._keyring.seal(orjson.dumps(data, default=_bytes_to_json), _CALL)

    def open_call(self, sealed: bytes) -> dict[str, Any]:
        data: dict[str, Any] = _restore(orjson.loads(self._keyring.open(sealed, _CALL)))
        return data

    # -- bus ----------------------------------------------------------------------------------------
    def seal_event(self, event: dict[str, Any]) -> bytes:
        return self._keyring.seal(orjson.dumps(event), _BUS)

    def open_event(self, sealed: bytes) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self._keyring.open(sealed, _BUS))
        return event


def _bytes_to_json(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"$b": b64encode(value).decode()}
    raise TypeError(f"cannot send a {type(value).__name__} between processes")


def _restore(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"$b"}:
            return b64decode(value["$b"])
        return {k: _restore(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_restore(v) for v in value]
    return value
