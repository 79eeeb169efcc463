import asyncio
from typing import Any

import pytest

from sandbox.registry import EMULATIONS


@pytest.mark.parametrize(
    ("method", "path", "wish", "word"),
    [
        ("POST", "/accounts", {"platform": "myspace", "seed": 1}, "platform"),
        ("POST", "/accounts", {"platform": "twitter"}, "seed"),
        ("POST", "/accounts", {"platform": "twitter", "seed": 1, "posts": -1}, "posts"),
        ("POST", "/accounts", {"platform": "twitter", "seed": 1, "app": "nope"}, "app"),
        ("POST", "/apps", {"platform": "twitter", "colour": "red"}, "colour"),
        ("PUT", "/apps/nope", {}, "nope"),
        ("POST", "/accounts/twitter/1/act", {"kind": "like"}, "account"),
        ("POST", "/traffic", {"seconds": 1}, "rate"),
        ("POST", "/traffic", {"seconds": 1, "rate": 5}, "account"),
        ("POST", "/accounts", {"platform": "twitter", "seeds": 1}, "seeds"),
        ("POST", "/faults", {"kind": "status", "seconnds": 3}, "seconnds"),
        ("POST", "/faults", {"kind": "earthquake"}, "earthquake"),
        ("POST", "/faults", {"kind": "status", "path": "("}, "regular expression"),
        ("POST", "/faults", {"kind": "status", "status": 200}, "status"),
        ("PUT", "/delivery", {"duplicate": 2}, "duplicate"),
        ("PUT", "/delivery", {"delay_ms": 5}, "delay_ms"),
        ("POST", "/redeliver", {}, "event_ids"),
        ("PUT", "/limits", {"platform": "twitter", "family": "x", "limit": 1}, "family"),
        ("POST", "/clock", {}, "advance_s"),
        ("GET", "/ledger?since=x", None, "since"),
    ],
)
async def test_bad_input_is_one_sentence(
    world: Any, method: str, path: str, wish: dict[str, Any] | None, word: str
) -> None:
    answer = await world.http.request(method, f"/_sandbox{path}", json=wish)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"} and word in answer.json()["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(world: Any, body: bytes) -> None:
    answer = await world.http.post("/_sandbox/clock", content=body)
    assert answer.status_code == 400 and "JSON" in answer.json()["error"]


@pytest.mark.parametrize(
    "wish", [{"kind": "dance"}, {"kind": "like", "content_id": "1"}, {"kind": "like", "author": {}}]
)
@pytest.mark.parametrize("platform", ["twitter", "instagram"])
async def test_acts_that_cannot_be(world: Any, platform: str, wish: dict[str, Any]) -> None:
    account = await world.account(platform)
    path = f"/accounts/{platform}/{account['external_id']}/act"
    assert (await world.post(path, 400, **wish))["error"]


async def test_unknown_places_say_what_there_is(world: Any) -> None:
    answer = await world.http.get("/nowhere.example/x")
    assert answer.status_code == 404 and "api.x.com" in answer.json()["error"]
    assert (await world.http.get("/_sandbox/nothing")).status_code == 404
    assert (await world.http.get("/api.x.com/2/spaces")).status_code == 404


async def test_a_platform_also_answers_by_its_host_name(world: Any) -> None:
    account = await world.account("twitter")
    headers = world.x(account["access_token"]) | {"Host": "api.x.com"}
    answer = await world.http.get("/2/users/me", headers=headers)
    assert answer.json()["data"]["id"] == account["external_id"]


async def test_default_apps_come_from_the_seed(make_world: Any) -> None:
    one, two, other = [await make_world(seed) for seed in ("a", "a", "b")]
    first, second, third = [(await w.get("/apps"))["apps"] for w in (one, two, other)]
    assert first == second and first != third
    assert {app["platform"] for app in first} == set(EMULATIONS)


async def test_traffic_is_seeded_and_announced(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    wish = {"seconds": 0.2, "rate": 200, "seed": 4, "mix": {"comment": 3, "like": 1}}
    started = await world.post("/traffic", 202, **wish)
    assert started["running"]
    while (await world.get("/traffic"))["running"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await world.quiet()
    view = await world.get("/traffic")
    assert view["sent"] == 40 == view["events"] == len(world.receiver.received)
    assert set(view["kinds"]) == {"comment", "like"} and view["kinds"]["comment"] > view["kinds"]["like"]


async def test_traffic_stops_when_told(world: Any) -> None:
    await world.account("instagram")
    await world.post("/traffic", 202, seconds=60, rate=100)
    await asyncio.sleep(0.05)
    stopped = (await world.http.delete("/_sandbox/traffic")).json()
    assert not stopped["running"] and 0 < stopped["sent"] < 60


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"action": "expire"}, 401),
        ({"action": "expires_in", "seconds": 60}, 200),
        ({"action": "revoke"}, 401),
        ({"action": "revoke_refresh"}, 200),
    ],
)
async def test_token_knobs(world: Any, wish: dict[str, Any], status: int) -> None:
    account = await world.account("twitter")
    await world.post(f"/accounts/twitter/{account['external_id']}/token", **wish)
    headers = world.x(account["access_token"])
    assert (await world.http.get("/api.x.com/2/users/me", headers=headers)).status_code == status
    refresh = await world.http.post(
        "/api.x.com/2/oauth2/token",
        data={"grant_type": "refresh_token", "refresh_token": account["refresh_token"]},
        auth=(account["app"]["client_id"], account["app"]["client_secret"]),
    )
    refreshable = wish["action"] in ("expire", "expires_in")
    assert refresh.status_code == (200 if refreshable else 400)


async def test_the_ledger_is_filtered_and_cleared(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    for kind in ("comment", "like", "comment", "mention"):
        await world.act(account, kind)
    await world.quiet()
    events = (await world.get("/ledger"))["events"]
    assert [row["kind"] for row in events] == ["comment", "like", "comment", "mention"]
    later = (await world.get(f"/ledger?since={events[1]['seq']}"))["events"]
    assert later == events[2:]
    likes = (await world.get("/ledger?kinds=like.create,mention"))["events"]
    assert [row["kind"] for row in likes] == ["like", "mention"]
    summary = await world.get("/ledger/summary")
    assert summary["events"] == summary["events_accepted"] == 4 and summary["deliveries_pending"] == 0
    assert (await world.http.delete("/_sandbox/ledger")).json() == {"cleared": True}
    ledger = await world.get("/ledger")
    assert ledger["events"] == [] and ledger["deliveries"]["attempts"] == 0
    await world.act(account, "like")
    assert (await world.get("/ledger"))["events"][0]["seq"] > events[-1]["seq"]


async def test_metrics_in_the_ledger_follow_what_people_do(world: Any) -> None:
    account = await world.account("instagram")
    post = await world.act(account, "post", media="carousel", text="Look")
    for kind in ("like", "like", "comment"):
        await world.act(account, kind, content_id=post["id"])
    key = f"instagram:{account['external_id']}"
    row = (await world.get("/ledger"))["content"][key][-1]
    assert row["id"] == post["id"] and row["kind"] == "carousel"
    assert row["metrics"]["likes"] == 2 and row["metrics"]["comments"] == 1
    await world.act(account, "delete", content_id=post["id"])
    assert (await world.get("/ledger"))["content"][key][-1]["deleted"]


async def test_a_story_of_yesterday_has_expired_in_the_ledger(world: Any) -> None:
    account = await world.account("instagram")
    key = f"instagram:{account['external_id']}"
    story = await world.act(account, "story")
    assert [r["expired"] for r in (await world.get("/ledger"))["content"][key] if r["id"] == story["id"]] == [
        False
    ]
    await world.post("/clock", advance_s=86_400)
    rows = (await world.get("/ledger"))["content"][key]
    assert all(row["expired"] for row in rows if row["kind"] == "story")
    assert not any("expired" in row for row in rows if row["kind"] != "story")


async def test_the_index_is_for_people(world: Any) -> None:
    account = await world.account("twitter")
    answer = await world.http.get("/_sandbox/")
    assert answer.headers["content-type"].startswith("text/html")
    assert account["username"] in answer.text and account["app"]["client_secret"] not in answer.text
