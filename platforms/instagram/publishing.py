"""Publishing on Instagram: a container that fetches the file itself, then the call that makes it public.

    picture, reel, story    start -> container -> status .. -> publish*
    carousel                start -> item, item, .. -> items .. -> container -> status .. -> publish*
    comment, reply          start -> comment*

    * decisive

A container that nobody publishes ends within a day, so making one twice does no harm.
Sources: IGP/content-publishing, IGP/instagram-graph-api/reference/{ig-user/media,ig-container}.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from domain.content import ContentKind, MediaKind
from domain.publishing import (
    Draft,
    DraftMedia,
    KindRules,
    Published,
    PublishQuota,
    PublishState,
    Refusal,
)
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.instagram import api, lookup, rules
from platforms.instagram.commerce import NO_LOGIN, NOT_ELIGIBLE
from platforms.instagram.errors import (
    GONE,
    NO_CONTAINER,
    NOT_READY,
    QUOTA_REACHED,
    meaning_of_status,
)
from platforms.instagram.spec import FACEBOOK_LOGIN
from platforms.meta.errors import NO_PERMISSION
from platforms.outcome import Failure, Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.wire import count_at, flag_at, id_at, mapping, objects, text_at

Step = Outcome[PublishState | Published]

_MAYBE = "the post may have been published"
_FIRST_WAIT_S, _WAIT_S = 5.0, 60.0  # IGP/content-publishing: ask once a minute
_ANEW_AT_MOST = 2
_SUBCODE = re.compile(r"\b22\d{5}\b")
_TYPES = {ContentKind.REEL: "REELS", ContentKind.STORY: "STORIES", ContentKind.CAROUSEL: "CAROUSEL"}


class InstagramPublishing:
    """Stateless. Instagram fetches files by `DraftMedia.public_url`; it takes no bytes with Instagram Login.
    Product tags need an `Access` of the surface `FACEBOOK_LOGIN`."""

    rules: Mapping[ContentKind, KindRules] = rules.RULES

    def adapt(self, draft: Draft) -> Draft:
        return rules.adapt(draft)

    def refusals(self, draft: Draft) -> list[Refusal]:
        return rules.refused(draft)

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        """Of the last 24 hours; a carousel counts as one. Meta's pages differ in the number: it is asked."""
        params = {"fields": "quota_usage,config"}
        answer = await api.get(access, "me/content_publishing_limit", params)
        if not isinstance(answer, Ok):
            return answer
        row = next(objects(answer.value, "data"), {})
        config = mapping(row, "config")
        seconds = count_at(config, "quota_duration") or 86_400
        told = PublishQuota(count_at(config, "quota_total"), count_at(row, "quota_usage"), seconds)
        return Ok(told, answer.readings)

    async def step(self, access: Access, job: PublishJob) -> Step:
        match job.state.stage:
            case "start":
                return await self._start(access, job)
            case "item":
                return await _item(access, job)
            case "items":
                return await _items(access, job)
            case "container":
                return await _container(access, job)
            case "status":
                return await _status(access, job)
            case "publish":
                return await _publish(access, job)
            case "comment":
                return await _comment(access, job)
        return Rejected("stage_unknown", "This publication was begun by another version of Rookery.")

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | None]:
        """The container tells whether it is out; which media it became is seen by caption, kind and time."""
        if job.draft.reply_to is not None:
            return await lookup.comment(access, job)
        looked = await _look(access, job, str(job.state.facts["container"]))
        if isinstance(looked, Rejected) and looked.code in GONE:
            return Ok(None, looked.readings)
        if not isinstance(looked, Ok):
            return looked
        if looked.value[0] != "PUBLISHED":
            return Ok(None, looked.readings)
        return await lookup.media(access, job)

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        return Rejected("unsupported", "Instagram's API cannot edit what is out: use Instagram's app.")

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        """Comments under the account's media. Media can be deleted by apps with Facebook Login only."""
        answer = await api.delete(access, quote(external_id, safe=""))
        if isinstance(answer, Rejected) and answer.code in GONE:
            return Ok(None, answer.readings)
        if isinstance(answer, Rejected) and answer.code in NO_PERMISSION:
            message = "Only apps with Facebook Login may delete posts: delete it in Instagram's app."
            return Rejected("unsupported", message, answer.readings)
        if not isinstance(answer, Ok):
            return answer
        if not flag_at(answer.value, "success"):
            return Rejected("not_confirmed", "Instagram did not confirm the deletion.", answer.readings)
        return Ok(None, answer.readings)

    async def _start(self, access: Access, job: PublishJob) -> Step:
        draft = job.draft
        if draft.reply_to is not None:
            return await lookup.begin_comment(access, draft.reply_to)
        if not all((m.public_url or "").startswith(("https://", "http://")) for m in draft.media):
            return Rejected("no_public_url", "Instagram fetches these files itself: they need an address.")
        if draft.product_tags and (refused := await _cannot_tag(access)):
            return refused
        quota = await self.quota(access)
        if not isinstance(quota, Ok):
            return quota
        limit, used = quota.value.limit, quota.value.used
        if limit is not None and used is not None and used >= limit:
            return QUOTA_REACHED
        facts = {"anew": job.state.facts.get("anew", 0)}
        if draft.kind is ContentKind.CAROUSEL:
            return Ok(PublishState("item", {**facts, "items": []}), quota.readings)
        return Ok(PublishState("container", facts), quota.readings)


async def _cannot_tag(access: Access) -> Failure | None:
    """Which accounts may tag products is told at run time only."""
    if access.surface != FACEBOOK_LOGIN:
        return NO_LOGIN
    answer = await api.get(access, "me", {"fields": "shopping_product_tag_eligibility"})
    if not isinstance(answer, Ok):
        return answer
    return None if flag_at(answer.value, "shopping_product_tag_eligibility") else NOT_ELIGIBLE


async def _item(access: Access, job: PublishJob) -> Step:
    """The next of a carousel's files."""
    facts, items = job.state.facts, list(job.state.facts["items"])
    medium = job.draft.media[len(items)]
    form = _file(medium) | _tags(job.draft, len(items)) | {"is_carousel_item": "true"}
    if medium.kind is MediaKind.VIDEO:
        form["media_type"] = "VIDEO"
    made = await _make(access, job, form)
    if not isinstance(made, Ok):
        return made
    items.append(made.value)
    done = len(items) == len(job.draft.media)
    state = PublishState("items" if done else "item", {**facts, "items": items})
    return Ok(replace(state, wait_s=_FIRST_WAIT_S) if done and _films(job.draft) else state, made.readings)


async def _items(access: Access, job: PublishJob) -> Step:
    """Films of a carousel have to be ready before it; pictures are fetched when their container is made."""
    facts, films = job.state.facts, _films(job.draft)
    ready = int(facts.get("ready", 0))
    if ready >= len(films):
        return Ok(PublishState("container", facts))
    looked = await _look(access, job, facts["items"][films[ready]])
    if not isinstance(looked, Ok):
        return _wait(job.state) if _is_not_yet(looked) else looked
    status, words = looked.value
    if status != "FINISHED":
        return _unfinished(job.state, status, words)
    return Ok(PublishState("items", {**facts, "ready": ready + 1}), looked.readings)


async def _container(access: Access, job: PublishJob) -> Step:
    draft, facts = job.draft, job.state.facts
    form: dict[str, str] = {"media_type": _TYPES[draft.kind]} if draft.kind in _TYPES else {}
    if draft.kind is ContentKind.CAROUSEL:
        form["children"] = ",".join(facts["items"])
    else:
        form |= _file(draft.media[0]) | _tags(draft, 0)
    if draft.text:
        form["caption"] = draft.text
    form |= {name: _as_text(value) for name, value in draft.options.items()}
    made = await _make(access, job, form)
    if not isinstance(made, Ok):
        return _wait(job.state) if _is_not_yet(made) else made
    film = draft.media[0].kind is MediaKind.VIDEO and draft.kind is not ContentKind.CAROUSEL
    facts = {"anew": facts.get("anew", 0), "container": made.value}
    return Ok(PublishState("status", facts, wait_s=_FIRST_WAIT_S if film else 0.0), made.readings)


async def _status(access: Access, job: PublishJob) -> Step:
    looked = await _look(access, job, job.state.facts["container"])
    if not isinstance(looked, Ok):
        return _wait(job.state) if _is_not_yet(looked) else looked
    status, words = looked.value
    if status == "PUBLISHED":  # by a call whose answer said otherwise
        return Ok(Published(None), looked.readings)
    if status != "FINISHED":
        return _unfinished(job.state, status, words)
    return Ok(PublishState("publish", job.state.facts, decisive=True), looked.readings)


async def _publish(access: Access, job: PublishJob) -> Step:
    form = {"creation_id": job.state.facts["container"]}
    answer = await api.post(access, "me/media_publish", form, once=_MAYBE, timeout_s=job.timeout_s)
    if _is_not_yet(answer):
        # Said of a container that is out as well: its own word decides.
        return _wait(PublishState("status", job.state.facts))
    if not isinstance(answer, Ok):
        return answer
    media_id = id_at(answer.value, "id")
    return Ok(Published(media_id), answer.readings) if media_id else Unknown(_MAYBE)


async def _comment(access: Access, job: PublishJob) -> Step:
    path = f"{quote(job.draft.reply_to or '', safe='')}/{job.state.facts['edge']}"
    form = {"message": job.draft.text}
    once = "the comment may have been made"
    answer = await api.post(access, path, form, once=once, timeout_s=job.timeout_s)
    if not isinstance(answer, Ok):
        return answer
    comment_id = id_at(answer.value, "id")
    return Ok(Published(comment_id), answer.readings) if comment_id else Unknown(once)


async def _make(access: Access, job: PublishJob, form: Mapping[str, str | Secret]) -> Outcome[str]:
    answer = await api.post(access, "me/media", form, timeout_s=job.timeout_s)
    if not isinstance(answer, Ok):
        return answer
    container = id_at(answer.value, "id")
    if container is None:
        return Rejected("no_container", "Instagram answered without the container's id.", answer.readings)
    return Ok(container, answer.readings)


async def _look(access: Access, job: PublishJob, container: str) -> Outcome[tuple[str, str]]:
    """A container's status, and its words for people."""
    params = {"fields": "status_code,status"}
    answer = await api.get(access, quote(container, safe=""), params, job.timeout_s)
    if not isinstance(answer, Ok):
        return answer
    status, words = text_at(answer.value, "status_code") or "", text_at(answer.value, "status") or ""
    return Ok((status, words), answer.readings)


def _unfinished(state: PublishState, status: str, words: str) -> Step:
    if status == "ERROR":
        found = _SUBCODE.search(words)
        failure = meaning_of_status(int(found[0]) if found else None)
        anew = int(state.facts.get("anew", 0)) + 1
        if not isinstance(failure, RetryAfter):
            return failure
        if anew > _ANEW_AT_MOST:
            return Rejected(failure.reason, "Instagram could not use the file, tried several times.")
        return Ok(PublishState("start", {"anew": anew}, wait_s=_WAIT_S))
    if status == "EXPIRED":
        return Rejected("container_expired", "Instagram did not finish with the file within a day.")
    return _wait(state)


def _wait(state: PublishState) -> Step:
    return Ok(replace(state, wait_s=_WAIT_S))


def _is_not_yet(answer: object) -> bool:
    """Not ready, or not known yet (for up to two minutes after it was made)."""
    return isinstance(answer, Rejected) and answer.code in (NOT_READY, NO_CONTAINER)


def _films(draft: Draft) -> list[int]:
    return [n for n, medium in enumerate(draft.media) if medium.kind is MediaKind.VIDEO]


def _file(medium: DraftMedia) -> dict[str, str]:
    address = medium.public_url or ""
    if medium.kind is MediaKind.VIDEO:
        return {"video_url": address}
    return {"image_url": address} | ({"alt_text": medium.alt_text} if medium.alt_text else {})


def _tags(draft: Draft, number: int) -> dict[str, str]:
    """Of one file. Places are shares of a picture; films have none."""
    rows = [
        {"product_id": tag.product_id}
        | ({"x": tag.x, "y": tag.y} if draft.media[number].kind is MediaKind.IMAGE else {})
        for tag in draft.product_tags
        if tag.media == number
    ]
    return {"product_tags": json.dumps(rows)} if rows else {}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
