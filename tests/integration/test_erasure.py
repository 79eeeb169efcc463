"""Erasing an account on the running service: what was planted is found nowhere in the document server."""

import uuid
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import httpx

from actors.account.documents import CONTENT, REMARKS
from actors.account.publishing.publication import PUBLICATIONS
from storage.crypto import SealBroken, field_aad
from storage.sealed import FIELDS
from tests.support.accounts import connected, idle, look
from tests.support.client import Caller, Json, World, eventually

ACCOUNTS = "social_accounts"


async def planted(world: World, caller: Caller, platform: str) -> tuple[Json, Json, str]:
    """An account with a word of its own in a post, in somebody's comment and in a publication to come."""
    account, view = await connected(world, caller, platform)
    word = f"planted{uuid.uuid4().hex}"
    await world.sandbox.act(account, "post", text=f"Ours: {word}")
    author = {"username": f"ann_{word[-8:]}", "name": word}  # a person of this account's alone
    await world.sandbox.act(account, "comment", text=f"Mine: {word}", author=author)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await caller.post("/v1/publications", {"accounts": [view["id"]], "text": word, "publish_at": tomorrow})

    await eventually(lambda: everywhere(world, view, word))
    return account, view, word


async def everywhere(world: World, view: Json, word: str) -> bool:
    for name in (CONTENT, REMARKS, PUBLICATIONS):
        documents = await world.database[name].find({"socialAccountId": view["id"]}).to_list(None)
        if not any(word.encode() in data for d in documents for data in _read(world, name, d)):
            return False
    return True


async def places(world: World, text: str, org: str | None = None) -> set[str]:
    """Collections with a document that holds the text, sealed or not; of an org's documents or of all."""
    return {
        name
        async for name, document in stored(world)
        if (org is None or document.get("org") == org)
        and any(text.encode() in data for data in _read(world, name, document))
    }


async def stored(world: World) -> AsyncIterator[tuple[str, Json]]:
    for name in await world.database.list_collection_names():
        async for document in world.database[name].find({}):
            yield name, document


def _read(world: World, collection: str, document: Json) -> Iterator[bytes]:
    """The document as it is, and whatever in it is packed or sealed, opened; also documents inside it."""
    yield bson.encode(document)
    yield from _unpacked(document)
    for path in FIELDS.get(collection, ()):
        value: Any = document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, bytes) and value:
            field = path.partition(".")[2] or path
            with suppress(SealBroken):
                opened = world.keys.seal.open(value, field_aad(collection, document["_id"], field))
                yield opened
                yield from _unpacked(opened)
    for inner, side in document.get("rt", {}).get("sides", ()):
        yield from _read(world, inner, side)


def _unpacked(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        with suppress(zlib.error):
            yield zlib.decompress(value)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _unpacked(part)


async def erased(caller: Caller, view: Json) -> Json:
    async def ended() -> Json | None:
        found = await look(caller, view)
        return found if found["erasure"] and found["erasure"]["status"] == "done" else None

    return await eventually(ended, 60)  # type: ignore[no-any-return]


async def test_a_persons_wish_leaves_nothing_that_was_theirs(world: World) -> None:
    caller = await world.org()
    org = caller.org.org.id
    base = str(world.api.base_url).rstrip("/")
    callbacks = f"{base}/v1/integrations/facebook/apps/{world.apps['facebook']}"
    apps = (await world.sandbox.get("apps"))["apps"]
    app = next(a for a in apps if a["platform"] == "facebook" and a["name"] == "default")
    forget = f"{callbacks}/delete-data"
    addresses = {"deauthorize_url": f"{callbacks}/deauthorize", "data_deletion_url": forget}
    await world.sandbox.put(f"apps/{app['id']}", addresses)
    account, view, word = await planted(world, caller, "facebook")
    name = view["profile"]["display_name"]
    assert ACCOUNTS in await places(world, name, org)
    content = f"/v1/accounts/{view['id']}/content"
    post = next(c for c in await caller.all(content) if word in (c["text"] or ""))

    await world.sandbox.act(account, "delete_data")
    found = await erased(caller, view)
    assert (found["status"], found["reason"]) == ("disconnected", "erased")
    assert found["profile"]["display_name"] == ""
    assert found["erasure"]["documents"] >= 3
    assert await places(world, word) == set()
    assert await places(world, name, org) == set()
    assert (await caller.request("GET", f"/v1/content/{post['id']}")).status_code == 404
    for path in (content, "/v1/comments", "/v1/publications"):
        assert await caller.all(path) == [], path

    told = [row for row in (await world.sandbox.ledger())["callbacks"] if row["url"] == forget]
    page = (await world.api.get(httpx.URL(told[-1]["answer"]["url"]).path)).json()
    assert page["confirmation_code"] == told[-1]["answer"]["confirmation_code"]
    assert (page["status"], page["accounts_erased"]) == ("done", page["accounts"])

    async def logged() -> bool:
        events = await caller.all("/v1/events?type=SocialAccountErased")
        return [event["data"]["account_id"] for event in events] == [view["id"]]

    await eventually(logged)
    actions = {(e["action"], e["target"]) for e in await caller.all("/v1/audit")}
    assert ("delete_data", view["id"]) in actions

    again = await world.connect(caller, account)
    assert (again["id"], again["status"]) == (view["id"], "connected")
    await idle(caller, again)
    texts = [c["text"] or "" for c in await caller.all(content)]
    assert any(word in text for text in texts), "it is read anew"


async def test_an_admin_erases_what_is_held_of_an_account(world: World) -> None:
    caller = await world.org()
    _, view, word = await planted(world, caller, "twitter")
    _, neighbour, kept = await planted(world, caller, "twitter")
    path = f"/v1/accounts/{view['id']}/erase"
    first = await caller.post(path, key="erase-1")
    assert first["erasure"]["status"] == "erasing"
    assert await caller.post(path, key="erase-1") == first
    await erased(caller, view)
    assert await places(world, word) == set()
    assert await everywhere(world, neighbour, kept)
    assert (await look(caller, neighbour))["status"] == "connected"
