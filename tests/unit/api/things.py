"""One of everything that a path can name, for an org."""

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from domain.ids import EntityKey, Kind
from storage.crypto import field_aad
from storage.mongo.identity import ApiKey, User
from storage.records import DeadLetter
from tests.support.brought import bring
from tests.unit.api.conftest import Company, World
from tests.unit.api.doubles import PICTURE

ORIGINAL = b'{"id":"900","likes":36893488147419103232,"text":"half \\ud83d"}'


@dataclass(frozen=True)
class Things:
    account: str
    campaign: str
    link: str
    transaction: str
    content: str
    publication: str
    operation: str
    ad: str
    catalog: str
    broadcast: str
    media: str
    user: str
    api_key: str
    dead_letter: str


async def make_things(world: World, company: Company, external_id: str) -> Things:
    """The account is connected by the org's creator, so that every role may reach it."""
    suffix = company.id.removeprefix("org_")
    account = (await world.connect(company.creator, external_id))["id"]
    post = world.call
    campaign = await post("POST", "/v1/campaigns", company.admin, json=campaign_body())
    link = await post("POST", "/v1/links", company.admin, json={"url": "https://shop.example/p"})
    sale = await post("POST", "/v1/transactions", company.admin, json=sale_body(f"order-{suffix}"))
    picture = await post("POST", "/v1/media", company.admin, content=PICTURE)
    for answer in (campaign, link, sale, picture):
        assert answer.status_code == 201, answer.text
    later = {"publish_at": "2026-06-01T00:00:00Z", "accounts": [account], "text": "Soon"}
    piece = await post("POST", "/v1/publications", company.admin, json=later)
    assert piece.status_code == 202, piece.text
    tokens = {"access_token": "BROUGHT", "token_secret": "BROUGHT"}
    brought = await post("PUT", f"/v1/accounts/{account}/grants/ads", company.admin, json=tokens)
    assert brought.status_code == 200, brought.text
    asked = await post("POST", f"/v1/accounts/{account}/broadcasts/read", company.admin)
    assert asked.status_code == 202, asked.text
    directory, now = world.services.directory, world.clock.now()
    user = User(f"usr_extra{suffix}", company.id, f"extra@{suffix}.example", now)
    await directory.users.add(user)
    key, secret = ApiKey.generate(f"key_extra{suffix}", company.id, company.admin.id, "extra", now)
    await directory.api_keys.put(key, secret)
    content = await add_content(world, company, account, "900")
    await add_comment(world, company, account, "c1", content)
    await bring(world.sides, world.services.keys.seal.seal, now, account)
    letter = DeadLetter(
        id=f"mailbox:account:1:0:1-0:{account}",
        org=company.id,
        entity=str(EntityKey(Kind.ACCOUNT, account)),
        event_id="event-1",
        sealed_body=b"sealed",
        reason="applying it failed five times",
        failed_at=now,
    )
    await world.dead_letters.put([letter])
    return Things(
        account,
        campaign.json()["id"],
        link.json()["code"],
        sale.json()["id"],
        content,
        piece.json()["targets"][0]["publication_id"],
        asked.json()["operations"][0]["id"],
        f"{account}|77-campaign",
        f"{account}|cat1",
        f"{account}|live0",
        picture.json()["id"],
        user.id,
        key.id,
        letter.id,
    )


def campaign_body(**changes: Any) -> dict[str, Any]:
    return {"name": "Summer", "budget": {"total_minor": 100_000, "currency": "EUR"}} | changes


def sale_body(order_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "customer_id": "CUSTOMER-77",
        "amount_minor": 4999,
        "currency": "EUR",
        "occurred_at": "2026-01-01T00:00:00Z",
    } | changes


async def add_content(
    world: World, company: Company, account: str, external_id: str, age_s: float = 0, **changes: Any
) -> str:
    id_ = f"{account}|{external_id}"
    keyring, now = world.services.keys.seal, world.clock.now()
    document = {
        "_id": id_,
        "org": company.id,
        "socialAccountId": account,
        "platform": account.partition(":")[0],
        "externalContentId": external_id,
        "contentType": "photo",
        "originalData": keyring.seal(
            zlib.compress(ORIGINAL), field_aad("social_content", id_, "originalData")
        ),
        "normalizedContent": {
            "text": "Look #new",
            "mediaUrls": [],
            "media": [],
            "hashtags": ["new"],
            "mentions": [],
            "links": [],
            "language": "en",
        },
        "commerceData": None,
        "engagement": {"likes": 3, "comments": 1, "shares": None, "views": None, "clickThroughs": None},
        "permalink": None,
        "publishedAt": now - timedelta(seconds=age_s),
        "syncedAt": now,
        "status": "active",
    } | changes
    await world.sides.upsert_many("social_content", [document])
    return id_


async def add_comment(
    world: World, company: Company, account: str, external_id: str, content: str | None
) -> str:
    id_ = f"{account}|{external_id}"
    words = {
        "author": {"external_id": "77", "username": "BERTA-HANDLE", "name": "Berta"},
        "text": "LOVELY-WORDS",
        "hashtags": [],
        "mentions": [],
        "links": [],
    }
    document = {
        "_id": id_,
        "org": company.id,
        "socialAccountId": account,
        "platform": account.partition(":")[0],
        "kind": "comment",
        "externalId": external_id,
        "contentId": content,
        "parentId": None,
        "at": world.clock.now(),
        "sealed": world.services.keys.seal.seal(
            orjson.dumps(words), field_aad("social_comments", id_, "sealed")
        ),
        "originalData": None,
        "status": "active",
    }
    await world.sides.upsert_many("social_comments", [document])
    return id_
