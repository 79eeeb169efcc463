"""A consent that opens several accounts: which of them are connected is chosen afterwards."""

import asyncio
from typing import Any

import pytest

from domain.content import Profile
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import Connectable, Grant
from platforms.outcome import Ok
from storage.crypto import field_aad
from tests.unit.api.conftest import World
from tests.unit.api.test_connect import CALLBACK, stored_accounts


def page(external_id: str, name: str) -> Connectable:
    grant = Grant(
        Secret(f"PAGE-TOKEN-{external_id}"),
        Secret("PERSON-TOKEN"),
        None,
        ("a",),
        external_id,
        "person-1",
        777,
    )
    return Connectable(Profile(external_id, name, name.title()), grant)


def opens(world: World, *pages: Connectable) -> None:
    world.twitter.opened = Ok(pages)


async def offered(world: World, by: Any = None, **body: Any) -> dict[str, Any]:
    state = await world.begin(by or world.ours.manager, **body)
    done = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert done.status_code == 200, done.text
    choice: dict[str, Any] = done.json()["choice"]
    return choice


async def choose(world: World, handle: str, *accounts: str, by: Any = None) -> Any:
    return await world.call(
        "POST",
        "/v1/integrations/twitter/choose",
        by or world.ours.manager,
        json={"handle": handle, "accounts": list(accounts)},
    )


async def test_a_consent_that_opens_one_account_connects_it(world: World) -> None:
    opens(world, page("11", "kiln"))
    state = await world.begin(world.ours.manager)
    view = (await world.http.get(CALLBACK, params={"state": state, "code": "c"})).json()
    assert (view["id"], view["status"]) == (f"twitter:11:{world.ours.id}", "connected")


async def test_a_consent_that_opens_nothing_is_said_so(world: World) -> None:
    opens(world)
    state = await world.begin(world.ours.manager)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:rookery:error:nothing_to_connect")
    assert await stored_accounts(world) == []


async def test_of_several_accounts_the_chosen_ones_are_connected(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"), page("33", "moss"))
    choice = await offered(world)
    assert await stored_accounts(world) == [], "nobody has chosen"
    assert [a["external_id"] for a in choice["accounts"]] == ["11", "22", "33"]
    assert choice["accounts"][1]["display_name"] == "Moon"
    looked = await world.call(
        "GET", f"/v1/integrations/twitter/choices/{choice['handle']}", world.ours.manager
    )
    assert looked.json()["accounts"] == choice["accounts"]
    for answer in (str(choice), looked.text):
        assert "TOKEN" not in answer
    world.clock.advance(100)
    made = await choose(world, choice["handle"], "33", "11", "33")
    assert made.status_code == 200
    assert [v["profile"]["username"] for v in made.json()["items"]] == ["moss", "kiln"]
    assert "TOKEN" not in made.text
    assert sorted(await stored_accounts(world)) == [f"twitter:{n}:{world.ours.id}" for n in ("11", "33")]
    for key, message in world.owners.asked[-2:]:
        sealed = message.data["access_token"]
        opened = world.services.keys.seal.open(sealed, field_aad("social_accounts", key.id, "accessToken"))
        assert opened.decode() == f"PAGE-TOKEN-{AccountId.parse(key.id).external_id}"
        assert message.data["data_access_in_s"] == 677, "counted from the platform's answer"
        assert message.data["user_id"] == world.ours.manager.id


async def test_a_choice_is_stored_sealed_and_under_a_hash(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    handle = (await offered(world))["handle"]
    assert len(handle) >= 43
    stored = world.database.dump()
    for clear in (handle, "PAGE-TOKEN", "PERSON-TOKEN", "moon", "person-1"):
        assert clear.encode() not in stored


@pytest.mark.parametrize("how", ["forged", "used", "expired", "colleague", "other_org", "platform", "state"])
async def test_a_bad_choice_is_400_and_connects_nothing(world: World, how: str) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    handle, by, path = (await offered(world))["handle"], world.ours.manager, "twitter"
    before: list[str] = []
    match how:
        case "forged":
            handle = "A" * 43
        case "used":
            assert (await choose(world, handle, "11")).status_code == 200
            before = await stored_accounts(world)
        case "expired":
            world.clock.advance(601)
        case "colleague":
            by = world.ours.admin
        case "other_org":
            by = world.theirs.manager
        case "platform":
            path = "instagram"
        case "state":
            handle = await world.begin(world.ours.manager)
    body = {"handle": handle, "accounts": ["22"]}
    answer = await world.call("POST", f"/v1/integrations/{path}/choose", by, json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:rookery:error:choice_invalid")
    seen = await world.call("GET", f"/v1/integrations/{path}/choices/{handle}", by)
    assert seen.status_code == 404
    assert await stored_accounts(world) == before
    if how in ("colleague", "other_org", "platform"):
        assert (await choose(world, handle, "22")).status_code == 200, "a stranger's try does not spend it"


async def test_a_choices_handle_is_no_state(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    handle = (await offered(world))["handle"]
    answer = await world.http.get(CALLBACK, params={"state": handle, "code": "c"})
    assert answer.json()["type"] == "urn:rookery:error:state_invalid"


async def test_what_was_not_offered_is_422_and_spends_nothing(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    handle = (await offered(world))["handle"]
    refused = await choose(world, handle, "11", "44")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "accounts")
    assert await stored_accounts(world) == []
    assert (await choose(world, handle, "11")).status_code == 200


async def test_of_two_choices_at_once_one_gets_through(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    handle = (await offered(world))["handle"]
    answers = await asyncio.gather(*(choose(world, handle, n) for n in ("11", "22", "11", "22")))
    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400]
    assert len(await stored_accounts(world)) == 1


async def test_a_choice_that_an_owner_could_not_take_can_be_made_again(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    handle = (await offered(world))["handle"]
    world.owners.away = True
    assert (await choose(world, handle, "11", "22")).status_code == 503
    world.owners.away = False
    made = await choose(world, handle, "11", "22")
    assert made.status_code == 200
    assert len(await stored_accounts(world)) == 2
    assert (await choose(world, handle, "11", "22")).status_code == 400


async def test_a_browser_is_sent_back_with_the_handle(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    state = await world.begin(world.ours.manager, return_to="https://shop.example/done?tab=1#accounts")
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == 303
    begin, _, handle = answer.headers["location"].removesuffix("#accounts").partition("&choice=")
    assert begin == "https://shop.example/done?tab=1&platform=twitter"
    assert (await choose(world, handle, "22")).status_code == 200
