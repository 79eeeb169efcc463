"""A TikTok account's past."""

import random

from sandbox.generate import History, draft_comment, draft_post
from sandbox.ids import digits
from sandbox.world import Content, Media, Profile


class TikTokHistory(History):
    """Films, now and then a photo post, with comments and replies to them."""

    def post(self, number: int, moment: int) -> None:
        rng = self.rng
        kind = "photo" if rng.random() < 0.12 else "video"
        draft = draft_post(rng, self.voice, self.account, self.friend(), short_links=False)
        self.made += 1
        new_id = digits(19, self.account.id, "video", self.made, prefix="74")
        content = Content("tiktok", new_id, kind, self.account.id, draft.text, moment, self.voice.lang)
        content.media = tiktok_media(rng, new_id, kind)
        self.publish(content)
        content.metrics["shares"] = rng.randrange(0, 25)
        for _ in range(rng.choice((0, 0, 1, 2, 4))):
            moment = min(moment + rng.randrange(60_000, 600_000), self.world.epoch_ms - 1)
            top = self.comment(self.friend(), moment, content.id, content.id)
            for _ in range(rng.choice((0, 0, 0, 1, 5))):
                moment = min(moment + rng.randrange(30_000, 90_000), self.world.epoch_ms - 1)
                self.comment(rng.choice((self.account, self.friend())), moment, content.id, top.id)

    def comment(self, author: Profile, moment: int, video_id: str, parent_id: str) -> Content:
        self.made += 1
        new_id = digits(19, self.account.id, "comment", self.made, prefix="76")
        text = draft_comment(self.rng, self.voice, self.friend())
        item = Content("tiktok", new_id, "comment", author.id, text, moment, self.voice.lang)
        item.root_id, item.parent_id = video_id, parent_id
        return self.world.add(item)


def tiktok_media(rng: random.Random, basis: str, kind: str) -> list[Media]:
    host = "https://p16-sign.tiktokcdn.com/obj"
    if kind == "photo":
        return [
            Media(f"{basis}-{n}", "IMAGE", f"{host}/{basis}-{n}.jpeg", None, 1080, 1440)
            for n in range(rng.randrange(1, 6))
        ]
    film, cover = f"https://v16.tiktokcdn.com/{basis}.mp4", f"{host}/{basis}.jpeg"
    return [Media(basis, "VIDEO", film, cover, 1080, 1920, rng.randrange(5, 180) * 1000)]
