"""A TikTok account's past."""

import random

from sandbox.generate import History, draft_post
from sandbox.ids import digits
from sandbox.world import Content, Media


class TikTokHistory(History):
    """Films, now and then a photo post; comments are numbers only, because no API shows them."""

    def post(self, number: int, moment: int) -> None:
        rng = self.rng
        kind = "photo" if rng.random() < 0.12 else "video"
        draft = draft_post(rng, self.voice, self.account, self.friend(), short_links=False)
        self.made += 1
        new_id = digits(19, self.account.id, "video", self.made, prefix="74")
        content = Content("tiktok", new_id, kind, self.account.id, draft.text, moment, self.voice.lang)
        content.media = tiktok_media(rng, new_id, kind)
        self.publish(content)
        content.metrics["comments"] = rng.randrange(0, 40)
        content.metrics["shares"] = rng.randrange(0, 25)


def tiktok_media(rng: random.Random, basis: str, kind: str) -> list[Media]:
    host = "https://p16-sign.tiktokcdn.com/obj"
    if kind == "photo":
        return [
            Media(f"{basis}-{n}", "IMAGE", f"{host}/{basis}-{n}.jpeg", None, 1080, 1440)
            for n in range(rng.randrange(1, 6))
        ]
    film, cover = f"https://v16.tiktokcdn.com/{basis}.mp4", f"{host}/{basis}.jpeg"
    return [Media(basis, "VIDEO", film, cover, 1080, 1920, rng.randrange(5, 180) * 1000)]
