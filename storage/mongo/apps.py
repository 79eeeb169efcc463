"""Applications registered at the platforms: the deployment's own, and those that orgs brought."""

from dataclasses import dataclass, field
from datetime import datetime

import orjson
from pymongo import ASCENDING, IndexModel

from domain.secrets import Secret
from storage.crypto import Keyring, field_aad
from storage.mongo.client import Database, guard
from storage.records import Document

COLLECTION = "platform_apps"
INDEXES: dict[str, list[IndexModel]] = {
    COLLECTION: [
        IndexModel([("org", ASCENDING), ("platform", ASCENDING)]),
        IndexModel([("updatedAt", ASCENDING)]),
    ],
}


@dataclass(frozen=True, slots=True)
class AppRecord:
    """`org` None: the deployment's own, usable by every org. The secrets have the meaning they have in
    `platforms.base.PlatformApp`."""

    id: str
    org: str | None
    platform: str
    client_id: str
    client_secret: Secret
    webhook_secrets: tuple[Secret, ...]
    updated_at: datetime
    verify_token: Secret | None = None
    bearer_token: Secret | None = None
    name: str = field(default="")


class Apps:
    def __init__(self, db: Database, keyring: Keyring) -> None:
        self._apps = db[COLLECTION]
        self._keyring = keyring

    async def put(self, app: AppRecord) -> None:
        """Store the app whole: new, or in place of what it was."""
        secrets = {
            "client_secret": app.client_secret.reveal(),
            "webhook_secrets": [s.reveal() for s in app.webhook_secrets],
            "verify_token": app.verify_token and app.verify_token.reveal(),
            "bearer_token": app.bearer_token and app.bearer_token.reveal(),
        }
        document = {
            "_id": app.id,
            "org": app.org,
            "platform": app.platform,
            "name": app.name,
            "clientId": app.client_id,
            "secrets": self._keyring.seal(orjson.dumps(secrets), _aad(app.id)),
            "updatedAt": app.updated_at,
        }
        with guard():
            await self._apps.replace_one({"_id": app.id}, document, upsert=True)

    async def usable(self, org: str, platform: str) -> list[AppRecord]:
        """The org's own apps, then the deployment's."""
        return [*await self._of(org, platform), *await self._of(None, platform)]

    async def find(self, app_id: str) -> AppRecord | None:
        """By id alone, whoever's it is: for the owners of accounts and for webhooks, which know no caller."""
        with guard():
            document = await self._apps.find_one({"_id": app_id})
        return None if document is None else self._app(document)

    async def changed_since(self, at: datetime) -> list[AppRecord]:
        """Everybody's apps written at or after `at`: how webhook replicas keep up with them."""
        with guard():
            documents = await self._apps.find({"updatedAt": {"$gte": at}}).to_list(None)
        return [self._app(d) for d in documents]

    async def _of(self, org: str | None, platform: str) -> list[AppRecord]:
        with guard():
            documents = await self._apps.find({"org": org, "platform": platform}).to_list(None)
        return [self._app(d) for d in documents]

    def _app(self, document: Document) -> AppRecord:
        id_ = document["_id"]
        secrets = orjson.loads(self._keyring.open(bytes(document["secrets"]), _aad(id_)))
        verify, bearer = secrets["verify_token"], secrets["bearer_token"]
        return AppRecord(
            id=id_,
            org=document["org"],
            platform=document["platform"],
            client_id=document["clientId"],
            client_secret=Secret(secrets["client_secret"]),
            webhook_secrets=tuple(Secret(s) for s in secrets["webhook_secrets"]),
            updated_at=document["updatedAt"],
            verify_token=None if verify is None else Secret(verify),
            bearer_token=None if bearer is None else Secret(bearer),
            name=document["name"],
        )


def _aad(app_id: str) -> str:
    return field_aad(COLLECTION, app_id, "secrets")
