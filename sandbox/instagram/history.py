"""An Instagram account's past: pictures, albums, films, comments, and stories of the last hours."""

import random

from sandbox.clock import DAY_MS
from sandbox.generate import STORIES, History, draft_comment, draft_post
from sandbox.ids import digits
from sandbox.world import Content, Media, Profile


class InstagramHistory(History):
    def write(self, posts: int) -> None:
        super().write(posts)
        for number in range(STORIES):
            story = self.blank("story", self.world.epoch_ms - (number + 1) * 3_600_000)
            story.media = [instagram_media(self.rng, story.id, "IMAGE")]
            story.expires_ms = story.created_ms + DAY_MS
            self.publish(story)

    def post(self, number: int, moment: int) -> None:
        rng = self.rng
        kind = rng.choices(("image", "carousel", "reel", "video"), (45, 25, 25, 5))[0]
        draft = draft_post(rng, self.voice, self.account, self.friend(), short_links=False)
        content = self.blank(kind, moment, draft.text)
        content.media = media_for(rng, content.id, kind)
        self.publish(content)
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            moment = min(moment + rng.randrange(60_000, 600_000), self.world.epoch_ms - 1)
            comment = self.comment(
                self.friend(), draft_comment(rng, self.voice, self.friend()), moment, content.id
            )
            if rng.random() < 0.3:
                self.comment(self.account, "🙏 " + self.voice.tags[0], moment, content.id, comment.id)

    def comment(
        self, author: Profile, text: str, moment: int, media_id: str, parent_id: str | None = None
    ) -> Content:
        self.made += 1
        comment_id = digits(17, self.account.id, "comment", self.made, prefix="1790")
        comment = Content("instagram", comment_id, "comment", author.id, text, moment, self.voice.lang)
        comment.root_id, comment.parent_id = media_id, parent_id or media_id
        return self.world.add(comment)

    def blank(self, kind: str, moment: int, text: str = "") -> Content:
        self.made += 1
        new_id = digits(17, self.account.id, "media", self.made, prefix="1801")
        return Content("instagram", new_id, kind, self.account.id, text, moment, self.voice.lang)


def media_for(rng: random.Random, basis: str, kind: str) -> list[Media]:
    """The files of one Instagram post of this kind; an album mixes pictures and films."""
    if kind == "carousel":
        kinds = ["IMAGE"] + [rng.choice(("IMAGE", "IMAGE", "VIDEO")) for _ in range(rng.randrange(1, 5))]
        return [instagram_media(rng, f"{basis}/{n}", child) for n, child in enumerate(kinds)]
    return [instagram_media(rng, basis, "VIDEO" if kind in ("reel", "video") else "IMAGE")]


def instagram_media(rng: random.Random, basis: str, kind: str) -> Media:
    media_id = digits(17, basis, "file", prefix="1803")
    host = "https://scontent.cdninstagram.com/v"
    if kind == "IMAGE":
        return Media(
            media_id, kind, f"{host}/{media_id}.jpg?oe=sig", None, 1080, 1350, alt_text="A shop table"
        )
    video, thumbnail = f"{host}/{media_id}.mp4?oe=sig", f"{host}/{media_id}_t.jpg?oe=sig"
    return Media(media_id, kind, video, thumbnail, 1080, 1920, rng.randrange(5_000, 90_000))
