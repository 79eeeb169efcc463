"""Capabilities that answer what a test put there, and keep what they were asked."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from domain.advertising import (
    AdAccount,
    AdDay,
    AdLevel,
    AdObject,
    AdPage,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    ReportRequest,
    ReportState,
    ReportStep,
    tagged,
)
from domain.catalog import BatchState, Catalog, Order, OrderLine, OrderPage, Product, ProductPage
from domain.content import ContentKind, Person, Remark, RemarkKind, Text
from domain.insights import Metric, MetricName, Period
from domain.live import Broadcast, BroadcastPage, BroadcastStatus, ChatPage, Stream
from domain.money import Money
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome

AT = datetime(2026, 4, 20, 9, tzinfo=UTC)


class Scripted:
    """`faults` come first, by call. `asked` keeps every call with what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.faults: dict[str, deque[Outcome[Any]]] = defaultdict(deque)

    def calls(self, name: str) -> list[tuple[Any, ...]]:
        return [with_what for asked, with_what in self.asked if asked == name]

    def told(self, name: str, answer: Any, *with_what: Any) -> Outcome[Any]:
        self.asked.append((name, with_what))
        return self.faults[name].popleft() if self.faults[name] else Ok(answer)


class Numbers(Scripted):
    """`Insights`."""

    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        told = (
            Metric(MetricName.VIEWS, "view_count", 41),
            Metric(MetricName.REACH, "reach", None, reason="too_few_viewers"),
        )
        return self.told("of_content", told, access, content_id, kind)

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        followers = Metric(MetricName.FOLLOWERS, "follower_count", 900, Period.RANGE, since, until)
        return self.told("of_account", (followers,), access, since, until)


class Advertising(Scripted):
    """`Ads`: accounts with one object on each level, and days by `spend`."""

    missing: Mapping[str, str] = {}

    def __init__(self, *accounts: str, currency: str = "EUR") -> None:
        super().__init__()
        self.accounts_there = [AdAccount(id_, f"Ads {id_}", currency, "Europe/Berlin") for id_ in accounts]
        self.made: list[AdObject] = []
        self.spend: dict[date, int] = {}
        self.days_a_step = 2
        self.currency = currency

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        return self.told("accounts", tuple(self.accounts_there), access)

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        parents = {AdLevel.CAMPAIGN: None, AdLevel.GROUP: "campaign", AdLevel.AD: "group"}
        parent = f"{account.external_id}-{parents[level]}" if parents[level] else None
        item = self._object(level, f"{account.external_id}-{level.value}", parent)
        return self.told("objects", AdPage((item,)), access, account, level, cursor)

    def _object(self, level: AdLevel, id_: str, parent: str | None, name: str = "Spring") -> AdObject:
        budget = Money(2500, self.currency)
        return AdObject(level, id_, parent, name, AdStatus.PAUSED, "PAUSED", b"{}", daily_budget=budget)

    def report(self, request: ReportRequest) -> ReportState:
        return ReportState(request)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        request = state.request
        days = sorted(d for d in self.spend if request.since <= d <= request.until)
        start = int(state.cursor or 0)
        part, more = days[start : start + self.days_a_step], len(days) > start + self.days_a_step
        rows = tuple(
            AdDay(
                request.level,
                f"{account.external_id}-{request.level.value}",
                day,
                Money(self.spend[day], self.currency),
                impressions=100,
                clicks=None,
            )
            for day in part
        )
        following = replace(state, cursor=str(start + self.days_a_step)) if more else None
        return self.told("report_step", ReportStep(rows, following), access, account, state)

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        return self._make("create_campaign", AdLevel.CAMPAIGN, None, access, account, wish)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        return self.told("find_campaign", self._made(wish), access, account, wish)

    async def create_group(self, access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
        return self._make("create_group", AdLevel.GROUP, wish.campaign_id, access, account, wish)

    async def find_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject | None]:
        return self.told("find_group", self._made(wish), access, account, wish)

    async def create_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
        return self._make("create_ad", AdLevel.AD, wish.group_id, access, account, wish)

    async def find_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]:
        return self.told("find_ad", self._made(wish), access, account, wish)

    def _make(
        self,
        call: str,
        level: AdLevel,
        parent: str | None,
        access: Access,
        account: AdAccount,
        wish: NewAdCampaign | NewAdGroup | NewAd,
    ) -> Outcome[AdObject]:
        made = self._object(level, f"made-{len(self.made)}", parent, tagged(wish))
        answer = self.told(call, made, access, account, wish)
        if isinstance(answer, Ok):
            self.made.append(made)
        return answer

    def _made(self, wish: NewAdCampaign | NewAdGroup | NewAd) -> AdObject | None:
        return next((m for m in self.made if wish.tag in m.name), None)

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        return self.told("set_budget", None, access, account, level, id_, daily)

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        return self.told("set_status", None, access, account, level, id_, status)


class Targeting(Advertising):
    """`TargetsApart` as well."""

    async def target_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup, group_id: str
    ) -> Outcome[None]:
        return self.told("target_group", None, access, account, wish, group_id)


class Shop(Scripted):
    """`Commerce`."""

    def __init__(self, missing: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.missing: Mapping[str, str] = missing or {}
        self.sold: list[Order] = [order("1001")]
        self.polls = 1  # before a batch is done

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]:
        return self.told("catalogs", (Catalog("cat1", "Bowls", 2),), access)

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]:
        pages = {
            None: ProductPage((Product("SKU-1", "Bowl", Money(1900, "EUR"), "p1", payload=b"{}"),), "2"),
            "2": ProductPage((Product("SKU-2", "Cup", None),)),
        }
        return self.told("products", pages[cursor], access, catalog_id, cursor)

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        state = BatchState("batch1", False, wait_s=5.0)
        return self.told("upsert", state, access, catalog_id, tuple(products))

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]:
        self.polls -= 1
        done = self.polls <= 0
        state = BatchState(handle, done, errors=(("SKU-9", "It has no picture."),) if done else ())
        return self.told("batch", state, access, catalog_id, handle)

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]:
        return self.told("orders", OrderPage(tuple(self.sold)), access, since, cursor)


def order(id_: str, minor: int = 4200, **changes: Any) -> Order:
    line = OrderLine("p1", "SKU-1", "Bowl", 2, Money(minor // 2, "EUR"))
    known = Order(
        external_id=id_,
        status="AWAITING_SHIPMENT",
        paid=True,
        cancelled=False,
        total=Money(minor, "EUR"),
        lines=(line,),
        created_at=AT,
        updated_at=AT,
        payload=b'{"buyer": "BERTA-BUYER"}',
    )
    return replace(known, **changes)


class Studio(Scripted):
    """`Live`."""

    def __init__(self, missing: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.missing: Mapping[str, str] = missing or {}
        self.there: list[Broadcast] = []
        self.said: deque[ChatPage] = deque()

    async def broadcasts(self, access: Access, cursor: str | None) -> Outcome[BroadcastPage]:
        return self.told("broadcasts", BroadcastPage(tuple(self.there)), access, cursor)

    async def create(
        self, access: Access, title: str, scheduled_at: datetime, options: Mapping[str, str]
    ) -> Outcome[str]:
        id_ = f"live{len(self.there)}"
        answer = self.told("create", id_, access, title, scheduled_at, options)
        if isinstance(answer, Ok):
            self.add(id_, title, scheduled_at)
        return answer

    def add(self, id_: str, title: str, scheduled_at: datetime) -> None:
        new = Broadcast(
            id_,
            title,
            BroadcastStatus.CREATED,
            "created",
            scheduled_at,
            chat_id=f"chat-{id_}",
            payload=b"{}",
        )
        self.there.insert(0, new)

    async def create_stream(self, access: Access, title: str) -> Outcome[Stream]:
        stream = Stream("stream1", "rtmps://in.example", "STREAM-NAME-1")
        return self.told("create_stream", stream, access, title)

    async def bind(self, access: Access, broadcast_id: str, stream_id: str) -> Outcome[None]:
        return self.told("bind", None, access, broadcast_id, stream_id)

    async def transition(self, access: Access, broadcast_id: str, to: BroadcastStatus) -> Outcome[None]:
        answer = self.told("transition", None, access, broadcast_id, to)
        if isinstance(answer, Ok):
            self.there = [
                replace(b, status=to, native_status=to.value) if b.external_id == broadcast_id else b
                for b in self.there
            ]
        return answer

    async def chat(self, access: Access, chat_id: str, cursor: str | None) -> Outcome[ChatPage]:
        page = self.said.popleft() if self.said else ChatPage(ended=True)
        return self.told("chat", page, access, chat_id, cursor)


def said(id_: str, text: str = "lovely", at: datetime = AT) -> Remark:
    return Remark(id_, RemarkKind.MESSAGE, Person("900", "ann"), Text(text), b"{}", at=at)


def days(first: date, *minor: int) -> dict[date, int]:
    return {first + timedelta(days=n): amount for n, amount in enumerate(minor)}
