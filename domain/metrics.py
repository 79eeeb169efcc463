"""A campaign's running numbers: engagement as differences of totals, clicks and sales as single events."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from domain.money import Money

MAX_CONTENTS = 10_000
"""Contents whose last totals a campaign remembers. For further ones the event's own previous totals are
taken, which is as exact while every event arrives once."""

MAX_ROWS = 1_000
"""Rows of one breakdown; what would be a further row goes to `OTHER`."""

OTHER = "(other)"

_MAX_TOTAL = 2**48
"""Above any real total, and 10,000 of them still fit 64 bits. Platforms have sent 2**63."""


class Counts(Struct, frozen=True):
    """What was counted, for a campaign or one row of a breakdown. `impressions` are views of content."""

    impressions: int = 0
    likes: int = 0
    comments: int = 0
    shares: int = 0
    clicks: int = 0
    conversions: int = 0
    revenue_minor: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.impressions + other.impressions,
            self.likes + other.likes,
            self.comments + other.comments,
            self.shares + other.shares,
            self.clicks + other.clicks,
            self.conversions + other.conversions,
            self.revenue_minor + other.revenue_minor,
        )


class Totals(NamedTuple):
    """Totals of one content as the platform told them; None is "not available", which is not zero."""

    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    views: int | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> "Totals":
        """From an event's `totals`; an impossible number counts as not available."""
        data = data or {}
        return cls(*(_total(data.get(name)) for name in cls._fields))

    def known_or(self, other: "Totals") -> "Totals":
        return Totals(*(a if a is not None else b for a, b in zip(self, other, strict=True)))


class Seen(NamedTuple):
    """The last totals counted for one content, and the order of the event that told them."""

    totals: Totals
    order: tuple[int, int] = (0, 0)


class Dimension(NamedTuple):
    """To what a count belongs, beside the campaign as a whole; None means unknown."""

    platform: str | None = None
    content: str | None = None
    influencer: str | None = None
    product: str | None = None


Rows = Mapping[str, Counts]


class Performance(Struct, frozen=True):
    """The metrics of one campaign; every method answers a new value.

    Revenue and cost are minor units of `currency`. Sales in another currency count as conversions, and
    their amounts are kept apart in `other_currencies`, costs in `other_costs`: Rookery does not invent
    exchange rates.
    """

    currency: str
    total: Counts = Counts()
    cost_minor: int = 0
    other_currencies: Mapping[str, int] = field(default_factory=dict)
    other_costs: Mapping[str, int] = field(default_factory=dict)
    by_platform: Rows = field(default_factory=dict)
    by_content: Rows = field(default_factory=dict)
    by_influencer: Rows = field(default_factory=dict)
    by_product: Rows = field(default_factory=dict)
    contents: Mapping[str, Seen] = field(default_factory=dict)
    early: int = 0  # messages about a time before the launch: not counted
    late: int = 0  # messages about a time after the attribution window: not counted

    @property
    def roas(self) -> str | None:
        """Return on ad spend: revenue / cost, rounded half up to 4 decimals; None while there is no cost."""
        if self.cost_minor <= 0:
            return None
        ten_thousandths = (2 * self.total.revenue_minor * 10_000 + self.cost_minor) // (2 * self.cost_minor)
        return f"{ten_thousandths // 10_000}.{ten_thousandths % 10_000:04d}"

    def clicked(self, where: Dimension) -> "Performance":
        return self._count(Counts(clicks=1), where)

    def sold(self, amount: Money, where: Dimension) -> "Performance":
        if amount.currency == self.currency:
            Money(self.total.revenue_minor + amount.minor, self.currency)  # refuses a sum beyond 53 bits
            return self._count(Counts(conversions=1, revenue_minor=amount.minor), where)
        apart = Money(self.other_currencies.get(amount.currency, 0), amount.currency) + amount
        counted = self._count(Counts(conversions=1), where)
        return replace(counted, other_currencies={**self.other_currencies, apart.currency: apart.minor})

    def adjusted(self, difference: Money, conversions: int, where: Dimension) -> "Performance":
        """A sale counted before is of another amount now, or is none (`conversions` -1)."""
        if difference.currency == self.currency:
            return self._count(Counts(conversions=conversions, revenue_minor=difference.minor), where)
        apart = self.other_currencies.get(difference.currency, 0) + difference.minor
        counted = self._count(Counts(conversions=conversions), where)
        return replace(counted, other_currencies={**self.other_currencies, difference.currency: apart})

    def spent(self, amount: Money) -> "Performance":
        """Add cost; a negative amount corrects an earlier entry. Another currency is `currency_mismatch`."""
        return replace(self, cost_minor=(Money(self.cost_minor, self.currency) + amount).minor)

    def engaged(
        self, totals: Totals, previous: Totals, order: tuple[int, int] | None, where: Dimension
    ) -> "Performance":
        """Add what changed since the totals last seen of this content.

        Base of the difference, per number: what this campaign saw last; else the event's previous total;
        else the total itself, which adds nothing: what came before we looked is unknown, and unknown is not
        zero. So the sum of all differences is always last total - first base. Totals may fall (unlikes):
        then the difference is negative. An event not newer than the last one seen of its content is a
        repetition and changes nothing.
        """
        content = where.content or ""
        seen = self.contents.get(content)
        if seen and order is not None and order <= seen.order:
            return self
        base = seen.totals.known_or(previous) if seen else previous
        now = totals.known_or(base)  # a number missing this time did not change
        likes, comments, shares, views = (
            0 if a is None or b is None else a - b for a, b in zip(now, base, strict=True)
        )
        counted = self._count(Counts(views, likes, comments, shares), where)
        if not seen and len(self.contents) >= MAX_CONTENTS:
            return counted
        latest = Seen(now, order or (seen.order if seen else (0, 0)))
        return replace(counted, contents={**self.contents, content: latest})

    def _count(self, counts: Counts, where: Dimension) -> "Performance":
        return replace(
            self,
            total=self.total + counts,
            by_platform=_plus(self.by_platform, where.platform, counts),
            by_content=_plus(self.by_content, where.content, counts),
            by_influencer=_plus(self.by_influencer, where.influencer, counts),
            by_product=_plus(self.by_product, where.product, counts),
        )


def _plus(rows: Rows, name: str | None, counts: Counts) -> Rows:
    if name is None or counts == Counts():
        return rows
    if name not in rows and len(rows) >= MAX_ROWS:
        name = OTHER
    return {**rows, name: rows.get(name, Counts()) + counts}


def _total(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_TOTAL:
        return None
    return value
