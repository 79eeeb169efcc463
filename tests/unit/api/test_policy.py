"""Every route, every role, and another org's ids: nothing here names a route that it could forget."""

import re
from typing import Any, cast

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute

from api import app as composition
from api import choices
from api.app import create_api
from api.live import live_router
from api.oauth import StateRecord
from api.policy import POLICY, Access, Thing
from api.redirect import redirect_router
from domain.content import Profile
from domain.secrets import Secret
from platforms.base import Connectable, Grant
from storage.mongo.identity import Role
from tests.unit.api.conftest import Person, World
from tests.unit.api.doubles import PICTURE
from tests.unit.api.things import Things, campaign_body, make_things, sale_body

ROUTES = [
    (method, route.path, route.name)
    for router in composition._ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
]
# Removing the user comes last: other routes name it.
PROTECTED = sorted((r for r in ROUTES if not POLICY[r[2]].public), key=lambda r: r[2] == "remove_user")

BODIES: dict[str, Any] = {
    "set_app_limit": {"budget": "twitter.app_1", "pool": "post_cap", "limit": 1000},
    "revoke_token": {},
    "create_user": {"email": "new@example.org", "role": "analyst"},
    "change_user": {"role": "manager"},
    "create_api_key": {"name": "another"},
    "add_platform_app": {"client_id": "c", "client_secret": "s"},
    "connect_account": {},
    "choose_accounts": {"handle": "x", "accounts": ["4711"]},
    "configure_account": {"auto_sync": False},
    "create_campaign": campaign_body(),
    "update_campaign": {"description": "longer"},
    "record_campaign_cost": {"amount_minor": 100},
    "create_link": {"url": "https://shop.example/q"},
    "record_transaction": sale_body("order-sweep"),
    "edit_content": {"text": "New words"},
    "fetch_media": {"url": "https://pictures.example/p.png"},
    "scale_hosts": {"hosts": 1},
    "read_account_insights": {},
    "read_ads": {},
    "create_ad_campaign": {"ad_account_id": "x", "name": "n", "objective": "o"},
    "create_ad_group": {"name": "n", "goal": "g", "countries": ["DE"]},
    "create_ad": {"name": "n", "content_id": "x"},
    "tie_ad_campaigns": {"ad_campaigns": []},
    "change_ad": {"status": "paused"},
    "upsert_products": {
        "products": [
            {
                "retailer_id": "SKU-3",
                "title": "Vase",
                "price": {"amount_minor": 100, "currency": "EUR"},
                "url": "https://shop.example/v",
                "image_url": "https://shop.example/v.png",
            }
        ]
    },
    "read_orders": {},
    "create_broadcast": {"title": "Kiln", "scheduled_at": "2026-06-01T00:00:00Z"},
    "change_broadcast": {"to": "live"},
    "connect_grant": {},
    "bring_grant": {"access_token": "BROUGHT"},
}


async def open_choice(world: World, person: Person) -> str:
    """A choice that this person began, whatever their role is now."""
    org = next(c for c in (world.ours, world.theirs, world.operators) if person in c.people.values())
    record = StateRecord(org.id, person.id, "twitter", "twitter-default", "https://r", [], None, None)
    opened = [Connectable(Profile("4711", "anna"), Grant(Secret("T"), None, None, None))]
    return (await choices.keep(world.services, record, opened))[0]


def address(path: str, name: str, things: Things, **more: str) -> str:
    thing = POLICY[name].thing
    values = {
        "platform": "twitter",
        "kind": "account",
        "content_id": things.content,
        "publication_id": things.publication,
        "media_id": things.media,
        "user_id": things.user,
        "key_id": things.api_key,
        "letter_id": things.dead_letter,
        "id": things.account if thing is Thing.ENTITY else getattr(things, thing.value) if thing else "",
        "operation_id": things.operation,
        "ad_id": things.ad.replace("campaign", "group") if name == "create_ad" else things.ad,
        "catalog_id": things.catalog,
        "broadcast_id": things.broadcast,
        "capability": "ads",
        "handle": "x" * 43,
        **more,
    }
    return re.sub(r"{(\w+)}", lambda m: values[m[1]], path)


def body_of(name: str, things: Things) -> Any:
    if name == "create_publication":
        return {"accounts": [things.account], "text": "Hello"}
    if name == "create_ad_campaign":
        account = things.ad.replace("77-campaign", "77")
        return {"ad_account_id": account, "name": "Spring", "objective": "SALES"}
    if name == "create_ad":
        return {"name": "Bowl", "content_id": things.content}
    if name == "tie_ad_campaigns":
        return {"ad_campaigns": [things.ad]}
    return BODIES.get(name)


async def ask(world: World, person: Person | None, route: tuple[str, str, str], things: Things) -> int:
    method, path, name = route
    sent, values = body_of(name, things), {}
    if person is not None and name in ("show_choice", "choose_accounts"):
        handle = await open_choice(world, person)
        sent, values = sent and sent | {"handle": handle}, {"handle": handle}
    body: dict[str, Any] = {"json": sent}
    if name == "upload_media":
        body = {"content": PICTURE}
    answer = await world.call(method, address(path, name, things, **values), person, **body)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", route
        assert answer.json()["status"] == answer.status_code
    return answer.status_code


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    nothing = cast(Any, None)
    others = [*redirect_router(nothing).routes, *live_router(nothing, nothing, nothing).routes]
    names = {name for _, _, name in ROUTES}
    names |= {r.name for r in others if isinstance(r, APIRoute | APIWebSocketRoute)}
    assert names == set(POLICY)


def test_an_api_with_an_unlisted_route_does_not_start(world: World) -> None:
    router = APIRouter()
    router.add_api_route("/v1/secret", lambda: None, name="unlisted")
    with pytest.raises(RuntimeError, match="unlisted"):
        create_api(world.services, [router])


@pytest.mark.parametrize("route", PROTECTED, ids=lambda r: r[2])
def test_ids_in_a_path_are_things_of_the_policy(route: tuple[str, str, str]) -> None:
    has_id = "id}" in route[1]
    assert has_id == (POLICY[route[2]].thing is not None)


async def test_without_a_token_nothing_opens(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    statuses = {route: await ask(world, None, route, things) for route in PROTECTED}
    assert {r: s for r, s in statuses.items() if s != 401} == {}


@pytest.mark.parametrize("role", Role)
async def test_each_role_reaches_exactly_its_routes(world: World, role: Role) -> None:
    things = await make_things(world, world.ours, "1")
    person = world.ours.people[role]
    wrong = {}
    for route in PROTECTED:
        status = await ask(world, person, route, things)
        access = POLICY[route[2]]
        # 409: the account was disconnected earlier in this very sweep.
        good = status < 300 or status == 409 if _allows(access, role) else status == 403
        if not good:
            wrong[route] = status
        if route[2] == "revoke_token":
            world.clock.advance(0.01)
            person.token = await world.token(person)
    assert wrong == {}


@pytest.mark.parametrize("role", Role)
async def test_another_orgs_ids_are_404_for_every_role(world: World, role: Role) -> None:
    await make_things(world, world.ours, "1")
    theirs = await make_things(world, world.theirs, "2")
    before = dict(world.entities._data)
    wrong = {}
    for route in PROTECTED:
        if POLICY[route[2]].thing is None:
            continue
        status = await ask(world, world.ours.people[role], route, theirs)
        if status != 404:
            wrong[route] = status
    assert wrong == {}
    assert world.entities._data == before
    streams = [f"mailbox:account:{n}" for n in range(64)]
    assert sum((await world.mailboxes.lag(streams)).values()) == 0


@pytest.mark.parametrize("role", Role)
async def test_unknown_and_impossible_ids_are_404(world: World, role: Role) -> None:
    unknown = Things(*["twitter:9:nobody", "cmp_none", "nonexistent", "txn_none"], *["nothing-here"] * 10)
    impossible = Things(*["%00", "a%20b", "ä" * 300, "..%5c"], *["%7B%7D"] * 10)
    for things in (unknown, impossible):
        for route in PROTECTED:
            if POLICY[route[2]].thing is not None:
                assert await ask(world, world.ours.people[role], route, things) == 404, route


@pytest.mark.parametrize("role", Role)
async def test_lists_show_only_the_own_org(world: World, role: Role) -> None:
    theirs = await make_things(world, world.theirs, "2")
    await make_things(world, world.ours, "1")
    hidden = [world.theirs.id, *(getattr(theirs, f) for f in theirs.__dataclass_fields__)]
    for method, path, name in PROTECTED:
        if method != "GET" or POLICY[name].operator or "{id}" in path or "_id}" in path:
            continue
        answer = await world.call("GET", path.replace("{platform}", "twitter"), world.ours.people[role])
        if answer.status_code == 200:
            assert not [h for h in hidden if h in answer.text], name


async def test_only_operators_see_the_deployment(world: World) -> None:
    for path in ("/v1/ops/hosts", "/v1/ops/partitions", "/v1/ops/parked"):
        assert (await world.call("GET", path, world.ours.admin)).status_code == 403
        assert (await world.call("GET", path, world.operators.manager)).status_code == 403
        assert (await world.call("GET", path, world.operators.admin)).status_code == 200


async def test_an_operator_is_no_admin_of_other_orgs(world: World) -> None:
    theirs = await make_things(world, world.theirs, "2")
    answer = await world.call("GET", f"/v1/accounts/{theirs.account}", world.operators.admin)
    assert answer.status_code == 404


async def test_creators_reach_only_what_they_connected(world: World) -> None:
    others = (await world.connect(world.ours.manager, "1"))["id"]
    own = (await world.connect(world.ours.creator, "2"))["id"]
    creator = world.ours.creator
    for method, path, name in PROTECTED:
        if POLICY[name].thing is Thing.ACCOUNT and name != "list_account_content":
            url = path.replace("{id}", others).replace("{capability}", "ads")
            answer = await world.call(method, url, creator, json=BODIES.get(name))
            assert answer.status_code == 403, name
    listed = (await world.call("GET", "/v1/accounts", creator)).json()["items"]
    assert [a["id"] for a in listed] == [own]


def _allows(access: Access, role: Role) -> bool:
    return role in access.roles and not access.operator
