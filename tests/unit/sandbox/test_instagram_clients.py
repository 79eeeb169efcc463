"""Meta's own Python client and the best-known other one, unmodified but for the address, against the
sandbox's Instagram as a process of its own. Neither knows graph.instagram.com by name: the calls are the
same."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyfacebook
import pytest
from facebook_business.adobjects.igcomment import IGComment
from facebook_business.adobjects.igmedia import IGMedia
from facebook_business.adobjects.iguser import IGUser
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession
from PIL import Image

from tests.unit.sandbox import served

# It warns of fields and parameters that its own generated tables do not list.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FILM = b"\x00\x00\x00\x18ftypmp42" + b"film" * 5000


def jpeg() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (1080, 1350), (20, 128, 128)).save(written, "JPEG")
    return written.getvalue()


@dataclass
class Served:
    http: httpx.Client
    graph: str
    shop: str
    account: dict[str, Any]

    @property
    def api(self) -> FacebookAdsApi:
        app = self.account["app"]
        session = FacebookSession(app["client_id"], app["client_secret"], self.account["access_token"])
        return FacebookAdsApi(session)

    @property
    def user(self) -> IGUser:
        return IGUser(self.account["external_id"], api=self.api)

    def rows(self) -> list[dict[str, Any]]:
        ledger = self.http.get("/_sandbox/ledger").json()
        found: list[dict[str, Any]] = ledger["content"][f"instagram:{self.account['external_id']}"]
        return found

    def publications(self) -> list[str]:
        return [row["id"] for row in self.http.get("/_sandbox/ledger").json()["publications"]]


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    files = {"p.jpg": jpeg(), "v.mp4": FILM}
    with (
        served.sandbox() as base,
        served.shop(files) as shop,
        httpx.Client(base_url=base, timeout=10) as http,
    ):
        before, FacebookSession.GRAPH = FacebookSession.GRAPH, f"{base}/graph.instagram.com"
        wish = {"platform": "instagram", "seed": "clients", "posts": 40}
        account = http.post("/_sandbox/accounts", json=wish).json()
        yield Served(http, FacebookSession.GRAPH, shop, account)
        FacebookSession.GRAPH = before


def ready(there: Served, container: str) -> None:
    """As Meta's guide has it: its status is asked until it is finished."""
    for _ in range(100):
        node = IGUser(container, api=there.api).api_get(fields=["status_code"])
        if node["status_code"] == "FINISHED":
            return
        assert node["status_code"] == "IN_PROGRESS"
        there.http.post("/_sandbox/clock", json={"advance_s": 1})
    pytest.fail("the container was never finished")


def test_metas_client_reads_the_account_and_every_media(there: Served) -> None:
    me = there.user.api_get(fields=["username", "media_count"])
    assert (me["username"], me["media_count"]) == (there.account["username"], 40)
    media = there.user.get_media(fields=["id", "caption", "media_type", "timestamp"], params={"limit": 7})
    ids = [item["id"] for item in media]
    assert len(ids) == len(set(ids))
    assert set(ids) == {row["id"] for row in there.rows() if row["kind"] != "story"}


def test_metas_client_reads_numbers(there: Served) -> None:
    row = next(row for row in there.rows() if row["kind"] == "reel")
    wanted = ["views", "reach", "ig_reels_avg_watch_time", "reels_skip_rate"]
    told = IGMedia(row["id"], api=there.api).get_insights(params={"metric": wanted})
    values = {one["name"]: one["values"][0]["value"] for one in told}
    assert values["views"] == row["metrics"]["views"] and set(values) == set(wanted)
    params = {"metric": ["follows_and_unfollows"], "period": "day", "metric_type": "total_value"}
    (split,) = there.user.get_insights(params=params | {"breakdown": "follow_type"})
    results = split["total_value"]["breakdowns"][0]["results"]
    assert {result["dimension_values"][0] for result in results} == {"FOLLOWER", "NON_FOLLOWER"}


def test_metas_client_publishes_in_two_steps(there: Served) -> None:
    picture, film = f"{there.shop}/p.jpg", f"{there.shop}/v.mp4"
    user = there.user
    items = [
        user.create_media(params={"image_url": picture, "is_carousel_item": True})["id"],
        user.create_media(params={"media_type": "VIDEO", "video_url": film, "is_carousel_item": True})["id"],
    ]
    for item in items:
        ready(there, item)
    containers = [
        user.create_media(params={"image_url": picture, "caption": "A picture", "alt_text": "A bowl"})["id"],
        user.create_media(params={"media_type": "REELS", "video_url": film, "caption": "A reel"})["id"],
        user.create_media(params={"media_type": "STORIES", "image_url": picture})["id"],
        user.create_media(params={"media_type": "CAROUSEL", "children": items, "caption": "Both"})["id"],
    ]
    for container in containers:
        ready(there, container)
        made = user.create_media_publish(params={"creation_id": container})["id"]
        assert there.publications()[-1] == made
        read = IGMedia(made, api=there.api).api_get(fields=["media_product_type", "caption"])
        assert read["media_product_type"] in ("FEED", "REELS", "STORY")
    (limit,) = user.get_content_publishing_limit(fields=["config", "quota_usage"])
    assert (limit["quota_usage"], limit["config"]["quota_total"]) == (4, 100)


def test_metas_client_comments_and_deletes(there: Served) -> None:
    media = next(row["id"] for row in there.rows() if row["kind"] == "image")
    made = IGMedia(media, api=there.api).create_comment(params={"message": "24.90 €"})
    assert made["id"] == there.publications()[-1]
    comments = IGMedia(media, api=there.api).get_comments(fields=["id", "text"])
    assert made["id"] in {comment["id"] for comment in comments}
    IGComment(made["id"], api=there.api).api_delete()
    comments = IGMedia(media, api=there.api).get_comments(fields=["id"])
    assert made["id"] not in {comment["id"] for comment in comments}


@pytest.mark.parametrize(
    ("params", "codes"),
    [
        ({"image_url": "missing.jpg"}, (9004, 2207052)),
        ({"image_url": "v.mp4"}, (36001, 2207005)),
        ({"image_url": "p.jpg", "caption": "x" * 2201}, (36004, 2207010)),
        ({"image_url": "p.jpg", "media_type": "POLAROID"}, (100, 2207023)),
        ({"media_type": "CAROUSEL", "children": ["1"]}, (100, 2207028)),
    ],
)
def test_metas_client_sees_its_own_errors(
    there: Served, params: dict[str, Any], codes: tuple[int, int]
) -> None:
    if "image_url" in params:
        params = params | {"image_url": f"{there.shop}/{params['image_url']}"}
    with pytest.raises(FacebookRequestError) as told:
        there.user.create_media(params=params)
    assert (told.value.api_error_code(), told.value.api_error_subcode()) == codes


def test_a_container_that_is_not_ready_or_not_there(there: Served) -> None:
    film = there.user.create_media(params={"media_type": "REELS", "video_url": f"{there.shop}/v.mp4"})["id"]
    for container, codes in ((film, (9007, 2207027)), ("17880000000009999", (24, 2207008))):
        with pytest.raises(FacebookRequestError) as told:
            there.user.create_media_publish(params={"creation_id": container})
        assert (told.value.api_error_code(), told.value.api_error_subcode()) == codes


def test_the_other_client_reads_and_asks(there: Served) -> None:
    app = there.account["app"]
    api = pyfacebook.IGBusinessApi(
        app_id=app["client_id"],
        app_secret=app["client_secret"],
        access_token=there.account["access_token"],
        base_url=f"{there.graph}/",
        instagram_business_id=there.account["external_id"],
    )
    assert api.user.get_info(fields="id,username").username == there.account["username"]
    media = api.user.get_media(fields="id,caption", count=None, limit=9)
    assert {item.id for item in media.data} == {
        row["id"] for row in there.rows() if row["kind"] != "story" and not row["deleted"]
    }
    limit = api.user.get_content_publishing_limit(fields="config,quota_usage")
    assert limit.data[0].config.quota_total == 100
    numbers = api.media.get_insights(media.data[0].id, metric="views,reach")
    assert [row.name for row in numbers.data] == ["views", "reach"]
    container = there.user.create_media(params={"image_url": f"{there.shop}/p.jpg"})["id"]
    assert api.container.get_info(container, fields="id,status_code").status_code == "FINISHED"
    with pytest.raises(pyfacebook.FacebookError) as told:
        api.media.get_info("17900000000000000")
    assert told.value.code == 100
