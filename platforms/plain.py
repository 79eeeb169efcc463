"""A platform without ways of its own: JSON, HTTP statuses that mean what they say, bearer tokens, one call
that publishes. What an adapter begins with, until the platform turns out to differ."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from domain.content import ContentKind
from domain.publishing import Draft, KindRules, Published, PublishQuota, PublishState, Refusal, refusals
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.http import Answer, Broken, Call, NotSent, PlatformHttp, failure_of
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec
from platforms.wire import Json, count_at, text_at

DEAD_TOKEN = "invalid_token"  # noqa: S105  (RFC 6750)
_RETRY_S, _LIMIT_S, _LONGEST_WAIT_S = 15.0, 60.0, 86_400.0
_IN_DOUBT = frozenset({500, 502, 504})


def outcome_of(result: Answer | NotSent | Broken, family: str, *, once: str | None = None) -> Outcome[Json]:
    """The outcome of a call that answers an object; `error` of a refusal is a word of the platform's. `once`
    as in `failure_of`."""
    if not isinstance(result, Answer):
        return failure_of(result, once)
    document, status = result.document(), result.status
    if document is not None and 200 <= status < 300:
        return Ok(document)
    if status == 429:
        wait = min(float(count_at(result.headers, "retry-after") or _LIMIT_S), _LONGEST_WAIT_S)
        return RetryAfter(wait, LimitScope.ACCOUNT, "rate_limit", rate_limited=True, family=family)
    if document is None or status >= 500 or status < 400:
        if once is not None and (status < 300 or status in _IN_DOUBT):
            return Unknown(once)
        return RetryAfter(_RETRY_S, LimitScope.ACCOUNT, f"http_{status}", family=family)
    error = text_at(document, "error") or ""
    if status == 401 and error == DEAD_TOKEN:
        return ReauthRequired("token_refused")  # its owner tries a refresh before a person is asked
    return Rejected(error if error.isidentifier() else str(status), "The platform refused the call.")


async def get(
    http: PlatformHttp, spec: PlatformSpec, token: Secret, url: str, query: Mapping[str, str] | None = None
) -> Outcome[Json]:
    call = Call("GET", url, spec.batch_read_family, query=query or {}, bearer=token)
    return outcome_of(await http.send(spec, call), spec.batch_read_family)


class PublishesAtOnce(ABC):
    """`Publishing` by a single call, which nothing takes back: an intent is saved before it."""

    rules: Mapping[ContentKind, KindRules]

    @abstractmethod
    async def send(self, access: Access, job: PublishJob) -> Outcome[Published]:
        """The one call, once-only."""

    def adapt(self, draft: Draft) -> Draft:
        return draft

    def refusals(self, draft: Draft) -> list[Refusal]:
        return refusals(draft, self.rules, [], [])

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        return Rejected("unsupported", "The platform does not say how much is left.")

    async def step(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        return await self.send(access, job) if job.state.decisive else Ok(PublishState("send", decisive=True))

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        return Rejected("unsupported", "The platform lets nobody edit.")

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        return Rejected("unsupported", "The platform lets nobody delete by its API.")
