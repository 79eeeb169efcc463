"""X's objects in both dialects: legacy words (`tweet.fields`) and those of spec 2.167 (`post.fields`)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import iso_z
from sandbox.ids import digits
from sandbox.twitter import metrics
from sandbox.world import Content, Media, Profile, World

_NAME = r"@([A-Za-z0-9_]{1,30})"
_TAG = re.compile(r"#(\w*[^\W\d]\w*)")
_MENTION = re.compile(rf"(?<![\w@]){_NAME}")
_CASHTAG = re.compile(r"\$([A-Za-z]{1,6})\b")
_LINK = re.compile(r"https://t\.co/\w+")

EDIT_WINDOW_MS = 3_600_000
_LONG_FROM = 280
# Legacy name -> name in spec 2.167.
_CURRENT_NAMES = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "referenced_tweets": "referenced_posts",
    "note_tweet": "note_post",
}
_LEGACY_NAMES = {new: old for old, new in _CURRENT_NAMES.items()}
_EXPANSIONS = {"referenced_posts": "referenced_tweets.id", "edit_history_post_ids": "edit_history_tweet_ids"}


@dataclass(slots=True)
class Wish:
    """What a request asked to see. Field and expansion names are kept in legacy words."""

    current: bool = False
    # True when the request names a legacy word; one about users alone may name neither dialect.
    legacy: bool = False
    post: set[str] = field(default_factory=set)
    user: set[str] = field(default_factory=set)
    media: set[str] = field(default_factory=set)
    expansions: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, query: dict[str, str]) -> "Wish":
        """Unknown names are dropped silently, as measured on the wire in September 2026."""
        asked = _names(query, "expansions")
        current = "post.fields" in query or any("post" in name for name in asked)
        fields = _names(query, "post.fields") | _names(query, "tweet.fields")
        return cls(
            current=current,
            legacy="tweet.fields" in query or any("tweet" in name for name in asked),
            post={_LEGACY_NAMES.get(name, name) for name in fields},
            user=_names(query, "user.fields"),
            media=_names(query, "media.fields"),
            expansions={_EXPANSIONS.get(name, name) for name in asked},
        )


def _names(query: dict[str, str], parameter: str) -> set[str]:
    return {name.strip() for name in query.get(parameter, "").split(",") if name.strip()}


def entities(world: World, content: Content, text: str) -> dict[str, Any]:
    """Offsets count Unicode code points, end exclusive."""
    urls = []
    media = {f"https://t.co/{digits(10, 'media', content.id)}": content.media}
    for match in _LINK.finditer(text):
        short = match.group()
        entry: dict[str, Any] = {"start": match.start(), "end": match.end(), "url": short}
        if short in content.links:
            address = content.links[short]
            entry |= {"expanded_url": address, "display_url": address.split("://", 1)[-1][:26], "status": 200}
        elif media.get(short):
            author = world.people["twitter", content.author_id]
            kind = "photo" if content.media[0].kind == "photo" else "video"
            entry |= {
                "expanded_url": f"https://x.com/{author.username}/status/{content.id}/{kind}/1",
                "display_url": f"pic.x.com/{short.rsplit('/', 1)[-1]}",
                "media_key": content.media[0].id,
            }
        urls.append(entry)
    mentions = []
    for match in _MENTION.finditer(text):
        entry = {"start": match.start(), "end": match.end(), "username": match.group(1)}
        known = world.by_username("twitter", match.group(1))
        mentions.append(entry | ({"id": known.id} if known else {}))
    found = {
        "urls": urls,
        "mentions": mentions,
        "hashtags": [{"start": m.start(), "end": m.end(), "tag": m.group(1)} for m in _TAG.finditer(text)],
        "cashtags": [
            {"start": m.start(), "end": m.end(), "tag": m.group(1)} for m in _CASHTAG.finditer(text)
        ],
    }
    return {name: items for name, items in found.items() if items}


def as_written(text: str) -> str:
    """X writes these three as HTML does; offsets count what is written."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def full_text(content: Content) -> str:
    """The text with the picture link X appends to a post that has media."""
    return f"{content.text} https://t.co/{digits(10, 'media', content.id)}" if content.media else content.text


def post(world: World, content: Content, wish: Wish, own: bool = False) -> dict[str, Any]:
    """A post with the fields asked for. `own`: the caller may see its private metrics."""
    shown = _everything(world, content, own)
    keep = {"id", "text", "edit_history_tweet_ids"} | wish.post
    for expansion in wish.expansions:
        keep.add(_CARRIER.get(expansion, expansion.split(".", 1)[0]))
    if wish.current and "author_id" not in wish.expansions:
        keep.discard("author_id")
    chosen = {name: value for name, value in shown.items() if name in keep and value is not None}
    if not wish.current:
        return chosen
    if "public_metrics" in chosen:
        counts = dict(chosen["public_metrics"])
        counts["repost_count"] = counts.pop("retweet_count")
        chosen["public_metrics"] = counts
    return {_CURRENT_NAMES.get(name, name): value for name, value in chosen.items()}


_CARRIER = {"attachments.media_keys": "attachments", "entities.mentions.username": "entities"}


def _everything(world: World, content: Content, own: bool) -> dict[str, Any]:
    words = full_text(content)
    text = as_written(words)
    note = None
    if len(words) > _LONG_FROM:
        found = entities(world, content, text)
        if "urls" in found:
            # Links inside a note have no metadata of the page they lead to.
            found["urls"] = [
                {name: link[name] for name in link if name not in ("status", "media_key")}
                for link in found["urls"]
            ]
        note = {"text": text, "entities": found}
        text = as_written(words[: _LONG_FROM - 1].rstrip() + "…")
    parent = world.content.get(("twitter", content.parent_id or ""))
    references = [
        {"type": kind, "id": other}
        for kind, other in (
            ("retweeted", content.reposted_id),
            ("quoted", content.quoted_id),
            ("replied_to", content.parent_id),
        )
        if other
    ]
    until = content.created_ms + EDIT_WINDOW_MS
    return {
        "id": content.id,
        "text": text,
        "edit_history_tweet_ids": content.edit_ids,
        "author_id": content.author_id,
        "created_at": iso_z(content.created_ms),
        "conversation_id": content.root_id,
        "in_reply_to_user_id": parent.author_id if parent else None,
        "lang": content.lang,
        "possibly_sensitive": False,
        "reply_settings": "everyone",
        "source": None,
        "attachments": {"media_keys": [item.id for item in content.media]} if content.media else None,
        "entities": entities(world, content, text) or None,
        "referenced_tweets": references or None,
        "note_tweet": note,
        "edit_controls": {
            "edits_remaining": 6 - len(content.edit_ids),
            "is_edit_eligible": content.kind in ("post", "quote"),
            "editable_until": iso_z(until),
        },
        "public_metrics": metrics.public(content),
        "non_public_metrics": metrics.non_public(content) if own else None,
        "organic_metrics": metrics.organic(content) if own else None,
    }


def user(world: World, profile: Profile, wish: Wish) -> dict[str, Any]:
    posts = world.timeline("twitter", profile.id)
    # A third party still saw the legacy word on the wire, the official client requires the current one.
    counts = {} if wish.current else {"tweet_count": len(posts)}
    if not wish.legacy:
        counts["post_count"] = len(posts)
    pictures = f"https://pbs.twimg.com/profile_images/{profile.id}/p_normal.jpg"
    shown: dict[str, Any] = {
        "id": profile.id,
        "name": profile.name,
        "username": profile.username,
        "created_at": iso_z(profile.created_ms),
        "description": profile.bio,
        "url": profile.website,
        "profile_image_url": pictures,
        "protected": False,
        "verified": profile.verified,
        "verified_type": "blue" if profile.verified else "none",
        "public_metrics": {
            "followers_count": profile.followers,
            "following_count": profile.following,
            "listed_count": profile.followers // 300,
            "like_count": profile.following * 2,
            "media_count": len(posts) // 2,
            **counts,
        },
    }
    keep = {"id", "name", "username"} | wish.user
    return {name: value for name, value in shown.items() if name in keep}


def media(item: Media, wish: Wish, own: bool = False) -> dict[str, Any]:
    film = item.kind in ("video", "animated_gif")
    variants = [
        {"bit_rate": 2_176_000, "content_type": "video/mp4", "url": item.url},
        {"content_type": "application/x-mpegURL", "url": item.url.replace(".mp4", ".m3u8")},
    ]
    shown: dict[str, Any] = {
        "media_key": item.id,
        "type": item.kind,
        "url": None if film else item.url,
        "preview_image_url": item.preview_url,
        "width": item.width,
        "height": item.height,
        "duration_ms": item.duration_ms,
        "alt_text": item.alt_text,
        "variants": variants if film else None,
        "public_metrics": metrics.of_film(item) if item.kind == "video" else None,
        "non_public_metrics": metrics.quartiles(item) if own and item.kind == "video" else None,
    }
    keep = {"media_key", "type"} | wish.media
    return {name: value for name, value in shown.items() if name in keep and value is not None}


def includes(
    world: World, contents: list[Content], wish: Wish, own: Callable[[Content], bool] = lambda content: False
) -> dict[str, Any]:
    """What the expansions point at, each object once. `own`: the caller may see a post's private metrics."""
    users: dict[str, Profile] = {}
    posts: dict[str, Content] = {}
    files: dict[str, tuple[Media, bool]] = {}
    for content in contents:
        if "author_id" in wish.expansions:
            users[content.author_id] = world.people["twitter", content.author_id]
        if "in_reply_to_user_id" in wish.expansions and content.parent_id:
            parent = world.content.get(("twitter", content.parent_id))
            if parent:
                users[parent.author_id] = world.people["twitter", parent.author_id]
        if "entities.mentions.username" in wish.expansions:
            for name in _MENTION.findall(content.text):
                known = world.by_username("twitter", name)
                if known:
                    users[known.id] = known
        if "attachments.media_keys" in wish.expansions:
            files |= {item.id: (item, own(content)) for item in content.media}
        if wish.expansions & {"referenced_tweets.id", "referenced_tweets.id.author_id"}:
            for other in (content.parent_id, content.quoted_id, content.reposted_id):
                target = world.find("twitter", other) if other else None
                if target:
                    posts[target.id] = target
                    if "referenced_tweets.id.author_id" in wish.expansions:
                        users[target.author_id] = world.people["twitter", target.author_id]
    included: dict[str, Any] = {}
    if users:
        included["users"] = [user(world, profile, wish) for profile in users.values()]
    if posts:
        key = "posts" if wish.current else "tweets"
        included[key] = [post(world, content, wish) for content in posts.values()]
    if files:
        included["media"] = [media(item, wish, seen) for item, seen in files.values()]
    return included
