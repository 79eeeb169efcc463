"""OAuth: the state, the exchange, and what is stored when something goes wrong."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import bson
import pytest

from actors.runtime.entity import Message
from domain.content import Profile
from domain.ids import AccountId, EntityKey, Kind
from domain.secrets import Secret
from platforms.base import Connectable, Grant
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from storage.crypto import field_aad
from storage.mongo.identity import Role
from storage.records import ZERO
from tests.unit.api.conftest import PUBLIC, World

CALLBACK = "/v1/integrations/twitter/callback"


async def stored_accounts(world: World) -> list[str]:
    page = await world.entities.page(Kind.ACCOUNT, world.ours.id, 100)
    return [d["_id"] for d in page.documents]


async def test_a_connect_ends_in_the_owners_view(world: World) -> None:
    state = await world.begin(world.ours.manager)
    done = await world.http.get(CALLBACK, params={"state": state, "code": "the-code"})
    assert done.status_code == 200
    view = done.json()
    assert view["id"] == f"twitter:4711:{world.ours.id}"
    assert view["status"] == "connected"
    assert view["user_id"] == world.ours.manager.id
    assert view["profile"]["username"] == "anna"
    assert view["missing_scopes"] == []
    [(app, code, redirect_uri, verifier)] = world.twitter.exchanged
    assert (app, code, redirect_uri) == ("twitter-default", "the-code", PUBLIC + CALLBACK)
    assert verifier is not None and 43 <= len(verifier) <= 128  # RFC 7636


async def test_tokens_reach_the_owner_sealed_to_their_place(world: World) -> None:
    account = (await world.connect(world.ours.manager))["id"]
    _, message = world.owners.asked[-1]
    for token, field in (("ACCESS-TOKEN-1", "accessToken"), ("REFRESH-TOKEN-1", "refreshToken")):
        sealed = message.data[{"accessToken": "access_token", "refreshToken": "refresh_token"}[field]]
        opened = world.services.keys.seal.open(sealed, field_aad("social_accounts", account, field))
        assert opened.decode() == token


async def test_without_an_application_it_is_said_where_to_add_one(world: World) -> None:
    world.database["platform_apps"].documents.clear()
    answer = await world.call("POST", "/v1/integrations/twitter/connect", world.ours.admin, json={})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:rookery:error:app_missing")
    assert "add one under /v1/integrations/twitter/apps." in answer.json()["detail"]


@pytest.mark.parametrize("how", ["forged", "missing", "used", "expired", "foreign"])
async def test_a_bad_state_is_400_and_stores_nothing(world: World, how: str) -> None:
    state: str | None = await world.begin(world.ours.manager)
    path = CALLBACK
    match how:
        case "forged":
            state = "A" * 43
        case "missing":
            state = None
        case "used":
            await world.http.get(CALLBACK, params={"state": state, "error": "access_denied"})
        case "expired":
            world.clock.advance(601)
        case "foreign":
            path = path.replace("twitter", "instagram")
    params = {"code": "c"} | ({"state": state} if state else {})
    answer = await world.http.get(path, params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:rookery:error:state_invalid"
    assert world.twitter.exchanged == []
    assert await stored_accounts(world) == []


async def test_of_two_callbacks_with_one_state_one_gets_through(world: World) -> None:
    state = await world.begin(world.ours.manager)
    calls = (world.http.get(CALLBACK, params={"state": state, "code": "c"}) for _ in range(5))
    answers = await asyncio.gather(*calls)
    assert sorted(a.status_code for a in answers) == [200, 400, 400, 400, 400]
    assert len(world.twitter.exchanged) == 1


async def test_a_state_is_spent_even_when_the_exchange_fails(world: World) -> None:
    state = await world.begin(world.ours.manager)
    good = world.twitter.grant
    world.twitter.grant = RetryAfter(30, LimitScope.APP, "rate limited")
    first = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert first.status_code == 503 and first.headers["retry-after"] == "30"
    world.twitter.grant = good
    again = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert again.status_code == 400


async def test_a_refused_consent_connects_nothing(world: World) -> None:
    state = await world.begin(world.ours.manager)
    answer = await world.http.get(CALLBACK, params={"state": state, "error": "access_denied"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:rookery:error:authorization_denied"
    assert await stored_accounts(world) == []


async def test_somebody_who_lost_their_role_meanwhile_cannot_finish(world: World) -> None:
    state = await world.begin(world.ours.creator)
    await world.services.directory.orgs.set_role(world.ours.id, world.ours.creator.id, Role.ANALYST)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == 400
    assert await stored_accounts(world) == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Rejected("invalid_grant", "The code was used."), 400),
        (ReauthRequired("token_revoked"), 400),
        (RetryAfter(7, LimitScope.APP, "server error"), 503),
        (Unknown("the code may be spent"), 503),
    ],
)
@pytest.mark.parametrize("step", ["grant", "found"])
async def test_nothing_is_stored_when_the_platform_does_not_play_along(
    world: World, step: str, outcome: Any, status: int
) -> None:
    setattr(world.twitter, step, outcome)
    state = await world.begin(world.ours.manager)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == status
    assert await stored_accounts(world) == []


async def test_instagrams_ornament_is_taken_off_the_code(world: World) -> None:
    state = await world.begin(world.ours.manager)
    await world.http.get(CALLBACK, params={"state": state, "code": "AQB-x#_"})
    assert world.twitter.exchanged[0][1] == "AQB-x"


async def test_a_grant_for_another_account_than_the_profile_is_refused(world: World) -> None:
    world.twitter.grant = Ok(Grant(Secret("a"), None, 60, None, external_id="1"))
    world.twitter.found = Ok(Profile("2", "berta"))
    state = await world.begin(world.ours.manager)
    assert (await world.http.get(CALLBACK, params={"state": state, "code": "c"})).status_code == 400
    world.twitter.found = Ok(Profile("2", "berta", alias_ids=("1",)))
    state = await world.begin(world.ours.manager)
    assert (await world.http.get(CALLBACK, params={"state": state, "code": "c"})).status_code == 200


async def test_a_reconnect_without_refresh_token_keeps_the_old_one(world: World) -> None:
    account = (await world.connect(world.ours.manager))["id"]
    world.twitter.grant = Ok(Grant(Secret("ACCESS-TOKEN-2"), None, 7200, None))
    await world.connect(world.ours.manager)
    key = AccountId.parse(account).key
    credentials = (await world.entities.load_many([key]))[key]["accessCredentials"]
    aad = field_aad("social_accounts", account, "refreshToken")
    opened = world.services.keys.seal.open(bytes(credentials["refreshToken"]), aad)
    assert opened == b"REFRESH-TOKEN-1"


async def test_missing_scopes_are_told_and_do_not_prevent_the_connection(world: World) -> None:
    assert isinstance(world.twitter.grant, Ok)
    world.twitter.grant = Ok(replace(world.twitter.grant.value, scopes=("tweet.read", "users.read")))
    view = await world.connect(world.ours.manager)
    assert view["status"] == "connected"
    assert view["missing_scopes"] == [
        "like.read",
        "follows.read",
        "tweet.write",
        "media.write",
        "offline.access",
    ]


async def test_a_scope_that_was_asked_for_and_not_granted_is_missing(world: World) -> None:
    assert isinstance(world.twitter.grant, Ok)
    world.twitter.grant = Ok(replace(world.twitter.grant.value, scopes=("tweet.read",)))
    state = await world.begin(world.ours.manager, scopes=["tweet.read", "users.email"])
    done = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert "users.email" in done.json()["missing_scopes"]


async def test_two_orgs_connect_the_same_account_each_for_itself(world: World) -> None:
    ours = await world.connect(world.ours.manager)
    theirs = await world.connect(world.theirs.manager)
    assert ours["id"] != theirs["id"]
    assert (await world.call("GET", f"/v1/accounts/{theirs['id']}", world.ours.admin)).status_code == 404


async def test_the_browser_goes_back_to_an_allowed_origin_only(world: World) -> None:
    back = "https://shop.example/done?tab=1#accounts"
    state = await world.begin(world.ours.manager, return_to=back)
    answer = await world.http.get(CALLBACK, params={"state": state, "code": "c"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://shop.example/done?tab=1&account_id=twitter%3A4711")
    assert answer.headers["location"].endswith("&status=connected#accounts")
    for bad in (
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://shop.example@evil.example/",
        "http://shop.example/",
        "//evil.example",
        "javascript:alert(1)",
        "https://shop.example:444/",
    ):
        refused = await world.call(
            "POST", "/v1/integrations/twitter/connect", world.ours.manager, json={"return_to": bad}
        )
        assert refused.status_code == 422, bad


async def test_an_org_uses_its_own_app_and_never_anothers(world: World) -> None:
    body = {"client_id": "their-client", "client_secret": "THEIR-SECRET", "bearer_token": "THEIR-BEARER"}
    added = await world.call("POST", "/v1/integrations/twitter/apps", world.theirs.admin, json=body)
    assert added.status_code == 201
    app = added.json()
    assert app["webhook_url"] == f"{PUBLIC}/webhooks/twitter/{app['id']}"
    listed = await world.call("GET", "/v1/integrations/twitter/apps", world.theirs.admin)
    assert [a["id"] for a in listed.json()["items"]] == [app["id"], "twitter-default"]
    for answer in (added, listed):
        assert "SECRET" not in answer.text and "BEARER" not in answer.text
    await world.connect(world.theirs.manager)
    assert world.twitter.exchanged[-1][0] == app["id"]
    foreign = await world.call(
        "POST", "/v1/integrations/twitter/connect", world.ours.manager, json={"app_id": app["id"]}
    )
    assert foreign.status_code == 422
    assert foreign.json()["errors"][0]["field"] == "app_id"


async def test_integrations_show_capabilities_and_health(world: World) -> None:
    await world.connect(world.ours.manager)
    answer = (await world.call("GET", "/v1/integrations", world.ours.analyst)).json()
    twitter = next(i for i in answer["items"] if i["platform"] == "twitter")
    assert "webhooks" in twitter["capabilities"] and twitter["pkce"]
    assert twitter["accounts"] == {"connected": 1} and twitter["healthy"]
    instagram = next(i for i in answer["items"] if i["platform"] == "instagram")
    assert instagram["accounts"] == {}


async def test_a_state_record_is_sealed_and_found_by_hash_only(world: World) -> None:
    state = await world.begin(world.ours.manager)
    assert len(state) >= 43  # 256 bits
    stored = b"".join(world.database["oauth_states"].documents.values())
    for clear in (state, world.ours.id, world.ours.manager.id, "twitter-default"):
        assert clear.encode() not in stored


# -- several accounts in one consent ------------------------------------------------------------------
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


# -- when the person takes it back --------------------------------------------------------------------
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
