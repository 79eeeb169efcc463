"""The sandbox's TikTok as a client sees it: what each service refuses, and how."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

REDIRECT = "http://127.0.0.1:9/callback"
VERIFIER = "a-verifier-of-the-length-that-pkce-asks-for-0123456789"
LOGIN = "/www.tiktok.com/v2/auth/authorize/"
API = "/open.tiktokapis.com/v2"
POST = f"{API}/post/publish"


def consent(account: dict[str, Any], **more: str) -> dict[str, str]:
    form = {
        "client_key": account["app"]["client_id"],
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "user.info.basic,video.list",
        "state": "s-2",
        "code_challenge": hashlib.sha256(VERIFIER.encode()).hexdigest(),
        "code_challenge_method": "S256",
        "user": account["external_id"],
        "decision": "approve",
    }
    return form | more


async def ask(
    world: Any, account: dict[str, Any], path: str, body: Any = None, status: int = 200, **query: str
) -> Any:
    answer = await world.http.request(
        "GET" if body is None else "POST",
        path,
        params=query,
        json=body,
        headers={"Authorization": f"Bearer {account['access_token']}"},
    )
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"client_key": "nobody"}, "client_key"),
        ({"response_type": "token"}, "response_type"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
        ({"redirect_uri": f"{REDIRECT}?x=1"}, "query"),
        ({"state": ""}, "state"),
        ({"scope": ""}, "scope"),
        ({"scope": "user.info.everything"}, "user.info.everything"),
        ({"code_challenge_method": "plain"}, "S256"),
        (
            {"code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()},
            "hex",
        ),
    ],
)
async def test_a_wrong_consent_is_shown_to_the_person(world: Any, change: dict[str, str], word: str) -> None:
    account = await world.account("tiktok")
    answer = await world.http.get(LOGIN, params=consent(account, **change))
    assert answer.status_code == 400 and word in answer.text


async def test_the_consent_page_works_in_a_browser(world: Any) -> None:
    account = await world.account("tiktok")
    page = await world.http.get(LOGIN, params=consent(account))
    assert account["username"] in page.text and "<form" in page.text
    denied = await world.http.post(LOGIN, data=consent(account, decision="deny"))
    back = parse_qs(urlsplit(denied.headers["location"]).query)
    assert (back["error"], back["state"]) == (["access_denied"], ["s-2"])


async def test_a_code_is_url_encoded_and_works_once(world: Any) -> None:
    account = await world.account("tiktok")
    answer = await world.http.post(LOGIN, data=consent(account))
    location = answer.headers["location"]
    assert "%2A%21" in location or "*%21" in location
    back = parse_qs(urlsplit(location).query)
    assert back["scopes"] == ["user.info.basic,video.list"]
    form = {
        "client_key": account["app"]["client_id"],
        "client_secret": account["app"]["client_secret"],
        "grant_type": "authorization_code",
        "code": back["code"][0],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    wrong = await world.http.post(f"{API}/oauth/token/", data=form | {"code_verifier": "w" * 50})
    assert wrong.json()["error"] == "invalid_request" and "log_id" in wrong.json()
    told = (await world.http.post(f"{API}/oauth/token/", data=form)).json()
    assert told["open_id"] == account["external_id"] and told["token_type"] == "Bearer"
    assert (told["expires_in"], told["refresh_expires_in"]) == (7200, 15_552_000)
    again = await world.http.post(f"{API}/oauth/token/", data=form)
    assert again.json()["error"] == "invalid_grant"
    revoke = {name: form[name] for name in ("client_key", "client_secret")} | {"token": told["access_token"]}
    answer = await world.http.post(f"{API}/oauth/revoke/", data=revoke)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_ids_of_accounts_are_opaque_and_content_comes_from_the_seed(make_world: Any) -> None:
    one, two, other = [await make_world(seed) for seed in ("a", "a", "b")]
    first, second, third = [await w.account("tiktok") for w in (one, two, other)]
    assert first["external_id"] == second["external_id"] != third["external_id"]
    assert set("-_") <= set(first["external_id"]) and not first["external_id"].isdigit()
    texts = [
        [row["text"] for row in (await w.get("/ledger"))["content"][f"tiktok:{a['external_id']}"]]
        for w, a in ((one, first), (two, second))
    ]
    assert texts[0] == texts[1] and len(texts[0]) == 60


async def test_cursors_are_milliseconds_and_any_time_may_start(world: Any) -> None:
    account = await world.account("tiktok")
    fields = "id,create_time"
    first = (await ask(world, account, f"{API}/video/list/", {}, fields=fields))["data"]
    assert len(first["videos"]) == 10 and first["has_more"]
    assert first["cursor"] // 1000 == first["videos"][-1]["create_time"]
    body = {"cursor": first["cursor"], "max_count": 20}
    second = (await ask(world, account, f"{API}/video/list/", body, fields=fields))["data"]
    assert second["videos"][0]["create_time"] < first["videos"][-1]["create_time"]
    for wrong in ({"max_count": 21}, {"max_count": 0}, {"cursor": "x"}):
        told = await ask(world, account, f"{API}/video/list/", wrong, 400, fields=fields)
        assert told["error"]["code"] == "invalid_params"
    for bad in ({}, {"fields": "id,colour"}):
        told = await ask(world, account, f"{API}/video/list/", {}, 400, **bad)
        assert told["error"]["code"] == "invalid_params"


async def test_covers_expire_and_captions_are_cut(world: Any) -> None:
    account = await world.account("tiktok")
    made = await world.act(account, "post", text="x" * 400)
    body = {"filters": {"video_ids": [made["id"]]}}
    told = await ask(
        world, account, f"{API}/video/query/", body, fields="id,title,video_description,cover_image_url"
    )
    (video,) = told["data"]["videos"]
    assert len(video["title"]) == len(video["video_description"]) == 150
    assert f"x-expires={world.ticks[0] // 1000 + 6 * 3600}" in video["cover_image_url"]


@pytest.mark.parametrize(
    ("size", "chunk", "count", "good"),
    [
        (1000, 1000, 1, True),
        (1000, 500, 2, False),
        (50_000_123, 10_000_000, 5, True),
        (50_000_123, 10_000_000, 6, False),
        (4_000_000, 5_000_000, 1, False),
        (20_000_000, 4_000_000, 5, False),
        (64_000_000, 64_000_000, 1, True),
        (200_000_000, 200_000_000, 1, False),
        (4_000_000_001, 64_000_000, 62, False),
        (0, 0, 0, False),
    ],
)
async def test_chunks_must_add_up(world: Any, size: int, chunk: int, count: int, good: bool) -> None:
    account = await world.account("tiktok")
    source = {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk, "total_chunk_count": count}
    body = {"post_info": {"privacy_level": "SELF_ONLY"}, "source_info": source}
    told = await ask(world, account, f"{POST}/video/init/", body, 200 if good else 400)
    assert told["error"]["code"] == ("ok" if good else "invalid_param")


async def test_bytes_must_come_in_order_and_fit_their_headers(world: Any) -> None:
    account = await world.account("tiktok")
    source = {
        "source": "FILE_UPLOAD",
        "video_size": 11_000_000,
        "chunk_size": 5_500_000,
        "total_chunk_count": 2,
    }
    body = {"post_info": {"privacy_level": "SELF_ONLY"}, "source_info": source}
    opened = (await ask(world, account, f"{POST}/video/init/", body))["data"]
    assert len(opened["publish_id"]) <= 64 and len(opened["upload_url"]) <= 256
    parts = urlsplit(opened["upload_url"])
    path, half = f"/{parts.netloc}{parts.path}?{parts.query}", b"f" * 5_500_000

    async def put(content: bytes, content_range: str, kind: str = "video/mp4", where: str = path) -> Any:
        headers = {"Content-Range": content_range, "Content-Type": kind}
        return await world.http.put(where, content=content, headers=headers)

    assert (await put(half, "bytes 5500000-10999999/11000000")).status_code == 416
    assert (await put(half, "bytes 0-5499999/11000001")).status_code == 400
    assert (await put(half[:-1], "bytes 0-5499999/11000000")).status_code == 400
    assert (await put(half, "0-5499999/11000000")).status_code == 400
    assert (await put(half, "bytes 0-5499999/11000000", "text/plain")).status_code == 400
    assert (await put(half, "bytes 0-5499999/11000000", where=f"{path}x")).status_code == 404
    first = await put(half, "bytes 0-5499999/11000000")
    assert (first.status_code, first.headers["content-range"]) == (206, "bytes 0-5499999/11000000")
    again = await put(half, "bytes 0-5499999/11000000")
    assert again.status_code == 416
    told = await ask(world, account, f"{POST}/status/fetch/", {"publish_id": opened["publish_id"]})
    assert (told["data"]["status"], told["data"]["uploaded_bytes"]) == ("PROCESSING_UPLOAD", 5_500_000)
    last = await put(half, "bytes 5500000-10999999/11000000")
    assert last.status_code == 201
    world.ticks[0] += 3_600_001
    told = await ask(world, account, f"{POST}/status/fetch/", {"publish_id": opened["publish_id"]})
    assert told["data"]["status"] == "PUBLISH_COMPLETE"
    assert told["data"]["publicaly_available_post_id"] == []


async def test_posting_refuses_as_documented(world: Any) -> None:
    account = await world.account("tiktok")
    other = await world.account("tiktok", 2)
    info = {"privacy_level": "FOLLOWER_OF_CREATOR"}
    source = {"source": "FILE_UPLOAD", "video_size": 9, "chunk_size": 9, "total_chunk_count": 1}
    body = {"post_info": info, "source_info": source}
    told = await ask(world, account, f"{POST}/video/init/", body, 403)
    assert told["error"]["code"] == "privacy_level_option_mismatch"
    body["post_info"] = {"privacy_level": "SELF_ONLY", "title": "😀" * 1101}
    assert (await ask(world, account, f"{POST}/video/init/", body, 400))["error"]["code"] == "invalid_param"
    body["post_info"] = {"privacy_level": "SELF_ONLY"}
    opened = (await ask(world, account, f"{POST}/video/init/", body))["data"]
    status = {"publish_id": opened["publish_id"]}
    told = await ask(world, other, f"{POST}/status/fetch/", status, 400)
    assert told["error"]["code"] == "token_not_authorized_for_specified_publish_id"
    told = await ask(world, account, f"{POST}/status/fetch/", {"publish_id": "x"}, 400)
    assert told["error"]["code"] == "invalid_publish_id"
    told = await ask(world, account, f"{POST}/cancel/", status, 400)
    assert told["error"]["code"] == "publish_not_cancellable"


async def test_init_allows_six_a_minute(world: Any) -> None:
    account = await world.account("tiktok")
    source = {"source": "FILE_UPLOAD", "video_size": 9, "chunk_size": 9, "total_chunk_count": 1}
    body = {"post_info": {"privacy_level": "SELF_ONLY"}, "source_info": source}
    for _ in range(6):
        await ask(world, account, f"{POST}/video/init/", body)
    told = await ask(world, account, f"{POST}/video/init/", body, 429)
    assert told["error"]["code"] == "rate_limit_exceeded"
    world.ticks[0] += 60_000
    await ask(world, account, f"{POST}/video/init/", body)


async def test_at_most_five_drafts_wait(world: Any) -> None:
    account = await world.account("tiktok")
    source = {"source": "FILE_UPLOAD", "video_size": 4, "chunk_size": 4, "total_chunk_count": 1}
    for _ in range(5):
        opened = await ask(world, account, f"{POST}/inbox/video/init/", {"source_info": source})
        parts = urlsplit(opened["data"]["upload_url"])
        headers = {"Content-Range": "bytes 0-3/4", "Content-Type": "video/mp4"}
        url = f"/{parts.netloc}{parts.path}?{parts.query}"
        assert (await world.http.put(url, content=b"film", headers=headers)).status_code == 201
        world.ticks[0] += 61_000
        told = await ask(
            world, account, f"{POST}/status/fetch/", {"publish_id": opened["data"]["publish_id"]}
        )
        assert told["data"]["status"] == "SEND_TO_USER_INBOX"
    told = await ask(world, account, f"{POST}/inbox/video/init/", {"source_info": source}, 403)
    assert told["error"]["code"] == "spam_risk_too_many_pending_share"
    assert (await world.act(account, "publish_draft"))["id"]
    await ask(world, account, f"{POST}/inbox/video/init/", {"source_info": source})


async def test_the_business_service_answers_200_to_everything_it_knows(world: Any) -> None:
    base = "/business-api.tiktok.com/open_api/v1.3"
    for path, code in (
        ("/campaign/get/", 40104),
        ("/nothing/get/", 40008),
    ):
        answer = await world.http.get(base + path)
        assert (answer.status_code, answer.json()["code"]) == (200, code)
    answer = await world.http.get(f"{base}/campaign/get/", headers={"Access-Token": "x"})
    assert answer.json()["code"] == 40105
    assert (await world.http.get(f"{base}/campaign/get")).status_code == 404, "a slash ends every path"


async def test_the_webhook_is_signed_and_repeated_until_200(world: Any) -> None:
    account = await world.account("tiktok")
    app = account["app"]
    await world.put(f"/apps/{app['id']}", webhook_url="http://127.0.0.1/hook")
    await world.put("/delivery", retry_scale=0)
    world.receiver.answers = [500, 302]
    await world.act(account, "revoke")
    await world.quiet()
    assert len(world.receiver.received) == 3
    headers, body = world.receiver.received[-1]
    stamp, mark = headers["tiktok-signature"].removeprefix("t=").split(",s=")
    key = app["client_secret"].encode()
    assert mark == hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    told = world.receiver.bodies()[-1]
    assert (told["event"], told["user_openid"]) == ("authorization.removed", account["external_id"])
    assert told["content"] == '{"reason":1}', "a JSON text within the JSON"
    dead = await ask(world, account, f"{API}/user/info/", None, 401, fields="open_id")
    assert dead["error"]["code"] == "access_token_invalid"


async def test_traffic_moves_the_numbers(world: Any) -> None:
    account = await world.account("tiktok")
    before = (await world.get("/ledger"))["content"][f"tiktok:{account['external_id']}"]
    for kind in ("like", "comment", "share", "follow", "post", "profile"):
        await world.act(account, kind)
    after = (await world.get("/ledger"))["content"][f"tiktok:{account['external_id']}"]
    for metric in ("likes", "comments", "shares"):
        total = sum(row["metrics"][metric] for row in after)
        assert total == sum(row["metrics"][metric] for row in before) + 1
    assert len(after) == len(before) + 1


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "dance"},
        {"kind": "like", "content_id": "1"},
        {"kind": "publish_draft"},
        {"kind": "order_cancel", "content_id": "1"},
    ],
)
async def test_acts_that_cannot_be(world: Any, wish: dict[str, Any]) -> None:
    account = await world.account("tiktok")
    path = f"/accounts/tiktok/{account['external_id']}/act"
    assert (await world.post(path, 400, **wish))["error"]
