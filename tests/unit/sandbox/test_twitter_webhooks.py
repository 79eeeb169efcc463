import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.twitter.webhooks import signature

SECRET = "consumer_secret_demo"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"crc_demo_token_1", "sha256=zwUKjpnKRF6F3Na7rzF/bg4Fp8OSHZolfFiRg18C7gU="),
        (
            b'{"data":{"event_uuid":"1","event_type":"follow.follow"}}',
            "sha256=3Qd3F00wQlIS3lzazOVMTVw0ZAf6GQvxGUSaBD7928A=",
        ),
    ],
)
def test_signature_vectors(message: bytes, expected: str) -> None:
    assert signature(SECRET, message) == expected


def app_only(world: Any, account: dict[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = world.x(account["app"]["bearer_token"])
    return headers


async def test_the_lifecycle_of_a_webhook(world: Any) -> None:
    account = await world.account("twitter")
    headers, url = app_only(world, account), "http://127.0.0.1/hook"
    world.receiver.secrets["/hook"] = account["app"]["webhook_secret"]
    made = await world.http.post("/api.x.com/2/webhooks", json={"url": url}, headers=headers)
    assert made.status_code == 200 and made.json()["data"]["valid"] is True
    hook_id = made.json()["data"]["id"]
    again = await world.http.post("/api.x.com/2/webhooks", json={"url": url}, headers=headers)
    assert again.status_code == 400 and again.json()["title"] == "DuplicateUrlFailed"
    listed = (await world.http.get("/api.x.com/2/webhooks", headers=headers)).json()
    assert listed["data"][0]["id"] == hook_id and listed["meta"]["result_count"] == 1
    world.receiver.lie = True
    checked = await world.http.put(f"/api.x.com/2/webhooks/{hook_id}", headers=headers)
    assert checked.json() == {"data": {"valid": False}}
    gone = await world.http.delete(f"/api.x.com/2/webhooks/{hook_id}", headers=headers)
    assert gone.json() == {"data": {"deleted": True}}


async def test_a_wrong_answer_to_the_challenge_is_refused(world: Any) -> None:
    account = await world.account("twitter")
    world.receiver.secrets["/hook"] = "another secret"
    wish = {"url": "http://127.0.0.1/hook"}
    answer = await world.http.post("/api.x.com/2/webhooks", json=wish, headers=app_only(world, account))
    assert answer.status_code == 400 and answer.json()["title"] == "CrcValidationFailed"
    wish = {"url": "http://shop.example:8080/hook"}
    answer = await world.http.post("/api.x.com/2/webhooks", json=wish, headers=app_only(world, account))
    assert answer.json()["title"] == "UrlValidationFailed"


async def test_webhooks_are_managed_with_the_app_only_token(world: Any) -> None:
    account = await world.account("twitter")
    headers = world.x(account["access_token"])
    answer = await world.http.get("/api.x.com/2/webhooks", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/unsupported-authentication")


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        ("comment", "post.reply.create"),
        ("mention", "post.mention.create"),
        ("quote", "post.quote.create"),
        ("repost", "post.repost.create"),
        ("post", "post.create"),
        ("edit", "post.create"),
        ("delete", "post.delete"),
        ("like", "like.create"),
        ("follow", "follow.follow"),
        ("unfollow", "follow.unfollow"),
        ("profile", "profile.update.bio"),
        ("revoke", "oauth.revoke"),
    ],
)
async def test_every_act_is_announced_once_and_signed(world: Any, kind: str, event_type: str) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.act(account, "post", text="Something to act on")
    await world.quiet()
    world.receiver.received.clear()
    done = await world.act(account, kind)
    await world.quiet()
    [(headers, body)] = world.receiver.received
    secret = account["app"]["webhook_secret"].encode()
    mark = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()
    assert headers["x-twitter-webhooks-signature"] == f"sha256={mark}"
    data = json.loads(body)["data"]
    assert data["event_type"] == event_type
    assert [data["event_uuid"]] == done["event_ids"]
    row = (await world.get("/ledger"))["events"][-1]
    assert row["event_id"] == data["event_uuid"] and row["accepted_at"] and row["kind"] in (kind, "post")
    if "id" in data["payload"]:
        assert row["subject_id"] == data["payload"]["id"]


async def test_a_subscription_narrows_what_is_sent(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account, auto_subscribe=False)
    assert (await world.act(account, "comment"))["event_ids"] == []
    wish = {
        "event_type": "post.reply.create",
        "filter": {"user_id": account["external_id"]},
        "tag": "replies",
    }
    headers = app_only(world, account)
    made = await world.http.post("/api.x.com/2/activity/subscriptions", json=wish, headers=headers)
    assert made.json()["data"]["subscription"]["event_type"] == "post.reply.create"
    listed = (await world.http.get("/api.x.com/2/activity/subscriptions", headers=headers)).json()
    assert listed["meta"] == {"total_subscriptions": 1}
    again = await world.http.post("/api.x.com/2/activity/subscriptions", json=wish, headers=headers)
    assert again.json()["title"] == "DuplicateSubscriptionFailed"
    await world.act(account, "like")
    await world.act(account, "comment")
    await world.quiet()
    [body] = world.receiver.bodies()
    assert body["data"]["tag"] == "replies"
    path = f"/api.x.com/2/activity/subscriptions/{listed['data'][0]['subscription_id']}"
    changed = await world.http.put(path, json={"tag": "answers"}, headers=headers)
    assert changed.json()["data"]["subscription"]["tag"] == "answers"
    assert (await world.http.delete(path, headers=headers)).json()["data"] == {"deleted": True}
    assert (await world.act(account, "comment"))["event_ids"] == []


async def test_two_apps_of_one_account_are_told_each(world: Any) -> None:
    one = await world.account("twitter")
    other = await world.post("/apps", 201, platform="twitter")
    two = await world.account("twitter", app=other["id"])
    await world.listen(one)
    await world.listen(two)
    done = await world.act(one, "comment")
    await world.quiet()
    assert len(done["event_ids"]) == 2 and len(world.receiver.received) == 2
    rows = (await world.get("/ledger"))["events"]
    assert {row["app_id"] for row in rows} == {one["app"]["id"], other["id"]}
    assert len({row["subject_id"] for row in rows}) == 1


async def test_the_account_activity_shape(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account, dialect="account_activity")
    for kind in ("comment", "like", "follow", "delete"):
        await world.act(account, kind)
    await world.quiet()
    bodies = world.receiver.bodies()
    assert all(body.pop("for_user_id") == account["external_id"] for body in bodies)
    assert [key for body in bodies for key in body] == [
        "tweet_create_events",
        "favorite_events",
        "follow_events",
        "tweet_delete_events",
    ]
    assert bodies[0]["tweet_create_events"][0]["created_at"] == "Sun Nov 22 12:20:00 +0000 2026"


async def test_webhook_answers_follow_the_platforms_contract(
    world: Any, x_contract: Callable[[str, str, Any], list[str]]
) -> None:
    account = await world.account("twitter")
    headers, base = app_only(world, account), "/api.x.com/2"
    world.receiver.secrets["/hook"] = account["app"]["webhook_secret"]
    made = await world.http.post(f"{base}/webhooks", json={"url": "http://127.0.0.1/hook"}, headers=headers)
    assert x_contract("post", "/2/webhooks", made.json()) == []
    listed = await world.http.get(f"{base}/webhooks", headers=headers)
    assert x_contract("get", "/2/webhooks", listed.json()) == []
    wish = {"event_type": "post.create", "filter": {"user_id": account["external_id"]}}
    path = f"{base}/activity/subscriptions"
    subscribed = (await world.http.post(path, json=wish, headers=headers)).json()
    # The guide prints a meta that the contract leaves out.
    assert subscribed.pop("meta") == {"total_subscriptions": 1}
    assert x_contract("post", "/2/activity/subscriptions", subscribed) == []
    one = f"{path}/{subscribed['data']['subscription']['subscription_id']}"
    changed = (await world.http.put(one, json={"tag": "t"}, headers=headers)).json()
    assert changed.pop("meta") == {"total_subscriptions": 1}
    assert x_contract("put", "/2/activity/subscriptions/{subscription_id}", changed) == []
