"""The authorization code grant of RFC 6749 with RFC 7636, as far as a platform has no ways of its own."""

import base64
import hashlib
from collections.abc import Callable
from urllib.parse import urlencode

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.ledger import RefreshRow
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import Code, Grant, Refreshed
from sandbox.web import Call, Reply, redirect

CODE_LIFETIME_S = 600
Wrong = Callable[[dict[str, str]], str | None]


class Login:
    """A consent page at `path` of `hosts`, and the codes that it gives out. `wrong` finds what is wrong with
    a query beyond its application and its redirect address, which are looked at first; `other_name`: under
    which clients may send the `client_id`, too. `granted` (of the form, separated by spaces): the boxes the
    person left ticked; all of them when it is not sent."""

    def __init__(
        self,
        state: State,
        platform: str,
        title: str,
        hosts: tuple[str, ...],
        path: str,
        wrong: Wrong = lambda query: None,
        other_name: str = "client_id",
    ) -> None:
        self._state, self._platform, self._title = state, platform, title
        self._hosts, self._path, self._further, self._other_name = hosts, path, wrong, other_name

    def operations(self) -> list[Operation]:
        return [
            Operation(self._platform, self._hosts, "GET", self._path, self.ask),
            Operation(self._platform, self._hosts, "POST", self._path, self.decide),
        ]

    async def ask(self, call: Call) -> Reply:
        """What is wrong is shown to the person, never sent to the redirect address."""
        app, wrong = self._app(call.query), self._wrong(call.query)
        if app is None or wrong:
            return problem_page(self._title, wrong or "")
        mine = [a for a in self._state.world.accounts.values() if a.platform == self._platform]
        accounts = [(a.id, a.username, a.name) for a in mine]
        return choose_account(self._title, app.name, call.query, accounts, scopes_of(call.query))

    async def decide(self, call: Call) -> Reply:
        form = {**call.query, **call.form()}
        app, wrong = self._app(form), self._wrong(form)
        if app is None or wrong:
            return problem_page(self._title, wrong or "")
        kept = {"state": form["state"]} if form.get("state") else {}
        if form.get("decision") != "approve":
            return redirect(_with(form["redirect_uri"], {"error": "access_denied"} | kept))
        account = self._state.world.accounts.get((self._platform, form.get("user", "")))
        if account is None:
            text = "Choose one of the accounts: user must be the external id of one."
            return problem_page(self._title, text)
        scopes = scopes_of(form)
        if "granted" in form:
            scopes = tuple(scope for scope in scopes if scope in form["granted"].split())
        code = self._state.tokens.issue_code(
            self._platform,
            app.id,
            account.id,
            scopes,
            form["redirect_uri"],
            self._state.clock.now_ms() + CODE_LIFETIME_S * 1000,
            form.get("code_challenge"),
            form.get("code_challenge_method", "plain"),
        )
        return redirect(_with(form["redirect_uri"], kept | {"code": code, "scope": " ".join(scopes)}))

    def redeemed(self, app: PlatformApp, form: dict[str, str]) -> Grant | None:
        """What the code of a token request opens; None when it opens nothing (any more)."""
        code, now = self._state.tokens.code(form.get("code", ""), app.id), self._state.clock.now_ms()
        if code is None or code.used or code.expires_ms <= now:
            return None
        if code.redirect_uri != form.get("redirect_uri") or not verified(code, form.get("code_verifier", "")):
            return None
        return self._state.tokens.redeem(code, now)

    def _app(self, query: dict[str, str]) -> PlatformApp | None:
        client_id = query.get("client_id") or query.get(self._other_name, "")
        return self._state.apps.by_client_id(self._platform, client_id)

    def _wrong(self, query: dict[str, str]) -> str | None:
        app = self._app(query)
        if app is None:
            return "invalid_client: client_id names no app of this sandbox; GET /_sandbox/apps lists them."
        if not app.accepts_redirect(query.get("redirect_uri", "")):
            return "redirect_uri_mismatch: it is not one of the app's registered addresses."
        if query.get("response_type") != "code":
            return "invalid_request: response_type must be code."
        return self._further(query) if scopes_of(query) else "invalid_scope: scope is needed."


def scopes_of(query: dict[str, str]) -> tuple[str, ...]:
    """Separated by spaces or commas."""
    return tuple(query.get("scope", "").replace(",", " ").split())


def verified(code: Code, verifier: str) -> bool:
    """Whether this is the verifier of the challenge that the code was asked for with, if there was one."""
    if not code.challenge:
        return True
    if code.method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge
    return verifier == code.challenge


def record_refresh(state: State, result: Refreshed, app: PlatformApp, answered: bool) -> None:
    grant = result.grant
    row = RefreshRow(
        platform=app.platform,
        external_id=grant.external_id if grant else None,
        app_id=app.id,
        at=iso_z(state.clock.now_ms()),
        outcome=result.outcome,
        answered=answered,
        family=grant.id if grant else None,
        repeated=result.repeated,
    )
    state.ledger.refreshed(row, result.in_doubt)


def _with(address: str, query: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
