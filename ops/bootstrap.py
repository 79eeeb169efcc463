"""What an operator does directly on the stores of a deployment, running or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.bootstrap import NewOrg, create_org
from domain.clock import SystemClock
from domain.ids import new_id
from domain.secrets import Secret
from ops.commands import CommandFailed
from ops.embedded import DataPlane
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo import schema
from storage.mongo.directory import Directory
from storage.mongo.identity import ApiKey
from storage.settings import Settings


async def make_org(settings: Settings, name: str, admin: str, *, operator: bool) -> NewOrg:
    if "@" not in admin.strip("@"):
        raise CommandFailed(f"{admin!r} is not an e-mail address.")
    async with _directory(settings) as directory:
        return await create_org(directory, SystemClock(), name, admin, operator=operator)


async def recover_key(settings: Settings, org: str, user: str) -> Secret:
    """A fresh API key of this person."""
    async with _directory(settings) as directory:
        found = await directory.orgs.get(org)
        if found is None or user not in found.roles:
            raise CommandFailed(f"There is no person {user} in an org {org}.")
        key, secret = ApiKey.generate(new_id("key"), org, user, "recovered", SystemClock().now())
        await directory.api_keys.put(key, secret)
        return secret


@asynccontextmanager
async def _directory(settings: Settings) -> AsyncIterator[Directory]:
    """On the deployment's document server; an embedded one that does not run, runs for as long as this."""
    keys = _keys(settings)
    plane = DataPlane(settings.data_dir)
    urls = plane.start(settings.mongodb_url, settings.redis_url or "redis://not-needed")
    try:
        database = mongo.connect(urls.mongodb)
        await schema.prepare(database, settings.partitions)
        yield Directory.open(database, keys)
    finally:
        plane.stop()


def _keys(settings: Settings) -> Keys:
    if not settings.keys.startswith("{") and not Path(settings.keys).exists():
        raise CommandFailed(
            f"There is no key file {settings.keys}: start the service once, or `rookery keys create`."
        )
    return Keys.load(settings.keys)
