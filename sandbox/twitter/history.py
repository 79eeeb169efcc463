"""An X account's past: posts, replies, quotes and reposts, and what people answered."""

import random

from sandbox.generate import History, draft_comment, draft_post
from sandbox.ids import digits, snowflake_of_past
from sandbox.world import Content, Media


class XHistory(History):
    def post(self, number: int, moment: int) -> None:
        rng, account = self.rng, self.account
        draft = draft_post(rng, self.voice, account, self.friend(), short_links=True)
        if number % 30 == 17:
            draft.text += " " + " ".join(
                draft_post(rng, self.voice, account, self.friend(), True).text.split(" https")[0]
                for _ in range(6)
            )
        content = self.blank("post", account.id, draft.text, moment)
        content.links = draft.links
        roll = rng.random() if self.own_posts else 1.0  # the first is its own: something to act on
        if roll < 0.08:
            parent = rng.choice(self.own_posts[-10:])
            content.kind, content.parent_id, content.root_id = "reply", parent.id, parent.root_id
        elif roll < 0.16:
            quoted = self.by_someone(moment - 3_600_000)
            content.kind, content.quoted_id = "quote", quoted.id
            link = f"https://t.co/{digits(10, 'quote', quoted.id)}"
            content.text = f"{content.text} {link}"
            author = self.world.people["twitter", quoted.author_id]
            content.links = {**content.links, link: f"https://x.com/{author.username}/status/{quoted.id}"}
        elif roll < 0.22:
            original = self.by_someone(moment - 7_200_000)
            author = self.world.people["twitter", original.author_id]
            content.kind, content.reposted_id = "repost", original.id
            content.text, content.links = f"RT @{author.username}: {original.text}", {}
        else:
            content.media = x_media(rng, content.id)
        self.publish(content)
        if content.kind == "post":
            self.own_posts.append(content)
            for _ in range(rng.choice((0, 0, 0, 1, 2))):
                moment = min(moment + rng.randrange(60_000, 900_000), self.world.epoch_ms - 1)
                text = f"@{account.username} {draft_comment(rng, self.voice, self.friend())}"
                reply = self.blank("reply", self.friend().id, text, moment)
                reply.parent_id, reply.root_id = content.id, content.root_id
                self.world.mentions("twitter", account.id).add(self.world.add(reply))

    def by_someone(self, moment: int) -> Content:
        """A post of somebody else that mentions the account."""
        text = f"{draft_comment(self.rng, self.voice, self.friend())} via @{self.account.username}"
        content = self.world.add(self.blank("post", self.friend().id, text, moment))
        self.world.mentions("twitter", self.account.id).add(content)
        return content

    def blank(self, kind: str, author_id: str, text: str, moment: int) -> Content:
        self.made += 1
        new_id = snowflake_of_past(moment, self.account.id, self.made)
        return Content(
            "twitter",
            new_id,
            kind,
            author_id,
            text,
            moment,
            self.voice.lang,
            root_id=new_id,
            edit_ids=[new_id],
        )


def x_media(rng: random.Random, basis: str, wish: str | None = None) -> list[Media]:
    """Attachments of one X post: none, up to four photos, a GIF or a video. `wish` fixes the kind."""
    kind = wish or rng.choices((None, "image", "carousel", "video", "gif"), (40, 35, 10, 12, 3))[0]
    if kind is None:
        return []
    if kind in ("image", "carousel"):
        count = 1 if kind == "image" else rng.randrange(2, 5)
        return [_photo(basis, n) for n in range(count)]
    media_id = digits(19, basis, "video", prefix="18")
    if kind == "gif":
        preview = f"https://pbs.twimg.com/tweet_video_thumb/{media_id}.jpg"
        return [Media(f"16_{media_id}", "animated_gif", preview, preview, 480, 270)]
    preview = f"https://pbs.twimg.com/ext_tw_video_thumb/{media_id}.jpg"
    url = f"https://video.twimg.com/ext_tw_video/{media_id}/vid.mp4"
    return [Media(f"7_{media_id}", "video", url, preview, 1920, 1080, rng.randrange(4_000, 90_000))]


def _photo(basis: str, number: int) -> Media:
    media_id = digits(19, basis, "photo", number, prefix="18")
    url = f"https://pbs.twimg.com/media/{media_id}.jpg"
    return Media(
        f"3_{media_id}", "photo", url, None, 1200, 800, alt_text="On a table" if number == 0 else None
    )
