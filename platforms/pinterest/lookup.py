"""Looking for a Pin on its board, after nobody heard what became of it."""

from datetime import datetime, timedelta

from domain.content import ContentItem, ContentKind
from domain.publishing import Draft, Published
from platforms.capabilities import Access, PublishJob
from platforms.http import Call
from platforms.outcome import LimitScope, Ok, Outcome, RetryAfter
from platforms.pinterest.errors import outcome_of
from platforms.pinterest.normalise import pin
from platforms.pinterest.spec import API, PAGE, SPEC
from platforms.wire import Json, clean, objects, text_at

_SKEW = timedelta(minutes=1)
_PAGES_AT_MOST = 4
_KINDS = {
    ContentKind.PIN: "image",
    ContentKind.VIDEO: "video",
    ContentKind.CAROUSEL: "multiple_images",
}


async def on_board(access: Access, job: PublishJob) -> Outcome[Published | None]:
    """None only when the board was seen back to before the publication began: a guess would publish twice."""
    since, cursor = job.began_at - _SKEW, None
    for _ in range(_PAGES_AT_MOST):
        query = {"page_size": str(PAGE)} | ({"bookmark": cursor} if cursor else {})
        url = f"{API}/boards/{job.draft.options['board_id']}/pins"
        call = Call("GET", url, "org_read", query=query, bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), "org_read")
        if not isinstance(answer, Ok):
            return answer
        rows = [(row, item) for row in objects(answer.value, "items") if (item := pin(row))]
        for row, item in rows:
            if _recent(item, since) and _same(row, job.draft):
                return Ok(Published(item.external_id, item.permalink, item.published_at))
        following = text_at(answer.value, "bookmark")
        if not following or following == cursor or any(not _recent(item, since) for _, item in rows):
            return Ok(None)
        cursor = following
    return RetryAfter(60.0, LimitScope.ACCOUNT, "not_found_yet", family="org_read")


def _recent(item: ContentItem, since: datetime) -> bool:
    return item.published_at is not None and item.published_at >= since


def _same(row: Json, draft: Draft) -> bool:
    """Every word, the link and the kind of media; the files themselves are shown re-coded."""
    media = row.get("media")
    if text_at(media, "media_type") != _KINDS.get(draft.kind):
        return False
    if draft.kind is ContentKind.CAROUSEL and len(list(objects(media, "items"))) != len(draft.media):
        return False
    ours = (
        (draft.title, "title"),
        (draft.text, "description"),
        (draft.link, "link"),
        (draft.media[0].alt_text if draft.media else None, "alt_text"),
    )
    return all(
        clean(wanted or "").strip() == clean(text_at(row, name) or "").strip() for wanted, name in ours
    )
