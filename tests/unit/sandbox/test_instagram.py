import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.meta.fields import Wanted, parse
from sandbox.meta.webhooks import escaped, signature, signed_request

REDIRECT = "http://127.0.0.1:9/callback"
SCOPE = "instagram_business_basic,instagram_business_manage_comments"
DAY_MS = 86_400_000


async def read(world: Any, account: dict[str, Any], path: str, status: int = 200, **query: Any) -> Any:
    query["access_token"] = account["access_token"]
    answer = await world.http.get(f"/graph.instagram.com{path}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def consent(world: Any, account: dict[str, Any], host: str = "www.instagram.com") -> str:
    form = {
        "client_id": account["app"]["client_id"],
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": SCOPE,
        "state": "s-2",
        "user": account["external_id"],
        "decision": "approve",
    }
    answer = await world.http.post(f"/{host}/oauth/authorize", data=form)
    assert answer.status_code == 302 and answer.headers["location"].endswith("#_")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == ["s-2"]
    return str(query["code"][0])


async def exchange(world: Any, account: dict[str, Any], code: str) -> Any:
    form = {
        "client_id": account["app"]["client_id"],
        "client_secret": account["app"]["client_secret"],
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code": code,
    }
    return await world.http.post("/api.instagram.com/oauth/access_token", data=form)


async def test_connect_exchange_extend(world: Any) -> None:
    account = await world.account("instagram")
    code = await consent(world, account)
    answer = await exchange(world, account, code)
    short = answer.json()
    assert f'"user_id":{account["external_id"]}' in answer.text and "expires_in" not in short
    assert (await exchange(world, account, code)).json()["error_message"].endswith("has been used")

    app = account["app"]
    query = {
        "grant_type": "ig_exchange_token",
        "client_secret": app["client_secret"],
        "access_token": short["access_token"],
    }
    long = (await world.http.get("/graph.instagram.com/access_token", params=query)).json()
    assert long["token_type"] == "bearer" and 5_180_000 < long["expires_in"] <= 5_184_000

    path = "/graph.instagram.com/refresh_access_token"
    query = {"grant_type": "ig_refresh_token", "access_token": long["access_token"]}
    too_early = await world.http.get(path, params=query)
    assert too_early.status_code == 400 and too_early.json()["error"]["code"] == 10
    world.ticks[0] += DAY_MS
    extended = (await world.http.get(path, params=query)).json()
    assert extended["access_token"] != long["access_token"]
    account["access_token"] = extended["access_token"]
    me = await read(world, account, "/me", fields="user_id,username")
    assert me["user_id"] == account["external_id"] and me["id"] != me["user_id"]
    rows = (await world.get("/ledger"))["refreshes"]
    assert [row["outcome"] for row in rows] == ["invalid", "extended"]


async def test_the_older_login_host_and_the_wrapped_answer(world: Any) -> None:
    account = await world.account("instagram")
    await world.put(f"/apps/{account['app']['id']}", wrapped_tokens=True)
    code = await consent(world, account, "api.instagram.com")
    [inner] = (await exchange(world, account, code)).json()["data"]
    assert inner["permissions"] == SCOPE


async def test_a_long_token_dies_after_sixty_days(world: Any) -> None:
    account = await world.account("instagram")
    await world.post("/clock", advance_s=60 * 86_400)
    answer = await read(world, account, "/me", 400)
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (190, 463)
    refused = await read(world, account, "/refresh_access_token", 400, grant_type="ig_refresh_token")
    assert refused["error"]["code"] == 190
    assert (await world.get("/ledger"))["token_expiries"] == 2


async def test_a_withdrawn_permission_is_code_190_subcode_458(world: Any) -> None:
    account = await world.account("instagram")
    await world.act(account, "revoke")
    answer = await read(world, account, "/me", 400)
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (190, 458)


@pytest.mark.parametrize("version", ["/v26.0", "/v21.0", ""])
async def test_both_ids_and_me_are_the_same_account(world: Any, version: str) -> None:
    account = await world.account("instagram")
    me = await read(world, account, f"{version}/me", fields="id,user_id,media_count")
    assert me["media_count"] == 60
    for name in ("me", me["id"], me["user_id"]):
        page = await read(world, account, f"{version}/{name}/media")
        assert set(page["data"][0]) == {"id"} and len(page["data"]) == 25


@pytest.mark.parametrize("size", [1, 7, 25, 100])
async def test_cursors_lead_through_all_media_once(world: Any, size: int) -> None:
    account = await world.account("instagram")
    ids: list[str] = []
    page = await read(world, account, "/v26.0/me/media", fields="timestamp", limit=size)
    while True:
        ids += [row["id"] for row in page["data"]]
        if "next" not in page["paging"]:
            break
        # The address Meta gives, at its real host, is what clients follow.
        address = urlsplit(page["paging"]["next"])
        answer = await world.http.get(f"/{address.netloc}{address.path}?{address.query}")
        page = answer.json()
    rows = (await world.get("/ledger"))["content"][f"instagram:{account['external_id']}"]
    published = [row["id"] for row in rows if row["kind"] != "story"]
    assert ids == published[::-1] and len(ids) == 60


async def test_the_previous_page_is_found_again(world: Any) -> None:
    account = await world.account("instagram")
    first = await read(world, account, "/me/media", limit=5)
    assert "previous" not in first["paging"]
    second = await read(world, account, "/me/media", limit=5, after=first["paging"]["cursors"]["after"])
    back = await read(world, account, "/me/media", limit=5, before=second["paging"]["cursors"]["before"])
    assert back["data"] == first["data"]


async def test_all_media_kinds_and_nested_fields(world: Any) -> None:
    account = await world.account("instagram", posts=100)
    fields = (
        "id,caption,media_type,media_product_type,media_url,thumbnail_url,permalink,timestamp,"
        "children{id,media_type,media_url},comments.limit(2){id,text,from,replies{id,text}}"
    )
    page = await read(world, account, "/me/media", fields=fields, limit=100)
    seen = {(row["media_type"], row["media_product_type"]) for row in page["data"]}
    assert {("IMAGE", "FEED"), ("CAROUSEL_ALBUM", "FEED"), ("VIDEO", "REELS"), ("VIDEO", "FEED")} == seen
    slides = {
        child["media_type"] for row in page["data"] for child in row.get("children", {}).get("data", [])
    }
    assert slides == {"IMAGE", "VIDEO"}
    threads = [row["comments"]["data"] for row in page["data"] if "comments" in row]
    assert threads and all(len(comments) <= 2 for comments in threads)
    assert any("replies" in comment for comments in threads for comment in comments)
    album = next(row for row in page["data"] if row["media_type"] == "CAROUSEL_ALBUM")
    slide = album["children"]["data"][0]
    assert await read(world, account, f"/{slide['id']}", fields="media_type") == {
        "media_type": slide["media_type"],
        "id": slide["id"],
    }
    assert len((await read(world, account, f"/{album['id']}/children"))["data"]) == len(
        album["children"]["data"]
    )


async def test_stories_live_a_day(world: Any) -> None:
    account = await world.account("instagram")
    story = await world.act(account, "story")
    listed = await read(world, account, "/me/stories", fields="media_product_type")
    assert listed["data"][0] == {"media_product_type": "STORY", "id": story["id"]}
    world.ticks[0] += DAY_MS
    assert (await read(world, account, "/me/stories"))["data"] == []


async def test_comments_and_replies(world: Any) -> None:
    account = await world.account("instagram")
    media = await world.act(account, "post", text="A bowl", media="image")
    comment = await world.act(account, "comment", content_id=media["id"], text="Price?")
    reply = await world.act(account, "comment", content_id=comment["id"], text="Me too")
    page = await read(world, account, f"/{media['id']}/comments", fields="id,text,parent_id")
    assert page["data"] == [{"id": comment["id"], "text": "Price?"}]
    page = await read(world, account, f"/{comment['id']}/replies", fields="id,parent_id")
    assert page["data"] == [{"id": reply["id"], "parent_id": comment["id"]}]
    counted = await read(world, account, f"/{media['id']}", fields="comments_count")
    assert counted["comments_count"] == 2
    token = {"access_token": account["access_token"]}
    path = f"/graph.instagram.com/v26.0/{comment['id']}"
    answer = await world.http.post(f"{path}/replies", data=token | {"message": "24.90 €"})
    assert [row["id"] for row in (await world.get("/ledger"))["posts_created"]] == [answer.json()["id"]]
    await world.http.post(path, data=token | {"hide": "true"})
    assert (await read(world, account, f"/{comment['id']}", fields="hidden"))["hidden"] is True
    assert (await world.http.request("DELETE", path, params=token)).json() == {"success": True}
    gone = await read(world, account, f"/{comment['id']}", 400)
    assert (gone["error"]["code"], gone["error"]["error_subcode"]) == (100, 33)


async def test_another_accounts_media_is_not_visible(world: Any) -> None:
    mine, theirs = await world.account("instagram", 1), await world.account("instagram", 2)
    media = await world.act(theirs, "post")
    answer = await read(world, mine, f"/{media['id']}", 400)
    assert answer["error"]["error_subcode"] == 33


async def test_a_mention_can_be_read(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account)
    for _ in range(8):
        await world.act(account, "mention")
    await world.quiet()
    values = [body["entry"][0]["changes"][0]["value"] for body in world.receiver.bodies()]
    assert {"comment_id" in value for value in values} == {True, False}
    for value in values:
        kind = "comment" if "comment_id" in value else "media"
        text = "text" if kind == "comment" else "caption"
        field = f"mentioned_{kind}"
        fields = f"{field}.{kind}_id({value[f'{kind}_id']}){{{text}}}"
        answer = await read(world, account, "/me", fields=fields)
        assert account["username"] in answer[field][text]


async def test_insights(world: Any) -> None:
    account = await world.account("instagram")
    newest = (await read(world, account, "/me/media", limit=1))["data"][0]["id"]
    rows = (await read(world, account, f"/{newest}/insights", metric="views,reach"))["data"]
    assert [row["name"] for row in rows] == ["views", "reach"] and rows[0]["values"][0]["value"] > 0
    old = await read(world, account, f"/{newest}/insights", 400, metric="impressions")
    assert old["error"]["code"] == 100
    since = (world.ticks[0] - 90 * DAY_MS) // 1000
    [total] = (await read(world, account, "/me/insights", metric="likes", since=since))["data"]
    ledger = (await world.get("/ledger"))["content"][f"instagram:{account['external_id']}"]
    assert total["total_value"]["value"] == sum(row["metrics"]["likes"] for row in ledger)


@pytest.mark.parametrize("fields", ["id,", "id{", "children{id", "a}b", "id,,caption"])
async def test_broken_field_lists_are_refused(world: Any, fields: str) -> None:
    account = await world.account("instagram")
    assert (await read(world, account, "/me/media", 400, fields=fields))["error"]["code"] == 2500


def test_the_field_language() -> None:
    assert parse("id,comments.limit(5).order(x){id,from}") == [
        Wanted("id"),
        Wanted("comments", {"limit": "5", "order": "x"}, [Wanted("id"), Wanted("from")]),
    ]


async def test_usage_headers_and_the_accounts_limit(world: Any) -> None:
    account = await world.account("instagram")
    await world.put("/limits", platform="instagram", family="business", limit=4, window_s=600)
    query = {"access_token": account["access_token"]}
    seen = []
    for _ in range(5):
        answer = await world.http.get("/graph.instagram.com/me", params=query)
        usage = json.loads(answer.headers["x-business-use-case-usage"])[account["external_id"]][0]
        seen.append((answer.status_code, usage["call_count"], usage["estimated_time_to_regain_access"]))
    assert seen == [(200, 25, 0), (200, 50, 0), (200, 75, 0), (200, 100, 0), (400, 100, 10)]
    assert answer.json()["error"]["code"] == 80002
    assert (await world.get("/ledger"))["rate_limited"] == 1
    world.ticks[0] += 600_000
    assert (await world.http.get("/graph.instagram.com/me", params=query)).status_code == 200


async def test_the_apps_limit_is_code_4(world: Any) -> None:
    account = await world.account("instagram")
    await world.put("/limits", platform="instagram", family="app", limit=1, window_s=3600)
    await read(world, account, "/me")
    answer = await read(world, account, "/me", 403)
    assert answer["error"]["code"] == 4 and answer["error"]["is_transient"]


async def test_the_signature_covers_the_escaped_bytes(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account)
    text = "Schön! 100% </b> @ana 😍"
    comment = await world.act(account, "comment", text=text)
    await world.quiet()
    [(headers, body)] = world.receiver.received
    secret = account["app"]["webhook_secret"].encode()
    assert headers["x-hub-signature-256"] == "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    assert b"Sch\\u00f6n! 100\\u0025 \\u003C\\/b> \\u0040ana \\ud83d\\ude0d" in body
    [entry] = json.loads(body)["entry"]
    assert entry["id"] == account["external_id"] and entry["changes"][0]["field"] == "comments"
    assert entry["changes"][0]["value"]["text"] == text
    assert entry["changes"][0]["value"]["id"] == comment["id"] == comment["event_ids"][0]


def test_signature_and_escaping_by_hand() -> None:
    assert escaped({"a": "ä/<%@"}) == b'{"a":"\\u00e4\\/\\u003C\\u0025\\u0040"}'
    # Independently: printf '{}' | openssl dgst -sha256 -hmac secret
    assert signature("secret", b"{}") == (
        "sha256=77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"
    )


def test_a_signed_request_signs_the_encoded_payload() -> None:
    mark, payload = signed_request("secret", "1220001", 1793600000).split(".")
    expected = hmac.new(b"secret", payload.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(mark + "=") == expected
    content = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert content["user_id"] == "1220001" and content["algorithm"] == "HMAC-SHA256"


async def test_shapes_of_the_other_webhooks(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account)
    message = await world.act(account, "message", text="Hi")
    story = await world.act(account, "story")
    await world.act(account, "story_end", content_id=story["id"])
    await world.quiet()
    first, second = (body["entry"][0] for body in world.receiver.bodies())
    assert first["messaging"][0]["message"] == {"mid": message["id"], "text": "Hi"}
    assert first["messaging"][0]["recipient"]["id"] == account["external_id"]
    assert second["changes"][0]["field"] == "story_insights"
    assert second["changes"][0]["value"]["media_id"] == story["id"]


async def test_the_flat_shape(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account, dialect="flat")
    await world.act(account, "comment")
    await world.quiet()
    [body] = world.receiver.bodies()
    assert body["entry"][0]["field"] == "comments" and "changes" not in body["entry"][0]


async def test_an_account_is_subscribed_by_its_own_call(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account, auto_subscribe=False)
    assert (await world.act(account, "comment"))["event_ids"] == []
    token = {"access_token": account["access_token"]}
    path = "/graph.instagram.com/v26.0/me/subscribed_apps"
    answer = await world.http.post(path, params=token | {"subscribed_fields": "comments,messages"})
    assert answer.json() == {"success": True}
    assert len((await world.act(account, "comment"))["event_ids"]) == 1
    listed = (await world.http.get(path, params=token)).json()["data"]
    assert listed[0]["subscribed_fields"] == ["comments", "messages"]
    await world.http.request("DELETE", path, params=token)
    assert (await world.act(account, "comment"))["event_ids"] == []


async def test_a_wrong_verify_token_fails_the_handshake(world: Any) -> None:
    account = await world.account("instagram")
    world.receiver.secrets["/hook"] = "something else"
    answer = await world.put(f"/apps/{account['app']['id']}", webhook_url="http://127.0.0.1/hook")
    assert answer["verified"] is False and "403" in answer["reason"]


async def test_content_publishing_limit(world: Any) -> None:
    account = await world.account("instagram")
    [row] = (await read(world, account, "/me/content_publishing_limit", fields="quota_usage,config"))["data"]
    assert row["config"] == {"quota_total": 100, "quota_duration": 86400}
