"""Where the suite happens: the sandbox in this process, on a clock that only the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx

from domain.clock import ManualClock
from domain.publishing import Draft
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant, PlatformApp
from platforms.capabilities import Access, AsksFurther, CodeConsent, RequestToken, SignedConsent
from platforms.http import PlatformHttp, make_client
from platforms.outcome import Outcome
from platforms.spec import TokenModel
from sandbox.app import Sandbox
from sandbox.clock import SandboxClock
from sandbox.registry import EMULATIONS
from tests.contract.platforms.cases import FILES, MEDIA, Case
from tests.contract.toy.perch_sandbox import PERCH
from tests.unit.platforms.support import CALLBACK, Receiver, World, app_of, ok

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
VERIFIER = "v" * 64
HOOK = "https://shop.example/webhooks/any/app"
SANDBOX = "http://sandbox.test"
LASTING = TokenModel.LASTING


class InProcess(httpx.ASGITransport):
    """In one process there is no connection to cut: what the sandbox raises instead is told as a client
    sees it. `spoil` stands between the two and may change an answer after the work was done."""

    spoil: Callable[[httpx.Request, httpx.Response], httpx.Response] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
        except ConnectionResetError as error:
            raise httpx.ReadError("cut") from error
        if self.spoil is None or request.url.path.startswith("/_sandbox"):
            return response
        await response.aread()
        return self.spoil(request, response)

    def spoil_once(self, status: int) -> None:
        """A gateway gives up on the next call, behind which the platform has done its work."""

        def once(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            self.spoil = None
            return httpx.Response(status, html="<h1>Bad gateway</h1>")

        self.spoil = once


class Place(World):
    """One platform's sandbox with one account. `told` is what the sandbox says of the account."""

    case: Case
    clock: ManualClock
    network: InProcess
    told: dict[str, Any]

    async def fault(self, kind: str, **more: Any) -> None:
        await self.ask("POST", "/faults", {"platform": self.case.name, "kind": kind, **more})

    async def no_faults(self) -> None:
        await self.ask("DELETE", "/faults")

    async def token(self, action: str) -> None:
        await self.ask(
            "POST", f"/accounts/{self.case.name}/{self.told['external_id']}/token", {"action": action}
        )

    def request(self) -> AuthorizeRequest:
        spec = self.case.platform.spec
        verifier = VERIFIER if spec.pkce else None
        return AuthorizeRequest(app_of(self.told), CALLBACK, "state-1", spec.default_scopes, verifier)

    async def code(self) -> str:
        return await self.consent(self.case.platform, self.request(), self.told["external_id"])

    async def exchange(self, code: str, verifier: str | None = VERIFIER) -> Outcome[Grant]:
        verifier = verifier if self.case.platform.spec.pkce else None
        return await self.case.platform.exchange(self.http, app_of(self.told), code, CALLBACK, verifier)

    async def passes(self, seconds: float) -> None:
        """Time passes, and what the sandbox does in the background (pulling a picture) has its turns."""
        self.clock.advance(seconds)
        for _ in range(20):
            await asyncio.sleep(0)

    async def draft(self, number: int = 0) -> Draft:
        """What there is to publish, with the ids that it must name."""
        draft, by_act = self.case.drafts[number], self.case.options_by_act
        named = {option: (await self.act(self.told, kind=kind))["id"] for option, kind in by_act.items()}
        return replace(draft, options={**draft.options, **named})

    async def access_for(self, capability: str) -> Access:
        """With what a capability's calls are made: the account's token, beside it the one that came as its
        refresh token (a person's, where the account is a page), or what a consent of its own gave."""
        platform = self.case.platform
        consent = platform.consents.get(capability) if isinstance(platform, AsksFurther) else None
        if isinstance(consent, SignedConsent):
            app, request, verifier = await self.said_yes(consent)
            grant = ok(await consent.exchange(self.http, app, request, verifier))
            token, with_it = grant.access_token, grant.token_secret
            return replace(self.access, app=app, token=token, token_secret=with_it)
        if consent is not None:
            return await self._consented(consent, self.case.consents_at.get(capability))
        beside = self.told["refresh_token"] if platform.spec.token.model is LASTING else None
        return replace(self.access, token_secret=Secret(beside) if beside else None)

    async def said_yes(self, consent: SignedConsent) -> tuple[PlatformApp, RequestToken, str]:
        """The application that signs, with its other pair of keys; the request token; its verifier."""
        app = app_of(self.told)
        app = replace(app, client_secret=app.webhook_secrets[0])
        request = ok(await consent.request_token(self.http, app, CALLBACK))
        back = await self.approved(consent.authorize_url(request), self.told["external_id"])
        return app, request, back["oauth_verifier"]

    async def _consented(self, consent: CodeConsent, elsewhere: str | None) -> Access:
        """`elsewhere`: the platform whose login it is; there the account is known by its name."""
        told = self.told
        if elsewhere is not None:
            wish = {"platform": elsewhere, "seed": "beside", "posts": 0, "username": told["username"]}
            told = await self.ask("POST", "/accounts", wish)
        app = app_of(told)
        await self.ask("PUT", f"/apps/{app.id}", {"redirect_uris": [CALLBACK]})
        address = consent.authorize_url(AuthorizeRequest(app, CALLBACK, "state-1", ()))
        back = await self.approved(address, told["external_id"])
        grant = ok(await consent.exchange(self.http, app, back[consent.code_parameter], CALLBACK))
        external_id = grant.external_id or self.told["external_id"]
        return replace(
            self.access, app=app, token=grant.access_token, external_id=external_id, surface=consent.surface
        )

    @property
    def access(self) -> Access:
        return Access(self.http, app_of(self.told), self.bearer, self.told["external_id"])

    @property
    def bearer(self) -> Secret:
        return Secret(self.told["access_token"])


@asynccontextmanager
async def opened(case: Case, posts: int = 6, seed: str = "contract") -> AsyncIterator[Place]:
    receiver, clock = Receiver(), ManualClock(START)

    async def outside(request: httpx.Request) -> httpx.Response:
        """Rookery's webhook address, and a shop whose pictures a platform may fetch."""
        if str(request.url).startswith(MEDIA):
            return httpx.Response(200, content=FILES[request.url.path[-1]])
        return await receiver.handle(request)

    sandbox = Sandbox(
        seed,
        SandboxClock(lambda: int(clock.now().timestamp() * 1000)),
        webhook_transport=httpx.MockTransport(outside),
        emulations=EMULATIONS | {PERCH.name: PERCH},
    )
    network = InProcess(app=sandbox)
    async with (
        httpx.AsyncClient(transport=network, base_url=SANDBOX) as control,
        make_client(SANDBOX, network) as client,
    ):
        place = Place(control, PlatformHttp(client, clock), receiver)
        place.case, place.clock, place.network = case, clock, network
        if case.dialect is not None:
            apps = (await place.ask("GET", "/apps"))["apps"]
            app = next(a for a in apps if a["platform"] == case.name)
            await place.ask("PUT", f"/apps/{app['id']}", {"dialect": case.dialect})
        place.told = await place.account(case.name, posts=posts, seed=case.seed)
        receiver.platform, receiver.app = case.platform, app_of(place.told)
        yield place
        await sandbox.close()
