"""What a step of a task is given: where the task is, what was asked for, and with what to call."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from isal import isal_zlib

from actors.account.documents import Seal, side_id
from actors.account.operations.task import Step
from domain.ids import AccountId
from domain.money import Money
from platforms.base import Platform
from platforms.capabilities import Access
from platforms.outcome import Outcome
from storage.crypto import field_aad
from storage.records import Cursor, Document, Page


class Sides(Protocol):
    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]: ...

    async def page(
        self, collection: str, org: str, filters: Mapping[str, str], limit: int, after: Cursor | None = None
    ) -> Page: ...


@dataclass(frozen=True, slots=True)
class Work:
    """`facts` is the task's, `wish` what a person asked for (empty for what is scheduled)."""

    account: AccountId
    platform: Platform
    access: Access
    task_id: str
    facts: Mapping[str, Any]
    wish: Mapping[str, Any]
    sides: Sides
    seal: Seal
    now: datetime

    def document(self, collection: str, key: str, /, **fields: Any) -> tuple[str, Document]:
        """A side document of the account, under a name of its own within it."""
        return collection, {
            "_id": side_id(str(self.account), key),
            "org": self.account.org,
            "socialAccountId": str(self.account),
            "platform": self.account.platform,
            "readAt": self.now,
            **fields,
        }

    def id(self, name: str) -> str:
        return side_id(str(self.account), name)

    def sealed(self, collection: str, name: str, field: str, plain: bytes, *, packed: bool = False) -> bytes:
        """`packed`: compressed before, as the platforms' own payloads are kept."""
        content = isal_zlib.compress(plain, 1) if packed else plain
        return self.seal(content, field_aad(collection, self.id(name), field))


Make = Callable[[Work], Awaitable[Outcome[Step]]]
Look = Callable[[Work], Awaitable[Outcome[Step | None]]]


def money_out(money: Money | None) -> Document | None:
    return {"minor": money.minor, "currency": money.currency} if money is not None else None


def money_in(told: Mapping[str, Any] | None) -> Money | None:
    return Money(told["minor"], told["currency"]) if told else None


def cursor_out(cursor: Cursor | None) -> list[str] | None:
    return [cursor.at.isoformat(), cursor.id] if cursor is not None else None


def cursor_in(told: Sequence[str] | None) -> Cursor | None:
    return Cursor(datetime.fromisoformat(told[0]), told[1]) if told else None
