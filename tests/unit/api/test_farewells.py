"""Consents that the person takes back at the platform: who is told, and what the page of a deletion says."""

from datetime import UTC, datetime

import bson

from actors.runtime.entity import Message
from domain.content import Profile
from domain.ids import AccountId, EntityKey
from domain.secrets import Secret
from platforms.base import Connectable, Grant
from storage.records import ZERO
from tests.unit.api.conftest import PUBLIC, World
from tests.unit.api.test_choices import choose, offered, opens, page
from tests.unit.api.test_connect import CALLBACK


async def told(world: World) -> list[tuple[str, str]]:
    streams = [f"mailbox:account:{n}" for n in range(64)]
    found = await world.mailboxes.read(dict.fromkeys(streams, ZERO), 100, 0)
    return sorted((e.mail.target, e.mail.event_id) for entries in found.values() for e in entries)


async def test_who_removes_the_app_is_found_by_their_consent(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    await choose(world, (await offered(world))["handle"], "11", "22")
    others = Grant(Secret("x"), None, None, None, person_id="person-2")
    opens(world, Connectable(Profile("11", "kiln"), others))
    state = await world.begin(world.theirs.manager)
    await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    path = "/v1/integrations/twitter/apps/twitter-default"
    bye = await world.http.post(f"{path}/deauthorize", data={"signed_request": "person-1@1767225700"})
    assert (bye.status_code, bye.json()) == (200, {})
    targets = [f"twitter:11:{world.ours.id}", f"twitter:22:{world.ours.id}"]
    assert [target for target, _ in await told(world)] == targets, "not who connected it by another person"
    forget = {"signed_request": "person-1@1767225800"}
    answer = (await world.http.post(f"{path}/delete-data", data=forget)).json()
    again = (await world.http.post(f"{path}/delete-data", data=forget)).json()
    assert answer == again
    code = answer["confirmation_code"]
    assert answer["url"] == f"{PUBLIC}/v1/integrations/twitter/deletions/{code}"
    assert b"person-1" not in world.database.dump()
    assert (await world.http.get(f"/v1/integrations/instagram/deletions/{code}")).status_code == 404
    assert (await world.http.get(answer["url"])).json()["accounts"] == 2
    wishes = [row for row in await told(world) if row[1].startswith("erase:")]
    assert wishes == [(target, f"erase:{code}:{target}") for target in targets for _ in range(2)]
    for person in (world.ours.admin, world.theirs.admin):
        listed = (await world.call("GET", "/v1/audit", person)).json()["items"]
        heard = [entry for entry in listed if entry["action"] == "delete_data"]
        assert {(e["target"], e["user_id"]) for e in heard} == (
            {(target, "twitter") for target in targets} if person is world.ours.admin else set()
        )


async def test_while_an_account_is_erased_it_is_not_connected_and_no_consent_is_kept(
    world: World,
) -> None:
    opens(world, page("11", "kiln"))
    for n in range(2):
        state = await world.begin(world.ours.manager)
        done = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
        if n:
            assert (done.status_code, done.json()["type"]) == (409, "urn:rookery:error:account_being_erased")
        else:
            assert done.status_code == 200
            await world.owners.ask(AccountId("twitter", "11", world.ours.id).key, Message("erase"))
        found = await world.services.directory.consents.accounts_of("twitter-default", "person-1")
        assert len(found) == 1 - n


async def test_two_orgs_with_one_account_are_told_under_ids_of_their_own(world: World) -> None:
    """Both are in one partition, where an id that was seen is dropped whoever it was for."""
    opens(world, page("11", "kiln"))
    for org in (world.ours, world.theirs):
        state = await world.begin(org.manager)
        await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    body = {"signed_request": "person-1@1767225700"}
    for name in ("deauthorize", "delete-data"):
        answer = await world.http.post(f"/v1/integrations/twitter/apps/twitter-default/{name}", data=body)
        assert answer.status_code == 200
    rows = await told(world)
    assert len(rows) == len({event_id for _, event_id in rows}) == 4


async def test_the_page_of_a_deletion_tells_what_the_owners_say(world: World) -> None:
    opens(world, page("11", "kiln"), page("22", "moon"))
    await choose(world, (await offered(world))["handle"], "11", "22")
    path = "/v1/integrations/twitter/apps/twitter-default"
    asked = int(world.clock.now().timestamp()) + 5
    body = {"signed_request": f"person-1@{asked}"}
    url = (await world.http.post(f"{path}/delete-data", data=body)).json()["url"]

    async def shown() -> tuple[str, int, bool]:
        told = (await world.http.get(url)).json()
        return told["status"], told["accounts_erased"], told["completed_at"] is not None

    assert await shown() == ("received", 0, False)
    keys = [AccountId("twitter", n, world.ours.id).key for n in ("11", "22")]
    await world.owners.ask(keys[0], Message("erase"))
    assert await shown() == ("received", 0, False), "an earlier wish than the person's"
    wish = {"app_id": "twitter-default", "asked_at": datetime.fromtimestamp(asked, UTC).isoformat()}
    for key in keys:
        await world.owners.ask(key, Message("erase", wish, "erase:x"))
    assert await shown() == ("erasing", 0, False)
    for n, key in enumerate(keys, 1):
        await erased(world, key)
        assert await shown() == ("done" if n == 2 else "erasing", n, n == 2)
    assert b"kiln" not in bson.encode({"d": list((await world.entities.load_many(keys)).values())})


async def erased(world: World, key: EntityKey) -> None:
    """As hosts do it: each look answered by what the stores hold, which is nothing."""
    while True:
        (document,) = (await world.entities.load_many([key])).values()
        if document["erasure"]["call"] is None:
            return
        data = {"call_id": document["erasure"]["call"]["id"], "ids": [], "removed": 0}
        await world.owners.ask(key, Message("remains_found", data))


async def test_what_the_platform_did_not_sign_is_refused(world: World) -> None:
    path = "/v1/integrations/twitter/apps/twitter-default"
    for body in ({}, {"signed_request": ""}, {"signed_request": "nonsense"}):
        for name in ("deauthorize", "delete-data"):
            answer = await world.http.post(f"{path}/{name}", data=body)
            assert (answer.status_code, answer.json()["type"]) == (
                400,
                "urn:rookery:error:signed_request_invalid",
            )
    for wrong in ("twitter/apps/nobody", "instagram/apps/twitter-default", "myspace/apps/x"):
        answer = await world.http.post(f"/v1/integrations/{wrong}/deauthorize", data={})
        assert answer.status_code == 404
    assert (await world.http.get("/v1/integrations/twitter/deletions/nothing")).status_code == 404
