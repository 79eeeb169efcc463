"""Pinterest's catalogues against the sandbox: products in batches, what it refused of them, what is there."""

import json
from dataclasses import replace
from typing import Any

import pytest

from domain.catalog import Availability, BatchState, Product
from domain.clock import SystemClock
from domain.money import Money
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.outcome import Rejected
from platforms.pinterest import products
from platforms.pinterest.adapter import Pinterest
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.support import Answers, World, answer, app_of, ok

SHOP = Pinterest().commerce
TIN = Product(
    "SBX-1",
    "Bread tin",
    Money(2499, "USD"),
    sale_price=Money(1999, "USD"),
    availability=Availability.IN_STOCK,
    url="https://kitchen.example/p/1",
    image_url="https://kitchen.example/i/1.jpg",
)
FEED = {"items": [{"id": "1", "default_country": "US", "default_locale": "en-US"}]}


def access_of(http: Any, account: dict[str, Any]) -> Access:
    return Access(http, app_of(account), Secret(account["access_token"]), account["external_id"])


async def test_a_batch_is_asked_about_until_it_is_done(world: World) -> None:
    account = await world.account("pinterest", posts=1)
    access = access_of(world.http, account)
    (catalog,) = ok(await SHOP.catalogs(access))
    begun = ok(await SHOP.upsert(access, catalog.external_id, [TIN, replace(TIN, retailer_id="2", url=None)]))
    assert not begun.done and begun.wait_s > 0
    await world.ask("POST", "/clock", {"advance_s": begun.wait_s})
    done = ok(await SHOP.batch(access, catalog.external_id, begun.handle))
    assert (done.done, done.accepted) == (True, 1)
    assert done.errors == (("2", "link is missing from product metadata."),)
    filters = {"catalog_type": "RETAIL", "item_ids": ["SBX-1", "nothing"]}
    told = await world.control.post(
        "/api.pinterest.com/v5/catalogs/items",
        json={"country": "US", "language": "EN", "filters": filters},
        headers={"Authorization": f"Bearer {account['access_token']}"},
    )
    (item,) = told.json()["items"]
    assert (item["attributes"]["price"], item["attributes"]["sale_price"]) == ("24.99 USD", "19.99 USD")


async def listed(access: Access, catalog_id: str) -> list[Product]:
    items: list[Product] = []
    cursor = None
    for _ in range(50):
        page = ok(await SHOP.products(access, catalog_id, cursor))
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
    raise AssertionError("it never ends")


@pytest.mark.parametrize("size", [1, 2, 250])
async def test_products_are_listed_by_the_group_of_all_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(products, "PAGE", size)
    access = access_of(world.http, await world.account("pinterest", posts=1))
    (catalog,) = ok(await SHOP.catalogs(access))
    assert await listed(access, catalog.external_id) == []
    rug = replace(TIN, retailer_id="2", price=Money(9900, "USD"), sale_price=None, description="Wool")
    sent = [TIN, rug, replace(TIN, retailer_id="3", availability=Availability.PREORDER)]
    ok(await SHOP.upsert(access, catalog.external_id, sent))
    found = await listed(access, catalog.external_id)
    assert all(p.external_id and p.external_id.isdigit() and p.image_url and p.payload for p in found)
    kept = [replace(p, external_id=None, image_url=TIN.image_url, payload=b"") for p in found]
    assert kept == sent, "each once, though two groups have it"


async def test_without_a_group_of_all_every_group_is_read(world: World) -> None:
    account = await world.account("pinterest", posts=0)

    def groups(bookmark: str | None, *ids: str, **more: str) -> Any:
        return answer(200, {"items": [{"id": i, **more} for i in ids], "bookmark": bookmark})

    def page(bookmark: str | None, *ids: str) -> Any:
        metadata = {"price": 3, "currency": "JPY", "sale_price": None, "availability": "NEW"}
        rows: list[Any] = [{"metadata": {"item_id": i, **metadata}} for i in ids]
        return answer(200, {"items": [*rows, {"pin": {"id": "9"}}, 7], "bookmark": bookmark})

    first = groups("next", "1", "2", type="MERCHANT_CREATED")
    second = groups(None, "3", type="TOP_SELLERS")
    hotels = groups(None, "4", catalog_type="HOTEL")
    reads = [first, page("more", "a"), first, page(None, "b"), first, page(None), second, page(None, "c")]
    http = Answers(*reads)
    found = await listed(access_of(http, account), "8")
    assert [(p.retailer_id, p.title) for p in found] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert found[0].price == Money(3, "JPY") and found[0].availability is Availability.UNKNOWN
    paths = [(call.url.rpartition("/v5/")[2], call.query.get("bookmark")) for call in http.asked]
    of = "catalogs/product_groups/{}/products"
    assert paths[1::2] == [
        (of.format(1), None),
        (of.format(1), "more"),
        (of.format(2), None),
        (of.format(3), None),
    ]
    assert [bookmark for _, bookmark in paths[::2]] == [None, None, None, "next"]
    for none in (groups(None), hotels):
        outcome = await SHOP.products(access_of(Answers(none), account), "8", None)
        assert isinstance(outcome, Rejected) and outcome.code == "no_product_groups"
    later = Answers(groups("next"), groups(None))
    assert await listed(access_of(later, account), "8") == [], "a page of groups may be empty"
    gone = Answers(first, answer(404, {"code": 4180, "message": "gone"}))
    outcome = await SHOP.products(access_of(gone, account), "8", None)
    assert isinstance(outcome, Rejected) and outcome.code == "404/4180"


async def test_what_there_is_not(world: World) -> None:
    access = access_of(Answers(), await world.account("pinterest", posts=0))
    assert set(SHOP.missing) == {"orders"}
    assert isinstance(await SHOP.orders(access, SystemClock().now(), None), Rejected)
    assert isinstance(await SHOP.upsert(access, "1", [TIN] * 1001), Rejected)
    unfed = access_of(Answers(answer(200, {"items": []})), await world.account("pinterest", posts=0))
    found = await SHOP.upsert(unfed, "1", [TIN])
    assert isinstance(found, Rejected) and found.code == "no_feed"


async def test_a_batch_that_was_skipped_or_failed_is_done(world: World) -> None:
    account = await world.account("pinterest", posts=0)
    for body, errors in (
        ({"batch_id": "7", "status": "COMPLETED", "created_time": None, "items": []}, 0),
        ({"batch_id": "7", "status": "FAILED"}, 1),
    ):
        state = ok(await SHOP.batch(access_of(Answers(answer(200, body)), account), "1", "7"))
        assert isinstance(state, BatchState) and state.done and len(state.errors) == errors


async def test_the_contract(world: World) -> None:
    account = await world.account("pinterest", posts=0)
    (catalog,) = ok(await SHOP.catalogs(access_of(world.http, account)))
    own = await world.control.get(
        "/api.pinterest.com/v5/catalogs/product_groups",
        headers={"Authorization": f"Bearer {account['access_token']}"},
    )
    http = Answers(
        answer(200, FEED), answer(200, {}), answer(200, {}), answer(200, own.json()), answer(200, {})
    )
    access = access_of(http, account)
    await SHOP.upsert(access, catalog.external_id, [TIN])
    await SHOP.catalogs(access)
    await SHOP.products(access, catalog.external_id, None)
    groups = "/catalogs/product_groups"
    templates = [
        "/catalogs/feeds",
        "/catalogs/items/batch",
        "/catalogs",
        groups,
        f"{groups}/{{product_group_id}}/products",
    ]
    headers = {"Authorization": f"Bearer {account['access_token']}"}
    for call, template in zip(http.asked, templates, strict=True):
        query = {name: str(value) for name, value in call.query.items()}
        method, body = call.method.lower(), call.json
        if body is None:
            assert contract.request_errors(method, template, query, None) == []
        else:  # one of two forms that the document takes: this is the newer
            assert contract.named_errors("CatalogsRetailBatchRequest", body) == []
        url = call.url.replace("https://", "/")
        told = await world.control.request(call.method, url, params=query, json=body, headers=headers)
        assert told.status_code == 200, told.text
        value = json.loads(told.content)
        if template == "/catalogs/items/batch":
            assert contract.named_errors("CatalogsRetailItemsBatch", value) == []
        elif template == templates[-1]:  # a choice of three that the document also describes as one
            (product,) = value["items"]
            assert contract.named_errors("CatalogsRetailProduct", product) == []
        else:
            assert contract.answer_errors(method, template, 200, value) == []
