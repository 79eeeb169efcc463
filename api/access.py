"""Authorisation of a request, and the look-ups that keep orgs apart.

Every thing is looked up within the caller's org; what is not there is 404, whether it exists elsewhere or
not at all. A missing role is 403, but only for what the caller's org has.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from actors.account.operations.task import OPERATIONS
from actors.account.operations.told import ADS, BROADCASTS, CATALOGS
from actors.account.publishing.publication import PUBLICATIONS
from api.auth import Principal, bearer_token
from api.policy import POLICY, Access, Thing
from api.services import Services
from domain.errors import Forbidden, NotFound
from domain.ids import AccountId, EntityKey, Kind
from storage.mongo.identity import Role
from storage.records import DeadLetter, Document


def services_of(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def authorise(connection: HTTPConnection) -> None:
    """Runs before every route: who calls, and whether `POLICY` lets them."""
    access = POLICY[connection.scope["route"].name]
    if access.public:
        return
    services = services_of(connection)
    principal = await services.auth.principal(bearer_token(connection.headers.get("authorization")))
    connection.state.principal = principal
    if principal.role in access.roles and (principal.operator or not access.operator):
        return
    if access.thing is not None:
        await _find(services, principal, access.thing, connection.path_params)
    raise Forbidden("role_missing", _needed(access))


def _needed(access: Access) -> str:
    if access.operator:
        return "This wants an admin of an org that runs the deployment."
    return f"This wants one of the roles {', '.join(sorted(access.roles))}."


def caller_of(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


Svc = Annotated[Services, Depends(services_of)]
Caller = Annotated[Principal, Depends(caller_of)]


# -- things of the caller's org -----------------------------------------------------------------------
def entity_key(kind: Kind, id_: str) -> EntityKey:
    """The key of a path's id; NotFound for one that cannot be."""
    try:
        return EntityKey.parse(f"{kind}/{id_}")
    except ValueError:
        raise _unknown(kind) from None


async def own_view(services: Services, caller: Principal, kind: Kind, id_: str) -> dict[str, Any]:
    """The owner's view of an entity of the caller's org; NotFound for anything else."""
    key = entity_key(kind, id_)
    if kind is Kind.ACCOUNT and AccountId.parse(id_).org != caller.org:
        raise _unknown(kind)
    try:
        view = await services.owners.view(key)
    except NotFound:
        raise _unknown(kind) from None
    if view["org"] != caller.org:
        raise _unknown(kind)
    return view


def account_within_reach(caller: Principal, view: Mapping[str, Any]) -> None:
    """Creators reach only the accounts they connected; the account is known to be of their org."""
    if caller.role is Role.CREATOR and view["user_id"] != caller.user_id:
        raise Forbidden("account_of_another", "Creators reach only the accounts they connected themselves.")


async def own_content(services: Services, caller: Principal, content_id: str) -> Document:
    """The document of a piece of content of the caller's org."""
    documents = await services.side_store.load_many("social_content", [content_id])
    document = documents.get(content_id)
    if document is None or document["org"] != caller.org:
        raise _unknown(Thing.CONTENT)
    return document


async def own_publication(services: Services, caller: Principal, publication_id: str) -> Document:
    documents = await services.side_store.load_many(PUBLICATIONS, [publication_id])
    document = documents.get(publication_id)
    if document is None or document["org"] != caller.org:
        raise _unknown(Thing.PUBLICATION)
    return document


async def own_document(services: Services, caller: Principal, thing: Thing, id_: str) -> Document:
    """A document that a task brought, of the caller's org."""
    document = (await services.side_store.load_many(_COLLECTIONS[thing], [id_])).get(id_)
    if document is None or document["org"] != caller.org:
        raise _unknown(thing)
    return document


_COLLECTIONS = {
    Thing.OPERATION: OPERATIONS,
    Thing.AD: ADS,
    Thing.CATALOG: CATALOGS,
    Thing.BROADCAST: BROADCASTS,
}


async def own_media(services: Services, caller: Principal, media_id: str) -> Document:
    document = (await services.media.find(caller.org, [media_id])).get(media_id)
    if document is None:
        raise _unknown(Thing.MEDIA)
    return document


async def own_dead_letter(services: Services, caller: Principal, letter_id: str) -> DeadLetter:
    letter = await services.dead_letters.get(letter_id)
    if letter is None or not (letter.org == caller.org or (letter.org is None and caller.operator)):
        raise _unknown(Thing.DEAD_LETTER)
    return letter


async def own_user(services: Services, caller: Principal, user_id: str) -> None:
    if await services.directory.users.get(caller.org, user_id) is None:
        raise _unknown(Thing.USER)


async def own_api_key(services: Services, caller: Principal, key_id: str) -> None:
    if await services.directory.api_keys.get(caller.org, key_id) is None:
        raise _unknown(Thing.API_KEY)


def kind_of(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise NotFound("kind_unknown", f"Entities are of kind {', '.join(Kind)}.") from None


def _unknown(what: Kind | Thing) -> NotFound:
    return NotFound(f"{what}_unknown", f"There is no such {what.value.replace('_', ' ')}.")


async def _find(services: Services, caller: Principal, thing: Thing, path: Mapping[str, str]) -> None:
    """Raise NotFound unless the thing that the path names is the caller's org's."""
    match thing:
        case Thing.CONTENT:
            await own_content(services, caller, path["content_id"])
        case Thing.PUBLICATION:
            await own_publication(services, caller, path["publication_id"])
        case Thing.OPERATION | Thing.AD | Thing.CATALOG | Thing.BROADCAST:
            await own_document(services, caller, thing, path[f"{thing.value}_id"])
        case Thing.MEDIA:
            await own_media(services, caller, path["media_id"])
        case Thing.USER:
            await own_user(services, caller, path["user_id"])
        case Thing.API_KEY:
            await own_api_key(services, caller, path["key_id"])
        case Thing.DEAD_LETTER:
            await own_dead_letter(services, caller, path["letter_id"])
        case Thing.ENTITY:
            await own_view(services, caller, kind_of(path["kind"]), path["id"])
        case _:
            await own_view(services, caller, Kind(thing.value), path["id"])
