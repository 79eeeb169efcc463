"""The best-known clients of TikTok's services, unmodified apart from the address, against a served sandbox.

There is none for the developers' service in Python. `business_api_client` is TikTok's own; its request models
and the answer models of `tiktok_shop_api`, generated from TikTok's pages, are what there is of
machine-readable contracts.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from domain.clock import SystemClock
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import Answer, Call, PlatformHttp
from platforms.spec import PlatformSpec
from platforms.tiktok import commerce
from platforms.wire import encode
from tests.unit.platforms.support import answer, app_of

ROOT = Path(__file__).parents[3]
BACK = "http://127.0.0.1:9/callback"
DAYS = [str(datetime.now(UTC).date() - timedelta(days=n)) for n in range(12, 2, -1)]


@dataclass
class Served:
    """A sandbox in a process of its own, with one account and its app."""

    url: str
    account: dict[str, Any]

    @property
    def app(self) -> dict[str, Any]:
        found: dict[str, Any] = self.account["app"]
        return found

    def ask(self, method: str, path: str, body: object = None) -> Any:
        reply = httpx.request(method, f"{self.url}/_sandbox{path}", json=body)
        assert reply.status_code < 300, reply.text
        return reply.json()

    def code(self, address: str, parameter: str = "code") -> str:
        """Consent in the browser; the code of the redirect."""
        parts = urlsplit(address)
        form = {n: v[0] for n, v in parse_qs(parts.query).items()}
        form |= {"user": self.account["external_id"], "decision": "approve"}
        reply = httpx.post(f"{self.url}/{parts.netloc}{parts.path}", data=form)
        assert reply.status_code == 302, reply.text
        return parse_qs(urlsplit(reply.headers["location"]).query)[parameter][0]


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
        wish = {"platform": "tiktok", "seed": "clients", "posts": 45}
        place.account = place.ask("POST", "/accounts", wish)
        place.ask("PUT", f"/apps/{place.app['id']}", {"redirect_uris": [BACK]})
        yield place
    finally:
        process.kill()
        process.wait()


# -- account holders ----------------------------------------------------------------------------------
def test_python_tiktok_reads_an_account(served: Served) -> None:
    import pytiktok
    from pytiktok import error as errors

    client = pytiktok.BusinessAccountApi(
        app_id=served.app["client_id"],
        app_secret=served.app["client_secret"],
        base_url=f"{served.url}/business-api.tiktok.com/open_api",
        oauth_redirect_uri=BACK,
    )
    query = {
        "client_key": served.app["client_id"],
        "response_type": "code",
        "scope": "user.info.basic,user.insights,video.insights",
        "redirect_uri": BACK,
        "state": "s",
    }
    code = served.code(f"https://www.tiktok.com/v2/auth/authorize/?{urlencode(query)}")
    token = client.generate_access_token(code)
    assert token.open_id and token.open_id != served.account["external_id"]
    assert client.get_token_info(token.access_token).creator_id == token.open_id
    renewed = client.refresh_access_token(token.refresh_token)
    assert renewed.access_token != token.access_token

    told = client.get_account_data(
        token.open_id, DAYS[0], DAYS[-1], ["username", "followers_count", "video_views", "likes"]
    )
    assert told.data.username == served.account["username"]
    assert [m.date for m in told.data.metrics][:2] == DAYS[:2]
    ids, cursor = [], None
    fields = ["item_id", "video_views", "reach", "total_time_watched", "full_video_watched_rate"]
    while True:
        page = client.get_account_videos(token.open_id, fields, cursor=cursor, max_count=20).data
        ids += [video.item_id for video in page.videos]
        assert all(video.reach <= video.video_views for video in page.videos)
        if not page.has_more:
            break
        cursor = page.cursor
    key = f"tiktok:{served.account['external_id']}"
    assert ids == [row["id"] for row in served.ask("GET", "/ledger")["content"][key]][::-1]

    with pytest.raises(errors.PyTiktokError) as refused:
        client.get_account_data("another", fields=["username"])
    assert refused.value.message["code"] == 40001
    client.revoke_access_token(renewed.access_token)
    with pytest.raises(errors.PyTiktokError) as dead:
        client.get_account_data(token.open_id, fields=["username"])
    assert dead.value.message["code"] == 40105


# -- advertisers --------------------------------------------------------------------------------------
def test_the_official_business_client_reads_and_writes_advertising(served: Served) -> None:
    import business_api_client as sdk

    configuration = sdk.Configuration()
    configuration.host = f"{served.url}/business-api.tiktok.com"
    client = sdk.ApiClient(configuration)
    query = {"app_id": served.app["client_id"], "state": "s", "redirect_uri": BACK}
    code = served.code(f"https://business-api.tiktok.com/portal/auth?{urlencode(query)}", "auth_code")
    url = f"{served.url}/business-api.tiktok.com/open_api/v1.3/oauth2/access_token/"
    body = {"app_id": served.app["client_id"], "secret": served.app["client_secret"], "auth_code": code}
    told = httpx.post(url, json=body).json()["data"]
    (advertiser,), token = told["advertiser_ids"], told["access_token"]

    campaigns = sdk.CampaignCreationApi(client)
    listed = campaigns.campaign_get(advertiser, token, page=1, page_size=2)
    assert listed["data"]["page_info"]["total_page"] == 2
    made = campaigns.campaign_create(
        token,
        body=sdk.CampaignCreateBody(
            advertiser_id=advertiser,
            campaign_name="By the official client",
            objective_type="TRAFFIC",
            budget_mode="BUDGET_MODE_DAY",
            budget=50.0,
            operation_status="DISABLE",
        ),
    )
    found = campaigns.campaign_get(
        advertiser, token, filtering=sdk.FilteringCampaignGet(campaign_ids=[made["data"]["campaign_id"]])
    )
    assert [row["operation_status"] for row in found["data"]["list"]] == ["DISABLE"]
    report = sdk.ReportingApi(client).report_integrated_get(
        "BASIC",
        token,
        advertiser_id=advertiser,
        service_type="AUCTION",
        data_level="AUCTION_CAMPAIGN",
        dimensions=["campaign_id", "stat_time_day"],
        metrics=["spend", "impressions"],
        start_date=DAYS[0],
        end_date=DAYS[2],
        page_size=1000,
    )
    assert len(report["data"]["list"]) == 3 * 3, "what was made just now has no numbers"
    assert all(isinstance(row["metrics"]["spend"], str) for row in report["data"]["list"])
    with pytest.raises(Exception) as refused:
        campaigns.campaign_get(advertiser, "nonsense")
    assert "40105" in str(refused.value)
    _makes_an_ad(sdk, served, client, advertiser, token, made["data"]["campaign_id"])


def _makes_an_ad(sdk: Any, served: Served, client: Any, advertiser: str, token: str, campaign: str) -> None:
    """An ad group in the campaign, an ad of a post in it."""
    regions = sdk.ToolApi(client).tool_region(advertiser, ["PLACEMENT_TIKTOK"], "TRAFFIC", token)
    (germany,) = [r for r in regions["data"]["region_info"] if r["region_code"] == "DE"]
    wish = sdk.AdgroupCreateBody(
        advertiser_id=advertiser,
        campaign_id=campaign,
        adgroup_name="Germany",
        promotion_type="WEBSITE",
        placement_type="PLACEMENT_TYPE_NORMAL",
        placements=["PLACEMENT_TIKTOK"],
        location_ids=[germany["location_id"]],
        budget_mode="BUDGET_MODE_DAY",
        budget=50.0,
        schedule_type="SCHEDULE_FROM_NOW",
        schedule_start_time="2027-05-01 09:00:00",
        optimization_goal="CLICK",
        billing_event="CPC",
        pacing="PACING_MODE_SMOOTH",
        bid_type="BID_TYPE_NO_BID",
        operation_status="DISABLE",
    )
    groups, ads = sdk.AdgroupApi(client), sdk.AdApi(client)
    group = groups.adgroup_create(token, body=wish)["data"]["adgroup_id"]
    wish.billing_event = "CPM"
    with pytest.raises(Exception, match="billing_event does not go"):
        groups.adgroup_create(token, body=wish)
    (identity,) = sdk.IdentityApi(client).identity_get(advertiser, token)["data"]["identity_list"]
    post = served.ask("GET", "/ledger")["content"][f"tiktok:{served.account['external_id']}"][0]
    creative = sdk.AdcreateCreatives(
        ad_name="Bowl",
        ad_format="CAROUSEL_ADS" if post["kind"] == "photo" else "SINGLE_VIDEO",
        tiktok_item_id=post["id"],
        identity_type=identity["identity_type"],
        identity_id=identity["identity_id"],
        operation_status="DISABLE",
    )
    body = sdk.AdCreateBody(advertiser_id=advertiser, adgroup_id=group, creatives=[creative])
    (ad,) = ads.ad_create(token, body=body)["data"]["ad_ids"]
    told = ads.ad_get(advertiser, token, filtering=sdk.FilteringAdGet(ad_ids=[ad]))
    (shown,) = told["data"]["list"]
    assert (shown["adgroup_id"], shown["operation_status"]) == (group, "DISABLE")


def test_what_the_adapter_creates_is_in_tiktoks_own_model() -> None:
    import business_api_client as sdk

    known = sdk.CampaignCreateBody.swagger_types
    ours = {
        "advertiser_id": str,
        "request_id": str,
        "campaign_name": str,
        "objective_type": str,
        "operation_status": str,
        "budget_mode": str,
        "budget": float,
    }
    assert {name: known.get(name) for name in ours} == {n: t.__name__ for n, t in ours.items()}
    assert {"campaign_id", "budget", "advertiser_id"} <= set(sdk.CampaignUpdateBody.swagger_types)
    assert {"adgroup_id", "budget", "advertiser_id"} <= set(sdk.AdgroupUpdateBody.swagger_types)
    for level in ("Campaign", "Adgroup", "Ad"):
        body = getattr(sdk, f"{level}StatusUpdateBody").swagger_types
        assert {f"{level.lower()}_ids", "operation_status", "advertiser_id"} <= set(body)


# -- the shop -----------------------------------------------------------------------------------------
class _ToSandbox(httpx.HTTPTransport):
    """The client signs for TikTok's own host and path; only where the bytes go is another."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Host"] = request.url.host
        request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return super().handle_request(request)


def test_tiktok_shop_api_reads_a_shop(served: Served) -> None:
    import tiktok_shop_api as library
    from tiktok_shop_api.generated import models

    key, secret, way = served.app["client_id"], served.app["client_secret"], _ToSandbox(served.url)
    auth = library.TikTokShopAuth(key, secret, service_id=key, transport=way)
    tokens = auth.exchange_code(served.code(auth.authorization_url(type="seller", region="us", state="s")))
    assert tokens.access_token_expire_in > 1_700_000_000, "a moment, not a duration"
    tokens = auth.refresh(tokens.refresh_token)
    client = library.TikTokShop(key, secret, tokens.access_token, transport=way)
    (shop,) = client.authorization.get_authorized_shops().data.shops
    client = library.TikTokShop(key, secret, tokens.access_token, shop.cipher, transport=way)

    ids, token = [], None
    while True:
        more = {"page_token": token} if token else {}
        body = models.GetOrderListRequest(create_time_ge=1)
        page = client.orders.get_order_list(body=body, page_size=5, **more).data
        ids += [order.id for order in page.orders]
        for order in page.orders:
            assert _unknown(order) == [], "every word of the sandbox is one of TikTok's"
            assert order.payment.total_amount
        token = page.next_page_token
        if not token:
            break
    assert len(ids) == len(set(ids)) == page.total_count
    products = client.products.search_products(
        body=models.SearchProductsRequest(), page_size=50
    ).data.products
    assert products and all(_unknown(product) == [] for product in products)

    wrong = library.TikTokShop(key, "another secret", tokens.access_token, shop.cipher, transport=way)
    with pytest.raises(library.TikTokShopError) as refused:
        wrong.authorization.get_authorized_shops()
    assert refused.value.code == 106001


async def test_the_adapters_signed_requests_by_the_clients_rules(served: Served) -> None:
    from tiktok_shop_api import signing

    http = _Kept()
    access = Access(http, app_of(served.account), Secret("t"), "1", Secret("ROW_c"))
    shop = commerce.TiktokCommerce()
    await shop.orders(access, http.now(), "cursor +/=")
    await shop.products(access, "1", None)
    await shop.catalogs(access)
    assert len(http.asked) == 3
    for call in http.asked:
        path = urlsplit(call.url).path
        query = {n: str(v) for n, v in call.query.items()}
        expected = signing.Signer.sign(
            path=path,
            query=list(query.items()),
            content_type="application/json",
            body=None if call.json is None else encode(call.json),
            app_secret=served.app["client_secret"],
        )
        assert query["sign"] == expected
        assert signing.operation_for(call.method, path) is not None
        assert signing.requires_shop_cipher(call.method, path) is ("shop_cipher" in query)


def test_the_client_verifies_and_understands_the_sandboxs_webhook(served: Served) -> None:
    from tiktok_shop_api import webhooks

    from sandbox.tiktok.webhooks import shop_signature

    body = (
        b'{"type":1,"tts_notification_id":"7400000000000000001","shop_id":"7495000000000000001",'
        b'"timestamp":1760000000,"data":{"order_id":"576400000000000001","order_status":"AWAITING_SHIPMENT",'
        b'"is_on_hold_order":false,"update_time":1760000000}}'
    )
    event = webhooks.Webhooks.verify_and_parse(
        app_key="ak1test",
        app_secret="sec9test",
        raw_body=body,
        signature=shop_signature("ak1test", "sec9test", body),
    )
    assert event.data.order_id == "576400000000000001"


class _Kept(PlatformHttp):
    """Keeps what is asked and answers emptily."""

    def __init__(self) -> None:
        super().__init__(httpx.AsyncClient(), SystemClock())
        self.asked: list[Call] = []

    async def send(self, spec: PlatformSpec, call: Call, timeout_s: float = 30.0) -> Answer:
        self.asked.append(call)
        return answer(200, {"code": 0, "data": {}})


def _unknown(model: Any) -> list[str]:
    """Fields that the generated model of TikTok's pages does not know, at any depth."""
    found = list(getattr(model, "additional_properties", {}))
    for value in vars(model).values() if hasattr(model, "__dict__") else _slots(model):
        for item in value if isinstance(value, list) else [value]:
            if hasattr(item, "additional_properties"):
                found += _unknown(item)
    return found


def _slots(model: Any) -> list[Any]:
    return [getattr(model, name, None) for name in getattr(model, "__slots__", ())]
