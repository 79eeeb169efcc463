from collections.abc import Callable
from typing import Any

import pytest

POST_FIELDS = (
    "attachments,author_id,conversation_id,created_at,edit_controls,entities,in_reply_to_user_id,lang,"
    "note_tweet,public_metrics,referenced_tweets,possibly_sensitive,reply_settings"
)


async def read(world: Any, account: dict[str, Any], path: str, **query: Any) -> dict[str, Any]:
    headers = world.x(account["access_token"])
    answer = await world.http.get(f"/api.x.com/2{path}", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def walk(world: Any, account: dict[str, Any], path: str, **query: Any) -> list[str]:
    ids: list[str] = []
    while True:
        page = await read(world, account, path, **query)
        assert page["meta"]["result_count"] == len(page.get("data", []))
        ids += [post["id"] for post in page.get("data", [])]
        if "next_token" not in page["meta"]:
            return ids
        query["pagination_token"] = page["meta"]["next_token"]


@pytest.mark.parametrize("size", [5, 7, 60, 100])
async def test_paging_to_the_end_gives_every_post_once(world: Any, size: int) -> None:
    account = await world.account("twitter")
    path = f"/users/{account['external_id']}/tweets"
    ids = await walk(world, account, path, max_results=size)
    ledger = await world.get("/ledger")
    published = [row["id"] for row in ledger["content"][f"twitter:{account['external_id']}"]]
    assert len(published) == 60
    assert ids == sorted(published, key=int, reverse=True)


async def test_new_posts_while_paging_make_no_gap_and_no_repeat(world: Any) -> None:
    account = await world.account("twitter")
    path = f"/users/{account['external_id']}/tweets"
    before = set(await walk(world, account, path, max_results=100))
    page = await read(world, account, path, max_results=20)
    ids = [post["id"] for post in page["data"]]
    await world.act(account, "post", text="meanwhile")
    ids += await walk(world, account, path, max_results=20, pagination_token=page["meta"]["next_token"])
    assert len(ids) == len(set(ids)) and set(ids) == before


async def test_previous_token_leads_back(world: Any) -> None:
    account = await world.account("twitter")
    path = f"/users/{account['external_id']}/tweets"
    first = await read(world, account, path, max_results=10)
    second = await read(world, account, path, max_results=10, pagination_token=first["meta"]["next_token"])
    back = await read(world, account, path, max_results=10, pagination_token=second["meta"]["previous_token"])
    assert back["data"] == first["data"]


async def test_since_and_until_exclude_their_own_post_and_times_bound(world: Any) -> None:
    account = await world.account("twitter")
    path = f"/users/{account['external_id']}/tweets"
    page = await read(world, account, path, max_results=100, **{"tweet.fields": "created_at"})
    ids = [post["id"] for post in page["data"]]
    assert await walk(world, account, path, max_results=100, since_id=ids[10]) == ids[:10]
    assert await walk(world, account, path, max_results=100, until_id=ids[10]) == ids[11:]
    moment = page["data"][10]["created_at"]
    assert await walk(world, account, path, max_results=100, start_time=moment) == ids[:11]
    assert await walk(world, account, path, max_results=100, end_time=moment) == ids[11:]


async def test_excluding_replies_and_reposts(world: Any) -> None:
    account = await world.account("twitter")
    path = f"/users/{account['external_id']}/tweets"
    rows = (await world.get("/ledger"))["content"][f"twitter:{account['external_id']}"]
    assert {"reply", "repost"} < {row["kind"] for row in rows}
    wanted = {row["id"] for row in rows if row["kind"] not in ("reply", "repost")}
    assert set(await walk(world, account, path, max_results=50, exclude="replies,retweets")) == wanted


async def test_mentions_hold_replies_and_new_mentions(world: Any) -> None:
    account = await world.account("twitter")
    reply = await world.act(account, "comment", text="How much?", author={"username": "ana"})
    mention = await world.act(account, "mention")
    ids = await walk(world, account, f"/users/{account['external_id']}/mentions", max_results=50)
    assert ids[:2] == [mention["id"], reply["id"]]
    assert len(ids) > 2


async def test_replies_are_found_by_their_conversation(world: Any) -> None:
    account = await world.account("twitter")
    post = await world.act(account, "post", text="A new mug")
    reply = await world.act(account, "comment", content_id=post["id"], text="Price?")
    page = await read(world, account, "/tweets/search/recent", query=f"conversation_id:{post['id']}")
    assert [row["id"] for row in page["data"]] == [reply["id"], post["id"]]
    found = await read(world, account, "/tweets", ids=post["id"], **{"tweet.fields": "public_metrics"})
    assert found["data"][0]["public_metrics"]["reply_count"] == 1
    await world.act(account, "delete", content_id=reply["id"])
    found = await read(world, account, "/tweets", ids=post["id"], **{"tweet.fields": "public_metrics"})
    assert found["data"][0]["public_metrics"]["reply_count"] == 0


async def test_missing_posts_are_errors_beside_the_data(world: Any) -> None:
    account = await world.account("twitter")
    post = await world.act(account, "post", text="Short-lived")
    await world.act(account, "delete", content_id=post["id"])
    other = await world.act(account, "post", text="Stays")
    answer = await read(world, account, "/tweets", ids=f"{post['id']},{other['id']}")
    assert [row["id"] for row in answer["data"]] == [other["id"]]
    assert answer["errors"][0]["resource_id"] == post["id"]
    assert answer["errors"][0]["type"].endswith("/resource-not-found")


async def test_entities_point_into_the_text(world: Any) -> None:
    account = await world.account("twitter")
    text = "Schöne Schüssel 😍 #töpferei $TSLA @ana https://t.co/abc"
    post = await world.act(account, "post", text=text)
    answer = await read(world, account, f"/tweets/{post['id']}", **{"tweet.fields": "entities"})
    shown, entities = answer["data"]["text"], answer["data"]["entities"]
    cut = {kind: [shown[item["start"] : item["end"]] for item in items] for kind, items in entities.items()}
    assert cut == {
        "hashtags": ["#töpferei"],
        "cashtags": ["$TSLA"],
        "mentions": ["@ana"],
        "urls": ["https://t.co/abc"],
    }


async def test_seeded_content_has_every_kind_of_media_and_expanded_links(world: Any) -> None:
    account = await world.account("twitter", posts=200)
    page = await read(
        world,
        account,
        f"/users/{account['external_id']}/tweets",
        max_results=100,
        expansions="attachments.media_keys,author_id",
        **{"tweet.fields": POST_FIELDS, "media.fields": "type,url,variants,alt_text"},
    )
    kinds = {media["type"] for media in page["includes"]["media"]}
    assert {"photo", "video"} <= kinds
    keys = {key for post in page["data"] for key in post.get("attachments", {}).get("media_keys", [])}
    assert keys == {media["media_key"] for media in page["includes"]["media"]}
    links = [url for post in page["data"] for url in post.get("entities", {}).get("urls", [])]
    assert all(link["expanded_url"].startswith("https://") for link in links)
    assert any("note_tweet" in post and len(post["note_tweet"]["text"]) > 280 for post in page["data"])


async def test_an_edit_is_a_new_post_with_its_history(world: Any) -> None:
    account = await world.account("twitter")
    post = await world.act(account, "post", text="Frist")
    edited = await world.act(account, "edit", content_id=post["id"], text="First")
    answer = await read(world, account, f"/tweets/{edited['id']}", **{"tweet.fields": "conversation_id"})
    assert answer["data"]["edit_history_tweet_ids"] == [post["id"], edited["id"]]
    assert answer["data"]["conversation_id"] == post["id"]
    ids = await walk(world, account, f"/users/{account['external_id']}/tweets", max_results=100)
    assert ids[0] == edited["id"] and post["id"] not in ids


async def test_both_dialects(world: Any) -> None:
    account = await world.account("twitter")
    await world.act(account, "post", text="Look")
    path = f"/users/{account['external_id']}/tweets"
    old = await read(world, account, path, **{"tweet.fields": "public_metrics,author_id"})
    new = await read(world, account, path, **{"post.fields": "public_metrics,author_id"})
    assert "retweet_count" in old["data"][0]["public_metrics"] and old["data"][0]["author_id"]
    assert "edit_history_tweet_ids" in old["data"][0]
    user = await read(world, account, "/users/me", **{"user.fields": "public_metrics"})
    assert {"tweet_count", "post_count"} <= set(user["data"]["public_metrics"])
    assert "repost_count" in new["data"][0]["public_metrics"] and "author_id" not in new["data"][0]
    assert "edit_history_post_ids" in new["data"][0]
    expanded = await read(world, account, path, expansions="author_id", **{"post.fields": "created_at"})
    assert expanded["data"][0]["author_id"] == expanded["includes"]["users"][0]["id"]


@pytest.mark.parametrize(
    ("path", "query", "parameter"),
    [
        ("/users/{id}/tweets", {"max_results": "500"}, "max_results"),
        ("/users/{id}/tweets", {"max_results": "few"}, "max_results"),
        ("/users/{id}/tweets", {"pagination_token": "not-mine"}, "pagination_token"),
        ("/users/{id}/tweets", {"since_id": "x"}, "since_id"),
        ("/users/{id}/tweets", {"start_time": "yesterday"}, "start_time"),
        ("/tweets", {"ids": ""}, "ids"),
        ("/tweets/search/recent", {"query": "q" * 513}, "query"),
    ],
)
async def test_invalid_parameters_are_named(
    world: Any, path: str, query: dict[str, str], parameter: str
) -> None:
    account = await world.account("twitter")
    path = "/api.x.com/2" + path.format(id=account["external_id"])
    answer = await world.http.get(path, params=query, headers=world.x(account["access_token"]))
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/invalid-request")
    assert parameter in answer.json()["errors"][0]["parameters"]


async def test_publish_and_delete_over_the_api(world: Any) -> None:
    account = await world.account("twitter")
    headers = world.x(account["access_token"])
    made = await world.http.post("/api.x.com/2/tweets", json={"text": "Hello"}, headers=headers)
    assert made.status_code == 201
    post_id = made.json()["data"]["id"]
    again = await world.http.post("/api.x.com/2/tweets", json={"text": "Hello"}, headers=headers)
    assert again.status_code == 403
    assert [row["id"] for row in (await world.get("/ledger"))["posts_created"]] == [post_id]
    gone = await world.http.delete(f"/api.x.com/2/tweets/{post_id}", headers=headers)
    assert gone.json() == {"data": {"deleted": True}}


async def test_answers_follow_the_platforms_contract(
    world: Any, x_contract: Callable[[str, str, Any], list[str]]
) -> None:
    account = await world.account("twitter", posts=120)
    await world.act(account, "comment", text="Price?")
    user_id = account["external_id"]
    fields = {
        "post.fields": "attachments,conversation_id,created_at,edit_controls,entities,lang,note_post,"
        "public_metrics,possibly_sensitive,reply_settings,non_public_metrics,organic_metrics",
        "expansions": "author_id,attachments.media_keys,referenced_posts,in_reply_to_user_id",
        "user.fields": "created_at,description,public_metrics,profile_image_url,protected,url,verified",
        "media.fields": "alt_text,duration_ms,height,preview_image_url,public_metrics,"
        "non_public_metrics,type,url,variants",
    }
    newest = (await read(world, account, f"/users/{user_id}/tweets"))["data"]
    calls = {
        "/2/users/me": ("/users/me", {}),
        "/2/users/{id}/tweets": (f"/users/{user_id}/tweets", {"max_results": "100"}),
        "/2/users/{id}/mentions": (f"/users/{user_id}/mentions", {"max_results": "100"}),
        "/2/tweets": ("/tweets", {"ids": ",".join([post["id"] for post in newest] + ["1"])}),
        "/2/tweets/{id}": (f"/tweets/{newest[0]['id']}", {}),
        "/2/tweets/search/recent": ("/tweets/search/recent", {"query": "#handmade"}),
    }
    for template, (path, query) in calls.items():
        answer = await read(world, account, path, **fields, **query)
        assert x_contract("get", template, answer) == []
    window = {"start_time": "2026-11-01T00:00:00Z", "end_time": "2026-11-22T00:00:00Z"}
    wanted = {"analytics.fields": "id,timestamped_metrics,impressions,follows,url_clicks"}
    own = ",".join([post["id"] for post in newest] + ["1"])
    answer = await read(world, account, "/tweets/analytics", ids=own, **window, **wanted)
    assert len(answer["data"]) == len(newest) and len(answer["errors"]) == 1
    assert x_contract("get", "/2/tweets/analytics", answer) == []
