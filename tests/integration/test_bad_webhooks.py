"""Webhooks that are forged, broken, early, repeated or odd meet the running service."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.support.accounts import connected, look, newest_post, number, remark_ids
from tests.support.client import Caller, Json, World, eventually
from tests.support.cluster import ray_metrics
from tests.support.judge import compare
from tests.support.webhooks import Hook, instagram_comment, x_event, x_reply

PROBLEM = "application/problem+json"


# -- webhooks: signatures ---------------------------------------------------------------------------
_FORGED: dict[str, dict[str, str]] = {
    "missing": {},
    "empty": {"x-twitter-webhooks-signature": "", "x-hub-signature-256": ""},
    "not base64": {"x-twitter-webhooks-signature": "sha256=%%%", "x-hub-signature-256": "sha256=zz"},
    "another algorithm": {"x-twitter-webhooks-signature": "sha1=AAAA", "x-hub-signature-256": "md5=00"},
    "of another body": {},
    "not ASCII": {"x-twitter-webhooks-signature": "sha256=\u00e4", "x-hub-signature-256": "sha256=\u00e4"},
}


async def test_unsigned_webhooks_are_refused_counted_and_not_kept(world: World) -> None:
    caller = await world.org()
    before = await _refused()
    for platform in ("twitter", "instagram"):
        await forge(world, caller, platform)

    async def counted() -> bool:
        return await _refused() >= before + 2 * len(_FORGED)

    await eventually(counted, 30, 1.0)


async def forge(world: World, caller: Caller, platform: str) -> None:
    """Send every forgery and one genuine webhook: only that one leaves anything behind."""
    account, view = await connected(world, caller, platform)
    hook, post = await Hook.of(world, platform), await newest_post(caller, view)
    external, parent = account["external_id"], post["external_id"]

    def body(comment_id: str) -> bytes:
        if platform == "twitter":
            return json.dumps(x_reply(external, comment_id, parent, "forged?")).encode()
        entry = instagram_comment(external, comment_id, parent, "forged?")
        return json.dumps({"object": "instagram", "entry": [entry]}).encode()

    forged, genuine = number(), number()
    for name, headers in _FORGED.items():
        given = hook.signed(body(genuine)) if name == "of another body" else headers
        raw = {k: v.encode("latin-1") for k, v in given.items()}
        answer = await world.api.post(hook.path, content=body(forged), headers=raw)  # type: ignore[arg-type]
        assert answer.status_code == 401, (platform, name)
        assert answer.headers["content-type"] == PROBLEM
        assert len(answer.headers.get_list("x-request-id")) <= 1, "an answer grows with each request"
    assert (await hook.post(body(genuine))).status_code == 200

    async def arrived() -> bool:
        return genuine in await remark_ids(caller, view)

    await eventually(arrived)  # the mailbox keeps the order: whatever had been kept would be there now
    assert forged not in await remark_ids(caller, view)
    parked = await caller.get("/v1/ops/parked?limit=200")
    assert f"{platform}:{external}" not in {row["target"] for row in parked["items"]}


async def _refused() -> float:
    """What the Prometheus endpoint says of webhooks refused for their signature."""
    text = await asyncio.to_thread(ray_metrics)
    rows = [row for row in text.splitlines() if row.startswith("ray_rookery_webhooks_refused")]
    unsigned = [row for row in rows if 'reason="signature_invalid"' in row]
    return sum(float(row.rsplit(" ", 1)[1]) for row in unsigned)


async def test_an_app_of_ones_own_does_not_speak_for_the_accounts_of_others(world: World) -> None:
    """Its owner knows the secret and can sign anything; what counts is the app an account came by."""
    victim, forger = await world.org("Victim"), await world.org("Forger", operator=False)
    account, view = await connected(world, victim, "twitter")
    external, forged, genuine = account["external_id"], number(), number()
    secret = f"own-{uuid.uuid4()}"
    wish = {"client_id": "own", "client_secret": secret}
    app = await forger.post("/v1/integrations/twitter/apps", wish)
    theirs = Hook(world.api, "twitter", f"/webhooks/twitter/{app['id']}", secret)
    await theirs.send(x_reply(external, forged, "1", "words nobody said"))
    revoke = {"data": {"event_uuid": number(), "event_type": "oauth.revoke", "filter": {}}}
    revoke["data"] |= {"payload": {"user_id": external, "app_id": "own"}}
    await theirs.send(revoke)
    await (await Hook.of(world, "twitter")).send(x_reply(external, genuine, "1", "words of a person"))

    async def arrived() -> bool:
        return genuine in await remark_ids(victim, view)

    await eventually(arrived)
    assert forged not in await remark_ids(victim, view)
    assert (await look(victim, view))["status"] == "connected"


# -- webhooks: bodies -------------------------------------------------------------------------------
_UNREADABLE = {
    "not JSON": (b"{", 400),
    "empty": (b"", 400),
    "not UTF-8": (b'{"data": "\xff\xfe"}', 400),
    "half a body": (b'{"data": {"event_uuid": "1", "payl', 400),
    "HTML": (b"<html>502</html>", 400),
    "a bare value": (b"17", 400),
    "another shape": (b'{"hello": "there"}', 400),
    "nested absurdly": (b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400),
    "nested objects": (b'{"data":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}", 400),
}


@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_a_body_that_is_no_webhook_is_refused_and_the_process_lives(
    world: World, platform: str
) -> None:
    hook = await Hook.of(world, platform)
    for name, (body, status) in _UNREADABLE.items():
        answer = await hook.post(body)
        assert answer.status_code == status, (name, answer.status_code, answer.text[:200])
        assert answer.headers["content-type"] == PROBLEM, name
    accepted = {"object": "instagram", "entry": []} if platform == "instagram" else {"for_user_id": "1"}
    await hook.send(accepted)


async def test_webhooks_pass_serve_by(world: World) -> None:
    """Serve gives each request it handles an id; what it never saw has none (docs/decisions/0017)."""
    hook = await Hook.of(world, "twitter")
    body = json.dumps({"for_user_id": "1"}).encode()
    answer = await hook.post(body, hook.signed(body))
    assert answer.status_code == 200
    assert "x-request-id" not in answer.headers
    async with httpx.AsyncClient(base_url=world.api.base_url) as http:
        assert "x-request-id" in (await http.get("/healthz")).headers


async def announcing(world: World, path: str, length: int) -> int:
    """Status of a request whose body never comes."""
    url = httpx.URL(world.api.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {path} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Length: {length}\r\n\r\n"
    writer.write(head.encode())
    status = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return int(status.split()[1])


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(world: World) -> None:
    hook = await Hook.of(world, "twitter")
    body = b'{"data": "' + b"x" * (4 * 1024 * 1024) + b'"}'
    async with httpx.AsyncClient(base_url=world.api.base_url, timeout=30) as http:
        try:
            answer = await http.post(hook.path, content=body, headers=hook.signed(body))
        except httpx.TransportError:
            pass  # hung up on while it was still sending: the answer may then be lost on its way
        else:
            assert answer.status_code == 413
            assert answer.headers["content-type"] == PROBLEM
    assert await announcing(world, hook.path, len(body)) == 413  # by its announced length alone
    await hook.send({"for_user_id": "1"})


async def test_an_unknown_webhook_address_is_404(world: World) -> None:
    for path in ("/webhooks/twitter/app_nobody", "/webhooks/myspace/x", "/webhooks/twitter/app%00"):
        answer = await world.api.post(path, content=b"{}")
        assert answer.status_code == 404, path


# -- webhooks: accounts nobody connected ------------------------------------------------------------
async def test_events_of_an_account_nobody_connected_wait_and_are_replayed(world: World) -> None:
    caller = await world.org()
    account = await world.account("instagram", f"early-{uuid.uuid4()}", posts=3)
    target = f"instagram:{account['external_id']}"
    done = [await world.sandbox.act(account, "comment", text=f"early {n}") for n in range(3)]

    async def parked() -> bool:
        items = (await caller.get("/v1/ops/parked?limit=200"))["items"]
        return {"target": target, "parked": 3} in items

    await eventually(parked)
    view = await world.connect(caller, account)

    async def replayed() -> bool:
        return {d["id"] for d in done} <= set(await remark_ids(caller, view))

    await eventually(replayed)

    async def emptied() -> bool:
        items = (await caller.get("/v1/ops/parked?limit=200"))["items"]
        return target not in {row["target"] for row in items}

    await eventually(emptied)
    assert (await look(caller, view))["counters"]["webhooks"] == 3


# -- webhooks: again, later, reordered, regrouped ---------------------------------------------------
@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_repeated_reordered_and_regrouped_webhooks_have_one_effect(world: World, platform: str) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, platform)
    post = await newest_post(caller, view)
    rowdy = {"duplicate": 0.5, "reorder": 0.5, "batch": 4, "delay_ms": [0, 100]}
    await world.sandbox.put("delivery", rowdy)
    try:
        kinds = ("comment", "comment", "mention", "like") if platform == "twitter" else ("comment",)
        acts = [
            world.sandbox.act(
                account, kind, **({"content_id": post["external_id"]} if kind != "mention" else {})
            )
            for _ in range(8)
            for kind in kinds
        ]
        done = await asyncio.gather(*acts)
        ids = [event_id for d in done for event_id in d["event_ids"]]

        async def delivered() -> bool:
            ledger = await world.sandbox.ledger()
            rows = [e for e in ledger["events"] if e["event_id"] in ids]
            return len(rows) == len(ids) and all(r["accepted_at"] for r in rows)

        await eventually(delivered)
    finally:
        calm = {"duplicate": 0, "reorder": 0, "batch": 1, "delay_ms": [0, 0]}
        await world.sandbox.put("delivery", calm)
    again = await world.sandbox.post("redeliver", {"event_ids": ids, "regroup": True})
    backwards = await world.sandbox.post("redeliver", {"event_ids": ids[::-1]})
    assert again["events"] == backwards["events"] == len(ids)

    async def all_sent() -> bool:
        return bool((await world.sandbox.get("delivery"))["pending"] == 0)

    await eventually(all_sent)
    last = await world.sandbox.act(account, "comment", content_id=post["external_id"], text="the last one")

    async def finished() -> bool:
        return last["id"] in await remark_ids(caller, view)

    await eventually(finished)
    rows = [e for e in (await world.sandbox.ledger())["events"] if e["event_id"] in ids]
    assert sum(r["duplicated"] for r in rows) >= len(ids), "the sandbox did not repeat: nothing was tested"
    report = await compare(world, caller, account, view)
    assert report["remarks_lost"] == report["remarks_doubled"] == []
    assert report["counted"] == report["accepted"]
    told = [
        e["data"]["remark_id"].rsplit("|", 1)[1]
        for e in await caller.all(f"/v1/events?subject={view['id']}")
        if e["type"] == "rookery.RemarkReceived"
    ]
    assert len(told) == len(set(told))
    comments = [a for a in done if a["id"] in await remark_ids(caller, view)]
    assert {a["id"] for a in comments} <= set(told)


# -- odd content ------------------------------------------------------------------------------------
async def test_odd_content_is_kept_as_it_came_and_harms_nobody(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "twitter")
    hook = await Hook.of(world, "twitter")
    external = account["external_id"]
    odd: dict[str, Json] = {
        "beyond 64 bits": {"text": "big", "public_metrics": {"like_count": 2**63, "reply_count": -(2**70)}},
        "half a character": {"text": "half \ud83d and \udc00"},
        "NUL": {"text": "nul \x00 here", "na\x00me": "\x00", "$where": {"a.b": 1}},
        "unknown words": {"text": "?", "media": {"kind": "HOLOGRAM"}, "lang": "tlh-x-odd", "kind": 17},
        "wrong types": {
            "text": 5,
            "entities": "none",
            "attachments": [None],
            "public_metrics": [],
            "lang": {},
        },
        "nothing but an id": {},
        "odd times": {"text": "when", "created_at": "0000-99-99T99:99:99Z"},
        "infinitely long": {"text": "\u202e" + "🧶" * 20_000},
    }
    payloads = {name: {"id": number(), "author_id": external} | fields for name, fields in odd.items()}
    for payload in payloads.values():
        await hook.send(x_event(external, "post.create", f"odd-{payload['id']}", payload))
    for event in ({"event_type": "from.the.future"}, {"event_type": None, "payload": None}, {}):
        await hook.send({"data": {"filter": {"user_id": external}, "event_uuid": number()} | event})
    after = number()
    await hook.send(x_reply(external, after, payloads["NUL"]["id"], "still there?"))

    async def arrived() -> bool:
        return after in await remark_ids(caller, view)

    await eventually(arrived)
    for name, payload in payloads.items():
        found = await caller.get(f"/v1/content/{view['id']}|{payload['id']}?include=original")
        assert found["original"]["data"] == payload, name
    assert (await caller.get(f"/v1/accounts/{view['id']}"))["status"] == "connected"
    assert (await caller.get("/v1/ops/dead-letters"))["items"] == []


async def test_an_odd_entry_does_not_cost_its_neighbours_in_the_same_body(world: World) -> None:
    caller = await world.org()
    account, view = await connected(world, caller, "instagram")
    other = await world.account("instagram", f"bad-{uuid.uuid4()}", posts=2)
    other_view = await world.connect(caller, other)
    hook = await Hook.of(world, "instagram")
    first, second = number(), number()
    entries: list[Any] = [
        {"id": account["external_id"], "time": 2**63, "changes": [{"field": "comments", "value": 7}]},
        {"id": account["external_id"], "changes": "none"},
        {"id": "../../etc", "changes": []},
        None,
        17,
        instagram_comment(account["external_id"], first, "1", "lone \udfff half \x00"),
        {"id": other["external_id"], "time": 1, "changes": [{"field": "\ud800", "value": {"x": [2**64]}}]},
        instagram_comment(other["external_id"], second, "1", "neighbour"),
    ]
    await hook.send({"object": "instagram", "entry": entries})

    async def both() -> bool:
        mine, theirs = await remark_ids(caller, view), await remark_ids(caller, other_view)
        return first in mine and second in theirs

    await eventually(both)
    assert (await caller.get("/v1/ops/dead-letters"))["items"] == []
