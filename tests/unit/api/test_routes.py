"""What single groups of routes answer, on the real entities."""

from typing import Any

import pytest

from actors.account import erasure
from actors.account.documents import CONTENT, erased
from actors.account.operations.task import OPERATIONS
from actors.account.operations.told import ADS, BROADCASTS, CATALOGS
from actors.account.publishing.publication import PUBLICATIONS
from domain.ids import EntityKey, Kind
from storage.crypto import field_aad
from storage.mongo.identity import Role
from storage.records import ZERO, DeadLetter, Mail, Rev
from tests.unit.api.conftest import PUBLIC, World
from tests.unit.api.things import add_comment, add_content, campaign_body, make_things, sale_body


# -- accounts -------------------------------------------------------------------------------------------
async def test_an_accounts_life(world: World) -> None:
    admin = world.ours.admin
    path = f"/v1/accounts/{(await world.connect(admin))['id']}"
    configured = await world.call(
        "PATCH", path, admin, json={"sync_frequency": "1h", "content_types": ["photo", "reel"]}
    )
    assert configured.json()["config"]["sync_frequency"] == "1h"
    assert configured.json()["config"]["content_types"] == ["photo", "reel"]
    assert configured.json()["config"]["auto_sync"] is True  # not given: as it was
    assert (await world.call("POST", path + "/pause", admin)).json()["status"] == "paused"
    assert (await world.call("POST", path + "/sync", admin)).status_code == 409
    assert (await world.call("POST", path + "/resume", admin)).json()["status"] == "connected"
    assert (await world.call("POST", path + "/sync", admin)).status_code == 202
    backfill = {"limit": 50, "since": "2025-01-01T00:00:00+01:00"}
    assert (await world.call("POST", path + "/backfill", admin, json=backfill)).status_code == 202
    _, message = world.owners.asked[-1]
    assert message.data["limit"] == 50 and message.data["since"].startswith("2025-01-01T00:00:00+01:00")
    assert (await world.call("POST", path + "/disconnect", admin)).json()["status"] == "disconnected"
    assert "TOKEN" not in (await world.call("GET", path, admin)).text


async def test_an_account_is_erased_by_an_admin_once(world: World) -> None:
    admin = world.ours.admin
    path = f"/v1/accounts/{(await world.connect(admin))['id']}"
    keyed = {"headers": {"Idempotency-Key": "erase-1"}}
    first = await world.call("POST", path + "/erase", admin, **keyed)
    assert (first.status_code, first.json()["erasure"]["status"]) == (202, "erasing")
    assert first.json()["profile"]["username"] == ""
    again = await world.call("POST", path + "/erase", admin, **keyed)
    assert again.json() == first.json()
    assert (await world.call("POST", path + "/erase", world.ours.manager)).status_code == 403
    assert (await world.call("POST", path + "/sync", admin)).status_code == 409
    assert (await world.call("GET", path, admin)).json()["erasure"]["documents"] == 0
    audit = (await world.call("GET", "/v1/audit", admin)).json()["items"]
    assert any(e["action"] == "erase_account" and e["status"] == 202 for e in audit)


async def test_what_is_left_of_an_erased_account_is_nobodys(world: World) -> None:
    admin, things = world.ours.admin, await make_things(world, world.ours, "1")
    paths = {
        f"/v1/content/{things.content}": CONTENT,
        f"/v1/publications/{things.publication}": PUBLICATIONS,
        f"/v1/operations/{things.operation}": OPERATIONS,
        f"/v1/ads/{things.ad}": ADS,
        f"/v1/broadcasts/{things.broadcast}": BROADCASTS,
        f"/v1/catalogs/{things.catalog}/products": CATALOGS,
    }
    rev = Rev(9, 9)
    for path, collection in paths.items():
        assert (await world.call("GET", path, admin)).status_code == 200, path
        id_, by = path.split("/")[3], erasure.DOCUMENTS[collection]
        await world.sides.upsert_many(collection, [erased(id_, world.ours.id, by, world.clock.now())], rev)
        assert (await world.call("GET", path, admin)).status_code == 404, path
    tied = {"ad_campaigns": [things.ad]}
    refused = await world.call("PUT", f"/v1/campaigns/{things.campaign}/ad-campaigns", admin, json=tied)
    assert refused.status_code == 422
    listed = (await world.call("GET", "/v1/content", admin)).json()["items"]
    assert things.content not in {item["id"] for item in listed}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sync_frequency", "2m"),
        ("content_types", ["poem"]),
        ("auto_sync", "yes"),
        ("webhooks", True),
    ],
)
async def test_a_bad_configuration_is_refused(world: World, field: str, value: Any) -> None:
    path = f"/v1/accounts/{(await world.connect(world.ours.admin))['id']}"
    answer = await world.call("PATCH", path, world.ours.admin, json={field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize("since", [1700000000, "2025-01-01T00:00:00", "yesterday"])
async def test_a_backfill_wants_a_time_with_its_offset(world: World, since: Any) -> None:
    path = f"/v1/accounts/{(await world.connect(world.ours.admin))['id']}/backfill"
    assert (await world.call("POST", path, world.ours.admin, json={"since": since})).status_code == 422


async def test_accounts_are_filtered(world: World) -> None:
    admin = world.ours.admin
    x = (await world.connect(admin, "1"))["id"]
    instagram = (await world.connect(admin, "2", "instagram"))["id"]
    await world.call("POST", f"/v1/accounts/{x}/pause", admin)

    async def listed(query: str) -> list[str]:
        answer = await world.call("GET", f"/v1/accounts?{query}", admin)
        return [a["id"] for a in answer.json()["items"]]

    assert sorted(await listed("")) == sorted([x, instagram])
    assert await listed("platform=instagram") == [instagram]
    assert await listed("status=paused") == [x]
    assert await listed("status=paused&platform=instagram") == []


# -- content and comments -------------------------------------------------------------------------------
async def test_content_with_what_the_platform_sent(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    path = f"/v1/content/{things.content.replace('|', '%7C')}"
    plain = (await world.call("GET", path, world.ours.analyst)).json()
    assert plain["text"] == "Look #new" and plain["hashtags"] == ["new"]
    assert plain["engagement"] == {
        "likes": 3,
        "comments": 1,
        "shares": None,
        "views": None,
        "click_throughs": None,
    }
    assert "original" not in plain
    answer = await world.call("GET", path + "?include=original", world.ours.analyst)
    # 2^65 and half a character come through as they came in.
    assert answer.json()["original"] == {"id": "900", "likes": 2**65, "text": "half \ud83d"}


async def test_content_that_is_not_current_is_listed_only_when_asked_for(world: World) -> None:
    account = (await world.connect(world.ours.admin))["id"]
    await add_content(world, world.ours, account, "1")
    await add_content(world, world.ours, account, "2", status="superseded")
    await add_content(world, world.ours, account, "3", status="deleted", deletedAt=world.clock.now())

    async def listed(query: str) -> list[str]:
        answer = await world.call("GET", f"/v1/accounts/{account}/content?{query}", world.ours.admin)
        return [c["external_id"] for c in answer.json()["items"]]

    assert await listed("") == ["1"]
    assert sorted(await listed("status=any")) == ["1", "2"]
    assert await listed("kind=reel") == []


@pytest.mark.parametrize(("role", "sees"), [(Role.ADMIN, True), (Role.MANAGER, True), (Role.ANALYST, False)])
async def test_peoples_words_are_for_admins_and_managers(world: World, role: Role, sees: bool) -> None:
    things = await make_things(world, world.ours, "1")
    other = await add_comment(world, world.ours, things.account, "c2", None)
    person = world.ours.people[role]
    under = await world.call("GET", f"/v1/content/{things.content}/comments", person)
    everywhere = await world.call("GET", "/v1/comments", person)
    assert [c["external_id"] for c in under.json()["items"]] == ["c1"]
    assert other in [c["id"] for c in everywhere.json()["items"]]
    for answer in (under, everywhere):
        assert ("LOVELY-WORDS" in answer.text) is sees
        assert ("BERTA-HANDLE" in answer.text) is sees


# -- campaigns, links, transactions -------------------------------------------------------------------
async def test_a_campaigns_life(world: World) -> None:
    manager = world.ours.manager
    made = await world.call("POST", "/v1/campaigns", manager, json=campaign_body(platforms=["twitter"]))
    assert made.status_code == 201
    path = made.headers["location"]
    assert made.json()["status"] == "draft" and made.json()["org"] == world.ours.id
    for step, status in (
        ("launch", "active"),
        ("pause", "paused"),
        ("resume", "active"),
        ("complete", "completed"),
    ):
        assert (await world.call("POST", f"{path}/{step}", manager)).json()["status"] == status
    assert (await world.call("POST", f"{path}/launch", manager)).status_code == 409
    assert (await world.call("POST", f"{path}/costs", manager, json={"amount_minor": 500})).status_code == 201
    metrics = (await world.call("GET", f"{path}/metrics", manager)).json()
    assert metrics["performance"]["cost_minor"] == 500
    assert metrics["performance"]["currency"] == "EUR"


async def test_a_link_belongs_to_a_campaign_of_the_org(world: World) -> None:
    ours = await make_things(world, world.ours, "1")
    theirs = await make_things(world, world.theirs, "2")
    body = {"url": "https://shop.example/p?a=1", "campaign_id": ours.campaign, "content_id": ours.content}
    made = await world.call("POST", "/v1/links", world.ours.manager, json=body)
    assert made.status_code == 201
    assert made.json()["short_url"] == f"{PUBLIC}/r/{made.json()['code']}"
    assert len(made.json()["code"]) >= 8
    for field in ("campaign_id", "content_id"):
        foreign = body | {field: getattr(theirs, field.removesuffix("_id"))}
        answer = await world.call("POST", "/v1/links", world.ours.manager, json=foreign)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
    path = f"/v1/links/{made.json()['code']}"
    assert (await world.call("POST", path + "/disable", world.ours.manager)).json()["status"] == "disabled"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//shop.example", "ftp://x.example", "https://"])
async def test_a_link_leads_only_to_web_addresses(world: World, url: str) -> None:
    answer = await world.call("POST", "/v1/links", world.ours.manager, json={"url": url})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "url"


async def test_an_order_told_twice_is_one_transaction(world: World) -> None:
    manager = world.ours.manager
    first, again = [
        await world.call("POST", "/v1/transactions", manager, json=sale_body("o-1")) for _ in range(2)
    ]
    assert first.json()["id"] == again.json()["id"]
    other = await world.call("POST", "/v1/transactions", manager, json=sale_body("o-1", amount_minor=1))
    assert other.status_code == 409
    assert other.json()["errors"][0]["field"] == "order_id"
    elsewhere = await world.call("POST", "/v1/transactions", world.theirs.manager, json=sale_body("o-1"))
    assert elsewhere.json()["id"] != first.json()["id"]
    listed = await world.call("GET", "/v1/transactions", manager)
    assert len(listed.json()["items"]) == 1


async def test_the_customer_is_sealed_and_never_shown(world: World) -> None:
    made = await world.call("POST", "/v1/transactions", world.ours.manager, json=sale_body("o-1"))
    assert "CUSTOMER-77" not in made.text
    key = EntityKey(Kind.TRANSACTION, made.json()["id"])
    sealed = (await world.entities.load_many([key]))[key]["customerId"]
    aad = field_aad("social_transactions", key.id, "customerId")
    assert world.services.keys.seal.open(bytes(sealed), aad) == b"CUSTOMER-77"


async def test_a_sale_by_link_is_attributed(world: World) -> None:
    manager = world.ours.manager
    campaign = (await world.call("POST", "/v1/campaigns", manager, json=campaign_body())).json()["id"]
    link = (
        await world.call(
            "POST", "/v1/links", manager, json={"url": "https://shop.example", "campaign_id": campaign}
        )
    ).json()
    key = EntityKey(Kind.LINK, link["code"])
    # The entity reads the link's own document as a side document.
    await world.sides.upsert_many("social_links", [(await world.entities.load_many([key]))[key]])
    body = sale_body("o-1", link_code=link["code"], occurred_at="2026-01-01T00:00:01Z")
    sale = (await world.call("POST", "/v1/transactions", manager, json=body)).json()
    assert (sale["attribution"]["by"], sale["attribution"]["campaign_id"]) == ("link", campaign)


# -- events ---------------------------------------------------------------------------------------------
async def test_events_are_listed_and_filtered(world: World) -> None:
    for n, (org, type_) in enumerate(
        [
            (world.ours.id, "CampaignLaunched"),
            (world.ours.id, "LinkClicked"),
            (world.theirs.id, "LinkClicked"),
        ]
    ):
        event = {"id": f"e{n}", "type": f"rookery.{type_}", "subject": "s", "org": org}
        document = {
            "_id": f"e{n}",
            "org": org,
            "type": type_,
            "topic": "campaign-events",
            "subject": "s",
            "at": world.clock.now(),
            "event": event,
        }
        await world.sides.upsert_many("events", [document])

    async def listed(query: str) -> list[str]:
        answer = await world.call("GET", f"/v1/events?{query}", world.ours.analyst)
        return [e["id"] for e in answer.json()["items"]]

    assert sorted(await listed("")) == ["e0", "e1"]
    assert await listed("type=LinkClicked") == ["e1"]
    assert (await world.call("GET", "/v1/events?type=Nothing", world.ours.analyst)).status_code == 422


# -- operating ------------------------------------------------------------------------------------------
async def test_isolate_and_release(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    path = f"/v1/ops/entities/account/{things.account}"
    assert (await world.call("GET", path, world.ours.admin)).json()["placement"] == "shared"
    isolated = await world.call("POST", path + "/isolate", world.ours.admin)
    assert isolated.json()["placement"] == "dedicated"
    released = await world.call("POST", path + "/release", world.ours.admin)
    assert released.json()["placement"] == "shared"
    paused = await world.call("POST", path + "/pause", world.ours.admin)
    assert paused.json()["status"] == "paused"
    link = await world.call("POST", f"/v1/ops/entities/link/{things.link}/pause", world.ours.admin)
    assert link.status_code == 422
    unknown = await world.call("GET", f"/v1/ops/entities/planet/{things.link}", world.ours.admin)
    assert unknown.status_code == 404


async def test_a_dead_letter_goes_back_to_its_entity_once(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    admin = world.ours.admin
    listed = (await world.call("GET", "/v1/ops/dead-letters", admin)).json()["items"]
    assert [letter["id"] for letter in listed] == [things.dead_letter]
    assert "sealed" not in str(listed)
    path = f"/v1/ops/dead-letters/{things.dead_letter}"
    for _ in range(2):
        answer = await world.call("POST", path + "/replay", admin)
        assert answer.status_code == 202 and answer.json()["replayed_at"] is not None
    assert (await world.call("GET", path, admin)).json()["replayed_at"] is not None
    key = EntityKey(Kind.ACCOUNT, things.account)
    mails = await _mail_of(world, f"mailbox:account:{key.partition(64)}")
    assert {(m.target, m.body) for m in mails} == {(things.account, b"sealed")}
    assert len({m.event_id for m in mails}) == 1  # so the second one has no effect
    assert mails[0].event_id != "event-1"  # which counts as seen


async def test_letters_that_reached_no_entity_are_the_operators(world: World) -> None:
    letter = DeadLetter("l1", None, "twitter:9", "e", b"b", "SealBroken", world.clock.now())
    await world.dead_letters.put([letter])
    for company, status in ((world.ours, 404), (world.operators, 202)):
        answer = await world.call("POST", "/v1/ops/dead-letters/l1/replay", company.admin)
        assert answer.status_code == status


async def test_dead_letters_come_in_pages(world: World) -> None:
    for n in range(5):
        world.clock.advance(1)
        letter = DeadLetter(f"l{n}", world.ours.id, "x", "e", b"b", "r", world.clock.now())
        await world.dead_letters.put([letter])
    seen: list[str] = []
    query = "limit=2"
    while True:
        page = (await world.call("GET", f"/v1/ops/dead-letters?{query}", world.ours.admin)).json()
        seen += [letter["id"] for letter in page["items"]]
        if page["next_cursor"] is None:
            break
        query = f"limit=2&cursor={page['next_cursor']}"
    assert seen == ["l4", "l3", "l2", "l1", "l0"]


async def test_operators_see_what_is_parked(world: World) -> None:
    await world.parking.park([Mail("twitter:9", f"e{n}", b"b") for n in range(3)], world.clock.now())
    answer = await world.call("GET", "/v1/ops/parked", world.operators.admin)
    assert answer.json()["items"] == [{"target": "twitter:9", "parked": 3}]


async def _mail_of(world: World, stream: str) -> list[Mail]:
    return [e.mail for e in (await world.mailboxes.read({stream: ZERO}, 100, 0))[stream]]
