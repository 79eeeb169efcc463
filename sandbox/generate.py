"""Seeded accounts and their past: believable posts of small shops, with people answering."""

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from sandbox.clock import DAY_MS
from sandbox.emulation import Emulation
from sandbox.ids import base64_id, digits, secret, seeded, snowflake_of_past
from sandbox.phrases import VOICES, Voice
from sandbox.world import Content, Media, Profile, World

DEFAULT_POSTS = 60
HISTORY_DAYS = 90
_STORIES = 2


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
        roll = rng.random()
        if roll < 0.08 and self.own_posts:
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


class InstagramHistory(History):
    def write(self, posts: int) -> None:
        super().write(posts)
        for number in range(_STORIES):
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


def open_id(*basis: object) -> str:
    """TikTok's id of an account for one app: opaque text, with `-` and `_` in it."""
    return f"-000{secret(20, *basis, 'open')}_{secret(11, *basis, 'id')}"


def tiktok_media(rng: random.Random, basis: str, kind: str) -> list[Media]:
    host = "https://p16-sign.tiktokcdn.com/obj"
    if kind == "photo":
        return [
            Media(f"{basis}-{n}", "IMAGE", f"{host}/{basis}-{n}.jpeg", None, 1080, 1440)
            for n in range(rng.randrange(1, 6))
        ]
    film, cover = f"https://v16.tiktokcdn.com/{basis}.mp4", f"{host}/{basis}.jpeg"
    return [Media(basis, "VIDEO", film, cover, 1080, 1920, rng.randrange(5, 180) * 1000)]


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


def short_title(text: str) -> str:
    """The first words of a description, as shops repeat them; at most a hundred characters."""
    return text.split(" https://")[0].split(" #")[0][:100].strip()


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


class FacebookHistory(History):
    def write(self, posts: int) -> None:
        super().write(posts)
        for number in range(_STORIES):
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


FACEBOOK_KINDS = ("post", "link", "image", "carousel", "video", "reel")


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


PINTEREST_BOARDS = 4


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
