"""TikTok Shop: signed requests, the seller's shop, its products and its orders.

Source: partner.tiktokshop.com "Sign your API request", "Common errors"; Order API 202309, Product API 202502.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.acts import Act, Done
from sandbox.generate import voice_of
from sandbox.ids import digits, secret, seeded
from sandbox.limits import Rule
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok import errors
from sandbox.tiktok.access import SHOP as VIA
from sandbox.tiktok.advertising import CURRENCIES
from sandbox.tiktok.consents import shop_id
from sandbox.tiktok.errors import SHOP, Refused
from sandbox.tiktok.webhooks import Describer
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Profile

FAMILY = "shop"
_RULE = Rule(600, 60)
_CLOCK_AT_MOST_S = 300
_PAST_ORDERS = 12
_ORDER_CHANGED = 1
_STATUSES = (
    "UNPAID",
    "ON_HOLD",
    "AWAITING_SHIPMENT",
    "PARTIALLY_SHIPPING",
    "AWAITING_COLLECTION",
    "IN_TRANSIT",
    "DELIVERED",
    "COMPLETED",
    "CANCELLED",
)
Handler = Callable[[Call, Profile], Awaitable[dict[str, Any]]]


def sign(app_secret: str, path: str, query: dict[str, str], body: bytes) -> str:
    """Hex HMAC-SHA256 keyed with and wrapped in the app's secret."""
    text = path + "".join(k + query[k] for k in sorted(query) if k not in ("sign", "access_token"))
    wrapped = app_secret.encode() + text.encode() + body + app_secret.encode()
    return hmac.new(app_secret.encode(), wrapped, hashlib.sha256).hexdigest()


def cipher_of(account: Profile) -> str:
    return f"ROW_{secret(24, account.id, 'cipher')}"


class Shop:
    def __init__(self, state: State) -> None:
        self._state = state
        self._describe = Describer(state)
        self._products: dict[str, list[dict[str, Any]]] = {}
        self._orders: dict[str, list[dict[str, Any]]] = {}

    def operations(self) -> list[Operation]:
        return [
            self._operation("GET", "/authorization/202309/shops", self.shops, ciphered=False),
            self._operation("POST", "/order/202309/orders/search", self.search_orders),
            self._operation("POST", "/product/202502/products/search", self.search_products),
            self._operation("GET", "/product/202309/products/:id", self.product),
        ]

    def act(self, account: Profile, act: Act) -> Done:
        """`order`: somebody buys; `order_cancel`: an order (the newest, or `content_id`) is cancelled."""
        orders, now_s = self._all_orders(account), self._state.clock.now_ms() // 1000
        if act.kind == "order":
            order = self._order(account, len(orders), now_s, "AWAITING_SHIPMENT") | {"update_time": now_s}
            orders.append(order)
        else:
            found = [o for o in orders if act.content_id in (None, o["id"]) and o["status"] != "CANCELLED"]
            if not found:
                raise BadInput("the shop has no such order that could be cancelled")
            order = found[-1]
            order |= {"status": "CANCELLED", "update_time": now_s, "cancel_time": now_s}
        data = {
            "order_id": order["id"],
            "order_status": order["status"],
            "is_on_hold_order": False,
            "update_time": order["update_time"],
        }
        shop = shop_id(account)
        happening = self._describe.shop(account, shop, _ORDER_CHANGED, data, act.kind, order["id"])
        return Done(order["id"], self._state.events.emit(happening))

    async def shops(self, call: Call, account: Profile) -> dict[str, Any]:
        shop = {
            "id": shop_id(account),
            "name": account.name,
            "region": "US",
            "seller_type": "LOCAL",
            "cipher": cipher_of(account),
            "code": f"CNGB{secret(8, account.id, 'code').upper()}",
        }
        return {"shops": [shop]}

    async def search_orders(self, call: Call, account: Profile) -> dict[str, Any]:
        wish = call.json()
        name = call.query.get("sort_field", "create_time")
        if name not in ("create_time", "update_time"):
            raise BadInput("sort_field must be create_time or update_time")
        rows = sorted(
            self._all_orders(account),
            key=lambda o: (o[name], o["id"]),
            reverse=call.query.get("sort_order", "DESC") == "DESC",
        )
        for bound, keep in (
            ("create_time_ge", lambda o, t: o["create_time"] >= t),
            ("create_time_lt", lambda o, t: o["create_time"] < t),
            ("update_time_ge", lambda o, t: o["update_time"] >= t),
            ("update_time_lt", lambda o, t: o["update_time"] < t),
            ("order_status", lambda o, t: o["status"] == t),
        ):
            if bound in wish:
                if bound == "order_status" and wish[bound] not in _STATUSES:
                    raise BadInput("order_status is invalid")
                rows = [order for order in rows if keep(order, wish[bound])]  # type: ignore[no-untyped-call]
        return _page(call, "orders", rows)

    async def search_products(self, call: Call, account: Profile) -> dict[str, Any]:
        status = call.json().get("status", "ALL")
        rows = [p for p in self._all_products(account) if status in ("ALL", p["status"])]
        return _page(call, "products", rows)

    async def product(self, call: Call, account: Profile) -> dict[str, Any]:
        for product in self._all_products(account):
            if product["id"] == call.params["id"]:
                return product
        raise Refused(errors.coded(12052048, "Product does not exist", status=404))

    def _operation(self, method: str, template: str, handler: Handler, ciphered: bool = True) -> Operation:
        async def guarded(call: Call) -> Reply:
            try:
                return errors.coded(0, "Success", await handler(call, self._seller(call, ciphered)))
            except BadInput as error:
                return errors.coded(36009003, f"Invalid parameter: {error}", status=400)
            except Refused as refused:
                return refused.reply

        return Operation("tiktok", SHOP, method, template, guarded)

    def _seller(self, call: Call, ciphered: bool) -> Profile:
        app = self._state.apps.by_client_id("tiktok", call.query.get("app_key", ""))
        stamp = call.query.get("timestamp", "")
        wrong = errors.coded(36009004, "Invalid credentials", status=401)
        # By the caller's own clock: time travel in the sandbox must not make every signature too old.
        now_s = self._state.clock.source_ms() // 1000
        if app is None or not stamp.isdecimal() or abs(int(stamp) - now_s) > _CLOCK_AT_MOST_S:
            raise Refused(wrong)
        multipart = call.headers.get("content-type", "").lower().startswith("multipart/form-data")
        expected = sign(app.client_secret, call.path, call.query, b"" if multipart else call.body)
        if not hmac.compare_digest(call.query.get("sign", "").encode(), expected.encode()):
            raise Refused(errors.coded(106001, "Invalid sign", status=400))
        token = self._state.tokens.access(call.headers.get("x-tts-access-token", ""))
        if token is None or token.grant.via != VIA or token.grant.app_id != app.id:
            raise Refused(wrong)
        if token.revoked or token.expires_ms <= self._state.clock.now_ms():
            self._state.ledger.token_expiries += 1
            raise Refused(errors.coded(105002, "Expired credentials", status=401))
        account = self._state.world.accounts["tiktok", token.grant.external_id]
        if ciphered and "shop_cipher" not in call.query:
            raise Refused(errors.coded(101000, "shop_cipher is required", status=400))
        if ciphered and call.query["shop_cipher"] != cipher_of(account):
            raise Refused(errors.coded(106013, "Invalid shop_cipher", status=400))
        now = self._state.clock.now_ms()
        if self._state.limits.spend("tiktok", FAMILY, "shop", account.id, _RULE, now).exceeded:
            self._state.ledger.limited(app.id)
            raise Refused(errors.coded(36009002, "Too many requests", status=429))
        return account

    def _all_products(self, account: Profile) -> list[dict[str, Any]]:
        if account.id not in self._products:
            rng = seeded(self._state.seed, account.id, "products")
            names = voice_of(account).products
            self._products[account.id] = [
                self._product(account, number, name, rng.randrange(900, 9900), rng.randrange(0, 3))
                for number, name in enumerate(names)
            ]
        return self._products[account.id]

    def _product(self, account: Profile, number: int, name: str, cents: int, variants: int) -> dict[str, Any]:
        currency = _currency(account)
        created = self._state.world.epoch_ms // 1000 - (number + 1) * 86_400
        skus = [
            {
                "id": digits(19, account.id, "sku", number, n, prefix="1729"),
                "seller_sku": f"SKU-{number + 1}-{n + 1}",
                "price": {
                    "currency": currency,
                    "sale_price": _amount(cents + n * 100, currency),
                    "tax_exclusive_price": _amount(cents + n * 100, currency),
                },
                "inventory": [{"warehouse_id": "7068517275539719942", "quantity": (number + n) % 3 * 7}],
            }
            for n in range(variants + 1)
        ]
        return {
            "id": digits(19, account.id, "product", number, prefix="1729"),
            "title": name[:1].upper() + name[1:],
            "status": "SELLER_DEACTIVATED" if number == 3 else "ACTIVATE",
            "sales_regions": ["US"],
            "create_time": created,
            "update_time": created,
            "skus": skus,
        }

    def _all_orders(self, account: Profile) -> list[dict[str, Any]]:
        if account.id not in self._orders:
            newest = self._state.world.epoch_ms // 1000
            self._orders[account.id] = [
                self._order(
                    account, n, newest - (_PAST_ORDERS - n) * 40_000, _STATUSES[n * 7 % len(_STATUSES)]
                )
                for n in range(_PAST_ORDERS)
            ]
        return self._orders[account.id]

    def _order(self, account: Profile, number: int, at_s: int, status: str) -> dict[str, Any]:
        """Every piece is a line item of its own, as TikTok Shop lists them."""
        rng = seeded(self._state.seed, account.id, "order", number)
        person = rng.choice(self._state.world.crowd("tiktok"))
        product = rng.choice(self._all_products(account))
        sku = rng.choice(product["skus"])
        currency, pieces = _currency(account), rng.randrange(1, 4)
        price = sku["price"]["sale_price"]
        total = _cents(price) * pieces
        order: dict[str, Any] = {
            "id": digits(18, account.id, "order", number, prefix="5764"),
            "status": status,
            "create_time": at_s,
            "update_time": at_s + (0 if status == "UNPAID" else 600),
            "user_id": person.id,
            "buyer_email": f"{secret(12, person.id)}@scs.tiktokw.example",
            "is_cod": False,
            "fulfillment_type": "FULFILLMENT_BY_SELLER",
            "payment": {
                "currency": currency,
                "sub_total": _amount(total, currency),
                "shipping_fee": _amount(0, currency),
                "total_amount": _amount(total, currency),
            },
            "recipient_address": {
                "name": f"{person.name[0]}***",
                "region_code": "US",
                "postal_code": "00000",
            },
            "line_items": [
                {
                    "id": digits(18, account.id, "line", number, n, prefix="5765"),
                    "product_id": product["id"],
                    "sku_id": sku["id"],
                    "seller_sku": sku["seller_sku"],
                    "product_name": product["title"],
                    "sale_price": price,
                    "original_price": price,
                    "currency": currency,
                    "display_status": status,
                }
                for n in range(pieces)
            ],
        }
        if status not in ("UNPAID", "CANCELLED"):
            order["paid_time"] = at_s + 100
        return order


def _page(call: Call, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    size = call.query.get("page_size", "")
    if not size.isdecimal() or not 1 <= int(size) <= 100:
        raise BadInput("page_size must be from 1 to 100")
    start = _offset(call.query.get("page_token", ""))
    end = start + int(size)
    token = base64.b64encode(f"offset={end}".encode()).decode() if end < len(rows) else ""
    return {name: rows[start:end], "next_page_token": token, "total_count": len(rows)}


def _offset(token: str) -> int:
    try:
        text = base64.b64decode(token, validate=True).decode() if token else "offset=0"
        return int(text.removeprefix("offset="))
    except (binascii.Error, ValueError, UnicodeDecodeError):
        raise BadInput("page_token is invalid") from None


def _currency(account: Profile) -> str:
    return CURRENCIES.get(account.lang, "EUR")


def _amount(cents: int, currency: str) -> str:
    return str(cents) if currency == "JPY" else f"{cents / 100:.2f}"


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))
