"""The sandbox's YouTube by itself: consent, quota in units, etags, upload sessions, the hub."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.youtube.access import next_reset_ms
from tests.unit.sandbox.conftest import NOW_MS, World

API = "/youtube.googleapis.com/youtube/v3"
UPLOAD = "/youtube.googleapis.com/upload/youtube/v3/videos"
BACK = "http://127.0.0.1:9/cb"
KIB = 1024


async def get(world: World, account: dict[str, Any], path: str, **query: str) -> Any:
    headers = world.x(account["access_token"])
    return await world.http.get(f"{API}/{path}", params=query, headers=headers)


async def consent(world: World, account: dict[str, Any], **change: str) -> dict[str, list[str]]:
    query = {
        "client_id": account["app"]["client_id"],
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "https://www.googleapis.com/auth/youtube.readonly",
        "state": "s",
    } | change
    page = await world.http.get("/accounts.google.com/o/oauth2/v2/auth", params=query)
    assert page.status_code == 200 and "Authorize" in page.text
    form = {**query, "user": account["external_id"], "decision": change.get("decision", "approve")}
    answer = await world.http.post("/accounts.google.com/o/oauth2/v2/auth", data=form)
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def exchange(world: World, account: dict[str, Any], code: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "client_id": account["app"]["client_id"],
        "client_secret": account["app"]["client_secret"],
    }
    answer: dict[str, Any] = (await world.http.post("/oauth2.googleapis.com/token", data=form)).json()
    return answer


async def test_a_refresh_token_comes_offline_and_on_the_first_consent_only(world: World) -> None:
    account = await world.account("youtube")
    await world.post(f"/accounts/youtube/{account['external_id']}/token", action="revoke")
    given = []
    for change in ({}, {"access_type": "offline"}, {"access_type": "offline", "prompt": "consent"}):
        code = (await consent(world, account, **change))["code"][0]
        given.append("refresh_token" in await exchange(world, account, code))
    assert given == [False, False, True]
    other = await world.account("youtube", seed=2)
    await world.post(f"/accounts/youtube/{other['external_id']}/token", action="revoke")
    code = (await consent(world, other, access_type="offline"))["code"][0]
    assert "refresh_token" in await exchange(world, other, code)


async def test_a_refusal_goes_back_with_its_name(world: World) -> None:
    account = await world.account("youtube")
    back = await consent(world, account, decision="deny")
    assert back == {"error": ["access_denied"], "state": ["s"]}
    wrong = await world.http.get("/accounts.google.com/o/oauth2/v2/auth", params={"client_id": "x"})
    assert wrong.status_code == 400 and "client_id" in wrong.text


async def test_token_info_and_a_wrong_secret(world: World) -> None:
    account = await world.account("youtube")
    path = "/oauth2.googleapis.com/tokeninfo"
    shown = await world.http.get(path, params={"access_token": account["access_token"]})
    assert shown.json()["aud"] == account["app"]["client_id"]
    assert (await world.http.get(path, params={"access_token": "x"})).status_code == 400
    form = {"grant_type": "refresh_token", "client_id": account["app"]["client_id"], "client_secret": "x"}
    refused = await world.http.post("/oauth2.googleapis.com/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_calls_cost_units_and_buckets_are_apart(world: World) -> None:
    account = await world.account("youtube", posts=2)
    await world.put("/limits", platform="youtube", family="units", limit=52)
    await world.put("/limits", platform="youtube", family="search", limit=1)
    video = (await get(world, account, "search", part="id", forMine="true")).json()["items"][0]["id"]
    refused = await get(world, account, "search", part="id", forMine="true")
    assert refused.status_code == 429 and "per day" in refused.json()["error"]["message"]
    headers = world.x(account["access_token"])
    gone = await world.http.delete(f"{API}/videos", params={"id": video["videoId"]}, headers=headers)  # 50
    assert gone.status_code == 204
    assert (await get(world, account, "channels", mine="true")).status_code == 400, "a mistake costs too"
    assert (await get(world, account, "channels", part="id", mine="true")).status_code == 200
    over = await get(world, account, "channels", part="id", mine="true")
    assert (over.status_code, over.json()["error"]["errors"][0]["reason"]) == (403, "quotaExceeded")
    stats = await get(world, account, "videos:batchGetStats", part="statistics", id="x")
    assert stats.status_code == 200, "its own bucket"
    world.ticks[0] = next_reset_ms(NOW_MS) - 1000
    fresh = await world.account("youtube", posts=2)
    assert (await get(world, fresh, "channels", part="id", mine="true")).status_code == 403
    world.ticks[0] += 1000
    assert (await get(world, fresh, "channels", part="id", mine="true")).status_code == 200


async def test_what_has_not_changed_is_answered_without_a_body(world: World) -> None:
    account = await world.account("youtube", posts=3)
    first = await get(world, account, "videos", part="statistics", id="x,y")
    etag = first.json()["etag"]
    assert first.headers["etag"] == etag
    headers = world.x(account["access_token"]) | {"If-None-Match": etag}
    query = {"part": "statistics", "id": "x,y"}
    again = await world.http.get(f"{API}/videos", params=query, headers=headers)
    assert (again.status_code, again.content) == (304, b"")


async def session(world: World, account: dict[str, Any], size: int) -> str:
    headers = world.x(account["access_token"]) | {
        "X-Upload-Content-Type": "video/mp4",
        "X-Upload-Content-Length": str(size),
    }
    query = {"uploadType": "resumable", "part": "snippet"}
    body = {"snippet": {"title": "Mug"}}
    answer = await world.http.post(UPLOAD, params=query, json=body, headers=headers)
    assert answer.status_code == 200
    return str(answer.headers["location"])


async def put(world: World, address: str, content: bytes, given: str) -> Any:
    return await world.http.put(address, content=content, headers={"Content-Range": given})


async def test_an_upload_keeps_whole_granules_and_tells_how_far_it_is(world: World) -> None:
    account = await world.account("youtube", posts=1)
    data = bytes(range(256)) * (700 * KIB // 256)
    total = len(data)
    address = await session(world, account, total)
    nothing = await put(world, address, b"", f"bytes */{total}")
    assert nothing.status_code == 308 and "range" not in nothing.headers
    part = await put(world, address, data[: 300 * KIB], f"bytes 0-{300 * KIB - 1}/{total}")
    assert (part.status_code, part.headers["range"]) == (308, f"bytes=0-{256 * KIB - 1}")
    gap = await put(world, address, data[600 * KIB :], f"bytes {600 * KIB}-{total - 1}/{total}")
    assert (gap.status_code, gap.headers["range"]) == (308, f"bytes=0-{256 * KIB - 1}")
    for bad in ("bytes 0-10/5", "nonsense", f"bytes 0-9/{total + 1}"):
        assert (await put(world, address, b"0123456789", bad)).status_code == 400
    done = await put(world, address, data[200 * KIB :], f"bytes {200 * KIB}-{total - 1}/{total}")
    assert done.status_code == 201
    (row,) = (await world.get("/ledger"))["publications"]
    assert row["content"] == f"Mug\n\n{hashlib.sha256(data).hexdigest()}"
    again = await put(world, address, b"", f"bytes */{total}")
    assert (again.status_code, again.json()["id"]) == (200, done.json()["id"])
    world.ticks[0] += 8 * 86_400_000
    assert (await put(world, address, b"", f"bytes */{total}")).status_code == 404


async def test_the_ledger_tells_what_was_published_twice(world: World) -> None:
    account = await world.account("youtube", posts=1)
    for _ in range(2):
        address = await session(world, account, 3)
        assert (await put(world, address, b"abc", "bytes 0-2/3")).status_code == 201
    ledger = await world.get("/ledger")
    assert len(ledger["publications"]) == 2
    assert [row["id"] for row in ledger["published_twice"]] == [ledger["publications"][1]["id"]]
    assert (await world.get("/ledger/summary"))["published_twice"] == 1


async def test_pages_have_ends_and_wrong_tokens_a_name(world: World) -> None:
    account = await world.account("youtube", posts=7)
    channel = (await get(world, account, "channels", part="contentDetails", mine="true")).json()["items"][0]
    playlist = channel["contentDetails"]["relatedPlaylists"]["uploads"]
    seen, token = [], ""
    while True:
        more = {"pageToken": token} if token else {}
        query = {"part": "contentDetails", "playlistId": playlist, "maxResults": "3", **more}
        page = (await get(world, account, "playlistItems", **query)).json()
        assert page["pageInfo"] == {"totalResults": 7, "resultsPerPage": 3}
        seen += [item["contentDetails"]["videoId"] for item in page["items"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert len(set(seen)) == len(seen) == 7
    query = {"part": "id", "playlistId": playlist, "pageToken": "nonsense"}
    wrong = await get(world, account, "playlistItems", **query)
    assert wrong.json()["error"]["errors"][0]["reason"] == "invalidPageToken"
    strange = await get(world, account, "videos", part="everything", id="x")
    assert strange.json()["error"]["errors"][0]["reason"] == "unknownPart"


async def test_private_videos_are_seen_by_their_owner_only(world: World) -> None:
    owner, other = await world.account("youtube", posts=2), await world.account("youtube", seed=2)
    hidden = (await world.act(owner, "private"))["id"]
    for account, count in ((owner, 1), (other, 0)):
        found = (await get(world, account, "videos", part="status", id=hidden)).json()["items"]
        assert len(found) == count
    shown = (await get(world, owner, "search", part="id", forMine="true")).json()["items"]
    public = next(row["id"]["videoId"] for row in shown if row["id"]["videoId"] != hidden)
    refused = await get(world, other, "videos", part="fileDetails", id=public)
    assert refused.status_code == 403


async def test_a_subscription_is_signed_with_its_own_secret_and_retried(world: World) -> None:
    account = await world.account("youtube", posts=1)
    world.receiver.secrets["/hook"] = "unused"
    topic = f"https://www.youtube.com/feeds/videos.xml?channel_id={account['external_id']}"
    form = {
        "hub.mode": "subscribe",
        "hub.topic": topic,
        "hub.callback": "http://127.0.0.1/hook?hub.verify_token=unused",
        "hub.secret": "ours",
        "hub.lease_seconds": "432000",
    }
    assert (await world.http.post("/pubsubhubbub.appspot.com/subscribe", data=form)).status_code == 202
    await world.quiet()
    await world.put("/delivery", retry_scale=0.0)
    world.receiver.answers += [500, 204]
    made = await world.act(account, "post", text="Neu & <schön>")
    await world.quiet()
    assert len(world.receiver.received) == 2
    headers, body = world.receiver.received[-1]
    assert headers["x-hub-signature"] == "sha1=" + hmac.new(b"ours", body, "sha1").hexdigest()
    assert f"<yt:videoId>{made['id']}</yt:videoId>" in body.decode()
    assert "<title>Neu &amp; &lt;schön&gt;</title>" in body.decode()
    numbers = (await world.get("/ledger"))["deliveries"]
    assert (numbers["ok"], numbers["failed"]) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"hub.mode": "dance"},
        {"hub.topic": "https://example.com/feed"},
        {"hub.topic": "https://www.youtube.com/feeds/videos.xml"},
        {"hub.callback": "not an address"},
        {"hub.secret": "x" * 200},
    ],
)
async def test_the_hub_refuses_what_it_cannot_serve(world: World, change: dict[str, str]) -> None:
    form = {
        "hub.mode": "subscribe",
        "hub.topic": "https://www.youtube.com/feeds/videos.xml?channel_id=UCx",
        "hub.callback": "http://127.0.0.1/hook",
    }
    answer = await world.http.post("/pubsubhubbub.appspot.com/subscribe", data=form | change)
    assert answer.status_code == 400 and answer.text


async def test_the_world_is_the_same_for_the_same_seed(make_world: Any) -> None:
    shown = []
    for _ in range(2):
        world = await make_world("same")
        account = await world.account("youtube", posts=20)
        rows = (await get(world, account, "search", part="snippet", forMine="true", maxResults="50")).json()
        shown.append(json.dumps(rows["items"]))
    assert shown[0] == shown[1]
    assert "utm_source" in shown[0]


async def test_an_app_has_no_webhook_address_of_its_own(world: World) -> None:
    account = await world.account("youtube")
    answer = await world.put(f"/apps/{account['app']['id']}", webhook_url="http://127.0.0.1/x")
    assert answer["verified"] is False and "pubsubhubbub" in answer["reason"]
    wrong = await world.post("/accounts/youtube/nope/act", 400, kind="like")
    assert "account" in wrong["error"]
    none = await world.post(f"/accounts/youtube/{account['external_id']}/act", 400, kind="retweet")
    assert "YouTube" in none["error"]
