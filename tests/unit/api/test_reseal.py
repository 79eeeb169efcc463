"""Entities of every org get what they keep sealed under the active key, by their owners' own writes."""

import pytest

from domain.ids import EntityKey, Kind
from storage.crypto import JwtKeys, Keyring, StateSealer, field_aad, sealed_under
from storage.keys import Keys
from storage.mongo.schema import ENTITIES
from storage.sealed import FIELDS, keys_in
from tests.unit.api.conftest import World
from tests.unit.api.conftest import world as world
from tests.unit.api.things import make_things

PATH = "/v1/ops/keys/reseal"


@pytest.fixture
def keys(keys: Keys) -> Keys:
    """Keys of one test alone: it rotates them."""
    return own_copy(keys)


def own_copy(keys: Keys) -> Keys:
    return Keys(
        Keyring.read(keys.seal.dump()),
        b"b" * 32,
        StateSealer.read(keys.state.dump()),
        JwtKeys.read(keys.jwt.dump()),
    )


def rotate(world: World) -> str:
    """The service's keyring seals with another key from now on; answers the id of the one before."""
    ring = world.services.keys.seal
    before = ring.active
    ring.adopt(ring.stage().promoted())
    return before


async def stored(world: World, key: EntityKey) -> dict[str, object]:
    return (await world.entities.load_many([key]))[key]


async def test_owners_exchange_what_is_sealed_and_it_means_the_same(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    account = EntityKey(Kind.ACCOUNT, things.account)
    tokens = {"access_token": "A", "refresh_token": "R", "token_secret": "S"}
    given = await world.call(
        "PUT", f"/v1/accounts/{things.account}/grants/ads", world.ours.admin, json=tokens
    )
    assert given.status_code == 200, given.text
    sale = EntityKey(Kind.TRANSACTION, things.transaction)
    ring = world.services.keys.seal
    before = rotate(world)
    known = {before, ring.active}
    for key, values in ((account, 5), (sale, 1)):
        old = await stored(world, key)
        assert keys_in(old, known) == {before: values}
        body = {
            "kind": key.kind.value,
            "ids": [key.id, "twitter:404:nobody" if key is account else "txn_404"],
            "key": ring.active,
        }
        answer = await world.call("POST", PATH, world.operators.admin, json=body)
        assert answer.json() == {"sealed": values, "unanswered": 0}, answer.text
        new = await stored(world, key)
        assert keys_in(new, known) == {ring.active: values}
        assert new["version"] == old["version"] + 1  # type: ignore[operator]
        for path in FIELDS[ENTITIES[key.kind]]:
            if path.startswith("grants.") and not path.startswith("grants.ads."):
                continue
            aad = field_aad(ENTITIES[key.kind], key.id, path.partition(".")[2] or path)
            opened = [ring.open(_at(document, path), aad) for document in (old, new)]
            assert opened[0] == opened[1]
        again = await world.call("POST", PATH, world.operators.admin, json=body)
        assert again.json() == {"sealed": 0, "unanswered": 0}
        assert (await stored(world, key))["version"] == new["version"]


async def test_an_owner_that_does_not_answer_is_counted_and_asked_again_later(world: World) -> None:
    account = (await world.connect(world.theirs.admin))["id"]
    before = rotate(world)
    body = {"kind": "account", "ids": [account], "key": world.services.keys.seal.active}
    world.owners.away = True
    answer = await world.call("POST", PATH, world.operators.admin, json=body)
    assert answer.json() == {"sealed": 0, "unanswered": 1}
    assert keys_in(await stored(world, EntityKey(Kind.ACCOUNT, account)), {before}) == {before: 2}
    world.owners.away = False
    answer = await world.call("POST", PATH, world.operators.admin, json=body)
    assert answer.json() == {"sealed": 2, "unanswered": 0}


async def test_a_service_that_does_not_use_the_key_yet_says_so(world: World) -> None:
    account = (await world.connect(world.ours.admin))["id"]
    ahead = world.services.keys.seal.stage().promoted()
    body = {"kind": "account", "ids": [account], "key": ahead.active}
    answer = await world.call("POST", PATH, world.operators.admin, json=body)
    assert answer.status_code == 409
    assert "copy the key file to every node" in answer.json()["detail"]
    # A replica whose file has it learns of it by being asked.
    world.services.keys.seal.look = lambda missing: world.services.keys.seal.adopt(ahead)
    answer = await world.call("POST", PATH, world.operators.admin, json=body)
    assert answer.json() == {"sealed": 2, "unanswered": 0}


async def test_only_operators_may(world: World) -> None:
    body = {"kind": "account", "ids": ["twitter:1:any"], "key": world.services.keys.seal.active}
    assert (await world.call("POST", PATH, world.ours.admin, json=body)).status_code == 403
    for bad in (body | {"ids": []}, body | {"ids": ["x"] * 51}, {"kind": "account", "ids": ["x"]}):
        assert (await world.call("POST", PATH, world.operators.admin, json=bad)).status_code == 422


def _at(document: dict[str, object], path: str) -> bytes:
    value: object = document
    for name in path.split("."):
        assert isinstance(value, dict)
        value = value[name]
    assert isinstance(value, bytes) and sealed_under(value)
    return value
