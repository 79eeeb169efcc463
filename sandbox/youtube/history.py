"""A YouTube channel's past."""

import random

from sandbox.generate import History, draft_comment, draft_post, short_title
from sandbox.ids import base64_id
from sandbox.world import Content, Media, Profile


class YouTubeHistory(History):
    """Films, Shorts and now and then a broadcast that is over, with threads of comments under them."""

    def post(self, number: int, moment: int) -> None:
        rng, account = self.rng, self.account
        kind = rng.choices(("video", "short", "live"), (55, 35, 10))[0]
        self.made += 1
        new_id = base64_id(11, account.id, "video", self.made)
        draft = draft_post(rng, self.voice, account, self.friend(), short_links=False)
        content = Content("youtube", new_id, kind, account.id, draft.text, moment, self.voice.lang)
        content.title = short_title(draft.text)
        content.media = [youtube_media(rng, new_id, kind)]
        content.facts = {"tags": rng.sample(self.voice.tags, 2), "comments_disabled": rng.random() < 0.05}
        if kind == "live":
            content.facts["actualEndTime"] = moment + (content.media[0].duration_ms or 0)
        self.publish(content)
        for _ in range(0 if content.facts["comments_disabled"] else rng.choice((0, 0, 1, 2, 3))):
            moment = min(moment + rng.randrange(60_000, 600_000), self.world.epoch_ms - 1)
            text = draft_comment(rng, self.voice, self.friend())
            top = self.comment(self.friend(), text, moment, content.id)
            for _ in range(rng.choice((0, 0, 0, 1, 2, 7))):
                moment = min(moment + rng.randrange(30_000, 90_000), self.world.epoch_ms - 1)
                text = draft_comment(rng, self.voice, self.friend())
                self.comment(rng.choice((account, self.friend())), text, moment, content.id, top.id)

    def comment(
        self, author: Profile, text: str, moment: int, video_id: str, parent_id: str | None = None
    ) -> Content:
        self.made += 1
        new_id = comment_id(parent_id, self.account.id, self.made)
        item = Content("youtube", new_id, "comment", author.id, text, moment, self.voice.lang)
        item.root_id, item.parent_id = video_id, parent_id or video_id
        return self.world.add(item)


def comment_id(parent_id: str | None, *basis: object) -> str:
    """YouTube names a reply by its thread and itself."""
    if parent_id is None:
        return "Ug" + base64_id(24, *basis, "thread")
    return f"{parent_id}.{base64_id(22, *basis, 'reply')}"


def youtube_media(rng: random.Random, video_id: str, kind: str) -> Media:
    seconds = {"short": rng.randrange(8, 60), "live": rng.randrange(1800, 7200)}.get(kind)
    width, height = (1080, 1920) if kind == "short" else (1920, 1080)
    preview = f"https://i.ytimg.com/vi/{video_id}/maxresdefault.jpg"
    return Media(video_id, "video", "", preview, width, height, (seconds or rng.randrange(61, 1500)) * 1000)
