"""Who may call open.tiktokapis.com: bearer tokens, scopes, a minute's window per endpoint and user."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.apps import PlatformApp
from sandbox.limits import Rule
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok import errors
from sandbox.tiktok.errors import OPEN, Refused
from sandbox.tokens import AccessToken
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Profile

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Caller:
    app: PlatformApp
    account: Profile
    token: AccessToken

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.token.grant.scopes)


Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Access:
    def __init__(self, state: State) -> None:
        self._state = state
        self.families: list[str] = []

    def operation(
        self, method: str, template: str, handler: Handler, scopes: tuple[str, ...], per_minute: int
    ) -> Operation:
        """`scopes`: one of them is needed."""
        family = f"{method} {template}"
        self.families.append(family)

        async def guarded(call: Call) -> Reply:
            try:
                caller = self._caller(call)
                self._spend(family, caller, per_minute)
                if not caller.scopes & frozenset(scopes):
                    message = f"The user did not authorize the scope required: {scopes[0]}."
                    raise Refused(errors.refusal("scope_not_authorized", message))
                return await handler(call, caller)
            except BadInput as error:
                return errors.refusal("invalid_params", str(error))
            except Refused as refused:
                return refused.reply

        return Operation("tiktok", OPEN, method, template, guarded)

    def _caller(self, call: Call) -> Caller:
        token = self._state.tokens.access(call.bearer() or "")
        dead = errors.refusal(
            "access_token_invalid", "The access token is invalid or not found in the request."
        )
        if token is None or token.grant.platform != "tiktok" or token.revoked or token.grant.via in OTHERS:
            raise Refused(dead)
        if token.expires_ms <= self._state.clock.now_ms():
            self._state.ledger.token_expiries += 1
            raise Refused(dead)
        account = self._state.world.accounts["tiktok", token.grant.external_id]
        return Caller(self._state.app_of(token.grant.app_id), account, token)

    def _spend(self, family: str, caller: Caller, per_minute: int) -> None:
        """TikTok sends no headers about its windows."""
        window = self._state.limits.spend(
            "tiktok",
            family,
            "user",
            f"{caller.app.id}:{caller.account.id}",
            Rule(per_minute, MINUTE_S),
            self._state.clock.now_ms(),
        )
        if window.exceeded:
            self._state.ledger.limited(caller.app.id)
            raise Refused(errors.refusal("rate_limit_exceeded", "Too many requests."))


# How a grant was given (`Grant.via`) says for which of TikTok's services it is good.
ADS, HOLDER, SHOP = "ads", "holder", "shop"
OTHERS = frozenset({ADS, HOLDER, SHOP})
