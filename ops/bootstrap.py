"""What an operator does directly on the stores of a deployment, running or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from api.bootstrap import NewOrg, create_org
from api.routes.people import Email
from api.schemas import Name
from domain.clock import SystemClock
from domain.ids import Kind, new_id
from domain.secrets import Secret
from ops.commands import CommandFailed
from ops.embedded import DataPlane
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo import schema
from storage.mongo.directory import Directory
from storage.mongo.identity import ApiKey, Org
from storage.settings import Settings


@dataclass(frozen=True, slots=True)
class OrgRow:
    org: Org
    accounts: int
    """Not counting disconnected ones."""
    campaigns: int


async def make_org(settings: Settings, name: str, admin: str, *, operator: bool) -> NewOrg:
    try:
        name = TypeAdapter[str](Name).validate_python(name)
    except ValidationError:
        raise CommandFailed(
            "An org's name is 1 to 200 characters, none of them control characters."
        ) from None
    try:
        admin = TypeAdapter[str](Email).validate_python(admin)
    except ValidationError:
        raise CommandFailed(f"{admin!r} is not an e-mail address.") from None
    async with _stores(settings) as (directory, _):
        return await create_org(directory, SystemClock(), name, admin, operator=operator)


async def list_orgs(settings: Settings) -> list[OrgRow]:
    """Every org of the deployment, oldest first."""
    async with _stores(settings) as (directory, database):
        rows = []
        for org in await directory.orgs.all():
            accounts = await _count(
                database, Kind.ACCOUNT, {"org": org.id, "status": {"$ne": "disconnected"}}
            )
            rows.append(OrgRow(org, accounts, await _count(database, Kind.CAMPAIGN, {"org": org.id})))
        return rows


async def recover_key(settings: Settings, org: str, user: str) -> Secret:
    """A fresh API key of this person."""
    async with _stores(settings) as (directory, _):
        found = await directory.orgs.get(org)
        if found is None or user not in found.roles:
            raise CommandFailed(f"There is no person {user} in an org {org}: `rookery orgs list` shows both.")
        key, secret = ApiKey.generate(new_id("key"), org, user, "recovered", SystemClock().now())
        await directory.api_keys.put(key, secret)
        return secret


async def _count(database: mongo.Database, kind: Kind, where: dict[str, object]) -> int:
    with mongo.guard():
        return await database[schema.ENTITIES[kind]].count_documents(where)


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple[Directory, mongo.Database]]:
    """The deployment's document server; an embedded one that does not run, runs for as long as this."""
    keys = _keys(settings)
    plane = DataPlane(settings.data_dir)
    urls = plane.start(settings.mongodb_url, settings.redis_url or "redis://not-needed")
    try:
        database = mongo.connect(urls.mongodb)
        await schema.prepare(database, settings.partitions)
        yield Directory.open(database, keys), database
    finally:
        plane.stop()


def _keys(settings: Settings) -> Keys:
    if not settings.keys.startswith("{") and not Path(settings.keys).exists():
        raise CommandFailed(
            f"There is no key file {settings.keys}: set ROOKERY_DATA_DIR or ROOKERY_KEYS as the service has "
            "it, or start the service once."
        )
    return Keys.load(settings.keys)
