"""Bad input meets the running service: every row of the list of bad inputs, from outside, over HTTP."""

import asyncio
import json
import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.client import Caller, Json, World, eventually
from tests.support.cluster import ray_metrics
from tests.support.judge import compare
from tests.support.webhooks import Hook, instagram_comment, x_event, x_reply

PROBLEM = "application/problem+json"


async def connected(world: World, platform: str = "twitter", posts: int = 5) -> tuple[Caller, Json, Json]:
    """(caller, account at the platform, its view here) with its history read."""
    caller = await world.org()
    account = await world.account(platform, f"bad-{uuid.uuid4()}", posts=posts)
    view = await world.connect(caller, account)
    await idle(caller, view)
    return caller, account, view


async def idle(caller: Caller, view: Json) -> Json:
    """The account's view once it has read everything it knows of and asks for nothing more."""

    async def quiet() -> Json | None:
        found = await caller.get(f"/v1/accounts/{view['id']}")
        done = found["sync"] and all(s["backfilled"] for s in found["sync"].values())
        return found if done and found["job"] is None and not found["waiting_work"] else None

    return await eventually(quiet)  # type: ignore[no-any-return]


async def remark_ids(caller: Caller, view: Json) -> list[str]:
    return [c["external_id"] for c in await caller.all(f"/v1/comments?account={view['id']}")]


async def heard(caller: Caller, view: Json) -> int:
    return int((await caller.get(f"/v1/accounts/{view['id']}"))["counters"].get("webhooks", 0))


async def newest_post(caller: Caller, view: Json) -> Json:
    return (await caller.all(f"/v1/accounts/{view['id']}/content"))[0]


def number() -> str:
    """A platform's id that nobody has used."""
    return str(uuid.uuid4().int)[:18]


# -- webhooks: signatures ---------------------------------------------------------------------------
_FORGED: dict[str, dict[str, str]] = {
    "missing": {},
    "empty": {"x-twitter-webhooks-signature": "", "x-hub-signature-256": ""},
    "not base64": {"x-twitter-webhooks-signature": "sha256=%%%", "x-hub-signature-256": "sha256=zz"},
    "another algorithm": {"x-twitter-webhooks-signature": "sha1=AAAA", "x-hub-signature-256": "md5=00"},
    "of another body": {},
    "not ASCII": {"x-twitter-webhooks-signature": "sha256=\u00e4", "x-hub-signature-256": "sha256=\u00e4"},
}


@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_an_unsigned_webhook_is_refused_counted_and_not_kept(world: World, platform: str) -> None:
    caller, account, view = await connected(world, platform)
    hook, post = await Hook.of(world, platform), await newest_post(caller, view)
    external, before = account["external_id"], await _refused(platform)

    def body(comment_id: str) -> bytes:
        parent = post["external_id"]
        if platform == "twitter":
            return json.dumps(x_reply(external, comment_id, parent, "forged?")).encode()
        entry = instagram_comment(external, comment_id, parent, "forged?")
        return json.dumps({"object": "instagram", "entry": [entry]}).encode()

    forged, genuine = number(), number()
    for name, headers in _FORGED.items():
        given = hook.signed(body(genuine)) if name == "of another body" else headers
        raw = {k: v.encode("latin-1") for k, v in given.items()}
        answer = await world.api.post(hook.path, content=body(forged), headers=raw)  # type: ignore[arg-type]
        assert answer.status_code == 401, name
        assert answer.headers["content-type"] == PROBLEM
    assert (await hook.post(body(genuine))).status_code == 200

    async def arrived() -> bool:
        return genuine in await remark_ids(caller, view)

    await eventually(arrived)  # the mailbox keeps the order: whatever had been kept would be there now
    assert forged not in await remark_ids(caller, view)
    parked = await caller.get("/v1/ops/parked?limit=200")
    assert f"{platform}:{external}" not in {row["target"] for row in parked["items"]}

    async def counted() -> bool:
        return await _refused(platform) >= before + len(_FORGED)

    await eventually(counted, 30, 1.0)


async def _refused(platform: str) -> float:
    """What the Prometheus endpoint says of webhooks refused for their signature."""
    text = await asyncio.to_thread(ray_metrics)
    rows = [row for row in text.splitlines() if row.startswith("ray_rookery_webhooks_refused")]
    wanted = [r for r in rows if f'platform="{platform}"' in r and 'reason="signature_invalid"' in r]
    return sum(float(row.rsplit(" ", 1)[1]) for row in wanted)


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
    "too large": (b'{"data": "' + b"x" * (4 * 1024 * 1024) + b'"}', 413),
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
    assert await heard(caller, view) == 3


# -- webhooks: again, later, reordered, regrouped ---------------------------------------------------
@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_repeated_reordered_and_regrouped_webhooks_have_one_effect(world: World, platform: str) -> None:
    caller, account, view = await connected(world, platform)
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


# -- OAuth ------------------------------------------------------------------------------------------
async def test_a_state_is_good_once_for_its_own_platform_and_ten_minutes(world: World) -> None:
    caller = await world.org()
    account = await world.account("twitter", f"oauth-{uuid.uuid4()}", posts=1)

    async def started() -> str:
        begun = await caller.post("/v1/integrations/twitter/connect")
        return await world.consent(begun["authorize_url"], account["external_id"])

    async def refused(callback: str) -> None:
        answer = await world.api.get(callback)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["type"] == "urn:rookery:error:state_invalid"

    forged = re.sub("state=[^&]+", "state=" + "A" * 43, await started())
    await refused(forged)
    await refused(re.sub("state=[^&]+", "state=", await started()))
    await refused((await started()).replace("/twitter/callback", "/instagram/callback"))
    expired = await started()
    past = datetime.now(UTC) - timedelta(minutes=1)
    await world.database["oauth_states"].update_many({}, {"$set": {"expiresAt": past}})
    await refused(expired)
    assert (await caller.get("/v1/accounts"))["items"] == []

    used = await started()
    assert (await world.api.get(used)).status_code == 200
    await refused(used)
    assert len((await caller.get("/v1/accounts"))["items"]) == 1


async def test_a_state_of_somebody_who_has_left_the_org_is_refused(world: World) -> None:
    admin = await world.org()
    manager = await world.member(admin, "manager")
    account = await world.account("twitter", f"oauth-{uuid.uuid4()}", posts=1)
    begun = await manager.post("/v1/integrations/twitter/connect")
    callback = await world.consent(begun["authorize_url"], account["external_id"])
    users = (await admin.get("/v1/users"))["items"]
    user = next(u for u in users if u["role"] == "manager")
    assert (await admin.request("DELETE", f"/v1/users/{user['id']}")).status_code == 204
    assert (await world.api.get(callback)).status_code == 400
    assert (await admin.get("/v1/accounts"))["items"] == []


async def test_a_denied_consent_connects_nothing(world: World) -> None:
    caller = await world.org()
    account = await world.account("twitter", f"oauth-{uuid.uuid4()}", posts=1)
    begun = await caller.post("/v1/integrations/twitter/connect")
    callback = await world.consent(begun["authorize_url"], account["external_id"], decision="deny")
    answer = await world.api.get(callback)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:rookery:error:authorization_denied"
    assert (await caller.get("/v1/accounts"))["items"] == []


async def test_a_code_the_platform_does_not_know_connects_nothing(world: World) -> None:
    caller = await world.org()
    account = await world.account("twitter", f"oauth-{uuid.uuid4()}", posts=1)
    begun = await caller.post("/v1/integrations/twitter/connect")
    callback = await world.consent(begun["authorize_url"], account["external_id"])
    answer = await world.api.get(re.sub("code=[^&]+", "code=invented", callback))
    assert answer.status_code == 400
    assert "invented" not in answer.text
    assert (await caller.get("/v1/accounts"))["items"] == []


# -- platforms that misbehave -----------------------------------------------------------------------
_FAULTS: dict[str, Json] = {
    "429": {"kind": "status", "status": 429, "seconds": 3},
    "500": {"kind": "status", "status": 500, "count": 1},
    "503": {"kind": "status", "status": 503, "count": 1},
    "half a body": {"kind": "half_body", "count": 1},
    "HTML": {"kind": "html", "status": 502, "count": 1},
    "hangs up": {"kind": "disconnect", "count": 1},
    "no answer": {"kind": "timeout", "count": 1},
}
_RESTS_A_MINUTE = ("instagram", "429")  # Meta tells whole minutes: seen to wait, not waited for


async def test_a_platform_that_fails_is_asked_again_and_nobody_is_disconnected(world: World) -> None:
    """All kinds at once, each on an account of its own: every wait is the service's own back-off."""
    caller = await world.org()
    views: dict[tuple[str, str], Json] = {}
    for platform in ("twitter", "instagram"):
        for name in _FAULTS:
            account = await world.account(platform, f"fault-{uuid.uuid4()}", posts=2)
            views[platform, name] = await world.connect(caller, account)
    for view in views.values():
        await idle(caller, view)
    began = datetime.now(UTC).isoformat()
    for (platform, name), view in views.items():
        where = {"external_id": view["external_id"], "platform": platform}
        await world.sandbox.post("faults", _FAULTS[name] | where)
    try:
        for view in views.values():
            await caller.post(f"/v1/accounts/{view['id']}/sync")

        async def all_met() -> bool:
            return all(f["hits"] >= 1 for f in (await world.sandbox.get("faults"))["faults"])

        await eventually(all_met)
        asleep = views.pop(_RESTS_A_MINUTE)

        async def waits() -> bool:
            found = await caller.get(f"/v1/accounts/{asleep['id']}")
            assert found["status"] == "connected"
            until = found["job"] and found["job"]["waiting_until"]
            return bool(until and until > (datetime.now(UTC) + timedelta(seconds=20)).isoformat())

        await eventually(waits)

        async def all_done() -> bool:
            for view in views.values():
                found = await caller.get(f"/v1/accounts/{view['id']}")
                assert found["status"] == "connected"
                if any(s["last_run_at"] < began or s["last_error"] for s in found["sync"].values()):
                    return False
            return True

        await eventually(all_done, 80, 1.0)
    finally:
        await world.sandbox.delete("faults")
    assert await caller.all("/v1/events?type=SocialAccountReauthorizationRequired") == []


@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_a_dead_token_is_said_once_and_not_asked_again(world: World, platform: str) -> None:
    caller, account, view = await connected(world, platform)
    path = f"accounts/{platform}/{account['external_id']}/token"
    await world.sandbox.post(path, {"action": "revoke"})
    calls = {"latency_ms": 0, "external_id": account["external_id"]}
    async with world.sandbox.fault("latency", **calls) as made:
        await caller.post(f"/v1/accounts/{view['id']}/sync")

        async def told() -> bool:
            found = await caller.get(f"/v1/accounts/{view['id']}")
            return bool(found["status"] == "reauthorization_required" and found["reason"])

        await eventually(told)
        settled = await made()
        assert settled >= 1
        refused = await caller.request("POST", f"/v1/accounts/{view['id']}/sync")
        assert refused.status_code == 409
        await asyncio.sleep(4)
        assert await made() == settled, "the service goes on asking with a dead token"

    async def announced() -> list[Json]:
        kind = "SocialAccountReauthorizationRequired"
        return await caller.all(f"/v1/events?type={kind}&subject={view['id']}")

    (event,) = await eventually(announced)
    assert event["data"]["reason"]
    listed = await caller.get("/v1/accounts?status=reauthorization_required")
    assert [a["id"] for a in listed["items"]] == [view["id"]]


async def test_events_are_found_by_their_type(world: World) -> None:
    caller, _, view = await connected(world)

    async def found() -> list[Json]:
        return await caller.all("/v1/events?type=SocialAccountConnected")

    events = await eventually(found)
    assert [e["subject"] for e in events] == [view["id"]]


# -- odd content ------------------------------------------------------------------------------------
async def test_odd_content_is_kept_as_it_came_and_harms_nobody(world: World) -> None:
    caller, account, view = await connected(world)
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
    caller, account, view = await connected(world, "instagram")
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


# -- the API ----------------------------------------------------------------------------------------
_CAMPAIGN = {"name": "c", "budget": {"total_minor": 1, "currency": "EUR"}}
_ORDER = {"order_id": "o", "amount_minor": 1, "currency": "EUR", "occurred_at": "2026-01-01T00:00:00Z"}
_WRONG: list[tuple[str, str, object, str]] = [
    ("POST", "/v1/campaigns", {"name": "c"}, "budget"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"name": 5}, "name"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"budget": {"total_minor": 1.5, "currency": "EUR"}}, "budget"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"budget": {"total_minor": 2**63, "currency": "EUR"}}, "budget"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"budget": {"total_minor": 1, "currency": "euro"}}, "budget"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"accounts": "all"}, "accounts"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"surprise": 1}, "surprise"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"schedule": {"start_date": "soon"}}, "schedule.start_date"),
    ("POST", "/v1/campaigns", _CAMPAIGN | {"description": "a\x00b"}, "description"),
    ("POST", "/v1/links", {"url": "javascript:alert(1)"}, "url"),
    ("POST", "/v1/links", {"url": "https://x.example", "campaign_id": "cmp_nobody"}, "campaign_id"),
    ("POST", "/v1/transactions", _ORDER | {"amount_minor": "12"}, "amount_minor"),
    ("POST", "/v1/transactions", _ORDER | {"occurred_at": "yesterday"}, "occurred_at"),
    ("POST", "/v1/transactions", _ORDER | {"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
    ("POST", "/v1/transactions", _ORDER | {"order_id": ""}, "order_id"),
    ("POST", "/v1/users", {"email": "no address", "role": "analyst"}, "email"),
    ("POST", "/v1/users", {"email": "a@b.example", "role": "emperor"}, "role"),
    ("POST", "/v1/api-keys", {"name": "k", "user_id": "usr_nobody"}, "user_id"),
    ("POST", "/v1/integrations/twitter/connect", {"return_to": "https://evil.example/"}, "return_to"),
    ("POST", "/v1/integrations/twitter/connect", {"app_id": "app_nobody"}, "app_id"),
    ("GET", "/v1/content?limit=0", None, "limit"),
    ("GET", "/v1/content?cursor=%00%ff", None, "cursor"),
    ("GET", "/v1/content?kind=hologram", None, "kind"),
    ("GET", "/v1/events?type=Nothing", None, "type"),
]


async def test_wrong_values_are_named_in_a_problem_document(world: World) -> None:
    caller = await world.org()
    for method, path, body, field in _WRONG:
        more = {} if body is None else {"json": body}
        answer = await caller.request(method, path, **more)
        assert answer.status_code == 422, (path, body, answer.status_code, answer.text)
        assert answer.headers["content-type"] == PROBLEM
        named = [e["field"] for e in answer.json()["errors"]]
        assert any(name == field or name.startswith(field + ".") for name in named), (path, body, named)


_BODIES = {
    "not JSON": b"{",
    "empty": b"",
    "an array": b"[]",
    "a bare value": b"null",
    "not UTF-8": b'{"name": "\xff"}',
    "nested absurdly": b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an endless number": b'{"name": "c", "budget": {"total_minor": '
    + b"9" * 10_000
    + b', "currency": "EUR"}}',
    "half a character": b'{"name": "\\ud800", "budget": {"total_minor": 1, "currency": "EUR"}}',
    "NaN": b'{"name": "c", "budget": {"total_minor": NaN, "currency": "EUR"}}',
}


async def test_bodies_that_cannot_be_read_are_422_and_too_large_ones_413(world: World) -> None:
    caller = await world.org()
    for name, body in _BODIES.items():
        answer = await caller.request(
            "POST", "/v1/campaigns", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, (name, answer.status_code, answer.text)
        assert answer.headers["content-type"] == PROBLEM, name
    large = json.dumps(_CAMPAIGN | {"description": "x" * 2_000_000}).encode()
    answer = await caller.request(
        "POST", "/v1/campaigns", content=large, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == PROBLEM
    assert (await caller.get("/v1/campaigns"))["items"] == []


async def test_unknown_ids_and_addresses_are_404(world: World) -> None:
    caller = await world.org()
    org = caller.org.org.id
    for path in (
        "/v1/accounts/twitter:1:org_nobody",
        f"/v1/accounts/twitter:1:{org}",
        "/v1/accounts/..%2F..%2Fetc",
        "/v1/accounts/%00",
        "/v1/accounts/" + "x" * 2000,
        "/v1/campaigns/cmp_nobody",
        "/v1/links/nobody00",
        "/v1/transactions/txn_nobody",
        "/v1/content/nothing",
        "/v1/content/%ed%a0%80",
        "/v1/ops/entities/account/x",
        "/v1/ops/entities/planet/x",
        "/v1/ops/dead-letters/x",
        "/v1/nothing",
    ):
        answer = await caller.request("GET", path)
        assert answer.status_code == 404, (path, answer.status_code, answer.text)
        assert answer.headers["content-type"] == PROBLEM, path


async def test_a_command_repeated_with_its_key_is_one_command(world: World) -> None:
    caller = await world.org()
    key = f"key-{time.monotonic_ns()}"
    first = await caller.post("/v1/campaigns", _CAMPAIGN, key=key)
    again = await caller.post("/v1/campaigns", _CAMPAIGN, key=key)
    assert first == again
    other = await caller.request(
        "POST", "/v1/campaigns", json=_CAMPAIGN | {"name": "d"}, headers={"Idempotency-Key": key}
    )
    assert other.status_code in (409, 422), other.text
    assert len((await caller.get("/v1/campaigns"))["items"]) == 1


async def test_a_command_against_an_older_version_is_refused(world: World) -> None:
    caller = await world.org()
    made = await caller.request("POST", "/v1/campaigns", json=_CAMPAIGN)
    path, etag = made.headers["location"], made.headers["etag"]
    changed = await caller.request("PATCH", path, json={"name": "d"}, headers={"If-Match": etag})
    assert changed.status_code == 200
    late = await caller.request("PATCH", path, json={"name": "e"}, headers={"If-Match": etag})
    assert late.status_code == 412
    assert (await caller.get(path))["name"] == "d"
