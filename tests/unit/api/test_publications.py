"""Publishing over HTTP: one piece to many accounts, each answering for itself; files and their addresses."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.media import public_url
from tests.unit.api.conftest import World
from tests.unit.api.doubles import PICTURE
from tests.unit.api.things import add_content


async def connected(world: World) -> list[str]:
    ours = world.ours
    return [
        (await world.connect(ours.creator, "1"))["id"],
        (await world.connect(ours.creator, "2", "instagram"))["id"],
    ]


async def ask(world: World, **body: Any) -> httpx.Response:
    return await world.call("POST", "/v1/publications", world.ours.admin, json=body)


async def test_each_account_answers_for_itself(world: World) -> None:
    one, two = await connected(world)
    answer = await ask(world, accounts=[one, two], text="Hello", overrides={two: {"text": "refuse me"}})
    assert answer.status_code == 202
    first, second = answer.json()["targets"]
    assert first["problem"] is None and second["publication_id"] is None
    assert second["problem"] == {"code": "draft_refused", "message": "Not this.", "field": "text"}
    found = (await world.call("GET", "/v1/publications", world.ours.admin)).json()["items"]
    assert [item["id"] for item in found] == [first["publication_id"]]
    assert found[0]["group"] == answer.json()["group"] and found[0]["status"] == "scheduled"


async def test_refused_by_all_is_refused(world: World) -> None:
    accounts = await connected(world)
    answer = await ask(world, accounts=accounts, text="refuse me")
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "text"


async def test_asked_twice_with_a_key_is_one_publication(world: World) -> None:
    (one, _) = await connected(world)
    headers = {"Idempotency-Key": "spring-1"}
    body = {"accounts": [one], "text": "Hello"}
    first, second = [
        await world.call("POST", "/v1/publications", world.ours.admin, json=body, headers=headers)
        for _ in range(2)
    ]
    assert first.json() == second.json()
    found = (await world.call("GET", "/v1/publications", world.ours.admin)).json()["items"]
    assert len(found) == 1


async def test_the_draft_is_shown_and_what_failed_is_tried_again(world: World) -> None:
    (one, _) = await connected(world)
    soon = (world.clock.now() + timedelta(hours=1)).isoformat()
    answer = await ask(world, accounts=[one], text="Hello", publish_at=soon)
    path = f"/v1/publications/{answer.json()['targets'][0]['publication_id']}"
    shown = (await world.call("GET", path, world.ours.admin)).json()
    assert shown["draft"]["text"] == "Hello"
    early = await world.call("POST", f"{path}/retry", world.ours.admin)
    assert early.status_code == 409
    cancelled = await world.call("POST", f"{path}/cancel", world.ours.admin)
    assert cancelled.json()["status"] == "cancelled"
    again = await world.call("POST", f"{path}/retry", world.ours.admin)
    assert again.status_code == 202 and again.json()["publication_id"] not in path


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"publish_at": "2199-01-01T00:00:00Z"}, "publish_at"),
        ({"overrides": {"twitter:9:x": {}}}, "overrides"),
        ({"media": ["med_unknown"]}, "media.0"),
    ],
)
async def test_mistakes_are_named(world: World, change: dict[str, Any], field: str) -> None:
    (one, _) = await connected(world)
    answer = await ask(world, accounts=[one], text="Hello", **change)
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field


async def test_content_is_edited_and_deleted_where_it_was_published(world: World) -> None:
    (one, _) = await connected(world)
    content = await add_content(world, world.ours, one, "900")
    for method, body in (("PATCH", {"text": "New words"}), ("DELETE", None)):
        answer = await world.call(method, f"/v1/content/{content}", world.ours.admin, json=body)
        assert answer.status_code == 202
        path = f"/v1/publications/{answer.json()['publication_id']}"
        assert (await world.call("GET", path, world.ours.admin)).json()["external_id"] == "900"


# -- files --------------------------------------------------------------------------------------------
async def test_a_file_is_measured_and_read_back_by_its_address(world: World) -> None:
    (one, _) = await connected(world)
    sent = await world.call("POST", "/v1/media?alt_text=Teal", world.ours.admin, content=PICTURE)
    file = sent.json()
    assert (file["kind"], file["content_type"], file["width"], file["size"]) == (
        "image",
        "image/png",
        8,
        len(PICTURE),
    )
    await ask(world, accounts=[one], kind="photo", text="Hello", media=[file["id"]])
    url = public_url(world.services, file["id"], world.clock.now() + timedelta(hours=1))
    path = url.removeprefix(world.services.settings.public_url)
    assert (await world.http.get(path)).content == PICTURE
    part = await world.http.get(path, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, PICTURE[2:6])
    world.clock.advance(3601)
    assert (await world.http.get(path)).status_code == 404
    assert (await world.http.get("/media/forged")).status_code == 404


async def test_what_is_no_picture_is_not_kept(world: World) -> None:
    answer = await world.call("POST", "/v1/media", world.ours.admin, content=b"not a picture")
    assert answer.status_code == 422


async def test_a_file_is_fetched_from_a_public_address_only(world: World) -> None:
    body = {"url": "https://pictures.example/p.png"}
    fetched = await world.call("POST", "/v1/media/fetch", world.ours.admin, json=body)
    assert fetched.status_code == 201 and fetched.json()["width"] == 8
    refused = await world.call("POST", "/v1/media/fetch", world.ours.admin, json={"url": "http://10.0.0.1/"})
    assert refused.status_code == 422
