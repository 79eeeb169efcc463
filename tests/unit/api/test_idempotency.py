"""`Idempotency-Key`: the same request twice is done once, also after a crash and at the same time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from storage.records import StoreUnavailable
from tests.unit.api.conftest import World
from tests.unit.api.things import campaign_body, sale_body


async def test_the_same_key_creates_a_campaign_once(world: World) -> None:
    headers = {"Idempotency-Key": "create-1"}
    answers = [
        await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body(), headers=headers)
        for _ in range(3)
    ]
    assert len({a.json()["id"] for a in answers}) == 1
    listed = await world.call("GET", "/v1/campaigns", world.ours.admin)
    assert len(listed.json()["items"]) == 1


async def test_without_a_key_each_request_is_its_own(world: World) -> None:
    for _ in range(2):
        await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())
    listed = await world.call("GET", "/v1/campaigns", world.ours.admin)
    assert len(listed.json()["items"]) == 2


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        ("/v1/campaigns", campaign_body(), campaign_body(name="Winter")),
        ("/v1/api-keys", {"name": "a"}, {"name": "b"}),
        ("/v1/transactions", sale_body("o-1"), sale_body("o-2")),
    ],
)
async def test_a_key_used_for_another_body_is_422(world: World, path: str, first: Any, second: Any) -> None:
    headers = {"Idempotency-Key": "k-1"}
    assert (await world.call("POST", path, world.ours.admin, json=first, headers=headers)).status_code == 201
    answer = await world.call("POST", path, world.ours.admin, json=second, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:rookery:error:idempotency_key_reused"


async def test_keys_of_different_people_do_not_meet(world: World) -> None:
    headers = {"Idempotency-Key": "k-1"}
    ids = set()
    for person in (world.ours.admin, world.ours.manager, world.theirs.admin):
        answer = await world.call("POST", "/v1/campaigns", person, json=campaign_body(), headers=headers)
        ids.add(answer.json()["id"])
    assert len(ids) == 3


async def test_an_api_key_asked_for_twice_is_one_key_and_one_answer(world: World) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first, again = [
        await world.call("POST", "/v1/api-keys", world.ours.admin, json={"name": "ci"}, headers=headers)
        for _ in range(2)
    ]
    assert first.json() == again.json()
    keys = (await world.call("GET", "/v1/api-keys", world.ours.admin)).json()["items"]
    assert len([k for k in keys if k["name"] == "ci"]) == 1


async def test_two_at_once_make_one_and_the_other_waits_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = world.services.directory.api_keys.put

    async def slow(*args: Any) -> None:
        await asyncio.sleep(0.01)
        await put(*args)

    monkeypatch.setattr(world.services.directory.api_keys, "put", slow)
    calls = (
        world.call(
            "POST", "/v1/api-keys", world.ours.admin, json={"name": "ci"}, headers={"Idempotency-Key": "k"}
        )
        for _ in range(2)
    )
    assert sorted(a.status_code for a in await asyncio.gather(*calls)) == [201, 409]


async def test_an_attempt_cut_off_is_taken_over_with_the_same_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends after the user was stored and before the role was: the repetition finishes it."""
    headers, body = {"Idempotency-Key": "k-1"}, {"email": "New@Example.org", "role": "analyst"}
    set_role = world.services.directory.orgs.set_role

    async def lost(*_: Any) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(world.services.directory.orgs, "set_role", lost)
    cut = await world.call("POST", "/v1/users", world.ours.admin, json=body, headers=headers)
    assert cut.status_code == 503
    monkeypatch.setattr(world.services.directory.orgs, "set_role", set_role)
    early = await world.call("POST", "/v1/users", world.ours.admin, json=body, headers=headers)
    assert early.status_code == 409
    world.clock.advance(61)
    done = await world.call("POST", "/v1/users", world.ours.admin, json=body, headers=headers)
    assert done.status_code == 201 and done.json()["role"] == "analyst"
    taken = await world.call("POST", "/v1/users", world.ours.admin, json=body | {"role": "admin"})
    assert taken.status_code == 409
    same = await world.call(
        "POST", "/v1/users", world.ours.admin, json={"email": "new@example.ORG", "role": "admin"}
    )
    assert same.json()["type"] == "urn:rookery:error:email_taken"


async def test_a_refused_attempt_frees_its_key(world: World) -> None:
    headers, body = {"Idempotency-Key": "k-1"}, {"email": "admin@ours.example", "role": "analyst"}
    for _ in range(2):
        answer = await world.call("POST", "/v1/users", world.ours.admin, json=body, headers=headers)
        assert answer.json()["type"] == "urn:rookery:error:email_taken"


async def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await world.call("POST", "/v1/transactions", world.ours.admin, json=sale_body("o-1"), headers=headers)
    world.clock.advance(timedelta(hours=24).total_seconds())
    world.ours.admin.token = await world.token(world.ours.admin)
    answer = await world.call(
        "POST", "/v1/transactions", world.ours.admin, json=sale_body("o-2"), headers=headers
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 129, "sp ace", "ta\tb"])
async def test_a_malformed_key_is_refused(world: World, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = await world.call(
        "POST", "/v1/campaigns", world.ours.admin, json=campaign_body(), headers=headers
    )
    assert answer.status_code == 400
