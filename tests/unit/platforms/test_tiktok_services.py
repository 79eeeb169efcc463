"""TikTok's other services against the sandbox: their consents, advertising, analytics, and the shop."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.advertising import (
    AdAccount,
    AdDay,
    AdLevel,
    AdStatus,
    NewAdCampaign,
    ReportRequest,
    ReportState,
)
from domain.catalog import Availability
from domain.content import ContentKind, Happening
from domain.insights import MetricName, Period
from domain.money import Money
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant
from platforms.capabilities import Access
from platforms.outcome import Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.tiktok.adapter import Tiktok
from platforms.tiktok.consents import CONSENTS
from platforms.tiktok.shop import signature
from sandbox.tiktok.shop import sign
from tests.unit.platforms.support import CALLBACK, Answers, World, answer, app_of, ok

TT = Tiktok()
UTC_NOW = datetime.now(UTC)


async def consented(world: World, account: dict[str, Any], name: str) -> Access:
    """What the person's browser does at the consent of that capability, and the exchange."""
    consent = CONSENTS[name]
    await world.ask("PUT", f"/apps/{account['app']['id']}", {"redirect_uris": [CALLBACK]})
    app = app_of(account)
    parts = urlsplit(consent.authorize_url(AuthorizeRequest(app, CALLBACK, "state-1", ())))
    page = await world.control.get(f"/{parts.netloc}{parts.path}?{parts.query}")
    assert page.status_code == 200, page.text
    form = {n: v[0] for n, v in parse_qs(parts.query).items()}
    form |= {"user": account["external_id"], "decision": "approve"}
    back = await world.control.post(f"/{parts.netloc}{parts.path}", data=form)
    assert back.status_code == 302, back.text
    query = parse_qs(urlsplit(back.headers["location"]).query)
    assert query["state"] == ["state-1"]
    code = query[consent.code_parameter][0]
    grant = ok(await consent.exchange(world.http, app, code, CALLBACK))
    spent = await consent.exchange(world.http, app, code, CALLBACK)
    assert isinstance(spent, Rejected), "a code works once"
    surface = "business" if name == "insights" else None
    return Access(world.http, app, grant.access_token, grant.external_id or "", surface=surface)


# -- consents -----------------------------------------------------------------------------------------
async def test_tokens_of_one_service_are_no_good_at_another(world: World) -> None:
    account = await world.account("tiktok")
    login = Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])
    ads, shop = await consented(world, account, "ads"), await consented(world, account, "commerce")
    assert await TT.ads.accounts(login) == ReauthRequired("token_refused")
    assert isinstance(await TT.commerce.catalogs(login), Rejected)
    for access in (ads, shop):
        assert await TT.profile(world.http, access.token) == ReauthRequired("token_refused")
    ok(await TT.ads.accounts(ads))
    ok(await TT.commerce.catalogs(shop))


async def test_lifetimes_and_refreshes(world: World) -> None:
    account = await world.account("tiktok")
    app = app_of(account)
    for name, lifetime_s in (("insights", 86_400), ("commerce", 7 * 86_400)):
        consent = CONSENTS[name]
        parts = urlsplit(consent.authorize_url(AuthorizeRequest(app, CALLBACK, "s", ())))
        await world.ask("PUT", f"/apps/{account['app']['id']}", {"redirect_uris": [CALLBACK]})
        form = {n: v[0] for n, v in parse_qs(parts.query).items()}
        form |= {"user": account["external_id"], "decision": "approve"}
        back = await world.control.post(f"/{parts.netloc}{parts.path}", data=form)
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        grant = ok(await consent.exchange(world.http, app, code, CALLBACK))
        assert abs(grant.expires_in_s - lifetime_s) < 60
        again = ok(await consent.refresh(world.http, app, grant, 5.0))
        assert again.access_token != grant.access_token
        assert again.refresh_token is not None
        bare = replace(grant, refresh_token=None)
        assert await consent.refresh(world.http, app, bare, 5.0) == ReauthRequired("no_refresh_token")
    assert isinstance(await CONSENTS["ads"].refresh(world.http, app, grant, 5.0), Rejected)


async def test_a_refresh_in_doubt_is_unknown(world: World) -> None:
    account = await world.account("tiktok")
    await world.ask("POST", "/faults", {"platform": "tiktok", "path": "refresh", "kind": "accepted_timeout"})
    grant = Grant(Secret("a"), Secret("r"), None, None)
    for name in ("insights", "commerce"):
        assert isinstance(await CONSENTS[name].refresh(world.http, app_of(account), grant, 0.2), Unknown)


# -- advertising --------------------------------------------------------------------------------------
async def advertiser(world: World) -> tuple[Access, AdAccount]:
    access = await consented(world, await world.account("tiktok"), "ads")
    (account,) = ok(await TT.ads.accounts(access))
    return access, account


async def test_advertisers_and_three_levels(world: World) -> None:
    access, account = await advertiser(world)
    assert account.currency in ("USD", "EUR", "BRL", "JPY")
    assert account.timezone == "Etc/UTC"
    levels = {level: ok(await TT.ads.objects(access, account, level, None)).items for level in AdLevel}
    assert [len(levels[level]) for level in AdLevel] == [3, 6, 12]
    campaigns = {c.external_id for c in levels[AdLevel.CAMPAIGN]}
    groups = {g.external_id for g in levels[AdLevel.GROUP]}
    assert {g.parent_id for g in levels[AdLevel.GROUP]} == campaigns
    assert {a.parent_id for a in levels[AdLevel.AD]} == groups
    for campaign in levels[AdLevel.CAMPAIGN]:
        assert campaign.status in (AdStatus.ACTIVE, AdStatus.PAUSED)
        assert campaign.objective
        assert campaign.daily_budget is not None
        assert campaign.daily_budget.currency == account.currency
    assert levels[AdLevel.GROUP][0].starts_at == datetime(2026, 10, 1, tzinfo=UTC)


async def test_a_report_is_split_paged_and_resumed(world: World) -> None:
    access, account = await advertiser(world)
    until = date.fromordinal(UTC_NOW.date().toordinal() - 2)
    request = ReportRequest(AdLevel.AD, until - timedelta(days=69), until)
    state: ReportState | None = TT.ads.report(request)
    assert state is not None
    assert [p.since for p in (state.request, *state.rest)] == [
        request.since,
        request.since + timedelta(days=30),
        request.since + timedelta(days=60),
    ]
    assert state.rest[-1].until == until
    rows: list[AdDay] = []
    while state is not None:
        step = ok(await TT.ads.report_step(access, account, state))
        again = ok(await TT.ads.report_step(access, account, state))
        assert step == again, "a step may be repeated"
        rows += step.rows
        state = step.state
    assert len(rows) == 70 * 12
    assert len({(r.external_id, r.day) for r in rows}) == len(rows)
    assert all(r.spend.currency == account.currency and r.impressions for r in rows)
    assert {r.conversions is None for r in rows} == {True, False}, "a dash is not zero"


async def test_a_campaign_is_made_once_and_found_by_its_tag(world: World) -> None:
    access, account = await advertiser(world)
    wish = NewAdCampaign("Spring", "rk-7f3a", "TRAFFIC", daily_budget=Money(5050, account.currency))
    assert ok(await TT.ads.find_campaign(access, account, wish)) is None
    fault = {"platform": "tiktok", "path": "campaign/create", "kind": "half_body", "count": 1}
    await world.ask("POST", "/faults", fault)
    with suppress(ConnectionResetError):  # in process there is no connection to cut
        assert isinstance(await TT.ads.create_campaign(access, account, wish), Unknown)
    found = ok(await TT.ads.find_campaign(access, account, wish))
    assert found.status is AdStatus.PAUSED
    assert found.daily_budget == wish.daily_budget
    repeated = await TT.ads.create_campaign(access, account, wish)
    assert isinstance(repeated, Rejected)
    assert repeated.code == "40050", "the request id is known"
    other = ok(await TT.ads.create_campaign(access, account, replace(wish, tag="rk-0000")))
    assert other.external_id != found.external_id
    assert "rk-0000" in other.name


async def test_budgets_and_statuses(world: World) -> None:
    access, account = await advertiser(world)
    campaign = ok(await TT.ads.objects(access, account, AdLevel.CAMPAIGN, None)).items[0]
    id_, daily = campaign.external_id, Money(12_300, account.currency)
    for _ in range(2):
        assert ok(await TT.ads.set_budget(access, account, AdLevel.CAMPAIGN, id_, daily)) is None
    for status in (AdStatus.PAUSED, AdStatus.ACTIVE, AdStatus.DELETED):
        ok(await TT.ads.set_status(access, account, AdLevel.CAMPAIGN, id_, status))
        items = ok(await TT.ads.objects(access, account, AdLevel.CAMPAIGN, None)).items
        told = next(i for i in items if i.external_id == id_)
        assert (told.status, told.daily_budget) == (status, daily)
    assert isinstance(await TT.ads.set_budget(access, account, AdLevel.AD, id_, daily), Rejected)
    wrong = Money(1, "EUR" if account.currency == "USD" else "USD")
    assert isinstance(await TT.ads.set_budget(access, account, AdLevel.CAMPAIGN, id_, wrong), Rejected)
    archived = await TT.ads.set_status(access, account, AdLevel.CAMPAIGN, id_, AdStatus.ARCHIVED)
    assert isinstance(archived, Rejected)


async def test_the_business_services_limit_is_the_apps(world: World) -> None:
    access, account = await advertiser(world)
    rule = {"platform": "tiktok", "family": "business", "limit": 1, "window_s": 60}
    await world.ask("PUT", "/limits", rule)
    await TT.ads.objects(access, account, AdLevel.AD, None)
    limited = await TT.ads.objects(access, account, AdLevel.AD, None)
    assert isinstance(limited, RetryAfter)
    assert (limited.rate_limited, limited.scope.value) == (True, "app")


async def test_odd_rows_are_passed_over() -> None:
    odd = [{}, {"dimensions": {"ad_id": "1", "stat_time_day": "soon"}, "metrics": {"spend": "1"}}]
    odd += [{"dimensions": {"ad_id": "1", "stat_time_day": "2026-11-20"}, "metrics": {"spend": "-"}}]
    body = {"code": 0, "data": {"list": odd, "page_info": {"total_page": "x"}}}
    access = Access(Answers(answer(200, body)), None, Secret("t"), "1")  # type: ignore[arg-type]
    state = TT.ads.report(ReportRequest(AdLevel.AD, date(2026, 11, 20), date(2026, 11, 20)))
    step = ok(await TT.ads.report_step(access, AdAccount("1", "n", "EUR", None), state))
    assert (step.rows, step.state) == ((), None)


# -- insights -----------------------------------------------------------------------------------------
async def test_numbers_with_login_kit_alone_are_totals(world: World) -> None:
    account = await world.account("tiktok", posts=3)
    access = Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])
    row = (await world.content(account))[-1]
    found = {m.name: m for m in ok(await TT.insights.of_content(access, row["id"], ContentKind.VIDEO))}
    assert found[MetricName.VIEWS].value == row["metrics"]["views"]
    assert found[MetricName.VIEWS].source == "view_count"
    assert found[MetricName.REACH].value is None
    assert found[MetricName.REACH].reason == "permission_missing"
    own = {m.name: m for m in ok(await TT.insights.of_account(access, UTC_NOW, UTC_NOW))}
    assert own[MetricName.CONTENT_COUNT].value == 3
    assert own[MetricName.PROFILE_VIEWS].reason == "permission_missing"
    gone = await TT.insights.of_content(access, "1", ContentKind.VIDEO)
    assert isinstance(gone, Rejected)


async def test_numbers_with_the_business_consent(world: World) -> None:
    account = await world.account("tiktok", posts=20)
    access = await consented(world, account, "insights")
    assert access.external_id != account["external_id"], "each app has its own id of an account"
    row = (await world.content(account))[-1]
    found = {m.name: m for m in ok(await TT.insights.of_content(access, row["id"], ContentKind.VIDEO))}
    assert found[MetricName.VIEWS].value == row["metrics"]["views"]
    assert found[MetricName.REACH].value == row["metrics"]["views"] * 4 // 5
    assert found[MetricName.COMPLETION_RATE].value == 0.21
    watched = found[MetricName.WATCH_TIME_MS].value
    assert isinstance(watched, int)
    assert all(m.reason is None for m in found.values())
    until = datetime.combine(UTC_NOW.date(), datetime.min.time(), UTC)
    since = until - timedelta(days=30)
    metrics = ok(await TT.insights.of_account(access, since, until))
    days = [m for m in metrics if m.name is MetricName.VIEWS]
    assert len(days) == 30
    assert all(m.period is Period.DAY and m.since and since <= m.since < until for m in days)
    told = [r for r in await world.content(account) if since <= _at(r["created_at"]) < until]
    assert sum(m.value or 0 for m in days) == sum(r["metrics"]["views"] for r in told)
    missing = [m for m in metrics if m.name is MetricName.LINK_CLICKS]
    assert {m.reason for m in missing} == {"not_answered"}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- the shop -----------------------------------------------------------------------------------------
def test_signatures_of_requests() -> None:
    """The first is TikTok's own example, the second made with openssl."""
    query = {"app_key": "29a39d", "timestamp": "1623812664", "sign": "ignored", "access_token": "ignored"}
    expected = "b596b73e0cc6de07ac26f036364178ab16b0a907af13d43f0a0cd2345f582dc8"
    orders = {
        "app_key": "ak1test",
        "page_size": "20",
        "shop_cipher": "ROW_demoCipher",
        "timestamp": "1760000000",
    }
    body = b'{"order_status":"AWAITING_SHIPMENT"}'
    other = "3bd0f29322149149606b4261f770a8b771e512b657b3b4a96b171311157c3bf7"
    for made in (signature, sign):  # the adapter's and the sandbox's, written independently
        assert made("e59af819cc", "/authorization/202309/shops", query, b"") == expected
        assert made("sec9test", "/order/202309/orders/search", orders, body) == other


async def test_shops_products_and_orders(world: World) -> None:
    account = await world.account("tiktok")
    access = await consented(world, account, "commerce")
    (catalog,) = ok(await TT.commerce.catalogs(access))
    access = replace(access, external_id=catalog.external_id)
    products = ok(await TT.commerce.products(access, catalog.external_id, None))
    assert products.next_cursor is None
    assert len({p.retailer_id for p in products.items}) == len(products.items)
    assert {p.availability for p in products.items} >= {Availability.IN_STOCK, Availability.OUT_OF_STOCK}
    assert all(p.price and p.price.minor > 0 and p.external_id for p in products.items)
    before = ok(await TT.commerce.orders(access, datetime(2020, 1, 1, tzinfo=UTC), None))
    assert len(before.items) == 12
    moments = [o.updated_at for o in before.items]
    assert moments == sorted(moments)
    assert {o.cancelled for o in before.items} == {True, False}
    since = datetime.now(UTC) - timedelta(minutes=1)
    bought = (await world.act(account, kind="order"))["id"]
    (order,) = ok(await TT.commerce.orders(access, since, None)).items
    assert (order.external_id, order.paid, order.cancelled) == (bought, True, False)
    (line,) = order.lines
    assert line.price is not None
    assert order.total == Money(line.price.minor * line.quantity, line.price.currency)
    assert line.sku in {p.retailer_id for p in products.items}
    await world.act(account, kind="order_cancel", content_id=bought)
    (order,) = ok(await TT.commerce.orders(access, since, None)).items
    assert order.cancelled
    for outcome in (
        await TT.commerce.upsert(access, catalog.external_id, products.items),
        await TT.commerce.batch(access, catalog.external_id, "h"),
    ):
        assert isinstance(outcome, Rejected)
        assert outcome.message == TT.commerce.missing["upsert"]


async def test_pages_of_orders(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    access = await consented(world, await world.account("tiktok"), "commerce")
    shop = ok(await TT.commerce.catalogs(access))[0].external_id
    access, ids, cursor = replace(access, external_id=shop), [], None
    monkeypatch.setattr("platforms.tiktok.commerce._PAGE", "5")
    while True:
        page = ok(await TT.commerce.orders(access, datetime(2020, 1, 1, tzinfo=UTC), cursor))
        ids += [o.external_id for o in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(ids) == len(set(ids)) == 12


async def test_ciphers_signatures_and_expiry(world: World) -> None:
    account = await world.account("tiktok")
    access = await consented(world, account, "commerce")
    since = datetime(2026, 1, 1, tzinfo=UTC)
    foreign = await TT.commerce.orders(replace(access, external_id="1"), since, None)
    assert isinstance(foreign, Rejected)
    assert foreign.code == "no_such_shop"
    wrong = await TT.commerce.orders(replace(access, token_secret=Secret("ROW_x")), since, None)
    assert isinstance(wrong, Rejected)
    assert wrong.code == "106013"
    forged = replace(access, app=replace(access.app, client_secret=Secret("x")))
    outcome = await TT.commerce.catalogs(forged)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "106001"
    await world.ask("POST", "/clock", {"advance_s": 8 * 86_400})
    assert await TT.commerce.catalogs(access) == ReauthRequired("token_expired")


async def test_orders_are_announced(world: World) -> None:
    account = await world.account("tiktok")
    app = app_of(account)
    await consented(world, account, "commerce")
    world.receiver.platform, world.receiver.app = TT, app
    await world.ask("PUT", f"/apps/{app.id}", {"webhook_url": "https://shop.example/webhooks/tiktok/shop"})
    order = await world.act(account, kind="order")
    assert order["event_ids"]
    await world.settled()
    ((headers, body),) = world.receiver.received
    assert TT.verify(app, headers, body)
    assert not TT.verify(replace(app, client_id="another"), headers, body)
    (entry,) = TT.split(body)
    event = TT.parse(entry)
    assert (event.what, event.subject_id) == (Happening.OTHER, order["id"])
    assert event.external_id.startswith("7495"), "the shop's id, not the account's"


async def test_any_business_or_shop_answer_ends_in_an_outcome() -> None:
    bodies: list[Any] = [b"", b"\xff", b"[]", {}, {"code": 0}, {"code": 0, "data": []}]
    bodies += [{"code": 0, "data": {"list": 7, "orders": {}, "products": [{"skus": [{"id": 1}]}]}}]
    bodies += [
        {"code": 0, "data": {"orders": [{"id": "1", "payment": 7, "line_items": [{"product_id": 2}]}]}}
    ]
    account = AdAccount("1", "n", "EUR", None)
    for body in bodies:
        for call in (
            lambda a: TT.ads.accounts(a),
            lambda a: TT.ads.objects(a, account, AdLevel.AD, "x"),
            lambda a: TT.commerce.catalogs(a),
            lambda a: TT.commerce.products(a, "1", None),
            lambda a: TT.commerce.orders(a, UTC_NOW, "c"),
            lambda a: TT.insights.of_account(a, UTC_NOW, UTC_NOW),
            lambda a: TT.insights.of_content(a, "1", ContentKind.VIDEO),
            lambda a: TT.insights.of_content(replace(a, surface="business"), "1", ContentKind.VIDEO),
            lambda a: TT.insights.of_account(replace(a, surface="business"), UTC_NOW, UTC_NOW),
        ):
            http = _Timed(answer(200, body), answer(200, body))
            outcome = await call(Access(http, app_of(APP), Secret("t"), "1", Secret("c")))
            assert isinstance(outcome, Ok | Rejected | RetryAfter | ReauthRequired | Unknown)


class _Timed(Answers):
    def now(self) -> datetime:
        return UTC_NOW


APP = {
    "platform": "tiktok",
    "app": {"id": "a", "client_id": "c", "client_secret": "s", "webhook_secret": "s"},
}
