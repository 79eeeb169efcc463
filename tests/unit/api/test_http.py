"""Problems, versions, pages, audit, health: what holds for every route."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.app import create_api
from api.middleware import MAX_BODY
from api.paging import decode_cursor, encode_cursor, filtered
from api.policy import POLICY
from domain.clock import ManualClock
from domain.errors import Invalid
from storage.mongo.identity import Role
from storage.records import Cursor, Page, StoreUnavailable
from tests.unit.api.conftest import World
from tests.unit.api.test_policy import ROUTES
from tests.unit.api.things import add_content, campaign_body


# -- problems -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "budget"),
        (campaign_body(surprise=1), "surprise"),
        (campaign_body(budget={"total_minor": 1, "currency": "EUR", "spent": 0}), "budget.spent"),
        (campaign_body(budget={"total_minor": "100", "currency": "EUR"}), "budget.total_minor"),
        (campaign_body(budget={"total_minor": 1.5, "currency": "EUR"}), "budget.total_minor"),
        (campaign_body(budget={"total_minor": True, "currency": "EUR"}), "budget.total_minor"),
        (campaign_body(budget={"total_minor": 2**63, "currency": "EUR"}), "budget.total_minor"),
        (campaign_body(budget={"total_minor": 1, "currency": "euro"}), "budget.currency"),
        (campaign_body(name=""), "name"),
        (campaign_body(platforms="twitter"), "platforms"),
        (campaign_body(accounts=["twitter:1:org_of_somebody_else"]), "accounts"),
        (campaign_body(schedule={"timezone": "Mars/Olympus"}), "schedule.timezone"),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
async def test_a_bad_body_is_422_and_names_the_field(world: World, body: Any, field: str | None) -> None:
    answer = await world.call("POST", "/v1/campaigns", world.ours.admin, json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"].startswith("urn:rookery:error:") and problem["status"] == 422
    if field is not None:
        assert field in [e["field"] for e in problem["errors"]]


@pytest.mark.parametrize("raw", [b"{", b"", b"\xff\xfe", b'{"name": NaN', b"[" * 10_000])
async def test_what_is_not_json_is_422(world: World, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.call("POST", "/v1/campaigns", world.ours.admin, content=raw, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_validation_never_repeats_a_secret(world: World) -> None:
    answer = await world.http.post("/v1/auth/token", json={"api_key": ["rk_live_SECRET"]})
    assert answer.status_code == 422
    assert "SECRET" not in answer.text


async def test_lone_surrogates_and_nul_are_refused_not_crashed_on(world: World) -> None:
    for name in ('"\\ud83d"', '"a\\u0000b"'):
        raw = f'{{"name": {name}, "budget": {{"total_minor": 1, "currency": "EUR"}}}}'.encode()
        headers = {"Content-Type": "application/json"}
        answer = await world.call("POST", "/v1/campaigns", world.ours.admin, content=raw, headers=headers)
        assert answer.status_code == 422, answer.text


async def test_too_large_a_body_is_413(world: World) -> None:
    async def chunks() -> Any:
        for _ in range(MAX_BODY // 65536 + 2):
            yield b" " * 65536

    for content in (b" " * (MAX_BODY + 1), chunks()):
        answer = await world.call("POST", "/v1/campaigns", world.ours.admin, content=content)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


async def test_unknown_routes_and_methods_are_problems(world: World) -> None:
    missing = await world.http.get("/v1/nothing")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:rookery:error:route_unknown")
    wrong = await world.http.put("/v1/campaigns")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:rookery:error:method_not_allowed")


async def test_a_defect_is_a_500_problem_and_its_message_is_not_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("PLANTED-TOKEN")

    monkeypatch.setattr(world.owners, "view", broken)
    account = f"twitter:1:{world.ours.id}"
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        answer = await world.call("GET", f"/v1/accounts/{account}", world.ours.admin)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:rookery:error:internal"
    assert any(entry["event"] == "request.failed" for entry in logs)
    assert "PLANTED-TOKEN" not in answer.text + json.dumps(logs, default=str) + caplog.text


async def test_an_absent_owner_is_503_with_retry_after(world: World) -> None:
    world.owners.away = True
    answer = await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_stores_away_is_503_with_retry_after(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(world.sides, "page", away)
    answer = await world.call("GET", "/v1/content", world.ours.admin)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:rookery:error:store_unavailable"


# -- versions -------------------------------------------------------------------------------------------
async def test_a_stale_version_is_412(world: World) -> None:
    made = await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())
    path = f"/v1/campaigns/{made.json()['id']}"
    seen = (await world.call("GET", path, world.ours.admin)).headers["etag"]
    assert seen == '"1"'
    first = await world.call("PATCH", path, world.ours.admin, json={"name": "A"}, headers={"If-Match": seen})
    second = await world.call(
        "PATCH", path, world.ours.manager, json={"name": "B"}, headers={"If-Match": seen}
    )
    assert [first.status_code, second.status_code] == [200, 412]
    now = await world.call("GET", path, world.ours.admin)
    assert (now.json()["name"], now.headers["etag"]) == ("A", '"2"')
    launched = await world.call("POST", path + "/launch", world.ours.admin, headers={"If-Match": seen})
    assert launched.status_code == 412
    anyhow = await world.call("POST", path + "/launch", world.ours.admin, headers={"If-Match": "*"})
    assert anyhow.status_code == 200


@pytest.mark.parametrize("header", ["1", 'W/"1"', '"one"', '"1", "2"', '"' + "9" * 30 + '"'])
async def test_an_if_match_that_is_no_etag_of_ours_is_400(world: World, header: str) -> None:
    made = await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())
    path = f"/v1/campaigns/{made.json()['id']}"
    answer = await world.call(
        "PATCH", path, world.ours.admin, json={"name": "A"}, headers={"If-Match": header}
    )
    assert answer.status_code == 400


# -- pages ----------------------------------------------------------------------------------------------
async def test_pages_show_everything_once_newest_first(world: World) -> None:
    account = (await world.connect(world.ours.admin))["id"]
    made = [await add_content(world, world.ours, account, f"{n}", age_s=n // 3) for n in range(25)]
    for query in ("", "&kind=photo", "&platform=twitter", f"&account_id={account}"):
        seen: list[str] = []
        cursor = ""
        while True:
            answer = await world.call("GET", f"/v1/content?limit=4{query}{cursor}", world.ours.admin)
            page = answer.json()
            assert len(page["items"]) <= 4
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert sorted(seen) == sorted(made)
        assert seen == sorted(seen, key=lambda id_: (int(id_.rpartition("|")[2]) // 3,))


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=%21", "cursor=QUJD", "kind=ode"]
)
async def test_a_bad_page_request_is_422(world: World, query: str) -> None:
    assert (await world.call("GET", f"/v1/content?{query}", world.ours.admin)).status_code == 422


def test_cursors_come_back_to_the_millisecond() -> None:
    clock = ManualClock()
    for step in range(500):
        clock.advance(0.001 * (step % 7) + 0.013)
        cursor = Cursor(clock.now(), f"twitter:1:org|{step}")
        assert decode_cursor(encode_cursor(cursor)) == cursor
    with pytest.raises(Invalid):
        decode_cursor("OTk5OTk5OTk5OTk5OTk5OTk5OTk5IHg")  # a year that no clock shows


@pytest.mark.parametrize("every", [3, 50, 700])
async def test_a_filter_looks_at_a_bounded_number_and_goes_on_where_it_stopped(every: int) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": f"{n:05d}", "at": datetime.fromtimestamp(10_000 - n, UTC), "n": n} for n in range(3_000)
    ]
    read = 0

    async def fetch(limit: int, after: Cursor | None) -> Page:
        nonlocal read
        start = 0 if after is None else next(i for i, d in enumerate(documents) if d["_id"] == after.id) + 1
        page = documents[start : start + limit]
        read += len(page)
        more = start + limit < len(documents)
        return Page(page, Cursor(page[-1]["at"], page[-1]["_id"]) if more else None)

    seen: list[int] = []
    after: Cursor | None = None
    while True:
        before = read
        page = await filtered(fetch, lambda d: d["n"] % every == 2, 7, after, "at")
        assert read - before <= 1000
        seen += [d["n"] for d in page.documents]
        after = page.next
        if after is None:
            break
    assert seen == list(range(2, 3_000, every))


# -- audit ----------------------------------------------------------------------------------------------
async def test_every_change_is_on_record_and_no_words_are(world: World) -> None:
    admin, analyst = world.ours.admin, world.ours.analyst
    made = await world.call("POST", "/v1/campaigns", admin, json=campaign_body(description="SECRET-PLAN"))
    campaign = made.json()["id"]
    await world.call("POST", f"/v1/campaigns/{campaign}/launch", analyst)
    await world.call("GET", f"/v1/campaigns/{campaign}", analyst)
    account = await world.connect(world.ours.manager)
    entries = (await world.call("GET", "/v1/audit?limit=200", admin)).json()["items"]
    told = {(e["user_id"], e["action"], e["target"], e["status"]) for e in entries}
    assert (admin.id, "create_campaign", f"campaign/{campaign}", 201) in told
    assert (analyst.id, "launch_campaign", campaign, 403) in told
    assert (world.ours.manager.id, "finish_connect", account["id"], 200) in told
    assert not [e for e in entries if e["action"] == "get_campaign"]
    assert "SECRET-PLAN" not in json.dumps(entries)
    assert {e["user_id"] for e in entries} <= {p.id for p in world.ours.people.values()}


async def test_a_lost_audit_record_does_not_undo_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Any) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(world.services.directory.audit, "add", away)
    with capture_logs() as logs:
        answer = await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())
    assert answer.status_code == 201
    assert [e["event"] for e in logs] == ["audit.lost"]


# -- health ---------------------------------------------------------------------------------------------
async def test_health_and_readiness(world: World) -> None:
    assert (await world.http.get("/healthz")).json() == {"status": "ok", "build": "test"}
    assert (await world.http.get("/readyz")).json()["status"] == "ready"
    world.owners.is_ready = False
    waiting = await world.http.get("/readyz")
    assert waiting.status_code == 503
    assert waiting.json()["checks"] == {"mongo": "ok", "owners": "failing"}
    world.owners.is_ready = True
    world.database.down = True
    assert (await world.http.get("/readyz")).json()["checks"] == {"mongo": "failing", "owners": "ok"}
    assert (await world.http.get("/healthz")).status_code == 200


async def test_the_openapi_document_names_every_route(world: World) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    assert {path for _, path, _ in ROUTES} == set(paths)
    for method, path, name in ROUTES:
        assert ("security" in paths[path][method.lower()]) is not POLICY[name].public


def test_two_apis_share_nothing(world: World) -> None:
    other = create_api(world.services)
    assert other.state.failures is not world.app.state.failures


async def test_roles_are_as_stored(world: World) -> None:
    users = (await world.call("GET", "/v1/users", world.ours.admin)).json()["items"]
    assert {(u["id"], u["role"]) for u in users} == {(p.id, r.value) for r, p in world.ours.people.items()}
    assert {u["email"] for u in users} >= {"admin@ours.example", f"{Role.CREATOR}@ours.example"}
