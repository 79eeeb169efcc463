"""Who may call graph.facebook.com, and Meta's usage headers and limits."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sandbox.apps import PlatformApp
from sandbox.facebook.roles import Roles
from sandbox.limits import Rule, Window
from sandbox.meta import errors
from sandbox.meta.access import credential, percent, why_dead
from sandbox.meta.errors import Refused
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import AccessToken
from sandbox.web import Call, Reply
from sandbox.world import Profile

GRAPH = ("graph.facebook.com",)
VIDEO = ("graph-video.facebook.com", "graph.facebook.com")
_DAY_S = 86_400
_HOUR_S = 3600
# Meta's pool is 200 x users of the app per rolling hour; this app is taken to have a thousand.
_APP_RULE = Rule(200_000, _HOUR_S)
# Row of the usage header -> (error code, whose calls). Rules: docs/graph-api/overview/rate-limiting.
_KINDS = {
    "pages": (80001, "Page account"),
    "ads_management": (80004, "ad-account"),
    "ads_insights": (80000, "ad-account"),
    "catalog": (80009, "Catalog account"),
    "catalog_batch": (80014, "Catalog account"),
}
RATE_FAMILIES = (*_KINDS, "app")


@dataclass(frozen=True, slots=True)
class Caller:
    """`page` None: a person's token. `scopes` are those of the consent."""

    app: PlatformApp
    token: AccessToken
    page: Profile | None
    person: str

    @property
    def id(self) -> str:
        return self.page.id if self.page else self.person

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.token.grant.scopes


Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Access:
    def __init__(self, state: State, roles: Roles) -> None:
        self._state, self._roles = state, roles

    def operation(
        self,
        method: str,
        template: str,
        handler: Handler,
        scope: str | None = None,
        kind: str = "pages",
        hosts: tuple[str, ...] = GRAPH,
    ) -> Operation:
        """`scope`: one of these, separated by spaces, is needed. `kind`: what the call is counted as."""

        async def guarded(call: Call) -> Reply:
            try:
                caller = self.caller(call)
                business, app = self._spend(caller, kind)
                self._check(caller, scope)
                try:
                    reply = await handler(call, caller)
                except Refused as refused:
                    reply = refused.reply
            except Refused as refused:
                return refused.reply
            reply.headers["x-app-usage"] = errors.app_usage(percent(app))
            shown = kind if not kind.startswith("catalog") else "ads_management"
            reply.headers.setdefault(
                "x-business-use-case-usage", errors.business_usage(shown, caller.id, percent(business))
            )
            return reply

        return Operation("facebook", hosts, method, template, guarded)

    def caller(self, call: Call) -> Caller:
        value = credential(call)
        if not value:
            raise Refused(errors.graph_error(104, "An access token is required to request this resource."))
        token = self._state.tokens.access(value)
        if token is None or token.grant.platform != "facebook":
            raise Refused(errors.unknown_token())
        wrong = self.why_dead(token)
        if wrong is not None:
            raise Refused(errors.bad_token(*wrong))
        grant = token.grant
        consent = self._roles.consent(self._roles.person_grant(grant))
        app = self._state.app_of(grant.app_id)
        proof = call.query.get("appsecret_proof") or call.fields().get("appsecret_proof")
        expected = hmac.new(app.client_secret.encode(), value.encode(), hashlib.sha256).hexdigest()
        if proof is not None and proof != expected:
            message = "Invalid appsecret_proof provided in the API argument"
            raise Refused(errors.graph_error(100, message, kind="GraphMethodException"))
        person = self._roles.scoped(app, consent.person) if consent else ""
        return Caller(app, token, self._state.world.accounts.get(("facebook", grant.external_id)), person)

    def why_dead(self, token: AccessToken) -> tuple[str, int] | None:
        """Message and subcode of a token that is no longer good."""
        person = self._roles.person_grant(token.grant)
        return why_dead(self._state, token if person.authorised else replace(token, grant=person))

    def app_of_token(self, call: Call) -> PlatformApp | None:
        """The app whose `{id}|{secret}` is presented."""
        app_id, _, secret = (credential(call) or "").partition("|")
        app = self._state.apps.by_client_id("facebook", app_id)
        return app if app and secret == app.client_secret else None

    def _check(self, caller: Caller, scope: str | None) -> None:
        # Unconfirmed how Meta words the end of data access; that reads fail then is documented.
        if self._state.clock.now_ms() >= self._roles.data_access_ends_ms(caller.token.grant):
            raise Refused(errors.graph_error(10, "(#10) The person's data access has expired.", status=403))
        wanted = (scope or "").split()
        if wanted and not set(wanted) & set(caller.scopes):
            raise Refused(errors.missing_permission(" or ".join(wanted)))

    def _spend(self, caller: Caller, kind: str) -> tuple[Window, Window]:
        limits, now = self._state.limits, self._state.clock.now_ms()
        subject = f"{caller.app.id}:{caller.id}"
        business = limits.spend("facebook", kind, "account", subject, _rule(caller, kind), now)
        app = limits.spend("facebook", "app", "app", caller.app.id, _APP_RULE, now)
        ledger = self._state.ledger
        ledger.shared(caller.app.id, caller.id, app.exceeded)
        if app.exceeded:
            ledger.limited(caller.app.id)
            raise Refused(errors.app_limit())
        if business.exceeded:
            ledger.limited(caller.app.id)
            raise Refused(limit_reply(kind, caller.id, -(-(business.ends_ms - now) // 60_000)))
        return business, app


def limit_reply(kind: str, object_id: str, regain_minutes: int) -> Reply:
    code, whom = _KINDS[kind]
    shown = kind if not kind.startswith("catalog") else "ads_management"
    return errors.business_limit(code, shown, object_id, regain_minutes, whom)


def _rule(caller: Caller, kind: str) -> Rule:
    if kind == "pages":
        # 4800 calls a day for each engaged person of the last day; one in a hundred followers is.
        followers = caller.page.followers if caller.page else 1000
        return Rule(4800 * max(10, followers // 100), _DAY_S)
    return Rule({"ads_management": 300 + 40 * 10, "ads_insights": 600 + 400 * 10}.get(kind, 20_000), _HOUR_S)
