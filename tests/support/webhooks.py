"""Webhooks of the test's own making, signed as the platforms sign theirs."""

import base64
import hmac
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from tests.support.client import Json, World


@dataclass
class Hook:
    """The webhook address of the deployment's default app of a platform, and what signs its bodies."""

    http: httpx.AsyncClient
    platform: str
    path: str
    secret: str = field(repr=False)

    @classmethod
    async def of(cls, world: World, platform: str) -> "Hook":
        apps = (await world.sandbox.get("apps"))["apps"]
        app = next(a for a in apps if a["platform"] == platform and a["name"] == "default")
        return cls(world.api, platform, f"/webhooks/{platform}/{world.apps[platform]}", app["webhook_secret"])

    def signed(self, body: bytes) -> dict[str, str]:
        digest = hmac.digest(self.secret.encode(), body, sha256)
        if self.platform == "twitter":
            return {"x-twitter-webhooks-signature": "sha256=" + base64.b64encode(digest).decode()}
        return {"x-hub-signature-256": "sha256=" + digest.hex()}

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """`headers` replace the right signature."""
        given = self.signed(body) if headers is None else headers
        return await self.http.post(
            self.path, content=body, headers={"content-type": "application/json", **given}
        )

    async def send(self, document: Json) -> None:
        answer = await self.post(json.dumps(document).encode())
        assert answer.status_code == 200, answer.text


def x_event(account_id: str, kind: str, event_id: str, payload: Json, **more: Any) -> Json:
    """A body of X's activity API."""
    concerned = {"filter": {"user_id": account_id}}
    return {"data": {"event_uuid": event_id, "event_type": kind, **concerned, "payload": payload, **more}}


def x_reply(account_id: str, reply_id: str, parent_id: str, text: str, author_id: str = "170001") -> Json:
    payload = {
        "id": reply_id,
        "text": text,
        "author_id": author_id,
        "created_at": "2026-05-01T10:00:00.000Z",
        "in_reply_to_user_id": account_id,
        "referenced_tweets": [{"type": "replied_to", "id": parent_id}],
    }
    return x_event(account_id, "post.reply.create", f"reply-{reply_id}", payload)


def instagram_entry(account_id: str, value: Json, field: str = "comments", time: int = 1_777_630_000) -> Json:
    return {"id": account_id, "time": time, "changes": [{"field": field, "value": value}]}


def instagram_comment(account_id: str, comment_id: str, media_id: str, text: str) -> Json:
    value = {
        "id": comment_id,
        "text": text,
        "from": {"id": "1790001", "username": "a.visitor"},
        "media": {"id": media_id, "media_product_type": "FEED"},
    }
    return instagram_entry(account_id, value)
