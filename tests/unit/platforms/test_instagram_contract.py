"""Meta's machine-readable contract (its business SDK's specs) as a judge of Instagram: what the adapter asks
for and sends, and what the sandbox answers."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from domain.content import ContentKind
from domain.publishing import Draft
from platforms.http import Call
from platforms.instagram import adapter
from platforms.instagram.adapter import Instagram
from platforms.instagram.insights import InstagramInsights
from sandbox.meta.fields import parse
from tests.unit.platforms.instagram_studio import DRAFTS, Studio, picture, studio
from tests.unit.platforms.publish_support import access_of, job_of, publish
from tests.unit.platforms.support import ok

IG = Instagram()
SPECS = Path(__file__).parents[4] / "shared" / "specs" / "meta"
pytestmark = pytest.mark.skipif(not SPECS.exists(), reason="Meta's specs are not part of this repository")
# What the guides have and the SDK's tables of April 2026 lack.
_GUIDES = {
    "IGUser": {"user_id", "account_type", "profile_picture_url"},
    "IGMedia": {"media_audio_type"},
    "media": {"is_ai_generated", "is_paid_partnership"},
    "content_publishing_limit": {"fields"},
}


@pytest.fixture
async def world() -> AsyncIterator[Studio]:
    async with studio() as opened:
        yield opened


def spec(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SPECS / f"{name}.json").read_text())
    return found


def fields(name: str) -> set[str]:
    edges = {api["endpoint"].strip("/") for api in spec(name)["apis"] if api.get("endpoint")}
    return {field["name"] for field in spec(name)["fields"]} | edges | _GUIDES.get(name, set())


def parameters(method: str, edge: str) -> set[str] | None:
    """Of an edge of an account, a media or a comment; None when there is none of that name."""
    for name in ("IGUser", "IGMedia", "IGComment"):
        for api in spec(name)["apis"]:
            if api["method"] == method and api.get("endpoint", "").strip("/") == edge:
                return {p["name"] for p in api["params"]} | _GUIDES.get(edge, set())
    return None


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (adapter._MEDIA_FIELDS, "IGMedia"),
        (adapter._PROFILE_FIELDS, "IGUser"),
        ("quota_usage,config", "ContentPublishingLimitResponse"),
        ("id,text,timestamp,username", "IGComment"),
    ],
)
def test_every_field_that_is_asked_for_exists(asked: str, name: str) -> None:
    assert {want.name for want in parse(asked)} <= fields(name)


async def test_every_edge_and_parameter_exists(world: Studio) -> None:
    account = await world.account("instagram", posts=3)
    access, seen = access_of(world, account), set()
    wrong: list[str] = []
    send = world.http.send

    async def judged(spec_: Any, call: Call, timeout_s: float = 30.0) -> Any:
        edge = urlsplit(call.url).path.rpartition("/")[2]
        edge = edge if not edge.isdigit() and edge != "me" else ""
        known = parameters(call.method, edge) if edge else set()
        seen.add((call.method, edge))
        names = {*(call.form or {}), *call.query} - {"fields", "limit", "after", "since"}
        if known is None:
            wrong.append(f"there is no {call.method} {edge}")
        elif not names <= known:
            wrong.append(f"{call.method} {edge} has no {names - known}")
        return await send(spec_, call, timeout_s)

    world.http.send = judged  # type: ignore[method-assign, assignment]
    options = {"location_id": "1", "collaborators": ["bo"], "user_tags": [{"username": "a", "x": 0, "y": 1}]}
    everything = Draft(ContentKind.PHOTO, "All", media=(picture(),), options=options)
    reel = {"thumb_offset": 1, "audio_name": "Kiln", "trial_params": {"graduation_strategy": "MANUAL"}}
    drafts = {**DRAFTS, "options": everything}
    drafts["reel"] = Draft(ContentKind.REEL, media=DRAFTS["reel"].media, options=reel)
    made = ""
    for draft in drafts.values():
        out = await publish(world, IG, access, job_of(IG.publishing.adapt(draft)))
        made = str(out.external_id)
        ok(await InstagramInsights().of_content(access, made, IG.publishing.adapt(draft).kind))
    job = job_of(Draft(ContentKind.POST, "Thanks", reply_to=made))
    await publish(world, IG, access, job)
    ok(await InstagramInsights().of_account(access, datetime.now(UTC), datetime.now(UTC)))
    assert wrong == []
    assert {("POST", "media"), ("POST", "media_publish"), ("GET", "insights"), ("POST", "comments")} <= seen


async def test_objects_of_the_sandbox_have_no_field_that_instagram_does_not_know(world: Studio) -> None:
    account = await world.account("instagram", posts=30)
    access = access_of(world, account)
    await publish(world, IG, access, job_of(IG.publishing.adapt(DRAFTS["carousel"])))
    types = {field["name"]: field["type"] for field in spec("IGMedia")["fields"]}
    token = {"access_token": account["access_token"]}
    asked = ",".join(sorted(fields("IGMedia") | {"owner{id}"} - {"owner"}))
    page = await world.control.get("/graph.instagram.com/v26.0/me/media", params=token | {"fields": asked})
    for row in page.json()["data"]:
        assert set(row) <= fields("IGMedia")
        for name, value in row.items():
            expected = {"bool": bool, "int": int, "string": str, "datetime": str}.get(types.get(name, ""))
            assert expected is None or isinstance(value, expected), name
    own = ",".join(fields("IGUser") - {"mentioned_media", "mentioned_comment"})
    me = await world.control.get("/graph.instagram.com/me", params=token | {"fields": own})
    assert set(me.json()) <= fields("IGUser")
    limit = await world.control.get(
        "/graph.instagram.com/me/content_publishing_limit", params=token | {"fields": "quota_usage,config"}
    )
    assert set(limit.json()["data"][0]) == fields("ContentPublishingLimitResponse")
    row = next(r for r in await world.content(account) if r["kind"] == "image")
    told = await world.control.get(
        f"/graph.instagram.com/{row['id']}/insights", params=token | {"metric": "views,reach"}
    )
    assert all(set(one) <= fields("InsightsResult") for one in told.json()["data"])
