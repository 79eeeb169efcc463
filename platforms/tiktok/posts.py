"""A draft as TikTok is asked for it. Source: TD/content-posting-api-reference-direct-post, -photo-post,
-upload-video, -query-creator-info."""

from collections.abc import Mapping
from typing import Any

from domain.publishing import Draft
from platforms.outcome import Rejected
from platforms.tiktok import rules
from platforms.wire import Json, count_at, strings


def request(draft: Draft, creator: Mapping[str, Any]) -> tuple[str, Json]:
    """Path and body that open the publication."""
    inbox, info = bool(draft.options.get("inbox")), _post_info(draft, creator)
    addresses = [medium.public_url for medium in draft.media]
    if draft.kind in rules.PHOTO_KINDS:
        if inbox:
            info = {name: info[name] for name in ("title", "description")}
        source: Json = {
            "source": "PULL_FROM_URL",
            "photo_images": addresses,
            "photo_cover_index": draft.options.get("photo_cover_index", 0),
        }
        mode = "MEDIA_UPLOAD" if inbox else "DIRECT_POST"
        body: Json = {"media_type": "PHOTO", "post_mode": mode, "post_info": info, "source_info": source}
        return "content/init", body
    if rules.pulls(draft):
        source = {"source": "PULL_FROM_URL", "video_url": addresses[0]}
    else:
        size = draft.media[0].size
        chunk, count = rules.chunk_of(size)
        source = {"source": "FILE_UPLOAD", "video_size": size}
        source |= {"chunk_size": chunk, "total_chunk_count": count}
    if inbox:
        return "inbox/video/init", {"source_info": source}
    return "video/init", {"post_info": info, "source_info": source}


def creator_refusal(draft: Draft, creator: Json) -> Rejected | None:
    """What this creator's account does not allow."""
    options = tuple(strings(creator, "privacy_level_options"))
    wanted = draft.options.get("privacy_level", rules.PUBLIC)
    if options and wanted not in options:
        message = f"This account does not offer {wanted}: choose {', '.join(options)} as privacy_level."
        return Rejected("privacy_level_option_mismatch", message)
    longest_s, length_ms = count_at(creator, "max_video_post_duration_sec"), draft.media[0].duration_ms
    if longest_s and rules.is_video(draft) and length_ms and length_ms > longest_s * 1000:
        return Rejected("duration", f"This account may post videos of at most {longest_s} seconds.")
    return None


def _post_info(draft: Draft, creator: Mapping[str, Any]) -> dict[str, Any]:
    """How the post is shown. What the creator has switched off stays off."""
    photos = draft.kind in rules.PHOTO_KINDS
    info: dict[str, Any] = {"title": draft.title or "", "description": draft.text} if photos else {}
    if not photos:
        info["title"] = draft.text
    ours = {"inbox", "pull", "photo_cover_index"}
    info |= {name: value for name, value in draft.options.items() if name not in ours}
    info.setdefault("privacy_level", rules.PUBLIC)
    for name in ("comment",) if photos else ("comment", "duet", "stitch"):
        if creator.get(f"{name}_disabled"):
            info[f"disable_{name}"] = True
    return info
