"""The sandbox's Pinterest as a client sees it: what it refuses, and how."""

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

BACK = "http://127.0.0.1:9/callback"
LOGIN = "/www.pinterest.com/oauth/"
API = "/api.pinterest.com/v5"
UPLOAD = "/pinterest-media-upload.s3-accelerate.amazonaws.com/"
JPEG = base64.b64encode(b"\xff\xd8\xff a picture").decode()


def consent(account: dict[str, Any], **more: str) -> dict[str, str]:
    form = {
        "client_id": account["app"]["client_id"],
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "boards:read,pins:read",
        "state": "s-2",
        "user": account["external_id"],
        "decision": "approve",
    }
    return form | more


async def ask(
    world: Any, account: dict[str, Any], method: str, path: str, status: int, body: Any = None, **query: Any
) -> Any:
    headers = {"Authorization": f"Bearer {account['access_token']}"}
    told = await world.http.request(method, f"{API}{path}", params=query, json=body, headers=headers)
    assert told.status_code == status, told.text
    return told.json() if told.content else None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"client_id": "nobody"}, "client_id"),
        ({"response_type": "token"}, "response_type"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
        ({"scope": ""}, "scope"),
        ({"scope": "pins:eat"}, "pins:eat"),
    ],
)
async def test_a_wrong_consent_is_shown_to_the_person(world: Any, change: dict[str, str], word: str) -> None:
    account = await world.account("pinterest")
    told = await world.http.get(LOGIN, params=consent(account, **change))
    assert told.status_code == 400 and word in told.text


async def test_a_refusal_comes_back(world: Any) -> None:
    account = await world.account("pinterest")
    told = await world.http.post(LOGIN, data=consent(account, decision="deny"))
    back = parse_qs(urlsplit(told.headers["location"]).query)
    assert (back["error"], back["state"]) == (["access_denied"], ["s-2"])


@pytest.mark.parametrize(
    ("change", "status"),
    [({}, 200), ({"redirect_uri": f"{BACK}x"}, 401), ({"code": "no"}, 401), ({"grant_type": "x"}, 400)],
)
async def test_codes(world: Any, change: dict[str, str], status: int) -> None:
    account = await world.account("pinterest")
    told = await world.http.post(LOGIN, data=consent(account))
    code = parse_qs(urlsplit(told.headers["location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK} | change
    app = account["app"]
    url, pair = f"{API}/oauth/token", (app["client_id"], app["client_secret"])
    assert (await world.http.post(url, data=form)).json()["code"] == 2, "Basic is needed"
    told = await world.http.post(url, data=form, auth=pair)
    assert told.status_code == status
    if status == 200:
        assert told.json()["scope"] == "boards:read pins:read"
        assert (await world.http.post(url, data=form, auth=pair)).status_code == 401, "once"
        revoked = await world.http.post(f"{url}/revoke", data={"token": "x"}, auth=pair)
        assert (revoked.status_code, revoked.json()["code"]) == (403, 29)


async def test_a_code_ends_after_ten_minutes(world: Any) -> None:
    account = await world.account("pinterest")
    told = await world.http.post(LOGIN, data=consent(account))
    code = parse_qs(urlsplit(told.headers["location"]).query)["code"][0]
    world.ticks[0] += 600_000
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    app = account["app"]
    told = await world.http.post(
        f"{API}/oauth/token", data=form, auth=(app["client_id"], app["client_secret"])
    )
    assert told.status_code == 401


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/pins", {"page_size": "251"}),
        ("/pins", {"page_size": "many"}),
        ("/pins", {"bookmark": "!"}),
        ("/pins", {"bookmark": base64.urlsafe_b64encode(b"boards-ALL|1").decode()}),
        ("/pins", {"pin_metrics": "yes"}),
        ("/pins/kitchen", {}),
        ("/boards", {"privacy": "MINE"}),
    ],
)
async def test_parameters_are_checked(world: Any, path: str, query: dict[str, str]) -> None:
    account = await world.account("pinterest")
    assert (await ask(world, account, "GET", path, 400, **query))["code"] == 1


async def test_what_belongs_to_somebody_else(world: Any) -> None:
    one, two = await world.account("pinterest", 1), await world.account("pinterest", 2)
    pin = (await ask(world, one, "GET", "/pins", 200))["items"][0]
    assert (await ask(world, two, "GET", f"/pins/{pin['id']}", 401))["code"] == 7
    assert (await ask(world, two, "GET", f"/boards/{pin['board_id']}", 401))["code"] == 7
    assert (await ask(world, two, "GET", "/pins/1", 404))["code"] == 50
    assert (await ask(world, two, "GET", "/boards/1", 404))["code"] == 40


async def test_boards_are_made_changed_and_taken_away(world: Any) -> None:
    account = await world.account("pinterest")
    made = await ask(world, account, "POST", "/boards", 201, {"name": "Kiln", "privacy": "SECRET"})
    await ask(world, account, "POST", "/boards", 400, {"name": "Kiln"})
    await ask(world, account, "POST", "/boards", 400, {"name": "Kiln 2", "privacy": "MINE"})
    changed = await ask(world, account, "PATCH", f"/boards/{made['id']}", 200, {"name": "Oven"})
    assert (changed["name"], changed["privacy"]) == ("Oven", "SECRET")
    source = {"source_type": "image_base64", "content_type": "image/jpeg", "data": JPEG}
    wish = {"board_id": made["id"], "media_source": source}
    pin = await ask(world, account, "POST", "/pins", 201, wish)
    saved = await ask(world, account, "POST", f"/pins/{pin['id']}/save", 201, {"board_id": made["id"]})
    assert saved["parent_pin_id"] == pin["id"]
    await ask(world, account, "DELETE", f"/boards/{made['id']}", 204)
    await ask(world, account, "GET", f"/pins/{pin['id']}", 404)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "t" * 101},
        {"description": 7},
        {"link": "shop.example"},
        {"board_id": None},
        {"media_source": None},
        {"media_source": {"source_type": "hologram"}},
        {"media_source": {"source_type": "image_base64", "content_type": "image/jpeg", "data": "%"}},
        {"media_source": {"source_type": "image_base64", "content_type": "image/png", "data": JPEG}},
        {"media_source": {"source_type": "multiple_image_urls", "items": [{"url": "https://x"}]}},
        {"media_source": {"source_type": "video_id", "media_id": "1", "cover_image_key_frame_time": 0}},
    ],
)
async def test_pins_are_checked(world: Any, change: dict[str, Any]) -> None:
    account = await world.account("pinterest")
    board = (await ask(world, account, "GET", "/boards", 200))["items"][0]["id"]
    source = {"source_type": "image_base64", "content_type": "image/jpeg", "data": JPEG}
    wish = {"board_id": board, "media_source": source, **change}
    assert (await ask(world, account, "POST", "/pins", 400, wish))["code"] == 1
    assert (await world.get("/ledger/summary"))["publications"] == 0


async def test_the_upload_host_checks_its_form(world: Any) -> None:
    account = await world.account("pinterest")
    told = await ask(world, account, "POST", "/media", 201, {"media_type": "video"})
    fields, film = told["upload_parameters"], {"file": ("f", b"\0\0\0\x18ftypmp42 a film")}
    for change, status in (({"policy": "other"}, 403), ({"key": "other"}, 403), ({"more": "x"}, 403)):
        refused = await world.http.post(UPLOAD, data={**fields, **change}, files=film)
        assert refused.status_code == status and refused.text.startswith("<?xml")
    token = {"Authorization": f"Bearer {account['access_token']}"}
    assert (await world.http.post(UPLOAD, data=fields, files=film, headers=token)).status_code == 400
    media = f"/media/{told['media_id']}"
    assert (await ask(world, account, "GET", media, 200))["status"] == "registered"
    assert (await world.http.post(UPLOAD, data=fields, files=film)).status_code == 204
    assert (await ask(world, account, "GET", media, 200))["status"] == "processing"
    world.ticks[0] += 3000
    assert (await ask(world, account, "GET", media, 200))["status"] == "succeeded"
    assert len((await ask(world, account, "GET", "/media", 200))["items"]) == 1
    board = (await ask(world, account, "GET", "/boards", 200))["items"][0]["id"]
    source = {"source_type": "video_id", "media_id": told["media_id"]}
    wish = {"board_id": board, "media_source": source}
    assert "cover" in (await ask(world, account, "POST", "/pins", 400, wish))["message"]
    source["cover_image_url"] = "https://shop.example/c.jpg"
    assert (await ask(world, account, "POST", "/pins", 201, wish))["creative_type"] == "VIDEO"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"start_date": "2026-11-20", "end_date": "soon"},
        {"start_date": "2026-11-20", "end_date": "2026-11-19"},
        {"start_date": "2026-01-01", "end_date": "2026-11-19"},
        {"start_date": "2026-11-20", "end_date": "2026-11-21", "metric_types": "JOY"},
    ],
)
async def test_analytics_are_checked(world: Any, query: dict[str, str]) -> None:
    account = await world.account("pinterest")
    assert (await ask(world, account, "GET", "/user_account/analytics", 400, **query))["code"] == 1


async def test_the_same_seed_gives_the_same_pins(make_world: Any) -> None:
    listings = []
    for seed in ("a", "a", "b"):
        world = await make_world(seed)
        account = await world.account("pinterest", posts=8)
        listings.append(await ask(world, account, "GET", "/pins", 200, pin_metrics="true"))
    assert listings[0] == listings[1] != listings[2]
    assert all(pin["description"] and pin["link"] for pin in listings[0]["items"])


async def test_acts(world: Any) -> None:
    account = await world.account("pinterest", posts=2)
    for kind in ("post", "comment", "like", "share", "follow", "unfollow", "edit", "board", "profile"):
        await world.act(account, kind)
    await world.act(account, "post", media="carousel")
    await world.act(account, "delete")
    told = await world.http.post(
        f"/_sandbox/accounts/pinterest/{account['external_id']}/act", json={"kind": "dance"}
    )
    assert told.status_code == 400 and "dance" in told.text
    await world.act(account, "revoke")
    await ask(world, account, "GET", "/user_account", 401)
