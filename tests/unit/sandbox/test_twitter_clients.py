"""X's own Python clients, unmodified but for the address, against the sandbox as a process of its own: `xdk`
for API v2, `twitter-ads` for the Ads API, and `requests-oauthlib` for the consent that the latter wants."""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import requests
import xdk

from tests.unit.sandbox import served

# Generated models shadow names of their base; the Ads client is of 2022.
pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@dataclass
class Served:
    http: httpx.Client
    base: str
    account: dict[str, Any]

    @property
    def x(self) -> Any:
        return xdk.Client(base_url=f"{self.base}/api.x.com", access_token=self.account["access_token"])

    def own(self) -> list[dict[str, Any]]:
        ledger = self.http.get("/_sandbox/ledger").json()
        rows = ledger["content"][f"twitter:{self.account['external_id']}"]
        return [row for row in rows if not row["deleted"]]

    def publications(self) -> list[str]:
        return [row["id"] for row in self.http.get("/_sandbox/ledger").json()["publications"]]


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    with served.sandbox() as base, httpx.Client(base_url=base, timeout=10) as http:
        wish = {"platform": "twitter", "seed": "clients", "posts": 60}
        yield Served(http, base, http.post("/_sandbox/accounts", json=wish).json())


def test_it_reads_the_profile_and_every_post(there: Served) -> None:
    me = there.x.users.get_me(user_fields=["public_metrics", "username"]).data
    assert (me.id, me.username) == (there.account["external_id"], there.account["username"])
    ids: list[str] = []
    for page in there.x.users.get_posts(me.id, max_results=7, post_fields=["created_at", "public_metrics"]):
        ids += [post.id for post in page.data or []]
    assert len(ids) == len(set(ids))
    assert set(ids) == {row["id"] for row in there.own()}


def test_it_reads_private_numbers_and_analytics(there: Served) -> None:
    month = datetime.now(UTC) - timedelta(days=29)
    row = next(r for r in there.own() if datetime.fromisoformat(r["created_at"]) > month)
    (post,) = there.x.posts.get_by_ids([row["id"]], post_fields=["non_public_metrics", "created_at"]).data
    assert dict(post.non_public_metrics)["impression_count"] == row["metrics"]["views"]
    (numbers,) = there.x.posts.get_analytics(
        ids=[row["id"]],
        start_time=row["created_at"],
        end_time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        granularity="total",
        analytics_fields=["id", "timestamped_metrics", "impressions"],
    ).data
    (bucket,) = numbers.timestamped_metrics
    told = bucket["metrics"] if isinstance(bucket, dict) else bucket.metrics
    assert dict(told)["impressions"] == row["metrics"]["views"]


def test_it_uploads_publishes_and_deletes(there: Served) -> None:
    from xdk.media.models import AppendUploadRequest, InitializeUploadRequest, UploadRequest
    from xdk.posts.models import CreateRequest

    x = there.x
    picture = base64.b64encode(b"\x89PNG" + b"x" * 5000).decode()
    photo = x.media.upload(UploadRequest(media=picture, media_category="tweet_image")).data.id
    film = b"\x00\x00\x00\x18ftypmp42" + b"film" * 5000
    begun = x.media.initialize_upload(
        InitializeUploadRequest(media_category="tweet_video", media_type="video/mp4", total_bytes=len(film))
    ).data.id
    for n, at in enumerate(range(0, len(film), 8000)):
        piece = base64.b64encode(film[at : at + 8000]).decode()
        x.media.append_upload(begun, AppendUploadRequest(media=piece, segment_index=n))
    x.media.finalize_upload(begun)
    there.http.post("/_sandbox/clock", json={"advance_s": 2})
    assert x.media.get_upload_status(begun, command="STATUS").data.processing_info.state == "succeeded"
    for text, media in (("From X's own client", photo), ("A film from it", begun)):
        made = x.posts.create(CreateRequest(text=text, media={"media_ids": [media]})).data
        assert there.publications()[-1] == made.id
        assert x.posts.delete(made.id).data.deleted
    assert not {row["id"] for row in there.own()} & set(there.publications())


def test_it_sees_its_own_errors(there: Served) -> None:
    stranger = xdk.Client(base_url=f"{there.base}/api.x.com", access_token="nonsense")
    with pytest.raises(requests.HTTPError) as told:
        stranger.users.get_me()
    assert told.value.response.status_code == 401
    there.http.post("/_sandbox/faults", json={"platform": "twitter", "kind": "402", "count": 1})
    with pytest.raises(requests.HTTPError) as told:
        there.x.users.get_me()
    assert told.value.response.json()["type"].endswith("credits-depleted")


def test_it_logs_in_and_refreshes(there: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the sandbox speaks plain HTTP
    app = there.account["app"]
    x = xdk.Client(
        base_url=f"{there.base}/api.x.com",
        authorization_base_url=f"{there.base}/x.com/i",
        client_id=app["client_id"],
        client_secret=app["client_secret"],
        redirect_uri="http://127.0.0.1:9/callback",
        scope=["tweet.read", "users.read", "offline.access"],
    )
    address = x.get_authorization_url()
    form = dict(httpx.URL(address).params)
    form |= {"user": there.account["external_id"], "decision": "approve"}
    back = there.http.post(address.partition("?")[0], data=form).headers["location"]
    first = x.exchange_code(httpx.URL(back).params["code"])
    assert first["expires_in"] == 7200
    assert x.users.get_me().data.id == there.account["external_id"]
    second = x.refresh_token()
    assert second["refresh_token"] != first["refresh_token"]


# -- advertising --------------------------------------------------------------------------------------
def ads_client(there: Served, monkeypatch: pytest.MonkeyPatch, token: str, secret: str) -> Any:
    from twitter_ads import client
    from twitter_ads.http import Request

    monkeypatch.setattr(Request, "_DEFAULT_DOMAIN", f"{there.base}/ads-api.x.com")
    app = there.account["app"]
    return client.Client(app["client_id"], app["webhook_secret"], token, secret)


@pytest.fixture
def ads(there: Served, monkeypatch: pytest.MonkeyPatch) -> Any:
    return ads_client(there, monkeypatch, there.account["oauth1_token"], there.account["oauth1_secret"])


def test_a_consent_in_three_steps_opens_the_ads(there: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests_oauthlib as library

    app, oauth = there.account["app"], f"{there.base}/api.x.com/oauth"
    wrong = library.OAuth1Session(app["client_id"], "wrong", callback_uri="http://127.0.0.1:9/callback")
    with pytest.raises(library.oauth1_session.TokenRequestDenied) as told:
        wrong.fetch_request_token(f"{oauth}/request_token")
    assert told.value.response.status_code == 401
    session = library.OAuth1Session(
        app["client_id"], app["webhook_secret"], callback_uri="http://127.0.0.1:9/callback"
    )
    asked = session.fetch_request_token(f"{oauth}/request_token")
    assert asked["oauth_callback_confirmed"] == "true"
    address = session.authorization_url(f"{oauth}/authorize")
    page = there.http.get(address)
    assert page.status_code == 200 and "<form method=post>" in page.text
    form = {"user": there.account["external_id"], "decision": "approve"}
    back = there.http.post(address, data=form).headers["location"]
    session.parse_authorization_response(back)
    given = session.fetch_access_token(f"{oauth}/access_token")
    assert (given["user_id"], given["screen_name"]) == (
        there.account["external_id"],
        there.account["username"],
    )
    with pytest.raises(library.oauth1_session.TokenRequestDenied):
        library.OAuth1Session(
            app["client_id"],
            app["webhook_secret"],
            asked["oauth_token"],
            asked["oauth_token_secret"],
            verifier="used",
        ).fetch_access_token(f"{oauth}/access_token")
    opened = ads_client(there, monkeypatch, given["oauth_token"], given["oauth_token_secret"])
    assert len(list(opened.accounts())) == 1


def test_the_ads_client_reads_through_every_page(ads: Any) -> None:
    (account,) = list(ads.accounts())
    assert account.timezone == "America/Los_Angeles"
    assert [f.currency for f in account.funding_instruments()] == ["USD"]
    assert len(list(account.campaigns(count=1))) == 2
    assert len(list(account.line_items(count=3))) == 4
    assert len(list(account.promoted_tweets(count=5))) == 8


def test_the_ads_client_changes_campaigns(ads: Any) -> None:
    from twitter_ads.campaign import Campaign

    (account,) = list(ads.accounts())
    (funding,) = list(account.funding_instruments())
    campaign = Campaign(account)
    campaign.funding_instrument_id, campaign.name = funding.id, "From the client"
    campaign.daily_budget_amount_local_micro, campaign.entity_status = 5_000_000, "PAUSED"
    campaign.save()
    assert campaign.id
    campaign.daily_budget_amount_local_micro = 7_000_000
    campaign.save()
    read = account.campaigns(campaign.id)
    assert (read.name, read.daily_budget_amount_local_micro) == ("From the client", 7_000_000)
    campaign.delete()
    assert campaign.id not in {c.id for c in account.campaigns()}


def test_the_ads_client_makes_a_line_item_for_countries_and_promotes_a_post(there: Served, ads: Any) -> None:
    from twitter_ads import error
    from twitter_ads.campaign import Campaign, LineItem, TargetingCriteria
    from twitter_ads.creative import PromotedTweet
    from twitter_ads.enum import OBJECTIVE, PLACEMENT, PRODUCT

    (account,) = list(ads.accounts())
    campaign = Campaign(account)
    (funding,) = list(account.funding_instruments())
    campaign.funding_instrument_id, campaign.name = funding.id, "For some countries"
    campaign.entity_status, campaign.daily_budget_amount_local_micro = "PAUSED", 5_000_000
    campaign.save()
    item = LineItem(account)
    item.campaign_id, item.name, item.entity_status = campaign.id, "From the client", "PAUSED"
    item.product_type, item.placements = PRODUCT.PROMOTED_TWEETS, [PLACEMENT.ALL_ON_TWITTER]
    item.objective, item.bid_amount_local_micro = OBJECTIVE.ENGAGEMENTS, 10_000
    now = datetime.now(UTC).replace(tzinfo=None)
    item.start_time, item.end_time = now + timedelta(hours=1), now + timedelta(days=3)
    item.save()
    read = account.line_items(item.id)
    assert (read.goal, read.bid_strategy, read.pay_by, read.entity_status) == (
        "ENGAGEMENT",
        "MAX",
        "ENGAGEMENT",
        "PAUSED",
    )

    def criterion(country: str) -> Any:
        (place,) = TargetingCriteria.locations(account, location_type="COUNTRIES", country_code=country)
        made = TargetingCriteria(account)
        made.line_item_id, made.operator_type = item.id, "EQ"
        made.targeting_type, made.targeting_value = "LOCATION", place["targeting_value"]
        return made

    alone, others = criterion("DE"), [criterion("FR"), criterion("JP")]
    alone.save()
    TargetingCriteria.batch_save(account, others)
    assert [c.name for c in item.targeting_criteria()] == ["Germany", "France", "Japan"]
    others[0].to_delete, wrong = True, criterion("US")
    wrong.line_item_id = "nowhere"
    with pytest.raises(error.BadRequest):
        TargetingCriteria.batch_save(account, [others[0], wrong])
    assert len(list(item.targeting_criteria())) == 3, "as a whole or not at all"
    TargetingCriteria.batch_save(account, [others[0]])
    alone.delete()
    assert [c.name for c in item.targeting_criteria()] == ["Japan"]

    (user,) = account.promotable_users()
    assert (user.user_id, user.promotable_user_type) == (there.account["external_id"], "FULL")
    post = next(row["id"] for row in there.own() if row["kind"] == "post")
    (promoted,) = PromotedTweet.attach(account, line_item_id=item.id, tweet_ids=[post])
    assert (promoted.tweet_id, promoted.entity_status) == (post, "ACTIVE")
    with pytest.raises(error.BadRequest) as told:
        list(PromotedTweet.attach(account, line_item_id=item.id, tweet_ids=[post]))
    assert told.value.details[0]["code"] == "DUPLICATE_PROMOTABLE_ENTITY"
    item.delete()
    assert list(account.promoted_tweets(line_item_ids=item.id)) == []
    assert len(list(account.promoted_tweets(line_item_ids=item.id, with_deleted="true"))) == 1


def test_the_ads_client_reads_stats(ads: Any) -> None:
    from twitter_ads.campaign import Campaign
    from twitter_ads.enum import GRANULARITY, METRIC_GROUP

    (account,) = list(ads.accounts())
    until = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)
    ids = [campaign.id for campaign in account.campaigns()]
    rows = Campaign.all_stats(
        account,
        ids,
        [METRIC_GROUP.ENGAGEMENT, METRIC_GROUP.BILLING],
        start_time=until - timedelta(days=7),
        end_time=until,
        granularity=GRANULARITY.DAY,
    )
    numbers = rows[0]["id_data"][0]["metrics"]
    assert len(numbers["impressions"]) == len(numbers["billed_charge_local_micro"]) == 7


def test_the_ads_client_reads_stats_by_jobs(there: Served, ads: Any) -> None:
    from twitter_ads.campaign import LineItem
    from twitter_ads.enum import GRANULARITY, METRIC_GROUP

    (account,) = list(ads.accounts())
    until = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)
    ids = [item.id for item in account.line_items()]
    queued = LineItem.queue_async_stats_job(
        account,
        ids,
        [METRIC_GROUP.ENGAGEMENT, METRIC_GROUP.BILLING],
        start_time=until - timedelta(days=80),
        end_time=until,
        granularity=GRANULARITY.DAY,
    )
    assert (queued.status, queued.url) == ("PROCESSING", None)
    there.http.post("/_sandbox/clock", json={"advance_s": 5})
    (done,) = list(LineItem.async_stats_job_result(account, job_ids=[queued.id]))
    assert done.status == "SUCCESS" and done.url.startswith("https://ton.twimg.com/")
    here = done.url.replace("https:/", there.base)
    data = LineItem.async_stats_job_data(account, url=here)
    assert data["time_series_length"] == 80
    assert [row["id"] for row in data["data"]] == ids
    numbers = data["data"][0]["id_data"][0]["metrics"]
    assert len(numbers["impressions"]) == len(numbers["billed_charge_local_micro"]) == 80


def test_the_ads_client_sees_its_own_errors(there: Served, ads: Any) -> None:
    from twitter_ads import error

    (account,) = list(ads.accounts())
    with pytest.raises(error.BadRequest) as told:
        list(account.campaigns(count=5000))
    assert told.value.details[0]["code"] == "INVALID_PARAMETER"
    ads._access_token_secret = "wrong"
    with pytest.raises(error.NotAuthorized):
        list(ads.accounts())
    ads._access_token_secret = there.account["oauth1_secret"]
    limit = {"platform": "twitter", "family": "ads", "limit": 1, "window_s": 900}
    there.http.put("/_sandbox/limits", json=limit)
    list(ads.accounts())
    with pytest.raises(error.RateLimit) as limited:
        list(ads.accounts())
    assert 0 < int(limited.value.reset_at) - time.time() <= 910
