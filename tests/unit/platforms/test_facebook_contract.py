"""Meta's machine-readable contract (its business SDK's specs): what the adapter asks for, and what the
sandbox answers."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from domain.advertising import AdLevel
from platforms.facebook import ads_rows, commerce, live, normalise
from platforms.facebook.adapter import Facebook
from sandbox.meta.fields import parse
from tests.unit.platforms.publish_support import access_of, job_of, publish
from tests.unit.platforms.support import World
from tests.unit.platforms.test_facebook_publishing import DRAFTS, files

FB = Facebook()
SPECS = Path(__file__).parents[4] / "shared" / "specs" / "meta"
pytestmark = pytest.mark.skipif(not SPECS.exists(), reason="Meta's specs are not part of this repository")
# Documented in the reference and on the wire, and missing from the SDK's tables: see the facts on each page.
_UNLISTED = {"Post": {"reactions", "comments", "attachments", "likes"}, "Video": {"likes", "comments"}}


def spec(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SPECS / f"{name}.json").read_text())
    return found


def fields(name: str) -> set[str]:
    return {field["name"] for field in spec(name)["fields"]}


def edges(name: str, method: str) -> dict[str, set[str]]:
    """Edge -> parameters."""
    return {
        api["endpoint"].strip("/"): {p["name"] for p in api["params"]}
        for api in spec(name)["apis"]
        if api["method"] == method and "endpoint" in api
    }


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (normalise.POST_FIELDS, ("Post", "PagePost")),
        (normalise.PAGE_FIELDS, ("Page",)),
        (normalise.REEL_FIELDS, ("AdVideo",)),
        (normalise.COMMENT_FIELDS, ("Comment",)),
        (ads_rows.FIELDS[AdLevel.CAMPAIGN], ("Campaign",)),
        (ads_rows.FIELDS[AdLevel.GROUP], ("AdSet",)),
        (ads_rows.FIELDS[AdLevel.AD], ("Ad",)),
        (live.FIELDS, ("LiveVideo",)),
        (f"status,{live._COMMENTS}", ("LiveVideo",)),
        ("account_id,name,currency,timezone_name", ("AdAccount",)),
        ("id,async_status,async_percent_completion", ("AdReportRun",)),
        (
            "campaign_id,adset_id,ad_id,spend,account_currency,impressions,clicks,reach,actions",
            ("AdsInsights",),
        ),
        (commerce._PRODUCT_FIELDS, ("ProductItem",)),
        ("id,name,product_count", ("ProductCatalog",)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_every_field_that_is_asked_for_exists(asked: str, names: tuple[str, ...]) -> None:
    known = set().union(*(fields(name) | set(edges(name, "GET")) for name in names))
    if names == ("AdVideo",):
        # The SDK lists edges of this node where the reference says so; `likes` and `comments` are among them.
        known |= _UNLISTED["Video"]
    assert {want.name for want in parse(asked)} <= known


async def test_posts_in_the_sandbox_have_no_field_that_facebook_does_not_know(world: World) -> None:
    account = await world.account("facebook", posts=60)
    known = fields("Post") | fields("PagePost") | set(edges("PagePost", "GET"))
    asked = ",".join(sorted(known - {"from"}))
    answer = await world.control.get(
        f"/graph.facebook.com/v26.0/{account['external_id']}/published_posts",
        params={"fields": f"{asked},from", "limit": 100, "access_token": account["access_token"]},
    )
    for row in answer.json()["data"]:
        assert set(row) <= known
        listed = {field["name"]: field["type"] for field in spec("Post")["fields"]}
        for name, value in row.items():
            if listed.get(name) == "bool":
                assert isinstance(value, bool), name
            if listed.get(name) in ("string", "datetime"):
                assert isinstance(value, str), name
    page = await world.control.get(
        f"/graph.facebook.com/{account['external_id']}",
        params={"fields": ",".join(fields("Page")), "access_token": account["access_token"]},
    )
    assert set(page.json()) <= fields("Page") | set(edges("Page", "GET"))


async def test_live_videos_in_the_sandbox_are_as_metas_spec_has_them(world: World) -> None:
    account = await world.account("facebook", posts=0)
    video = (await world.act(account, kind="schedule"))["id"]
    await world.act(account, kind="stream", content_id=video)
    await world.act(account, kind="chat", content_id=video)
    listed = {field["name"]: field["type"] for field in spec("LiveVideo")["fields"]}
    token = {"access_token": account["access_token"]}
    asked = {"fields": ",".join(listed), **token}
    root = "/graph.facebook.com/v26.0"
    told = await world.control.get(f"{root}/{account['external_id']}/live_videos", params=asked)
    (row,) = told.json()["data"]
    assert set(row) <= set(listed)
    for name, value in row.items():
        kinds = {"string": str, "datetime": str, "unsigned int": int, "bool": bool}
        if listed[name] in kinds:
            assert isinstance(value, kinds[listed[name]]), name
    parameters = edges("Page", "GET")["live_videos"]
    assert parameters == {"broadcast_status", "source"}
    said = await world.control.get(f"{root}/{video}/comments", params=token | {"order": "chronological"})
    assert set(said.json()["data"][0]) <= fields("Comment")
    arguments = {name for want in parse(live._COMMENTS) for name in want.arguments}
    assert arguments - {"limit"} <= edges("LiveVideo", "GET")["comments"]


async def test_what_is_published_uses_known_edges_and_parameters(world: World) -> None:
    account = await world.account("facebook", posts=0)
    access = access_of(world, account)
    sent: list[tuple[str, set[str]]] = []
    send = world.http.send

    async def watched(spec_: Any, call: Any, timeout_s: float = 30.0) -> Any:
        edge = urlsplit(call.url).path.rpartition("/")[2]
        if call.method == "POST" and call.form is not None:
            names = {name.partition("[")[0] for name in call.form}
            sent.append((edge, names))
        return await send(spec_, call, timeout_s)

    world.http.send = watched  # type: ignore[method-assign, assignment]
    for name in ("text", "link", "photos", "reel", "video", "photo_story", "film_story"):
        await publish(world, FB, access, job_of(DRAFTS[name], files()))
    known = edges("Page", "POST")
    assert {edge for edge, _ in sent} <= set(known)
    # `upload_session_id` and the words of a reel are in the guides only.
    guides = {"videos": {"upload_session_id"}, "video_reels": {"title", "description"}}
    for edge, names in sent:
        assert names <= known[edge] | guides.get(edge, set()), edge
