"""What an entry cut by `webhooks.split` tells. Never raises: what is not understood is Happening.OTHER.

Source: docs.x.com x-api/activity (event types and payloads), x-api/account-activity (v1.1 objects).
"""

from collections.abc import Callable

from msgspec.structs import replace

from domain.content import Happening, PlatformEvent, Remark, RemarkKind
from platforms.base import RawEntry
from platforms.twitter import legacy
from platforms.twitter.normalise import (
    Includes,
    author_of,
    content_item,
    person,
    post_text,
    remark,
    reposted_id,
)
from platforms.wire import Json, NotJson, account_id_at, decode, id_at, mapping, moment_at, packed, text_at


def parse(entry: RawEntry) -> PlatformEvent:
    try:
        document = decode(entry.raw)
    except NotJson:
        document = {}
    blank = PlatformEvent(entry.external_id, entry.event_id, Happening.OTHER)
    stream = mapping(document, "stream")
    if stream:
        return _posted(blank, stream)
    event = mapping(document, "activity")
    kind = text_at(event, "event_type") or ""
    if kind.startswith("profile.update."):
        return replace(blank, what=Happening.PROFILE_CHANGED)
    if kind in _ACTIVITY:
        return _ACTIVITY[kind](blank, event, mapping(event, "payload"))
    kind = text_at(document, "legacy") or ""
    if kind in _LEGACY:
        return _LEGACY[kind](blank, mapping(document), mapping(document, "element"))
    return blank


def _posted(blank: PlatformEvent, document: Json, payload: bytes | None = None) -> PlatformEvent:
    """A post appeared: the account's own is content, another's is a share or a remark."""
    post, includes = mapping(document, "data"), Includes.of(document)
    author, post_id = author_of(post), id_at(post, "id")
    event = replace(blank, occurred_at=moment_at(post, "created_at"), subject_id=post_id)
    if author == blank.external_id and (item := content_item(post, includes, payload)):
        what = Happening.CONTENT_EDITED if item.replaces else Happening.CONTENT_CREATED
        return replace(event, what=what, content_id=item.external_id, content=item)
    if post_id and (original := reposted_id(post)):
        return replace(event, what=Happening.SHARED, content_id=original)
    words = remark(post, includes, payload)
    return _remarked(event, words) if words else blank


def _remarked(event: PlatformEvent, words: Remark) -> PlatformEvent:
    return replace(
        event,
        what=Happening.REMARKED,
        occurred_at=words.at,
        subject_id=words.external_id,
        content_id=words.content_id,
        remark=words,
    )


def _followed(blank: PlatformEvent, kind: str | None, target: str | None) -> PlatformEvent:
    if target != blank.external_id:
        return blank  # the account itself followed somebody
    gone = (kind or "").endswith("unfollow")
    return replace(blank, what=Happening.UNFOLLOWED if gone else Happening.FOLLOWED)


def _deleted(blank: PlatformEvent, post_id: str | None, author: str | None) -> PlatformEvent:
    if post_id is None:
        return blank
    if author in (None, blank.external_id):
        return replace(blank, what=Happening.CONTENT_DELETED, subject_id=post_id, content_id=post_id)
    return replace(blank, what=Happening.REMARK_DELETED, subject_id=post_id)


# -- activity API: (blank, event, payload) ----------------------------------------------------------


def _post_event(blank: PlatformEvent, event: Json, payload: Json) -> PlatformEvent:
    return _posted(blank, {"data": payload, "includes": mapping(event, "includes")})


def _delete_event(blank: PlatformEvent, _event: Json, payload: Json) -> PlatformEvent:
    return _deleted(blank, id_at(payload, "id"), author_of(payload))


def _like_event(blank: PlatformEvent, event: Json, payload: Json) -> PlatformEvent:
    # The guide says liked_tweet_author_id, the API specification tweet_author_id.
    owner = account_id_at(payload, "liked_tweet_author_id", "tweet_author_id")
    outbound = text_at(mapping(event, "filter"), "direction") == "outbound"
    content_id = id_at(payload, "liked_tweet_id")
    if content_id is None or outbound or owner not in (None, blank.external_id):
        return blank
    return replace(
        blank,
        what=Happening.LIKED,
        subject_id=id_at(payload, "id"),
        content_id=content_id,
        occurred_at=moment_at(payload, "created_at", "timestamp_ms"),
    )


def _follow_event(blank: PlatformEvent, event: Json, payload: Json) -> PlatformEvent:
    target = mapping(payload, "target", "data") or mapping(payload, "target")
    return _followed(blank, text_at(event, "event_type"), account_id_at(target, "id"))


def _message_event(blank: PlatformEvent, event: Json, payload: Json) -> PlatformEvent:
    sender = account_id_at(payload, "sender_id")
    users = Includes.of({"includes": mapping(event, "includes")}).users
    words = Remark(
        external_id=id_at(payload, "id", "dm_event_id") or blank.event_id,
        kind=RemarkKind.MESSAGE,
        author=person(users.get(sender or ""), sender),
        text=post_text(payload),
        payload=packed(event),
        at=moment_at(payload, "created_at"),
    )
    return _remarked(blank, words)


def _revoke_event(blank: PlatformEvent, _event: Json, payload: Json) -> PlatformEvent:
    return replace(blank, what=Happening.ACCESS_REVOKED, occurred_at=moment_at(payload, "date_time"))


_ACTIVITY: dict[str, Callable[[PlatformEvent, Json, Json], PlatformEvent]] = {
    "post.create": _post_event,
    "post.mention.create": _post_event,
    "post.reply.create": _post_event,
    "post.quote.create": _post_event,
    "post.repost.create": _post_event,
    "post.delete": _delete_event,
    "like.create": _like_event,
    "follow.follow": _follow_event,
    "follow.unfollow": _follow_event,
    "dm.received": _message_event,
    "dm.sent": _message_event,
    "oauth.revoke": _revoke_event,
}


# -- account activity v2: (blank, entry document, element) ------------------------------------------


def _legacy_post(blank: PlatformEvent, _document: Json, status: Json) -> PlatformEvent:
    return _posted(blank, legacy.document_of(status), packed(status))


def _legacy_delete(blank: PlatformEvent, _document: Json, element: Json) -> PlatformEvent:
    status = mapping(element, "status")
    event = _deleted(blank, id_at(status, "id"), account_id_at(status, "user_id"))
    return replace(event, occurred_at=moment_at(element, "timestamp_ms"))


def _legacy_like(blank: PlatformEvent, _document: Json, element: Json) -> PlatformEvent:
    status = mapping(element, "favorited_status")
    owner = account_id_at(mapping(status, "user"), "id_str", "id")
    giver = account_id_at(mapping(element, "user"), "id_str", "id")
    content_id = legacy.status_id(status)
    # Likes that the account gives arrive in the same list as those it gets.
    given = giver == blank.external_id and owner != blank.external_id
    if content_id is None or given or owner not in (None, blank.external_id):
        return blank
    return replace(
        blank,
        what=Happening.LIKED,
        subject_id=id_at(element, "id"),
        content_id=content_id,
        occurred_at=moment_at(element, "timestamp_ms"),
    )


def _legacy_follow(blank: PlatformEvent, _document: Json, element: Json) -> PlatformEvent:
    target = account_id_at(mapping(element, "target"), "id_str", "id")
    event = _followed(blank, text_at(element, "type"), target)
    return replace(event, occurred_at=moment_at(element, "created_timestamp"))


def _legacy_message(blank: PlatformEvent, document: Json, element: Json) -> PlatformEvent:
    message = mapping(element, "message_create")
    data = mapping(message, "message_data")
    sender = account_id_at(message, "sender_id")
    if sender is None:
        return blank
    words = Remark(
        external_id=id_at(element, "id") or blank.event_id,
        kind=RemarkKind.MESSAGE,
        author=person(legacy.user_of(mapping(document, "sender")), sender),
        text=post_text({**data, "entities": legacy.entities_of(mapping(data, "entities"))}),
        payload=packed(element),
        at=moment_at(element, "created_timestamp"),
    )
    return _remarked(blank, words)


_LEGACY: dict[str, Callable[[PlatformEvent, Json, Json], PlatformEvent]] = {
    "tweet_create_events": _legacy_post,
    "tweet_delete_events": _legacy_delete,
    "favorite_events": _legacy_like,
    "follow_events": _legacy_follow,
    "direct_message_events": _legacy_message,
    "revoke": _revoke_event,
}
