"""Every call that an adapter makes, by name, with what it needs from the sandbox."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    Promoted,
    ReportRequest,
    ReportState,
)
from domain.catalog import Product
from domain.live import BroadcastStatus
from domain.money import Money
from domain.publishing import Published
from platforms.base import PageQuery
from platforms.capabilities import Access, AsksFurther, SignedConsent, TargetsApart
from platforms.outcome import Ok, Outcome, Rejected
from tests.contract.platforms.answers import Answer, Ask
from tests.contract.platforms.cases import FILES, Case
from tests.contract.platforms.place import HOOK, START, VERIFIER, Place
from tests.unit.platforms.publish_support import Files, job_of
from tests.unit.platforms.support import CALLBACK, app_of, grant_of, ok

Method = Callable[..., Awaitable[Outcome[Any]]]
TODAY = START.date()
REPORT_STEPS = 12


@dataclass(frozen=True)
class Recorded:
    """A call, and what the sandbox answered to the requests that it came to."""

    ask: Ask
    answers: tuple[Answer, ...]
    kind: type[Outcome[Any]]


class Book:
    """Makes every call once, each when it can be made, and keeps it with the answers it got."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.calls: dict[str, Recorded] = {}

    async def call(self, name: str, method: Method, *args: Any) -> Any:
        return await self.keep(name, lambda http: method(http, *args))

    async def use(
        self, name: str, access: Access, method: Method, *args: Any, refusable: bool = False
    ) -> Any:
        """A call of a capability, which is given its access first."""
        return await self.keep(name, lambda http: method(replace(access, http=http), *args), refusable)

    async def keep(self, name: str, ask: Ask, refusable: bool = False) -> Any:
        """What the call brought; None where the platform does not offer it (or, `refusable`, may refuse)."""
        answers: list[Answer] = []

        def heard(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            answers.append(Answer(response.status_code, tuple(response.headers.items()), response.content))
            return response

        self.place.network.spoil = heard
        outcome = await ask(self.place.http)
        self.place.network.spoil = None
        offered = not (isinstance(outcome, Rejected) and (refusable or outcome.code == "unsupported"))
        assert isinstance(outcome, Ok) or not offered, (name, outcome)
        self.calls[name] = Recorded(ask, tuple(answers), type(outcome))
        return outcome.value if isinstance(outcome, Ok) else None


async def every_call(place: Place) -> dict[str, Recorded]:
    """What ends a token comes last."""
    book = Book(place)
    for part in (_reading, _publishing, _insights, _ads, _commerce, _live, _consents, _tokens):
        await part(book, place)
    return book.calls


async def _reading(book: Book, place: Place) -> None:
    platform, me, token = place.case.platform, place.told["external_id"], place.bearer
    for source in platform.spec.sources:
        query = PageQuery(replace(source, page_size=5), since=START - timedelta(days=80))
        await book.call(f"list_page {source.name}", platform.list_page, token, me, query)
    ids = [row["id"] for row in await place.content(place.told)][: max(1, platform.spec.batch_read - 1)]
    several = [*ids, "1"][: platform.spec.batch_read]
    await book.call("profile", platform.profile, token)
    await book.call("read_items", platform.read_items, token, me, several)
    await book.call("subscribe", platform.subscribe, app_of(place.told), token, me, HOOK)


async def _consents(book: Book, place: Place) -> None:
    """Of OAuth 1.0a: the account's own consent is among the tokens, and codes are exchanged alike."""
    platform = place.case.platform
    for name, consent in platform.consents.items() if isinstance(platform, AsksFurther) else ():
        if isinstance(consent, SignedConsent):
            app, request, verifier = await place.said_yes(consent)
            await book.call(f"consent {name}.request_token", consent.request_token, app, CALLBACK)
            await book.call(f"consent {name}.exchange", consent.exchange, app, request, verifier)


async def _tokens(book: Book, place: Place) -> None:
    platform, app = place.case.platform, app_of(place.told)
    place.clock.advance(platform.spec.token.min_age_s + 60)
    await book.call("refresh", platform.refresh, app, grant_of(place.told), 5.0)
    verifier = VERIFIER if platform.spec.pkce else None
    consent = await book.call("exchange", platform.exchange, app, await place.code(), CALLBACK, verifier)
    await book.call("connectables", platform.connectables, app, consent)
    await book.call("revoke", platform.revoke, app, consent)


async def _publishing(book: Book, place: Place) -> None:
    """Every step of each publication, each with the state that the one before it reached."""
    publishing, access = place.case.platform.publishing, place.access
    if publishing is None:
        return
    await book.use("publishing.quota", access, publishing.quota)
    for number in range(len(place.case.drafts)):
        draft = publishing.adapt(await place.draft(number))
        name, began_at = f"publishing {number}", place.clock.now() - timedelta(seconds=1)
        job = replace(job_of(draft, Files(dict(FILES))), began_at=began_at)
        while True:
            kind = "decisive" if job.state.decisive else "step"
            reached = await book.use(f"{name}.{kind} {job.state.stage}", access, publishing.step, job)
            if isinstance(reached, Published):
                break
            await place.passes(reached.wait_s)
            job = replace(job, state=reached)
        await place.passes(60)
        found = await book.use(f"{name}.find", access, publishing.find, job)
        id_ = found.external_id if isinstance(found, Published) else reached.external_id
        words = replace(draft, text="Other words")
        await book.use(f"{name}.edit", access, publishing.edit, id_, words, refusable=True)
        await book.use(f"{name}.delete", access, publishing.delete, id_)


async def _insights(book: Book, place: Place) -> None:
    insights = place.case.platform.insights
    if insights is None:
        return
    source = next(s for s in place.case.platform.spec.sources if not s.remarks)
    page = ok(
        await place.case.platform.list_page(
            place.http, place.bearer, place.told["external_id"], PageQuery(source)
        )
    )
    oldest = page.items[-1]
    for access in (place.access, await place.access_for("insights")):
        name = f"insights {access.surface or ''}".strip()
        await book.use(f"{name}.of_content", access, insights.of_content, oldest.external_id, oldest.kind)
        await book.use(f"{name}.of_account", access, insights.of_account, START - timedelta(days=20), START)


async def _ads(book: Book, place: Place) -> None:
    ads = place.case.platform.ads
    if ads is None:
        return
    access, level = await place.access_for("ads"), AdLevel.CAMPAIGN
    (account, *_) = await book.use("ads.accounts", access, ads.accounts)
    for each in (AdLevel.AD, AdLevel.GROUP, AdLevel.CAMPAIGN):
        page = await book.use(f"ads.objects {each}", access, ads.objects, account, each, None)
    (old, *_) = page.items
    state: ReportState | None = ads.report(ReportRequest(level, TODAY - timedelta(days=40), TODAY))
    for number in range(1, REPORT_STEPS + 1):
        step = await book.use(f"ads.report_step {number}", access, ads.report_step, account, state)
        if (state := step.state) is None:
            break
        place.clock.advance(state.wait_s)
    wish = NewAdCampaign("Spring", "tag-7", old.objective or "", Money(5000, account.currency))
    budget = Money(7000, account.currency)
    await book.use("ads.create_campaign", access, ads.create_campaign, account, wish)
    await book.use("ads.find_campaign", access, ads.find_campaign, account, wish)
    await book.use("ads.set_budget", access, ads.set_budget, account, level, old.external_id, budget)
    await book.use("ads.set_status", access, ads.set_status, account, level, old.external_id, AdStatus.PAUSED)

    await _adverts(book, place, account)


async def _adverts(book: Book, place: Place, account: AdAccount) -> None:
    """A campaign without a budget, an ad group with one, an ad of what the account published last."""
    ads, advert = place.case.platform.ads, place.case.advert
    assert ads is not None and advert is not None
    access = await place.access_for("ads")
    bare = NewAdCampaign("Bare", "tag-8", advert.objective)
    campaign = await book.use("ads.create_campaign bare", access, ads.create_campaign, account, bare)
    group = adverts_group(place.case, campaign.external_id, account)
    made = await book.use("ads.create_group", access, ads.create_group, account, group)
    await book.use("ads.find_group", access, ads.find_group, account, group)
    if isinstance(ads, TargetsApart):
        await book.use("ads.target_group", access, ads.target_group, account, group, made.external_id)
    ad = NewAd("Bowl", "tag-10", made.external_id, await published(place))
    await book.use("ads.create_ad", access, ads.create_ad, account, ad)
    await book.use("ads.find_ad", access, ads.find_ad, account, ad)


def adverts_group(case: Case, campaign_id: str, account: AdAccount) -> NewAdGroup:
    assert case.advert is not None
    return NewAdGroup(
        "Germany",
        "tag-9",
        campaign_id,
        case.advert.objective,
        False,
        case.advert.goal,
        ("DE",),
        daily_budget=Money(5000, account.currency),
        ends_at=START + timedelta(days=7),
        settings=case.advert.settings,
    )


async def published(place: Place) -> Promoted:
    """The newest thing of the account that stays."""
    platform, me = place.case.platform, place.told["external_id"]
    source = next(s for s in platform.spec.sources if not s.remarks and not s.complete)
    page = ok(await platform.list_page(place.http, place.bearer, me, PageQuery(source)))
    return Promoted(platform.spec.name, me, page.items[0].external_id, page.items[0].kind)


async def _commerce(book: Book, place: Place) -> None:
    commerce = place.case.platform.commerce
    if commerce is None:
        return
    access = await place.access_for("commerce")
    catalogs = await book.use("commerce.catalogs", access, commerce.catalogs)
    catalog = catalogs[0].external_id if catalogs else "1"
    if place.case.shops:  # its consent opens shops, and calls are made for one of them
        access = replace(access, external_id=catalog)
    products = [Product("sku-1", "A bowl", Money(2490, "EUR"), url="https://shop.example/p/1")]
    await book.use("commerce.products", access, commerce.products, catalog, None)
    batch = await book.use("commerce.upsert", access, commerce.upsert, catalog, products)
    await book.use("commerce.batch", access, commerce.batch, catalog, batch.handle if batch else "1")
    await book.use("commerce.orders", access, commerce.orders, START - timedelta(days=9), None)


async def _live(book: Book, place: Place) -> None:
    live = place.case.platform.live
    if live is None:
        return
    access, at = await place.access_for("live"), START + timedelta(hours=1)
    broadcast = await book.use("live.create", access, live.create, "Opening", at, {})
    stream = await book.use("live.create_stream", access, live.create_stream, "Camera")
    stream_id = stream.external_id if stream else "1"
    await book.use("live.bind", access, live.bind, broadcast or "1", stream_id)
    await place.act(place.told, kind="stream", content_id=broadcast)
    await book.use("live.transition", access, live.transition, broadcast or "1", BroadcastStatus.LIVE)
    page = await book.use("live.broadcasts", access, live.broadcasts, None)
    await book.use("live.chat", access, live.chat, page.items[0].chat_id, None)
