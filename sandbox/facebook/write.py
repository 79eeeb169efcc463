"""Publishing: posts with links and photos, stories, comments, edits, deletions; videos are in `films`.

Source: "Posts" of the Pages API, references page/feed, page/photos, page/photo_stories, object/comments.
"""

import json
import re

from sandbox.clock import iso_z
from sandbox.facebook.access import Access, Caller
from sandbox.facebook.people import People
from sandbox.facebook.read import Reading, bad_parameter, read_back
from sandbox.facebook.uploads import is_picture
from sandbox.ids import hexadecimal
from sandbox.ledger import Publication
from sandbox.meta import errors, forms
from sandbox.meta.errors import Refused
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Media, Profile

PHOTO_AT_MOST = 10 * 1024 * 1024
_SAME_WITHIN_MS = 3_600_000
_NEWEST = 5
_ATTACHED = re.compile(r"attached_media\[(\d+)\]")
_MANAGE_POSTS = "pages_manage_posts"
_ENGAGE = "pages_manage_engagement"


class Writing:
    def __init__(self, state: State, access: Access, people: People, reading: Reading) -> None:
        self._state, self._world = state, state.world
        self._access, self._people, self._reading = access, people, reading
        self._digests: dict[str, str] = {}  # photo -> of its bytes
        self._made_by: dict[str, str] = {}  # post -> app: only its own posts can an app edit

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("POST", "/:id/feed", self.post, _MANAGE_POSTS),
            op("POST", "/:id/photos", self.photo, _MANAGE_POSTS),
            op("POST", "/:id/photo_stories", self.photo_story, _MANAGE_POSTS),
            op("POST", "/:id/comments", self.comment, _ENGAGE),
            op("POST", "/:id", self.edit, f"{_MANAGE_POSTS} {_ENGAGE}"),
            op("DELETE", "/:id", self.delete, f"{_MANAGE_POSTS} {_ENGAGE}"),
        ]

    async def post(self, call: Call, caller: Caller) -> Reply:
        page, form = self._reading.own(call, caller), call.fields()
        message, link = form.get("message", "").strip(), form.get("link")
        photos = self._attached(form)
        if not message and not link and not photos:
            raise bad_parameter("Missing message or attachment")
        if link is not None and not re.match(r"https?://[^/\s]+", link):
            raise Refused(errors.graph_error(1609005, "(#1609005) Could not scrape the link"))
        kind = "carousel" if len(photos) > 1 else "image" if photos else "link" if link else "post"
        if not photos:
            self._refuse_repetition(page, message, link)
        hidden = form.get("published", "true").lower() in ("false", "0")
        content = self._people.publish(page, kind, message, photos, link, hidden)
        for photo in photos:
            self._reading.photos.pop(photo.id, None)
        digests = [self._digests.get(photo.id, photo.id) for photo in photos]
        if not hidden:
            self.published(caller, page, content.id, kind, message, link, *digests)
        self._made_by[content.id] = caller.app.id
        return json_reply(read_back(self._state, content, form.get("fields")))

    async def photo(self, call: Call, caller: Caller) -> Reply:
        page, sent = self._reading.own(call, caller), forms.read(call)
        data = sent.files.get("source")
        if data is None and not sent.fields.get("url"):
            raise bad_parameter("(#324) Missing or invalid image file")
        if data is not None and (len(data) > PHOTO_AT_MOST or not is_picture(data)):
            raise Refused(errors.graph_error(324, "(#324) Missing or invalid image file"))
        photo_id = self._world.ids.numbered("1224", 15)
        url = sent.fields.get("url") or f"https://scontent.xx.fbcdn.net/v/{photo_id}.jpg?oe=sig"
        media = Media(photo_id, "IMAGE", url, None, 1080, 1080, alt_text=sent.fields.get("alt_text_custom"))
        self._digests[photo_id] = hexadecimal(16, data) if data is not None else url
        if sent.fields.get("published", "true").lower() in ("false", "0"):
            self._reading.photos[photo_id] = media
            return json_reply({"id": photo_id})
        caption = sent.fields.get("caption") or sent.fields.get("message") or ""
        content = self._people.publish(page, "image", caption, [media])
        self.published(caller, page, content.id, "image", caption, None, self._digests[photo_id])
        self._made_by[content.id] = caller.app.id
        return json_reply({"id": photo_id, "post_id": content.id})

    async def photo_story(self, call: Call, caller: Caller) -> Reply:
        page, photo_id = self._reading.own(call, caller), call.fields().get("photo_id", "")
        media = self._reading.photos.pop(photo_id, None)
        if media is None:
            raise bad_parameter("photo_id must name an unpublished photo of the page")
        content = self._people.publish(page, "story", "", [media])
        self.published(caller, page, content.id, "story", "", None, self._digests[photo_id])
        return json_reply({"success": True, "post_id": content.id.partition("_")[2]})

    async def comment(self, call: Call, caller: Caller) -> Reply:
        if caller.page is None:
            raise Refused(errors.graph_error(210, "(#210) A page access token is required."))
        target, text = (
            self._reading.needed(call.params["id"], caller),
            call.fields().get("message", "").strip(),
        )
        if not text:
            raise bad_parameter("The parameter message is required")
        item, _ = self._people.comment(caller.page, target, text)
        self.published(caller, caller.page, item.id, f"comment on {target.id}", text)
        return json_reply({"id": item.id})

    async def edit(self, call: Call, caller: Caller) -> Reply:
        content, form = self._reading.needed(call.params["id"], caller), call.fields()
        page = self._page(caller)
        if content.kind == "comment" and form.get("is_hidden") in ("true", "false"):
            content.hidden = form["is_hidden"] == "true"
            return json_reply({"success": True})
        message = form.get("message", "").strip()
        if not message:
            raise bad_parameter("The parameter message is required")
        if content.kind != "comment" and self._made_by.get(content.id) != caller.app.id:
            raise Refused(errors.graph_error(200, "(#200) This app did not create the post", status=403))
        if content.author_id != page.id:
            raise Refused(errors.graph_error(200, "(#200) Permissions error", status=403))
        self._people.edited(page, content, message)
        return json_reply({"success": True})

    async def delete(self, call: Call, caller: Caller) -> Reply:
        content = self._reading.needed(call.params["id"], caller)
        self._people.removed(self._page(caller), content)
        return json_reply({"success": True})

    def published(
        self,
        caller: Caller,
        page: Profile,
        content_id: str,
        kind: str,
        text: str,
        link: str | None = None,
        *digests: str,
    ) -> None:
        what = hexadecimal(32, kind, text, link, *digests)
        now = iso_z(self._state.clock.now_ms())
        self._state.ledger.publications.append(
            Publication("facebook", page.id, caller.app.id, content_id, what, now)
        )

    def _page(self, caller: Caller) -> Profile:
        if caller.page is None:
            raise Refused(errors.graph_error(210, "(#210) A page access token is required."))
        return caller.page

    def _attached(self, form: dict[str, str]) -> list[Media]:
        """`attached_media[0]={"media_fbid":"1"}`, or one list of them."""
        numbered = sorted((int(m[1]), v) for name, v in form.items() if (m := _ATTACHED.fullmatch(name)))
        try:
            rows = [json.loads(value) for _, value in numbered] or json.loads(
                form.get("attached_media", "[]")
            )
            ids = [str(row["media_fbid"]) for row in rows]
        except (ValueError, TypeError, KeyError):
            raise bad_parameter("attached_media must name photos by media_fbid") from None
        found = [self._reading.photos.get(photo_id) for photo_id in ids]
        if None in found:
            raise bad_parameter("attached_media names a photo that does not exist or is published")
        return [photo for photo in found if photo is not None]

    def _refuse_repetition(self, page: Profile, message: str, link: str | None) -> None:
        """506: what one of the newest posts says already."""
        since = self._state.clock.now_ms() - _SAME_WITHIN_MS
        newest, _ = self._world.timeline("facebook", page.id).older(
            None, _NEWEST, lambda c: not c.deleted and c.kind != "story"
        )
        if any(_same(content, message, link) and content.created_ms >= since for content in newest):
            self._state.ledger.duplicates_refused += 1
            raise Refused(errors.graph_error(506, "(#506) Duplicate status message"))


def _same(content: Content, message: str, link: str | None) -> bool:
    return content.text == message and content.links.get("link") == link and not content.media
