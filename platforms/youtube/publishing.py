"""Publishing a video: session, chunks, YouTube's own processing, then thumbnail and captions.

    start --> upload (chunk by chunk; the last is decisive) --> processing --> thumbnail --> captions --> out

Before each chunk YouTube is asked what it has, so that every step may be made again at any time.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from domain.content import ContentKind
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
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.wire import Json, count_at, id_at, mapping, moment_at, objects, text_at
from platforms.youtube import captions, upload
from platforms.youtube.api import ask
from platforms.youtube.drafts import (
    RULES,
    TITLE_MAX,
    WRITABLE,
    all_refusals,
    captions_of,
    resource,
    thumbnail_of,
    video_of,
)
from platforms.youtube.errors import GONE
from platforms.youtube.normalise import permalink

_POLL_S = 15.0
_LOOKED_AT = 50
_CLOCKS = timedelta(minutes=2)


class YouTubePublishing:
    rules: Mapping[ContentKind, KindRules] = RULES

    def adapt(self, draft: Draft) -> Draft:
        """A reel is a Short here. Without a title the first line of the text is it, if it is short enough;
        the text stays whole."""
        first = draft.text.strip().split("\n", 1)[0].strip()
        title = draft.title or (first if len(first) <= TITLE_MAX else None) or None
        text = draft.text
        if draft.link is not None and draft.link not in text:
            text = f"{text}\n\n{draft.link}".strip()
        kind = ContentKind.SHORT if draft.kind is ContentKind.REEL else draft.kind
        return replace(draft, kind=kind, title=title, text=text, link=None)

    def refusals(self, draft: Draft) -> list[Refusal]:
        return all_refusals(draft)

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        return Rejected("unsupported", "YouTube does not say how many uploads are left.")

    async def step(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        match job.state.stage:
            case "start":
                return await self._begin(access, job)
            case "upload":
                return await self._upload(access, job)
            case "processing":
                return await self._processed(access, job)
            case "thumbnail":
                return await self._thumbnail(access, job)
            case "captions":
                return await self._captions(access, job)
            case other:
                return Rejected("stage_unknown", f"Publishing on YouTube has no step {other[:40]!r}.")

    async def _begin(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        medium = video_of(job.draft)
        if medium is None:
            return Rejected("no_video", "A video file is needed.")
        notify = job.draft.options.get("notifySubscribers", True)
        session = await upload.begin(access, medium, resource(job.draft), bool(notify), job.timeout_s)
        if not isinstance(session, Ok):
            return session
        return Ok(_at(0, medium, session.value))

    async def _upload(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        medium, state = video_of(job.draft), job.state
        if medium is None or state.sealed is None:
            return Rejected("no_session", "The upload has no file or no session any more.")
        session = Secret(state.sealed)
        has = await upload.stored(access, session, medium.size, job.timeout_s / 3)
        if isinstance(has, Ok) and isinstance(has.value, int):
            if upload.CHUNK + has.value >= medium.size and not state.decisive:
                return Ok(_at(has.value, medium, session))  # an intent is saved before the last chunk
            has = await upload.send_chunk(
                access, session, job.media, medium, has.value, job.timeout_s * 2 / 3 - 1
            )
        if isinstance(has, Rejected) and has.code == upload.SESSION_GONE:
            if state.decisive:
                return Unknown("the video may have been uploaded")
            return Ok(PublishState())
        if not isinstance(has, Ok):
            return has
        if isinstance(has.value, int):
            return Ok(_at(has.value, medium, session))
        video_id = id_at(has.value, "id")
        if video_id is None:
            return Unknown("the video was uploaded, under an id that YouTube did not name")
        return Ok(PublishState("processing", {"video_id": video_id}, wait_s=_POLL_S))

    async def _processed(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        video_id = str(job.state.facts["video_id"])
        query = {"part": "status,processingDetails,snippet", "id": video_id}
        answer = await ask(access.http, access.token, "videos", "videos", query, timeout_s=job.timeout_s)
        if not isinstance(answer, Ok):
            return answer
        video = next(objects(answer.value, "items"), None)
        if video is None:
            return RetryAfter(_POLL_S, LimitScope.ACCOUNT, "not_listed_yet")
        status = mapping(video, "status")
        uploaded = text_at(status, "uploadStatus")
        if uploaded in ("failed", "rejected"):
            why = text_at(status, "failureReason", "rejectionReason") or "unknown"
            return Rejected(why, f"YouTube took the file and then {uploaded} the video: {why}.")
        if uploaded != "processed":
            return Ok(replace(job.state, wait_s=_left_s(video)))
        return Ok(_after("processing", job, video_id, video))

    async def _thumbnail(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        """The video is out: a thumbnail that is refused does not undo that."""
        video_id, medium = str(job.state.facts["video_id"]), thumbnail_of(job.draft)
        if medium is None:
            return Ok(_after("thumbnail", job, video_id))
        answer = await upload.set_thumbnail(access, video_id, job.media, medium, job.timeout_s)
        if isinstance(answer, Rejected):
            sentence = f"YouTube did not take the thumbnail: {answer.message}"
            return Ok(_after("thumbnail", job, video_id, refused=sentence))
        return Ok(_after("thumbnail", job, video_id)) if isinstance(answer, Ok) else answer

    async def _captions(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        """One track a step; those that are there already are passed over, so a step may be made again."""
        video_id, skipped = str(job.state.facts["video_id"]), list(job.state.facts.get("skipped", ()))
        there = await captions.tracks(access, video_id, job.timeout_s / 2)
        if not isinstance(there, Ok):
            return there
        own = {(t.language, t.name) for t in there.value if t.kind is captions.TrackKind.STANDARD}
        for language, name, text in captions_of(job.draft):
            if (language, name) in own or [language, name] in skipped:
                continue
            answer = await captions.insert(access, video_id, language, name, text, job.timeout_s / 2 - 1)
            if isinstance(answer, Ok):
                return Ok(job.state)
            if not isinstance(answer, Rejected):
                return answer
            sentence = f"YouTube did not take the captions in {language}: {answer.message}"
            facts = {
                **job.state.facts,
                "skipped": [*skipped, [language, name]],
                "refused": [*job.state.facts.get("refused", ()), sentence],
            }
            return Ok(replace(job.state, facts=facts))
        return Ok(_after("captions", job, video_id))

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | None]:
        """The session says it while it lives; after that, the newest uploads do: title, time, and the size of
        the file, which YouTube tells its owner."""
        known = id_at(job.state.facts, "video_id")
        if known is not None:
            return Ok(_published(job.draft, known, {}))
        medium = video_of(job.draft)
        if medium is None:
            return Ok(None)
        if job.state.sealed is not None:
            has = await upload.stored(access, Secret(job.state.sealed), medium.size, job.timeout_s / 3)
            if isinstance(has, Ok):
                found = None if isinstance(has.value, int) else id_at(has.value, "id")
                return Ok(None if found is None else _published(job.draft, found, mapping(has.value)))
            if not (isinstance(has, Rejected) and has.code == upload.SESSION_GONE):
                return has
        return await self._find_listed(access, job, medium)

    async def _find_listed(
        self, access: Access, job: PublishJob, medium: DraftMedia
    ) -> Outcome[Published | None]:
        family = "listing"
        told = await ask(
            access.http, access.token, family, "channels", {"part": "contentDetails", "mine": "true"}
        )
        if not isinstance(told, Ok):
            return told
        channel = next(objects(told.value, "items"), {})
        playlist = id_at(mapping(channel, "contentDetails", "relatedPlaylists"), "uploads") or ""
        query = {"part": "contentDetails", "playlistId": playlist, "maxResults": str(_LOOKED_AT)}
        listed = await ask(access.http, access.token, family, "playlistItems", query)
        if isinstance(listed, Rejected) and listed.code == "playlistNotFound":
            return Ok(None)
        if not isinstance(listed, Ok):
            return listed
        rows = objects(listed.value, "items")
        ids = [i for row in rows if (i := id_at(row.get("contentDetails"), "videoId"))]
        query = {"part": "snippet,status,fileDetails", "id": ",".join(ids)}
        read = await ask(access.http, access.token, family, "videos", query) if ids else Ok(dict[str, Any]())
        if not isinstance(read, Ok):
            return read
        for video in objects(read.value, "items"):
            if _is_the_draft(video, job, medium):
                return Ok(_published(job.draft, str(video["id"]), video))
        return Ok(None)

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        """videos.update replaces whatever its parts hold: what the draft does not say is kept as it is."""
        wanted = resource(draft, whole=False)
        query = {"part": ",".join(wanted), "id": external_id}
        told = await ask(access.http, access.token, "writes", "videos", query)
        if not isinstance(told, Ok):
            return told
        now = next(objects(told.value, "items"), None)
        if now is None:
            return Rejected(
                "videoNotFound", "YouTube has no such video, or does not show it to this account."
            )
        body: Json = {"id": external_id}
        for part, values in wanted.items():
            kept = {k: v for k, v in mapping(now, part).items() if k in WRITABLE[part]}
            body[part] = kept | values
        answer = await ask(
            access.http,
            access.token,
            "writes",
            "videos",
            {"part": ",".join(wanted)},
            method="PUT",
            json=body,
        )
        return Ok(None) if isinstance(answer, Ok) else answer

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        answer = await ask(
            access.http, access.token, "writes", "videos", {"id": external_id}, method="DELETE"
        )
        gone = isinstance(answer, Rejected) and answer.code in GONE
        return Ok(None) if isinstance(answer, Ok) or gone else answer


def _at(offset: int, medium: DraftMedia, session: Secret) -> PublishState:
    """Before the chunk at `offset`."""
    last = offset + upload.CHUNK >= medium.size
    facts = {"offset": offset, "size": medium.size}
    return PublishState("upload", facts, session.reveal(), decisive=last)


def _after(
    stage: str, job: PublishJob, video_id: str, video: Json | None = None, refused: str | None = None
) -> PublishState | Published:
    """What follows a stage: the next that this draft has, or the end."""
    facts = {**job.state.facts, "video_id": video_id}
    if refused is not None:
        facts["refused"] = [*facts.get("refused", ()), refused]
    if stage == "processing" and thumbnail_of(job.draft) is not None:
        return PublishState("thumbnail", facts)
    if stage in ("processing", "thumbnail") and captions_of(job.draft):
        return PublishState("captions", facts)
    done = _published(job.draft, video_id, video or {})
    return replace(done, refused=tuple(facts.get("refused", ())))


def _published(draft: Draft, video_id: str, video: Json) -> Published:
    at = moment_at(mapping(video, "snippet"), "publishedAt")
    return Published(video_id, permalink(video_id, draft.kind), at)


def _is_the_draft(video: Json, job: PublishJob, medium: DraftMedia) -> bool:
    snippet = mapping(video, "snippet")
    at = moment_at(snippet, "publishedAt")
    size = count_at(mapping(video, "fileDetails"), "fileSize")
    return (
        id_at(video, "id") is not None
        and text_at(snippet, "title") == job.draft.title
        and at is not None
        and at >= job.began_at - _CLOCKS
        and size in (None, medium.size)
    )


def _left_s(video: Json) -> float:
    """How long YouTube says it still needs, within reason."""
    left = count_at(mapping(video, "processingDetails", "processingProgress"), "timeLeftMs")
    return _POLL_S if left is None else min(max(left / 1000, 2.0), 120.0)
