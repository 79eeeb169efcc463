"""Webhooks of the objects `page` and `permissions`. Source: "Webhooks reference: page", "permissions"."""

from typing import Any

from sandbox.apps import PlatformApp, Subscription
from sandbox.clock import iso_offset
from sandbox.events import Happening
from sandbox.facebook import shapes
from sandbox.ids import secret
from sandbox.state import State
from sandbox.world import Content, Profile

PAGE_FIELDS = ("feed", "mention", "ratings", "messages", "name", "picture", "about", "website")
_ITEMS = {"image": "photo", "carousel": "album", "video": "video", "reel": "video", "link": "share"}


class Describer:
    def __init__(self, state: State) -> None:
        self._state = state

    def comment(
        self, page: Profile, post: Content, comment: Content, author: Profile, verb: str = "add"
    ) -> Happening:
        value = {
            "item": "comment",
            "verb": verb,
            "post_id": post.id,
            "comment_id": comment.id,
            "parent_id": comment.parent_id,
            "from": _person(author),
            "created_time": self._now_s(),
            "message": comment.text,
            "post": self._post_part(post),
        }
        if verb == "remove":
            del value["message"]
        event_id = f"comment:{verb}:{comment.id}"
        return self._change(page, "feed", f"comment_{verb}", comment.id, event_id, value, post.id, author)

    def reaction(self, page: Profile, post: Content, author: Profile, verb: str = "add") -> Happening:
        value = {
            "item": "reaction",
            "verb": verb,
            "reaction_type": "like",
            "post_id": post.id,
            "parent_id": post.id,
            "from": _person(author),
            "created_time": self._now_s(),
            "post": self._post_part(post),
        }
        event_id = f"{post.id}:{author.id}:{verb}:{self._state.world.ids.numbered('', 9)}"
        return self._change(page, "feed", "like", post.id, event_id, value, post.id, author)

    def post(self, page: Profile, post: Content, author: Profile, verb: str = "add") -> Happening:
        item = "status" if verb == "add" and post.kind == "post" else _ITEMS.get(post.kind, "post")
        value: dict[str, Any] = {
            "item": item,
            "verb": verb,
            "post_id": post.id,
            "from": _person(author),
            "created_time": self._now_s(),
        }
        if verb != "remove":
            value |= {"message": post.text, "published": 0 if post.hidden else 1}
            value |= self._files(post, item)
        event_id = f"{post.id}:{verb}:{self._state.world.ids.numbered('', 9)}"
        return self._change(page, "feed", f"post_{verb}", post.id, event_id, value, post.id, author)

    def share(self, page: Profile, post: Content, share: Content, author: Profile) -> Happening:
        value = {
            "item": "share",
            "verb": "add",
            "post_id": share.id,
            "parent_id": post.id,
            "share_id": share.id.partition("_")[2],
            "from": _person(author),
            "created_time": self._now_s(),
            "message": share.text,
            "link": shapes.permalink(post),
            "published": 1,
        }
        return self._change(page, "feed", "share", share.id, f"{share.id}:share", value, post.id, author)

    def mention(self, page: Profile, post: Content, author: Profile) -> Happening:
        value = {
            "item": "post",
            "verb": "add",
            "post_id": post.id,
            "from": _person(author),
            "created_time": self._now_s(),
            "message": post.text,
        }
        return self._change(page, "mention", "mention", post.id, f"{post.id}:mention", value, post.id, author)

    def rating(self, page: Profile, author: Profile, text: str) -> Happening:
        story = self._state.world.ids.numbered("9100", 15)
        value = {
            "item": "rating",
            "verb": "add",
            "recommendation_type": "positive",
            "review_text": text,
            "reviewer_id": author.id,
            "reviewer_name": author.name,
            "open_graph_story_id": story,
            "created_time": self._now_s(),
        }
        return self._change(page, "ratings", "rating", story, story, value, None, author)

    def profile(self, page: Profile, field: str, value: str) -> Happening:
        event_id = f"{page.id}:{field}:{self._state.world.ids.numbered('', 9)}"
        return self._change(page, field, "profile", page.id, event_id, value, None, None)

    def message(self, page: Profile, author: Profile, text: str) -> Happening:
        now = self._state.clock.now_ms()
        mid = "m_" + secret(60, page.id, author.id, now, self._state.world.ids.numbered("", 9))
        element = {
            "sender": {"id": author.id},
            "recipient": {"id": page.id},
            "timestamp": now,
            "message": {"mid": mid, "text": text},
        }
        entry = {"id": page.id, "time": now, "messaging": [element]}
        return Happening(
            account=page,
            type="messages",
            kind="message",
            subject_id=mid,
            describe=lambda app, event_id, wanted: entry,
            event_id=lambda: mid,
            author=author,
        )

    def permission(
        self, page: Profile, app: PlatformApp, person: str, name: str, pages: tuple[str, ...]
    ) -> Happening:
        value = {"verb": "revoked", "target_ids": list(pages)}
        time_s = self._now_s()
        entry = {"id": person, "uid": person, "time": time_s, "changes": [{"field": name, "value": value}]}
        event_id = f"{person}:{name}:{time_s}:{page.id}"
        return Happening(
            account=page,
            type="permissions",
            kind="revoked",
            subject_id=person,
            describe=lambda app, event_id, wanted: entry,
            event_id=lambda: event_id,
            only_app=app.id,
            about="permissions",
        )

    def _files(self, post: Content, item: str) -> dict[str, Any]:
        first = post.media[0] if post.media else None
        if item == "video" and first:
            return {"link": first.url, "video_id": first.id}
        if item == "photo" and first:
            return {"link": first.url, "photo_id": first.id}
        if item == "album":
            return {"photos": [media.url for media in post.media]}
        return {"link": post.links["link"]} if "link" in post.links else {}

    def _post_part(self, post: Content) -> dict[str, Any]:
        return {
            "status_type": "added_photos" if post.media else "mobile_status_update",
            "is_published": not post.hidden,
            "updated_time": iso_offset(self._state.clock.now_ms()),
            "permalink_url": shapes.permalink(post),
            "promotion_status": "inactive",
            "id": post.id,
        }

    def _now_s(self) -> int:
        return self._state.clock.now_ms() // 1000

    def _change(
        self,
        page: Profile,
        name: str,
        kind: str,
        subject_id: str,
        event_id: str,
        value: object,
        content_id: str | None,
        author: Profile | None,
    ) -> Happening:
        entry = {"id": page.id, "time": self._now_s(), "changes": [{"field": name, "value": value}]}

        def describe(app: PlatformApp, event_id: str, wanted: Subscription | None) -> dict[str, Any]:
            return entry

        return Happening(
            account=page,
            type=name,
            kind=kind.removesuffix("_add"),
            subject_id=subject_id,
            describe=describe,
            event_id=lambda: event_id,
            content_id=content_id,
            author=author,
        )


def _person(author: Profile) -> dict[str, str]:
    return {"id": author.id, "name": author.name}
