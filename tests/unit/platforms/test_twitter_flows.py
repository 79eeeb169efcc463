"""The X adapter against the sandbox's X, in process."""

from datetime import timedelta

from domain.content import ContentKind, Engagement, Happening, RemarkKind
from domain.secrets import Secret
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter
from platforms.twitter.adapter import Twitter
from tests.unit.platforms.support import World, app_of, grant_of, list_all, ok

X = Twitter()


async def test_refresh_rotates_and_reuse_needs_a_person(world: World) -> None:
    account = await world.account("twitter")
    app, first = app_of(account), grant_of(account)
    second = ok(await X.refresh(world.http, app, first, 5.0))
    assert second.refresh_token is not None
    assert second.refresh_token != first.refresh_token
    ok(await X.profile(world.http, second.access_token))
    spent = await X.refresh(world.http, app, first, 5.0)
    assert spent == ReauthRequired("refresh_token_invalid")
    dead = await X.profile(world.http, second.access_token)
    assert dead == ReauthRequired("token_refused"), "reuse kills the family"


async def test_every_post_is_listed_once_and_normalised(world: World) -> None:
    account = await world.account("twitter", posts=230)
    told = {row["id"]: row for row in await world.content(account)}
    pages = await list_all(X, world.http, account, "posts")
    items = [item for page in pages for item in page.items]
    assert len(pages) >= 3
    assert len({i.external_id for i in items}) == len(items)
    assert {i.external_id for i in items} == set(told)
    assert {i.kind for i in items} >= {ContentKind.POST, ContentKind.PHOTO, ContentKind.VIDEO}
    for item in items:
        row = told[item.external_id]
        assert item.text.text == row["text"]
        if row["kind"] == "repost":
            assert item.engagement == Engagement(), "a repost tells the original's numbers"
        else:
            assert item.engagement.likes == row["metrics"]["likes"]
            assert item.engagement.views == row["metrics"]["views"]
        assert item.published_at is not None
        assert all("t.co" not in link for link in item.text.links)
        assert all(f"#{tag}" in item.text.text for tag in item.text.hashtags)
    assert any(item.text.links for item in items)
    assert any(item.text.hashtags for item in items)


async def test_an_incremental_listing_reaches_back_to_the_overlap(world: World) -> None:
    account = await world.account("twitter", posts=30)
    items = [i for page in await list_all(X, world.http, account, "posts") for i in page.items]
    edge = items[9].published_at
    assert edge is not None
    for since in (edge, edge + timedelta(milliseconds=1)):  # X knows only seconds: rounded down, inclusive
        pages = await list_all(
            X, world.http, account, "posts", since=since, newer_than_id=items[0].external_id
        )
        again = [i.external_id for page in pages for i in page.items]
        assert again == [i.external_id for i in items[:10]]
    newer = await list_all(X, world.http, account, "posts", newer_than_id=items[3].external_id)
    assert [i.external_id for page in newer for i in page.items] == [i.external_id for i in items[:3]]


async def test_mentions_replies_and_quotes_are_remarks(world: World) -> None:
    account = await world.account("twitter", posts=3)
    post = (await world.content(account))[0]["id"]
    reply = (await world.act(account, kind="comment", content_id=post, text="Dishwasher safe? #Ton"))["id"]
    mention = (await world.act(account, kind="mention", text="hello"))["id"]
    quote = (await world.act(account, kind="quote", content_id=post, text="look"))["id"]
    remarks = {
        r.external_id: r for p in await list_all(X, world.http, account, "mentions") for r in p.remarks
    }
    assert remarks[mention].kind is RemarkKind.MENTION
    assert remarks[mention].author.username
    for found in (remarks.get(reply), remarks.get(quote)):
        assert found is None or found.kind in (RemarkKind.COMMENT, RemarkKind.QUOTE)


async def test_reading_by_id_tells_what_is_gone_and_follows_edits(world: World) -> None:
    account = await world.account("twitter", posts=4)
    token = Secret(account["access_token"])
    kept, dead, edited = [row["id"] for row in (await world.content(account))[:3]]
    await world.act(account, kind="delete", content_id=dead)
    newer = (await world.act(account, kind="edit", content_id=edited, text="New words"))["id"]
    reads = ok(await X.read_items(world.http, token, account["external_id"], [kept, dead, newer, "1"]))
    assert reads.gone == {dead, "1"}
    items = {item.external_id: item for item in reads.items}
    assert set(items) == {kept, newer}
    assert items[newer].text.text == "New words"
    assert items[newer].replaces == (edited,)
    assert items[newer].edited_at is not None


async def test_a_spent_window_says_whose_and_until_when(world: World) -> None:
    account = await world.account("twitter")
    rule = {"platform": "twitter", "path": "/2/users/me", "limit": 2, "window_s": 900}
    await world.ask("PUT", "/limits", rule)
    token = Secret(account["access_token"])
    first = await X.profile(world.http, token)
    assert isinstance(first, Ok)
    (reading,) = first.readings
    assert (reading.family, reading.scope, reading.limit, reading.remaining) == (
        "users",
        LimitScope.ACCOUNT,
        2,
        1,
    )
    await X.profile(world.http, token)
    limited = await X.profile(world.http, token)
    assert isinstance(limited, RetryAfter)
    assert limited.rate_limited
    assert limited.family == "users"
    assert limited.scope is LimitScope.ACCOUNT
    assert 0 < limited.seconds <= 900


async def test_faults_never_look_like_a_dead_token(world: World) -> None:
    account = await world.account("twitter")
    token = Secret(account["access_token"])
    faults = [{"kind": "status", "status": s} for s in (429, 500, 503)]
    faults += [{"kind": "html", "status": s} for s in (403, 404, 502)] + [{"kind": "disconnect"}]
    for fault in faults:
        await world.ask("POST", "/faults", {"platform": "twitter", "count": 1, **fault})
        try:
            outcome = await X.profile(world.http, token)
        except ConnectionResetError:  # in process there is no connection to cut: see test_http
            continue
        assert isinstance(outcome, RetryAfter), (fault, outcome)
    await world.ask("POST", "/faults", {"platform": "twitter", "count": 1, "kind": "402"})
    wallet = await X.profile(world.http, token)
    assert isinstance(wallet, Rejected)
    assert wallet.code == "402"


async def test_webhooks_from_subscription_to_event(world: World) -> None:
    account = await world.account("twitter", posts=3)
    app, token = app_of(account), Secret(account["access_token"])
    world.receiver.platform, world.receiver.app = X, app
    url = "https://shop.example/webhooks/twitter/default"
    for _ in range(2):  # asking again changes nothing
        assert ok(await X.subscribe(world.http, app, token, account["external_id"], url)) is None
    post = (await world.content(account))[0]["id"]
    reply = await world.act(account, kind="comment", content_id=post, text="Price? 😀")
    like = await world.act(account, kind="like", content_id=post)
    await world.act(account, kind="follow")
    own = await world.act(account, kind="post", text="Fresh from the kiln #ceramics", media="image")
    await world.act(account, kind="delete", content_id=post)
    await world.act(account, kind="profile", text="New bio")
    await world.settled()
    events = []
    for headers, body in world.receiver.received:
        assert X.verify(app, headers, body)
        assert not X.verify(app, headers, body + b" ")
        events += [X.parse(entry) for entry in X.split(body)]
    assert {e.external_id for e in events} == {account["external_id"]}
    assert len({e.event_id for e in events}) == len(events)
    found = {e.what: e for e in events}
    assert {Happening.LIKED, Happening.REMARKED, Happening.FOLLOWED} <= set(found)
    assert {Happening.CONTENT_CREATED, Happening.CONTENT_DELETED, Happening.PROFILE_CHANGED} <= set(found)
    words = next(e for e in events if e.subject_id == reply["id"])
    assert words.remark is not None
    assert words.remark.text.text.endswith("Price? 😀")
    assert words.content_id == post
    assert found[Happening.LIKED].content_id == post
    assert like["event_ids"][0] in found[Happening.LIKED].event_id
    content = found[Happening.CONTENT_CREATED].content
    assert content is not None
    assert (content.external_id, content.kind) == (own["id"], ContentKind.PHOTO)
    assert content.text.hashtags == ("ceramics",)


async def test_the_deprecated_account_activity_shape(world: World) -> None:
    account = await world.account("twitter", posts=3)
    app = app_of(account)
    world.receiver.platform, world.receiver.app = X, app
    change = {"webhook_url": "https://shop.example/webhooks/twitter/default", "dialect": "account_activity"}
    assert (await world.ask("PUT", f"/apps/{app.id}", change))["verified"]
    post = (await world.content(account))[0]["id"]
    reply = await world.act(account, kind="comment", content_id=post, text="Preis?")
    await world.act(account, kind="like", content_id=post)
    await world.act(account, kind="follow")
    await world.act(account, kind="unfollow")
    await world.settled()
    events = [X.parse(e) for _, body in world.receiver.received for e in X.split(body)]
    found = {e.what: e for e in events}
    assert found[Happening.REMARKED].subject_id == reply["id"]
    assert found[Happening.REMARKED].content_id == post
    assert found[Happening.LIKED].content_id == post
    assert Happening.FOLLOWED in found
    assert Happening.UNFOLLOWED in found
