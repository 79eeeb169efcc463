"""Publishing on X: media in segments, then the post; what is unknown is looked for in the account's timeline.

    start -> init -> append (several segments a step) -> finalize -> status* -> metadata -> ... -> post

Sources: docs.x.com x-api/posts/manage-tweets, x-api/media, fundamentals/counting-characters.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from domain.content import ContentKind, MediaKind
from domain.publishing import (
    Draft,
    DraftMedia,
    FileRules,
    KindRules,
    Published,
    PublishQuota,
    PublishState,
    Refusal,
    refusals,
)
from platforms.capabilities import Access, PublishJob
from platforms.http import Call
from platforms.multipart import multipart
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter
from platforms.spec import PlatformSpec
from platforms.twitter.errors import outcome_of
from platforms.twitter.normalise import Includes, content_item
from platforms.twitter.spec import API, SPEC
from platforms.wire import Json, count_at, id_at, mapping, objects, text_at

SEGMENT = 4 * 1024 * 1024  # v1.1 took at most 5 MB; v2 names no limit
SEGMENTS_A_STEP = 8
LISTED = 50
"""Newest posts looked through for one that may be out."""
_CLOCKS_DIFFER = timedelta(minutes=1)

_LINK = re.compile(r"https?://\S+")
_MAYBE_LINK = re.compile(r"(?<![\w@#$/.-])(?:[^\W_][\w-]*\.)+[^\W\d_]{2,}(?:[/?#]\S*)?")
_HASHTAG = re.compile(r"[#\uff03]\w*[^\W\d_]\w*")
_MENTION = re.compile(r"(?<![\w@])[@\uff20]\w{1,15}")
_LINK_WEIGHT = 23
# counting-characters: these ranges weigh 1, everything else 2
_LIGHT = ((0, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
_JOINER, _SELECTOR = "\u200d", "\ufe0f"

_CATEGORIES = {MediaKind.IMAGE: "tweet_image", MediaKind.GIF: "tweet_gif", MediaKind.VIDEO: "tweet_video"}
_POST_ID = re.compile(r"[0-9]{1,19}")
# docs.x.com manage-tweets, POST /2/tweets: what each may be
_OPTIONS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "made_with_ai": (lambda v: isinstance(v, bool), "true or false"),
    "paid_partnership": (lambda v: isinstance(v, bool), "true or false"),
    "quote_tweet_id": (lambda v: isinstance(v, str) and bool(_POST_ID.fullmatch(v)), "the id of a post"),
    "reply_settings": (
        lambda v: v in ("following", "mentionedUsers", "subscribers", "verified"),
        "following, mentionedUsers, subscribers or verified",
    ),
}
_MB = 1_000_000

_IMAGE = FileRules(("image/jpeg", "image/png", "image/webp"), 5 * _MB)
_GIF = FileRules(("image/gif",), 15 * _MB, width=(1, 1280), height=(1, 1080))
_VIDEO = FileRules(
    ("video/mp4", "video/quicktime"), 512 * _MB, duration_ms=(500, 140_000), frames_per_s=(1, 60)
)


def weighted_length(text: str) -> int:
    """How X counts: links 23, most Latin text 1 a character, other scripts and emoji 2; an emoji made of
    several code points is one.

    A domain without `https://` is a link to X where it ends in one of the top-level domains that X knows;
    that list is not here. What may be one counts as its letters, and as 23 where these are more: nothing is
    refused here that X would take, and X itself may refuse a text with short ones (`a.co`)."""
    weight = len(_LINK.findall(text)) * _LINK_WEIGHT
    rest = _LINK.sub("", text)
    weight += sum(min(_letters(found), _LINK_WEIGHT) for found in _MAYBE_LINK.findall(rest))
    return weight + _letters(_MAYBE_LINK.sub("", rest))


def _letters(text: str) -> int:
    weight, joined = 0, False
    for char in text:
        if joined or char in (_JOINER, _SELECTOR) or "\U0001f3fb" <= char <= "\U0001f3ff":
            joined = char == _JOINER
            continue
        weight += 1 if any(low <= ord(char) <= high for low, high in _LIGHT) else 2
    return weight


def _rules(
    files: tuple[int, int], image: FileRules | None = None, video: FileRules | None = None
) -> KindRules:
    return KindRules(280, weighted_length, text_required=files[0] == 0, files=files, image=image, video=video)


class TwitterPublishing:
    rules: Mapping[ContentKind, KindRules] = {
        ContentKind.POST: _rules((0, 0)),
        ContentKind.PHOTO: _rules((1, 4), image=_IMAGE),
        ContentKind.CAROUSEL: _rules((2, 4), image=_IMAGE),
        ContentKind.VIDEO: _rules((1, 1), video=_VIDEO),
    }
    spec: PlatformSpec = SPEC

    def adapt(self, draft: Draft) -> Draft:
        """A link goes into the text, where X has it; short films are films."""
        kind = draft.kind
        if kind in (ContentKind.REEL, ContentKind.SHORT):
            kind = ContentKind.VIDEO
        elif kind is ContentKind.POST and draft.media:
            kind = ContentKind.VIDEO if draft.media[0].kind is MediaKind.VIDEO else ContentKind.PHOTO
        text = draft.text
        if draft.link and draft.link not in text:
            text = f"{text}\n{draft.link}".strip()
        return replace(draft, kind=kind, text=text, link=None, title=None)

    def refusals(self, draft: Draft) -> list[Refusal]:
        rules = self.rules
        if len(draft.media) == 1 and draft.media[0].kind is MediaKind.GIF:
            rules = {**rules, ContentKind.PHOTO: _rules((1, 1), image=_GIF)}
        hashtags, mentions = _HASHTAG.findall(draft.text), _MENTION.findall(draft.text)
        found = refusals(draft, rules, hashtags, mentions)
        for name, value in draft.options.items():
            if name in _OPTIONS and not _OPTIONS[name][0](value):
                message = f"The setting {name} is {_OPTIONS[name][1]}."
                found.append(Refusal("option_type", message, f"options.{name}"))
        if unknown := sorted(set(draft.options) - _OPTIONS.keys()):
            known = ", ".join(sorted(_OPTIONS))
            message = f"X has no setting {unknown[0]}; known are {known}."
            found.append(Refusal("option_unknown", message, f"options.{unknown[0]}"))
        if draft.media and draft.options.get("quote_tweet_id"):
            message = "A post with media cannot quote another."
            found.append(Refusal("quote_with_media", message, "options.quote_tweet_id"))
        if draft.product_tags:
            found.append(Refusal("product_tags", "X has no product tags.", "product_tags"))
        return found

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        return Rejected("unsupported", "X tells what is left only in the answers to posts themselves.")

    # -- steps --------------------------------------------------------------------------------------
    async def step(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        facts = job.state.facts
        match job.state.stage:
            case "start":
                return Ok(_next_file(job.draft, []))
            case "init":
                return await self._init(access, job, job.draft.media[len(facts["ids"])])
            case "append":
                return await self._append(access, job, job.draft.media[len(facts["ids"])])
            case "finalize" | "status":
                return await self._processed(access, job)
            case "metadata":
                return await self._metadata(access, job, job.draft.media[len(facts["ids"])])
            case "post":
                return await self._post(access, job)
            case other:
                return Rejected("stage_unknown", f"There is no step {other} on X.")

    async def _init(self, access: Access, job: PublishJob, medium: DraftMedia) -> Outcome[PublishState]:
        body = {
            "media_type": medium.content_type,
            "total_bytes": medium.size,
            "media_category": _CATEGORIES[medium.kind],
        }
        answer = await self._media(access, job, "POST", "upload/initialize", body)
        if not isinstance(answer, Ok):
            return answer
        media_id = id_at(mapping(answer.value, "data"), "id")
        if media_id is None:
            return Rejected("no_media_id", "X began an upload without telling its id.")
        facts = {"ids": job.state.facts["ids"], "id": media_id, "sent": 0}
        return Ok(PublishState("append", facts))

    async def _append(self, access: Access, job: PublishJob, medium: DraftMedia) -> Outcome[PublishState]:
        """Several segments; a segment sent again takes the place of the one before it."""
        facts = dict(job.state.facts)
        for _ in range(SEGMENTS_A_STEP):
            start, end = facts["sent"], min(facts["sent"] + SEGMENT, medium.size)
            body = multipart(
                {"segment_index": str(start // SEGMENT)},
                "media",
                "application/octet-stream",
                end - start,
                lambda start=start, end=end: job.media.read(medium.id, start, end),  # type: ignore[misc]
            )
            call = Call(
                "POST", f"{API}/2/media/upload/{facts['id']}/append", "media", body=body, bearer=access.token
            )
            answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), "media")
            if not isinstance(answer, Ok):
                if facts["sent"] > job.state.facts["sent"]:
                    break  # what arrived is saved before the rest is tried again
                return replace(answer, readings=()) if isinstance(answer, Rejected | RetryAfter) else answer
            facts["sent"] = end
            if end == medium.size:
                return Ok(PublishState("finalize", facts))
        return Ok(PublishState("append", facts))

    async def _processed(self, access: Access, job: PublishJob) -> Outcome[PublishState]:
        facts = job.state.facts
        if job.state.stage == "finalize":
            answer = await self._media(access, job, "POST", f"upload/{facts['id']}/finalize", None)
        else:
            query = {"command": "STATUS", "media_id": facts["id"]}
            call = Call("GET", f"{API}/2/media/upload", "media", query=query, bearer=access.token)
            answer = _unread(outcome_of(await access.http.send(SPEC, call, job.timeout_s), "media"))
        if not isinstance(answer, Ok):
            return answer
        told = mapping(answer.value, "data", "processing_info")
        state = text_at(told, "state")
        if state == "failed":
            return Rejected("media_failed", "X could not process the file.")
        if state in ("pending", "in_progress"):
            wait = float(min(max(count_at(told, "check_after_secs") or 1, 1), 300))
            return Ok(PublishState("status", facts, wait_s=wait))
        medium = job.draft.media[len(facts["ids"])]
        if medium.alt_text:
            return Ok(PublishState("metadata", facts))
        return Ok(_next_file(job.draft, [*facts["ids"], facts["id"]]))

    async def _metadata(self, access: Access, job: PublishJob, medium: DraftMedia) -> Outcome[PublishState]:
        facts = job.state.facts
        body = {"id": facts["id"], "metadata": {"alt_text": {"text": (medium.alt_text or "")[:1000]}}}
        answer = await self._media(access, job, "POST", "metadata", body)
        if not isinstance(answer, Ok):
            return answer
        return Ok(_next_file(job.draft, [*facts["ids"], facts["id"]]))

    async def _post(self, access: Access, job: PublishJob) -> Outcome[Published]:
        draft, options = job.draft, dict(job.draft.options)
        body: dict[str, object] = {"text": draft.text, **options}
        if job.state.facts["ids"]:
            body["media"] = {"media_ids": list(job.state.facts["ids"])}
        if draft.reply_to:
            body["reply"] = {"in_reply_to_tweet_id": draft.reply_to}
        call = Call("POST", f"{API}/2/tweets", "publishing", json=body, bearer=access.token)
        result = await access.http.send(SPEC, call, job.timeout_s)
        answer = outcome_of(result, "publishing", once="the post may be out")
        if not isinstance(answer, Ok):
            return answer
        post_id = id_at(mapping(answer.value, "data"), "id")
        return Ok(Published(post_id, post_id and _link_to(post_id)), answer.readings)

    # -- afterwards ---------------------------------------------------------------------------------
    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | None]:
        """By text and time: links are compared as they were written, since X shortens them."""
        query = {
            "max_results": str(LISTED),
            "post.fields": "created_at,entities,id,note_post,text,attachments",
            "start_time": (job.began_at - _CLOCKS_DIFFER).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        url = f"{API}/2/users/{access.external_id}/tweets"
        call = Call("GET", url, "tweets", query=query, bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), "tweets")
        if not isinstance(answer, Ok):
            return answer
        wanted, links = _comparable(job.draft.text)
        for row in objects(answer.value, "data"):
            item = content_item(row, Includes.of({}))
            if item is None or bool(mapping(row, "attachments")) != bool(job.draft.media):
                continue
            words, shown = _comparable(item.text.text)
            if words == wanted and links <= shown | set(item.text.links):
                found = Published(item.external_id, _link_to(item.external_id), item.published_at)
                return Ok(found, answer.readings)
        return Ok(None, answer.readings)

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        return Rejected("unsupported", "X lets only Premium accounts edit, in the first hour, by a new post.")

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        call = Call("DELETE", f"{API}/2/tweets/{external_id}", "publishing", bearer=access.token)
        answer = _unread(outcome_of(await access.http.send(SPEC, call), "publishing"))
        if isinstance(answer, Ok) or (isinstance(answer, Rejected) and answer.code == "404"):
            return Ok(None)
        return answer

    async def _media(
        self, access: Access, job: PublishJob, method: str, path: str, body: Mapping[str, Any] | None
    ) -> Outcome[Json]:
        call = Call(method, f"{API}/2/media/{path}", "media", json=body, bearer=access.token)
        return _unread(outcome_of(await access.http.send(SPEC, call, job.timeout_s), "media"))


def _unread(answer: Outcome[Json]) -> Outcome[Json]:
    """Limits of media calls are far from anybody's use: no window is kept for them."""
    return replace(answer, readings=()) if isinstance(answer, Ok | Rejected | RetryAfter) else answer


def _next_file(draft: Draft, done: Sequence[str]) -> PublishState:
    if len(done) < len(draft.media):
        return PublishState("init", {"ids": list(done)})
    return PublishState("post", {"ids": list(done)}, decisive=True)


def _comparable(text: str) -> tuple[str, set[str]]:
    """The words without white space, and the links apart, which X shows shortened."""
    return re.sub(r"\s+", "", _LINK.sub("", text)), set(_LINK.findall(text))


def _link_to(post_id: str) -> str:
    return f"https://x.com/i/status/{post_id}"
