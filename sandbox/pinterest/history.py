"""A Pinterest account's past."""

import random

from sandbox.generate import History, draft_post, short_title
from sandbox.ids import digits
from sandbox.world import Content, Media

PINTEREST_BOARDS = 4


class PinterestHistory(History):
    """Pins on a few boards; comments and saves are numbers only, because no API shows who made them."""

    def post(self, number: int, moment: int) -> None:
        rng = self.rng
        kind = rng.choices(("image", "video", "carousel"), (75, 15, 10))[0]
        draft = draft_post(rng, self.voice, self.account, self.friend(), short_links=False)
        self.made += 1
        new_id = digits(18, self.account.id, "pin", self.made, prefix="8802")
        content = Content("pinterest", new_id, kind, self.account.id, draft.text, moment, self.voice.lang)
        content.title = short_title(draft.text)
        content.media = pinterest_media(rng, new_id, kind)
        content.facts = {
            "board_id": pinterest_board_id(self.account.id, rng.randrange(PINTEREST_BOARDS)),
            "link": f"{self.account.website}/p/{rng.randrange(100, 999)}",
            "alt_text": rng.choice((None, f"{rng.choice(self.voice.products)}, {self.account.name}")),
        }
        self.publish(content)
        content.metrics["comments"] = rng.randrange(0, 12)


def pinterest_board_id(account_id: str, number: int) -> str:
    return digits(18, account_id, "board", number, prefix="8805")


def pinterest_media(rng: random.Random, basis: str, kind: str) -> list[Media]:
    """The files of one Pin; addresses of pictures lack the size, which is a part of their path."""
    count = rng.randrange(2, 6) if kind == "carousel" else 1
    found = []
    for number in range(count):
        name = f"{basis}-{number}.jpg"
        if kind == "video":
            length = rng.randrange(4, 90) * 1000
            found.append(Media(f"{basis}-{number}", "VIDEO", "", name, 1080, 1920, length))
        else:
            found.append(Media(f"{basis}-{number}", "IMAGE", name, None, 1000, 1500))
    return found
