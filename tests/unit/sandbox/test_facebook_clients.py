"""Facebook's own Python client and the best-known other one, unmodified but for the address, against the
sandbox as a process of its own."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyfacebook
import pytest
from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.livevideo import LiveVideo
from facebook_business.adobjects.page import Page
from facebook_business.adobjects.pagepost import PagePost
from facebook_business.adobjects.productcatalog import ProductCatalog
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

ROOT = Path(__file__).parents[3]
# It warns of fields and parameters that its own generated tables do not list.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@dataclass
class Served:
    http: httpx.Client
    graph: str
    account: dict[str, Any]

    def api(self, token: str) -> FacebookAdsApi:
        """The client with a token, every call signed with `appsecret_proof`."""
        app = self.account["app"]
        session = FacebookSession(app["client_id"], app["client_secret"], token)
        return FacebookAdsApi(session)

    @property
    def page(self) -> Page:
        return Page(self.account["external_id"], api=self.api(self.account["access_token"]))

    @property
    def person(self) -> FacebookAdsApi:
        return self.api(self.account["refresh_token"])

    def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/_sandbox/ledger").json()
        return found


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--accounts", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"sandbox listening on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert found
        before, FacebookSession.GRAPH = FacebookSession.GRAPH, f"{found[1]}/graph.facebook.com"
        with httpx.Client(base_url=found[1], timeout=10) as http:
            wish = {"platform": "facebook", "seed": "clients", "posts": 60}
            account = http.post("/_sandbox/accounts", json=wish).json()
            yield Served(http, FacebookSession.GRAPH, account)
        FacebookSession.GRAPH = before
        process.terminate()
        process.wait(10)


def listed(served: Served) -> set[str]:
    rows = served.ledger()["content"][f"facebook:{served.account['external_id']}"]
    return {row["id"] for row in rows if row["kind"] != "story" and not row["deleted"]}


def test_metas_client_reads_the_page_and_every_post(served: Served) -> None:
    page = served.page.api_get(fields=["id", "name", "username", "followers_count"])
    assert (page["id"], page["username"]) == (served.account["external_id"], served.account["username"])
    posts = page.get_published_posts(fields=["id", "message", "attachments", "shares"], params={"limit": 7})
    ids = [post["id"] for post in posts]
    assert len(ids) == len(set(ids))
    assert set(ids) == listed(served)


def test_metas_client_reads_comments_and_insights(served: Served) -> None:
    for post in served.page.get_posts(fields=["id"], params={"limit": 50}):
        comments = PagePost(post["id"], api=served.page.get_api()).get_comments(
            fields=["id", "message", "from"], params={"filter": "stream"}
        )
        if len(comments):
            assert comments[0]["message"] and comments[0]["from"]["id"]
            break
    else:
        pytest.fail("no post has a comment")
    rows = PagePost(post["id"], api=served.page.get_api()).get_insights(
        params={"metric": ["post_media_view"]}
    )
    assert rows[0]["values"][0]["value"] > 0
    rows = served.page.get_insights(params={"metric": ["page_views_total", "page_follows"], "period": "day"})
    assert {row["name"] for row in rows} == {"page_views_total", "page_follows"}


def test_metas_client_publishes_edits_and_deletes(served: Served) -> None:
    made = served.page.create_feed(
        params={"message": "From Meta's own client", "link": "https://shop.example/7"}
    )
    picture = served.page.create_photo(params={"caption": "A picture", "url": "https://shop.example/p.jpg"})
    assert {made["id"], picture["post_id"]} <= {row["id"] for row in served.ledger()["publications"]}
    post = PagePost(made["id"], api=served.page.get_api())
    post.api_update(params={"message": "Edited"})
    assert post.api_get(fields=["message"])["message"] == "Edited"
    assert post.create_comment(params={"message": "First"})["id"]
    post.api_delete()
    assert made["id"] not in listed(served)


def test_metas_client_sees_its_own_errors(served: Served) -> None:
    for token, code, subcode in (("EAAnonsense", 190, 467), (served.account["access_token"], 100, 33)):
        api = served.api(token)
        with pytest.raises(FacebookRequestError) as told:
            PagePost("104500000000001_1", api=api).api_get(fields=["message"])
        assert (told.value.api_error_code(), told.value.api_error_subcode()) == (code, subcode)
    app = served.account["app"]
    forged = FacebookAdsApi(FacebookSession(app["client_id"], "wrong", served.account["access_token"]))
    with pytest.raises(FacebookRequestError, match="appsecret_proof"):
        Page("me", api=forged).api_get(fields=["id"])
    fault = {"platform": "facebook", "kind": "status", "status": 503, "count": 1}
    served.http.post("/_sandbox/faults", json=fault)
    with pytest.raises(FacebookRequestError) as transient:
        served.page.api_get(fields=["id"])
    assert transient.value.api_transient_error()


def test_metas_client_sends_batches(served: Served) -> None:
    api = served.page.get_api()
    batch, bodies = api.new_batch(), []
    for post_id in [*sorted(listed(served))[:3], f"{served.account['external_id']}_1"]:
        PagePost(post_id, api=api).api_get(
            fields=["id", "message"],
            batch=batch,
            success=lambda response: bodies.append(response.json()),
            failure=lambda response: bodies.append(response.json()),
        )
    assert batch.execute() is None, "nothing is left to be repeated"
    assert [("error" in body) for body in bodies] == [False, False, False, True]


def test_metas_client_manages_ads_and_reads_report_runs(served: Served) -> None:
    me = User("me", api=served.person)
    assert [page["id"] for page in me.get_accounts(fields=["id", "access_token"])] == [
        served.account["external_id"]
    ]
    (account,) = me.get_ad_accounts(fields=["account_id", "currency"])
    account = AdAccount(account["id"], api=served.person)
    assert len(account.get_ad_sets(fields=["id", "campaign_id"])) == 4
    made = account.create_campaign(
        params={
            "name": "From the client",
            "objective": "OUTCOME_SALES",
            "status": "PAUSED",
            "special_ad_categories": [],
            "daily_budget": 1500,
        }
    )
    names = {c["id"]: c["name"] for c in account.get_campaigns(fields=["name"])}
    assert names[made["id"]] == "From the client"
    params = {
        "level": "ad",
        "time_increment": 1,
        "time_range": {"since": "2026-11-01", "until": "2026-11-03"},
        "fields": ["ad_id", "spend", "impressions", "clicks", "actions"],
    }
    run: AdReportRun = account.get_insights(params=params, is_async=True)
    for _ in range(50):
        run = run.api_get()
        if run["async_status"] == "Job Completed" and run["async_percent_completion"] == 100:
            break
        served.http.post("/_sandbox/clock", json={"advance_s": 1})
        time.sleep(0.01)
    rows = list(run.get_result(params={"limit": 5}))
    assert len(rows) == 8 * 3
    assert all(isinstance(row["spend"], str) for row in rows)


def test_metas_client_makes_an_ad_of_a_post(served: Served) -> None:
    """As its examples do it: an ad set, a creative of its own, the ad."""
    (account,) = User("me", api=served.person).get_ad_accounts(fields=["account_id"])
    account = AdAccount(account["id"], api=served.person)
    campaign = account.create_campaign(
        params={
            "name": "Posts",
            "objective": "OUTCOME_ENGAGEMENT",
            "status": "PAUSED",
            "special_ad_categories": [],
            "is_adset_budget_sharing_enabled": False,
        }
    )
    wish = {
        "name": "Germany",
        "campaign_id": campaign["id"],
        "daily_budget": 1500,
        "billing_event": AdSet.BillingEvent.impressions,
        "optimization_goal": AdSet.OptimizationGoal.post_engagement,
        "targeting": {
            "geo_locations": {"countries": ["DE"]},
            "targeting_automation": {"advantage_audience": 0},
        },
        "status": AdSet.Status.paused,
    }
    ad_set = account.create_ad_set(params=wish)
    with pytest.raises(FacebookRequestError, match="targeting must name countries"):
        account.create_ad_set(params=wish | {"targeting": {}})
    post = sorted(listed(served))[0]
    creative = account.create_ad_creative(params={"name": "Post", "object_story_id": post})
    made = account.create_ad(
        params={
            "name": "Post",
            "adset_id": ad_set["id"],
            "creative": {"creative_id": creative["id"]},
            "status": Ad.Status.paused,
        }
    )
    shown = Ad(made["id"], api=served.person).api_get(fields=["name", "adset_id", "creative", "status"])
    assert (shown["adset_id"], shown["status"]) == (ad_set["id"], "PAUSED")
    assert shown["creative"]["id"] == creative["id"]
    below = AdSet(ad_set["id"], api=served.person).api_get(
        fields=["campaign_id", "daily_budget", "targeting"]
    )
    assert (below["campaign_id"], below["daily_budget"]) == (campaign["id"], "1500")
    assert below["targeting"]["geo_locations"]["countries"] == ["DE"]
    assert made["id"] in {ad["id"] for ad in account.get_ads(fields=["id"], params={"limit": 50})}


def test_metas_client_reads_live_videos_and_their_comments(served: Served) -> None:
    path = f"/_sandbox/accounts/facebook/{served.account['external_id']}/act"
    ids = [served.http.post(path, json={"kind": "stream", "text": f"B{n}"}).json()["id"] for n in range(3)]
    served.http.post(path, json={"kind": "stream_end", "content_id": ids[0]})
    said = served.http.post(path, json={"kind": "chat", "content_id": ids[1], "text": "So blue"}).json()["id"]
    fields = ["id", "title", "status", "live_views", "permalink_url", "embed_html", "broadcast_start_time"]
    listed = served.page.get_live_videos(fields=fields, params={"limit": 2})
    assert [(v["id"], v["title"]) for v in listed] == [(ids[2], "B2"), (ids[1], "B1"), (ids[0], "B0")]
    over = served.page.get_live_videos(fields=["id"], params={"broadcast_status": ["VOD"]})
    assert [video["id"] for video in over] == [ids[0]]
    video = LiveVideo(ids[1], api=served.page.get_api())
    shown = video.api_get(fields=fields)
    assert (shown["status"], shown["live_views"]) == ("LIVE", 1)
    comments = video.get_comments(
        fields=["id", "message", "from"],
        params={"filter": "stream", "live_filter": "no_filter", "order": "chronological"},
    )
    assert [(c["id"], c["message"]) for c in comments] == [(said, "So blue")]


def test_metas_client_reads_catalogues(served: Served) -> None:
    (business,) = User("me", api=served.person).get_businesses(fields=["id"])
    (catalog,) = business.get_owned_product_catalogs(fields=["id", "product_count"])
    products = ProductCatalog(catalog["id"], api=served.person).get_products(
        fields=["retailer_id", "price", "currency"]
    )
    assert len(list(products)) == catalog["product_count"]


def test_the_other_client_logs_in_and_reads_through_every_page(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the sandbox speaks plain HTTP
    app, base = served.account["app"], f"{served.graph}/"
    api = pyfacebook.FacebookApi(
        app_id=app["client_id"],
        app_secret=app["client_secret"],
        access_token=served.account["access_token"],
        base_url=base,
    )
    page = api.page.get_info(page_id=served.account["external_id"], fields="id,name,username")
    assert page.username == served.account["username"]
    posts = api.page.get_published_posts(
        served.account["external_id"], fields="id,message", count=None, limit=9
    )
    assert {post.id for post in posts.data} == listed(served)
    graph = pyfacebook.GraphAPI(
        app_id=app["client_id"],
        app_secret=app["client_secret"],
        oauth_flow=True,
        base_url=base,
        authorization_url=f"{base.replace('graph', 'www')}dialog/oauth",
        access_token_url=f"{base}oauth/access_token",
        redirect_uri="http://127.0.0.1:9/callback",
        scope=["pages_show_list", "pages_read_engagement"],
    )
    address, _ = graph.get_authorization_url()
    form = dict(httpx.URL(address).params)
    form |= {"user": served.account["external_id"], "decision": "approve"}
    back = served.http.post(address.partition("?")[0], data=form).headers["location"]
    graph.redirect_uri = "http://127.0.0.1:9/callback"
    token = graph.exchange_user_access_token(response=back)
    long = graph.exchange_long_lived_user_access_token(access_token=token["access_token"])
    assert long["expires_in"] > 50 * 86_400
    with pytest.raises(pyfacebook.FacebookError) as told:
        api.page.get_info(page_id="104500000000001x")
    assert told.value.code == 100
