"""The Instagram adapter against the sandbox's Instagram, in process."""

from datetime import timedelta
from typing import Any

import pytest

from domain.content import ContentKind, Happening, MediaKind, RemarkKind
from domain.secrets import Secret
from platforms.base import AuthorizeRequest
from platforms.instagram.adapter import Instagram
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter
from tests.unit.platforms.support import CALLBACK, World, app_of, grant_of, list_all, ok

IG = Instagram()
DAY_S = 86_400


async def connect(world: World, account: dict[str, Any]) -> Any:
    request = AuthorizeRequest(app_of(account), CALLBACK, "state-1", IG.spec.default_scopes)
    code = await world.consent(IG, request, account["external_id"])
    return await IG.exchange(world.http, app_of(account), code, CALLBACK, None)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_connecting_ends_with_a_lasting_token(world: World, wrapped: bool) -> None:
    account = await world.account("instagram")
    await world.ask("PUT", f"/apps/{account['app']['id']}", {"wrapped_tokens": wrapped})
    grant = ok(await connect(world, account))
    assert grant.refresh_token is None
    assert grant.expires_in_s > 50 * DAY_S
    assert set(grant.scopes) == set(IG.spec.default_scopes)
    profile = ok(await IG.profile(world.http, grant.access_token))
    assert profile.external_id == account["external_id"], "the id that webhooks name"
    assert profile.username == account["username"]
    assert profile.alias_ids
    assert profile.external_id not in profile.alias_ids


async def test_the_lasting_token_is_asked_for_again_when_that_fails(world: World) -> None:
    account = await world.account("instagram")
    fault = {"platform": "instagram", "host": "graph.instagram.com", "path": "/access_token"}
    await world.ask("POST", "/faults", {**fault, "kind": "status", "status": 500, "count": 1})
    assert isinstance(await connect(world, account), Ok)
    await world.ask("POST", "/faults", {**fault, "kind": "status", "status": 500})
    outcome = await connect(world, account)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "code_spent"


async def test_extending_a_token(world: World) -> None:
    account = await world.account("instagram")
    app, grant = app_of(account), grant_of(account)
    young = await IG.refresh(world.http, app, grant, 5.0)
    assert not isinstance(young, Ok | ReauthRequired), "younger than a day"
    await world.ask("POST", "/clock", {"advance_s": 2 * DAY_S})
    extended = ok(await IG.refresh(world.http, app, grant, 5.0))
    assert extended.expires_in_s > 50 * DAY_S
    ok(await IG.profile(world.http, extended.access_token))
    await world.ask("POST", "/clock", {"advance_s": 61 * DAY_S})
    assert await IG.refresh(world.http, app, extended, 5.0) == ReauthRequired("token_expired")


async def test_a_removed_app_is_named(world: World) -> None:
    account = await world.account("instagram")
    path = f"/accounts/instagram/{account['external_id']}/token"
    await world.ask("POST", path, {"action": "revoke"})
    dead = await IG.profile(world.http, Secret(account["access_token"]))
    assert isinstance(dead, ReauthRequired)
    assert dead.reason in ("app_removed", "password_changed")


async def test_every_media_is_listed_once_and_normalised(world: World) -> None:
    account = await world.account("instagram", posts=130)
    told = {row["id"]: row for row in await world.content(account)}
    pages = await list_all(IG, world.http, account, "media")
    items = [item for page in pages for item in page.items]
    assert len(pages) == 3
    assert len({i.external_id for i in items}) == len(items)
    assert {i.external_id for i in items} == {i for i, row in told.items() if row["kind"] != "story"}
    kinds = {ContentKind.PHOTO, ContentKind.REEL, ContentKind.CAROUSEL}
    assert {i.kind for i in items} >= kinds
    for item in items:
        row = told[item.external_id]
        assert item.text.text == row["text"]
        assert item.engagement.likes in (None, row["metrics"]["likes"])
        assert item.engagement.comments == row["metrics"]["comments"]
        assert item.published_at is not None
        assert item.permalink
        if item.kind is ContentKind.CAROUSEL:
            assert len(item.media) >= 2
            assert all(m.kind is not MediaKind.UNKNOWN for m in item.media)
    assert any(i.text.hashtags for i in items)
    edge = items[20].published_at
    assert edge is not None
    newer = await list_all(IG, world.http, account, "media", since=edge + timedelta(milliseconds=1))
    assert [i.external_id for p in newer for i in p.items] == [i.external_id for i in items[:21]]


async def test_comments_are_listed_with_their_replies(world: World) -> None:
    account = await world.account("instagram", posts=60)
    ledger = (await world.ask("GET", "/ledger"))["comments"][f"instagram:{account['external_id']}"]
    words = [r for page in await list_all(IG, world.http, account, "comments") for r in page.remarks]
    by_id = {row["id"]: row for row in ledger}
    assert len(words) == len(by_id) > 20 and {r.external_id for r in words} == set(by_id)
    assert any(r.parent_id for r in words) and any(r.author.username for r in words)
    for remark in words:
        row = by_id[remark.external_id]
        assert remark.kind is RemarkKind.COMMENT and remark.text.text and remark.author.external_id
        assert remark.content_id == row["content_id"]
        assert remark.parent_id == (None if row["parent_id"] == row["content_id"] else row["parent_id"])
    newest = max(r.at for r in words if r.at)
    (recent,) = await list_all(IG, world.http, account, "comments", since=newest)
    assert recent.remarks and {r.at for r in recent.remarks} == {newest}


async def test_stories(world: World) -> None:
    account = await world.account("instagram", posts=10)
    token = Secret(account["access_token"])
    story = (await world.act(account, kind="story", media="image"))["id"]
    (page,) = await list_all(IG, world.http, account, "stories")
    assert story in [i.external_id for i in page.items]
    assert {i.kind for i in page.items} == {ContentKind.STORY}
    await world.ask("POST", "/clock", {"advance_s": 25 * 3600})
    (page,) = await list_all(IG, world.http, account, "stories")
    assert page.items == ()
    gone = ok(await IG.read_items(world.http, token, account["external_id"], [story]))
    assert gone.gone == {story} or gone.items[0].external_id == story


async def test_usage_headers_and_throttling(world: World) -> None:
    account = await world.account("instagram")
    token = Secret(account["access_token"])
    await world.ask(
        "PUT", "/limits", {"platform": "instagram", "family": "business", "limit": 4, "window_s": 3600}
    )
    first = await IG.profile(world.http, token)
    assert isinstance(first, Ok)
    used = {(r.scope, r.limit - r.remaining) for r in first.readings}
    assert (LimitScope.ACCOUNT, 25) in used
    for _ in range(3):
        await IG.profile(world.http, token)
    limited = await IG.profile(world.http, token)
    assert isinstance(limited, RetryAfter)
    assert limited.rate_limited
    assert limited.scope is LimitScope.ACCOUNT
    assert 3000 < limited.seconds <= 3600


@pytest.mark.parametrize("dialect", ["changes", "flat"])
async def test_webhooks_from_subscription_to_event(world: World, dialect: str) -> None:
    account = await world.account("instagram", posts=3)
    app, token = app_of(account), Secret(account["access_token"])
    world.receiver.platform, world.receiver.app = IG, app
    change = {"webhook_url": "https://shop.example/webhooks/instagram/default", "dialect": dialect}
    assert (await world.ask("PUT", f"/apps/{app.id}", change))["verified"]
    assert ok(await IG.subscribe(world.http, app, token, account["external_id"], "ignored")) is None
    await world.ask("PUT", "/delivery", {"hold": True, "batch": 10})
    media = (await world.content(account))[0]["id"]
    comment = await world.act(
        account, kind="comment", content_id=media, text="Schön! <Preis> 100%? @kiln_co 😀"
    )
    message = await world.act(account, kind="message", text="Hi")
    mention = await world.act(account, kind="mention", text="look")
    await world.ask("PUT", "/delivery", {"hold": False, "batch": 10})
    await world.settled()
    await world.ask("POST", "/redeliver", {"last": 10, "regroup": True})
    await world.settled()
    ids = []
    events = {}
    for headers, body in world.receiver.received:
        assert IG.verify(app, headers, body)
        assert not IG.verify(app, headers, body.replace(b"Sch", b"sch") + b" ")
        for entry in IG.split(body):
            ids.append(entry.event_id)
            event = IG.parse(entry)
            events[event.subject_id] = event
            assert event.external_id == account["external_id"]
    assert len(set(ids)) == len(events)
    assert len(ids) == 2 * len(events), "repeated and regrouped: the same ids"
    words = events[comment["id"]]
    assert words.what is Happening.REMARKED
    assert words.remark is not None
    assert words.remark.text.text == "Schön! <Preis> 100%? @kiln_co 😀"
    assert words.remark.text.mentions == ("kiln_co",)
    assert words.content_id == media
    assert words.occurred_at is not None
    direct = events[message["id"]].remark
    assert direct is not None
    assert (direct.kind, direct.text.text) == (RemarkKind.MESSAGE, "Hi")
    assert events[mention["id"]].what is Happening.REMARKED
