"""Looking for a post in the list of public videos, when no publish id was ever told."""

from datetime import timedelta

from domain.content import ContentItem, ContentKind
from domain.publishing import Draft, Published
from platforms.capabilities import Access, PublishJob
from platforms.http import Call
from platforms.outcome import Ok, Outcome
from platforms.tiktok import rules
from platforms.tiktok.errors import outcome_of
from platforms.tiktok.normalise import VIDEO_FIELDS, content_item
from platforms.tiktok.spec import API, PAGE, SPEC
from platforms.wire import clean, objects

_TEXT_SHOWN = 150  # TD/tiktok-api-v2-video-object: longer captions are cut
_SKEW = timedelta(minutes=1)


async def listed(access: Access, job: PublishJob) -> Outcome[Published | None]:
    """None also where the list can prove nothing: it holds public posts only, once moderation has passed, and
    a post without a text cannot be told from others."""
    words, options = _shown_text(job.draft), job.draft.options
    if not words or options.get("inbox") or options.get("privacy_level", rules.PUBLIC) != rules.PUBLIC:
        return Ok(None)
    call = Call(
        "POST",
        f"{API}/v2/video/list/",
        "videos",
        query={"fields": VIDEO_FIELDS},
        json={"max_count": PAGE},
        bearer=access.token,
    )
    answer = outcome_of(await access.http.send(SPEC, call, job.timeout_s), "videos")
    if not isinstance(answer, Ok):
        return answer
    items = (item for row in objects(answer.value, "videos") if (item := content_item(row)))
    for item in items:
        recent = item.published_at is not None and item.published_at >= job.began_at - _SKEW
        if recent and item.text.text == words and _same_media(item, job.draft):
            return Ok(Published(item.external_id, item.permalink, item.published_at))
    return Ok(None)


def _shown_text(draft: Draft) -> str:
    """The draft's caption as a listing shows it."""
    words = "\n".join(p for p in (draft.title, draft.text) if p)
    return clean(words[:_TEXT_SHOWN])


def _same_media(item: ContentItem, draft: Draft) -> bool:
    """Films by their length; whether it is a film at all is all that is shown of photos."""
    if (item.kind is ContentKind.VIDEO) != rules.is_video(draft):
        return False
    ours, shown = draft.media[0].duration_ms, item.media[0].duration_ms
    return ours is None or shown is None or abs(ours - shown) < 1500
