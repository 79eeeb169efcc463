"""Publishing through the running service: out once, when promised, whatever the platform answers."""

import asyncio
import io
import uuid
from datetime import UTC, datetime, timedelta

from PIL import Image

from sandbox.picture import png
from tests.support.accounts import connected
from tests.support.client import Caller, Json, World, eventually


async def ends(caller: Caller, id: str, *statuses: str, timeout_s: float = 60.0) -> Json:
    async def ended() -> Json | None:
        found = await caller.get(f"/v1/publications/{id}")
        return found if found["status"] in statuses else None

    return await eventually(ended, timeout_s)  # type: ignore[no-any-return]


async def publish(caller: Caller, view: Json, text: str, **more: object) -> str:
    answer = await caller.post("/v1/publications", {"accounts": [view["id"]], "text": text} | more)
    (target,) = answer["targets"]
    assert target["problem"] is None, target
    id_: str = target["publication_id"]
    return id_


async def created(world: World, text: str) -> list[str]:
    return [row["id"] for row in (await world.sandbox.ledger())["posts_created"] if row["text"] == text]


async def test_a_post_goes_out_and_becomes_content(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "twitter")
    text = f"Fresh from the kiln {uuid.uuid4()}"
    found = await ends(caller, await publish(caller, view, text), "published")
    assert await created(world, text) == [found["external_id"]]

    async def read() -> bool:
        return any(c["external_id"] == found["external_id"] for c in await caller.all("/v1/content"))

    await eventually(read)

    async def told() -> bool:
        events = await caller.all(f"/v1/events?subject={view['id']}&type=ContentPublished")
        return [e["data"]["publication_id"] for e in events] == [found["id"].partition("|")[2]]

    await eventually(told)


async def test_a_picture_goes_with_it(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "twitter")
    sent = await caller.request("POST", "/v1/media?alt_text=Teal", content=png(1200, 800))
    assert sent.status_code == 201, sent.text
    text = f"With a picture {uuid.uuid4()}"
    id_ = await publish(caller, view, text, kind="photo", media=[sent.json()["id"]])
    found = await ends(caller, id_, "published")
    assert [s["what"] for s in found["steps"]][-2:] == ["post", "published"]
    assert len(await created(world, text)) == 1


async def test_pain_01_a_post_that_was_never_answered_is_out_once(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    fault = {"platform": "twitter", "path": "2/tweets$", "external_id": account["external_id"], "count": 1}
    await world.sandbox.post("faults", fault | {"kind": "half_body"})
    text = f"Only once {uuid.uuid4()}"
    found = await ends(caller, await publish(caller, view, text), "published")
    assert "outcome_unknown" in [s["what"] for s in found["steps"]]
    assert await created(world, text) == [found["external_id"]]
    assert (await world.sandbox.ledger())["duplicates_refused"] == 0


async def test_instagram_fetches_the_picture_and_it_is_out_once(world: World) -> None:
    """The answer to the call that makes it public never comes: the container tells."""
    caller = await world.org()
    account, view = await connected(world, caller, "instagram")
    sent = await caller.request("POST", "/v1/media?alt_text=Teal", content=jpeg(1080, 1080))
    assert sent.status_code == 201, sent.text
    path, external_id = "media_publish$", account["external_id"]
    fault = {"platform": "instagram", "path": path, "external_id": external_id, "count": 1}
    await world.sandbox.post("faults", fault | {"kind": "half_body"})
    text = f"Fresh from the kiln {uuid.uuid4()}"
    id_ = await publish(caller, view, text, kind="photo", media=[sent.json()["id"]])
    found = await ends(caller, id_, "published")
    steps = [step["what"] for step in found["steps"]]
    assert steps[:4] == ["scheduled", "container", "status", "publish"] and "outcome_unknown" in steps
    own = (await world.sandbox.ledger())["content"][f"instagram:{account['external_id']}"]
    assert [row["id"] for row in own if row["text"] == text] == [found["external_id"]]


def jpeg(width: int, height: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), (20, 128, 128)).save(written, "JPEG")
    return written.getvalue()


async def test_pain_05_a_scheduled_post_goes_out_at_its_time(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "twitter")
    text = f"Later {uuid.uuid4()}"
    at = datetime.now(UTC) + timedelta(seconds=6)
    id_ = await publish(caller, view, text, publish_at=at.isoformat())
    await asyncio.sleep(2)
    assert (await caller.get(f"/v1/publications/{id_}"))["status"] == "scheduled"
    assert await created(world, text) == []
    found = await ends(caller, id_, "published")
    assert found["published_at"] >= at.isoformat()[:19]


async def test_what_the_platform_would_refuse_is_refused_before_and_named(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "twitter")
    body = {"accounts": [view["id"]], "text": "x" * 281}
    answer = await caller.request("POST", "/v1/publications", json=body)
    assert answer.status_code == 422 and "280" in answer.json()["detail"]
