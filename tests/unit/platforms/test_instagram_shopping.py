"""Instagram's shops by the consent of Facebook Login: catalogues, products, tags on what is published."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.content import ContentKind
from domain.publishing import Draft, ProductTag, Published
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, PlatformApp
from platforms.capabilities import Access
from platforms.instagram.adapter import Instagram
from platforms.instagram.commerce import NO_LOGIN, NOT_ELIGIBLE, InstagramCommerce
from platforms.instagram.consents import Shop
from platforms.instagram.publishing import InstagramPublishing
from platforms.outcome import ReauthRequired, Rejected, Unknown
from tests.unit.platforms.instagram_studio import Studio, film, picture, studio
from tests.unit.platforms.publish_support import access_of, job_of, one, publish
from tests.unit.platforms.support import CALLBACK, World, app_of, ok

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "meta"
IG, P, SHOP = Instagram(), InstagramPublishing(), InstagramCommerce()


@pytest.fixture
async def world() -> AsyncIterator[Studio]:
    async with studio() as opened:
        yield opened


async def linked(world: World, kind: str = "BUSINESS") -> tuple[dict[str, Any], PlatformApp, str]:
    """An Instagram account of a kind, Meta's application, and the page of the same name."""
    for seed in range(40):
        account = await world.account("instagram", posts=0, seed=f"shop-{seed}")
        fields = {"fields": "account_type", "access_token": account["access_token"]}
        me = await world.control.get("/graph.instagram.com/me", params=fields)
        if me.json()["account_type"] == kind:
            break
    wish = {"platform": "facebook", "seed": "shop", "posts": 0, "username": account["username"]}
    page = await world.ask("POST", "/accounts", wish)
    return account, app_of(page), page["external_id"]


async def consented(world: World, kind: str = "BUSINESS") -> Access:
    """The person says yes in a browser; what the account's owner then calls with."""
    account, app, page = await linked(world, kind)
    shop = Shop()
    url = shop.authorize_url(AuthorizeRequest(app, CALLBACK, "s", ()))
    parts = urlsplit(url)
    form = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert "instagram_shopping_tag_products" in form["scope"]
    form |= {"user": page, "decision": "approve"}
    back = await world.control.post(f"/{parts.netloc}/dialog/oauth", data=form)
    assert back.status_code == 302, back.text
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    grant = ok(await shop.exchange(world.http, app, code, CALLBACK))
    assert grant.expires_in_s > 50 * 86_400 and "catalog_management" in (grant.scopes or ())
    again = ok(await shop.refresh(world.http, app, grant, 10.0))
    assert again.access_token == grant.access_token, "confirmed, not renewed"
    own = access_of(world, account)
    return replace(own, app=app, token=grant.access_token, surface=shop.surface)


async def test_catalogues_and_products(world: Studio) -> None:
    access = await consented(world)
    (catalog,) = ok(await SHOP.catalogs(access))
    page = ok(await SHOP.products(access, catalog.external_id, None))
    assert len(page.items) == catalog.product_count and page.next_cursor is None
    assert all(p.external_id and p.external_id.isdigit() and p.retailer_id and p.title for p in page.items)
    other = await SHOP.products(access, "449", None)
    assert isinstance(other, Rejected) and other.code == "100"
    for outcome in (
        await SHOP.catalogs(replace(access, surface=None)),
        await SHOP.products(replace(access, surface=None), catalog.external_id, None),
    ):
        assert outcome == NO_LOGIN
    for what, refused in (
        ("upsert", await SHOP.upsert(access, "1", [])),
        ("upsert", await SHOP.batch(access, "1", "h")),
        ("orders", await SHOP.orders(access, datetime.now(UTC), None)),
    ):
        assert refused == Rejected("unsupported", SHOP.missing[what])


async def products(access: Access) -> list[str]:
    (catalog,) = ok(await SHOP.catalogs(access))
    return [str(p.external_id) for p in ok(await SHOP.products(access, catalog.external_id, None)).items]


async def shown_tags(world: Studio, access: Access, media: str) -> list[dict[str, Any]]:
    token = {"access_token": access.token.reveal()}
    told = await world.control.get(f"/graph.facebook.com/v26.0/{media}/product_tags", params=token)
    rows: list[dict[str, Any]] = told.json()["data"]
    return rows


async def test_products_are_tagged_on_what_is_published(world: Studio) -> None:
    access = await consented(world)
    first, second, *_ = await products(access)
    one_picture = Draft(
        ContentKind.PHOTO, "A bowl", media=(picture(),), product_tags=(ProductTag(first, x=0.25, y=0.5),)
    )
    reel = Draft(ContentKind.REEL, "A reel", media=(film(),), product_tags=(ProductTag(second),))
    album = Draft(
        ContentKind.CAROUSEL,
        "Both",
        media=(picture(), film()),
        product_tags=(ProductTag(first, x=0.1, y=0.9), ProductTag(second, media=1)),
    )
    for draft, names in ((one_picture, {first}), (reel, {second}), (album, {first, second})):
        assert P.refusals(draft) == []
        made = await publish(world, IG, access, job_of(draft))
        tags = await shown_tags(world, access, str(made.external_id))
        assert {str(tag["product_id"]) for tag in tags} == names
        if draft is one_picture:
            assert [(tag["x"], tag["y"]) for tag in tags] == [(0.25, 0.5)]
        for _ in range(2):
            ok(await P.delete(access, str(made.external_id)))
    assert len((await world.ask("GET", "/ledger"))["publications"]) == 3


async def test_an_answer_that_never_comes_is_found_there_as_well(world: Studio) -> None:
    access = await consented(world)
    (first, *_) = await products(access)
    draft = Draft(ContentKind.REEL, "Once", media=(film(),), product_tags=(ProductTag(first),))
    job = job_of(draft)
    while not job.state.decisive:
        state = ok(await one(IG, access, job))
        job = replace(job, state=state)
        await world.ask("POST", "/clock", {"advance_s": state.wait_s})
    await world.ask("POST", "/faults", {"path": "media_publish", "kind": "accepted_timeout", "count": 1})
    assert isinstance(await one(IG, access, replace(job, timeout_s=0.3)), Unknown)
    found = ok(await P.find(access, job))
    assert isinstance(found, Published) and found.external_id
    assert [r["id"] for r in (await world.ask("GET", "/ledger"))["publications"]] == [found.external_id]


async def test_who_may_tag_is_told_before_anything_is_made(world: Studio) -> None:
    creator = await consented(world, "MEDIA_CREATOR")
    draft = Draft(ContentKind.PHOTO, media=(picture(),), product_tags=(ProductTag("7", x=0.5, y=0.5),))
    assert await one(IG, creator, job_of(draft)) == NOT_ELIGIBLE
    assert await one(IG, replace(creator, surface=None), job_of(draft)) == NO_LOGIN
    ok(await P.quota(creator))


async def test_a_product_of_somebody_else_is_refused(world: Studio) -> None:
    access = await consented(world)
    draft = Draft(ContentKind.PHOTO, media=(picture(),), product_tags=(ProductTag("7", x=0.5, y=0.5),))
    job = replace(job_of(draft), state=ok(await one(IG, access, job_of(draft))))
    outcome = await one(IG, access, job)
    assert isinstance(outcome, Rejected) and outcome.code == "100/2207037"


async def test_a_consent_taken_back_is_a_dead_token(world: Studio) -> None:
    access = await consented(world)
    ended = await world.control.request(
        "DELETE", "/graph.facebook.com/me/permissions", params={"access_token": access.token.reveal()}
    )
    assert ended.json() == {"success": True}
    assert isinstance(await SHOP.catalogs(access), ReauthRequired)


async def test_a_person_without_a_linked_account_sees_none(world: Studio) -> None:
    access = await consented(world)
    page = await world.ask("POST", "/accounts", {"platform": "facebook", "seed": "alone", "posts": 0})
    lonely = replace(access, token=Secret(page["refresh_token"]))
    refused = await SHOP.catalogs(lonely)
    assert isinstance(refused, Rejected)


@pytest.mark.skipif(not SPECS.exists(), reason="Meta's specs are not part of this repository")
async def test_rows_have_the_fields_of_metas_contract(world: Studio) -> None:
    access = await consented(world)
    (catalog,) = ok(await SHOP.catalogs(access))
    (first, *_) = await products(access)
    tags = (ProductTag(first, x=0.25, y=0.5),)
    made = await publish(
        world, IG, access, job_of(Draft(ContentKind.PHOTO, media=(picture(),), product_tags=tags))
    )
    params = {"access_token": access.token.reveal(), "catalog_id": catalog.external_id}
    base = "/graph.facebook.com/v26.0"
    for path, name in (
        (f"{base}/{access.external_id}/catalog_product_search", "ShadowIGUserCatalogProductSearch"),
        (f"{base}/{made.external_id}/product_tags", "ShadowIGMediaProductTags"),
    ):
        (row, *_) = (await world.control.get(path, params=params)).json()["data"]
        types = {f["name"]: f["type"] for f in json.loads((SPECS / f"{name}.json").read_text())["fields"]}
        for field, value in row.items():
            expected = {"int": int, "string": str, "bool": bool, "float": float}[types[field]]
            assert isinstance(value, expected), field
