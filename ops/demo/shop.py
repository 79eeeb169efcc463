"""A shop of one of the demo's orgs: its campaign, the visitors its links bring, and the orders they place.

The shop keeps a book of its own: what it told the service and had confirmed. That is the other side of the
comparison, because the platforms' ledger knows nothing of orders.
"""

import asyncio
import random
from dataclasses import dataclass, field

import httpx

from domain.clock import Clock
from ops.demo.connect import Connection, Party
from ops.demo.wire import Json

CURRENCY = "EUR"
_PRICES = (490, 900, 1250, 1900, 2490, 3400, 5995)
_PEOPLE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Instagram 385.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/138.0 Mobile Safari/537.36",
)
_MACHINES: tuple[dict[str, str], ...] = (
    {"user-agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
    {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
    {"user-agent": _PEOPLE[1], "sec-purpose": "prefetch;prerender"},
)


@dataclass(slots=True)
class Order:
    """`credited`: it came by a link or a code of the campaign, so the campaign must have it."""

    order_id: str
    amount_minor: int
    credited: bool
    told: int = 1


@dataclass(slots=True)
class Book:
    """`visits`: people sent on, by link code. `unsure`: visits whose answer never came, which may count."""

    orders: dict[str, Order] = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    machines: int = 0
    unsure: int = 0

    @property
    def revenue_minor(self) -> int:
        return sum(order.amount_minor for order in self.orders.values() if order.credited)

    @property
    def conversions(self) -> int:
        return sum(order.credited for order in self.orders.values())


class Shop:
    def __init__(
        self,
        party: Party,
        connections: list[Connection],
        clock: Clock,
        visitors: httpx.AsyncClient,
        seed: str,
    ) -> None:
        self.party = party
        self.connections = connections
        self.book = Book()
        self.campaign_id = ""
        self.links: list[Json] = []
        self._codes: list[str] = []
        self._series = party.name.lower().replace(" ", "-")
        self._clock = clock
        self._visitors = visitors
        self._rng = random.Random(seed)
        self._closing = asyncio.Event()

    async def open(self, name: str, prefix: str, budget_minor: int) -> None:
        """Plan the campaign on the org's accounts, with a code and a link per account, and launch it."""
        api = self.party.admin
        newest = {}
        for connection in self.connections:
            page = await api.get(f"/v1/accounts/{connection.account_id}/content", limit=1)
            newest[connection.account_id] = page["items"][0]["id"]
        self._codes = [f"{prefix}{10 + 5 * n}" for n in range(len(self.connections))]
        plan: Json = {
            "name": name,
            "type": "product_launch",
            "platforms": sorted({c.platform for c in self.connections}),
            "budget": {"total_minor": budget_minor, "daily_minor": budget_minor // 10, "currency": CURRENCY},
            "products": ["mug-blue", "vase-tall"],
            "influencers": ["ana.kiln"],
            "accounts": [c.account_id for c in self.connections],
            "promotion_codes": [
                {"code": code, "platform": c.platform, "content_id": newest[c.account_id]}
                for code, c in zip(self._codes, self.connections, strict=True)
            ],
            "attribution_window_days": 7,
        }
        campaign = await api.post("/v1/campaigns", plan)
        self.campaign_id = campaign["id"]
        for connection in self.connections:
            link = {
                "url": "https://shop.example/mugs?utm_source=social",
                "campaign_id": self.campaign_id,
                "content_id": newest[connection.account_id],
                "platform": connection.platform,
                "influencer": "ana.kiln",
                "product_id": "mug-blue",
            }
            self.links.append(await api.post("/v1/links", link))
        await api.post(f"/v1/campaigns/{self.campaign_id}/launch")
        await api.post(f"/v1/campaigns/{self.campaign_id}/costs", {"amount_minor": budget_minor // 20})

    async def run(self, visits_per_s: float, orders_per_s: float) -> None:
        """Visitors and orders until closed; what was begun is finished."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._visit(visits_per_s))
            both.create_task(self._sell(orders_per_s))

    def close(self) -> None:
        self._closing.set()

    async def _visit(self, rate: float) -> None:
        while not self._closing.is_set():
            code = self._rng.choice(self.links)["code"]
            if self._rng.random() < 0.3:
                await self._machine(code)
            else:
                await self._person(code)
            await asyncio.sleep(self._rng.expovariate(rate))

    async def _person(self, code: str) -> None:
        try:
            answer = await self._visitors.get(f"/r/{code}", headers={"user-agent": self._rng.choice(_PEOPLE)})
        except httpx.HTTPError:
            self.book.unsure += 1
            return
        if answer.status_code == 302:
            self.book.visits[code] = self.book.visits.get(code, 0) + 1

    async def _machine(self, code: str) -> None:
        headers = self._rng.choice(_MACHINES)
        method = self._rng.choice(("GET", "HEAD"))
        try:
            await self._visitors.request(method, f"/r/{code}", headers=headers)
        except httpx.HTTPError:
            return
        self.book.machines += 1

    async def _sell(self, rate: float) -> None:
        while not self._closing.is_set():
            await self._order()
            await asyncio.sleep(self._rng.expovariate(rate))

    async def _order(self) -> None:
        """One order; some are told twice under one Idempotency-Key, some again under another, as shops do."""
        rng = self._rng
        way = rng.choices(("link", "code", "both", "neither"), (45, 30, 10, 15))[0]
        order = Order(
            order_id=f"{self._series}-{1001 + len(self.book.orders)}",
            amount_minor=rng.choice(_PRICES) * rng.choice((1, 1, 2)),
            credited=way != "neither",
        )
        told: Json = {
            "order_id": order.order_id,
            "customer_id": f"customer-{rng.randrange(10_000)}",
            "product_id": rng.choice(("mug-blue", "vase-tall")),
            "amount_minor": order.amount_minor,
            "currency": CURRENCY,
            "occurred_at": self._clock.now().isoformat(),
        }
        if way in ("link", "both"):
            told["link_code"] = rng.choice(self.links)["code"]
        if way in ("code", "both"):
            told["promotion_code"] = rng.choice(self._codes).lower()
        key = f"order-{order.order_id}"
        repeats = [again for again in (key, f"{key}-again") if rng.random() < 0.2]
        for sent_under in (key, *repeats):
            await self.party.admin.post("/v1/transactions", told, key=sent_under)
        order.told += len(repeats)
        self.book.orders[order.order_id] = order
