"""OAuth 2.0 as RFC 6749 and RFC 7636 have it: a platform that does not deviate needs no code of its own."""

from abc import ABC, abstractmethod
from urllib.parse import quote, urlencode

from domain.content import Profile
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Connectable, Grant, PlatformApp
from platforms.http import WHOLE_TIMEOUT_S, PlatformHttp
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected
from platforms.spec import PlatformSpec
from platforms.wire import Json, count_at, secret_at, strings, text_at

Form = dict[str, str | Secret]


class AuthorizationCode(ABC):
    """The calls of a `Platform` that connect one account by one consent, and keep it connected by refresh
    tokens. What is left to say is how the token endpoint is asked and what its refusals mean."""

    spec: PlatformSpec

    @abstractmethod
    async def _token(
        self, http: PlatformHttp, app: PlatformApp, form: Form, timeout_s: float, *, refreshing: bool
    ) -> Outcome[Grant]: ...

    @abstractmethod
    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]: ...

    def authorize_url(self, request: AuthorizeRequest) -> str:
        return login_address(self.spec, request)

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str, verifier: str | None
    ) -> Outcome[Grant]:
        form = code_form(code, redirect_uri, verifier)
        return await self._token(http, app, form, WHOLE_TIMEOUT_S, refreshing=False)

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        if grant.refresh_token is None:
            return ReauthRequired("no_refresh_token")
        form: Form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        return await self._token(http, app, form, timeout_s, refreshing=True)

    async def connectables(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant
    ) -> Outcome[tuple[Connectable, ...]]:
        answer = await self.profile(http, grant.access_token)
        return Ok((Connectable(answer.value, grant),), answer.readings) if isinstance(answer, Ok) else answer


def login_address(spec: PlatformSpec, request: AuthorizeRequest, **more: str) -> str:
    """Where the person says yes. `more`: the platform's own parameters. ValueError without the PKCE verifier
    that the platform wants."""
    query = {
        "response_type": "code",
        "client_id": request.app.client_id,
        "redirect_uri": request.redirect_uri,
        "scope": spec.scope_separator.join(request.scopes),
        "state": request.state,
        **more,
    }
    if spec.pkce:
        if request.code_verifier is None:
            raise ValueError(f"{spec.title} needs a PKCE code verifier")
        query["code_challenge"] = spec.code_challenge(request.code_verifier)
        query["code_challenge_method"] = "S256"
    return f"{spec.authorize_url}?{urlencode(query, quote_via=quote)}"


def code_form(code: str, redirect_uri: str, verifier: str | None) -> Form:
    form: Form = {"grant_type": "authorization_code", "code": Secret(code), "redirect_uri": redirect_uri}
    return form if verifier is None else form | {"code_verifier": Secret(verifier)}


def grant_of(answer: Outcome[Json], title: str) -> Outcome[Grant]:
    """What a token endpoint answered, read. Scopes come separated by spaces or commas, or as a list."""
    if not isinstance(answer, Ok):
        return answer
    access_token = secret_at(answer.value, "access_token")
    if access_token is None:
        return Rejected("no_access_token", f"{title} answered without an access token.")
    told = text_at(answer.value, "scope")
    scopes = tuple(told.replace(",", " ").split() if told is not None else strings(answer.value, "scope"))
    return Ok(
        Grant(
            access_token,
            refresh_token=secret_at(answer.value, "refresh_token"),
            expires_in_s=count_at(answer.value, "expires_in"),
            scopes=None if told is None and not scopes else scopes,
        )
    )
