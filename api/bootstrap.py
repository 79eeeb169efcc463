"""What no API call can do, because nobody is there yet to call it: the first org, the deployment's apps.

For operators at the command line, directly on the stores.
"""

from dataclasses import dataclass

from domain.clock import Clock
from domain.ids import new_id
from domain.secrets import Secret
from storage.mongo.apps import AppRecord
from storage.mongo.directory import Directory
from storage.mongo.identity import ApiKey, Org, Role, User


@dataclass(frozen=True, slots=True)
class NewOrg:
    org: Org
    admin: User
    api_key: Secret
    """The admin's first key; it is not kept anywhere."""


async def create_org(
    directory: Directory, clock: Clock, name: str, admin_email: str, *, operator: bool = False
) -> NewOrg:
    """An org with one admin and their API key. `operator`: its admins run the deployment."""
    now = clock.now()
    org_id, user_id = new_id("org"), new_id("usr")
    org = Org(org_id, name, operator, now, {user_id: Role.ADMIN})
    user = User(user_id, org_id, admin_email, now)
    key, secret = ApiKey.generate(new_id("key"), org_id, user_id, "first key", now)
    await directory.orgs.create(org)
    await directory.users.add(user)
    await directory.api_keys.put(key, secret)
    return NewOrg(org, user, secret)


async def add_platform_app(
    directory: Directory,
    clock: Clock,
    platform: str,
    client_id: str,
    client_secret: Secret,
    *,
    app_id: str | None = None,
    org: str | None = None,
    webhook_secrets: tuple[Secret, ...] = (),
    verify_token: Secret | None = None,
    bearer_token: Secret | None = None,
    name: str = "",
) -> AppRecord:
    """An application at a platform: the deployment's own (`org` None) or an org's. A given `app_id` replaces
    that app. Without `webhook_secrets` webhooks are signed with the client secret."""
    app = AppRecord(
        id=app_id or new_id("app"),
        org=org,
        platform=platform,
        client_id=client_id,
        client_secret=client_secret,
        webhook_secrets=webhook_secrets or (client_secret,),
        updated_at=clock.now(),
        verify_token=verify_token,
        bearer_token=bearer_token,
        name=name,
    )
    await directory.apps.put(app)
    return app
