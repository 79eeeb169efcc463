"""The main job, end to end, over HTTP."""

import uuid

from tests.support.client import World, eventually


async def test_a_comment_at_the_platform_is_seen_over_the_api(world: World) -> None:
    caller = await world.org()
    account = await world.account("twitter", f"main-{uuid.uuid4()}")
    view = await world.connect(caller, account)
    assert view["status"] == "connected"

    async def backfilled() -> bool:
        found = await caller.get(f"/v1/accounts/{view['id']}")
        return all(source["backfilled"] for source in found["sync"].values()) and bool(found["sync"])

    await eventually(backfilled)
    content = await caller.all(f"/v1/accounts/{view['id']}/content")
    ledger = (await world.sandbox.ledger())["content"][f"twitter:{account['external_id']}"]
    assert {c["external_id"] for c in content} == {c["id"] for c in ledger if not c["deleted"]}

    # Not a reply of its own: what is said under it belongs to the post it answers.
    posts = {c["id"] for c in ledger if c["kind"] == "post"}
    target = next(c for c in content if c["external_id"] in posts)
    text = "Is it dishwasher safe? 🙂"
    done = await world.sandbox.act(account, "comment", content_id=target["external_id"], text=text)

    async def seen() -> list[dict[str, object]]:
        comments = await caller.all(f"/v1/content/{target['id']}/comments")
        return [c for c in comments if c["external_id"] == done["id"]]

    (comment,) = await eventually(seen)
    assert text in comment["text"]


async def test_two_orgs_connect_the_same_account_and_each_has_its_own(world: World) -> None:
    first, second = await world.org("First"), await world.org("Second")
    account = await world.account("instagram", f"shared-{uuid.uuid4()}")
    one, two = await world.connect(first, account), await world.connect(second, account)
    assert one["id"] != two["id"]
    for caller, view in ((first, one), (second, two)):

        async def has_content(caller=caller, view=view) -> bool:  # type: ignore[no-untyped-def]
            return len(await caller.all(f"/v1/accounts/{view['id']}/content")) >= 60

        await eventually(has_content)
    content = (await first.all(f"/v1/accounts/{one['id']}/content"))[5]
    done = await world.sandbox.act(account, "comment", content_id=content["external_id"], text="Preis?")
    for caller in (first, second):

        async def seen(caller=caller) -> bool:  # type: ignore[no-untyped-def]
            return done["id"] in {c["external_id"] for c in await caller.all("/v1/comments")}

        await eventually(seen)
    foreign = await second.request("GET", f"/v1/accounts/{one['id']}")
    assert foreign.status_code == 404
