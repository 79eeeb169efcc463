"""Publishing at Pinterest: everything leads to one `POST /pins`, which alone decides.

    start ─────────────────────────────────────────▶ create ──▶ (tags) ──▶ Published
      └── (video: registered) ──▶ upload ──▶ processing ──▲

Registering and uploading a film publish nothing and may be repeated: what is left over, Pinterest forgets.
The upload host is given the fields of the registration and the file in one form, and no token. When nobody
hears what became of `POST /pins`, the Pin is looked for on its board. Product tags are put on the Pin that is
out: one that is refused does not undo that, and the others are.
Source: PO/ `/pins`, `/media`; Pinterest's sample project api-quickstart for the form.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from domain.content import ContentKind
from domain.publishing import Draft, KindRules, Published, PublishQuota, PublishState, Refusal
from platforms.capabilities import Access, PublishJob
from platforms.http import Answer, Call, NotSent, failure_of
from platforms.multipart import multipart
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.pinterest import lookup, pins, rules, tags
from platforms.pinterest.errors import NO_PIN, outcome_of
from platforms.pinterest.spec import API, PIN_PAGE, SPEC
from platforms.wire import id_at, mapping, moment_at, text_at

_PROCESSING_WAIT_S = 5.0
_LONGEST_WAIT_S = 300.0
_UNSEEN_AT_MOST = 6  # times that an uploaded film may still be called "registered"
_ANEW_AT_MOST = 2
_CREATED = "Pinterest may have created the Pin"
# What may stand in a form without breaking out of its part.
_FIELD = re.compile(r'[^"\r\n\0]{1,8192}')


class PinterestPublishing:
    """Stateless."""

    rules: Mapping[ContentKind, KindRules] = rules.RULES

    def adapt(self, draft: Draft) -> Draft:
        return rules.adapt(draft)

    def refusals(self, draft: Draft) -> list[Refusal]:
        return rules.refusals(draft)

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        return Rejected("unsupported", "Pinterest does not say how many Pins an account may still create.")

    async def step(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        match job.state.stage:
            case "start" if job.draft.kind is ContentKind.VIDEO:
                return await self._register(access, job)
            case "start":
                return _ready(job)
            case "upload":
                return await self._upload(access, job)
            case "processing":
                return await self._processing(access, job)
            case "create":
                return await self._create(access, job)
            case "tags":
                return await self._tag(access, job)
        return Rejected("stage_unknown", "This publication was begun by another version of Rookery.")

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | PublishState | None]:
        found = await lookup.on_board(access, job)
        if isinstance(found, Ok) and found.value is not None:
            return Ok(_out(job.draft, found.value), found.readings)
        return found

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        """Title, text, link, alt text and the board (PO/ PinUpdate, beta)."""
        body = pins.words(draft)
        for name in ("board_id", "board_section_id"):
            if name in draft.options:
                body[name] = draft.options[name]
        url = f"{API}/pins/{quote(external_id, safe='')}"
        call = Call("PATCH", url, "org_write", json=body, bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call), "org_write")
        return Ok(None, answer.readings) if isinstance(answer, Ok) else answer

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        url = f"{API}/pins/{quote(external_id, safe='')}"
        call = Call("DELETE", url, "org_write", bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call), "org_write")
        if isinstance(answer, Rejected) and answer.code == NO_PIN:
            return Ok(None, answer.readings)
        return Ok(None, answer.readings) if isinstance(answer, Ok) else answer

    # -- steps --------------------------------------------------------------------------------------

    async def _register(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        call = Call("POST", f"{API}/media", "org_write", json={"media_type": "video"}, bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), "org_write")
        if not isinstance(answer, Ok):
            return answer
        media_id, address = id_at(answer.value, "media_id"), text_at(answer.value, "upload_url")
        fields = mapping(answer.value, "upload_parameters")
        if media_id is None or address is None or not _is_upload(address) or not _is_form(fields):
            return Rejected("no_upload", "Pinterest opened the upload without saying where to send it.")
        facts = {"media_id": media_id, "anew": job.state.facts.get("anew", 0)}
        # The fields are the permission to upload, for whoever has them.
        sealed = json.dumps({"url": address, "fields": fields})
        return Ok(PublishState("upload", facts, sealed=sealed), answer.readings)

    async def _upload(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        told, medium = json.loads(job.state.sealed or "{}"), job.draft.media[0]

        def chunks() -> AsyncIterator[bytes]:
            return job.media.read(medium.id, 0, medium.size)

        form = multipart(told["fields"], "file", medium.content_type, medium.size, chunks)
        call = Call("POST", told["url"], "upload", body=form)
        result = await access.http.send(SPEC, call, job.timeout_s)
        if not isinstance(result, Answer):
            return failure_of(result, None)
        if 200 <= result.status < 300:
            return Ok(PublishState("processing", job.state.facts, wait_s=_PROCESSING_WAIT_S))
        if result.status == 403:
            return _anew(job, "upload_expired")
        if result.status in (408, 429) or result.status >= 500:
            return failure_of(NotSent(f"http_{result.status}"), None)
        return Rejected("upload_refused", f"Pinterest's upload refused the film (status {result.status}).")

    async def _processing(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        facts = job.state.facts
        url = f"{API}/media/{quote(str(facts['media_id']), safe='')}"
        call = Call("GET", url, "org_read", bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), "org_read")
        if not isinstance(answer, Ok):
            return answer
        status = text_at(answer.value, "status")
        if status == "succeeded":
            return _ready(job)
        if status == "failed":
            return Rejected("media_failed", "Pinterest could not process the film.", answer.readings)
        asked = facts.get("asked", 0) + 1
        if status == "registered" and asked >= _UNSEEN_AT_MOST:
            return _anew(job, "upload_lost")
        wait_s = min(_PROCESSING_WAIT_S * 2.0 ** max(0, min(asked, 20) - 3), _LONGEST_WAIT_S)
        state = replace(job.state, facts={**facts, "asked": asked}, wait_s=wait_s)
        return Ok(state, answer.readings)

    async def _create(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        draft, url = job.draft, f"{API}/pins"
        if draft.kind is ContentKind.VIDEO or draft.options.get("pull"):
            if draft.options.get("pull") and not all(_is_public(m.public_url) for m in draft.media):
                return Rejected("no_public_url", "Pinterest fetches these pictures: they need an address.")
            body = pins.request(draft, job.state.facts.get("media_id"))
            call = Call("POST", url, "org_write", json=body, bearer=access.token)
        else:
            body_ = pins.streamed(draft, job.media)
            call = Call("POST", url, "org_write", body=body_, bearer=access.token)
        result = await access.http.send(SPEC, call, job.timeout_s)
        answer = outcome_of(result, "org_write", once=_CREATED)
        if not isinstance(answer, Ok):
            return answer
        pin_id = id_at(answer.value, "id")
        if pin_id is None:
            return Unknown(_CREATED)
        created_at = moment_at(answer.value, "created_at")
        return Ok(_out(draft, Published(pin_id, f"{PIN_PAGE}/{pin_id}/", created_at)), answer.readings)

    async def _tag(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        """All at once; when Pinterest names some that it does not take, the rest again."""
        facts = job.state.facts
        pin_id, refused = str(facts["pin_id"]), {**facts.get("refused", {})}
        wanted = [tag.product_id for tag in job.draft.product_tags if tag.product_id not in refused]
        answer: Outcome[Mapping[str, str]] = Ok({})
        if wanted:
            answer = await tags.add(access, pin_id, wanted, job.timeout_s)
        if isinstance(answer, Rejected):
            sentence = f"Pinterest took no product tags: {answer.message}"
            return Ok(_tagged(facts, [sentence]), answer.readings)
        if not isinstance(answer, Ok):
            return answer
        if answer.value:
            state = replace(job.state, facts={**facts, "refused": {**refused, **answer.value}})
            return Ok(state, answer.readings)
        sentences = [f"Pinterest did not take the tag {product}: {why}." for product, why in refused.items()]
        return Ok(_tagged(facts, sentences), answer.readings)


def _ready(job: PublishJob) -> Outcome[PublishState | Published]:
    return Ok(PublishState("create", job.state.facts, decisive=True))


def _out(draft: Draft, published: Published) -> PublishState | Published:
    """It is public; its product tags are what may be left to do."""
    if not draft.product_tags:
        return published
    at = published.published_at
    facts = {"pin_id": published.external_id, "created_at": at.isoformat() if at else None}
    return PublishState("tags", facts)


def _tagged(facts: Mapping[str, Any], refused: list[str]) -> Published:
    pin_id = str(facts["pin_id"])
    return Published(pin_id, f"{PIN_PAGE}/{pin_id}/", moment_at(facts, "created_at"), tuple(refused))


def _anew(job: PublishJob, reason: str) -> Outcome[PublishState | Published]:
    """Register the film again: what was begun is never published by itself."""
    times = job.state.facts.get("anew", 0) + 1
    if times > _ANEW_AT_MOST:
        return Rejected(reason, "Pinterest did not take the film, tried several times.")
    return Ok(PublishState("start", {"anew": times}, wait_s=_PROCESSING_WAIT_S))


def _is_upload(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc in SPEC.file_hosts


def _is_form(fields: Mapping[str, object]) -> bool:
    return bool(fields) and all(
        _FIELD.fullmatch(name) and isinstance(value, str) and _FIELD.fullmatch(value)
        for name, value in fields.items()
    )


def _is_public(address: str | None) -> bool:
    return (address or "").startswith(("https://", "http://"))
