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
    """A person's wish to have their data deleted. `asked_at` is by the platform's clock, `received_at` by
    ours; `accounts` are the connections that it concerns, of every org. How far it is, their owners say."""

    code: str
    platform: str
    asked_at: datetime
    received_at: datetime
    accounts: tuple[str, ...]


class Consents:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._consents = db["consents"]
        self._deletions = db["data_deletions"]
        self._blinder = keys.blinder

    async def put(self, account_id: str, app_id: str, person: str, alias: str | None, now: datetime) -> None:
        """In place of whoever connected the account before. `alias`: another id of the same person."""
        document = {
            "_id": account_id,
            "person": self._blind(app_id, person),
            "alias": None if alias is None else self._blind(app_id, alias),
            "at": now,
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

    async def forget(self, account_id: str, before: datetime) -> None:
        """Nobody's consent any more, unless one was given at `before` or later."""
        with guard():
            known = await self._consents.find_one({"_id": account_id})
            if known is not None and ((at := known.get("at")) is None or at < before):
                await self._consents.delete_one({"_id": account_id, "at": at})

    async def keep_deletion(self, app_id: str, person: str, wish: Deletion) -> Deletion:
        """The first of a code stays, and is answered: the platform may send the same wish again."""
        document = {
            "_id": wish.code,
            "platform": wish.platform,
            "person": self._blind(app_id, person),
            "askedAt": wish.asked_at,
            "receivedAt": wish.received_at,
            "accounts": list(wish.accounts),
        }
        if (known := await self.deletion(wish.code)) is not None:
            return known
        with guard():
            await self._deletions.replace_one({"_id": wish.code}, document, upsert=True)
        return wish

    async def deletion(self, code: str) -> Deletion | None:
        with guard():
            document = await self._deletions.find_one({"_id": code})
        if document is None:
            return None
        accounts = tuple(document["accounts"])
        return Deletion(code, document["platform"], document["askedAt"], document["receivedAt"], accounts)

    def code(self, app_id: str, person: str, at: datetime) -> str:
        """The same for the same wish, and not to be guessed."""
        return self._blinder.blind(f"{app_id}:{person}:{int(at.timestamp())}", "data_deletions.code")[:22]

    def _blind(self, app_id: str, person: str) -> str:
        return self._blinder.blind(f"{app_id}:{person}", "consents.person")
