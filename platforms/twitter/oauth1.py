"""The signature of OAuth 1.0a (RFC 5849, HMAC-SHA1), which X's Ads API wants on every call."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from urllib.parse import quote

from domain.secrets import Secret


@dataclass(frozen=True, slots=True)
class Signer:
    """An application's API key pair, and the token pair of somebody who said yes to it, or of the request for
    that; None before there is one."""

    consumer_key: str
    consumer_secret: Secret
    token: Secret | None = None
    token_secret: Secret | None = None

    def authorization(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        nonce: str,
        at: datetime,
        more: Mapping[str, str] = {},
    ) -> Secret:
        """The `Authorization` header of a call with all its parameters in `query`, and none in `url`. `more`:
        what the header says beside the usual, as `oauth_callback`."""
        oauth = {
            "oauth_consumer_key": self.consumer_key,
            "oauth_nonce": nonce,
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(at.timestamp())),
            "oauth_version": "1.0",
            **more,
        }
        if self.token is not None:
            oauth["oauth_token"] = self.token.reveal()
        pairs = sorted((_escaped(k), _escaped(v)) for k, v in [*query.items(), *oauth.items()])
        parameters = "&".join(f"{name}={value}" for name, value in pairs)
        base = "&".join(_escaped(part) for part in (method.upper(), url, parameters))
        token_secret = self.token_secret.reveal() if self.token_secret is not None else ""
        key = f"{_escaped(self.consumer_secret.reveal())}&{_escaped(token_secret)}"
        signature = b64encode(hmac.digest(key.encode(), base.encode(), sha1)).decode()
        fields = {**oauth, "oauth_signature": signature}
        said = ", ".join(f'{name}="{_escaped(value)}"' for name, value in sorted(fields.items()))
        return Secret(f"OAuth {said}")


def _escaped(text: str) -> str:
    """RFC 5849, 3.6: all but letters, digits and `-._~`."""
    return quote(text, safe="")
