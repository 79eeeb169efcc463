"""The Facebook adapter against the sandbox's Facebook, in process."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.content import ContentKind, Happening, MediaKind, RemarkKind
from domain.secrets import Secret
from platforms.base import AuthorizeRequest
from platforms.facebook.adapter import Facebook
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter
from tests.unit.platforms.support import CALLBACK, World, app_of, grant_of, list_all, ok

FB = Facebook()
DAY_S = 86_400


async def consent(world: World, account: dict[str, Any], pages: str) -> str:
    request = AuthorizeRequest(app_of(account), CALLBACK, "state-1", FB.spec.default_scopes)
    return await world.consent(FB, request, pages)


async def connect(world: World, account: dict[str, Any], pages: str | None = None) -> Any:
    code = await consent(world, account, account["external_id"] if pages is None else pages)
    return await FB.exchange(world.http, app_of(account), code, CALLBACK, None)


async def test_one_consent_opens_several_pages_with_lasting_tokens(world: World) -> None:
    first, second = await world.account("facebook"), await world.account("facebook", seed="moon")
    grant = ok(await connect(world, first, f"{first['external_id']},{second['external_id']}"))
    assert grant.expires_in_s > 50 * DAY_S, "the person's own token"
    assert set(grant.scopes) == set(FB.spec.default_scopes)
    assert grant.person_id
    assert 89 * DAY_S < grant.data_access_in_s <= 90 * DAY_S
    found = ok(await FB.connectables(world.http, app_of(first), grant))
    assert {c.profile.external_id for c in found} == {first["external_id"], second["external_id"]}
    assert len({c.grant.access_token for c in found} | {grant.access_token}) == 3
    for page in found:
        assert page.grant.expires_in_s is None
        assert page.grant.person_id == grant.person_id
        profile = ok(await FB.profile(world.http, page.grant.access_token))
        assert profile == page.profile
    await world.ask("POST", "/clock", {"advance_s": 80 * DAY_S})
    assert isinstance(await FB.profile(world.http, grant.access_token), ReauthRequired), "it has an end"
    assert isinstance(await FB.profile(world.http, found[0].grant.access_token), Ok), "a page's has none"


async def test_a_person_without_pages_opens_nothing(world: World) -> None:
    account = await world.account("facebook")
    grant = ok(await connect(world, account, ""))
    assert ok(await FB.connectables(world.http, app_of(account), grant)) == ()


async def test_hundreds_of_pages_are_all_listed(world: World) -> None:
    made = [await world.account("facebook", posts=0, seed=f"s{n}") for n in range(130)]
    pages = ",".join(account["external_id"] for account in made)
    grant = ok(await connect(world, made[0], pages))
    found = ok(await FB.connectables(world.http, app_of(made[0]), grant))
    assert {c.profile.external_id for c in found} == {account["external_id"] for account in made}


async def test_a_code_works_once(world: World) -> None:
    account = await world.account("facebook")
    code = await consent(world, account, account["external_id"])
    assert isinstance(await FB.exchange(world.http, app_of(account), code, CALLBACK, None), Ok)
    again = await FB.exchange(world.http, app_of(account), code, CALLBACK, None)
    assert isinstance(again, Rejected)
    assert again.code == "100/36009"
    late = await consent(world, account, account["external_id"])
    await world.ask("POST", "/clock", {"advance_s": 3600})
    assert isinstance(await FB.exchange(world.http, app_of(account), late, CALLBACK, None), Rejected)


async def test_the_lasting_token_is_asked_for_again_when_that_fails(world: World) -> None:
    account = await world.account("facebook")
    fault = {"platform": "facebook", "path": "/debug_token", "kind": "status", "status": 500}
    await world.ask("POST", "/faults", fault)
    grant = ok(await connect(world, account))
    assert grant.scopes is None, "what the token may do is not known; the code is spent, so it goes on"
    # One call of the exchange gets through, the ones after it do not.
    await world.ask("POST", "/faults", {"platform": "facebook", "kind": "latency", "latency_ms": 0})
    code = await consent(world, account, account["external_id"])
    await world.ask("POST", "/faults", {**fault, "path": "/oauth/access_token"})
    outcome = await FB.exchange(world.http, app_of(account), code, CALLBACK, None)
    assert not isinstance(outcome, Ok | ReauthRequired)


async def test_confirming_a_pages_token(world: World) -> None:
    account = await world.account("facebook")
    app, grant = app_of(account), grant_of(account)
    confirmed = ok(await FB.refresh(world.http, app, grant, 5.0))
    assert confirmed.access_token == grant.access_token
    assert confirmed.expires_in_s is None
    assert confirmed.refresh_token is None, "nothing is given, so nothing is overwritten"
    assert confirmed.data_access_in_s > 80 * DAY_S
    path = f"/accounts/facebook/{account['external_id']}/token"
    await world.ask("POST", path, {"action": "expire"})
    assert await FB.refresh(world.http, app, grant, 5.0) == ReauthRequired("token_expired")
    unknown = grant_of({**account, "access_token": "EAAnonsense"})
    assert await FB.refresh(world.http, app, unknown, 5.0) == ReauthRequired("token_invalid")


async def test_a_removed_app_is_named(world: World) -> None:
    account = await world.account("facebook")
    await world.act(account, kind="revoke")
    dead = await FB.profile(world.http, Secret(account["access_token"]))
    assert dead == ReauthRequired("app_removed")


async def test_every_post_is_listed_once_and_normalised(world: World) -> None:
    account = await world.account("facebook", posts=130)
    told = {row["id"]: row for row in await world.content(account)}
    pages = await list_all(FB, world.http, account, "posts")
    items = [item for page in pages for item in page.items]
    assert len(pages) == 3
    assert len({i.external_id for i in items}) == len(items)
    assert {i.external_id for i in items} == {i for i, row in told.items() if row["kind"] != "story"}
    expected = {
        "post": ContentKind.POST,
        "link": ContentKind.POST,
        "image": ContentKind.PHOTO,
        "carousel": ContentKind.CAROUSEL,
        "video": ContentKind.VIDEO,
        "reel": ContentKind.REEL,
    }
    for item in items:
        row = told[item.external_id]
        assert item.kind is expected[row["kind"]], row
        assert item.text.text == row["text"]
        assert item.engagement.likes == row["metrics"]["likes"]
        assert item.engagement.comments == row["metrics"]["comments"]
        assert (item.engagement.shares or 0) == row["metrics"]["shares"]
        assert len(item.media) == (0 if row["kind"] in ("post", "link") else len(row["media"]))
        assert item.published_at is not None
        assert item.permalink
    assert {m.kind for i in items for m in i.media} == {MediaKind.IMAGE, MediaKind.VIDEO}
    assert any(i.text.links for i in items if told[i.external_id]["kind"] == "link")
    assert any(i.text.hashtags for i in items)
    assert any(i.text.mentions for i in items)
    assert all(name in i.text.text for i in items for name in i.text.mentions)


async def test_a_reel_is_one_piece_of_content_in_both_lists(world: World) -> None:
    account = await world.account("facebook", posts=60)
    reels = [i for page in await list_all(FB, world.http, account, "reels") for i in page.items]
    posts = {
        i.external_id: i for page in await list_all(FB, world.http, account, "posts") for i in page.items
    }
    assert reels
    for reel in reels:
        assert reel.kind is posts[reel.external_id].kind is ContentKind.REEL
        assert reel.media[0].duration_ms
        assert reel.engagement.likes == posts[reel.external_id].engagement.likes


async def test_an_incremental_listing_reaches_back_to_the_overlap(world: World) -> None:
    account = await world.account("facebook", posts=60)
    items = [i for page in await list_all(FB, world.http, account, "posts") for i in page.items]
    edge = items[20].published_at
    assert edge is not None
    again = [
        i.external_id
        for page in await list_all(FB, world.http, account, "posts", since=edge - timedelta(seconds=1))
        for i in page.items
    ]
    assert again[:21] == [i.external_id for i in items[:21]]


async def test_stories(world: World) -> None:
    account = await world.account("facebook", posts=10)
    story = (await world.act(account, kind="story", media="image"))["id"].partition("_")[2]
    (page,) = await list_all(FB, world.http, account, "stories")
    assert story in [i.external_id for i in page.items]
    assert {i.kind for i in page.items} == {ContentKind.STORY}
    token = Secret(account["access_token"])
    reads = ok(await FB.read_items(world.http, token, account["external_id"], [story]))
    assert reads.gone == frozenset()
    await world.ask("POST", "/clock", {"advance_s": 25 * 3600})
    (page,) = await list_all(FB, world.http, account, "stories")
    assert page.items == ()


async def test_mentions_and_comments_are_listed(world: World) -> None:
    account = await world.account("facebook", posts=60)
    mention = await world.act(account, kind="mention", text="Look at this")
    tags = [r for page in await list_all(FB, world.http, account, "tagged") for r in page.remarks]
    assert mention["id"] in [r.external_id for r in tags]
    assert {r.kind for r in tags} == {RemarkKind.MENTION}
    assert all(r.author.name and r.at for r in tags)
    ledger = (await world.ask("GET", "/ledger"))["comments"][f"facebook:{account['external_id']}"]
    words = [r for page in await list_all(FB, world.http, account, "comments") for r in page.remarks]
    assert {r.external_id for r in words} == {row["id"] for row in ledger}
    by_id = {row["id"]: row for row in ledger}
    for remark in words:
        row = by_id[remark.external_id]
        assert remark.content_id == row["content_id"]
        assert remark.parent_id == (None if row["parent_id"] == row["content_id"] else row["parent_id"])
    newest = max(r.at for r in words if r.at)
    (recent,) = await list_all(FB, world.http, account, "comments", since=newest)
    assert [r.at for r in recent.remarks] == [newest] * len(recent.remarks)


async def test_reading_by_id_in_one_request(world: World) -> None:
    account = await world.account("facebook", posts=30)
    ids = [row["id"] for row in await world.content(account) if row["kind"] != "story"][:25]
    await world.act(account, kind="delete", content_id=ids[3])
    before = (await world.ask("GET", "/ledger"))["calls"].get("POST /", {})
    token = Secret(account["access_token"])
    reads = ok(await FB.read_items(world.http, token, account["external_id"], ids))
    assert reads.gone == {ids[3]}
    assert [i.external_id for i in reads.items] == [i for i in ids if i != ids[3]]
    after = (await world.ask("GET", "/ledger"))["calls"]["POST /"]
    assert after["200"] - before.get("200", 0) == 1


async def test_usage_headers_and_throttling(world: World) -> None:
    account = await world.account("facebook")
    token = Secret(account["access_token"])
    limit = {"platform": "facebook", "family": "pages", "limit": 4, "window_s": 3600}
    await world.ask("PUT", "/limits", limit)
    first = await FB.profile(world.http, token)
    assert isinstance(first, Ok)
    assert (LimitScope.ACCOUNT, 25) in {(r.scope, r.limit - r.remaining) for r in first.readings}
    for _ in range(3):
        await FB.profile(world.http, token)
    limited = await FB.profile(world.http, token)
    assert isinstance(limited, RetryAfter)
    assert (limited.rate_limited, limited.scope) == (True, LimitScope.ACCOUNT)
    assert 3000 < limited.seconds <= 3600
    batch = await FB.read_items(world.http, token, account["external_id"], ["1_2"])
    assert isinstance(batch, RetryAfter), "a limited part of a batch is told like any other"


async def test_after_ninety_days_data_is_refused_and_the_token_is_not_dead(world: World) -> None:
    account = await world.account("facebook")
    await world.ask("POST", "/clock", {"advance_s": 91 * DAY_S})
    outcome = await FB.profile(world.http, Secret(account["access_token"]))
    assert isinstance(outcome, Rejected)


HOOK = "https://shop.example/webhooks/facebook/default"


async def listening(world: World, account: dict[str, Any]) -> Any:
    """The receiver plays Rookery; the app is told of it by the adapter alone."""
    app = app_of(account)
    world.receiver.platform, world.receiver.app = FB, app
    await world.ask("PUT", f"/apps/{app.id}", {"auto_subscribe": False})
    outcome = await FB.subscribe(
        world.http, app, Secret(account["access_token"]), account["external_id"], HOOK
    )
    assert ok(outcome) is None
    return app


async def test_subscribing_sets_app_and_page_and_may_be_repeated(world: World) -> None:
    account = await world.account("facebook", posts=3)
    app = await listening(world, account)
    token = Secret(account["access_token"])
    assert (await world.act(account, kind="comment"))["event_ids"]
    before = (await world.ask("GET", "/ledger"))["calls"]["POST /:id/subscriptions"]
    ok(await FB.subscribe(world.http, app, token, account["external_id"], HOOK))
    assert (await world.ask("GET", "/ledger"))["calls"]["POST /:id/subscriptions"] == before
    elsewhere = await FB.subscribe(world.http, app, token, account["external_id"], f"{HOOK}2")
    assert isinstance(elsewhere, Rejected)
    assert elsewhere.code == "callback_elsewhere"


async def test_webhooks_from_subscription_to_event(world: World) -> None:
    account = await world.account("facebook", posts=3)
    app = await listening(world, account)
    await world.ask("PUT", "/delivery", {"hold": True, "batch": 10})
    post = (await world.content(account))[0]["id"]
    text = "Schön! <Preis> 100%? #neu 😀"
    comment = await world.act(account, kind="comment", content_id=post, text=text)
    reply = await world.act(account, kind="comment", content_id=comment["id"], text="Ja")
    await world.act(account, kind="edit", content_id=reply["id"], text="Nein")
    gone = await world.act(account, kind="comment", content_id=post, text="Weg")
    await world.act(account, kind="delete", content_id=gone["id"])
    await world.act(account, kind="like", content_id=post)
    await world.act(account, kind="unlike", content_id=post)
    await world.act(account, kind="share", content_id=post)
    mention = await world.act(account, kind="mention", text="look")
    rating = await world.act(account, kind="rating", text="Sehr gut")
    made = await world.act(account, kind="post", text="Neu #da", media="image")
    await world.act(account, kind="edit", content_id=made["id"], text="Neu!")
    await world.act(account, kind="delete", content_id=made["id"])
    await world.ask("PUT", "/delivery", {"hold": False, "batch": 10})
    await world.settled()
    await world.ask("POST", "/redeliver", {"last": 30, "regroup": True})
    await world.settled()
    ids: list[str] = []
    events: dict[str, Any] = {}
    for headers, body in world.receiver.received:
        assert FB.verify(app, headers, body)
        assert not FB.verify(app, headers, body + b" ")
        for entry in FB.split(body):
            ids.append(entry.event_id)
            event = FB.parse(entry)
            events[entry.event_id] = event
            assert event.external_id == account["external_id"]
    assert len(ids) == 2 * len(set(ids)), "repeated and regrouped: the same ids"
    told = [(e.what, e.subject_id) for e in events.values()]
    assert told == [
        (Happening.REMARKED, comment["id"]),
        (Happening.REMARKED, reply["id"]),
        (Happening.REMARKED, reply["id"]),
        (Happening.REMARKED, gone["id"]),
        (Happening.REMARK_DELETED, gone["id"]),
        (Happening.LIKED, post),
        (Happening.UNLIKED, post),
        (Happening.SHARED, told[7][1]),
        (Happening.REMARKED, mention["id"]),
        (Happening.REMARKED, rating["id"]),
        (Happening.CONTENT_CREATED, made["id"]),
        (Happening.CONTENT_EDITED, made["id"]),
        (Happening.CONTENT_DELETED, made["id"]),
    ]
    first, second, edited = list(events.values())[:3]
    assert first.remark.text.text == text
    assert first.remark.text.hashtags == ("neu",)
    assert (first.content_id, first.remark.parent_id) == (post, None)
    assert (second.content_id, second.remark.parent_id) == (post, comment["id"])
    assert edited.remark.text.text == "Nein"
    assert all(e.content_id == post for e in events.values() if e.what is Happening.LIKED)
    created = next(e for e in events.values() if e.what is Happening.CONTENT_CREATED)
    assert created.content.kind is ContentKind.PHOTO
    assert len(created.content.media) == 1


async def test_a_revoked_permission_is_told_to_each_page(world: World) -> None:
    first, second = await world.account("facebook", posts=1), await world.account("facebook", 1, "moon")
    app = await listening(world, first)
    grant = ok(await connect(world, first, f"{first['external_id']},{second['external_id']}"))
    for page in ok(await FB.connectables(world.http, app, grant)):
        ok(await FB.subscribe(world.http, app, page.grant.access_token, page.profile.external_id, HOOK))
    await world.act(first, kind="revoke")
    await world.settled()
    events = [FB.parse(e) for _, body in world.receiver.received for e in FB.split(body)]
    revoked = {e.external_id for e in events if e.what is Happening.ACCESS_REVOKED}
    assert revoked == {first["external_id"], second["external_id"]}


async def test_the_farewell_of_a_person(world: World) -> None:
    account = await world.account("facebook")
    app = app_of(account)
    world.receiver.platform, world.receiver.app = FB, app
    addresses = {"deauthorize_url": f"{HOOK}/bye", "data_deletion_url": f"{HOOK}/forget"}
    await world.ask("PUT", f"/apps/{app.id}", addresses)
    person = ok(await connect(world, account)).person_id
    await world.act(account, kind="delete_data")
    async with asyncio.timeout(5):
        while len(world.receiver.received) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        while {f"{HOOK}/bye", f"{HOOK}/forget"} != await answered(world):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    requests = [body.decode().partition("signed_request=")[2] for _, body in world.receiver.received]
    assert requests
    for request in requests:
        told = FB.farewell(app, request)
        assert told is not None
        assert told.person_id == person
        assert FB.farewell(app, request[:-2]) is None
        assert FB.farewell(app, "x" + request[1:]) is None
        event = FB.parse(FB.farewell_entry(account["external_id"], told))
        assert (event.what, event.occurred_at) == (Happening.ACCESS_REVOKED, told.at)


async def answered(world: World) -> set[str]:
    """Addresses of the application that answered what was posted to them, as the platform saw it."""
    callbacks = (await world.ask("GET", "/ledger"))["callbacks"]
    return {row["url"] for row in callbacks if row["status"] == 200}


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "=.=", "x" * 10_000])
def test_nonsense_is_no_farewell(text: str) -> None:
    account = {"platform": "facebook", "app": {"id": "1", "client_id": "1"}}
    account["app"] |= {"client_secret": "s", "webhook_secret": "s"}  # type: ignore[operator]
    assert FB.farewell(app_of(account), text) is None
