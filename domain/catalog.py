"""Products as platforms list and sell them, and orders that platforms take themselves (B3, R3)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.money import Money


class Availability(StrEnum):
    IN_STOCK = "in_stock"
    OUT_OF_STOCK = "out_of_stock"
    PREORDER = "preorder"
    DISCONTINUED = "discontinued"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Catalog:
    external_id: str
    name: str
    product_count: int | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """`retailer_id` is the shop's own id (SKU); `external_id` the platform's, None before it has one."""

    retailer_id: str
    title: str
    price: Money | None
    external_id: str | None = None
    description: str = ""
    sale_price: Money | None = None
    availability: Availability = Availability.UNKNOWN
    url: str | None = None
    image_url: str | None = None
    brand: str | None = None
    payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ProductPage:
    items: tuple[Product, ...] = ()
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch of product changes under way. `errors` are (retailer id, sentence)."""

    handle: str
    done: bool
    accepted: int | None = None
    errors: tuple[tuple[str, str], ...] = ()
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OrderLine:
    product_id: str
    sku: str | None
    title: str
    quantity: int
    price: Money | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order taken on the platform. `payload` holds the buyer's data: sealed wherever it is stored."""

    external_id: str
    status: str  # the platform's own word
    paid: bool
    cancelled: bool
    total: Money | None
    lines: tuple[OrderLine, ...]
    created_at: datetime | None
    updated_at: datetime | None
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OrderPage:
    items: tuple[Order, ...] = ()
    next_cursor: str | None = None
