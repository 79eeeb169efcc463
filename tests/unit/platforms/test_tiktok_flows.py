"""The TikTok adapter against the sandbox's TikTok, in process."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.content import ContentKind, Happening, MediaKind
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, PageQuery
from platforms.outcome import LimitScope, Ok, Rejected, RetryAfter
from platforms.tiktok.adapter import Tiktok
from tests.unit.platforms.support import CALLBACK, World, app_of, list_all, ok

TT = Tiktok()
VERIFIER = "v" * 64


def consent_request(account: dict[str, Any], verifier: str = VERIFIER) -> AuthorizeRequest:
    return AuthorizeRequest(app_of(account), CALLBACK, "state-1", TT.spec.default_scopes, verifier)


@pytest.mark.parametrize(("dialect", "lifetime_s"), [("two_hours", 7200), ("one_day", 86_400)])
async def test_connecting_by_code_and_pkce(world: World, dialect: str, lifetime_s: int) -> None:
    account = await world.account("tiktok")
    await world.ask("PUT", f"/apps/{account['app']['id']}", {"dialect": dialect})
    code = await world.consent(TT, consent_request(account), account["external_id"])
    grant = ok(await TT.exchange(world.http, app_of(account), code, CALLBACK, VERIFIER))
    assert grant.refresh_token is not None
    assert grant.expires_in_s == lifetime_s, "the answer decides, not the spec"
    assert set(grant.scopes) == set(TT.spec.default_scopes)
    assert grant.external_id == account["external_id"]
    (found,) = ok(await TT.connectables(world.http, app_of(account), grant))
    profile = found.profile
    assert (profile.external_id, profile.username) == (account["external_id"], account["username"])
    assert profile.follower_count is not None
    assert str(AccountId.parse(f"tiktok:{profile.external_id}:org_a")).startswith("tiktok:-000")
    again = await TT.exchange(world.http, app_of(account), code, CALLBACK, VERIFIER)
    assert isinstance(again, Rejected), "a code works once"


async def test_a_person_may_grant_a_part(world: World) -> None:
    account = await world.account("tiktok")
    query = parse_qs(urlsplit(TT.authorize_url(consent_request(account))).query)
    form = {name: values[0] for name, values in query.items()}
    form |= {"user": account["external_id"], "decision": "approve", "granted": "user.info.basic"}
    answer = await world.control.post("/www.tiktok.com/v2/auth/authorize/", data=form)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    grant = ok(await TT.exchange(world.http, app_of(account), code, CALLBACK, VERIFIER))
    assert grant.scopes == ("user.info.basic",)
    profile = ok(await TT.profile(world.http, grant.access_token))
    assert profile.external_id == account["external_id"]
    assert profile.follower_count is None, "not granted is not zero"
    assert profile.username == profile.display_name
    listing = await TT.list_page(
        world.http, grant.access_token, profile.external_id, PageQuery(TT.spec.sources[0])
    )
    assert isinstance(listing, Rejected)
    assert listing.code == "scope_not_authorized"


async def test_every_public_video_is_listed_once_and_normalised(world: World) -> None:
    account = await world.account("tiktok", posts=130)
    told = {row["id"]: row for row in await world.content(account)}
    hidden = list(told)[40]
    await world.act(account, kind="private", content_id=hidden)
    pages = await list_all(TT, world.http, account, "videos")
    items = [item for page in pages for item in page.items]
    assert len(pages) == 7
    assert any(len(page.items) == 19 for page in pages), "a page may be short although there is more"
    assert [i.external_id for i in items] == [i for i in reversed(told) if i != hidden]
    assert {i.kind for i in items} == {ContentKind.VIDEO, ContentKind.PHOTO}
    for item in items:
        row = told[item.external_id]
        assert item.text.text == row["text"][:150].strip()
        assert item.engagement.likes == row["metrics"]["likes"]
        assert item.engagement.views == row["metrics"]["views"]
        assert item.engagement.shares == row["metrics"]["shares"]
        assert item.published_at is not None
        assert item.permalink
        (medium,) = item.media
        assert (medium.kind is MediaKind.VIDEO) == (medium.duration_ms is not None)
    assert any(item.text.hashtags for item in items)
    assert any(item.text.links for item in items)


async def test_an_incremental_listing_reaches_back_to_the_overlap(world: World) -> None:
    account = await world.account("tiktok", posts=60)
    items = [i for page in await list_all(TT, world.http, account, "videos") for i in page.items]
    edge = items[24].published_at
    assert edge is not None
    for since in (edge, edge + timedelta(milliseconds=1)):  # TikTok knows only seconds
        pages = await list_all(TT, world.http, account, "videos", since=since)
        assert len(pages) == 2
        assert [i.external_id for p in pages for i in p.items] == [i.external_id for i in items[:25]]


async def test_reading_by_id_tells_what_is_gone(world: World) -> None:
    account, other = await world.account("tiktok", posts=4), await world.account("tiktok", seed="other")
    token = Secret(account["access_token"])
    kept, dead, private = [row["id"] for row in (await world.content(account))[:3]]
    foreign = (await world.content(other))[0]["id"]
    await world.act(account, kind="delete", content_id=dead)
    await world.act(account, kind="private", content_id=private)
    await world.act(account, kind="like", content_id=kept)
    ids = [kept, dead, private, foreign, "1"]
    reads = ok(await TT.read_items(world.http, token, account["external_id"], ids))
    assert [i.external_id for i in reads.items] == [kept]
    assert reads.gone == {dead, private, foreign, "1"}


async def test_a_spent_window_says_how_long(world: World) -> None:
    account = await world.account("tiktok")
    rule = {"platform": "tiktok", "path": "/v2/user/info/", "limit": 1, "window_s": 60}
    await world.ask("PUT", "/limits", rule)
    token = Secret(account["access_token"])
    ok(await TT.profile(world.http, token))
    limited = await TT.profile(world.http, token)
    assert isinstance(limited, RetryAfter)
    assert (limited.rate_limited, limited.family) == (True, "user_info")
    assert (limited.scope, limited.seconds) == (LimitScope.ACCOUNT, 60)


async def test_webhooks_to_event(world: World) -> None:
    account = await world.account("tiktok", posts=3)
    app = app_of(account)
    world.receiver.platform, world.receiver.app = TT, app
    url = "https://shop.example/webhooks/tiktok/default"
    assert (await world.ask("PUT", f"/apps/{app.id}", {"webhook_url": url}))["verified"]
    assert isinstance(
        await TT.subscribe(world.http, app, Secret(account["access_token"]), account["external_id"], url), Ok
    )
    await world.act(account, kind="revoke")
    await world.settled()
    ((headers, body),) = world.receiver.received
    assert TT.verify(app, headers, body)
    assert not TT.verify(app, headers, body + b" ")
    (entry,) = TT.split(body)
    event = TT.parse(entry)
    assert (event.what, event.external_id) == (Happening.ACCESS_REVOKED, account["external_id"])
    assert event.occurred_at is not None
    await world.ask("POST", "/redeliver", {"last": 5})
    await world.settled()
    assert [e.event_id for _, b in world.receiver.received for e in TT.split(b)] == [event.event_id] * 2
