"""The control API under `/_sandbox`: what a test or a demo asks of the sandbox itself, in JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox import report
from sandbox.acts import Act
from sandbox.apps import PlatformApp
from sandbox.deliver import Behaviour
from sandbox.generate import DEFAULT_POSTS, make_account
from sandbox.limits import Rule
from sandbox.picture import picture
from sandbox.platform import Platform
from sandbox.routing import Operation, Routes
from sandbox.state import State
from sandbox.traffic import Traffic
from sandbox.web import BadInput, Call, Reply, json_reply
from sandbox.world import Profile

_POSTS_AT_MOST = 20_000
_HERE = ("_sandbox",)
Handle = Callable[[Call], Awaitable[Reply]]


class Control:
    def __init__(self, state: State, platforms: dict[str, Platform], traffic: Traffic) -> None:
        self._state, self._platforms, self._traffic = state, platforms, traffic
        account = "/accounts/:platform/:external_id"
        table: list[tuple[str, str, Handle]] = [
            ("GET", "/", self.index),
            ("GET", "/healthz", self.healthz),
            ("POST", "/accounts", self.create_account),
            ("GET", "/accounts", self.accounts),
            ("POST", f"{account}/act", self.act),
            ("POST", f"{account}/token", self.token),
            ("POST", "/apps", self.create_app),
            ("GET", "/apps", self.apps),
            ("PUT", "/apps/:id", self.change_app),
            ("POST", "/traffic", self.start_traffic),
            ("GET", "/traffic", self.show_traffic),
            ("DELETE", "/traffic", self.stop_traffic),
            ("POST", "/faults", self.add_fault),
            ("GET", "/faults", self.faults),
            ("DELETE", "/faults", self.clear_faults),
            ("PUT", "/delivery", self.set_delivery),
            ("GET", "/delivery", self.delivery),
            ("POST", "/redeliver", self.redeliver),
            ("PUT", "/limits", self.set_limit),
            ("POST", "/clock", self.advance),
            ("GET", "/ledger", self.ledger),
            ("GET", "/ledger/summary", self.summary),
            ("DELETE", "/ledger", self.clear_ledger),
            ("GET", "/picture.png", self.picture),
        ]
        self._routes = Routes(
            [Operation("sandbox", _HERE, method, path, handler) for method, path, handler in table]
        )

    async def handle(self, call: Call) -> Reply:
        found = self._routes.find("_sandbox", call.method, call.path)
        if found is None:
            return json_reply({"error": f"the sandbox has no {call.method} /_sandbox{call.path}"}, 404)
        operation, call.params = found
        try:
            return await operation.handler(call)
        except BadInput as error:
            return json_reply({"error": str(error)}, 400)

    async def index(self, call: Call) -> Reply:
        return report.index(self._state)

    async def picture(self, call: Call) -> Reply:
        return picture(call)

    async def healthz(self, call: Call) -> Reply:
        state = self._state
        return json_reply(
            {
                "status": "ok",
                "seed": state.seed,
                "epoch_ms": state.world.epoch_ms,
                "now_ms": state.clock.now_ms(),
                "accounts": len(state.world.accounts),
                "deliveries_pending": state.deliverer.pending,
            }
        )

    async def create_account(self, call: Call) -> Reply:
        wish = call.json()
        _known(wish, {"platform", "seed", "posts", "username", "app"})
        platform = self._platform(wish.get("platform"))
        if not isinstance(wish.get("seed"), int | str):
            raise BadInput("seed is needed: a number or a text; the same seed gives the same account")
        posts = _number(wish, "posts", DEFAULT_POSTS, 0, _POSTS_AT_MOST)
        app = self._app(str(wish.get("app") or self._state.apps.defaults[platform.name]))
        if app.platform != platform.name:
            raise BadInput(f"app {app.id} belongs to {app.platform}, not {platform.name}")
        username = wish.get("username")
        if username is not None and (not isinstance(username, str) or not username):
            raise BadInput("username must be a text that is not empty")
        account = make_account(self._state.world, app.emulation, wish["seed"], int(posts), username)
        issued = platform.issue(app, account)
        shown = {
            **report.account(account),
            "access_token": issued.access_token,
            "refresh_token": issued.refresh_token,
            "expires_in": issued.expires_in,
            "scopes": issued.scopes,
            "app": report.app(app),
        }
        if issued.oauth1 is not None:
            shown |= {"oauth1_token": issued.oauth1[0], "oauth1_secret": issued.oauth1[1]}
        return json_reply(shown, 201)

    async def accounts(self, call: Call) -> Reply:
        return json_reply({"accounts": [report.account(a) for a in self._state.world.accounts.values()]})

    async def create_app(self, call: Call) -> Reply:
        wish = call.json()
        platform = self._platform(wish.get("platform"))
        _known(wish, {"platform", *_APP_KEYS})
        app = self._state.apps.create(platform.name, wish.get("name"))
        reason = await self._configure(app, wish)
        return json_reply({**report.app(app), **({"reason": reason} if reason else {})}, 201)

    async def apps(self, call: Call) -> Reply:
        return json_reply({"apps": [report.app(app) for app in self._state.apps.all()]})

    async def change_app(self, call: Call) -> Reply:
        app, wish = self._app(call.params["id"]), call.json()
        _known(wish, set(_APP_KEYS))
        reason = await self._configure(app, wish)
        verified = reason is None and app.target(None) is not None
        return json_reply({"verified": verified, **({"reason": reason} if reason else {})})

    async def act(self, call: Call) -> Reply:
        account = self._account(call)
        done = self._platforms[account.platform].act(account, Act.read(call.json()))
        return json_reply({"id": done.id, "event_ids": done.event_ids})

    async def token(self, call: Call) -> Reply:
        account, wish = self._account(call), call.json()
        tokens, now = self._state.tokens, self._state.clock.now_ms()
        action = wish.get("action")
        if action == "expire":
            tokens.expire_at(account.platform, account.id, now)
        elif action == "expires_in":
            seconds = _number(wish, "seconds", None, 0, 10**9)
            tokens.expire_at(account.platform, account.id, now + int(seconds * 1000))
        elif action == "revoke":
            tokens.withdraw(account.platform, account.id)
        elif action == "revoke_refresh":
            tokens.revoke_refresh(account.platform, account.id)
        else:
            raise BadInput(f"action must be expire, revoke, revoke_refresh or expires_in; got {action!r}")
        return json_reply({"done": action})

    async def start_traffic(self, call: Call) -> Reply:
        wish = call.json()
        _known(wish, {"seconds", "rate", "seed", "mix", "accounts"})
        return json_reply(self._traffic.start(wish), 202)

    async def show_traffic(self, call: Call) -> Reply:
        return json_reply(self._traffic.view())

    async def stop_traffic(self, call: Call) -> Reply:
        await self._traffic.stop()
        return json_reply(self._traffic.view())

    async def add_fault(self, call: Call) -> Reply:
        wish = call.json()
        _known(wish, set(_FAULT_KEYS))
        if wish.get("platform") is not None:
            self._platform(wish["platform"])
        return json_reply(self._state.faults.add(wish, self._state.clock.now_ms()).view(), 201)

    async def faults(self, call: Call) -> Reply:
        return json_reply({"faults": self._state.faults.all()})

    async def clear_faults(self, call: Call) -> Reply:
        return json_reply({"cleared": self._state.faults.clear()})

    async def set_delivery(self, call: Call) -> Reply:
        """Keys that are left out keep their value."""
        wish, now = call.json(), self._state.deliverer.behaviour
        _known(wish, {"duplicate", "reorder", "delay_ms", "batch", "retry_scale", "hold"})
        delay = wish.get("delay_ms", now.delay_ms)
        if (
            not isinstance(delay, list | tuple)
            or len(delay) != 2
            or not all(isinstance(d, int) for d in delay)
        ):
            raise BadInput("delay_ms must be a pair [least, most] of whole milliseconds")
        self._state.deliverer.set_behaviour(
            Behaviour(
                duplicate=float(_number(wish, "duplicate", now.duplicate, 0, 1)),
                reorder=float(_number(wish, "reorder", now.reorder, 0, 1)),
                delay_ms=(delay[0], delay[1]),
                batch=int(_number(wish, "batch", now.batch, 1, 1000)),
                retry_scale=float(_number(wish, "retry_scale", now.retry_scale, 0, 1000)),
                hold=bool(wish.get("hold", now.hold)),
            )
        )
        return await self.delivery(call)

    async def delivery(self, call: Call) -> Reply:
        deliverer = self._state.deliverer
        return json_reply({"behaviour": deliverer.behaviour, "pending": deliverer.pending})

    async def redeliver(self, call: Call) -> Reply:
        wish = call.json()
        rows = self._state.ledger.events
        ids = wish.get("event_ids")
        if isinstance(ids, list):
            wanted = {str(event_id) for event_id in ids}
            rows = [row for row in rows if row.event_id in wanted]
        elif "last" in wish:
            last = int(_number(wish, "last", None, 0, 10**6))
            rows = rows[-last:] if last else []
        else:
            raise BadInput("say which events: event_ids (a list) or last (a number)")
        posts = self._state.deliverer.redeliver([row.seq for row in rows], bool(wish.get("regroup")))
        return json_reply({"events": len(rows), "deliveries": posts}, 202)

    async def set_limit(self, call: Call) -> Reply:
        wish = call.json()
        platform = self._platform(wish.get("platform"))
        family = wish.get("family") or wish.get("path")
        families = platform.rate_families
        if family not in families:
            matching = [name for name in families if name.endswith(f" {family}")]
            if len(matching) != 1:
                raise BadInput(f"family must be one of {', '.join(sorted(families))}; got {family!r}")
            family = matching[0]
        rule = Rule(
            int(_number(wish, "limit", None, 1, 10**9)), int(_number(wish, "window_s", 900, 1, 10**7))
        )
        self._state.limits.set(platform.name, family, rule)
        return json_reply({"family": family, "limit": rule.limit, "window_s": rule.window_s})

    async def advance(self, call: Call) -> Reply:
        seconds = _number(call.json(), "advance_s", None, 0, 10**9)
        self._state.clock.advance(seconds)
        return json_reply({"now_ms": self._state.clock.now_ms()})

    async def ledger(self, call: Call) -> Reply:
        since = call.query.get("since") or "0"
        if not since.isdigit():
            raise BadInput("since must be the seq of an event; only later ones are answered")
        kinds = frozenset(filter(None, call.query.get("kinds", "").split(",")))
        return json_reply(report.ledger(self._state, int(since), kinds))

    async def summary(self, call: Call) -> Reply:
        return json_reply(report.summary(self._state))

    async def clear_ledger(self, call: Call) -> Reply:
        self._state.ledger.clear()
        return json_reply({"cleared": True})

    async def _configure(self, app: PlatformApp, wish: dict[str, Any]) -> str | None:
        """Change the app; why the handshake with its webhook address failed, or None."""
        uris = wish.get("redirect_uris", list(app.redirect_uris))
        if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
            raise BadInput("redirect_uris must be a list of addresses")
        dialect = wish.get("dialect", app.dialect)
        if dialect not in app.emulation.dialects:
            raise BadInput(f"dialect must be one of {', '.join(app.emulation.dialects)}; got {dialect!r}")
        app.redirect_uris, app.dialect = tuple(uris), dialect
        app.auto_subscribe = bool(wish.get("auto_subscribe", app.auto_subscribe))
        app.wrapped_tokens = bool(wish.get("wrapped_tokens", app.wrapped_tokens))
        app.deauthorize_url = wish.get("deauthorize_url", app.deauthorize_url)
        app.data_deletion_url = wish.get("data_deletion_url", app.data_deletion_url)
        app.verify_token = wish.get("verify_token", app.verify_token)
        url = wish.get("webhook_url")
        if url is None:
            return None
        if not isinstance(url, str):
            raise BadInput(
                "webhook_url must be an address such as http://127.0.0.1:8000/webhooks/twitter/main"
            )
        return await self._platforms[app.platform].register(app, url)

    def _platform(self, name: object) -> Platform:
        platform = self._platforms.get(name) if isinstance(name, str) else None
        if platform is None:
            raise BadInput(f"platform must be one of {', '.join(self._platforms)}; got {name!r}")
        return platform

    def _app(self, app_id: str) -> PlatformApp:
        app = self._state.apps.get(app_id)
        if app is None:
            raise BadInput(f"there is no app {app_id!r}; GET /_sandbox/apps lists them")
        return app

    def _account(self, call: Call) -> Profile:
        key = call.params["platform"], call.params["external_id"]
        account = self._state.world.accounts.get(key)
        if account is None:
            raise BadInput(f"there is no {key[0]} account {key[1]!r}; GET /_sandbox/accounts lists them")
        return account


_APP_KEYS = (
    "name",
    "redirect_uris",
    "webhook_url",
    "verify_token",
    "auto_subscribe",
    "dialect",
    "wrapped_tokens",
    "deauthorize_url",
    "data_deletion_url",
)

_FAULT_KEYS = (
    "platform",
    "host",
    "path",
    "external_id",
    "kind",
    "status",
    "count",
    "seconds",
    "latency_ms",
    "probability",
)


def _known(wish: dict[str, Any], keys: set[str]) -> None:
    unknown = sorted(set(wish) - keys)
    if unknown:
        raise BadInput(f"unknown key {unknown[0]!r}; use {', '.join(sorted(keys))}")


def _number(wish: dict[str, Any], name: str, default: float | None, least: float, most: float) -> float:
    value = wish.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadInput(f"{name} must be a number from {least} to {most}; got {value!r}")
    return value
