"""Films on a page: uploaded in pieces, made public by `finish`, then looked at until they are out.

Two protocols. Videos: `start`, `transfer` from one offset to the next, `finish`, all on graph-video. Reels
and film stories: `start` names an address on rupload, which takes the bytes from an offset on; what arrived
before a break stays, and the video tells how much that is.
"""

from dataclasses import replace
from urllib.parse import urlsplit

from domain.content import ContentKind
from domain.publishing import DraftMedia, Published, PublishState
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.facebook.errors import GONE, OFFSET_INVALID, outcome_of, upload_outcome_of
from platforms.facebook.reading import get
from platforms.facebook.spec import GRAPH, GRAPH_VIDEO, SPEC, UPLOAD_HOST
from platforms.http import Body, Call
from platforms.multipart import multipart
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter
from platforms.wire import Json, count_at, flag_at, id_at, mapping, text_at, words_at

Step = Outcome[PublishState | Published]

_MAYBE = "the video may have been published"
_CHECK_WAIT_S = 5.0
# What one request to rupload carries: it has to end within its time.
_PIECE = 8 * 1024 * 1024
_EDGES = {ContentKind.REEL: "video_reels", ContentKind.STORY: "video_stories"}
_STATUS_FIELDS = "id,status,published,post_id,permalink_url"
_LONGEST_PAUSE_S = 3600.0
_DEAD = ("error", "upload_failed", "expired")


async def step(access: Access, job: PublishJob) -> Step:
    match job.state.stage:
        case "film_start":
            return await _film_start(access, job)
        case "film_chunk":
            return await _film_chunk(access, job)
        case "reel_start":
            return await _reel_start(access, job)
        case "reel_upload":
            return await _reel_upload(access, job)
    return await _finish(access, job)


async def _film_start(access: Access, job: PublishJob) -> Step:
    form = {"upload_phase": "start", "file_size": str(_file(job).size)}
    call = Call("POST", f"{GRAPH_VIDEO}/{access.external_id}/videos", "graph", form=form, bearer=access.token)
    answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s))
    if not isinstance(answer, Ok):
        return answer
    session, video_id = id_at(answer.value, "upload_session_id"), id_at(answer.value, "video_id")
    if session is None or video_id is None:
        return Rejected("no_session", "Facebook answered without an upload session.", answer.readings)
    facts = {"session": session, "video_id": video_id, "anew": job.state.facts.get("anew", 0)}
    return Ok(_after(answer.value, PublishState("film_chunk", facts), _file(job).size), answer.readings)


async def _film_chunk(access: Access, job: PublishJob) -> Step:
    """Exactly the piece that Facebook asked for. A piece that arrived although its answer was lost makes the
    offset wrong: then a new session is begun, of which nothing was public. A film that Facebook does not want
    is refused in the same words: sessions are begun ever more seldom, until the publication is given up."""
    start, end = int(job.state.facts["start"]), int(job.state.facts["end"])
    fields = {
        "upload_phase": "transfer",
        "upload_session_id": job.state.facts["session"],
        "start_offset": str(start),
    }
    file = _file(job)
    body = multipart(
        fields,
        "video_file_chunk",
        "application/octet-stream",
        end - start,
        lambda: job.media.read(file.id, start, end),
    )
    call = Call("POST", f"{GRAPH_VIDEO}/{access.external_id}/videos", "graph", body=body, bearer=access.token)
    answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s))
    if isinstance(answer, Rejected) and answer.code in ("6000", "6001"):
        anew = job.state.facts.get("anew", 0) + 1
        wait_s = min(_CHECK_WAIT_S * 2.0 ** min(anew - 1, 20), _LONGEST_PAUSE_S)
        return Ok(PublishState("film_start", {"anew": anew}, wait_s=wait_s), answer.readings)
    if not isinstance(answer, Ok):
        return answer
    return Ok(_after(answer.value, job.state, file.size), answer.readings)


def _after(answer: Json, state: PublishState, size: int) -> PublishState:
    """Where Facebook wants to go on; offsets are texts, and equal when everything has arrived."""
    start, end = count_at(answer, "start_offset") or 0, count_at(answer, "end_offset") or 0
    if start >= end or start >= size:
        return replace(state, stage="film_finish", decisive=True)
    facts = {**state.facts, "start": start, "end": min(end, size)}
    return replace(state, stage="film_chunk", facts=facts)


async def _reel_start(access: Access, job: PublishJob) -> Step:
    url = f"{GRAPH}/{access.external_id}/{_EDGES[job.draft.kind]}"
    call = Call("POST", url, "graph", form={"upload_phase": "start"}, bearer=access.token)
    answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s))
    if not isinstance(answer, Ok):
        return answer
    video_id, address = id_at(answer.value, "video_id"), text_at(answer.value, "upload_url") or ""
    if video_id is None or not _is_upload_address(address):
        return Rejected("no_session", "Facebook answered without an upload address.", answer.readings)
    facts = {"video_id": video_id, "upload_url": address, "offset": 0}
    return Ok(PublishState("reel_upload", facts), answer.readings)


async def _reel_upload(access: Access, job: PublishJob) -> Step:
    """The next piece. Facebook says "partial" to all but the last, and how much it has when it is asked."""
    facts, file = job.state.facts, _file(job)
    offset = int(facts["offset"])
    end = min(offset + _PIECE, file.size)
    body = Body(end - offset, "application/octet-stream", lambda: job.media.read(file.id, offset, end))
    headers: dict[str, str | Secret] = {
        "Authorization": Secret(f"OAuth {access.token.reveal()}"),
        "offset": str(offset),
        "file_size": str(file.size),
    }
    call = Call("POST", str(facts["upload_url"]), "graph", body=body, headers=headers)
    answer = upload_outcome_of(await access.http.send(SPEC, call, job.timeout_s))
    if isinstance(answer, Ok):
        return Ok(replace(job.state, stage="reel_finish", decisive=True), answer.readings)
    if isinstance(answer, Rejected) and answer.code != OFFSET_INVALID:
        return answer
    # A piece of several, a break, or a lost answer: where the upload really is, only Facebook knows.
    looked = await _status(access, job)
    if not isinstance(looked, Ok):
        return answer if isinstance(answer, RetryAfter) else looked
    uploading = mapping(looked.value, "status", "uploading_phase")
    if text_at(uploading, "status") == "complete":
        return Ok(replace(job.state, stage="reel_finish", decisive=True), looked.readings)
    reached = count_at(uploading, "bytes_transfered")
    if reached is None or reached <= offset:
        return answer if isinstance(answer, RetryAfter) else _offset_lost()
    return Ok(replace(job.state, facts={**facts, "offset": min(reached, file.size)}), looked.readings)


async def _finish(access: Access, job: PublishJob) -> Step:
    draft, facts = job.draft, job.state.facts
    form = {"upload_phase": "finish"}
    if job.state.stage == "film_finish":
        url, form["upload_session_id"] = f"{GRAPH_VIDEO}/{access.external_id}/videos", facts["session"]
    else:
        url, form["video_id"] = f"{GRAPH}/{access.external_id}/{_EDGES[draft.kind]}", facts["video_id"]
        form["video_state"] = "PUBLISHED"
    form |= {name: value for name, value in (("description", draft.text), ("title", draft.title)) if value}
    call = Call("POST", url, "graph", form=form, bearer=access.token)
    answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), once=_MAYBE)
    if not isinstance(answer, Ok):
        return answer
    if not flag_at(answer.value, "success"):
        return Rejected("not_confirmed", "Facebook did not confirm the video.", answer.readings)
    story = id_at(answer.value, "post_id") if draft.kind is ContentKind.STORY else None
    if story is not None:
        return Ok(Published(story), answer.readings)
    return Ok(replace(job.state, stage="check", decisive=False, wait_s=_CHECK_WAIT_S), answer.readings)


async def check(access: Access, job: PublishJob) -> Step:
    """Until it is out: processing takes from seconds to many minutes."""
    looked = await _status(access, job)
    if not isinstance(looked, Ok):
        return looked
    word = text_at(mapping(looked.value, "status"), "video_status")
    if word in _DEAD:
        return Rejected(f"video_{word}", "Facebook could not process the video.", looked.readings)
    made = _published(access, job, looked.value)
    if made is not None:
        return Ok(made, looked.readings)
    return Ok(replace(job.state, wait_s=_CHECK_WAIT_S), looked.readings)


async def find(access: Access, job: PublishJob) -> Outcome[Published | None]:
    """None: `finish` did not happen. A video that was finished and is being processed will be out."""
    looked = await _status(access, job)
    if isinstance(looked, Rejected) and looked.code in GONE:
        return Ok(None, looked.readings)
    if not isinstance(looked, Ok):
        return looked
    publishing = text_at(mapping(looked.value, "status", "publishing_phase"), "status")
    if publishing in (None, "not_started") and not flag_at(looked.value, "published"):
        return Ok(None, looked.readings)
    made = _published(access, job, looked.value)
    return Ok(made or Published(None), looked.readings)


async def _status(access: Access, job: PublishJob) -> Outcome[Json]:
    return await get(access.http, access.token, str(job.state.facts["video_id"]), {"fields": _STATUS_FIELDS})


def _published(access: Access, job: PublishJob, video: Json) -> Published | None:
    """By the id of its post, as everything else names it; a story by the bare number."""
    status = mapping(video, "status")
    done = text_at(mapping(status, "publishing_phase"), "status") == "complete"
    if not (done and text_at(status, "video_status") == "ready"):
        return None
    post_id = id_at(video, "post_id")
    if post_id and "_" not in post_id and job.draft.kind is not ContentKind.STORY:
        post_id = f"{access.external_id}_{post_id}"
    link = words_at(video, "permalink_url")
    if link and link.startswith("/"):
        link = f"https://www.facebook.com{link}"
    return Published(post_id or id_at(video, "id"), link)


def _file(job: PublishJob) -> DraftMedia:
    return job.draft.media[0]


def _is_upload_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc == UPLOAD_HOST and not parts.query


def _offset_lost() -> RetryAfter:
    return RetryAfter(15.0, LimitScope.ACCOUNT, "upload_not_moving", family="graph")
