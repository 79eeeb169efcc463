"""Pinterest's catalogues against the sandbox: products in batches, and what it refused of them."""

import json
from dataclasses import replace
from typing import Any

from domain.catalog import Availability, BatchState, Product
from domain.clock import SystemClock
from domain.money import Money
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.outcome import Rejected
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


async def test_what_there_is_not(world: World) -> None:
    access = access_of(Answers(), await world.account("pinterest", posts=0))
    assert set(SHOP.missing) == {"products", "orders", "tags"}
    assert isinstance(await SHOP.products(access, "1", None), Rejected)
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
    http = Answers(answer(200, FEED), answer(200, {}), answer(200, {}), answer(200, {}))
    access = access_of(http, account)
    await SHOP.upsert(access, catalog.external_id, [TIN])
    await SHOP.catalogs(access)
    templates = ["/catalogs/feeds", "/catalogs/items/batch", "/catalogs"]
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
        else:
            assert contract.answer_errors(method, template, 200, value) == []
