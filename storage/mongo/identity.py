"""Who may use the service: orgs, their people and roles, API keys, and what was revoked.

E-mail addresses are sealed and found by a keyed hash; API keys exist only as a keyed hash.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.errors import Busy, Conflict, NotFound
from domain.secrets import Secret
from storage.crypto import field_aad
from storage.keys import Keys
from storage.mongo.client import Database, guard
from storage.mongo.documents import newest_first
from storage.records import Cursor, Document

INDEXES: dict[str, list[IndexModel]] = {
    "users": [
        IndexModel([("org", ASCENDING), ("emailHash", ASCENDING)], unique=True),
        IndexModel([("org", ASCENDING), ("createdAt", ASCENDING), ("_id", ASCENDING)]),
    ],
    "api_keys": [
        IndexModel([("hash", ASCENDING)], unique=True),
        IndexModel([("org", ASCENDING), ("createdAt", ASCENDING), ("_id", ASCENDING)]),
    ],
    "revocations": [IndexModel([("expiresAt", ASCENDING)], expireAfterSeconds=0)],
}
_PREFIX = "rk_live_"  # of every API key, so that people and scanners know one when they see it
_TRIES = 8  # of a versioned write of an org; each lost race means that somebody else got through


class Role(StrEnum):
    """What a person may do in an org; each has exactly one."""

    ADMIN = "admin"
    MANAGER = "manager"
    ANALYST = "analyst"
    CREATOR = "creator"


@dataclass(frozen=True, slots=True)
class Org:
    """`roles` is the one place that says who belongs to the org; so "the last admin" can be decided in one
    versioned write. Admins of an `operator` org also see what concerns the whole deployment."""

    id: str
    name: str
    operator: bool
    created_at: datetime
    roles: dict[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    id: str
    org: str
    email: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`prefix` is for people to recognise the key; the rest of it is not kept."""

    id: str
    org: str
    user_id: str
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None = None

    @classmethod
    def generate(cls, id: str, org: str, user_id: str, name: str, now: datetime) -> tuple[Self, Secret]:
        """A key and its secret (256 random bits), which exists only in what the caller does with it."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        return cls(id, org, user_id, name, secret[: len(_PREFIX) + 4], now), Secret(secret)


class Orgs:
    def __init__(self, db: Database) -> None:
        self._orgs = db["orgs"]

    async def create(self, org: Org) -> None:
        with guard():
            await self._orgs.insert_one(
                {
                    "_id": org.id,
                    "name": org.name,
                    "operator": org.operator,
                    "roles": {user: role.value for user, role in org.roles.items()},
                    "createdAt": org.created_at,
                    "version": 1,
                }
            )

    async def get(self, org_id: str) -> Org | None:
        with guard():
            document = await self._orgs.find_one({"_id": org_id})
        return None if document is None else _org(document)

    async def all(self) -> list[Org]:
        """Every org of the deployment, oldest first: for its operators at the command line."""
        with guard():
            documents = await self._orgs.find({}).to_list(None)
        return sorted(map(_org, documents), key=lambda org: (org.created_at, org.id))

    async def set_role(self, org_id: str, user_id: str, role: Role | None) -> None:
        """Give the user this role, or with None take them out of the org; Conflict `last_admin` when nobody
        could administer the org afterwards."""
        for _ in range(_TRIES):
            with guard():
                document = await self._orgs.find_one({"_id": org_id})
            if document is None:
                raise NotFound("org_unknown", "There is no such org.")
            roles: dict[str, str] = dict(document["roles"])
            if role is None:
                roles.pop(user_id, None)
            else:
                roles[user_id] = role.value
            if Role.ADMIN not in roles.values():
                raise Conflict(
                    "last_admin", "An org keeps at least one admin: make somebody else admin first."
                )
            if roles == document["roles"]:
                return
            version = document["version"]
            with guard():
                written = await self._orgs.update_one(
                    {"_id": org_id, "version": version},
                    {"$set": {"roles": roles, "version": version + 1}},
                )
            if written.matched_count == 1:
                return
        raise Busy("org_busy", "Many changes to this org at once: try again.")


class Users:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._users = db["users"]
        self._keys = keys

    async def add(self, user: User) -> User:
        """Store the user, or answer the one who has this e-mail address already."""
        document = {
            "_id": user.id,
            "org": user.org,
            "email": self._keys.seal.seal(user.email.encode(), field_aad("users", user.id, "email")),
            "emailHash": self._email_hash(user.email),
            "createdAt": user.created_at,
        }
        try:
            with guard():
                await self._users.insert_one(document)
        except DuplicateKeyError:
            known = await self._by_email(user.org, user.email)
            if known is None:
                raise Busy("user_busy", "This user is being changed: try again.") from None
            return known
        return user

    async def get(self, org: str, user_id: str) -> User | None:
        with guard():
            document = await self._users.find_one({"_id": user_id, "org": org})
        return None if document is None else self._user(document)

    async def page(
        self, org: str, limit: int, after: Cursor | None = None
    ) -> tuple[list[User], Cursor | None]:
        """Newest first, and where the next page starts."""
        page = await newest_first(self._users, {"org": org}, "createdAt", limit, after)
        return [self._user(d) for d in page.documents], page.next

    async def remove(self, org: str, user_id: str) -> None:
        with guard():
            await self._users.delete_one({"_id": user_id, "org": org})

    async def _by_email(self, org: str, email: str) -> User | None:
        with guard():
            document = await self._users.find_one({"org": org, "emailHash": self._email_hash(email)})
        return None if document is None else self._user(document)

    def _email_hash(self, email: str) -> str:
        return self._keys.blinder.blind(email.strip().lower(), "users.email")

    def _user(self, document: Document) -> User:
        id_ = document["_id"]
        email = self._keys.seal.open(bytes(document["email"]), field_aad("users", id_, "email"))
        return User(id_, document["org"], email.decode(), document["createdAt"])


class ApiKeys:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._keys = db["api_keys"]
        self._blinder = keys.blinder

    async def put(self, key: ApiKey, secret: Secret) -> None:
        """Store the key's hash; again under the same id it replaces a secret whose answer was lost."""
        with guard():
            await self._keys.replace_one(
                {"_id": key.id},
                {
                    "_id": key.id,
                    "org": key.org,
                    "userId": key.user_id,
                    "name": key.name,
                    "prefix": key.prefix,
                    "hash": self._hash(secret.reveal()),
                    "createdAt": key.created_at,
                    "revokedAt": key.revoked_at,
                },
                upsert=True,
            )

    async def by_secret(self, secret: str) -> ApiKey | None:
        """The key with this secret, revoked or not. A keyed hash is looked up, so the time it takes says
        nothing about how much of a guess was right."""
        with guard():
            document = await self._keys.find_one({"hash": self._hash(secret)})
        return None if document is None else _api_key(document)

    async def get(self, org: str, key_id: str) -> ApiKey | None:
        with guard():
            document = await self._keys.find_one({"_id": key_id, "org": org})
        return None if document is None else _api_key(document)

    async def page(
        self, org: str, limit: int, after: Cursor | None = None
    ) -> tuple[list[ApiKey], Cursor | None]:
        page = await newest_first(self._keys, {"org": org}, "createdAt", limit, after)
        return [_api_key(d) for d in page.documents], page.next

    async def revoke(self, org: str, key_id: str, at: datetime) -> None:
        with guard():
            await self._keys.update_one(
                {"_id": key_id, "org": org, "revokedAt": None}, {"$set": {"revokedAt": at}}
            )

    def _hash(self, secret: str) -> str:
        return self._blinder.blind(secret, "api_keys.secret")


class Revocations:
    """Tokens taken back before their time. A subject is a token's `jti`, a user's id or an API key's id: the
    latter two take back every token issued until then."""

    def __init__(self, db: Database) -> None:
        self._revocations = db["revocations"]

    async def add(self, org: str, subject: str, at: datetime, expires_at: datetime) -> None:
        """`expires_at` is when the last token concerned ends by itself."""
        with guard():
            await self._revocations.update_one(
                {"_id": f"{org}|{subject}"},
                {"$set": {"org": org, "subject": subject, "at": at, "expiresAt": expires_at}},
                upsert=True,
            )

    async def current(self, now: datetime) -> dict[tuple[str, str], datetime]:
        """(org, subject) -> revoked at, for all that still matter; of every org, for the token check."""
        with guard():
            documents = await self._revocations.find({"expiresAt": {"$gt": now}}).to_list(None)
        return {(d["org"], d["subject"]): d["at"] for d in documents}


def _org(document: Document) -> Org:
    return Org(
        document["_id"],
        document["name"],
        document["operator"],
        document["createdAt"],
        {user: Role(role) for user, role in document["roles"].items()},
    )


def _api_key(document: Document) -> ApiKey:
    return ApiKey(
        document["_id"],
        document["org"],
        document["userId"],
        document["name"],
        document["prefix"],
        document["createdAt"],
        document["revokedAt"],
    )
