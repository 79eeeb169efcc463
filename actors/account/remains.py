"""What the stores still hold of an account that is being erased (`erasure`).

Its documents are only found here: their owner writes the tombstones. What belongs to no entity goes at once.
"""

from datetime import datetime
from typing import Protocol

from actors.account import erasure
from actors.account.content.parked import Parked
from actors.account.effects import FindRemains
from actors.runtime.entity import Message
from domain.ids import AccountId
from storage.ports import DeadLetters, SideStore


class ConsentRecords(Protocol):
    async def forget(self, account_id: str, before: datetime) -> None:
        """Whose consent the connection rested on, unless it was given at `before` or later."""
        ...


class Remains:
    def __init__(
        self, sides: SideStore, letters: DeadLetters, parked: Parked, consents: ConsentRecords
    ) -> None:
        self._sides = sides
        self._letters = letters
        self._parked = parked
        self._consents = consents

    async def find(self, account: AccountId, effect: FindRemains) -> list[Message]:
        """Raises StoreUnavailable; then, and where nothing is answered, the owner asks again."""
        ids: list[str] = []
        removed = 0
        match effect.place:
            case erasure.PARKED:
                # Through the mailbox, because another org may have connected the account: this one drops it.
                if not await self._parked.replay(account):
                    return []
            case erasure.LETTERS:
                removed = await self._letters.forget(account.org, str(account.key), erasure.PAGE)
            case erasure.CONSENT:
                await self._consents.forget(str(account), effect.since)
            case collection:
                ids = await self._sides.held(collection, account.org, str(account), erasure.PAGE)
        return [Message("remains_found", {"call_id": effect.call.id, "ids": ids, "removed": removed})]
