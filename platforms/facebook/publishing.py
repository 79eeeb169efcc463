"""Publishing on a page. Photos are uploaded unpublished first, films in pieces; one step makes it all public.

    text, link, comment    start -> publish*
    photos, photo story    start -> photo -> .. -> publish*
    film                   start -> film_start -> film_chunk -> .. -> film_finish* -> check
    reel, film story       start -> reel_start -> reel_upload -> .. -> reel_finish* -> check

    * decisive

Sources: docs/pages-api/posts, docs/graph-api/reference/page/{feed,photos,videos,photo_stories},
documentation/video-api/guides/reels-publishing, docs/page-stories-api.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, Published, PublishQuota, PublishState, Refusal
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.facebook import films, media
from platforms.facebook.errors import GONE, outcome_of
from platforms.facebook.reading import get
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Call
from platforms.multipart import multipart
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.wire import Json, flag_at, id_at, mapping, moment_at, objects, text_at, words_at

Step = Outcome[PublishState | Published]

_MAYBE = "the post may have been published"
# How much earlier than `began_at` by Facebook's clock something of ours may seem to have been made.
_SKEW = timedelta(minutes=5)
_LOOKED_THROUGH = 50


class FacebookPublishing:
    rules = media.RULES

    def adapt(self, draft: Draft) -> Draft:
        return media.adapt(draft)

    def refusals(self, draft: Draft) -> list[Refusal]:
        return media.refused(draft)

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        return Rejected("unsupported", "Facebook does not say how much a page may still publish.")

    async def step(self, access: Access, job: PublishJob) -> Step:
        match job.state.stage:
            case "start":
                return Ok(_first(job.draft))
            case "photo":
                return await _photo(access, job)
            case "publish":
                return await _publish(access, job)
            case "film_start" | "film_chunk" | "film_finish" | "reel_start" | "reel_upload" | "reel_finish":
                return await films.step(access, job)
            case "check":
                return await films.check(access, job)
        return Rejected("stage_unknown", "This publication was begun by another version of Rookery.")

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | None]:
        """A film by its id, photos by theirs, a text by its words, its link and its time."""
        if "video_id" in job.state.facts:
            return await films.find(access, job)
        if job.draft.reply_to is not None:
            return await _find_comment(access, job)
        if job.draft.kind is ContentKind.STORY:
            return await _find_story(access, job)
        return await _find_post(access, job)

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        """The text alone, and only of what this application made."""
        answer = await _post(access, external_id, {"message": draft.text})
        return _confirmed(answer)

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        call = Call("DELETE", f"{GRAPH}/{external_id}", "graph", bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call))
        if isinstance(answer, Rejected) and answer.code in GONE:
            return Ok(None, answer.readings)
        return _confirmed(answer)


def _first(draft: Draft) -> PublishState:
    film = bool(draft.media) and draft.media[0].kind is MediaKind.VIDEO
    if film and draft.kind is ContentKind.VIDEO:
        return PublishState("film_start")
    if film:
        return PublishState("reel_start")
    return PublishState("photo", {"photos": []}) if draft.media else PublishState("publish", decisive=True)


async def _photo(access: Access, job: PublishJob) -> Step:
    """The next file, unpublished: doing it twice leaves one that nobody sees and that ends within a day."""
    photos: list[str] = list(job.state.facts["photos"])
    file = job.draft.media[len(photos)]
    fields = {"published": "false"} | ({"alt_text_custom": file.alt_text} if file.alt_text else {})
    body = multipart(
        fields, "source", file.content_type, file.size, lambda: job.media.read(file.id, 0, file.size)
    )
    call = Call("POST", f"{GRAPH}/{access.external_id}/photos", "graph", body=body, bearer=access.token)
    answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s))
    if not isinstance(answer, Ok):
        return answer
    photo_id = id_at(answer.value, "id")
    if photo_id is None:
        return Rejected("no_photo", "Facebook answered without the photo's id.", answer.readings)
    photos.append(photo_id)
    done = len(photos) == len(job.draft.media)
    state = PublishState("publish" if done else "photo", {"photos": photos}, decisive=done)
    return Ok(state, answer.readings)


async def _publish(access: Access, job: PublishJob) -> Step:
    draft, photos = job.draft, job.state.facts.get("photos", [])
    edge, form = f"{access.external_id}/feed", _form(draft, photos)
    if draft.reply_to is not None:
        edge, form = f"{quote(draft.reply_to, safe='')}/comments", {"message": draft.text}
    elif draft.kind is ContentKind.STORY:
        edge, form = f"{access.external_id}/photo_stories", {"photo_id": photos[0]}
    answer = await _post(access, edge, form, once=_MAYBE, timeout_s=job.timeout_s)
    if not isinstance(answer, Ok):
        return answer
    made = id_at(answer.value, "id", "post_id")
    return Ok(Published(made), answer.readings) if made else Unknown(_MAYBE)


def _form(draft: Draft, photos: list[str]) -> dict[str, str]:
    form = {"message": draft.text} if draft.text else {}
    if draft.link is not None:
        form["link"] = draft.link
    attached = (json.dumps({"media_fbid": photo}) for photo in photos)
    return form | {f"attached_media[{n}]": row for n, row in enumerate(attached)}


async def _post(
    access: Access,
    path: str,
    form: Mapping[str, str | Secret],
    *,
    once: str | None = None,
    timeout_s: float = 30.0,
) -> Outcome[Json]:
    call = Call("POST", f"{GRAPH}/{path}", "graph", form=form, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call, timeout_s), once=once)


async def _find_post(access: Access, job: PublishJob) -> Outcome[Published | None]:
    fields = "id,message,created_time,permalink_url,attachments{type,url,unshimmed_url,target,subattachments}"
    since = str(int((job.began_at - _SKEW).timestamp()))
    params = {"fields": fields, "limit": str(_LOOKED_THROUGH), "since": since}
    answer = await get(access.http, access.token, f"{access.external_id}/published_posts", params)
    if not isinstance(answer, Ok):
        return answer
    photos = set(job.state.facts.get("photos", []))
    for row in objects(answer.value, "data"):
        attachments = list(objects(mapping(row, "attachments"), "data"))
        parts = [p for a in attachments for p in (a, *objects(mapping(a, "subattachments"), "data"))]
        if photos:
            same = bool(photos & {id_at(mapping(part, "target"), "id") for part in parts})
        else:
            same = _same_words(row, job) and _same_link(parts, job.draft.link)
        if same:
            return Ok(_published(row), answer.readings)
    return Ok(None, answer.readings)


async def _find_comment(access: Access, job: PublishJob) -> Outcome[Published | None]:
    params = {
        "fields": "id,message,from,created_time,permalink_url",
        "order": "reverse_chronological",
        "limit": str(_LOOKED_THROUGH),
    }
    path = f"{quote(job.draft.reply_to or '', safe='')}/comments"
    answer = await get(access.http, access.token, path, params)
    if not isinstance(answer, Ok):
        return answer
    for row in objects(answer.value, "data"):
        own = id_at(mapping(row, "from"), "id") == access.external_id
        if own and _same_words(row, job) and _in_time(row, job):
            return Ok(_published(row), answer.readings)
    return Ok(None, answer.readings)


async def _find_story(access: Access, job: PublishJob) -> Outcome[Published | None]:
    answer = await get(access.http, access.token, f"{access.external_id}/stories", {"limit": "50"})
    if not isinstance(answer, Ok):
        return answer
    for row in objects(answer.value, "data"):
        if id_at(row, "media_id") in job.state.facts.get("photos", []):
            return Ok(Published(id_at(row, "post_id"), words_at(row, "url")), answer.readings)
    return Ok(None, answer.readings)


def _same_words(row: Json, job: PublishJob) -> bool:
    return (text_at(row, "message") or "").strip() == job.draft.text.strip()


def _same_link(parts: list[Json], link: str | None) -> bool:
    shared = [text_at(part, "unshimmed_url", "url") for part in parts if text_at(part, "type") == "share"]
    if link is None:
        return True  # a text that holds an address is shown with it
    return any(address is not None and address.rstrip("/") == link.rstrip("/") for address in shared)


def _in_time(row: Json, job: PublishJob) -> bool:
    at = moment_at(row, "created_time")
    return at is None or at >= job.began_at - _SKEW


def _published(row: Json) -> Published:
    return Published(id_at(row, "id"), words_at(row, "permalink_url"), moment_at(row, "created_time"))


def _confirmed(answer: Outcome[Json]) -> Outcome[None]:
    if not isinstance(answer, Ok):
        return answer
    if not flag_at(answer.value, "success"):
        return Rejected("not_confirmed", "Facebook did not confirm the change.", answer.readings)
    return Ok(None, answer.readings)
