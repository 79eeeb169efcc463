"""A Facebook page's past: posts of every kind, comments, stories, and posts of others that tag it."""

import random

from sandbox.clock import DAY_MS
from sandbox.generate import STORIES, History, draft_comment, draft_post
from sandbox.ids import digits
from sandbox.world import Content, Media, Profile

FACEBOOK_KINDS = ("post", "link", "image", "carousel", "video", "reel")


class FacebookHistory(History):
    def write(self, posts: int) -> None:
        super().write(posts)
        for number in range(STORIES):
            story = self.blank("story", self.world.epoch_ms - (number + 1) * 3_600_000)
            story.media = facebook_media(self.rng, story.id, "image")
            story.expires_ms = story.created_ms + DAY_MS
            self.publish(story)
        for number in range(max(1, posts // 20)):
            self.tagged(self.world.epoch_ms - (number + 1) * 7_200_000 - 1)

    def post(self, number: int, moment: int) -> None:
        rng = self.rng
        kind = rng.choices(FACEBOOK_KINDS, (20, 15, 30, 15, 10, 10))[0]
        friend = self.friend()
        draft = draft_post(rng, self.voice, self.account, friend, short_links=False)
        # A tag on Facebook is the person's name, without a sign.
        content = self.blank(kind, moment, draft.text.replace(f"@{friend.username}", friend.name))
        content.media = facebook_media(rng, content.id, kind)
        if kind == "link":
            content.links = {"link": f"{self.account.website}/p/{rng.randrange(100, 999)}"}
        content.metrics["shares"] = rng.randrange(0, 20)
        self.publish(content)
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            moment = min(moment + rng.randrange(60_000, 600_000), self.world.epoch_ms - 1)
            words = draft_comment(rng, self.voice, self.friend())
            comment = self.comment(self.friend(), words, moment, content.id)
            if rng.random() < 0.3:
                self.comment(self.account, "🙏 " + self.voice.tags[0], moment, content.id, comment.id)

    def tagged(self, moment: int) -> None:
        """A post of somebody else that tags the page."""
        author = self.friend()
        self.made += 1
        post_id = f"{author.id}_{digits(15, self.account.id, 'tagged', self.made, prefix='5550')}"
        text = f"{draft_comment(self.rng, self.voice, author)} {self.account.name}"
        post = Content("facebook", post_id, "post", author.id, text, moment, self.voice.lang)
        self.world.mentions("facebook", self.account.id).add(self.world.add(post))

    def comment(
        self, author: Profile, text: str, moment: int, post_id: str, parent_id: str | None = None
    ) -> Content:
        self.made += 1
        number = digits(15, self.account.id, "comment", self.made, prefix="8800")
        comment_id = f"{post_id.partition('_')[2]}_{number}"
        comment = Content("facebook", comment_id, "comment", author.id, text, moment, self.voice.lang)
        comment.root_id, comment.parent_id = post_id, parent_id or post_id
        return self.world.add(comment)

    def blank(self, kind: str, moment: int, text: str = "") -> Content:
        self.made += 1
        post = digits(15, self.account.id, "post", self.made, prefix="1221")
        new_id = f"{self.account.id}_{post}"
        return Content("facebook", new_id, kind, self.account.id, text, moment, self.voice.lang)


def facebook_media(rng: random.Random, basis: str, kind: str) -> list[Media]:
    """The files of one Facebook post of this kind."""
    count = {"image": 1, "video": 1, "reel": 1, "carousel": rng.randrange(2, 6)}.get(kind, 0)
    host, film = "https://scontent.xx.fbcdn.net/v", kind in ("video", "reel")
    found = []
    for number in range(count):
        media_id = digits(15, basis, "file", number, prefix="1223")
        if film:
            width, height = (1080, 1920) if kind == "reel" else (1920, 1080)
            url, preview = f"{host}/{media_id}.mp4?oe=sig", f"{host}/{media_id}_t.jpg?oe=sig"
            found.append(Media(media_id, "VIDEO", url, preview, width, height, rng.randrange(5_000, 60_000)))
        else:
            found.append(Media(media_id, "IMAGE", f"{host}/{media_id}.jpg?oe=sig", None, 1080, 1080))
    return found
