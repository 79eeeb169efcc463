"""YouTube's resources by parts. Source: discovery document `youtube.v3`, revision 20261104."""

from typing import Any

from sandbox.clock import iso_z
from sandbox.world import Content, Media, Profile, World
from sandbox.youtube.access import tagged

CHANNEL_PARTS = (
    "id",
    "snippet",
    "contentDetails",
    "statistics",
    "status",
    "brandingSettings",
    "topicDetails",
    "localizations",
)
ITEM_PARTS = ("id", "snippet", "contentDetails", "status")
VIDEO_PARTS = (
    "id",
    "snippet",
    "contentDetails",
    "statistics",
    "status",
    "player",
    "liveStreamingDetails",
    "topicDetails",
    "recordingDetails",
    "localizations",
    "paidProductPlacementDetails",
    "fileDetails",
    "processingDetails",
    "suggestions",
)
STATS_PARTS = ("id", "snippet", "contentDetails", "statistics")
THREAD_PARTS = ("id", "snippet", "replies")
REPLIES_SHOWN = 5


def stamp(moment_ms: int) -> str:
    """`2026-11-01T09:00:05Z`: whole seconds."""
    return iso_z(moment_ms // 1000 * 1000).replace(".000Z", "Z")


def uploads_of(account: Profile) -> str:
    return "UU" + account.id[2:]


def channel(world: World, account: Profile, parts: list[str]) -> dict[str, Any]:
    videos = [v for v in world.timeline("youtube", account.id) if not v.deleted and _public(v)]
    picture = f"https://yt3.ggpht.com/{account.id}"
    shown: dict[str, Any] = {
        "snippet": {
            "title": account.name,
            "description": account.bio,
            "customUrl": f"@{account.username}",
            "publishedAt": stamp(account.created_ms),
            "thumbnails": {
                name: {"url": f"{picture}=s{size}", "width": size, "height": size}
                for name, size in (("default", 88), ("medium", 240), ("high", 800))
            },
            "localized": {"title": account.name, "description": account.bio},
            "country": "DE",
        },
        "contentDetails": {"relatedPlaylists": {"likes": "LL", "uploads": uploads_of(account)}},
        "statistics": {
            "viewCount": str(sum(v.metrics["views"] for v in videos)),
            "subscriberCount": str(account.followers),
            "hiddenSubscriberCount": False,
            "videoCount": str(len(videos)),
        },
        "status": {
            "privacyStatus": "public",
            "isLinked": True,
            "longUploadsStatus": "allowed",
            "madeForKids": False,
        },
        "brandingSettings": {"channel": {"title": account.name, "description": account.bio}},
        "topicDetails": {"topicIds": ["/m/02wbm"]},
        "localizations": {},
    }
    return tagged("channel", {"id": account.id} | _chosen(shown, parts))


def playlist_item(account: Profile, video: Content, position: int, parts: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "snippet": {
            "publishedAt": stamp(video.created_ms),
            "channelId": account.id,
            "title": video.title,
            "description": video.text,
            "thumbnails": _thumbnails(video),
            "channelTitle": account.name,
            "playlistId": uploads_of(account),
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": video.id},
            "videoOwnerChannelTitle": account.name,
            "videoOwnerChannelId": account.id,
        },
        "contentDetails": {"videoId": video.id, "videoPublishedAt": stamp(video.created_ms)},
        "status": {"privacyStatus": privacy(video)},
    }
    return tagged("playlistItem", {"id": f"VVV{video.id}"} | _chosen(shown, parts))


def video(account: Profile, item: Content, parts: list[str], now_ms: int) -> dict[str, Any]:
    return tagged("video", {"id": item.id} | _chosen(_video(account, item, now_ms), parts))


def video_stats(account: Profile, item: Content, parts: list[str], now_ms: int) -> dict[str, Any]:
    """The cheap shape of batchGetStats: fewer words in each part."""
    whole = _video(account, item, now_ms)
    shown = {
        "snippet": {"publishTime": whole["snippet"]["publishedAt"]},
        "contentDetails": {"duration": whole["contentDetails"]["duration"]},
        "statistics": {
            name: whole["statistics"][name]
            for name in ("viewCount", "likeCount", "commentCount")
            if name in whole["statistics"]
        },
    }
    return tagged("videoStats", {"id": item.id} | _chosen(shown, parts))


def thread(world: World, top: Content, parts: list[str], plain: bool) -> dict[str, Any]:
    account = world.people["youtube", world.content["youtube", top.root_id or ""].author_id]
    replies, _ = world.answers("youtube", top.id).older(None, 10_000, lambda c: not c.deleted)
    shown: dict[str, Any] = {
        "snippet": {
            "channelId": account.id,
            "videoId": top.root_id,
            "topLevelComment": comment(world, top, plain),
            "canReply": True,
            "totalReplyCount": len(replies),
            "isPublic": True,
        }
    }
    if replies:
        shown["replies"] = {"comments": [comment(world, r, plain) for r in replies[:REPLIES_SHOWN]]}
    return tagged("commentThread", {"id": top.id} | _chosen(shown, parts))


def comment(world: World, item: Content, plain: bool) -> dict[str, Any]:
    """Words of others come as `textDisplay` and, since they are public, as they were written."""
    author = world.people["youtube", item.author_id]
    owner = world.content["youtube", item.root_id or ""].author_id
    display = item.text if plain else item.text.replace("&", "&amp;").replace("<", "&lt;")
    snippet: dict[str, Any] = {
        "channelId": owner,
        "videoId": item.root_id,
        "textDisplay": display,
        "textOriginal": item.text,
        "authorDisplayName": f"@{author.username}",
        "authorProfileImageUrl": f"https://yt3.ggpht.com/{author.id}=s48",
        "authorChannelUrl": f"http://www.youtube.com/@{author.username}",
        "authorChannelId": {"value": author.id},
        "canRate": True,
        "viewerRating": "none",
        "likeCount": item.metrics["likes"],
        "publishedAt": stamp(item.created_ms),
        "updatedAt": stamp(int(item.facts.get("edited_ms", item.created_ms))),
    }
    if item.parent_id != item.root_id:
        snippet["parentId"] = item.parent_id
    return tagged("comment", {"id": item.id, "snippet": snippet})


def privacy(item: Content) -> str:
    return str(item.facts.get("privacyStatus", "public"))


def _public(item: Content) -> bool:
    return privacy(item) == "public"


def _video(account: Profile, item: Content, now_ms: int) -> dict[str, Any]:
    media: Media = item.media[0]
    facts = item.facts
    live = "scheduledStartTime" in facts or item.kind == "live"
    snippet: dict[str, Any] = {
        "publishedAt": stamp(item.created_ms),
        "channelId": account.id,
        "title": item.title,
        "description": item.text,
        "thumbnails": _thumbnails(item),
        "channelTitle": account.name,
        "tags": facts.get("tags") or None,
        "categoryId": facts.get("categoryId", "26"),
        "liveBroadcastContent": facts.get("liveBroadcastContent", "none"),
        "defaultLanguage": facts.get("defaultLanguage", item.lang),
        "localized": {"title": item.title, "description": item.text},
    }
    statistics = {
        "viewCount": str(item.metrics["views"]),
        "likeCount": str(item.metrics["likes"]),
        "favoriteCount": "0",
    }
    if not facts.get("comments_disabled"):
        statistics["commentCount"] = str(item.metrics["comments"])
    status: dict[str, Any] = {
        "uploadStatus": _upload_status(item, now_ms),
        "privacyStatus": privacy(item),
        "license": facts.get("license", "youtube"),
        "embeddable": facts.get("embeddable", True),
        "publicStatsViewable": True,
        "madeForKids": bool(facts.get("selfDeclaredMadeForKids", False)),
        "selfDeclaredMadeForKids": bool(facts.get("selfDeclaredMadeForKids", False)),
        "containsSyntheticMedia": bool(facts.get("containsSyntheticMedia", False)),
        "publishAt": facts.get("publishAt"),
    }
    if "processing" in facts and status["uploadStatus"] in ("failed", "rejected"):
        name = "failureReason" if status["uploadStatus"] == "failed" else "rejectionReason"
        status[name] = str(facts["processing"]).partition(":")[2]
    shown: dict[str, Any] = {
        "snippet": _without_none(snippet),
        "contentDetails": {
            "duration": duration(media.duration_ms),
            "dimension": "2d",
            "definition": "hd",
            "caption": "true" if facts.get("captions") else "false",
            "licensedContent": True,
            "contentRating": {},
            "projection": "rectangular",
            "hasCustomThumbnail": bool(facts.get("thumbnail")),
        },
        "statistics": statistics,
        "status": _without_none(status),
        "player": {"embedHtml": f'<iframe src="//www.youtube.com/embed/{item.id}"></iframe>'},
        "topicDetails": {"topicCategories": []},
        "recordingDetails": {},
        "localizations": {},
        "paidProductPlacementDetails": {
            "hasPaidProductPlacement": bool(facts.get("hasPaidProductPlacement", False))
        },
        "fileDetails": {
            "fileName": f"{item.id}.mp4",
            "fileSize": str(facts.get("size", 40_000_000)),
            "fileType": "video",
            "container": "mov,mp4,m4a,3gp,3g2,mj2",
            "videoStreams": [{"widthPixels": media.width, "heightPixels": media.height, "codec": "h264"}],
        },
        "processingDetails": _processing(item, now_ms),
        "suggestions": {},
    }
    if live:
        names = ("scheduledStartTime", "actualStartTime", "actualEndTime")
        times = {name: stamp(int(facts[name])) for name in names if facts.get(name) is not None}
        if "actualStartTime" not in times and "liveBroadcastContent" not in facts:
            times["actualStartTime"] = stamp(item.created_ms)
        chat = {"activeLiveChatId": facts["liveChatId"]} if facts.get("chat_open") else {}
        shown["liveStreamingDetails"] = times | chat
    return shown


def _upload_status(item: Content, now_ms: int) -> str:
    if now_ms < int(item.facts.get("processed_ms", 0)):
        return "uploaded"
    return str(item.facts.get("processing", "processed")).partition(":")[0]


def _processing(item: Content, now_ms: int) -> dict[str, Any]:
    left = int(item.facts.get("processed_ms", 0)) - now_ms
    if left > 0:
        progress = {"partsTotal": "100", "partsProcessed": "40", "timeLeftMs": str(left)}
        return {"processingStatus": "processing", "processingProgress": progress}
    failed = _upload_status(item, now_ms) != "processed"
    return {"processingStatus": "failed" if failed else "succeeded"}


def _thumbnails(item: Content) -> dict[str, Any]:
    base = f"https://i.ytimg.com/vi/{item.id}"
    sizes = (
        ("default", "default", 120, 90),
        ("medium", "mqdefault", 320, 180),
        ("high", "hqdefault", 480, 360),
        ("standard", "sddefault", 640, 480),
        ("maxres", "maxresdefault", 1280, 720),
    )
    version = f"?v={item.facts['thumbnail']}" if item.facts.get("thumbnail") else ""
    shown: dict[str, Any] = {
        name: {"url": f"{base}/{file}.jpg{version}", "width": width, "height": height}
        for name, file, width, height in sizes
    }
    if item.kind == "short":
        shown["shortsAspectRatio"] = {"url": f"{base}/frame0.jpg", "width": 720, "height": 1280}
    return shown


thumbnails = _thumbnails


def duration(ms: int | None) -> str:
    """ISO 8601; `P0D` for what has no length (yet)."""
    if not ms:
        return "P0D"
    seconds = ms // 1000
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    shown = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if n)
    return f"PT{shown or '0S'}"


def _chosen(shown: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    return {part: shown[part] for part in parts if part in shown}


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
