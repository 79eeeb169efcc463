"""What the emulated Facebook says, word by word: login, paging, limits, batches, uploads."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

REDIRECT = "http://127.0.0.1:9/callback"
DAY_MS = 86_400_000
GRAPH = "/graph.facebook.com/v26.0"


async def read(world: Any, account: dict[str, Any], path: str, status: int = 200, **query: Any) -> Any:
    query.setdefault("access_token", account["access_token"])
    answer = await world.http.get(f"{GRAPH}{path}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def form_of(account: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "client_id": account["app"]["client_id"],
        "redirect_uri": REDIRECT,
        "scope": "pages_show_list,pages_read_engagement",
        "state": "s-1",
        "decision": "approve",
    } | more


async def login(world: Any, account: dict[str, Any], **more: Any) -> dict[str, list[str]]:
    answer = await world.http.post("/www.facebook.com/v18.0/dialog/oauth", data=form_of(account, **more))
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def test_the_consent_page_offers_every_page_to_tick(world: Any) -> None:
    first, second = await world.account("facebook", 1), await world.account("facebook", 2)
    page = await world.http.get("/www.facebook.com/v26.0/dialog/oauth", params=form_of(first))
    assert page.text.count("type=checkbox name=user") == 2
    assert second["name"] in page.text.replace("&amp;", "&")
    both = await login(world, first, user=[first["external_id"], second["external_id"]])
    assert both["state"] == ["s-1"]
    refused = await login(world, first, decision="deny")
    assert refused["error"] == ["access_denied"] and refused["error_reason"] == ["user_denied"]
    for wrong in (
        {"client_id": "0"},
        {"redirect_uri": "https://evil.example"},
        {"scope": ""},
        {"user": "77"},
    ):
        answer = await world.http.post("/www.facebook.com/dialog/oauth", data=form_of(first, **wrong))
        assert answer.status_code == 400, wrong


async def test_tokens_from_code_to_page(world: Any) -> None:
    account = await world.account("facebook")
    app = account["app"]
    secrets = {"client_id": app["client_id"], "client_secret": app["client_secret"]}
    code = (await login(world, account, user=account["external_id"]))["code"][0]
    asked = secrets | {"redirect_uri": REDIRECT, "code": code}
    short = (await world.http.get(f"{GRAPH}/oauth/access_token", params=asked)).json()
    assert (short["token_type"], short["expires_in"]) == ("bearer", 5400)
    used = (await world.http.get(f"{GRAPH}/oauth/access_token", params=asked)).json()["error"]
    assert (used["code"], used["error_subcode"]) == (100, 36009)
    from_short = await read(world, account, "/me/accounts", access_token=short["access_token"])
    long_asked = secrets | {"grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
    long = (await world.http.get(f"{GRAPH}/oauth/access_token", params=long_asked)).json()
    assert 5_180_000 < long["expires_in"] <= 5_184_000
    listed = await read(world, account, "/me/accounts", access_token=long["access_token"])
    [page] = listed["data"]
    assert {"access_token", "category", "category_list", "name", "id", "tasks"} == set(page)
    app_token = f"{app['client_id']}|{app['client_secret']}"

    async def looked(token: str) -> dict[str, Any]:
        data = await read(world, account, "/debug_token", access_token=app_token, input_token=token)
        found: dict[str, Any] = data["data"]
        return found

    told = await looked(page["access_token"])
    assert (told["type"], told["expires_at"], told["profile_id"]) == ("PAGE", 0, account["external_id"])
    assert (await looked(from_short["data"][0]["access_token"]))["expires_at"] > 0, "a short one's page token"
    person = await looked(long["access_token"])
    assert person["type"] == "USER" and person["user_id"] == told["user_id"]
    assert told["data_access_expires_at"] == person["data_access_expires_at"]
    world.ticks[0] += 2 * 3_600_000
    dead = await looked(short["access_token"])
    assert (dead["is_valid"], dead["error"]["subcode"]) == (False, 463)
    refused = await read(
        world, account, "/debug_token", 400, input_token=page["access_token"], access_token="x"
    )
    assert refused["error"]["code"] == 100
    rows = (await world.get("/ledger"))["refreshes"]
    assert [row["outcome"] for row in rows] == ["exchanged"]


async def test_taking_the_consent_back_ends_every_page(world: Any) -> None:
    account = await world.account("facebook")
    token = {"access_token": account["refresh_token"]}
    me = (await read(world, account, "/me", **token))["id"]
    answer = await world.http.request("DELETE", f"{GRAPH}/{me}/permissions", params=token)
    assert answer.json() == {"success": True}
    dead = await read(world, account, "/me", 400)
    assert (dead["error"]["code"], dead["error"]["error_subcode"]) == (190, 458)


@pytest.mark.parametrize("version", ["/v26.0", "/v18.0", ""])
async def test_any_version_and_a_slash_at_the_end(world: Any, version: str) -> None:
    account = await world.account("facebook")
    path = f"/graph.facebook.com{version}/{account['external_id']}/"
    answer = await world.http.get(path, headers={"Authorization": f"OAuth {account['access_token']}"})
    assert answer.json() == {"name": account["name"], "id": account["external_id"]}


async def test_pages_of_posts_forth_and_back(world: Any) -> None:
    account = await world.account("facebook", posts=30)
    first = await read(world, account, "/me/published_posts", limit=20)
    assert "previous" not in first["paging"]
    second = (await world.http.get("/" + first["paging"]["next"].removeprefix("https://"))).json()
    assert len(second["data"]) == 10 and "next" not in second["paging"]
    back = await read(
        world, account, "/me/published_posts", limit=20, before=second["paging"]["cursors"]["before"]
    )
    assert back["data"] == first["data"]
    refused = await read(world, account, "/me/published_posts", 400, limit=101)
    assert refused["error"]["code"] == 100


async def test_another_pages_posts_are_not_visible(world: Any) -> None:
    mine, theirs = await world.account("facebook", 1), await world.account("facebook", 2)
    post = await world.act(theirs, "post")
    answer = await read(world, mine, f"/{post['id']}", 400)
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)
    denied = await read(world, mine, f"/{theirs['external_id']}/posts", 400)
    assert denied["error"]["error_subcode"] == 33


async def test_limits_are_the_pages_and_the_apps(world: Any) -> None:
    account = await world.account("facebook")
    await world.put("/limits", platform="facebook", family="pages", limit=2, window_s=600)
    seen = []
    for _ in range(3):
        answer = await world.http.get(f"{GRAPH}/me", params={"access_token": account["access_token"]})
        usage = json.loads(answer.headers["x-business-use-case-usage"])[account["external_id"]][0]
        seen.append((answer.status_code, usage["type"], usage["call_count"]))
    assert seen == [(200, "pages", 50), (200, "pages", 100), (400, "pages", 100)]
    assert answer.json()["error"]["code"] == 80001
    assert usage["estimated_time_to_regain_access"] == 10
    world.ticks[0] += 600_000
    await world.put("/limits", platform="facebook", family="app", limit=1, window_s=600)
    await read(world, account, "/me")
    assert (await read(world, account, "/me", 403))["error"]["code"] == 4


async def test_a_batch_is_many_calls(world: Any) -> None:
    account = await world.account("facebook", posts=2)
    token = {"access_token": account["access_token"]}
    parts = [
        {"method": "GET", "relative_url": "me?fields=id"},
        {"method": "GET", "relative_url": "v26.0/1_2"},
        {"method": "POST", "relative_url": "me/feed", "body": "message=In+a+batch"},
        "nonsense",
    ]
    rows = (await world.http.post(f"{GRAPH}/", data=token | {"batch": json.dumps(parts)})).json()
    assert [row and row["code"] for row in rows] == [200, 400, 200, None]
    assert json.loads(rows[0]["body"]) == {"id": account["external_id"]}
    assert {header["name"] for header in rows[0]["headers"]} >= {"x-app-usage"}
    calls = (await world.get("/ledger"))["calls"]
    assert calls["GET /:id"] == {"200": 1, "400": 1}
    many = json.dumps([parts[0]] * 51)
    refused = await world.http.post(f"{GRAPH}/", data=token | {"batch": many})
    assert refused.json()["error"]["code"] == 100


async def test_an_event_needs_the_field_in_both_places(world: Any) -> None:
    account = await world.account("facebook", posts=1)
    app = account["app"]
    await world.put(f"/apps/{app['id']}", auto_subscribe=False)
    world.receiver.secrets["/hook"] = app["verify_token"]
    app_token = f"{app['client_id']}|{app['client_secret']}"
    wish = {"object": "page", "callback_url": "http://127.0.0.1/hook", "fields": "mention"}
    wish |= {"verify_token": app["verify_token"], "access_token": app_token}
    path = f"{GRAPH}/{app['client_id']}/subscriptions"
    assert (await world.http.post(path, data=wish)).json() == {"success": True}
    token = {"access_token": account["access_token"]}
    own = f"{GRAPH}/{account['external_id']}/subscribed_apps"
    await world.http.post(own, data=token | {"subscribed_fields": "feed"})
    assert (await world.act(account, "comment"))["event_ids"] == []
    await world.http.post(path, data=wish | {"fields": "mention,feed"})
    assert len((await world.act(account, "comment"))["event_ids"]) == 1
    [row] = (await world.http.get(own, params=token)).json()["data"]
    assert row["subscribed_fields"] == ["feed"]
    await world.http.request("DELETE", own, params=token)
    assert (await world.act(account, "comment"))["event_ids"] == []
    assert (await world.http.get(path, params=token)).json()["error"]["code"] == 15


async def test_an_upload_tells_where_it_is(world: Any) -> None:
    account = await world.account("facebook", posts=0)
    token = {"access_token": account["access_token"]}
    page = f"{GRAPH}/{account['external_id']}"
    begun = (await world.http.post(f"{page}/video_reels", data=token | {"upload_phase": "start"})).json()
    film = b"\x00\x00\x00\x18ftypmp42" + b"x" * 1000
    address = "/" + begun["upload_url"].removeprefix("https://")

    async def send(offset: int, piece: bytes, scheme: str = "OAuth") -> Any:
        headers = {"Authorization": f"{scheme} {account['access_token']}"}
        headers |= {"offset": str(offset), "file_size": str(len(film))}
        return (await world.http.post(address, content=piece, headers=headers)).json()

    assert (await send(0, film[:300]))["debug_info"]["type"] == "PartialRequestError"
    assert (await send(0, film))["debug_info"]["type"] == "OffsetInvalidError"
    assert (await send(300, film, "Bearer"))["debug_info"]["type"] == "UnauthorizedError"
    status = await read(world, account, f"/{begun['video_id']}", fields="status")
    assert status["status"]["uploading_phase"]["bytes_transfered"] == 300
    finish = token | {"upload_phase": "finish", "video_id": begun["video_id"], "video_state": "PUBLISHED"}
    early = (await world.http.post(f"{page}/video_reels", data=finish)).json()
    assert early["error"]["code"] == 6000
    assert await send(300, film[300:]) == {"success": True}
    for _ in range(2):
        done = await world.http.post(f"{page}/video_reels", data=finish | {"description": "Hi"})
        assert done.json() == {"success": True}
    assert len((await world.get("/ledger"))["publications"]) == 1, "finishing twice is once"


async def test_unpublished_posts_are_in_the_feed_alone(world: Any) -> None:
    account = await world.account("facebook", posts=0)
    token = {"access_token": account["access_token"]}
    path = f"{GRAPH}/{account['external_id']}/feed"
    wish = token | {"message": "Later", "published": "false", "fields": "id,message,is_published"}
    made = (await world.http.post(path, data=wish)).json()
    assert (made["message"], made["is_published"]) == ("Later", False)
    assert [row["id"] for row in (await read(world, account, "/me/feed"))["data"]] == [made["id"]]
    assert (await read(world, account, "/me/published_posts"))["data"] == []
    assert (await world.get("/ledger"))["publications"] == []


async def test_what_v26_ended_is_gone(world: Any) -> None:
    account = await world.account("facebook", posts=1)
    await read(world, account, "", 400, ids="1,2")
    await read(world, account, f"/{account['external_id']}/commerce_orders", 400)


async def test_live_videos_are_the_pages_own_and_tell_what_is_asked_for(world: Any) -> None:
    account = await world.account("facebook")
    act = f"/accounts/facebook/{account['external_id']}/act"
    video = (await world.post(act, kind="schedule", text="Kiln opening"))["id"]
    page = f"/{account['external_id']}/live_videos"
    (row,) = (await read(world, account, page))["data"]
    assert set(row) == {"id", "status", "stream_url", "secure_stream_url", "embed_html"}
    assert row["status"] == "SCHEDULED_UNPUBLISHED"
    assert (await read(world, account, page, broadcast_status='["LIVE"]'))["data"] == []
    wrong = await read(world, account, page, 400, broadcast_status="ON_AIR")
    assert wrong["error"]["code"] == 100
    refused = await read(world, account, page, 400, access_token=account["refresh_token"])
    assert refused["error"]["code"] == 210, "the page's own token"
    other = await world.account("facebook", 2)
    await read(world, other, f"/{video}", 400)
    early = await world.http.post(f"/_sandbox{act}", json={"kind": "stream", "content_id": "1"})
    assert early.status_code == 400 and "no such live video" in early.text
