"""Whose consent a connection rests on, and what people asked to have deleted.

A platform tells by the person's id that somebody removed the app; connections are known by the account's.
Ids of people are kept as keyed hashes only.
"""

from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, IndexModel

from storage.keys import Keys
from storage.mongo.client import Database, guard

INDEXES: dict[str, list[IndexModel]] = {
    "consents": [IndexModel([("person", ASCENDING)]), IndexModel([("alias", ASCENDING)])],
    "data_deletions": [],
}


@dataclass(frozen=True, slots=True)
class Deletion:
    """A person's wish to have their data deleted. `accounts`: connections that it ended."""

    code: str
    platform: str
    requested_at: datetime
    accounts: int


class Consents:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._consents = db["consents"]
        self._deletions = db["data_deletions"]
        self._blinder = keys.blinder

    async def put(self, account_id: str, app_id: str, person: str, alias: str | None) -> None:
        """In place of whoever connected the account before. `alias`: another id of the same person."""
        document = {
            "_id": account_id,
            "person": self._blind(app_id, person),
            "alias": None if alias is None else self._blind(app_id, alias),
        }
        with guard():
            await self._consents.replace_one({"_id": account_id}, document, upsert=True)

    async def accounts_of(self, app_id: str, person: str) -> list[str]:
        """Ids of the accounts that this person connected with this app, in every org."""
        blinded = self._blind(app_id, person)
        found: list[str] = []
        for field in ("person", "alias"):
            with guard():
                found += [d["_id"] for d in await self._consents.find({field: blinded}).to_list(None)]
        return sorted(set(found))

    async def keep_deletion(self, app_id: str, person: str, wish: Deletion) -> None:
        """Repeating it changes nothing: the platform may send the same wish again."""
        document = {
            "_id": wish.code,
            "platform": wish.platform,
            "person": self._blind(app_id, person),
            "requestedAt": wish.requested_at,
            "accounts": wish.accounts,
        }
        with guard():
            if await self._deletions.find_one({"_id": wish.code}) is None:
                await self._deletions.replace_one({"_id": wish.code}, document, upsert=True)

    async def deletion(self, code: str) -> Deletion | None:
        with guard():
            document = await self._deletions.find_one({"_id": code})
        if document is None:
            return None
        return Deletion(code, document["platform"], document["requestedAt"], document["accounts"])

    def code(self, app_id: str, person: str, at: datetime) -> str:
        """The same for the same wish, and not to be guessed."""
        return self._blinder.blind(f"{app_id}:{person}:{int(at.timestamp())}", "data_deletions.code")[:22]

    def _blind(self, app_id: str, person: str) -> str:
        return self._blinder.blind(f"{app_id}:{person}", "consents.person")
