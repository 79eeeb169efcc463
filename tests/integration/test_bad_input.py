"""Bad input to the API and to the connect flow of the running service."""

import json
import re
import time
import uuid
from datetime import UTC, datetime, timedelta

from tests.support.accounts import connected
from tests.support.client import Json, World, eventually

PROBLEM = "application/problem+json"


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


async def test_events_are_found_by_their_type(world: World) -> None:
    caller = await world.org()
    _, view = await connected(world, caller, "twitter")

    async def found() -> list[Json]:
        return await caller.all("/v1/events?type=SocialAccountConnected")

    events = await eventually(found)
    assert [e["subject"] for e in events] == [view["id"]]
