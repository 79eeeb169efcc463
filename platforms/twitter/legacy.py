"""Account-activity payloads carry objects of API v1.1: translated here into v2 objects, so that one
normaliser reads both. Source: docs.x.com x-api/account-activity.
"""

from datetime import datetime

from platforms.wire import Json, account_id_at, count_at, id_at, mapping, objects, text_at

_COUNTERS = {
    "like_count": "favorite_count",
    "reply_count": "reply_count",
    "repost_count": "retweet_count",
    "quote_count": "quote_count",
}


def document_of(status: Json) -> Json:
    """The v1.1 status as a v2 answer about one post: `data` and `includes`."""
    full = mapping(status, "extended_tweet")  # long posts are cut off in the status itself
    entities = mapping(full, "entities") or mapping(status, "entities")
    media = list(objects(mapping(full, "extended_entities") or mapping(status, "extended_entities"), "media"))
    user = mapping(status, "user")
    references = {
        "replied_to": id_at(status, "in_reply_to_status_id_str", "in_reply_to_status_id"),
        "quoted": id_at(status, "quoted_status_id_str", "quoted_status_id"),
        "retweeted": status_id(mapping(status, "retweeted_status")),
    }
    post: Json = {
        "id": status_id(status),
        "text": text_at(full, "full_text") or text_at(status, "full_text", "text") or "",
        "author_id": account_id_at(user, "id_str", "id"),
        "created_at": _iso(text_at(status, "created_at")),
        "lang": text_at(status, "lang"),
        "entities": entities_of(entities),
        "attachments": {"media_keys": [_media_key(m) for m in media]},
        "referenced_posts": [{"type": kind, "id": ref} for kind, ref in references.items() if ref],
        "public_metrics": {new: count_at(status, old) for new, old in _COUNTERS.items()},
    }
    return {"data": post, "includes": {"users": [user_of(user)], "media": [_medium(m) for m in media]}}


def entities_of(entities: Json) -> Json:
    return {
        "hashtags": [_entity(e, tag=text_at(e, "text")) for e in objects(entities, "hashtags")],
        "mentions": [
            _entity(e, username=text_at(e, "screen_name")) for e in objects(entities, "user_mentions")
        ],
        "urls": [{**e, **_entity(e)} for e in objects(entities, "urls")],
    }


def status_id(status: Json) -> str | None:
    return id_at(status, "id_str", "id")


def user_of(user: Json) -> Json:
    return {
        "id": account_id_at(user, "id_str", "id"),
        "username": text_at(user, "screen_name"),
        "name": text_at(user, "name"),
    }


def _entity(entity: Json, **names: str | None) -> Json:
    span = entity.get("indices")
    start, end = span if isinstance(span, list) and len(span) == 2 else (None, None)
    return {"start": start, "end": end, **names}


def _media_key(medium: Json) -> str:
    return f"{text_at(medium, 'type') or ''}_{id_at(medium, 'id_str', 'id') or ''}"


def _medium(medium: Json) -> Json:
    size = mapping(medium, "original_info")
    video = mapping(medium, "video_info")
    still = text_at(medium, "media_url_https")
    return {
        "media_key": _media_key(medium),
        "type": text_at(medium, "type"),
        "url": None if video else still,
        "preview_image_url": still if video else None,
        "width": size.get("width"),
        "height": size.get("height"),
        "duration_ms": video.get("duration_millis"),
        "alt_text": text_at(medium, "ext_alt_text"),
        "variants": [{**v, "bit_rate": v.get("bitrate")} for v in objects(video, "variants")],
    }


def _iso(created_at: str | None) -> str | None:
    """`Mon Mar 26 16:33:26 +0000 2018` as ISO 8601."""
    try:
        return datetime.strptime(created_at or "", "%a %b %d %H:%M:%S %z %Y").isoformat()
    except ValueError:
        return None
