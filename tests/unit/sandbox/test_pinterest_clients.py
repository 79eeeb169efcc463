"""`pinterestsdk`, generated from Pinterest's OpenAPI document 5.28, but for the address unmodified, against
a served sandbox. Its models check every answer."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pinterestsdk as sdk
import pytest

ROOT = Path(__file__).parents[3]
BACK = "http://127.0.0.1:9/callback"
PNG = b"\x89PNG\r\n\x1a\n a picture"


@dataclass
class Served:
    """A sandbox in a process of its own, with one account and its app."""

    url: str
    account: dict[str, Any]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        reply = httpx.request(method, f"{self.url}/_sandbox{path}", json=body)
        assert reply.status_code < 300, reply.text
        return reply.json()

    def client(self, **settings: Any) -> Any:
        host = f"{self.url}/api.pinterest.com/v5"
        token = settings or {"access_token": self.account["access_token"]}
        return sdk.ApiClient(sdk.Configuration(host=host, **token))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", "--accounts", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        place = Served(found.group(), {})
        place.account = place.ask("POST", "/accounts", {"platform": "pinterest", "seed": "c", "posts": 70})
        yield place
    finally:
        process.kill()
        process.wait()


def test_tokens(served: Served) -> None:
    app = served.account["app"]
    query = {
        "client_id": app["client_id"],
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "boards:read,pins:read",
        "state": "s",
        "user": served.account["external_id"],
        "decision": "approve",
    }
    page = httpx.get(f"{served.url}/www.pinterest.com/oauth/?{urlencode(query)}")
    assert page.status_code == 200 and "<form" in page.text
    told = httpx.post(f"{served.url}/www.pinterest.com/oauth/", data=query)
    code = parse_qs(urlsplit(told.headers["location"]).query)["code"][0]
    with served.client(username=app["client_id"], password=app["client_secret"]) as client:
        api = sdk.OauthApi(client)
        token = api.oauth_token("authorization_code", code=code, redirect_uri=BACK)
        assert token.access_token.startswith("pina_")
        with pytest.raises(sdk.exceptions.UnauthorizedException):
            api.oauth_token("authorization_code", code=code, redirect_uri=BACK)
        raw = api.oauth_token_without_preload_content("refresh_token", refresh_token="pinr_nobody")
        assert raw.status == 401


def test_reading_through_every_page(served: Served) -> None:
    with served.client() as client:
        me = sdk.UserAccountApi(client).user_account_get()
        assert (me.id, me.username) == (served.account["external_id"], served.account["username"])
        api, ids, bookmark = sdk.PinsApi(client), [], None
        while True:
            page = api.pins_list(bookmark=bookmark, page_size=25, pin_metrics=True)
            ids += [pin.id for pin in page.items]
            bookmark = page.bookmark
            if not bookmark:
                break
        assert len(ids) == len(set(ids)) == 70
        boards = sdk.BoardsApi(client).boards_list()
        assert len(boards.items) == 4
        on_boards = [
            pin.id
            for board in boards.items
            for pin in sdk.BoardsApi(client).boards_list_pins(board.id, page_size=250).items
        ]
        assert sorted(on_boards) == sorted(ids)


def test_publishing_and_its_errors(served: Served) -> None:
    with served.client() as client:
        board = sdk.BoardsApi(client).boards_create(sdk.BoardCreate(name="Made by the client"))
        source = {
            "source_type": "image_base64",
            "content_type": "image/png",
            "data": base64.b64encode(PNG).decode(),
        }
        wish = {"board_id": board.id, "title": "A bowl", "media_source": source}
        api = sdk.PinsApi(client)
        made = api.pins_create(sdk.PinCreate.from_dict(wish))
        assert api.pins_get(made.id).title == "A bowl"
        media = sdk.MediaApi(client).media_create(sdk.MediaUploadCreate(media_type="video"))
        assert media.upload_parameters is not None
        api.pins_delete(made.id)
        with pytest.raises(sdk.exceptions.NotFoundException) as gone:
            api.pins_get(made.id)
        assert '"code":50' in gone.value.body
        with pytest.raises(sdk.exceptions.ApiException) as refused:
            api.pins_create(sdk.PinCreate.from_dict({**wish, "board_id": "123"}))
        assert refused.value.status == 404
    stranger = served.client(access_token="pina_nobody")
    with stranger, pytest.raises(sdk.exceptions.UnauthorizedException):
        sdk.UserAccountApi(stranger).user_account_get()


def test_an_ad_of_a_pin(served: Served) -> None:
    with served.client() as client:
        (owner,) = sdk.AdAccountsApi(client).ad_accounts_list().items
        campaign = {"ad_account_id": owner.id, "name": "Pins", "objective_type": "CONSIDERATION"}
        campaign |= {"status": "PAUSED", "is_campaign_budget_optimization": False}
        wish = sdk.CampaignCreateItem.from_dict(campaign)
        made = sdk.CampaignsApi(client).campaigns_create(owner.id, [wish]).items[0].data
        group = {
            "campaign_id": made.id,
            "name": "Germany",
            "billable_event": "CLICKTHROUGH",
            "bid_strategy_type": "AUTOMATIC_BID",
            "budget_type": "DAILY",
            "budget_in_micro_currency": 5_000_000,
            "targeting_spec": {"LOCATION": ["DE"]},
            "status": "PAUSED",
        }
        api = sdk.AdGroupsApi(client)
        below = api.ad_groups_create(owner.id, [sdk.AdGroupCreateCreate.from_dict(group)]).items[0].data
        assert (below.campaign_id, below.status) == (made.id, "PAUSED")
        nowhere = sdk.AdGroupCreateCreate.from_dict(group | {"targeting_spec": {}})
        (refused,) = api.ad_groups_create(owner.id, [nowhere]).items
        assert refused.data is None and "LOCATION or GEO" in refused.exceptions[0].message
        pin = next(p for p in sdk.PinsApi(client).pins_list().items if p.creative_type == "REGULAR")
        ad = {"ad_group_id": below.id, "creative_type": "REGULAR", "pin_id": pin.id, "status": "PAUSED"}
        ads = sdk.AdsApi(client)
        shown = ads.ads_create(owner.id, [sdk.AdCreate.from_dict(ad | {"name": "Bowl"})]).items[0].data
        assert (shown.pin_id, shown.ad_group_id, shown.campaign_id) == (pin.id, below.id, made.id)
        assert shown.id in {a.id for a in ads.ads_list(owner.id, page_size=250).items}


def test_products_and_their_tags(served: Served) -> None:
    """Their calls are of 5.28, younger than the document at hand: the client's models are the judge."""
    with served.client() as client:
        site = sdk.UserAccountApi(client).user_account_get().website_url
        attributes = {
            "title": "A bowl",
            "link": f"{site}/p/1",
            "image_link": [f"{site}/i.jpg"],
            "price": "24.00 USD",
            "availability": "in stock",
        }
        item = {"operation": "UPSERT", "item_id": "SKU-1", "attributes": attributes}
        batch = {"catalog_type": "RETAIL", "country": "US", "language": "EN", "items": [item]}
        items = sdk.CatalogItemsApi(client)
        items.items_batch_post(sdk.CatalogsItemsBatchPostRequest.from_json(json.dumps(batch)))
        api = sdk.CatalogProductGroupsApi(client)
        group = api.catalogs_product_groups_list().items[0].actual_instance
        listing = api.catalogs_product_group_pins_list(group.id)
        product = listing.items[0].actual_instance
        assert (product.metadata.item_id, product.metadata.price) == ("SKU-1", 24.0)
        hero = sdk.PinsApi(client).pins_list().items[0].id
        tags = sdk.ProductTagsApi(client)
        wish = sdk.ProductTagsBulkAddRequest.from_dict({"product_tags": [{"pin_id": product.pin.id}]})
        for _ in range(2):
            assert tags.product_tags_bulk_add(hero, wish) == tags.product_tags_list(hero)
        assert [tag.pin_id for tag in tags.product_tags_list(hero).product_tags] == [product.pin.id]
        strange = sdk.ProductTagsBulkAddRequest.from_dict({"product_tags": [{"pin_id": "7"}]})
        with pytest.raises(sdk.exceptions.BadRequestException) as refused:
            tags.product_tags_bulk_add(hero, strange)
        told = sdk.ProductTagsError.from_json(refused.value.body)
        assert told.details.product_tags[0].error_message == "PIN_MISSING"
        gone = sdk.ProductTagsBulkDeleteRequest.from_dict({"product_tags": [{"pin_id": product.pin.id}]})
        tags.product_tags_bulk_delete(hero, gone)
        assert tags.product_tags_list(hero).product_tags == []
