"""The consent beside OAuth 2.0's: the Ads API takes tokens of OAuth 1.0a only, which a person gives in three
steps. The application is one that was added with its API key pair as client id and secret.

    request token, asked for with the key pair -> the person's page at X -> callback with a verifier
    -> access token, asked for with both pairs; it does not expire, and ends when the person takes it back

Sources: docs.x.com fundamentals/authentication/{api-reference,oauth-1-0a/obtaining-user-access-tokens};
RFC 5849. That a refused callback has code 415, and that a wrong verifier is answered by a line of text, is
what third parties met.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from domain.secrets import Secret
from platforms.base import Grant, PlatformApp
from platforms.capabilities import RequestToken, SignedConsent
from platforms.http import Answer, Broken, Call, NotSent, PlatformHttp
from platforms.outcome import Ok, Outcome, Rejected
from platforms.spec import TokenModel, TokenRules
from platforms.twitter.errors import outcome_of
from platforms.twitter.oauth1 import Signer
from platforms.twitter.spec import API, DAY_S, SPEC
from platforms.wire import account_id_at, count_at, objects, secret_at

_CALLBACK_REFUSED = 415
_LONGEST = 4096  # of an answer that holds tokens
_WRONG_KEYS = Rejected(
    "wrong_keys",
    "X does not accept this application's client id and secret as an API key pair: "
    "name the application that was added with one.",
)
_NOT_TAKEN = Rejected("not_taken", "X does not accept what the browser came back with.")
_NO_TOKEN = Rejected("no_token", "X answered without a token and its secret.")

Fields = dict[str, str]


class Advertiser:
    """For `ads`. `Grant.external_id` is the person who said yes."""

    token = TokenRules(TokenModel.LASTING, lifetime_s=3650 * DAY_S, refresh_margin=0.1)
    required = True
    surface: str | None = None

    async def request_token(
        self, http: PlatformHttp, app: PlatformApp, redirect_uri: str
    ) -> Outcome[RequestToken]:
        signer = Signer(app.client_id, app.client_secret)
        result = await _ask(http, signer, "request_token", {"oauth_callback": redirect_uri})
        if _code(result) == _CALLBACK_REFUSED:
            sentence = f"The application lacks the callback address at X: enter {redirect_uri} there."
            return Rejected("callback_refused", sentence)
        answer = _fields_of(result, _WRONG_KEYS, None)
        if not isinstance(answer, Ok):
            return answer
        if answer.value.get("oauth_callback_confirmed") != "true":
            return Rejected("callback_not_confirmed", "X did not confirm the callback address.")
        pair = _pair(answer.value)
        return Ok(RequestToken(*pair)) if pair is not None else _NO_TOKEN

    def authorize_url(self, request: RequestToken) -> str:
        return f"{API}/oauth/authorize?{urlencode({'oauth_token': request.token.reveal()})}"

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, request: RequestToken, verifier: str
    ) -> Outcome[Grant]:
        signer = Signer(app.client_id, app.client_secret, request.token, request.secret)
        result = await _ask(http, signer, "access_token", {"oauth_verifier": verifier})
        answer = _fields_of(result, _NOT_TAKEN, "the request token may be spent")
        if not isinstance(answer, Ok):
            return answer
        pair, user = _pair(answer.value), account_id_at(answer.value, "user_id")
        if pair is None:
            return _NO_TOKEN
        if user is None:
            return Rejected("no_user", "X did not say whose token it answered.")
        token, secret = pair
        return Ok(Grant(token, None, None, None, external_id=user, token_secret=secret))

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        return Rejected("unsupported", "A token of OAuth 1.0a is not refreshed: it does not expire.")


CONSENTS: Mapping[str, SignedConsent] = {"ads": Advertiser()}


async def _ask(
    http: PlatformHttp, signer: Signer, name: str, said: Mapping[str, str]
) -> Answer | NotSent | Broken:
    url = f"{API}/oauth/{name}"
    header = signer.authorization("POST", url, {}, secrets.token_hex(16), http.now(), said)
    return await http.send(SPEC, Call("POST", url, "oauth", headers={"Authorization": header}))


def _fields_of(result: Answer | NotSent | Broken, refused: Rejected, once: str | None) -> Outcome[Fields]:
    """X answers a form, whatever it calls it; `refused` is what its 401 means, which may be JSON or a line of
    text, but no page."""
    if isinstance(result, Answer):
        if result.status == 200 and len(result.body) <= _LONGEST:
            fields = dict(parse_qsl(result.body.decode("ascii", "replace")))
            if "oauth_token" in fields:
                return Ok(fields)
        if result.status == 401 and result.body and not result.body.lstrip().startswith(b"<"):
            return refused
    answer = outcome_of(result, "oauth", once=once)
    return _NO_TOKEN if isinstance(answer, Ok) else answer


def _pair(fields: Fields) -> tuple[Secret, Secret] | None:
    token, secret = secret_at(fields, "oauth_token"), secret_at(fields, "oauth_token_secret")
    return (token, secret) if token is not None and secret is not None else None


def _code(result: Answer | NotSent | Broken) -> int | None:
    document = result.document() if isinstance(result, Answer) else None
    return count_at(next(objects(document, "errors"), {}), "code")
