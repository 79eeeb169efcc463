"""Seeded accounts, and the words of their past: believable posts of small shops, with people answering. What
a platform makes of them is in the `history` of its folder."""

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from sandbox.clock import DAY_MS
from sandbox.emulation import Emulation
from sandbox.ids import digits, seeded
from sandbox.phrases import VOICES, Voice
from sandbox.world import Content, Profile, World

DEFAULT_POSTS = 60
HISTORY_DAYS = 90
STORIES = 2
"""Of an account at the epoch, where the platform has stories."""


@dataclass(slots=True)
class Draft:
    text: str
    links: dict[str, str] = field(default_factory=dict)


def make_account(
    world: World, emulation: Emulation, seed: object, posts: int = DEFAULT_POSTS, username: str | None = None
) -> Profile:
    """The account of this seed with `posts` contents behind it; the existing one when it was made before."""
    platform = emulation.name
    basis = (world.seed, platform, "account", seed)
    account_id = emulation.account_id(*basis)
    known = world.accounts.get((platform, account_id))
    if known:
        return known
    rng = seeded(*basis)
    voice = rng.choice(VOICES)
    name = rng.choice(voice.shops)
    handle = "".join(c for c in name.lower() if c.isascii() and c.isalnum()) or "atelier"
    account = Profile(
        platform=platform,
        id=account_id,
        username=username or f"{handle[:10]}{digits(4, *basis, 'handle')}",
        name=name,
        bio=rng.choice(voice.bios),
        lang=voice.lang,
        website=f"https://{handle}.example",
        created_ms=world.epoch_ms - rng.randrange(500, 3500) * DAY_MS,
        followers=rng.randrange(300, 40_000),
        following=rng.randrange(20, 900),
        verified=rng.random() < 0.2,
        account_type=rng.choice(("BUSINESS", "MEDIA_CREATOR")),
    )
    world.add_account(account)
    emulation.history(world, account, voice, rng).write(posts)
    return account


def draft_post(
    rng: random.Random, voice: Voice, account: Profile, friend: Profile, short_links: bool
) -> Draft:
    """One post of a shop. `short_links`: the address appears as t.co, the real one in `links`."""
    template = rng.choice(voice.posts)
    address = f"{account.website}/p/{rng.randrange(100, 999)}?utm_source=social"
    shown = f"https://t.co/{digits(10, address, rng.random())}" if short_links else address
    text = _filled(rng, voice, friend, template).replace("{link}", shown)
    tags = " ".join(f"#{tag}" for tag in rng.sample(voice.tags, rng.randrange(0, 3)))
    links = {shown: address} if "{link}" in template and short_links else {}
    return Draft(f"{text} {tags}".strip(), links)


def draft_comment(rng: random.Random, voice: Voice, friend: Profile) -> str:
    return _filled(rng, voice, friend, rng.choice(voice.comments))


def short_title(text: str) -> str:
    """The first words of a description, as shops repeat them; at most a hundred characters."""
    return text.split(" https://")[0].split(" #")[0][:100].strip()


def voice_of(account: Profile) -> Voice:
    return next((voice for voice in VOICES if voice.lang == account.lang), VOICES[0])


def promotion_code(rng: random.Random) -> str:
    return rng.choice(("KILN", "SPRING", "HELLO", "WINTER", "MARKT")) + str(rng.choice((5, 10, 15, 20)))


def _filled(rng: random.Random, voice: Voice, friend: Profile, template: str) -> str:
    code = promotion_code(rng)
    cents = rng.choice((490, 900, 1250, 1900, 2490, 3400, 5995, 129900))
    replacements = {
        "{product}": rng.choice(voice.products),
        "{price}": voice.price.format(_number(cents, voice)),
        "{code}": code,
        "{percent}": "".join(c for c in code if c.isdigit()),
        "{friend}": friend.username,
    }
    for placeholder, value in replacements.items():
        template = template.replace(placeholder, value)
    return template


def _number(cents: int, voice: Voice) -> str:
    if voice.lang == "ja":
        return f"{cents:,}"
    text = f"{cents // 100:,}" if cents % 100 == 0 and not voice.decimal_comma else f"{cents / 100:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) if voice.decimal_comma else text


class History(ABC):
    """Writes an account's past, newest contents last, all of it before the world's epoch."""

    def __init__(self, world: World, account: Profile, voice: Voice, rng: random.Random) -> None:
        self.world, self.account, self.voice, self.rng = world, account, voice, rng
        self.crowd = world.crowd(account.platform)
        self.made = 0
        self.own_posts: list[Content] = []

    def write(self, posts: int) -> None:
        gap = HISTORY_DAYS * DAY_MS // max(posts, 1)
        for number in range(posts):
            moment = self.world.epoch_ms - (posts - number) * gap + self.rng.randrange(gap * 3 // 4)
            self.post(number, moment)

    @abstractmethod
    def post(self, number: int, moment: int) -> None:
        """Write one post of the platform, with what people said to it."""

    def friend(self) -> Profile:
        return self.rng.choice(self.crowd)

    def publish(self, content: Content) -> Content:
        reach = self.rng.randrange(20, max(60, self.account.followers))
        content.metrics["views"] = reach * 2
        content.metrics["likes"] = reach // self.rng.randrange(8, 30)
        content.metrics["saves"] = reach // 90
        return self.world.add(content)
