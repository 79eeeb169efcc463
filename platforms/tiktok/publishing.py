"""Publishing at TikTok: ask for the creator's options, open a publication, send or let pull, ask how it went.

    start ──▶ init ──▶ upload (a chunk each) ──▶ status ──▶ Published
                └── (photos, `pull`) ──────────────▲

A file that is sent is posted by its last byte, so opening the publication decides nothing and may be
repeated: only the last chunk is decisive, and even it is not lost without an answer, because TikTok says how
many bytes it has. What TikTok pulls is posted by opening it. Public posts get their id when moderation has
passed, others never.
Source: TD/content-posting-api-reference-*, TD/content-posting-api-media-transfer-guide.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from domain.content import ContentKind
from domain.publishing import Draft, KindRules, Published, PublishQuota, PublishState, Refusal
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.http import Answer, Body, Broken, Call, NotSent, failure_of
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.tiktok import lookup, posts, rules
from platforms.tiktok.errors import FAIL_REASONS, outcome_of
from platforms.tiktok.spec import API, DAY_S, SPEC
from platforms.wire import Json, count_at, flag_at, id_at, text_at

POSTS_A_DAY = 15  # TD/content-sharing-guidelines: about, over all apps of a creator
_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_PROCESSING_WAIT_S = 5.0
_LONGEST_WAIT_S = 3600.0
_INBOX_WAIT_S = 600.0
_ANEW_WAIT_S = 30.0
_ANEW_AT_MOST = 2
_ROUNDS_AT_MOST = 8
_ACCEPTED = "TikTok may have accepted the post"


class TiktokPublishing:
    """Stateless. Unknown outcomes: by the publish id where there is one, else in the list of videos."""

    rules: Mapping[ContentKind, KindRules] = rules.RULES

    def adapt(self, draft: Draft) -> Draft:
        return rules.adapt(draft)

    def refusals(self, draft: Draft) -> list[Refusal]:
        return rules.refusals(draft)

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        """TikTok only says when nothing is left."""
        answer = await _creator(access)
        if isinstance(answer, RetryAfter) and answer.reason == "posting_cap":
            return Ok(PublishQuota(POSTS_A_DAY, POSTS_A_DAY, DAY_S))
        return Ok(PublishQuota(None, None, DAY_S)) if isinstance(answer, Ok) else answer

    async def step(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        match job.state.stage:
            case "start":
                return await self._start(access, job)
            case "init":
                return await self._init(access, job)
            case "upload":
                return await self._upload(access, job)
            case "status":
                return await self._status(access, job)
        return Rejected("stage_unknown", "This publication was begun by another version of Rookery.")

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | None]:
        if job.state.facts.get("publish_id") is None:
            return await lookup.listed(access, job)
        answer = await _fetch_status(access, job)
        if not isinstance(answer, Ok):
            return answer
        status = text_at(answer.value, "status")
        if status == "PUBLISH_COMPLETE":
            return Ok(_published(answer.value, job))
        missing = (count_at(answer.value, "uploaded_bytes") or 0) < _size(job)
        if status == "FAILED" or (status == "PROCESSING_UPLOAD" and missing and not rules.pulls(job.draft)):
            return Ok(None)
        wait_s = _INBOX_WAIT_S if status == "SEND_TO_USER_INBOX" else _PROCESSING_WAIT_S
        return RetryAfter(wait_s, LimitScope.ACCOUNT, "in_process", family="publishing")

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        return Rejected("unsupported", "TikTok's API cannot edit a post: the creator does it in the app.")

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        return Rejected("unsupported", "TikTok's API cannot delete a post: the creator does it in the app.")

    # -- steps --------------------------------------------------------------------------------------

    async def _start(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        facts = {"anew": job.state.facts.get("anew", 0)}
        if job.draft.options.get("inbox"):
            # Drafts need neither the creator's options nor the scope to ask for them.
            return Ok(PublishState("init", facts, decisive=rules.pulls(job.draft)))
        answer = await _creator(access)
        if not isinstance(answer, Ok):
            return answer
        refused = posts.creator_refusal(job.draft, answer.value)
        if refused is not None:
            return refused
        switches = ("comment_disabled", "duet_disabled", "stitch_disabled")
        facts |= {
            "creator": {name: flag_at(answer.value, name) for name in switches},
            "username": text_at(answer.value, "creator_username"),
        }
        return Ok(PublishState("init", facts, decisive=rules.pulls(job.draft)))

    async def _init(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        draft, facts, pulls = job.draft, job.state.facts, rules.pulls(job.draft)
        if pulls and not all((m.public_url or "").startswith("https://") for m in draft.media):
            return Rejected("no_public_url", "TikTok fetches these files itself: they need an https address.")
        path, body = posts.request(draft, facts.get("creator") or {})
        call = Call("POST", f"{API}/v2/post/publish/{path}/", "publishing", json=body, headers=_JSON)
        call = replace(call, bearer=access.token)
        result = await access.http.send(SPEC, call, job.timeout_s)
        answer = outcome_of(result, "publishing", once=_ACCEPTED if pulls else None)
        if not isinstance(answer, Ok):
            return answer
        publish_id, address = id_at(answer.value, "publish_id"), text_at(answer.value, "upload_url")
        if publish_id is None or (not pulls and (address is None or not _is_upload(address))):
            if pulls:
                return Unknown(_ACCEPTED)
            return Rejected("no_upload", "TikTok opened the upload without saying where to send it.")
        facts = {**facts, "publish_id": publish_id}
        if pulls:
            return Ok(PublishState("status", facts, wait_s=_PROCESSING_WAIT_S))
        return Ok(_next_chunk({**facts, "offset": 0}, address, _size(job)))

    async def _upload(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        facts, size = job.state.facts, _size(job)
        start, end = _chunk(facts["offset"], size)
        medium, last = job.draft.media[0], end == size
        parts = urlsplit(job.state.sealed or "")
        query: dict[str, str | Secret] = {name: Secret(value) for name, value in parse_qsl(parts.query, True)}

        def chunks() -> AsyncIterator[bytes]:
            return job.media.read(medium.id, start, end)

        call = Call(
            "PUT",
            f"https://{parts.netloc}{parts.path}",
            "upload",
            query=query,
            body=Body(end - start, medium.content_type, chunks),
            headers={"Content-Range": f"bytes {start}-{end - 1}/{size}"},
        )
        result = await access.http.send(SPEC, call, job.timeout_s)
        if isinstance(result, Answer):
            return _after_chunk(result, job, end, last)
        return _in_doubt(job.state) if isinstance(result, Broken) and last else failure_of(result, None)

    async def _status(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        answer = await _fetch_status(access, job)
        state = _asked(job.state)
        if isinstance(answer, RetryAfter):
            # It is on its way all the same: not a step that did not happen.
            return Ok(replace(state, wait_s=max(state.wait_s, answer.seconds)))
        if not isinstance(answer, Ok):
            return answer
        status = text_at(answer.value, "status")
        if status == "PUBLISH_COMPLETE":
            return Ok(_published(answer.value, job))
        if status == "FAILED":
            return _failed(answer.value, state)
        if status == "SEND_TO_USER_INBOX":
            return Ok(replace(state, wait_s=max(state.wait_s, _INBOX_WAIT_S)))
        told = count_at(answer.value, "uploaded_bytes")
        complete = state.facts.get("uploaded") or rules.pulls(job.draft) or told is None
        if status == "PROCESSING_UPLOAD" and not complete and told is not None and told < _size(job):
            return _missing_bytes(state, told, _size(job))
        return Ok(state)


async def _creator(access: Access) -> Outcome[Json]:
    url = f"{API}/v2/post/publish/creator_info/query/"
    call = Call("POST", url, "publishing", json={}, headers=_JSON, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call), "publishing")


async def _fetch_status(access: Access, job: PublishJob) -> Outcome[Json]:
    call = Call(
        "POST",
        f"{API}/v2/post/publish/status/fetch/",
        "publishing",
        json={"publish_id": job.state.facts["publish_id"]},
        headers=_JSON,
        bearer=access.token,
    )
    return outcome_of(await access.http.send(SPEC, call, job.timeout_s), "publishing")


def _is_upload(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc in SPEC.file_hosts


def _size(job: PublishJob) -> int:
    return job.draft.media[0].size


def _chunk(offset: int, size: int) -> tuple[int, int]:
    """First byte of the chunk at `offset`, and the byte after its last."""
    chunk, count = rules.chunk_of(size)
    number = min(offset // chunk, count - 1)
    return number * chunk, size if number == count - 1 else (number + 1) * chunk


def _next_chunk(facts: Mapping[str, Any], address: str | None, size: int) -> PublishState:
    _, end = _chunk(facts["offset"], size)
    return PublishState("upload", facts, sealed=address, decisive=end == size)


def _after_chunk(answer: Answer, job: PublishJob, end: int, last: bool) -> Outcome[PublishState | Published]:
    """TD/content-posting-api-media-transfer-guide. What the answer's own Content-Range counts is unconfirmed:
    where a chunk is refused the status is asked how far it got."""
    state = job.state
    if answer.status == 201 or (answer.status == 206 and last):
        facts = {**state.facts, "offset": end, "uploaded": answer.status == 201}
        return Ok(PublishState("status", facts, sealed=state.sealed, wait_s=_PROCESSING_WAIT_S))
    if answer.status == 206:
        return Ok(_next_chunk({**state.facts, "offset": end}, state.sealed, _size(job)))
    if answer.status in (403, 404, 416):
        facts = {**state.facts, "lost": answer.status != 416, "rounds": state.facts.get("rounds", 0) + 1}
        return Ok(PublishState("status", facts, sealed=state.sealed))
    if answer.status == 429 or answer.status == 503 or (answer.status >= 500 and not last):
        return failure_of(NotSent(f"http_{answer.status}"), None)
    if answer.status >= 500:
        return _in_doubt(state)
    return Rejected("upload_refused", f"TikTok refused a part of the video (status {answer.status}).")


def _in_doubt(state: PublishState) -> Outcome[PublishState | Published]:
    """The last part may have arrived: TikTok says how many bytes it has."""
    facts = {**state.facts, "rounds": state.facts.get("rounds", 0) + 1}
    return Ok(PublishState("status", facts, sealed=state.sealed, wait_s=_PROCESSING_WAIT_S))


def _asked(state: PublishState) -> PublishState:
    """To be asked again, ever more seldom: moderation and creators take their time."""
    times = state.facts.get("asked", 0) + 1
    wait_s = min(_PROCESSING_WAIT_S * 2.0 ** max(0, min(times, 20) - 3), _LONGEST_WAIT_S)
    return replace(state, facts={**state.facts, "asked": times}, wait_s=wait_s)


def _missing_bytes(state: PublishState, told: int, size: int) -> Outcome[PublishState | Published]:
    """Go on where TikTok is; open another publication when this one can take no more: it is not complete, so
    it will never be posted."""
    if state.facts.get("rounds", 0) > _ROUNDS_AT_MOST:
        return Rejected("upload_stuck", "TikTok refuses the same part of the video again and again.")
    if state.facts.get("lost"):
        return _anew(state, "upload_expired", _PROCESSING_WAIT_S)
    start, _ = _chunk(told, size)
    return Ok(_next_chunk({**state.facts, "offset": start}, state.sealed, size))


def _failed(answer: Json, state: PublishState) -> Outcome[PublishState | Published]:
    """FAILED is final: nothing was posted, and nothing will be."""
    reason = text_at(answer, "fail_reason") or ""
    failure = FAIL_REASONS.get(reason, Rejected("failed", "TikTok could not publish the post."))
    if failure is None:
        return _anew(state, reason, _ANEW_WAIT_S)
    if isinstance(failure, RetryAfter):
        return _anew(state, reason, failure.seconds)
    return failure


def _anew(state: PublishState, reason: str, wait_s: float) -> Outcome[PublishState | Published]:
    times = state.facts.get("anew", 0) + 1
    if times > _ANEW_AT_MOST:
        return Rejected(reason, "TikTok could not publish the post, tried several times.")
    return Ok(PublishState("start", {"anew": times}, wait_s=wait_s))


def _published(answer: Json, job: PublishJob) -> Published:
    """The list of ids is misspelt on the wire; its numbers are beyond 2^53."""
    listed = answer.get("publicaly_available_post_id", answer.get("publicly_available_post_id"))
    found = id_at({"id": listed[0]}, "id") if isinstance(listed, list) and listed else None
    username = job.state.facts.get("username")
    if found is None or not username:
        return Published(found)
    what = "photo" if job.draft.kind in rules.PHOTO_KINDS else "video"
    return Published(found, f"https://www.tiktok.com/@{username}/{what}/{found}")
