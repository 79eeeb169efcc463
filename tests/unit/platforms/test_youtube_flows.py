"""The YouTube adapter against the sandbox's YouTube, in process."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from domain.content import ContentKind, Happening, RemarkKind
from domain.insights import MetricName
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant, PageQuery
from platforms.capabilities import Access
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter
from platforms.spec import TokenModel
from platforms.youtube import webhooks
from platforms.youtube.adapter import YouTube
from tests.unit.platforms.support import CALLBACK, World, app_of, grant_of, list_all, ok

YT = YouTube()
VERIFIER = "v" * 43


async def connect(world: World, account: dict[str, Any]) -> Any:
    request = AuthorizeRequest(app_of(account), CALLBACK, "state-1", YT.spec.default_scopes, VERIFIER)
    code = await world.consent(YT, request, account["external_id"])
    return await YT.exchange(world.http, app_of(account), code, CALLBACK, VERIFIER)


# -- tokens -------------------------------------------------------------------------------------------


async def test_connecting_gives_a_refresh_token_every_time(world: World) -> None:
    account = await world.account("youtube")
    for _ in range(2):
        grant = ok(await connect(world, account))
        assert grant.refresh_token is not None, "Google gives it again only because consent is asked for"
        assert 3000 < grant.expires_in_s < 3700
        assert set(grant.scopes) == set(YT.spec.default_scopes)
    (found,) = ok(await YT.connectables(world.http, app_of(account), grant))
    assert found.profile.external_id == account["external_id"]
    assert found.profile.username == account["username"]
    assert found.profile.follower_count


async def test_a_refresh_may_be_repeated(world: World) -> None:
    assert YT.spec.token.model is TokenModel.RENEWED
    account = await world.account("youtube")
    app, grant = app_of(account), ok(await connect(world, account))
    first = ok(await YT.refresh(world.http, app, grant, 5.0))
    second = ok(await YT.refresh(world.http, app, grant, 5.0))
    assert first.refresh_token is None and second.refresh_token is None, "the old one goes on"
    assert first.access_token != second.access_token
    for token in (grant.access_token, first.access_token, second.access_token):
        ok(await YT.profile(world.http, token))
    ledger = await world.ask("GET", "/ledger")
    assert [row["outcome"] for row in ledger["refreshes"]] == ["renewed", "renewed"]
    assert ledger["double_refreshes"] == 0


async def test_the_ends_of_a_consent(world: World) -> None:
    account = await world.account("youtube")
    app, grant = app_of(account), ok(await connect(world, account))
    await world.ask("POST", "/clock", {"advance_s": 3600})
    assert await YT.profile(world.http, grant.access_token) == ReauthRequired("token_refused")
    ok(await YT.revoke(world.http, app, grant))
    dead = await YT.refresh(world.http, app, grant, 5.0)
    assert dead == ReauthRequired("refresh_token_invalid")
    assert isinstance(await YT.revoke(world.http, app, grant), Ok), "revoked already is revoked"
    without = Grant(grant.access_token, None, None, None)
    assert await YT.refresh(world.http, app, without, 5.0) == ReauthRequired("no_refresh_token")
    ok(await connect(world, account))


async def test_a_refresh_token_dies_of_half_a_year_unused(world: World) -> None:
    account = await world.account("youtube")
    grant = ok(await connect(world, account))
    await world.ask("POST", "/clock", {"advance_s": 184 * 86_400})
    dead = await YT.refresh(world.http, app_of(account), grant, 5.0)
    assert dead == ReauthRequired("refresh_token_invalid")


async def test_an_unticked_box_is_seen_in_the_scopes_and_named_in_the_refusal(world: World) -> None:
    account = await world.account("youtube")
    request = AuthorizeRequest(app_of(account), CALLBACK, "state-1", YT.spec.default_scopes, VERIFIER)
    parts = urlsplit(YT.authorize_url(request))
    form = {name: values[0] for name, values in parse_qs(parts.query).items()}
    granted = "https://www.googleapis.com/auth/youtube.readonly"
    answer = await world.control.post(
        f"/{parts.netloc}{parts.path}",
        data={**form, "user": account["external_id"], "decision": "approve", "granted": granted},
    )
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    grant = ok(await YT.exchange(world.http, app_of(account), code, CALLBACK, VERIFIER))
    assert grant.scopes == (granted,)
    ok(await YT.profile(world.http, grant.access_token))
    comments = next(s for s in YT.spec.sources if s.remarks)
    refused = await YT.list_page(world.http, grant.access_token, account["external_id"], PageQuery(comments))
    assert isinstance(refused, Rejected)
    assert refused.code == "insufficientPermissions"


# -- reading ------------------------------------------------------------------------------------------


async def test_every_video_is_listed_once_and_normalised(world: World) -> None:
    account = await world.account("youtube", posts=120)
    told = {row["id"]: row for row in await world.content(account)}
    pages = await list_all(YT, world.http, account, "uploads")
    items = [item for page in pages for item in page.items]
    assert [len(page.items) for page in pages] == [50, 50, 20]
    assert {i.external_id for i in items} == set(told)
    assert len(items) == len(told)
    assert {i.kind for i in items} == {ContentKind.VIDEO, ContentKind.SHORT, ContentKind.LIVE}
    for item in items:
        row = told[item.external_id]
        assert item.kind.value == row["kind"]
        assert item.text.text.endswith(row["text"])
        assert item.engagement.views == row["metrics"]["views"]
        assert item.engagement.likes == row["metrics"]["likes"]
        assert item.engagement.comments in (None, row["metrics"]["comments"])
        (medium,) = item.media
        assert medium.duration_ms and medium.preview_url and medium.width
        assert item.published_at and item.permalink and item.text.language
    assert any(i.engagement.comments is None for i in items), "switched off is not zero"
    assert any(i.text.hashtags for i in items) and any(i.text.links for i in items)
    times = [i.published_at for i in items if i.published_at]
    assert times == sorted(times, reverse=True)


async def test_a_list_that_is_as_it_was_costs_no_more_than_the_question(world: World) -> None:
    account = await world.account("youtube", posts=10)
    token, source = Secret(account["access_token"]), YT.spec.sources[0]
    first = ok(await YT.list_page(world.http, token, account["external_id"], PageQuery(source)))
    assert first.etag and not first.unchanged
    again = PageQuery(source, etag=first.etag)
    page = ok(await YT.list_page(world.http, token, account["external_id"], again))
    assert page.unchanged and page.items == () and page.next_cursor is None
    await world.act(account, kind="post", text="New mug https://shop.example/p/1")
    page = ok(await YT.list_page(world.http, token, account["external_id"], again))
    assert not page.unchanged and len(page.items) == 11


async def test_threads_with_all_their_replies(world: World) -> None:
    account = await world.account("youtube", posts=60)
    ledger = await world.ask("GET", "/ledger")
    told = {row["id"]: row for row in ledger["comments"][f"youtube:{account['external_id']}"]}
    pages = await list_all(YT, world.http, account, "comments")
    remarks = [remark for page in pages for remark in page.remarks]
    assert {r.external_id for r in remarks} == set(told)
    assert any(r.parent_id for r in remarks)
    replies = [r for r in told.values() if r["parent_id"] != r["content_id"]]
    threads = {r["parent_id"] for r in replies}
    assert max(sum(r["parent_id"] == t for r in replies) for t in threads) > 5, "more than a thread shows"
    for remark in remarks:
        row = told[remark.external_id]
        assert remark.kind is RemarkKind.COMMENT
        assert remark.text.text == row["text"]
        assert remark.content_id == row["content_id"]
        assert remark.parent_id == (row["parent_id"] if row["parent_id"] != row["content_id"] else None)
        assert remark.author.external_id == row["author_id"]
        assert remark.author.username and remark.at


async def test_what_is_gone_and_what_is_only_hidden(world: World) -> None:
    account = await world.account("youtube", posts=6)
    deleted, hidden, *_ = [row["id"] for row in await world.content(account)]
    await world.act(account, kind="delete", content_id=deleted)
    await world.act(account, kind="private", content_id=hidden)
    read = ok(
        await YT.read_items(
            world.http, Secret(account["access_token"]), account["external_id"], [deleted, hidden]
        )
    )
    assert read.gone == {deleted}
    assert [item.external_id for item in read.items] == [hidden]


# -- quota --------------------------------------------------------------------------------------------


async def test_the_daily_quota_counts_units_and_ends_at_midnight_pacific(world: World) -> None:
    account = await world.account("youtube", posts=3)
    token = Secret(account["access_token"])
    await world.ask("PUT", "/limits", {"platform": "youtube", "family": "units", "limit": 4})
    ok(await YT.list_page(world.http, token, account["external_id"], PageQuery(YT.spec.sources[0])))  # 3
    ok(await YT.profile(world.http, token))
    limited = await YT.profile(world.http, token)
    assert isinstance(limited, RetryAfter)
    assert (limited.reason, limited.scope, limited.rate_limited) == ("daily_quota", LimitScope.APP, True)
    midnight = datetime.now(UTC) + timedelta(seconds=limited.seconds)
    assert midnight.hour in (7, 8) and midnight.minute in (0, 59)
    await world.ask("POST", "/clock", {"advance_s": limited.seconds + 2})
    fresh = ok(await YT.refresh(world.http, app_of(account), grant_of(account), 5.0))
    ok(await YT.profile(world.http, fresh.access_token))


# -- push ---------------------------------------------------------------------------------------------


async def subscribed(world: World) -> dict[str, Any]:
    account = await world.account("youtube", posts=3)
    world.receiver.platform, world.receiver.app = YT, app_of(account)
    callback = f"http://127.0.0.1:9/webhooks/youtube/{account['app']['id']}"
    token = Secret(account["access_token"])
    ok(await YT.subscribe(world.http, app_of(account), token, account["external_id"], callback))
    await world.settled()
    return account


async def test_the_hub_tells_of_videos_and_they_are_read_by_id(world: World) -> None:
    account = await subscribed(world)
    made = await world.act(account, kind="post", text="Neu: Schüssel & mehr <3")
    await world.ask("POST", "/clock", {"advance_s": 3000})
    await world.act(account, kind="edit", content_id=made["id"], text="Schüssel")
    await world.act(account, kind="delete", content_id=made["id"])
    await world.settled()
    app = app_of(account)
    events = []
    for headers, body in world.receiver.received:
        assert headers["content-type"] == "application/atom+xml"
        assert YT.verify(app, headers, body)
        assert not YT.verify(app, headers, body + b" ")
        events += [YT.parse(entry) for entry in YT.split(body)]
    assert [e.what for e in events] == [
        Happening.CONTENT_CREATED,
        Happening.CONTENT_EDITED,
        Happening.CONTENT_EDITED,  # a tombstone: reading tells whether it is gone
    ]
    assert {e.external_id for e in events} == {account["external_id"]}
    assert {e.content_id for e in events} == {made["id"]}
    assert len({e.event_id for e in events}) == 3
    assert all(e.content is None and e.occurred_at for e in events)


async def test_comments_and_likes_are_not_pushed(world: World) -> None:
    account = await subscribed(world)
    await world.act(account, kind="comment")
    await world.act(account, kind="like")
    await world.settled()
    assert world.receiver.received == []


async def test_the_hub_tells_for_how_long_it_grants_it(world: World) -> None:
    account = await subscribed(world)
    app, topic = app_of(account), webhooks.topic_of(account["external_id"])
    proof = webhooks._proof(app.webhook_secrets[0].reveal(), topic)
    query = {"hub.mode": "subscribe", "hub.topic": topic, "hub.challenge": "c", "proof": proof}
    shake = YT.handshake(app, query | {"hub.lease_seconds": "86400"})
    assert shake is not None and shake.entry is not None
    event = YT.parse(shake.entry)
    assert (event.external_id, event.what, event.lease_s) == (account["external_id"], Happening.LEASED, 86400)
    for odd in ("", "-1", "1e9", "9" * 30, "soon"):
        shake = YT.handshake(app, query | {"hub.lease_seconds": odd})
        assert shake is not None and shake.status == 200 and shake.entry is None


async def test_a_lease_ends_unless_it_is_renewed(world: World) -> None:
    account = await subscribed(world)
    callback = f"http://127.0.0.1:9/webhooks/youtube/{account['app']['id']}"
    half = (YT.spec.webhook_lease_s or 0) // 2 + 60
    await world.ask("POST", "/clock", {"advance_s": half})
    token = Secret(account["access_token"])
    ok(await YT.subscribe(world.http, app_of(account), token, account["external_id"], callback))
    await world.settled()
    await world.ask("POST", "/clock", {"advance_s": half})
    assert (await world.act(account, kind="post"))["event_ids"], "renewed, so not over"
    await world.ask("POST", "/clock", {"advance_s": 2 * half})
    assert (await world.act(account, kind="post"))["event_ids"] == []


async def test_nobody_else_can_subscribe_our_address_or_end_our_subscription(world: World) -> None:
    account = await subscribed(world)
    callback = f"http://127.0.0.1:9/webhooks/youtube/{account['app']['id']}"
    topic = f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={account['external_id']}"
    for form in (
        {"hub.mode": "subscribe", "hub.callback": callback, "hub.secret": "theirs"},
        {"hub.mode": "subscribe", "hub.callback": f"{callback}?proof=guess", "hub.secret": "theirs"},
        {"hub.mode": "unsubscribe", "hub.callback": callback},
    ):
        answer = await world.control.post(
            "/pubsubhubbub.appspot.com/subscribe", data={**form, "hub.topic": topic}
        )
        assert answer.status_code == 202
    await world.settled()
    checks = (await world.ask("GET", "/ledger"))["crc_checks"]
    assert [check["ok"] for check in checks] == [True, False, False, False]
    await world.act(account, kind="post")
    await world.settled()
    ((headers, body),) = world.receiver.received
    assert YT.verify(app_of(account), headers, body)


async def test_a_hub_that_is_away_is_asked_again(world: World) -> None:
    account = await world.account("youtube")
    await world.ask("POST", "/faults", {"host": "pubsubhubbub.appspot.com", "kind": "status", "status": 503})
    token = Secret(account["access_token"])
    outcome = await YT.subscribe(world.http, app_of(account), token, account["external_id"], CALLBACK)
    assert isinstance(outcome, RetryAfter)


# -- insights -----------------------------------------------------------------------------------------


def access_of(world: World, account: dict[str, Any]) -> Access:

    return Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])


async def test_numbers_of_a_video_with_what_is_not_told(world: World) -> None:
    account = await world.account("youtube", posts=30)
    row = (await world.content(account))[0]  # the oldest: all its days are reported
    metrics = ok(await YT.insights.of_content(access_of(world, account), row["id"], ContentKind.VIDEO))
    by_name = {m.name: m for m in metrics}
    assert by_name[MetricName.VIEWS].value == row["metrics"]["views"]
    assert by_name[MetricName.LIKES].value == row["metrics"]["likes"]
    watched = by_name[MetricName.WATCH_TIME_MS].value
    assert watched is not None and watched % 60_000 == 0
    assert by_name[MetricName.VIEWS].source == "youtubeAnalytics.views"
    money, seen = by_name[MetricName.REVENUE_MINOR], by_name[MetricName.IMPRESSIONS]
    assert (money.value, money.reason) == (None, "permission_missing")
    assert (seen.value, seen.reason) == (None, "bulk_reports_only")


async def test_numbers_of_a_channel(world: World) -> None:
    account = await world.account("youtube", posts=30)
    access, now = access_of(world, account), datetime.now(UTC)
    metrics = ok(await YT.insights.of_account(access, now - timedelta(days=40), now))
    by_source = {m.source: m for m in metrics}
    assert by_source["channel.videoCount"].value == 30
    assert by_source["channel.subscriberCount"].value
    views = by_source["youtubeAnalytics.views"]
    assert views.value and views.since == now - timedelta(days=40) and views.until == now
    empty = ok(await YT.insights.of_account(access, now - timedelta(hours=1), now))
    lagging = next(m for m in empty if m.source == "youtubeAnalytics.views")
    assert (lagging.value, lagging.reason) == (None, "no_data_yet")


async def test_commerce_says_what_is_missing(world: World) -> None:
    account = await world.account("youtube")
    access = access_of(world, account)
    refused = await YT.commerce.catalogs(access)
    assert isinstance(refused, Rejected) and refused.message == YT.commerce.missing["catalogs"]
    assert set(YT.commerce.missing) == {"catalogs", "products", "upsert", "orders", "tags"}
