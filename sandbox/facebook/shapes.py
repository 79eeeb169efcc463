"""Facebook's objects by the fields asked for. Source: Graph API references page, post, comment, video, photo,
story attachment; docs/page-stories-api."""

from typing import Any

from sandbox.clock import DAY_MS, iso_offset
from sandbox.meta.fields import Wanted, chosen
from sandbox.meta.paging import paging_inside
from sandbox.world import Content, Media, Profile, World

COMMENTS_AT_MOST = 100
REACTIONS = ("LIKE", "LOVE", "WOW", "HAHA", "SAD", "ANGRY", "CARE")
_STATUS = {
    "image": "added_photos",
    "carousel": "added_photos",
    "video": "added_video",
    "reel": "added_video",
    "link": "shared_story",
}
_SITE = "https://www.facebook.com"


def page(world: World, account: Profile, wanted: list[Wanted], secrets: dict[str, Any]) -> dict[str, Any]:
    """`secrets`: what only some callers see, such as `access_token` and `tasks`."""
    shown: dict[str, Any] = {
        "id": account.id,
        "name": account.name,
        "username": account.username,
        "about": account.bio,
        "category": "Shopping & retail",
        "category_list": [{"id": "200600219953504", "name": "Shopping & retail"}],
        "followers_count": account.followers,
        "fan_count": account.followers * 9 // 10,
        "verification_status": "blue_verified" if account.verified else "not_verified",
        "website": account.website,
        "link": f"{_SITE}/{account.username}",
        "is_published": True,
        **secrets,
    }
    picture = {
        "data": {
            "height": 50,
            "width": 50,
            "is_silhouette": False,
            "url": f"https://scontent.xx.fbcdn.net/v/{account.id}_p.jpg?oe=sig",
        }
    }
    return chosen(shown, wanted, {"picture": lambda want: picture})


def post(world: World, content: Content, wanted: list[Wanted]) -> dict[str, Any]:
    author = world.people["facebook", content.author_id]
    first = content.media[0] if content.media else None
    shares = content.metrics["shares"]
    shown: dict[str, Any] = {
        "id": content.id,
        "message": content.text or None,
        "created_time": iso_offset(content.created_ms),
        "updated_time": iso_offset(content.created_ms),
        "from": {"name": author.name, "id": author.id},
        "permalink_url": permalink(content),
        "full_picture": (first.preview_url or first.url) if first else None,
        "icon": "https://www.facebook.com/images/icons/post.gif",
        "status_type": _STATUS.get(content.kind, "mobile_status_update"),
        "is_published": not content.hidden,
        "is_hidden": False,
        "is_expired": False,
        "is_eligible_for_promotion": True,
        "promotable_id": content.id,
        "promotion_status": "inactive",
        "privacy": {"value": "EVERYONE", "description": "Public", "friends": "", "allow": "", "deny": ""},
        "shares": {"count": shares} if shares else None,
        "message_tags": tags(world, content) or None,
    }
    edges = {
        "attachments": lambda want: {"data": rows} if (rows := attachments(content)) else None,
        "comments": lambda want: comments_edge(world, content, want),
        "reactions": lambda want: reactions(world, content, want),
        "likes": lambda want: reactions(world, content, want),
    }
    return chosen(shown, wanted, edges)


def default_post() -> list[Wanted]:
    """A post read without `fields` shows these."""
    return [Wanted("created_time"), Wanted("message"), Wanted("story"), Wanted("id")]


def attachments(content: Content) -> list[dict[str, Any]]:
    if content.kind == "link" and "link" in content.links:
        link = content.links["link"]
        return [
            {
                "media_type": "link",
                "type": "share",
                "title": "The shop",
                "description": "Handmade in small batches.",
                "url": f"https://l.facebook.com/l.php?u={link}&h=AT0",
                "unshimmed_url": link,
                "media": {"image": {"height": 630, "width": 1200, "src": f"{link}.jpg"}},
                "target": {"url": f"https://l.facebook.com/l.php?u={link}&h=AT0"},
            }
        ]
    parts = [_attachment(content, item) for item in content.media]
    if content.kind != "carousel" or len(parts) < 2:
        return parts[:1]
    album = {key: value for key, value in parts[0].items() if key in ("media", "target", "url")}
    return [
        {
            **album,
            "media_type": "album",
            "type": "album",
            "title": "Photos",
            "subattachments": {"data": parts},
        }
    ]


def _attachment(content: Content, item: Media) -> dict[str, Any]:
    film = item.kind == "VIDEO"
    page_id = content.id.partition("_")[0]
    url = f"{_SITE}/photo?fbid={item.id}"
    if film:
        url = f"{_SITE}/reel/{item.id}/" if content.kind == "reel" else f"{_SITE}/{page_id}/videos/{item.id}/"
    media: dict[str, Any] = {
        "image": {"height": item.height, "width": item.width, "src": item.preview_url or item.url}
    }
    if film:
        media["source"] = item.url
    return {
        "media_type": "video" if film else "photo",
        "type": "video_inline" if film else "photo",
        "url": url,
        "media": media,
        "target": {"id": item.id, "url": url},
    }


def comment(world: World, item: Content, wanted: list[Wanted]) -> dict[str, Any]:
    author = world.people["facebook", item.author_id]
    nested = item.parent_id != item.root_id
    shown: dict[str, Any] = {
        "id": item.id,
        "message": item.text,
        "created_time": iso_offset(item.created_ms),
        "from": {"name": author.name, "id": author.id},
        "like_count": item.metrics["likes"],
        "comment_count": item.metrics["comments"],
        "is_hidden": item.hidden,
        "is_private": False,
        "can_comment": True,
        "can_hide": True,
        "can_like": True,
        "can_remove": True,
        "can_reply_privately": True,
        "permalink_url": f"{_SITE}/{item.root_id}?comment_id={item.id.partition('_')[2]}",
        "parent": _parent(world, item) if nested else None,
        "object": {"id": item.root_id},
        "message_tags": tags(world, item) or None,
    }
    return chosen(shown, wanted, {"comments": lambda want: comments_edge(world, item, want)})


def default_comment() -> list[Wanted]:
    return [Wanted("created_time"), Wanted("from"), Wanted("message"), Wanted("id")]


def comments_of(world: World, content: Content, arguments: dict[str, str]) -> list[Content]:
    """`filter` toplevel (default) or stream, `order` chronological (default) or reverse_chronological."""
    stream = arguments.get("filter") == "stream" and content.kind != "comment"
    feed = world.thread("facebook", content.id) if stream else world.answers("facebook", content.id)
    found = [item for item in feed if not item.deleted]
    return found[::-1] if arguments.get("order") == "reverse_chronological" else found


def comments_edge(world: World, content: Content, want: Wanted) -> dict[str, Any]:
    found = comments_of(world, content, want.arguments)
    limit = want.arguments.get("limit", "25")
    size = min(int(limit) if limit.isdigit() else 25, COMMENTS_AT_MOST)
    inner = want.inner or default_comment()
    edge: dict[str, Any] = {"data": [comment(world, item, inner) for item in found[:size]]}
    if edge["data"]:
        address, last = f"graph.facebook.com/{content.id}/comments", len(edge["data"]) - 1
        edge["paging"] = paging_inside(address, want.arguments, (0, 0), (last, 0), len(found) > size)
    if "summary" in want.arguments:
        edge["summary"] = comments_summary(world, content)
    return edge


def comments_summary(world: World, content: Content) -> dict[str, Any]:
    return {"order": "chronological", "total_count": content.metrics["comments"], "can_comment": True}


def reactions(world: World, content: Content, want: Wanted) -> dict[str, Any]:
    edge: dict[str, Any] = {"data": []}
    if "summary" in want.arguments:
        edge["summary"] = {"total_count": content.metrics["likes"], "viewer_reaction": "NONE"}
    return edge


def video(world: World, content: Content, wanted: list[Wanted]) -> dict[str, Any]:
    """The video of a post; it tells its post by the number alone."""
    film = content.media[0]
    page_id, _, number = content.id.partition("_")
    kind = "reel" if content.kind == "reel" else "videos"
    shown: dict[str, Any] = {
        "id": film.id,
        "post_id": number,
        "description": content.text or None,
        "title": content.links.get("title"),
        "created_time": iso_offset(content.created_ms),
        "updated_time": iso_offset(content.created_ms),
        "permalink_url": f"/{kind}/{film.id}/" if kind == "reel" else f"/{page_id}/videos/{film.id}/",
        "picture": film.preview_url,
        "source": film.url,
        "length": (film.duration_ms or 0) / 1000,
        "published": True,
        "from": {"id": content.author_id, "name": world.people["facebook", content.author_id].name},
        "status": ready_status(iso_offset(content.created_ms)),
    }
    edges = {
        "likes": lambda want: reactions(world, content, want),
        "comments": lambda want: comments_edge(world, content, want),
    }
    return chosen(shown, wanted, edges)


def ready_status(published: str) -> dict[str, Any]:
    return {
        "video_status": "ready",
        "uploading_phase": {"status": "complete"},
        "processing_phase": {"status": "complete"},
        "publishing_phase": {"status": "complete", "publish_status": "published", "publish_time": published},
    }


def photo(item: Media, content: Content | None, wanted: list[Wanted]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": item.id,
        "name": content.text if content else None,
        "created_time": iso_offset(content.created_ms) if content else None,
        "link": f"{_SITE}/photo?fbid={item.id}",
        "alt_text": item.alt_text,
        "page_story_id": content.id if content else None,
        "width": item.width,
        "height": item.height,
        "images": [{"height": item.height, "width": item.width, "source": item.url}],
    }
    return chosen(shown, wanted, {})


def story(content: Content, now_ms: int) -> dict[str, Any]:
    """Stories are shown whole; `fields` is not documented for them."""
    item = content.media[0] if content.media else None
    number = content.id.partition("_")[2]
    return {
        "post_id": number,
        "status": "PUBLISHED" if story_is_live(content, now_ms) else "ARCHIVED",
        "creation_time": str(content.created_ms // 1000),
        "media_type": "video" if item and item.kind == "VIDEO" else "photo",
        "media_id": item.id if item else "",
        "url": f"{_SITE}/stories/{content.id.partition('_')[0]}/{number}",
    }


def story_is_live(content: Content, now_ms: int) -> bool:
    return not content.deleted and now_ms < (content.expires_ms or content.created_ms + DAY_MS)


def permalink(content: Content) -> str:
    if content.kind == "reel" and content.media:
        return f"{_SITE}/reel/{content.media[0].id}/"
    return f"{_SITE}/{content.id}"


def tags(world: World, content: Content) -> list[dict[str, Any]]:
    """People of the crowd and pages whose names stand in the text."""
    found: dict[str, dict[str, Any]] = {}
    named = [*world.crowd("facebook"), *(a for a in world.accounts.values() if a.platform == "facebook")]
    for person in named:
        offset = content.text.find(person.name)
        if offset >= 0 and person.id != content.author_id and person.name not in found:
            found[person.name] = {
                "id": person.id,
                "name": person.name,
                "type": "page" if person.account_type else "user",
                "offset": offset,
                "length": len(person.name),
            }
    return list(found.values())


def _parent(world: World, item: Content) -> dict[str, Any] | None:
    parent = world.content.get(("facebook", item.parent_id or ""))
    if parent is None:
        return None
    return {"id": parent.id, "message": parent.text, "created_time": iso_offset(parent.created_ms)}
