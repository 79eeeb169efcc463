"""What crosses the storage seam: plain records, no I/O. Real stores and the tests' fakes share them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

Document = dict[str, Any]
"""A BSON document as a dict; an entity's has at least `_id`, `org`, `version`, `partition`, `next_due_at`."""


ERASED = "erased"
"""`status` of a side document that its owner erased: it keeps its place against late writes, and no reader
finds it."""

RECEIPTS = frozenset({"social_operations"})
"""Collections whose documents say that others were written."""


class SaveOutcome(StrEnum):
    SAVED = "saved"
    CONFLICT = "conflict"  # somebody else wrote this version: drop the activation, reload, decide again
    UNENCODABLE = "unencodable"  # BSON refuses the document; the neighbours in the batch are unaffected


class Save(Struct, frozen=True):
    """One versioned write: `document["version"]` must be `expected` + 1; `expected` 0 creates."""

    document: Document
    expected: int


class Rev(Struct, frozen=True):
    """Order of writes to a side document: claim epoch first, so that a stale owner always loses."""

    epoch: int
    version: int

    def packed(self) -> int:
        """One comparable 63-bit integer (epoch < 2**23, version < 2**40), stored as `rev`."""
        return (self.epoch << 40) | self.version


class Unlisted(Struct, frozen=True):
    """Content of an account that a walk did not list: at most `limit`, of what was published from `since` to
    `until`, both included, where they are given."""

    org: str
    account_id: str
    run: str  # id of the walk
    limit: int
    since: datetime | None = None
    until: datetime | None = None


class Cursor(Struct, frozen=True):
    """Where a page of a list, newest first, ended: time and id of its last document."""

    at: datetime
    id: str


class Page(Struct, frozen=True):
    """`next` is None on the last page."""

    documents: list[Document]
    next: Cursor | None


class StreamId(Struct, frozen=True):
    """A Redis stream entry id, ordered."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    def __lt__(self, other: "StreamId") -> bool:
        return (self.ms, self.seq) < (other.ms, other.seq)

    def __le__(self, other: "StreamId") -> bool:
        return (self.ms, self.seq) <= (other.ms, other.seq)

    @classmethod
    def parse(cls, text: str | bytes) -> "StreamId":
        if isinstance(text, bytes):
            text = text.decode()
        ms, _, seq = text.partition("-")
        return cls(int(ms), int(seq or 0))


ZERO = StreamId(0, 0)

OVERFLOW = ":overflow:"
"""Part of the name of an overflow stream, and of no other: `{stream}:overflow:{route}:{since}`."""


def partition_of(stream: str) -> int:
    """Of a mailbox's stream or overflow stream: `mailbox:{kind}:{partition}...`."""
    return int(stream.split(":", 3)[2])


class Mail(Struct, frozen=True):
    """A message on its way into a mailbox. `target` is an entity id, or `platform:external id` for all
    connections of an external account. `event_id` makes it take effect once; `body` is sealed."""

    target: str
    event_id: str
    body: bytes


class Entry(Struct, frozen=True):
    """A message read from a mailbox. `number` counts what was ever added to its stream, this one included:
    it falls back when Redis loses the end of the stream, which ids do not (they are made from the time).
    0 in an overflow stream."""

    stream: str
    id: StreamId
    mail: Mail
    number: int = 0


class Claim(Struct, frozen=True):
    """A partition as its document says. `generation` counts detected losses of the mailbox's data."""

    partition: int
    host: str
    incarnation: str
    epoch: int
    build: str
    generation: int = 0
    high: dict[str, str] = field(default_factory=dict)  # stream -> highest applied id
    released_at: datetime | None = None
    """When the owner before gave it up in good order; None: it ended, or the partition was taken from it."""
    pause_ms: int | None = None
    """Of its last move in good order: from the release to the first turn saved by the new owner."""


class DeadLetter(Struct, frozen=True):
    id: str
    org: str | None
    entity: str
    event_id: str
    sealed_body: bytes
    reason: str  # class and message of the error, never the payload
    failed_at: datetime
    replayed_at: datetime | None = None


class BusEntry(Struct, frozen=True):
    id: StreamId
    event: bytes  # the sealed CloudEvent


class StoreUnavailable(Exception):
    """The document server or Redis did not answer: nothing is known to have happened. Retry later."""


class StoreMisconfigured(Exception):
    """Start-up refused: one sentence that says what is wrong and what to do."""


class Unencodable(Exception):
    """BSON refuses these documents, named by `ids`; nothing of the call was written."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"BSON refuses {len(ids)} documents, first {ids[0]!r}")
        self.ids = tuple(ids)
