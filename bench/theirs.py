"""What a user would otherwise write: FastAPI on uvicorn, verify, add to a stream, answer.

The comparison of `bench ingest`, written as plainly and as well as such a service usually is: async client
with its pool and hiredis, uvloop and httptools under uvicorn, no access log. It stores the body as it came;
it neither seals it, nor cuts it into entries, nor bounds it.
"""

import base64
import hashlib
import hmac
import json
import os

from fastapi import FastAPI, HTTPException, Request
from redis.asyncio import Redis

SECRET = os.environ["BENCH_SECRET"].encode()
STREAM = "bench:theirs"

app = FastAPI()
redis = Redis.from_url(os.environ["BENCH_REDIS_URL"])


@app.post("/webhooks/twitter/{app_id}")
async def receive(app_id: str, request: Request) -> dict[str, bool]:
    body = await request.body()
    digest = hmac.new(SECRET, body, hashlib.sha256).digest()
    expected = "sha256=" + base64.b64encode(digest).decode()
    if not hmac.compare_digest(expected, request.headers.get("x-twitter-webhooks-signature", "")):
        raise HTTPException(401)
    event = json.loads(body)["data"]
    fields = {"id": event["event_uuid"], "user": event["filter"]["user_id"], "body": body}
    await redis.xadd(STREAM, fields)  # type: ignore[arg-type]  # its stub wants invariant unions
    return {"ok": True}
