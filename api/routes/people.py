"""An org's users and API keys, and its audit log."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints

from api.access import Caller, Svc, own_api_key, own_user
from api.commands import Command
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.schemas import Body, Json, Name, Visible
from api.services import Services
from domain.errors import Conflict, Invalid
from storage.mongo.identity import ApiKey, Role, User

router = APIRouter(prefix="/v1", tags=["people"])

RoleName = Literal["admin", "manager", "analyst", "creator"]
Email = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$", max_length=254, strip_whitespace=True),
    Visible,
]


class NewUser(Body):
    email: Email
    role: RoleName


class UserChange(Body):
    role: RoleName


class NewApiKey(Body):
    name: Name
    user_id: str | None = Field(default=None, max_length=64, description="Whose it is; default: yours.")


@router.get("/users")
async def list_users(services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None) -> Json:
    users, after = await services.directory.users.page(caller.org, limit, decode_cursor(cursor))
    roles = await _roles(services, caller.org)
    return page_json((_user_json(u, roles.get(u.id)) for u in users), after)


@router.post("/users", status_code=201)
async def create_user(body: NewUser, services: Svc, caller: Caller, command: Command) -> Json:
    """Take a person into the org. They sign in with an API key made for them."""

    async def make(user_id: str) -> dict[str, Any]:
        wanted = User(user_id, caller.org, body.email, services.clock.now())
        user = await services.directory.users.add(wanted)
        # Somebody with this address but without a role is what an interrupted attempt left: finish it.
        if user.id != user_id and user.id in await _roles(services, caller.org):
            raise Conflict("email_taken", "The org has a user with this e-mail address.")
        role = Role(body.role)
        await services.directory.orgs.set_role(caller.org, user.id, role)
        return _user_json(user, role)

    return await command.once("usr", make)


@router.patch("/users/{user_id}")
async def change_user(user_id: str, body: UserChange, services: Svc, caller: Caller) -> Json:
    """Change a user's role. Tokens they have are taken back: they get new ones with the new role."""
    await own_user(services, caller, user_id)
    role = Role(body.role)
    await services.directory.orgs.set_role(caller.org, user_id, role)
    await services.auth.revoke(caller.org, user_id)
    user = await services.directory.users.get(caller.org, user_id)
    return {"id": user_id, "role": role.value} if user is None else _user_json(user, role)


@router.delete("/users/{user_id}", status_code=204)
async def remove_user(user_id: str, services: Svc, caller: Caller) -> None:
    """Take a person out of the org: their keys and tokens stop working."""
    await own_user(services, caller, user_id)
    # In this order an interruption leaves somebody without rights, never rights without somebody.
    await services.directory.orgs.set_role(caller.org, user_id, None)
    await services.auth.revoke(caller.org, user_id)
    await services.directory.users.remove(caller.org, user_id)


@router.get("/api-keys")
async def list_api_keys(services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None) -> Json:
    keys, after = await services.directory.api_keys.page(caller.org, limit, decode_cursor(cursor))
    return page_json(map(_key_json, keys), after)


@router.post("/api-keys", status_code=201)
async def create_api_key(body: NewApiKey, services: Svc, caller: Caller, command: Command) -> Json:
    """Make an API key. `api_key` is shown in this answer and never again."""
    user_id = body.user_id or caller.user_id
    if user_id not in await _roles(services, caller.org):
        raise Invalid("user_unknown", "There is no such user in the org.", field="user_id")

    async def make(key_id: str) -> dict[str, Any]:
        key, secret = ApiKey.generate(key_id, caller.org, user_id, body.name, services.clock.now())
        await services.directory.api_keys.put(key, secret)
        return _key_json(key) | {"api_key": secret.reveal()}

    return await command.once("key", make)


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_api_key(key_id: str, services: Svc, caller: Caller) -> None:
    """End an API key and every token issued for it."""
    await own_api_key(services, caller, key_id)
    await services.directory.api_keys.revoke(caller.org, key_id, services.clock.now())
    await services.auth.revoke(caller.org, key_id)


@router.get("/audit")
async def list_audit(
    request: Request, services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """Who did what, newest first."""
    entries, after = await services.directory.audit.page(caller.org, limit, decode_cursor(cursor))
    items = (
        {
            "user_id": e.user_id,
            "action": e.action,
            "target": e.target,
            "at": e.at.isoformat(),
            "status": e.status,
        }
        for e in entries
    )
    return page_json(items, after)


async def _roles(services: Services, org_id: str) -> dict[str, Role]:
    org = await services.directory.orgs.get(org_id)
    return org.roles if org else {}


def _user_json(user: User, role: Role | None) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "role": role.value if role else None,
        "created_at": user.created_at.isoformat(),
    }


def _key_json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "user_id": key.user_id,
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
