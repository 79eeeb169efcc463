"""OAuth 1.0a at X's Ads API: every call carries a signature over its method, address and parameters.

Source: RFC 5849. The API key is the app's client id here, as at the token endpoint; its secret is the one
that signs webhooks.
"""

import base64
import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote, unquote

from sandbox.apps import PlatformApp
from sandbox.ids import secret
from sandbox.state import State
from sandbox.tokens import Grant
from sandbox.web import Call

SKEW_MS = 300_000
_LIFETIME_S = 10 * 365 * 86_400
_FIELD = re.compile(r'\s*([a-z_]+)="([^"]*)"\s*')


class Signatures:
    def __init__(self, state: State) -> None:
        self._state = state
        self._nonces: set[tuple[str, str, str]] = set()

    def issue(self, grant: Grant, account_id: str) -> tuple[str, str]:
        """A token that lives until the person takes it back, and its secret."""
        now = self._state.clock.now_ms()
        token = self._state.tokens.issue_access(grant, now, _LIFETIME_S, f"{account_id}-", long_lived=True)
        return token.value, self._secret(token.value)

    def verified(self, call: Call) -> tuple[PlatformApp, Grant] | None:
        """Whose application, for whom, signed the call; None when nobody did as he should."""
        token = self._state.tokens.access(fields_of(call).get("oauth_token", ""))
        if token is None or not token.long_lived:
            return None
        if token.revoked or token.expires_ms <= self._state.clock.now_ms():
            self._state.ledger.token_expiries += not token.revoked
            return None
        app = self.signed(call, self._secret(token.value))
        return (app, token.grant) if app is not None and token.grant.app_id == app.id else None

    def signed(self, call: Call, token_secret: str) -> PlatformApp | None:
        """The application that signed the call with its own secret and this one, now and not before."""
        fields = fields_of(call)
        app = self._state.apps.by_client_id("twitter", fields.get("oauth_consumer_key", ""))
        at, nonce = fields.get("oauth_timestamp", ""), fields.get("oauth_nonce", "")
        # The caller's clock does not travel in time with the sandbox's.
        if app is None or not at.isdigit() or abs(int(at) * 1000 - self._state.clock.source_ms()) > SKEW_MS:
            return None
        used = (app.id, fields.get("oauth_token", ""), nonce)
        if not nonce or used in self._nonces:
            return None
        given = fields.pop("oauth_signature", "")
        expected = {
            signature(call.method, address, _parameters(call, fields), app.webhook_secret, token_secret)
            for address in _addresses(call)
        }
        if fields.get("oauth_signature_method") != "HMAC-SHA1" or given not in expected:
            return None
        self._nonces.add(used)
        return app

    def _secret(self, token: str) -> str:
        return secret(45, self._state.seed, token, "oauth1")


def fields_of(call: Call) -> dict[str, str]:
    """The parts of `Authorization: OAuth a="b", ..`, unescaped; none when it is another scheme."""
    scheme, _, text = call.headers.get("authorization", "").partition(" ")
    if scheme != "OAuth":
        return {}
    found = (_FIELD.fullmatch(part) for part in text.split(","))
    return {match[1]: unquote(match[2]) for match in found if match}


def signature(
    method: str, address: str, pairs: list[tuple[str, str]], consumer_secret: str, token_secret: str
) -> str:
    escaped = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    text = "&".join(f"{name}={value}" for name, value in escaped)
    base = f"{method.upper()}&{quote(address, safe='~')}&{quote(text, safe='~')}"
    key = f"{quote(consumer_secret, safe='~')}&{quote(token_secret, safe='~')}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


def _parameters(call: Call, fields: dict[str, str]) -> list[tuple[str, str]]:
    pairs = [*call.query.items(), *((n, v) for n, v in fields.items() if n != "realm")]
    if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs += parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    return pairs


def _addresses(call: Call) -> tuple[str, str]:
    """The real one, and the sandbox's own: a client that was pointed here has signed that."""
    return f"https://{call.host}{call.path}", f"http://{call.headers.get('host', '')}/{call.host}{call.path}"
