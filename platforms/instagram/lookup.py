"""Looking for what may be out: media by kind, caption and time, comments by author, words and time."""

from datetime import datetime, timedelta
from urllib.parse import quote

from domain.content import ContentKind
from domain.publishing import Published, PublishState
from platforms.capabilities import Access, PublishJob
from platforms.instagram import api
from platforms.instagram.normalise import content_item
from platforms.meta.captions import caption_text
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, id_at, moment_at, objects, text_at, words_at

# How much earlier than `began_at` by Instagram's clock something of ours may seem to have been made.
_SKEW = timedelta(minutes=5)
_LISTED = "50"


async def media(access: Access, job: PublishJob) -> Outcome[Published | None]:
    """Of a container that says it is out. Without an id when none or several of the newest could be it."""
    edge = "stories" if job.draft.kind is ContentKind.STORY else "media"
    fields = "id,caption,media_type,media_product_type,timestamp,permalink,children{id}"
    params = {"fields": fields, "limit": _LISTED}
    if edge == "media":
        params["since"] = str(int((job.began_at - _SKEW).timestamp()))
    answer = await api.get(access, f"me/{edge}", params, job.timeout_s)
    if not isinstance(answer, Ok):
        return answer
    found = [row for row in objects(answer.value, "data") if _is_it(row, job)]
    if len(found) != 1:
        return Ok(Published(None), answer.readings)
    (row,) = found
    made = Published(id_at(row, "id"), words_at(row, "permalink"), moment_at(row, "timestamp"))
    return Ok(made, answer.readings)


async def begin_comment(access: Access, target: str) -> Outcome[PublishState | Published]:
    """Under media or under a comment: only media have a type. Comments are found again by the own name."""
    params = {"fields": "media_type"}
    answer = await api.get(access, quote(target, safe=""), params)
    if isinstance(answer, Rejected) and answer.code == "100":  # "nonexisting field": no media
        edge = "replies"
    elif not isinstance(answer, Ok):
        return answer
    else:
        edge = "comments" if text_at(answer.value, "media_type") else "replies"
    own = await api.get(access, "me", {"fields": "username"})
    if not isinstance(own, Ok):
        return own
    facts = {"edge": edge, "username": words_at(own.value, "username")}
    return Ok(PublishState("comment", facts, decisive=True), own.readings)


async def comment(access: Access, job: PublishJob) -> Outcome[Published | None]:
    """The newest come first; a whole page is looked through."""
    path = f"{quote(job.draft.reply_to or '', safe='')}/{job.state.facts['edge']}"
    params = {"fields": "id,text,timestamp,username", "limit": _LISTED}
    answer = await api.get(access, path, params, job.timeout_s)
    if not isinstance(answer, Ok):
        return answer
    for row in objects(answer.value, "data"):
        own = words_at(row, "username") == job.state.facts["username"]
        if own and _same(text_at(row, "text"), job.draft.text) and _in_time(row, job.began_at):
            return Ok(Published(id_at(row, "id"), None, moment_at(row, "timestamp")), answer.readings)
    return Ok(None, answer.readings)


def _is_it(row: Json, job: PublishJob) -> bool:
    item = content_item(row)
    if item is None or item.kind is not job.draft.kind or not _in_time(row, job.began_at):
        return False
    parts = len(job.draft.media) if item.kind is ContentKind.CAROUSEL else 1
    return len(item.media) == parts and _same(item.text.text, job.draft.text)


def _same(shown: str | None, written: str) -> bool:
    return (shown or "").split() == caption_text(written).text.split()


def _in_time(row: Json, began_at: datetime) -> bool:
    at = moment_at(row, "timestamp")
    return at is None or at >= began_at - _SKEW
