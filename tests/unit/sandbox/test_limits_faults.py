from typing import Any

import httpx
import pytest


async def me(world: Any, account: dict[str, Any]) -> httpx.Response:
    headers = world.x(account["access_token"])
    answer: httpx.Response = await world.http.get("/api.x.com/2/users/me", headers=headers)
    return answer


async def test_a_window_counts_down_refuses_and_opens_again(world: Any) -> None:
    account = await world.account("twitter")
    remaining = []
    for _ in range(75):
        answer = await me(world, account)
        assert answer.status_code == 200 and answer.headers["x-rate-limit-limit"] == "75"
        remaining.append(int(answer.headers["x-rate-limit-remaining"]))
    assert remaining == list(range(74, -1, -1))
    reset = int(answer.headers["x-rate-limit-reset"])
    assert reset == world.ticks[0] // 1000 + 900
    refused = await me(world, account)
    assert refused.status_code == 429 and refused.json()["title"] == "Too Many Requests"
    assert refused.headers["x-rate-limit-remaining"] == "0"
    assert refused.headers["x-rate-limit-reset"] == str(reset)
    world.ticks[0] = reset * 1000
    assert (await me(world, account)).status_code == 200
    ledger = await world.get("/ledger")
    assert ledger["rate_limited"] == 1
    assert ledger["calls"]["GET /2/users/me"] == {"200": 76, "429": 1}


async def test_windows_are_per_account(world: Any) -> None:
    one, two = await world.account("twitter", 1), await world.account("twitter", 2)
    await world.put("/limits", platform="twitter", path="/2/users/me", limit=1, window_s=60)
    assert [(await me(world, a)).status_code for a in (one, one, two)] == [200, 429, 200]


async def test_a_missing_scope_and_an_unknown_token(world: Any) -> None:
    account = await world.account("twitter")
    assert (await me(world, account | {"access_token": "made-up"})).status_code == 401
    assert (await world.http.get("/api.x.com/2/users/me")).json()["title"] == "Unauthorized"
    bearer = world.x(account["app"]["bearer_token"])
    answer = await world.http.post("/api.x.com/2/tweets", json={"text": "x"}, headers=bearer)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("wish", "status", "title"),
    [
        ({"kind": "status", "status": 503}, 503, "Service Unavailable"),
        ({"kind": "dead_token"}, 401, "Unauthorized"),
        ({"kind": "402"}, 402, "Payment Required"),
    ],
)
async def test_faults_answer_with_the_platforms_own_body(
    world: Any, wish: dict[str, Any], status: int, title: str
) -> None:
    account = await world.account("twitter")
    await world.post("/faults", 201, count=1, **wish)
    answer = await me(world, account)
    assert answer.status_code == status and answer.json()["title"] == title
    assert (await me(world, account)).status_code == 200


async def test_a_429_spell_says_when_it_ends(world: Any) -> None:
    account = await world.account("twitter")
    await world.post("/faults", 201, kind="status", status=429, seconds=30, platform="twitter")
    answer = await me(world, account)
    assert answer.status_code == 429
    assert int(answer.headers["x-rate-limit-reset"]) == world.ticks[0] // 1000 + 30
    world.ticks[0] += 30_000
    assert (await me(world, account)).status_code == 200
    assert (await world.get("/ledger"))["rate_limited"] == 1


async def test_metas_429_is_its_throttling_code(world: Any) -> None:
    account = await world.account("instagram")
    await world.post("/faults", 201, kind="status", status=429, seconds=120, platform="instagram")
    query = {"access_token": account["access_token"]}
    answer = await world.http.get("/graph.instagram.com/me", params=query)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == 80002
    assert '"estimated_time_to_regain_access":2' in answer.headers["x-business-use-case-usage"]


async def test_faults_are_aimed_and_counted(world: Any) -> None:
    one, two = await world.account("twitter", 1), await world.account("twitter", 2)
    wish = {"kind": "html", "path": "/users/me$", "external_id": two["external_id"], "host": "api.x.com"}
    await world.post("/faults", 201, **wish)
    assert (await me(world, one)).status_code == 200
    answer = await me(world, two)
    assert answer.status_code == 503 and answer.headers["content-type"].startswith("text/html")
    headers = world.x(two["access_token"])
    other = await world.http.get(f"/api.x.com/2/users/{two['external_id']}", headers=headers)
    assert other.status_code == 200
    assert [fault["hits"] for fault in (await world.get("/faults"))["faults"]] == [1]
    assert (await world.http.delete("/_sandbox/faults")).json() == {"cleared": 1}
    assert (await me(world, two)).status_code == 200


async def test_a_probability_is_kept(world: Any) -> None:
    account = await world.account("twitter")
    await world.post("/faults", 201, kind="status", status=500, probability=0.3)
    statuses = [(await me(world, account)).status_code for _ in range(70)]
    assert set(statuses) == {200, 500} and 5 < statuses.count(500) < 40


async def test_a_dead_token_at_the_token_endpoint(world: Any) -> None:
    account = await world.account("twitter")
    await world.post("/faults", 201, kind="dead_token", external_id=account["external_id"])
    app = account["app"]
    answer = await world.http.post(
        "/api.x.com/2/oauth2/token",
        data={"grant_type": "refresh_token", "refresh_token": account["refresh_token"]},
        auth=(app["client_id"], app["client_secret"]),
    )
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"
    assert (await world.get("/ledger"))["refreshes"] == []
