"""X posts and users as Rookery's content. Reads both field dialects that are on the wire:

    legacy                 current (API spec 2.167)
    referenced_tweets      referenced_posts
    edit_history_tweet_ids edit_history_post_ids
    note_tweet             note_post
    includes.tweets        includes.posts
    retweet_count          repost_count

Never raises for odd values; what has no id is None.
Source: docs.x.com x-api/fundamentals/{fields,expansions}, API specification 2.167.
"""

from msgspec import Struct

from domain.content import (
    ContentItem,
    ContentKind,
    Engagement,
    Media,
    MediaKind,
    Person,
    Profile,
    Remark,
    RemarkKind,
    Text,
)
from platforms.wire import (
    INT64_MAX,
    Json,
    account_id_at,
    clean,
    count_at,
    flag_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    strings,
    text_at,
    words_at,
)

_MEDIA_KINDS = {"photo": MediaKind.IMAGE, "video": MediaKind.VIDEO, "animated_gif": MediaKind.GIF}
# First part of a media key, for posts that arrive without their expanded media (webhooks).
_MEDIA_KEY_KINDS = {"3": MediaKind.IMAGE, "7": MediaKind.VIDEO, "13": MediaKind.VIDEO, "16": MediaKind.GIF}
# `lang` values that name no language (docs.x.com: undetermined, only mentions, only media, ...).
_NO_LANGUAGE = frozenset({"und", "zxx", "art", "qam", "qct", "qht", "qme", "qst"})


class Includes(Struct, frozen=True):
    """The expanded objects of one answer, by id."""

    users: dict[str, Json]
    media: dict[str, Json]
    posts: dict[str, Json]

    @classmethod
    def of(cls, document: Json) -> "Includes":
        found = mapping(document, "includes")

        def by(key: str, *names: str) -> dict[str, Json]:
            rows = (row for name in names for row in objects(found, name))
            return {row_id: row for row in rows if (row_id := id_at(row, key))}

        return cls(by("id", "users"), by("media_key", "media"), by("id", "tweets", "posts"))


def content_item(post: Json, includes: Includes, payload: bytes | None = None) -> ContentItem | None:
    """A post of the account: own, reply, quote or repost. `payload` replaces the kept original when the post
    itself was translated from an older shape."""
    history = _history(post)
    if history is None:
        return None
    media = _media(post, includes)
    published = moment_at(post, "created_at")
    return ContentItem(
        external_id=history[-1],
        kind=_kind(media),
        text=post_text(post),
        payload=payload or _payload(post, includes),
        media=media,
        published_at=published,
        edited_at=published if len(history) > 1 else None,
        permalink=f"https://x.com/i/status/{history[-1]}",  # works without the user name, survives renames
        engagement=_engagement(post),
        replaces=history[:-1],
    )


def is_outdated(post: Json) -> bool:
    """Whether the post is an earlier version: a newer one exists under another id, with other words."""
    history = _history(post)
    return history is not None and history[-1] != id_at(post, "id")


def remark(post: Json, includes: Includes, payload: bytes | None = None) -> Remark | None:
    """Somebody's post addressed to the account. It depends on the post alone, so that the same post is the
    same remark whether it came as a mention, as a reply under content or by webhook."""
    history = _history(post)
    if history is None:
        return None
    references = _references(post)
    answered, quoted = references.get("replied_to"), references.get("quoted")
    root = id_at(post, "conversation_id") or answered
    kind = RemarkKind.COMMENT if answered else RemarkKind.QUOTE if quoted else RemarkKind.MENTION
    return Remark(
        external_id=history[0],  # an edited reply stays the same remark
        kind=kind,
        author=person(includes.users.get(author_of(post) or ""), author_of(post)),
        text=post_text(post),
        payload=payload or _payload(post, includes),
        content_id=root if answered else quoted,
        parent_id=answered if answered != root else None,
        at=moment_at(post, "created_at"),
    )


def person(user: Json | None, external_id: str | None = None) -> Person:
    """`external_id` is empty when X does not tell who it was."""
    return Person(
        external_id=account_id_at(user, "id", "id_str") or external_id or "",
        username=words_at(user, "username", "screen_name"),
        name=words_at(user, "name"),
    )


def profile(user: Json) -> Profile | None:
    external_id, username = account_id_at(user, "id"), words_at(user, "username")
    if external_id is None or username is None:
        return None
    return Profile(
        external_id=external_id,
        username=username,
        display_name=words_at(user, "name") or "",
        follower_count=count_at(mapping(user, "public_metrics"), "followers_count"),
        profile_image_url=words_at(user, "profile_image_url"),
        bio=words_at(user, "description") or "",
        is_verified=flag_at(user, "verified"),
    )


def author_of(post: Json) -> str | None:
    return account_id_at(post, "author_id")


def reposted_id(post: Json) -> str | None:
    """The post that this one reposts, if it is a repost."""
    return _references(post).get("retweeted")


def post_text(post: Json) -> Text:
    """The full text without the link that X appends for the post's own media. Long posts carry theirs, with
    its own entities, in a note."""
    note = mapping(post, "note_post") or mapping(post, "note_tweet")
    words = text_at(note, "text")
    source = note if words is not None else post
    words = words if words is not None else text_at(post, "text") or ""
    entities = mapping(source, "entities")
    addresses = _in_order(entities, "urls")
    language = words_at(post, "lang")
    return Text(
        text=clean(_unescaped(_own_words(words, addresses))),
        hashtags=_unique(_named(words, entities, "hashtags", "tag")),
        mentions=_unique(_named(words, entities, "mentions", "username")),
        links=_unique(_links(addresses)),
        language=None if language in _NO_LANGUAGE else language,
    )


def _named(words: str, entities: Json, kind: str, name: str) -> list[str | None]:
    """Entity names in order of appearance; without a name the text between the offsets, which count code
    points and include the sign."""
    found = []
    for entity in _in_order(entities, kind):
        start, end = count_at(entity, "start"), count_at(entity, "end")
        value = text_at(entity, name)
        if value is None and start is not None and end is not None:
            value = words[start + 1 : end]
        found.append(value)
    return found


def _links(addresses: list[Json]) -> list[str | None]:
    """What the author typed. Not `unwound_url`: following redirects would lose the tracking link."""
    return [text_at(entity, "expanded_url", "url") for entity in addresses if not _is_media_link(entity)]


def _own_words(words: str, addresses: list[Json]) -> str:
    for entity in reversed(addresses):
        start, end = count_at(entity, "start"), count_at(entity, "end")
        if _is_media_link(entity) and start is not None and words[start:end] == text_at(entity, "url"):
            words = (words[:start] + words[end:]).rstrip()
    return words


def _unescaped(words: str) -> str:
    """X writes `&`, `<` and `>` as HTML does (recorded answers); offsets count what is written."""
    return words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _is_media_link(entity: Json) -> bool:
    return bool(text_at(entity, "media_key")) or (text_at(entity, "display_url") or "").startswith("pic.")


def _in_order(entities: Json, kind: str) -> list[Json]:
    found = list(objects(entities, kind))
    return sorted(found, key=lambda entity: count_at(entity, "start") or 0) if len(found) > 1 else found


def _unique(values: list[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean(value) for value in values if value)) if values else ()


def _kind(media: tuple[Media, ...]) -> ContentKind:
    if not media:
        return ContentKind.POST
    if len(media) > 1:
        return ContentKind.CAROUSEL
    kinds = {MediaKind.IMAGE: ContentKind.PHOTO, MediaKind.UNKNOWN: ContentKind.UNKNOWN}
    return kinds.get(media[0].kind, ContentKind.VIDEO)


def _media(post: Json, includes: Includes) -> tuple[Media, ...]:
    if "attachments" not in post:
        return ()
    keys = dict.fromkeys(strings(mapping(post, "attachments"), "media_keys"))
    return tuple(_medium(key, includes.media.get(key, {})) for key in keys)


def _medium(key: str, medium: Json) -> Media:
    kind = (
        _MEDIA_KINDS.get(text_at(medium, "type") or "") if medium else _MEDIA_KEY_KINDS.get(key.split("_")[0])
    )
    return Media(
        kind=kind or MediaKind.UNKNOWN,
        url=words_at(medium, "url") or _best_variant(medium),
        preview_url=words_at(medium, "preview_image_url"),
        width=count_at(medium, "width"),
        height=count_at(medium, "height"),
        duration_ms=count_at(medium, "duration_ms"),
        alt_text=words_at(medium, "alt_text"),
        platform_id=clean(key),
    )


def _best_variant(medium: Json) -> str | None:
    """The playable file of the highest bit rate; a GIF's only file has rate 0."""
    files = [v for v in objects(medium, "variants") if text_at(v, "content_type") == "video/mp4"]
    return words_at(max(files, key=lambda v: count_at(v, "bit_rate") or 0, default=None), "url")


def _engagement(post: Json) -> Engagement:
    """Totals. A repost tells the numbers of the original, which are not the account's: not available."""
    if reposted_id(post):
        return Engagement()
    public, private = mapping(post, "public_metrics"), mapping(post, "non_public_metrics")
    reposts, quotes = count_at(public, "repost_count", "retweet_count"), count_at(public, "quote_count")
    return Engagement(
        likes=count_at(public, "like_count"),
        comments=count_at(public, "reply_count"),
        shares=None if reposts is None and quotes is None else min((reposts or 0) + (quotes or 0), INT64_MAX),
        views=count_at(public, "impression_count"),
        click_throughs=count_at(private, "url_link_clicks"),
    )


def _history(post: Json) -> tuple[str, ...] | None:
    """Ids of all versions known to this one, oldest first; an edit makes a new id. None without an id."""
    own = id_at(post, "id")
    if own is None:
        return None
    listed = [
        *strings(post, "edit_history_post_ids"),
        *strings(post, "edit_history_tweet_ids"),
    ]
    if all(i == own for i in listed):
        return (own,)
    ids = {own, *(i for i in listed if id_at({"id": i}, "id"))}
    return tuple(sorted(ids, key=lambda i: (len(i), i)))


def _references(post: Json) -> dict[str, str]:
    """Reference type -> post id."""
    if "referenced_posts" not in post and "referenced_tweets" not in post:
        return {}
    rows = [*objects(post, "referenced_posts"), *objects(post, "referenced_tweets")]
    return {kind: ref for row in rows if (kind := text_at(row, "type")) and (ref := id_at(row, "id"))}


def _payload(post: Json, includes: Includes) -> bytes:
    """The post with the expanded objects it refers to, as X answers a read of this post alone."""
    media = strings(mapping(post, "attachments"), "media_keys")
    parts = {
        "media": [m for k in media if (m := includes.media.get(k))],
        "users": [u] if includes.users and (u := includes.users.get(author_of(post) or "")) else [],
        "posts": [p for ref in _references(post).values() if (p := includes.posts.get(ref))],
    }
    kept = {name: rows for name, rows in parts.items() if rows}
    return packed({"data": post, "includes": kept} if kept else {"data": post})
