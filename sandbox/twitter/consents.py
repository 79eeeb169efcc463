"""The three steps to a token of OAuth 1.0a: a request token, the person's page, an access token.

Sources: docs.x.com fundamentals/authentication "OAuth API reference index", "Obtaining Access Tokens using
3-legged OAuth flow", "PIN-based OAuth"; the way back after a cancellation is X's announcement "A small tweak
to the OAuth UI" (a page that links to the application). Codes 32, 38 and 415 are those of API v1.1; how long
a request token is good is nowhere said.
"""

from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from sandbox.apps import PlatformApp
from sandbox.ids import digits, secret
from sandbox.pages import choose_account, page, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter.access import HOSTS
from sandbox.twitter.oauth1 import Signatures, fields_of
from sandbox.web import Call, Reply, html_reply, json_reply, redirect
from sandbox.world import Profile

REQUEST_LIFETIME_S = 600
SCOPES = ("read", "write", "ads")
_PIN = "oob"


@dataclass(slots=True)
class Request:
    """A consent that an application asked for; `account` said yes, once it did."""

    app: PlatformApp
    callback: str
    secret: str = field(repr=False)
    expires_ms: int
    account: Profile | None = None
    verifier: str = field(default="", repr=False)


class Consents:
    def __init__(self, state: State, signatures: Signatures) -> None:
        self._state, self._signatures = state, signatures
        self._requests: dict[str, Request] = {}
        self._made = 0

    def operations(self) -> list[Operation]:
        rows = [
            ("POST", "/oauth/request_token", self.request_token),
            ("GET", "/oauth/authorize", self.ask),
            ("POST", "/oauth/authorize", self.decide),
            ("POST", "/oauth/access_token", self.access_token),
        ]
        return [Operation("twitter", HOSTS, method, path, handler) for method, path, handler in rows]

    async def request_token(self, call: Call) -> Reply:
        said = _said(call)
        app = None if "oauth_token" in said else self._signatures.signed(call, "")
        if app is None:
            return _error(401, 32, "Could not authenticate you.")
        callback = said.get("oauth_callback")
        if not callback:
            return _error(403, 38, "oauth_callback parameter is missing.")
        if callback != _PIN and not app.accepts_redirect(callback):
            text = "Callback URL not approved for this client application. Approved callback URLs can be "
            return _error(403, 415, text + "adjusted in your application settings")
        self._made += 1
        token, its_secret = (secret(27, self._state.seed, "request", name, self._made) for name in "ab")
        expires_ms = self._state.clock.now_ms() + REQUEST_LIFETIME_S * 1000
        self._requests[token] = Request(app, callback, its_secret, expires_ms)
        return _form(oauth_token=token, oauth_token_secret=its_secret, oauth_callback_confirmed="true")

    async def ask(self, call: Call) -> Reply:
        request = self._open(call.query)
        if request is None:
            return _gone()
        known = self._state.world.accounts.values()
        accounts = [(a.id, a.username, a.name) for a in known if a.platform == "twitter"]
        return choose_account("X", request.app.name, call.query, accounts, SCOPES)

    async def decide(self, call: Call) -> Reply:
        form = {**call.query, **call.form()}
        request = self._open(form)
        if request is None:
            return _gone()
        token = form["oauth_token"]
        if form.get("decision") != "approve":
            del self._requests[token]
            return _cancelled(request, token)
        request.account = self._state.world.accounts.get(("twitter", form.get("user", "")))
        if request.account is None:
            return problem_page("X", "Choose one of the accounts: user must be the external id of one.")
        basis = (self._state.seed, "verifier", token)
        if request.callback == _PIN:
            request.verifier = digits(7, *basis)
            return page("Enter this PIN", f"<p><code>{request.verifier}</code></p>")
        request.verifier = secret(32, *basis)
        return redirect(_back(request, oauth_token=token, oauth_verifier=request.verifier))

    async def access_token(self, call: Call) -> Reply:
        said = _said(call)
        token = said.get("oauth_token", "")
        request = self._known(token)
        app = self._signatures.signed(call, request.secret) if request is not None else None
        if request is None or app is not request.app:
            return _error(401, 32, "Could not authenticate you.")
        account = request.account
        if account is None or said.get("oauth_verifier") != request.verifier:
            return html_reply("Error processing your OAuth request: Invalid oauth_verifier parameter", 401)
        del self._requests[token]
        now = self._state.clock.now_ms()
        grant = self._state.tokens.grant("twitter", app.id, account.id, SCOPES, now, "consent")
        value, its_secret = self._signatures.issue(grant, account.id)
        return _form(
            oauth_token=value,
            oauth_token_secret=its_secret,
            user_id=account.id,
            screen_name=account.username,
        )

    def _known(self, token: str) -> Request | None:
        request = self._requests.get(token)
        return request if request and request.expires_ms > self._state.clock.now_ms() else None

    def _open(self, query: dict[str, str]) -> Request | None:
        """A request that nobody has decided yet."""
        request = self._known(query.get("oauth_token", ""))
        return request if request and request.account is None else None


def _said(call: Call) -> dict[str, str]:
    """Parameters of the protocol, wherever they are: X's own examples have them in the address."""
    return {**call.query, **call.form(), **fields_of(call)}


def _form(**fields: str) -> Reply:
    """X calls its forms HTML."""
    return html_reply(urlencode(fields))


def _error(status: int, code: int, message: str) -> Reply:
    return json_reply({"errors": [{"code": code, "message": message}]}, status)


def _gone() -> Reply:
    return problem_page("X", "This request token is not known, is too old, or was decided already.")


def _back(request: Request, **query: str) -> str:
    return f"{request.callback}{'&' if '?' in request.callback else '?'}{urlencode(query)}"


def _cancelled(request: Request, token: str) -> Reply:
    link = "" if request.callback == _PIN else escape(_back(request, denied=token))
    way = f"<p><a href='{link}'>Return to {escape(request.app.name)}</a></p>" if link else ""
    return page("You did not authorize the application", way)
